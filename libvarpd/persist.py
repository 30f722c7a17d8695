"""The directory of state files: written whole or not at all, and durable when `write` returns (VPD 6.3).

`StateStore` is the seam: `StateDirectory` is on disk, a world in memory has its own.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Sequence
from typing import Final, Protocol, Self

from kernel_sim.sys.errno import Errno, from_host
from libvarpd.errors import VarpdError
from libvarpd.state import SIZE_MAX, file_name

QUARANTINE_SUFFIX: Final = ".bad"
_MODE: Final = 0o600
_TEMPORARY: Final = re.compile(r"\.[0-9]+\.[0-9]+\.varpd")
_CHUNK: Final = 4096


class StateStore(Protocol):
    """Where state files are kept. Every call may raise `VarpdError` with what the machine says (ENOSPC, EROFS …)."""

    def names(self) -> Sequence[str]:
        """The names of all files, state files or not, in a fixed order."""

    def read(self, name: str) -> bytes | None:
        """A file's bytes, None when it is no regular file. Of a file too large to be a state file one byte too many."""

    def write(self, instance: int, data: bytes) -> None:
        """Make or replace an instance's file; when this fails, its old contents or the new ones are there, never others."""

    def remove(self, instance: int) -> None:
        """Remove an instance's file; harmless when there is none."""

    def quarantine(self, name: str) -> None:
        """Put a file aside as `<name>.bad`, over what may be there (VPD-Q23)."""

    def close(self) -> None:
        """Use it no more."""


class StateDirectory:
    """State files in a directory, reached through a directory fd so that it works after a change of user."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Errors: EINVAL not a directory; what open says (ENOENT, EACCES …)."""
        try:
            return cls(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        except NotADirectoryError as error:
            raise VarpdError(Errno.EINVAL, f"{os.fspath(path)} is not a directory") from error
        except OSError as error:
            raise _from_os(error, os.fspath(path)) from error

    def names(self) -> list[str]:
        try:
            with os.scandir(self._fd) as entries:
                return sorted(entry.name for entry in entries)
        except OSError as error:
            raise _from_os(error, "the run directory") from error

    def clear_remains(self) -> None:
        """Remove what a daemon that was killed had begun to write; one daemon at a time uses the directory."""
        for name in self.names():
            if _TEMPORARY.fullmatch(name):
                try:
                    self._unlink(name)
                except OSError as error:
                    raise _from_os(error, name) from error

    def read(self, name: str) -> bytes | None:
        try:
            if not stat.S_ISREG(
                os.stat(name, dir_fd=self._fd).st_mode
            ):  # to open a FIFO would hold up the start (VPD-B55)
                return None
            with os.fdopen(os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._fd), "rb") as file:
                return file.read(SIZE_MAX + 1)
        except OSError as error:
            raise _from_os(error, name) from error

    def write(self, instance: int, data: bytes) -> None:
        """File, then its name, then the directory are synced, so a crash at any instant leaves the old file or the new (VPD-I12)."""
        name = file_name(instance)
        temporary = f".{os.getpid()}.{name}"
        try:
            with contextlib.ExitStack() as undo:
                undo.callback(self._unlink, temporary)  # VPD-Q22
                fd = self._create(temporary, undo)
                _write_all(fd, data)
                os.fsync(fd)
                os.rename(temporary, name, src_dir_fd=self._fd, dst_dir_fd=self._fd)
                os.fsync(fd)
                os.fsync(self._fd)
        except OSError as error:
            raise _from_os(error, name) from error

    def remove(self, instance: int) -> None:
        try:
            self._unlink(file_name(instance))
        except OSError as error:
            raise _from_os(error, file_name(instance)) from error

    def quarantine(self, name: str) -> None:
        try:
            os.rename(name, name + QUARANTINE_SUFFIX, src_dir_fd=self._fd, dst_dir_fd=self._fd)
        except OSError as error:
            raise _from_os(error, name) from error

    def close(self) -> None:
        os.close(self._fd)

    def _create(self, name: str, undo: contextlib.ExitStack) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(name, flags, _MODE, dir_fd=self._fd)
        undo.callback(os.close, fd)
        return fd

    def _unlink(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._fd)


def _write_all(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest[:_CHUNK]) :]


def _from_os(error: OSError, what: str) -> VarpdError:
    return VarpdError(from_host(error.errno), f"{what}: {error.strerror}")
