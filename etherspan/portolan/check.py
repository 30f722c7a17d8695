"""What is inconsistent in a store: rows that no answer comes of, or two that contradict each other."""

from __future__ import annotations

from collections.abc import AsyncIterator

from etherspan.portolan.jsonform import address_text, mac_text, uuid_text
from etherspan.portolan.store.protocol import Store, Transaction


async def findings(store: Store) -> list[str]:
    """A line for each, all of one moment. Errors: `StoreError`."""
    async with store.transaction() as state:
        return [line async for line in _findings(state)]


async def _findings(state: Transaction) -> AsyncIterator[str]:
    nodes: dict[str, None] = {}
    at: dict[bytes, list[str]] = {}
    async for node in state.all_nodes():
        nodes[node.uuid] = None
        at.setdefault(node.underlay_ip, []).append(node.uuid)
    for address, uuids in at.items():
        if len(uuids) > 1:
            yield f"compute nodes {', '.join(uuids)} have one underlay address, {address_text(address)}: none of them gets its events"
    homes: dict[tuple[int, bytes], dict[str, None]] = {}
    async for row in state.all_mappings():
        if row.deleted:
            continue
        what = f"virtual network {row.vnet_id}: {mac_text(row.mac)} with {address_text(row.ip)}"
        if row.cn not in nodes:
            yield f"{what} is on node {row.cn}, which is unknown: it is answered as not found"
        if not row.router:
            homes.setdefault((row.vnet_id, row.mac), {})[row.cn] = None
    for (vnet_id, mac), cns in homes.items():
        if len(cns) > 1:
            yield f"virtual network {vnet_id}: {mac_text(mac)} is on nodes {', '.join(cns)}: the mapping written last counts"
    async for event in state.all_events():
        if event.cn not in nodes:
            yield f"event {uuid_text(event.record.id)} is for node {event.cn}, which is unknown: nobody will ever take it"
