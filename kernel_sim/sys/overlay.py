"""Control ioctls of the overlay driver on /dev/dld (KRN 1.6, 1.7)."""

from __future__ import annotations

import enum
from typing import Final

OVERLAY_MODID: Final = 0x2005
OVERLAY_IOC_CREATE: Final = 0x20050001
OVERLAY_IOC_DELETE: Final = 0x20050002
OVERLAY_IOC_PROPINFO: Final = 0x20050003
OVERLAY_IOC_GETPROP: Final = 0x20050004
OVERLAY_IOC_SETPROP: Final = 0x20050005
OVERLAY_IOC_NPROPS: Final = 0x20050006
OVERLAY_IOC_ACTIVATE: Final = 0x20050007
OVERLAY_IOC_STATUS: Final = 0x20050008


class OverlayPropId(enum.IntEnum):
    """Ids of the generic properties; plugin property i has the id `GENERIC_PROPS + i`."""

    BY_NAME = -1
    MTU = 0
    VNETID = 1
    ENCAP = 2
    VARPD_ID = 3


GENERIC_PROPS: Final = 4
GENERIC_PROP_NAMES: Final = ("mtu", "vnetid", "encap", "varpd/id")

OVERLAY_MTU_MIN: Final = 576
OVERLAY_MTU_DEFAULT: Final = 1400
OVERLAY_MTU_MAX: Final = 8900


class OverlayStatusCode(enum.IntEnum):
    """What STATUS reports (KRN 1.8)."""

    OK = 0
    DEGRADED = 1
