"""Underlay sockets, shared by the overlays that listen on one address (KRN 3, 4.4).

A mux is one bound UDP socket of one encapsulation plugin, and the devices behind it by virtual network id. It exists while at
least one of them is started.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from kernel_sim.ddi import V4_MAPPED_PREFIX, ReceivePath, ReceivePaths, SocketAddress, Underlay, UnderlaySocket
from kernel_sim.mac import hw_emul
from kernel_sim.mac.watch import DropWatch
from kernel_sim.overlay.drops import MUX_KSTAT, DropCounters, MuxDrop
from kernel_sim.overlay.plugin import EncapPlugin
from kernel_sim.overlay.target import Destination
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.message import Packed
from kernel_sim.sys.tunables import Tunables

ORIGINAL: Final = Tunables()
"""No defence the original lacks."""
ANY_V6: Final = bytes(16)
LOOPBACK_V6: Final = bytes(15) + b"\x01"
ANY_V4: Final = V4_MAPPED_PREFIX + bytes(4)
LOOPBACK_V4: Final = V4_MAPPED_PREFIX + b"\x7f\x00\x00\x01"

_REWRITTEN: Final = {ANY_V6: LOOPBACK_V6, ANY_V4: LOOPBACK_V4}
"""Sending to the unspecified address is sending to oneself."""

DATAGRAM_MAX: Final = 65535
"""Largest IP datagram, its own header included; more is EMSGSIZE."""
_OVERHEAD_V4: Final = 20 + 8
_OVERHEAD_V6: Final = 40 + 8

_KNOWN_MAX: Final = 1024
"""Headers remembered at a time; peers choose reserved bits, so there is no natural bound."""


class Receiver(Protocol):
    """A device behind a mux."""

    @property
    def vnetid(self) -> int:
        """Its virtual network id."""

    def receive(self, frames: Sequence[memoryview], segment: int = 0) -> None:
        """Take inner frames; their memory is valid during the call. `segment`: payload bytes a frame of an uncut super-frame."""

    def receive_path(self, frame: memoryview) -> ReceivePath | None:
        """Where frames to the address of this one go, if they all go alike."""

    def admits(self, source: bytes, frames: Sequence[memoryview]) -> bool:
        """Whether it takes frames from that address (16 bytes); if not, they have been counted."""


class Mux:
    """One shared socket. `users` counts its devices from `MuxTable.open` to `close`."""

    def __init__(
        self, plugin: EncapPlugin, address: SocketAddress, drops: DropCounters[MuxDrop], tunables: Tunables = ORIGINAL
    ) -> None:
        self.plugin = plugin
        self.address = address
        self.users = 0
        self._drops = drops
        self._devices: dict[int, Receiver] = {}
        self._decap_size = plugin.decap_size
        self._known: dict[bytes, tuple[Receiver, int]] = {}
        reserved: bytes = getattr(plugin, "reserved", b"") if tunables.vxlan_strict else b""
        self._reserved = int.from_bytes(reserved, "big")
        self._reserved_size = len(reserved)
        self._filtering = tunables.overlay_source_filter
        self._source = b""

    def add(self, device: Receiver) -> None:
        """Let a device receive. CREATE and SETPROP see to it that no two share a virtual network id (KRN-I5, KRN-Q3)."""
        assert device.vnetid not in self._devices
        self._devices[device.vnetid] = device

    def remove(self, device: Receiver) -> None:
        """The device receives nothing from now on."""
        del self._devices[device.vnetid]
        self._known.clear()

    def resolve(self, destination: Destination) -> None:
        """Work out how this mux reaches a destination.

        Sets `to`, `limit` (largest payload, header and frame) and `errno`: EADDRNOTAVAIL when the address families do not go
        together. Bound to an IPv4 address means IPv4 destinations only, to an IPv6 address IPv6 ones only, to `::` either.
        """
        wanted = destination.address
        destination.resolved_by = self
        destination.to = SocketAddress(_REWRITTEN.get(wanted.ip, wanted.ip), wanted.port)
        destination.limit = DATAGRAM_MAX - (_OVERHEAD_V4 if wanted.is_v4 else _OVERHEAD_V6)
        fits = self.address.ip == ANY_V6 or self.address.is_v4 == wanted.is_v4
        destination.errno = 0 if fits else Errno.EADDRNOTAVAIL

    def receive(self, buffer: memoryview, stride: int, /, *, gathered: bool = False) -> None:
        """Take a batch of datagrams, `stride` bytes apart, and hand each device its frames in order (KRN 3, steps 4 to 8)."""
        total = len(buffer)
        if not 0 < stride < total:
            self._receive_one(buffer, total)
            return
        if not self._receive_whole(buffer, stride, total, gathered=gathered):
            self._receive_each([buffer[offset : offset + stride] for offset in range(0, total, stride)])

    def receive_path(self, datagram: memoryview) -> ReceivePath | None:
        """See `ddi.ReceivePaths`."""
        found = self._classify(datagram)
        if isinstance(found, MuxDrop) or found[1] != self._decap_size:
            return None
        return found[0].receive_path(datagram[found[1] :])

    @property
    def paths(self) -> ReceivePaths | None:
        """For an encapsulation whose header alone decides, and all of it."""
        decides = self._decap_size and not self._filtering
        return ReceivePaths(self._decap_size, self.receive_path) if decides else None

    @property
    def heard(self) -> Callable[[bytes], None] | None:
        """See `ddi.Underlay.open`: wanted where datagrams are judged by who sent them."""
        return self._hear if self._filtering else None

    def _hear(self, source: bytes) -> None:
        self._source = source

    def _receive_one(self, datagram: memoryview, size: int) -> None:
        found = self._classify(datagram)
        if isinstance(found, MuxDrop):
            self._drops.drop_frames(found, [datagram])
        else:
            self._give(found[0], Packed(datagram, size, found[1]))

    def _receive_whole(self, buffer: memoryview, stride: int, total: int, *, gathered: bool) -> bool:
        """Take a batch in one piece: one whose datagrams all begin with the same deciding bytes. False, and nothing done, for any other.

        It may be no batch, but one datagram with an inner super-frame that nobody has cut: a Linux peer on the same machine hands such a
        datagram over whole, with the inner segment size where a stride is expected. What was gathered never is one, whatever it claims to
        be: one sender's frame would take in those of others.
        """
        found = self._classify(buffer)
        if isinstance(found, MuxDrop):
            return False
        device, skip = found
        frame = buffer[skip:]
        if not gathered and hw_emul.claimed_length(frame) == len(frame):
            self._give(device, [frame], stride)
            return True
        size = self._decap_size
        last = total % stride or stride
        if not 0 < size < last or skip >= last or not hw_emul.uniform(buffer, stride, size):
            return False
        self._give(device, Packed(buffer, stride, skip))
        return True

    def _receive_each(self, datagrams: Sequence[memoryview]) -> None:
        frames: list[memoryview] = []
        current: Receiver | None = None
        for datagram in datagrams:
            found = self._classify(datagram)
            if isinstance(found, MuxDrop):
                self._drops.drop_frames(found, [datagram])
                continue
            device, skip = found
            if device is not current:
                if current is not None:
                    self._give(current, frames)
                    frames = []
                current = device
            frames.append(datagram[skip:])
        if current is not None:
            self._give(current, frames)

    def _give(self, device: Receiver, frames: Sequence[memoryview], segment: int = 0) -> None:
        if not self._filtering or device.admits(self._source, frames):
            device.receive(frames, segment)

    def _classify(self, datagram: memoryview) -> tuple[Receiver, int] | MuxDrop:
        """Whose a datagram is, and how long its header."""
        deciding = bytes(datagram[: self._decap_size])
        known = self._known.get(deciding) if deciding else None
        if known is not None:
            return known if len(datagram) > known[1] else MuxDrop.EMPTY
        read = self.plugin.decap(datagram)
        if read is None:
            return MuxDrop.BAD_HEADER
        if self._reserved and int.from_bytes(datagram[: self._reserved_size], "big") & self._reserved:
            return MuxDrop.RESERVED_BITS
        if len(datagram) <= read.header_size:
            return MuxDrop.EMPTY
        device = self._devices.get(read.vnetid)
        if device is None:
            return MuxDrop.UNKNOWN_VNETID
        found = device, read.header_size
        if deciding:
            if len(self._known) >= _KNOWN_MAX:
                self._known.clear()
            self._known[deciding] = found
        return found


class MuxTable:
    """All muxes of a kernel, by listen address."""

    def __init__(self, underlay: Underlay, watch: DropWatch | None = None, tunables: Tunables = ORIGINAL) -> None:
        self._tunables = tunables
        self.drops = DropCounters(MuxDrop, watch, MUX_KSTAT)
        self._underlay = underlay
        self._muxes: dict[SocketAddress, tuple[Mux, UnderlaySocket]] = {}

    def open(self, plugin: EncapPlugin, address: SocketAddress) -> tuple[Mux, UnderlaySocket]:
        """Share the socket of that address, or make it.

        Errors: EEXIST another plugin has it (KRN-Q21), and those of the underlay: EADDRNOTAVAIL, EADDRINUSE, EACCES …
        """
        found = self._muxes.get(address)
        if found is None:
            mux = Mux(plugin, address, self.drops, self._tunables)
            found = self._muxes[address] = mux, self._underlay.open(address, mux.receive, mux.paths, mux.heard)
        elif found[0].plugin is not plugin:
            raise KernelError(Errno.EEXIST, f"encapsulation {found[0].plugin.name} listens there already")
        found[0].users += 1
        return found

    def close(self, mux: Mux) -> None:
        """Give back what `open` gave; the last user closes the socket."""
        mux.users -= 1
        if not mux.users:
            self._muxes.pop(mux.address)[1].close()

    def __len__(self) -> int:
        return len(self._muxes)
