"""TCP in memory does what TCP on the loopback interface does: the same asyncio code runs over both."""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from etherspan.testing.sim.loop import SimLoop
from etherspan.testing.sim.streams import StreamNetwork

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


class Buffered(asyncio.BufferedProtocol):
    """What was sent, through a buffer of a few bytes."""

    def __init__(self) -> None:
        self.got = bytearray()
        self.ended = asyncio.Event()
        self._room = bytearray(7)

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        assert 0 < nbytes <= len(self._room)
        self.got += self._room[:nbytes]

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()


@both
def test_a_protocol_may_bring_its_own_buffer(run: Run) -> None:
    async def work() -> None:
        server = Buffered()
        loop = asyncio.get_running_loop()
        listener = await loop.create_server(lambda: server, HERE, 0)
        _, client = await loop.create_connection(End, HERE, listener.sockets[0].getsockname()[1])
        client.transport.write(bytes(range(256)) * 4)
        client.transport.close()
        await server.ended.wait()
        assert server.got == bytes(range(256)) * 4
        listener.close()

    run(work)


@both
def test_who_does_not_read_is_not_told_of_the_end(run: Run) -> None:
    async def work() -> None:
        client, server, listener = await pair()
        server.transport.pause_reading()
        client.transport.write(b"last")
        client.transport.close()
        await client.until(lambda end: "lost" in end.told)
        await asyncio.sleep(0.05)
        assert (server.told, bytes(server.got)) == (["made"], b"")
        server.transport.resume_reading()
        await server.until(lambda end: "lost" in end.told)
        assert (server.told, bytes(server.got)) == (["made", "eof", "lost"], b"last")
        listener.close()

    run(work)


@both
def test_closing_with_bytes_unread_is_a_reset_for_the_other_end(run: Run) -> None:
    async def work() -> None:
        client, server, listener = await pair()
        server.transport.pause_reading()
        client.transport.write(b"unread")
        await asyncio.sleep(0.05)
        server.transport.close()
        await client.until(lambda end: len(end.told) > 1)
        assert client.told == ["made", "ConnectionResetError"]
        await server.until(lambda end: "lost" in end.told)
        assert server.got == b""
        listener.close()

    run(work)


@both
def test_nothing_is_received_after_closing_and_who_writes_then_is_reset(run: Run) -> None:
    async def work() -> None:
        client, server, listener = await pair(stays=True)
        client.transport.close()
        await server.until(lambda end: "eof" in end.told)
        assert "lost" not in server.told
        while "BrokenPipeError" not in server.told and "ConnectionResetError" not in server.told:
            server.transport.write(b"too late")
            await asyncio.sleep(0.005)
        assert client.got == b""
        assert client.told == ["made", "lost"]
        assert server.transport.is_closing()
        listener.close()

    run(work)


@both
def test_what_is_done_to_an_end_that_is_closing(run: Run) -> None:
    async def work() -> None:
        client, server, listener = await pair(stays=True)
        client.transport.write_eof()
        client.transport.write_eof()
        assert client.transport.can_write_eof()
        with pytest.raises(RuntimeError, match="after write_eof"):
            client.transport.write(b"x")
        with pytest.raises(TypeError):
            server.transport.write("text")  # type: ignore[arg-type]
        assert client.transport.is_reading()
        assert not client.transport.is_closing()
        for end in (client, server):
            end.transport.close()
            end.transport.close()
            end.transport.pause_reading()
            assert end.transport.is_closing()
            assert not end.transport.is_reading()
            await end.until(lambda end: "lost" in end.told)
            end.transport.abort()
        assert [end.told.count("lost") for end in (client, server)] == [1, 1]
        listener.close()

    run(work)


@both
def test_the_limits_of_a_write_buffer(run: Run) -> None:
    async def work() -> None:
        client, server, listener = await pair()
        transport = client.transport
        assert transport.get_write_buffer_limits() == (16 << 10, 64 << 10)  # type: ignore[attr-defined]
        transport.set_write_buffer_limits(low=100)
        assert transport.get_write_buffer_limits() == (100, 400)  # type: ignore[attr-defined]
        with pytest.raises(ValueError, match="must be >= low"):
            transport.set_write_buffer_limits(high=1, low=2)
        server.transport.pause_reading()
        transport.set_write_buffer_limits(high=1 << 30)
        transport.write(bytes(32 << 20))
        waiting = transport.get_write_buffer_size()
        assert waiting > 16 << 20
        assert "pause" not in client.told
        transport.set_write_buffer_limits(high=waiting // 2)
        assert client.told == ["made", "pause"]
        await finish(listener, client, server)
        assert "resume" not in client.told

    run(work)


@both
def test_each_end_knows_its_name_and_the_other_s(run: Run) -> None:
    async def work() -> None:
        client, server, listener = await pair()
        assert client.transport.get_extra_info("peername") == server.transport.get_extra_info("sockname")
        assert client.transport.get_extra_info("sockname") == server.transport.get_extra_info("peername")
        assert client.transport.get_extra_info("peername") == listener.sockets[0].getsockname()
        await finish(listener, client, server)
        assert listener.sockets == ()
        assert not listener.is_serving()

    run(work)


@both
def test_one_address_has_one_listener_at_a_time(run: Run) -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        async with await loop.create_server(End, HERE, 0) as listener:
            port = listener.sockets[0].getsockname()[1]
            with pytest.raises(OSError, match="in use") as taken:
                await loop.create_server(End, HERE, port)
            assert taken.value.errno == errno.EADDRINUSE
        (await loop.create_server(End, HERE, port)).close()

    run(work)


@both
def test_an_attempt_that_is_cancelled_leaves_no_connection(run: Run) -> None:
    async def work() -> None:
        made: list[End] = []

        def accept() -> End:
            made.append(End())
            return made[-1]

        loop = asyncio.get_running_loop()
        listener = await loop.create_server(accept, HERE, 0)
        port = listener.sockets[0].getsockname()[1]
        for turns in range(8):
            attempt = loop.create_task(loop.create_connection(End, HERE, port))
            for _ in range(turns):
                await asyncio.sleep(0)
            attempt.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                _, client = await attempt
                client.transport.close()
        _, client = await loop.create_connection(End, HERE, port)
        while not made or "made" not in made[-1].told:  # noqa: ASYNC110 - the listener tells nobody
            await asyncio.sleep(0.001)
        for end in made[:-1]:
            await end.until(lambda end: any(word in end.told for word in ("lost", "ConnectionResetError")))
        await finish(listener, client, made[-1])

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
