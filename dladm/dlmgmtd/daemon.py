"""dlmgmtd: the program.

It runs in the foreground, below the root that `ETHERSPAN_ROOT` names. Order: kernel, stored links and names, door; then it ties
itself to the restarter's life. Exit status 0 when it was asked to stop, 95 when it cannot run, 96 when datalink.conf cannot be read;
then standard error says why.

SIGHUP, SIGINT, SIGQUIT and SIGTERM stop it.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from dladm.dlmgmtd.names import DeviceNames, PhysWatch
from dladm.dlmgmtd.protocol import BOOT, DAEMON, decode_request
from dladm.dlmgmtd.service import LinkService
from dladm.dlmgmtd.store import Store
from dladm.doors.message import encode_reply
from dladm.doors.server import DoorServer, Peer
from kernel_sim.dev import paths
from kernel_sim.dev.bunyan import bunyan_log
from kernel_sim.dev.client import LocalSystem
from kernel_sim.dev.log import Log
from kernel_sim.dev.service import arm_parent_death, restarter_pid, set_process_name
from kernel_sim.dev.sockets import bind_seqpacket
from kernel_sim.sys.errno import Errno, KernelError

LOG_FILE: Final = f"{paths.LOGS}/network-datalink-management:default.log"
EXIT_FATAL: Final = 95
EXIT_CONFIG: Final = 96
_DOOR_MODE: Final = 0o666
_STOP: Final = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)


class Daemon:
    """The loop around a `LinkService`."""

    def __init__(self, root: Path, log: Log) -> None:
        self._root = root
        self._log = log
        self._running = True
        with contextlib.ExitStack() as stack:
            self._selector = stack.enter_context(selectors.DefaultSelector())
            self._wake_read, self._wake_write = map(stack.enter_context, socket.socketpair())
            names = stack.enter_context(contextlib.closing(DeviceNames(LocalSystem(root))))
            self._watch = stack.enter_context(contextlib.closing(PhysWatch(root)))
            self._service = LinkService(Store(root), names, log)
            self._stack = stack.pop_all()

    def start(self) -> None:
        """Load, tell the kernel, open the door. Errors: `KernelError`."""
        self._service.load()
        self._watch.arm(self._service.follow_phys())
        listener = bind_seqpacket(self._root, paths.DLMGMT_DOOR, _DOOR_MODE)
        self._stack.callback(DoorServer(self._selector, listener, self._request).close)
        self._selector.register(self._watch, selectors.EVENT_READ, self._phys_changed)
        self._selector.register(self._wake_read, selectors.EVENT_READ, self._signalled)
        for end in (self._wake_read, self._wake_write):
            end.settimeout(0)
        self._stack.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(self._wake_write.fileno()))
        for number in _STOP:
            signal.signal(number, self._stop)

    def run(self) -> None:
        """Serve until stopped. Errors: `KernelError` ECONNRESET when the kernel has gone."""
        self._log.info("serving", links=len(self._service.table))
        while self._running:
            for key, _events in self._selector.select():
                key.data()
        (self._root / paths.DLMGMT_DOOR).unlink(missing_ok=True)

    def close(self) -> None:
        """Give everything back; clients see their connections end."""
        self._stack.close()

    def _request(self, peer: Peer, message: bytes) -> None:
        request = decode_request(message)
        reply = self._service.handle(request, privileged=peer.privileged)
        peer.reply(encode_reply({**reply, DAEMON: os.getpid(), BOOT: self._service.boot}))

    def _phys_changed(self) -> None:
        self._watch.changed()
        self._watch.arm(self._service.follow_phys())

    def _signalled(self) -> None:
        self._wake_read.recv(4096)

    def _stop(self, number: int, _frame: object) -> None:
        self._running = False


def main(argv: Sequence[str] | None = None) -> int:
    """The console script; returns the exit status."""
    arguments = sys.argv[1:] if argv is None else argv
    if arguments:
        return _fail(f"it takes no arguments, got {arguments[0]!r}; the host is chosen by {paths.ROOT_VARIABLE}")
    root = paths.host_root()
    set_process_name("dlmgmtd")
    try:
        log_stream = (root / LOG_FILE).open("ab", buffering=0)
    except OSError as error:
        return _fail(f"cannot write {root / LOG_FILE}: {error.strerror}; boot the host with etherspan host boot")
    with log_stream:
        log = bunyan_log(log_stream, "network/datalink-management:default")
        try:
            daemon = Daemon(root, log)
        except KernelError as error:
            return _fail(f"no kernel to manage the links of: {error}", log)
        with contextlib.closing(daemon):
            return _serve(daemon, root, log)


def _serve(daemon: Daemon, root: Path, log: Log) -> int:
    try:
        daemon.start()
    except KernelError as error:
        configuration = str(Store(root).conf_path) in error.detail
        return _fail(str(error), log, EXIT_CONFIG if configuration else EXIT_FATAL)
    arm_parent_death(restarter_pid(os.environ))
    try:
        daemon.run()
    except KernelError as error:
        if error.errno is not Errno.ECONNRESET:
            raise
        return _fail(str(error), log)
    log.info("stopped")
    return 0


def _fail(text: str, log: Log | None = None, status: int = EXIT_FATAL) -> int:
    if log is not None:
        log.error(text)
    print(f"dlmgmtd: {text}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
