"""The proxies: what ARP requests, neighbour solicitations and DHCP broadcasts ask, and the frames that answer them (VPD 5.3-5.7). Pure.

A frame without a destination waits in the kernel. LOOKUP describes it by a `TargLookup`, PKT fetches its bytes:

    fits_...(request)             is it worth fetching?
    read_...(request, packet)     the question in it, or None: the frame is dropped and nothing is sent
    question.reply(mac)           ARP, NDP: the frame to inject, once the plugin has named the MAC address of what is asked for
    question.forward(mac)         DHCP: the frame to send again, to the server that the plugin has named

`packet` is the frame with its Ethernet header, of which `hdrsize` bytes, 14 or with a VLAN tag 18, go into the answer but for the two
addresses: the tag is the asker's (VPD-I23).

Nothing here raises, whatever record and bytes it is given, and nothing is concluded from bytes that were not fetched (VPD-I25).
`gratuitous_arp` is not asked for by any frame.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from kernel_sim.sys.codec import TargLookup
from kernel_sim.sys.errno import Errno
from kernel_sim.sys.ethernet import (
    BROADCAST,
    ETHER_HDR_LEN,
    ETHERADDRL,
    ETHERTYPE_ARP,
    ETHERTYPE_IP,
    ETHERTYPE_VLAN,
    VLAN_HDR_LEN,
    VLAN_ID_MASK,
)
from kernel_sim.sys.overlay_target import OVERLAY_TARG_PKT_MAX
from libvarpd.errors import VarpdError

PACKET_MAX: Final = OVERLAY_TARG_PKT_MAX
"""Largest frame that a proxy deals with, header and all, bytes."""

_HEADER_SIZES: Final = (ETHER_HDR_LEN, VLAN_HDR_LEN)

_ARP: Final = struct.Struct("!HHBBH6s4s6s4s")
"""RFC 826: hardware type, protocol, hardware length, protocol length, opcode, sender MAC and IP, target MAC and IP; 28 bytes."""
_ARP_HEAD: Final = (1, ETHERTYPE_IP, ETHERADDRL, 4)
_ARP_REQUEST: Final = 1
_ARP_REPLY: Final = 2
_IPV4_ADDRESS_SIZE: Final = 4

_IPV6: Final = struct.Struct("!IHBB16s16s")
"""RFC 8200: version, class and flow label, payload length, next header, hop limit, source, destination; 40 bytes."""
_NEIGHBOUR: Final = struct.Struct("!BBHI16s")
"""RFC 4861 sections 4.3 and 4.4: type, code, checksum, flags or reserved, target; 24 bytes, and options follow."""
_LINK_LAYER_OPTION: Final = struct.Struct("!BB6s")
"""RFC 4861 section 4.6.1: type, length in units of 8 bytes, MAC address."""
_PSEUDO_HEADER: Final = struct.Struct("!16s16sII")
"""RFC 8200 section 8.1: source, destination, length, next header."""
_SOLICITATION_MIN: Final = _IPV6.size + _NEIGHBOUR.size
_IPPROTO_ICMPV6: Final = 58
_SOLICITATION: Final = (135, 0)
"""Type and code."""
_ADVERTISEMENT: Final = (136, 0)
_SOLICITED_OVERRIDE: Final = 0x60000000
"""Flags of an advertisement: solicited and override, not router."""
_SOURCE_LINK_LAYER: Final = 1
_TARGET_LINK_LAYER: Final = 2
_OPTION_UNIT: Final = 8
_IPV6_MULTICAST_MAC: Final = b"\x33\x33"
_LINK_SCOPE: Final = 2
_MULTICAST: Final = 0xFF
_LOOPBACK: Final = bytes(15) + b"\x01"
_V4_MAPPED: Final = bytes(10) + b"\xff\xff"

_DHCP_MIN: Final = 20 + 8 + 300
"""IPv4 and UDP headers, BOOTP's 240 fixed bytes with the magic cookie, and 60 bytes of options, which clients pad to."""
_DHCP_PORTS: Final = struct.pack("!HH", 68, 67)
"""Source and destination of what a client sends (RFC 2131 section 4.1)."""
_IPPROTO_UDP: Final = 17
_IPV4_PROTOCOL_AT: Final = 9


