"""The properties of an overlay: four generic ones, then those of its encapsulation plugin (KRN 1.6, 1.7).

How a property is addressed depends on who asks, as in the original:

    id        PROPINFO                GETPROP, SETPROP
    -1        by name, both kinds     by name, generic ones only; a plugin property is ENOENT (KRN-Q4)
    0 … 3     generic
    4 + i     the plugin's property i; past the last EINVAL (KRN-Q5)
    < -1      EINVAL
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from kernel_sim.overlay.device import OverlayDevice
from kernel_sim.overlay.plugin import EncapPlugin, PluginRegistry
from kernel_sim.overlay.prop import PropertyHandle
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.overlay import (
    GENERIC_PROP_NAMES,
    GENERIC_PROPS,
    OVERLAY_MTU_DEFAULT,
    OVERLAY_MTU_MAX,
    OVERLAY_MTU_MIN,
    OverlayPropId,
)
from kernel_sim.sys.overlay_common import OVERLAY_PROP_SIZEMAX, PropPerm, PropType

_UINT64: Final = struct.Struct("=Q")


def vnetid_max(plugin: EncapPlugin) -> int:
    """The largest virtual network id of an encapsulation."""
    return int((1 << 8 * plugin.id_size) - 1)


@dataclass(slots=True, frozen=True)
class _Generic:
    describe: Callable[[PropertyHandle], None]
    get: Callable[[OverlayDevice], bytes]
    set: Callable[[OverlayDevice, bytes], None]


class Properties:
    """All properties of all overlays. `vnetid_taken(plugin, vnetid)` says whether an overlay has that id already."""

    def __init__(self, plugins: PluginRegistry, vnetid_taken: Callable[[EncapPlugin, int], bool]) -> None:
        self._plugins = plugins
        self._vnetid_taken = vnetid_taken
        self._generic = (
            _Generic(_describe_mtu, _get_mtu, _set_mtu),
            _Generic(_describe_vnetid, _get_vnetid, self._set_vnetid),
            _Generic(self._describe_encap, _get_encap, _refuse),
            _Generic(_describe_varpd_id, _get_varpd_id, _refuse),
        )

    def count(self, device: OverlayDevice) -> int:
        """How many properties a device has."""
        return GENERIC_PROPS + len(device.plugin.properties)

    def info(self, device: OverlayDevice, prop: int, name: str) -> tuple[int, str, PropertyHandle]:
        """Id, name and description. Errors: ENOENT unknown name, EINVAL id out of range, those of the plugin."""
        names = (*GENERIC_PROP_NAMES, *device.plugin.properties)
        if prop == OverlayPropId.BY_NAME:
            if name not in names:
                raise KernelError(Errno.ENOENT, f"no property {name!r}; there are: {', '.join(names)}")
            prop = names.index(name)
        _check_id(prop, len(names))
        handle = PropertyHandle()
        if prop < GENERIC_PROPS:
            self._generic[prop].describe(handle)
        else:
            device.plugin.propinfo(names[prop], handle)
        return prop, names[prop], handle

    def get(self, device: OverlayDevice, prop: int, name: str) -> bytes:
        """The value, b"" when unset. Errors: ENOENT, EINVAL as above; EOVERFLOW the plugin gave over 256 bytes; the plugin's."""
        prop = self._address(device, prop, name)
        if prop < GENERIC_PROPS:
            return self._generic[prop].get(device)
        value = device.instance.getprop(device.plugin.properties[prop - GENERIC_PROPS])
        if len(value) > OVERLAY_PROP_SIZEMAX:
            raise KernelError(
                Errno.EOVERFLOW, f"a property value of {len(value)} bytes; at most {OVERLAY_PROP_SIZEMAX}"
            )
        return value

    def set(self, device: OverlayDevice, prop: int, name: str, value: bytes) -> None:
        """Set a value. Errors: ENOTSUP the overlay is activated; ENOENT, EINVAL as above; EPERM read-only; those of the setter."""
        if device.active:
            raise KernelError(Errno.ENOTSUP, f"overlay {device.linkid} is active; its properties are fixed")
        prop = self._address(device, prop, name)
        if prop < GENERIC_PROPS:
            self._generic[prop].set(device, value)
        else:
            device.instance.setprop(device.plugin.properties[prop - GENERIC_PROPS], value)

    def check_required(self, device: OverlayDevice) -> None:
        """What ACTIVATE wants of the plugin's properties. Errors: EINVAL a required one is unset; the plugin's own."""
        for name in device.plugin.properties:
            handle = PropertyHandle()
            device.plugin.propinfo(name, handle)
            if handle.perm & PropPerm.REQ and not device.instance.getprop(name):
                raise KernelError(Errno.EINVAL, f"required property {name} is not set")

    def _address(self, device: OverlayDevice, prop: int, name: str) -> int:
        if prop != OverlayPropId.BY_NAME:
            _check_id(prop, self.count(device))
            return prop
        if name not in GENERIC_PROP_NAMES:
            raise KernelError(Errno.ENOENT, f"no generic property {name!r}; a plugin's property is addressed by its id")
        return GENERIC_PROP_NAMES.index(name)

    def _set_vnetid(self, device: OverlayDevice, value: bytes) -> None:
        if len(value) != _UINT64.size:
            raise KernelError(Errno.EINVAL, f"vnetid wants {_UINT64.size} bytes, not {len(value)}")
        vnetid: int = _UINT64.unpack(value)[0]
        largest = vnetid_max(device.plugin)
        if vnetid >= largest:  # KRN-Q2: CREATE takes the largest, SETPROP does not
            raise KernelError(Errno.EINVAL, f"vnetid {vnetid} is not below {largest}")
        if vnetid != device.vnetid and self._vnetid_taken(device.plugin, vnetid):  # KRN-Q3
            raise KernelError(Errno.EEXIST, f"another {device.plugin.name} overlay has vnetid {vnetid}")
        device.vnetid = vnetid

    def _describe_encap(self, handle: PropertyHandle) -> None:
        handle.set_type(PropType.STRING)
        handle.set_perm(PropPerm.READ)
        for name in self._plugins.names():
            handle.add_string(name)


