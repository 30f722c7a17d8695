"""The dynamic target: a cache of destinations by MAC address, filled by lookups that varpd answers (KRN 2.1 to 2.4).

The cache's entries, their states, and what each event does to them are `entry`'s matter; here is what concerns all of them: finding the
entry of a frame, the cache ioctls, who has answered, and the end, by another ASSOCIATE or by DELETE.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from kernel_sim.ddi import SocketAddress, Timer
from kernel_sim.overlay.drops import DeviceDrop
from kernel_sim.overlay.entry import ANSWERED, EntryFlag, Parking, TargetEntry
from kernel_sim.overlay.lookup import LookupQueue
from kernel_sim.overlay.target import Association, Destination, Target, Verdict
from kernel_sim.sys.codec import CacheEntry, Point
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.ethernet import ETHER_HDR_LEN, ETHERADDRL, format_mac, is_group
from kernel_sim.sys.message import Chain, Message
from kernel_sim.sys.overlay_common import DEST_IP_PORT
from kernel_sim.sys.overlay_target import MARKER_DONE, OVERLAY_TARGET_CACHE_DROP, TargMode
from kernel_sim.sys.tunables import Tunables

DESTINATIONS_MAX: Final = 1 << 16
"""Destinations that are shared at a time; there are as many as hosts."""
PROBES_MAX: Final = 16
"""Senders that are asked for at a time (`overlay_source_filter`)."""
TEARDOWN_SECONDS: Final = 1.0
"""How long DELETE waits for the lookups that were handed out (KRN-Q9)."""


class DynamicTarget:
    """A target whose destinations varpd is asked for (KRN 2.3). `queue` is where its lookups wait."""

    mode = TargMode.DYNAMIC
    fixed = None

    def __init__(
        self, device: Parking, association: Association, queue: LookupQueue, tunables: Tunables | None = None
    ) -> None:
        limits = tunables or Tunables()
        self._targets_max = limits.overlay_targets_max
        self._rate = limits.overlay_lookup_rate
        self._limited = bool(self._targets_max or self._rate)
        self._tokens = float(self._rate)
        self._counted = queue.clock.now()
        self._named: set[bytes] = set()
        self._probes: dict[bytes, TargetEntry] = {}
        self.device = device
        self.varpd_id = association.varpd_id
        self._queue = queue
        self._usable = association.provides == DEST_IP_PORT
        self._entries: dict[bytes, TargetEntry] = {}
        self._destinations: dict[SocketAddress, Destination] = {}
        self._order: list[bytes] = []
        self._sorted = True
        self._gone: Callable[[], None] | None = None
        self._deadline: Timer | None = None

    def __iter__(self) -> Iterator[TargetEntry]:
        """Its entries, in the order they were made, then what is asked for without a frame."""
        return itertools.chain(self._entries.values(), self._probes.values())

    @property
    def outstanding(self) -> int:
        """Lookups that are queued or handed out (KRN-I14)."""
        return sum(entry.pending for entry in self)

    def destination(self, point: Point) -> Destination:
        """What a point is to the transmit path: one object for all entries with the same, so that their frames leave together."""
        address = SocketAddress(point.ip, point.port)
        if len(self._named) >= DESTINATIONS_MAX:
            self._named.clear()
        self._named.add(point.ip)
        found = self._destinations.get(address)
        if found is None:
            if len(self._destinations) >= DESTINATIONS_MAX:
                self._destinations.clear()
            found = self._destinations[address] = Destination(address)
        return found

    # ------------------------------------------------------------------ frames

    def lookup(self, message: Message) -> Verdict:
        """What becomes of a message, by its destination MAC address alone (KRN 2.3)."""
        if not self._usable:
            return DeviceDrop.TX_TARGET
        data = message.data
        if len(data) < ETHER_HDR_LEN:
            return DeviceDrop.TX_NO_HEADER
        entry = self._entries.get(bytes(data[:ETHERADDRL]))
        if entry is not None and entry.verdict is not None:
            return entry.verdict
        if self._limited and (refused := self._refusal(entry)) is not None:
            return refused
        self._park(entry, message)
        return None

    def settled(self, message: Message) -> Destination | None:
        """See `Target.settled`."""
        entry = self._entries.get(bytes(message.data[:ETHERADDRL])) if self._usable else None
        verdict = None if entry is None else entry.verdict
        return verdict if isinstance(verdict, Destination) else None

    def _refusal(self, entry: TargetEntry | None) -> DeviceDrop | None:
        """Why a frame cannot be parked, by the limits of `tunables`."""
        if (entry is None or not entry.pending) and not self._may_ask():
            return DeviceDrop.TX_LOOKUP_RATE
        if entry is None and self._targets_max and not self._make_room():
            return DeviceDrop.TX_TARGETS_FULL
        return None

    def _may_ask(self) -> bool:
        """Take one lookup from what is allowed: `overlay_lookup_rate` a second, as many at once."""
        if not self._rate:
            return True
        now = self._queue.clock.now()
        self._tokens = min(self._tokens + (now - self._counted) * self._rate, float(self._rate))
        self._counted = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _make_room(self) -> bool:
        """Let the oldest entries go that nobody waits for and nobody has set to drop, until another one fits."""
        while len(self._entries) >= self._targets_max:
            idle = (one for one in self._entries.values() if not (one.pending or one.flags & EntryFlag.DROP))
            oldest = next(idle, None)
            if oldest is None:
                return False
            del self._entries[oldest.mac]
            self._order.remove(oldest.mac)
        return True

    # ------------------------------------------------------------------ who may send

    def named(self, ip: bytes) -> bool:
        """See `Target.named`: an answer, or somebody who set the cache, has named it since the last flush."""
        return ip in self._named

    def identify(self, mac: bytes, by: bytes) -> None:
        """See `Target.identify`: a lookup without a frame, whose answer stays out of the cache. So many at once."""
        known = self._entries.get(mac)
        busy = mac in self._probes or len(self._probes) >= PROBES_MAX or self._gone is not None
        if (
            busy
            or not self._usable
            or is_group(mac)
            or (known is not None and known.flags & (ANSWERED | EntryFlag.PENDING))
        ):
            return
        if not self._may_ask():
            return
        probe = self._probes[mac] = TargetEntry(mac, self._queue.new_reqid(), self)
        probe.asked_by = by
        probe.change(add=EntryFlag.PENDING)
        self._queue.enqueue(probe)

    # ------------------------------------------------------------------ parking

    def _park(self, entry: TargetEntry | None, message: Message) -> None:
        new = entry is None
        if entry is None:
            entry = self._make(bytes(message.data[:ETHERADDRL]))
        entry.park(message, new=new)
        if entry.chain and not entry.pending:
            entry.change(add=EntryFlag.PENDING)
            self._queue.enqueue(entry)

    def _make(self, mac: bytes) -> TargetEntry:
        entry = self._entries[mac] = TargetEntry(mac, self._queue.new_reqid(), self)
        self._order.append(mac)
        self._sorted = False
        return entry

    # ------------------------------------------------------------------ cache ioctls

    def cache_get(self, mac: bytes, offered: Point) -> CacheEntry:
        """See `Target.cache_get`."""
        entry = self._entries.get(mac)
        if entry is None or not entry.flags & ANSWERED:
            raise KernelError(Errno.ENOENT, f"no answer for {format_mac(mac)}")
        if entry.flags & EntryFlag.DROP:
            return CacheEntry(mac, OVERLAY_TARGET_CACHE_DROP, offered)
        return entry.answer

    def cache_set(self, wanted: CacheEntry) -> None:
        """See `Target.cache_set`. A destination does not lift a drop (KRN-I22), a drop lets go of no frame (KRN-Q15)."""
        entry = self._entries.get(wanted.mac) or self._make(wanted.mac)
        if wanted.flags & OVERLAY_TARGET_CACHE_DROP:
            entry.change(add=EntryFlag.DROP)
            return
        entry.point_at(wanted.point)
        entry.change(add=EntryFlag.VALID)
        self._drain(entry)

    def cache_remove(self, mac: bytes) -> None:
        """See `Target.cache_remove`."""
        entry = self._entries.get(mac)
        if entry is None:
            raise KernelError(Errno.ENOENT, f"nobody ever asked for {format_mac(mac)}")
        entry.change(clear=ANSWERED)

    def cache_flush(self) -> None:
        """See `Target.cache_flush`."""
        self._named.clear()
        for entry in self:
            entry.change(clear=ANSWERED)

    def cache_iter(self, marker: bytes, count: int) -> tuple[bytes, list[CacheEntry]]:
        """See `Target.cache_iter` (KRN-I23)."""
        if not self._sorted:
            self._order.sort()
            self._sorted = True
        found: list[CacheEntry] = []
        for at in range(bisect.bisect_left(self._order, marker[:ETHERADDRL]), len(self._order)):
            if len(found) == count:
                return self._order[at] + bytes(2), found
            entry = self._entries[self._order[at]]
            if entry.flags & ANSWERED:
                found.append(entry.answer)
        return MARKER_DONE, found

    # ------------------------------------------------------------------ answers

    def answered(self, entry: TargetEntry, *, drain: bool) -> None:
        """A lookup was answered. While the device is being deleted one answer an entry is enough (KRN 2.8)."""
        if entry.asked_by:
            self._probes.pop(entry.mac, None)
        if self._gone is not None:
            entry.change(clear=EntryFlag.PENDING)
            self._check_gone()
        elif drain:
            self._drain(entry)
        elif entry.chain and not entry.flags & EntryFlag.VALID:
            self._queue.enqueue(entry)
        else:
            entry.change(clear=EntryFlag.PENDING)

    def takes_back(self, entry: TargetEntry) -> bool:
        """A lookup comes back unanswered: True, it is to be queued again."""
        if self._gone is None:
            return True
        entry.change(clear=EntryFlag.PENDING)
        self._check_gone()
        return False

    def _drain(self, entry: TargetEntry) -> None:
        if entry.chain:
            self.device.tx(entry.take_chain())

    # ------------------------------------------------------------------ the end

    def retire(self, successor: Target) -> Chain:
        """See `Target.retire`: pending entries move to a dynamic successor, frames are handed back for any other."""
        if isinstance(successor, DynamicTarget):
            successor.adopt(entry for entry in self if entry.pending)
            return []
        self._queue.forget(self)
        released: Chain = []
        for entry in self:
            entry.withdraw()
            released += entry.take_chain()
        return released

    def adopt(self, entries: Iterable[TargetEntry]) -> None:
        """Take over the pending entries of the target before; they keep their frames and their place."""
        for entry in entries:
            entry.target = self
            if entry.asked_by:
                self._probes[entry.mac] = entry
                continue
            entry.change(clear=ANSWERED)
            self._entries[entry.mac] = entry
            self._order.append(entry.mac)
        self._sorted = False

    def teardown(self, gone: Callable[[], None]) -> None:
        """See `Target.teardown` (KRN-Q9)."""
        self._gone = gone
        self._queue.forget(self)
        for entry in self:
            if entry.holder is None:
                entry.change(clear=EntryFlag.PENDING)
        self._check_gone()
        if self._gone is not None:
            self._deadline = self._queue.clock.call_later(TEARDOWN_SECONDS, self._give_up)

    def _give_up(self) -> None:
        for entry in self:
            entry.withdraw()
        self._check_gone()

    def _check_gone(self) -> None:
        """End the teardown once nothing is outstanding: what is parked is dropped."""
        if self._gone is None or any(entry.pending for entry in self):
            return
        gone, self._gone = self._gone, None
        if self._deadline is not None:
            self._deadline.cancel()
        for entry in self:
            self.device.drops.drop(DeviceDrop.TX_DELETED, entry.take_chain())
        gone()
