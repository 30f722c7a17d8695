"""Whoever changes mappings: each change is one transaction of the rows and of the events that tell compute nodes of it (SVP 11.5).

    producer = Producer(store)
    await producer.put_node(ComputeNode("564d…", underlay_ip))
    await producer.put(Mapping(vnet_id=23, ip=guest, mac=mac, cn="564d…"))
    await producer.move(23, mac, cn="99a1…")          # a live migration

| change | mappings | events, one a node of the network |
|---|---|---|
| `put` | written | VL3 |
| `remove` a MAC address | tombstones | VL2 |
| `move` | written with the new node | VL3 for each address, then VL2 |
| `change_address` | tombstone and new row | VL3 for the old address, then for the new one |
| `put_route`, `remove_route` | none | ROUTE, to the nodes of the network it starts in |
| `put_node`, `remove_node` | none | none |

The nodes of a network are those with a mapping there that is not deleted, before the change or after it (SVP-I22): one that gets its first
guest by the change may have asked just before (SVP-Q10). Whoever sees an event sees the rows as well (SVP-I23).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from etherspan.errors import EtherspanError
from etherspan.portolan.records import ComputeNode, Event, Mapping, Route, Subnet
from etherspan.portolan.store.protocol import Store, Transaction
from libvarpd.plugins.svp.messages import Record, RouteRecord, Vl2Record, Vl3Record

_Make = Callable[[bytes], Record]
"""A record with a given id: each node's event has one of its own."""
_NOTHING: Final = "virtual network {vnet_id} has no {what}"


class ProducerError(EtherspanError):
    """A change that cannot be: what it is about is not there, or somewhere else."""


def random_id() -> bytes:
    """An event id: a random UUID's 16 bytes."""
    return uuid.uuid4().bytes


