"""Resource properties of a link: bandwidth, priority, CPUs, link protection, rings (KRN 6.14, DLM 5.6).

The numbers are those of the original's resource structure; `codec.MacResourceProps` is the structure itself.
"""

from __future__ import annotations

import enum
from typing import Final

MRP_NCPUS: Final = 128
"""The most CPUs of one link."""
MRP_MAXBW_RESETVAL: Final = (1 << 64) - 1
"""A bandwidth of this many bit/s takes the limit away."""
MRP_MAXBW_MINVAL: Final = 1_200_000
"""The lowest limit, bit/s."""
MPT_RESET: Final = 0xFFFFFFFF
"""As types of protection, as a count of addresses or client ids, or as the mask of dynamic methods: none any more."""
MPT_MAXIPADDR: Final = 32
MPT_MAXCID: Final = 32
MPT_MAXCIDLEN: Final = 256
MPT_MAXMACADDR: Final = 32
"""The room for secondary MAC addresses; a link has at most one less."""
MAXPATHLEN: Final = 1024


class MrpMask(enum.IntFlag):
    """Which of the properties a resource structure holds."""

    NONE = 0
    MAXBW = 0x001
    CPUS = 0x002
    CPUS_USERSPEC = 0x004
    PRIORITY = 0x008
    PROTECT = 0x010
    RX_RINGS = 0x020
    TX_RINGS = 0x040
    RXRINGS_UNSPEC = 0x080
    TXRINGS_UNSPEC = 0x100
    RINGS_RESET = 0x200
    POOL = 0x400


class MacPriority(enum.IntEnum):
    """Priority of a link; RESET stands for the default, HIGH."""

    LOW = 0
    MEDIUM = 1
    HIGH = 2
    RESET = 3


class MacProtect(enum.IntFlag):
    """Types of link protection (KRN 6.14)."""

    NONE = 0
    MACNOSPOOF = 0x1
    RESTRICTED = 0x2
    IPNOSPOOF = 0x4
    DHCPNOSPOOF = 0x8


class DynamicMethod(enum.IntFlag):
    """How a guest may come by addresses that are not in allowed-ips."""

    NONE = 0
    DHCPV4 = 0x1
    DHCPV6 = 0x2
    SLAAC = 0x4


class CidForm(enum.IntEnum):
    """How a DHCP client id was written: `1.MAC` or `DUID` text, hexadecimal digits, or a string."""

    TYPED = 1
    HEX = 2
    STR = 3


class TagMode(enum.IntEnum):
    """Whether frames of VLAN 0 with a priority leave tagged."""

    VLANONLY = 0
    NORMAL = 1
