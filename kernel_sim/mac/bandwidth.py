"""The bandwidth limit of a client, `maxbw` (KRN 6.14, DLM 5.6): each direction has the whole of it. Pure.

    consumer ──► TransmitLimit ──► checks passed, to the MAC          over the rate the consumer is not read: it is held up
    consumer ◄── ReceiveLimit ◄─── from the MAC                       over the rate frames wait; what finds no room is dropped by name

Both spend from a token bucket. A token is a byte of a frame, header included, no FCS; a run costs what its frames cost. Messages are never
cut: one goes when the balance is positive and may leave a debt, which the next ones wait for. So over any time, what passes is
at most

    rate x time + BURST_SECONDS x rate + one message

and, as long as somebody always wants more, at least rate x time. (The original counts per tick of 10 ms, and has room for two ticks
before it drops. Room for two runs at least keeps TCP from losing whole windows at low rates.)

A limit of 0 lets nothing pass in either direction: all is dropped.
"""

from __future__ import annotations

import abc
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from kernel_sim.mac.stat import ClientDrop, survey
from kernel_sim.sys.message import Chain, Message

if TYPE_CHECKING:
    from kernel_sim.ddi import Clock, Timer
    from kernel_sim.mac.client import MacClient

BURST_SECONDS: Final = 0.02
"""How long a pause the bucket can make up for."""
QUANTUM_SECONDS: Final = 0.001
"""Who waits for tokens waits for as many as come in this time, so that wake-ups are bounded."""
ROOM_SECONDS: Final = 0.02
"""How long a received frame may wait, unless the room is less than `ROOM_MIN`."""
ROOM_MIN: Final = 2 * 65536
"""Bytes of received frames that may wait at least."""

Allow = Callable[[int | None], None]
"""Says how many bytes a consumer may send before it is asked again; 0 nothing, None as much as it likes (`ddi.Port.allow`)."""


class TokenBucket:
    """Tokens that come at `rate` a second, of which at most `depth` are kept. Times are seconds of one clock."""

    __slots__ = ("_at", "_tokens", "depth", "rate")

    def __init__(self, rate: float, depth: float, now: float) -> None:
        self.rate = rate
        self.depth = depth
        self._tokens = depth
        self._at = now

    def balance(self, now: float) -> float:
        """The tokens there are; less than 0 is a debt."""
        self._tokens = min(self.depth, self._tokens + (now - self._at) * self.rate)
        self._at = now
        return self._tokens

    def take(self, tokens: int, now: float) -> float:
        """Spend tokens, whether or not they are there; the new balance."""
        self._tokens = self.balance(now) - tokens
        return self._tokens

    def wait(self, wanted: float, now: float) -> float:
        """Seconds until the balance is `wanted` (at most `depth`), 0 if it is."""
        return max(0.0, (wanted - self.balance(now)) / self.rate)


