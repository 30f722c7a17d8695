"""A server by its name: addresses, spreading, reasons to be degraded."""

from __future__ import annotations

import itertools

import pytest

from libvarpd.plugins.svp.conn import State
from libvarpd.plugins.svp.host import Failure
from libvarpd.plugins.svp.messages import (
    LogAck,
    LogReq,
    LogRm,
    LogRmAck,
    Message,
    RouteReq,
    Status,
    Vl2Ack,
    Vl2Record,
    Vl2Req,
    Vl3Ack,
    Vl3Record,
)
from libvarpd.plugins.svp.remote import Degrade, Remote
from tests.unit.libvarpd.svp_parts import (
    HERE,
    MAC,
    MAC2,
    SERVER_A,
    SERVER_B,
    SERVER_C,
    THERE,
    VNET,
    FakeInstance,
    FakePeer,
    FakeWorld,
    made_remote,
    ticks,
)

DNS_TEXT = "failed to resolve or find entries for hostname portolan.test"
PEER_TEXT = "cannot reach any remote peers"


@pytest.fixture
def world() -> FakeWorld:
    return FakeWorld()


@pytest.fixture
def instance() -> FakeInstance:
    return FakeInstance()


@pytest.fixture
def remote(world: FakeWorld, instance: FakeInstance) -> Remote:
    return made_remote(world, instance)


def active(world: FakeWorld, remote: Remote, *addresses: bytes, version: int = 1) -> list[FakePeer]:
    remote.resolved(addresses)
    peers = [world.peers[address] for address in addresses]
    for peer in peers:
        if peer.conn is not None and peer.conn.state is State.CONNECTING:
            peer.accept(version)
    return peers


def fail(peer: FakePeer, times: int) -> None:
    """Refuse that many attempts in a row."""
    assert peer.conn is not None
    for _ in range(times):
        while peer.conn.state is not State.CONNECTING:
            peer.conn.tick()
        peer.conn.lost("Connection refused")


def ask(remote: Remote, number: int = 0) -> bool:
    return remote.ask(Vl2Req(MAC, number), lambda _: None)


# ------------------------------------------------------------------ names


def test_the_name_is_looked_up_at_once_and_then_every_30_ticks(world: FakeWorld, remote: Remote) -> None:
    at = [0]
    for now in range(1, 100):
        remote.resolved([SERVER_A]) if world.lookups == len(at) else None
        before = world.lookups
        remote.tick()
        if world.lookups > before:
            at.append(now)
    assert at == [0, 30, 60, 90]


def test_a_name_is_not_looked_up_twice_at_a_time_but_once_more_afterwards(world: FakeWorld, remote: Remote) -> None:
    ticks(remote, 95)
    assert world.lookups == 1
    remote.resolved([])
    assert world.lookups == 2
    remote.resolved([])
    assert world.lookups == 2


def test_what_the_resolver_cannot_say_now_is_asked_again_with_the_next_tick(world: FakeWorld, remote: Remote) -> None:
    for count in range(1, 4):
        remote.unresolved(Failure.TEMPORARY)
        assert world.lookups == count
        remote.tick()
        assert world.lookups == count + 1


def test_an_unknown_name_is_asked_for_again_in_its_turn(world: FakeWorld, remote: Remote) -> None:
    remote.unresolved(Failure.UNKNOWN)
    ticks(remote, 29)
    assert world.lookups == 1
    remote.tick()
    assert world.lookups == 2


@pytest.mark.fact("SVP-I38")
def test_addresses_that_come_and_go_touch_no_other_connection(world: FakeWorld, remote: Remote) -> None:
    a, b = active(world, remote, SERVER_A, SERVER_B)
    assert world.made == [SERVER_A, SERVER_B]
    remote.resolved([SERVER_C, SERVER_B])
    assert world.made == [SERVER_A, SERVER_B, SERVER_C]
    assert (a.calls[-1], "close" in b.calls, world.peers[SERVER_C].calls) == ("close", False, ["connect"])
    assert [conn.address for conn in remote.conns] == [SERVER_B, SERVER_C]
    remote.resolved([SERVER_B, SERVER_C])
    assert len(world.made) == 3
    assert "close" not in b.calls


