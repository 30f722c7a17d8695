"""Arguments of the VNIC ioctls on /dev/dld (KRN 6.4), in the original's field order, without resource properties."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar, Self

from kernel_sim.sys.codec._record import Numbers, read, write
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.message import Buffer
from kernel_sim.sys.vnic import MAXMACADDRLEN, VNIC_NO_SLOT, VnicDiag, VnicMacAddrType


def _address(address: bytes) -> bytes:
    if len(address) > MAXMACADDRLEN:
        raise KernelError(Errno.EINVAL, f"MAC address of {len(address)} bytes, at most {MAXMACADDRLEN} fit")
    return address


@dataclass(slots=True, frozen=True)
class VnicCreate:
    """An argument of VNIC_IOC_CREATE, in and out, 68 bytes.

    0 vnic_id, 4 link_id u32, 8 mac_addr_type i32, 12 mac_len u32, 16 mac_addr u8[20], 36 mac_prefix_len u32, 40 mac_slot i32, 44 vid
    u16, 46 pad, 48 vrid u32, 52 af i32, 56 status u32, 60 flags u32, 64 diag i32.

    After `unpack`, `mac_addr` is its first max(mac_len, mac_prefix_len) bytes, at most 20; the lengths are as they came, so that
    CREATE can refuse them.
    """

    _LAYOUT: ClassVar = struct.Struct(f"=IIiI{MAXMACADDRLEN}sIiH2xIiIIi")
    SIZE: ClassVar[int] = 68

    vnic_id: int
    link_id: int
    mac_addr_type: int = VnicMacAddrType.AUTO
    mac_len: int = 0
    mac_addr: bytes = b""
    mac_prefix_len: int = 0
    mac_slot: int = VNIC_NO_SLOT
    vid: int = 0
    vrid: int = 0
    af: int = 0
    status: int = 0
    flags: int = 0
    diag: int = VnicDiag.NONE

    def pack(self) -> bytes:
        """68 bytes. Errors: EINVAL for an address over 20 bytes, a number out of range."""
        return write(
            self._LAYOUT,
            "VnicCreate",
            self.vnic_id,
            self.link_id,
            self.mac_addr_type,
            self.mac_len,
            _address(self.mac_addr),
            self.mac_prefix_len,
            self.mac_slot,
            self.vid,
            self.vrid,
            self.af,
            self.status,
            self.flags,
            self.diag,
        )

    @classmethod
    def unpack(cls, buffer: Buffer) -> Self:
        """Errors: EFAULT when short."""
        vnic, link, kind, mac_len, address, prefix_len, *rest = read(cls._LAYOUT, buffer, "VnicCreate")
        return cls(vnic, link, kind, mac_len, address[: max(mac_len, prefix_len)], prefix_len, *rest)


@dataclass(slots=True, frozen=True)
class VnicDelete(Numbers):
    """0 vnic_id u32."""

    _LAYOUT: ClassVar = struct.Struct("=I")
    SIZE: ClassVar[int] = 4

    vnic_id: int


@dataclass(slots=True, frozen=True)
class VnicInfo:
    """An argument of VNIC_IOC_INFO, in and out, 60 bytes; a request needs `vnic_id` only.

    0 vnic_id, 4 link_id u32, 8 mac_addr_type i32, 12 mac_len u32, 16 mac_addr u8[20], 36 mac_slot i32, 40 mac_prefix_len u32, 44 vid
    u16, 46 pad, 48 vrid u32, 52 af i32, 56 force i32. After `unpack`, `mac_addr` is its first mac_len bytes, at most 20.
    """

    _LAYOUT: ClassVar = struct.Struct(f"=IIiI{MAXMACADDRLEN}siIH2xIii")
    SIZE: ClassVar[int] = 60

    vnic_id: int
    link_id: int = 0
    mac_addr_type: int = VnicMacAddrType.FIXED
    mac_len: int = 0
    mac_addr: bytes = b""
    mac_slot: int = VNIC_NO_SLOT
    mac_prefix_len: int = 0
    vid: int = 0
    vrid: int = 0
    af: int = 0
    force: bool = False

    def pack(self) -> bytes:
        """60 bytes. Errors: EINVAL for an address over 20 bytes, a number out of range."""
        return write(
            self._LAYOUT,
            "VnicInfo",
            self.vnic_id,
            self.link_id,
            self.mac_addr_type,
            self.mac_len,
            _address(self.mac_addr),
            self.mac_slot,
            self.mac_prefix_len,
            self.vid,
            self.vrid,
            self.af,
            self.force,
        )

    @classmethod
    def unpack(cls, buffer: Buffer) -> Self:
        """Errors: EFAULT when short."""
        *head, address, slot, prefix_len, vid, vrid, af, force = read(cls._LAYOUT, buffer, "VnicInfo")
        vnic, link, kind, mac_len = head
        return cls(vnic, link, kind, mac_len, address[:mac_len], slot, prefix_len, vid, vrid, af, bool(force))


@dataclass(slots=True, frozen=True)
class VnicModify:
    """An argument of VNIC_IOC_MODIFY, in and out, 44 bytes.

    0 vnic_id u32, 4 modify_mask u32 (`vnic.VnicModifyMask`), 8 mac_len u32, 12 mac_slot i32, 16 mac_addr u8[20], 36 mac_addr_type i32,
    40 diag i32. After `unpack`, `mac_addr` is its first mac_len bytes, at most 20.
    """

    _LAYOUT: ClassVar = struct.Struct(f"=IIIi{MAXMACADDRLEN}sii")
    SIZE: ClassVar[int] = 44

    vnic_id: int
    modify_mask: int = 0
    mac_len: int = 0
    mac_slot: int = VNIC_NO_SLOT
    mac_addr: bytes = b""
    mac_addr_type: int = VnicMacAddrType.FIXED
    diag: int = VnicDiag.NONE

    def pack(self) -> bytes:
        """44 bytes. Errors: EINVAL for an address over 20 bytes, a number out of range."""
        return write(
            self._LAYOUT,
            "VnicModify",
            self.vnic_id,
            self.modify_mask,
            self.mac_len,
            self.mac_slot,
            _address(self.mac_addr),
            self.mac_addr_type,
            self.diag,
        )

    @classmethod
    def unpack(cls, buffer: Buffer) -> Self:
        """Errors: EFAULT when short."""
        vnic, mask, mac_len, slot, address, kind, diag = read(cls._LAYOUT, buffer, "VnicModify")
        return cls(vnic, mask, mac_len, slot, address[:mac_len], kind, diag)
