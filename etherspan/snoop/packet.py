"""A captured frame."""

from __future__ import annotations

from dataclasses import dataclass

from kernel_sim.sys.snoop import Way


@dataclass(slots=True, frozen=True)
class Packet:
    """A frame with its Ethernet header. `time` is in nanoseconds since 1970; `size` what was on the link, `data` what was kept of it.

    `drops` are frames that were lost for lack of room before this one; `reason` says why the link has dropped it, if it has.
    """

    time: int
    size: int
    data: bytes
    way: Way = Way.UNKNOWN
    reason: str = ""
    drops: int = 0