class _Limit(abc.ABC):
    """A bucket and the timer of who waits for it."""

    def __init__(self, client: MacClient, clock: Clock, rate: int) -> None:
        """`rate` in bit/s."""
        self._client = client
        self._clock = clock
        self._timer: Timer | None = None
        self.rate = rate
        self._bucket = self._full_bucket(rate) if rate else None

    def set_rate(self, rate: int) -> None:
        """Another rate; what was spent or owed under the old one is forgotten."""
        self.rate = rate
        self._bucket = self._full_bucket(rate) if rate else None
        self._again()

    def close(self) -> None:
        """The client is gone: nothing is left behind."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _full_bucket(self, rate: int) -> TokenBucket:
        octets = rate / 8
        return TokenBucket(octets, octets * BURST_SECONDS, self._clock.now())

    def _wait(self, bucket: TokenBucket) -> None:
        if self._timer is None:
            seconds = bucket.wait(bucket.rate * QUANTUM_SECONDS, self._clock.now())
            self._timer = self._clock.call_later(seconds, self._due)

    def _due(self) -> None:
        self._timer = None
        self._again()

    @abc.abstractmethod
    def _again(self) -> None:
        """There may be tokens now."""


class TransmitLimit(_Limit):
    """Holds a consumer up that sends too fast; `check` is the last of the client's transmit checks.

    `blockcnt` and `unblockcnt` of the client count the pauses, `txsdrops` what a limit of 0 dropped.
    """

    def __init__(self, client: MacClient, clock: Clock, rate: int, allow: Allow) -> None:
        super().__init__(client, clock, rate)
        self._allow = allow
        self._blocked = False
        self._again()

    def check(self, chain: Chain) -> Chain:
        """Charge for a chain, all of which may go: the consumer was read for the last time if there is now a debt."""
        bucket = self._bucket
        frames, octets, _ = survey(chain)
        if bucket is None:
            self._client.stats.txsdrops += frames
            self._client.drop(ClientDrop.TX_OVER_MAXBW, chain)
            return []
        bucket.take(octets, self._clock.now())
        self._again()
        return chain

    def release(self) -> None:
        """There is no limit any more: the consumer may send as it likes."""
        self.close()
        self._block(on=False)
        self._allow(None)

    def _again(self) -> None:
        bucket = self._bucket
        if bucket is None:
            self._block(on=False)
            self._allow(None)
            return
        tokens = int(bucket.balance(self._clock.now()))
        if tokens > 0:
            self._block(on=False)
            self._allow(tokens)
        else:
            self._block(on=True)
            self._allow(0)
            self._wait(bucket)

    def _block(self, *, on: bool) -> None:
        if on is not self._blocked:
            self._blocked = on
            if on:
                self._client.stats.blockcnt += 1
            else:
                self._client.stats.unblockcnt += 1


class ReceiveLimit(_Limit):
    """Lets received frames wait for their turn. `forward` hands them to the consumer.

    What finds no room is an RX_OVER_MAXBW drop, counted in the client's `rxsdrops`, too.
    """

    def __init__(self, client: MacClient, clock: Clock, rate: int, forward: Callable[[Chain], None]) -> None:
        super().__init__(client, clock, rate)
        self._forward = forward
        self._waiting: deque[Message] = deque()
        self._octets = 0

    def receive(self, chain: Chain) -> None:
        """Frames for the consumer."""
        bucket = self._bucket
        if bucket is None:
            self._drop(chain)
            return
        passed = self._spend(bucket, chain) if not self._waiting else 0
        if passed:
            self._forward(chain[:passed])
        if passed < len(chain):
            self._queue(bucket, chain[passed:])

    def close(self) -> None:
        """What waits is dropped."""
        super().close()
        self._drop(list(self._waiting))
        self._waiting.clear()
        self._octets = 0

    def release(self) -> None:
        """There is no limit any more: what waits goes on at once."""
        waiting = list(self._waiting)
        self._waiting.clear()
        self.close()
        if waiting:
            self._forward(waiting)

    def _spend(self, bucket: TokenBucket, chain: Chain) -> int:
        """How many messages of a chain can go now; they are paid for."""
        now = self._clock.now()
        tokens = bucket.balance(now)
        for place, message in enumerate(chain):
            if tokens <= 0:
                return place
            tokens = bucket.take(message.bytes_on_wire, now)
        return len(chain)

    def _queue(self, bucket: TokenBucket, chain: Chain) -> None:
        room = max(ROOM_MIN, bucket.rate * ROOM_SECONDS)
        refused: Chain = []
        for message in chain:
            octets = message.bytes_on_wire
            if self._waiting and self._octets + octets > room:
                refused.append(message)
            else:
                self._waiting.append(message.with_data(bytes(message.data)))  # the memory is the sender's
                self._octets += octets
        if refused:
            self._drop(refused)
        self._wait(bucket)

    def _again(self) -> None:
        bucket = self._bucket
        if bucket is None:
            self._drop(list(self._waiting))
            self._waiting.clear()
            self._octets = 0
            return
        now = self._clock.now()
        going: Chain = []
        tokens = bucket.balance(now)
        while self._waiting and tokens > 0:
            message = self._waiting.popleft()
            octets = message.bytes_on_wire
            self._octets -= octets
            tokens = bucket.take(octets, now)
            going.append(message)
        if self._waiting:
            self._wait(bucket)
        if going:
            self._forward(going)

    def _drop(self, chain: Chain) -> None:
        if chain:
            self._client.drop(ClientDrop.RX_OVER_MAXBW, chain)
            self._client.stats.rxsdrops += survey(chain)[0]
