"""The files of a host in memory, and what its daemons see of them.

Paths are relative to the host's root, as `kernel_sim.dev.paths` has them. There are no directories but those that files are in.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dladm.dlmgmtd.store import Store
from kernel_sim.dev import paths
from kernel_sim.sys.errno import Errno, strerror
from libvarpd.errors import VarpdError
from libvarpd.hostfiles import below_root

VOLATILE: Final = ("etc/svc/volatile/", f"{paths.VARPD_RUN}/")
"""What a boot finds empty."""
_OTHERS_READ: Final = 0o004


@dataclass(slots=True, frozen=True)
class File:
    """A file's bytes and its mode bits; all files are root's."""

    data: bytes
    mode: int = 0o644


class RootFs:
    """All files of one host."""

    def __init__(self) -> None:
        self._files: dict[str, File] = {}

    def write(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Make or replace a file."""
        self._files[_plain(path)] = File(data, mode)

    def read(self, path: str) -> bytes:
        """A file's bytes, whoever asks. Errors: FileNotFoundError."""
        found = self._files.get(_plain(path))
        if found is None:
            raise FileNotFoundError(path)
        return found.data

    def remove(self, path: str) -> None:
        """Errors: FileNotFoundError."""
        if self._files.pop(_plain(path), None) is None:
            raise FileNotFoundError(path)

    def get(self, path: str) -> File | None:
        """The file at a path, None when there is none."""
        return self._files.get(_plain(path))

    def is_folder(self, path: str) -> bool:
        """Whether files are below that path."""
        plain = _plain(path)
        return plain == "." or any(name.startswith(f"{plain}/") for name in self._files)

    def names(self, prefix: str = "") -> list[str]:
        """The paths that begin with a prefix, in order."""
        return sorted(name for name in self._files if name.startswith(prefix))

    def empty_volatile(self) -> None:
        """What a boot does first."""
        for prefix in VOLATILE:
            for name in self.names(prefix):
                del self._files[name]


def _plain(path: str) -> str:
    return posixpath.normpath(path.lstrip("/"))


class ConfigFiles:
    """See `libvarpd.hostfiles.HostFiles`: what varpd's user may read."""

    def __init__(self, fs: RootFs) -> None:
        self._fs = fs

    def read(self, path: str) -> bytes:
        if not path or "\0" in path:
            raise VarpdError(Errno.EINVAL if path else Errno.ENOENT, f"{path!r} is no path")
        below = below_root(path, "/") if path.startswith("/") else f"{paths.VARPD_RUN}/{path}"
        found = self._fs.get(below)
        if found is None:
            if self._fs.is_folder(below):
                raise VarpdError(Errno.EISDIR, f"{path} is a directory")
            raise VarpdError(Errno.ENOENT, f"{path}: {strerror(Errno.ENOENT)}")
        if not found.mode & _OTHERS_READ:
            raise VarpdError(Errno.EACCES, f"{path}: {strerror(Errno.EACCES)}")
        return found.data


class Folder(MutableMapping[str, bytes]):
    """The files right in one folder, by name."""

    def __init__(self, fs: RootFs, path: str) -> None:
        self._fs = fs
        self._prefix = f"{path}/"

    def __getitem__(self, name: str) -> bytes:
        found = self._fs.get(self._prefix + name)
        if found is None:
            raise KeyError(name)
        return found.data

    def __setitem__(self, name: str, data: bytes) -> None:
        self._fs.write(self._prefix + name, data, 0o600)

    def __delitem__(self, name: str) -> None:
        self._fs.remove(self._prefix + name)

    def __iter__(self) -> Iterator[str]:
        return (name.removeprefix(self._prefix) for name in self._fs.names(self._prefix))

    def __len__(self) -> int:
        return len(self._fs.names(self._prefix))


class LinkStore(Store):
    """dlmgmtd's files."""

    def __init__(self, fs: RootFs) -> None:
        super().__init__(Path("/"))
        self._fs = fs

    def read_file(self, path: Path) -> bytes | None:
        found = self._fs.get(_below_root(path))
        return found.data if found is not None else None

    def replace_file(self, path: Path, content: bytes, *, durable: bool) -> None:
        self._fs.write(_below_root(path), content)

    def remove_file(self, path: Path) -> None:
        if self._fs.get(_below_root(path)) is not None:
            self._fs.remove(_below_root(path))


def _below_root(path: Path) -> str:
    return str(path.relative_to("/"))
