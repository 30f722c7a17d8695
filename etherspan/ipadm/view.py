"""What show-if and show-addr print: the interfaces and address objects of a zone, from three sources (IPA 5).

Linux's interfaces and addresses (`Netstack.read`) are what is there. The volatile map gives addresses their objects' names and adds
those that are down. ipadm.conf adds what is stored: it fills PERSISTENT, and what is stored only is `disabled`, after all the rest.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from etherspan.ipadm.conf import AF_INET, AF_INET6, AddrType, ConfFile, StoredAddress
from etherspan.ipadm.names import LOOPBACK, Interface
from etherspan.ipadm.objects import AddressObject, ObjectMap

UNKNOWN_OBJECT: Final = "?"
"""The name of an address that no object stands for."""
NO_ADDRESS: Final = "?"
"""What is shown for an address that a DHCP server has not given yet."""
_LOOPBACK_NAMES: Final = {"127.0.0.1/8": "lo0/v4", "::1/128": "lo0/v6"}


@dataclass(slots=True, frozen=True)
class NetAddress:
    """An address as Linux has it. `lasting` is false for one from a router's advertisement."""

    interface: Interface
    lasting: bool = True
    tentative: bool = False
    duplicate: bool = False
    deprecated: bool = False
    temporary: bool = False


@dataclass(slots=True, frozen=True)
class NetInterface:
    """An interface as Linux has it. `up` is what an administrator says, `running` what the link says."""

    index: int
    names: tuple[str, ...]
    mac: bytes = bytes(6)
    up: bool = False
    running: bool = False
    broadcast: bool = True
    multicast: bool = True
    ipv6: bool = True
    addresses: tuple[NetAddress, ...] = ()


@dataclass(slots=True, frozen=True)
class ZoneView:
    """All there is to know of one zone. `interfaces` are its links by name, `lo0` among them, in order of their indexes."""

    zone: str
    interfaces: Mapping[str, NetInterface]
    objects: ObjectMap
    conf: ConfFile

    def is_plumbed(self, ifname: str) -> bool:
        """True for an IP interface: one that is up, or that ipadm plumbed."""
        found = self.interfaces.get(ifname)
        return found is not None and (found.up or self.objects.plumbed(self.zone, ifname))

    def plumbed(self) -> list[str]:
        """The IP interfaces, in order of their indexes."""
        return [name for name in self.interfaces if self.is_plumbed(name)]


@dataclass(slots=True, frozen=True)
class InterfaceInfo:
    """A row of show-if."""

    ifname: str
    kind: str
    state: str
    current: str
    persistent: str


@dataclass(slots=True, frozen=True)
class AddressInfo:
    """A row of show-addr."""

    aobjname: str
    kind: str
    state: str
    current: str
    persistent: str
    addr: str


def _bits(letters: str, *given: bool) -> str:
    return "".join(letter if one else "-" for letter, one in zip(letters, given, strict=True))


# ---------------------------------------------------------------------- interfaces


def interfaces(view: ZoneView, ifname: str | None = None) -> list[InterfaceInfo]:
    """The zone's IP interfaces, those that are stored only last; of one name, if one is given."""
    stored = {one.ifname: one.families for one in view.conf.interfaces(view.zone)}
    plumbed = view.plumbed()
    rows = [_active(view, name, stored.get(name, ())) for name in plumbed]
    rows += [
        InterfaceInfo(name, "IP", "disabled", "-" * 12, _families(families))
        for name, families in stored.items()
        if name not in plumbed
    ]
    return [row for row in rows if ifname in {None, row.ifname}]


def _active(view: ZoneView, name: str, stored: Sequence[int]) -> InterfaceInfo:
    found = view.interfaces[name]
    loopback = name == LOOPBACK
    flags = _bits(
        "bmpvIsiVaZ46",
        found.broadcast and not loopback,
        found.multicast or loopback,
        False,  # noqa: FBT003 - p I s i V a Z: kinds of interfaces that there are none of here
        loopback,
        *[False] * 6,
        True,  # noqa: FBT003
        found.ipv6,
    )
    return InterfaceInfo(name, "VIRTUAL" if loopback else "IP", _state(found), flags, _families(stored))


def _families(families: Sequence[int]) -> str:
    return _bits("s46", False, AF_INET in families, AF_INET6 in families)  # noqa: FBT003 - never a standby interface


