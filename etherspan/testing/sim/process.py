"""A daemon's process in a world in memory: the tasks that begin in it, and their end all at once.

    process = SimProcess(loop, "varpd")
    process.spawn(serve())          # whatever this begins belongs to the process, too
    process.kill()                  # as SIGKILL: nothing of it does anything any more

Python cannot stop a task without running its `finally`, so whoever kills a process first takes away what it could do harm with.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from etherspan.testing.sim.loop import TASKS, SimLoop
from etherspan.testing.sim.streams import PLACE
from etherspan.testing.sim.transport import STREAMS, Mortal

_T = TypeVar("_T")


class SimProcess:
    """See the module. `pid` is a number nobody else in its world has, `place` the host it runs on."""

    def __init__(self, loop: SimLoop, name: str, pid: int, place: str = "") -> None:
        self.name = name
        self.pid = pid
        self.alive = True
        self._loop = loop
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._context = contextvars.copy_context()
        self._streams: dict[Mortal, None] = {}
        self._context.run(TASKS.set, self._tasks)
        self._context.run(STREAMS.set, self._streams)
        self._context.run(PLACE.set, place)

    def spawn(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        """Begin a task in it. It must be alive."""
        assert self.alive, f"{self.name} is dead"
        return self.enter(lambda: self._loop.create_task(work))

    def enter(self, function: Callable[[], _T]) -> _T:
        """Call a function in it: tasks it begins belong to the process."""
        return self._context.copy().run(function)

    def kill(self) -> None:
        """End it: every task is cancelled."""
        self.alive = False
        for stream in tuple(self._streams):
            stream.vanish()
        for task in list(self._tasks):
            _discard_unbegun(task.get_coro())
            task.cancel()


def _discard_unbegun(coroutine: object) -> None:
    """A coroutine that never began does not get to what it was given to await, which Python then complains of."""
    if inspect.iscoroutine(coroutine) and inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
        for value in inspect.getcoroutinelocals(coroutine).values():
            if inspect.iscoroutine(value):
                value.close()
