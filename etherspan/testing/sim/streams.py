"""TCP in memory: what asyncio code that connects and listens meets on a `SimLoop`.

    network = StreamNetwork(loop)
    loop.streams = network
    network.names["portolan.test"] = ["10.0.0.5"]

    await loop.create_server(factory, "10.0.0.5", 1296)
    await loop.create_connection(factory, "10.0.0.5", 1296)
    await loop.getaddrinfo("portolan.test", 1296)

Bytes arrive in order, after `latency`, in pieces that the random numbers choose. Nobody listening is a refusal; where `reaches` says that
two places cannot reach each other, attempts and bytes wait until `heal` is called, and an attempt is given up after `CONNECT_PATIENCE`.

Which place code belongs to is a context variable, `PLACE`; a process of a world sets it, and when it is killed its connections are reset
(`STREAMS`).
"""

from __future__ import annotations

import asyncio
import ipaddress
import itertools
import socket
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from random import Random
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

if TYPE_CHECKING:
    from etherspan.testing.sim.loop import SimLoop

PLACE: ContextVar[str] = ContextVar("place", default="")
"""The place that code runs at: a host's name."""
STREAMS: ContextVar[dict[SimTransport, None] | None] = ContextVar("streams", default=None)
"""Where connections that are made in this context are noted while they last."""

CONNECT_PATIENCE: Final = 127.0
"""Seconds after which a SYN that nobody answers is given up, as Linux does."""
LATENCY: Final = 0.0005
HIGH_WATER: Final = 64 << 10
_WILDCARDS: Final = frozenset({"0.0.0.0", "::"})
_EPHEMERAL: Final = 40_000


class _Address(Protocol):
    """A listening socket, as far as people ask it."""

    def getsockname(self) -> tuple[str, int]: ...


class _Listening:
    """See `asyncio.Server`, what is used of it."""

    def __init__(
        self, network: StreamNetwork, key: tuple[str, int], factory: Callable[[], asyncio.BaseProtocol]
    ) -> None:
        self.place = PLACE.get()
        self.factory = factory
        self.key = key
        self.noted = STREAMS.get()
        self._network = network
        self.sockets: tuple[_Address, ...] = (self,)

    def getsockname(self) -> tuple[str, int]:
        """Where it listens."""
        return self.key

    def close(self) -> None:
        """Listen no more; connections stay."""
        self._network.forget(self)

    async def wait_closed(self) -> None:
        """It is closed at once."""


