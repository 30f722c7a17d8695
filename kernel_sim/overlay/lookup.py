"""The queue of lookups nobody has answered: entries waiting for a reader, and readers waiting for an entry (KRN 2.3, 2.7).

One queue serves all devices. An entry is here, at one handle, or nowhere (KRN-I13).
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator, MutableMapping
from typing import Protocol

from kernel_sim.ddi import Clock, Timer
from kernel_sim.sys.codec import Point, TargLookup
from kernel_sim.sys.message import Buffer
from kernel_sim.sys.overlay_target import LOOKUP_SECONDS


class Injectable(Protocol):
    """What INJECT and RESEND do to a device."""

    def inject(self, frame: bytes) -> None:
        """As if it had come from the wire."""

    def resend(self, frame: bytes) -> None:
        """As if the mac layer had sent it."""


class PendingLookup(Protocol):
    """An entry of a target's cache that waits for an answer, with the frames parked for it."""

    @property
    def reqid(self) -> int:
        """Stable while the entry lives, and no other's."""

    @property
    def device(self) -> Injectable:
        """Whose frames they are."""

    @property
    def target(self) -> object:
        """Whose entry it is."""

    @property
    def pending(self) -> bool:
        """An answer is still wanted."""

    holder: MutableMapping[int, PendingLookup] | None
    """Where it is handed out: the outstanding lookups of a handle."""

    def describe(self) -> TargLookup | None:
        """What LOOKUP says about the frame at the head; None when there is nothing to say: it is queued again if it is still pending."""

    def head(self) -> Buffer | None:
        """The frame at the head, None when nothing is parked."""

    def respond(self, point: Point) -> None:
        """The answer: send what is parked there."""

    def drop(self) -> None:
        """No answer: drop the frame at the head, and ask again if more are parked."""

    def give_back(self) -> bool:
        """Its handle has closed; True when it is to be queued again."""


class Waiter:
    """A LOOKUP that waits. Exactly one of its two callbacks is called, unless it is cancelled."""

    __slots__ = ("deliver", "expire", "timer", "waiting")

    def __init__(self, deliver: Callable[[PendingLookup, TargLookup], None], expire: Callable[[], None]) -> None:
        self.deliver = deliver
        self.expire = expire
        self.waiting = True
        self.timer: Timer | None = None

    def stop(self) -> None:
        """It waits no longer."""
        self.waiting = False
        if self.timer is not None:
            self.timer.cancel()


class LookupQueue:
    """First in, first out, on both sides."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._reqids = itertools.count(1)
        self._entries: deque[PendingLookup] = deque()
        self._waiters: deque[Waiter] = deque()

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[PendingLookup]:
        """The entries that wait, in order."""
        return iter(self._entries)

    def new_reqid(self) -> int:
        """A request id nobody had."""
        return next(self._reqids)

    def forget(self, target: object) -> None:
        """Take out what belongs to a target."""
        self._entries = deque(entry for entry in self._entries if entry.target is not target)

    def enqueue(self, *entries: PendingLookup) -> None:
        """Append entries and serve who waits (KRN-Q17: everybody there is an entry for)."""
        self._entries.extend(entries)
        self._serve()

    def wait(self, waiter: Waiter) -> None:
        """Give the waiter the entry at the head, at once or within a second; `expire` it after that (KRN-I21).

        The second counts from this call: entries looked at and forgotten do not prolong it.
        """
        self._waiters.append(waiter)
        self._serve()
        if waiter.waiting:
            waiter.timer = self.clock.call_later(LOOKUP_SECONDS, lambda: self._expire(waiter))

    def cancel(self, waiter: Waiter) -> None:
        """Wait no longer, and call nothing back."""
        if waiter.waiting:
            self._waiters.remove(waiter)
            waiter.stop()

    def _serve(self) -> None:
        while self._entries and self._waiters:
            entry = self._entries.popleft()
            described = entry.describe()
            if described is None:
                if entry.pending:
                    self._entries.append(entry)
                continue
            waiter = self._waiters.popleft()
            waiter.stop()
            waiter.deliver(entry, described)

    def _expire(self, waiter: Waiter) -> None:
        self._waiters.remove(waiter)
        waiter.stop()
        waiter.expire()
