"""The hash of an inner frame that chooses a datagram's UDP source port (KRN 4.5, KRN-I33).

An XOR of single bytes, eight bits wide: MAC addresses, IP addresses, and the first four bytes of TCP, UDP, ESP or SCTP; of a later
fragment its ident instead. 0 means the bound port, anything else 49152 + hash. Both directions of one conversation hash alike.

Untagged IPv4 without options and IPv6 without extension headers are hashed from one unpacking of fixed offsets; `frame_hash` is the
rule for everything.
"""

from __future__ import annotations

import struct
from typing import Final

from kernel_sim.sys.ethernet import (
    ETHER_HDR_LEN,
    ETHERTYPE_IP,
    ETHERTYPE_IPV6,
    ETHERTYPE_VLAN,
    VLAN_HDR_LEN,
)
from kernel_sim.sys.message import Buffer

FIRST_PORT: Final = 49152

TCP: Final = 6
UDP: Final = 17
FRAGMENT: Final = 44
ESP: Final = 50
AH: Final = 51
SCTP: Final = 132
_PORTS: Final = frozenset((TCP, UDP, ESP, SCTP))
_EXTENSIONS: Final = frozenset((0, 43, FRAGMENT, 60))
"""Hop-by-hop, routing, fragment, destination options."""

_IPV4_SIZE: Final = 20
_IPV6_SIZE: Final = 40
_PLAIN_IPV4: Final = struct.Struct(">QIHB5xHxB2xIII")
"""MAC addresses in 8 + 4 bytes, ethertype, version and header length, fragment word, protocol, source, destination, ports."""
_PLAIN_IPV6: Final = struct.Struct(">QIH6xBx12xI12xII")
"""MAC addresses, ethertype, next header, last words of source and destination, ports."""


def source_port(frame: Buffer, bound_port: int) -> int:
    """The source port for `frame`: `bound_port`, or one of 49153..49407."""
    size = len(frame)
    word = -1
    if size >= _PLAIN_IPV4.size:
        high, low, sap, version, fragment, protocol, src, dst, ports = _PLAIN_IPV4.unpack_from(frame)
        if sap == ETHERTYPE_IP and version == 0x45 and not fragment & 0x1FFF and protocol in _PORTS:
            word = high ^ high >> 32 ^ low ^ src ^ dst ^ ports
        elif sap == ETHERTYPE_IPV6 and size >= _PLAIN_IPV6.size:
            high, low, sap, protocol, src, dst, ports = _PLAIN_IPV6.unpack_from(frame)
            if protocol in _PORTS:
                word = high ^ high >> 32 ^ low ^ src ^ dst ^ ports
    if word < 0:
        word = frame_hash(frame)
    word ^= word >> 16
    hashed = (word ^ word >> 8) & 0xFF
    return FIRST_PORT + hashed if hashed else bound_port


def frame_hash(frame: Buffer) -> int:
    """The eight-bit hash of any frame; 0 for one without a full Ethernet header."""
    if len(frame) < ETHER_HDR_LEN:
        return 0
    hashed = _fold(frame[:12])
    sap, offset = int.from_bytes(frame[12:14], "big"), ETHER_HDR_LEN
    if sap == ETHERTYPE_VLAN:
        if len(frame) < VLAN_HDR_LEN:
            return hashed
        sap, offset = int.from_bytes(frame[16:18], "big"), VLAN_HDR_LEN
    if sap == ETHERTYPE_IP:
        return hashed ^ _ipv4(frame, offset)
    if sap == ETHERTYPE_IPV6:
        return hashed ^ _ipv6(frame, offset)
    return hashed


def _ipv4(frame: Buffer, offset: int) -> int:
    if len(frame) < offset + _IPV4_SIZE:
        return 0
    hashed = _fold(frame[offset + 12 : offset + 20])
    if int.from_bytes(frame[offset + 6 : offset + 8], "big") & 0x1FFF:
        return hashed ^ _fold(frame[offset + 4 : offset + 6])
    return hashed ^ _transport(frame, offset + (frame[offset] & 0x0F) * 4, frame[offset + 9])


def _ipv6(frame: Buffer, offset: int) -> int:
    if len(frame) < offset + _IPV6_SIZE:
        return 0
    addresses = _fold(frame[offset + 20 : offset + 24]) ^ _fold(frame[offset + 36 : offset + 40])
    protocol, where, ident = frame[offset + 6], offset + _IPV6_SIZE, None
    while protocol in _EXTENSIONS:
        if len(frame) < where + 8:
            return 0
        following = frame[where]
        if protocol == FRAGMENT:
            ident, size = frame[where + 4 : where + 8], 8
        else:
            size = (frame[where + 1] + 1) * 8
        protocol, where = following, where + size
        if where > len(frame):
            return 0
    return addresses ^ (_transport(frame, where, protocol) if ident is None else _fold(ident))


def _transport(frame: Buffer, where: int, protocol: int) -> int:
    while protocol == AH:
        if len(frame) < where + 2:
            return 0
        protocol, where = frame[where], where + (frame[where + 1] + 2) * 4
    if protocol in _PORTS and len(frame) >= where + 4:
        return _fold(frame[where : where + 4])
    return 0


def _fold(octets: Buffer) -> int:
    """XOR of all the bytes."""
    hashed = 0
    for octet in octets:
        hashed ^= octet
    return hashed
