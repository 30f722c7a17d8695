"""Asking /dev/kstat.

Statistics of a few sets that are named outright are READ one by one; everything else is one walk over all sets, 64 kilobytes a call.
Measured with 1,000 links, which have 6,000 sets: 0.5 s for all, 0.3 s for those of one module, at most 6 ms of the kernel's time a call. A
call a set took 2.6 s with 200 links, and grew with their square.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from etherspan.kstat.selector import Pattern
from kernel_sim.dev.client import Device
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.kstat import (
    KSTAT_IOC_CHAIN,
    KSTAT_IOC_READ,
    KSTAT_IOC_WALK,
    KstatChain,
    KstatEntry,
    KstatHeader,
    unpack_entries,
)

NAMED_MAX: Final = 16
"""Up to how many sets that are named outright are worth a call each."""


def chain(device: Device) -> list[KstatHeader]:
    """The names of all sets of statistics; read again from the start when one came or went meanwhile."""
    while True:
        found: list[KstatHeader] = []
        generation: int | None = None
        while True:
            page = KstatChain.unpack(device.ioctl(KSTAT_IOC_CHAIN, KstatChain(len(found)).pack()))
            if generation not in {None, page.generation}:
                break
            generation = page.generation
            found += page.headers
            if len(found) >= page.total or not page.headers:
                return found


def entries(device: Device, patterns: Sequence[Pattern]) -> list[KstatEntry]:
    """The sets that some pattern wants, with their values, sorted by module, instance and name, whatever the case of letters.

    Errors: `KernelError`, those of the device; ValueError as `Pattern.check`.
    """
    only = [pattern.only for pattern in patterns]
    named = [one for one in only if one is not None]
    if len(named) == len(only) <= NAMED_MAX:
        found = _named(device, dict.fromkeys(named))
    else:
        found = _walk(device, lambda header: any(pattern.wants(header) for pattern in patterns))
    return sorted(found, key=lambda one: (one.module.casefold(), one.instance, one.name.casefold()))


def _named(device: Device, names: dict[tuple[str, int, str], None]) -> Iterator[KstatEntry]:
    for name in names:
        try:
            yield KstatEntry.unpack(device.ioctl(KSTAT_IOC_READ, KstatEntry(*name).pack()))
        except KernelError as error:
            if error.errno not in {Errno.ENOENT, Errno.EINVAL}:  # no such set; a name that no set can have
                raise


def _walk(device: Device, wanted: Callable[[KstatHeader], bool]) -> Iterator[KstatEntry]:
    while answer := device.ioctl(KSTAT_IOC_WALK):
        yield from unpack_entries(answer, wanted)
