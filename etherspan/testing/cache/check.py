"""Whether a kernel's target cache and the model beside it agree (`twin`), and what always holds of both."""

from __future__ import annotations

import struct
from typing import Final

from etherspan.testing.cache.model import CAP, Lookup
from etherspan.testing.cache.twin import CacheTwin, Slot
from kernel_sim.overlay.cache import DynamicTarget
from kernel_sim.overlay.entry import TargetEntry
from kernel_sim.overlay.lookup import PendingLookup
from kernel_sim.sys.codec import Point, TargLookup
from kernel_sim.sys.errno import Errno

_FLAGS: Final = {"P": 1, "V": 2, "D": 4}


class CacheCheck:
    """Compares wire, counters, entries, lookups and handles of a twin; to be called after each step."""

    def __init__(self, twin: CacheTwin) -> None:
        self._twin = twin
        self._compared = 0

    def __call__(self) -> None:
        """Compare. AssertionError where they differ, or where something that always holds does not."""
        self._check_wire()
        self._check_drops()
        self._check_fates()
        self._check_entries()
        self._check_lookups()
        self._check_deletes()
        self._check_degraded()
        self._follow_walks()

    def _check_wire(self) -> None:
        """Which frames, in which order, where (KRN-I16)."""
        real = self._twin.network.wire
        assert len(real) == len(self._twin.model.wire)
        for datagram, sent in zip(real[self._compared :], self._twin.model.wire[self._compared :], strict=True):
            assert datagram.payload == b"\x08\0\0\0" + sent.vnetid.to_bytes(3, "big") + b"\0" + sent.frame
            assert Point(ip=datagram.to.ip, port=datagram.to.port) == sent.answer
        self._compared = len(real)

    def _check_drops(self) -> None:
        for one in self._twin.all:
            assert {str(name): n for name, n in one.device.drops.counts.items() if n} == dict(+one.said.drops)

    def _check_fates(self) -> None:
        sent = [int.from_bytes(datagram.payload[4:7], "big") for datagram in self._twin.network.wire]
        for one in self._twin.all:
            parked = sum(message.frames for entry in _entries(one) for message in entry.chain)
            assert one.handed == sent.count(one.said.vnetid) + parked + one.device.drops.total

    def _check_entries(self) -> None:
        """KRN-I12, I13, I14."""
        queued: list[PendingLookup] = list(self._twin.host.kernel._targets._queue)  # noqa: SLF001
        handed = [entry for handle in self._twin.handles.values() for entry in handle.outstanding.values()]
        places = [*queued, *handed]
        for one in self._twin.all:
            real = {} if one.said.deleted else {entry.mac: entry for entry in _entries(one)}
            for mac, entry in real.items():
                said = one.said.entries[mac]
                assert entry.flags == sum(_FLAGS[letter] for letter in said.flags)
                assert (entry.parked, sum(m.frames for m in entry.chain)) == (said.parked, len(said.frames))
                assert entry.parked <= CAP or len(said.frames) == 1
                assert places.count(entry) == ("P" in said.flags)
                assert queued.count(entry) == self._twin.model.queue.count(said)
                assert said.reqid in {None, entry.reqid}
            assert sorted(real) == sorted(one.said.entries)
            if isinstance(one.device.target, DynamicTarget):
                mine = [entry for entry in places if entry.target is one.device.target]
                assert one.device.target.outstanding == len(mine)

    def _check_lookups(self) -> None:
        """KRN-I21; a request id is one entry's for ever, and handles hold what they were told of, in order (KRN-I19)."""
        for said, answer in self._twin.lookups:
            if said.late or said.closed:
                assert answer.errno == (Errno.ETIME if said.late else Errno.ENXIO)
            elif said.entry is None:
                assert not answer.replied
            else:
                self._told(said, TargLookup.unpack(answer.result()))
        self._twin.lookups = [(said, answer) for said, answer in self._twin.lookups if not answer.replied]
        for name, handle in self._twin.handles.items():
            assert list(handle.outstanding) == [entry.reqid for entry in self._twin.model.handles[name]]

    def _told(self, said: Lookup, got: TargLookup) -> None:
        entry = said.entry
        assert entry is not None
        assert entry.reqid in {None, got.reqid}
        entry.reqid = got.reqid
        owner = next(one for one in self._twin.all if one.said is entry.overlay)
        assert (got.dlid, got.varpdid, got.vnetid) == (owner.linkid, entry.overlay.varpd_id, entry.overlay.vnetid)
        fields = (got.hdrsize, got.pktsize, got.srcaddr, got.dstaddr, got.dsttype, got.sap, got.vlan)
        assert fields == described(said.told)
        reqids = [one.reqid for slot in self._twin.all for one in slot.said.entries.values() if one.reqid is not None]
        assert len(reqids) == len(set(reqids))

    def _check_deletes(self) -> None:
        for one in self._twin.all:
            assert one.deleting is None or one.deleting.errno == (0 if one.said.deleted else None)

    def _check_degraded(self) -> None:
        """KRN-I32: the model does not know of it."""
        assert self._twin.host.kernel.overlays.faults.degraded == sum(one.degraded for one in self._twin.all)
        for one in self._twin.slots.values():
            assert one is None or self._twin.host.kernel.links.mac(one.linkid).link_state == 1

    def _follow_walks(self) -> None:
        for walk in self._twin.walks:
            walk.always &= walk.slot.said.answered
            walk.ever |= walk.slot.said.answered


def _entries(one: Slot) -> list[TargetEntry]:
    target = one.device.target
    return list(target) if isinstance(target, DynamicTarget) else []


def described(frame: bytes) -> tuple[object, ...]:
    """What LOOKUP says about a frame: header, rest, source, destination, kind, ethertype, VLAN id (KRN 2.7)."""
    ethertype, tci, inner = struct.unpack(">HHH", (frame + bytes(4))[12:18])
    tagged = ethertype == 0x8100
    size, sap, vlan = (18, inner, tci & 0xFFF) if tagged else (14, ethertype, 0)
    sap = 0 if sap <= 1500 else 0x8100 if tagged and sap < 1536 else sap
    kind = 2 if frame[:6] == b"\xff" * 6 else frame[0] & 1
    return size, len(frame) - size, frame[6:12], frame[:6], kind, sap, vlan
