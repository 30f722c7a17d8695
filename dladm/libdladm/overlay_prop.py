"""Properties of an overlay: text to value and back, reading them from the kernel and from varpd (DLM 2.4, 3.3).

A property whose name begins with the search plugin's name and a slash belongs to varpd's instance, every other one to the kernel's
device. Both sides describe a property in the same way: a name, a type, permission, a default and possible values.
"""

from __future__ import annotations

import re
import socket
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dladm.libdladm.handle import Dladm
from dladm.libdladm.status import DladmError, Status, from_errno
from kernel_sim.sys.codec import OverlayNprops, OverlayProp, OverlayPropinfo, PropRange
from kernel_sim.sys.dld import DatalinkClass
from kernel_sim.sys.errno import Errno, KernelError, strerror
from kernel_sim.sys.overlay import (
    GENERIC_PROP_NAMES,
    OVERLAY_IOC_GETPROP,
    OVERLAY_IOC_NPROPS,
    OVERLAY_IOC_PROPINFO,
    OVERLAY_IOC_SETPROP,
    OverlayPropId,
)
from kernel_sim.sys.overlay_common import OVERLAY_PROP_NAMELEN, OVERLAY_PROP_SIZEMAX, PropPerm, PropType

if TYPE_CHECKING:
    from dladm.dlmgmtd.client import LinkInfo
    from libvarpd.client import Client

_NUMBER = re.compile(r"[ \t\n\v\f\r]*[+-]?[0-9]+", re.ASCII)
_V4_MAPPED: Final = bytes(10) + b"\xff\xff"
_NUMBER_SIZES: Final = frozenset({1, 2, 4, 8})
IP_SIZE: Final = 16
"""Bytes of an IP value."""


@dataclass(slots=True, frozen=True)
class PropertyView:
    """One property of an overlay as it is now. `value` and `default` are empty where there is none."""

    name: str
    type: int
    perm: PropPerm
    value: bytes
    default: bytes
    possible: PropRange

    @property
    def unset(self) -> bool:
        """True when the overlay cannot be activated for want of a value."""
        return bool(self.perm & PropPerm.REQ) and not self.value


@dataclass(slots=True, frozen=True)
class PropertyWalk:
    """What reading all properties gave: those that could be read, and what went wrong, as a command prints it."""

    properties: tuple[PropertyView, ...]
    errors: tuple[str, ...] = ()


def encode(kind: int, text: str) -> bytes:
    """A value from its text. Errors: `DladmError` BADARG for text that is no such value.

    INT and UINT: decimal, 64 bits, nothing may follow (DLM-Q17); IP: IPv6 or IPv4, which becomes IPv4-mapped; STRING: at most 255
    bytes, a NUL is added.
    """
    if kind in {PropType.INT, PropType.UINT}:
        return _encode_number(text, signed=kind == PropType.INT)
    if kind == PropType.IP:
        return _encode_ip(text)
    raw = text.encode("utf-8", "surrogateescape") + b"\0"
    if kind != PropType.STRING or len(raw) > OVERLAY_PROP_SIZEMAX:
        raise DladmError(Status.BADARG)
    return raw


def _encode_number(text: str, *, signed: bool) -> bytes:
    if not _NUMBER.fullmatch(text):
        raise DladmError(Status.BADARG)
    try:
        return int(text).to_bytes(8, sys.byteorder, signed=signed)
    except OverflowError as error:
        raise DladmError(Status.BADARG) from error


def _encode_ip(text: str) -> bytes:
    for family, prefix in ((socket.AF_INET6, b""), (socket.AF_INET, _V4_MAPPED)):
        try:
            return prefix + socket.inet_pton(family, text)
        except (OSError, ValueError):  # ValueError: a NUL or a character outside ASCII
            continue
    raise DladmError(Status.BADARG)


def decode(kind: int, raw: bytes) -> str | None:
    """The text of a value; None for one whose size or type nobody knows."""
    if kind in {PropType.INT, PropType.UINT}:
        if len(raw) not in _NUMBER_SIZES:
            return None
        return str(int.from_bytes(raw, sys.byteorder, signed=kind == PropType.INT))
    if kind == PropType.IP:
        return format_ip(raw) if len(raw) == IP_SIZE else None
    if kind == PropType.STRING:
        return raw.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
    return None


def format_ip(raw: bytes) -> str:
    """16 bytes as dotted IPv4 when IPv4-mapped, else as IPv6."""
    if raw.startswith(_V4_MAPPED):
        return socket.inet_ntop(socket.AF_INET, raw[len(_V4_MAPPED) :])
    return socket.inet_ntop(socket.AF_INET6, raw)


