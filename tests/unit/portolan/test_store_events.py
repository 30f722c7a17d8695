"""Events and transactions of every store, in memory, SQLite and PostgreSQL alike."""

from __future__ import annotations

import asyncio
import ipaddress

import pytest

from etherspan.portolan.records import Place
from etherspan.portolan.store import Store, StoreError
from etherspan.portolan.store.protocol import LogKey
from tests.portolan_rows import (
    VNET,
    cn,
    event_id,
    everything,
    ip,
    mac,
    mapping,
    node,
    on_store,
    route,
    route_event,
    vl2_event,
    vl3_event,
)

MANY = 1 << 30


def place(number: int) -> Place:
    return Place(4789, node(number).underlay_ip)


@pytest.mark.fact("SVP-I18")
@on_store
async def test_a_log_that_is_asked_for_again_says_the_same(store: Store) -> None:
    events = [vl2_event(9, 1), vl3_event(4, 1), vl2_event(7, 1)]
    async with store.transaction() as change:
        await change.put_nodes([node(1)])
        await change.append_events(events)
    key = LogKey(node(1).underlay_ip, 2, routes=True)
    for _ in range(3):
        async with store.snapshot() as snapshot:
            assert await snapshot.log([key, key._replace(limit=MANY), key]) == [events[:2], events, events[:2]]


@pytest.mark.fact("SVP-I20")
@on_store
async def test_events_are_removed_once_in_any_order_and_others_stay(store: Store) -> None:
    events = [vl2_event(n, 1) for n in (5, 3, 8, 100)]
    async with store.transaction() as change:
        await change.put_nodes([node(1)])
        await change.append_events(events)
    key = LogKey(node(1).underlay_ip, MANY, routes=True)
    for ids in ([8, 77], [5, 8, 8], [8, 5]):
        async with store.transaction() as change:
            await change.remove_events([event_id(one) for one in ids])
    async with store.snapshot() as snapshot:
        assert await snapshot.log([key]) == [[events[1], events[3]]]
    async with store.transaction() as change:
        await change.append_events([vl2_event(2, 1)])
        assert await change.log([key]) == [[events[1], events[3], vl2_event(2, 1)]]


@pytest.mark.fact("SVP-B14")
@on_store
async def test_events_are_removed_whosever_they_are(store: Store) -> None:
    async with store.transaction() as change:
        await change.put_nodes([node(1), node(2)])
        await change.append_events([vl2_event(1, 1), vl2_event(2, 2), vl2_event(3, 99)])
    async with store.transaction() as change:
        await change.remove_events([event_id(n) for n in (2, 3, 2, 1000)])
    async with store.transaction() as change:
        assert await everything(change.all_events()) == [vl2_event(1, 1)]


@pytest.mark.fact("SVP-I21")
@on_store
async def test_a_log_is_in_the_order_of_appending_and_new_events_displace_none(store: Store) -> None:
    numbers = [(n * 37) % 101 for n in range(1, 101)]
    key = LogKey(node(1).underlay_ip, 32, routes=True)
    async with store.transaction() as change:
        await change.put_nodes([node(1)])
    for start in range(0, 100, 10):
        async with store.transaction() as change:
            await change.append_events([vl2_event(n, 1) for n in numbers[start : start + 10]])
            await change.append_events([vl2_event(1000 + start, 2)])
        async with store.snapshot() as snapshot:
            assert await snapshot.log([key]) == [[vl2_event(n, 1) for n in numbers[: start + 10][:32]]]
    async with store.transaction() as change:
        await change.remove_events([event_id(n) for n in numbers[-1:] + numbers[:10]])
        await change.append_events([vl2_event(500, 1)])
    left = [*numbers[10:-1], 500]
    async with store.snapshot() as snapshot:
        assert await snapshot.log([key._replace(limit=MANY)]) == [[vl2_event(n, 1) for n in left]]


@pytest.mark.fact("SVP-Q13")
@on_store
async def test_events_of_version_two_take_nothing_from_the_limit_of_who_speaks_version_one(store: Store) -> None:
    heads = [route_event(n, 1) for n in range(100)]
    tail = [vl2_event(1000, 1), route_event(1001, 1), vl3_event(1002, 1), vl2_event(1003, 1)]
    async with store.transaction() as change:
        await change.put_nodes([node(1)])
        await change.append_events([*heads, *tail])
    one, two = (LogKey(node(1).underlay_ip, 2, routes=routes) for routes in (False, True))
    async with store.snapshot() as snapshot:
        assert await snapshot.log([one, two]) == [[tail[0], tail[2]], heads[:2]]
        assert await snapshot.log([two._replace(limit=102)]) == [[*heads, *tail[:2]]]
        assert await snapshot.log([one._replace(limit=0), two._replace(limit=0)]) == [[], []]
        assert await snapshot.log([one._replace(limit=MANY)]) == [[tail[0], tail[2], tail[3]]]


@pytest.mark.fact("SVP-B15", "SVP-B16")
@on_store
async def test_a_log_is_refused_unless_exactly_one_node_has_the_address(store: Store) -> None:
    async with store.transaction() as change:
        await change.put_nodes([node(1), node(2, "172.16.0.9"), node(3, "172.16.0.9")])
        await change.append_events([vl2_event(1, 1), vl2_event(2, 2)])
    unmapped = bytes(12) + ipaddress.IPv4Address("172.16.0.1").packed
    keys = [LogKey(address, 5, routes=False) for address in (ip("172.16.0.9"), ip("172.16.0.8"), unmapped)]
    async with store.snapshot() as snapshot:
        assert await snapshot.log(keys) == [None, None, None]
        assert await snapshot.log([LogKey(ip("172.16.0.1"), 5, routes=False)]) == [[vl2_event(1, 1)]]
    async with store.transaction() as change:
        await change.remove_nodes([cn(3)])
        assert await change.log(keys) == [[vl2_event(2, 2)], None, None]
        await change.put_nodes([node(2, "172.16.0.8")])
        assert await change.log(keys) == [None, [vl2_event(2, 2)], None]