def test_an_address_that_is_named_twice_has_one_connection(world: FakeWorld, remote: Remote) -> None:
    remote.resolved([SERVER_A, SERVER_B, SERVER_A])
    assert world.made == [SERVER_A, SERVER_B]


@pytest.mark.fact("SVP-I38")
def test_an_address_that_goes_finishes_its_queries_and_takes_no_more(world: FakeWorld, remote: Remote) -> None:
    a, b = active(world, remote, SERVER_A, SERVER_B)
    answers: list[Message | None] = []
    for _ in range(2):
        remote.ask(Vl2Req(MAC, VNET), answers.append)
    remote.resolved([SERVER_B])
    assert a.calls[-1] != "close"
    for _ in range(4):
        ask(remote)
    assert [len(a.frames), len(b.frames)] == [2, 6]
    a.answer(Vl2Ack(Status.OK, 4789, THERE))
    assert a.calls[-1] == "close"
    assert answers == [Vl2Ack(Status.OK, 4789, THERE)]
    ticks(remote, 40)
    assert a.attempts == 1


def test_an_address_that_returns_while_its_queries_run_keeps_its_connection(world: FakeWorld, remote: Remote) -> None:
    a, _ = active(world, remote, SERVER_A, SERVER_B)
    ask(remote)
    remote.resolved([SERVER_B])
    remote.resolved([SERVER_A, SERVER_B])
    assert world.made == [SERVER_A, SERVER_B]
    a.answer(Vl2Ack(Status.OK, 4789, THERE))
    assert "close" not in a.calls
    for number in range(4):
        ask(remote, number)
    assert len(a.frames) == 1 + 1 + 2, "a PING, the first query and its share"


@pytest.mark.fact("SVP-Q14")
def test_an_address_that_goes_while_it_is_being_connected_to_leaves_nothing(world: FakeWorld, remote: Remote) -> None:
    remote.resolved([SERVER_A])
    remote.resolved([SERVER_B])
    assert world.peers[SERVER_A].calls == ["connect", "close"]
    remote.resolved([SERVER_A, SERVER_B])
    assert world.made == [SERVER_A, SERVER_B, SERVER_A]


# ------------------------------------------------------------------ spreading


@pytest.mark.fact("SVP-I35")
@pytest.mark.parametrize("count", [1, 2, 3])
def test_queries_are_spread_evenly_over_active_connections(world: FakeWorld, remote: Remote, count: int) -> None:
    peers = active(world, remote, *(SERVER_A, SERVER_B, SERVER_C)[:count])
    for number in range(1, 20):
        assert ask(remote)
        shares = [len(peer.frames) - 1 for peer in peers]
        assert max(shares) - min(shares) <= 1
        assert sum(shares) == number


def test_connections_that_are_not_active_are_passed_over(world: FakeWorld, remote: Remote) -> None:
    a, b, c = active(world, remote, SERVER_A, SERVER_B, SERVER_C)
    assert b.conn is not None
    b.conn.lost("closed")
    for _ in range(6):
        assert ask(remote)
    assert [len(peer.frames) - 1 for peer in (a, b, c)] == [3, 0, 3]


@pytest.mark.fact("SVP-I31")
def test_without_an_active_connection_a_query_is_refused_at_once(world: FakeWorld, remote: Remote) -> None:
    told: list[Message | None] = []
    assert not remote.ask(Vl2Req(MAC, VNET), told.append)
    remote.resolved([SERVER_A])
    assert not remote.ask(Vl2Req(MAC, VNET), told.append)
    world.peers[SERVER_A].accept(None)  # its version is not known yet
    assert not remote.ask(Vl2Req(MAC, VNET), told.append)
    assert told == []


