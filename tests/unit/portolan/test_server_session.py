"""What the SVP server answers, request by request, in both versions; and what ends a session."""

from __future__ import annotations

import asyncio
import struct
from uuid import UUID

import pytest

from etherspan.portolan.answer import Answerer
from etherspan.portolan.records import Event
from etherspan.portolan.session import End, Session
from etherspan.portolan.store.memory import MemoryStore
from kernel_sim.dev.log import NullLog
from libvarpd.plugins.svp import wire
from libvarpd.plugins.svp.messages import (
    NO_ADDRESS,
    BulkAck,
    BulkReq,
    LogAck,
    LogReq,
    LogRm,
    LogRmAck,
    Message,
    Op,
    Ping,
    Pong,
    RouteAck,
    RouteReq,
    Shootdown,
    Status,
    Vl2Ack,
    Vl2Req,
    Vl3Ack,
    Vl3Req,
)
from tests.portolan_rows import VNET, event_id, ip, mac, mapping, node, route, route_event, vl2_event, vl3_event
from tests.portolan_talk import (
    HERE,
    REQUESTS,
    ROUTE_REQ,
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


def test_ping_is_answered_without_the_store(store: MemoryStore) -> None:
    assert ask(BrokenStore(store, "snapshot"), Ping()).messages == [Pong()]


def test_a_mac_address_is_where_its_node_is(store: MemoryStore) -> None:
    assert ask(store, Vl2Req(mac(2), VNET)).messages == [Vl2Ack(Status.OK, 4789, ip("172.16.0.2"))]


def test_a_guest_address_has_an_owner_that_is_somewhere(store: MemoryStore) -> None:
    asked = ask(store, Vl3Req(ip("10.0.0.2"), 1, VNET), Vl3Req(ip("fd00::2"), 2, VNET))
    assert asked.messages == [Vl3Ack(Status.OK, mac(2), 4789, ip("172.16.0.2"))] * 2


def test_a_router_is_answered_with_its_mac_address_only(store: MemoryStore) -> None:
    asked = ask(store, Vl3Req(ip("10.0.0.5"), 1, VNET), version=2)
    assert asked.messages == [Vl3Ack(Status.OK, mac(5), 0, NO_ADDRESS)]


def test_a_route_leads_to_the_owner_on_the_far_network(store: MemoryStore) -> None:
    assert ask(store, ROUTE_REQ, version=2).messages == [
        RouteAck(Status.OK, 2, 7, 9, 4789, ip("172.16.0.3"), mac(0xFF0002), mac(9), 24, 16)
    ]


def test_prefix_lengths_of_a_route_between_ipv6_networks_are_those_of_ipv6(store: MemoryStore) -> None:
    async def add() -> None:
        async with store.transaction() as change:
            await change.put_routes([route("fd00::/64", "fd01::/48", vlan=4)])
            await change.put_mappings([mapping("fd01::1", 9, 3, vnet_id=7)])

    asyncio.run(add())
    found = only(ask(store, RouteReq(VNET, 4, ip("fd00::1"), ip("fd01::1")), version=2).messages)
    assert isinstance(found, RouteAck)
    assert (found.status, found.src_prefix, found.dst_prefix) == (Status.OK, 64, 48)


@pytest.mark.fact("SVP-I11")
@pytest.mark.parametrize("message", [*REQUESTS, BulkReq(1), ROUTE_REQ], ids=lambda one: one.op.name)
def test_each_request_is_answered_once_with_the_next_op_and_the_same_id(store: MemoryStore, message: Message) -> None:
    for ident in (0, 1, 0xFFFFFFFF):
        (frame,) = asyncio.run(talk(store, request(message, ident, 2))).frames
        assert (frame.op, frame.id) == (message.op + 1, ident)


@pytest.mark.fact("SVP-I12")
@pytest.mark.parametrize("batch", [1, 3, 1024])
def test_pipelined_requests_are_answered_in_their_order(store: MemoryStore, batch: int) -> None:
    asked = [*REQUESTS, BulkReq(2), *reversed(REQUESTS), *REQUESTS]
    data = b"".join(request(one, number) for number, one in enumerate(asked))
    answers = asyncio.run(talk(store, data, max_batch=batch)).frames
    assert [(one.op, one.id) for one in answers] == [(one.op + 1, number) for number, one in enumerate(asked)]


def test_two_requests_with_the_same_id_are_both_answered(store: MemoryStore) -> None:
    answers = asyncio.run(talk(store, request(Ping(), 5) + request(Vl2Req(mac(1), VNET), 5))).frames
    assert [(one.op, one.id) for one in answers] == [(Op.PONG, 5), (Op.VL2_ACK, 5)]


UNKNOWN: tuple[Message, ...] = (
    Vl2Req(mac(77), VNET),
    Vl2Req(mac(1), VNET + 1),
    Vl2Req(mac(3), VNET),
    Vl2Req(mac(4), VNET),
    Vl3Req(ip("10.0.0.77"), 1, VNET),
    Vl3Req(ip("10.0.0.3"), 1, VNET),
    Vl3Req(ip("10.0.0.4"), 1, VNET),
    RouteReq(VNET, 4, ip("10.0.0.1"), ip("10.1.0.10")),
    RouteReq(VNET, 5, ip("10.0.0.1"), ip("10.1.0.9")),
)
"""Not there; on another network; deleted; on a node that is not there. The same of routes."""


@pytest.mark.fact("SVP-I13")
@pytest.mark.parametrize("fails", [False, True])
def test_of_an_answer_that_is_not_ok_all_but_the_status_is_zero(store: MemoryStore, fails: bool) -> None:
    asked = ask(BrokenStore(store, "snapshot") if fails else store, *UNKNOWN, version=2)
    assert asked.statuses == [Status.FATAL if fails else Status.NOTFOUND] * len(UNKNOWN)
    for frame in asked.frames:
        width = 2 if frame.op == Op.VL2_ACK else 4
        assert frame.body == frame.body[:width] + bytes(wire.FIXED_SIZE[frame.op] - width)


@pytest.mark.fact("SVP-I17", "SVP-B22", "SVP-Q3")
@pytest.mark.parametrize("kind", [0, 1, 2, 9, 0x00020000, 0xFFFFFFFF])
def test_the_type_of_a_vl3_request_does_not_matter(store: MemoryStore, kind: int) -> None:
    asked = ask(store, Vl3Req(ip("10.0.0.2"), kind, VNET), Vl3Req(ip("fd00::2"), kind, VNET))
    assert asked.messages == [Vl3Ack(Status.OK, mac(2), 4789, ip("172.16.0.2"))] * 2


@pytest.mark.fact("SVP-Q1")
def test_the_four_bytes_of_an_id_come_back_as_they_are(store: MemoryStore) -> None:
    little = struct.unpack("!I", struct.pack("<I", 5))[0]
    asked = asyncio.run(talk(store, request(Vl2Req(mac(1), VNET), little)))
    assert asked.data[8:12] == b"\x05\0\0\0"


@pytest.mark.fact("SVP-Q2")
def test_stale_memory_in_the_pad_of_a_vl2_request_is_ignored(store: MemoryStore) -> None:
    body = wire.pack_body(Vl2Req(mac(2), VNET))
    dirty = wire.frame(Op.VL2_REQ, body[:6] + b"\xde\xad" + body[8:], 1)
    assert asyncio.run(talk(store, dirty)).messages == [Vl2Ack(Status.OK, 4789, ip("172.16.0.2"))]


@pytest.mark.fact("SVP-Q4")
def test_a_log_request_with_a_type_behind_it_is_answered(store: MemoryStore) -> None:
    plain = asyncio.run(talk(store, request(LogReq(1024, HERE))))
    longer = asyncio.run(talk(store, request(LogReq(1024, HERE), surplus=struct.pack("!I", 1))))
    assert longer.end is None
    assert longer.data == plain.data


@pytest.mark.fact("SVP-B8")
@pytest.mark.parametrize(
    "message", [one for one in (*REQUESTS, BulkReq(1), ROUTE_REQ) if one.op != Op.LOG_RM], ids=lambda one: one.op.name
)
def test_what_is_over_in_a_body_of_fixed_size_is_ignored(store: MemoryStore, message: Message) -> None:
    longer = asyncio.run(talk(store, request(message, 1, 2, surplus=b"over")))
    assert longer.end is None
    assert longer.data == asyncio.run(talk(store, request(message, 1, 2))).data


@pytest.mark.fact("SVP-I41", "SVP-B2")
@pytest.mark.parametrize(("received", "effective"), [(1, 1), (2, 2), (3, 2), (0xFFFF, 2)])
def test_an_answer_has_the_version_of_its_request_or_the_highest_there_is(
    store: MemoryStore, received: int, effective: int
) -> None:
    data = b"".join(request(one, 1, received) for one in (*REQUESTS, BulkReq(1)))
    assert {one.version for one in asyncio.run(talk(store, data)).frames} == {effective}


def test_messages_of_both_versions_may_share_a_connection(store: MemoryStore) -> None:
    data = b"".join(request(Ping(), 1, version) for version in (2, 1, 2))
    assert [one.version for one in asyncio.run(talk(store, data)).frames] == [2, 1, 2]


@pytest.mark.fact("SVP-B3")
@pytest.mark.parametrize("kind", [1, 2, 77])
def test_bulk_is_answered_badbulk_with_its_type(store: MemoryStore, kind: int) -> None:
    asked = ask(store, BulkReq(kind), Ping())
    assert asked.messages == [BulkAck(Status.BADBULK, kind), Pong()]
    assert len(asked.frames[0].body) == 8


@pytest.mark.fact("SVP-B4")
def test_a_shootdown_is_ignored(store: MemoryStore) -> None:
    asked = ask(store, Shootdown(mac(1), VNET), Ping(), Shootdown(mac(2), VNET))
    assert (asked.messages, asked.end) == ([Pong()], None)


@pytest.mark.fact("SVP-B20")
def test_an_empty_store_knows_nothing() -> None:
    asked = ask(MemoryStore(), Vl2Req(mac(1), VNET), Vl3Req(ip("10.0.0.1"), 1, VNET), ROUTE_REQ, version=2)
    assert asked.statuses == [Status.NOTFOUND] * 3


@pytest.mark.fact("SVP-B21", "SVP-Q24")
@pytest.mark.parametrize(
    ("message", "part"),
    [
        (Vl2Req(mac(1), VNET), "vl2"),
        (Vl3Req(ip("10.0.0.1"), 1, VNET), "vl3"),
        (LogReq(1024, HERE), "log"),
        (LogRm((event_id(1),)), "remove_events"),
        (LogRm((event_id(1),)), "transaction"),
        (Vl2Req(mac(1), VNET), "snapshot"),
        (LogReq(1024, HERE), "snapshot"),
    ],
)
def test_what_the_store_cannot_do_is_fatal_and_the_session_goes_on(
    store: MemoryStore, message: Message, part: str
) -> None:
    broken = BrokenStore(store, part)

    async def twice() -> None:
        failed = await talk(broken, request(message, 1), request(Ping(), 2))
        assert failed.end is None
        assert failed.statuses[0] == Status.FATAL
        assert failed.messages[1] == Pong()
        broken.parts.clear()
        assert (await talk(broken, request(message, 1))).statuses == [Status.OK]

    asyncio.run(twice())


@pytest.mark.fact("SVP-Q26")
def test_a_route_whose_destination_cannot_be_looked_up_is_fatal(store: MemoryStore) -> None:
    assert ask(BrokenStore(store, "routes"), ROUTE_REQ, version=2).messages == [RouteAck(Status.FATAL)]


@pytest.mark.fact("SVP-Q9")
def test_a_mapping_that_moved_is_answered_from_the_next_question_on(store: MemoryStore) -> None:
    async def move() -> tuple[list[Message], list[Message]]:
        asked = request(Vl2Req(mac(2), VNET)) + request(Vl3Req(ip("10.0.0.2"), 1, VNET))
        before = (await talk(store, asked)).messages
        async with store.transaction() as change:
            await change.put_mappings([mapping("10.0.0.2", 2, 3)])
        return before, (await talk(store, asked)).messages

    old, new = ip("172.16.0.2"), ip("172.16.0.3")
    before, after = asyncio.run(move())
    assert [one.address for one in before if isinstance(one, Vl2Ack | Vl3Ack)] == [old, old]
    assert [one.address for one in after if isinstance(one, Vl2Ack | Vl3Ack)] == [new, new]


@pytest.mark.fact("SVP-I24")
def test_every_server_over_a_store_says_the_same(store: MemoryStore) -> None:
    """A session knows nothing but its store: what one was asked or did before does not show in its answers."""
    data = b"".join(request(one, 1, 2) for one in (*REQUESTS[:-1], ROUTE_REQ, *UNKNOWN))

    async def both() -> tuple[bytes, bytes]:
        first = await talk(store, data)
        async with store.transaction() as change:
            await change.put_mappings([mapping("10.0.0.1", 1, 3)])
            await change.append_events([vl2_event(50, 1)])
        used = await talk(store, data, data)
        fresh = await talk(store, data)
        assert used.data != first.data * 2
        return used.data, fresh.data * 2

    one, other = asyncio.run(both())
    assert one == other


# The log


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


def test_a_small_record_behind_one_that_does_not_fit_is_not_taken() -> None:
    store = with_events(vl3_event(1, 1), vl2_event(2, 1))
    (found,) = ask(store, LogReq(43, HERE)).messages
    assert records(found) == []


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


# What ends a session


def ends_with(reason: str, data: bytes) -> None:
    """Check that those bytes end a session for that reason, and that what came before is answered, and nothing behind."""
    before = request(Vl2Req(mac(1), VNET), 1) + request(Ping(), 2)

    async def check() -> None:
        store = await small_store()
        for batch in (1, 1024):
            for pieces in ([before + data + before], [before, data, before], [before + data[:14], data[14:] + before]):
                found = await talk(store, *pieces, max_batch=batch)
                assert isinstance(found.end, End)
                assert found.end.reason == reason
                assert found.messages == [Vl2Ack(Status.OK, 4789, HERE), Pong()]

    asyncio.run(check())


@pytest.mark.fact("SVP-B1")
@pytest.mark.parametrize("at", [0, 3, 9, 12, 15, 16, 27])
def test_a_wrong_checksum_ends_the_session(at: int) -> None:
    data = bytearray(request(Vl2Req(mac(1), VNET)))
    data[at] ^= 1
    ends_with("bad_crc", bytes(data))


@pytest.mark.fact("SVP-B2")
@pytest.mark.parametrize("message", [*REQUESTS, BulkReq(1), ROUTE_REQ, Pong()], ids=lambda one: one.op.name)
def test_version_0_ends_the_session(message: Message) -> None:
    ends_with("bad_version", request(message, 1, 0))


@pytest.mark.fact("SVP-B3")
@pytest.mark.parametrize("op", [0, 16, 99, 0xFFFF])
def test_an_operation_that_is_not_there_ends_the_session(op: int) -> None:
    ends_with("bad_op", wire.frame(op, bytes(64), 1, 2))


@pytest.mark.fact("SVP-B5")
def test_a_route_request_in_version_1_ends_the_session() -> None:
    ends_with("bad_op", request(ROUTE_REQ, 1, 1))


@pytest.mark.fact("SVP-B6")
@pytest.mark.parametrize("op", [2, 4, 6, 8, 10, 12, 15])
def test_an_answer_from_a_client_ends_the_session(op: int) -> None:
    ends_with("unsolicited", wire.frame(op, bytes(48), 1, 2))


@pytest.mark.fact("SVP-B7")
@pytest.mark.parametrize(("op", "size"), [(3, 11), (3, 0), (5, 23), (7, 3), (9, 19), (11, 3), (13, 11), (14, 39)])
def test_a_body_without_all_of_its_fixed_part_ends_the_session(op: int, size: int) -> None:
    ends_with("bad_size", wire.frame(op, bytes(size), 1, 2))


@pytest.mark.fact("SVP-B9")
@pytest.mark.parametrize("size", [wire.MAX_BODY + 1, 0x7FFFFFFF, 0xFFFFFFFF])
def test_an_announced_size_beyond_all_measure_ends_the_session_at_once(size: int) -> None:
    ends_with("too_large", struct.pack("!HHIII", 1, 3, size, 1, 0))


@pytest.mark.fact("SVP-B12")
@pytest.mark.parametrize("count", [0, 1, 3, 0xFFFFFFFF])
def test_a_removal_that_does_not_hold_the_ids_it_counts_ends_the_session(count: int) -> None:
    ends_with("bad_size", wire.frame(Op.LOG_RM, struct.pack("!I", count) + bytes(32), 1))


@pytest.mark.fact("SVP-B18")
def test_a_log_request_of_the_early_design_ends_the_session() -> None:
    ends_with("bad_size", wire.frame(Op.LOG_REQ, struct.pack("!I", 1024), 1))


def test_a_body_of_the_largest_size_is_taken(store: MemoryStore) -> None:
    full = wire.frame(Op.PING, bytes(wire.MAX_BODY), 1)
    assert asyncio.run(talk(store, full)).messages == [Pong()]
    over = wire.frame(Op.PING, bytes(wire.MAX_BODY + 1), 1)
    assert asyncio.run(talk(store, over[:16])).end is not None


def test_no_batch_asks_for_more_log_rows_than_a_few_thousand() -> None:
    session = Session()
    session.feed(request(LogReq(0xFFFFFFFF, HERE)) * 10, 0.0)
    sizes = []
    while (batch := session.batch()) is not None:
        sizes.append(len(batch.logs))
        assert batch.rows <= 4096 + 2048
    assert sum(sizes) == 10


def test_a_batch_is_as_old_as_the_read_that_brought_its_first_request() -> None:
    session = Session(max_batch=3)
    session.feed(request(Ping()) * 2, 1.0)
    session.feed(request(Ping()) * 2, 2.0)
    session.feed(request(Ping()), 3.0)
    first, second = session.batch(), session.batch()
    assert first is not None
    assert second is not None
    assert (first.since, second.since) == (1.0, 2.0)
    assert session.batch() is None
