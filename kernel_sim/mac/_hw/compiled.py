"""The compiled helper, for what it can do; the twin in Python does the rest, with the same bytes (`helper.c`).

It cuts runs and merges frames in one call each. What it gives lies in memory that the next call of the same function uses again, but for
messages, which have memory of their own.
"""

from __future__ import annotations

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
_messages: Final = ffi.new("hw_message[]", _MESSAGES)
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
    if type(frames) is Packed:
        whole = Packed(bytes(frames.buffer), frames.stride, 0)
        return list(whole)
    return list(frames)


def receive(frames: Sequence[memoryview], mtu: int, segment_size: int = 0) -> Chain:
    """See `hw_emul.receive`."""
    if type(frames) is not Packed or len(frames) == 1:
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
        _messages,
        _MESSAGES,
    )
    if count < 0:
        return coalesce.receive(frames, mtu, segment_size)
    memory = _merge_memory
    chain: Chain = []
    for at in range(count):
        mark = _messages[at]
        offset = mark.offset
        data = bytes(memory[offset : offset + mark.size])
        if mark.partial:
            chain.append(
                Message(
                    data,
                    partial=True,
                    start=mark.start,
                    stuff=mark.stuff,
                    gso=mark.gso,
                    mss=mark.mss,
                    hdr_len=mark.hdr_len,
                )
            )
        else:
            chain.append(Message(data))
    return chain


def uniform(buffer: memoryview, stride: int, size: int) -> bool:
    """See `hw_emul.uniform`."""
    return bool(lib.hw_uniform(_from_buffer(buffer), len(buffer), stride, size))
