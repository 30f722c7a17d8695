"""Starting in the background: a launcher that exits once the daemon serves, and the daemon itself (VPD 2.2).

launcher ── fork ──► daemon
   │  ◄── i32 status ──┘        0: it serves; another number: it could not
   └── exits with it, and the daemon sees that the launcher has gone
"""

from __future__ import annotations

import contextlib
import os
import struct
from dataclasses import dataclass
from typing import Final

EXIT_FATAL: Final = 95
"""What a restarter takes as a fatal error: it does not try again."""
_STATUS: Final = struct.Struct("=i")


@dataclass(slots=True, frozen=True)
class Launcher:
    """The launcher's side."""

    daemon: int
    status_fd: int

    def wait(self) -> int:
        """The exit status: what the daemon reports; its own status if it ends without a report, 95 if a signal ends it (VPD-I42)."""
        report = os.read(self.status_fd, _STATUS.size)
        if len(report) == _STATUS.size:
            return int(_STATUS.unpack(report)[0])
        _, status = os.waitpid(self.daemon, 0)
        return os.WEXITSTATUS(status) if os.WIFEXITED(status) else EXIT_FATAL


class Daemon:
    """The daemon's side. `launcher_fd` (a pidfd) is readable once the launcher has gone and its children have another parent."""

    def __init__(self, status_fd: int, launcher_fd: int) -> None:
        self.launcher_fd = launcher_fd
        self._status_fd: int | None = status_fd

    def report(self, status: int) -> None:
        """Tell the launcher; only the first report counts."""
        if self._status_fd is None:
            return
        with contextlib.suppress(BrokenPipeError):  # it was killed: nobody waits
            os.write(self._status_fd, _STATUS.pack(status))
        os.close(self._status_fd)
        self._status_fd = None


def split() -> Launcher | Daemon:
    """Fork, and return whichever this process is."""
    status_read, status_write = os.pipe()
    # A pipe's end would come too early: while the launcher exits, but before its children have another parent.
    launcher = os.pidfd_open(os.getpid())
    daemon = os.fork()
    if daemon:
        os.close(status_write)
        os.close(launcher)
        return Launcher(daemon, status_read)
    os.close(status_read)
    return Daemon(status_write, launcher)
