"""The addresses of a server's name, asked for again and again (SVP 9, DNS).

A name is looked up at once, then every 30 ticks; never twice at a time. What the resolver says for a moment only is asked again with
the next tick: the original asks again at once, without an end.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Final

RESOLVE_PERIOD: Final = 30
"""Ticks between two lookups of a name."""


class Failure(enum.Enum):
    """Why there are no addresses."""

    TEMPORARY = "the resolver cannot say now"
    UNKNOWN = "there is no such name, or it has no addresses"


class Host:
    """See the module. `resolve` begins a lookup, whose end is told to `resolved` or `failed`."""

    def __init__(self, resolve: Callable[[], None]) -> None:
        self._resolve = resolve
        self._running = False
        self._queued = False
        self._timer = RESOLVE_PERIOD
        self._soon = False

    def start(self) -> None:
        """Look the name up for the first time."""
        self._look_up()

    def tick(self) -> None:
        """A second has passed."""
        self._timer -= 1
        if not self._timer:
            self._timer = RESOLVE_PERIOD
            self._look_up()
        elif self._soon:
            self._look_up()

    def resolved(self) -> None:
        """The lookup is over."""
        self._ended()

    def failed(self, failure: Failure) -> None:
        """The lookup is over, without a result."""
        self._ended()
        self._soon = failure is Failure.TEMPORARY

    def _look_up(self) -> None:
        if self._running:
            self._queued = True
            return
        self._soon = False
        self._running = True
        self._resolve()

    def _ended(self) -> None:
        self._running = False
        if self._queued:
            self._queued = False
            self._look_up()
