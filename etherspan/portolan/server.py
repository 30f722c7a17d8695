"""The SVP server: listeners and connections over one store (SVP 11).

    server = Server(store, log=log)
    await server.start("127.0.0.1", 1296)
    …
    await server.stop()

It uses nothing but the running loop's own calls, and keeps nothing but its connections: several servers over one store say the same
(SVP-I24). What one client does, or has done to it, is nothing to the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

from etherspan.portolan.answer import Answerer
from etherspan.portolan.connection import READ_SIZE, Connection, Limits, Metrics, NoMetrics
from etherspan.portolan.session import End
from etherspan.portolan.store.protocol import Store
from kernel_sim.dev.log import Log, NullLog

BACKLOG: Final = 1024
"""Clients that connect in one moment, as after a restart."""
QUIET: Final = frozenset({"eof", "reset", "stop", "idle"})
"""Ends that are nobody's fault."""
STOPPED: Final = End("stop", "the server stops")
_LOG_PAUSE: Final = 1.0
"""Seconds between two records of connections that end for the same reason."""

__all__ = ["Limits", "Metrics", "Server"]


class Server:
    """See the module. `log` is told of clients that break the rules, and of a store that fails."""

    def __init__(
        self, store: Store, *, limits: Limits | None = None, log: Log | None = None, metrics: Metrics | None = None
    ) -> None:
        self.limits = limits or Limits()
        self.metrics: Metrics = metrics or NoMetrics()
        self.buffer = memoryview(bytearray(READ_SIZE))
        self._log: Log = log or NullLog()
        self.answerer = Answerer(store, self._log, self.limits.store_time)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._listeners: list[asyncio.Server] = []
        self._connections: dict[Connection, None] = {}
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._looking: asyncio.TimerHandle | None = None
        self._empty: asyncio.Future[None] | None = None
        self._logged: dict[str, tuple[float, int]] = {}

    @property
    def connections(self) -> int:
        """How many there are."""
        return len(self._connections)

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen, there too if it listens already; 0 is any free port. Where it really listens. Errors: `OSError`."""
        loop = self._loop = asyncio.get_running_loop()
        listener = await loop.create_server(lambda: Connection(self, loop), host, port, backlog=BACKLOG)
        self._listeners.append(listener)
        for bound in listener.sockets:  # none on a loop in memory
            host, port, *_ = bound.getsockname()
        return host, port

    async def stop(self) -> None:
        """Accept nobody any more, answer what was read, close. What takes longer than `Limits.stop_time` is broken off."""
        loop = asyncio.get_running_loop()
        self._close_listeners()
        if self._connections:
            self._empty = loop.create_future()
            for connection in tuple(self._connections):
                connection.close(STOPPED)
            late = loop.call_later(self.limits.stop_time, self.abort)
            await self._empty
            late.cancel()
        self.answerer.close()
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=self.limits.stop_time)
        self._look_no_more()

    def abort(self) -> None:
        """End at once, as if the process were killed: every connection is reset."""
        self._close_listeners()
        for connection in tuple(self._connections):
            connection.abort(STOPPED)
        self.answerer.close()
        self._look_no_more()

    def _close_listeners(self) -> None:
        while self._listeners:
            self._listeners.pop().close()

    # What connections tell: see `connection.Host`.

    def add(self, connection: Connection) -> End | None:
        most = self.limits.connections
        full = len(self._connections) >= most
        self.metrics.opened()
        self._connections[connection] = None
        if not self._listeners:
            return STOPPED
        if full:
            return End("too_many", f"there are {most} connections")
        if self._looking is None:
            self._look_later()
        return None

    def remove(self, connection: Connection, end: End) -> None:
        self._connections.pop(connection, None)
        self.metrics.closed(end.reason)
        if end.reason not in QUIET:
            self._tell(connection, end)
        if self._empty is not None and not self._connections and not self._empty.done():
            self._empty.set_result(None)

    def broken(self, connection: Connection) -> None:
        self._log.exception("a question was not answered", peer=connection.peer)

    def run(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        assert self._loop is not None
        task = self._loop.create_task(work)
        self._tasks[task] = None
        task.add_done_callback(self._tasks.pop)
        return task

    def _tell(self, connection: Connection, end: End) -> None:
        """Log it, but not more often than one can read."""
        assert self._loop is not None
        now = self._loop.time()
        last, untold = self._logged.get(end.reason, (-_LOG_PAUSE, 0))
        if now - last < _LOG_PAUSE:
            self._logged[end.reason] = last, untold + 1
            return
        self._logged[end.reason] = now, 0
        more = {"untold": untold} if untold else {}
        self._log.warning("connection closed", peer=connection.peer, reason=end.reason, text=end.text, **more)

    def _look_later(self) -> None:
        assert self._loop is not None
        self._looking = self._loop.call_later(self.limits.look_time, self._look)

    def _look_no_more(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None

    def _look(self) -> None:
        assert self._loop is not None
        self._looking = None
        now = self._loop.time()
        for connection in tuple(self._connections):
            connection.look(now)
        if self._connections and self._looking is None:
            self._look_later()
