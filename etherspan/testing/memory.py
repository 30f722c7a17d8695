"""The simulated kernel's surroundings, in memory: a clock that tests turn, an IP network, ports, physical links.

They implement the protocols of `kernel_sim.ddi` without any I/O, and are deterministic: the same calls give the same order of
events. Nothing happens by itself: what is sent arrives when the clock is turned (`MemoryClock.run` for what is due now).

Memory handed to a receiver is overwritten after the call, as a reused receive buffer would be, so code that keeps a reference to it
shows.
"""

from __future__ import annotations

import heapq
import ipaddress
import itertools
import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from kernel_sim.ddi import (
    V4_MAPPED_PREFIX,
    Clock,
    FindTransmitPath,
    LinkId,
    PhysLink,
    PortSpec,
    Receive,
    ReceivePaths,
    SocketAddress,
)
from kernel_sim.mac import hw_emul
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.message import Buffer, Chain, Message


class MemoryTimer:
    """See `kernel_sim.ddi.Timer`."""

    __slots__ = ("callback",)

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class MemoryClock:
    """See `kernel_sim.ddi.Clock`; time passes in `advance` only."""

    def __init__(self) -> None:
        self._now = 0.0
        self._order = itertools.count()
        self._timers: list[tuple[float, int, MemoryTimer]] = []

    def now(self) -> float:
        return self._now

    def call_later(self, seconds: float, callback: Callable[[], None]) -> MemoryTimer:
        timer = MemoryTimer(callback)
        heapq.heappush(self._timers, (self._now + seconds, next(self._order), timer))
        return timer

    def run(self) -> None:
        """Make every call that is due now, and those that become due by them."""
        self.advance(0.0)

    def advance(self, seconds: float) -> None:
        """Let time pass, making each call at its moment; calls of one moment in the order they were asked for."""
        end = self._now + seconds
        while self._timers and self._timers[0][0] <= end:
            due, _, timer = heapq.heappop(self._timers)
            self._now = max(self._now, due)
            if timer.callback is not None:
                callback, timer.callback = timer.callback, None
                callback()
        self._now = end

    @property
    def pending(self) -> int:
        """Calls that are still to be made."""
        return sum(timer.callback is not None for _, _, timer in self._timers)


class MemoryRandom:
    """See `kernel_sim.ddi.Random`; the same seed gives the same bytes."""

    def __init__(self, seed: int | str = 0) -> None:
        self._random = random.Random(seed)

    def bytes(self, count: int) -> bytes:
        return self._random.randbytes(count)


def address(text: str, port: int = 4789) -> SocketAddress:
    """An underlay address from text: `address("10.0.0.1")`, `address("fd00::1", 4790)`."""
    ip = ipaddress.ip_address(text)
    return SocketAddress(V4_MAPPED_PREFIX + ip.packed if ip.version == 4 else ip.packed, port)


@dataclass(slots=True, frozen=True)
class Datagram:
    """A UDP datagram on the network's wire."""

    source: SocketAddress
    to: SocketAddress
    payload: bytes


_ANY_V6 = bytes(16)
_ANY_V4 = V4_MAPPED_PREFIX + bytes(4)


def _any(ip: bytes) -> bool:
    return ip in {_ANY_V6, _ANY_V4}


class MemoryNetwork:
    """An IP network that several underlays share. Frames go at once on the wire, and arrive when the clock runs.

    `wire` keeps every datagram unless `keep` is false; tests clear it. `loses` decides which are lost after they were put there,
    `unreached` is told those that nobody listens for. A send of frames of
    one length arrives as one batch, as with UDP_GRO; with `gro` false every datagram arrives alone.
    """

    def __init__(self, clock: Clock, *, gro: bool = True, keep: bool = True) -> None:
        self.wire: list[Datagram] = []
        self.loses: Callable[[Datagram], bool] = lambda _: False
        self.unreached: Callable[[Datagram], None] = lambda _: None
        self.gro = gro
        self._keep = keep
        self._clock = clock
        self._owners: dict[bytes, MemoryUnderlay] = {}

    def underlay(self, *addresses: str) -> MemoryUnderlay:
        """A machine on the network, with these addresses."""
        made = MemoryUnderlay(self, [address(one, 0).ip for one in addresses])
        for ip in made.addresses:
            assert ip not in self._owners, f"{ip.hex()} is taken"
            self._owners[ip] = made
        return made

    def carry(self, datagrams: Sequence[Datagram], sender: MemoryUnderlay) -> None:
        """Put datagrams for one address on the wire; all have one length but for a shorter last one."""
        if self._keep:
            self.wire += datagrams
        arriving = [one for one in datagrams if not self.loses(one)]
        batches = [arriving] if self.gro else [[one] for one in arriving]
        for batch in batches:
            if batch:
                self._clock.call_later(0.0, lambda batch=batch: self._arrive(batch, sender))  # type: ignore[misc]

    def _arrive(self, batch: Sequence[Datagram], sender: MemoryUnderlay) -> None:
        to = batch[0].to
        owner = sender if _is_loopback(to.ip) else self._owners.get(to.ip)
        socket = owner.socket_for(to) if owner is not None else None
        if socket is None:
            for datagram in batch:
                self.unreached(datagram)
            return
        memory = bytearray().join(one.payload for one in batch)
        if socket.heard is not None:
            socket.heard(batch[0].source.ip)
        socket.receive(memoryview(memory), len(batch[0].payload))
        memory[:] = b"\xa5" * len(memory)


