"""`rxrings`, `txrings`: how many hardware rings of its own a link wants: a number, `hw` for any number, `sw` for none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dladm.libdladm.propvalue._number import strtoul
from dladm.libdladm.status import DladmError, Status


@dataclass(slots=True, frozen=True)
class Rings:
    """`unspecified`: hardware rings in any number (`MrpMask.RXRINGS_UNSPEC`, `TXRINGS_UNSPEC`); else `count` of them.

    A count of 0 stands for software rings.
    """

    count: int = 0
    unspecified: bool = False


HARDWARE: Final = Rings(unspecified=True)
SOFTWARE: Final = Rings()
_WORDS: Final = {"hw": HARDWARE, "sw": SOFTWARE}


def parse(values: Sequence[str]) -> Rings:
    """`hw` and `sw` in any case, of which the first two letters count, or a number in C's notation.

    Errors: `DladmError` BADVAL for another number of values than one, for 0, for what is no number and for what follows one (DLM-Q17).
    """
    if len(values) != 1:
        raise DladmError(Status.BADVAL)
    word = _WORDS.get(values[0][:2].lower())
    if word is not None:
        return word
    count, rest, fits = strtoul(values[0])
    if rest or not fits or count == 0:
        raise DladmError(Status.BADVAL)
    return Rings(count)


def format(rings: Rings) -> tuple[str, ...]:  # noqa: A001
    """`hw`, `sw` or the number."""
    if rings.unspecified:
        return ("hw",)
    return (str(rings.count) if rings.count else "sw",)
