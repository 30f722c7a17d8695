"""What can be seen of one host in a world in memory, told to the world as events."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from typing import Final, Protocol

from etherspan.testing.sim.events import Event, Kind
from etherspan.testing.sim.loop import SimLoop
from kernel_sim.ddi import LinkId, SocketAddress
from kernel_sim.kernel import Kernel
from kernel_sim.mac import hw_emul
from kernel_sim.middleware.capture import Way
from kernel_sim.middleware.faults import Fault, Passing
from kernel_sim.overlay.cache import DynamicTarget
from kernel_sim.overlay.drops import MUX_KSTAT
from kernel_sim.sys import overlay_target
from kernel_sim.sys.codec import TargPkt
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.message import Buffer, Message

HEADER_LEN: Final = 8
"""Bytes of a VXLAN header."""
_COMMANDS: Final = {
    value: name
    for name, value in vars(overlay_target).items()
    if name.startswith("OVERLAY_TARG_") and isinstance(value, int)
}

_FRAMES: Final = {overlay_target.OVERLAY_TARG_INJECT: Kind.INJECTED, overlay_target.OVERLAY_TARG_RESEND: Kind.RESENT}


class Told(Protocol):
    """A world."""

    loop: SimLoop

    def tell(self, event: Event) -> None: ...


class HostView:
    """Callbacks of a host's middleware, kernel and varpd."""

    def __init__(self, world: Told, name: str) -> None:
        self._world = world
        self._name = name

    def watch(self, kernel: Kernel) -> None:
        """Be told what a kernel drops."""

        def dropped(where: LinkId | str, reason: str, chain: Sequence[Message]) -> None:
            link = where if isinstance(where, str) else _link_name(kernel, where)
            for message in chain:
                for frame in frames_of(message):
                    self._tell(Kind.DROPPED, link, reason, inner_frame(frame) if link == MUX_KSTAT else frame)

        kernel.watch.observer = dropped

    def port(self, way: Way, link: str, message: Message) -> None:
        """See `capture.FrameSeen`."""
        kind = Kind.SENT if way is Way.TO_KERNEL else Kind.DELIVERED
        for frame in frames_of(message):
            self._tell(kind, link, "", frame)

    def datagram(self, way: Way, bound: SocketAddress, peer: SocketAddress | None, datagram: Buffer) -> None:
        """See `capture.DatagramSeen`."""
        kind = Kind.ARRIVES if way is Way.TO_KERNEL else Kind.WIRE
        self._tell(kind, show(bound), "" if peer is None else show(peer), inner_frame(datagram))

    def fault(self, fault: Fault, passing: Passing) -> None:
        """See `faults.Observer`."""
        to = "" if passing.to is None else show(passing.to)
        became = None if passing.became is None else inner_frame(passing.became)
        self._tell(Kind.FAULT, to, fault, inner_frame(passing.data), became)

    def varpd(self, cmd: int, argument: bytes, errno: int) -> None:
        """See `devices.Answered`; LOOKUPs that found nothing are left out."""
        if cmd in _FRAMES and not errno:
            self._tell(_FRAMES[cmd], "", "", TargPkt.unpack(argument).data)
        elif errno != Errno.ETIME:
            self._tell(Kind.VARPD, _COMMANDS.get(cmd, hex(cmd)), Errno(errno).name if errno else "", None)

    def _tell(self, kind: Kind, where: str, detail: str, frame: bytes | None, became: bytes | None = None) -> None:
        self._world.tell(Event(self._world.loop.now(), self._name, kind, where, detail, frame, became))


def frames_of(message: Message) -> list[bytes]:
    """The finished frames a message stands for."""
    return [bytes(frame) for frame in hw_emul.cut(message)] if message.mss or message.partial else [bytes(message.data)]


def parked_frames(kernel: Kernel) -> Iterator[bytes]:
    """Every frame that waits for a destination."""
    for device in kernel.overlays:
        if isinstance(device.target, DynamicTarget):
            for entry in device.target:
                for message in entry.chain:
                    yield from frames_of(message)


def inner_frame(datagram: Buffer) -> bytes:
    """What is behind the header."""
    return bytes(datagram[HEADER_LEN:])


def show(address: SocketAddress) -> str:
    """As people write it: 10.0.0.1:4789, [fd00::1]:4789."""
    ip = ipaddress.IPv6Address(address.ip)
    return f"{ip.ipv4_mapped}:{address.port}" if ip.ipv4_mapped else f"[{ip}]:{address.port}"


def _link_name(kernel: Kernel, linkid: LinkId) -> str:
    try:
        return kernel.links.name(linkid)
    except KernelError:
        return f"link{linkid}"
