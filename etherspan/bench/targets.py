"""How fast the kernel finds targets: 64-byte frames through mac and overlay in memory, to uniformly random MAC addresses of a table.

etherspan bench targets [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from etherspan.bench.labs import environment
from etherspan.testing.host import MemoryHost
from etherspan.testing.memory import MemoryClock, MemoryNetwork
from kernel_sim.ddi import SocketAddress
from kernel_sim.sys import overlay
from kernel_sim.sys import overlay_target as targ
from kernel_sim.sys.codec import CacheEntry, OverlayLink, Point, TargAssociate, TargCache
from kernel_sim.sys.message import Buffer, Message
from kernel_sim.sys.overlay_common import DEST_IP_PORT
from kernel_sim.sys.overlay_target import TargMode
from libvarpd.prop import V4_MAPPED

SIZES: Final = (10, 100, 1_000, 10_000, 100_000)
ROUNDS: Final = 5
FRAMES: Final = 40_000
BATCH: Final = 32
SOURCE: Final = bytes.fromhex("020820000001")
_PEER: Final = V4_MAPPED + bytes([10, 0, 0, 2])


class _Sink:
    """An underlay socket that takes everything."""

    def __init__(self) -> None:
        self.frames = 0

    def send(self, header: bytes, frames: Sequence[Buffer], to: SocketAddress, source_port: int) -> int:
        self.frames += len(frames)
        return 0

    def close(self) -> None:
        """Nothing is open."""


def mac(number: int) -> bytes:
    return b"\x02\x20" + number.to_bytes(4)


def frames_per_second(targets: int) -> float:
    """Send frames to known targets, each to one at random."""
    clock = MemoryClock()
    host = MemoryHost(clock, MemoryNetwork(clock), "10.0.0.1")
    sink = _Sink()
    host.underlay.open = lambda *_, **__: sink  # type: ignore[assignment,method-assign]
    linkid = host.create_overlay("ov0", 23, to=None)
    host.targ(targ.OVERLAY_TARG_ASSOCIATE, TargAssociate(linkid, TargMode.DYNAMIC, linkid, DEST_IP_PORT, Point()))
    host.dld(overlay.OVERLAY_IOC_ACTIVATE, OverlayLink(linkid))
    for number in range(targets):
        entry = CacheEntry(mac(number), point=Point(ip=_PEER, port=4789))
        host.targ(targ.OVERLAY_TARG_CACHE_SET, TargCache(linkid, entry))
    port = host.create_vnic("vnic0", linkid, SOURCE)
    chance = random.Random(1)
    chains = [
        [Message(mac(chance.randrange(targets)) + SOURCE + b"\x08\x00" + bytes(50)) for _ in range(BATCH)]
        for _ in range(FRAMES // BATCH)
    ]
    transmit = port.transmit
    for number in range(targets):
        transmit([Message(mac(number) + SOURCE + b"\x08\x00" + bytes(50))])  # what is worked out once is worked out
    sink.frames = 0
    begun = time.perf_counter()
    for chain in chains:
        transmit(chain)
    spent = time.perf_counter() - begun
    assert sink.frames == FRAMES, f"{sink.frames} of {FRAMES} frames went"
    return FRAMES / spent


def rates(sizes: Sequence[int], rounds: int = ROUNDS) -> dict[int, float]:
    """Frames a second for each size of table: medians of interleaved rounds."""
    found: dict[int, list[float]] = {size: [] for size in sizes}
    for _ in range(rounds):
        for size, figures in found.items():
            figures.append(frames_per_second(size))
    return {size: statistics.median(figures) for size, figures in found.items()}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="etherspan bench targets", description="frames a second by size of table")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(argv)
    found = rates(SIZES)
    print("| targets | kpps | against the first |\n|---|---|---|")
    for size, rate in found.items():
        print(f"| {size} | {rate / 1e3:.0f} | {rate / found[SIZES[0]]:.2f} |")
    if given.json:
        given.json.write_text(json.dumps({"environment": environment(), "results": found}, indent=1) + "\n")
    return 0
