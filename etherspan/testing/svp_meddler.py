"""An SVP server that breaks the rules: it passes questions on to a real one, and spoils what that one answers.

    meddler = Meddler("10.0.0.5", 1296, Random(seed))
    await meddler.start("10.0.0.6", 1296)
    meddler.plans = {Mischief.CRC: 0.1}          # one answer in ten has a wrong checksum

PONGs are left alone unless `pongs` says otherwise, so that clients trust it and ask. It uses the running loop's calls only.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
from collections import Counter
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Final

from libvarpd.plugins.svp.messages import NO_ADDRESS, Op, Ping, Shootdown, Status, Vl2Ack
from libvarpd.plugins.svp.wire import HEADER, HEADER_SIZE, Frame, Framer, encode, frame

DELAY_MAX: Final = 40.0
"""Seconds that an answer is held back at most: more than clients wait."""
_STRANGE_ID: Final = 0xDEADBEEF
_STRANGE_VERSION: Final = 3
_HUGE: Final = 0xFFFFFFFF


class Mischief(enum.Enum):
    """What becomes of an answer."""

    CRC = "its checksum is wrong"
    ID = "it is that of no question"
    VERSION = "its version was not agreed on"
    OP = "it answers something else"
    LONG = "its body is too long"
    SHORT = "its body is cut short"
    HUGE = "its size is beyond all measure"
    GARBAGE = "it is noise"
    TWICE = "it comes twice"
    UNASKED = "another comes before it that nobody asked for"
    ASKS = "a question comes before it"
    HALF = "half of it comes, and then nothing any more"
    HALF_END = "half of it comes, and then the end"
    RESET = "the connection is reset"
    END = "the connection is closed"
    LOST = "it never comes"
    LATE = "it comes late"


VIOLATIONS: Final = frozenset(Mischief) - {Mischief.HALF, Mischief.LOST, Mischief.LATE}
"""What ends a connection at once."""


class Meddler:
    """See the module. `done` counts what was spoilt, `accepted` the connections that came."""

    def __init__(self, host: str, port: int, random: Random) -> None:
        self.plans: Mapping[Mischief, float] = {}
        """The probability of each mischief; what is left of 1 is that of none."""
        self.pongs = False
        self.done: Counter[Mischief] = Counter()
        self.accepted = 0
        self.random = random
        self._upstream = host, port
        self._listener: Any = None
        self._sides: dict[_Client, None] = {}

    @property
    def connections(self) -> int:
        """How many there are."""
        return len(self._sides)

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen; where it really does."""
        self._listener = await asyncio.get_running_loop().create_server(lambda: _Client(self), host, port)
        bound: tuple[Any, ...] = self._listener.sockets[0].getsockname()
        return bound[0], bound[1]

    def stop(self) -> None:
        """Listen no more and reset all connections."""
        self._listener.close()
        for side in tuple(self._sides):
            side.abort()

    def plan(self) -> Mischief | None:
        """What to do with the next answer."""
        kinds = list(self.plans)
        weights = [self.plans[kind] for kind in kinds]
        return self.random.choices([None, *kinds], [max(0.0, 1 - sum(weights)), *weights])[0]

    def join(self, side: _Client) -> asyncio.Task[None]:
        """A client has come."""
        self.accepted += 1
        self._sides[side] = None
        return asyncio.get_running_loop().create_task(self._connect(side))

    def leave(self, side: _Client) -> None:
        """It has gone."""
        self._sides.pop(side, None)

    async def _connect(self, side: _Client) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: _Server(side), *self._upstream)
        except OSError:
            side.abort()


