"""Overlays: create, delete, bring up again at boot, ask how they are (DLM 2.5, 2.7, 3.1, 3.3, 6.4).

An overlay is a device in the kernel, an instance of a search plugin in varpd, a link id in dlmgmtd and, unless it is temporary, a
line in datalink.conf. Creation makes them in this order and takes back what it made when a step fails, so that the name is free
again (DLM-Q15):

    varpd online -> link id -> kernel device -> line of base attributes -> device properties, each stored once it is set
        -> varpd instance -> its properties, each stored once it is set -> instance activated -> device activated

Failures are `DladmError`s whose entries are the warnings that the command prints, in the original's words.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dladm.grammar import Property
from dladm.libdladm import overlay_prop, varpd_service
from dladm.libdladm.handle import Dladm
from dladm.libdladm.status import DladmError, Status, from_errno
from kernel_sim.sys.codec import OverlayCreate, OverlayLink, OverlayStatus
from kernel_sim.sys.dld import DL_ETHER, MAXLINKNAMELEN, DatalinkClass, DatalinkFlag
from kernel_sim.sys.errno import Errno, KernelError, strerror
from kernel_sim.sys.overlay import (
    GENERIC_PROP_NAMES,
    OVERLAY_IOC_ACTIVATE,
    OVERLAY_IOC_CREATE,
    OVERLAY_IOC_DELETE,
    OVERLAY_IOC_STATUS,
    OverlayPropId,
    OverlayStatusCode,
)

if TYPE_CHECKING:
    from libvarpd.client import Client

BOTH: Final = DatalinkFlag.ACTIVE | DatalinkFlag.PERSIST
PROPERTIES_MAX: Final = 32
"""A stored line with this many properties or more is not brought up."""
_VNETID: Final = GENERIC_PROP_NAMES[OverlayPropId.VNETID]
_ENCAP: Final = GENERIC_PROP_NAMES[OverlayPropId.ENCAP]
_SEARCH: Final = "search"
_BASE: Final = frozenset({_VNETID, _ENCAP, _SEARCH})


@dataclass(slots=True, frozen=True)
class _Plan:
    """What an overlay is to be."""

    linkid: int
    name: str
    encap: str
    search: str
    vnetid: int
    properties: Sequence[Property]
    store: bool

    def of_search(self, prop: Property) -> bool:
        """True for a property of the search plugin, false for one of the device."""
        return prop.name.startswith(f"{self.search}/")


@dataclass(slots=True, frozen=True)
class Health:
    """How an overlay is: degraded or not, and the reason."""

    degraded: bool
    message: str


def create(
    handle: Dladm,
    name: str,
    *,
    encap: str,
    search: str,
    vnetid: int,
    properties: Sequence[Property] = (),
    persistent: bool = True,
) -> int:
    """Create an overlay and activate it; returns its link id.

    Errors: `DladmError`: BADARG (names over 31 bytes, a vnetid too large), EXIST (name, or vnetid with that encapsulation, taken),
    NOTFOUND (no such plugin), TRYAGAIN (a required property is missing) …; nothing is left behind.
    """
    if any(len(one.encode("utf-8", "surrogateescape")) >= MAXLINKNAMELEN for one in (name, encap, search)):
        raise DladmError(Status.BADARG)
    varpd_service.enable(handle)
    flags = BOTH if persistent else DatalinkFlag.ACTIVE
    try:
        linkid = handle.dlmgmt.create_linkid(name, DatalinkClass.OVERLAY, DL_ETHER, flags)
    except KernelError as error:
        raise DladmError.of(error) from error
    plan = _Plan(linkid, name, encap, search, vnetid, properties, store=persistent)
    try:
        _create_device(handle, plan)
    except KernelError as error:
        _forget_link(handle, linkid)
        raise DladmError.of(error) from error
    try:
        if persistent:
            _store_base(handle, plan)
        _set_up(handle, plan)
    except DladmError:
        _delete_device(handle, linkid)
        _forget_link(handle, linkid)
        varpd_service.disable_if_idle(handle)
        raise
    return linkid


def _create_device(handle: Dladm, plan: _Plan) -> None:
    handle.ioctl(OVERLAY_IOC_CREATE, OverlayCreate(plan.linkid, plan.vnetid, plan.encap).pack())


def _delete_device(handle: Dladm, linkid: int) -> None:
    with contextlib.suppress(KernelError):
        handle.ioctl(OVERLAY_IOC_DELETE, OverlayLink(linkid).pack())


def _forget_link(handle: Dladm, linkid: int) -> None:
    with contextlib.suppress(KernelError):
        handle.dlmgmt.destroy_linkid(linkid, BOTH)


def _store_base(handle: Dladm, plan: _Plan) -> None:
    from dladm.dlmgmtd.client import ConfValue

    base = {
        _VNETID: ConfValue.of_int(plan.vnetid),
        _ENCAP: ConfValue.of_string(plan.encap),
        _SEARCH: ConfValue.of_string(plan.search),
    }
    try:
        handle.dlmgmt.create_conf(plan.linkid, plan.name, DatalinkClass.OVERLAY, DL_ETHER, base)
    except KernelError as error:
        text = f"failed to create persistent configuration for {plan.name}: {from_errno(error.errno).text}"
        raise DladmError.of(error, [text]) from error


def _set_up(handle: Dladm, plan: _Plan) -> None:
    """Everything from the device's properties to its activation. On failure no instance is left, but the device is."""
    for prop in plan.properties:
        if not plan.of_search(prop):
            _set_device_property(handle, plan, prop)
    with contextlib.ExitStack() as stack:
        try:
            varpd = stack.enter_context(handle.varpd())
        except KernelError as error:
            raise DladmError.of(error, [f"failed to create libvarpd handle: {strerror(error.errno)}"]) from error
        try:
            instance = varpd.instance_create(plan.linkid, plan.search)
        except KernelError as error:
            raise DladmError.of(error, [f"failed to create varpd instance: {strerror(error.errno)}"]) from error
        try:
            for prop in plan.properties:
                if plan.of_search(prop):
                    _set_search_property(handle, plan, varpd, instance, prop)
            _activate_instance(varpd, instance)
        except DladmError:
            _destroy_instance(varpd, instance)
            raise
        _activate_device(handle, plan, varpd, instance)


