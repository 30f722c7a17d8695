"""strace that kills a process at a system call of it, or has the call fail. Nothing in the product knows of it.

The process ends when it enters the call, so the call is not made. Calls are counted for each thread by itself.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Self

_ATTACHED = "attached"
_HAPPENED = ("+++ killed by SIGKILL +++", "(INJECTED)")


def _strace(call: str, what: str, when: str, log: Path, *, follow: bool) -> list[str]:
    inject = ("-e", f"trace={call}", "-e", f"inject={call}:{what}:when={when}")
    return [shutil.which("strace") or "strace", *(["-f"] if follow else []), "-o", str(log), *inject]


class Injection:
    """Attached to a running process while in the `with` block; `follow`: to those it starts, too."""

    def __init__(self, pid: int, call: str, what: str, when: str, log: Path, *, follow: bool = True) -> None:
        self._log = log
        argv = [*_strace(call, what, when, log, follow=follow), "-p", str(pid)]
        self._process = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        assert self._process.stderr is not None
        said = self._process.stderr.readline()
        if _ATTACHED not in said:
            self.__exit__()
            raise AssertionError(said)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stderr is not None
        self._process.terminate()  # it lets go of the processes
        self._process.wait(10)
        self._process.stderr.close()

    @property
    def happened(self) -> bool:
        return happened(self._log)


def happened(log: Path) -> bool:
    """A process was killed, or a call has failed."""
    with contextlib.suppress(FileNotFoundError):
        text = log.read_text(errors="replace")
        return any(one in text for one in _HAPPENED)
    return False


def under_strace(argv: Sequence[str], call: str, what: str, when: str, log: Path, *, follow: bool = True) -> list[str]:
    """The command line that runs a program so."""
    return [*_strace(call, what, when, log, follow=follow), *argv]
