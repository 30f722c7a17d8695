"""VNICs and etherstubs: create, delete, bring up again at boot, ask what they are (DLM 5.1 to 5.4).

An etherstub is a VNIC without a link below, to the kernel and in datalink.conf alike. Creation takes a link id, makes the device,
gives it the resource properties among its link properties, stores its line unless it is temporary, and then sets all its link
properties in the order given; a failure takes back what was made.

Link properties are loaded where they are needed: commands that only show links start without them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from dladm.grammar import Property
from dladm.libdladm.handle import Dladm
from dladm.libdladm.status import DladmError, Status
from dladm.libdladm.vnic_conf import PREFIX, VnicConf, from_line, to_line
from kernel_sim.sys.codec import VnicCreate, VnicDelete, VnicInfo
from kernel_sim.sys.dld import DL_ETHER, DatalinkClass, DatalinkFlag
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.ethernet import ETHERADDRL
from kernel_sim.sys.vnic import (
    MAXMACADDRLEN,
    VNIC_AF_INET,
    VNIC_AF_INET6,
    VNIC_IOC_CREATE,
    VNIC_IOC_DELETE,
    VNIC_IOC_INFO,
    VNIC_NO_SLOT,
    VnicCreateFlag,
    VnicDiag,
    VnicMacAddrType,
)

if TYPE_CHECKING:
    from dladm.dlmgmtd.client import LinkInfo

BOTH: Final = DatalinkFlag.ACTIVE | DatalinkFlag.PERSIST
CLASSES: Final = DatalinkClass.VNIC | DatalinkClass.ETHERSTUB

VRRP_PREFIX: Final = bytes((0x00, 0x00, 0x5E, 0x00))
VRRP_FAMILIES: Final = {VNIC_AF_INET: 1, VNIC_AF_INET6: 2}
"""RFC 5798, 7.3: a virtual router's address is 00-00-5E-00, 01 or 02 by its family, and its identifier."""

_DIAGNOSES: Final = {
    VnicDiag.MACADDR_NIC: Status.INVALIDMACADDRNIC,
    VnicDiag.MACADDR_INUSE: Status.INVALIDMACADDRINUSE,
    VnicDiag.MACADDR_INVALID: Status.INVALIDMACADDR,
    VnicDiag.MACADDRLEN_INVALID: Status.INVALIDMACADDRLEN,
    VnicDiag.MACFACTORYSLOTINVALID: Status.MACFACTORYSLOTINVALID,
    VnicDiag.MACFACTORYSLOTUSED: Status.MACFACTORYSLOTUSED,
    VnicDiag.MACFACTORYSLOTALLUSED: Status.MACFACTORYSLOTALLUSED,
    VnicDiag.MACFACTORYNOTSUP: Status.MACFACTORYNOTSUP,
    VnicDiag.MACPREFIX_INVALID: Status.INVALIDMACPREFIX,
    VnicDiag.MACPREFIXLEN_INVALID: Status.INVALIDMACPREFIXLEN,
    VnicDiag.MACMARGIN_INVALID: Status.INVALID_MACMARGIN,
    VnicDiag.MACMTU_INVALID: Status.INVALID_MTU,
}
"""Statuses that say more than the errno beside them."""


@dataclass(slots=True, frozen=True)
class Address:
    """Where a VNIC's address comes from.

    `octets` is the address of type FIXED, the first bytes of a RANDOM or AUTO one (empty: 2:8:20); `slot` is that of a FACTORY
    address (-1: any), `vrid` and `af` those of a VRRP one.
    """

    kind: VnicMacAddrType = VnicMacAddrType.AUTO
    octets: bytes = b""
    slot: int = VNIC_NO_SLOT
    vrid: int = 0
    af: int = 0


@dataclass(slots=True, frozen=True)
class VnicView:
    """A VNIC as it runs or as it is stored: link below (id, 0 when it is not known), address and its origin, VLAN id."""

    linkid: int
    over: int
    address: bytes
    address_type: VnicMacAddrType
    slot: int
    vid: int
    vrid: int
    af: int


