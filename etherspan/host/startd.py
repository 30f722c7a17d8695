"""svc.startd, the restarter of a host: `svc.startd --root DIR [--group N] [--ready-fd N]`.

It serves the restarter's door and runs the services (`restarter`). Without `--ready-fd` it stays in the foreground and says on
standard error how the boot went; with it, it becomes a daemon and writes one line of JSON to that descriptor when the boot has ended.
SIGHUP, SIGINT, SIGQUIT and SIGTERM halt the host. Exit status 0 after a halt, 95 when the host cannot boot.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import secrets
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from dladm.doors.message import encode_reply
from dladm.doors.server import DoorServer, Peer
from dladm.libscf.protocol import PRIVILEGED, RESTARTER, Op, ServiceInfo, decode_request
from dladm.libscf.repository import Property
from etherspan.errors import EtherspanError
from etherspan.host import layout, links
from etherspan.host.children import become_subreaper
from etherspan.host.repository import RepositoryFile
from etherspan.host.restarter import HostPhase, Restarter
from etherspan.host.services import RESTARTER_LOG
from etherspan.host.states import EXIT_ERR_FATAL, Event
from etherspan.process import ProcessId
from kernel_sim.dev import paths
from kernel_sim.dev.bunyan import bunyan_log
from kernel_sim.dev.log import Log
from kernel_sim.dev.service import set_process_name
from kernel_sim.dev.sockets import bind_seqpacket
from kernel_sim.sys.errno import Errno, KernelError

_DOOR_MODE: Final = 0o666
_HALT_SIGNALS: Final = frozenset({signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM})
_EVENTS: Final = {Op.ENABLE: Event.ENABLE, Op.DISABLE: Event.DISABLE, Op.RESTART: Event.RESTART, Op.CLEAR: Event.CLEAR}
_GROUP_BITS: Final = 31


@dataclass(slots=True, frozen=True)
class _Waiter:
    peer: Peer
    fmri: str
    states: frozenset[str]
    deadline: float


class Startd:
    """The restarter's loop: signals, door, children, time."""

    def __init__(self, root: Path, group: int, log: Log, booted: Callable[[Restarter], None]) -> None:
        self._root = root
        self._log = log
        self._selector = selectors.DefaultSelector()
        self._repository = RepositoryFile(root)
        self._waiters: list[_Waiter] = []
        self.restarter = Restarter(root, group, self._selector, log, lambda: booted(self.restarter))

    def run(self) -> None:
        """Boot, serve, halt. Errors: OSError, `KernelError` when the door cannot be opened."""
        with contextlib.ExitStack() as stack:
            stack.callback(self._selector.close)
            self._watch_signals(stack)
            listener = bind_seqpacket(self._root, paths.RESTARTER_DOOR, _DOOR_MODE)
            stack.callback(DoorServer(self._selector, listener, self._request).close)
            self.restarter.boot()
            while self.restarter.phase is not HostPhase.DOWN:
                for key, _events in self._selector.select(self._timeout()):
                    key.data()
                self.restarter.turn()
                self._answer_waiters()

    def _watch_signals(self, stack: contextlib.ExitStack) -> None:
        reading, writing = socket.socketpair()
        for end in (reading, writing):
            stack.enter_context(end).settimeout(0)
        self._selector.register(reading, selectors.EVENT_READ, lambda: self._signalled(reading))
        stack.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False))
        for number in (signal.SIGCHLD, *_HALT_SIGNALS):
            # a handler, or the number would not be written to the descriptor
            stack.callback(signal.signal, number, signal.signal(number, lambda _number, _frame: None))

    def _signalled(self, reading: socket.socket) -> None:
        numbers = set(reading.recv(4096))
        if signal.SIGCHLD in numbers:
            self.restarter.reap()
        if numbers & _HALT_SIGNALS:
            self.restarter.halt()

    def _timeout(self) -> float:
        soonest = min((one.deadline for one in self._waiters), default=None)
        own = self.restarter.timeout()
        return own if soonest is None else max(0.0, min(own, soonest - time.monotonic()))

    # ------------------------------------------------------------------ the door

    def _request(self, peer: Peer, message: bytes) -> None:
        op, fields = decode_request(message)
        if op in PRIVILEGED and not peer.privileged:
            raise KernelError(Errno.EPERM, f"user {peer.cred.uid} may not {op} services")
        if op is Op.WAIT:
            self._wait(peer, fields)
            return
        peer.reply(encode_reply(self._do(op, fields)))

    def _do(self, op: Op, fields: dict[str, Any]) -> dict[str, Any]:
        if op is Op.LIST:
            return {"services": [one.to_json() for one in self.restarter.services()]}
        if op is Op.HOST:
            found = self.restarter
            return {
                "phase": found.phase,
                "group": found.group,
                "boots": found.boots,
                "messages": found.messages,
            }
        if op is Op.GET_PROPERTIES:
            known = self._repository.read().properties(fields["fmri"], running=fields["running"])
            return {"properties": {name: one.to_json() for name, one in known.items()}}
        if op in {Op.SET_PROPERTY, Op.DELETE_PROPERTY}:
            self._edit(op, fields)
        elif op is Op.REFRESH:
            self._refresh(fields["fmri"])
        else:
            self._log.info(f"{op} {fields['fmri']}", service=fields["fmri"])
            self.restarter.request(fields["fmri"], _EVENTS[op])
        return {}

    def _edit(self, op: Op, fields: dict[str, Any]) -> None:
        """Change the current properties of a service."""
        fmri, name = fields["fmri"], fields["name"]
        before = self._repository.read()
        if op is Op.SET_PROPERTY:
            after = before.with_property(fmri, name, Property.from_json(fields["property"]))
        else:
            after = before.without_property(fmri, name)
        self._repository.write(after)
        self._log.info(f"{op} {fmri} {name}", service=fmri)

    def _refresh(self, fmri: str) -> None:
        before = self._repository.read()
        if (after := before.refreshed(fmri)) != before:
            self._repository.write(after)
        self.restarter.refresh(fmri)

    def _wait(self, peer: Peer, fields: dict[str, Any]) -> None:
        self._state(fields["fmri"])
        deadline = time.monotonic() + fields["seconds"]
        states = frozenset(one for one in fields["states"] if isinstance(one, str))
        self._waiters.append(_Waiter(peer, fields["fmri"], states, deadline))

    def _answer_waiters(self) -> None:
        now = time.monotonic()
        waiting: list[_Waiter] = []
        for waiter in self._waiters:
            if not waiter.peer.open:
                continue
            one = self._state(waiter.fmri)
            met = not one.next_state and one.state in waiter.states
            if met or now >= waiter.deadline:
                waiter.peer.reply(encode_reply({"met": met, "state": one.state}))
            else:
                waiting.append(waiter)
        self._waiters = waiting

    def _state(self, fmri: str) -> ServiceInfo:
        for one in self.restarter.services():
            if one.fmri == fmri:
                return one
        raise KernelError(Errno.ENOENT, f"no service instance {fmri}")


