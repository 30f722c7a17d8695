"""What the resource properties of a VNIC do to its client (KRN 6.14): link protection, and the bandwidth limit of each direction.

    transmit:  protection ── TransmitLimit ──► MacClient       both are transmit checks of the client
    receive:   MacClient ── protection learns ── ReceiveLimit ──► consumer

A client without such properties has none of this. They are put in place and taken away when the properties change, so that what is not
configured costs a frame nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel_sim.mac import resource
from kernel_sim.mac.bandwidth import ReceiveLimit, TransmitLimit
from kernel_sim.mac.protect.protection import Protection

if TYPE_CHECKING:
    from collections.abc import Callable

    from kernel_sim.ddi import Clock
    from kernel_sim.mac.client import MacClient
    from kernel_sim.mac.datapath import TransmitCheck
    from kernel_sim.sys.codec import MacResourceProps
    from kernel_sim.sys.message import Chain


class Enforcement:
    """Holds one client to its resource properties."""

    def __init__(self, client: MacClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._protection = Protection(client, clock)
        self._sending: TransmitLimit | None = None
        self._receiving: ReceiveLimit | None = None
        self._ended: tuple[TransmitLimit | None, ReceiveLimit | None] = (None, None)

    def apply(self, props: MacResourceProps) -> None:
        """Take other properties. The client then asks for what has changed below, and calls `let_go`."""
        self._protection.configure(resource.protection(props))
        self._limit(resource.bandwidth(props))

    @property
    def checks(self) -> tuple[TransmitCheck, ...]:
        """The transmit checks there are now, in their order."""
        checks: list[TransmitCheck] = [self._protection.check] if self._protection.enabled else []
        if self._sending is not None:
            checks.append(self._sending.check)
        return tuple(checks)

    @property
    def learn(self) -> Callable[[Chain], None] | None:
        """Who wants to look at what is received, if somebody does."""
        return self._protection.learn if self._protection.wants_to_learn else None

    @property
    def receive(self) -> Callable[[Chain], None] | None:
        """What stands between the client and its consumer, if something does."""
        return self._receiving.receive if self._receiving is not None else None

    def let_go(self) -> None:
        """What a limit held up that is no more goes on, past it."""
        (sending, receiving), self._ended = self._ended, (None, None)
        for limit in (sending, receiving):
            if limit is not None:
                limit.release()

    def flush(self) -> None:
        """The client's data path is torn down: nothing that was learned holds any more."""
        self._protection.flush()

    def close(self) -> None:
        """The client is gone, its data path torn down already: nothing waits, no timer is left."""
        for limit in (self._sending, self._receiving):
            if limit is not None:
                limit.close()

    def _limit(self, rate: int | None) -> None:
        if rate is None:
            self._ended = (self._sending, self._receiving)
            self._sending = self._receiving = None
        elif self._sending is None or self._receiving is None:
            self._sending = TransmitLimit(self._client, self._clock, rate, self._client.allow)
            self._receiving = ReceiveLimit(self._client, self._clock, rate, self._client.to_consumer)
        elif rate != self._sending.rate:
            self._sending.set_rate(rate)
            self._receiving.set_rate(rate)
