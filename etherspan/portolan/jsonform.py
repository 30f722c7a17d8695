"""Rows of a store as JSON, one object a row, and the words in which people write their values (pure).

    compute_nodes   uuid, underlay_ip, underlay_port (4789)
    mappings        vnet_id, mac, ip, cn, vlan (0), deleted (false), router (false)
    routes          vnet_id, vlan, subnet, far_dc, far_vnet_id, far_vlan, far_subnet, router_mac, deleted (false)
    events          uuid, cn, type, vnet_id and what belongs to the type:
                      VL2    mac
                      VL3    ip, vlan (0)
                      ROUTE  vlan (0), subnet, far_dc, far_vnet_id, far_vlan (0), far_subnet

What has a value in parentheses may be left out. An address is written in any way that IPv4 or IPv6 has, and comes back as a dotted quad or
as the shortest IPv6 text; a subnet is ADDRESS/LENGTH, whose address may have host bits. A MAC address is six groups of one or two digits,
or the number of its 48 bits.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from collections.abc import Mapping as Dict
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeAlias, TypeVar

from etherspan.portolan.records import VXLAN_PORT, ComputeNode, Event, Mapping, Route, Subnet
from libvarpd.plugins.svp.messages import (
    MAPPED,
    LogType,
    Record,
    RouteRecord,
    Vl2Record,
    Vl3Record,
    is_mapped,
)

Json: TypeAlias = dict[str, Any]
Row: TypeAlias = ComputeNode | Mapping | Route | Event
T = TypeVar("T")

VNET_MAX: Final = 2**32 - 1
PORT_MAX: Final = 65535
VLAN_MAX: Final = 4095
_U32_MAX: Final = 2**32 - 1
_MAC_MAX: Final = 2**48 - 1
_NAME_MAX: Final = 255
_MAC: Final = re.compile(r"[0-9a-fA-F]{1,2}(:[0-9a-fA-F]{1,2}){5}")
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_MAPPED_BITS: Final = 96


class FormError(ValueError):
    """A value that is none, with the key it has."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(f"{key}: {why}" if key else why)


# ---------------------------------------------------------------------- values


def read_address(text: object) -> bytes:
    """16 bytes. Errors: `FormError`."""
    if isinstance(text, str):
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            pass
        else:
            if getattr(address, "scope_id", None) is None:
                return MAPPED + address.packed if address.version == 4 else address.packed
    raise FormError("", f"{text!r} is no IP address")


def address_text(address: bytes) -> str:
    """The shortest text."""
    return str(ipaddress.IPv4Address(address[12:]) if is_mapped(address) else ipaddress.IPv6Address(address))


def read_mac(value: object) -> bytes:
    """6 bytes. Errors: `FormError`."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAC_MAX:
        return value.to_bytes(6)
    if isinstance(value, str) and _MAC.fullmatch(value):
        return bytes(int(group, 16) for group in value.split(":"))
    raise FormError("", f"{value!r} is no MAC address")


def mac_text(mac: bytes) -> str:
    """Six groups of two digits."""
    return mac.hex(":")


def read_subnet(text: object) -> Subnet:
    """A subnet; its prefix counts from the start of the 16 bytes. Errors: `FormError`."""
    if isinstance(text, str):
        address, slash, length = text.partition("/")
        if slash and length.isascii() and length.isdigit():
            packed = read_address(address)
            prefix = int(length) + (_MAPPED_BITS if "." in address and ":" not in address else 0)
            if prefix <= 128:
                return Subnet(packed, prefix)
    raise FormError("", f"{text!r} is no subnet, which is ADDRESS/LENGTH")


def subnet_text(subnet: Subnet) -> str:
    """ADDRESS/LENGTH: for IPv4 the length that IPv4 has."""
    if is_mapped(subnet.address) and subnet.prefix >= _MAPPED_BITS:
        return f"{address_text(subnet.address)}/{subnet.prefix - _MAPPED_BITS}"
    return f"{ipaddress.IPv6Address(subnet.address)}/{subnet.prefix}"


def read_uuid(text: object) -> bytes:
    """16 bytes in the order of the text (SVP-I9). Errors: `FormError`."""
    if isinstance(text, str) and _UUID.fullmatch(text):
        return bytes.fromhex(text.replace("-", ""))
    raise FormError("", f"{text!r} is no UUID")


def uuid_text(ident: bytes) -> str:
    """A UUID's text, lower case."""
    digits = ident.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _number(most: int) -> Callable[[object], int]:
    def read(value: object) -> int:
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most:
            return value
        raise FormError("", f"{value!r} is no number from 0 to {most}")

    return read


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise FormError("", f"{value!r} is neither true nor false")


