"""Is this a DHCP message? The ports tell, so where they are missing nothing can be told (KRN 6.14)."""

from __future__ import annotations

from typing import Final

from kernel_sim.mac.protect.ip import UDP, Upper
from kernel_sim.sys.message import Buffer

UDP_SIZE: Final = 8
OTHER: Final = 0
"""Not DHCP, or too short for a DHCP message."""
UNTELLABLE: Final = -1
"""The first fragment of a DHCP message, or a packet that ends inside its UDP header."""


def find_message(data: Buffer, upper: Upper, ports: tuple[int, int], smallest: int) -> int:
    """The offset of the message in a UDP datagram that has one of `ports` on either side; else OTHER or UNTELLABLE.

    Later fragments are OTHER: without its first fragment a packet is lost, whatever happens to them.
    """
    if upper.protocol != UDP:
        return OTHER
    at = upper.at
    message = at + UDP_SIZE
    if len(data) < message:
        return UNTELLABLE
    if (data[at] << 8 | data[at + 1]) not in ports and (data[at + 2] << 8 | data[at + 3]) not in ports:
        return OTHER
    if upper.fragment:
        return UNTELLABLE
    return message if len(data) >= message + smallest else OTHER
