"""VXLAN (RFC 7348) as an encapsulation plugin (KRN 4.2 to 4.6).

The header of a device is constant, so it is built once with the codec of `kernel_sim.sys.vxlan`; a received one is recognised by
mask and shift. The source port is a hash of the inner frame, so that one conversation keeps one path through the underlay.
"""

from __future__ import annotations

import struct
import sys
from typing import Final

from kernel_sim.ddi import V4_MAPPED_PREFIX, SocketAddress
from kernel_sim.overlay.plugin import Decapsulated, EncapInstance, EncapPlugin, PluginFlag
from kernel_sim.overlay.plugins.porthash import source_port
from kernel_sim.overlay.prop import PropertyHandle
from kernel_sim.sys import vxlan
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.message import Buffer
from kernel_sim.sys.overlay_common import DEST_IP_PORT, PropPerm, PropType

LISTEN_IP: Final = "vxlan/listen_ip"
LISTEN_PORT: Final = "vxlan/listen_port"

_VALID: Final = vxlan.VXLAN_F_VDI << 32
_UINT64: Final = struct.Struct("=Q")


class VxlanInstance(EncapInstance):
    """Listen address and port of one overlay."""

    __slots__ = ("_ip", "_port")

    def __init__(self) -> None:
        self._ip = b""
        self._port = vxlan.VXLAN_PORT

    def socket(self) -> SocketAddress:
        """EINVAL while `vxlan/listen_ip` is unset."""
        if not self._ip:
            raise KernelError(Errno.EINVAL, f"{LISTEN_IP} is not set")
        return SocketAddress(self._ip, self._port)

    def getprop(self, name: str) -> bytes:
        """16 bytes of address (b"" when unset), or the port as a native u64."""
        if name == LISTEN_IP:
            return self._ip
        if name == LISTEN_PORT:
            return _UINT64.pack(self._port)
        raise _unknown(name)

    def setprop(self, name: str, value: bytes) -> None:
        """EINVAL for the address: not 16 bytes, IPv4-compatible, multicast or 6to4; for the port: not 8 bytes, 0, over 65535."""
        if name == LISTEN_IP:
            self._ip = _checked_ip(value)
        elif name == LISTEN_PORT:
            self._port = _checked_port(value)
        else:
            raise _unknown(name)


class VxlanPlugin(EncapPlugin):
    """The plugin object."""

    name = "vxlan"
    id_size = 3
    dest = DEST_IP_PORT
    flags = PluginFlag.VLAN
    properties = (LISTEN_IP, LISTEN_PORT)
    decap_size = vxlan.VXLAN_HDR_LEN
    reserved = (~(_VALID | vxlan.VXLAN_ID_MAX << 8) & (1 << 64) - 1).to_bytes(vxlan.VXLAN_HDR_LEN, "big")
    port_by_conversation = True

    def init(self) -> VxlanInstance:
        return VxlanInstance()

    def header(self, vnetid: int) -> bytes:
        """`08 00 00 00`, the id in 24 bits, `00` (KRN-I2)."""
        return vxlan.build(vnetid)

    def decap(self, datagram: Buffer) -> Decapsulated | None:
        """Eight bytes with the I flag are a header, whatever else is set in them (KRN-I3, KRN-Q23)."""
        if len(datagram) < vxlan.VXLAN_HDR_LEN:
            return None
        word = int.from_bytes(datagram[: vxlan.VXLAN_HDR_LEN], "big")
        return Decapsulated(word >> 8 & vxlan.VXLAN_ID_MAX, vxlan.VXLAN_HDR_LEN) if word & _VALID else None

    source_port = staticmethod(source_port)

    def propinfo(self, name: str, handle: PropertyHandle) -> None:
        """Type, permissions, default and range of the two properties; EINVAL for any other name."""
        handle.set_perm(PropPerm.RRW)
        if name == LISTEN_IP:
            handle.set_type(PropType.IP)
        elif name == LISTEN_PORT:
            handle.set_type(PropType.UINT)
            handle.set_default(vxlan.VXLAN_PORT.to_bytes(2, sys.byteorder))  # KRN-Q27: two bytes of an eight-byte type
            handle.add_range(1, 65535)
        else:
            raise _unknown(name)


def _unknown(name: str) -> KernelError:
    return KernelError(Errno.EINVAL, f"{name} is not a property of vxlan; there are: {LISTEN_IP}, {LISTEN_PORT}")


_V4_COMPATIBLE: Final = bytes(12)
_NOT_COMPATIBLE: Final = (bytes(16), bytes(15) + b"\x01")
_6TO4: Final = b"\x20\x02"


def _checked_ip(value: bytes) -> bytes:
    if len(value) != 16:
        raise KernelError(Errno.EINVAL, f"{LISTEN_IP} wants 16 bytes, not {len(value)}")
    group = value[0] == 0xFF or (value[:12] == V4_MAPPED_PREFIX and value[12] & 0xF0 == 0xE0)  # KRN-Q22
    compatible = value[:12] == _V4_COMPATIBLE and value not in _NOT_COMPATIBLE
    if group or compatible or value[:2] == _6TO4:
        kind = "a multicast" if group else "an IPv4-compatible" if compatible else "a 6to4"
        raise KernelError(Errno.EINVAL, f"{LISTEN_IP} cannot be {kind} address: {value.hex(':', 2)}")
    return bytes(value)


def _checked_port(value: bytes) -> int:
    if len(value) != _UINT64.size:
        raise KernelError(Errno.EINVAL, f"{LISTEN_PORT} wants {_UINT64.size} bytes, not {len(value)}")
    port: int = _UINT64.unpack(value)[0]
    if not 1 <= port <= 65535:
        raise KernelError(Errno.EINVAL, f"{LISTEN_PORT} {port} is not within 1..65535")
    return port


PLUGIN: Final = VxlanPlugin()
