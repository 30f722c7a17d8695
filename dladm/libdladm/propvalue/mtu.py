"""`mtu`: bytes, written like an integer of C: decimal, `0x` hexadecimal, `0` octal."""

from __future__ import annotations

from collections.abc import Sequence

from dladm.libdladm.propvalue._number import strtoul
from dladm.libdladm.status import DladmError, Status


def parse(values: Sequence[str]) -> int:
    """The number. What does not begin with a number reads as 0, which every link refuses in its turn (DLM 5.6).

    Errors: `DladmError`: BADVAL for another number of values than one; BADARG for a number that something follows (DLM-Q17).
    """
    if len(values) != 1:
        raise DladmError(Status.BADVAL)
    number, rest, _ = strtoul(values[0])
    if rest not in ("", values[0]):
        raise DladmError(Status.BADARG)
    return number


def format(mtu: int) -> tuple[str, ...]:  # noqa: A001
    """Decimal digits."""
    return (str(mtu),)
