"""The simulated kernel's event loop: epoll, timers, and a stop that signal handlers may call."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import os
import select
import socket
import time
from collections.abc import Callable, Sequence
from typing import Final

EventHandler = Callable[[int], None]
"""Called with the epoll events of a descriptor. They are a hint: the descriptor may have been drained meanwhile."""

_EVENTS_MAX: Final = 256

Wait = Callable[[float], Sequence[tuple[int, int]]]
"""Waits for events, for so many seconds (-1: without end). Gives what is ready: descriptors and their events."""


class LoopTimer:
    """See `ddi.Timer`."""

    __slots__ = ("_callback", "_forgotten")

    def __init__(self, callback: Callable[[], None], forgotten: Callable[[], None]) -> None:
        self._callback: Callable[[], None] | None = callback
        self._forgotten = forgotten

    def cancel(self) -> None:
        """See `ddi.Timer.cancel`."""
        if self._callback is not None:
            self._callback = None
            self._forgotten()

    @property
    def pending(self) -> bool:
        """Neither made nor cancelled."""
        return self._callback is not None

    def fire(self) -> None:
        """Make the call, unless it was made or cancelled."""
        callback, self._callback = self._callback, None
        if callback is not None:
            callback()


class Loop:
    """Callbacks on descriptors and on time, in one thread. Implements `ddi.Clock`.

    `waker` is a descriptor; a byte written to it ends a wait. An exception that a callback raises leaves `run`: to the simulated kernel it
    is a panic.
    """

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._handlers: dict[int, EventHandler] = {}
        self._timers: list[tuple[float, int, LoopTimer]] = []
        self._cancelled = 0
        self._order = itertools.count()
        self._stopping = False
        self.disturbed: Callable[[], None] = _nothing
        """Called before whatever is not data path: what was found out about ways through the kernel may not hold any more."""
        self.wait: Wait = self.poll
        """How to wait; somebody who deals with some events himself may put something else here."""
        self._wakeup, self.waker = (end.detach() for end in _nonblocking_pair())
        self.register(self._wakeup, self._woken)

    # ------------------------------------------------------------------ descriptors

    def register(self, fd: int, handler: EventHandler, events: int = select.EPOLLIN, *, data: bool = False) -> None:
        """Call `handler` while one of `events` holds (errors and hang-ups are always reported).

        `data`: frames come this way, and their passing changes nothing that somebody has configured or answered.
        """
        self._epoll.register(fd, events)
        self._handlers[fd] = handler if data else lambda happened: self._disturb(handler, happened)

    def _disturb(self, handler: EventHandler, events: int) -> None:
        self.disturbed()
        handler(events)

    def modify(self, fd: int, events: int) -> None:
        """Wait for other events of a registered descriptor."""
        self._epoll.modify(fd, events)

    def unregister(self, fd: int) -> None:
        """Forget a descriptor; to be called before it is closed."""
        del self._handlers[fd]
        self._epoll.unregister(fd)

    def poll(self, timeout: float) -> Sequence[tuple[int, int]]:
        """See `Wait`."""
        return self._epoll.poll(timeout, _EVENTS_MAX)

    def fileno(self) -> int:
        """The descriptor of the set of descriptors waited for."""
        return self._epoll.fileno()

    # ------------------------------------------------------------------ time

    def now(self) -> float:
        """See `ddi.Clock.now`."""
        return time.monotonic()

    def call_later(self, seconds: float, callback: Callable[[], None]) -> LoopTimer:
        """See `ddi.Clock.call_later`. Calls of one moment are made in the order they were asked for."""
        timer = LoopTimer(callback, self._forgotten)
        heapq.heappush(self._timers, (time.monotonic() + max(0.0, seconds), next(self._order), timer))
        return timer

    def _forgotten(self) -> None:
        """Count a cancelled timer; when most are, drop them, so that far-off ones do not pile up."""
        self._cancelled += 1
        if self._cancelled > 64 and self._cancelled * 2 > len(self._timers):
            self._timers = [entry for entry in self._timers if entry[2].pending]
            heapq.heapify(self._timers)
            self._cancelled = 0

    def _fire_due(self) -> None:
        """Make the calls that were due when this began; what they ask for anew waits for the next round."""
        now = time.monotonic()
        last = next(self._order)
        while self._timers and self._timers[0][0] <= now and self._timers[0][1] < last:
            _, _, timer = heapq.heappop(self._timers)
            if timer.pending:
                self.disturbed()
                timer.fire()
            else:
                self._cancelled -= 1

    def _timeout(self) -> float:
        """Seconds until the next timer, -1 without one."""
        return max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else -1

    # ------------------------------------------------------------------ running

    def run(self) -> None:
        """Work until `stop` is called; return at once when it has been."""
        while not self._stopping:
            self._round(self._timeout())

    def run_once(self, seconds: float = 0.0) -> None:
        """Work on what is ready, waiting for it at most that long."""
        timeout = self._timeout()
        self._round(seconds if timeout < 0 else min(seconds, timeout))

    def _round(self, timeout: float) -> None:
        handlers = self._handlers
        for fd, events in self.wait(timeout):
            handler = handlers.get(fd)  # an earlier handler of this round may have closed it
            if handler is not None:
                handler(events)
        if self._timers:
            self._fire_due()

    def stop(self) -> None:
        """End `run` after the present round. May be called from a signal handler or another thread."""
        self._stopping = True
        with contextlib.suppress(BlockingIOError):  # full: it will wake up
            os.write(self.waker, b"\0")

    def _woken(self, _events: int) -> None:
        os.read(self._wakeup, 4096)

    def close(self) -> None:
        """Close the loop's own descriptors; those registered stay open and belong to who opened them."""
        self._handlers.clear()
        self._timers.clear()
        os.close(self._wakeup)
        os.close(self.waker)
        self._epoll.close()


def _nonblocking_pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)


def _nothing() -> None:
    """Nobody wants to know."""
