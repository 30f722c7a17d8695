"""Ethernet addresses and headers (frames without FCS)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from kernel_sim.sys.message import Buffer

ETHERADDRL: Final = 6
BROADCAST: Final = b"\xff" * ETHERADDRL
ZERO_MAC: Final = bytes(ETHERADDRL)

ETHERTYPE_IP: Final = 0x0800
ETHERTYPE_ARP: Final = 0x0806
ETHERTYPE_VLAN: Final = 0x8100
ETHERTYPE_IPV6: Final = 0x86DD

ETHER_HDR_LEN: Final = 14
VLAN_TAG_LEN: Final = 4
VLAN_HDR_LEN: Final = ETHER_HDR_LEN + VLAN_TAG_LEN
VLAN_ID_MASK: Final = 0x0FFF
VLAN_CFI: Final = 0x1000
ETHERMTU: Final = 1500

_MAC = re.compile(r"[0-9A-Fa-f]{1,2}(?::[0-9A-Fa-f]{1,2}){5}", re.ASCII)


def format_mac(mac: Buffer) -> str:
    """An address as illumos writes it: lower-case hex groups without leading zeros, `2:8:20:a:b:c`."""
    return ":".join(f"{octet:x}" for octet in mac)


def parse_mac(text: str) -> bytes:
    """Six bytes from six groups of one or two hex digits with colons between. ValueError for anything else."""
    if not _MAC.fullmatch(text):
        msg = f"{text!r} is not a MAC address: six groups of one or two hex digits with colons between are wanted"
        raise ValueError(msg)
    return bytes(int(group, 16) for group in text.split(":"))


def is_group(mac: Buffer) -> bool:
    """True for a multicast or broadcast address: the low bit of the first byte."""
    return bool(mac[0] & 1)


@dataclass(slots=True, frozen=True)
class HeaderInfo:
    """What an Ethernet header says.

    `sap` is the ethertype, the inner one of a tagged frame, as it is in the frame; `vid` the VLAN id (0 untagged or
    priority-tagged); `size` the bytes of the header, 14 or 18.
    """

    dst: bytes
    src: bytes
    sap: int
    vid: int
    tagged: bool
    cfi: bool
    size: int


def parse_header(frame: Buffer) -> HeaderInfo | None:
    """Read the header of a frame; None when it is cut short (under 14 bytes, tagged and under 18) (KRN 6.2)."""
    if len(frame) < ETHER_HDR_LEN:
        return None
    head = bytes(frame[:VLAN_HDR_LEN])
    dst, src = head[:6], head[6:12]
    sap = head[12] << 8 | head[13]
    if sap != ETHERTYPE_VLAN:
        return HeaderInfo(dst, src, sap, 0, tagged=False, cfi=False, size=ETHER_HDR_LEN)
    if len(head) < VLAN_HDR_LEN:
        return None
    tci = head[14] << 8 | head[15]
    inner = head[16] << 8 | head[17]
    cfi = bool(tci & VLAN_CFI)
    return HeaderInfo(dst, src, inner, tci & VLAN_ID_MASK, tagged=True, cfi=cfi, size=VLAN_HDR_LEN)
