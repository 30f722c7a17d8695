"""VNIC ioctls of /dev/dld (KRN 6.4)."""

from __future__ import annotations

import enum
from typing import Final

VNIC_MODID: Final = 0x0171
VNIC_IOC_CREATE: Final = 0x01710001
VNIC_IOC_DELETE: Final = 0x01710002
VNIC_IOC_INFO: Final = 0x01710003
VNIC_IOC_MODIFY: Final = 0x01710004

MAXMACADDRLEN: Final = 20
"""Room for an address in the argument structures, bytes."""
VNIC_AF_INET: Final = 2
VNIC_AF_INET6: Final = 26
"""Address families of a VRRP VNIC, by their illumos numbers."""
VNIC_NO_SLOT: Final = -1
"""`mac_slot` when no factory address slot is meant."""


class VnicMacAddrType(enum.IntEnum):
    """Where a VNIC's address comes from."""

    UNKNOWN = -1
    FIXED = 0
    RANDOM = 1
    FACTORY = 2
    AUTO = 3
    PRIMARY = 4
    VRID = 5


class VnicDiag(enum.IntEnum):
    """Why a VNIC ioctl failed, beside its errno."""

    NONE = 0
    MACADDR_NIC = 1
    MACADDR_INUSE = 2
    MACADDR_INVALID = 3
    MACADDRLEN_INVALID = 4
    MACFACTORYSLOTINVALID = 5
    MACFACTORYSLOTUSED = 6
    MACFACTORYSLOTALLUSED = 7
    MACFACTORYNOTSUP = 8
    MACPREFIX_INVALID = 9
    MACPREFIXLEN_INVALID = 10
    MACMARGIN_INVALID = 11
    NO_HWRINGS = 12
    MACMTU_INVALID = 13


class VnicCreateFlag(enum.IntFlag):
    """Flags of VNIC_IOC_CREATE: skip the duplicate check, make an etherstub, ignore a small margin."""

    NONE = 0
    NODUPCHECK = 0x1
    ANCHOR = 0x2
    FORCE = 0x4


class VnicModifyMask(enum.IntFlag):
    """What VNIC_IOC_MODIFY is to change."""

    NONE = 0
    ADDR = 0x1
    RESOURCE_CTL = 0x2
