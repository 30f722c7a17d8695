"""What has to hold in a simulated kernel after every step, whatever was done to it."""

from __future__ import annotations

from collections import Counter
from typing import Final

from kernel_sim.kernel import Kernel
from kernel_sim.mac.stat import DROPS_MODULE
from kernel_sim.overlay.cache import DynamicTarget
from kernel_sim.overlay.drops import DeviceDrop, MuxDrop
from kernel_sim.overlay.lookup import PendingLookup
from kernel_sim.sys.overlay_target import PENDING_BYTES_MAX


def check_kernel(kernel: Kernel) -> None:
    """Lookups and target caches are consistent (KRN-I13, KRN-I14), and no address has more parked than it may. Errors: AssertionError."""
    queued = list(kernel.lookups)
    for device in kernel.overlays:
        if isinstance(device.target, DynamicTarget):
            _check_target(device.target, queued)
    places = Counter(entry.reqid for entry in queued)
    assert all(count == 1 for count in places.values()), f"queued more than once: {places}"


def _check_target(target: DynamicTarget, queued: list[PendingLookup]) -> None:
    pending = 0
    for entry in target:
        waits = sum(one is entry for one in queued)
        held = entry.holder is not None
        if held:
            assert entry.holder is not None
            assert entry.holder.get(entry.reqid) is entry, f"{entry.mac.hex()} is not where it was handed out"
        assert waits + held == entry.pending, f"{entry.mac.hex()}: queued {waits}, handed out {held}, {entry.flags!r}"
        assert entry.parked == sum(message.bytes_on_wire for message in entry.chain)
        assert entry.parked <= PENDING_BYTES_MAX, f"{entry.mac.hex()}: {entry.parked} bytes parked"
        assert entry.pending or not entry.chain, f"{entry.mac.hex()}: frames are parked, and nobody is asked"
        pending += entry.pending
    assert target.outstanding == pending


def drop_counters(kernel: Kernel) -> Counter[str]:
    """All named drops that are not 0, by reason, as the kernel's own statistics have them; those of links that are gone only as far as the
    kernel keeps them.
    """
    found: Counter[str] = Counter()
    for entry in kernel.kstats():
        if entry.module == DROPS_MODULE:
            found.update({one.name: int(one.value) for one in entry.stats if one.value})
    return found


KEPT_DROPS: Final = frozenset(map(str, (*DeviceDrop, *MuxDrop)))
"""Reasons whose counts outlive their link."""
