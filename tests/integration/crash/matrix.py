"""The points of the crash matrix: which service, at which system call of it, and which call of that kind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

KERNEL = "kernel"
STARTD = "svc.startd"
COMMAND = "command"
BOOT = "boot"
HALT = "halt"
KILL = "signal=SIGKILL"


@dataclass(slots=True, frozen=True)
class Point:
    """One of them. `when` counts the calls from the first step of the script, or from the start of the command `step` names."""

    service: str
    script: str
    call: str
    when: str
    what: str = KILL
    step: int = 0

    @property
    def kills(self) -> bool:
        return self.what == KILL


@dataclass(slots=True, frozen=True)
class Row:
    """Points of one service, script and kind of call: calls `first` to `last`, each `every`th of them."""

    service: str
    script: str
    call: str
    first: int
    last: int
    every: int = 1
    what: str = KILL
    step: int = 0

    def points(self) -> Iterator[Point]:
        """The points, each of which is tried."""
        for number in range(self.first, self.last + 1, self.every):
            yield Point(self.service, self.script, self.call, str(number), self.what, step=self.step)


NO_SPACE = "error=ENOSPC"
READ_ONLY = "error=EROFS"
NO_DESCRIPTOR = "error=EMFILE"

MATRIX: Final = (
    # While a script is served: what is read, what is stored, what is answered.
    Row("dlmgmtd", "links", "renameat", 1, 36),
    Row("dlmgmtd", "links", "fsync", 1, 36, 2),
    Row("dlmgmtd", "links", "write", 2, 36, 2),
    Row("dlmgmtd", "links", "sendto", 1, 92, 4),
    Row("dlmgmtd", "links", "openat", 3, 150, 6),
    Row("dlmgmtd", "links", "recvmsg", 2, 140, 8),
    Row("kernel", "links", "ioctl", 1, 80, 5),
    Row("kernel", "links", "sendto", 2, 98, 5),
    Row("kernel", "links", "recvmsg", 4, 180, 16),
    Row("kernel", "links", "close", 3, 70, 8),
    Row("varpd", "links", "sendto", 1, 32, 3),
    Row("varpd", "links", "fsync", 1, 8),
    Row("varpd", "links", "renameat", 1, 3),
    Row("varpd", "links", "unlinkat", 1, 5),
    Row("varpd", "links", "write", 1, 3),
    Row("varpd", "links", "recvmsg", 2, 38, 6),
    Row(STARTD, "varpd on demand", "sendto", 1, 5),
    Row(STARTD, "varpd on demand", "recvmsg", 1, 5),
    Row(STARTD, "varpd on demand", "accept4", 1, 3),
    # A command, at each of its requests: create-vnic, create-overlay of two plugins, rename-link, up-vnic, deletions.
    Row(COMMAND, "links", "sendto", 1, 8, step=2),
    Row(COMMAND, "links", "sendto", 1, 14, step=4),
    Row(COMMAND, "links", "sendto", 1, 14, step=6),
    Row(COMMAND, "links", "sendto", 1, 2, step=8),
    Row(COMMAND, "links", "sendto", 1, 3, step=12),
    Row(COMMAND, "links", "sendto", 1, 2, step=15),
    Row(COMMAND, "links", "sendto", 1, 5, step=18),
    # ipadm create-addr, zone create, zone delete, ipadm delete-addr: at their requests and at what they do to files.
    Row(COMMAND, "zones and addresses", "sendto", 1, 2, step=2),
    Row(COMMAND, "zones and addresses", "fsync", 1, 2, step=2),
    Row(COMMAND, "zones and addresses", "rename", 1, 2, step=2),
    Row(COMMAND, "zones and addresses", "sendto", 1, 2, step=3),
    Row(COMMAND, "zones and addresses", "rename", 1, 1, step=3),
    Row(COMMAND, "zones and addresses", "sendto", 1, 2, step=4),
    Row(COMMAND, "zones and addresses", "unlink", 1, 2, step=4),
    Row(COMMAND, "zones and addresses", "sendto", 1, 2, step=5),
    Row(COMMAND, "zones and addresses", "fsync", 1, 1, step=5),
    Row(COMMAND, "zones and addresses", "rename", 1, 2, step=5),
    # The restarter while it boots the host, and while it halts it.
    Row(BOOT, "links", "openat", 1, 41, 10),
    Row(BOOT, "links", "close", 5, 45, 10),
    Row(BOOT, "links", "bind", 1, 1),
    Row(BOOT, "links", "mkdir", 1, 1),
    Row(BOOT, "links", "write", 1, 1),
    Row(BOOT, "links", "sendto", 1, 1),
    Row(HALT, "links", "kill", 1, 1),
    Row(HALT, "links", "unlink", 1, 1),
    Row(HALT, "links", "close", 1, 5, 2),
    # Calls that fail: a full disk, one that became read-only, no descriptor left.
    Row("dlmgmtd", "links", "write", 2, 34, 4, what=NO_SPACE),
    Row("dlmgmtd", "links", "fsync", 2, 34, 8, what=NO_SPACE),
    Row("dlmgmtd", "links", "renameat", 2, 34, 8, what=READ_ONLY),
    Row("dlmgmtd", "links", "openat", 5, 125, 20, what=NO_DESCRIPTOR),
    Row("varpd", "links", "write", 1, 3, what=NO_SPACE),
    Row("kernel", "links", "openat", 1, 3, what=NO_DESCRIPTOR),
)
"""Every point. A row's calls are counted from the first step of its script, or from the start of the command `step` names."""
