"""TCP in memory does what TCP on the loopback interface does: the same asyncio code runs over both."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from etherspan.testing.sim.loop import SimLoop
from etherspan.testing.sim.process import SimProcess
from etherspan.testing.sim.streams import CONNECT_PATIENCE, PLACE, StreamNetwork

T = TypeVar("T")
HERE = "127.0.0.1"


def on_a_real_loop(work: Callable[[], Awaitable[T]]) -> T:
    async def main() -> T:
        return await asyncio.wait_for(work(), 30)

    return asyncio.run(main())


def on_a_virtual_loop(work: Callable[[], Awaitable[T]], seed: int = 0) -> T:
    loop = SimLoop()
    loop.streams = StreamNetwork(loop, seed=seed)
    try:
        return loop.run_until(work(), limit=300)
    finally:
        loop.close()


both = pytest.mark.parametrize("run", [on_a_real_loop, on_a_virtual_loop])
Run = Callable[[Callable[[], Awaitable[Any]]], Any]


class End(asyncio.Protocol):
    """One end: what it was told, and what it was sent."""

    def __init__(self, *, stays: bool = False) -> None:
        self.told: list[str] = []
        self.got = bytearray()
        self.transport: asyncio.Transport
        self.changed = asyncio.Event()
        self._stays = stays

    def _note(self, what: str) -> None:
        self.told.append(what)
        self.changed.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._note("made")

    def data_received(self, data: bytes) -> None:
        assert data
        self.got += data
        self.changed.set()

    def eof_received(self) -> bool:
        self._note("eof")
        return self._stays

    def connection_lost(self, exc: Exception | None) -> None:
        self._note("lost" if exc is None else type(exc).__name__)

    def pause_writing(self) -> None:
        self._note("pause")

    def resume_writing(self) -> None:
        self._note("resume")

    async def until(self, condition: Callable[[End], bool]) -> None:
        while not condition(self):
            self.changed.clear()
            await self.changed.wait()


async def pair(**server: Any) -> tuple[End, End, Any]:
    """A client and its server, connected; the listener as well."""
    loop = asyncio.get_running_loop()
    made: list[End] = []

    def accept() -> End:
        made.append(End(**server))
        return made[-1]

    listener = await loop.create_server(accept, HERE, 0)
    port = listener.sockets[0].getsockname()[1]
    _, client = await loop.create_connection(End, HERE, port)
    await client.until(lambda end: "made" in end.told)
    while not made or "made" not in made[0].told:  # noqa: ASYNC110 - the listener tells nobody
        await asyncio.sleep(0.001)
    return client, made[0], listener


async def finish(listener: Any, *ends: End) -> None:
    listener.close()
    for end in ends:
        end.transport.abort()
    for end in ends:
        await end.until(lambda end: any(word in end.told for word in ("lost", "ConnectionResetError")))
    await listener.wait_closed()


@both
def test_bytes_arrive_in_order_in_both_directions(run: Run) -> None:
    async def work() -> None:
        client, server, listener = await pair()
        for n in range(200):
            client.transport.write(bytes([n]) * n)
            server.transport.write(bytes([n]) * (n // 2))
        wanted = b"".join(bytes([n]) * n for n in range(200)), b"".join(bytes([n]) * (n // 2) for n in range(200))
        await server.until(lambda end: len(end.got) == len(wanted[0]))
        await client.until(lambda end: len(end.got) == len(wanted[1]))
        assert (bytes(server.got), bytes(client.got)) == wanted
        await finish(listener, client, server)

    run(work)


@both
def test_who_does_not_read_holds_the_writer_up(run: Run) -> None:
    async def work() -> None:
        client, server, listener = await pair()
        server.transport.pause_reading()
        client.transport.set_write_buffer_limits(high=64 << 10)
        for _ in range(400):
            client.transport.write(bytes(64 << 10))
        await client.until(lambda end: "pause" in end.told)
        assert "resume" not in client.told
        server.transport.resume_reading()
        await client.until(lambda end: "resume" in end.told)
        await server.until(lambda end: len(end.got) == 400 * (64 << 10))
        await finish(listener, client, server)

    run(work)


@both
def test_closing_sends_what_was_written_and_then_the_end(run: Run) -> None:
    async def work() -> None:
        client, server, listener = await pair()
        client.transport.write(bytes(100_000))
        client.transport.close()
        await server.until(lambda end: "lost" in end.told)
        await client.until(lambda end: "lost" in end.told)
        assert len(server.got) == 100_000
        assert server.told == ["made", "eof", "lost"]
        listener.close()

    run(work)


@both
def test_half_a_connection_may_go_on(run: Run) -> None:
    async def work() -> None:
        client, server, listener = await pair(stays=True)
        client.transport.write(b"question")
        client.transport.write_eof()
        await server.until(lambda end: "eof" in end.told)
        server.transport.write(b"answer")
        server.transport.close()
        await client.until(lambda end: "lost" in end.told)
        assert (bytes(server.got), bytes(client.got)) == (b"question", b"answer")
        listener.close()

    run(work)


@both
def test_breaking_off_is_a_reset_for_the_other_end(run: Run) -> None:
    async def work() -> None:
        client, server, listener = await pair()
        server.transport.pause_reading()
        client.transport.write(b"unread")  # the loopback interface resets when something is left unread
        await asyncio.sleep(0.05)
        server.transport.abort()
        await client.until(lambda end: len(end.told) > 1)
        assert client.told[-1] == "ConnectionResetError"
        await server.until(lambda end: "lost" in end.told)
        listener.close()

    run(work)


@both
def test_nobody_listening_is_a_refusal(run: Run) -> None:
    async def work() -> None:
        client, server, listener = await pair()
        port = client.transport.get_extra_info("peername")[1]
        await finish(listener, client, server)
        with pytest.raises(ConnectionRefusedError):
            await asyncio.get_running_loop().create_connection(End, HERE, port)

    run(work)


@both
def test_streams_work_over_it(run: Run) -> None:
    """asyncio's own reader and writer."""

    async def work() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write((await reader.readline()).upper())
            await writer.drain()
            writer.close()

        loop = asyncio.get_running_loop()
        listener = await loop.create_server(
            lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader(), serve), HERE, 0
        )
        reader, writer = await asyncio.open_connection(HERE, listener.sockets[0].getsockname()[1])
        writer.write(b"hello\n")
        assert await reader.read() == b"HELLO\n"
        writer.close()
        await writer.wait_closed()
        listener.close()

    run(work)


