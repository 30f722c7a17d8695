"""The unit that moves through the simulated kernel: a message, standing for one frame or for a run of frames.

A *message* is a buffer that begins with an Ethernet header, plus the offload marks a GLDv3 `mblk_t` carries. A message with
`mss == 0` is one frame. A message with `mss > 0` is a *run*: one super-frame of one flow that stands for `frames` frames, still
uncut (`HW_LSO` in the original). Marks follow the virtio-net header that a TAP with `IFF_VNET_HDR` gives and takes:
`start` and `stuff` count bytes from the first byte of the frame.

Every per-frame rule counts a run as its n single frames: `frames` and `bytes_on_wire` say how many and how long.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from typing import overload

Buffer = bytes | bytearray | memoryview


class Gso(enum.IntEnum):
    """How a run is cut (values of `struct virtio_net_hdr.gso_type`)."""

    NONE = 0
    TCPV4 = 1
    TCPV6 = 4
    UDP_L4 = 5


class Message:
    """One frame, or a run of frames of one flow.

    `data`     the Ethernet frame, no FCS; never changed in place once the message has been handed on.
    `partial`  the transport checksum field holds the folded pseudo-header sum; the rest is still to be added
               (`HCK_PARTIALCKSUM`): sum from `start`, store at `start + stuff`.
    `gso`, `mss`, `hdr_len`  for runs: the kind, payload bytes a frame, bytes of headers that every frame repeats.
    """

    __slots__ = ("data", "gso", "hdr_len", "mss", "partial", "start", "stuff")

    def __init__(
        self,
        data: Buffer,
        *,
        partial: bool = False,
        start: int = 0,
        stuff: int = 0,
        gso: int = 0,
        mss: int = 0,
        hdr_len: int = 0,
    ) -> None:
        self.data = data
        self.partial = partial
        self.start = start
        self.stuff = stuff
        self.gso = gso
        self.mss = mss
        self.hdr_len = hdr_len

    @property
    def frames(self) -> int:
        """How many frames this message stands for (1 unless it is a run)."""
        if not self.mss:
            return 1
        return max(1, -(-(len(self.data) - self.hdr_len) // self.mss))

    @property
    def bytes_on_wire(self) -> int:
        """Bytes of all the frames it stands for: every frame of a run repeats the headers."""
        return len(self.data) + (self.frames - 1) * self.hdr_len if self.mss else len(self.data)

    def with_data(self, data: Buffer, *, shift: int = 0) -> Message:
        """The same marks over other bytes; `shift` is what was inserted (+) or removed (-) before the network header."""
        if not (self.partial or self.mss):
            return Message(data)
        return Message(
            data,
            partial=self.partial,
            start=self.start + shift,
            stuff=self.stuff,
            gso=self.gso,
            mss=self.mss,
            hdr_len=self.hdr_len + shift if self.mss else 0,
        )

    def __repr__(self) -> str:
        marks = f" run of {self.frames}" if self.mss else ""
        return f"<Message {len(self.data)} bytes{marks}{' partial' if self.partial else ''}>"


Chain = list[Message]


class Packed(Sequence[memoryview]):
    """Frames in one piece of memory, `stride` bytes apart, each behind `gap` bytes that are not its own; the last may be shorter.

    The gaps hold a header that belongs in front of the frame. The memory is whoever's made it, who may use it again.
    """

    __slots__ = ("buffer", "gap", "stride")

    def __init__(self, buffer: memoryview | bytes, stride: int, gap: int) -> None:
        self.buffer = buffer
        self.stride = stride
        self.gap = gap

    def __len__(self) -> int:
        return (len(self.buffer) + self.stride - 1) // self.stride

    def __iter__(self) -> Iterator[memoryview]:
        view, stride, gap = memoryview(self.buffer), self.stride, self.gap
        return (view[at + gap : at + stride] for at in range(0, len(view), stride))

    @overload
    def __getitem__(self, index: int) -> memoryview: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[memoryview]: ...
    def __getitem__(self, index: int | slice) -> memoryview | Sequence[memoryview]:
        if isinstance(index, slice):
            return list(self)[index]
        count = len(self)
        if not -count <= index < count:
            raise IndexError(index)
        at = index % count * self.stride
        return memoryview(self.buffer)[at + self.gap : at + self.stride]