def _state(found: NetInterface) -> str:
    if not found.up:
        return "down"
    if not found.running:
        return "failed"
    return "ok" if found.addresses else "down"


# ---------------------------------------------------------------------- addresses


def addresses(view: ZoneView, ifname: str | None = None) -> list[AddressInfo]:
    """The zone's addresses, or those of one interface: IPv4, then IPv6, each in order of the interfaces, then those stored only."""
    stored = {one.aobjname: one for one in view.conf.addresses(view.zone)}
    active = [
        row for version in (4, 6) for name in view.plumbed() for row in _of_interface(view, name, version, stored)
    ]
    shown = [row.aobjname for row in active]
    rest = [_disabled(one) for one in stored.values() if one.aobjname not in shown]
    return [row for row in (*active, *rest) if ifname in {None, row.aobjname.partition("/")[0]}]


def _of_interface(
    view: ZoneView, name: str, version: int, stored: Mapping[str, StoredAddress]
) -> Iterator[AddressInfo]:
    found = view.interfaces[name]
    objects = [one for one in view.objects.on(view.zone, name) if one.address.version == version]
    there = [one for one in found.addresses if one.interface.version == version]
    order = {one.address: number for number, one in enumerate(objects)}
    rows = [(order.get(one.interface, len(order)), _shown(found, name, one, objects, stored)) for one in there]
    rows += [(order[one.address], _down(one, stored)) for one in objects if not one.up]
    for _, row in sorted(rows, key=lambda pair: pair[0]):
        yield row


def _shown(
    found: NetInterface,
    name: str,
    address: NetAddress,
    objects: Sequence[AddressObject],
    stored: Mapping[str, StoredAddress],
) -> AddressInfo:
    kind, aobjname = _object_of(name, address, objects)
    current = _bits("Uuptd", True, False, False, address.temporary, address.deprecated)  # noqa: FBT003 - no u, no p
    state = "duplicate" if address.duplicate else "tentative" if address.tentative else "ok"
    if not (found.up and found.running):
        state = "inaccessible"
    return AddressInfo(
        aobjname, kind.value, state, current, _stored_flags(stored.get(aobjname)), _text(name, address.interface)
    )


def _object_of(name: str, address: NetAddress, objects: Sequence[AddressObject]) -> tuple[AddrType, str]:
    """The type of an address and the name of its object."""
    for one in objects:
        if one.up and one.address == address.interface:
            return one.kind, one.aobjname
    if name == LOOPBACK:
        return AddrType.STATIC, _LOOPBACK_NAMES.get(str(address.interface), f"{name}/{UNKNOWN_OBJECT}")
    automatic = not address.lasting or address.interface.ip.is_link_local
    if address.interface.version == 6 and automatic:
        own = next((one.aobjname for one in objects if one.kind is AddrType.ADDRCONF), f"{name}/{UNKNOWN_OBJECT}")
        return AddrType.ADDRCONF, own
    return AddrType.STATIC, f"{name}/{UNKNOWN_OBJECT}"


def _down(one: AddressObject, stored: Mapping[str, StoredAddress]) -> AddressInfo:
    text = _text(one.ifname, one.address)
    return AddressInfo(one.aobjname, one.kind.value, "down", "-----", _stored_flags(stored.get(one.aobjname)), text)


def _stored_flags(stored: StoredAddress | None) -> str:
    up = stored is not None and (stored.up or stored.kind is not AddrType.STATIC)
    return _bits("Upd", up, False, False)  # noqa: FBT003 - private and deprecated are not kept here


def _disabled(one: StoredAddress) -> AddressInfo:
    if one.kind is AddrType.STATIC:
        length = f"/{one.local.length}" if one.local.length else ""
        addr = one.local.host + (f"->{one.remote}" if one.remote else length)
    else:
        addr = (
            str(one.interface_id) if one.interface_id.length else "::" if one.kind is AddrType.ADDRCONF else NO_ADDRESS
        )
    return AddressInfo(one.aobjname, one.kind.value, "disabled", "-----", _stored_flags(one), addr)


def _text(name: str, interface: Interface) -> str:
    """`ADDRESS/LENGTH`; a link-local address says which interface it is on."""
    if isinstance(interface.ip, ipaddress.IPv6Address) and interface.ip.is_link_local:
        return f"{interface.ip}%{name}/{interface.network.prefixlen}"
    return str(interface)
