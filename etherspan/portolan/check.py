"""What is inconsistent in a store: rows that no answer comes of, or two that contradict each other."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final

from etherspan.portolan.jsonform import address_text, mac_text, uuid_text
from etherspan.portolan.keys import Home, Homes
from etherspan.portolan.records import ComputeNode, Mapping
from etherspan.portolan.store.protocol import Snapshot, Store

_BATCH: Final = 10_000


async def findings(store: Store) -> AsyncGenerator[str, None]:
    """A line for each, all of one moment. Memory grows with the compute nodes only. Errors: `StoreError`."""
    async with store.snapshot() as state:
        nodes = {node.uuid: node async for node in state.all_nodes()}
        for line in _shared_addresses(nodes):
            yield line
        async for line in _mappings(state, nodes):
            yield line
        async for event in state.all_events():
            if event.cn not in nodes:
                ident = uuid_text(event.record.id)
                yield f"event {ident} is for node {event.cn}, which is unknown: nobody will ever take it"


def _shared_addresses(nodes: dict[str, ComputeNode]) -> list[str]:
    at: dict[bytes, list[str]] = {}
    for node in nodes.values():
        at.setdefault(node.underlay_ip, []).append(node.uuid)
    return [
        f"compute nodes {', '.join(uuids)} have one underlay address, {address_text(address)}: none of them gets its events"
        for address, uuids in at.items()
        if len(uuids) > 1
    ]


async def _mappings(state: Snapshot, nodes: dict[str, ComputeNode]) -> AsyncIterator[str]:
    with Homes() as homes:
        waiting: list[Home] = []
        async for row in state.all_mappings():
            if row.deleted:
                continue
            if row.cn not in nodes:
                yield _on_unknown(row)
            waiting.append((row.vnet_id, row.mac, row.cn, row.router))
            if len(waiting) >= _BATCH:
                homes.add(waiting)
                waiting = []
        homes.add(waiting)
        for vnet_id, mac, cns in homes.shared():
            yield f"virtual network {vnet_id}: {mac_text(mac)} is on nodes {', '.join(cns)}: the mapping written last counts"


def _on_unknown(row: Mapping) -> str:
    # A router's guest address is answered with the MAC address alone, whatever its node.
    what = "its MAC address" if row.router else "it"
    return (
        f"virtual network {row.vnet_id}: {mac_text(row.mac)} with {address_text(row.ip)} is on node {row.cn}, which is unknown:"
        f" {what} is answered as not found"
    )