def test_a_peer_that_has_answered_nothing_is_asked_only_when_there_is_no_other(
    world: FakeWorld, remote: Remote
) -> None:
    a, b = active(world, remote, SERVER_A, SERVER_B)
    assert b.conn is not None
    b.conn.lost("closed")
    b.accept(None)
    ticks(remote, 3)  # no PONG: it is connected to again, and spoken to in version 1
    b.accept(None)
    assert b.conn.state is State.ACTIVE
    before = len(a.frames), len(b.frames)
    for _ in range(4):
        assert ask(remote)
    assert (len(a.frames), len(b.frames)) == (before[0] + 4, before[1])
    assert a.conn is not None
    a.conn.lost("closed")
    assert ask(remote)
    assert len(b.frames) == before[1] + 1
    b.answer(Vl2Ack(Status.OK, 4789, THERE))
    a.accept()
    for _ in range(4):
        assert ask(remote)
    assert len(b.frames) == before[1] + 3, "it has proven itself"


@pytest.mark.fact("SVP-I41")
def test_routes_are_asked_for_only_where_version_2_is_spoken(world: FakeWorld, remote: Remote) -> None:
    route = RouteReq(VNET, 0, HERE, THERE)
    active(world, remote, SERVER_A)
    assert not remote.ask(route, lambda _: None)
    remote.resolved([SERVER_A, SERVER_B])
    world.peers[SERVER_B].accept(2)
    for _ in range(3):
        assert remote.ask(route, lambda _: None)
    assert [len(world.peers[one].frames) - 1 for one in (SERVER_A, SERVER_B)] == [0, 3]


@pytest.mark.fact("SVP-I37")
def test_a_violation_on_one_connection_leaves_the_others_alone(world: FakeWorld, remote: Remote) -> None:
    a, b = active(world, remote, SERVER_A, SERVER_B)
    answers: list[Message | None] = []
    for _ in range(2):
        remote.ask(Vl2Req(MAC, VNET), answers.append)
    assert a.conn is not None
    a.conn.received(b"\0" * 16)
    assert answers == [None]
    b.answer(Vl2Ack(Status.OK, 4789, THERE))
    assert answers == [None, Vl2Ack(Status.OK, 4789, THERE)]
    assert (a.calls[-1], "close" in b.calls) == ("connect", False)


# ------------------------------------------------------------------ degraded


@pytest.mark.fact("SVP-I33")
def test_it_is_degraded_when_every_connection_is_and_sound_when_one_is_not(
    world: FakeWorld, remote: Remote, instance: FakeInstance
) -> None:
    remote.resolved([SERVER_A, SERVER_B])
    a, b = world.peers[SERVER_A], world.peers[SERVER_B]
    fail(a, 20)
    fail(b, 6)
    assert instance.told == []
    fail(b, 1)
    assert instance.told == [("degrade", PEER_TEXT)]
    fail(a, 3)
    fail(b, 3)
    assert instance.told == [("degrade", PEER_TEXT)], "once"
    while a.conn is not None and a.conn.state is not State.CONNECTING:
        a.conn.tick()
    a.accept()
    assert instance.told == [("degrade", PEER_TEXT), "healed"]


@pytest.mark.fact("SVP-I33")
def test_a_remote_without_any_connection_is_degraded_only_once_its_name_has_none(
    world: FakeWorld, remote: Remote, instance: FakeInstance
) -> None:
    ticks(remote, 20)
    assert instance.told == []
    remote.resolved([])
    assert instance.told == [("degrade", PEER_TEXT)]


@pytest.mark.fact("SVP-Q18")
def test_fresh_connections_heal_a_remote_whose_name_had_no_addresses(
    world: FakeWorld, remote: Remote, instance: FakeInstance
) -> None:
    active(world, remote, SERVER_A)
    remote.resolved([])
    assert instance.told == [("degrade", PEER_TEXT)]
    active(world, remote, SERVER_B)
    assert instance.told == [("degrade", PEER_TEXT), "healed"]


