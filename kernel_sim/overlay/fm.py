"""Fault management: which overlays are degraded, and when that degrades the driver as a whole (KRN 5).

Degradation is a report, nothing more: link state, forwarding and cache do not look at it (KRN-I32).
"""

from __future__ import annotations

import enum
from collections.abc import Callable


class Impact(enum.Enum):
    """What the driver instance reports about itself."""

    DEGRADED = "service degraded"
    RESTORED = "service restored"


class Fault:
    """The fault state of one device: None, or the message it was degraded with."""

    __slots__ = ("message",)

    def __init__(self) -> None:
        self.message: str | None = None

    @property
    def degraded(self) -> bool:
        return self.message is not None


class FaultManager:
    """Counts degraded devices; `report` hears of the first one and of the end of the last one."""

    def __init__(self, report: Callable[[Impact], None] | None = None) -> None:
        self.degraded = 0
        self._report = report

    def degrade(self, fault: Fault, message: str) -> None:
        """Degrade a device, or replace the message of one that is."""
        if not fault.degraded:
            self.degraded += 1
            if self.degraded == 1:
                self._tell(Impact.DEGRADED)
        fault.message = message

    def restore(self, fault: Fault) -> None:
        """End a device's degradation; nothing happens when it is not degraded. DELETE calls it too (KRN-Q29)."""
        if not fault.degraded:
            return
        fault.message = None
        self.degraded -= 1
        if self.degraded == 0:
            self._tell(Impact.RESTORED)

    def _tell(self, impact: Impact) -> None:
        if self._report is not None:
            self._report(impact)
