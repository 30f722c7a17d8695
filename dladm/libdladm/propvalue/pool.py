"""`pool`: the name of a CPU pool."""

from __future__ import annotations

from collections.abc import Sequence

from dladm.libdladm.status import DladmError, Status
from kernel_sim.sys.mac_flow import MAXPATHLEN


def parse(values: Sequence[str]) -> str:
    """The name as given.

    Errors: `DladmError`: BADVALCNT for another number of values than one; BADVAL for an empty name and for one of 1024 bytes or more.
    """
    if len(values) != 1:
        raise DladmError(Status.BADVALCNT)
    if not 0 < len(values[0].encode("utf-8", "surrogateescape")) < MAXPATHLEN:
        raise DladmError(Status.BADVAL)
    return values[0]


def format(pool: str) -> tuple[str, ...]:  # noqa: A001
    """The name; nothing for none."""
    return (pool,) if pool else ()