def create(
    handle: Dladm,
    name: str,
    over: int,
    *,
    address: Address = Address(),
    vid: int = 0,
    force: bool = False,
    properties: Sequence[Property] = (),
    persistent: bool = True,
) -> int:
    """Create a VNIC over the link `over`; returns its link id. `vid` 0 is untagged, `force` skips the check of room for a tag.

    Errors: `DladmError`: PERSIST_ON_TEMP, BADARG (over a VNIC), EXIST, INVALIDMACADDR…, TRYAGAIN (overlay not activated), FAILED
    (its listen address is not there) …; a link property that cannot be set adds an entry. Nothing is left behind.
    """
    from dladm.libdladm import linkprop_resource

    lower = _info(handle, over)
    if persistent and not lower.flags & DatalinkFlag.PERSIST and lower.link_class != DatalinkClass.PHYS:
        raise DladmError(Status.PERSIST_ON_TEMP)
    if lower.link_class in {DatalinkClass.VNIC, DatalinkClass.VLAN}:
        raise DladmError(Status.BADARG)
    wanted = _request(over, address, vid, force=force)
    with contextlib.ExitStack() as undo:
        linkid = _take_link(handle, name, DatalinkClass.VNIC, undo, persistent=persistent)
        resources = linkprop_resource.collect((one.name, one.values) for one in properties)
        made = _make_device(handle, replace(wanted, vnic_id=linkid), undo)
        if resources is not None:
            linkprop_resource.put(handle, linkid, resources)
        if persistent:
            conf = VnicConf(
                over=lower.name,
                address=made.mac_addr,
                address_type=VnicMacAddrType(made.mac_addr_type),
                slot=made.mac_slot,
                prefix_length=wanted.mac_prefix_len,
                vid=vid,
                vrid=address.vrid,
                af=address.af,
            )
            _store(handle, linkid, name, DatalinkClass.VNIC, conf)
        for prop in properties:
            _set_property(handle, linkid, prop, persistent=persistent)
        undo.pop_all()
    return linkid


def _set_property(handle: Dladm, linkid: int, prop: Property, *, persistent: bool) -> None:
    from dladm.libdladm import linkprop

    try:
        linkprop.set(handle, linkid, prop.name, prop.values, persistent=persistent)
    except DladmError as error:
        raise DladmError(error.status, [f"failed to set property {prop.name}: {error.status.text}"]) from error


def create_etherstub(handle: Dladm, name: str, *, persistent: bool = True) -> int:
    """Create an etherstub; returns its link id. Errors: `DladmError`: EXIST, DENIED …"""
    with contextlib.ExitStack() as undo:
        linkid = _take_link(handle, name, DatalinkClass.ETHERSTUB, undo, persistent=persistent)
        _make_device(handle, replace(_etherstub_request(), vnic_id=linkid), undo)
        if persistent:
            address = PREFIX.ljust(ETHERADDRL, b"\0")
            conf = VnicConf(over="", address=address, address_type=VnicMacAddrType.AUTO, slot=0)
            _store(handle, linkid, name, DatalinkClass.ETHERSTUB, conf)
        undo.pop_all()
    return linkid


def _info(handle: Dladm, linkid: int) -> LinkInfo:
    try:
        return handle.dlmgmt.linkid2info(linkid)
    except KernelError as error:
        raise DladmError.of(error) from error


def _request(over: int, address: Address, vid: int, *, force: bool) -> VnicCreate:
    """The argument of CREATE, without the VNIC's own id."""
    octets, prefix_length = address.octets, 0
    if address.kind is VnicMacAddrType.VRID:
        octets = bytes((*VRRP_PREFIX, VRRP_FAMILIES.get(address.af, 0), address.vrid))
    length = len(octets)
    if address.kind in {VnicMacAddrType.RANDOM, VnicMacAddrType.AUTO}:
        octets = octets or PREFIX
        prefix_length, length = len(octets), 0
    if len(octets) > MAXMACADDRLEN:
        raise DladmError(Status.INVALIDMACPREFIXLEN if prefix_length else Status.INVALIDMACADDRLEN)
    return VnicCreate(
        vnic_id=0,
        link_id=over,
        mac_addr_type=address.kind,
        mac_len=length,
        mac_addr=octets,
        mac_prefix_len=prefix_length,
        mac_slot=address.slot,
        vid=vid,
        vrid=address.vrid,
        af=address.af,
        flags=VnicCreateFlag.FORCE if force else VnicCreateFlag.NONE,
    )


def _etherstub_request() -> VnicCreate:
    return VnicCreate(vnic_id=0, link_id=0, flags=VnicCreateFlag.ANCHOR)


def _take_link(
    handle: Dladm, name: str, link_class: DatalinkClass, undo: contextlib.ExitStack, *, persistent: bool
) -> int:
    """A new link id for the name; `undo` gives it back."""
    try:
        linkid = handle.dlmgmt.create_linkid(name, link_class, DL_ETHER, BOTH if persistent else DatalinkFlag.ACTIVE)
    except KernelError as error:
        raise DladmError.of(error) from error
    undo.callback(_forget_link, handle, linkid)
    return linkid


