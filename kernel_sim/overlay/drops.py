"""Every way the overlay driver can lose a frame, by name.

The original counts none of these (KRN-Q25). They appear beside its statistics, in the kstats of module `etherspan` and class
`drops`: those of a device under its link name, those of devices deleted since under `DELETED_KSTAT`, those of received datagrams that
belong to no device under `MUX_KSTAT`; these two are names no link can have (link names end in a digit). A run counts as the frames
it stands for.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from typing import Final, Generic, TypeVar

from kernel_sim.ddi import LinkId
from kernel_sim.mac.watch import DropWatch
from kernel_sim.sys.errno import Errno
from kernel_sim.sys.message import Buffer, Message

MUX_KSTAT: Final = "mux"
DELETED_KSTAT: Final = "deleted"


class DeviceDrop(enum.StrEnum):
    """Frames lost between the mac layer and the socket, or between a mux and the mac layer. The last four are defences (`tunables`)."""

    TX_NOT_STARTED = "tx_not_started"
    """The device is in no mux: nothing uses it, or RESEND came late."""
    TX_TARGET = "tx_target_drop"
    """A drop entry in the target's cache, or an encapsulation whose destinations a target does not know."""
    TX_NO_HEADER = "tx_no_header"
    """A dynamic target looks destinations up by MAC address, and the frame is too short to have one."""
    TX_PENDING_FULL = "tx_pending_full"
    """128 KiB are parked for that MAC address already (KRN-Q1)."""
    TX_LOOKUP = "tx_lookup_drop"
    """varpd answered DROP: it knows no destination, or has answered the frame itself, as the proxies do."""
    TX_BAD_HEADER = "tx_bad_header"
    """LOOKUP met a frame whose tag is cut short or has the CFI bit set."""
    TX_DELETED = "tx_overlay_deleted"
    """Parked when the overlay was deleted."""
    TX_ENCAP = "tx_encap_failed"
    """The encapsulation plugin refused the frame."""
    TX_BLOCKED = "tx_would_block"
    """The socket was flow-controlled."""
    TX_FAMILY = "tx_address_family"
    """The destination's address family does not go with the listen address (KRN 4.4), or no source address fits."""
    TX_TOO_BIG = "tx_too_big"
    """The datagram would be larger than UDP allows."""
    TX_SEND = "tx_send_failed"
    """Any other error of the socket."""
    TX_ABANDONED = "tx_chain_abandoned"
    """An earlier frame of the same chain could not be sent (KRN-Q24)."""
    TX_TARGETS_FULL = "tx_targets_full"
    """The target cache has `overlay_targets_max` entries, none of which can go."""
    TX_LOOKUP_RATE = "tx_lookup_rate"
    """More than `overlay_lookup_rate` lookups a second."""
    RX_SOURCE = "rx_unknown_source"
    """From an address that the search plugin has not named (`overlay_source_filter`)."""
    RX_LOCAL_MAC = "rx_local_mac"
    """From the wire, in the name of a VNIC of this host (`overlay_mac_check`)."""


class MuxDrop(enum.StrEnum):
    """Received datagrams that reached no device."""

    BAD_HEADER = "rx_bad_header"
    """The plugin does not recognise the header: cut short, or the I flag clear."""
    EMPTY = "rx_empty"
    """A header and nothing behind it."""
    RESERVED_BITS = "rx_reserved_bits"
    """A bit that the encapsulation reserves is set (`vxlan_strict`)."""
    UNKNOWN_VNETID = "rx_unknown_vnetid"
    """No device of this mux has that virtual network id."""


_BY_ERRNO = {
    Errno.EAGAIN: DeviceDrop.TX_BLOCKED,
    Errno.ENOBUFS: DeviceDrop.TX_BLOCKED,
    Errno.EADDRNOTAVAIL: DeviceDrop.TX_FAMILY,
    Errno.EMSGSIZE: DeviceDrop.TX_TOO_BIG,
}


def send_drop(errno: int) -> DeviceDrop:
    """The reason that stands for an errno of a send."""
    return _BY_ERRNO.get(Errno.of(errno), DeviceDrop.TX_SEND)


def frames_in(chain: Iterable[Message]) -> int:
    """Frames that a chain stands for."""
    return sum(message.frames for message in chain)


Reason = TypeVar("Reason", DeviceDrop, MuxDrop)


class DropCounters(Generic[Reason]):
    """Frames lost so far, by reason; every reason is there from the start. `watch` is told which they are, and that it was at `where`."""

    __slots__ = ("_watch", "_where", "counts")

    def __init__(self, reasons: type[Reason], watch: DropWatch | None = None, where: LinkId | str = "") -> None:
        self.counts: dict[Reason, int] = dict.fromkeys(reasons, 0)
        self._watch = watch or DropWatch()
        self._where = where

    def drop(self, reason: Reason, chain: Sequence[Message]) -> None:
        """Messages go no further."""
        self.counts[reason] += frames_in(chain)
        self._watch.tell(self._where, reason, chain)

    def drop_frames(self, reason: Reason, frames: Sequence[Buffer]) -> None:
        """Single frames go no further."""
        self.counts[reason] += len(frames)
        if self._watch.observer is not None:
            self._watch.tell(self._where, reason, [Message(frame) for frame in frames])

    def add(self, reason: Reason, frames: int = 1) -> None:
        self.counts[reason] += frames

    def include(self, others: DropCounters[Reason]) -> None:
        """Add what others have counted."""
        for reason, frames in others.counts.items():
            self.add(reason, frames)

    @property
    def total(self) -> int:
        return sum(self.counts.values())