class StreamNetwork:
    """See the module. `reaches` is asked with two places, `owner` with an address and gives its place."""

    def __init__(
        self,
        loop: SimLoop,
        *,
        seed: object = 0,
        reaches: Callable[[str, str], bool] = lambda _one, _other: True,
        owner: Callable[[str], str | None] = lambda _ip: None,
    ) -> None:
        self.loop = loop
        self.latency = LATENCY
        self.names: dict[str, list[str]] = {}
        self.failing: dict[str, int] = {}
        """Names whose lookup fails, and with which EAI number."""
        self.random = Random(f"{seed}/streams")
        self._reaches = reaches
        self._owner = owner
        self._listeners: dict[tuple[str, str, int], _Listening] = {}
        self._stalled: list[Callable[[], None]] = []
        self._ports = itertools.count(_EPHEMERAL)

    # ------------------------------------------------------------------ what the loop is asked

    async def create_server(
        self, factory: Callable[[], asyncio.BaseProtocol], host: str | None, port: int | None
    ) -> _Listening:
        """See `AbstractEventLoop.create_server`: one address. Errors: `OSError` EADDRINUSE."""
        where = _plain(host or "0.0.0.0")
        number = port or next(self._ports)
        key = (PLACE.get() if where in _WILDCARDS else "", where, number)
        if key in self._listeners:
            raise OSError(98, f"{where} port {number} is taken")
        made = self._listeners[key] = _Listening(self, (where, number), factory)
        return made

    async def create_connection(
        self, factory: Callable[[], asyncio.BaseProtocol], host: str, port: int
    ) -> tuple[SimTransport, asyncio.BaseProtocol]:
        """See `AbstractEventLoop.create_connection`. Errors: `ConnectionRefusedError`, `TimeoutError`, `OSError` no such address."""
        here, noted = PLACE.get(), STREAMS.get()
        where = _plain(host)
        there = self._place_of(where, port)
        end = self.loop.time() + CONNECT_PATIENCE
        try:
            async with asyncio.timeout_at(end):
                while not self.reaches(here, there):
                    await self._healed()
        except TimeoutError:
            raise TimeoutError(110, "Connection timed out") from None
        await asyncio.sleep(2 * self.latency)
        listener = self._find(where, port)
        if listener is None:
            raise ConnectionRefusedError(111, "Connection refused")
        own, other = (where, next(self._ports)), (where, port)
        ours = SimTransport(self, factory(), own, other, here, noted)
        theirs = SimTransport(self, listener.factory(), other, own, listener.place, listener.noted)
        ours.join(theirs)
        theirs.join(ours)
        theirs.begin()
        ours.begin()
        await asyncio.sleep(0)  # both protocols have been told by then
        return ours, ours.protocol

    async def getaddrinfo(self, host: str, port: int) -> list[tuple[Any, ...]]:
        """See `AbstractEventLoop.getaddrinfo`. Errors: `socket.gaierror`."""
        await asyncio.sleep(self.latency)
        if host in self.failing:
            raise socket.gaierror(self.failing[host], "the resolver fails")
        if host not in self.names:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [
            (socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port))
            for one in self.names[host]
        ]

    # ------------------------------------------------------------------ for transports and worlds

    def reaches(self, one: str, other: str) -> bool:
        """Whether bytes get from one place to another."""
        return one == other or self._reaches(one, other)

    def stall(self, go_on: Callable[[], None]) -> None:
        """Go on when something has been healed."""
        self._stalled.append(go_on)

    def heal(self) -> None:
        """What waits for a way to be mended tries again."""
        waiting, self._stalled = self._stalled, []
        for go_on in waiting:
            self.loop.call_soon(go_on)

    async def _healed(self) -> None:
        healed: asyncio.Future[None] = self.loop.create_future()
        self.stall(lambda: None if healed.done() else healed.set_result(None))
        await healed

    def forget(self, listener: _Listening) -> None:
        """A listener was closed."""
        self._listeners = {key: one for key, one in self._listeners.items() if one is not listener}

    def _find(self, where: str, port: int) -> _Listening | None:
        place = self._owner(where) or ""
        for key in (("", where, port), *((place, wild, port) for wild in sorted(_WILDCARDS))):
            if key in self._listeners:
                return self._listeners[key]
        return None

    def _place_of(self, where: str, port: int) -> str:
        listener = self._find(where, port)
        owner = self._owner(where)
        if listener is None and owner is None:
            return PLACE.get()
        return owner if owner is not None else listener.place if listener is not None else ""


