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
