"""An entry of the target cache: one MAC address, what is known of it, and the frames parked while it is being asked for (KRN 2.2, 2.4).

An entry is made by the first frame to a MAC address, or by CACHE_SET, and lives as long as its target (KRN-Q20). Its flags say what
becomes of a frame:

    nothing    parked, PENDING set, a lookup queued
    P          parked, if it fits (128 KiB an entry)
    V, P V     sent
    D in any   dropped

and this is what happens to them. "Chain" are the parked frames; draining sends them through the transmit routine again, where each is
looked up anew:

    event                  flags           chain
    RESPOND                - P, + V        drained
    DROP, frames left      (P stays)       head dropped, the entry queued again
    DROP, none left or V   - P             head dropped
    CACHE_SET point        + V             drained
    CACHE_SET drop         + D             kept (KRN-Q15)
    REMOVE, FLUSH          - V, - D        kept
    LOOKUP finds nothing   - P             (KRN-Q11 to Q13: valid meanwhile, or no frame left that can be described)
    another ASSOCIATE      - V, - D        kept; pending entries move to the new target, the others are forgotten

An entry is in one place at most: nowhere, in the queue of lookups, or handed out to one handle, and it is PENDING exactly while it is
in one of the two (KRN-I13), so the lookups outstanding are the pending entries (KRN-I14).

A run is parked whole and counts as its frames; it is cut when a single frame of it is wanted.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import MutableMapping
from typing import Final, Protocol

from kernel_sim.mac import hw_emul
from kernel_sim.overlay.drops import DeviceDrop, DropCounters
from kernel_sim.overlay.lookup import Injectable, PendingLookup
from kernel_sim.overlay.target import Destination, Verdict
from kernel_sim.sys.codec import CacheEntry, Point, TargLookup
from kernel_sim.sys.ethernet import (
    BROADCAST,
    ETHER_HDR_LEN,
    ETHERTYPE_IP,
    ETHERTYPE_VLAN,
    HeaderInfo,
    is_group,
    parse_header,
)
from kernel_sim.sys.message import Buffer, Chain, Message
from kernel_sim.sys.overlay_target import OVERLAY_TARGET_CACHE_DROP, PENDING_BYTES_MAX, DstType

_ETHERTYPE_MIN: Final = 0x0600
_LENGTH_MAX: Final = 1500


class EntryFlag(enum.IntFlag):
    """What is known of a MAC address."""

    NONE = 0
    PENDING = 1
    """A lookup is queued or handed out."""
    VALID = 2
    """There is a destination."""
    DROP = 4
    """Frames are dropped, whatever the other flags say (KRN-Q14)."""


ANSWERED: Final = EntryFlag.VALID | EntryFlag.DROP
"""The cache ioctls have something to show."""


class Parking(Injectable, Protocol):
    """The device, as far as its target goes."""

    @property
    def linkid(self) -> int: ...
    @property
    def vnetid(self) -> int: ...
    @property
    def drops(self) -> DropCounters[DeviceDrop]: ...

    def tx(self, chain: Chain) -> None:
        """The transmit routine."""


class Owner(Protocol):
    """The target, as far as an entry goes."""

    @property
    def device(self) -> Parking: ...
    @property
    def varpd_id(self) -> int: ...

    def destination(self, point: Point) -> Destination:
        """What a point is to the transmit path."""

    def answered(self, entry: TargetEntry, *, drain: bool) -> None:
        """A lookup was answered; `drain`: there is a destination now."""

    def takes_back(self, entry: TargetEntry) -> bool:
        """A lookup comes back unanswered: True, it is to be queued again."""


class TargetEntry:
    """An entry; see the module. It is what the queue and the handles know as a `PendingLookup`."""

    __slots__ = (
        "asked_by",
        "chain",
        "destination",
        "flags",
        "holder",
        "mac",
        "parked",
        "point",
        "reqid",
        "target",
        "verdict",
    )

    def __init__(self, mac: bytes, reqid: int, target: Owner) -> None:
        self.mac = mac
        self.reqid = reqid
        self.target = target
        self.flags = EntryFlag.NONE
        self.point = Point()
        self.destination: Destination | None = None
        self.verdict: Verdict = None
        """What to do with a frame without looking further; None: park it."""
        self.chain: deque[Message] = deque()
        self.parked = 0
        """Bytes of the frames in the chain."""
        self.holder: MutableMapping[int, PendingLookup] | None = None
        self.asked_by = b""
        """Of an entry that waits for an answer without a frame: the station in whose name it is asked (`overlay_source_filter`)."""

    @property
    def device(self) -> Parking:
        return self.target.device

    @property
    def pending(self) -> bool:
        return bool(self.flags & EntryFlag.PENDING)

    @property
    def answer(self) -> CacheEntry:
        """What the cache ioctls show of it. The point of a drop entry that never had one is zero."""
        dropping = self.flags & EntryFlag.DROP
        return CacheEntry(self.mac, OVERLAY_TARGET_CACHE_DROP if dropping else 0, self.point)

    def change(self, *, clear: EntryFlag = EntryFlag.NONE, add: EntryFlag = EntryFlag.NONE) -> None:
        """Change the flags, and with them the verdict."""
        self.flags = self.flags & ~clear | add
        if self.flags & EntryFlag.DROP:
            self.verdict = DeviceDrop.TX_TARGET
        else:
            self.verdict = self.destination if self.flags & EntryFlag.VALID else None

    def point_at(self, point: Point) -> None:
        """Where frames go from now on; it is not judged (KRN 2.7)."""
        self.point = point
        self.destination = self.target.destination(point)

    # ------------------------------------------------------------------ frames

    def park(self, message: Message, *, new: bool) -> None:
        """Keep a copy of the frames that fit, and drop the others. The frame that makes an entry is not measured (KRN-Q1)."""
        room = PENDING_BYTES_MAX - self.parked
        size = message.bytes_on_wire
        if size <= room or (new and not message.mss):
            self.chain.append(message.with_data(bytes(message.data)))
            self.parked += size
            return
        left_out: list[Buffer] = []
        for frame in hw_emul.cut(message) if message.mss else ():
            if new or len(frame) <= room:
                new = False
                self.chain.append(Message(bytes(frame)))
                self.parked += len(frame)
                room -= len(frame)
            else:
                left_out.append(frame)
        self.device.drops.drop_frames(DeviceDrop.TX_PENDING_FULL, left_out if message.mss else [message.data])

    def head(self) -> Buffer | None:
        """The frame at the head, finished; None when nothing is parked."""
        if not self.chain:
            return None
        first = self.chain[0]
        if first.mss or first.partial:
            frames = [bytes(frame) for frame in hw_emul.cut(first)]
            self.chain.popleft()
            self.chain.extendleft(Message(frame) for frame in reversed(frames))
            self.parked += sum(map(len, frames)) - first.bytes_on_wire
        return self.chain[0].data

    def pop(self, reason: DeviceDrop) -> None:
        """Drop the frame at the head, if there is one."""
        frame = self.head()
        if frame is not None:
            self.chain.popleft()
            self.parked -= len(frame)
            self.device.drops.drop_frames(reason, [frame])

    def take_chain(self) -> Chain:
        """All that is parked; nothing is, afterwards."""
        chain, self.chain, self.parked = list(self.chain), deque(), 0
        return chain

    # ------------------------------------------------------------------ what the queue and the handles ask

    def describe(self) -> TargLookup | None:
        """See `PendingLookup.describe`."""
        if self.flags & EntryFlag.VALID:
            self.change(clear=EntryFlag.PENDING)
            return None
        if self.asked_by:
            header = HeaderInfo(
                self.mac, self.asked_by, ETHERTYPE_IP, vid=0, tagged=False, cfi=False, size=ETHER_HDR_LEN
            )
            return self._lookup(header, 0, ETHERTYPE_IP)
        if self.chain:
            described = _describe(self.chain[0])
            if described is not None:
                return self._lookup(*described)
            self.pop(DeviceDrop.TX_BAD_HEADER)
        if not self.chain:
            self.change(clear=EntryFlag.PENDING)
        return None

    def _lookup(self, header: HeaderInfo, pktsize: int, sap: int) -> TargLookup:
        target = self.target
        return TargLookup(
            dlid=target.device.linkid,
            reqid=self.reqid,
            varpdid=target.varpd_id,
            vnetid=target.device.vnetid,
            hdrsize=header.size,
            pktsize=pktsize,
            srcaddr=header.src,
            dstaddr=self.mac,
            dsttype=_dst_type(self.mac),
            sap=sap,
            vlan=header.vid,
        )

    def respond(self, point: Point) -> None:
        """See `PendingLookup.respond`."""
        self.holder = None
        self.point_at(point)
        self.change(clear=EntryFlag.PENDING, add=EntryFlag.VALID)
        self.target.answered(self, drain=True)

    def drop(self) -> None:
        """See `PendingLookup.drop`."""
        self.holder = None
        if not self.flags & EntryFlag.VALID:
            self.pop(DeviceDrop.TX_LOOKUP)
        self.target.answered(self, drain=False)

    def give_back(self) -> bool:
        """See `PendingLookup.give_back`."""
        self.holder = None
        return self.target.takes_back(self)

    def withdraw(self) -> None:
        """Nobody shall answer it any more."""
        if self.holder is not None:
            del self.holder[self.reqid]
            self.holder = None
        self.change(clear=EntryFlag.PENDING)


def _dst_type(mac: bytes) -> DstType:
    if mac == BROADCAST:
        return DstType.BROADCAST
    return DstType.MULTICAST if is_group(mac) else DstType.UNICAST


def _describe(message: Message) -> tuple[HeaderInfo, int, int] | None:
    """Header, bytes behind it and ethertype of the first frame of a message, as LOOKUP tells them (KRN 2.7).

    None for a frame that has no whole header or has the CFI bit set.
    """
    size = min(len(message.data), message.hdr_len + message.mss) if message.mss else len(message.data)
    header = parse_header(message.data[:size])
    if header is None or header.cfi:
        return None
    sap = header.sap
    if sap <= _LENGTH_MAX:
        sap = 0
    elif header.tagged and sap < _ETHERTYPE_MIN:
        sap = ETHERTYPE_VLAN
    return header, size - header.size, sap