def _only_value(prop: Property) -> str:
    """The value of a property that has exactly one (DLM-Q18). Errors: `DladmError` BADARG."""
    if len(prop.values) != 1:
        raise DladmError(Status.BADARG)
    return prop.values[0]


def _set_device_property(handle: Dladm, plan: _Plan, prop: Property) -> None:
    try:
        overlay_prop.set_kernel_property(handle, plan.linkid, prop.name, _only_value(prop))
    except DladmError as error:
        raise DladmError(error.status, [f"failed to set property {prop.name}"]) from error
    if plan.store:
        _store(handle, plan, prop, f"failed to persistently set property {prop.name}")


def _set_search_property(handle: Dladm, plan: _Plan, varpd: Client, instance: int, prop: Property) -> None:
    try:
        overlay_prop.set_search_property(varpd, instance, prop.name, _only_value(prop))
    except DladmError as error:
        handle.note(f"{prop.name}: {error.status.text}")
        # DLM-Q4: the status number is taken for an errno
        raise DladmError(from_errno(error.status), [f"failed to set varpd prop: {prop.name}\n"]) from error
    if plan.store:
        _store(handle, plan, prop, f"failed to persistently set varpd prop: {prop.name}\n")


def _store(handle: Dladm, plan: _Plan, prop: Property, entry: str) -> None:
    from dladm.dlmgmtd.client import ConfValue

    text = _only_value(prop)
    # DLM-Q42: stored as a string, the id could not be read back
    value = ConfValue.of_int(int(text)) if prop.name == _VNETID else ConfValue.of_string(text)
    try:
        handle.dlmgmt.set_conf_field(plan.linkid, prop.name, value)
    except KernelError as error:
        raise DladmError.of(error, [entry]) from error


def _activate_instance(varpd: Client, instance: int) -> None:
    try:
        varpd.instance_activate(instance)
    except KernelError as error:
        entries = [f"failed to activate varpd instance: {strerror(error.errno)}"]
        with contextlib.suppress(KernelError):
            entries += _unset(overlay_prop.search_properties(varpd, instance))
        raise DladmError.of(error, entries) from error


def _activate_device(handle: Dladm, plan: _Plan, varpd: Client, instance: int) -> None:
    try:
        handle.ioctl(OVERLAY_IOC_ACTIVATE, OverlayLink(plan.linkid).pack())
    except KernelError as error:
        _destroy_instance(varpd, instance)
        # the instance that is gone by now adds an entry of its own, as in the original
        found = overlay_prop.walk(handle, plan.linkid)
        entries = [f"failed to activate device: {strerror(error.errno)}", *_unset(found.properties), *found.errors]
        raise DladmError.of(error, entries) from error


def _unset(properties: Iterable[overlay_prop.PropertyView]) -> list[str]:
    return [f"unset required property: {prop.name}" for prop in properties if prop.unset]


def _destroy_instance(varpd: Client, instance: int) -> None:
    with contextlib.suppress(KernelError):
        varpd.instance_destroy(instance)


