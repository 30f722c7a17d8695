"""A virtual clock and an asyncio event loop in one: everything of a world in memory runs on it, and nothing else makes time pass.

    loop = SimLoop()
    loop.call_later(1.5, print, "half past one")
    loop.advance(2.0)                                # prints at 1.5
    answer = loop.run_until(ask())                   # a coroutine; time passes as far as it needs

It is `kernel_sim.ddi.Clock` for the simulated kernel and the event loop of the daemons that are written in asyncio. There are no threads,
no sockets and no real time in it, so the same calls give the same order of events:

* what is ready runs in the order it became so;
* timers run at their moment, those of one moment in the order they were asked for;
* a moment is over when nothing is ready and no timer is due; only then does the clock move, straight to the next timer.

An exception that a callback raises, and one that nobody took from a task, leaves `run`, `advance` and `run_until`.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import itertools
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from contextvars import Context, ContextVar
from typing import TYPE_CHECKING, Any, Final, TypeVar, TypeVarTuple

from etherspan.testing.sim.streams import StreamNetwork

RESTLESS: Final = 1_000_000
"""Callbacks in one moment after which it is plain that it never ends."""
PATIENCE: Final = 3600.0
"""Seconds of virtual time that `run_until` gives its work."""

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")


TASKS: ContextVar[dict[asyncio.Task[Any], None] | None] = ContextVar("tasks", default=None)
"""Where tasks that begin in this context are noted while they last, in the order they began."""


class StalledError(RuntimeError):
    """What was waited for cannot come: nothing is left that could happen, or too much has happened without it."""


if (
    TYPE_CHECKING
):  # to the type checker every operation of an AbstractEventLoop has to be there; here sockets and threads are not
    from asyncio import BaseEventLoop as _EventLoop
else:
    from asyncio import AbstractEventLoop as _EventLoop


class SimLoop(_EventLoop):
    """See the module. Times are seconds since the loop was made."""

    def __init__(self) -> None:
        self._now = 0.0
        self._order = itertools.count()
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._faults: list[BaseException] = []
        self._calls = 0
        self._stopping = False
        self._closed = False
        self.streams: StreamNetwork | None = None
        """What code that connects and listens meets; without one it cannot."""

    # ------------------------------------------------------------------ time

    def time(self) -> float:
        """The moment it is."""
        return self._now

    def now(self) -> float:
        """See `kernel_sim.ddi.Clock`."""
        return self._now

    def call_at(
        self, when: float, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call back at a moment; one that is past is now."""
        when = max(when, self._now)
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._order), timer))
        return timer

    def call_later(
        self, seconds: float, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call back after some time. See also `kernel_sim.ddi.Clock`."""
        return self.call_at(self._now + seconds, callback, *args, context=context)

    def call_soon(
        self, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """Call back in this moment, after what is ready already."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.Handle:
        """There is one thread."""
        return self.call_soon(callback, *args, context=context)

    @property
    def pending(self) -> int:
        """Calls that are still to be made, now or later."""
        return len(self._ready) + sum(not timer.cancelled() for _, _, timer in self._timers)

    # ------------------------------------------------------------------ turning it

    def run(self) -> None:
        """Do all that is ready or due now, and what comes of it in the same moment."""
        self.advance(0.0)

    def advance(self, seconds: float) -> None:
        """Let time pass, each thing happening at its moment."""
        end = self._now + seconds
        with self._turning():
            while self._step(end):
                pass
            self._now = max(self._now, end)

    def run_until(self, work: Awaitable[_T], *, limit: float = PATIENCE) -> _T:
        """Let time pass until `work` is done, and not longer; its result.

        Errors: `StalledError` when nothing is left that could finish it, or it is not done after `limit` seconds.
        """
        future = asyncio.ensure_future(work, loop=self)
        end = self._now + limit
        with self._turning():
            while not future.done():
                if not self._step(end):
                    what = "nothing is left to happen"
                    if self.pending:
                        what = f"{limit:g} s have passed"
                        self._now = end
                    stalled = StalledError(f"{what}, and {future!r} is not done")
                    future.cancel()
                    raise stalled
        return future.result()

    def advance_until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Let time pass until a condition holds, at most so long; whether it holds."""
        end = self._now + seconds
        with self._turning():
            while not condition():
                if not self._step(end):
                    self._now = max(self._now, end)
                    return condition()
        return True

    def settle(self, *, limit: float = PATIENCE) -> None:
        """Let time pass until nothing is left to do. Errors: `StalledError`."""
        end = self._now + limit
        with self._turning():
            while self._step(end):
                pass
            if self.pending:
                raise StalledError(f"after {limit:g} s something is still going on")

    def _step(self, end: float) -> bool:
        """Make one call, moving on to the next timer that is due by `end` if nothing is ready; False if there is none."""
        while not self._ready:
            if not self._next_moment(end):
                return False
        handle = self._ready.popleft()
        if not handle.cancelled():
            self._calls += 1
            if self._calls > RESTLESS:
                raise StalledError(f"{RESTLESS} calls at {self._now:g} s, and still no rest")
            handle._run()  # noqa: SLF001 - how asyncio's loops make a call
            self._raise_fault()
        return True

    def _next_moment(self, end: float) -> bool:
        """Make ready the timers of the next moment that has any."""
        timers = self._timers
        while timers and timers[0][2].cancelled():
            heapq.heappop(timers)
        if not timers or timers[0][0] > end:
            return False
        if timers[0][0] > self._now:
            self._now = timers[0][0]
            self._calls = 0
        while timers and timers[0][0] <= self._now:
            self._ready.append(heapq.heappop(timers)[2])
        return True

    @contextlib.contextmanager
    def _turning(self) -> Iterator[None]:
        if self._closed:
            raise RuntimeError("the loop is closed")
        if asyncio._get_running_loop() is not None:  # noqa: SLF001 - named with an underscore, but meant for loops
            raise RuntimeError("a loop is running: only code outside it may let time pass")
        asyncio._set_running_loop(self)  # noqa: SLF001
        try:
            self._raise_fault()
            yield
        finally:
            asyncio._set_running_loop(None)  # noqa: SLF001

    def _raise_fault(self) -> None:
        if self._faults:
            fault, self._faults = self._faults[0], []
            raise fault

    # ------------------------------------------------------------------ what asyncio asks of a loop

    def run_forever(self) -> None:
        """Let time pass until `stop` is called. Errors: `StalledError` when nothing is left that could call it."""
        self._stopping = False
        with self._turning():
            while not self._stopping:
                if not self._step(float("inf")):
                    raise StalledError("nothing is left that could stop the loop")

    def run_until_complete(self, future: Generator[Any, None, _T] | Awaitable[_T]) -> _T:
        """As `run_until`, however long it takes."""
        return self.run_until(asyncio.ensure_future(future, loop=self), limit=float("inf"))  # type: ignore[arg-type]

    def stop(self) -> None:
        self._stopping = True

    def is_running(self) -> bool:
        return asyncio._get_running_loop() is self  # noqa: SLF001

    def is_closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        """Make no call any more."""
        self._closed = True
        self._ready.clear()
        self._timers.clear()

    def get_debug(self) -> bool:
        return False

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Coroutine[Any, Any, _T], **options: Any) -> asyncio.Task[_T]:  # type: ignore[override]
        task = asyncio.Task(coro, loop=self, **options)
        note = TASKS.get()
        if note is not None:
            note[task] = None
            task.add_done_callback(note.pop)
        return task

    async def create_server(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str | None = None,
        port: int | None = None,
        **options: Any,
    ) -> Any:
        """See `streams`. Options about sockets mean nothing here. Errors: `ValueError` one that cannot be left out."""
        _refuse(options)
        return await self._network().create_server(protocol_factory, host, port)

    async def create_connection(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str,
        port: int,
        *,
        local_addr: tuple[str, int] | None = None,
        **options: Any,
    ) -> Any:
        """See `streams` and `create_server`."""
        _refuse(options)
        return await self._network().create_connection(protocol_factory, host, port, local_addr)

    async def getaddrinfo(self, host: Any, port: Any, *, family: int = 0, **_: Any) -> Any:
        """See `streams`."""
        return await self._network().getaddrinfo(host, port, family)

    def _network(self) -> StreamNetwork:
        if self.streams is None:
            raise RuntimeError("this loop has no network: set `streams`")
        return self.streams

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """What nobody caught leaves the loop at its next turn."""
        fault = context.get("exception")
        self._faults.append(fault if isinstance(fault, BaseException) else RuntimeError(context["message"]))

    async def shutdown_asyncgens(self) -> None:
        """Generators are ended by whoever began them."""

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """There are no threads."""

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """A cancelled timer is passed over when its moment comes."""


def _refuse(options: dict[str, Any]) -> None:
    """Errors: `ValueError`."""
    wanted = [name for name in ("ssl", "sock") if options.get(name) is not None]
    if wanted:
        raise ValueError(f"there is no {' and no '.join(wanted)} in memory")
