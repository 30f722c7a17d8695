"""The twin of the compiled helper, where there is none: the same functions in Python."""

from __future__ import annotations

from collections.abc import Sequence

from kernel_sim.mac._hw.coalesce import receive
from kernel_sim.mac._hw.segment import cut
from kernel_sim.sys.message import Buffer, Message

__all__ = ["cut", "cut_behind", "receive", "uniform"]


def cut_behind(message: Message, header: bytes) -> Sequence[Buffer]:
    """See `hw_emul.cut_behind`: whoever sends them puts the header in front."""
    return cut(message)


def uniform(buffer: memoryview, stride: int, size: int) -> bool:
    """See `hw_emul.uniform`. A datagram without so many bytes is unlike the others; many datagrams are compared column by column."""
    first = bytes(buffer[:size])
    count = max(1, -(-len(buffer) // stride))
    if len(buffer) - (count - 1) * stride < size:
        return False
    return not any(buffer[index::stride].tobytes() != first[index : index + 1] * count for index in range(size))
