"""A process by pid and start time, so that a number used again is never taken for the process it once was."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(slots=True, frozen=True)
class ProcessId:
    """One process of this machine since its boot. `start` is in clock ticks after boot (field 22 of /proc/PID/stat)."""

    pid: int
    start: int

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """The process that has this pid now, or None. One that has ended and waits for its parent does not count."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        except OSError:
            return None
        state, *fields = stat.rpartition(")")[2].split()
        return None if state in "ZX" else cls(pid, int(fields[18]))

    @classmethod
    def own(cls) -> Self:
        """The calling process."""
        found = cls.of(os.getpid())
        assert found is not None
        return found

    def alive(self) -> bool:
        """True while the process runs."""
        return type(self).of(self.pid) == self

    def end(self, number: int = signal.SIGKILL, seconds: float = 5.0) -> bool:
        """Send a signal and wait for the end of the process; True when it has ended. Errors: PermissionError."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            if (
                not self.alive()
            ):  # looked at after the descriptor was taken: from here on the pid cannot change its meaning
                return True
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(descriptor, number)
            return bool(select.select([descriptor], [], [], seconds)[0])
        finally:
            os.close(descriptor)


def all_pids() -> Iterator[int]:
    """The pids of the moment."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            yield int(entry.name)


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Ignore SIGINT and SIGTERM for a while: what is being undone is undone to its end."""
    if threading.current_thread() is not threading.main_thread():  # signals are the main thread's business
        yield
        return
    previous = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def end_on_sigterm() -> None:
    """Make SIGTERM an ordinary way to leave: what `finally` undoes is undone, and the exit status is 143."""

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, leave)
