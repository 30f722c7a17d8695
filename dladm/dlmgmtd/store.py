"""dlmgmtd's files: datalink.conf, written atomically and durably, and what lasts until the next boot only.

* The name of the boot.
* The cache of active links (`active`).
* The note of a rename that is under way. A rename changes file and kernel, and a daemon that was killed in between could not tell by
  these that its two links are one.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dladm.dlmgmtd.datalink_conf import LinkFile, format_line
from dladm.dlmgmtd.protocol import ConfValue
from kernel_sim.dev.paths import DATALINK_CONF, DLADM_VOLATILE
from kernel_sim.sys.errno import Errno, KernelError

CACHE: Final = f"{DLADM_VOLATILE}/network-datalink-management:default.cache"
RENAME: Final = f"{DLADM_VOLATILE}/network-datalink-management:default.rename"
BOOT: Final = f"{DLADM_VOLATILE}/network-datalink-management:default.boot"
_MODE: Final = 0o644
_NEW_NAME: Final = "new"
_LINKID: Final = "linkid"
_FRESH: Final = ".new"
"""What a file's successor is called until it takes its place."""


@dataclass(slots=True, frozen=True)
class Rename:
    """A link that is being renamed."""

    linkid: int
    old: str
    new: str


class Store:
    """The files of the host whose root directory is `root`. Errors are `KernelError`s with what the machine said.

    A world without a disk overrides `read_file`, `replace_file` and `remove_file`. What changes the disk is a call of `os` in this
    module, so that a test can end a daemon before each of them.
    """

    def __init__(self, root: Path) -> None:
        self.conf_path = root / DATALINK_CONF
        self.cache_path = root / CACHE
        self.rename_path = root / RENAME
        self.boot_path = root / BOOT
        self._known = (b"", LinkFile())

    def read_conf(self) -> LinkFile:
        """datalink.conf as it is now, edits by hand included; empty when there is none. The same object while it is the same file."""
        raw = self.read_file(self.conf_path) or b""
        if raw != self._known[0]:
            self._known = (raw, LinkFile.parse(raw, self._known[1]))
        return self._known[1]

    def write_conf(self, file: LinkFile) -> None:
        """Replace datalink.conf: a reader, or a crash at any instant, sees the old content or the new."""
        raw = file.render()
        self.replace_file(self.conf_path, raw, durable=True)
        self._known = (raw, file)

    def write_cache(self, content: bytes) -> None:
        """Replace the cache of active links."""
        self.replace_file(self.cache_path, content, durable=False)

    def clear_remains(self) -> None:
        """Remove what a daemon that was killed had begun to write."""
        for path in (self.conf_path, self.cache_path, self.rename_path, self.boot_path):
            self.remove_file(path.with_name(path.name + _FRESH))

    def boot(self) -> str:
        """The name of this boot of the host, which the first daemon of a boot chooses."""
        found = self.read_file(self.boot_path)
        if found:
            return found.decode("ascii", "replace")
        name = secrets.token_hex(8)
        self.replace_file(self.boot_path, name.encode(), durable=False)
        return name

    def read_rename(self) -> Rename | None:
        """The rename that was under way; None when there was none, or nobody can read it."""
        for entry in LinkFile.parse(self.read_file(self.rename_path) or b"").entries():
            with contextlib.suppress(KeyError, KernelError):
                return Rename(entry.attributes[_LINKID].number(), entry.name, entry.attributes[_NEW_NAME].text)
        return None

    def begin_rename(self, rename: Rename) -> None:
        """Note a rename before it is done."""
        what = {_LINKID: ConfValue.of_int(rename.linkid), _NEW_NAME: ConfValue.of_string(rename.new)}
        line = f"{format_line(rename.old, what)}\n"
        self.replace_file(self.rename_path, line.encode("utf-8", "surrogateescape"), durable=False)

    def end_rename(self) -> None:
        """It is done, or taken back; harmless when none was noted."""
        self.remove_file(self.rename_path)

    # ------------------------------------------------------------------ the disk

    def read_file(self, path: Path) -> bytes | None:
        """A file's bytes, None when there is none."""
        try:
            return path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _failure(error, "read", path) from error

    def replace_file(self, path: Path, content: bytes, *, durable: bool) -> None:
        """Put a file with that content in the place of the one there is, whose mode it gets. Errors: also EACCES it is read-only."""
        try:
            mode = _mode_of(path)
            with _opened(path.parent) as folder:
                _replace(folder, path.name, content, mode, durable=durable)
        except OSError as error:
            raise _failure(error, "write", path) from error

    def remove_file(self, path: Path) -> None:
        """Remove a file, if there is one."""
        try:
            with contextlib.suppress(FileNotFoundError), _opened(path.parent) as folder:
                os.unlink(path.name, dir_fd=folder)
        except OSError as error:
            raise _failure(error, "remove", path) from error


def _mode_of(path: Path) -> int:
    """The mode that the new file gets. Errors: EACCES for a file that nobody may write, which a rename would not notice."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return _MODE
    if not mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH):
        raise KernelError(Errno.EACCES, f"cannot write {path}: it is read-only (mode {mode:04o}); chmod u+w {path}")
    return mode


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int]:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def _replace(folder: int, name: str, content: bytes, mode: int, *, durable: bool) -> None:
    fresh = name + _FRESH
    try:
        _write(folder, fresh, content, mode, durable=durable)
        os.rename(fresh, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(fresh, dir_fd=folder)
        raise
    if durable:
        with contextlib.suppress(OSError):  # the new content is in its place, and nobody could take it back
            os.fsync(folder)


def _write(folder: int, name: str, content: bytes, mode: int, *, durable: bool) -> None:
    fd = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, mode, dir_fd=folder)
    try:
        os.fchmod(fd, mode)
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(fd, rest) :]
        if durable:
            os.fsync(fd)
    finally:
        os.close(fd)


def _failure(error: OSError, verb: str, path: Path) -> KernelError:
    return KernelError.from_os(error, f"cannot {verb} {path}: {error.strerror}")
