"""What becomes of a frame that fails a check."""

from __future__ import annotations

import enum


class ProtectDrop(enum.StrEnum):
    """A type of protection that a frame fails. The values are the names of the counters, in `ClientStats` and in `mac_misc_stat`."""

    MACSPOOFED = "macspoofed"
    RESTRICTED = "restricted"
    IPSPOOFED = "ipspoofed"
    DHCPSPOOFED = "dhcpspoofed"