@on_store
async def test_an_event_that_is_there_is_refused_by_name_and_the_transaction_is_not_kept(store: Store) -> None:
    async with store.transaction() as change:
        await change.append_events([vl2_event(1, 1)])
    for rows in ([vl2_event(2, 1), vl3_event(1, 2)], [vl2_event(7, 1), vl2_event(1, 1), vl2_event(7, 1)]):
        with pytest.raises(StoreError, match="event 00000000-0000-4000-8000-000000000001 is there already"):
            async with store.transaction() as change:
                await change.append_events(rows)
    with pytest.raises(StoreError, match="event 00000000-0000-4000-8000-000000000005 is there already"):
        async with store.transaction() as change:
            await change.append_events([vl2_event(5, 1), vl2_event(5, 1)])
    with pytest.raises(StoreError):
        async with store.transaction() as change:
            await change.put_nodes([node(1)])
            with pytest.raises(StoreError):
                await change.append_events([vl2_event(1, 1)])
    async with store.transaction() as change:
        assert await everything(change.all_events()) == [vl2_event(1, 1)]
        assert await everything(change.all_nodes()) == []


@on_store
async def test_a_transaction_that_ends_in_an_exception_leaves_nothing(store: Store) -> None:
    class Stop(Exception):
        pass

    async with store.transaction() as change:
        await change.put_mappings([mapping("10.0.0.1", 1, 1)])
        await change.append_events([vl2_event(1, 1)])
    with pytest.raises(Stop):
        async with store.transaction() as change:
            await change.put_nodes([node(1)])
            await change.put_mappings([mapping("10.0.0.1", 2, 2), mapping("10.0.0.2", 2, 2)])
            await change.remove_events([event_id(1)])
            await change.put_routes([route("10.0.0.0/8", "10.1.0.0/16")])
            raise Stop
    async with store.transaction() as change:
        assert await everything(change.all_mappings()) == [mapping("10.0.0.1", 1, 1)]
        assert await everything(change.all_events()) == [vl2_event(1, 1)]
        assert [*await everything(change.all_nodes()), *await everything(change.all_routes())] == []


@on_store
async def test_a_transaction_that_is_cancelled_leaves_nothing_and_is_in_nobodys_way(store: Store) -> None:
    begun = asyncio.Event()

    async def wait_inside() -> None:
        async with store.transaction() as change:
            await change.put_nodes([node(1)])
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(wait_inside())
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with store.transaction() as change:
        assert await everything(change.all_nodes()) == []


@pytest.mark.fact("SVP-I23")
@on_store
async def test_a_snapshot_sees_a_mapping_and_its_event_together_or_neither(store: Store) -> None:
    async with store.transaction() as change:
        await change.put_nodes([node(1)])

    async def look() -> tuple[bool, bool]:
        async with store.snapshot() as snapshot:
            (place_,), (events,) = (
                await snapshot.vl2([(VNET, mac(1))]),
                await snapshot.log([LogKey(node(1).underlay_ip, 1, routes=False)]),
            )
            return place_ is not None, bool(events)

    async with store.snapshot() as before:
        async with store.transaction() as change:
            await change.append_events([vl2_event(1, 1)])
            assert await look() == (False, False)
            await change.put_mappings([mapping("10.0.0.1", 1, 1)])
            assert await look() == (False, False)
            assert await change.vl2([(VNET, mac(1))]) == [place(1)]
        assert await look() == (True, True)
        assert await before.vl2([(VNET, mac(1))]) == [None]
        assert await before.log([LogKey(node(1).underlay_ip, 1, routes=False)]) == [[]]


@on_store
async def test_transactions_of_one_process_are_one_after_the_other(store: Store) -> None:
    async def add(number: int) -> None:
        async with store.transaction() as change:
            await asyncio.sleep(0)
            known = len(await everything(change.all_nodes()))
            await asyncio.sleep(0)
            await change.put_nodes([node(known)])
            await change.append_events([vl2_event(number, known)])

    await asyncio.gather(*(add(number) for number in range(12)))
    async with store.transaction() as change:
        assert await everything(change.all_nodes()) == [node(n) for n in range(12)]
        assert [event.cn for event in await everything(change.all_events())] == [cn(n) for n in range(12)]


@on_store
async def test_many_rows_are_read_bit_by_bit_and_none_twice(store: Store) -> None:
    rows = [mapping(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", n, n % 5) for n in range(4500)]
    async with store.transaction() as change:
        await change.put_mappings(rows)
        await change.append_events([vl2_event(n, n % 2) for n in range(2500)])
    async with store.transaction() as change:
        assert await everything(change.all_mappings()) == rows
        assert await everything(change.all_events(cn(1))) == [vl2_event(n, 1) for n in range(1, 2500, 2)]
        async for row in change.all_mappings():
            assert row == rows[0]
            break
        await change.put_mappings([rows[0]])
    async with store.transaction() as change:
        assert (await everything(change.all_mappings()))[-1] == rows[0]
