"""Which zone a command runs in, and how it acts there.

A command belongs to the zone whose namespace it runs in: `etherspan zone exec NAME` and `lab exec HOST:ZONE` put it there. Everywhere
else it is the host itself that is meant, as with dladm, and the command enters the host's namespace if it is not in it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from etherspan import netns, userns
from etherspan.errors import EtherspanError
from etherspan.host.layout import Record
from etherspan.ipadm.conf import GLOBAL
from etherspan.ipadm.status import IpadmError, Status
from kernel_sim.dev.paths import ZONE_NS

T = TypeVar("T")

_MACHINE_NAMESPACES: Final = Path("/run/netns")
_STATUS: Final = Path("/proc/thread-self/status")


@dataclass(slots=True, frozen=True)
class Place:
    """A zone of a host, and its namespace; None stands for the one the caller is in."""

    zone: str = GLOBAL
    namespace: Path | None = None

    def runs(self) -> bool:
        """True while the zone has a namespace."""
        return self.namespace is None or netns.is_pinned(self.namespace)

    def call(self, action: Callable[[], T]) -> T:
        """Run a function there. Errors: `IpadmError` EPERM where the namespace cannot be entered, and what the function raises."""
        if self.namespace is None:
            return action()
        try:
            return netns.call(self.namespace, action)
        except EtherspanError as error:
            raise IpadmError(Status.EPERM, str(error)) from error


def of_zone(root: Path, zone: str) -> Place:
    """The place of a zone by name, for a caller in the host's namespace."""
    return Place() if zone == GLOBAL else Place(zone, root / ZONE_NS / zone)


def here(root: Path, lent: Callable[[], Iterable[str]]) -> Place:
    """Where the caller is. `lent` names the zones that have links; those that are not the host's own are looked for in /run/netns."""
    pinned = root / ZONE_NS
    own = _named(pinned, (one.name for one in pinned.iterdir())) if pinned.is_dir() else None
    if own is not None:
        return own
    record = Record.read(root)
    alive = record is not None and record.process.alive()
    namespace = Path(f"/proc/{record.process.pid}/ns/net") if record is not None and alive else netns.OWN
    if _same(namespace):
        return Place()
    foreign = _named(_MACHINE_NAMESPACES, lent())
    if foreign is not None:
        return foreign
    assert record is not None  # without one the namespace is the caller's own
    _join_own_keeper(record.process.pid)
    return Place() if _same(namespace) else Place(GLOBAL, namespace)


def may_configure() -> bool:
    """True when the caller may configure interfaces at all."""
    for line in _STATUS.read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> userns.CAP_NET_ADMIN & 1)
    return False


def _named(folder: Path, zones: Iterable[str]) -> Place | None:
    """The zone among these whose namespace, mounted in `folder`, is the caller's."""
    return next((Place(zone) for zone in sorted(zones) if _same(folder / zone)), None)


def _same(path: Path) -> bool:
    """True when the namespace at `path` is the caller's; false too where that cannot be seen."""
    try:
        return os.path.samestat(path.stat(), netns.OWN.stat())
    except OSError:
        return False


def _join_own_keeper(pid: int) -> None:
    """A host that an ordinary user booted is in that user's keeper: join it."""
    with contextlib.suppress(OSError, EtherspanError):  # what is missing, entering the namespace will say
        if not userns.has_rights() and Path(f"/proc/{pid}").stat().st_uid == os.geteuid():
            userns.acquire()
