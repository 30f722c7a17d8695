"""Offload emulation: what hardware does with checksums and large sends, done in software (KRN 6.10).

    complete(message) -> Message            the same frame with its checksum filled in
    cut(message) -> list of buffers         the finished frames it stands for
    receive(frames, mtu) -> Chain           messages for a batch from the wire: runs, partial checksums, plain frames
    claimed_length(frame) -> int            bytes it has by its IP header

A kernel peer may hand over a UDP super-frame uncut. A socket with UDP_GRO then reports the *inner* segment size as if it were the stride
of a batch. Such a "batch" is recognised by its first frame, whose claimed length reaches to the end of it all; as one frame, and with
`receive(frames, mtu, segment)`, it becomes a run.

Nothing here trusts its input: bytes that are not what their marks say, or no packet at all, come through as they are.
`_hw` does the computing.
"""

from __future__ import annotations

from kernel_sim.mac._hw.coalesce import receive
from kernel_sim.mac._hw.headers import claimed_length
from kernel_sim.mac._hw.segment import complete, cut

__all__ = ["claimed_length", "complete", "cut", "receive"]
