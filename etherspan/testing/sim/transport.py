"""One end of a TCP connection in memory as asyncio's protocols meet it.

It behaves as the transport of asyncio's selector loop over a socket, with two differences. What is read comes in pieces that the random
numbers choose; and `abort` is always a reset for the other end, which a real one is when bytes are left unread.

Whatever a protocol is told, it is told in the context that the connection was made in, or the listener for those that were accepted. So
what it begins belongs to its own process, whoever caused it.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any, Final, Protocol, cast

from etherspan.testing.sim.tcp import Endpoint, Network

HIGH_WATER: Final = 64 << 10
READ_MAX: Final = 256 << 10
"""Bytes that are read at once."""


class Mortal(Protocol):
    """Something of a process that ends with it."""

    def vanish(self) -> None:
        """Its process was killed."""


STREAMS: ContextVar[dict[Mortal, None] | None] = ContextVar("streams", default=None)
"""Where connections and listeners that are made in this context are noted while they last."""


class SimTransport(asyncio.Transport):
    """See the module. `context` is what the protocol is called in; the transport is noted in its `STREAMS`."""

    def __init__(
        self,
        network: Network,
        endpoint: Endpoint,
        protocol: asyncio.BaseProtocol,
        context: contextvars.Context,
        extra: dict[str, Any],
    ) -> None:
        super().__init__(extra)
        self._network = network
        self._endpoint = endpoint
        self._protocol = protocol
        self._context = context
        self._buffer = bytearray()
        self._high, self._low = HIGH_WATER, HIGH_WATER // 4
        self._writing_paused = False
        self._reading_paused = False
        self._read_all = False
        """The other end's end was seen, or an error."""
        self._end_wanted = False
        self._closing = False
        self._lost = False
        self._read_due = self._write_due = False
        endpoint.readable, endpoint.writable = self._readable, self._writable
        self._noted = context.get(STREAMS, None)
        if self._noted is not None:
            self._noted[self] = None

    def begin(self) -> None:
        """Tell the protocol; then it is told of what comes."""
        self._soon(self._protocol.connection_made, self)
        self._readable()

    # ------------------------------------------------------------------ what protocols call

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not isinstance(data, bytes | bytearray | memoryview):
            raise TypeError(f"data argument must be a bytes-like object, not {type(data).__name__!r}")
        if self._end_wanted:
            raise RuntimeError("Cannot call write() after write_eof()")
        if not data or self._lost:
            return
        sent = 0
        if not self._buffer:
            try:
                sent = self._endpoint.send(data)
            except OSError as error:
                self._lose(error)
                return
        self._buffer += data[sent:]
        self._pause_or_not()

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        self.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        if not self._closing and not self._end_wanted:
            self._end_wanted = True
            if not self._buffer:
                self._endpoint.shut_down()

    def can_write_eof(self) -> bool:
        return True

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            if not self._buffer:
                self._lose(None)

    def abort(self) -> None:
        if not self._lost:
            self._endpoint.reset()
            self._lose(None)

    def is_closing(self) -> bool:
        return self._closing

    def pause_reading(self) -> None:
        if not self._closing:
            self._reading_paused = True

    def resume_reading(self) -> None:
        if not self._closing and self._reading_paused:
            self._reading_paused = False
            self._readable()

    def is_reading(self) -> bool:
        return not self._closing and not self._reading_paused

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if high is None:
            high = HIGH_WATER if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
        self._high, self._low = high, low
        self._pause_or_not()

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def get_write_buffer_size(self) -> int:
        return len(self._buffer)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    # ------------------------------------------------------------------ what happens to it

    def vanish(self) -> None:
        """Its process was killed: the other end is reset, and nothing is told here."""
        if not self._lost:
            self._end()
            self._endpoint.reset()

    def _readable(self) -> None:
        if not self._read_due:
            self._read_due = True
            self._soon(self._read)

    def _read(self) -> None:
        self._read_due = False
        if self._closing or self._lost or self._reading_paused or self._read_all:
            return
        endpoint = self._endpoint
        if endpoint.received:
            self._hand_over()
            self._readable()
        elif endpoint.broken is not None:
            self._lose(endpoint.broken)
        elif endpoint.ended:
            self._read_all = True
            stays = cast("asyncio.Protocol", self._protocol).eof_received()
            if not stays:
                self.close()

    def _hand_over(self) -> None:
        """Some of what has arrived."""
        random, waiting = self._network.random, len(self._endpoint.received)
        size = min(waiting if random.random() < 0.5 else random.randint(1, min(waiting, 4096)), READ_MAX)
        protocol = self._protocol
        if isinstance(protocol, asyncio.BufferedProtocol):
            room = memoryview(cast("bytearray", protocol.get_buffer(-1)))
            if not room:
                raise RuntimeError("get_buffer() returned an empty buffer")
            data = self._endpoint.read(min(size, len(room)))
            room[: len(data)] = data
            protocol.buffer_updated(len(data))
        else:
            cast("asyncio.Protocol", protocol).data_received(self._endpoint.read(size))

    def _writable(self) -> None:
        if self._buffer and not self._write_due:
            self._write_due = True
            self._soon(self._write)

    def _write(self) -> None:
        self._write_due = False
        if self._lost or not self._buffer:
            return
        try:
            del self._buffer[: self._endpoint.send(self._buffer)]
        except OSError as error:
            self._lose(error)
            return
        if self._writing_paused and len(self._buffer) <= self._low:
            self._writing_paused = False
            self._protocol.resume_writing()
        if not self._buffer:
            if self._closing:
                self._lose(None)
            elif self._end_wanted:
                self._endpoint.shut_down()

    def _pause_or_not(self) -> None:
        if len(self._buffer) > self._high and not self._writing_paused:
            self._writing_paused = True
            self._protocol.pause_writing()

    def _lose(self, why: OSError | None) -> None:
        """It is over; the protocol is told before the socket is closed."""
        if not self._lost:
            self._end()
            self._soon(self._told_lost, why)

    def _told_lost(self, why: OSError | None) -> None:
        self._protocol.connection_lost(why)
        self._endpoint.close()

    def _end(self) -> None:
        self._lost = self._closing = self._read_all = True
        self._buffer.clear()
        if self._noted is not None:
            self._noted.pop(self, None)

    def _soon(self, what: Callable[..., object], *args: object) -> None:
        self._network.loop.call_soon(what, *args, context=self._context)
