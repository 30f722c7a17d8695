"""What the simulated kernel is given: the protocols between its pure core and whatever world it runs in.

`kernel_sim.io` implements them over Linux (epoll, TAP, UDP, netlink); `etherspan.testing` implements them in memory over a
virtual clock. The core calls nothing else and knows neither.

Rules of the seam: every call returns at once; everything runs on one loop, so nothing here is called from two places at
once; errors are raised as `KernelError` with an illumos errno.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NewType, Protocol

from kernel_sim.sys.message import Buffer, Chain, Message

LinkId = NewType("LinkId", int)
"""A datalink id, u32; 0 is none."""


class Timer(Protocol):
    """A pending call of `Clock.call_later`."""

    def cancel(self) -> None:
        """Forget the call; harmless once it was made."""


class Clock(Protocol):
    """Monotonic time and deferred calls."""

    def now(self) -> float:
        """Seconds since some fixed moment; never goes back."""

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call back once, `seconds` from now."""


class Random(Protocol):
    """Random bytes (MAC addresses)."""

    def bytes(self, count: int) -> bytes:
        """`count` random bytes."""


@dataclass(slots=True, frozen=True)
class SocketAddress:
    """An underlay address: 16 bytes in network order (IPv4 as ::ffff:a.b.c.d) and a port."""

    ip: bytes
    port: int

    @property
    def is_v4(self) -> bool:
        """True for an IPv4-mapped address."""
        return self.ip[:12] == V4_MAPPED_PREFIX


V4_MAPPED_PREFIX = bytes(10) + b"\xff\xff"


class UnderlaySocket(Protocol):
    """A bound UDP socket (KRN 4.4)."""

    def send(self, header: bytes, frames: Sequence[Buffer], to: SocketAddress, source_port: int) -> int:
        """Send one datagram `header + frame` for each frame, without blocking.

        All frames but the last have one length, the last is not longer. `source_port` is the bound port, or another port on the
        bound address; where that cannot be had, the bound port is used. Returns 0 or an illumos errno (a prefix of the frames
        may have gone).
        """

    def close(self) -> None:
        """Close; nothing is received afterwards."""


class Receive(Protocol):
    """Called with a batch of datagrams: the bytes, and the stride at which they are laid (the last may be shorter).

    They are from one sender, unless they were `gathered`: received one by one, from whoever sent them. The memory belongs to the caller
    and is reused after the call.
    """

    def __call__(self, buffer: memoryview, stride: int, /, *, gathered: bool = False) -> None: ...


class Underlay(Protocol):
    """The IP network under the overlays."""

    def open(
        self,
        address: SocketAddress,
        receive: Receive,
        paths: ReceivePaths | None = None,
        heard: Callable[[bytes], None] | None = None,
    ) -> UnderlaySocket:
        """Bind a datagram socket. `paths` tells where datagrams like one that was received go, for an underlay that can take them there.

        Who gives `heard` is told before each `receive` what address (16 bytes) the batch is from, and nothing is gathered then.

        Errors: EADDRNOTAVAIL, EADDRINUSE, EACCES and whatever else bind gives, as `KernelError`; nothing is left behind.
        """


@dataclass(slots=True, frozen=True)
class PortSpec:
    """What a VNIC's port is made from. `mac` 6 bytes, `mtu` bytes of payload; `name` is the link name (1..31 characters)."""

    linkid: LinkId
    name: str
    mac: bytes
    mtu: int
    up: bool


class Port(Protocol):
    """The consumer's side of a VNIC: on Linux a TAP device."""

    def deliver(self, chain: Chain) -> int:
        """Hand frames to the consumer; returns how many frames (runs counted as their frames) it could not take."""

    def allow(self, octets: int | None) -> None:
        """How much the consumer may send (`maxbw`): at most about that many bytes are taken from it before `transmit` is called.

        0: nothing is, and the consumer's queue fills, until more is allowed; None, as at first: whatever there is. The last message
        may pass the limit. It may be called from within `transmit`.
        """

    def set_mtu(self, mtu: int) -> None:
        """Change the MTU. Errors: EINVAL."""

    def set_mac(self, mac: bytes) -> None:
        """Change the station address."""

    def set_link(self, up: bool) -> None:
        """Change the carrier."""

    def set_name(self, name: str) -> None:
        """Follow a rename of the link. Errors: EBUSY while its consumer has it up."""

    def set_zone(self, zone: str) -> None:
        """Move to the zone of that name; "" or "global" is the host itself. Errors: ENOENT no such zone, EEXIST name taken there."""

    @property
    def zone(self) -> str:
        """The zone it is in now, "" for the host; it changes by itself when a zone's namespace goes away."""

    def close(self) -> None:
        """Remove the device."""


class PortFactory(Protocol):
    """Makes ports."""

    def open(self, spec: PortSpec, transmit: Callable[[Chain], None], path: FindTransmitPath | None = None) -> Port:
        """Make a port; `transmit` is called with what its consumer sends. `path` tells how messages like one of it leave, for a port that
        can send them. Errors: EEXIST, EPERM, ENOENT (no tun device) ….
        """


@dataclass(slots=True, frozen=True)
class TransmitPath:
    """What the kernel does with every frame of a conversation, until something is configured or answered.

    A conversation are the unicast frames, without VLAN tag, of one pair of MAC and IP addresses, protocol TCP or UDP, and ports; or of
    ICMP and one type, echo request or reply. Each is sent by `socket` to `to` from `source_port` behind `header`; a datagram of more than
    `limit` bytes is not. `sent` is to be told how many frames of how many bytes went.
    """

    socket: UnderlaySocket
    header: bytes
    to: SocketAddress
    source_port: int
    limit: int
    sent: Callable[[int, int], None]


@dataclass(slots=True, frozen=True)
class LocalPath:
    """The same for a conversation with another port of this kernel: each frame, and each run whole, is delivered to `port` as it is."""

    port: Port
    sent: Callable[[int, int], None]


@dataclass(slots=True, frozen=True)
class ReceivePath:
    """What the kernel does with every datagram of one encapsulation header and inner destination address, until something is configured.

    The header goes, frames are checked and merged for that `mtu` (`hw_emul.receive`), and delivered to `port`; not
    so those with a VLAN tag. `received` is to be told how many frames of how many bytes the port took.
    """

    port: Port
    mtu: int
    received: Callable[[int, int], None]


FindTransmitPath = Callable[[Message], TransmitPath | LocalPath | None]
"""The way of a message; None when each has to be looked at. Changes nothing."""


@dataclass(slots=True, frozen=True)
class ReceivePaths:
    """Where datagrams go that begin with a header of `header_size` bytes and, behind it, an address.

    `find` tells it by a datagram; None when each has to be looked at. It changes nothing.
    """

    header_size: int
    find: Callable[[memoryview], ReceivePath | None]


@dataclass(slots=True, frozen=True)
class PhysLink:
    """An Ethernet interface of the host itself. `speed` in Mbit/s, 0 unknown; `duplex` 0 unknown, 1 half, 2 full."""

    ifindex: int
    name: str
    mac: bytes
    mtu: int
    up: bool
    speed: int = 0
    duplex: int = 0


class PhysLinks(Protocol):
    """The physical links of the host, followed as they come and go."""

    def snapshot(self) -> Sequence[PhysLink]:
        """All of them, in ifindex order."""

    def subscribe(self, changed: Callable[[], None]) -> None:
        """Be called after each change."""