def _check_id(prop: int, count: int) -> None:
    if not 0 <= prop < count:
        raise KernelError(Errno.EINVAL, f"property id {prop} is not within 0..{count - 1}")


def _refuse(device: OverlayDevice, value: bytes) -> None:
    raise KernelError(Errno.EPERM, "the property is read-only")


def _describe_mtu(handle: PropertyHandle) -> None:
    handle.set_type(PropType.UINT)
    handle.set_perm(PropPerm.RW)
    handle.set_default(OVERLAY_MTU_DEFAULT.to_bytes(4, sys.byteorder))
    handle.add_range(OVERLAY_MTU_MIN, OVERLAY_MTU_MAX)


def _get_mtu(device: OverlayDevice) -> bytes:
    return device.mac.mtu.to_bytes(4, sys.byteorder)  # KRN-Q27: four bytes of an eight-byte type


def _set_mtu(device: OverlayDevice, value: bytes) -> None:
    mtu = int.from_bytes(value, sys.byteorder)
    if len(value) not in {4, 8}:  # four are what GETPROP gives
        raise KernelError(Errno.EINVAL, f"mtu {mtu} in {len(value)} bytes; a number of 8 bytes is wanted")
    device.mac.set_mtu(mtu)  # KRN-Q28: with all its bytes


def _describe_vnetid(handle: PropertyHandle) -> None:
    handle.set_type(PropType.UINT)
    handle.set_perm(PropPerm.RW)


def _get_vnetid(device: OverlayDevice) -> bytes:
    return _UINT64.pack(device.vnetid)


def _get_encap(device: OverlayDevice) -> bytes:
    return device.plugin.name.encode()  # KRN-Q27: without the NUL


def _describe_varpd_id(handle: PropertyHandle) -> None:
    handle.set_type(PropType.UINT)
    handle.set_perm(PropPerm.READ)


def _get_varpd_id(device: OverlayDevice) -> bytes:
    if not device.associated or device.target is None:
        return b""
    return _UINT64.pack(device.target.varpd_id)
