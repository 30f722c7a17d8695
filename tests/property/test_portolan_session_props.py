"""The SVP server's answers against a model that takes one request after the other; its log against the rule; and noise."""

from __future__ import annotations

import asyncio
import itertools
import struct
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etherspan.portolan.records import Event
from etherspan.portolan.session import Session
from etherspan.portolan.store.memory import MemoryStore
from etherspan.portolan.store.protocol import LogKey, RouteKey, Store
from libvarpd.plugins.svp import wire
from libvarpd.plugins.svp.messages import (
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
    Record,
    RouteAck,
    RouteReq,
    Shootdown,
    Status,
    Vl2Ack,
    Vl2Req,
    Vl3Ack,
    Vl3Req,
)
from tests.portolan_rows import VNET, cn, event_id, ip, mac, node, route_event, vl2_event, vl3_event
from tests.portolan_talk import HERE, request, small_store, talk

VNETS = st.sampled_from([VNET, 7, 0, 0xFFFFFFFF])
MACS = st.integers(0, 10).map(mac)
ADDRESSES = st.sampled_from(
    [ip(f"10.0.0.{n}") for n in range(7)] + [ip("fd00::2"), ip("10.1.0.9"), bytes(16), b"\xff" * 16]
)
NODES = st.sampled_from([HERE, ip("172.16.0.2"), ip("172.16.0.9")])
EVENTS = st.integers(1, 6).map(event_id)
U32 = st.integers(0, 0xFFFFFFFF)
VL2 = st.builds(Vl2Req, MACS, VNETS)
MESSAGES: st.SearchStrategy[Message] = st.one_of(
    VL2,
    st.builds(Vl3Req, ADDRESSES, U32, VNETS),
    st.builds(Ping),
    st.builds(BulkReq, U32),
    st.builds(LogReq, st.sampled_from([0, 32, 75, 76, 1024, 0xFFFFFFFF]), NODES),
    st.builds(LogRm, st.lists(EVENTS, max_size=3).map(tuple)),
    st.builds(Shootdown, MACS, VNETS),
)
ROUTES = st.builds(RouteReq, VNETS, st.sampled_from([0, 4]), ADDRESSES, ADDRESSES)
REQUESTS = st.one_of(
    st.tuples(MESSAGES, U32, st.sampled_from([1, 2, 3, 0xFFFF])), st.tuples(ROUTES, U32, st.sampled_from([2, 0xFFFF]))
)


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    """Bytes in pieces."""
    at = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[first:last] for first, last in itertools.pairwise(at)]


