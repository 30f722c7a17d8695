"""The door's socket: clients at once, hostile ones, and an orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from kernel_sim.dev import sockets
from kernel_sim.dev.sockets import Cred
from libvarpd.door_codec import REQUEST_SIZE
from libvarpd.door_server import DoorServer

NAME = "varpd.door"
REQUEST = b"r" * REQUEST_SIZE


class FakeDoor:
    """Echoes, waits for `gate` first when a request begins with `w`, and keeps what it was asked and by whom."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.waiting = asyncio.Event()
        self.asked: list[tuple[bytes, Cred | None]] = []
        self.panics: list[Exception] = []

    async def call(self, request: bytes, caller: Cred | None) -> bytes:
        self.asked.append((request, caller))
        if request.startswith(b"w"):
            self.waiting.set()
            await self.gate.wait()
        if request.startswith(b"x"):
            raise ZeroDivisionError
        return request

    def panic(self, error: Exception) -> None:
        self.panics.append(error)


class Served:
    """A served door, and clients of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.door = FakeDoor()
        self.listener = sockets.bind_seqpacket(folder, NAME, 0o600)
        self.server = DoorServer(self.door, self.listener)  # type: ignore[arg-type]

    def connect(self) -> socket.socket:
        client = sockets.connect_seqpacket(self.folder, NAME)
        client.settimeout(0)
        return client

    async def ask(self, client: socket.socket, request: bytes = REQUEST) -> bytes:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(client, request)
        return await self.answer(client)

    @staticmethod
    async def answer(client: socket.socket) -> bytes:
        return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 1 << 18), 5)


Scene = Callable[[Served], Coroutine[Any, Any, None]]


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Scene], Served]:
    """Run a scene against a served door and close it."""

    @contextlib.asynccontextmanager
    async def served() -> AsyncIterator[Served]:
        made = Served(tmp_path)
        yield made
        await made.server.close()

    async def run(scene: Scene) -> Served:
        async with served() as made:
            await asyncio.wait_for(scene(made), 20)
        return made

    return lambda scene: asyncio.run(run(scene))


def test_requests_of_one_client_are_answered_one_after_the_other_with_its_credentials(
    play: Callable[[Scene], Served],
) -> None:
    async def scene(served: Served) -> None:
        with served.connect() as client:
            for letter in (b"1", b"2", b"3"):
                assert await served.ask(client, letter * REQUEST_SIZE) == letter * REQUEST_SIZE

    asked = play(scene).door.asked
    assert [request[:1] for request, _ in asked] == [b"1", b"2", b"3"]
    assert {caller for _, caller in asked} == {Cred(os.getpid(), os.geteuid(), os.getegid())}


def test_a_request_that_takes_long_keeps_no_other_client_waiting(play: Callable[[Scene], Served]) -> None:
    async def scene(served: Served) -> None:
        with served.connect() as slow, served.connect() as quick:
            slow.send(b"w" * REQUEST_SIZE)
            slow.send(b"2" * REQUEST_SIZE)
            assert await served.ask(quick) == REQUEST
            assert [request[:1] for request, _ in served.door.asked].count(b"2") == 0
            served.door.gate.set()
            assert await served.answer(slow) == b"w" * REQUEST_SIZE
            assert await served.answer(slow) == b"2" * REQUEST_SIZE

    play(scene)


def test_a_client_that_goes_away_before_its_answer_harms_nobody(play: Callable[[Scene], Served]) -> None:
    async def scene(served: Served) -> None:
        with served.connect() as rude:
            rude.send(b"w" * REQUEST_SIZE)
            await served.door.waiting.wait()
        served.door.gate.set()
        with served.connect() as client:
            assert await served.ask(client) == REQUEST

    assert play(scene).server.connections == set()


@pytest.mark.parametrize("size", [1, 3632, 200_000])
def test_messages_of_any_size_reach_the_door_whole(play: Callable[[Scene], Served], size: int) -> None:
    async def scene(served: Served) -> None:
        with served.connect() as client:
            assert len(await served.ask(client, bytes(size))) == size

    play(scene)


def test_an_error_nobody_expected_ends_the_daemon_and_the_connection_stays_usable(
    play: Callable[[Scene], Served],
) -> None:
    async def scene(served: Served) -> None:
        with served.connect() as client:
            client.send(b"x" * REQUEST_SIZE)
            assert await served.ask(client) == REQUEST

    assert [type(error) for error in play(scene).door.panics] == [ZeroDivisionError]


def test_closing_answers_what_is_under_way_and_ends_every_connection(play: Callable[[Scene], Served]) -> None:
    async def scene(served: Served) -> None:
        with served.connect() as busy, served.connect() as idle:
            assert await served.ask(idle) == REQUEST
            busy.send(b"w" * REQUEST_SIZE)
            await served.door.waiting.wait()
            closing = asyncio.ensure_future(served.server.close())
            assert await served.answer(idle) == b""
            assert not closing.done()
            served.door.gate.set()
            await closing
            assert await served.answer(busy) == b"w" * REQUEST_SIZE
            assert await served.answer(busy) == b""
            with pytest.raises(OSError, match="refused"):
                raw = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                with raw:
                    raw.connect(str(served.folder / NAME))
        served.server = DoorServer(served.door, sockets.bind_seqpacket(served.folder, NAME, 0o600))  # type: ignore[arg-type]

    play(scene)
