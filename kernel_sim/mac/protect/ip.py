"""What follows the IP headers of a frame (RFC 791, RFC 8200).

IPv6 extension headers that are passed over: hop-by-hop 0, routing 43, fragment 44, destination options 60.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from kernel_sim.sys.ethernet import ETHERTYPE_IP, ETHERTYPE_IPV6
from kernel_sim.sys.message import Buffer

TCP: Final = 6
UDP: Final = 17
ICMPV6: Final = 58
LATER_FRAGMENT: Final = -1
"""In place of a protocol: what follows is from the middle of a packet and says nothing."""

IPV4_SIZE: Final = 20
IPV6_SIZE: Final = 40
IPV4_PROTOCOL: Final = 9
IPV6_NEXT_HEADER: Final = 6
"""Offsets in the IP headers."""

_FRAGMENT: Final = 44
_EXTENSIONS: Final = (0, 43, _FRAGMENT, 60)
_FRAGMENT_SIZE: Final = 8


class Upper(NamedTuple):
    """The header above IP: its protocol, its offset in the frame (it need not be there), and whether it is a packet's first fragment."""

    protocol: int
    at: int
    fragment: bool


def upper_v4(data: Buffer, network: int) -> Upper:
    """Behind an IPv4 header at `network`, which must be there."""
    word = data[network + 6] << 8 | data[network + 7]
    at = network + (data[network] & 0x0F) * 4
    if word & 0x1FFF:
        return Upper(LATER_FRAGMENT, at, fragment=True)
    return Upper(data[network + IPV4_PROTOCOL], at, fragment=bool(word & 0x2000))


def upper_v6(data: Buffer, network: int) -> Upper | None:
    """Behind an IPv6 header at `network`, which must be there, and its extension headers; None when one of these is cut short.

    A fragment header makes a packet a fragment, even where it is all of it.
    """
    protocol, at = data[network + IPV6_NEXT_HEADER], network + IPV6_SIZE
    end = len(data)
    fragment = False
    while protocol in _EXTENSIONS:
        if at + 2 > end:
            return None
        size = _FRAGMENT_SIZE if protocol == _FRAGMENT else 8 * (data[at + 1] + 1)
        if at + size > end:
            return None
        if protocol == _FRAGMENT:
            fragment = True
            if (data[at + 2] << 8 | data[at + 3]) & 0xFFF8:
                return Upper(LATER_FRAGMENT, at + size, fragment)
        protocol, at = data[at], at + size
    return Upper(protocol, at, fragment)


def packet_end(data: Buffer, network: int) -> int:
    """Where an IPv6 packet ends by its payload length, or the frame if that is earlier."""
    return min(len(data), network + IPV6_SIZE + (data[network + 4] << 8 | data[network + 5]))


_IP_SIZE: Final = {ETHERTYPE_IP: IPV4_SIZE, ETHERTYPE_IPV6: IPV6_SIZE}


def upper(data: Buffer, sap: int, network: int) -> Upper | None:
    """Behind the IP headers of a frame of ethertype `sap`; None for another type and for headers that are cut short."""
    if len(data) < network + _IP_SIZE.get(sap, len(data)):
        return None
    if sap == ETHERTYPE_IP:
        return upper_v4(data, network)
    return upper_v6(data, network) if sap == ETHERTYPE_IPV6 else None
