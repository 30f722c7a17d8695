"""`priority`: low, medium or high."""

from __future__ import annotations

from typing import Final

from dladm.libdladm.propvalue.choice import Choice
from dladm.libdladm.status import Status
from kernel_sim.sys.mac_flow import MacPriority

CHOICE: Final = Choice(
    {"low": MacPriority.LOW, "medium": MacPriority.MEDIUM, "high": MacPriority.HIGH}, several=Status.BADVAL
)
"""Several values are BADVAL here."""

names = CHOICE.names
parse = CHOICE.parse
format = CHOICE.format  # noqa: A001
