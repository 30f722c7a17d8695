"""Frames from the wire become messages: consecutive frames of one flow become a run (linux-io.md 3, 4).

A run is made of TCP segments that follow each other without a gap, or of UDP datagrams of one length, whose headers otherwise agree
(IP ident, lengths and checksums aside); the last one may be shorter. A TCP segment with PSH or FIN is the last of its run, and only
the first may have CWR. Merging erases checksums, so every frame is verified before.

A frame whose transport checksum is *partial*, holding just the pseudo-header sum, comes from a peer whose kernel left the rest to
hardware that is not there. It is marked as such, and finished by whoever needs it finished. An IP packet larger than the MTU, with
TCP inside, is a super-frame that such a peer never cut: it becomes a run by itself. So does a UDP super-frame, if it is known where to
cut it. What is neither right nor partial is passed on as it came, for its receiver to drop.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from kernel_sim.mac._hw.headers import Shape, shape_of
from kernel_sim.mac._hw.ones import MODULUS, checksum, folded, ones_sum
from kernel_sim.mac._hw.segment import CWR, FIN, IP_MAX, IPV6_SIZE, PSH, TCP
from kernel_sim.sys.message import Chain, Message

ACK: Final = 0x10
ECE: Final = 0x40
_LAST_ONLY: Final = PSH | FIN
_IN_A_RUN: Final = ACK | ECE | PSH | FIN | CWR
"""Flags that the segments of a run may have; ACK they all have."""
UDP_FRAMES_MAX: Final = 64
"""Frames of a UDP run; receivers cut it again, and some take no more."""


def receive(frames: Iterable[memoryview], mtu: int, segment: int = 0) -> Chain:
    """What a batch of received frames becomes, in order; `mtu` is that of their link. All data are copies.

    `segment`, if not 0, says that UDP frames with more payload are super-frames of that many bytes of payload a frame.
    """
    chain: Chain = []
    run: _Run | None = None
    for frame in frames:
        if run is not None:
            if run.extend(frame):
                continue
            chain.append(run.message(segment))
        shape = shape_of(frame)
        if shape is None:
            chain.append(Message(bytes(frame)))
            run = None
        else:
            run = _Run(frame, shape, mtu)
    if run is not None:
        chain.append(run.message(segment))
    return chain


class _Run:
    """A frame, and those that were found to continue it. Most frames stand alone, so the first is looked into when a second comes."""

    __slots__ = (
        "_common",
        "_first",
        "_flags",
        "_mtu",
        "_next",
        "_open",
        "_payload_size",
        "_payloads",
        "_room",
        "_shape",
    )

    def __init__(self, first: memoryview, shape: Shape, mtu: int) -> None:
        self._first = first
        self._shape = shape
        self._mtu = mtu
        self._payloads: list[memoryview] = []
        self._open = len(first) - shape.network <= mtu
        self._next = 0
        self._flags = 0

    def extend(self, frame: memoryview) -> bool:
        """Take one more frame, if it continues this one."""
        if not self._open or not (self._payloads or self._begin()):
            return False
        shape = self._shape
        size = len(frame)
        added = size - shape.size
        if not 0 < added <= self._payload_size or added > self._room:
            return False
        head = int.from_bytes(frame[: shape.size], "big")
        if head & shape.mask != self._common or not shape.lengths_agree(head, size):
            return False
        if shape.proto == TCP:
            flags = head >> shape.flags_shift & 0xFF
            if head >> shape.sequence_shift & 0xFFFFFFFF != self._next or flags & CWR:
                return False
        elif len(self._payloads) == UDP_FRAMES_MAX:
            return False
        else:
            flags = 0
        if len(self._payloads) == 1 and not _may_merge(self._first, shape):
            self._open = False
            return False
        if not _may_merge(frame, shape):
            return False
        self._payloads.append(frame[shape.size :])
        self._room -= added
        self._next = self._next + added & 0xFFFFFFFF
        self._flags |= flags & _LAST_ONLY
        if added < self._payload_size or flags & _LAST_ONLY:
            self._open = False
        return True

    def message(self, segment: int) -> Message:
        """What came of it: a frame, or a run."""
        if len(self._payloads) > 1:
            return self._merged(self._payload_size)
        first, shape = self._first, self._shape
        size = len(first)
        mss = 0
        if shape.proto != TCP:
            mss = segment
        elif size - shape.network > self._mtu:
            mss = self._mtu - (shape.size - shape.network)
        if 0 < mss < size - shape.size and self._look() and _may_merge(first, shape):
            return self._merged(mss)
        if _is_partial(first, shape) and shape.lengths_agree(int.from_bytes(first[: shape.size], "big"), size):
            return Message(bytes(first), partial=True, start=shape.start, stuff=shape.stuff)
        return Message(bytes(first))

    def _begin(self) -> bool:
        """Look at the first frame, to see whether another one may follow it."""
        self._open = self._look() and not self._flags & _LAST_ONLY
        return self._open

    def _look(self) -> bool:
        """Take the first frame apart; False if it can be no part of a run."""
        shape, first = self._shape, self._first
        size = len(first)
        head = int.from_bytes(first[: shape.size], "big")
        self._common = head & shape.mask
        self._payloads = [first[shape.size :]]
        self._payload_size = size - shape.size
        self._room = IP_MAX - (size - shape.network)
        if shape.proto == TCP:
            self._next = (head >> shape.sequence_shift) + self._payload_size & 0xFFFFFFFF
            self._flags = head >> shape.flags_shift & 0xFF
            if not self._flags & ACK or self._flags & ~_IN_A_RUN:
                return False
        return self._payload_size > 0 and shape.lengths_agree(head, size)

    def _merged(self, mss: int) -> Message:
        shape = self._shape
        header = bytearray(self._first[: shape.size])
        ip_length = IP_MAX - self._room
        length = ip_length - (shape.start - shape.network)
        if shape.v6:
            header[shape.network + 4 : shape.network + 6] = (ip_length - IPV6_SIZE).to_bytes(2, "big")
        else:
            header[shape.network + 2 : shape.network + 4] = ip_length.to_bytes(2, "big")
            header[shape.network + 10 : shape.network + 12] = bytes(2)
            field = checksum(ones_sum(header[shape.network : shape.start]))
            header[shape.network + 10 : shape.network + 12] = field.to_bytes(2, "big")
        if shape.proto == TCP:
            header[shape.start + 13] = self._flags
        else:
            header[shape.start + 4 : shape.start + 6] = length.to_bytes(2, "big")
        header[shape.field : shape.field + 2] = folded(_pseudo(self._first, shape) + length).to_bytes(2, "big")
        return Message(
            b"".join((header, *self._payloads)),
            partial=True,
            start=shape.start,
            stuff=shape.stuff,
            gso=shape.gso,
            mss=mss,
            hdr_len=shape.size,
        )


def _pseudo(frame: memoryview, shape: Shape) -> int:
    """The sum of the pseudo-header without the length; not reduced."""
    return int.from_bytes(frame[shape.addresses : shape.addresses_end], "big") + shape.proto


def _is_partial(frame: memoryview, shape: Shape) -> bool:
    """The checksum field holds exactly the folded pseudo-header sum. The frame has nothing behind its IP packet."""
    place = shape.field
    return frame[place] << 8 | frame[place + 1] == folded(_pseudo(frame, shape) + len(frame) - shape.start)


def _may_merge(frame: memoryview, shape: Shape) -> bool:
    """All checksums are right, or the transport's is partial. The frame has nothing behind its IP packet."""
    start, place = shape.start, shape.field
    if not shape.v6 and int.from_bytes(frame[shape.network : start], "big") % MODULUS:
        return False
    field = frame[place] << 8 | frame[place + 1]
    if not field and shape.proto != TCP:
        return False  # no checksum at all, which a run could not say
    pseudo = _pseudo(frame, shape) + len(frame) - start
    return field == (pseudo % MODULUS or MODULUS) or not (pseudo + ones_sum(frame[start:])) % MODULUS
