"""One client's TCP connection.

    what is read ──► Session ──► batch after batch, in one task ──► Answerer ──► written at once

The task lasts as long as requests wait. Reading stops while many wait, and while the client does not take its answers; so what one
connection can occupy is bounded. Time limits are looked at now and then (`look`), not by a timer each.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from etherspan.portolan.answer import Answerer
from etherspan.portolan.batch import pack, tally
from etherspan.portolan.session import MAX_BATCH, End, Session
from libvarpd.plugins.svp import wire
from libvarpd.plugins.svp.messages import Op, Status

MAX_CONNECTIONS: Final = 16384
READ_SIZE: Final = 64 << 10
"""Bytes read at once, into a buffer that all connections of a server share."""
_KEEPALIVE: Final = (("SO_KEEPALIVE", 1), ("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))
"""A client that has vanished is noticed within two minutes, one that has nothing to ask is left alone."""


@dataclass(slots=True, frozen=True)
class Limits:
    """What clients can make of a server. Times in seconds."""

    connections: int = MAX_CONNECTIONS
    batch: int = MAX_BATCH
    """Requests answered together."""
    body: int = wire.MAX_BODY
    """Bytes of a request's body (SVP-B9)."""
    message_time: float = 30.0
    """From the first byte of a message to its last (SVP-B10)."""
    write_buffer: int = 256 << 10
    """Bytes of answers that wait for a client before it is not read any more."""
    write_time: float = 30.0
    """That it then has to take them."""
    idle_time: float | None = None
    """Without a request. None: for ever. The clients that poll do so every few seconds, but there is one that never does (SVP-Q6)."""
    store_time: float = 20.0
    """From reading a request to its answer at the latest; then it is FATAL. Clients wait for 30 s (SVP-Q8)."""
    stop_time: float = 5.0
    """For answers under way when the server stops."""

    @property
    def look_time(self) -> float:
        """Between two looks at the limits above."""
        times = (self.message_time, self.write_time, self.idle_time)
        return min(1.0, *(time / 4 for time in times if time is not None))


class Metrics(Protocol):
    """What is counted."""

    def opened(self) -> None:
        """A connection came."""

    def closed(self, reason: str) -> None:
        """It went, and why."""

    def asking(self, change: int) -> None:
        """So many batches more, or fewer, are with the store."""

    def answered(self, counts: Mapping[tuple[Op, Status], int], requests: int, seconds: float) -> None:
        """A batch of so many requests was answered, after so many seconds."""


class NoMetrics:
    """Counts nothing."""

    def opened(self) -> None: ...
    def closed(self, reason: str) -> None: ...
    def asking(self, change: int) -> None: ...
    def answered(self, counts: Mapping[tuple[Op, Status], int], requests: int, seconds: float) -> None: ...


