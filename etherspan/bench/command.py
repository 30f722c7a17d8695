"""How long a command takes, as a whole process, beside one that does nothing.

    etherspan bench command [--overlays 10] [--rounds 15] [--json FILE]

A host with some overlays is booted below a temporary directory; the commands are interleaved, and each is compared with a Python
interpreter that starts and ends.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from etherspan import netns
from etherspan.bench.labs import environment
from etherspan.bench.scale import commands, run
from etherspan.host import control
from kernel_sim.dev.client import LocalSystem
from kernel_sim.dev.paths import ROOT_VARIABLE

NOTHING = "python -c pass"
SHOWN = ("dladm show-overlay", "dladm show-link", "dladm show-linkprop ov0", "ipadm show-addr", "kstat -p -m link")


def timed(argv: Sequence[str], environ: Mapping[str, str]) -> float:
    """Milliseconds; the command has to succeed."""
    begun = time.perf_counter()
    subprocess.run(argv, env=environ, stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - begun) * 1e3


def argv_of(command: str) -> list[str]:
    name, *words = command.split()
    return [sys.executable, "-c", "pass"] if command == NOTHING else [str(Path(sys.executable).parent / name), *words]


def measure(root: Path, namespace: Path, overlays: int, rounds: int) -> dict[str, list[float]]:
    """Milliseconds of every round, by command."""
    netns.call(namespace, control.boot_host, root)
    try:
        system = LocalSystem(root)
        for command in commands(overlays):
            run(system, command)
        environ = {**os.environ, ROOT_VARIABLE: str(root)}
        found: dict[str, list[float]] = {command: [] for command in (NOTHING, *SHOWN)}
        for _ in range(rounds):
            for command, figures in found.items():
                figures.append(netns.call(namespace, timed, argv_of(command), environ))
    finally:
        control.halt_host(root)
    return found


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="etherspan bench command", description="how long a command takes")
    parser.add_argument("--overlays", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        namespace = Path(folder, "ns")
        netns.pin(namespace)
        try:
            found = measure(Path(folder, "host"), namespace, given.overlays, given.rounds)
        finally:
            netns.unpin(namespace)
    ratios = {
        command: round(statistics.median(a / b for a, b in zip(figures, found[NOTHING], strict=True)), 2)
        for command, figures in found.items()
    }
    print("| command | median ms | against one that does nothing |\n|---|---|---|")
    for command, figures in found.items():
        print(f"| {command} | {statistics.median(figures):.1f} | {ratios[command]} |")
    if given.json:
        document = {"environment": environment(), "overlays": given.overlays, "results": found, "ratios": ratios}
        given.json.write_text(json.dumps(document, indent=1) + "\n")
    return 0
