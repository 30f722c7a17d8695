"""The operations of ipadm on one zone: what the command can do, a script can (IPA 3).

    with Dladm(LocalSystem(root)) as handle:
        library.open_zone(root, handle).create_address(StaticRequest("vnic0/v4", "10.0.0.1/24"))

An operation that changes something holds the lock from its first look to its last write. Linux is changed first, then the files; what
was done is undone when a later step fails. Errors are `IpadmError`s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from dladm.dlmgmtd.client import LinkInfo
from dladm.libdladm.handle import Dladm
from dladm.libdladm.status import DladmError
from etherspan.ipadm import names, place
from etherspan.ipadm.conf import AddrType, StoredAddress
from etherspan.ipadm.names import DEFAULT_ID, LOOPBACK, Interface, InterfaceId
from etherspan.ipadm.netstack import Netstack
from etherspan.ipadm.place import Place
from etherspan.ipadm.resolve import resolve
from etherspan.ipadm.session import HOST_NAMES, Scope, Session
from etherspan.ipadm.status import IpadmError, Status
from etherspan.ipadm.store import Store
from etherspan.ipadm.view import ZoneView
from kernel_sim.sys.dld import DATALINK_CLASS_ALL, DatalinkFlag
from kernel_sim.sys.errno import Errno, KernelError

T = TypeVar("T")


@dataclass(slots=True, frozen=True)
class StaticRequest:
    """A static address to create: `local` is `HOST[/LENGTH]`, `remote` the other end of a point-to-point link or empty."""

    aobjname: str
    local: str
    remote: str = ""
    up: bool = True


@dataclass(slots=True, frozen=True)
class AddrconfRequest:
    """IPv6 autoconfiguration to begin. Nothing here speaks DHCPv6, so `stateful` is remembered only."""

    aobjname: str
    interface_id: InterfaceId = DEFAULT_ID
    stateless: bool = True
    stateful: bool = True


def open_zone(root: Path, handle: Dladm) -> Zone:
    """The zone that the caller runs in. Errors: DLADM_FAILURE where no host runs."""

    def lent() -> list[str]:
        return sorted({link.zone for link in _walk(handle).values()} - HOST_NAMES)

    try:
        handle.open_dld()
    except DladmError as error:
        raise IpadmError(Status.DLADM_FAILURE, str(error)) from error
    return Zone(root, handle, place.here(root, lent))


def _walk(handle: Dladm) -> dict[str, LinkInfo]:
    """Every active link by name."""
    try:
        return {link.name: link for link in handle.dlmgmt.walk(DATALINK_CLASS_ALL, DatalinkFlag.ACTIVE)}
    except KernelError as error:
        raise IpadmError(Status.DLADM_FAILURE, str(error)) from error


def links(handle: Dladm, wanted: Sequence[str]) -> dict[str, LinkInfo]:
    """Those of the wanted links that are active, by name. Errors: DLADM_FAILURE where dlmgmtd cannot be asked."""
    found: dict[str, LinkInfo] = {}
    for name in wanted:
        try:
            link = handle.dlmgmt.name2info(name)
        except KernelError as error:
            if error.errno not in {Errno.ENOENT, Errno.EINVAL}:
                raise IpadmError(Status.DLADM_FAILURE, str(error)) from error
        else:
            if link.flags & DatalinkFlag.ACTIVE:
                found[name] = link
    return found


class Zone:
    """IP interfaces and addresses of one zone of a host.

    `links` are the links it has to do with, by name; they are asked of dlmgmtd where they are not given.
    """

    def __init__(self, root: Path, handle: Dladm, where: Place, links: Mapping[str, LinkInfo] | None = None) -> None:
        self._root = root
        self._handle = handle
        self._links = links
        self.place = where
        self.zone = where.zone
        self.store = Store(root)

    def view(self) -> ZoneView:
        """All there is to know of the zone now."""
        return self._in_session(None, Session.view)

    # ------------------------------------------------------------------ interfaces

    def create_interface(self, ifname: str, *, persistent: bool = True) -> None:
        """Plumb a link.

        Errors: INVALID_ARG no name of an interface; IF_EXISTS it is plumbed; OP_DISABLE_OBJ it is stored and disabled; IF_INUSE the link
        is lent to a zone; TEMPORARY_OBJ the link is not persistent; ENXIO it is of a class that cannot be plumbed; DLPI_FAILURE there is
        no such link here.
        """
        names.check_interface(ifname)

        def act(session: Session) -> None:
            if session.is_plumbed(ifname):
                raise IpadmError(Status.IF_EXISTS, f"{ifname} is plumbed")
            if session.conf.interface(self.zone, ifname) is not None:
                raise IpadmError(Status.OP_DISABLE_OBJ, f"{ifname} is stored and disabled")
            session.plumb(ifname, persistent=persistent)

        self._change(ifname, act)

    def delete_interface(self, ifname: str) -> None:
        """Take an interface away with its addresses, from the stored configuration too.

        Errors: INVALID_ARG; ENXIO it is neither there nor stored; IF_INUSE lo0, or a physical link, that ipadm did not plumb.
        """
        names.check_interface(ifname)

        def act(session: Session) -> None:
            if session.is_plumbed(ifname):
                session.unplumb(ifname)
            elif session.conf.interface(self.zone, ifname) is None:
                raise IpadmError(Status.ENXIO, f"{ifname} is not plumbed")
            session.conf = session.conf.without_interface(self.zone, ifname)

        self._change(ifname, act)

    def disable_interface(self, ifname: str) -> None:
        """Take an interface away until the next boot or `enable_interface`. Errors: INVALID_ARG, ENXIO, IF_INUSE."""
        names.check_interface(ifname)

        def act(session: Session) -> None:
            if not session.is_plumbed(ifname):
                raise IpadmError(Status.ENXIO, f"{ifname} is not plumbed")
            session.unplumb(ifname)

        self._change(ifname, act)

    def enable_interface(self, ifname: str) -> list[str]:
        """Bring a stored interface back with its addresses; returns the objects of those that could not be had.

        Errors: INVALID_ARG; IF_EXISTS it is there; NOTFOUND it is not stored; and those of `create_interface`.
        """
        names.check_interface(ifname)

        def act(session: Session) -> list[str]:
            if session.is_plumbed(ifname):
                raise IpadmError(Status.IF_EXISTS, f"{ifname} is plumbed")
            if session.conf.interface(self.zone, ifname) is None:
                raise IpadmError(Status.NOTFOUND, f"{ifname} is not stored")
            session.plumb(ifname, persistent=False)
            wanted = [one for one in session.conf.addresses(self.zone) if one.ifname == ifname]
            return [one.aobjname for one in wanted if _fails(session, one)]

        return self._change(ifname, act)

    # ------------------------------------------------------------------ addresses

    def create_address(self, request: StaticRequest | AddrconfRequest, *, persistent: bool = True) -> None:
        """Create an address object; an interface that is not plumbed is plumbed first.

        Errors: INVALID_ARG a name, a prefix length; BAD_ADDR, BAD_HOSTNAME what is no address; ADDROBJ_EXISTS the name is taken;
        ADDR_NOTAVAIL the address is; OP_DISABLE_OBJ the interface is stored and disabled; TEMPORARY_OBJ a persistent address on an
        interface that is not; NOTSUP addrconf on lo0; ADDRCONF_EXISTS a second addrconf; and those of `create_interface`.
        """
        wanted, interface = self._judge(request)

        def act(session: Session) -> None:
            plumbed = session.is_plumbed(wanted.ifname)
            stored = session.conf.interface(self.zone, wanted.ifname) is not None
            if stored and not plumbed:
                raise IpadmError(Status.OP_DISABLE_OBJ, f"{wanted.ifname} is disabled")
            if persistent and plumbed and not stored and not session.take_over(wanted.ifname):
                raise IpadmError(Status.TEMPORARY_OBJ, f"{wanted.ifname} is not stored")
            self._require_free(session, wanted.aobjname)
            if not plumbed:
                session.plumb(wanted.ifname, persistent=persistent)
            session.create(wanted, interface, persistent=persistent)
            if persistent:
                session.conf = session.conf.with_address(wanted)

        self._change(wanted.ifname, act)

    def delete_address(self, aobjname: str) -> None:
        """Take an address object away, from the stored configuration too. Errors: NOTFOUND."""

        def act(session: Session) -> None:
            found = session.object(aobjname)
            if found is not None:
                session.remove(found)
            session.conf = session.conf.without_address(self.zone, aobjname)

        self._change(names.interface_of(aobjname), act)

    def disable_address(self, aobjname: str) -> None:
        """Take an address object away until the next boot or `enable_address`. Errors: NOTFOUND."""

        def act(session: Session) -> None:
            found = session.object(aobjname)
            if found is None:
                raise IpadmError(Status.NOTFOUND, f"{aobjname} is disabled")
            session.remove(found)

        self._change(names.interface_of(aobjname), act)

    def enable_address(self, aobjname: str) -> None:
        """Bring a stored address object back.

        Errors: NOTFOUND; ADDROBJ_EXISTS it is there; ENXIO its interface is not plumbed; what `create_address` says of addresses.
        """

        def act(session: Session) -> None:
            if session.object(aobjname) is not None:
                raise IpadmError(Status.ADDROBJ_EXISTS, f"{aobjname} is there")
            stored = session.conf.address(self.zone, aobjname)
            assert stored is not None  # or there would be no such object
            if not session.is_plumbed(stored.ifname):
                raise IpadmError(Status.ENXIO, f"{stored.ifname} is not plumbed")
            session.enable(stored)

        self._change(names.interface_of(aobjname), act)

    def set_up(self, aobjname: str, *, up: bool, persistent: bool = True) -> None:
        """Mark a static address up or down; one that is down is not on the interface.

        Errors: NOTFOUND; OP_DISABLE_OBJ it is disabled; TEMPORARY_OBJ a persistent change of what is not; NOTSUP addrconf.
        """

        def act(session: Session) -> None:
            found = session.active(aobjname)
            if persistent and not found.persistent:
                raise IpadmError(Status.TEMPORARY_OBJ, f"{aobjname} is temporary")
            if found.kind is not AddrType.STATIC:
                raise IpadmError(Status.NOTSUP, f"{aobjname} is of type {found.kind.value}")
            session.set_up(found, up=up)
            if persistent:
                session.conf = session.conf.with_up(self.zone, aobjname, up=up)

        self._change(names.interface_of(aobjname), act)

    def refresh_address(self, aobjname: str) -> None:
        """Ask again whether an address that was a duplicate is one: none ever is here. Errors: NOTFOUND, OP_DISABLE_OBJ, NOTSUP."""

        def act(session: Session) -> None:
            if session.active(aobjname).kind is not AddrType.STATIC:
                raise IpadmError(Status.NOTSUP, f"{aobjname} is not static")

        self._change(names.interface_of(aobjname), act)

    def require_object(self, aobjname: str) -> None:
        """Errors: NOTFOUND there is no such address object."""
        self._in_session(names.interface_of(aobjname), lambda session: session.object(aobjname))

    def check_typed(self, text: str) -> Interface:
        """The address that a text means, with its prefix length. Errors: INVALID_ARG, BAD_ADDR, BAD_HOSTNAME, FAILURE."""
        typed = names.parse_typed(text)
        return names.with_length(resolve(typed.host, self._root), typed.length)

    # ------------------------------------------------------------------ boot

    def adopt(self, ifnames: Sequence[str]) -> None:
        """Give addresses that somebody else put on interfaces their objects: `IF/_a`, `IF/_b` …"""

        def act(session: Session) -> None:
            for ifname in ifnames:
                session.adopt(ifname)

        self._change(None, act)

    def apply_stored(self) -> list[str]:
        """Plumb the stored interfaces and enable their addresses. What is there already stays; a failure keeps nothing else from it.

        Returns what could not be done, a line each that begins with file and line number.
        """
        return self._change(None, lambda session: list(self._apply(session)))

    # ------------------------------------------------------------------ inside

    def _judge(self, request: StaticRequest | AddrconfRequest) -> tuple[StoredAddress, Interface | None]:
        """What is to be stored, and the address if it is a static one."""
        names.check_object(request.aobjname)
        if isinstance(request, AddrconfRequest):
            wanted = StoredAddress(
                request.aobjname,
                AddrType.ADDRCONF,
                self.zone,
                version=6,
                interface_id=request.interface_id,
                stateless=request.stateless,
                stateful=request.stateful,
            )
            if wanted.ifname == LOOPBACK:
                raise IpadmError(Status.NOTSUP, "lo0 has no autoconfiguration")
            return wanted, None
        typed, interface = names.parse_typed(request.local), self.check_typed(request.local)
        if request.remote:
            raise IpadmError(Status.INVALID_ARG, "no interface here is a point-to-point one")
        names.check_usable(interface)
        wanted = StoredAddress(request.aobjname, AddrType.STATIC, self.zone, typed)
        return replace(wanted, version=interface.version, up=request.up), interface

    def _require_free(self, session: Session, aobjname: str) -> None:
        if session.objects.find(self.zone, aobjname) or session.conf.address(self.zone, aobjname):
            raise IpadmError(Status.ADDROBJ_EXISTS, aobjname)

    def _apply(self, session: Session) -> Iterator[str]:
        path = self.store.conf_path
        for one in session.conf.interfaces(self.zone):
            if not session.is_plumbed(one.ifname):
                try:
                    with session.attempt():
                        session.plumb(one.ifname, persistent=False)
                except IpadmError as error:
                    yield f"{path}:{one.line}: {one.ifname}: {error}"
        for each in session.conf.addresses(self.zone):
            if session.is_plumbed(each.ifname) and session.objects.find(self.zone, each.aobjname) is None:
                try:
                    session.enable(each)
                except IpadmError as error:
                    yield f"{path}:{each.line}: {each.aobjname}: {error}"

    def _change(self, only: str | None, act: Callable[[Session], T]) -> T:
        """Run an operation and write what it changed; `only` is the one interface it concerns."""
        if not place.may_configure():
            raise IpadmError(Status.EAUTH, "configuring interfaces needs CAP_NET_ADMIN")

        def change(session: Session) -> T:
            conf, objects = session.conf, session.objects
            with session.attempt():
                result = act(session)
                if session.objects is not objects:
                    session.on_failure(lambda: self.store.write_map(objects))
                    self.store.write_map(session.objects)
                if session.conf is not conf:
                    self.store.write_conf(session.conf)
            return result

        with self.store.locked():
            return self._in_session(only, change)

    def _in_session(self, only: str | None, act: Callable[[Session], T]) -> T:
        found = self._links
        if found is None:
            found = _walk(self._handle) if only is None else links(self._handle, [only])
        scope = Scope(self._root, self.zone, found, only)

        def run() -> T:
            with Netstack() as net:
                return act(Session(scope, net, self.store.read_conf(), self.store.read_map()))

        return self.place.call(run)


def _fails(session: Session, stored: StoredAddress) -> bool:
    try:
        session.enable(stored)
    except IpadmError:
        return True
    return False