def _is_loopback(ip: bytes) -> bool:
    return ip == bytes(15) + b"\x01" or ip[:13] == V4_MAPPED_PREFIX + b"\x7f"


class MemoryUnderlay:
    """See `kernel_sim.ddi.Underlay`: one machine's addresses and sockets. `send_errno` makes every send fail with it."""

    def __init__(self, network: MemoryNetwork, addresses: Sequence[bytes]) -> None:
        self.network = network
        self.addresses = tuple(addresses)
        self.sockets: dict[SocketAddress, MemorySocket] = {}
        self.send_errno = 0

    def open(
        self,
        address: SocketAddress,
        receive: Receive,
        paths: ReceivePaths | None = None,
        heard: Callable[[bytes], None] | None = None,
    ) -> MemorySocket:
        if not (_any(address.ip) or _is_loopback(address.ip) or address.ip in self.addresses):
            raise KernelError(Errno.EADDRNOTAVAIL, f"{address.ip.hex()} is not an address of this machine")
        for other in self.sockets:
            if other.port == address.port and (other.ip == address.ip or _any(other.ip) or _any(address.ip)):
                raise KernelError(Errno.EADDRINUSE, f"port {address.port} is taken")
        self.sockets[address] = made = MemorySocket(self, address, receive, heard)
        return made

    def socket_for(self, to: SocketAddress) -> MemorySocket | None:
        """The socket that a datagram to this machine reaches."""
        for ip in (to.ip, _ANY_V4 if to.is_v4 else _ANY_V6, _ANY_V6):
            if (found := self.sockets.get(SocketAddress(ip, to.port))) is not None:
                return found
        return None

    def source_for(self, bound: bytes, to: SocketAddress) -> bytes | None:
        """The source address routing would choose, None without a route."""
        if not _any(bound):
            return bound
        if _is_loopback(to.ip):
            return to.ip
        return next((ip for ip in self.addresses if (ip[:12] == V4_MAPPED_PREFIX) == to.is_v4), None)


class MemorySocket:
    """See `kernel_sim.ddi.UnderlaySocket`."""

    def __init__(
        self,
        underlay: MemoryUnderlay,
        bound: SocketAddress,
        receive: Receive,
        heard: Callable[[bytes], None] | None = None,
    ) -> None:
        self.bound = bound
        self.receive = receive
        self.heard = heard
        self._underlay = underlay

    def send(self, header: bytes, frames: Sequence[Buffer], to: SocketAddress, source_port: int) -> int:
        sizes = [len(frame) for frame in frames]
        assert frames, "a send of nothing"
        assert all(size == sizes[0] for size in sizes[:-1]), f"frames of one send differ in length: {sizes}"
        assert sizes[-1] <= sizes[0], f"the last frame of a send is longer than the others: {sizes}"
        if self._underlay.send_errno:
            return self._underlay.send_errno
        ip = self._underlay.source_for(self.bound.ip, to)
        if ip is None:
            return Errno.ENETUNREACH
        source = SocketAddress(ip, source_port)
        self._underlay.network.carry([Datagram(source, to, header + bytes(one)) for one in frames], self._underlay)
        return 0

    def close(self) -> None:
        del self._underlay.sockets[self.bound]


