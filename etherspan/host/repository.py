"""The file of the service properties: ROOT/etc/svc/repository.json, replaced atomically and durably."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

from dladm.libscf.protocol import VARPD
from dladm.libscf.repository import INCLUDE_PATH, MANIFEST, Repository
from kernel_sim.sys.errno import KernelError

REPOSITORY: Final = "etc/svc/repository.json"
"""Path below the host's root."""


class RepositoryFile:
    """The repository of the host at `root`. Errors: `KernelError` with what the machine said, EINVAL for a damaged file."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._path = root / REPOSITORY

    def read(self) -> Repository:
        """What is stored; nothing where there is no file."""
        try:
            raw = self._path.read_bytes()
        except FileNotFoundError:
            return Repository()
        except OSError as error:
            raise KernelError.from_os(error, f"cannot read {self._path}: {error.strerror}") from error
        try:
            return Repository.parse(raw)
        except KernelError as error:
            raise KernelError(error.errno, f"{self._path}: {error.detail}; mend or remove it") from error

    def write(self, repository: Repository) -> None:
        """Replace what is stored."""
        fresh = self._path.with_name(f"{self._path.name}.new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with fresh.open("wb") as file:
                file.write(repository.render())
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
            folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            with contextlib.suppress(OSError):
                fresh.unlink(missing_ok=True)
            raise KernelError.from_os(error, f"cannot write {self._path}: {error.strerror}") from error

    def include_options(self) -> list[str]:
        """The options that give varpd its include path, `-i DIR …`; the directory of the manifest may be absent.

        A value is a path of the host, so the root goes before it, unless it begins with it.
        """
        found = self.read().properties(VARPD, running=True).get(INCLUDE_PATH)
        options: list[str] = []
        for value in found.values if found is not None else ():
            path = Path(value)
            if not path.is_relative_to(self._root):
                path = self._root / value.lstrip("/")
            if path.is_dir() or value not in MANIFEST[VARPD][INCLUDE_PATH].values:
                options += ["-i", str(path)]
        return options
