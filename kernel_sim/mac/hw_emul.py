"""Offload emulation: what hardware does with checksums and large sends, done in software (KRN 6.10).

    complete(message) -> Message            the same frame with its checksum filled in
    cut(message) -> list of buffers         the finished frames it stands for
    cut_behind(message, header) -> frames   the same for sending, in memory that is used again, perhaps each behind its header
    receive(frames, mtu) -> Chain           messages for a batch from the wire: runs, partial checksums, plain frames
    uniform(buffer, stride, size) -> bool   whether datagrams all have `size` bytes at least, and begin with the same
    claimed_length(frame) -> int            bytes it has by its IP header

A kernel peer may hand over a UDP super-frame uncut. A socket with UDP_GRO then reports the *inner* segment size as if it were the stride
of a batch. Such a "batch" is recognised by its first frame, whose claimed length reaches to the end of it all; as one frame, and with
`receive(frames, mtu, segment)`, it becomes a run.

Nothing here trusts its input: bytes that are not what their marks say, or no packet at all, come through as they are.
`_hw` does the computing: compiled where that could be built, else in Python, with the same results. `engine` says which; `use` chooses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from kernel_sim.mac._hw import plain
from kernel_sim.mac._hw.headers import claimed_length
from kernel_sim.mac._hw.segment import complete
from kernel_sim.sys.message import Buffer, Chain, Message

try:
    from kernel_sim.mac._hw import compiled
except ImportError:  # no compiler when it was installed
    compiled = None  # type: ignore[assignment]

__all__ = ["claimed_length", "complete", "cut", "cut_behind", "engine", "receive", "uniform", "use"]

PYTHON: Final = "python"
COMPILED: Final = "compiled"
ENGINES: Final = (COMPILED, PYTHON) if compiled is not None else (PYTHON,)
"""What can be chosen here, the better one first."""

engine: str
cut: Callable[[Message], list[Buffer]]
cut_behind: Callable[[Message, bytes], Sequence[Buffer]]
receive: Callable[..., Chain]
uniform: Callable[[memoryview, int, int], bool]


def use(name: str) -> None:
    """Compute that way from now on. Errors: `ValueError` it cannot be had here."""
    global engine, cut, cut_behind, receive, uniform
    if name not in ENGINES:
        raise ValueError(f"{name!r} is none of {', '.join(ENGINES)}")
    module = plain if name == PYTHON else compiled
    engine = name
    cut, cut_behind, receive, uniform = module.cut, module.cut_behind, module.receive, module.uniform


use(ENGINES[0])
