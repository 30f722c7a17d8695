"""`cpus`: the processors that handle a link: numbers and rising ranges of numbers (`0,2-4`), at most 128 in all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from dladm.libdladm.status import DladmError, Status
from kernel_sim.sys.mac_flow import MRP_NCPUS

_RANGE: Final = re.compile(r"([0-9]+)(?:-([0-9]+))?", re.ASCII)


def parse(values: Sequence[str], *, present: int | None = None) -> tuple[int, ...]:
    """The numbers in the order given. `present`: how many processors the machine has; None: any number may be.

    Errors: `DladmError`, in this order: BADVALCNT for no value; BADRANGE for what is neither a number nor a rising range; TOOMANYELEMENTS
    for more than 128 numbers; BADCPUID for a processor that the machine does not have; BADVAL for a repeated one.
    """
    if not values:
        raise DladmError(Status.BADVALCNT)
    ranges = [_range(value) for value in values]
    if sum(map(len, ranges)) > MRP_NCPUS:
        raise DladmError(Status.TOOMANYELEMENTS)
    cpus = [cpu for numbers in ranges for cpu in numbers]
    if present is not None and max(cpus) >= present:
        raise DladmError(Status.BADCPUID)
    if len(set(cpus)) < len(cpus):
        raise DladmError(Status.BADVAL)
    return tuple(cpus)


def format(cpus: Sequence[int]) -> tuple[str, ...]:  # noqa: A001
    """Rising numbers, neighbours drawn together as ranges."""
    spans: list[tuple[int, int]] = []
    for cpu in sorted(cpus):
        if spans and cpu == spans[-1][1] + 1:
            spans[-1] = (spans[-1][0], cpu)
        else:
            spans.append((cpu, cpu))
    return tuple(f"{low}" if low == high else f"{low}-{high}" for low, high in spans)


def _range(value: str) -> range:
    found = _RANGE.fullmatch(value)
    if found is None:
        raise DladmError(Status.BADRANGE)
    low, high = int(found[1]), int(found[2] or found[1])
    if not low <= high < 1 << 31:
        raise DladmError(Status.BADRANGE)
    return range(low, high + 1)
