"""A remote of svp against servers that do anything: answer, answer wrongly, refuse, hang up, fall silent, come and go in DNS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from libvarpd.plugins.svp import wire
from libvarpd.plugins.svp.conn import FAILURES_DEGRADED, Conn, State
from libvarpd.plugins.svp.host import Failure
from libvarpd.plugins.svp.messages import (
    LogAck,
    LogReq,
    LogRm,
    LogRmAck,
    Message,
    Op,
    Ping,
    Pong,
    Record,
    RouteReq,
    Status,
    Vl2Ack,
    Vl2Record,
    Vl2Req,
    Vl3Ack,
    Vl3Record,
    Vl3Req,
)
from libvarpd.plugins.svp.query import Ids
from libvarpd.plugins.svp.remote import Degrade, Remote
from tests.unit.libvarpd.svp_parts import (
    HERE,
    KEY,
    MAC,
    SERVER_A,
    SERVER_B,
    SERVER_C,
    THERE,
    VNET,
    FakeInstance,
    FakePeer,
    FakeWorld,
)

ADDRESSES = [SERVER_A, SERVER_B, SERVER_C]
STATUSES = st.sampled_from([Status.OK, Status.OK, Status.NOTFOUND, Status.FATAL])


class ServerPeer(FakePeer):
    """A server that keeps what it was asked and has not answered."""

    def __init__(self) -> None:
        super().__init__()
        self.pending: list[wire.Frame] = []
        self.version: int | None = None

    def connect(self) -> None:
        super().connect()
        self.pending.clear()
        self.version = None

    def send(self, data: bytes) -> None:
        (frame,) = wire.Framer().feed(data)
        if frame.op == Op.PING:
            assert frame.version == 2
        else:
            assert frame.version == (self.version or 1), "not the version that was agreed on"
            assert frame.op != Op.ROUTE_REQ or self.version == 2
        self.pending.append(frame)

    def close(self) -> None:
        super().close()
        self.pending.clear()


class SvpRemote(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.world = FakeWorld()
        self.world.peer = self.make_peer  # type: ignore[method-assign,assignment]
        self.all_peers: list[ServerPeer] = []
        self.ids = Ids()
        self.remote = Remote(KEY, self.world, self.ids)
        self.instance = FakeInstance(VNET)
        self.remote.attach(self.instance)
        self.remote.start()
        self.lookups_answered = 0
        self.dns_failed = False
        self.resolved = False
        self.asked = 0
        self.told: dict[int, Message | None] = {}
        self.events = 0
        self.batch: tuple[Record, ...] = ()

    def make_peer(self, address: bytes, port: int) -> tuple[ServerPeer, Callable[[Conn], None]]:
        peer = ServerPeer()
        self.all_peers.append(peer)
        return peer, peer.use

    # ------------------------------------------------------------------ the world

    @rule(count=st.sampled_from([1, 1, 1, 2, 5, 10, 31, 70]))
    def time_passes(self, count: int) -> None:
        for _ in range(count):
            self.remote.tick()
            self.see_log_queries()

    @precondition(lambda self: self.world.lookups > self.lookups_answered)
    @rule(
        addresses=st.lists(st.sampled_from(ADDRESSES), max_size=4),
        outcome=st.sampled_from(["ok", "ok", "ok", *Failure]),
    )
    def the_name_is_looked_up(self, addresses: list[bytes], outcome: object) -> None:
        self.lookups_answered += 1
        kept = {conn.address: conn for conn in self.remote.conns}
        if isinstance(outcome, Failure):
            self.dns_failed |= outcome is Failure.UNKNOWN or not self.remote.conns
            self.remote.unresolved(outcome)
            assert {conn.address: conn for conn in self.remote.conns} == kept
        else:
            self.dns_failed, self.resolved = False, True
            self.remote.resolved(addresses)
            assert {conn.address for conn in self.remote.conns} == set(addresses)
            for conn in self.remote.conns:  # SVP-I38: those that stay are the same ones
                assert kept.get(conn.address, conn) is conn
        self.see_log_queries()

    def peers(self, *states: State) -> list[ServerPeer]:
        return [peer for peer in self.all_peers if peer.conn is not None and peer.conn.state in states]

    @precondition(lambda self: self.peers(State.CONNECTING))
    @rule(data=st.data(), how=st.sampled_from(["accept", "accept", "accept", "refuse"]))
    def a_server_is_connected_to(self, data: st.DataObject, how: str) -> None:
        peer = data.draw(st.sampled_from(self.peers(State.CONNECTING)))
        assert peer.conn is not None
        if how == "accept":
            peer.conn.connected()
        else:
            peer.conn.lost("Connection refused")
        self.see_log_queries()

    @precondition(lambda self: self.peers(State.VERSIONING, State.ACTIVE, State.WINDDOWN))
    @rule(data=st.data(), how=st.sampled_from(["lost", "garbage", "hold", "resume"]))
    def something_happens_to_a_connection(self, data: st.DataObject, how: str) -> None:
        peer = data.draw(st.sampled_from(self.peers(State.VERSIONING, State.ACTIVE, State.WINDDOWN)))
        assert peer.conn is not None
        others = {conn: conn.state for conn in self.remote.conns if conn is not peer.conn}
        match how:
            case "lost":
                peer.conn.lost("reset")
            case "garbage":
                peer.conn.received(
                    data.draw(st.binary(min_size=16, max_size=40).filter(lambda raw: raw[:2] != b"\0\1"))
                )
            case "hold":
                peer.conn.hold()
            case "resume":
                peer.conn.resume()
        assert all(conn.state is state for conn, state in others.items()), "SVP-I37"
        self.see_log_queries()

    @precondition(lambda self: any(peer.pending for peer in self.all_peers))
    @rule(data=st.data(), wrong=st.sampled_from([False] * 7 + [True]))
    def a_server_answers(self, data: st.DataObject, wrong: bool) -> None:
        peer = data.draw(st.sampled_from([peer for peer in self.all_peers if peer.pending]))
        assert peer.conn is not None
        frame = peer.pending.pop(data.draw(st.integers(0, len(peer.pending) - 1)))
        if frame.op == Op.PING:
            answer: Message = Pong()
            peer.version = version = data.draw(st.sampled_from([1, 2]))
        else:
            answer = self.answer_to(wire.decode(frame.op, frame.body), data)
            version = frame.version
        raw = wire.encode(answer, frame.id, version)
        if wrong:
            at = data.draw(st.integers(0, len(raw) - 1))
            raw = raw[:at] + bytes([raw[at] ^ 0x80]) + raw[at + 1 :]
            raw += bytes(2000)  # in case it was the size
        cut = data.draw(st.integers(0, len(raw)))
        peer.conn.received(raw[:cut])
        if peer.open or peer.conn.state in {State.VERSIONING, State.ACTIVE, State.WINDDOWN}:
            peer.conn.received(raw[cut:])
        self.see_log_queries()

    def answer_to(self, asked: Message, data: st.DataObject) -> Message:
        status = data.draw(STATUSES)
        match asked:
            case Vl2Req():
                return Vl2Ack(status, 4789, THERE)
            case Vl3Req():
                return Vl3Ack(status, MAC, 4789, THERE)
            case LogReq():
                records: list[Record] = []
                for kind in data.draw(st.lists(st.sampled_from([2, 3]), max_size=4)):
                    self.events += 1
                    ident = self.events.to_bytes(16)
                    records.append(Vl2Record(ident, MAC, VNET) if kind == 2 else Vl3Record(ident, THERE, 0, VNET))
                if status == Status.OK:
                    self.batch = tuple(records)
                return LogAck(status, tuple(records))
            case LogRm():
                return LogRmAck(status)
            case RouteReq():
                from libvarpd.plugins.svp.messages import RouteAck

                return RouteAck(status)
        raise AssertionError(asked)

    @rule(route=st.sampled_from([False] * 4 + [True]))
    def the_kernel_asks(self, route: bool) -> None:
        message: Message = RouteReq(VNET, 0, HERE, THERE) if route else Vl2Req(MAC, VNET)
        able = [conn for conn in self.remote.conns if conn.state is State.ACTIVE and conn.version >= 1 + route]
        number = self.asked

        def done(answer: Message | None) -> None:
            assert number not in self.told, "answered twice"
            self.told[number] = answer

        taken = self.remote.ask(message, done)
        assert taken == bool(able)
        self.asked += taken

    # ------------------------------------------------------------------ what always holds

    def see_log_queries(self) -> None:
        """SVP-I26, I27."""
        outstanding = [
            query.message
            for conn in self.all_conns()
            for query in conn._queries.values()
            if isinstance(query.message, LogReq | LogRm)
        ]
        assert len(outstanding) <= 1
        for message in outstanding:
            if isinstance(message, LogRm):
                assert set(message.ids) <= {record.id for record in self.batch}

    def all_conns(self) -> list[Conn]:
        return [*self.remote.conns, *self.remote._retiring]

    @invariant()
    def ids_are_those_of_the_queries_in_flight(self) -> None:
        if not hasattr(self, "remote"):
            return
        in_flight = [number for conn in self.all_conns() for number in conn._queries]
        assert len(in_flight) == len(set(in_flight)) == len(self.ids)
        assert 0 not in in_flight

    @invariant()
    def it_is_degraded_when_it_has_a_reason_and_shows_the_worst(self) -> None:
        if not hasattr(self, "remote"):
            return
        degraded = [conn.failures >= FAILURES_DEGRADED for conn in self.remote.conns]
        wanted = Degrade(0)
        if self.dns_failed:
            wanted |= Degrade.DNS
        if all(degraded) if degraded else self.resolved:
            wanted |= Degrade.NO_PEER
        assert self.remote.reasons == wanted
        shown: Any = next(
            (one for one in reversed(self.instance.told) if one == "healed" or one[0] == "degrade"), "healed"
        )  # type: ignore[index]
        if Degrade.DNS in wanted:
            assert shown[1].startswith("failed to resolve")
        elif Degrade.NO_PEER in wanted:
            assert shown[1] == "cannot reach any remote peers"
        else:
            assert shown == "healed"

    @invariant()
    def gone_connections_are_forgotten(self) -> None:
        if hasattr(self, "remote"):
            assert all(conn.state is not State.GONE for conn in self.all_conns())
            assert all(
                not peer.open for peer in self.all_peers if peer.conn is not None and peer.conn.state is State.GONE
            )

    def teardown(self) -> None:
        if not hasattr(self, "remote"):
            return
        self.remote.end()
        assert set(self.told) == set(range(self.asked)), "a question without an answer"
        assert len(self.ids) == 0
        assert all(peer.conn is None or peer.conn.state is State.GONE for peer in self.all_peers)


SvpRemote.TestCase.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)


@pytest.mark.fact("SVP-I26", "SVP-I27", "SVP-I31", "SVP-I33", "SVP-I34", "SVP-I36", "SVP-I37", "SVP-I38", "SVP-I41")
class TestSvpRemote(SvpRemote.TestCase):  # type: ignore[misc]
    pass


def test_a_ping_is_all_that_a_peer_is_told_before_its_version_is_known() -> None:
    peer = ServerPeer()
    conn = Conn(SERVER_A, peer, Ids(), lambda _: None, str)
    conn.start()
    conn.connected()
    assert [wire.decode(frame.op, frame.body) for frame in peer.pending] == [Ping()]
