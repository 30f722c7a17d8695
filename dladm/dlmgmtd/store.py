"""dlmgmtd's two files: datalink.conf, written atomically and durably, and the cache of active links, which lasts until the next boot.

The cache is for people and for the restarter; dlmgmtd itself learns from the kernel what is active.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from dladm.dlmgmtd.datalink_conf import LinkFile, format_line
from dladm.dlmgmtd.protocol import ConfValue, LinkInfo
from kernel_sim.dev.paths import DATALINK_CONF, DLADM_VOLATILE
from kernel_sim.sys.errno import KernelError

CACHE: Final = f"{DLADM_VOLATILE}/network-datalink-management:default.cache"
_MODE: Final = 0o644


class Store:
    """The files of the host whose root directory is `root`. Errors are `KernelError`s with what the machine said."""

    def __init__(self, root: Path) -> None:
        self.conf_path = root / DATALINK_CONF
        self.cache_path = root / CACHE
        self._known = (b"", LinkFile())

    def read_conf(self) -> LinkFile:
        """datalink.conf as it is now, edits by hand included; empty when there is none."""
        try:
            raw = self.conf_path.read_bytes()
        except FileNotFoundError:
            raw = b""
        except OSError as error:
            raise _failure(error, "read", self.conf_path) from error
        if raw != self._known[0]:
            self._known = (raw, LinkFile.parse(raw))
        return self._known[1]

    def write_conf(self, file: LinkFile) -> None:
        """Replace datalink.conf: a reader, or a crash at any instant, sees the old content or the new."""
        raw = file.render()
        _replace(self.conf_path, raw, durable=True)
        self._known = (raw, file)

    def write_cache(self, links: Iterable[LinkInfo]) -> None:
        """Replace the cache."""
        _replace(self.cache_path, "".join(f"{cache_line(link)}\n" for link in links).encode(), durable=False)


@functools.lru_cache(maxsize=1 << 14)
def cache_line(link: LinkInfo) -> str:
    """The line of an active link."""
    attributes = {
        "linkid": ConfValue.of_int(link.linkid),
        "zone": ConfValue.of_string(link.zone or "global"),
        "class": ConfValue.of_int(link.link_class),
        "media": ConfValue.of_int(link.media),
    }
    return format_line(link.name, attributes)


def _replace(path: Path, content: bytes, *, durable: bool) -> None:
    fresh = path.with_name(f"{path.name}.new")
    try:
        try:
            fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, _MODE)
            with os.fdopen(fd, "wb") as file:
                os.fchmod(fd, _MODE)
                file.write(content)
                file.flush()
                if durable:
                    os.fsync(fd)
            fresh.replace(path)
            if durable:
                _sync_folder(path.parent)
        except OSError:
            with contextlib.suppress(OSError):
                fresh.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise _failure(error, "write", path) from error


def _sync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _failure(error: OSError, verb: str, path: Path) -> KernelError:
    return KernelError.from_os(error, f"cannot {verb} {path}: {error.strerror}")
