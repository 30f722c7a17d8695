"""Numbers as C's strtoul and strtol read them: what counts, what is left over."""

from __future__ import annotations

import re
from typing import Final

ULONG_MAX: Final = (1 << 32) - 1
"""dladm is a 32-bit program."""
_ANY_BASE: Final = re.compile(r"[ \t-\r]*([+-]?)(?:0[xX]([0-9a-fA-F]+)|(0[0-7]*)|([1-9][0-9]*))", re.ASCII)


def strtoul(text: str) -> tuple[int, str, bool]:
    """A number in C's notation (`0x`, `0`, decimal), what follows it, and whether it fitted into 32 bits.

    Without digits the number is 0 and all of the text follows. A minus sign negates modulo 2**32; what does not fit is the largest number.
    """
    found = _ANY_BASE.match(text)
    if found is None:
        return 0, text, True
    sign, hexadecimal, octal, decimal = found.groups()
    magnitude = int(hexadecimal, 16) if hexadecimal else int(octal, 8) if octal else int(decimal)
    fits = magnitude <= ULONG_MAX
    number = min(magnitude, ULONG_MAX)
    return (-number if sign == "-" and fits else number) & ULONG_MAX, text[found.end() :], fits