def read_node_name(value: object) -> str:
    """What a compute node is called: a UUID, in lower case then, or another text without control characters. Errors: `FormError`."""
    if isinstance(value, str) and 0 < len(value) <= _NAME_MAX and value.isprintable():
        return value.lower() if _UUID.fullmatch(value) else value
    raise FormError("", f"{value!r} is no name of a compute node")


def _event_type(value: object) -> str:
    if value in LogType.__members__:
        return str(value)
    raise FormError("", f"{value!r} is none of {', '.join(LogType.__members__)}")


# ---------------------------------------------------------------------- rows

_REQUIRED: Final = object()
_Key: TypeAlias = tuple[Callable[[object], Any], object]
"""How a value is read, and what it is when it is left out."""

_NODE: Final[Dict[str, _Key]] = {
    "uuid": (read_node_name, _REQUIRED),
    "underlay_ip": (read_address, _REQUIRED),
    "underlay_port": (_number(PORT_MAX), VXLAN_PORT),
}
_MAPPING: Final[Dict[str, _Key]] = {
    "vnet_id": (_number(VNET_MAX), _REQUIRED),
    "mac": (read_mac, _REQUIRED),
    "ip": (read_address, _REQUIRED),
    "cn": (read_node_name, _REQUIRED),
    "vlan": (_number(VLAN_MAX), 0),
    "deleted": (_flag, False),
    "router": (_flag, False),
}
_ROUTE: Final[Dict[str, _Key]] = {
    "vnet_id": (_number(VNET_MAX), _REQUIRED),
    "vlan": (_number(VLAN_MAX), _REQUIRED),
    "subnet": (read_subnet, _REQUIRED),
    "far_dc": (_number(_U32_MAX), _REQUIRED),
    "far_vnet_id": (_number(VNET_MAX), _REQUIRED),
    "far_vlan": (_number(VLAN_MAX), _REQUIRED),
    "far_subnet": (read_subnet, _REQUIRED),
    "router_mac": (read_mac, _REQUIRED),
    "deleted": (_flag, False),
}
_EVENT_HEAD: Final[Dict[str, _Key]] = {
    "uuid": (read_uuid, _REQUIRED),
    "cn": (read_node_name, _REQUIRED),
    "type": (_event_type, _REQUIRED),
    "vnet_id": (_number(VNET_MAX), _REQUIRED),
}
_EVENT: Final[Dict[str, Dict[str, _Key]]] = {
    "VL2": {**_EVENT_HEAD, "mac": (read_mac, _REQUIRED)},
    "VL3": {**_EVENT_HEAD, "ip": (read_address, _REQUIRED), "vlan": (_number(VLAN_MAX), 0)},
    "ROUTE": {
        **_EVENT_HEAD,
        "vlan": (_number(VLAN_MAX), 0),
        "subnet": (read_subnet, _REQUIRED),
        "far_dc": (_number(_U32_MAX), _REQUIRED),
        "far_vnet_id": (_number(VNET_MAX), _REQUIRED),
        "far_vlan": (_number(VLAN_MAX), 0),
        "far_subnet": (read_subnet, _REQUIRED),
    },
}


def _read(keys: Dict[str, _Key], item: Dict[str, object]) -> Json:
    """The values of a row. Errors: `FormError` that names the key."""
    values: Json = {}
    for key, (read, default) in keys.items():
        if key in item:
            try:
                values[key] = read(item[key])
            except FormError as error:
                raise FormError(key, str(error)) from None
        elif default is _REQUIRED:
            raise FormError(key, "it is missing")
        else:
            values[key] = default
    for key in item:
        if key not in keys:
            raise FormError(key, f"there is no such key; there are {', '.join(keys)}")
    return values


def read_node(item: Dict[str, object]) -> ComputeNode:
    """A compute node from its object. Errors, here and in the others: `FormError`."""
    return ComputeNode(**_read(_NODE, item))


def node_json(node: ComputeNode) -> Json:
    """A compute node's object."""
    return {
        "uuid": node.uuid,
        "underlay_ip": address_text(node.underlay_ip),
        "underlay_port": node.underlay_port,
    }


def read_mapping(item: Dict[str, object]) -> Mapping:
    """A mapping from its object."""
    return Mapping(**_read(_MAPPING, item))


