"""Target ioctls of /dev/overlay, the conversation between the overlay driver and varpd (KRN 2)."""

from __future__ import annotations

import enum
from typing import Final

OVERLAY_TARG_IOCTL: Final = 0x6F767400
OVERLAY_TARG_INFO: Final = OVERLAY_TARG_IOCTL | 0x01
OVERLAY_TARG_ASSOCIATE: Final = OVERLAY_TARG_IOCTL | 0x02
OVERLAY_TARG_DISASSOCIATE: Final = OVERLAY_TARG_IOCTL | 0x03
OVERLAY_TARG_DEGRADE: Final = OVERLAY_TARG_IOCTL | 0x04
OVERLAY_TARG_RESTORE: Final = OVERLAY_TARG_IOCTL | 0x05
OVERLAY_TARG_LOOKUP: Final = OVERLAY_TARG_IOCTL | 0x10
OVERLAY_TARG_RESPOND: Final = OVERLAY_TARG_IOCTL | 0x11
OVERLAY_TARG_DROP: Final = OVERLAY_TARG_IOCTL | 0x12
OVERLAY_TARG_INJECT: Final = OVERLAY_TARG_IOCTL | 0x13
OVERLAY_TARG_PKT: Final = OVERLAY_TARG_IOCTL | 0x14
OVERLAY_TARG_RESEND: Final = OVERLAY_TARG_IOCTL | 0x15
OVERLAY_TARG_LIST: Final = OVERLAY_TARG_IOCTL | 0x20
OVERLAY_TARG_CACHE_GET: Final = OVERLAY_TARG_IOCTL | 0x30
OVERLAY_TARG_CACHE_SET: Final = OVERLAY_TARG_IOCTL | 0x31
OVERLAY_TARG_CACHE_REMOVE: Final = OVERLAY_TARG_IOCTL | 0x32
OVERLAY_TARG_CACHE_FLUSH: Final = OVERLAY_TARG_IOCTL | 0x33
OVERLAY_TARG_CACHE_ITER: Final = OVERLAY_TARG_IOCTL | 0x34


class TargMode(enum.IntEnum):
    """How destinations are found: one for all, or a lookup per MAC address."""

    NONE = 0
    POINT = 1
    DYNAMIC = 2


class TargInfoFlag(enum.IntFlag):
    """Flags that INFO reports."""

    NONE = 0
    ACTIVE = 0x1
    DEGRADED = 0x2


class DstType(enum.IntEnum):
    """Kind of the destination address in a LOOKUP reply."""

    UNICAST = 0
    MULTICAST = 1
    BROADCAST = 2


OVERLAY_TARGET_CACHE_DROP: Final = 0x01
"""Flag of a cache entry: frames to that address are dropped."""

OVERLAY_TARGET_ITER_MAX: Final = 500
"""Most entries a CACHE_ITER may ask for (E2BIG above)."""
VARPD_ITER_MAX: Final = 200
"""Most entries varpd asks for in one CACHE_ITER."""
OVERLAY_TARG_LIST_MAX: Final = 536870911
"""LIST with this many slots or more is EINVAL."""
OVERLAY_TARG_PKT_MAX: Final = 1518
"""Largest frame of INJECT and RESEND, bytes."""
OVERLAY_TARG_NO_LINK: Final = 2**64 - 1
"""`linkid` of INJECT and RESEND when the request id selects the device."""
LOOKUP_SECONDS: Final = 1.0
"""How long a LOOKUP waits before ETIME."""
PENDING_BYTES_MAX: Final = 131072
"""Bytes of frames parked for one MAC address (KRN-Q1)."""

MARKER_LEN: Final = 8
MARKER_BEGIN: Final = bytes(MARKER_LEN)
"""CACHE_ITER marker of a new walk: bytes 0-5 the MAC to resume at, bytes 6-7 non-zero when the walk is over."""
MARKER_DONE: Final = bytes(6) + b"\xff\xff"
