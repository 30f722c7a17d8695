"""The synchronous and the asyncio client against a scripted node."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from kernel_sim.dev import framing, sockets
from kernel_sim.dev.async_client import AsyncDevice
from kernel_sim.dev.client import Device, LocalSystem, Transport
from kernel_sim.dev.framing import Reply, Request
from kernel_sim.sys.errno import Errno, KernelError

ECHO, FAIL, DIE, PARK, RELEASE, GARBAGE, WRONG_TAG = range(7)
PATH = "dev/dld"


class Script:
    """The node's side of a connection: a message in, messages out; None ends the connection."""

    def __init__(self, open_errno: Errno | None = None) -> None:
        self.open_errno = open_errno
        self.flags: int | None = None
        self.parked: list[Request] = []

    def answer(self, message: bytes) -> list[bytes] | None:
        if self.flags is None:
            self.flags = framing.unpack_open(message)
            return [framing.pack_reply(Reply(self.open_errno))]
        request = framing.unpack_request(message)
        parked = list(reversed(self.parked))
        table: dict[int, Callable[[], list[bytes] | None]] = {
            ECHO: lambda: [framing.pack_reply(Reply(None, request.tag, request.argument))],
            FAIL: lambda: [framing.pack_reply(Reply(Errno.EBUSY, request.tag, b"why"))],
            DIE: lambda: None,
            PARK: lambda: self.parked.append(request) or [],  # type: ignore[func-returns-value]
            RELEASE: lambda: [framing.pack_reply(Reply(None, one.tag, one.argument)) for one in (*parked, request)],
            GARBAGE: lambda: [b"garbage"],
            WRONG_TAG: lambda: [framing.pack_reply(Reply(None, request.tag + 1))],
        }
        return table[request.command]()


@contextmanager
def node(root: Path, script: Script) -> Iterator[None]:
    """Serve one connection at PATH."""
    (root / "dev").mkdir(exist_ok=True)
    listener = sockets.bind_seqpacket(root, PATH, 0o666)

    def serve() -> None:
        with suppress(OSError), sockets.accept_seqpacket(listener) as server:
            while (message := sockets.receive(server)) and (answers := script.answer(message)) is not None:
                for one in answers:
                    server.sendall(one)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        with suppress(KernelError):
            sockets.connect_seqpacket(root, PATH).close()  # wakes an accept that nobody used
        thread.join(10)
        listener.close()
        assert not thread.is_alive()


def test_an_ioctl_returns_the_argument_that_came_back(tmp_path: Path) -> None:
    script = Script()
    with node(tmp_path, script), Device.open(LocalSystem(tmp_path), PATH, framing.FREAD | framing.FEXCL) as device:
        assert device.ioctl(ECHO, b"argument") == b"argument"
        assert device.ioctl(ECHO) == b""
    assert script.flags == 5


def test_a_failing_ioctl_raises_its_errno_with_the_argument_and_the_node_stays_usable(tmp_path: Path) -> None:
    with node(tmp_path, Script()), Device.open(LocalSystem(tmp_path), PATH) as device:
        with pytest.raises(KernelError) as refused:
            device.ioctl(FAIL, b"argument")
        assert (refused.value.errno, refused.value.argument) == (Errno.EBUSY, b"why")
        assert device.ioctl(ECHO, b"still here") == b"still here"


def test_a_refused_open_raises_the_node_s_errno(tmp_path: Path) -> None:
    with node(tmp_path, Script(Errno.EPERM)), pytest.raises(KernelError, match="Not owner"):
        Device.open(LocalSystem(tmp_path), PATH)


def test_a_kernel_that_dies_during_a_call_is_a_connection_reset(tmp_path: Path) -> None:
    with node(tmp_path, Script()), Device.open(LocalSystem(tmp_path), PATH) as device:
        for _ in range(2):
            with pytest.raises(KernelError, match="dev/dld closed the connection") as refused:
                device.ioctl(DIE)
            assert refused.value.errno is Errno.ECONNRESET


@pytest.mark.parametrize("command", [GARBAGE, WRONG_TAG])
def test_a_reply_that_makes_no_sense_is_a_protocol_error(tmp_path: Path, command: int) -> None:
    with node(tmp_path, Script()), Device.open(LocalSystem(tmp_path), PATH) as device:
        with pytest.raises(KernelError) as refused:
            device.ioctl(command)
        assert refused.value.errno is Errno.EPROTO


def test_an_argument_over_the_largest_message_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    with node(tmp_path, Script()), Device.open(LocalSystem(tmp_path), PATH) as device:
        with pytest.raises(KernelError) as refused:
            device.ioctl(ECHO, bytes(sockets.MESSAGE_MAX))
        assert refused.value.errno is Errno.EMSGSIZE
        largest = bytes(sockets.MESSAGE_MAX - framing.HEADER_LEN)
        assert device.ioctl(ECHO, largest) == largest


def test_any_system_with_a_transport_will_do() -> None:
    script = Script()

    class Memory:
        def call(self, message: bytes) -> bytes:
            return (script.answer(message) or [b""])[0]

        def close(self) -> None:
            pass

    class World:
        def connect(self, path: str) -> Transport:
            assert path == PATH
            return Memory()

        def wait(self, seconds: float) -> None:
            pass

    with Device.open(World(), PATH) as device:
        assert device.ioctl(ECHO, b"x") == b"x"


