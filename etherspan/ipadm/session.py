"""One operation under way: a zone's interfaces as they are, the files as they were, and what is to be undone should a step fail.

The interfaces are read once. Each step changes Linux and then what is known here, so that the next step sees it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from dladm.dlmgmtd.client import LinkInfo
from etherspan.ipadm import names
from etherspan.ipadm.conf import AF_INET, FAMILIES, GLOBAL, AddrType, ConfFile, StoredAddress, StoredInterface
from etherspan.ipadm.names import LOOPBACK, Interface
from etherspan.ipadm.netstack import Netstack
from etherspan.ipadm.objects import AddressObject, ObjectMap, Plumbed
from etherspan.ipadm.resolve import resolve
from etherspan.ipadm.status import IpadmError, Status
from etherspan.ipadm.view import NetAddress, NetInterface, ZoneView
from kernel_sim.sys.dld import DatalinkClass, DatalinkFlag

LINUX_LOOPBACK: Final = "lo"
HOST_NAMES: Final = frozenset({"", "global"})
"""Zones of links that belong to the host itself."""
_PLUMBABLE: Final = (DatalinkClass.PHYS, DatalinkClass.VNIC)
"""Classes of links that IP can be plumbed on: an etherstub is refused as in the original, an overlay as its manual says (KRN-Q39)."""


@dataclass(slots=True, frozen=True)
class Scope:
    """What an operation is about: a zone of the host at `root`, links by name, and `only` the one interface it concerns, if it is one."""

    root: Path
    zone: str
    links: Mapping[str, LinkInfo]
    only: str | None = None


class Session:
    """One operation. `conf` and `objects` are what will be written when it succeeds."""

    def __init__(self, scope: Scope, net: Netstack, conf: ConfFile, objects: ObjectMap) -> None:
        self.zone = scope.zone
        self.conf = conf
        self._scope = scope
        self._net = net
        self._undo: list[Callable[[], None]] = []
        self._found = self._read()
        indexes = {name: one.index for name, one in self._found.items()}
        self.objects = objects.current(scope.zone, indexes, scope.only)

    def _read(self) -> dict[str, NetInterface]:
        """The zone's links among Linux's interfaces, and lo0, by name in order of their indexes."""
        only = self._scope.only
        found: dict[str, NetInterface] = {}
        for one in self._net.read(LINUX_LOOPBACK if only == LOOPBACK else only):
            if LINUX_LOOPBACK in one.names:
                found[LOOPBACK] = one
            name = next((name for name in one.names if name in self._scope.links), None)
            if name is not None and self._is_here(self._scope.links[name]):
                found[name] = one
        return found

    def _is_here(self, link: LinkInfo) -> bool:
        zone = GLOBAL if link.zone in HOST_NAMES else link.zone
        return zone == self.zone and link.link_class in _PLUMBABLE

    # ------------------------------------------------------------------ what is

    def view(self) -> ZoneView:
        return ZoneView(self.zone, self._found, self.objects, self.conf)

    def is_plumbed(self, ifname: str) -> bool:
        return self.view().is_plumbed(ifname)

    def interface(self, ifname: str) -> NetInterface:
        """The interface. Errors: DLPI_FAILURE there is no such link here."""
        if ifname not in self._found:
            raise IpadmError(Status.DLPI_FAILURE, f"there is no link '{ifname}' in this zone")
        return self._found[ifname]

    def object(self, aobjname: str) -> AddressObject | None:
        """The address object, None when it is stored only. Errors: NOTFOUND there is none of this name."""
        found = self.objects.find(self.zone, aobjname)
        if found is None and self.conf.address(self.zone, aobjname) is None:
            raise IpadmError(Status.NOTFOUND, f"there is no address object '{aobjname}' in this zone")
        return found

    def active(self, aobjname: str) -> AddressObject:
        """The address object. Errors: NOTFOUND; OP_DISABLE_OBJ it is stored only."""
        found = self.object(aobjname)
        if found is None:
            raise IpadmError(Status.OP_DISABLE_OBJ, f"{aobjname} is disabled")
        return found

    # ------------------------------------------------------------------ undoing

    @contextlib.contextmanager
    def attempt(self) -> Iterator[None]:
        """A group of steps: when it fails, those that were taken are undone, last first."""
        mark, conf, objects, found = len(self._undo), self.conf, self.objects, dict(self._found)
        try:
            yield
        except BaseException:
            while len(self._undo) > mark:
                with contextlib.suppress(IpadmError):  # the failure that led here is what counts
                    self._undo.pop()()
            self.conf, self.objects, self._found = conf, objects, found
            raise

    def on_failure(self, undo: Callable[[], None]) -> None:
        """One more thing to undo should a later step fail."""
        self._undo.append(undo)

    # ------------------------------------------------------------------ interfaces

    def plumb(self, ifname: str, *, persistent: bool) -> None:
        """Plumb a link, with the checks of the original in its order, and store it if it is to be persistent.

        Errors: IF_INUSE, TEMPORARY_OBJ, ENXIO, DLPI_FAILURE.
        """
        self._check_link(ifname, persistent=persistent)
        found = self.interface(ifname)
        self._undo.append(lambda: self._net.unplumb(found))
        self._net.plumb(found)
        self._found[ifname] = replace(found, up=True)
        self._own(found, ifname, persistent=persistent)

    def take_over(self, ifname: str) -> bool:
        """Store an interface that others brought up without an address, as a zone's file may. False when it is none of these."""
        found = self.interface(ifname)
        bare = all(one.interface.ip.is_link_local for one in found.addresses)
        if not bare or self.objects.plumbed(self.zone, ifname):
            return False
        self._check_link(ifname, persistent=True)
        self._own(found, ifname, persistent=True)
        return True

    def _own(self, found: NetInterface, ifname: str, *, persistent: bool) -> None:
        self.objects = self.objects.with_interface(Plumbed(ifname, found.index, self.zone))
        if persistent:
            families = FAMILIES if found.ipv6 else (AF_INET,)
            self.conf = self.conf.with_interface(StoredInterface(ifname, self.zone, families))

    def _check_link(self, ifname: str, *, persistent: bool) -> None:
        link = self._scope.links.get(ifname)
        if link is None:  # lo0, or none at all
            return
        if self.zone == GLOBAL and link.zone not in HOST_NAMES:
            raise IpadmError(Status.IF_INUSE, f"link '{ifname}' is lent to zone '{link.zone}'")
        kept = link.link_class is DatalinkClass.PHYS or link.flags & DatalinkFlag.PERSIST
        if persistent and not kept:
            raise IpadmError(Status.TEMPORARY_OBJ, f"link '{ifname}' is temporary")
        if link.link_class not in _PLUMBABLE:
            raise IpadmError(
                Status.ENXIO, f"'{ifname}' is of class {link.link_class.label}, which IP cannot be plumbed on"
            )

    def unplumb(self, ifname: str) -> None:
        """Take an interface away. Errors: IF_INUSE for lo0 and physical links that others configured."""
        found = self.interface(ifname)
        link = self._scope.links.get(ifname)
        foreign = link is None or link.link_class is DatalinkClass.PHYS
        if foreign and not self.objects.plumbed(self.zone, ifname):
            raise IpadmError(Status.IF_INUSE, f"{ifname} was configured by others")
        self._undo.append(lambda: self._restore(found))
        self._net.unplumb(found)
        self._found[ifname] = replace(found, up=False, addresses=())
        self.objects = self.objects.without_interface(self.zone, ifname)

    def _restore(self, found: NetInterface) -> None:
        self._net.plumb(found)
        for one in found.addresses:
            if one.lasting:
                self._net.add(found, one.interface)

    # ------------------------------------------------------------------ addresses

    def create(self, wanted: StoredAddress, interface: Interface | None, *, persistent: bool) -> None:
        """Create an address object in the running system; `interface` is the address of a static one.

        An address that is on that interface and belongs to no object becomes this one's: a command that was killed has left it.
        Errors: ADDR_NOTAVAIL the zone has the address; ADDRCONF_EXISTS; NOTSUP no IPv6.
        """
        found = self.interface(wanted.ifname)
        if interface is None:
            interface = self._autoconfigure(found, wanted)
        elif wanted.up and not self._is_nameless(wanted.ifname, interface):
            self._require_unused(interface)
            self._put(wanted.ifname, interface)
        up = wanted.up or wanted.kind is not AddrType.STATIC
        made = AddressObject(wanted.aobjname, found.index, wanted.kind, interface, self.zone, persistent, up)
        self.objects = self.objects.with_object(made)

    def enable(self, stored: StoredAddress) -> None:
        """Create a stored address object in the running system. Errors: those of `create` and `resolve`; NOTSUP type dhcp."""
        if stored.kind is AddrType.DHCP:
            raise IpadmError(Status.NOTSUP, "addresses of type dhcp are not part of etherspan")
        interface = None
        if stored.kind is AddrType.STATIC:
            interface = names.with_length(resolve(stored.local.host, self._scope.root), stored.local.length)
            names.check_usable(interface)
        with self.attempt():
            self.create(stored, interface, persistent=True)

    def remove(self, one: AddressObject) -> None:
        """Take an address object away; its interface may be gone."""
        if one.kind is AddrType.ADDRCONF:
            self._net.stop_autoconfiguring(self.interface(one.ifname))
        if one.up:
            self._take(one.ifname, one.address)
        self.objects = self.objects.without_object(self.zone, one.aobjname)

    def set_up(self, one: AddressObject, *, up: bool) -> None:
        """Put a static address on its interface, or take it off. Errors: ADDR_NOTAVAIL the zone has the address meanwhile."""
        if up and not one.up:
            self._require_unused(one.address)
            self._put(one.ifname, one.address)
        elif one.up and not up:
            self._take(one.ifname, one.address)
        self.objects = self.objects.with_object(replace(one, up=up))

    def adopt(self, ifname: str) -> None:
        """Give addresses that somebody else put on an interface their objects: `IF/_a`, `IF/_b` …"""
        found = self.interface(ifname)
        known = {one.address for one in self.objects.on(self.zone, ifname)}
        for one in found.addresses:
            if one.interface not in known and not one.interface.ip.is_link_local:
                name = self.objects.next_name(self.zone, ifname)
                made = AddressObject(name, found.index, AddrType.STATIC, one.interface, self.zone)
                self.objects = self.objects.with_object(made)

    def _is_nameless(self, ifname: str, interface: Interface) -> bool:
        named = {one.address for one in self.objects.on(self.zone, ifname)}
        return interface not in named and any(one.interface == interface for one in self._found[ifname].addresses)

    def _require_unused(self, interface: Interface) -> None:
        for addresses in self._net.addresses().values():
            if any(one.interface.ip == interface.ip for one in addresses):
                raise IpadmError(Status.ADDR_NOTAVAIL, f"this zone has {interface.ip}")

    def _put(self, ifname: str, address: Interface) -> None:
        found = self.interface(ifname)
        self._net.add(found, address)
        self._undo.append(lambda: self._net.remove(found, address))
        self._found[ifname] = replace(found, addresses=(*found.addresses, NetAddress(address)))

    def _take(self, ifname: str, address: Interface) -> None:
        found = self.interface(ifname)
        self._net.remove(found, address)
        self._undo.append(lambda: self._net.add(found, address))
        rest = tuple(one for one in found.addresses if one.interface != address)
        self._found[ifname] = replace(found, addresses=rest)

    def _autoconfigure(self, found: NetInterface, wanted: StoredAddress) -> Interface:
        if any(one.kind is AddrType.ADDRCONF for one in self.objects.on(self.zone, wanted.ifname)):
            raise IpadmError(Status.ADDRCONF_EXISTS, f"{wanted.ifname} is autoconfigured")
        if not found.ipv6:
            raise IpadmError(Status.NOTSUP, f"{wanted.ifname} has no IPv6")
        own = wanted.interface_id.link_local(found.mac)
        self._undo.append(lambda: self._net.stop_autoconfiguring(found))
        self._net.autoconfigure(found, wanted.interface_id, stateless=wanted.stateless)
        there = next((one.interface for one in found.addresses if one.interface.ip == own.ip), None)
        if there is not None:  # it came by itself, before ipadm had to do with the interface
            return there
        self._put(wanted.ifname, own)
        return own
