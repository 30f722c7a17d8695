"""What the SVP server answers to questions, in both versions."""

from __future__ import annotations

import asyncio
import struct

import pytest

from etherspan.portolan.answer import Answerer
from etherspan.portolan.store.memory import MemoryStore
from kernel_sim.dev.log import NullLog
from libvarpd.plugins.svp import wire
from libvarpd.plugins.svp.messages import (
    NO_ADDRESS,
    BulkAck,
    BulkReq,
    LogReq,
    LogRm,
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
from tests.portolan_rows import VNET, event_id, ip, mac, mapping, route, vl2_event
from tests.portolan_talk import (
    HERE,
    PATIENCE,
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
    """One that was asked before knows no more than one that is new."""
    data = b"".join(request(one, 1, 2) for one in (*REQUESTS[:-1], ROUTE_REQ, *UNKNOWN))

    async def both() -> tuple[bytes, bytes]:
        used = Answerer(store, NullLog(), PATIENCE)
        first = await talk(store, data, answerer=used)
        async with store.transaction() as change:
            await change.put_mappings([mapping("10.0.0.1", 1, 3)])
            await change.append_events([vl2_event(50, 1)])
        again = await talk(store, data, answerer=used)
        fresh = await talk(store, data)
        assert again.data != first.data
        return again.data, fresh.data

    one, other = asyncio.run(both())
    assert one == other
