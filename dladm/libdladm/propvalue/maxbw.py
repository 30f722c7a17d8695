"""`maxbw`: a bandwidth limit in bit/s: a decimal number and K, M or G (powers of 10), M if nothing follows."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from dladm.libdladm.status import DladmError, Status
from kernel_sim.sys.mac_flow import MRP_MAXBW_MINVAL

UNITS: Final = {"K": 1_000, "M": 1_000_000, "": 1_000_000, "G": 1_000_000_000}
_AMOUNT: Final = re.compile(r"([+-]?[0-9]+)(.*)", re.ASCII | re.DOTALL)
_INT64: Final = 1 << 63
_UINT64: Final = 1 << 64


def parse(values: Sequence[str]) -> int:
    """Bit/s; 0 is a value too.

    Errors: `DladmError`: BADVALCNT for another number of values than one; BADARG for what does not begin with a number (the original
    reads a lone unit as 0), for more than one character after it, and for what does not fit into 64 bits; NOTSUP for a percentage;
    BADVAL for another unit and for a negative number; MINMAXBW below 1200K.
    """
    if len(values) != 1:
        raise DladmError(Status.BADVALCNT)
    found = _AMOUNT.fullmatch(values[0])
    if found is None or len(found[2]) > 1:
        raise DladmError(Status.BADARG)
    number, unit = int(found[1]), found[2].upper()
    if abs(number) >= _UINT64:
        raise DladmError(Status.BADARG)
    if not 0 <= number < _INT64:
        raise DladmError(Status.BADVAL)
    if unit not in UNITS:
        raise DladmError(Status.NOTSUP if unit == "%" else Status.BADVAL)
    rate = number * UNITS[unit]
    if rate >= _UINT64:
        raise DladmError(Status.BADARG)
    if 0 < rate < MRP_MAXBW_MINVAL:
        raise DladmError(Status.MINMAXBW)
    return rate


def format(rate: int) -> tuple[str, ...]:  # noqa: A001
    """Whole Mbit/s right-aligned in five columns, with three decimals where there are kbit/s beside them."""
    mega, rest = divmod(rate, 1_000_000)
    kilo = rest // 1_000
    return (f"{mega:5}.{kilo:03}" if kilo else f"{mega:5}",)
