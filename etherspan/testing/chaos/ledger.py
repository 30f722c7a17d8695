"""Where every frame of a world in memory is: the accounts that prove that none is lost without a name, or comes from nowhere.

On a host, each of these is one frame more or one less:

    +  a port's consumer SENT it, varpd INJECTED or RESENT it, it ARRIVES from the wire
    -  it left as a datagram (WIRE), was DELIVERED to a port, or DROPPED by name

One that a port's consumer refuses is delivered and dropped; it counts once. What remains are the frames parked in the kernel: the very
ones, by their bytes. A frame to a group address is copied to ports; those copies, and its arrival, are left out of its account.

On the wire each datagram is sent, may be duplicated, and ends by ARRIVES, UNREACHED or a fault that loses it; what remains is on its way.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from etherspan.testing.sim.events import Event, Kind, frame_id
from etherspan.testing.sim.hostview import parked_frames
from etherspan.testing.world import describe
from kernel_sim.kernel import Kernel
from kernel_sim.mac.stat import ClientDrop
from kernel_sim.middleware.faults import Fault

_TAG: Final = b"\x81\x00"
_IPV4: Final = b"\x08\x00"
_IPV4_IDENT_AT: Final = 14 + 4
_IPV4_CHECKSUM_AT: Final = 14 + 10
_MORE: Final = frozenset({Kind.SENT, Kind.INJECTED, Kind.RESENT, Kind.ARRIVES})
_LESS: Final = frozenset({Kind.WIRE, Kind.DELIVERED, Kind.DROPPED})
_LOSING: Final = frozenset({Fault.LOSS, Fault.PARTITION, Fault.CLOSED})
_COPIES: Final = frozenset({Kind.DELIVERED, Kind.ARRIVES, Kind.INJECTED})


def essence(frame: bytes) -> bytes:
    """What of a frame stays the same on its way.

    VNICs put tags in and take them out; IPv4 datagrams that are coalesced and cut again get new idents (RFC 6864), and so new checksums.
    """
    if frame[12:14] == _TAG:
        frame = frame[:12] + frame[16:]
    if frame[12:14] == _IPV4 and len(frame) >= _IPV4_CHECKSUM_AT + 2:
        frame = frame[:_IPV4_IDENT_AT] + frame[_IPV4_IDENT_AT + 2 : _IPV4_CHECKSUM_AT] + frame[_IPV4_CHECKSUM_AT + 2 :]
    return frame


class Ledger:
    """Accounts of all hosts, kept up to date by `__call__` (see `events.Observer`)."""

    def __init__(self) -> None:
        self.on_the_way = 0
        """Datagrams on the wire."""
        self.dropped: Counter[tuple[str, str]] = Counter()
        """Frames by (host, `link:reason`), since the host booted."""
        self.fates: Counter[str] = Counter()
        """How many events of each kind there were; faults and drops by their names."""
        self._open: Counter[tuple[str, bytes]] = Counter()

    def __call__(self, event: Event) -> None:
        if event.kind is Kind.PANIC:
            self._forget(event.host)
        if event.frame is None:
            return
        self.fates[event.detail if event.kind in {Kind.DROPPED, Kind.FAULT} else event.kind] += 1
        if event.kind is Kind.DROPPED:
            self.dropped[event.host, f"{event.where}:{event.detail}"] += 1
        self._count_datagram(event)
        self._count_frame(event, essence(event.frame))

    def check(self, host: str, kernel: Kernel) -> None:
        """Compare a host's accounts with what is parked there. Errors: AssertionError."""
        parked = Counter(essence(frame) for frame in parked_frames(kernel))
        accounts = {frame: count for (name, frame), count in self._open.items() if name == host}
        assert accounts == parked, f"{host}: {_difference(accounts, parked)}"

    def _forget(self, host: str) -> None:
        for counter in [one for one in self.dropped if one[0] == host]:
            del self.dropped[counter]

    def _count_datagram(self, event: Event) -> None:
        if event.kind is Kind.WIRE:
            self.on_the_way += 1
        elif event.kind in {Kind.ARRIVES, Kind.UNREACHED} or (event.kind is Kind.FAULT and event.detail in _LOSING):
            self.on_the_way -= 1
        elif event.kind is Kind.FAULT and event.detail == Fault.DUPLICATION:
            self.on_the_way += 1

    def _count_frame(self, event: Event, frame: bytes) -> None:
        if frame[:1] and frame[0] & 1 and self._is_copy(event):
            return
        if event.kind in _MORE:
            self._add(event.host, frame, 1)
        elif event.kind in _LESS and event.detail != ClientDrop.RX_UNDELIVERED:
            self._add(event.host, frame, -1)

    def _is_copy(self, event: Event) -> bool:
        return event.kind in _COPIES or (event.kind is Kind.DROPPED and event.detail.startswith("rx_"))

    def _add(self, host: str, frame: bytes, count: int) -> None:
        self._open[host, frame] += count
        if not self._open[host, frame]:
            del self._open[host, frame]


def _difference(accounts: dict[bytes, int], parked: Counter[bytes]) -> str:
    for frame in [*accounts, *parked]:
        if accounts.get(frame, 0) != parked[frame]:
            return f"the account of {frame_id(frame)} {describe(frame)} says {accounts.get(frame, 0)}, {parked[frame]} are parked"
    raise AssertionError("they are the same")
