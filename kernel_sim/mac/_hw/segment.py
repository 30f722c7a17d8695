"""Finishing checksums, and cutting a run into the frames it stands for.

What changes from frame to frame of a run (everything else is repeated):

    IPv4   total length, ident (one more each), header checksum
    IPv6   payload length
    TCP    sequence number, checksum; CWR on the first frame only, FIN and PSH on the last only
    UDP    length, checksum

The checksum field of a run holds the pseudo-header sum for the run's whole length. Taking that length out and a frame's own in gives
the pseudo-header sum of the frame, whatever addresses and extension headers there are.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Final, NamedTuple

from kernel_sim.mac._hw.ones import MODULUS, UDP_STUFF, checksum, ones_sum, udp_checksum
from kernel_sim.sys.ethernet import ETHER_HDR_LEN, ETHERTYPE_IP, ETHERTYPE_IPV6, ETHERTYPE_VLAN, VLAN_HDR_LEN
from kernel_sim.sys.message import Buffer, Gso, Message

TCP: Final = 6
UDP: Final = 17
TCP_STUFF: Final = 16
TCP_SIZE: Final = 20
UDP_SIZE: Final = 8
IPV4_SIZE: Final = 20
IPV6_SIZE: Final = 40
IP_MAX: Final = 65535
"""Bytes of the longest IPv4 packet; of an IPv6 packet, the payload alone."""

FIN: Final = 0x01
PSH: Final = 0x08
CWR: Final = 0x80

_TRANSPORT: Final[dict[int, int]] = {Gso.TCPV4: TCP_SIZE, Gso.TCPV6: TCP_SIZE, Gso.UDP_L4: UDP_SIZE}
_NETWORK: Final = {ETHERTYPE_IP: IPV4_SIZE, ETHERTYPE_IPV6: IPV6_SIZE}
"""Smallest headers, by kind of run and by ethertype."""


def complete(message: Message) -> Message:
    """The message with its checksum filled in and no marks; itself if it is finished.

    A UDP checksum of 0 is written as 0xffff. Marks that point outside the frame are ignored. A run is finished as if it were one
    frame; `cut` is what gives its frames.
    """
    if not message.partial:
        return message
    place = message.start + message.stuff
    size = len(message.data)
    if message.start < 0 or message.stuff < 0 or place + 2 > size:
        return Message(message.data)
    data = bytearray(message.data)
    total = ones_sum(memoryview(data)[message.start :])
    value = udp_checksum(total) if message.stuff == UDP_STUFF else checksum(total)
    data[place] = value >> 8
    data[place + 1] = value & 0xFF
    return Message(bytes(data))


def cut(message: Message) -> list[Buffer]:
    """The finished frames a message stands for.

    All but the last have one length. One frame gives itself, its checksum filled in. A run whose marks do not go with its bytes is
    given as one frame.
    """
    if message.mss > 0:
        headers = _parse(message)
        if headers is not None:
            return _cut_udp(message, headers) if message.gso == Gso.UDP_L4 else _cut_tcp(message, headers)
    return [complete(message).data]


class _Headers(NamedTuple):
    """The headers of a run, and the sums that all its frames share.

    before    all up to the IP length
    ident     of IPv4
    middle    of IPv4: fragment word, TTL, protocol
    between   what follows the last changing field of the IP header, up to the ports of the transport header, these included
    ip_sum    of an IPv4 header without length, ident and checksum
    pseudo    of the pseudo-header without the length
    extra     what a frame's IP length is longer than its payload
    """

    v6: bool
    network: int
    before: bytes
    ident: int
    middle: bytes
    between: bytes
    ip_sum: int
    pseudo: int
    extra: int


def _parse(message: Message) -> _Headers | None:
    """The headers of a run; None when its marks make no sense."""
    start, hdr_len, size = message.start, message.hdr_len, len(message.data)
    transport = _TRANSPORT.get(message.gso)
    if transport is None or start < ETHER_HDR_LEN or not start + transport <= hdr_len <= size:
        return None
    head = bytes(message.data[:hdr_len])
    network, sap = ETHER_HDR_LEN, head[12] << 8 | head[13]
    if sap == ETHERTYPE_VLAN:
        network, sap = VLAN_HDR_LEN, head[16] << 8 | head[17]
    if start < network + _NETWORK.get(sap, size) or min(size, hdr_len + message.mss) - network > IP_MAX:
        return None
    v6 = sap == ETHERTYPE_IPV6
    stuff = TCP_STUFF if transport == TCP_SIZE else UDP_STUFF
    if message.partial:
        pseudo = (head[start + stuff] << 8 | head[start + stuff + 1]) - (size - start)
    else:
        addresses = head[network + 8 : network + 40] if v6 else head[network + 12 : network + 20]
        pseudo = ones_sum(addresses) + (TCP if transport == TCP_SIZE else UDP)
    if v6:
        before, between = head[: network + 4], head[network + 6 : start + 4]
        return _Headers(v6, network, before, 0, b"", between, 0, pseudo, hdr_len - network - IPV6_SIZE)
    before, middle = head[: network + 2], head[network + 6 : network + 10]
    return _Headers(
        v6,
        network,
        before,
        head[network + 4] << 8 | head[network + 5],
        middle,
        head[network + 12 : start + 4],
        ones_sum(head[network : network + 2] + middle + head[network + 12 : start]),
        pseudo,
        hdr_len - network,
    )


@lru_cache(maxsize=256)
def _layout(network: int, between: int, behind: str, *, v6: bool) -> struct.Struct:
    """How `_Headers` are put together again: IP length, then for IPv4 ident and checksum, then the transport header's rest."""
    if v6:
        return struct.Struct(f"!{network + 4}sH{between}s{behind}")
    return struct.Struct(f"!{network + 2}sHH4sH{between}s{behind}")


