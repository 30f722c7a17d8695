"""The plugins that are registered, by name; the first of a name wins and none ever leaves (VPD 1.3)."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Final

from kernel_sim.sys.errno import Errno
from kernel_sim.sys.overlay_common import OVERLAY_PROP_NAMELEN
from kernel_sim.sys.overlay_target import TargMode
from libvarpd.errors import VarpdError
from libvarpd.plugin import VARPD_CURRENT_VERSION, SearchPlugin

_ANSWERS: Final = {TargMode.POINT: "default", TargMode.DYNAMIC: "lookup"}
"""The operation that a plugin of that mode cannot do without."""
_COROUTINES: Final = ("lookup", "arp", "dhcp")


class PluginRegistry:
    """Search plugins, in name order."""

    def __init__(self) -> None:
        self._plugins: dict[str, type[SearchPlugin]] = {}

    def register(self, plugin: object) -> None:
        """Take a plugin in.

        Errors: EINVAL another version, or something that is no complete plugin (VPD-Q24); EEXIST one of that name is registered.
        """
        if not (isinstance(plugin, type) and issubclass(plugin, SearchPlugin)):
            raise VarpdError(Errno.EINVAL, f"{plugin!r} is not a subclass of SearchPlugin")
        if plugin.version != VARPD_CURRENT_VERSION:
            raise VarpdError(Errno.EINVAL, "unsupported registration version")
        if fault := _fault(plugin):
            raise VarpdError(Errno.EINVAL, fault)
        if plugin.name in self._plugins:
            raise VarpdError(Errno.EEXIST, "module already exists with requested name")
        self._plugins[plugin.name] = plugin

    def find(self, name: str) -> type[SearchPlugin]:
        """Errors: ENOENT."""
        if name not in self._plugins:
            raise VarpdError(Errno.ENOENT, f"no search plugin {name!r}")
        return self._plugins[name]

    def names(self) -> list[str]:
        """All names, in order."""
        return sorted(self._plugins, key=str.encode)

    def __iter__(self) -> Iterator[type[SearchPlugin]]:
        return (self._plugins[name] for name in self.names())


def _fault(plugin: type[SearchPlugin]) -> str | None:
    """What is wrong with a plugin, if anything is."""
    name, mode = getattr(plugin, "name", None), getattr(plugin, "mode", None)
    if not isinstance(name, str) or not 0 < len(name.encode()) < OVERLAY_PROP_NAMELEN or not name.isprintable():
        return f"a plugin's name has 1 to {OVERLAY_PROP_NAMELEN - 1} printable bytes, not {name!r}"
    if mode not in _ANSWERS:
        return f"a plugin's mode is POINT or DYNAMIC, not {mode!r}"
    needed = _ANSWERS[mode]
    if missing := sorted(plugin.__abstractmethods__):
        return f"operations are missing: {', '.join(missing)}"
    if getattr(plugin, needed) is getattr(SearchPlugin, needed):
        return f"a plugin of mode {TargMode(mode).name} needs the operation {needed}"
    if plain := [one for one in _COROUTINES if not inspect.iscoroutinefunction(getattr(plugin, one))]:
        return f"operations have to be coroutines: {', '.join(plain)}"
    return None
