"""The VXLAN header (RFC 7348 section 5, KRN 4.6), declared once with construct.

     byte  0      1..3       4..6              7      8 ...
          0x08   00 00 00   VNI, big-endian   00     inner Ethernet frame, no FCS

This is the public way to build and to parse a header. The data path builds the constant header of an overlay with it once, and
recognises arriving ones by mask and shift of the two big-endian words, proven equal to this declaration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from construct import Int8ub, Int24ub, StreamError, Struct  # type: ignore[import-untyped,unused-ignore]

from kernel_sim.sys.message import Buffer

VXLAN_HDR_LEN: Final = 8
VXLAN_F_VDI: Final = 0x08000000
"""The I flag ("virtual network id is valid") in the first 32-bit word."""
VXLAN_VNI_SHIFT: Final = 8
"""Bits that the id is shifted left by in the second word."""
VXLAN_ID_SIZE: Final = 3
"""Bytes of a virtual network id."""
VXLAN_ID_MAX: Final = 0xFFFFFF
VXLAN_PORT: Final = 4789

VXLAN_FLAG_I: Final = VXLAN_F_VDI >> 24
"""The I flag in the flags byte."""

VxlanHeader = Struct("flags" / Int8ub, "reserved1" / Int24ub, "vnetid" / Int24ub, "reserved2" / Int8ub)


@dataclass(slots=True, frozen=True)
class VxlanInfo:
    """What a header says, bit for bit; only `valid` and `vnetid` mean anything to a receiver (KRN-Q23)."""

    vnetid: int
    flags: int = VXLAN_FLAG_I
    reserved1: int = 0
    reserved2: int = 0

    @property
    def valid(self) -> bool:
        """The I flag: a datagram without it is dropped (KRN-I3)."""
        return bool(self.flags & VXLAN_FLAG_I)


def build(vnetid: int) -> bytes:
    """The eight bytes of a header: the I flag, the id, everything else zero (KRN-I2). ValueError for an id outside 24 bits."""
    if not 0 <= vnetid <= VXLAN_ID_MAX:
        raise ValueError(f"virtual network id {vnetid} is not within 0..{VXLAN_ID_MAX}")
    header: bytes = VxlanHeader.build({"flags": VXLAN_FLAG_I, "reserved1": 0, "vnetid": vnetid, "reserved2": 0})
    return header


def parse(datagram: Buffer) -> VxlanInfo:
    """Read the header at the start of a datagram, the I flag set or not. ValueError when there are fewer than eight bytes."""
    try:
        found = VxlanHeader.parse(bytes(datagram[:VXLAN_HDR_LEN]))
    except StreamError as error:
        raise ValueError(f"a VXLAN header takes {VXLAN_HDR_LEN} bytes, {len(datagram)} were given") from error
    return VxlanInfo(found.vnetid, found.flags, found.reserved1, found.reserved2)
