"""TCP in memory and on the loopback interface: any two programs that write, stop and go on reading, and close come to the same end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etherspan.testing.sim.loop import SimLoop
from etherspan.testing.sim.streams import StreamNetwork

HERE = "127.0.0.1"
WRITE_MAX = 300_000


@dataclass(frozen=True)
class Program:
    """What one end does. It closes once it has all of the other's bytes, or after `half` of its end has been sent."""

    steps: Sequence[int | str]
    half: bool
    buffered: bool

    @property
    def size(self) -> int:
        return sum(step for step in self.steps if isinstance(step, int))


steps = st.lists(
    st.one_of(st.integers(0, 5000), st.integers(0, WRITE_MAX), st.sampled_from(["pause", "resume", "turn"])), max_size=8
)
programs = st.builds(Program, steps, st.booleans(), st.booleans())


@dataclass
class Outcome:
    got: bytearray = field(default_factory=bytearray)
    told: list[str] = field(default_factory=list)


class Side:
    """Runs a program; mixed into a protocol."""

    def __init__(self, program: Program, wanted: int) -> None:
        self.program = program
        self.outcome = Outcome()
        self.over = asyncio.Event()
        self._wanted = wanted
        self._room = bytearray(4096)
        self._done = False
        self.transport: asyncio.Transport

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.outcome.told.append("made")
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        place = 0
        for step in self.program.steps:
            if isinstance(step, int):
                self.transport.write(bytes((place + n) % 251 for n in range(step)))
                place += step
            elif step == "pause":
                self.transport.pause_reading()
            elif step == "resume":
                self.transport.resume_reading()
            else:
                await asyncio.sleep(0)
        if self.program.half:
            self.transport.write_eof()
        self.transport.resume_reading()
        self._done = True
        self._close_if_done()

    def _close_if_done(self) -> None:
        if self._done and len(self.outcome.got) == self._wanted:
            self.transport.close()

    def _take(self, data: bytes) -> None:
        assert data
        assert "eof" not in self.outcome.told
        self.outcome.got += data
        self._close_if_done()

    def eof_received(self) -> bool:
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.outcome.told.append("lost" if exc is None else type(exc).__name__)
        self.over.set()

    def pause_writing(self) -> None:
        self.outcome.told.append("pause")

    def resume_writing(self) -> None:
        assert self.outcome.told.pop() == "pause", "they alternate, and nothing comes between"


class Plain(Side, asyncio.Protocol):
    def data_received(self, data: bytes) -> None:
        self._take(data)


class Buffered(Side, asyncio.BufferedProtocol):
    def get_buffer(self, sizehint: int) -> bytearray:
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        self._take(bytes(self._room[:nbytes]))


async def play(client: Program, server: Program) -> tuple[Outcome, Outcome]:
    loop = asyncio.get_running_loop()

    def make(program: Program, other: Program) -> Any:
        return (Buffered if program.buffered else Plain)(program, other.size)

    there = make(server, client)
    listener = await loop.create_server(lambda: there, HERE, 0)
    port = listener.sockets[0].getsockname()[1]
    _, here = await loop.create_connection(lambda: make(client, server), HERE, port)
    for side in (here, there):
        await side.over.wait()
        await side._task
    listener.close()
    return here.outcome, there.outcome


def on_a_real_loop(work: Callable[[], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        return await asyncio.wait_for(work(), 30)

    return asyncio.run(main())


@given(client=programs, server=programs, seed=st.integers(0, 1 << 16))
@settings(max_examples=60, deadline=None)
def test_two_programs_come_to_the_same_end_in_memory_and_on_a_real_interface(
    client: Program, server: Program, seed: int
) -> None:
    loop = SimLoop()
    loop.streams = StreamNetwork(loop, seed=seed)
    virtual = loop.run_until(play(client, server), limit=300)
    assert virtual == on_a_real_loop(lambda: play(client, server))
    for outcome, other in zip(virtual, (server, client), strict=True):
        assert outcome.told == ["made", "lost"]
        assert len(outcome.got) == other.size
    loop.advance(1)  # the last segments
    assert loop.pending == 0, "something goes on after the end"
    loop.close()


@pytest.mark.parametrize("seed", range(3))
def test_the_same_seed_is_the_same_run(seed: int) -> None:
    def sizes() -> list[tuple[float, int]]:
        loop = SimLoop()
        loop.streams = StreamNetwork(loop, seed=seed)
        seen: list[tuple[float, int]] = []

        class Watched(Plain):
            def data_received(self, data: bytes) -> None:
                seen.append((loop.now(), len(data)))
                super().data_received(data)

        async def work() -> None:
            there = Watched(Program([], half=False, buffered=False), 200_000)
            listener = await loop.create_server(lambda: there, HERE, 0)
            port = listener.sockets[0].getsockname()[1]
            await loop.create_connection(
                lambda: Plain(Program([100_000, "turn", 100_000], half=True, buffered=False), 0), HERE, port
            )
            await there.over.wait()

        loop.run_until(work())
        return seen

    assert sizes() == sizes()
