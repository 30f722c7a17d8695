"""Commands that change a host's links take turns, so that however many run at once, the outcome is that of some order.

A change is several steps in kernel, varpd and dlmgmtd. Without turns two `set-linkprop` could leave one's value running and the other's
stored, and varpd could be disabled, with the last overlay, under the next one that is being made.

The turn is a lock on a file of the host that lasts until the next boot; it ends with the process that has it, however that ends. A
process that is suspended must not hold up the host for ever: after `PATIENCE` seconds a command goes on without its turn.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from kernel_sim.dev.client import LocalSystem, System
from kernel_sim.dev.paths import DLADM_VOLATILE

LOCK: Final = f"{DLADM_VOLATILE}/dladm.lock"
PATIENCE: Final = 60.0
STEP: Final = 0.005
"""Seconds between attempts."""

CHANGES: Final = frozenset({
    "rename-link",
    "set-linkprop",
    "reset-linkprop",
    "init-linkprop",
    "create-vnic",
    "delete-vnic",
    "up-vnic",
    "create-etherstub",
    "delete-etherstub",
    "create-overlay",
    "delete-overlay",
    "up-overlay",
})  # fmt: skip
"""The subcommands that take turns. `modify-overlay` is one step in varpd."""


@contextlib.contextmanager
def turn(subcommand: str, system: System, patience: float = PATIENCE) -> Iterator[None]:
    """Wait for this command's turn, if it takes one, and keep it. A host in memory runs one command at a time."""
    if subcommand not in CHANGES or not isinstance(system, LocalSystem):
        yield
        return
    try:
        fd = _open(system.root)
    except OSError:  # no host, or a user who may not change it: the command will say so
        yield
        return
    try:
        waited = 0.0
        while not _take(fd) and waited < patience:
            system.wait(STEP)
            waited += STEP
        yield
    finally:
        os.close(fd)


def _open(root: Path) -> int:
    return os.open(root / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _take(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