def test_addresses_that_are_all_replaced_degrade_nothing(
    world: FakeWorld, remote: Remote, instance: FakeInstance
) -> None:
    active(world, remote, SERVER_A)
    active(world, remote, SERVER_B)
    assert instance.told == []


def test_retiring_the_last_working_connection_degrades(
    world: FakeWorld, remote: Remote, instance: FakeInstance
) -> None:
    active(world, remote, SERVER_B)
    remote.resolved([SERVER_A, SERVER_B])
    fail(world.peers[SERVER_A], 7)
    assert instance.told == []
    remote.resolved([SERVER_A])
    assert instance.told == [("degrade", PEER_TEXT)]


@pytest.mark.fact("SVP-I34")
def test_the_more_severe_reason_is_shown_and_the_other_when_it_has_gone(
    world: FakeWorld, remote: Remote, instance: FakeInstance
) -> None:
    remote.resolved([SERVER_A])
    fail(world.peers[SERVER_A], 7)
    assert instance.told == [("degrade", PEER_TEXT)]
    ticks(remote, 30)
    remote.unresolved(Failure.UNKNOWN)
    assert instance.told[1:] == [("degrade", DNS_TEXT)]
    assert remote.reasons == Degrade.DNS | Degrade.NO_PEER
    remote.resolved([SERVER_A])
    assert instance.told[2:] == [("degrade", PEER_TEXT)]
    while world.peers[SERVER_A].conn.state is not State.CONNECTING:  # type: ignore[union-attr]
        remote.tick()
    world.peers[SERVER_A].accept()
    assert instance.told[3:] == ["healed"]
    assert remote.reasons == Degrade(0)


@pytest.mark.fact("SVP-I34")
def test_a_less_severe_reason_changes_nothing_that_is_shown(
    world: FakeWorld, remote: Remote, instance: FakeInstance
) -> None:
    remote.resolved([SERVER_A])
    remote.unresolved(Failure.UNKNOWN)
    fail(world.peers[SERVER_A], 7)
    assert instance.told == [("degrade", DNS_TEXT)]


def test_an_unknown_name_leaves_connections_alone(world: FakeWorld, remote: Remote) -> None:
    (a,) = active(world, remote, SERVER_A)
    remote.unresolved(Failure.UNKNOWN)
    assert ask(remote)
    assert "close" not in a.calls


def test_a_passing_failure_of_the_resolver_degrades_only_what_has_no_address(
    world: FakeWorld, remote: Remote, instance: FakeInstance
) -> None:
    remote.unresolved(Failure.TEMPORARY)
    assert instance.told == [("degrade", DNS_TEXT)]
    active(world, remote, SERVER_A)
    assert instance.told[1:] == ["healed"]
    ticks(remote, 31)
    remote.unresolved(Failure.TEMPORARY)
    assert len(instance.told) == 2


def test_an_instance_that_comes_while_it_is_degraded_is_told(world: FakeWorld, remote: Remote) -> None:
    remote.unresolved(Failure.UNKNOWN)
    late = FakeInstance(VNET + 1)
    remote.attach(late)
    assert late.told == [("degrade", DNS_TEXT)]
    remote.resolved([SERVER_A])
    assert late.told[1:] == ["healed"]


@pytest.mark.fact("SVP-I33")
def test_both_servers_gone_for_70_ticks_degrade_once_and_heal_once(
    world: FakeWorld, remote: Remote, instance: FakeInstance
) -> None:
    peers = active(world, remote, SERVER_A, SERVER_B)
    for peer in peers:
        peer.conn.lost("reset")  # type: ignore[union-attr]
    for _ in range(70):
        for peer in peers:
            if peer.conn.state is State.CONNECTING:  # type: ignore[union-attr]
                peer.conn.lost("Connection refused")  # type: ignore[union-attr]
        remote.tick()
    assert instance.told == [("degrade", PEER_TEXT)]
    for _ in range(40):
        for peer in peers:
            if peer.conn.state is State.CONNECTING:  # type: ignore[union-attr]
                peer.accept()
        remote.tick()
    assert instance.told == [("degrade", PEER_TEXT), "healed"]


