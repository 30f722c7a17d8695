"""Booting and halting hosts: what `etherspan host`, labs and scripts call.

    boot_host(root)             in the network namespace of the caller; returns when the boot has ended
    halt_host(root)             from anywhere
    host_status(root)

Errors are `EtherspanError`s.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dladm.libscf.client import Scf
from dladm.libscf.protocol import ServiceInfo
from etherspan.errors import EtherspanError
from etherspan.host import layout, links
from kernel_sim.dev.client import LocalSystem
from kernel_sim.sys.errno import KernelError

HALT_SECONDS: Final = 60.0


@dataclass(slots=True, frozen=True)
class HostStatus:
    """How a host is. `phase` is `down`, `booting`, `up`, `panic`, `halting` or `failed`; `pid` the restarter's, 0 for none."""

    root: Path
    phase: str
    pid: int = 0
    group: int = 0
    boots: int = 0
    messages: tuple[str, ...] = ()
    services: tuple[ServiceInfo, ...] = ()

    @property
    def running(self) -> bool:
        """True while the host has a restarter."""
        return self.pid != 0

    def __str__(self) -> str:
        if not self.running:
            return f"{self.root}: down"
        again = f", booted {self.boots} times" if self.boots > 1 else ""
        head = f"{self.root}: {self.phase} (svc.startd, pid {self.pid}, link group {self.group}{again})"
        return "\n".join([head, *(f"  {one.state:<14} {one.fmri}" for one in self.services)])


def boot_host(root: Path, *, group: int | None = None, foreground: bool = False) -> HostStatus:
    """Boot the host at `root`, making its files where there are none.

    Returns when it is up; what its boot steps complained about is printed on standard error and in `messages`. `group` is the link
    group of its TAPs, one of its own by default. `foreground`: stay until it is halted.

    Errors: it is up already, its root cannot be used, its kernel or its dlmgmtd do not start.
    """
    if foreground:
        from etherspan.host import startd

        status = startd.run(root.absolute(), group)
        if status:
            raise EtherspanError(f"the host at {root} was not booted")
        return host_status(root)
    said = _launch(root.absolute(), group)
    *rest, last = said.splitlines() or [""]
    try:
        told = json.loads(last)
        ok, messages = bool(told["ok"]), tuple(map(str, told["messages"]))
    except (ValueError, TypeError, KeyError) as error:
        raise EtherspanError("\n".join((f"svc.startd ended before the host at {root} was up", *rest, last))) from error
    if not ok:
        raise EtherspanError("\n".join(messages))
    for line in messages:
        print(f"etherspan: {root.name}: {line}", file=sys.stderr)
    return host_status(root)


def _launch(root: Path, group: int | None) -> str:
    """Start a restarter as a daemon; what it said until its boot ended."""
    reading, writing = os.pipe()
    argv = [sys.executable, "-P", "-m", "etherspan.host.startd", "--root", str(root), "--ready-fd", str(writing)]
    argv += ["--group", str(group)] if group is not None else []
    with os.fdopen(reading, "rb") as ready:
        try:
            launcher = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=writing, pass_fds=(writing,)
            )
        finally:
            os.close(writing)
        said = ready.read().decode("utf-8", "replace")
        launcher.wait()
    return said


def halt_host(root: Path) -> bool:
    """Halt the host at `root`, and clear away what one that was killed has left. False when it was not up.

    Errors: its restarter belongs to another user, or does not end; something cannot be removed.
    """
    record = layout.Record.read(root)
    if record is None:
        return False
    running = record.process.alive()
    if running:
        try:
            ended = record.process.end(signal.SIGTERM, HALT_SECONDS) or record.process.end()
        except PermissionError as error:
            raise EtherspanError(f"the host at {root} belongs to another user (pid {record.process.pid})") from error
        if not ended:
            raise EtherspanError(f"svc.startd of {root} (pid {record.process.pid}) does not end")
    if layout.Record.read(root) == record:  # it could not clear up itself
        layout.await_kernel_gone(root)
        problems = [*links.delete_taps(root, record.group), *layout.clear(root)]
        if problems:
            raise EtherspanError("\n".join(problems))
    return running


def host_status(root: Path) -> HostStatus:
    """How the host at `root` is."""
    record = layout.Record.read(root)
    if record is None or not record.process.alive():
        return HostStatus(root, "down")
    try:
        with Scf(LocalSystem(root)) as scf:
            host = scf.host()
            services = tuple(scf.list())
    except KernelError:  # it has just begun, or is about to end
        return HostStatus(root, "booting", record.process.pid, record.group)
    return HostStatus(
        root=root,
        phase=host["phase"],
        pid=record.process.pid,
        group=record.group,
        boots=host["boots"],
        messages=tuple(host["messages"]),
        services=services,
    )