def set_kernel_property(handle: Dladm, linkid: int, name: str, text: str) -> None:
    """Set a property of an overlay's device. Errors: `DladmError`: NOTFOUND unknown, BADARG for a value it cannot have, DENIED …"""
    if len(name.encode("utf-8", "surrogateescape")) >= OVERLAY_PROP_NAMELEN:
        raise DladmError(Status.BADARG)
    try:
        info = _propinfo(handle, OverlayPropinfo(linkid, OverlayPropId.BY_NAME, name))
        value = encode(info.type, text)
        handle.ioctl(OVERLAY_IOC_SETPROP, OverlayProp(linkid, info.id, value=value).pack())
    except KernelError as error:
        raise DladmError.of(error) from error


def _propinfo(handle: Dladm, wanted: OverlayPropinfo) -> OverlayPropinfo:
    return OverlayPropinfo.unpack(handle.ioctl(OVERLAY_IOC_PROPINFO, wanted.pack()))


_SEARCH_STATUSES: Final = {
    Errno.EINVAL: Status.BADARG,
    Errno.EOVERFLOW: Status.BADARG,
    Errno.ENOENT: Status.NOTFOUND,
    Errno.EPERM: Status.DENIED,
}
"""What a refusal of a search property becomes; anything else is FAILED (DLM 2.6)."""


def set_search_property(varpd: Client, instance: int, name: str, text: str) -> None:
    """Set a property of a varpd instance. Errors: `DladmError`: NOTFOUND, BADARG, DENIED, FAILED."""
    try:
        prop = varpd.prop_handle_alloc(instance)
        prop.info_fill_by_name(name)
        prop.set(encode(prop.info().type, text))
    except KernelError as error:
        raise DladmError(_SEARCH_STATUSES.get(error.errno, Status.FAILED)) from error


def search_properties(varpd: Client, instance: int) -> list[PropertyView]:
    """The properties of a varpd instance that can be read, `search` first. Errors: `KernelError` ENOENT without that instance."""
    described = varpd.prop_walk(instance)
    return [
        PropertyView(info.name, info.type, info.prot, value, info.default, info.possible)
        for info, value in described
        if value is not None
    ]


class _Unreadable(Exception):
    """Reading the properties stops here; the text is the entry for the error list."""


def walk(handle: Dladm, linkid: int) -> PropertyWalk:
    """Read all properties: the kernel's by index, then those of varpd's instance (DLM 3.3). Raises nothing.

    A property whose value cannot be read is left out.
    """
    found: list[PropertyView] = []
    try:
        info = _overlay_info(handle, linkid)
        _read_kernel(handle, info, found)
        _read_varpd(handle, info, found)
    except _Unreadable as stop:
        return PropertyWalk(tuple(found), (str(stop),))
    return PropertyWalk(tuple(found))


def _overlay_info(handle: Dladm, linkid: int) -> LinkInfo:
    try:
        info = handle.dlmgmt.linkid2info(linkid)
    except KernelError as error:
        text = from_errno(error.errno).text
        raise _Unreadable(f"failed to get info for datalink id {linkid}: {text}") from error
    if info.link_class != DatalinkClass.OVERLAY:
        raise _Unreadable(f"{info.name} is not an overlay")
    return info


def _read_kernel(handle: Dladm, link: LinkInfo, found: list[PropertyView]) -> None:
    linkid, name = link.linkid, link.name
    try:
        reply = handle.ioctl(OVERLAY_IOC_NPROPS, OverlayNprops(linkid).pack())
    except KernelError as error:
        text = strerror(error.errno)
        raise _Unreadable(f"failed to get overlay properties for overlay {name}: {text}") from error
    indexes = range(OverlayNprops.unpack(reply).nprops)
    infos = handle.ioctls(OVERLAY_IOC_PROPINFO, [OverlayPropinfo(linkid, index).pack() for index in indexes])
    values = handle.ioctls(OVERLAY_IOC_GETPROP, [OverlayProp(linkid, index).pack() for index in indexes])
    for index, described, value in zip(indexes, infos, values, strict=True):
        if isinstance(described, KernelError):
            text = strerror(described.errno)
            raise _Unreadable(f"failed to get propinfo for overlay {name}, property {index}: {text}") from described
        if isinstance(value, bytes):
            info = OverlayPropinfo.unpack(described)
            shown = OverlayProp.unpack(value).value
            found.append(PropertyView(info.name, info.type, PropPerm(info.prot), shown, info.default, info.poss))


def _read_varpd(handle: Dladm, link: LinkInfo, found: list[PropertyView]) -> None:
    bound = next((one.value for one in found if one.name == GENERIC_PROP_NAMES[OverlayPropId.VARPD_ID]), b"")
    instance = int.from_bytes(bound, sys.byteorder)
    try:
        found += handle.ask_varpd(lambda varpd: search_properties(varpd, instance))
    except KernelError as error:
        handle.note(f"varpd properties of {link.name}: {error}")
        # DLM-Q6: whatever the cause, the text says ok
        text = f"failed to get varpd props for overlay {link.name}, varpd id {instance}: {Status.OK.text}"
        raise _Unreadable(text) from error