# ------------------------------------------------------------------ the log, through the remote


@pytest.mark.fact("SVP-I26")
def test_there_is_one_log_query_at_a_time_however_many_connections_there_are(world: FakeWorld, remote: Remote) -> None:
    peers = active(world, remote, SERVER_A, SERVER_B)
    numbers = itertools.count(1)
    outstanding = 0
    seen = 0
    for _ in range(120):
        remote.tick()
        for peer in peers:
            while len(peer.frames) > getattr(peer, "read", 1):
                at = getattr(peer, "read", 1)
                peer.read = at + 1  # type: ignore[attr-defined]
                outstanding += 1
                seen += 1
                assert outstanding == 1
                match peer.asked[at]:
                    case LogReq():
                        record = Vl2Record(bytes([next(numbers)]) * 16, MAC, VNET)
                        outstanding -= 1
                        peer.answer(LogAck(Status.OK, (record,)), which=at)
                    case LogRm():
                        outstanding -= 1
                        peer.answer(LogRmAck(Status.OK), which=at)
    assert seen > 100


def test_records_reach_the_instances_of_their_network_only(world: FakeWorld) -> None:
    one, other, twin = FakeInstance(VNET), FakeInstance(VNET + 1), FakeInstance(VNET, slow=True)
    remote = made_remote(world, one, other, twin)
    (a,) = active(world, remote, SERVER_A)
    ticks(remote, 5)
    a.answer(LogAck(Status.OK, (Vl2Record(bytes(16), MAC, VNET), Vl3Record(bytes([1] * 16), THERE, 0, VNET + 1))))
    a.answer(Vl3Ack(Status.OK, MAC2, 4789, HERE))
    assert one.told == twin.told == [("forget", MAC)]
    assert other.told == [("announce", 0, MAC2, THERE[12:])]
    ticks(remote, 10)
    assert not isinstance(a.asked[-1], LogRm), "one of two has not forgotten yet"
    twin.forgotten()
    remote.tick()
    assert a.asked[-1] == LogRm((bytes(16), bytes([1] * 16)))


def test_records_of_a_network_that_nobody_has_are_acknowledged(world: FakeWorld, remote: Remote) -> None:
    (a,) = active(world, remote, SERVER_A)
    ticks(remote, 5)
    a.answer(LogAck(Status.OK, (Vl2Record(bytes(16), MAC, 7),)))
    remote.tick()
    assert a.asked[-1] == LogRm((bytes(16),))


# ------------------------------------------------------------------ the end


@pytest.mark.fact("SVP-Q15")
def test_ending_it_closes_all_connections_and_fails_all_queries(
    world: FakeWorld, remote: Remote, instance: FakeInstance
) -> None:
    a, b = active(world, remote, SERVER_A, SERVER_B)
    answers: list[Message | None] = []
    for _ in range(3):
        remote.ask(Vl2Req(MAC, VNET), answers.append)
    remote.resolved([SERVER_B, SERVER_C])  # A winds down, C connects
    assert remote.detach(instance)
    remote.end()
    assert answers == [None, None, None]
    for peer in (a, b, world.peers[SERVER_C]):
        assert peer.calls[-1] == "close"
    remote.resolved([SERVER_A])
    remote.unresolved(Failure.UNKNOWN)
    remote.tick()
    assert instance.told == []
    assert len(world.made) == 3


def test_it_ends_with_the_last_instance(world: FakeWorld) -> None:
    one, other = FakeInstance(), FakeInstance()
    remote = made_remote(world, one, other)
    assert not remote.detach(one)
    remote.unresolved(Failure.UNKNOWN)
    assert (one.told, other.told) == ([], [("degrade", DNS_TEXT)])
    assert remote.detach(other)
