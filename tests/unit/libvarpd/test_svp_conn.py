"""One connection: its state machine, its queries, and what it does not put up with."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from libvarpd.plugins.svp import conn as conn_module
from libvarpd.plugins.svp import wire
from libvarpd.plugins.svp.conn import FAILURES_DEGRADED, TRANSITIONS, Conn, Event, State
from libvarpd.plugins.svp.messages import (
    LogAck,
    LogReq,
    LogRmAck,
    Message,
    Op,
    Ping,
    Pong,
    RouteAck,
    RouteReq,
    Status,
    Vl2Ack,
    Vl2Record,
    Vl2Req,
    Vl3Ack,
    Vl3Req,
)
from libvarpd.plugins.svp.query import ID_MAX, ID_MIN, Ids
from tests.unit.libvarpd.svp_parts import HERE, MAC, SERVER_A, THERE, VNET, FakePeer, ticks

QUESTION = Vl2Req(MAC, VNET)
ANSWER = Vl2Ack(Status.OK, 4789, THERE)


class Bench:
    """A connection and what it told."""

    def __init__(self) -> None:
        self.ids = Ids()
        self.peer = FakePeer()
        self.notes: list[str] = []
        self.states: list[State] = []
        self.answers: list[Message | None] = []
        self.conn = Conn(SERVER_A, self.peer, self.ids, self._changed, self.notes.append)
        self.peer.use(self.conn)
        self.conn.start()

    def _changed(self, conn: Conn) -> None:
        if not self.states or self.states[-1] is not conn.state:
            self.states.append(conn.state)

    @property
    def state(self) -> State:
        return self.conn.state

    def activate(self, version: int = 1) -> None:
        self.peer.accept(version)
        assert self.state is State.ACTIVE

    def ask(self, message: Message = QUESTION) -> None:
        self.conn.ask(message, self.answers.append)

    def refuse(self) -> None:
        self.conn.lost("Connection refused")


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def active(bench: Bench) -> Bench:
    bench.activate()
    return bench


def test_a_new_connection_connects_at_once(bench: Bench) -> None:
    assert bench.peer.calls == ["connect"]
    assert bench.state is State.CONNECTING


@pytest.mark.fact("SVP-I32")
def test_it_waits_1_2_4_8_16_32_and_then_32_ticks_between_attempts(bench: Bench) -> None:
    waits = []
    for _ in range(9):
        before = bench.peer.attempts
        bench.refuse()
        assert bench.state is State.BACKOFF
        waited = 0
        while bench.peer.attempts == before:
            bench.conn.tick()
            waited += 1
        waits.append(waited)
    assert waits == [1, 2, 4, 8, 16, 32, 32, 32, 32]


@pytest.mark.fact("SVP-I32")
def test_the_seventh_failure_in_a_row_degrades_it_and_a_success_ends_that(bench: Bench) -> None:
    for count in range(1, 10):
        bench.refuse()
        assert bench.conn.degraded == (count >= 7)
        ticks(bench.conn, 32)
    assert FAILURES_DEGRADED == 7
    bench.activate()
    assert not bench.conn.degraded
    bench.conn.lost("closed")  # and the count begins anew
    bench.refuse()
    before = bench.peer.attempts
    bench.conn.tick()
    assert bench.peer.attempts == before + 1


@pytest.mark.fact("SVP-B28")
def test_a_connection_that_the_server_closes_is_made_again_at_once_and_its_queries_fail(active: Bench) -> None:
    active.ask()
    active.ask()
    before = active.peer.attempts
    active.conn.lost("closed by the server")
    assert active.answers == [None, None]
    assert active.peer.attempts == before + 1
    assert active.state is State.CONNECTING


def test_a_server_that_only_hangs_up_is_called_once_a_tick(active: Bench) -> None:
    for _ in range(5):
        before = active.peer.attempts
        active.conn.lost("closed")
        assert active.peer.attempts == before + 1
        active.activate()
        active.conn.lost("closed")
        assert active.peer.attempts == before + 1, "twice in one tick"
        active.conn.tick()
        assert active.peer.attempts == before + 2
        active.activate()
        active.conn.tick()


def test_a_server_that_hangs_up_without_ever_answering_counts_as_unreachable(bench: Bench) -> None:
    for _ in range(200):
        if bench.state is State.CONNECTING:
            bench.peer.accept(None)
            bench.conn.lost("closed")
        bench.conn.tick()
    assert bench.conn.degraded


@pytest.mark.fact("SVP-I41")
@pytest.mark.parametrize("version", [1, 2])
def test_the_version_of_the_pong_is_that_of_all_that_follows(bench: Bench, version: int) -> None:
    bench.peer.accept(None)
    assert bench.state is State.VERSIONING
    assert (bench.peer.asked, bench.peer.frames[0].version) == ([Ping()], 2)
    bench.peer.answer(Pong(), version=version)
    assert bench.state is State.ACTIVE
    for message in (QUESTION, LogReq(1024, HERE), Vl3Req(THERE, 1, VNET)):
        bench.ask(message)
        assert bench.peer.frames[-1].version == version
    bench.peer.answer(ANSWER, which=1)
    assert bench.answers == [ANSWER]
    bench.peer.answer(LogAck(Status.OK), which=2, version=3 - version)  # the version that was not agreed on
    assert bench.state is State.CONNECTING
    assert bench.answers == [ANSWER, None, None]


@pytest.mark.fact("SVP-I41")
@pytest.mark.parametrize("version", [0, 3, 65535])
def test_a_version_that_does_not_exist_is_no_answer(bench: Bench, version: int) -> None:
    bench.peer.accept(None)
    bench.peer.answer(Pong(), version=version)
    assert bench.state is State.CONNECTING
    assert bench.peer.calls[-2:] == ["close", "connect"]


def test_a_peer_that_does_not_answer_ping_is_spoken_to_in_version_1(bench: Bench) -> None:
    bench.peer.accept(None)
    ticks(bench.conn, 2)
    assert bench.state is State.VERSIONING
    bench.conn.tick()
    assert bench.state is State.CONNECTING
    bench.conn.connected()
    assert bench.state is State.ACTIVE
    bench.ask()
    assert [(frame.op, frame.version) for frame in bench.peer.frames] == [(Op.PING, 2), (Op.VL2_REQ, 1)]
    bench.peer.answer(ANSWER)
    bench.conn.lost("closed")  # what answers may be another server next time
    bench.conn.tick()
    bench.conn.connected()
    assert bench.state is State.VERSIONING


def test_a_peer_that_was_away_is_asked_for_its_version_again(bench: Bench) -> None:
    bench.peer.accept(None)
    bench.conn.lost("reset")
    bench.refuse()
    bench.conn.tick()
    bench.conn.connected()
    assert bench.state is State.VERSIONING


def test_a_version_1_connection_takes_no_pong(bench: Bench) -> None:
    bench.peer.accept(None)
    bench.conn.lost("reset")
    bench.conn.connected()
    bench.ask()
    bench.peer.answer(Pong())
    assert bench.answers == [None]
    assert bench.state is State.BACKOFF, "nothing was ever answered"


@pytest.mark.fact("SVP-I36")
def test_ids_are_unique_never_zero_and_all_come_back(active: Bench) -> None:
    for _ in range(20):
        active.ask()
    ids = [frame.id for frame in active.peer.frames[1:]]
    assert len(set(ids)) == 20
    assert 0 not in ids
    for which in range(1, 11):
        active.peer.answer(ANSWER, which=which)
    assert len(active.ids) == 10
    active.conn.lost("reset")
    assert len(active.ids) == 0, "ids of failed queries leak"
    assert active.answers == [ANSWER] * 10 + [None] * 10


@pytest.mark.fact("SVP-I36")
def test_ids_ascend_and_begin_again_at_1_passing_over_those_in_use() -> None:
    ids = Ids()
    assert [ids.take(), ids.take(), ids.take()] == [1, 2, 3]
    ids.give_back(2)
    ids._next = ID_MAX
    assert [ids.take(), ids.take(), ids.take()] == [ID_MAX, 2, 4]
    assert (ID_MIN, ID_MAX) == (1, 2**31 - 2)


def test_answers_may_come_in_any_order(active: Bench) -> None:
    first, second = Vl2Ack(Status.OK, 1, THERE), Vl2Ack(Status.OK, 2, THERE)
    active.ask()
    active.ask()
    active.peer.answer(second, which=2)
    active.peer.answer(first, which=1)
    assert active.answers == [second, first]


def good(active: Bench) -> bytes:
    return wire.encode(ANSWER, active.peer.frames[-1].id)


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


VIOLATIONS: dict[str, Callable[[Bench], bytes]] = {
    "wrong CRC": lambda b: flipped(good(b), -1),
    "CRC bit": lambda b: flipped(good(b), 15),
    "version 2 on a version 1 connection": lambda b: wire.encode(ANSWER, b.peer.frames[-1].id, 2),
    "version 0": lambda b: wire.encode(ANSWER, b.peer.frames[-1].id, 0),
    "unknown op": lambda b: wire.frame(99, b"", b.peer.frames[-1].id),
    "op 0": lambda b: wire.frame(0, b"", b.peer.frames[-1].id),
    "a request": lambda b: wire.encode(QUESTION, b.peer.frames[-1].id),
    "SHOOTDOWN": lambda b: wire.frame(Op.SHOOTDOWN, bytes(12), b.peer.frames[-1].id),
    "BULK_ACK": lambda b: wire.frame(Op.BULK_ACK, bytes(8), b.peer.frames[-1].id),
    "PONG": lambda b: wire.encode(Pong(), b.peer.frames[-1].id),
    "unknown id": lambda b: wire.encode(ANSWER, 77777),
    "id 0": lambda b: wire.encode(ANSWER, 0),
    "byte-swapped id": lambda b: wire.encode(ANSWER, int.from_bytes(struct.pack("<I", b.peer.frames[-1].id))),
    "ACK of another op": lambda b: wire.encode(Vl3Ack(Status.OK, MAC, 4789, THERE), b.peer.frames[-1].id),
    "LOG_ACK": lambda b: wire.encode(LogAck(Status.OK), b.peer.frames[-1].id),
    "ROUTE_ACK": lambda b: wire.encode(RouteAck(Status.OK), b.peer.frames[-1].id),
    "short body": lambda b: wire.frame(Op.VL2_ACK, bytes(19), b.peer.frames[-1].id),
    "long body": lambda b: wire.frame(Op.VL2_ACK, bytes(21), b.peer.frames[-1].id),
    "no body": lambda b: wire.frame(Op.VL2_ACK, b"", b.peer.frames[-1].id),
    "huge size": lambda b: struct.pack("!HHIII", 1, Op.VL2_ACK, 0xFFFFFFFF, b.peer.frames[-1].id, 0),
}


@pytest.mark.fact("SVP-B1", "SVP-B2", "SVP-B3", "SVP-B6", "SVP-B7", "SVP-B9", "SVP-B26", "SVP-B27")
@pytest.mark.parametrize("kind", VIOLATIONS)
def test_a_violation_resets_the_connection_and_fails_its_queries(active: Bench, kind: str) -> None:
    active.ask()
    active.conn.received(VIOLATIONS[kind](active))
    assert active.answers == [None]
    assert active.peer.calls[-2:] == ["close", "connect"]
    assert any("protocol violation" in note for note in active.notes)
    active.activate()  # and it is as good as new
    active.ask()
    active.peer.answer(ANSWER)
    assert active.answers == [None, ANSWER]


def test_answers_before_a_violation_in_the_same_read_count(active: Bench) -> None:
    active.ask()
    active.ask()
    data = wire.encode(ANSWER, active.peer.frames[-2].id)
    active.conn.received(data + flipped(good(active), -1))
    assert active.answers == [ANSWER, None]
    assert active.state is State.CONNECTING


@pytest.mark.fact("SVP-B27")
def test_what_comes_behind_an_answer_that_ends_the_connection_is_not_read(active: Bench) -> None:
    active.conn.ask(QUESTION, lambda answer: (active.answers.append(answer), active.conn.end())[0])
    active.ask()
    first, second = (wire.encode(ANSWER, frame.id) for frame in active.peer.frames[-2:])
    active.conn.received(first + second)
    assert active.answers == [ANSWER, None]
    assert active.peer.calls[-1] == "close"


def test_an_address_that_never_was_away_need_not_come_back(active: Bench) -> None:
    before = list(active.peer.calls)
    active.conn.come_back()
    assert (active.state, active.peer.calls) == (State.ACTIVE, before)


def test_an_answer_to_a_question_answered_before_is_a_violation(active: Bench) -> None:
    active.ask()
    active.peer.answer(ANSWER)
    active.peer.answer(ANSWER)
    assert active.answers == [ANSWER]
    assert active.state is State.CONNECTING


@pytest.mark.fact("SVP-Q17")
@pytest.mark.parametrize("at", range(1, 36))
def test_an_answer_may_come_in_two_pieces_wherever_it_is_cut(active: Bench, at: int) -> None:
    active.ask()
    data = good(active)
    active.conn.received(data[:at])
    assert active.answers == []
    active.conn.received(data[at:])
    assert active.answers == [ANSWER]


@pytest.mark.fact("SVP-Q17")
def test_half_an_answer_does_not_outlive_its_connection(active: Bench) -> None:
    active.ask()
    active.conn.received(good(active)[:21])
    active.conn.lost("reset")
    active.activate()
    active.ask()
    active.peer.answer(ANSWER)
    assert active.answers == [None, ANSWER]


@pytest.mark.fact("SVP-B24")
@pytest.mark.parametrize(
    "body",
    [bytes(4) + struct.pack("!I", 9) + bytes(28), wire.pack_body(LogAck(0, (Vl2Record(bytes(16), MAC, 1),)))[:-1]],
)
def test_a_log_that_makes_no_sense_fails_its_query_only(active: Bench, body: bytes) -> None:
    active.ask()
    active.ask(LogReq(1024, HERE))
    active.conn.received(wire.frame(Op.LOG_ACK, body, active.peer.frames[-1].id))
    assert active.answers == [None]
    assert active.state is State.ACTIVE
    active.peer.answer(ANSWER, which=1)
    assert active.answers == [None, ANSWER]


@pytest.mark.fact("SVP-B25", "SVP-Q7")
def test_a_log_may_have_as_many_bytes_of_records_as_were_asked_for_and_not_one_more(active: Bench) -> None:
    full = LogAck(Status.OK, tuple(Vl2Record(bytes([n]) * 16, MAC, VNET) for n in range(32)))
    active.ask(LogReq(1024, HERE))
    active.peer.answer(full)  # the released server's answer, 1028 bytes
    assert active.answers == [full]
    active.ask(LogReq(1024, HERE))
    active.conn.received(wire.frame(Op.LOG_ACK, bytes(1029), active.peer.frames[-1].id))
    assert active.answers == [full, None]
    assert active.state is State.CONNECTING
    active.activate()
    active.ask(LogReq(64, HERE))
    active.conn.received(wire.frame(Op.LOG_ACK, bytes(69), active.peer.frames[-1].id))
    assert active.answers == [full, None, None]
    assert active.state is State.INITIAL, "a violation, the second in this tick"


@pytest.mark.fact("SVP-B10")
def test_a_query_unanswered_for_more_than_30_ticks_is_noticed_at_the_next_look(bench: Bench) -> None:
    ticks(bench.conn, 3)
    bench.activate()
    bench.ask()
    bench.conn.received(wire.encode(ANSWER, bench.peer.frames[-1].id)[:10])  # and then silence
    waited = 0
    while not bench.answers:
        bench.conn.tick()
        waited += 1
    assert bench.answers == [None]
    assert waited == 57, "looks are at ticks 30 and 60; at 27 ticks old it is not too old"
    assert bench.state is State.CONNECTING


def test_queries_that_are_answered_within_30_ticks_never_time_out(active: Bench) -> None:
    for _ in range(20):
        active.ask()
        ticks(active.conn, 29)
        active.peer.answer(ANSWER)
        assert active.answers.pop() == ANSWER
    assert active.peer.attempts == 1


@pytest.mark.fact("SVP-Q16")
def test_what_there_is_no_room_for_is_written_once_there_is_and_only_once(active: Bench) -> None:
    active.conn.hold()
    active.ask()
    active.ask()
    assert len(active.peer.frames) == 1
    ticks(active.conn, 100)  # what was not written does not time out
    assert active.state is State.ACTIVE
    active.conn.resume()
    active.conn.resume()
    assert [frame.op for frame in active.peer.frames] == [Op.PING, Op.VL2_REQ, Op.VL2_REQ]


def test_an_answer_to_what_was_not_written_yet_is_a_violation(active: Bench) -> None:
    active.ask()
    active.conn.hold()
    active.ask()
    active.conn.received(wire.encode(ANSWER, active.peer.frames[-1].id + 1))
    assert active.answers == [None, None]


@pytest.mark.fact("SVP-Q14")
@pytest.mark.parametrize("state", [s for s in State if s is not State.GONE])
def test_a_connection_may_be_retired_in_any_state(bench: Bench, state: State) -> None:
    bring_to(bench, state)
    bench.conn.fall_out()
    ended = State.WINDDOWN if state is State.WINDDOWN else State.GONE
    assert bench.state is ended
    bench.conn.tick()
    assert bench.peer.calls.count("connect") == bench.peer.attempts
    if state not in {State.INITIAL, State.BACKOFF, State.WINDDOWN}:
        assert bench.peer.calls[-1] == "close"


@pytest.mark.fact("SVP-I38")
def test_a_retired_connection_finishes_its_queries(active: Bench) -> None:
    active.ask()
    active.ask()
    active.conn.fall_out()
    assert active.state is State.WINDDOWN
    active.peer.answer(ANSWER, which=1)
    assert active.state is State.WINDDOWN
    active.peer.answer(ANSWER, which=2)
    assert active.state is State.GONE
    assert active.answers == [ANSWER, ANSWER]
    assert active.peer.calls[-1] == "close"


def test_a_retired_connection_that_breaks_is_not_made_again(active: Bench) -> None:
    active.ask()
    active.conn.fall_out()
    before = active.peer.attempts
    active.conn.lost("reset")
    ticks(active.conn, 100)
    assert active.answers == [None]
    assert active.state is State.GONE
    assert active.peer.attempts == before


def test_a_retired_connection_whose_query_times_out_is_gone(active: Bench) -> None:
    active.ask()
    active.conn.fall_out()
    ticks(active.conn, 61)
    assert (active.state, active.answers) == (State.GONE, [None])


def test_an_address_that_comes_back_keeps_its_connection(active: Bench) -> None:
    active.ask()
    active.conn.fall_out()
    active.conn.come_back()
    assert active.state is State.ACTIVE
    active.peer.answer(ANSWER)
    assert active.state is State.ACTIVE
    assert "close" not in active.peer.calls


@pytest.mark.fact("SVP-Q15")
@pytest.mark.parametrize("state", [s for s in State if s is not State.GONE])
def test_ending_it_closes_it_in_any_state(bench: Bench, state: State) -> None:
    bring_to(bench, state)
    had_query = state is State.WINDDOWN
    bench.conn.end()
    assert bench.state is State.GONE
    assert bench.answers == ([None] if had_query else [])
    if state not in {State.INITIAL, State.BACKOFF}:
        assert bench.peer.calls[-1] == "close"
    assert len(bench.ids) == 0


def test_a_query_that_fails_may_ask_again_at_once(active: Bench) -> None:
    """Whoever is told of a failure sees a connection that is not active any more."""
    seen: list[State] = []
    active.conn.ask(QUESTION, lambda _: seen.append(active.state))
    active.conn.lost("reset")
    assert seen == [State.CONNECTING]


def test_route_queries_are_answered_by_their_own_kind(bench: Bench) -> None:
    bench.activate(2)
    bench.ask(RouteReq(VNET, 4, THERE, HERE))
    answer = RouteAck(Status.NOTFOUND)
    bench.peer.answer(answer)
    assert bench.answers == [answer]


def test_a_log_removal_is_answered_by_its_own_kind(active: Bench) -> None:
    from libvarpd.plugins.svp.messages import LogRm

    active.ask(LogRm((bytes(16),)))
    active.peer.answer(LogRmAck(Status.OK))
    assert active.answers == [LogRmAck(Status.OK)]


def test_every_state_but_the_last_can_be_left_and_every_event_is_used() -> None:
    assert {state for state, _ in TRANSITIONS} == set(State) - {State.GONE}
    assert {event for _, event in TRANSITIONS} == set(Event)
    assert {state for state, _ in TRANSITIONS.values()} == set(State)


def test_the_picture_names_every_state() -> None:
    assert conn_module.__doc__ is not None
    for state in State:
        assert state.name in conn_module.__doc__


def bring_to(bench: Bench, state: State) -> None:
    match state:
        case State.INITIAL:
            bench.activate()
            bench.conn.lost("closed")
            bench.activate()
            bench.conn.lost("closed")
        case State.CONNECTING:
            pass
        case State.BACKOFF:
            bench.refuse()
        case State.VERSIONING:
            bench.peer.accept(None)
        case State.ACTIVE:
            bench.activate()
        case State.WINDDOWN:
            bench.activate()
            bench.ask()
            bench.conn.fall_out()
    assert bench.state is state