def test_pieces_are_settled_by_the_seed() -> None:
    def pieces(seed: int) -> list[int]:
        sizes: list[int] = []

        class Sizes(End):
            def data_received(self, data: bytes) -> None:
                sizes.append(len(data))
                super().data_received(data)

        async def work() -> None:
            loop = asyncio.get_running_loop()
            server = Sizes()
            listener = await loop.create_server(lambda: server, HERE, 0)
            _, client = await loop.create_connection(End, HERE, listener.sockets[0].getsockname()[1])
            client.transport.write(bytes(50_000))
            await server.until(lambda end: len(end.got) == 50_000)

        on_a_virtual_loop(work, seed)
        return sizes

    found = [pieces(seed) for seed in range(6)]
    assert found == [pieces(seed) for seed in range(6)]
    assert len({tuple(sizes) for sizes in found}) > 2
    assert max(len(sizes) for sizes in found) > 3


def test_a_way_that_is_cut_holds_everything_until_it_is_mended() -> None:
    loop = SimLoop()
    parted: set[str] = set()
    network = loop.streams = StreamNetwork(loop, reaches=lambda one, other: not parted, owner=lambda ip: "there")

    async def work() -> tuple[End, End, Any]:
        return await pair()

    client, server, _ = loop.run_until(work())
    parted.add("cut")
    client.transport.place = "here"  # type: ignore[attr-defined]
    client.transport.write(b"late")
    loop.advance(60)
    assert server.got == b""
    connecting = loop.create_task(loop.create_connection(End, HERE, client.transport.get_extra_info("peername")[1]))
    loop.advance(60)
    assert not connecting.done()
    parted.clear()
    network.heal()
    loop.advance(1)
    assert server.got == b"late"
    assert connecting.done()
    assert connecting.exception() is None


def test_an_attempt_over_a_way_that_stays_cut_is_given_up() -> None:
    loop = SimLoop()
    loop.streams = StreamNetwork(loop, reaches=lambda one, other: False, owner=lambda ip: "there")
    connecting = loop.create_task(loop.create_connection(End, "10.0.0.5", 1))
    loop.advance(CONNECT_PATIENCE - 1)
    assert not connecting.done()
    loop.advance(2)
    assert isinstance(connecting.exception(), TimeoutError)


def test_a_process_that_is_killed_resets_its_connections() -> None:
    loop = SimLoop()
    loop.streams = StreamNetwork(loop)
    process = SimProcess(loop, "server", 1, "there")
    made: list[End] = []

    def accept() -> End:
        made.append(End())
        return made[-1]

    listener = loop.run_until(process.spawn(loop.create_server(accept, HERE, 0)))
    _, client = loop.run_until(loop.create_connection(End, HERE, listener.sockets[0].getsockname()[1]))
    loop.advance(0.1)
    process.kill()
    loop.advance(0.1)
    assert client.told == ["made", "ConnectionResetError"]
    assert made[0].told == ["made"], "a dead process is told nothing"
    assert PLACE.get() == ""


def test_names_are_those_of_the_world() -> None:
    loop = SimLoop()
    with pytest.raises(RuntimeError, match="no network"):
        loop.run_until(loop.getaddrinfo("x", 1))
    network = loop.streams = StreamNetwork(loop)
    network.names["x"] = ["10.0.0.1", "fd00::1"]
    assert [row[4] for row in loop.run_until(loop.getaddrinfo("x", 7))] == [("10.0.0.1", 7), ("fd00::1", 7)]
    with pytest.raises(socket.gaierror) as unknown:
        loop.run_until(loop.getaddrinfo("y", 7))
    assert unknown.value.errno == socket.EAI_NONAME
    network.failing["x"] = socket.EAI_AGAIN
    with pytest.raises(socket.gaierror) as failing:
        loop.run_until(loop.getaddrinfo("x", 7))
    assert failing.value.errno == socket.EAI_AGAIN