class Producer:
    """See the module. `new_id` gives an id for each event. Every call may raise `StoreError`, and nothing has changed then."""

    def __init__(self, store: Store, new_id: Callable[[], bytes] = random_id) -> None:
        self._store = store
        self._new_id = new_id

    async def put_node(self, node: ComputeNode) -> None:
        """A compute node comes, or its underlay address changes."""
        async with self._store.transaction() as change:
            await change.put_nodes([node])

    async def remove_node(self, node: str) -> None:
        """A compute node goes; its mappings are not answered any more. Errors: `ProducerError` there is none."""
        async with self._store.transaction() as change:
            (found,) = await change.nodes([node])
            if found is None:
                raise ProducerError(f"there is no compute node {node}")
            await change.remove_nodes([node])

    async def put(self, row: Mapping) -> int:
        """A MAC address has an address of a network: a guest was made, or changed. The number of events.

        Errors: `ProducerError` the MAC address is on another node; `move` is for that.
        """
        async with self._store.transaction() as change:
            others = [one for one in await change.mappings_of(row.vnet_id, row.mac) if one.ip != row.ip]
            for one in others:
                if one.cn != row.cn:
                    raise ProducerError(f"{_mac(row.mac)} is on node {one.cn}, not {row.cn}: move it first")
            records: list[_Make] = [_vl3(row)]
            (before,) = await change.mappings([(row.vnet_id, row.ip)])
            if before is not None and not before.deleted:
                records += await self._displaced(change, before, row)
            return await self._write(change, row.vnet_id, [replace(row, deleted=False)], records)

    async def remove(self, vnet_id: int, mac: bytes, ip: bytes | None = None) -> int:
        """A guest is gone: all addresses of a MAC address, or one of them. The number of events.

        A MAC address that keeps other addresses is still there, so it is only the address that is told of. Errors: `ProducerError`
        there is no such mapping.
        """
        async with self._store.transaction() as change:
            rows = await change.mappings_of(vnet_id, mac)
            gone = [row for row in rows if ip in {None, row.ip}]
            if not gone:
                which = "" if ip is None else " with that address"
                raise ProducerError(_NOTHING.format(vnet_id=vnet_id, what=f"mapping of {_mac(mac)}{which}"))
            records = [_vl2(vnet_id, mac)] if len(gone) == len(rows) else [_vl3(row) for row in gone]
            return await self._write(change, vnet_id, [replace(row, deleted=True) for row in gone], records)

    async def move(self, vnet_id: int, mac: bytes, cn: str) -> int:
        """A guest has moved to another node, with all of its addresses. The number of events.

        Errors: `ProducerError` it has no address there.
        """
        async with self._store.transaction() as change:
            rows = await change.mappings_of(vnet_id, mac)
            if not rows:
                raise ProducerError(_NOTHING.format(vnet_id=vnet_id, what=f"mapping of {_mac(mac)}"))
            records = [*(_vl3(row) for row in rows), _vl2(vnet_id, mac)]
            return await self._write(change, vnet_id, [replace(row, cn=cn) for row in rows], records)

    async def change_address(self, vnet_id: int, mac: bytes, old: bytes, new: bytes) -> int:
        """A guest has another address instead of one it had. The number of events.

        Errors: `ProducerError` it does not have the old one; another MAC address has the new one.
        """
        async with self._store.transaction() as change:
            before, taken = await change.mappings([(vnet_id, old), (vnet_id, new)])
            if before is None or before.deleted or before.mac != mac:
                raise ProducerError(_NOTHING.format(vnet_id=vnet_id, what=f"mapping of {_mac(mac)} with that address"))
            if taken is not None and not taken.deleted and taken.mac != mac:
                raise ProducerError(f"virtual network {vnet_id}: {_mac(taken.mac)} has the new address")
            after = replace(before, ip=new)
            return await self._write(
                change, vnet_id, [replace(before, deleted=True), after], [_vl3(before), _vl3(after)]
            )

    async def put_route(self, route: Route) -> int:
        """A network reaches another from now on, or in another way. The number of events."""
        async with self._store.transaction() as change:
            await change.put_routes([route])
            return await self._tell(change, await change.nodes_of(route.vnet_id), [_route(route)])

    async def remove_route(self, vnet_id: int, vlan: int, subnet: Subnet, far_subnet: Subnet) -> int:
        """It does not any more. The number of events. Errors: `ProducerError` there is no such route."""
        async with self._store.transaction() as change:
            async for route in change.all_routes():
                if (route.vnet_id, route.vlan, route.subnet, route.far_subnet) == (vnet_id, vlan, subnet, far_subnet):
                    break
            else:
                raise ProducerError(_NOTHING.format(vnet_id=vnet_id, what="such route"))
            await change.remove_routes([route])
            return await self._tell(change, await change.nodes_of(vnet_id), [_route(route)])

    async def _displaced(self, change: Transaction, before: Mapping, row: Mapping) -> list[_Make]:
        """What else a row tells of by taking the place of another: a MAC address that moved, or one that is nowhere now."""
        if before.mac == row.mac:
            return [] if before.cn == row.cn else [_vl2(row.vnet_id, row.mac)]
        others = [one for one in await change.mappings_of(row.vnet_id, before.mac) if one.ip != row.ip]
        return [] if others else [_vl2(row.vnet_id, before.mac)]

    async def _write(self, change: Transaction, vnet_id: int, rows: Sequence[Mapping], records: Sequence[_Make]) -> int:
        nodes = dict.fromkeys(await change.nodes_of(vnet_id))
        await change.put_mappings(rows)
        nodes.update(dict.fromkeys(await change.nodes_of(vnet_id)))
        return await self._tell(change, list(nodes), records)

    async def _tell(self, change: Transaction, nodes: Sequence[str], records: Sequence[_Make]) -> int:
        events = [Event(node, make(self._new_id())) for node in nodes for make in records]
        await change.append_events(events)
        return len(events)


def _vl2(vnet_id: int, mac: bytes) -> _Make:
    return lambda ident: Vl2Record(ident, mac, vnet_id)


def _vl3(row: Mapping) -> _Make:
    return lambda ident: Vl3Record(ident, row.ip, row.vlan, row.vnet_id)


def _route(route: Route) -> _Make:
    return lambda ident: RouteRecord(
        ident,
        route.vnet_id,
        route.far_vnet_id,
        route.far_dc,
        route.subnet.address,
        route.far_subnet.address,
        route.vlan,
        route.far_vlan,
        route.subnet.prefix,
        route.far_subnet.prefix,
    )


def _mac(mac: bytes) -> str:
    return mac.hex(":")
