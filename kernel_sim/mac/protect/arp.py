"""The sender fields of ARP packets (RFC 826).

0 hardware type u16, 2 protocol type u16, 4 hardware length u8, 5 protocol length u8, 6 operation u16,
8 sender hardware address, sender protocol address, target hardware address, target protocol address
"""

from __future__ import annotations

from typing import Final, NamedTuple

from kernel_sim.sys.ethernet import ETHERADDRL
from kernel_sim.sys.message import Buffer

_HEADER_SIZE: Final = 8
_IPV4_ADDR_LEN: Final = 4


class ArpSender(NamedTuple):
    """Who sends an ARP packet; `mac` is empty where it has no hardware addresses."""

    mac: bytes
    ip: bytes


def read_sender(data: Buffer, at: int) -> ArpSender | None:
    """The sender in the packet at `at`; None when it is cut short, or its lengths are not 0 or 6, and 4."""
    if len(data) < at + _HEADER_SIZE:
        return None
    hardware, protocol = data[at + 4], data[at + 5]
    if hardware not in {0, ETHERADDRL} or protocol != _IPV4_ADDR_LEN:
        return None
    sender = at + _HEADER_SIZE
    if len(data) < sender + 2 * (hardware + protocol):
        return None
    ip = sender + hardware
    return ArpSender(bytes(data[sender:ip]), bytes(data[ip : ip + _IPV4_ADDR_LEN]))