def fits_arp(request: TargLookup) -> bool:
    """Whether a frame is ARP and of a size that can hold a request: at least 28 bytes, at most `PACKET_MAX` with its header."""
    return request.sap == ETHERTYPE_ARP and _fits(request, _ARP.size)


def read_arp(request: TargLookup, packet: bytes) -> ArpQuestion | None:
    """The question of an ARP request for an IPv4 address on Ethernet.

    None for all else (VPD-I21, VPD-B33), for a gratuitous one, sender and target of which are the same address, and when more was
    fetched than the record tells of. A probe, its sender 0.0.0.0, is a question like any other (VPD-Q16).
    """
    at = request.hdrsize
    if not fits_arp(request) or not at + _ARP.size <= len(packet) <= at + request.pktsize:
        return None
    *head, opcode, _, sender_ip, _, target_ip = _ARP.unpack_from(packet, at)
    if (*head,) != _ARP_HEAD or opcode != _ARP_REQUEST or sender_ip == target_ip:
        return None
    return ArpQuestion(packet, at, target_ip)


@dataclass(slots=True, frozen=True)
class ArpQuestion:
    """Who has `address` (IPv4, 4 bytes)? `frame` asks, the ARP message is `header_size` bytes into it."""

    frame: bytes
    header_size: int
    address: bytes

    def reply(self, mac: bytes) -> bytes:
        """The request turned round, byte for byte as long, padding and all (VPD-I20)."""
        end = self.header_size + _ARP.size
        *head, _, sender_mac, sender_ip, _, target_ip = _ARP.unpack_from(self.frame, self.header_size)
        message = _ARP.pack(*head, _ARP_REPLY, mac, target_ip, sender_mac, sender_ip)
        return _answering_header(self.frame, self.header_size, mac) + message + self.frame[end:]


def fits_ndp(request: TargLookup) -> bool:
    """Whether a frame goes to an IPv6 multicast MAC and is of a size that can hold a solicitation: at least 64 bytes, at most
    `PACKET_MAX` with its header.
    """
    return request.dstaddr.startswith(_IPV6_MULTICAST_MAC) and _fits(request, _SOLICITATION_MIN)


def read_ndp(request: TargLookup, packet: bytes) -> NdpQuestion | None:
    """The question of a neighbour solicitation sent to a multicast address of link scope, directly behind the IPv6 header.

    None for all else (VPD-B34, VPD-Q18); for targets that are multicast, v4-mapped or ::1; when options are malformed (VPD-Q19) or a
    source link-layer address is not among them, as in duplicate address detection. Neither hop limit, checksum nor source are looked at.
    """
    at = request.hdrsize
    if not fits_ndp(request) or len(packet) < at + _SOLICITATION_MIN:
        return None
    first, length, protocol, _, _, destination = _IPV6.unpack_from(packet, at)
    end = at + _IPV6.size + length
    if first >> 28 != 6 or protocol != _IPPROTO_ICMPV6 or not _has_link_scope(destination):
        return None
    if end > len(packet):
        return None
    *kind, _, _, target = _NEIGHBOUR.unpack_from(packet, at + _IPV6.size)
    if (*kind,) != _SOLICITATION or not _can_be_asked_for(target):
        return None
    options = packet[at + _SOLICITATION_MIN : end]  # a payload length under 24 leaves none (VPD-B36)
    if not _names_its_source(options):
        return None
    return NdpQuestion(packet, at, target)


@dataclass(slots=True, frozen=True)
class NdpQuestion:
    """Who has `address` (IPv6, 16 bytes)? `frame` asks, the IPv6 header is `header_size` bytes into it."""

    frame: bytes
    header_size: int
    address: bytes

    def reply(self, mac: bytes) -> bytes:
        """An advertisement to the asker alone, `header_size` + 72 bytes; class, flow label and hop limit are the request's (VPD-I22)."""
        first, _, protocol, hops, asker, _ = _IPV6.unpack_from(self.frame, self.header_size)
        option = _LINK_LAYER_OPTION.pack(_TARGET_LINK_LAYER, 1, mac)
        length = _NEIGHBOUR.size + len(option)
        pseudo = _PSEUDO_HEADER.pack(self.address, asker, length, protocol)
        unfinished = _NEIGHBOUR.pack(*_ADVERTISEMENT, 0, _SOLICITED_OVERRIDE, self.address) + option
        checksum = _checksum(pseudo + unfinished)
        message = _NEIGHBOUR.pack(*_ADVERTISEMENT, checksum, _SOLICITED_OVERRIDE, self.address) + option
        network = _IPV6.pack(first, length, protocol, hops, self.address, asker)
        return _answering_header(self.frame, self.header_size, mac) + network + message


