"""Between records and rows of a database store (`schema`, `sql`)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from etherspan.portolan.records import NOWHERE, ComputeNode, Event, Mapping, Owner, Place, Route, RoutePlace, Subnet
from etherspan.portolan.store.protocol import StoreError
from libvarpd.plugins.svp.messages import LogType
from libvarpd.plugins.svp.wire import RemoteProtocolError, pack_record, records

Row: TypeAlias = tuple[Any, ...]
"""What a driver gives and takes."""

_BITS: Final = 128
_BYTES: Final = 16


def bounds(subnet: Subnet) -> tuple[bytes, bytes]:
    """First and last address of a subnet."""
    host = (1 << _BITS - subnet.prefix) - 1
    first = int.from_bytes(subnet.address) & ~host
    return first.to_bytes(_BYTES), (first | host).to_bytes(_BYTES)


def places(rows: Sequence[Row]) -> list[Place | None]:
    """Answers to VL2."""
    return [None if row[0] is None else Place(*row) for row in rows]


def owner(row: Row) -> Owner | None:
    """An answer to VL3: it is there if its node is, and a router whatever its node."""
    mac, router, port, address = row
    if router:
        return Owner(mac, *NOWHERE)
    return None if port is None else Owner(mac, port, address)


def node(row: Row) -> ComputeNode | None:
    """An answer to NODE."""
    return None if row[0] is None else ComputeNode(*row)


def mapping(row: Row) -> Mapping | None:
    """An answer to MAPPING."""
    if row[0] is None:
        return None
    vnet_id, ip, mac, cn, vlan, deleted, router = row
    return Mapping(vnet_id, ip, mac, cn, vlan, bool(deleted), bool(router))


def route(row: Row) -> Route:
    """A route."""
    vnet_id, vlan, subnet, prefix, far_dc, far_vnet_id, far_vlan, far_subnet, far_prefix, router_mac, deleted = row
    near, far = Subnet(subnet, prefix), Subnet(far_subnet, far_prefix)
    return Route(vnet_id, vlan, near, far_dc, far_vnet_id, far_vlan, far, router_mac, bool(deleted))


def route_place(row: Row) -> RoutePlace | None:
    """An answer to ROUTE: an owner, and the route by which it was found."""
    found = owner(row[:4])
    return None if found is None else RoutePlace(route(row[4:]), found)


def event(row: Row) -> Event:
    """An event. Errors: `StoreError` the store holds a record of no known form."""
    cn, packed = row
    try:
        (record,) = records(packed)
    except (RemoteProtocolError, ValueError) as error:
        raise StoreError(f"an event of {cn} is unreadable: {error}") from None
    return Event(cn, record)


def of_node(seq: int, one: ComputeNode) -> Row:
    """Columns of PUT_NODES."""
    return seq, one.uuid, one.underlay_ip, one.underlay_port


def of_mapping(seq: int, one: Mapping) -> Row:
    """Columns of PUT_MAPPINGS."""
    return seq, one.vnet_id, one.ip, one.mac, one.cn, one.vlan, one.deleted, one.router


def route_key(one: Route) -> Row:
    """The key of a route."""
    return one.vnet_id, one.vlan, *one.subnet, *one.far_subnet


def of_route(seq: int, one: Route) -> Row:
    """Columns of PUT_ROUTES."""
    near = one.vnet_id, one.vlan, *one.subnet
    far = one.far_dc, one.far_vnet_id, one.far_vlan, *one.far_subnet
    return seq, *near, *far, one.router_mac, one.deleted, *bounds(one.subnet), *bounds(one.far_subnet)


def of_event(seq: int, one: Event) -> Row:
    """Columns of PUT_EVENTS. Errors: `StoreError` a value of the record does not fit."""
    record = one.record
    try:
        packed = pack_record(record)
    except struct.error as error:
        raise StoreError(f"event {record.id.hex()} cannot be written: {error}") from None
    return seq, record.id, one.cn, record.type == LogType.ROUTE, packed
