"""A host's directories: made, given their modes, emptied at boot, cleared at halt; and the record of its restarter."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from etherspan import netns
from etherspan.errors import EtherspanError
from etherspan.process import ProcessId
from etherspan.state import write_json
from kernel_sim.dev import paths

RECORD: Final = "var/run/svc.startd.json"
"""Process and link group of the restarter, relative to the root."""
LOCK: Final = "var/run/.svc.startd.lock"
KERNEL_LOCK: Final = "dev/.lock"
KERNEL_GONE_SECONDS: Final = 60.0

_VOLATILE: Final = "etc/svc/volatile"
_FOLDERS: Final = {
    "": 0o755,
    "etc": 0o755,
    "etc/dladm": 0o755,
    "etc/inet": 0o755,
    "etc/svc": 0o755,
    _VOLATILE: 0o755,
    paths.DLADM_VOLATILE: 0o755,
    paths.ZONES: 0o755,
    "dev": 0o755,
    "dev/net": 0o755,
    "var": 0o755,
    "var/run": 0o755,
    paths.VARPD_RUN: 0o700,
    paths.ZONE_NS: 0o755,
    "var/svc": 0o755,
    paths.LOGS: 0o755,
}
_POLL: Final = 0.02


@dataclass(slots=True, frozen=True)
class Record:
    """Who runs a host."""

    process: ProcessId
    group: int

    @classmethod
    def read(cls, root: Path) -> Self | None:
        """The record of the last boot, None when there is none or it cannot be understood."""
        try:
            found = json.loads((root / RECORD).read_text())
            return cls(ProcessId(int(found["pid"]), int(found["start"])), int(found["group"]))
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def write(self, root: Path) -> None:
        write_json(root / RECORD, {"pid": self.process.pid, "start": self.process.start, "group": self.group})


def prepare(root: Path) -> None:
    """Make the directories and give them their modes. Errors: `EtherspanError`."""
    if root == Path("/"):
        raise EtherspanError("the root of a host cannot be /; name a directory with --root or ETHERSPAN_ROOT")
    try:
        root.mkdir(parents=True, exist_ok=True)
        for name, mode in _FOLDERS.items():
            folder = root / name
            folder.mkdir(exist_ok=True)
            if stat.S_IMODE(folder.stat().st_mode) != mode:
                folder.chmod(mode)
    except OSError as error:
        raise EtherspanError(f"cannot use {root} as a host's root: {error.strerror}: {error.filename}") from error


def lock(root: Path) -> int:
    """Take the root for this process; the descriptor holds it. Errors: `EtherspanError` when another has it."""
    fd = os.open(root / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        record = Record.read(root)
        who = f" (svc.startd, pid {record.process.pid})" if record is not None else ""
        raise EtherspanError(
            f"the host at {root} is up or booting already{who}; 'etherspan host halt' halts it"
        ) from None
    return fd


def await_kernel_gone(root: Path) -> None:
    """Wait until no kernel of an earlier boot holds the root. Errors: `EtherspanError` after `KERNEL_GONE_SECONDS`."""
    fd = os.open(root / KERNEL_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + KERNEL_GONE_SECONDS
    try:
        while True:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            if time.monotonic() > deadline:
                raise EtherspanError(
                    f"a kernel process from before still holds {root / KERNEL_LOCK}; end it and try again"
                )
            time.sleep(_POLL)  # a file lock cannot be waited for with a limit
    finally:
        os.close(fd)


def empty_volatile(root: Path) -> None:
    """What a boot finds empty: etc/svc/volatile but for the restarter's own door, and var/run/varpd. Errors: OSError."""
    door = root / paths.RESTARTER_DOOR
    for folder in (root / _VOLATILE, root / paths.VARPD_RUN):
        for child in folder.iterdir():
            if child != door:
                _remove(child)
    prepare(root)


def clear(root: Path) -> list[str]:
    """What a halt ends and removes: zones with their processes, doors, nodes, volatile files, the record.

    Returns what could not be done, in words.
    """
    problems: list[str] = []
    for pinned in sorted((root / paths.ZONE_NS).iterdir()):
        try:
            if netns.is_pinned(pinned):
                netns.end_processes(pinned)
            netns.unpin(pinned)
        except EtherspanError as error:
            problems.append(str(error))
    try:
        for folder in (root / _VOLATILE, root / paths.VARPD_RUN, root / "dev"):
            for child in folder.iterdir():
                _remove(child)
        (root / RECORD).unlink(missing_ok=True)
    except OSError as error:
        problems.append(f"cannot remove {error.filename}: {error.strerror}")
    return problems


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