def taken(events: Sequence[Event], count: int) -> list[Record]:
    """What of the events an answer holds: the rule, told in another way (SVP-I19, SVP-Q7)."""
    room = min(count, wire.MAX_BODY - 4) - (4 if count == 1024 else 0)
    records = [one.record for one in events][: count // 32]
    while sum(one.size for one in records) > room:
        records.pop()
    return records


async def model(store: Store, message: Message, version: int) -> Message | None:
    """The answer to one request."""
    if isinstance(message, LogRm):
        async with store.transaction() as change:
            await change.remove_events(message.ids)
        return LogRmAck(Status.OK)
    async with store.snapshot() as now:
        match message:
            case Ping():
                return Pong()
            case BulkReq():
                return BulkAck(Status.BADBULK, message.type)
            case Vl2Req():
                (place,) = await now.vl2([(message.vnet_id, message.mac)])
                return Vl2Ack(Status.OK, place.port, place.address) if place else Vl2Ack(Status.NOTFOUND)
            case Vl3Req():
                (who,) = await now.vl3([(message.vnet_id, message.address)])
                return Vl3Ack(Status.OK, who.mac, who.port, who.address) if who else Vl3Ack(Status.NOTFOUND)
            case RouteReq():
                key = RouteKey(message.vnet_id, message.vlan, message.src_address, message.dst_address)
                (found,) = await now.routes([key])
                if found is None:
                    return RouteAck(Status.NOTFOUND)
                way, owner = found
                assert way.subnet.prefix == 120
                assert way.far_subnet.prefix == 112
                there = (way.far_dc, way.far_vnet_id, way.far_vlan, owner.port, owner.address)
                return RouteAck(Status.OK, *there, way.router_mac, owner.mac, 24, 16)
            case LogReq():
                (events,) = await now.log([LogKey(message.address, 10_000, version > 1)])
                return (
                    LogAck(Status.FATAL) if events is None else LogAck(Status.OK, tuple(taken(events, message.count)))
                )
    return None


@pytest.mark.fact("SVP-I11", "SVP-I12")
@given(
    asked=st.lists(REQUESTS, max_size=25), places=st.lists(st.integers(0, 5000), max_size=6), batch=st.integers(1, 30)
)
def test_any_stream_of_requests_cut_anyhow_is_answered_as_one_after_the_other(
    asked: list[tuple[Message, int, int]], places: list[int], batch: int
) -> None:
    async def check() -> None:
        data = b"".join(request(*one) for one in asked)
        found = await talk(await small_store(), *cut(data, places), max_batch=batch)
        store, expected = await small_store(), []
        for message, ident, version in asked:
            answer = await model(store, message, version)
            expected.append(b"" if answer is None else wire.encode(answer, ident, min(version, 2)))
        assert found.end is None
        assert found.data == b"".join(expected)

    asyncio.run(check())


@given(asked=st.lists(st.tuples(VL2, U32, st.sampled_from([1, 2, 9])), max_size=40), surplus=st.binary(min_size=1))
def test_the_short_way_of_a_vl2_request_and_the_general_one_give_the_same_bytes(
    asked: list[tuple[Vl2Req, int, int]], surplus: bytes
) -> None:
    """A body that is longer than it must be goes the general way."""

    async def check() -> None:
        store = await small_store()
        short = await talk(store, b"".join(request(*one) for one in asked))
        general = await talk(store, b"".join(request(*one, surplus) for one in asked))
        assert short.data == general.data

    asyncio.run(check())


@pytest.mark.fact("SVP-I19")
@given(
    kinds=st.lists(st.sampled_from([vl2_event, vl3_event, route_event]), max_size=60),
    count=st.one_of(st.integers(0, 2600), st.just(1024)),
    version=st.integers(1, 2),
)
def test_log_records_are_the_oldest_that_fit_and_the_next_would_not(
    kinds: list[type[Event]], count: int, version: int
) -> None:
    async def check() -> None:
        store = MemoryStore()
        events: list[Event] = [make(number, 1) for number, make in enumerate(kinds, 1)]  # type: ignore[arg-type, call-arg]
        async with store.transaction() as change:
            await change.put_nodes([node(1)])
            await change.append_events(events)
        (answer,) = (await talk(store, request(LogReq(count, HERE), 1, version))).messages
        assert isinstance(answer, LogAck)
        told = [one.record for one in events if version > 1 or one.record.type != 3]
        size = sum(one.size for one in answer.records)
        room = count - 4 if count == 1024 else count
        assert list(answer.records) == told[: len(answer.records)]
        assert size <= room
        if len(answer.records) < min(len(told), count // 32):
            assert size + told[len(answer.records)].size > room
        assert len(answer.records) <= count // 32

    asyncio.run(check())


@pytest.mark.fact("SVP-I18")
@given(times=st.integers(1, 5), count=st.sampled_from([32, 76, 1024]), gone=st.sets(st.integers(1, 3)))
def test_polls_say_the_same_until_something_is_removed(times: int, count: int, gone: set[int]) -> None:
    async def check() -> None:
        store = await small_store()
        poll = request(LogReq(count, HERE), 1, 2)
        first, *others = (await talk(store, poll * times)).messages
        assert others == [first] * (times - 1)
        await talk(store, request(LogRm(tuple(map(event_id, sorted(gone))))))
        async with store.transaction() as change:
            left = [one.record async for one in change.all_events(cn(1))]
        assert [one.id for one in left] == [event_id(one) for one in (1, 2, 3) if one not in gone]
        (now,) = (await talk(store, poll)).messages
        assert isinstance(now, LogAck)
        assert list(now.records) == left[: len(now.records)]

    asyncio.run(check())


@given(
    pieces=st.lists(st.one_of(st.binary(max_size=60), REQUESTS.map(lambda one: request(*one))), max_size=12),
    flips=st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 7)), max_size=3),
)
def test_noise_ends_a_session_and_does_nothing_else(pieces: list[bytes], flips: list[tuple[int, int]]) -> None:
    data = bytearray(b"".join(pieces))
    for at, bit in flips:
        if data:
            data[at % len(data)] ^= 1 << bit

    async def check() -> None:
        store = await small_store()
        whole = await talk(store, bytes(data))
        assert len(whole.frames) <= len(data) // wire.HEADER_SIZE
        if whole.end is not None:
            reasons = {one.value for one in wire.Reason} | {"unsolicited"}
            assert whole.end.reason in reasons

    asyncio.run(check())


@given(st.binary(max_size=200))
def test_a_session_that_has_ended_takes_nothing_more(after: bytes) -> None:
    session = Session()
    session.feed(struct.pack("!HHIII", 1, Op.PING, 0, 1, 0), 0.0)
    assert session.end is not None
    assert session.feed(after, 1.0) == 0
    assert (session.batch(), session.waiting, session.partial) == (None, 0, False)
