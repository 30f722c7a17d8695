"""The target cache as the reference sheet tells it (KRN 2.2 to 2.8), small enough to be read beside it.

A frame is its bytes; flags are a string of letters in alphabetical order (D drop, P pending, V valid); an answer is any value. The model
sends nothing: `wire` lists what the network is to carry, `Overlay.drops` what is to be counted, and the lookups it hands out are
what LOOKUP is to return.

    model = CacheModel()
    overlay = model.create(vnetid=23)
    model.tx(overlay, [frame])
    (entry,) = model.queue
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

CAP: Final = 128 * 1024
"""Bytes parked for one MAC address."""
DATAGRAM_MAX: Final = 65507
"""Bytes of the longest datagram over IPv4."""
SECOND: Final = 1.0
"""How long a LOOKUP waits, and DELETE for the lookups handed out."""

FATE: Final = {
    "": "park",
    "P": "park",
    "V": "send",
    "PV": "send",
    "D": "drop",
    "DP": "drop",
    "DV": "drop",
    "DPV": "drop",
}
"""What the flags of an entry mean for a new frame."""

CHANGE: Final = {
    "ask": ("", "P"),
    "respond": ("P", "V"),
    "end": ("P", ""),
    "set": ("", "V"),
    "set drop": ("", "D"),
    "invalidate": ("DV", ""),
}
"""What events clear and set. "end": a lookup ends without a destination."""


@dataclass(eq=False)
class Entry:
    """What is known of one MAC address, and the frames that wait for more."""

    overlay: Overlay
    mac: bytes
    flags: str = ""
    answer: Hashable = None
    frames: list[bytes] = field(default_factory=list)
    reqid: int | None = None
    """For whoever compares: the request id it was seen with."""

    @property
    def parked(self) -> int:
        """Bytes of its frames."""
        return sum(map(len, self.frames))

    def change(self, event: str) -> None:
        """Change the flags as the table says."""
        cleared, added = CHANGE[event]
        self.flags = "".join(sorted(set(self.flags) - set(cleared) | set(added)))


@dataclass(eq=False)
class Overlay:
    """A device and its target. `point` is the destination of a point-to-point target, None for a dynamic one."""

    vnetid: int
    varpd_id: int = 0
    associated: bool = False
    point: Hashable = None
    started: bool = False
    entries: dict[bytes, Entry] = field(default_factory=dict)
    drops: Counter[str] = field(default_factory=Counter)
    deadline: float | None = None
    """When a DELETE that waits gives up."""
    deleted: bool = False

    @property
    def answered(self) -> set[bytes]:
        """MAC addresses the cache has an answer for."""
        return {mac for mac, entry in self.entries.items() if set(entry.flags) & set("DV")}


@dataclass(eq=False)
class Lookup:
    """A LOOKUP: it waits until `entry` is there or it is `late`. `told` is the head frame it describes."""

    handle: str
    deadline: float
    entry: Entry | None = None
    told: bytes = b""
    late: bool = False
    closed: bool = False


class Sent(NamedTuple):
    """A frame on the wire."""

    vnetid: int
    answer: Hashable
    frame: bytes


class CacheModel:
    """All overlays of a host, the queue of lookups, and the handles by name with what they were handed, in order."""

    def __init__(self) -> None:
        self.queue: list[Entry] = []
        self.handles: dict[str, list[Entry]] = {}
        self.waiting: list[Lookup] = []
        self.wire: list[Sent] = []

    # ------------------------------------------------------------------ frames

    def tx(self, overlay: Overlay, frames: list[bytes]) -> None:
        """The transmit routine: the first frame that cannot be sent ends the chain."""
        if not overlay.started:
            overlay.drops["tx_not_started"] += len(frames)
            return
        for number, frame in enumerate(frames, 1):
            answer = overlay.point or self._look_up(overlay, frame)
            if answer is None:
                continue
            if len(frame) + 8 > DATAGRAM_MAX:
                overlay.drops["tx_too_big"] += 1
                overlay.drops["tx_chain_abandoned"] += len(frames) - number
                return
            self.wire.append(Sent(overlay.vnetid, answer, frame))

    def _look_up(self, overlay: Overlay, frame: bytes) -> Hashable:
        if len(frame) < 14:
            overlay.drops["tx_no_header"] += 1
            return None
        new = frame[:6] not in overlay.entries
        entry = overlay.entries.setdefault(frame[:6], Entry(overlay, frame[:6]))
        fate = FATE[entry.flags]
        if fate == "send":
            return entry.answer
        if fate == "drop":
            overlay.drops["tx_target_drop"] += 1
        elif not new and entry.parked + len(frame) > CAP:
            overlay.drops["tx_pending_full"] += 1
        else:
            entry.frames.append(frame)
            if "P" not in entry.flags:
                self._ask(entry)
        return None

    def _ask(self, *entries: Entry) -> None:
        for entry in entries:
            entry.change("ask")
        self.queue += entries
        self._serve()

    def _drop_head(self, entry: Entry, reason: str) -> None:
        if entry.frames:
            del entry.frames[0]
            entry.overlay.drops[reason] += 1

    def _drain(self, entry: Entry) -> None:
        frames, entry.frames = entry.frames, []
        if frames:
            self.tx(entry.overlay, frames)

    # ------------------------------------------------------------------ lookups

    def lookup(self, handle: str, now: float) -> Lookup:
        """LOOKUP on a handle."""
        waiter = Lookup(handle, now + SECOND)
        self.waiting.append(waiter)
        self._serve()
        return waiter

    def _serve(self) -> None:
        while self.queue and self.waiting:
            entry = self.queue.pop(0)
            if "V" in entry.flags or not entry.frames:
                entry.change("end")
            elif is_bad(entry.frames[0]):
                self._drop_head(entry, "tx_bad_header")
                if entry.frames:
                    self.queue.append(entry)
                else:
                    entry.change("end")
            else:
                waiter = self.waiting.pop(0)
                waiter.entry, waiter.told = entry, entry.frames[0]
                self.handles[waiter.handle].append(entry)

    def respond(self, handle: str, entry: Entry, answer: Hashable) -> None:
        """RESPOND."""
        self.handles[handle].remove(entry)
        entry.answer = answer
        entry.change("respond")
        if entry.overlay.deadline is None:
            self._drain(entry)
        else:
            self._check_deleted(entry.overlay)

    def drop(self, handle: str, entry: Entry) -> None:
        """DROP: one frame; the entry is asked for again while frames are left, but for a deleted device."""
        self.handles[handle].remove(entry)
        if "V" not in entry.flags:
            self._drop_head(entry, "tx_lookup_drop")
        entry.change("end")
        if entry.overlay.deadline is not None:
            self._check_deleted(entry.overlay)
        elif entry.frames:
            self._ask(entry)

    def close(self, handle: str) -> None:
        """A handle closes: its LOOKUPs end, what it was handed goes to the end of the queue in order."""
        for waiter in [one for one in self.waiting if one.handle == handle]:
            self.waiting.remove(waiter)
            waiter.closed = True
        returned = self.handles.pop(handle)
        for entry in returned:
            if entry.overlay.deadline is not None:
                entry.change("end")
                self._check_deleted(entry.overlay)
        self._ask(*[entry for entry in returned if "P" in entry.flags])

    def advance(self, now: float, overlays: Iterable[Overlay]) -> None:
        """Time has passed."""
        for waiter in [one for one in self.waiting if one.deadline <= now]:
            self.waiting.remove(waiter)
            waiter.late = True
        for overlay in overlays:
            if overlay.deadline is not None and overlay.deadline <= now:
                self._withdraw(lambda entry, overlay=overlay: entry.overlay is overlay)  # type: ignore[misc]
                self._check_deleted(overlay)

    def _withdraw(self, meant: Callable[[Entry], bool]) -> None:
        """Entries nobody shall answer any more."""
        for place in (self.queue, *self.handles.values()):
            for entry in [one for one in place if meant(one)]:
                place.remove(entry)
                entry.change("end")

    # ------------------------------------------------------------------ the cache

    def cache_set(self, overlay: Overlay, mac: bytes, answer: Hashable) -> None:
        """CACHE_SET; None is the drop flag."""
        entry = overlay.entries.setdefault(mac, Entry(overlay, mac))
        if answer is None:
            entry.change("set drop")
            return
        entry.answer = answer
        entry.change("set")
        self._drain(entry)

    def cache_invalidate(self, *entries: Entry) -> None:
        """CACHE_REMOVE of one entry, CACHE_FLUSH of all."""
        for entry in entries:
            entry.change("invalidate")

    # ------------------------------------------------------------------ targets

    def associate(self, overlay: Overlay, varpd_id: int, point: Hashable = None) -> None:
        """ASSOCIATE, dynamic without a point. What is pending moves to a dynamic target, and is sent to a point."""
        before, overlay.entries = overlay.entries, {}
        overlay.varpd_id, overlay.point, overlay.associated = varpd_id, point, True
        if point is None:
            self.cache_invalidate(*before.values())
            overlay.entries = {mac: entry for mac, entry in before.items() if "P" in entry.flags}
            return
        self._withdraw(lambda entry: entry.overlay is overlay)
        frames = [frame for entry in before.values() for frame in entry.frames]
        if frames:
            self.tx(overlay, frames)

    def delete(self, overlay: Overlay, now: float) -> None:
        """DELETE: queued lookups end at once, those handed out within a second."""
        held = [entry for place in self.handles.values() for entry in place]
        overlay.deadline = now + SECOND
        self._withdraw(lambda entry: entry.overlay is overlay and entry not in held)
        self._check_deleted(overlay)

    def _check_deleted(self, overlay: Overlay) -> None:
        if not any("P" in entry.flags for entry in overlay.entries.values()):
            overlay.drops["tx_overlay_deleted"] += sum(len(entry.frames) for entry in overlay.entries.values())
            overlay.entries, overlay.deadline, overlay.deleted = {}, None, True


def is_bad(frame: bytes) -> bool:
    """A frame LOOKUP cannot describe: no whole header, or a tag with the CFI bit."""
    return len(frame) < 14 or (frame[12:14] == b"\x81\x00" and (len(frame) < 18 or bool(frame[14] & 0x10)))
