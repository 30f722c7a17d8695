"""Faults: losing, duplicating, reordering, corrupting and delaying what travels, and cutting the way altogether.

    faults = Faults(clock, random, loss=0.01, delay=0.1, delay_seconds=0.02)
    underlay = FaultyUnderlay(underlay, faults)
    ...
    faults.partition = lambda passing: passing.to == there          # may be changed at any time

Each fault is a *chance*: a probability from 0 to 1, or a predicate over what passes. They are decided in the order of `Fault`, for each
frame by itself, by the random bytes that were given; the same bytes give the same faults. What is neither lost nor changed passes in
the batches it came in.

Each frame that meets a fault is counted by name in `counts`, and told to `observer`: a frame that is lost or cut off goes no further,
any other goes on, late, twice or with one bit turned. A delayed frame whose socket or port has been closed meanwhile is CLOSED.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Generic, Protocol, Self, TypeVar

from kernel_sim.ddi import (
    Clock,
    FindTransmitPath,
    Port,
    PortFactory,
    PortSpec,
    Random,
    Receive,
    ReceivePaths,
    SocketAddress,
    Underlay,
    UnderlaySocket,
)
from kernel_sim.middleware.port import WrappedPort
from kernel_sim.sys.message import Buffer, Chain, Message

_STEPS: Final = 1 << 32


class Fault(enum.StrEnum):
    """What can happen to a frame, in the order it is decided. The first two end it, as does the last."""

    PARTITION = "fault_partition"
    LOSS = "fault_loss"
    CORRUPTION = "fault_corruption"
    """One bit of it is turned."""
    DUPLICATION = "fault_duplication"
    DELAY = "fault_delay"
    REORDERING = "fault_reordering"
    """It waits until the next has passed, or `reorder_seconds`."""
    CLOSED = "fault_closed"


@dataclass(slots=True, frozen=True)
class Passing:
    """A frame on its way: its bytes (of a datagram: header and frame), and where a datagram goes; None for a port's frame."""

    data: bytes
    to: SocketAddress | None = None
    frames: int = 1
    """A run is decided as a whole and counted as its frames."""
    became: bytes | None = None
    """What a corrupted one is now, told to observers."""


Chance = float | Callable[[Passing], bool]
Observer = Callable[[Fault, Passing], None]


@dataclass(slots=True)
class Faults:
    """What goes wrong. One may serve several sockets and ports; its counts are of all of them."""

    clock: Clock
    random: Random
    partition: Chance = 0.0
    loss: Chance = 0.0
    corruption: Chance = 0.0
    duplication: Chance = 0.0
    delay: Chance = 0.0
    reordering: Chance = 0.0
    delay_seconds: float = 0.01
    """The longest delay; how long one lasts is random."""
    reorder_seconds: float = 0.01
    observer: Observer | None = None
    counts: dict[Fault, int] = field(default_factory=lambda: dict.fromkeys(Fault, 0))

    @property
    def quiet(self) -> bool:
        """Nothing can go wrong."""
        chances = (self.partition, self.loss, self.corruption, self.duplication, self.delay, self.reordering)
        return not any(callable(chance) or chance > 0 for chance in chances)

    def happens(self, fault: Fault, chance: Chance, passing: Passing) -> bool:
        """Decide, and count and tell it if so."""
        decided = self.decide(chance, passing)
        if decided:
            self.note(fault, passing)
        return decided

    def decide(self, chance: Chance, passing: Passing) -> bool:
        """Ask a predicate, or the random numbers."""
        return chance(passing) if callable(chance) else chance > 0 and self.fraction() < chance

    def note(self, fault: Fault, passing: Passing) -> None:
        """Count a fault and tell it."""
        self.counts[fault] += passing.frames
        if self.observer is not None:
            self.observer(fault, passing)

    def fraction(self) -> float:
        """A random number from 0 up to 1."""
        return int.from_bytes(self.random.bytes(4), "big") / _STEPS

    def position(self, count: int) -> int:
        """A random number below `count`."""
        return int(self.fraction() * count)


class _Item(Protocol):
    """Something that travels."""

    @property
    def passing(self) -> Passing:
        """What chances are asked about."""

    def kept(self) -> Self:
        """The same in memory of its own."""

    def with_data(self, data: bytes) -> Self:
        """The same with other bytes, as many as there were."""


_I = TypeVar("_I", bound=_Item)


