"""What every service of a host does: carry its name, and die with its restarter."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from kernel_sim.sys.errno import KernelError

RESTARTER_VARIABLE: Final = "ETHERSPAN_RESTARTER"
"""Environment variable that holds the restarter's process id."""
_PR_SET_PDEATHSIG: Final = 1


def set_process_name(name: str) -> None:
    """What `ps` and `svcs -p` show, at most 15 bytes; children inherit it."""
    Path("/proc/self/comm").write_text(name)


def restarter_pid(environ: Mapping[str, str] = os.environ) -> int | None:
    """The process id of the restarter that started this service; None when it was started by hand."""
    text = environ.get(RESTARTER_VARIABLE, "")
    return int(text) if text.isascii() and text.isdigit() else None


def arm_parent_death(expected_parent: int | None) -> None:
    """Be killed when the parent process ends; None: do nothing.

    Call it last: fork and a change of user clear the setting, and the parent has to be the restarter by now. A parent that is
    not `expected_parent` has died before this call, so the service ends at once: SystemExit(0). `KernelError` when the
    machine refuses.
    """
    if expected_parent is None:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), 0, 0, 0):
        number = ctypes.get_errno()
        raise KernelError.from_os(OSError(number, os.strerror(number)), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != expected_parent:
        raise SystemExit(0)
