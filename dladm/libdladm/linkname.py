"""Which names a link may have (DLM 1.6)."""

from __future__ import annotations

import re

from kernel_sim.sys.dld import MAXLINKNAMELEN

_SHAPE = re.compile(r"(?:[A-Za-z0-9_.]*[A-Za-z_.])(?:0|[1-9][0-9]*)", re.ASCII)


def is_valid(name: str) -> bool:
    """True for 1 to 31 of `A-Z a-z 0-9 _ .` that begin with no digit and end in a number without leading zeros.

    The number is the whole run of digits at the end: `ov01` is refused, `ov0` and `ov10` are not.
    """
    return len(name) < MAXLINKNAMELEN and not name[:1].isdigit() and _SHAPE.fullmatch(name) is not None
