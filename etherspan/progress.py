"""What goes on while a command has nothing to show yet: lines on standard error, for whoever sits at a terminal.

Where standard error is no terminal nothing is said, so logs and pipes hold what they held.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Final

INTERVAL: Final = 1.0
"""Seconds from one line of a long run to the next."""


def tell(text: str) -> None:
    """Say what begins now, in a line."""
    if sys.stderr.isatty():
        print(text, file=sys.stderr, flush=True)


def steps(what: str, count: int, size: int) -> Iterator[int]:
    """Pieces of `count` that are `size` at most; between them it is said, about once a second, how far the whole has come."""
    told = time.monotonic()
    for done in range(0, count, size):
        yield min(size, count - done)
        if time.monotonic() - told >= INTERVAL:
            told = time.monotonic()
            tell(f"{what}: {min(done + size, count)} of {count}")
