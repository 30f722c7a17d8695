"""The log as the SVP server gives it out: which events, in which order, how many, and how they go."""

from __future__ import annotations

import asyncio
from uuid import UUID

import pytest

from etherspan.portolan.answer import Answerer
from etherspan.portolan.records import Event
from etherspan.portolan.store.memory import MemoryStore
from kernel_sim.dev.log import NullLog
from libvarpd.plugins.svp import wire
from libvarpd.plugins.svp.messages import (
    NO_ADDRESS,
    LogAck,
    LogReq,
    LogRm,
    LogRmAck,
    Message,
    Ping,
    Pong,
    Status,
)
from tests.portolan_rows import event_id, ip, node, route_event, vl2_event, vl3_event
from tests.portolan_talk import (
    HERE,
    BrokenStore,
    ask,
    only,
    request,
    small_store,
    talk,
)


@pytest.fixture
def store() -> MemoryStore:
    return asyncio.run(small_store())


def with_events(*events: Event) -> MemoryStore:
    """Node 1 with these."""

    async def fill() -> MemoryStore:
        store = MemoryStore()
        async with store.transaction() as change:
            await change.put_nodes([node(1)])
            await change.append_events(events)
        return store

    return asyncio.run(fill())


def records(message: Message) -> list[bytes]:
    assert isinstance(message, LogAck)
    assert message.status == Status.OK
    return [one.id for one in message.records]


@pytest.mark.fact("SVP-I18")
def test_asking_for_the_log_changes_nothing(store: MemoryStore) -> None:
    asked = ask(store, *[LogReq(1024, HERE)] * 3)
    assert [records(one) for one in asked.messages] == [[event_id(1), event_id(2)]] * 3
    assert [records(one) for one in ask(store, LogReq(1024, HERE)).messages] == [[event_id(1), event_id(2)]]


def test_a_log_request_behind_a_removal_sees_it(store: MemoryStore) -> None:
    asked = ask(store, LogReq(1024, HERE), LogRm((event_id(1),)), LogReq(1024, HERE), LogRm((event_id(2),)), Ping())
    first, removed, second, _, _ = asked.messages
    assert (records(first), removed, records(second)) == (
        [event_id(1), event_id(2)],
        LogRmAck(Status.OK),
        [event_id(2)],
    )


@pytest.mark.fact("SVP-I19")
@pytest.mark.parametrize(
    ("count", "fits"),
    [(0, 0), (31, 0), (32, 1), (63, 1), (64, 1), (75, 1), (76, 2), (107, 2), (108, 3), (151, 3), (152, 4), (4096, 4)],
)
def test_records_are_taken_in_order_while_they_fit(count: int, fits: int) -> None:
    store = with_events(vl2_event(1, 1), vl3_event(2, 1), vl2_event(3, 1), vl3_event(4, 1))
    (found,) = ask(store, LogReq(count, HERE)).messages
    assert records(found) == [event_id(number) for number in range(1, fits + 1)]


@pytest.mark.fact("SVP-I19")
def test_a_small_record_behind_one_that_does_not_fit_is_not_taken() -> None:
    store = with_events(vl3_event(1, 1), route_event(2, 1), vl2_event(3, 1))
    (found,) = ask(store, LogReq(96, HERE), version=2).messages
    assert records(found) == [event_id(1)]


@pytest.mark.fact("SVP-B17")
@pytest.mark.parametrize("count", [0, 1, 31])
def test_who_takes_no_record_gets_none(count: int) -> None:
    assert ask(with_events(vl2_event(1, 1)), LogReq(count, HERE)).messages == [LogAck(Status.OK)]


@pytest.mark.fact("SVP-Q7")
@pytest.mark.parametrize(("count", "fits"), [(1023, 31), (1024, 31), (1025, 32)])
def test_the_answer_to_the_released_client_fits_into_its_buffer(count: int, fits: int) -> None:
    store = with_events(*[vl2_event(number, 1) for number in range(1, 40)])
    asked = ask(store, LogReq(count, HERE))
    assert len(records(only(asked.messages))) == fits
    assert count != 1024 or len(asked.frames[0].body) <= 1024


def test_no_answer_is_larger_than_a_request_may_be() -> None:
    store = with_events(*[vl2_event(number, 1) for number in range(1, 2100)])
    (frame,) = ask(store, LogReq(0xFFFFFFFF, HERE)).frames
    assert wire.MAX_BODY - 32 < len(frame.body) <= wire.MAX_BODY


@pytest.mark.fact("SVP-Q13")
def test_routes_do_not_keep_version_one_from_what_is_behind_them() -> None:
    store = with_events(*[route_event(number, 1) for number in range(1, 41)], vl2_event(41, 1))
    assert records(only(ask(store, LogReq(1024, HERE), version=1).messages)) == [event_id(41)]
    assert records(only(ask(store, LogReq(1024, HERE), version=2).messages)) == [event_id(n) for n in range(1, 15)]


@pytest.mark.fact("SVP-B15")
@pytest.mark.parametrize("address", [ip("172.16.0.77"), bytes(12) + bytes([172, 16, 0, 1]), NO_ADDRESS])
def test_the_log_of_an_address_that_is_no_node_is_fatal(store: MemoryStore, address: bytes) -> None:
    asked = ask(store, LogReq(1024, address), Ping())
    assert asked.messages == [LogAck(Status.FATAL), Pong()]


@pytest.mark.fact("SVP-B16")
def test_the_log_of_an_address_that_two_nodes_have_is_fatal(store: MemoryStore) -> None:
    async def add() -> None:
        async with store.transaction() as change:
            await change.put_nodes([node(77, "172.16.0.1")])

    asyncio.run(add())
    assert ask(store, LogReq(1024, HERE)).messages == [LogAck(Status.FATAL)]


@pytest.mark.fact("SVP-B13")
def test_a_removal_of_nothing_is_ok(store: MemoryStore) -> None:
    assert ask(store, LogRm(())).messages == [LogRmAck(Status.OK)]
    assert ask(BrokenStore(store, "transaction"), LogRm(())).messages == [LogRmAck(Status.OK)]


@pytest.mark.fact("SVP-B14")
def test_unknown_repeated_and_foreign_ids_are_removed_all_the_same(store: MemoryStore) -> None:
    ids = (event_id(1), event_id(1), UUID(int=99).bytes, event_id(4))
    assert ask(store, LogRm(ids), LogRm(ids)).messages == [LogRmAck(Status.OK)] * 2
    theirs = ask(store, LogReq(1024, ip("172.16.0.2"))).messages
    assert [records(one) for one in theirs] == [[]]


def test_removals_at_once_share_a_transaction(store: MemoryStore) -> None:
    class Counting(BrokenStore):
        transactions = 0

        def check(self, part: str) -> None:
            self.transactions += part == "transaction"

    counting = Counting(store)

    async def many() -> None:
        answerer = Answerer(counting, NullLog(), 20)
        asked = (talk(counting, request(LogRm((event_id(n),))), answerer=answerer) for n in range(1, 5))
        assert [one.statuses for one in await asyncio.gather(*asked)] == [[Status.OK]] * 4

    asyncio.run(many())
    assert counting.transactions == 1
