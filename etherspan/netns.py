"""Network namespaces: made, pinned to a path, entered, emptied.

Python 3.11 has no `os.setns` and no `os.unshare`, so both are called in libc. `setns` moves the calling thread only; `call` uses
that: it runs a function inside a namespace in a thread of its own, and what the function opens or starts (sockets, netlink,
child processes) belongs to the namespace.

A namespace lives as long as a process, or a *pin*: a bind mount of its nsfs file on an ordinary file.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, ParamSpec, TypeVar

from etherspan.errors import EtherspanError
from etherspan.process import ProcessId, all_pids

P = ParamSpec("P")
T = TypeVar("T")

CLONE_NEWNS: Final = 0x00020000
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWNET: Final = 0x40000000

_MS_BIND: Final = 0x1000
_MS_REC: Final = 0x4000
_MS_PRIVATE: Final = 0x40000
_MNT_DETACH: Final = 2
_SIOCGIFFLAGS: Final = 0x8913
_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP: Final = 1

OWN = Path("/proc/thread-self/ns/net")
"""The calling thread's namespace."""

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)


def unshare(flags: int) -> None:
    """Give the calling thread namespaces of its own. Errors: OSError (EPERM, ENOSPC at the machine's limit)."""
    _check(_libc.unshare(flags), "unshare")


def setns(path: Path, kind: int) -> None:
    """Move the calling thread into the namespace at `path`. Errors: OSError (ENOENT, EINVAL no namespace of that kind, EPERM)."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _check(_libc.setns(descriptor, kind), str(path))
    finally:
        os.close(descriptor)


def bind_mount(source: Path, target: Path) -> None:
    """Make `source` visible at `target`. Errors: OSError."""
    arguments = (os.fsencode(source), os.fsencode(target), None, ctypes.c_ulong(_MS_BIND), None)
    _check(_libc.mount(*arguments), str(target))


def make_mounts_private() -> None:
    """Keep mounts made from here on out of other mount namespaces. Errors: OSError."""
    _check(_libc.mount(b"none", b"/", None, ctypes.c_ulong(_MS_REC | _MS_PRIVATE), None), "/")


def enter(path: Path) -> None:
    """Move the calling thread into the pinned network namespace. Errors: `EtherspanError` when there is none at `path`."""
    try:
        setns(path, CLONE_NEWNET)
    except OSError as error:
        raise EtherspanError(f"cannot enter the namespace {path}: {error.strerror}") from error


def call(path: Path, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a function inside the namespace at `path`, in a thread of its own, and return what it returns."""

    def body() -> T:
        enter(path)
        return function(*args, **kwargs)

    return _in_thread(body)


def _in_thread(body: Callable[[], T]) -> T:
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(body())
        except BaseException as error:  # noqa: BLE001 - handed to the caller below
            errors.append(error)

    thread = threading.Thread(target=run, name="namespace")
    thread.start()
    try:
        thread.join()
    except BaseException:  # an interrupt: what was begun is finished first, so that it can be undone
        thread.join()
        raise
    if errors:
        raise errors.pop()
    return results.pop()


def is_pinned(path: Path) -> bool:
    """True when a namespace is mounted at `path`."""
    try:
        return path.stat().st_dev == OWN.stat().st_dev
    except OSError:
        return False


def pin(path: Path) -> None:
    """Make a network namespace at `path`, with its loopback interface up and IPv6 duplicate address detection off.

    A file that an earlier pin left there is used again. Errors: `EtherspanError`, also when a namespace is pinned there.
    """
    if is_pinned(path):
        raise EtherspanError(f"there is a namespace at {path} already")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o644)
    try:
        _in_thread(lambda: _make(path))
    except OSError as error:
        with contextlib.suppress(OSError):
            path.unlink()
        raise EtherspanError(f"cannot make the network namespace {path}: {error.strerror}") from error


def _make(path: Path) -> None:
    unshare(CLONE_NEWNET)
    raise_loopback()
    set_sysctl("net/ipv6/conf/default/accept_dad", "0")
    bind_mount(OWN, path)


def mirror(path: Path, target: Path) -> bool:
    """Make the namespace at `path` known to other tools by a symbolic link; False where that is not permitted, or taken."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(path)
    except FileExistsError:
        return _is_mirror(path, target)
    except OSError:
        return False
    return True


def unmirror(path: Path, target: Path) -> None:
    """Undo `mirror`; something at `target` that does not lead to `path` is left alone. Errors: `EtherspanError`."""
    if _is_mirror(path, target):
        try:
            target.unlink(missing_ok=True)
        except OSError as error:
            raise EtherspanError(f"cannot remove {target}: {error.strerror}") from error


def _is_mirror(path: Path, target: Path) -> bool:
    return target.is_symlink() and target.readlink() == path


def unpin(path: Path) -> None:
    """Undo `pin`: the namespace ends with its last process. Harmless where nothing is. Errors: `EtherspanError`."""
    try:
        while is_pinned(path):
            _check(_libc.umount2(os.fsencode(path), _MNT_DETACH), str(path))
        path.unlink(missing_ok=True)
    except OSError as error:
        raise EtherspanError(f"cannot remove the namespace {path}: {error.strerror}") from error


def pins_below(folder: Path) -> list[Path]:
    """Every pinned namespace below a folder, as the mount table knows it (hidden files and lost records included)."""
    own = OWN.stat().st_dev
    device = f"{os.major(own)}:{os.minor(own)}"
    found: list[Path] = []
    for line in Path("/proc/thread-self/mountinfo").read_text(errors="surrogateescape").splitlines():
        fields = line.split(" ")
        path = Path(_unescape(fields[4]))
        if fields[2] == device and path.is_relative_to(folder):
            found.append(path)
    return found


def _unescape(text: str) -> str:
    """Undo the mount table's octal escapes of blank, tab, newline and backslash."""
    head, *rest = text.split("\\")
    return head + "".join(chr(int(part[:3], 8)) + part[3:] for part in rest)


def processes(path: Path) -> Iterator[ProcessId]:
    """The processes whose main thread is in the namespace at `path`, but for the calling one."""
    wanted = path.stat()
    for pid in all_pids():
        process = ProcessId.of(pid)
        if process is None or pid == os.getpid():
            continue
        with contextlib.suppress(OSError):  # it has ended, or belongs to somebody else
            if os.path.samestat(Path(f"/proc/{pid}/ns/net").stat(), wanted):
                yield process


def end_processes(path: Path) -> None:
    """Kill every process in the namespace at `path`, those that they start meanwhile included. Errors: `EtherspanError`."""
    while found := list(processes(path)):
        for process in found:
            try:
                ended = process.end()
            except PermissionError as error:
                raise EtherspanError(f"process {process.pid} in {path} belongs to another user") from error
            if not ended:
                raise EtherspanError(f"process {process.pid} in {path} does not end; try again when it has")


def raise_loopback() -> None:
    """Bring up the loopback interface of the calling thread's namespace. Errors: OSError."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        asked = fcntl.ioctl(sock, _SIOCGIFFLAGS, struct.pack("16sH22x", b"lo", 0))
        flags = struct.unpack_from("H", asked, 16)[0]
        fcntl.ioctl(sock, _SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", flags | _IFF_UP))


def set_sysctl(name: str, value: str) -> bool:
    """Write a network setting of the calling thread's namespace; False where the machine has none or does not let us."""
    try:
        Path("/proc/sys", name).write_text(value)
    except OSError as error:
        if error.errno not in {errno.ENOENT, errno.EACCES, errno.EPERM, errno.EROFS}:
            raise
        return False
    return True
