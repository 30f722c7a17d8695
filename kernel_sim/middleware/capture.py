"""Seeing every frame of ports, and every datagram of an underlay.

    ports = CapturedPorts(ports, lambda way, name, message: print(way, name, message))
    underlay = CapturedUnderlay(underlay, lambda way, bound, peer, datagram: ...)

Frames are seen before they are passed on, datagrams that leave after they did; those that could not be sent are not seen. Memory belongs
to whoever passes it: what is to be kept has to be copied.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kernel_sim.ddi import (
    FindTransmitPath,
    Port,
    PortFactory,
    PortSpec,
    Receive,
    ReceivePaths,
    SocketAddress,
    Underlay,
    UnderlaySocket,
)
from kernel_sim.middleware.port import WrappedPort
from kernel_sim.sys.message import Buffer, Chain, Message


class Way(enum.StrEnum):
    """Seen from the kernel's surroundings: a consumer or the wire gives something to the kernel, or gets something from it."""

    TO_KERNEL = "to kernel"
    FROM_KERNEL = "from kernel"


FrameSeen = Callable[[Way, str, Message], None]
"""Which way, the link's present name, the message. One that the consumer refuses is seen, too."""
DatagramSeen = Callable[[Way, SocketAddress, "SocketAddress | None", Buffer], None]
"""Which way, the bound address, where it goes (None for one received: that is not told), the payload."""


class CapturedPorts:
    """See `kernel_sim.ddi.PortFactory`."""

    def __init__(self, inner: PortFactory, seen: FrameSeen) -> None:
        self._inner = inner
        self._seen = seen

    def open(self, spec: PortSpec, transmit: Callable[[Chain], None], path: FindTransmitPath | None = None) -> Port:
        port: CapturedPort

        def seen_transmit(chain: Chain) -> None:
            for message in chain:
                self._seen(Way.TO_KERNEL, port.name, message)
            transmit(chain)

        port = CapturedPort(spec.name, self._inner.open(spec, seen_transmit), self._seen)
        return port


class CapturedPort(WrappedPort):
    """See `kernel_sim.ddi.Port`."""

    def __init__(self, name: str, inner: Port, seen: FrameSeen) -> None:
        super().__init__(inner)
        self.name = name
        self._seen = seen

    def deliver(self, chain: Chain) -> int:
        for message in chain:
            self._seen(Way.FROM_KERNEL, self.name, message)
        return super().deliver(chain)

    def set_name(self, name: str) -> None:
        super().set_name(name)
        self.name = name


class CapturedUnderlay:
    """See `kernel_sim.ddi.Underlay`."""

    def __init__(self, inner: Underlay, seen: DatagramSeen) -> None:
        self._inner = inner
        self._seen = seen

    def open(
        self,
        address: SocketAddress,
        receive: Receive,
        paths: ReceivePaths | None = None,
        heard: Callable[[bytes], None] | None = None,
    ) -> UnderlaySocket:
        def seen_receive(buffer: memoryview, stride: int, /, *, gathered: bool = False) -> None:
            for datagram in datagrams(buffer, stride):
                self._seen(Way.TO_KERNEL, address, None, datagram)
            receive(buffer, stride, gathered=gathered)

        return _CapturedSocket(self._inner.open(address, seen_receive, heard=heard), address, self._seen)


@dataclass(slots=True, frozen=True)
class _CapturedSocket:
    inner: UnderlaySocket
    bound: SocketAddress
    seen: DatagramSeen

    def send(self, header: bytes, frames: Sequence[Buffer], to: SocketAddress, source_port: int) -> int:
        errno = self.inner.send(header, frames, to, source_port)
        for frame in frames if not errno else ():
            self.seen(Way.FROM_KERNEL, self.bound, to, header + bytes(frame))
        return errno

    def close(self) -> None:
        self.inner.close()


def datagrams(buffer: memoryview, stride: int) -> list[memoryview]:
    """The single datagrams of a batch as an underlay hands it over. A batch of one has its length, or 0, as stride."""
    if stride <= 0:
        return [buffer]
    return [buffer[at : at + stride] for at in range(0, len(buffer), stride)]