class SimTransport(asyncio.Transport):
    """One end of a connection."""

    def __init__(
        self,
        network: StreamNetwork,
        protocol: asyncio.BaseProtocol,
        own: tuple[str, int],
        other: tuple[str, int],
        place: str,
        noted: dict[SimTransport, None] | None,
    ) -> None:
        super().__init__({"sockname": own, "peername": other})
        self.protocol = protocol
        self.place = place
        self._network = network
        self._loop = network.loop
        self._peer: SimTransport
        self._noted = noted
        self._out = bytearray()
        self._high, self._low = HIGH_WATER, HIGH_WATER // 4
        self._writing_paused = False
        self.reading_paused = False
        self._moving = False
        self._closing = False
        self._eof = False
        self.gone = False
        if noted is not None:
            noted[self] = None

    def join(self, peer: SimTransport) -> None:
        """The other end."""
        self._peer = peer

    def begin(self) -> None:
        """Tell the protocol."""
        self._loop.call_soon(self.protocol.connection_made, self)

    # ------------------------------------------------------------------ what protocols call

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.gone or self._closing or self._eof:
            return
        self._out += data
        if len(self._out) > self._high and not self._writing_paused:
            self._writing_paused = True
            self.protocol.pause_writing()
        self.move()

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        self.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        self._eof = True
        self.move()

    def can_write_eof(self) -> bool:
        return True

    def close(self) -> None:
        if not self._closing and not self.gone:
            self._closing = True
            self.move()

    def abort(self) -> None:
        if not self.gone:
            self._lose(None)
            self._loop.call_later(self._network.latency, self._peer.reset)

    def is_closing(self) -> bool:
        return self._closing or self.gone

    def pause_reading(self) -> None:
        self.reading_paused = True

    def resume_reading(self) -> None:
        self.reading_paused = False
        self._peer.move()

    def is_reading(self) -> bool:
        return not self.reading_paused and not self.gone

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = HIGH_WATER if high is None else high
        self._low = self._high // 4 if low is None else low

    def get_write_buffer_size(self) -> int:
        return len(self._out)

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self.protocol

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    # ------------------------------------------------------------------ what happens to it

    def vanish(self) -> None:
        """Its process was killed: the other end is reset, and nothing is told here."""
        if not self.gone:
            self._forget()
            self._loop.call_later(self._network.latency, self._peer.reset)

    def reset(self) -> None:
        """The other end has gone without a word."""
        if not self.gone:
            self._lose(ConnectionResetError(104, "Connection reset by peer"))

    def move(self) -> None:
        """Let what was written go on."""
        if not self._moving and not self.gone:
            self._moving = True
            self._loop.call_later(self._network.latency, self._arrive)

    def _arrive(self) -> None:
        """What was written reaches the other end, a piece at a time."""
        self._moving = False
        peer = self._peer
        if self.gone:
            return
        if peer.gone:  # nobody is there to take it
            self._out.clear()
            if self._closing:
                self._lose(None)
            return
        if not self._network.reaches(self.place, peer.place):
            self._network.stall(self.move)
            return
        if self._out:
            if peer.reading_paused:
                return
            size = self._network.random.randint(1, min(len(self._out), 4096))
            if self._network.random.random() < 0.5:
                size = len(self._out)
            piece = bytes(self._out[:size])
            del self._out[:size]
            peer.take(piece)
            if self._writing_paused and len(self._out) <= self._low:
                self._writing_paused = False
                self.protocol.resume_writing()
        if self._out:
            self._moving = True
            self._loop.call_soon(self._arrive)
        elif self._closing or self._eof:
            self._end()

    def _end(self) -> None:
        """All is written, and no more will be."""
        if not self._peer.gone:
            stays = (
                isinstance(self._peer.protocol, asyncio.Protocol | asyncio.BufferedProtocol)
                and self._peer.protocol.eof_received()
            )
            if not stays:
                self._peer.close()
        if self._closing:
            self._lose(None)

    def take(self, data: bytes) -> None:
        """Bytes have arrived."""
        protocol = self.protocol
        if not isinstance(protocol, asyncio.BufferedProtocol):
            cast("asyncio.Protocol", protocol).data_received(data)
            return
        while data and not self.gone:
            room = protocol.get_buffer(len(data))
            size = min(len(room), len(data))  # type: ignore[arg-type]
            memoryview(room)[:size] = data[:size]
            data = data[size:]
            protocol.buffer_updated(size)

    def _lose(self, why: Exception | None) -> None:
        self._forget()
        self._loop.call_soon(self.protocol.connection_lost, why)

    def _forget(self) -> None:
        self.gone = True
        self._out.clear()
        if self._noted is not None:
            self._noted.pop(self, None)


def _plain(host: str) -> str:
    return str(ipaddress.ip_address(host))
