"""What a lab file says, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from etherspan.netvalues import Address, Interface, Network
from etherspan.zonefile import Zone

VXLAN_PORT = 4789
SVP_PORT = 1296
DEFAULT_MTU = 1500
OVERLAY_MTU = 1400
"""The MTU of an overlay, and so of a VTEP that joins one, unless the file says otherwise."""


@dataclass(slots=True, frozen=True)
class Underlay:
    """The network between the hosts."""

    subnet: Network
    mtu: int = DEFAULT_MTU


@dataclass(slots=True, frozen=True)
class Host:
    """An emulated host. `dladm` holds the words of each command after `dladm`; `files` maps paths below ROOT to paths beside the file."""

    address: Address
    dladm: tuple[tuple[str, ...], ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    zones: Mapping[str, Zone] = field(default_factory=dict)


@dataclass(slots=True, frozen=True)
class Vtep:
    """A Linux kernel vxlan device in a namespace of its own."""

    address: Address
    vnetid: int
    port: int = VXLAN_PORT
    mtu: int = OVERLAY_MTU
    mac: bytes | None = None
    inner: tuple[Interface, ...] = ()
    flood: tuple[Address, ...] = ()
    fdb: Mapping[bytes, Address] = field(default_factory=dict)
    neigh: Mapping[Address, bytes] = field(default_factory=dict)
    learning: bool = True


@dataclass(slots=True, frozen=True)
class Portolan:
    """An SVP server in a namespace of its own. `data` is a path beside the file, `store` a URL; one of them at most."""

    address: Address
    port: int = SVP_PORT
    data: str | None = None
    store: str | None = None


@dataclass(slots=True, frozen=True)
class Lab:
    """A whole lab. `names` becomes ROOT/etc/inet/hosts of every host."""

    underlay: Underlay
    names: Mapping[str, tuple[Address, ...]] = field(default_factory=dict)
    hosts: Mapping[str, Host] = field(default_factory=dict)
    vteps: Mapping[str, Vtep] = field(default_factory=dict)
    portolans: Mapping[str, Portolan] = field(default_factory=dict)

    @property
    def nodes(self) -> dict[str, Address]:
        """Every host, VTEP and server with its underlay address, in the order of the file."""
        kinds: tuple[Mapping[str, Host | Vtep | Portolan], ...] = (self.hosts, self.vteps, self.portolans)
        return {name: node.address for kind in kinds for name, node in kind.items()}