class Host(Protocol):
    """The server that a connection is of."""

    limits: Limits
    answerer: Answerer
    metrics: Metrics
    buffer: memoryview

    def add(self, connection: Connection) -> End | None:
        """A connection has come. Why it may not stay, if so."""

    def remove(self, connection: Connection, end: End) -> None:
        """It has gone, for that reason."""

    def broken(self, connection: Connection) -> None:
        """An error of ours is being handled."""

    def run(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Begin a task that the server waits for before it has stopped."""


class Connection(asyncio.BufferedProtocol):
    """See the module."""

    def __init__(self, host: Host, loop: asyncio.AbstractEventLoop) -> None:
        self._host = host
        self._limits = host.limits
        self._loop = loop
        self._session = Session(host.limits.batch, host.limits.body)
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._reading = True
        self._writable: asyncio.Future[None] | None = None
        self._ending: End | None = None
        """Why it is to close as soon as nothing waits."""
        self._closed: End | None = None
        """Why it closes now."""
        self._stuck_since: float | None = None
        """When the client had to begin to take what was written for it."""
        self._partial_since: float | None = None
        self._heard = loop.time()

    @property
    def peer(self) -> str:
        """Where the client is."""
        name = self._transport.get_extra_info("peername") if self._transport is not None else None
        return place(*name[:2]) if isinstance(name, tuple) else str(name)

    # What the loop tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        refused = self._host.add(self)
        if refused is not None:
            self.abort(refused)
            return
        transport.set_write_buffer_limits(high=self._limits.write_buffer)
        _keep_alive(transport.get_extra_info("socket"))

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._host.buffer

    def buffer_updated(self, nbytes: int) -> None:
        now = self._heard = self._loop.time()
        whole = self._session.feed(bytes(self._host.buffer[:nbytes]), now)
        if not self._session.partial:
            self._partial_since = None
        elif whole or self._partial_since is None:
            self._partial_since = now
        self._ending = self._ending or self._session.end
        self._go_on()

    def eof_received(self) -> bool:
        self._ending = self._ending or End("eof", "the client has finished")
        self._go_on()
        return True  # what it asked is still answered

    def pause_writing(self) -> None:
        self._writable = self._loop.create_future()
        self._stuck_since = self._loop.time()
        self._read_or_not()

    def resume_writing(self) -> None:
        if self._closed is None:
            self._stuck_since = None
        self._release_writer()
        self._read_or_not()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._closed is None:
            self._closed = End("reset", str(exc)) if exc is not None else End("eof", "the client has gone")
        self._release_writer()
        if self._task is not None:
            self._task.cancel()
        self._host.remove(self, self._closed)

    # What the server does.

    def close(self, end: End) -> None:
        """Close it once what waits is answered."""
        self._ending = self._ending or end
        self._go_on()

    def abort(self, end: End) -> None:
        """Close it now, whatever is under way."""
        self._closed = self._closed or end
        assert self._transport is not None
        self._transport.abort()
        if self._task is not None:
            self._task.cancel()

    def look(self, now: float) -> None:
        """Whether the client keeps to the limits; `now` is the loop's time."""
        limits = self._limits
        if self._stuck_since is not None and now - self._stuck_since > limits.write_time:
            self.abort(End("slow_reader", f"answers were not taken for {limits.write_time:g} s"))
        elif self._partial_since is not None and self._reading and now - self._partial_since > limits.message_time:
            self.close(End("message_time", f"a message was not whole after {limits.message_time:g} s"))
        elif limits.idle_time is not None and self._task is None and now - self._heard > limits.idle_time:
            self.close(End("idle", f"nothing was asked for {limits.idle_time:g} s"))

    def _go_on(self) -> None:
        """Answer what waits; else close, if that is due."""
        self._read_or_not()
        if self._task is not None or self._closed is not None:
            return
        if self._session.waiting:
            self._task = self._host.run(self._answer())
        elif self._ending is not None:
            self._closed = self._ending
            self._stuck_since = self._loop.time()
            assert self._transport is not None
            self._transport.close()

    def _read_or_not(self) -> None:
        wanted = self._ending is None and self._writable is None and self._session.waiting < self._limits.batch
        if wanted == self._reading or self._closed is not None:
            return
        assert self._transport is not None
        self._reading = wanted
        if wanted:
            self._partial_since = self._loop.time() if self._session.partial else None
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    async def _answer(self) -> None:
        try:
            while await self._answer_batch():
                pass
        except Exception:  # noqa: BLE001 - one client's question must not end the server
            self._task = None
            self._host.broken(self)
            self.abort(End("internal", "an error in the server"))
        else:
            self._task = None
            self._go_on()

    async def _answer_batch(self) -> bool:
        """Answer the requests that come next. Whether there may be more."""
        transport, metrics, session = self._transport, self._host.metrics, self._session
        assert transport is not None
        batch = session.batch()
        self._ending = self._ending or session.end
        if batch is None:
            return False
        self._read_or_not()
        begun = self._loop.time()
        metrics.asking(1)
        try:
            answers = await self._host.answerer.answer(batch)
        finally:
            metrics.asking(-1)
        metrics.answered(tally(batch, answers), len(batch.slots), self._loop.time() - begun)
        transport.write(pack(batch, answers))
        if self._writable is not None:
            await self._writable
        if session.waiting:
            await asyncio.sleep(0)  # the others' turn
        return self._closed is None

    def _release_writer(self) -> None:
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None


def _keep_alive(connected: socket.socket | None) -> None:
    """Where there is a socket, and as far as the system knows these options."""
    if connected is None:
        return
    for name, value in _KEEPALIVE:
        level = socket.SOL_SOCKET if name.startswith("SO_") else socket.IPPROTO_TCP
        with contextlib.suppress(OSError, AttributeError):
            connected.setsockopt(level, getattr(socket, name), value)


def place(host: str, port: int) -> str:
    """A socket's address as people write it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