def mapping_json(row: Mapping) -> Json:
    """A mapping's object; what is as it is by default is left out."""
    found: Json = {"vnet_id": row.vnet_id, "mac": mac_text(row.mac), "ip": address_text(row.ip), "cn": row.cn}
    if row.vlan:
        found["vlan"] = row.vlan
    if row.deleted:
        found["deleted"] = True
    if row.router:
        found["router"] = True
    return found


def read_route(item: Dict[str, object]) -> Route:
    """A route from its object."""
    return Route(**_read(_ROUTE, item))


def route_json(row: Route) -> Json:
    """A route's object."""
    found: Json = {
        "vnet_id": row.vnet_id,
        "vlan": row.vlan,
        "subnet": subnet_text(row.subnet),
        "far_dc": row.far_dc,
        "far_vnet_id": row.far_vnet_id,
        "far_vlan": row.far_vlan,
        "far_subnet": subnet_text(row.far_subnet),
        "router_mac": mac_text(row.router_mac),
    }
    if row.deleted:
        found["deleted"] = True
    return found


def read_event(item: Dict[str, object]) -> Event:
    """An event from its object; which keys there are depends on its type."""
    kind = item.get("type")
    values = _read(_EVENT[kind] if isinstance(kind, str) and kind in _EVENT else _EVENT_HEAD, item)
    record: Record
    match kind:
        case "VL2":
            record = Vl2Record(values["uuid"], values["mac"], values["vnet_id"])
        case "VL3":
            record = Vl3Record(values["uuid"], values["ip"], values["vlan"], values["vnet_id"])
        case _:
            subnet, far = values["subnet"], values["far_subnet"]
            record = RouteRecord(
                values["uuid"],
                values["vnet_id"],
                values["far_vnet_id"],
                values["far_dc"],
                subnet.address,
                far.address,
                values["vlan"],
                values["far_vlan"],
                subnet.prefix,
                far.prefix,
            )
    return Event(values["cn"], record)


def event_json(event: Event) -> Json:
    """An event's object."""
    record = event.record
    head: Json = {"uuid": uuid_text(record.id), "cn": event.cn, "type": LogType(record.type).name}
    match record:
        case Vl2Record():
            return {**head, "vnet_id": record.vnet_id, "mac": mac_text(record.mac)}
        case Vl3Record():
            vlan = {"vlan": record.vlan} if record.vlan else {}
            return {**head, "vnet_id": record.vnet_id, "ip": address_text(record.address), **vlan}
    return {
        **head,
        "vnet_id": record.src_vnet_id,
        "vlan": record.src_vlan,
        "subnet": subnet_text(Subnet(record.src_address, record.src_prefix)),
        "far_dc": record.dcid,
        "far_vnet_id": record.dst_vnet_id,
        "far_vlan": record.dst_vlan,
        "far_subnet": subnet_text(Subnet(record.dst_address, record.dst_prefix)),
    }


def _route_key(row: Route) -> bytes:
    subnets = (bytes([*subnet.address, subnet.prefix]) for subnet in (row.subnet, row.far_subnet))
    return b"".join((row.vnet_id.to_bytes(4), row.vlan.to_bytes(2), *subnets))


@dataclass(slots=True, frozen=True)
class Section(Generic[T]):
    """A list of rows in the document: its name, how rows are read and written, and what tells them apart."""

    name: str
    read: Callable[[Dict[str, object]], T]
    write: Callable[[T], Json]
    key: Callable[[T], bytes]
    """Different for rows that are not the same."""
    keys: tuple[str, ...]
    """Whose values that is."""

    def key_text(self, row: T) -> str:
        """The key for people."""
        values = self.write(row)
        return ", ".join(f"{key} {values[key]}" for key in self.keys)


NODES: Final = Section("compute_nodes", read_node, node_json, lambda row: row.uuid.encode(), ("uuid",))
MAPPINGS: Final = Section(
    "mappings", read_mapping, mapping_json, lambda row: row.vnet_id.to_bytes(4) + row.ip, ("vnet_id", "ip")
)
ROUTES: Final = Section("routes", read_route, route_json, _route_key, ("vnet_id", "vlan", "subnet", "far_subnet"))
EVENTS: Final = Section("events", read_event, event_json, lambda row: row.record.id, ("uuid",))
SECTIONS: Final = (NODES, MAPPINGS, ROUTES, EVENTS)
