"""A link's counters, from /dev/kstat (KRN 6.13)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from typing import Self

from dladm.libdladm.status import DladmError
from kernel_sim.dev.client import Device, System
from kernel_sim.dev.framing import FREAD
from kernel_sim.dev.paths import KSTAT
from kernel_sim.sys.errno import KernelError
from kernel_sim.sys.kstat import KSTAT_IOC_READ, KstatEntry


@dataclass(slots=True, frozen=True)
class LinkStats:
    """Frames, bytes and errors, received and sent."""

    ipackets: int = 0
    rbytes: int = 0
    ierrors: int = 0
    opackets: int = 0
    obytes: int = 0
    oerrors: int = 0

    def since(self, before: Self) -> LinkStats:
        """What was counted after `before`; 0 where a counter has begun again."""
        both = zip(astuple(self), astuple(before), strict=True)
        return LinkStats(*(max(now - then, 0) for now, then in both))

    @classmethod
    def total(cls, every: Iterable[Self]) -> LinkStats:
        """The sums."""
        return LinkStats(*map(sum, zip(*map(astuple, every), strict=True)))


def read(system: System, names: Iterable[str]) -> dict[str, LinkStats]:
    """The counters of these links, zeros for one that has none. Errors: `DladmError` where /dev/kstat cannot be opened."""
    try:
        device = Device.open(system, KSTAT, FREAD)
    except KernelError as error:
        raise DladmError.of(error) from error
    with device:
        return {name: _of(device, name) for name in names}


def _of(device: Device, name: str) -> LinkStats:
    try:
        reply = device.ioctl(KSTAT_IOC_READ, KstatEntry("link", 0, name).pack())
    except KernelError:
        return LinkStats()
    values = {stat.name: stat.value for stat in KstatEntry.unpack(reply).stats}
    return LinkStats(*(int(values.get(f"{name}64", values.get(name, 0))) for name in LinkStats.__slots__))
