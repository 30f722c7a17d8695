"""Frames for tests, built header by header and finished: lengths and checksums are right unless asked otherwise.

    frame = ethernet(B, A, udp("10.0.0.1", "10.0.0.2", 1000, 2000, b"hello"))
    run = tcp_run(B, A, "10.0.0.1", "10.0.0.2", payload=bytes(60_000), mss=1348)

MAC addresses are six bytes, IP addresses texts of either version.
"""

from __future__ import annotations

import ipaddress
import struct

from kernel_sim.sys.ethernet import ETHER_HDR_LEN, ETHERTYPE_ARP, ETHERTYPE_IP, ETHERTYPE_IPV6, ETHERTYPE_VLAN
from kernel_sim.sys.message import Gso, Message

TCP = 6
UDP = 17
ICMPV6 = 58
ACK = 0x10
PSH_ACK = 0x18
BROADCAST = b"\xff" * 6

_TCP_HEADER = 20
_CHECKSUM_AT = {TCP: 16, UDP: 6}


def checksum(data: bytes) -> int:
    """The internet checksum (RFC 1071): complement of the ones-complement sum of 16-bit words."""
    padded = data + b"\0" * (len(data) & 1)
    total: int = sum(struct.unpack(f">{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ethernet(dst: bytes, src: bytes, packet: bytes, *, ethertype: int | None = None, vid: int | None = None) -> bytes:
    """A frame around an IP packet (its version tells the type) or any payload of a given type; `vid` adds a tag."""
    if ethertype is None:
        ethertype = ETHERTYPE_IPV6 if packet[0] >> 4 == 6 else ETHERTYPE_IP
    tag = b"" if vid is None else struct.pack(">HH", ETHERTYPE_VLAN, vid)
    return dst + src + tag + struct.pack(">H", ethertype) + packet


def ip(src: str, dst: str, protocol: int, payload: bytes, *, ident: int = 1) -> bytes:
    """An IPv4 or IPv6 packet, by the form of its addresses."""
    a, b = ipaddress.ip_address(src), ipaddress.ip_address(dst)
    if a.version == 6:
        return struct.pack(">IHBB", 6 << 28, len(payload), protocol, 64) + a.packed + b.packed + payload
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), ident, 0x4000, 64, protocol, 0) + a.packed + b.packed
    return head[:10] + struct.pack(">H", checksum(head)) + head[12:] + payload


def pseudo_header(src: str, dst: str, protocol: int, length: int) -> bytes:
    """What TCP and UDP checksums cover before the segment."""
    a, b = ipaddress.ip_address(src), ipaddress.ip_address(dst)
    return a.packed + b.packed + struct.pack(">II", length, protocol)


def _finished(src: str, dst: str, protocol: int, segment: bytes) -> bytes:
    value = checksum(pseudo_header(src, dst, protocol, len(segment)) + segment)
    if protocol == UDP and not value:
        value = 0xFFFF
    at = _CHECKSUM_AT[protocol]
    return segment[:at] + struct.pack(">H", value) + segment[at + 2 :]


def udp(src: str, dst: str, sport: int, dport: int, payload: bytes, *, ident: int = 1) -> bytes:
    """An IP packet with a UDP datagram."""
    segment = struct.pack(">HHHH", sport, dport, 8 + len(payload), 0) + payload
    return ip(src, dst, UDP, _finished(src, dst, UDP, segment), ident=ident)


def tcp(
    src: str,
    dst: str,
    sport: int,
    dport: int,
    payload: bytes,
    *,
    seq: int = 1,
    ack: int = 1,
    flags: int = ACK,
    ident: int = 1,
) -> bytes:
    """An IP packet with a TCP segment, without options."""
    segment = struct.pack(">HHIIBBHHH", sport, dport, seq, ack, 5 << 4, flags, 65535, 0, 0) + payload
    return ip(src, dst, TCP, _finished(src, dst, TCP, segment), ident=ident)


def arp_request(src_mac: bytes, src: str, dst: str) -> bytes:
    """A broadcast "who has `dst`"."""
    a, b = ipaddress.ip_address(src), ipaddress.ip_address(dst)
    body = struct.pack(">HHBBH", 1, ETHERTYPE_IP, 6, 4, 1) + src_mac + a.packed + bytes(6) + b.packed
    return ethernet(BROADCAST, src_mac, body, ethertype=ETHERTYPE_ARP)


def arp_reply(src_mac: bytes, src: str, dst_mac: bytes, dst: str) -> bytes:
    """A unicast "`src` is at `src_mac`"."""
    a, b = ipaddress.ip_address(src), ipaddress.ip_address(dst)
    body = struct.pack(">HHBBH", 1, ETHERTYPE_IP, 6, 4, 2) + src_mac + a.packed + dst_mac + b.packed
    return ethernet(dst_mac, src_mac, body, ethertype=ETHERTYPE_ARP)


