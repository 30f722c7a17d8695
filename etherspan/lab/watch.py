"""A lab, second by second: links with their rates, what is dropped, what overlays know, how services are.

On a terminal the picture is drawn again in place; into a file or a pipe each one follows the last, as plain text.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TextIO

from etherspan.kstat import Pattern, entries
from etherspan.lab.journal import LabDir
from etherspan.lab.status import LabStatus, status
from kernel_sim.dev import framing, paths
from kernel_sim.dev.client import Device, LocalSystem
from kernel_sim.mac.stat import DROPS_MODULE, LINK_MODULE
from kernel_sim.sys.errno import KernelError

HOME: Final = "\x1b[H"
CLEAR_LINE: Final = "\x1b[K"
CLEAR_BELOW: Final = "\x1b[J"
_COUNTED: Final = ("ipackets64", "opackets64", "rbytes64", "obytes64")


@dataclass(slots=True, frozen=True)
class Sample:
    """What a host has counted so far: by link, and drops by `link:reason`; `at` is the time in seconds."""

    at: float
    links: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    drops: Mapping[str, int] = field(default_factory=dict)


def sample(system: LocalSystem) -> Sample:
    """Ask a host now; nothing of one that is down."""
    at = time.monotonic()
    try:
        device = Device.open(system, paths.KSTAT, framing.FREAD)
    except KernelError:
        return Sample(at)
    try:
        found = entries(device, [Pattern(LINK_MODULE), Pattern(DROPS_MODULE)])
    except KernelError:
        return Sample(at)
    finally:
        device.close()
    links: dict[str, dict[str, int]] = {}
    drops: dict[str, int] = {}
    for entry in found:
        values = {one.name: one.value for one in entry.stats}
        if entry.module == LINK_MODULE:
            links[entry.name] = {name: int(values.get(name, 0)) for name in _COUNTED}
        else:
            drops.update({f"{entry.name}:{name}": int(value) for name, value in values.items() if str(value).isdigit()})
    return Sample(at, links, drops)


def rows(before: Sample, after: Sample) -> Iterator[tuple[str, ...]]:
    """A row for each link: name, frames a second in and out, Mbit/s in and out, drops a second, and the reason of most of them."""
    seconds = max(after.at - before.at, 1e-6)
    for name, counts in after.links.items():
        old = before.links.get(name, counts)
        rate = {key: (counts[key] - old[key]) / seconds for key in _COUNTED}
        lost = {
            key.partition(":")[2]: count - before.drops.get(key, count)
            for key, count in after.drops.items()
            if key.startswith(f"{name}:") and count > before.drops.get(key, count)
        }
        worst = max(lost, key=lost.__getitem__, default="")
        yield (
            name,
            f"{rate['ipackets64']:.0f}",
            f"{rate['opackets64']:.0f}",
            f"{rate['rbytes64'] * 8 / 1e6:.2f}",
            f"{rate['obytes64'] * 8 / 1e6:.2f}",
            f"{sum(lost.values()) / seconds:.0f}",
            worst,
        )


HEADING: Final = ("LINK", "IN/s", "OUT/s", "IN Mb/s", "OUT Mb/s", "DROPS/s", "MOSTLY")
_WIDTHS: Final = (16, 7, 7, 8, 8, 7, 0)


def line(cells: Sequence[str]) -> str:
    """A row; all but the first and last are numbers, and stand to the right."""
    shown = [f"{cells[0]:<{_WIDTHS[0]}}"]
    shown += [f"{cell:>{width}}" for cell, width in zip(cells[1:-1], _WIDTHS[1:-1], strict=True)]
    return " ".join([*shown, f" {cells[-1]}"]).rstrip()


def picture(lab: LabStatus, before: Mapping[str, Sample], after: Mapping[str, Sample]) -> Iterator[str]:
    """The lines of a moment."""
    yield f"lab {lab.name}: {lab.phase}"
    for name, host in lab.hosts.items():
        services = ", ".join(
            f"{fmri.rpartition('/')[2].removesuffix(':default')} {state}"
            for fmri, state in sorted(host.services.items())
        )
        yield ""
        yield f"{name}  {host.address}  {services or host.state}"
        shown = list(rows(before[name], after[name]))
        if shown:
            yield line(HEADING)
            yield from map(line, shown)
    for name, server in lab.servers.items():
        yield ""
        yield f"{name}  {server.address}:{server.port}  portolan {server.state}"
    for name, vtep in lab.vteps.items():
        yield ""
        yield f"{name}  {vtep.address}  vxlan {vtep.vnetid} {vtep.state}"


def watch(where: LabDir, seconds: float, count: int, out: TextIO) -> None:
    """Draw a lab every so many seconds, `count` times (0: without end). Errors: `EtherspanError`."""
    terminal = out.isatty()
    lab = status(where)
    before = {host: sample(LocalSystem(one.root)) for host, one in lab.hosts.items()}
    drawn = 0
    while not count or drawn < count:
        time.sleep(seconds)
        lab = status(where)
        after = {host: sample(LocalSystem(one.root)) for host, one in lab.hosts.items()}
        lines = list(picture(lab, {host: before.get(host, now) for host, now in after.items()}, after))
        if terminal:
            size = shutil.get_terminal_size()
            body = f"{CLEAR_LINE}\n".join(text[: size.columns] for text in lines[: size.lines - 1])
            out.write(f"{HOME}{body}{CLEAR_LINE}\n{CLEAR_BELOW}")
        else:
            out.write("\n".join(lines) + "\n\n")
        out.flush()
        before = after
        drawn += 1
