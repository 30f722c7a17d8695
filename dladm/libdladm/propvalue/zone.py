"""`zone`: the name of a zone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dladm.libdladm.status import DladmError, Status

GLOBAL: Final = "global"
"""What the host itself is called where a zone is wanted."""


def parse(values: Sequence[str]) -> str:
    """The zone's name, empty for the host itself (`global`). Errors: `DladmError` BADVALCNT for another number of values than one."""
    if len(values) != 1:
        raise DladmError(Status.BADVALCNT)
    return "" if values[0] == GLOBAL else values[0]


def format(zone: str) -> tuple[str, ...]:  # noqa: A001
    """The zone's name; nothing for the host itself."""
    return (zone,) if zone else ()