class _Client(asyncio.Protocol):
    """The connection from a client."""

    def __init__(self, meddler: Meddler) -> None:
        self._meddler = meddler
        self._transport: asyncio.Transport
        self._server: asyncio.Transport | None = None
        self._asked = bytearray()
        self._mute = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._connecting = self._meddler.join(self)

    def data_received(self, data: bytes) -> None:
        if self._server is None:
            self._asked += data
        else:
            self._server.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connecting.cancel()
        self._meddler.leave(self)
        if self._server is not None:
            self._server.abort()

    def abort(self) -> None:
        """End it with a reset."""
        self._transport.abort()

    def reached(self, server: asyncio.Transport) -> None:
        """There is a connection to the real server."""
        if self._transport.is_closing():
            server.abort()
            return
        self._server = server
        server.write(bytes(self._asked))

    def answered(self, message: Frame) -> None:
        """The real server has answered something."""
        if self._mute or self._transport.is_closing():
            return
        meddler = self._meddler
        kind = meddler.plan() if meddler.pongs or message.op != Op.PONG else None
        whole = frame(message.op, message.body, message.id, message.version)
        if kind is None:
            self._transport.write(whole)
            return
        meddler.done[kind] += 1
        if kind in _SPOIL:
            self._transport.write(_SPOIL[kind](message, whole, meddler.random))
        if kind is Mischief.HALF:
            self._mute = True
        elif kind in {Mischief.HALF_END, Mischief.END}:
            self._transport.close()
        elif kind is Mischief.RESET:
            self._transport.abort()
        elif kind is Mischief.LATE:
            seconds = meddler.random.random() * DELAY_MAX
            asyncio.get_running_loop().call_later(seconds, self._transport.write, whole)


class _Server(asyncio.Protocol):
    """The connection to the real server."""

    def __init__(self, client: _Client) -> None:
        self._client = client
        self._framer = Framer()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._client.reached(transport)

    def data_received(self, data: bytes) -> None:
        for message in self._framer.feed(data):
            self._client.answered(message)

    def connection_lost(self, exc: Exception | None) -> None:
        with contextlib.suppress(AttributeError):
            self._client.abort()


def _with(message: Frame, **changed: Any) -> bytes:
    made = message._replace(**changed)
    return frame(made.op, made.body, made.id, made.version)


def _bad_crc(message: Frame, whole: bytes, random: Random) -> bytes:
    at = random.randrange(12, len(whole))
    return whole[:at] + bytes([whole[at] ^ 1 << random.randrange(8)]) + whole[at + 1 :]


def _huge(message: Frame, whole: bytes, random: Random) -> bytes:
    version, op, _, ident, checksum = HEADER.unpack_from(whole)
    return HEADER.pack(version, op, _HUGE, ident, checksum) + message.body


_SPOIL: Final[Mapping[Mischief, Callable[[Frame, bytes, Random], bytes]]] = {
    Mischief.CRC: _bad_crc,
    Mischief.ID: lambda message, whole, random: _with(message, id=message.id ^ _STRANGE_ID),
    Mischief.VERSION: lambda message, whole, random: _with(message, version=_STRANGE_VERSION),
    Mischief.OP: lambda message, whole, random: _with(
        message, op=Op.VL3_ACK if message.op == Op.VL2_ACK else Op.VL2_ACK
    ),
    Mischief.LONG: lambda message, whole, random: _with(message, body=message.body + bytes(2000)),
    Mischief.SHORT: lambda message, whole, random: _with(message, body=message.body[:2]),
    Mischief.HUGE: _huge,
    Mischief.GARBAGE: lambda message, whole, random: random.randbytes(HEADER_SIZE * 4),
    Mischief.TWICE: lambda message, whole, random: whole + whole,
    Mischief.UNASKED: lambda message, whole, random: encode(Vl2Ack(Status.OK, 1, NO_ADDRESS), _STRANGE_ID) + whole,
    Mischief.ASKS: lambda message, whole, random: (
        encode(random.choice((Ping(), Shootdown(bytes(6), 0))), _STRANGE_ID) + whole
    ),
    Mischief.HALF: lambda message, whole, random: whole[: random.randrange(1, len(whole))],
    Mischief.HALF_END: lambda message, whole, random: whole[: random.randrange(1, len(whole))],
}
"""What is sent instead of an answer; nothing for what is not here."""
