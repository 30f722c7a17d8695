"""Where the parts of a TCP or UDP frame are, and which bits of its headers tell one flow from another.

A `Shape` belongs to every frame whose headers have the same kinds and lengths; it is worked out once and kept. Read as one big number,
the headers of a frame and the shape's mask give in one operation all that frames of one run have in common.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from kernel_sim.mac._hw.ones import UDP_STUFF
from kernel_sim.mac._hw.segment import CWR, FIN, IPV4_SIZE, IPV6_SIZE, PSH, TCP, TCP_SIZE, TCP_STUFF, UDP, UDP_SIZE
from kernel_sim.sys.ethernet import ETHER_HDR_LEN, ETHERTYPE_IP, ETHERTYPE_IPV6, ETHERTYPE_VLAN, VLAN_HDR_LEN
from kernel_sim.sys.message import Gso

HEADERS_MAX: Final = 256
"""Longer headers are not looked into: nobody sends them in earnest, and shapes are kept."""

_HOP_BY_HOP, _ROUTING, _DESTINATION = 0, 43, 60


class Shape:
    """Offsets, in bytes from the start of the frame, and what follows from them.

    network, start, size    of the IP header, of the transport header, of the payload
    stuff, field            of the checksum, in the transport header and in the frame
    addresses, …_end        of the addresses in the IP header
    length_shift …          how far IP length, sequence number, TCP flags, UDP length are from the end of the headers, in bits
    length_bias             what is to be added to the IP length to get the frame's length
    mask                    the bits of the headers that all frames of a run have in common
    """

    __slots__ = (
        "addresses",
        "addresses_end",
        "field",
        "flags_shift",
        "gso",
        "length_bias",
        "length_shift",
        "mask",
        "network",
        "proto",
        "sequence_shift",
        "size",
        "start",
        "stuff",
        "udp_shift",
        "v6",
    )

    def __init__(self, network: int, start: int, size: int, proto: int, *, v6: bool) -> None:
        tcp = proto == TCP
        self.v6 = v6
        self.network = network
        self.start = start
        self.size = size
        self.proto = proto
        self.stuff = TCP_STUFF if tcp else UDP_STUFF
        self.field = start + self.stuff
        self.gso = (Gso.TCPV6 if v6 else Gso.TCPV4) if tcp else Gso.UDP_L4
        self.addresses = network + (8 if v6 else 12)
        self.addresses_end = network + (IPV6_SIZE if v6 else IPV4_SIZE)
        self.length_bias = network + (IPV6_SIZE if v6 else 0)
        self.length_shift = 8 * (size - (network + (6 if v6 else 4)))
        self.sequence_shift = 8 * (size - (start + 8))
        self.flags_shift = 8 * (size - (start + 14))
        self.udp_shift = 0 if tcp else 8 * (size - (start + 6))
        varying = [(network + 4, 2, 0)] if v6 else [(network + 2, 4, 0), (network + 10, 2, 0)]
        if tcp:
            varying += [(start + 4, 4, 0), (start + 13, 1, ~(FIN | PSH | CWR) & 0xFF), (start + TCP_STUFF, 2, 0)]
        else:
            varying += [(start + 4, 4, 0)]
        common = bytearray(b"\xff" * size)
        for offset, count, value in varying:
            common[offset : offset + count] = bytes([value]) * count
        self.mask = int.from_bytes(common, "big")

    def lengths_agree(self, head: int, size: int) -> bool:
        """The lengths in the headers, read as one number, are those of a frame of `size` bytes with nothing behind its IP packet."""
        if (head >> self.length_shift & 0xFFFF) + self.length_bias != size:
            return False
        return not self.udp_shift or head >> self.udp_shift & 0xFFFF == size - self.start


@lru_cache(maxsize=4096)
def _shape(sap: int, network: int, start: int, size: int, proto: int) -> Shape:
    return Shape(network, start, size, proto, v6=sap == ETHERTYPE_IPV6)


def shape_of(frame: memoryview) -> Shape | None:
    """The shape of an unfragmented TCP or UDP frame with whole headers; None for any other."""
    limit = len(frame)
    if limit < ETHER_HDR_LEN + IPV4_SIZE + UDP_SIZE:
        return None
    network, sap = ETHER_HDR_LEN, frame[12] << 8 | frame[13]
    if sap == ETHERTYPE_VLAN:
        network, sap = VLAN_HDR_LEN, frame[16] << 8 | frame[17]
    if sap == ETHERTYPE_IP:
        version = frame[network]
        start, proto = network + (version & 0x0F) * 4, frame[network + 9]
        if version >> 4 != 4 or start < network + IPV4_SIZE or frame[network + 6] & 0x3F or frame[network + 7]:
            return None
    elif sap == ETHERTYPE_IPV6:
        if limit < network + IPV6_SIZE or frame[network] >> 4 != 6:
            return None
        start, proto = _behind_extensions(frame, network + IPV6_SIZE, frame[network + 6])
    else:
        return None
    if proto == TCP and start + TCP_SIZE <= limit:
        size = start + (frame[start + 12] >> 4) * 4
        if size < start + TCP_SIZE:
            return None
    elif proto == UDP:
        size = start + UDP_SIZE
    else:
        return None
    if size > min(limit, HEADERS_MAX):
        return None
    return _shape(sap, network, start, size, proto)


def claimed_length(frame: memoryview) -> int:
    """Bytes that a frame has by its IP header, which may be more than are there; 0 when it has no IP header."""
    if len(frame) < VLAN_HDR_LEN + IPV4_SIZE:
        return 0
    network, sap = ETHER_HDR_LEN, frame[12] << 8 | frame[13]
    if sap == ETHERTYPE_VLAN:
        network, sap = VLAN_HDR_LEN, frame[16] << 8 | frame[17]
    if sap == ETHERTYPE_IP:
        return network + (frame[network + 2] << 8 | frame[network + 3])
    if sap == ETHERTYPE_IPV6:
        return network + IPV6_SIZE + (frame[network + 4] << 8 | frame[network + 5])
    return 0


def _behind_extensions(frame: memoryview, where: int, proto: int) -> tuple[int, int]:
    """Offset and kind of what follows the extension headers. A routing header that is not used up ends the search: the
    pseudo-header has another destination then.
    """
    limit = min(len(frame) - 2, HEADERS_MAX)
    while where < limit:
        if proto == _ROUTING:
            if where + 4 > len(frame) or frame[where + 3]:
                break
        elif proto not in {_HOP_BY_HOP, _DESTINATION}:
            break
        proto, where = frame[where], where + (frame[where + 1] + 1) * 8
    return where, proto
