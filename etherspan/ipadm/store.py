"""The two files of ipadm and their lock.

ROOT/etc/ipadm/ipadm.conf is replaced atomically and durably: a reader, or a crash at any instant, sees the old content or the new. The
map below etc/svc/volatile lasts until the next boot. Who changes either holds the lock ROOT/etc/ipadm/.lock meanwhile.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from etherspan.ipadm import IPADM_CONF
from etherspan.ipadm.conf import ConfFile
from etherspan.ipadm.objects import ObjectMap
from etherspan.ipadm.status import IpadmError, of_errno
from kernel_sim.sys.errno import from_host

AOBJMAP: Final = "etc/svc/volatile/ipadm/aobjmap.conf"
"""Path below ROOT of the volatile map."""
_LOCK: Final = "etc/ipadm/.lock"
_FILE_MODE: Final = 0o644
_LOCK_MODE: Final = 0o600


class Store:
    """The files of the host at `root`. Errors of its methods: `IpadmError`."""

    def __init__(self, root: Path) -> None:
        self.conf_path = root / IPADM_CONF
        self._map_path = root / AOBJMAP
        self._lock_path = root / _LOCK

    def read_conf(self) -> ConfFile:
        """The stored configuration; empty where there is no file."""
        return ConfFile.parse(_read(self.conf_path))

    def write_conf(self, conf: ConfFile) -> None:
        """Replace the stored configuration."""
        _replace(self.conf_path, conf.render(), durable=True)

    def read_map(self) -> ObjectMap:
        """The volatile map; empty where there is no file."""
        return ObjectMap.parse(_read(self._map_path))

    def write_map(self, objects: ObjectMap) -> None:
        """Replace the volatile map."""
        _replace(self._map_path, objects.render(), durable=False)

    def knows(self, zone: str) -> bool:
        """True when a file has something of the zone."""
        return zone in self.read_conf().zones() or self.read_map().has(zone)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep others from changing the files."""
        try:
            self._lock_path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _LOCK_MODE)
        except OSError as error:
            raise _failure(error, "open", self._lock_path) from error
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise _failure(error, "read", path) from error


def _replace(path: Path, content: bytes, *, durable: bool) -> None:
    fresh = path.with_name(f"{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, _FILE_MODE)
            with os.fdopen(fd, "wb") as file:
                os.fchmod(fd, _FILE_MODE)
                file.write(content)
                file.flush()
                if durable:
                    os.fsync(fd)
            fresh.replace(path)
            if durable:
                _sync(path.parent)
        except OSError:
            with contextlib.suppress(OSError):
                fresh.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise _failure(error, "write", path) from error


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _failure(error: OSError, verb: str, path: Path) -> IpadmError:
    return IpadmError(of_errno(from_host(error.errno)), f"cannot {verb} {path}: {error.strerror}")
