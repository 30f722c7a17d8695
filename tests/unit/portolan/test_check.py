"""What `check` finds: rows that no answer comes of, and rows that contradict each other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from etherspan.portolan import check
from etherspan.portolan.records import ComputeNode, Event, Mapping
from etherspan.portolan.store import Store, open_store
from tests.portolan_rows import VNET, cn, ip, mac, mapping, node, vl2_event
from tests.portolan_talk import BrokenStore

UNKNOWN = 9
"""Number of a node that is not there."""


@pytest.fixture(params=["memory://", "sqlite://"])
def url(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def found(
    url: str, nodes: Sequence[ComputeNode], mappings: Sequence[Mapping] = (), events: Sequence[Event] = ()
) -> list[str]:
    """The findings; that nothing is locked or changed by the search is asserted."""

    async def work() -> list[str]:
        store = await open_store(url)
        try:
            await fill(store)
            reads_only: Store = BrokenStore(store, "transaction")
            return [line async for line in check.findings(reads_only)]
        finally:
            await store.close()

    async def fill(store: Store) -> None:
        async with store.transaction() as change:
            await change.put_nodes(nodes)
            await change.put_mappings(mappings)
            await change.append_events(events)

    return asyncio.run(work())


def test_nothing_is_wrong_with_an_empty_store_or_a_consistent_one(url: str) -> None:
    assert found(url, []) == []
    rows = [mapping("10.0.0.1", 1, 1), mapping("fd00::1", 1, 1), mapping("10.0.0.2", 2, 2)]
    assert found(url, [node(1), node(2)], rows, [vl2_event(1, 2)]) == []


def test_nodes_with_one_underlay_address_get_no_events(url: str) -> None:
    nodes = [node(1), node(2, "172.16.0.1"), node(3), node(4, "::ffff:ac10:1")]
    assert found(url, nodes) == [
        f"compute nodes {cn(1)}, {cn(2)}, {cn(4)} have one underlay address, 172.16.0.1: none of them gets its events"
    ]


def test_a_mapping_of_an_unknown_node_is_answered_as_not_found(url: str) -> None:
    rows = [mapping("fd00::1", 1, UNKNOWN), mapping("10.0.0.2", 2, 1)]
    assert found(url, [node(1)], rows) == [
        f"virtual network {VNET}: 00:00:00:00:00:01 with fd00::1 is on node {cn(UNKNOWN)}, which is unknown: it is answered as not found"
    ]


def test_of_a_router_on_an_unknown_node_the_mac_address_is_not_found(url: str) -> None:
    (line,) = found(url, [], [mapping("10.0.0.1", 1, UNKNOWN, router=True)])
    assert line.endswith("which is unknown: its MAC address is answered as not found")


def test_of_a_mac_address_on_two_nodes_the_row_written_last_counts(url: str) -> None:
    rows = [mapping("10.0.0.1", 1, 2), mapping("10.0.0.3", 1, 1), mapping("10.0.0.2", 1, 2), mapping("10.0.0.4", 1, 3)]
    assert found(url, [node(1), node(2), node(3)], rows) == [
        f"virtual network {VNET}: 00:00:00:00:00:01 is on nodes {cn(1)}, {cn(2)}, {cn(3)}: the mapping written last counts"
    ]


def test_a_mac_address_is_somewhere_else_on_another_network(url: str) -> None:
    assert found(url, [node(1), node(2)], [mapping("10.0.0.1", 1, 1), mapping("10.0.0.1", 1, 2, vnet_id=0)]) == []


def test_routers_are_on_many_nodes_but_not_together_with_others(url: str) -> None:
    routers = [mapping("10.0.0.1", 1, 1, router=True), mapping("10.0.1.1", 1, 2, router=True)]
    assert found(url, [node(1), node(2)], routers) == []
    assert len(found(url, [node(1), node(2)], [*routers, mapping("10.0.2.1", 1, 2)])) == 1


def test_tombstones_contradict_nobody(url: str) -> None:
    rows = [
        mapping("10.0.0.1", 1, 1),
        mapping("10.0.0.2", 1, 2, deleted=True),
        mapping("10.0.0.3", 3, UNKNOWN, deleted=True),
    ]
    assert found(url, [node(1), node(2)], rows) == []


def test_an_event_of_an_unknown_node_is_never_taken(url: str) -> None:
    (line,) = found(url, [node(1)], [], [vl2_event(1, 1), vl2_event(2, UNKNOWN)])
    assert (
        line
        == f"event 00000000-0000-4000-8000-000000000002 is for node {cn(UNKNOWN)}, which is unknown: nobody will ever take it"
    )


def test_rows_that_contradict_each_other_are_found_however_far_they_are_apart(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(check, "_BATCH", 3)
    rows = [mapping(f"10.0.0.{n}", n, 1) for n in range(1, 11)]
    rows.append(Mapping(VNET, ip("10.0.0.200"), mac(2), cn(2)))
    (line,) = found(url, [node(1), node(2)], rows)
    assert f"00:00:00:00:00:02 is on nodes {cn(1)}, {cn(2)}" in line
