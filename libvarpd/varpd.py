"""The virtual ARP daemon: `varpd [-i DIR]… [-d DOOR]` (VPD 2).

What needs privileges happens first: /dev/overlay is opened (exclusively, so that there is one daemon), the run directory, the log and
the plugins. Then the process forks, gives up root, and serves; the launcher exits when it does. Paths are the host's: an absolute door
path is one below its root.
"""

from __future__ import annotations

import asyncio
import concurrent.futures.thread  # asyncio loads it on first use, when a 0700 home may be out of reach
import contextlib
import encodings.idna
import getopt
import os
import resource
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from typing import BinaryIO, Final

from kernel_sim.dev import confine, framing, paths, sockets
from kernel_sim.dev.bunyan import bunyan_log
from kernel_sim.dev.log import Log
from kernel_sim.dev.service import set_process_name
from kernel_sim.sys.errno import KernelError, from_host, strerror
from libvarpd import privileges
from libvarpd.daemon import SIGNALS, DoorPlace, FatalError, Setup, serve
from libvarpd.hostfiles import RootFiles
from libvarpd.launcher import EXIT_FATAL, Daemon, Launcher, split
from libvarpd.loader import load_directory, load_entry_points
from libvarpd.overlay import OPEN_FLAGS
from libvarpd.privileges import NETADM_GID, NETADM_UID, DropMode
from libvarpd.registry import PluginRegistry

EXIT_USAGE: Final = 1
LOG_NAME: Final = "network-varpd:default.log"
_OPTIONS: Final = "i:d:"
_RUN_MODE: Final = 0o700
_UMASK: Final = 0o022
_PRELOADED: Final = (concurrent.futures.thread, encodings.idna)


class UsageError(Exception):
    """A bad option; the text is what the original's getopt returns for it, `?` or `:`."""


@dataclass(slots=True, frozen=True)
class Options:
    """The command line. `door` None is the place every client knows."""

    include: tuple[Path, ...] = ()
    door: str | None = None


def main(argv: Sequence[str] | None = None) -> int:
    """Start the daemon and return the exit status: 0 it serves, 95 it cannot, 1 usage; in the daemon, 0 once it was stopped."""
    program, *arguments = sys.argv if argv is None else argv
    name = Path(program).stem
    try:
        options = parse_options(arguments)
    except UsageError as error:
        print(f"{name}: unknown option: {error}", file=sys.stderr)
        return EXIT_USAGE
    _leave_descriptors()
    try:
        root = paths.host_root()
        setup, drop = _prepare(root, options)
    except FatalError as error:
        print(f"{name}: {error}", file=sys.stderr)
        return EXIT_FATAL
    set_process_name("varpd")
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    side = split()
    return side.wait() if isinstance(side, Launcher) else _run(name, options, setup, drop, side)


def parse_options(arguments: Sequence[str]) -> Options:
    """The first operand ends the options; operands are ignored. Errors: `UsageError` (VPD-B1, VPD-B2)."""
    try:
        pairs, _ = getopt.getopt(list(arguments), _OPTIONS)
    except getopt.GetoptError as error:
        known = len(error.opt) == 1 and f"{error.opt}:" in _OPTIONS
        raise UsageError(":" if known else "?") from error
    doors = [value for option, value in pairs if option == "-d"]
    include = tuple(Path(value).absolute() for option, value in pairs if option == "-i")
    return Options(include, doors[-1] if doors else None)


def _leave_descriptors() -> None:
    """Nothing of the caller's is kept open but standard output and error."""
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)


def _prepare(root: Path, options: Options) -> tuple[Setup, DropMode]:
    """Open everything that privileges are needed for. Errors: `FatalError`."""
    overlay = _open_overlay(root)
    root = root.absolute()
    drop = privileges.current_choice()
    run = root / paths.VARPD_RUN
    _make_run_directory(run, drop)
    with _fatal(f"failed to open the log {LOG_NAME}"):
        log = _open_log(root / paths.LOGS / LOG_NAME)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with _fatal(f"failed to chdir to {run}"):
        os.chdir(run)
    state = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    door = _place_door(root, run, options.door)
    with _fatal(f"failed to open {root}"):
        root_fd = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    files = RootFiles(root_fd, state, str(root))
    return Setup(overlay, state, door, files, PluginRegistry(), {0, os.geteuid()}, log), drop


def _open_overlay(root: Path) -> socket:
    """A connection to /dev/overlay that has been opened. Errors: `FatalError`: no kernel, no right, or another varpd."""
    try:
        with contextlib.ExitStack() as undo:
            device = undo.enter_context(sockets.connect_seqpacket(root, paths.OVERLAY))
            device.sendall(framing.pack_open(OPEN_FLAGS))
            refusal = framing.unpack_reply(sockets.receive(device)).errno
            if refusal is not None:
                raise KernelError(refusal)
            undo.pop_all()
            device.settimeout(0)
            return device
    except OSError as error:
        raise FatalError(f"failed to open a libvarpd handle: {strerror(from_host(error.errno))}") from error
    except KernelError as error:
        raise FatalError(f"failed to open a libvarpd handle: {strerror(error.errno)}") from error


def _make_run_directory(run: Path, drop: DropMode) -> None:
    with _fatal(f"failed to create {run}"), contextlib.suppress(FileExistsError):
        run.mkdir(mode=_RUN_MODE, parents=True)
    if drop is DropMode.USER:
        with _fatal(f"failed to chown {run}"):
            os.chown(run, NETADM_UID, NETADM_GID)


def _open_log(path: Path) -> Log:
    path.parent.mkdir(parents=True, exist_ok=True)
    stream: BinaryIO = path.open("ab", buffering=0)
    return bunyan_log(stream, "varpd")


def _place_door(root: Path, run: Path, given: str | None) -> DoorPlace:
    """Where the door goes: below the root, relative to the run directory, or in it. Errors: `FatalError`."""
    path = Path(given) if given is not None else root / paths.VARPD_DOOR
    if path.is_absolute() and not path.is_relative_to(root):
        path = root / path.relative_to("/")
    path = run / path
    with _fatal(f"failed to create door server at {path}"):
        return DoorPlace(os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC), path.name, str(path))


def _run(name: str, options: Options, setup: Setup, drop: DropMode, daemon: Daemon) -> int:
    """The daemon's life, and its exit status."""
    os.setsid()
    os.umask(_UMASK)
    try:
        _load_plugins(options, setup)
        with _fatal("failed to drop privileges"):
            privileges.drop(drop)
            confine.write_below({setup.state, setup.door.folder})
            confine.forbid_calls()
        asyncio.run(serve(setup, daemon))
    except FatalError as error:
        return _give_up(name, setup.log, daemon, error)
    except Exception:
        setup.log.exception("panic")
        traceback.print_exc()
        os.abort()
    return 0


def _give_up(name: str, log: Log, daemon: Daemon, error: FatalError) -> int:
    log.error("varpd cannot run", reason=str(error))
    print(f"{name}: {error}", flush=True)  # standard output, as the original once it is a daemon
    daemon.report(EXIT_FATAL)
    return EXIT_FATAL


def _load_plugins(options: Options, setup: Setup) -> None:
    for directory in options.include:
        try:
            load_directory(setup.plugins, directory, setup.log)
        except KernelError as error:
            raise FatalError(f"failed to load from {directory}: {strerror(error.errno)}") from error
    load_entry_points(setup.plugins, setup.log)


@contextlib.contextmanager
def _fatal(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise FatalError(f"{what}: {strerror(from_host(error.errno))}") from error


if __name__ == "__main__":
    sys.exit(main())
