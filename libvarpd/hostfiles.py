"""Configuration files that properties name, such as `files/config` (design: paths).

An absolute path is one below the host's root; if it begins with the root it is taken without it. A relative path is one below the
run directory, as in the original, and leads up to the root at most. Both are opened through descriptors, so that it works after the
daemon has changed its user.

`HostFiles` is the seam: `RootFiles` is on disk, a world in memory has its own.
"""

from __future__ import annotations

import os
import posixpath
import stat
from typing import Final, Protocol

from kernel_sim.dev.paths import VARPD_RUN
from kernel_sim.sys.errno import Errno, from_host
from libvarpd.errors import VarpdError

FILE_MAX: Final = 64 << 20
"""Bytes of the largest configuration file."""


class HostFiles(Protocol):
    """A host's files."""

    def read(self, path: str) -> bytes:
        """A file's bytes.

        Errors: `VarpdError` with what the machine says (ENOENT, EACCES …), EISDIR a directory, EINVAL no regular file or no
        path at all, EFBIG over `FILE_MAX` bytes.
        """


class NoFiles:
    """A host without any."""

    def read(self, path: str) -> bytes:
        raise VarpdError(Errno.ENOENT, f"{path}: No such file or directory")


class RootFiles:
    """The files below a root directory. `root` and `run` are descriptors of it and of the run directory, `name` is the root's path."""

    def __init__(self, root: int, run: int, name: str) -> None:
        self._root = root
        self._run = run
        self._name = name

    def read(self, path: str) -> bytes:
        if "\0" in path:  # before it is normalised, which some Pythons do up to there only
            raise VarpdError(Errno.EINVAL, f"{path!r} is no path")
        folder, below = self._resolve(path)
        try:
            # a FIFO must not hold the daemon up
            fd = os.open(below, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=folder)
        except (OSError, ValueError) as error:
            raise _from_os(error, path) from error
        try:
            _require_regular(fd, path)
            with os.fdopen(fd, "rb", closefd=False) as file:
                data = file.read(FILE_MAX + 1)
        except OSError as error:
            raise _from_os(error, path) from error
        finally:
            os.close(fd)
        if len(data) > FILE_MAX:
            raise VarpdError(Errno.EFBIG, f"{path} has more than {FILE_MAX} bytes")
        return data

    def _resolve(self, path: str) -> tuple[int, str]:
        if path.startswith("/"):
            return self._root, below_root(path, self._name)
        if posixpath.normpath(path).startswith(".."):
            return self._root, below_root(f"/{VARPD_RUN}/{path}", "/")  # no way leads out of the root
        return self._run, path


def below_root(path: str, root: str) -> str:
    """An absolute path of a host, relative to its root: `below_root("/etc/x", "/srv/cn0")` and "/srv/cn0/etc/x" are both "etc/x"."""
    plain = posixpath.normpath(posixpath.join("/", path.lstrip("/")))
    root = posixpath.normpath(root)
    if root != "/" and (plain == root or plain.startswith(root + "/")):
        plain = plain[len(root) :]
    return plain.lstrip("/") or "."


def _require_regular(fd: int, path: str) -> None:
    mode = os.fstat(fd).st_mode
    if stat.S_ISDIR(mode):
        raise VarpdError(Errno.EISDIR, f"{path} is a directory")
    if not stat.S_ISREG(mode):
        raise VarpdError(Errno.EINVAL, f"{path} is not a regular file")


def _from_os(error: OSError | ValueError, path: str) -> VarpdError:
    if isinstance(error, OSError):
        return VarpdError(from_host(error.errno), f"{path}: {error.strerror}")
    return VarpdError(Errno.EINVAL, f"{path!r} is no path")  # a lone surrogate
