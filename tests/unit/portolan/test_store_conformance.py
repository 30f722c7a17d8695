"""What every store answers, in memory, SQLite and PostgreSQL alike."""

from __future__ import annotations

import ipaddress
import itertools

import pytest

from etherspan.portolan.records import NOWHERE, ComputeNode, Mapping, Owner, Place
from etherspan.portolan.store import Store
from etherspan.portolan.store.protocol import LogKey, RouteKey
from tests.portolan_rows import (
    VNET,
    cn,
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


@pytest.mark.fact("SVP-B20")
@on_store
async def test_an_empty_store_knows_nothing_and_does_not_fail(store: Store) -> None:
    async with store.snapshot() as snapshot:
        assert await snapshot.vl2([(VNET, mac(1))]) == [None]
        assert await snapshot.vl3([(VNET, ip("10.0.0.1"))]) == [None]
        assert await snapshot.routes([RouteKey(VNET, 0, ip("10.0.0.1"), ip("10.1.0.1"))]) == [None]
        assert await snapshot.log([LogKey(ip("172.16.0.1"), MANY, routes=True)]) == [None]
        assert [*await snapshot.vl2([]), *await snapshot.vl3([]), *await snapshot.routes([])] == []
        assert list(await snapshot.log([])) == []


@on_store
async def test_answers_come_in_the_order_of_the_keys_however_many_there_are(store: Store) -> None:
    async with store.transaction() as change:
        await change.put_nodes([node(number) for number in range(7)])
        await change.put_mappings([mapping(f"10.0.{n >> 8}.{n & 255}", n, n % 7) for n in range(700)])
    order = [(n * 389) % 1000 for n in range(1000)]
    expected = [place(n % 7) if n < 700 else None for n in order]
    async with store.snapshot() as snapshot:
        assert await snapshot.vl2([(VNET, mac(n)) for n in order]) == expected
        owners = await snapshot.vl3([(VNET, ip(f"10.0.{n >> 8}.{n & 255}")) for n in order])
        assert owners == [Owner(mac(n), *where) if where else None for n, where in zip(order, expected, strict=True)]
        same = [(VNET, mac(3))] * 5
        assert await snapshot.vl2(same) == [place(3)] * 5


@pytest.mark.fact("SVP-I14")
@on_store
async def test_the_same_addresses_on_two_networks_have_nothing_to_do_with_each_other(store: Store) -> None:
    numbers = [0, 1, VNET, (1 << 24) - 1, (1 << 32) - 1]
    async with store.transaction() as change:
        await change.put_nodes([node(n) for n in range(9)])
        await change.put_mappings([mapping("10.0.0.1", 1, n, vnet_id=v) for n, v in enumerate(numbers)])
        await change.put_mappings([mapping("10.0.0.2", 2, 8, vnet_id=numbers[2])])
    async with store.snapshot() as snapshot:
        assert await snapshot.vl2([(v, mac(1)) for v in numbers]) == [place(n) for n in range(5)]
        assert await snapshot.vl3([(v, ip("10.0.0.1")) for v in numbers]) == [
            Owner(mac(1), *place(n)) for n in range(5)
        ]
        assert await snapshot.vl2([(v, mac(2)) for v in numbers]) == [None, None, place(8), None, None]
        assert await snapshot.vl2([(VNET + 1, mac(1))]) == [None]


@pytest.mark.fact("SVP-Q25")
@on_store
async def test_of_several_live_rows_of_a_mac_address_the_one_written_last_counts(store: Store) -> None:
    async with store.transaction() as change:
        await change.put_nodes([node(n) for n in range(4)])
        await change.put_mappings([mapping("10.0.0.3", 1, 3), mapping("10.0.0.1", 1, 1), mapping("10.0.0.2", 1, 2)])
    async with store.snapshot() as snapshot:
        assert await snapshot.vl2([(VNET, mac(1))]) == [place(2)]
    async with store.transaction() as change:
        await change.put_mappings([mapping("10.0.0.1", 1, 1)])
    async with store.snapshot() as snapshot:
        assert await snapshot.vl2([(VNET, mac(1))]) == [place(1)]
    async with store.transaction() as change:
        await change.put_mappings([mapping("10.0.0.1", 1, 1, deleted=True)])
        assert await change.vl2([(VNET, mac(1))]) == [place(2)]


@on_store
async def test_within_one_put_the_last_row_of_a_key_counts(store: Store) -> None:
    rows = [mapping("10.0.0.1", 1, 1), mapping("10.0.0.2", 1, 2), mapping("10.0.0.1", 1, 3)]
    async with store.transaction() as change:
        await change.put_nodes([node(1, "172.16.9.9"), node(2), node(3), node(1)])
        await change.put_mappings(rows)
        assert await everything(change.all_mappings()) == rows[1:]
        assert await change.vl2([(VNET, mac(1))]) == [place(3)]
        assert await everything(change.all_nodes()) == [node(1), node(2), node(3)]


@pytest.mark.fact("SVP-I15")
@on_store
async def test_a_guest_address_is_where_its_mac_address_is_even_if_its_own_row_says_otherwise(store: Store) -> None:
    async with store.transaction() as change:
        await change.put_nodes([node(1), node(2)])
        await change.put_mappings([mapping("10.0.0.1", 1, 1), mapping("10.0.0.2", 1, 2), mapping("10.0.0.3", 3, 1)])
    async with store.snapshot() as snapshot:
        keys = [(VNET, ip(f"10.0.0.{n}")) for n in (1, 2, 3)]
        owners = await snapshot.vl3(keys)
        assert owners == [Owner(mac(1), *place(2)), Owner(mac(1), *place(2)), Owner(mac(3), *place(1))]
        places = await snapshot.vl2([(VNET, owner.mac) for owner in owners if owner])
        assert [owner[1:] for owner in owners if owner] == places


@pytest.mark.fact("SVP-I16")
@on_store
async def test_a_deleted_mapping_and_one_whose_node_is_unknown_are_not_found(store: Store) -> None:
    keys2 = [(VNET, mac(n)) for n in (1, 2, 3)]
    keys3 = [(VNET, ip(f"10.0.0.{n}")) for n in (1, 2, 3)]
    async with store.transaction() as change:
        await change.put_nodes([node(1)])
        await change.put_mappings([mapping("10.0.0.1", 1, 1), mapping("10.0.0.2", 2, 1, deleted=True)])
        await change.put_mappings([mapping("10.0.0.3", 3, 77), mapping("10.0.0.4", 1, 1, deleted=True)])
    async with store.snapshot() as snapshot:
        assert await snapshot.vl2(keys2) == [place(1), None, None]
        assert await snapshot.vl3(keys3) == [Owner(mac(1), *place(1)), None, None]
        assert await snapshot.vl3([(VNET, ip("10.0.0.4"))]) == [None], "though its MAC address is there"
    async with store.transaction() as change:
        await change.remove_nodes([cn(1), cn(5)])
    async with store.snapshot() as snapshot:
        assert [*await snapshot.vl2(keys2), *await snapshot.vl3(keys3)] == [None] * 6
    async with store.transaction() as change:
        await change.put_nodes([node(77)])
        assert await change.vl3(keys3) == [None, None, Owner(mac(3), *place(77))]


@on_store
async def test_a_mac_address_whose_last_row_names_an_unknown_node_is_not_found_by_its_older_rows(store: Store) -> None:
    async with store.transaction() as change:
        await change.put_nodes([node(1)])
        await change.put_mappings([mapping("10.0.0.1", 1, 1), mapping("10.0.0.2", 1, 77)])
        assert await change.vl2([(VNET, mac(1))]) == [None]
        assert await change.vl3([(VNET, ip("10.0.0.1"))]) == [None]


@on_store
async def test_a_router_is_nowhere_whatever_its_node(store: Store) -> None:
    async with store.transaction() as change:
        await change.put_nodes([node(1)])
        await change.put_mappings([mapping("10.0.0.1", 1, 1, router=True), mapping("10.0.0.2", 2, 77, router=True)])
        await change.put_mappings([mapping("10.0.0.3", 3, 1, router=True, deleted=True)])
        found = await change.vl3([(VNET, ip(f"10.0.0.{n}")) for n in (1, 2, 3)])
        assert found == [Owner(mac(1), *NOWHERE), Owner(mac(2), *NOWHERE), None]


@pytest.mark.fact("SVP-I25", "SVP-Q23")
@on_store
async def test_every_pattern_of_zero_groups_is_an_address_of_its_own_found_by_each_spelling(store: Store) -> None:
    numbers = range(256)
    addresses = [
        bytes(itertools.chain.from_iterable((0, (n >> group & 1) * 0xA5) for group in range(8))) for n in numbers
    ]
    async with store.transaction() as change:
        await change.put_nodes([node(1)])
        await change.put_mappings([Mapping(VNET, address, mac(n), cn(1)) for n, address in enumerate(addresses)])
    texts = [ipaddress.IPv6Address(address) for address in addresses]
    spellings = [[one.compressed, one.exploded, one.exploded.upper(), _first_run(one.exploded)] for one in texts]
    async with store.snapshot() as snapshot:
        for spelled in zip(*spellings, strict=True):
            owners = await snapshot.vl3([(VNET, ip(text)) for text in spelled])
            assert owners == [Owner(mac(n), *place(1)) for n in numbers]


def _first_run(exploded: str) -> str:
    """An address with its first run of zero groups left out, as the released server writes it."""
    groups = [group.lstrip("0") or "0" for group in exploded.split(":")]
    if "0" not in groups:
        return ":".join(groups)
    start = end = groups.index("0")
    while end < len(groups) and groups[end] == "0":
        end += 1
    return f"{':'.join(groups[:start])}::{':'.join(groups[end:])}"


@on_store
async def test_rows_come_back_as_they_were_written_and_in_that_order(store: Store) -> None:
    nodes = [node(3), ComputeNode(cn(1), ip("fd00::1"), 65535), ComputeNode("not-a-uuid", ip("::"), 0)]
    mappings = [
        mapping("10.0.0.9", 0, 3, vlan=4095),
        mapping("fd00::9", (1 << 48) - 1, 1, deleted=True),
        mapping("10.0.0.1", 1, 999, router=True, vnet_id=(1 << 32) - 1),
        mapping("::", 2, 3, vnet_id=0),
    ]
    routes = [
        route("10.9.0.0/24", "10.1.0.0/24"),
        route("10.0.0.0/8", "10.1.0.0/16", deleted=True, dc=(1 << 32) - 1),
        route("::/0", "fd00::1/128", vlan=4095),
    ]
    events = [vl3_event(9, 1), route_event(3, 1), vl2_event(5, 999), vl2_event(1, 1)]
    async with store.transaction() as change:
        await change.put_nodes(nodes)
        await change.put_mappings(mappings)
        await change.put_routes(routes)
        await change.append_events(events)
    async with store.transaction() as change:
        assert await everything(change.all_nodes()) == nodes
        assert await everything(change.all_mappings()) == mappings
        assert await everything(change.all_mappings(VNET)) == mappings[:2]
        assert await everything(change.all_mappings(8)) == []
        assert await everything(change.all_routes()) == routes
        assert await everything(change.all_events()) == events
        assert await everything(change.all_events(cn(1))) == [events[0], events[1], events[3]]
        assert await everything(change.all_events(cn(2))) == []
        assert await change.nodes([cn(1), "gone", cn(3)]) == [nodes[1], None, nodes[0]]
        keys = [(row.vnet_id, row.ip) for row in mappings]
        assert await change.mappings([*keys, (VNET, ip("10.0.0.77"))]) == [*mappings, None]
        assert all(row.deleted in {True, False} for row in await change.mappings(keys) if row)


@on_store
async def test_what_is_replaced_keeps_its_place_among_nodes_and_routes_and_goes_last_among_mappings(
    store: Store,
) -> None:
    mappings = [mapping("10.0.0.1", 1, 1), mapping("10.0.0.2", 2, 1)]
    routes = [route("10.0.0.0/24", "10.1.0.0/24"), route("10.0.0.0/16", "10.1.0.0/16")]
    async with store.transaction() as change:
        await change.put_nodes([node(1), node(2)])
        await change.put_mappings(mappings)
        await change.put_routes(routes)
    changed = route("10.0.0.0/24", "10.1.0.0/24", far_vnet_id=8)
    async with store.transaction() as change:
        await change.put_nodes([node(1, "172.16.0.99")])
        await change.put_mappings(mappings[:1])
        await change.put_routes([changed])
        assert await everything(change.all_nodes()) == [node(1, "172.16.0.99"), node(2)]
        assert await everything(change.all_mappings()) == mappings[::-1]
        assert await everything(change.all_routes()) == [changed, routes[1]]
        await change.remove_routes([routes[0], route("10.9.0.0/24", "10.1.0.0/24")])
        await change.remove_nodes([cn(1)])
        await change.put_routes([changed])
        await change.put_nodes([node(1)])
        assert await everything(change.all_routes()) == [routes[1], changed]
        assert await everything(change.all_nodes()) == [node(2), node(1)]


@on_store
async def test_mappings_of_a_mac_address_are_the_live_ones_oldest_first(store: Store) -> None:
    rows = [mapping("10.0.0.5", 1, 1), mapping("10.0.0.2", 1, 2), mapping("10.0.0.3", 1, 1, deleted=True)]
    async with store.transaction() as change:
        await change.put_mappings([*rows, mapping("10.0.0.9", 2, 1), mapping("10.0.0.5", 1, 1, vnet_id=1)])
        assert await change.mappings_of(VNET, mac(1)) == rows[:2]
        await change.put_mappings([rows[0]])
        assert await change.mappings_of(VNET, mac(1)) == [rows[1], rows[0]]
        assert await change.mappings_of(VNET, mac(9)) == []


@pytest.mark.fact("SVP-Q12")
@on_store
async def test_all_nodes_of_a_network_are_found_though_tombstones_and_rows_are_many(store: Store) -> None:
    live = [mapping(f"10.1.{n >> 8}.{n & 255}", n, n % 1500) for n in range(3000)]
    dead = [mapping(f"10.0.{n >> 8}.{n & 255}", n, 5000 + n, deleted=True) for n in range(3000)]
    async with store.transaction() as change:
        await change.put_mappings([*dead, *live, mapping("10.0.0.1", 1, 9000, vnet_id=1)])
        assert await change.nodes_of(VNET) == [cn(n) for n in range(1500)]
        assert await change.nodes_of(1) == [cn(9000)]
        assert await change.nodes_of(2) == []
        await change.put_mappings([mapping("10.1.0.0", 0, 0, deleted=True), mapping("10.1.5.220", 1500, 1)])
        assert await change.nodes_of(VNET) == [cn(n) for n in range(1, 1500)]


@on_store
async def test_a_route_is_the_oldest_live_one_that_fits_and_leads_to_who_has_the_far_address(store: Store) -> None:
    wide, narrow = route("10.0.0.0/8", "10.1.0.0/16", far_vnet_id=7), route("10.0.0.0/24", "10.1.2.0/24", far_vnet_id=8)
    six = route("fd00:1::/33", "fd00:2::/127", vlan=4, far_vnet_id=7)
    async with store.transaction() as change:
        await change.put_nodes([node(1), node(2)])
        await change.put_mappings([mapping("10.1.2.3", 1, 1, vnet_id=7), mapping("10.1.2.3", 2, 2, vnet_id=8)])
        await change.put_mappings([mapping("fd00:2::1", 6, 1, vnet_id=7)])
        await change.put_mappings([mapping("10.1.2.4", 3, 1, vnet_id=8), mapping("10.1.9.9", 4, 1, vnet_id=7)])
        await change.put_routes([wide, narrow, six])

    async def ask(src: str, dst: str, vlan: int = 0, vnet_id: int = VNET) -> object:
        async with store.snapshot() as snapshot:
            (found,) = await snapshot.routes([RouteKey(vnet_id, vlan, ip(src), ip(dst))])
            return found and (found.route, found.owner)

    assert await ask("10.0.0.1", "10.1.2.3") == (wide, Owner(mac(1), *place(1)))
    assert await ask("10.0.0.1", "10.1.2.4") is None, "the far side of the oldest that fits does not know it"
    assert await ask("10.255.255.255", "10.1.9.9") == (wide, Owner(mac(4), *place(1)))
    assert await ask("11.0.0.0", "10.1.9.9") is None
    assert await ask("10.0.0.1", "10.1.9.9", vlan=1) is None
    assert await ask("10.0.0.1", "10.1.9.9", vnet_id=1) is None
    assert await ask("fd00:1:7fff::1", "fd00:2::1", vlan=4) == (six, Owner(mac(6), *place(1)))
    assert await ask("fd00:1:8000::", "fd00:2::1", vlan=4) is None
    async with store.transaction() as change:
        await change.put_routes([route("10.0.0.0/8", "10.1.0.0/16", deleted=True)])
    assert await ask("10.0.0.1", "10.1.2.3") == (narrow, Owner(mac(2), *place(2)))
    async with store.transaction() as change:
        await change.put_mappings([mapping("10.1.2.3", 2, 99, vnet_id=8, router=True)])
    assert await ask("10.0.0.1", "10.1.2.3") == (narrow, Owner(mac(2), *NOWHERE))
    async with store.snapshot() as snapshot:
        keys = [RouteKey(VNET, 0, ip("10.0.0.1"), ip(f"10.1.2.{n}")) for n in (4, 5, 3)]
        assert [found and found.owner.mac for found in await snapshot.routes(keys)] == [mac(3), None, mac(2)]
