"""TCP in memory between places: ways that are cut and mended, processes that die, addresses and names."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from etherspan.testing.sim.loop import SimLoop
from etherspan.testing.sim.process import SimProcess
from etherspan.testing.sim.streams import ARP_PATIENCE, CONNECT_PATIENCE, PLACE, StreamNetwork
from etherspan.testing.sim.tcp import DATA_PATIENCE
from etherspan.testing.sim.world import SimWorld

T = TypeVar("T")
OWNERS = {"10.0.0.1": "here", "fd00::1": "here", "10.0.0.5": "there", "fd00::5": "there", "10.0.0.8": "old"}
THERE = "10.0.0.5"
PORT = 7


class End(asyncio.Protocol):
    """One end: what it was told, what it was sent, and the places where it was told."""

    def __init__(self, told_made: Callable[[End], None] = lambda _: None) -> None:
        self.told: list[str] = []
        self.got = b""
        self.places: set[str] = set()
        self.transport: asyncio.Transport
        self._told_made = told_made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._told_made(self)
        self._note("made")

    def data_received(self, data: bytes) -> None:
        self.got += data
        self.places.add(PLACE.get())

    def eof_received(self) -> None:
        self._note("eof")

    def connection_lost(self, exc: Exception | None) -> None:
        self._note("lost" if exc is None else type(exc).__name__)

    def _note(self, what: str) -> None:
        self.told.append(what)
        self.places.add(PLACE.get())


class Two:
    """Two places with a process each, and a listener at the second one."""

    def __init__(self) -> None:
        self.loop = SimLoop()
        self.parted = False
        self.network = self.loop.streams = StreamNetwork(
            self.loop,
            reaches=lambda _one, _other: not self.parted,
            owner=OWNERS.get,
            addresses=lambda place: [ip for ip, owner in OWNERS.items() if owner == place],
        )
        self.client = SimProcess(self.loop, "client", 1, "here")
        self.server = SimProcess(self.loop, "server", 2, "there")
        self.accepted: list[End] = []
        self.listener = self.listen()

    def listen(self, host: str = THERE, port: int = PORT) -> Any:
        return self.loop.run_until(
            self.server.spawn(self.loop.create_server(lambda: End(self.accepted.append), host, port))
        )

    def attempt(self, host: str = THERE, port: int = PORT, **options: Any) -> asyncio.Task[Any]:
        return self.client.spawn(self.loop.create_connection(End, host, port, **options))

    def connect(self, **options: Any) -> tuple[End, End]:
        _, client = self.loop.run_until(self.attempt(**options))
        self.loop.advance(0.1)
        return client, self.accepted[-1]

    def heal(self) -> None:
        self.parted = False
        self.network.heal()
        self.loop.advance(0.1)


@pytest.fixture
def two() -> Two:
    return Two()


# ---------------------------------------------------------------------- ways that are cut


def test_a_way_that_is_cut_holds_everything_until_it_is_mended(two: Two) -> None:
    client, server = two.connect()
    two.parted = True
    client.transport.write(b"late")
    client.transport.close()
    connecting = two.attempt()
    two.loop.advance(60)
    assert (server.got, server.told) == (b"", ["made"])
    assert not connecting.done()
    assert len(two.accepted) == 1
    two.heal()
    assert (server.got, server.told) == (b"late", ["made", "eof", "lost"])
    assert connecting.exception() is None
    assert len(two.accepted) == 2


def test_an_attempt_over_a_way_that_stays_cut_is_given_up(two: Two) -> None:
    two.parted = True
    connecting = two.attempt()
    two.loop.advance(CONNECT_PATIENCE - 1)
    assert not connecting.done()
    two.loop.advance(2)
    failure = connecting.exception()
    assert isinstance(failure, TimeoutError)
    assert failure.errno == 110


def test_bytes_that_nobody_acknowledges_are_given_up(two: Two) -> None:
    client, server = two.connect()
    two.parted = True
    client.transport.write(b"lost")
    two.loop.advance(DATA_PATIENCE - 1)
    assert client.told == ["made"]
    two.loop.advance(2)
    assert client.told == ["made", "TimeoutError"]
    assert server.told == ["made"], "it has nothing to send, so it learns of nothing"


def test_a_way_that_is_cut_for_a_while_again_and_again_is_not_given_up(two: Two) -> None:
    client, server = two.connect()
    for n in range(4):
        two.parted = True
        client.transport.write(bytes([n]))
        two.loop.advance(DATA_PATIENCE / 2)
        two.heal()
    assert (server.got, client.told) == (bytes(range(4)), ["made"])


def test_a_reset_that_is_lost_is_sent_again_for_the_next_bytes(two: Two) -> None:
    client, server = two.connect()
    two.parted = True
    server.transport.abort()
    two.loop.advance(1)
    two.heal()
    two.loop.advance(60)
    assert client.told == ["made"]
    client.transport.write(b"hello?")
    two.loop.advance(0.1)
    assert client.told == ["made", "ConnectionResetError"]


def test_bytes_take_the_way_s_time(two: Two) -> None:
    two.network.latency = 0.25
    client, server = two.connect()
    two.loop.advance(1)
    begun = two.loop.now()
    client.transport.write(b"x")
    two.loop.advance_until(lambda: bool(server.got), 1)
    assert two.loop.now() - begun == 0.25


# ---------------------------------------------------------------------- processes


def test_a_process_that_is_killed_resets_its_connections_and_listens_no_more(two: Two) -> None:
    client, server = two.connect()
    server.transport.write(b"never sent")
    two.server.kill()
    two.loop.advance(0.1)
    assert (client.told, client.got) == (["made", "ConnectionResetError"], b"")
    assert server.told == ["made"], "a dead process is told nothing"
    connecting = two.attempt()
    two.loop.advance(0.1)
    assert isinstance(connecting.exception(), ConnectionRefusedError)


def test_everybody_is_told_in_his_own_place_whoever_caused_it(two: Two) -> None:
    client, server = two.connect()
    client.transport.write(b"question")
    two.loop.advance(0.1)
    server.transport.write(b"answer")
    two.loop.advance(0.1)
    server.transport.close()
    two.loop.advance(0.1)
    assert (client.told, server.told) == (["made", "eof", "lost"], ["made", "lost"])
    assert (client.places, server.places) == ({"here"}, {"there"})
    assert PLACE.get() == ""


def test_what_a_client_begins_for_a_server_that_died_is_the_client_s(two: Two) -> None:
    """A task that began in somebody else's context would be at the wrong place, and die with the wrong process."""
    places: list[str] = []

    class Again(End):
        def connection_lost(self, exc: Exception | None) -> None:
            asyncio.get_running_loop().create_task(self._again())

        async def _again(self) -> None:
            await asyncio.sleep(1)
            places.append(PLACE.get())

    two.loop.run_until(two.client.spawn(two.loop.create_connection(Again, THERE, PORT)))
    two.loop.advance(0.1)
    two.server.kill()
    two.loop.advance(2)
    assert places == ["here"]


