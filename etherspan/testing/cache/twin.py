"""A kernel's target cache beside `CacheModel`: each method does one thing to both, `CacheCheck` compares all that shows.

    twin = CacheTwin()
    twin.open("varpd")
    twin.create(0, None)
    twin.create_vnic(0)
    twin.send_one(0, mac, 60)
    check = CacheCheck(twin)
    check()

A state machine of hypothesis drives it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from etherspan.testing.cache.model import CAP, CacheModel, Entry, Lookup, Overlay
from etherspan.testing.flows import Flow
from etherspan.testing.host import ROOT, Answer, MemoryHost
from etherspan.testing.memory import MemoryClock, MemoryNetwork, MemoryPort
from kernel_sim.kernel import OverlayHandle
from kernel_sim.overlay.device import OverlayDevice
from kernel_sim.sys import overlay_target as targ
from kernel_sim.sys.codec import (
    CacheEntry,
    EsNameClear,
    OverlayLink,
    Point,
    TargAssociate,
    TargCache,
    TargDegrade,
    TargId,
    TargIter,
    TargLookup,
    TargPkt,
    TargResp,
)
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.es import ES_NAME_CLEAR
from kernel_sim.sys.ethernet import ZERO_MAC
from kernel_sim.sys.message import Message
from kernel_sim.sys.overlay import OVERLAY_IOC_ACTIVATE, OVERLAY_IOC_DELETE
from kernel_sim.sys.overlay_common import DEST_IP_PORT
from kernel_sim.sys.overlay_target import TargMode

OWN: Final = bytes.fromhex("02082000000a")
"""MAC address of every VNIC."""

_OFFERED: Final = Point(ip=b"\x07" * 16, port=7)


@dataclass(eq=False)
class Slot:
    """An overlay under test, and what the model says of it."""

    said: Overlay
    device: OverlayDevice
    linkid: int
    handed: int = 0
    """Frames that entered the transmit routine from outside."""
    port: MemoryPort | None = None
    degraded: bool = False
    deleting: Answer | None = None


@dataclass(eq=False)
class Walk:
    """A CACHE_ITER walk: what was answered at some time during it, and what at all times."""

    slot: Slot
    chunk: int
    always: set[bytes]
    ever: set[bytes]
    marker: bytes = targ.MARKER_BEGIN
    seen: list[bytes] = field(default_factory=list)


class CacheTwin:
    """A kernel and the model.

    Overlays are named by slots, handles by name; "varpd" is the one that writes. What makes no sense at present (an overlay that is not
    there, an answer to nothing) is passed over.
    """

    def __init__(self) -> None:
        self.clock = MemoryClock()
        self.network = MemoryNetwork(self.clock)
        self.host = MemoryHost(self.clock, self.network, "10.0.0.1")
        self.model = CacheModel()
        self.slots: dict[int, Slot | None] = {}
        self.all: list[Slot] = []
        self.handles: dict[str, OverlayHandle] = {}
        self.lookups: list[tuple[Lookup, Answer]] = []
        self.walks: list[Walk] = []
        self.serial = 0

    # ------------------------------------------------------------------ overlays

    def create(self, slot: int, point: Point | None) -> None:
        """CREATE, ASSOCIATE and ACTIVATE; dynamic without a point."""
        if self.slots.get(slot) is not None or "varpd" not in self.handles:
            return
        self.serial += 1
        linkid = self.host.create_overlay(f"demo{self.serial}", self.serial, to=None)
        made = Slot(Overlay(self.serial), self.host.kernel.overlays.find(linkid), linkid)
        self.slots[slot] = made
        self.all.append(made)
        self._install(made, point)
        self.host.dld(OVERLAY_IOC_ACTIVATE, OverlayLink(linkid))

    def associate(self, slot: int, point: Point | None) -> None:
        """KRN-Q18: what is pending moves on."""
        one = self.slots.get(slot)
        if one is None or "varpd" not in self.handles:
            return
        if one.said.associated:
            assert refusal(lambda: self._install(one, point)) is Errno.EEXIST
            self.host.targ(targ.OVERLAY_TARG_DISASSOCIATE, TargId(one.linkid))
        self._install(one, point)

    def _install(self, one: Slot, point: Point | None) -> None:
        mode = TargMode.DYNAMIC if point is None else TargMode.POINT
        self.serial += 1
        wanted = TargAssociate(one.linkid, mode, self.serial, DEST_IP_PORT, point or Point())
        self.host.targ(targ.OVERLAY_TARG_ASSOCIATE, wanted)
        self.model.associate(one.said, self.serial, point)

    def disassociate(self, slot: int) -> None:
        """DISASSOCIATE."""
        one = self.slots.get(slot)
        if one is not None and "varpd" in self.handles:
            self.host.targ(targ.OVERLAY_TARG_DISASSOCIATE, TargId(one.linkid))
            one.said.associated = False

    def create_vnic(self, slot: int) -> None:
        """The overlay starts."""
        one = self.slots.get(slot)
        if one is not None and one.port is None:
            self.serial += 1
            one.port = self.host.create_vnic(f"vnic{self.serial}", one.linkid, OWN)
            one.said.started = True

    def delete_vnic(self, slot: int) -> None:
        """The overlay stops."""
        one = self.slots.get(slot)
        if one is not None and one.port is not None:
            self.host.delete_vnic(one.port.linkid)
            one.port, one.said.started = None, False

    def delete(self, slot: int) -> None:
        """Lookups that were handed out hold it up for a second at most (KRN-Q9)."""
        one = self.slots.get(slot)
        if one is None:
            return
        self.delete_vnic(slot)
        one.deleting = Answer()
        self.host.kernel.dld_ioctl(OVERLAY_IOC_DELETE, OverlayLink(one.linkid).pack(), ROOT, one.deleting)
        self.host.dld(ES_NAME_CLEAR, EsNameClear(one.linkid))
        self.model.delete(one.said, self.clock.now())
        self.slots[slot], one.degraded = None, False
        self.walks = [walk for walk in self.walks if walk.slot is not one]

    def degrade_or_restore(self, slot: int, *, wanted: bool) -> None:
        """DEGRADE or RESTORE."""
        one = self.slots.get(slot)
        if one is not None and "varpd" in self.handles:
            if wanted:
                self.host.targ(targ.OVERLAY_TARG_DEGRADE, TargDegrade(one.linkid, "no"))
            else:
                self.host.targ(targ.OVERLAY_TARG_RESTORE, TargId(one.linkid))
            one.degraded = wanted

    def time_passes(self, seconds: float) -> None:
        """The clock goes on."""
        self.clock.advance(seconds)
        self.model.advance(self.clock.now(), [one.said for one in self.all])

    # ------------------------------------------------------------------ frames

    def send_chain(self, slot: int, chain: list[tuple[bytes, int]]) -> None:
        """The VNIC sends frames, by destination and size, in one chain."""
        self._send(slot, [self._frame(mac, b"\x88\xb5" + bytes(size - 14)) for mac, size in chain])

    def send_one(self, slot: int, mac: bytes, size: int | str) -> None:
        """The VNIC sends one frame; "fits" is as large as there is room, another text one byte larger."""
        if isinstance(size, str):
            room = CAP - self._parked(slot, mac)
            size = max(60, room if size == "fits" else room + 1)
        self._send(slot, [self._frame(mac, b"\x88\xb5" + bytes(size - 14))])

    def send_run(self, slot: int, mac: bytes, size: int, last: int) -> None:
        """A run counts as its frames, and a part of it may fit."""
        self.serial += 1
        flow, mss = Flow(dst=mac, src=OWN, ack=self.serial), 1348
        payload = bytes(size // mss * mss + last)
        self._send(slot, flow.frames(payload, mss), flow.run(payload, mss))

    def _frame(self, mac: bytes, rest: bytes) -> bytes:
        """Frames differ by their last bytes, where there is room."""
        self.serial += 1
        frame = mac + OWN + rest
        return frame[:-4] + struct.pack(">I", self.serial) if len(frame) >= 22 else frame

    def _send(self, slot: int, frames: list[bytes], *chain: Message) -> None:
        one = self.slots.get(slot)
        if one is not None and one.port is not None:
            one.handed += len(frames)
            one.port.send(*(chain or frames))
            self.model.tx(one.said, frames)

    def _parked(self, slot: int, mac: bytes) -> int:
        one = self.slots.get(slot)
        return one.said.entries[mac].parked if one is not None and mac in one.said.entries else 0

    # ------------------------------------------------------------------ handles

    def open(self, name: str) -> None:
        """KRN-I20: one exclusive handle."""
        flags = 7 if name == "varpd" else 1
        if name in self.handles:
            if name == "varpd":
                assert refusal(lambda: self.host.kernel.overlay_open(flags, ROOT)) is Errno.EEXIST
            return
        self.handles[name] = self.host.varpd if name == "varpd" else self.host.kernel.overlay_open(flags, ROOT)
        self.model.handles[name] = []

    def close(self, name: str) -> None:
        """Close a handle."""
        if name in self.handles:
            self.handles.pop(name).close()
            self.model.close(name)

    def lookup(self, name: str) -> None:
        """LOOKUP; three wait at most."""
        if name in self.handles and len(self.model.waiting) < 3:
            answer = Answer()
            self.handles[name].ioctl(targ.OVERLAY_TARG_LOOKUP, TargLookup().pack(), answer)
            self.lookups.append((self.model.lookup(name, self.clock.now()), answer))

    # ------------------------------------------------------------------ answers

    def _held(self, pick: int) -> tuple[Entry, int] | None:
        there = self.model.handles.get("varpd")
        if not there:
            return None
        entry = there[pick % len(there)]
        assert entry.reqid is not None
        return entry, entry.reqid

    def respond(self, pick: int, point: Point) -> None:
        """RESPOND to one of the requests varpd holds."""
        if (held := self._held(pick)) is not None:
            self.host.targ(targ.OVERLAY_TARG_RESPOND, TargResp(held[1], point))
            self.model.respond("varpd", held[0], point)

    def drop(self, pick: int) -> None:
        """DROP one of the requests varpd holds."""
        if (held := self._held(pick)) is not None:
            self.host.targ(targ.OVERLAY_TARG_DROP, TargResp(held[1]))
            self.model.drop("varpd", held[0])

    def pkt(self, pick: int, room: int) -> None:
        """PKT of one of the requests varpd holds."""
        if (held := self._held(pick)) is not None:
            entry, reqid = held
            if not entry.frames:
                assert self._refused(targ.OVERLAY_TARG_PKT, TargPkt(0, reqid, room)) is Errno.EINVAL
                return
            answer = TargPkt.unpack(self.host.targ(targ.OVERLAY_TARG_PKT, TargPkt(0, reqid, room)))
            head = entry.frames[0][:room]
            assert answer == TargPkt(0, reqid, len(head), head)

    def answer_what_is_not_outstanding(self, pick: int) -> None:
        """KRN-I17: neither what others hold, nor what waits, nor what was answered."""
        if "varpd" not in self.handles:
            return
        here = self.model.handles["varpd"]
        known = [entry for one in self.all for entry in one.said.entries.values() if entry not in here]
        others = [reqid for entry in known if (reqid := entry.reqid) is not None]
        reqid = [*others, 0, 2**64 - 1][pick % (len(others) + 2)]
        frame = self._frame(bytes(6), bytes(48))
        packet = TargPkt(targ.OVERLAY_TARG_NO_LINK, reqid, len(frame), frame)
        for cmd in (targ.OVERLAY_TARG_RESPOND, targ.OVERLAY_TARG_DROP):
            assert self._refused(cmd, TargResp(reqid, _OFFERED)) is Errno.EINVAL
        assert self._refused(targ.OVERLAY_TARG_PKT, packet) is Errno.EINVAL
        assert self._refused(targ.OVERLAY_TARG_INJECT, packet) is Errno.ENOENT
        assert self._refused(targ.OVERLAY_TARG_RESEND, packet) is Errno.ENOENT

    def resend(self, slot: int, mac: bytes, rest: bytes, pick: int | None) -> None:
        """Any frame, by link or by request; it is looked up by its own address."""
        if (chosen := self._chosen(slot, pick)) is not None:
            one, linkid, reqid = chosen
            frame = self._frame(mac, rest)
            one.handed += 1
            self.host.targ(targ.OVERLAY_TARG_RESEND, TargPkt(linkid, reqid, len(frame), frame))
            self.model.tx(one.said, [frame])

    def inject(self, slot: int, mac: bytes, pick: int | None) -> None:
        """Received by the VNIC, as nothing that was sent ever is."""
        if (chosen := self._chosen(slot, pick)) is not None:
            one, linkid, reqid = chosen
            frame = self._frame(mac, bytes(48))
            self.host.targ(targ.OVERLAY_TARG_INJECT, TargPkt(linkid, reqid, len(frame), frame))
            if one.port is not None:
                assert one.port.take() == [frame]

    def _chosen(self, slot: int, pick: int | None) -> tuple[Slot, int, int] | None:
        """A device, and link id and request id that select it."""
        if "varpd" not in self.handles:
            return None
        if pick is None:
            one = self.slots.get(slot)
            return None if one is None else (one, one.linkid, 0)
        if (held := self._held(pick)) is None:
            return None
        owner = next(one for one in self.all if one.said is held[0].overlay)
        return owner, targ.OVERLAY_TARG_NO_LINK, held[1]

    # ------------------------------------------------------------------ cache ioctls

    def _ready(self, slot: int, cmd: int, mac: bytes = ZERO_MAC) -> Slot | None:
        """The slot, if the command can succeed there; else it is seen to be refused as it should."""
        one = self.slots.get(slot)
        reader = targ.OVERLAY_TARG_CACHE_GET
        if one is None or "varpd" not in self.handles:
            return None
        if not one.said.associated:
            assert self._refused(cmd, TargCache(one.linkid, CacheEntry(mac))) is Errno.ENXIO
            return None
        if one.said.point is not None and cmd != reader:
            assert self._refused(cmd, TargCache(one.linkid, CacheEntry(mac))) is Errno.ENOTSUP
            return None
        return one

    def cache_set(self, slot: int, mac: bytes, answer: Point | None) -> None:
        """CACHE_SET; None is the drop flag."""
        if (one := self._ready(slot, targ.OVERLAY_TARG_CACHE_SET)) is not None:
            entry = CacheEntry(mac, targ.OVERLAY_TARGET_CACHE_DROP if answer is None else 0, answer or Point())
            self.host.targ(targ.OVERLAY_TARG_CACHE_SET, TargCache(one.linkid, entry))
            self.model.cache_set(one.said, mac, answer)

    def cache_remove(self, slot: int, mac: bytes) -> None:
        """CACHE_REMOVE."""
        if (one := self._ready(slot, targ.OVERLAY_TARG_CACHE_REMOVE)) is not None:
            argument = TargCache(one.linkid, CacheEntry(mac))
            if mac not in one.said.entries:
                assert self._refused(targ.OVERLAY_TARG_CACHE_REMOVE, argument) is Errno.ENOENT
                return
            self.host.targ(targ.OVERLAY_TARG_CACHE_REMOVE, argument)
            self.model.cache_invalidate(one.said.entries[mac])

    def cache_flush(self, slot: int) -> None:
        """CACHE_FLUSH."""
        if (one := self._ready(slot, targ.OVERLAY_TARG_CACHE_FLUSH)) is not None:
            self.host.targ(targ.OVERLAY_TARG_CACHE_FLUSH, TargCache(one.linkid))
            self.model.cache_invalidate(*one.said.entries.values())

    def cache_get(self, slot: int, mac: bytes) -> None:
        """CACHE_GET."""
        if (one := self._ready(slot, targ.OVERLAY_TARG_CACHE_GET)) is None:
            return
        argument = TargCache(one.linkid, CacheEntry(mac, 0, _OFFERED))
        if one.said.point is not None:
            expected = CacheEntry(mac, 0, one.said.point)  # type: ignore[arg-type]
        elif mac not in one.said.answered:
            assert self._refused(targ.OVERLAY_TARG_CACHE_GET, argument) is Errno.ENOENT
            return
        elif "D" in one.said.entries[mac].flags:
            expected = CacheEntry(mac, targ.OVERLAY_TARGET_CACHE_DROP, _OFFERED)
        else:
            expected = CacheEntry(mac, 0, one.said.entries[mac].answer)  # type: ignore[arg-type]
        assert TargCache.unpack(self.host.targ(targ.OVERLAY_TARG_CACHE_GET, argument)).entry == expected

    def walk_begins(self, slot: int, chunk: int) -> None:
        """Begin a CACHE_ITER walk in chunks of that size; over a point it is one record long (KRN-I24)."""
        one = self.slots.get(slot)
        if one is None or "varpd" not in self.handles:
            return
        argument = TargIter(one.linkid, count=chunk)
        if not one.said.associated:
            assert self._refused(targ.OVERLAY_TARG_CACHE_ITER, argument) is Errno.ENXIO
        elif one.said.point is not None:
            answer = TargIter.unpack(self.host.targ(targ.OVERLAY_TARG_CACHE_ITER, argument))
            assert answer.entries == (CacheEntry(ZERO_MAC, 0, one.said.point),)  # type: ignore[arg-type]
            assert any(answer.marker[6:])
        else:
            answered = set(one.said.answered)
            self.walks.append(Walk(one, chunk, answered, set(answered)))

    def walk_goes_on(self) -> None:
        """KRN-I23, whatever is changed between two steps."""
        walk = self.walks[0]
        said = walk.slot.said
        if not said.associated or said.point is not None or "varpd" not in self.handles:
            del self.walks[0]
            return
        argument = TargIter(walk.slot.linkid, walk.marker, walk.chunk)
        answer = TargIter.unpack(self.host.targ(targ.OVERLAY_TARG_CACHE_ITER, argument))
        for got in answer.entries:
            assert got.mac in said.answered
            assert bool(got.flags) == ("D" in said.entries[got.mac].flags)
            assert got.flags or got.point == said.entries[got.mac].answer
        walk.seen += [got.mac for got in answer.entries]
        walk.marker = answer.marker
        assert walk.seen == sorted(set(walk.seen))
        if any(walk.marker[6:]):
            assert walk.always <= set(walk.seen) <= walk.ever
            del self.walks[0]
        else:
            assert len(answer.entries) == walk.chunk

    # ------------------------------------------------------------------ the end

    def end(self) -> None:
        """The kernel goes: everybody who waits is answered."""
        self.host.kernel.close()
        self.clock.advance(2)
        assert self.clock.pending == 0
        assert all(answer.replied for _, answer in self.lookups)

    # ------------------------------------------------------------------ inside

    def _refused(self, cmd: int, argument: TargCache | TargIter | TargPkt | TargResp) -> Errno | None:
        return refusal(lambda: self.host.targ(cmd, argument))


def refusal(call: Callable[[], object]) -> Errno | None:
    """The errno of a refusal, None for a success."""
    try:
        call()
    except KernelError as error:
        return error.errno
    return None