def tagged(frame: bytes, vid: int) -> bytes:
    """The same frame with a VLAN tag of priority 0."""
    return frame[:12] + struct.pack(">HH", ETHERTYPE_VLAN, vid) + frame[12:]


def neighbour_solicitation(src_mac: bytes, src: str, target: str) -> bytes:
    """Multicast "who has `target`" (RFC 4861), with the source's link-layer address."""
    asked = ipaddress.IPv6Address(target).packed
    group = ipaddress.IPv6Address(bytes.fromhex("ff0200000000000000000001ff") + asked[13:])
    body = struct.pack(">BBHI", 135, 0, 0, 0) + asked + b"\x01\x01" + src_mac
    return ethernet(b"\x33\x33" + group.packed[12:], src_mac, _icmpv6(src, str(group), body))


def neighbour_advertisement(src_mac: bytes, src: str, dst_mac: bytes, dst: str) -> bytes:
    """Unicast "`src` is at `src_mac`", solicited and overriding."""
    body = struct.pack(">BBHI", 136, 0, 0, 0x6000_0000) + ipaddress.IPv6Address(src).packed + b"\x02\x01" + src_mac
    return ethernet(dst_mac, src_mac, _icmpv6(src, dst, body))


def _icmpv6(src: str, dst: str, body: bytes) -> bytes:
    value = checksum(pseudo_header(src, dst, ICMPV6, len(body)) + body)
    packet = bytearray(ip(src, dst, ICMPV6, body[:2] + struct.pack(">H", value) + body[4:]))
    packet[7] = 255  # hop limit (RFC 4861)
    return bytes(packet)


def dhcp_discover(src_mac: bytes, *, xid: int = 1) -> bytes:
    """What a client without an address broadcasts: 300 bytes of BOOTP, as clients pad it (RFC 2131)."""
    fixed = struct.pack(">BBBBIHH16x", 1, 1, 6, 0, xid, 0, 0x8000) + src_mac + bytes(10 + 64 + 128)
    options = bytes.fromhex("63825363") + bytes((53, 1, 1, 255))
    body = (fixed + options).ljust(300, b"\0")
    return ethernet(BROADCAST, src_mac, udp("0.0.0.0", "255.255.255.255", 68, 67, body))


def partial(frame: bytes, *, gso: int = Gso.NONE, mss: int = 0) -> Message:
    """An untagged frame of `tcp` or `udp` as a TAP with checksum offload gives it: the pseudo-header's sum is all there is.

    With `gso` and `mss` it is a run.
    """
    v6 = frame[12:14] == struct.pack(">H", ETHERTYPE_IPV6)
    start = ETHER_HDR_LEN + (40 if v6 else 20)
    protocol = frame[ETHER_HDR_LEN + (6 if v6 else 9)]
    addresses = frame[ETHER_HDR_LEN + (8 if v6 else 12) : start]
    stuff = _CHECKSUM_AT[protocol]
    length = len(frame) - start
    total = ~checksum(addresses + struct.pack(">II", length, protocol)) & 0xFFFF
    data = frame[: start + stuff] + struct.pack(">H", total) + frame[start + stuff + 2 :]
    header = _TCP_HEADER if protocol == TCP else 8
    return Message(data, partial=True, start=start, stuff=stuff, gso=gso, mss=mss, hdr_len=start + header if mss else 0)


def tcp_run(
    dst_mac: bytes,
    src_mac: bytes,
    src: str,
    dst: str,
    *,
    payload: bytes,
    mss: int,
    sport: int = 40000,
    dport: int = 5201,
    flags: int = PSH_ACK,
) -> Message:
    """A super-frame that stands for as many TCP segments as `payload` takes."""
    frame = ethernet(dst_mac, src_mac, tcp(src, dst, sport, dport, payload, flags=flags))
    return partial(frame, gso=Gso.TCPV6 if ":" in src else Gso.TCPV4, mss=mss)


def tcp_segments(
    dst_mac: bytes,
    src_mac: bytes,
    src: str,
    dst: str,
    *,
    payload: bytes,
    mss: int,
    sport: int = 40000,
    dport: int = 5201,
    flags: int = PSH_ACK,
) -> list[bytes]:
    """The single frames that a `tcp_run` of the same arguments stands for."""
    found = []
    for number, at in enumerate(range(0, len(payload), mss)):
        last = at + mss >= len(payload)
        packet = tcp(
            src,
            dst,
            sport,
            dport,
            payload[at : at + mss],
            seq=1 + at,
            flags=flags if last else flags & ~0x09,
            ident=1 + number,
        )
        found.append(ethernet(dst_mac, src_mac, packet))
    return found