# ---------------------------------------------------------------------- the program


class Report:
    """How a boot is told to whoever asked for it: once, on a descriptor, or on standard error."""

    def __init__(self, fd: int | None) -> None:
        self._fd = fd

    def __call__(self, *, ok: bool, messages: Sequence[str]) -> None:
        if self._fd is None:
            for line in messages:
                print(f"svc.startd: {line}", file=sys.stderr)
            return
        fd, self._fd = self._fd, None
        line = json.dumps({"ok": ok, "messages": list(messages)}) + "\n"
        with contextlib.suppress(BrokenPipeError):  # nobody waits any more
            os.write(fd, line.encode())
        _to_null(2)
        os.close(fd)
        self._fd = None


def run(root: Path, group: int | None, ready_fd: int | None = None) -> int:
    """Boot the host at `root` and serve it until it is halted; the exit status."""
    report = Report(ready_fd)
    try:
        with contextlib.ExitStack() as stack:
            return _run(root, group, report, stack)
    except EtherspanError as error:
        report(ok=False, messages=str(error).splitlines())
        return EXIT_ERR_FATAL


def _run(root: Path, group: int | None, report: Report, stack: contextlib.ExitStack) -> int:
    os.umask(0o022)
    set_process_name("svc.startd")
    layout.prepare(root)
    stack.callback(os.close, layout.lock(root))
    log = bunyan_log(stack.enter_context(_open_log(root)), RESTARTER.removeprefix("svc:/"))
    _clear_earlier(root, log)
    become_subreaper()
    record = layout.Record(ProcessId.own(), group or 1 + secrets.randbelow((1 << _GROUP_BITS) - 2))
    record.write(root)
    failed = False

    def booted(restarter: Restarter) -> None:
        nonlocal failed
        if restarter.boots == 1 and restarter.phase is HostPhase.FAILED:
            failed = True
            restarter.halt()
        elif restarter.boots == 1:
            report(ok=True, messages=restarter.messages)

    startd = Startd(root, record.group, log, booted)
    try:
        startd.run()
    except Exception:
        log.exception("the restarter failed")
        raise
    messages = startd.restarter.messages
    problems = layout.clear(root)
    for problem in problems:
        log.warning(problem)
    if failed:
        report(ok=False, messages=[*messages, f"the host at {root} did not boot; its log is {root / RESTARTER_LOG}"])
    return EXIT_ERR_FATAL if failed else 0


def _open_log(root: Path) -> BinaryIO:
    return (root / RESTARTER_LOG).open("ab", buffering=0)


def _clear_earlier(root: Path, log: Log) -> None:
    """Clear away what a restarter that was killed may have left. Errors: `EtherspanError`."""
    record = layout.Record.read(root)
    if record is not None:
        log.warning("the host was not halted", pid=record.process.pid, group=record.group)
        for problem in links.delete_taps(root, record.group):
            log.warning(problem)
    layout.await_kernel_gone(root)


def _daemonise() -> None:
    """Leave the caller's process behind, session and terminal too; standard error stays until the boot is told."""
    if os.fork():
        os._exit(0)
    os.setsid()
    os.chdir("/")
    for fd in (0, 1):
        _to_null(fd)


def _to_null(fd: int) -> None:
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    os.dup2(null, fd)
    os.close(null)


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="svc.startd", description="The restarter of an emulated host.")
    parser.add_argument("--root", type=Path, default=None, metavar="DIR", help="the host's root directory")
    parser.add_argument("--group", type=int, default=None, metavar="N", help="link group of the host's TAPs")
    parser.add_argument("--ready-fd", type=int, default=None, metavar="N", help="tell the end of the boot there")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """The console script; returns the exit status."""
    options = _options(argv)
    root = (options.root or paths.host_root()).absolute()
    if options.ready_fd is not None:
        os.set_inheritable(options.ready_fd, False)  # noqa: FBT003
        _daemonise()
    return run(root, options.group, options.ready_fd)


if __name__ == "__main__":
    sys.exit(main())
