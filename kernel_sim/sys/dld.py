"""Generic link ioctls of /dev/dld, link classes, and link properties that the mac layer answers (DLM 6.1, KRN 6.11, 6.12)."""

from __future__ import annotations

import enum
from typing import Final

DLD_MODID: Final = 0x0D1D
DLDIOC_ATTR: Final = 0x0D1D0003
DLDIOC_PHYS_ATTR: Final = 0x0D1D0005
DLDIOC_MACADDRGET: Final = 0x0D1D0015
DLDIOC_SETMACPROP: Final = 0x0D1D001B
DLDIOC_GETMACPROP: Final = 0x0D1D001C

MAXLINKNAMELEN: Final = 32
"""Bytes of a link name with its NUL."""
MAXLINKPROPNAME: Final = 256
"""Bytes of a link property name with its NUL."""
DATALINK_INVALID_LINKID: Final = 0
DATALINK_MAX_LINKID: Final = 0xFFFFFFFF
DL_ETHER: Final = 4
"""The media type of every link here."""


def modid(command: int) -> int:
    """The module id in the upper half of a /dev/dld command word."""
    return command >> 16


class DatalinkClass(enum.IntEnum):
    """Link classes; values combine into masks with `|`."""

    PHYS = 0x001
    VLAN = 0x002
    AGGR = 0x004
    VNIC = 0x008
    ETHERSTUB = 0x010
    SIMNET = 0x020
    BRIDGE = 0x040
    IPTUN = 0x080
    PART = 0x100
    OVERLAY = 0x200

    @property
    def label(self) -> str:
        """The name that `dladm` prints, `phys` … `overlay`."""
        return self.name.lower()


DATALINK_CLASS_ALL: Final = 0x3FF
"""The mask of all classes."""


class DatalinkFlag(enum.IntFlag):
    """Where a link exists: in the running system, in datalink.conf."""

    NONE = 0
    ACTIVE = 0x1
    PERSIST = 0x2


class LinkState(enum.IntEnum):
    """State of a link (KRN 6.12)."""

    UNKNOWN = -1
    DOWN = 0
    UP = 1


class LinkDuplex(enum.IntEnum):
    """Duplex of a link."""

    UNKNOWN = 0
    HALF = 1
    FULL = 2


class MacProp(enum.IntEnum):
    """Link properties by their numbers; `codec.macprop_value` and `macprop_read` know the layout of each value."""

    PRIVATE = -1
    DUPLEX = 1
    SPEED = 2
    STATUS = 3
    AUTONEG = 4
    EN_AUTONEG = 5
    MTU = 6
    ZONE = 7
    AUTOPUSH = 8
    FLOWCTRL = 9
    TAGMODE = 48
    PVID = 51
    LLIMIT = 52
    LDECAY = 53
    RESOURCE = 54
    RESOURCE_EFF = 55
    RXRINGSRANGE = 56
    TXRINGSRANGE = 57
    MAX_TX_RINGS_AVAIL = 58
    MAX_RX_RINGS_AVAIL = 59
    MAX_RXHWCLNT_AVAIL = 60
    MAX_TXHWCLNT_AVAIL = 61
    IB_LINKMODE = 62
    VN_PROMISC_FILTERED = 63
    SECONDARY_ADDRS = 64


class MacPropPerm(enum.IntFlag):
    """Permission bits of a link property, as GETMACPROP reports them."""

    NONE = 0
    READ = 0x01
    WRITE = 0x10
    RW = 0x11


class MacPropFlag(enum.IntFlag):
    """What GETMACPROP is asked for; neither: the current value."""

    CURRENT = 0
    DEFAULT = 0x1
    POSSIBLE = 0x2


class PropvalType(enum.IntEnum):
    """What a descriptor of possible values holds."""

    UINT8 = 0
    UINT32 = 1
    STRING = 2
