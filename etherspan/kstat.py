"""kstat: the statistics of a host's simulated kernel.

    kstat [-p] [-m MODULE] [-i INSTANCE] [-n NAME] [-s STATISTIC] [MODULE:INSTANCE:NAME:STATISTIC ...]

Parts left empty match everything; a part may be a shell pattern. `-p` prints `module:instance:name:statistic<TAB>value` lines. Exit
status: 0; 1 nothing matched; 2 usage; 3 the kernel cannot be reached.
"""

from __future__ import annotations

import fnmatch
import getopt
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from kernel_sim.dev.client import Device, LocalSystem
from kernel_sim.dev.framing import FREAD
from kernel_sim.dev.paths import KSTAT, host_root
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.kstat import KSTAT_IOC_CHAIN, KSTAT_IOC_READ, KstatChain, KstatEntry, KstatHeader

OK, NOTHING, USAGE_ERROR, UNREACHABLE = range(4)
USAGE: Final = (
    "Usage: kstat [-p] [-m module] [-i instance] [-n name] [-s statistic] [module:instance:name:statistic ...]"
)


@dataclass(slots=True, frozen=True)
class Pattern:
    """What to show; an empty part matches everything."""

    module: str = ""
    instance: str = ""
    name: str = ""
    statistic: str = ""

    @classmethod
    def parse(cls, operand: str) -> Pattern:
        """Errors: ValueError for more than four parts."""
        parts = operand.split(":")
        if len(parts) > 4:
            raise ValueError(f"{operand!r} has more than the four parts module:instance:name:statistic")
        return cls(*parts)

    def wants(self, header: KstatHeader) -> bool:
        """True if the set of statistics can hold a match."""
        pairs = ((self.module, header.module), (self.instance, str(header.instance)), (self.name, header.name))
        return all(not want or fnmatch.fnmatchcase(have, want) for want, have in pairs)

    def wants_statistic(self, name: str) -> bool:
        """True for a statistic of a wanted set."""
        return not self.statistic or fnmatch.fnmatchcase(name, self.statistic)


def chain(device: Device) -> list[KstatHeader]:
    """Every set of statistics; read again from the start when one came or went meanwhile."""
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


def entries(device: Device, patterns: Sequence[Pattern]) -> Iterator[KstatEntry]:
    """The sets that some pattern wants, sorted; one that vanishes meanwhile is left out."""
    wanted = [one for one in chain(device) if any(pattern.wants(one) for pattern in patterns)]
    for header in sorted(wanted, key=lambda one: (one.module, one.instance, one.name)):
        asked = KstatEntry(header.module, header.instance, header.name)
        try:
            yield KstatEntry.unpack(device.ioctl(KSTAT_IOC_READ, asked.pack()))
        except KernelError as error:
            if error.errno is not Errno.ENOENT:
                raise


def _show(entry: KstatEntry, patterns: Sequence[Pattern], *, parsable: bool) -> int:
    mine = [pattern for pattern in patterns if pattern.wants(entry.header)]
    stats = [one for one in entry.stats if any(pattern.wants_statistic(one.name) for pattern in mine)]
    stats.sort(key=lambda one: one.name)
    if parsable:
        prefix = f"{entry.module}:{entry.instance}:{entry.name}"
        sys.stdout.writelines(f"{prefix}:{one.name}\t{one.value}\n" for one in stats)
        return len(stats)
    if stats:
        print(f"module: {entry.module:<30}  instance: {entry.instance:<6}")
        print(f"name:   {entry.name:<30}  class:    {entry.klass}")
        sys.stdout.writelines(f"\t{one.name:<30}  {one.value}\n" for one in stats)
        print()
    return len(stats)


def main(argv: Sequence[str] | None = None) -> int:
    """The program `kstat`."""
    words = list(sys.argv[1:] if argv is None else argv)
    if "--help" in words:
        print(USAGE)
        return OK
    try:
        options, operands = getopt.gnu_getopt(words, "pm:i:n:s:")
        patterns = [Pattern.parse(operand) for operand in operands]
    except (getopt.GetoptError, ValueError) as wrong:
        print(f"kstat: {wrong}\n{USAGE}", file=sys.stderr)
        return USAGE_ERROR
    given = dict(options)
    if not patterns:
        patterns = [Pattern(*(given.get(f"-{one}", "") for one in "mins"))]
    elif given.keys() - {"-p"}:
        print(f"kstat: -m, -i, -n, -s do not go with module:instance:name:statistic\n{USAGE}", file=sys.stderr)
        return USAGE_ERROR
    try:
        with Device.open(LocalSystem(host_root()), KSTAT, FREAD) as device:
            shown = sum(_show(one, patterns, parsable="-p" in given) for one in entries(device, patterns))
    except KernelError as error:
        if error.errno in {Errno.ENOENT, Errno.ECONNREFUSED}:
            print(f"kstat: no host runs in {host_root()}; 'etherspan host boot' starts one", file=sys.stderr)
        else:
            print(f"kstat: cannot read the statistics of {host_root()}: {error}", file=sys.stderr)
        return UNREACHABLE
    return OK if shown else NOTHING
