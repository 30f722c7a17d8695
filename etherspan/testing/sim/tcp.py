"""What the two kernels of a TCP connection in memory do: bytes on their way, the end of each direction, resets.

An `Endpoint` is one end's socket. What is sent is taken into its buffer, takes `latency` seconds to the other end's, and stays there until
it is read; a full buffer holds the sender up. Where the two places cannot reach each other, bytes and ends wait for the way to be mended,
and are given up after `DATA_PATIENCE`; a reset is lost. Data for somebody who has closed comes back as a reset.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from etherspan.testing.sim.loop import SimLoop

SEND_ROOM: Final = 64 << 10
"""Bytes that an end takes before the other has them."""
RECEIVE_ROOM: Final = 128 << 10
"""Bytes that have arrived and were not read."""
DATA_PATIENCE: Final = 924.6
"""Seconds after which Linux gives a connection up whose bytes nobody acknowledges."""


class Network(Protocol):
    """Where endpoints are."""

    loop: SimLoop
    latency: float
    random: Random

    def reaches(self, one: str, other: str) -> bool:
        """Whether bytes get from one place to another."""

    def stall(self, go_on: Callable[[], None]) -> None:
        """Go on when a way has been mended."""


class Endpoint:
    """See the module. `readable` and `writable` are told when it is worth trying again; they may be told for nothing."""

    def __init__(self, network: Network, place: str) -> None:
        self.place = place
        self.closed = False
        """By its own program."""
        self.broken: OSError | None = None
        """Why nothing can be sent or received any more; what has arrived can still be read."""
        self.received = bytearray()
        self.ended = False
        """After what is in `received` nothing will come."""
        self.readable: Callable[[], None] = _nothing
        self.writable: Callable[[], None] = _nothing
        self._network = network
        self._peer: Endpoint
        self._sending = bytearray()
        self._ripe = 0
        """Bytes at the head of `_sending` that have been on the way long enough."""
        self._end_sent = self._end_ripe = False
        self._stalled = False
        self._deadline: asyncio.TimerHandle | None = None

    def join(self, peer: Endpoint) -> None:
        """The other end."""
        self._peer = peer

    # ------------------------------------------------------------------ what its program does

    def send(self, data: bytes | bytearray | memoryview) -> int:
        """Take bytes, as many as there is room for; how many. Errors: `OSError` it is broken."""
        if self.broken is not None:
            raise BrokenPipeError(32, "Broken pipe")
        size = min(len(data), SEND_ROOM - len(self._sending))
        if size:
            self._sending += data[:size]
            self._network.loop.call_later(self._network.latency, self._ripen, size)
        return size

    def shut_down(self) -> None:
        """Send the end, after what was sent."""
        if not self._end_sent:
            self._end_sent = True
            self._network.loop.call_later(self._network.latency, self._ripen_end)

    def read(self, size: int) -> bytes:
        """Take what has arrived, so many bytes at most."""
        data = bytes(self.received[:size])
        del self.received[:size]
        self._peer.move()
        return data

    def close(self) -> None:
        """Its program needs it no more: what was sent still goes out. With bytes unread it is a reset."""
        if not self.closed:
            self.closed = True
            if self.received:
                self._break_off()
            else:
                self.shut_down()

    def reset(self) -> None:
        """Close it, throwing away what was sent."""
        if not self.closed:
            self.closed = True
            self._break_off()

    # ------------------------------------------------------------------ what happens to it

    def move(self) -> None:
        """Let what is ripe arrive, if it can."""
        peer = self._peer
        if self.broken is not None or not (self._ripe or self._end_ripe):
            return
        if not self._network.reaches(self.place, peer.place):
            self._wait_for_the_way()
            return
        self._forget_deadline()
        if peer.closed or peer.broken is not None:
            if self._ripe:  # nobody is there to take it
                self.take_reset()
            return
        size = min(self._ripe, RECEIVE_ROOM - len(peer.received))
        if size:
            peer.received += self._sending[:size]
            del self._sending[:size]
            self._ripe -= size
            self.writable()
        ends = self._end_ripe and not self._sending
        if ends:
            self._end_ripe = False
            peer.ended = True
        if size or ends:
            peer.readable()

    def take_reset(self) -> None:
        """The other end has been reset, or has closed and does not want what was sent."""
        if self.broken is None:
            self._give_up(ConnectionResetError(104, "Connection reset by peer"))

    def _ripen(self, size: int) -> None:
        if self.broken is None:
            self._ripe += size
            self.move()

    def _ripen_end(self) -> None:
        self._end_ripe = True
        self.move()

    def _wait_for_the_way(self) -> None:
        if not self._stalled:
            self._stalled = True
            self._network.stall(self._mended)
        if self._deadline is None:
            timed_out = TimeoutError(110, "Connection timed out")
            self._deadline = self._network.loop.call_later(DATA_PATIENCE, self._give_up, timed_out)

    def _mended(self) -> None:
        self._stalled = False
        self.move()

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _break_off(self) -> None:
        self._give_up(ConnectionAbortedError(103, "Software caused connection abort"))
        self._network.loop.call_later(self._network.latency, self._tell_reset)

    def _tell_reset(self) -> None:
        if self._network.reaches(self.place, self._peer.place):
            self._peer.take_reset()

    def _give_up(self, why: OSError) -> None:
        self._forget_deadline()
        self.broken = why
        self._sending.clear()
        self._ripe = 0
        self.readable()
        self.writable()


def _nothing() -> None:
    """Nobody wants to know."""