def test_replies_find_their_calls_in_whatever_order_they_come(tmp_path: Path) -> None:
    async def run() -> list[bytes]:
        device = await AsyncDevice.open(tmp_path, PATH)
        calls = [asyncio.create_task(device.ioctl(PARK, bytes([i]))) for i in range(20)]
        await asyncio.sleep(0)
        calls.append(asyncio.create_task(device.ioctl(RELEASE, b"last")))
        try:
            return await asyncio.gather(*calls)
        finally:
            device.close()

    with node(tmp_path, Script()):
        assert asyncio.run(run()) == [*(bytes([i]) for i in range(20)), b"last"]


def test_many_large_calls_at_once_wait_for_room_and_all_arrive(tmp_path: Path) -> None:
    async def run() -> None:
        device = await AsyncDevice.open(tmp_path, PATH)
        large = [bytes([i]) * 200_000 for i in range(16)]
        assert await asyncio.gather(*(device.ioctl(ECHO, one) for one in large)) == large
        device.close()

    with node(tmp_path, Script()):
        asyncio.run(run())


def test_an_asynchronous_call_that_fails_raises_its_errno(tmp_path: Path) -> None:
    async def run() -> None:
        device = await AsyncDevice.open(tmp_path, PATH)
        with pytest.raises(KernelError) as refused:
            await device.ioctl(FAIL)
        assert (refused.value.errno, refused.value.argument) == (Errno.EBUSY, b"why")
        with pytest.raises(KernelError) as refused:
            await device.ioctl(ECHO, bytes(sockets.MESSAGE_MAX))
        assert refused.value.errno is Errno.EMSGSIZE
        assert await device.ioctl(ECHO, b"x") == b"x"
        device.close()

    with node(tmp_path, Script()):
        asyncio.run(run())


def test_a_cancelled_call_s_reply_is_dropped(tmp_path: Path) -> None:
    async def run() -> None:
        device = await AsyncDevice.open(tmp_path, PATH)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(device.ioctl(PARK, b"late"), 0.05)
        assert await device.ioctl(RELEASE, b"now") == b"now"
        assert await device.ioctl(ECHO, b"next") == b"next"
        device.close()

    with node(tmp_path, Script()):
        asyncio.run(run())


def test_when_the_kernel_goes_away_every_call_ends_and_new_ones_fail(tmp_path: Path) -> None:
    async def run() -> None:
        device = await AsyncDevice.open(tmp_path, PATH)
        calls = [asyncio.create_task(device.ioctl(PARK)) for _ in range(3)]
        await asyncio.sleep(0)
        results = await asyncio.gather(*calls, device.ioctl(DIE), return_exceptions=True)
        assert [getattr(one, "errno", None) for one in results] == [Errno.ECONNRESET] * 4
        with pytest.raises(KernelError) as refused:
            await device.ioctl(ECHO)
        assert refused.value.errno is Errno.ECONNRESET
        device.close()

    with node(tmp_path, Script()):
        asyncio.run(run())


def test_closing_ends_the_calls_outstanding(tmp_path: Path) -> None:
    async def run() -> None:
        device = await AsyncDevice.open(tmp_path, PATH)
        call = asyncio.create_task(device.ioctl(PARK))
        await asyncio.sleep(0)
        device.close()
        device.close()
        with pytest.raises(KernelError) as refused:
            await call
        assert refused.value.errno is Errno.EBADF

    with node(tmp_path, Script()):
        asyncio.run(run())


def test_a_reply_that_makes_no_sense_ends_an_asynchronous_device(tmp_path: Path) -> None:
    async def run() -> None:
        device = await AsyncDevice.open(tmp_path, PATH)
        for _ in range(2):
            with pytest.raises(KernelError) as refused:
                await device.ioctl(GARBAGE)
            assert refused.value.errno is Errno.EPROTO

    with node(tmp_path, Script()):
        asyncio.run(run())


@pytest.mark.parametrize("errno", [Errno.EPERM, Errno.EEXIST])
def test_a_refused_asynchronous_open_leaves_nothing_behind(tmp_path: Path, errno: Errno) -> None:
    async def run() -> None:
        with pytest.raises(KernelError) as refused:
            await AsyncDevice.open(tmp_path, PATH)
        assert refused.value.errno is errno

    with node(tmp_path, Script(errno)):
        asyncio.run(run())


def test_a_node_that_is_not_there_is_enoent_for_both_clients(tmp_path: Path) -> None:
    for attempt in (
        lambda: Device.open(LocalSystem(tmp_path), PATH),
        lambda: asyncio.run(AsyncDevice.open(tmp_path, PATH)),
    ):
        with pytest.raises(KernelError) as refused:
            attempt()
        assert refused.value.errno is Errno.ENOENT


def test_the_client_module_does_not_load_asyncio_until_it_is_asked() -> None:
    script = (
        "import sys, kernel_sim.dev.client as c; before = 'asyncio' in sys.modules; c.AsyncDevice;"
        "print(before, 'asyncio' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "False True\n"