def _cut_tcp(message: Message, headers: _Headers) -> list[Buffer]:
    v6, network, before, ident, middle, between, ip_sum, pseudo, extra = headers
    data = memoryview(message.data)
    start, hdr_len, mss, size = message.start, message.hdr_len, message.mss, len(data)
    pack = _layout(network, len(between), f"I5sBHH{hdr_len - start - 18}s", v6=v6).pack
    head = bytes(data[start:hdr_len])
    sequence = int.from_bytes(head[4:8], "big")
    ack, flags, window, rest = head[8:13], head[13], head[14] << 8 | head[15], head[18:]
    # what all frames share; a frame adds its sequence number, flags, payload and its length
    shared = pseudo + ones_sum(head[:4] + head[8:12] + rest) + (head[12] << 8) + window + len(head)
    last_only = flags & (FIN | PSH)
    flags ^= last_only
    frames: list[Buffer] = []
    position = hdr_len
    while True:
        end = position + mss
        if end >= size:
            end = size
            flags |= last_only
        payload = data[position:end]
        length = end - position
        field = -(shared + length + sequence + flags + ones_sum(payload)) % MODULUS
        total = extra + length
        if v6:
            header = pack(before, total, between, sequence, ack, flags, window, field, rest)
        else:
            ip_field = -(ip_sum + total + ident) % MODULUS
            header = pack(before, total, ident, middle, ip_field, between, sequence, ack, flags, window, field, rest)
            ident = (ident + 1) & 0xFFFF
        frames.append(header + payload)
        if end == size:
            return frames
        position = end
        sequence = (sequence + mss) & 0xFFFFFFFF
        flags &= ~CWR


def _cut_udp(message: Message, headers: _Headers) -> list[Buffer]:
    v6, network, before, ident, middle, between, ip_sum, pseudo, extra = headers
    data = memoryview(message.data)
    start, mss, size = message.start, message.mss, len(data)
    pack = _layout(network, len(between), f"HH{message.hdr_len - start - UDP_SIZE}s", v6=v6).pack
    rest = bytes(data[start + UDP_SIZE : message.hdr_len])
    shared = pseudo + ones_sum(data[start : start + 4]) + ones_sum(rest)
    frames: list[Buffer] = []
    position = message.hdr_len
    while True:
        payload = data[position : position + mss]
        length = UDP_SIZE + len(rest) + len(payload)
        field = udp_checksum(shared + 2 * length + ones_sum(payload))  # in the pseudo-header and in the header
        total = extra + len(payload)
        if v6:
            header = pack(before, total, between, length, field, rest)
        else:
            ip_field = checksum(ip_sum + total + ident)
            header = pack(before, total, ident, middle, ip_field, between, length, field, rest)
            ident = (ident + 1) & 0xFFFF
        frames.append(header + payload)
        position += mss
        if position >= size:
            return frames
