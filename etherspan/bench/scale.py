"""Many links on one host: does a command take longer the more there are, what does each cost, how long does a halt take.

    etherspan bench scale [--overlays 1000] [--json FILE]

A script of dladm commands, as a person would write it, makes the overlays with two VNICs on each; every command runs in this process, on
a connection of its own. The host is booted below a temporary directory, in a network namespace of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from dladm.cli.main import main as dladm
from dladm.libscf.protocol import RESTARTER, VARPD
from etherspan import netns
from etherspan.bench.labs import environment
from etherspan.host import control
from kernel_sim.dev.client import LocalSystem

VNICS = 2
"""On each overlay."""


@dataclass(slots=True, frozen=True)
class Figures:
    """`growth` is the median command of the last tenth against that of the first; memory in KiB, all processes of the host together."""

    overlays: int
    vnics: int
    create_seconds: float
    first_ms: float
    last_ms: float
    growth: float
    show_link_seconds: float
    memory_per_overlay_kib: float
    halt_seconds: float
    left: list[str]


def commands(overlays: int) -> Iterator[str]:
    """The script."""
    for number in range(overlays):
        props = "vxlan/listen_ip=127.0.0.1,direct/dest_ip=127.0.0.2,direct/dest_port=4789"
        yield f"create-overlay -e vxlan -s direct -v {number} -p {props} ov{number}"
        for which in range(VNICS):
            yield f"create-vnic -l ov{number} vnic{number * VNICS + which}"


def measure(root: Path, namespace: Path, overlays: int) -> Figures:
    """Boot a host, make the links, look at them, halt it."""
    system = LocalSystem(root)
    status = netns.call(namespace, control.boot_host, root)
    try:
        run(system, next(commands(1)))
        run(system, "delete-overlay ov0")
        before = memory(root)
        seconds = [timed(system, command) for command in commands(overlays)]
        tenth = max(1, len(seconds) // 10)
        first, last = (statistics.median(part) * 1000 for part in (seconds[:tenth], seconds[-tenth:]))
        each = (memory(root) - before) / overlays
        shown = timed(system, "show-link")
    finally:
        begun = time.perf_counter()
        control.halt_host(root)
        halted = time.perf_counter() - begun
    del status
    left = [name for name in netns.call(namespace, interfaces) if name != "lo"]
    made = round(sum(seconds), 1)
    figures = (
        round(first, 2),
        round(last, 2),
        round(last / first, 2),
        round(shown, 2),
        round(each, 1),
        round(halted, 2),
    )
    return Figures(overlays, overlays * VNICS, made, *figures, left)


def run(system: LocalSystem, command: str) -> None:
    """One dladm command that has to succeed."""
    out, err = io.StringIO(), io.StringIO()
    if dladm(command.split(), system=system, stdout=out, stderr=err):
        raise RuntimeError(f"dladm {command}: {err.getvalue()}")


def timed(system: LocalSystem, command: str) -> float:
    """How long it took, in seconds."""
    begun = time.perf_counter()
    run(system, command)
    return time.perf_counter() - begun


def memory(root: Path) -> int:
    """Proportional set size of the host's processes, KiB."""
    services = control.host_status(root).services
    pids = {pid for service in services for pid in service.pids if service.fmri in {RESTARTER, VARPD} or pid}
    return sum(pss(pid) for pid in sorted(pids))


def pss(pid: int) -> int:
    """Of one process; 0 when it has gone."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def interfaces() -> list[str]:
    """The interfaces of the namespace this runs in."""
    import socket

    return [name for _, name in socket.if_nameindex()]


def main(argv: Sequence[str] | None = None) -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="etherspan bench scale", description="many links on one host")
    parser.add_argument("--overlays", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        namespace = Path(folder, "ns")
        netns.pin(namespace)
        try:
            found = measure(Path(folder, "host"), namespace, given.overlays)
        finally:
            netns.unpin(namespace)
    for name, value in asdict(found).items():
        print(f"{name:<24} {value}")
    if given.json:
        given.json.write_text(json.dumps({"environment": environment(), "results": asdict(found)}, indent=1) + "\n")
    return 0
