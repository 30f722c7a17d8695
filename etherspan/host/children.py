"""The restarter's child processes: started from its main thread, their output read line by line, their ends collected.

The restarter is a child subreaper, so a daemon whose launcher has left becomes its child.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import resource
import selectors
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from kernel_sim.dev.paths import ROOT_VARIABLE
from kernel_sim.dev.service import RESTARTER_VARIABLE

FMRI_VARIABLE: Final = "SMF_FMRI"
_PR_SET_CHILD_SUBREAPER: Final = 36
_LIFELINE_FD: Final = 65535
"""Descriptors of a dying process close from the highest down (measured: with 300 TAPs the first tells in 5 ms, the process in 5.4 s)."""
_KEPT_LINES: Final = 20
_LINE_MAX: Final = 65536


def become_subreaper() -> None:
    """Have orphans below this process become its children. Errors: OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1), 0, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "prctl(PR_SET_CHILD_SUBREAPER)")


def process_children() -> set[int]:
    """The children of this process."""
    own = str(os.getpid())
    found: set[int] = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # it has ended meanwhile
                stat = (entry / "stat").read_text(errors="replace")
                if stat.rpartition(")")[2].split()[1] == own:
                    found.add(int(entry.name))
    return found


class Contract:
    """The processes of one service, from its start to the end of the last of them.

    `launched` is the exit status of the process that was started, once it has one, negative for a signal's number; `said` the last
    lines they wrote.
    """

    def __init__(self, name: str, popen: subprocess.Popen[bytes], *, adopts: bool) -> None:
        self.name = name
        self.popen = popen
        self.adopts = adopts
        self.pids = [popen.pid]
        self.launched: int | None = None
        self._last = 0
        self.said: deque[str] = deque(maxlen=_KEPT_LINES)

    @property
    def status(self) -> int:
        """The exit status of the whole: of the process that was started, unless that left others behind and was content."""
        return self.launched or self._last

    def gone(self, pid: int, status: int) -> None:
        """One of the processes has been collected."""
        self.pids.remove(pid)
        self._last = status
        if pid == self.popen.pid:
            self.popen.returncode = self.launched = status  # collected by the caller, Popen need not look for it

    def signal(self, number: int) -> None:
        """Send a signal to each process."""
        for pid in self.pids:  # not collected yet, so the numbers are theirs
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


class _Output:
    """The reading end of a contract's standard output and error."""

    def __init__(self, fd: int, line: Callable[[str], None]) -> None:
        self.fd = fd
        self._line = line
        self._rest = b""
        os.set_blocking(fd, False)

    def read(self) -> bool:
        """Pass on the lines that are there; False at the end."""
        while True:
            try:
                piece = os.read(self.fd, _LINE_MAX)
            except BlockingIOError:
                return True
            *lines, self._rest = (self._rest + piece).split(b"\n")
            if not piece or len(self._rest) >= _LINE_MAX:
                lines.append(self._rest)
                self._rest = b""
            for line in lines:
                if line.strip():
                    self._line(line.decode("utf-8", "replace"))
            if not piece:
                return False


class Children:
    """All of them. `said` is called with a contract and a line it wrote, `ended` with a contract whose last process is gone."""

    def __init__(
        self,
        root: Path,
        selector: selectors.BaseSelector,
        said: Callable[[Contract, str], None],
        ended: Callable[[Contract], None],
    ) -> None:
        self._root = root
        self._selector = selector
        self._said = said
        self._ended = ended
        self._contracts: dict[str, Contract] = {}
        self._outputs: dict[Contract, _Output] = {}
        _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self._lifeline_fd = min(_LIFELINE_FD, hard - 1)

    def get(self, name: str) -> Contract | None:
        """The contract of a service that has processes."""
        return self._contracts.get(name)

    def __iter__(self) -> Iterator[Contract]:
        return iter(list(self._contracts.values()))

    def __len__(self) -> int:
        return len(self._contracts)

    def start(
        self,
        name: str,
        module: str,
        arguments: Sequence[str] = (),
        *,
        adopts: bool = False,
        dying: Callable[[], None] | None = None,
    ) -> Contract:
        """Run a Python module as a service.

        `adopts`: processes that it leaves behind belong to the contract. `dying` is called as soon as the process
        begins to end, long before it has closed what it has open.

        Errors: OSError.
        """
        assert name not in self._contracts, f"{name} runs already"
        with contextlib.ExitStack() as ours:
            output, theirs = os.pipe()
            ours.callback(os.close, theirs)
            passed = [self._lifeline(dying, ours)] if dying is not None else []
            popen = subprocess.Popen(
                [sys.executable, "-P", "-m", module, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=theirs,
                stderr=theirs,
                cwd="/",
                env=self._environment(name),
                start_new_session=True,
                pass_fds=passed,
            )
        contract = self._contracts[name] = Contract(name, popen, adopts=adopts)

        def line(text: str) -> None:
            contract.said.append(text)
            self._said(contract, text)

        self._outputs[contract] = _Output(output, line)
        self._selector.register(output, selectors.EVENT_READ, lambda: self._read(contract))
        return contract

    def _lifeline(self, dying: Callable[[], None], ours: contextlib.ExitStack) -> int:
        watched, held = os.pipe()
        high = fcntl.fcntl(held, fcntl.F_DUPFD_CLOEXEC, self._lifeline_fd)
        os.close(held)
        ours.callback(os.close, high)

        def cut() -> None:
            self._selector.unregister(watched)
            os.close(watched)
            dying()

        self._selector.register(watched, selectors.EVENT_READ, cut)
        return high

    def _environment(self, name: str) -> Mapping[str, str]:
        own = {ROOT_VARIABLE: str(self._root), RESTARTER_VARIABLE: str(os.getpid()), FMRI_VARIABLE: name}
        return {**os.environ, **own}

    def _read(self, contract: Contract) -> None:
        output = self._outputs.get(contract)
        if output is not None and not output.read():
            self._forget_output(contract)

    def _forget_output(self, contract: Contract) -> None:
        output = self._outputs.pop(contract)
        self._selector.unregister(output.fd)
        os.close(output.fd)

    # ------------------------------------------------------------------ ends

    def reap(self) -> None:
        """Collect every child that has ended."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            self._gone(pid, os.waitstatus_to_exitcode(status))

    def _gone(self, pid: int, status: int) -> None:
        contract = next((one for one in self._contracts.values() if pid in one.pids), None)
        if contract is None:  # left behind by a command that was run within a service
            return
        contract.gone(pid, status)
        if contract.adopts and pid == contract.popen.pid:
            contract.pids += sorted(process_children() - {pid for one in self for pid in one.pids})
            if status:  # it failed, or was stopped half-way
                contract.signal(signal.SIGKILL)
        if not contract.pids:
            del self._contracts[contract.name]
            if contract in self._outputs:
                self._outputs[contract].read()
                self._forget_output(contract)
            self._ended(contract)

    def kill_all(self) -> None:
        """SIGKILL to every process of every contract."""
        for contract in self:
            contract.signal(signal.SIGKILL)
