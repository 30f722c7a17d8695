"""Finding search plugins: plain files of a directory, and what installed packages offer (VPD 1.3).

A module that cannot be loaded or registered is logged and passed over; it never stops the daemon.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Final

from kernel_sim.dev.log import Log, NullLog
from kernel_sim.sys.errno import Errno, from_host
from libvarpd.errors import VarpdError
from libvarpd.registry import PluginRegistry

ENTRY_POINTS: Final = "varpd.plugins"
SYMBOL: Final = "PLUGIN"
_SUFFIX: Final = ".py"


def load_directory(registry: PluginRegistry, directory: str | os.PathLike[str], log: Log | None = None) -> None:
    """Register the `PLUGIN` of every `*.py` file of a directory, in order of their names.

    Errors: EINVAL no directory given; what opening it says (ENOENT, ENOTDIR, EACCES …).
    """
    if not os.fspath(directory):
        raise VarpdError(Errno.EINVAL, "no plugin directory is given")
    try:
        files = sorted(Path(directory).absolute().iterdir())
    except OSError as error:
        raise VarpdError(from_host(error.errno), os.fspath(directory)) from error
    for path in files:
        if path.suffix == _SUFFIX:
            _load(registry, lambda path=path: _import_file(path), str(path), log or NullLog())  # type: ignore[misc]


def load_entry_points(registry: PluginRegistry, log: Log | None = None) -> None:
    """Register what installed packages offer under the entry-point group `varpd.plugins`, in order of its names."""
    for entry in sorted(metadata.entry_points(group=ENTRY_POINTS), key=lambda entry: (entry.name, entry.value)):
        _load(registry, entry.load, entry.value, log or NullLog())


def _load(registry: PluginRegistry, find: Callable[[], object], module_path: str, log: Log) -> None:
    try:
        plugin = find()
    except (Exception, SystemExit):  # whatever a foreign module does on import, it must not end the daemon
        log.exception("dlopen failed", module_path=module_path)
        return
    try:
        registry.register(plugin)
    except VarpdError as error:
        log.warning(error.detail, module_path=module_path, plugin=getattr(plugin, "name", None))


def _import_file(path: Path) -> object:
    name = f"varpd plugin {path}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None, "a .py file always has a loader"
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
        return getattr(module, SYMBOL)
    except BaseException:
        del sys.modules[name]
        raise
