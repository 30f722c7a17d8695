"""The virtio-net header in front of each frame of a TAP, 10 bytes in native byte order.

     0 flags u8 (1: the checksum is still to be finished)     1 gso_type u8 (`Gso`, 0x80: ECN)
     2 hdr_len u16     4 gso_size u16     6 csum_start u16     8 csum_offset u16

`csum_start` counts from the frame's first byte, `csum_offset` from there: a message's `start` and `stuff`. `hdr_len` is a hint that may
be too large when read, so it is worked out anew. A run that is written needs flag 1 and the pseudo-header sum in its checksum field.
"""

from __future__ import annotations

import struct
from typing import Final

from kernel_sim.sys.message import Gso, Message

_LAYOUT: Final = struct.Struct("=BBHHHH")
SIZE: Final = _LAYOUT.size
PLAIN: Final = bytes(SIZE)
"""The header of a finished single frame."""

FRAME_MAX: Final = 65535 + 14 + 4
"""Bytes of the longest frame or run: the largest IP packet behind a tagged Ethernet header."""
COPY_MAX: Final = 4096
"""Frames up to this size are copied out of the receive memory, larger ones lent from it."""

_NEEDS_CSUM: Final = 1
_GSO_ECN: Final = 0x80
_TCP_HEADER_MIN: Final = 20
_UDP_HEADER: Final = 8
_TCP: Final = frozenset({int(Gso.TCPV4), int(Gso.TCPV6)})

_unpack = _LAYOUT.unpack_from
_pack = _LAYOUT.pack


def decode(memory: memoryview, end: int) -> Message:
    """The message whose header is at the start of `memory` and whose frame ends at `end`; one of more than `COPY_MAX` refers to `memory`.

    A header that contradicts its frame is not believed: the frame is passed on as one frame.
    """
    flags, gso, _, mss, start, stuff = _unpack(memory)
    size = end - SIZE
    data = bytes(memory[SIZE:end]) if size <= COPY_MAX else memory[SIZE:end]
    if not flags & _NEEDS_CSUM or start + stuff + 2 > size:
        return Message(data)
    if not gso:
        return Message(data, partial=True, start=start, stuff=stuff)
    kind = gso & ~_GSO_ECN
    hdr_len = _header_length(data, kind, start)
    if not mss or not 0 < hdr_len < size:
        return Message(data, partial=True, start=start, stuff=stuff)
    return Message(data, partial=True, start=start, stuff=stuff, gso=kind, mss=mss, hdr_len=hdr_len)


def _header_length(data: bytes | memoryview, kind: int, start: int) -> int:
    """Bytes that every frame of a run repeats; 0 when the frame cannot be such a run."""
    if kind == Gso.UDP_L4:
        return start + _UDP_HEADER
    if kind in _TCP and start + _TCP_HEADER_MIN <= len(data):
        length = (data[start + 12] >> 4) * 4
        return start + length if length >= _TCP_HEADER_MIN else 0
    return 0


def encode(message: Message) -> bytes:
    """The header to write in front of a message."""
    if message.mss:
        flags = _NEEDS_CSUM if message.partial else 0
        return _pack(flags, message.gso, message.hdr_len, message.mss, message.start, message.stuff)
    return _pack(_NEEDS_CSUM, 0, 0, 0, message.start, message.stuff) if message.partial else PLAIN
