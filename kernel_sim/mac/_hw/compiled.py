"""The compiled helper, for what it can do; the twin in Python does the rest, with the same bytes (`helper.c`).

It cuts runs and merges frames in one call each. What it gives lies in memory that the next call of the same function uses again, but for
messages, which have memory of their own.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final

from kernel_sim.mac._hw import coalesce, segment
from kernel_sim.mac._hw._helper import ffi, lib
from kernel_sim.sys.message import Buffer, Chain, Message, Packed

_ROOM: Final = 1 << 18
"""Bytes for what is cut from one run: one of 64 KiB in frames of 200 bytes still fits."""
_MESSAGES: Final = 1 << 11
_MSS_MAX: Final = 0xFFFF

_cut_memory: Final = memoryview(bytearray(_ROOM))
_cut_address: Final = ffi.from_buffer("uint8_t *", _cut_memory)
_merge_memory: Final = memoryview(bytearray(_ROOM))
_merge_address: Final = ffi.from_buffer("uint8_t *", _merge_memory)
_MARK: Final = struct.Struct("=8I")
"""`hw_message`: offset, size, partial, start, stuff, gso, mss, hdr_len."""
_marks: Final = bytearray(_MESSAGES * _MARK.size)
_marks_address: Final = ffi.from_buffer("hw_message *", _marks)
_unpack_mark = _MARK.unpack_from
_from_buffer = ffi.from_buffer
_hw_cut = lib.hw_cut
_hw_receive = lib.hw_receive


def cut_behind(message: Message, header: bytes) -> Sequence[Buffer]:
    """See `hw_emul.cut_behind`."""
    mss, hdr_len = message.mss, message.hdr_len
    data = message.data
    size = len(data)
    if 0 < mss <= _MSS_MAX and 0 <= message.start < hdr_len <= size:
        count = _hw_cut(
            _from_buffer(data),
            size,
            message.partial,
            message.start,
            message.gso,
            mss,
            hdr_len,
            header,
            len(header),
            _cut_address,
            _ROOM,
        )
        if count:
            gap = len(header)
            return Packed(_cut_memory[: size - hdr_len + count * (gap + hdr_len)], gap + hdr_len + mss, gap)
    return segment.cut(message)


def cut(message: Message) -> list[Buffer]:
    """See `hw_emul.cut`: frames in memory of their own."""
    frames = cut_behind(message, b"")
    return [bytes(frame) for frame in frames] if type(frames) is Packed else list(frames)


def receive(frames: Sequence[memoryview], mtu: int, segment_size: int = 0) -> Chain:
    """See `hw_emul.receive`."""
    if type(frames) is not Packed:
        return coalesce.receive(frames, mtu, segment_size)
    buffer = frames.buffer
    count = _hw_receive(
        _from_buffer(buffer),
        len(buffer),
        frames.stride,
        frames.gap,
        mtu,
        segment_size,
        _merge_address,
        _ROOM,
        _marks_address,
        _MESSAGES,
    )
    if count < 0:
        return coalesce.receive(frames, mtu, segment_size)
    memory = _merge_memory
    chain: Chain = []
    for at in range(0, count * _MARK.size, _MARK.size):
        offset, size, partial, start, stuff, gso, mss, hdr_len = _unpack_mark(_marks, at)
        data = bytes(memory[offset : offset + size])
        if partial:
            chain.append(Message(data, partial=True, start=start, stuff=stuff, gso=gso, mss=mss, hdr_len=hdr_len))
        else:
            chain.append(Message(data))
    return chain


def uniform(buffer: memoryview, stride: int, size: int) -> bool:
    """See `hw_emul.uniform`."""
    return bool(lib.hw_uniform(_from_buffer(buffer), len(buffer), stride, size))
