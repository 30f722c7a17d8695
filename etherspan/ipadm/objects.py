"""What ipadm made since the last boot: plumbed interfaces and address objects, in aobjmap.conf below etc/svc/volatile (IPA 4.3).

Linux knows addresses, not their objects' names, and has no address that is there but down. Both are kept here. The file is in the
syntax of ipadm.conf, a line an interface or an address object:

    _ifname=vnic0;_ifindex=7;_zone=web;
    _aobjname=vnic0/v4;_ifname=vnic0;_ifindex=7;_family=2;_flags=3;_atype=1;_addr=10.0.0.1/24;_up=yes;_zone=web;

`_ifindex` is what tells an interface from another that has the same name later: what a vanished interface had is forgotten.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Self

from etherspan.ipadm import names
from etherspan.ipadm.conf import AF_INET, AF_INET6, GLOBAL, AddrType, parse_pairs
from etherspan.ipadm.names import Interface

_ACTIVE: Final = 1
_PERSIST: Final = 2
_TYPES: Final = {"1": AddrType.STATIC, "2": AddrType.ADDRCONF}
_NUMBERS: Final = {kind: number for number, kind in _TYPES.items()}


@dataclass(slots=True, frozen=True)
class Plumbed:
    """An interface that ipadm plumbed."""

    ifname: str
    ifindex: int
    zone: str = GLOBAL


@dataclass(slots=True, frozen=True)
class AddressObject:
    """An address object in the running system: `address` is its static or its link-local one.

    One that is not `up` is not on the interface.
    """

    aobjname: str
    ifindex: int
    kind: AddrType
    address: Interface
    zone: str = GLOBAL
    persistent: bool = False
    up: bool = True

    @property
    def ifname(self) -> str:
        return names.interface_of(self.aobjname)


@dataclass(slots=True, frozen=True)
class ObjectMap:
    """All of it, in order of creation."""

    interfaces: tuple[Plumbed, ...] = ()
    objects: tuple[AddressObject, ...] = ()

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read the file. A line that cannot be read counts as not there: nobody but ipadm writes it."""
        interfaces: list[Plumbed] = []
        objects: list[AddressObject] = []
        for line in raw.decode("utf-8", "replace").splitlines():
            try:
                pairs = parse_pairs(line)
                if "_aobjname" in pairs:
                    objects.append(_object(pairs))
                else:
                    interfaces.append(Plumbed(pairs["_ifname"], int(pairs["_ifindex"]), pairs.get("_zone", GLOBAL)))
            except (ValueError, KeyError):
                continue
        return cls(tuple(interfaces), tuple(objects))

    def render(self) -> bytes:
        """The file's bytes; `parse` gives the same map back."""
        lines = [
            *({"_ifname": one.ifname, "_ifindex": str(one.ifindex), **_zone(one.zone)} for one in self.interfaces),
            *(_pairs(one) for one in self.objects),
        ]
        return "".join("".join(f"{k}={v};" for k, v in line.items()) + "\n" for line in lines).encode()

    def current(self, zone: str, indexes: Mapping[str, int], only: str | None = None) -> Self:
        """The map without what belongs to interfaces of the zone that are gone.

        `indexes` are those that are there, by name; with `only`, what is known is that interface alone, and others stay.
        """

        def there(one: Plumbed | AddressObject) -> bool:
            judged = one.zone == zone and only in {None, one.ifname}
            return not judged or indexes.get(one.ifname) == one.ifindex

        return self._keep(there)

    def plumbed(self, zone: str, ifname: str) -> bool:
        """True when ipadm plumbed the interface."""
        return any((one.zone, one.ifname) == (zone, ifname) for one in self.interfaces)

    def has(self, zone: str) -> bool:
        """True when there is anything of the zone."""
        return zone in {one.zone for one in self.interfaces} | {one.zone for one in self.objects}

    def find(self, zone: str, aobjname: str) -> AddressObject | None:
        """The address object of this name."""
        return next((one for one in self.objects if (one.zone, one.aobjname) == (zone, aobjname)), None)

    def on(self, zone: str, ifname: str) -> list[AddressObject]:
        """The address objects of an interface, in order of creation."""
        return [one for one in self.objects if (one.zone, one.ifname) == (zone, ifname)]

    def with_interface(self, one: Plumbed) -> Self:
        """The map with one more interface, in place of one of the same name."""
        others = [other for other in self.interfaces if (other.zone, other.ifname) != (one.zone, one.ifname)]
        return replace(self, interfaces=(*others, one))

    def with_object(self, one: AddressObject) -> Self:
        """The map with an address object, where one of the same name was or at the end."""
        if self.find(one.zone, one.aobjname) is None:
            return replace(self, objects=(*self.objects, one))
        key = (one.zone, one.aobjname)
        return replace(self, objects=tuple(one if (each.zone, each.aobjname) == key else each for each in self.objects))

    def without_interface(self, zone: str, ifname: str) -> Self:
        """The map without an interface and its address objects."""
        return self._keep(lambda one: (one.zone, one.ifname) != (zone, ifname))

    def without_object(self, zone: str, aobjname: str) -> Self:
        """The map without an address object."""
        kept = tuple(one for one in self.objects if (one.zone, one.aobjname) != (zone, aobjname))
        return replace(self, objects=kept)

    def without_zone(self, zone: str) -> Self:
        """The map without all of a zone."""
        return self._keep(lambda one: one.zone != zone)

    def next_name(self, zone: str, ifname: str) -> str:
        """A name for an address that came without one: `IF/_a`, `IF/_b` … `IF/_aa`."""
        used = {one.aobjname for one in self.on(zone, ifname)}
        number = 0
        while (name := f"{ifname}/_{_letters(number)}") in used:
            number += 1
        return name

    def _keep(self, wanted: Callable[[Plumbed | AddressObject], bool]) -> Self:
        return replace(
            self,
            interfaces=tuple(one for one in self.interfaces if wanted(one)),
            objects=tuple(one for one in self.objects if wanted(one)),
        )


def _letters(number: int) -> str:
    head = _letters(number // 26 - 1) if number >= 26 else ""
    return head + chr(ord("a") + number % 26)


def _zone(zone: str) -> dict[str, str]:
    return {"_zone": zone} if zone else {}


def _pairs(one: AddressObject) -> dict[str, str]:
    return {
        "_aobjname": one.aobjname,
        "_ifname": one.ifname,
        "_ifindex": str(one.ifindex),
        "_family": str(AF_INET if one.address.version == 4 else AF_INET6),
        "_flags": str(_ACTIVE | (_PERSIST if one.persistent else 0)),
        "_atype": _NUMBERS[one.kind],
        "_addr": str(one.address),
        "_up": "yes" if one.up else "no",
        **_zone(one.zone),
    }


def _object(pairs: Mapping[str, str]) -> AddressObject:
    """Errors: ValueError, KeyError."""
    return AddressObject(
        aobjname=pairs["_aobjname"],
        ifindex=int(pairs["_ifindex"]),
        kind=_TYPES[pairs["_atype"]],
        address=ipaddress.ip_interface(pairs["_addr"]),
        zone=pairs.get("_zone", GLOBAL),
        persistent=bool(int(pairs["_flags"]) & _PERSIST),
        up=pairs["_up"] == "yes",
    )
