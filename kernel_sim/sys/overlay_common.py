"""What the overlay driver, its plugins and search plugins agree on: parts of a destination, property types, texts."""

from __future__ import annotations

import enum
from typing import Final


class Dest(enum.IntFlag):
    """Parts of an underlay destination that a plugin needs or gives (KRN 2.1)."""

    NONE = 0
    ETHERNET = 0x01
    IP = 0x02
    PORT = 0x04


DEST_MASK: Final = Dest.ETHERNET | Dest.IP | Dest.PORT
DEST_IP_PORT: Final = Dest.IP | Dest.PORT


class PropType(enum.IntEnum):
    """Types of a property value (KRN 1.7): INT and UINT 8 bytes native, IP 16 bytes, STRING counts its NUL."""

    INT = 1
    UINT = 2
    IP = 3
    STRING = 4


class PropPerm(enum.IntFlag):
    """Permission bits of a property (KRN 1.7)."""

    REQ = 0x1
    READ = 0x2
    WRITE = 0x4
    RW = 0x6
    RRW = 0x7


OVERLAY_PROP_NAMELEN: Final = 64
"""Bytes of a property name with its NUL."""
OVERLAY_PROP_SIZEMAX: Final = 256
"""Largest property value, bytes."""
OVERLAY_STATUS_BUFLEN: Final = 256
"""Bytes of a status text with its NUL."""
