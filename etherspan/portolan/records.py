"""Rows of a store: compute nodes, mappings, routes, events (SVP 11.3).

Addresses are 16 bytes, IPv4 mapped, so every spelling of one is the same row (SVP-I25, SVP-Q23); MAC addresses are 6 bytes. A compute
node's UUID is text in lower case.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

from libvarpd.plugins.svp.messages import NO_ADDRESS, Record

VXLAN_PORT: Final = 4789


class Subnet(NamedTuple):
    """A subnet: its first address, and its prefix length counted from the start of the 16 bytes (an IPv4 /24 is 120)."""

    address: bytes
    prefix: int


@dataclass(slots=True, frozen=True)
class ComputeNode:
    """A compute node: where VXLAN packets for what lives on it go, and who asks for its events."""

    uuid: str
    underlay_ip: bytes
    underlay_port: int = VXLAN_PORT


@dataclass(slots=True, frozen=True)
class Mapping:
    """A guest address of a virtual network, the MAC address that has it, and the node that is on. (vnet_id, ip) is the key.

    `deleted` rows are tombstones: no answer comes of them. `router` ones are answered with their MAC address only (version 2).
    """

    vnet_id: int
    ip: bytes
    mac: bytes
    cn: str
    vlan: int = 0
    deleted: bool = False
    router: bool = False


@dataclass(slots=True, frozen=True)
class Route:
    """How one subnet of a virtual network reaches a subnet of another (version 2). (vnet_id, vlan, subnet, far_subnet) is the key."""

    vnet_id: int
    vlan: int
    subnet: Subnet
    far_dc: int
    far_vnet_id: int
    far_vlan: int
    far_subnet: Subnet
    router_mac: bytes
    deleted: bool = False


@dataclass(slots=True, frozen=True)
class Event:
    """Something that a compute node is to forget or announce; `record.id` is the event's UUID, the key."""

    cn: str
    record: Record


class Place(NamedTuple):
    """Where a MAC address is."""

    port: int
    address: bytes


class Owner(NamedTuple):
    """Which MAC address has a guest address, and where that is. A router's place is port 0 and `::`."""

    mac: bytes
    port: int
    address: bytes


NOWHERE: Final = Place(0, NO_ADDRESS)


class RoutePlace(NamedTuple):
    """What a route says, and who has the destination on the far side."""

    route: Route
    owner: Owner