class _Line(Generic[_I]):
    """One direction of one socket or port. `forward` takes what passes; its result is that of `carry`."""

    def __init__(self, faults: Faults, forward: Callable[[list[_I]], int]) -> None:
        self._faults = faults
        self._forward = forward
        self._held: list[_I] = []
        self._closed = False

    def carry(self, items: list[_I]) -> int:
        """Let items pass, or not."""
        if self._faults.quiet and not self._held:
            return self._forward(items)
        through: list[_I] = []
        for item in items:
            through += self._decide(item)
        return self._forward(through) if through else 0

    def close(self) -> None:
        """What is still on its way will not arrive."""
        self._closed = True

    def _decide(self, item: _I) -> list[_I]:
        """What passes now because of an item."""
        faults, passing = self._faults, item.passing
        if faults.happens(Fault.PARTITION, faults.partition, passing):
            return []
        if faults.happens(Fault.LOSS, faults.loss, passing):
            return []
        if passing.data and faults.decide(faults.corruption, passing):
            changed = self._corrupted(passing.data)
            item = item.with_data(changed)
            faults.note(Fault.CORRUPTION, replace(passing, became=changed))
        items = [item, item] if faults.happens(Fault.DUPLICATION, faults.duplication, passing) else [item]
        if faults.happens(Fault.DELAY, faults.delay, passing):
            self._later([one.kept() for one in items], faults.fraction() * faults.delay_seconds)
            return []
        if faults.happens(Fault.REORDERING, faults.reordering, passing):
            held = [one.kept() for one in items]
            self._held += held
            faults.clock.call_later(faults.reorder_seconds, lambda: self._release(held))
            return []
        late, self._held = self._held, []
        return [*items, *late]

    def _corrupted(self, data: bytes) -> bytes:
        bit = self._faults.position(8 * len(data))
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        return bytes(changed)

    def _later(self, items: list[_I], seconds: float) -> None:
        self._faults.clock.call_later(seconds, lambda: self._arrive(items))

    def _release(self, items: list[_I]) -> None:
        """Nothing has passed that could have let them go on."""
        waiting = [item for item in items if any(item is held for held in self._held)]
        self._held = [held for held in self._held if not any(held is item for item in waiting)]
        if waiting:
            self._arrive(waiting)

    def _arrive(self, items: list[_I]) -> None:
        if self._closed:
            for item in items:
                self._faults.note(Fault.CLOSED, item.passing)
        else:
            self._forward(items)


# ---------------------------------------------------------------------- underlays


@dataclass(slots=True, frozen=True)
class _Datagram:
    header: bytes
    frame: Buffer
    to: SocketAddress
    source_port: int

    @property
    def passing(self) -> Passing:
        return Passing(self.header + bytes(self.frame), self.to)

    def kept(self) -> _Datagram:
        return replace(self, frame=bytes(self.frame))

    def with_data(self, data: bytes) -> _Datagram:
        size = len(self.header)
        return replace(self, header=data[:size], frame=data[size:])


class FaultyUnderlay:
    """See `kernel_sim.ddi.Underlay`; what its sockets send meets faults."""

    def __init__(self, inner: Underlay, faults: Faults) -> None:
        self._inner = inner
        self._faults = faults

    def open(
        self,
        address: SocketAddress,
        receive: Receive,
        paths: ReceivePaths | None = None,
        heard: Callable[[bytes], None] | None = None,
    ) -> UnderlaySocket:
        return _FaultySocket(self._inner.open(address, receive, heard=heard), self._faults)


class _FaultySocket:
    def __init__(self, inner: UnderlaySocket, faults: Faults) -> None:
        self._inner = inner
        self._line: _Line[_Datagram] = _Line(faults, self._send)

    def send(self, header: bytes, frames: Sequence[Buffer], to: SocketAddress, source_port: int) -> int:
        return self._line.carry([_Datagram(header, frame, to, source_port) for frame in frames])

    def close(self) -> None:
        self._line.close()
        self._inner.close()

    def _send(self, datagrams: list[_Datagram]) -> int:
        """Send in batches as `UnderlaySocket.send` wants them; the first errno ends it."""
        batch: list[_Datagram] = []
        for one in datagrams:
            if batch and not _fits(batch, one):
                if errno := self._send_batch(batch):
                    return errno
                batch = []
            batch.append(one)
        return self._send_batch(batch)

    def _send_batch(self, batch: list[_Datagram]) -> int:
        first = batch[0]
        return self._inner.send(first.header, [one.frame for one in batch], first.to, first.source_port)


def _fits(batch: list[_Datagram], one: _Datagram) -> bool:
    first, last = batch[0], batch[-1]
    same = (first.header, first.to, first.source_port) == (one.header, one.to, one.source_port)
    return same and len(last.frame) == len(first.frame) >= len(one.frame)


# ---------------------------------------------------------------------- ports


@dataclass(slots=True, frozen=True)
class _Frame:
    message: Message

    @property
    def passing(self) -> Passing:
        return Passing(bytes(self.message.data), frames=self.message.frames)

    def kept(self) -> _Frame:
        return self.with_data(bytes(self.message.data))

    def with_data(self, data: bytes) -> _Frame:
        return _Frame(self.message.with_data(data))


class FaultyPorts:
    """See `kernel_sim.ddi.PortFactory`: frames to consumers meet the faults `inward`, those from them `outward`."""

    def __init__(self, inner: PortFactory, *, inward: Faults, outward: Faults) -> None:
        self._inner = inner
        self._inward = inward
        self._outward = outward

    def open(self, spec: PortSpec, transmit: Callable[[Chain], None], path: FindTransmitPath | None = None) -> Port:
        def forward(frames: list[_Frame]) -> int:
            transmit([frame.message for frame in frames])
            return 0

        line = _Line(self._outward, forward)
        inner = self._inner.open(spec, lambda chain: _ignore(line.carry([_Frame(message) for message in chain])))
        return _FaultyPort(inner, self._inward, line)


class _FaultyPort(WrappedPort):
    def __init__(self, inner: Port, inward: Faults, outward: _Line[_Frame]) -> None:
        super().__init__(inner)
        self._outward = outward
        self._inward: _Line[_Frame] = _Line(inward, self._deliver)

    def deliver(self, chain: Chain) -> int:
        return self._inward.carry([_Frame(message) for message in chain])

    def close(self) -> None:
        self._inward.close()
        self._outward.close()
        super().close()

    def _deliver(self, frames: list[_Frame]) -> int:
        return super().deliver([frame.message for frame in frames])


def _ignore(_refused: int) -> None:
    """Nobody is told how many frames the kernel took."""