@dataclass(slots=True)
class MemoryPort:
    """See `kernel_sim.ddi.Port`: the consumer's side of a VNIC, played by a test.

    `send` is what the consumer does; `received` are the messages it was handed, and `take` the same as finished frames.
    `room` limits how many frames fit before it can take no more. `allowance` is what `allow` said; what it holds up is in `queued`.
    """

    linkid: LinkId
    name: str
    mac: bytes
    mtu: int
    up: bool
    transmit: Callable[[Chain], None]
    factory: MemoryPorts
    zone: str = ""
    room: int | None = None
    received: list[Message] = field(default_factory=list)
    closed: bool = False
    allowance: int | None = None
    queued: deque[Message] = field(default_factory=deque)
    _busy: bool = field(default=False, init=False, repr=False)

    def send(self, *frames: Message | bytes) -> None:
        """Let the consumer send frames or runs, in one chain if nothing holds it up."""
        if self.allowance is not None:
            self.queued += [Message(one) if isinstance(one, bytes) else one for one in frames]
            self._work_off()
            return
        memory = [bytearray(one) for one in frames if isinstance(one, bytes)]
        fresh = iter(memory)
        self.transmit([Message(memoryview(next(fresh))) if isinstance(one, bytes) else one for one in frames])
        for one in memory:
            one[:] = b"\xa5" * len(one)

    def allow(self, octets: int | None) -> None:
        self.allowance = octets
        self._work_off()

    def _work_off(self) -> None:
        """Send what is queued, as far as it is allowed; `transmit` may change that."""
        if self._busy:
            return
        self._busy = True
        try:
            while self.queued and self.allowance != 0:
                self.transmit(self._next_batch())
        finally:
            self._busy = False

    def _next_batch(self) -> Chain:
        batch: Chain = []
        octets = 0
        while self.queued and (self.allowance is None or octets < self.allowance):
            batch.append(self.queued.popleft())
            octets += len(batch[-1].data)
        return batch

    def take(self) -> list[bytes]:
        """The frames received since the last call: runs cut, checksums finished."""
        messages, self.received = self.received, []
        return [bytes(frame) for message in messages for frame in _frames(message)]

    def deliver(self, chain: Chain) -> int:
        refused = 0
        for message in chain:
            if self.room is not None and message.frames > self.room:
                refused += message.frames
                continue
            if self.room is not None:
                self.room -= message.frames
            self.received.append(message.with_data(bytes(message.data)))
        return refused

    def set_mtu(self, mtu: int) -> None:
        self.mtu = mtu

    def set_mac(self, mac: bytes) -> None:
        self.mac = mac

    def set_link(self, up: bool) -> None:
        self.up = up

    def set_name(self, name: str) -> None:
        self.factory.rename(self, name)

    def set_zone(self, zone: str) -> None:
        if zone and zone != "global" and zone not in self.factory.zones:
            raise KernelError(Errno.ENOENT, f"no zone {zone}")
        self.zone = "" if zone == "global" else zone

    def close(self) -> None:
        self.factory.forget(self)


def _frames(message: Message) -> Iterable[Buffer]:
    return hw_emul.cut(message) if message.mss or message.partial else [message.data]


class MemoryPorts:
    """See `kernel_sim.ddi.PortFactory`. `ports` are the open ones by name; `zones` those that exist.

    `refuses`, when set, is raised by the next `open`.
    """

    def __init__(self) -> None:
        self.ports: dict[str, MemoryPort] = {}
        self.zones: list[str] = []
        self.refuses: KernelError | None = None

    def open(
        self, spec: PortSpec, transmit: Callable[[Chain], None], path: FindTransmitPath | None = None
    ) -> MemoryPort:
        if self.refuses is not None:
            error, self.refuses = self.refuses, None
            raise error
        if spec.name in self.ports:
            raise KernelError(Errno.EEXIST, f"a port named {spec.name} exists")
        made = MemoryPort(spec.linkid, spec.name, spec.mac, spec.mtu, spec.up, transmit, self)
        self.ports[spec.name] = made
        return made

    def rename(self, port: MemoryPort, name: str) -> None:
        """Follow a rename."""
        del self.ports[port.name]
        port.name = name
        self.ports[name] = port

    def forget(self, port: MemoryPort) -> None:
        """The port is closed."""
        port.closed = True
        del self.ports[port.name]


class MemoryPhys:
    """See `kernel_sim.ddi.PhysLinks`; `set` changes them."""

    def __init__(self, *links: PhysLink) -> None:
        self._links = tuple(links)
        self._subscribers: list[Callable[[], None]] = []

    def snapshot(self) -> Sequence[PhysLink]:
        return self._links

    def subscribe(self, changed: Callable[[], None]) -> None:
        self._subscribers.append(changed)

    def set(self, *links: PhysLink) -> None:
        """These are the links from now on."""
        self._links = tuple(sorted(links, key=lambda link: link.ifindex))
        for changed in self._subscribers:
            changed()