def fits_dhcp(request: TargLookup) -> bool:
    """Whether a frame is broadcast IPv4 and of a size that can hold a DHCP message: at least 328 bytes, at most `PACKET_MAX` with its
    header.
    """
    return request.sap == ETHERTYPE_IP and request.dstaddr == BROADCAST and _fits(request, _DHCP_MIN)


def read_dhcp(request: TargLookup, packet: bytes) -> DhcpQuestion | None:
    """What a DHCP client sends from UDP port 68 to port 67, fetched whole. None for all else (VPD-B32, VPD-Q18).

    Neither the header length's lower bound, fragmentation, checksums nor anything of the message are looked at.
    """
    at = request.hdrsize
    if not fits_dhcp(request) or len(packet) != at + request.pktsize:
        return None
    if packet[at] >> 4 != 4 or packet[at + _IPV4_PROTOCOL_AT] != _IPPROTO_UDP:
        return None
    ports = at + 4 * (packet[at] & 0xF)  # 60 at most, and 328 bytes are there
    if packet[ports : ports + len(_DHCP_PORTS)] != _DHCP_PORTS:
        return None
    return DhcpQuestion(packet)


@dataclass(slots=True, frozen=True)
class DhcpQuestion:
    """Who leases addresses? `frame` asks everybody."""

    frame: bytes

    def forward(self, mac: bytes) -> bytes:
        """The same frame to one server; the IP destination stays 255.255.255.255 (VPD-I24)."""
        return mac + self.frame[ETHERADDRL:]


def gratuitous_arp(vlan: int, source_mac: bytes, source_ip: bytes, destination_mac: bytes) -> bytes:
    """A request by `source_ip` (4 bytes) for itself, which tells `destination_mac` where it is: 42 bytes, 46 with a tag (VPD 5.7).

    `vlan` 0 is untagged; tags have priority 0. Errors: EINVAL a VLAN id over 4095 or an address of another size.
    """
    if not 0 <= vlan <= VLAN_ID_MASK:
        raise VarpdError(Errno.EINVAL, f"VLAN id {vlan} is not within 0..{VLAN_ID_MASK}")
    sizes = len(source_mac), len(source_ip), len(destination_mac)
    if sizes != (ETHERADDRL, _IPV4_ADDRESS_SIZE, ETHERADDRL):
        raise VarpdError(Errno.EINVAL, f"addresses of {sizes} bytes where MAC, IPv4 and MAC are wanted")
    tag = struct.pack("!HH", ETHERTYPE_VLAN, vlan) if vlan else b""
    message = _ARP.pack(*_ARP_HEAD, _ARP_REQUEST, source_mac, source_ip, BROADCAST, source_ip)
    return destination_mac + source_mac + tag + struct.pack("!H", ETHERTYPE_ARP) + message


def _fits(request: TargLookup, smallest: int) -> bool:
    size = request.hdrsize + request.pktsize
    return request.hdrsize in _HEADER_SIZES and request.pktsize >= smallest and size <= PACKET_MAX


def _answering_header(frame: bytes, size: int, mac: bytes) -> bytes:
    return frame[ETHERADDRL : 2 * ETHERADDRL] + mac + frame[2 * ETHERADDRL : size]


def _has_link_scope(destination: bytes) -> bool:
    return destination[0] == _MULTICAST and destination[1] & 0xF == _LINK_SCOPE


def _can_be_asked_for(target: bytes) -> bool:
    return target[0] != _MULTICAST and target != _LOOPBACK and not target.startswith(_V4_MAPPED)


def _names_its_source(options: bytes) -> bool:
    """Whether all options are well formed and one is a source link-layer address; what that says is not used."""
    found = False
    at = 0
    while at < len(options):
        size = options[at + 1] * _OPTION_UNIT if at + 1 < len(options) else 0
        if not 0 < size <= len(options) - at:
            return False
        found = found or options[at] == _SOURCE_LINK_LAYER
        at += size
    return found


def _checksum(data: bytes) -> int:
    """RFC 1071, for an even number of bytes that are not all zero: big-endian bytes are congruent to the sum of their words."""
    return -int.from_bytes(data, "big") % 0xFFFF