# ---------------------------------------------------------------------- addresses and names


def test_a_client_has_an_address_of_its_place_or_the_one_it_asks_for(two: Two) -> None:
    client, server = two.connect()
    assert server.transport.get_extra_info("peername")[0] == "10.0.0.1"
    client, server = two.connect(local_addr=("10.0.0.1", 77))
    assert server.transport.get_extra_info("peername") == ("10.0.0.1", 77)
    assert client.transport.get_extra_info("sockname") == ("10.0.0.1", 77)
    with pytest.raises(OSError, match="cannot assign") as foreign:
        two.connect(local_addr=(THERE, 0))
    assert foreign.value.errno == 99


def test_an_address_that_nobody_has_cannot_be_reached(two: Two) -> None:
    connecting = two.attempt("10.0.0.9")
    two.loop.advance(ARP_PATIENCE - 0.1)
    assert not connecting.done()
    two.loop.advance(0.2)
    failure = connecting.exception()
    assert isinstance(failure, OSError)
    assert failure.errno == 113
    old = SimProcess(two.loop, "old", 3, "old")
    with pytest.raises(OSError, match="network is unreachable") as none_of_the_kind:
        two.loop.run_until(old.spawn(two.loop.create_connection(End, "fd00::5", PORT)))
    assert none_of_the_kind.value.errno == 101


