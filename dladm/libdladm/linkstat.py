"""A link's counters, from /dev/kstat (KRN 6.13)."""

from __future__ import annotations

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

    ipackets: int
    rbytes: int
    ierrors: int
    opackets: int
    obytes: int
    oerrors: int

    def since(self, before: Self) -> LinkStats:
        """What was counted after `before`."""
        return LinkStats(*(now - then for now, then in zip(astuple(self), astuple(before), strict=True)))


def read(system: System, names: list[str]) -> dict[str, LinkStats]:
    """The counters of these links; one that has none is left out. Errors: `DladmError` where /dev/kstat cannot be opened."""
    try:
        device = Device.open(system, KSTAT, FREAD)
    except KernelError as error:
        raise DladmError.of(error) from error
    found: dict[str, LinkStats] = {}
    with device:
        for name in names:
            try:
                reply = device.ioctl(KSTAT_IOC_READ, KstatEntry("link", 0, name).pack())
            except KernelError:
                continue
            values = {stat.name: stat.value for stat in KstatEntry.unpack(reply).stats}
            found[name] = _stats(values)
    return found


def _stats(values: dict[str, int | str]) -> LinkStats:
    def counter(name: str) -> int:
        return int(values.get(f"{name}64", values.get(name, 0)))

    return LinkStats(*(counter(name) for name in LinkStats.__slots__))