def _make_device(handle: Dladm, wanted: VnicCreate, undo: contextlib.ExitStack) -> VnicCreate:
    """Make the device, which `undo` deletes; returns what the kernel made of the request.

    Its TAP is down, so that nothing passes before the link has all its properties.
    """
    try:
        made = VnicCreate.unpack(handle.ioctl(VNIC_IOC_CREATE, wanted.pack()))
    except KernelError as error:
        diagnosis = VnicCreate.unpack(error.argument).diag if len(error.argument) >= VnicCreate.SIZE else VnicDiag.NONE
        if diagnosis in _DIAGNOSES:
            raise DladmError(_DIAGNOSES[VnicDiag(diagnosis)]) from error
        handle.note(f"the kernel refused link {wanted.vnic_id} over link {wanted.link_id}: {error}")
        raise DladmError.of(error) from error
    undo.callback(_delete_device, handle, wanted.vnic_id)
    return made


def _store(handle: Dladm, linkid: int, name: str, link_class: DatalinkClass, conf: VnicConf) -> None:
    try:
        handle.dlmgmt.create_conf(linkid, name, link_class, DL_ETHER, to_line(conf))
    except KernelError as error:
        raise DladmError.of(error) from error


def _delete_device(handle: Dladm, linkid: int) -> None:
    with contextlib.suppress(KernelError):
        handle.ioctl(VNIC_IOC_DELETE, VnicDelete(linkid).pack())


def _forget_link(handle: Dladm, linkid: int) -> None:
    with contextlib.suppress(KernelError):
        handle.dlmgmt.destroy_linkid(linkid, BOTH)


def delete(handle: Dladm, linkid: int, *, temporary: bool = False) -> None:
    """Delete a VNIC or etherstub; `temporary` keeps its persistent configuration.

    Errors: `DladmError`: BADARG (another class), NOTFOUND (`temporary`, and it does not run), LINKBUSY, DENIED.
    """
    info = _info(handle, linkid)
    if not info.link_class & CLASSES:
        raise DladmError(Status.BADARG)
    try:
        handle.ioctl(VNIC_IOC_DELETE, VnicDelete(linkid).pack())
    except KernelError as error:
        if error.errno != Errno.ENOENT or temporary:
            raise DladmError.of(error) from error
    try:
        handle.dlmgmt.destroy_linkid(linkid, DatalinkFlag.ACTIVE if temporary else BOTH)
    except KernelError as error:
        raise DladmError.of(error) from error


def up(handle: Dladm, linkid: int) -> None:
    """Bring a persistent VNIC or etherstub up as its line says, link properties included.

    Errors: `DladmError`: NOTFOUND without a line, EXIST when it is up, those of a stored property that cannot be set …; it is down then.
    """
    from dladm.libdladm import linkprop

    conf = stored_conf(handle, linkid)
    wanted, link_class = _etherstub_request(), DatalinkClass.ETHERSTUB
    if conf.over:
        try:
            over = handle.dlmgmt.name2info(conf.over).linkid
        except KernelError as error:
            raise DladmError.of(error) from error
        link_class = DatalinkClass.VNIC
        wanted = VnicCreate(
            vnic_id=0,
            link_id=over,
            mac_addr_type=conf.address_type,
            mac_len=len(conf.address),
            mac_addr=conf.address,
            mac_prefix_len=conf.prefix_length,
            mac_slot=conf.slot,
            vid=conf.vid,
            vrid=conf.vrid,
            af=conf.af,
        )
    with contextlib.ExitStack() as undo:
        _make_device(handle, replace(wanted, vnic_id=linkid), undo)
        linkprop.apply_stored(handle, linkid, link_class, linkprop.split_line(conf.properties))
        try:
            handle.dlmgmt.up_linkid(linkid)
        except KernelError as error:
            raise DladmError.of(error) from error
        undo.pop_all()


def stored_conf(handle: Dladm, linkid: int) -> VnicConf:
    """What datalink.conf says. Errors: `DladmError`: NOTFOUND without a line, FAILED for one that is no VNIC's."""
    try:
        return from_line(handle.dlmgmt.read_conf(linkid))
    except KernelError as error:
        raise DladmError.of(error) from error


def view(handle: Dladm, linkid: int, *, stored: bool = False) -> VnicView:
    """What a VNIC is: as it runs, or as it is stored. Errors: `DladmError` NOTFOUND …"""
    if stored:
        conf = stored_conf(handle, linkid)
        over = 0
        with contextlib.suppress(KernelError):
            over = handle.dlmgmt.name2info(conf.over).linkid
        return VnicView(linkid, over, conf.address, conf.address_type, conf.slot, conf.vid, conf.vrid, conf.af)
    try:
        info = VnicInfo.unpack(handle.ioctl(VNIC_IOC_INFO, VnicInfo(linkid).pack()))
    except KernelError as error:
        raise DladmError.of(error) from error
    kind = VnicMacAddrType(info.mac_addr_type)
    return VnicView(linkid, info.link_id, info.mac_addr, kind, info.mac_slot, info.vid, info.vrid, info.af)
