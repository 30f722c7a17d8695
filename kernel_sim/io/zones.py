"""Zones are network namespaces: finding one by name, and acting inside one.

A thread that enters a namespace would be of no use to the rest of the process, so `run_inside` makes one for a single call.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

from kernel_sim.sys.errno import Errno, KernelError

GLOBAL_NAMES: Final = frozenset({"", "global"})
"""Names of the host itself."""

_NS_GET_NSTYPE: Final = 0xB703
_CLONE_NEWNET: Final = 0x40000000

T = TypeVar("T")


def own_namespace() -> int:
    """A descriptor of this thread's network namespace; the caller closes it."""
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


class Zones:
    """The zones of a host: network namespaces that have a name in one of `folders`, which are tried in order."""

    def __init__(self, *folders: Path) -> None:
        self._folders = folders

    @contextlib.contextmanager
    def open(self, name: str) -> Iterator[int]:
        """A descriptor of a zone's namespace. Errors: ENOENT no such zone, EACCES."""
        fd = self._find(name)
        try:
            yield fd
        finally:
            os.close(fd)

    def _find(self, name: str) -> int:
        if "/" not in name and "\0" not in name and name not in {"", ".", ".."}:
            for folder in self._folders:
                try:
                    fd = os.open(folder / name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
                except (FileNotFoundError, NotADirectoryError):
                    continue
                except OSError as error:
                    raise KernelError.from_os(
                        error, f"cannot open zone {name} at {folder / name}: {error.strerror}"
                    ) from error
                if _is_network_namespace(fd):
                    return fd
                os.close(fd)  # a mount point whose namespace was unmounted
        places = " or ".join(map(str, self._folders))
        raise KernelError(Errno.ENOENT, f"no network namespace {name!r} in {places}")


def _is_network_namespace(fd: int) -> bool:
    try:
        return fcntl.ioctl(fd, _NS_GET_NSTYPE) == _CLONE_NEWNET
    except OSError:
        return False


def same_namespace(one: int, other: int) -> bool:
    """Whether two descriptors stand for one namespace."""
    return os.path.sameopenfile(one, other)


def run_inside(namespace: int, action: Callable[[], T]) -> T:
    """The result of `action`, called inside a network namespace; what it raises is raised here.

    It runs in a thread of its own, which has ended on return. Errors: EPERM and what else entering the namespace gives.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            _enter(namespace)
            results.append(action())
        except BaseException as error:  # noqa: BLE001 - raised again by the caller's thread
            errors.append(error)

    thread = threading.Thread(target=work, name="zone")
    thread.start()
    thread.join()
    for error in errors:
        try:
            raise error
        finally:
            errors.clear()  # no reference cycle of frame and traceback
    return results[0]


def _enter(namespace: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, _CLONE_NEWNET):
        number = ctypes.get_errno()
        raise KernelError.from_os(OSError(number, os.strerror(number)), "cannot enter the zone's network namespace")