def test_nobody_listens_at_another_s_address_but_anybody_at_all_of_his_own(two: Two) -> None:
    with pytest.raises(OSError, match="cannot assign"):
        two.listen("10.0.0.1", 8)
    two.listen("0.0.0.0", 8)
    two.listen("::", 9)
    for host, port in ((THERE, 8), ("fd00::5", 9)):
        _, client = two.loop.run_until(two.attempt(host, port))
        assert client.transport.get_extra_info("peername")[:2] == (host, port)
    with pytest.raises(ConnectionRefusedError):
        two.loop.run_until(two.attempt("10.0.0.1", 8))


def test_every_place_has_a_loopback_interface_of_its_own(two: Two) -> None:
    two.listen("127.0.0.1", 8)
    with pytest.raises(ConnectionRefusedError):
        two.loop.run_until(two.attempt("127.0.0.1", 8))
    two.loop.run_until(two.server.spawn(two.loop.create_connection(End, "127.0.0.1", 8)))
    assert len(two.accepted) == 1


def test_a_name_s_addresses_are_tried_in_turn(two: Two) -> None:
    two.network.names["server.test"] = ["10.0.0.1", THERE]
    _, client = two.loop.run_until(two.attempt("server.test"))
    assert client.transport.get_extra_info("peername") == (THERE, PORT)
    two.network.names["server.test"] = ["10.0.0.1", "10.0.0.9"]
    with pytest.raises(OSError, match="Multiple exceptions"):
        two.loop.run_until(two.attempt("server.test"))
    with pytest.raises(socket.gaierror):
        two.loop.run_until(two.attempt("nowhere.test"))


def test_names_are_those_of_the_world() -> None:
    loop = SimLoop()
    with pytest.raises(RuntimeError, match="no network"):
        loop.run_until(loop.getaddrinfo("x", 1))
    network = loop.streams = StreamNetwork(loop)
    network.names["x"] = ["10.0.0.1", "fd00::1"]

    def found(host: str, **options: Any) -> list[Any]:
        return [row[4] for row in loop.run_until(loop.getaddrinfo(host, 7, **options))]

    assert found("x") == [("10.0.0.1", 7), ("fd00::1", 7, 0, 0)]
    assert found("x", family=socket.AF_INET6) == [("fd00::1", 7, 0, 0)]
    assert found("10.9.9.9", type=socket.SOCK_STREAM) == [("10.9.9.9", 7)]
    for host, errno in (("y", socket.EAI_NONAME), ("x", socket.EAI_AGAIN)):
        if host == "x":
            network.failing["x"] = errno
        with pytest.raises(socket.gaierror) as failing:
            found(host)
        assert failing.value.errno == errno


@pytest.mark.parametrize("option", [{"ssl": True}, {"sock": object()}])
def test_what_there_is_not_in_memory_is_refused(two: Two, option: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"no {next(iter(option))}"):
        two.connect(**option)


def test_a_world_s_partitions_are_for_connections_too() -> None:
    def run(world: SimWorld, work: Awaitable[T]) -> T:
        return world.loop.run_until(work)

    with SimWorld() as world:
        world.host("a", "10.0.0.1")
        world.host("b", "10.0.0.2")
        a, b = (SimProcess(world.loop, name, 1, name) for name in "ab")
        got: list[bytes] = []

        class Note(asyncio.Protocol):
            def data_received(self, data: bytes) -> None:
                got.append(data)

        run(world, b.spawn(world.loop.create_server(Note, "10.0.0.2", 7)))
        transport, _ = run(world, a.spawn(world.loop.create_connection(asyncio.Protocol, "10.0.0.2", 7)))
        world.part("a", "b")
        transport.write(b"x")
        world.advance(30)
        assert got == []
        world.heal()
        world.advance(0.1)
        assert got == [b"x"]
