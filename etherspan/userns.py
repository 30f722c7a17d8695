"""The rights that hosts and labs need, for somebody who is not root.

Network namespaces and TAP devices need CAP_SYS_ADMIN and CAP_NET_ADMIN. An ordinary user has them inside a user namespace. One
*keeper* process a state directory holds that user namespace, with a mount and a network namespace in it, so that what one
command makes the next one finds; every command joins it first. The keeper ends with the last lab (`release`).
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NoReturn

from etherspan import netns
from etherspan.errors import EtherspanError
from etherspan.process import ProcessId, all_pids
from etherspan.state import STATE_VARIABLE, state_dir, write_json
from kernel_sim.dev.paths import ROOT_VARIABLE, host_root

CAP_NET_ADMIN: Final = 12
CAP_SYS_ADMIN: Final = 21

KEEPER_PROGRAM = "import signal; signal.pause()"
_RECORD = "keeper.json"
_LOCK = "keeper.lock"


def has_rights() -> bool:
    """True when the caller may make namespaces and interfaces as it is."""
    needed = 1 << CAP_NET_ADMIN | 1 << CAP_SYS_ADMIN
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16) & needed == needed
    return False


def acquire() -> None:
    """Return with the rights that namespaces need, inside the user's keeper where the caller lacks them.

    To be called while the process has one thread. Paths of state and host are fixed first: inside, the user looks like root.
    Errors: `EtherspanError` that says which permission is missing and how to grant it.
    """
    if has_rights():
        return
    state = state_dir()
    os.environ[STATE_VARIABLE] = str(state)
    os.environ[ROOT_VARIABLE] = str(host_root())
    with _locked(state):
        keeper = _recorded(state)
        if keeper is None:
            keeper = _start()
            write_json(state / _RECORD, {"pid": keeper.pid, "start": keeper.start})
    _join(keeper)


def release() -> None:
    """End the keeper when no other process and no pinned namespace needs it any more; harmless where there is none."""
    state = state_dir()
    if not (state / _RECORD).exists():
        return
    with _locked(state):
        keeper = _recorded(state)
        if keeper is not None and not netns.pins_below(state) and not _others_inside(keeper):
            keeper.end(signal.SIGTERM)
            (state / _RECORD).unlink()


@contextmanager
def _locked(state: Path) -> Iterator[None]:
    try:
        state.mkdir(parents=True, exist_ok=True)
        file = (state / _LOCK).open("w")
    except OSError as error:
        raise EtherspanError(
            f"cannot use the state directory {state}: {error.strerror}; set {STATE_VARIABLE} to one you can write"
        ) from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _recorded(state: Path) -> ProcessId | None:
    try:
        record = json.loads((state / _RECORD).read_text())
        keeper = ProcessId(record["pid"], record["start"])
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as error:
        raise EtherspanError(f"{state / _RECORD} is not a keeper's record; remove it") from error
    return keeper if keeper.alive() else None


def _others_inside(keeper: ProcessId) -> bool:
    ours = Path(f"/proc/{keeper.pid}/ns/user").stat().st_ino
    for pid in all_pids():
        if pid in {keeper.pid, os.getpid()} or ProcessId.of(pid) is None:
            continue
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/ns/user").stat().st_ino == ours:
                return True
    return False


def _start() -> ProcessId:
    ready, report = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(ready)
        _keep(report)
    os.close(report)
    with os.fdopen(ready, "rb") as pipe:
        said = pipe.read().decode()
    if said:
        os.waitpid(pid, 0)
        raise EtherspanError(said)
    keeper = ProcessId.of(pid)
    if keeper is None:
        raise EtherspanError("the keeper of the user namespace ended at once; try again")
    return keeper


def _keep(report: int) -> NoReturn:
    """The keeper's life. What it writes to `report` is what went wrong; nothing when the pipe closes by its exec."""
    try:
        unshare_user()
        netns.unshare(netns.CLONE_NEWNS | netns.CLONE_NEWNET)
        netns.make_mounts_private()
        netns.raise_loopback()
        os.setsid()
        null = os.open("/dev/null", os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        os.chdir("/")
        os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", KEEPER_PROGRAM, "etherspan keeper"])  # noqa: S606 - our own interpreter
    except UnmappedError as error:
        os.write(report, f"this needs root, or a user namespace with its map of ids: {error}\n{MAP_MEND}".encode())
    except OSError as error:
        os.write(report, _refusal(error).encode())
    os._exit(1)


class UnmappedError(EtherspanError):
    """A user namespace was made, and its map of user ids could not be set."""


def unshare_user() -> None:
    """Move the process into a user namespace of its own in which the user is root.

    Errors: OSError there can be none; `UnmappedError` there can be one, but the user is nobody in it.
    """
    uid, gid = os.geteuid(), os.getegid()
    netns.unshare(netns.CLONE_NEWUSER)
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        try:
            Path("/proc/self", name).write_text(text)
        except OSError as error:
            raise UnmappedError(
                f"a user namespace, but /proc/self/{name} cannot be written: {error.strerror}"
            ) from error


def _refusal(error: OSError) -> str:
    return f"this needs root, or a user namespace, which the machine refused: {error.strerror}\n{obstacle() or ADVICE}"


ADVICE = "run it as root, or ask 'etherspan doctor' what is missing"

MAP_MEND: Final = (
    "as root: mount -o remount,rw /proc, and let the security module allow it (in a container: --privileged)"
)

_SWITCHES: Final = (
    ("user/max_user_namespaces", "0", "sysctl -w user.max_user_namespaces=15000"),
    ("kernel/unprivileged_userns_clone", "0", "sysctl -w kernel.unprivileged_userns_clone=1"),
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"),
)
"""Settings of the machine that keep user namespaces from ordinary users: name, the value that does, what root can do."""


def obstacle() -> str | None:
    """The machine's setting that keeps user namespaces from ordinary users, and its mend; None when none is known."""
    for name, closed, mend in _SWITCHES:
        try:
            value = Path("/proc/sys", name).read_text().strip()
        except OSError:
            continue
        if value == closed:
            return f"{name.replace('/', '.')} is {value}; as root: {mend}"
    return None


def _join(keeper: ProcessId) -> None:
    folder = Path.cwd()
    kinds = (("user", netns.CLONE_NEWUSER), ("mnt", netns.CLONE_NEWNS), ("net", netns.CLONE_NEWNET))
    try:
        for name, kind in kinds:
            netns.setns(Path(f"/proc/{keeper.pid}/ns/{name}"), kind)
        os.chdir(folder)
    except OSError as error:
        raise EtherspanError(f"cannot join the user namespace of process {keeper.pid}: {error.strerror}") from error