def delete(handle: Dladm, linkid: int, *, temporary: bool = False) -> None:
    """Delete an overlay; `temporary` keeps its persistent configuration.

    It is deleted whether or not varpd runs and knows of it (DLM-Q14, Q15), and its link is no longer active (DLM-Q34). varpd is
    disabled with the last overlay.

    Errors: `DladmError`: NOTFOUND, BADARG (no overlay), LINKBUSY (VNICs on it, or in use), DENIED.
    """
    try:
        if handle.dlmgmt.linkid2info(linkid).link_class != DatalinkClass.OVERLAY:
            raise DladmError(Status.BADARG)
        try:
            handle.ioctl(OVERLAY_IOC_DELETE, OverlayLink(linkid).pack())
        except KernelError as error:
            if error.errno != Errno.ENOENT:
                raise
        _destroy_instance_of(handle, linkid)
        handle.dlmgmt.destroy_linkid(linkid, DatalinkFlag.ACTIVE if temporary else BOTH)
    except KernelError as error:
        raise DladmError.of(error) from error
    varpd_service.disable_if_idle(handle)


def _destroy_instance_of(handle: Dladm, linkid: int) -> None:
    try:
        with handle.varpd() as varpd:
            varpd.instance_destroy(varpd.instance_lookup(linkid))
    except KernelError as error:
        handle.note(f"varpd instance of link {linkid}: {error}")


def up(handle: Dladm, linkids: Iterable[int]) -> None:
    """Bring persistent overlays up, in the order given, each as its line in datalink.conf says (DLM 6.4).

    One that fails does not keep the others from coming up; only a varpd that cannot be enabled ends it. Errors: `DladmError` FAILED
    with an entry, or several, for each failure.
    """
    entries: list[str] = []
    for linkid in linkids:
        try:
            info = handle.dlmgmt.linkid2info(linkid)
        except KernelError as error:
            entries.append(f"failed to get info for datalink id {linkid}: {from_errno(error.errno).text}")
            continue
        if info.link_class != DatalinkClass.OVERLAY:
            entries.append(f"{info.name} is not an overlay")
            continue
        try:
            varpd_service.enable(handle)
        except DladmError:
            entries.append(f"failed to enable {varpd_service.FMRI}")
            break
        try:
            _up_one(handle, linkid, info.name)
        except DladmError as error:
            entries += error.entries
    if entries:
        raise DladmError(Status.FAILED, entries)


def _up_one(handle: Dladm, linkid: int, name: str) -> None:
    plan, has_link_properties = _stored_plan(handle, linkid, name)
    try:
        _create_device(handle, plan)
    except KernelError as error:
        text = f"failed to create overlay device {name}: {from_errno(error.errno).text}"
        raise DladmError.of(error, [text]) from error
    try:
        if has_link_properties:
            _init_linkprop(handle, linkid)
        _set_up(handle, plan)
    except DladmError as error:
        _undo_up(handle, linkid)
        text = f"failed to set properties for overlay device {name}: {error.status.text}"
        raise DladmError(error.status, [*error.entries, text]) from error
    try:
        handle.dlmgmt.up_linkid(linkid)
    except KernelError as error:
        _destroy_instance_of(handle, linkid)
        _undo_up(handle, linkid)
        text = f"failed to bring datalink up for overlay device {name}: {from_errno(error.errno).text}"
        raise DladmError.of(error, [text]) from error


def _stored_plan(handle: Dladm, linkid: int, name: str) -> tuple[_Plan, bool]:
    """What datalink.conf says of an overlay, and whether it has more on its line: link properties, its mtu among them."""
    try:
        stored = handle.dlmgmt.read_conf(linkid)
        vnetid, encap, search = (stored[key].text for key in (_VNETID, _ENCAP, _SEARCH))
        properties = [Property(key, (value.text,)) for key, value in stored.items() if "/" in key]
        plan = _Plan(linkid, name, encap, search, int(vnetid), properties, store=False)
    except (KernelError, KeyError, ValueError) as error:
        status = from_errno(error.errno) if isinstance(error, KernelError) else Status.NOTFOUND
        text = f"failed to retrieve persistent configuration for {name}: {status.text}"
        raise DladmError(status, [text]) from error
    if len(properties) >= PROPERTIES_MAX:
        status = Status.TOOMANYELEMENTS
        raise DladmError(status, [f"failed to retrieve persistent configuration for {name}: {status.text}"])
    return plan, any("/" not in key and key not in _BASE for key in stored)


def _init_linkprop(handle: Dladm, linkid: int) -> None:
    """Link property initialisation reports to nobody, in the original too; it is done at once here (DLM-Q35)."""
    from dladm.libdladm import linkprop

    with contextlib.suppress(DladmError):
        linkprop.init(handle, linkid)


def _undo_up(handle: Dladm, linkid: int) -> None:
    _delete_device(handle, linkid)
    varpd_service.disable_if_idle(handle)


def health(handle: Dladm, linkid: int) -> Health:
    """Whether an overlay is degraded, and why. Needs no privilege. Errors: `DladmError` NOTFOUND …"""
    try:
        reply = OverlayStatus.unpack(handle.ioctl(OVERLAY_IOC_STATUS, OverlayStatus(linkid).pack()))
    except KernelError as error:
        raise DladmError.of(error) from error
    return Health(reply.status != OverlayStatusCode.OK, reply.message)
