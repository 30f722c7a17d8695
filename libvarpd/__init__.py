"""varpd, the virtual ARP daemon: it tells the overlay driver where frames go, by way of search plugins (VPD 1.1).

    dladm ── client ──door──► door ──► handle ── overlay ──ioctl──► /dev/overlay
                                         │
                      plugin registry ── instances ── state files <id>.varpd

* `plugin`    what a search plugin is; `registry` what is registered, `loader` how plugins are found; `plugins.direct` and `plugins.files`
              are two
* `prop`      properties: types, values, descriptions
* `instance`  a plugin bound to one overlay, and its life cycle; `instances` the tables of them, and ids
* `handle`    `Varpd`, which owns all of that: what the door's commands do; `restore` re-adopts instances after a restart
* `overlay`   the conversation with the kernel; `lookup` the workers that answer its questions, `query` one question, `arp` the proxies;
              `upcalls` what plugins ask of it, `hostfiles` the files their properties name
* `nvpair`, `state`, `persist`  name-value lists, the state file's format, the directory of state files
* `door`, `door_server`, `client`  the daemon's commands, over a socket; `door_codec`, `door_layout` their bytes
* `varpd`     the program; `launcher`, `privileges`, `daemon` its stages; `log` and `bunyan` its log

Everything is asyncio, on one loop: nothing here is called from two threads. Names resolve on first use, since start-up time of
commands that import `libvarpd.client` counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from libvarpd.client import Client, Prop
    from libvarpd.errors import VarpdError, VarpdPanic
    from libvarpd.handle import Varpd
    from libvarpd.nvpair import NvList
    from libvarpd.plugin import DROP, Answer, Drop, Provider, Query, SearchPlugin
    from libvarpd.prop import PropInfo
    from libvarpd.registry import PluginRegistry

_HOMES = {
    "Answer": "plugin",
    "Client": "client",
    "DROP": "plugin",
    "Drop": "plugin",
    "NvList": "nvpair",
    "PluginRegistry": "registry",
    "Prop": "client",
    "PropInfo": "prop",
    "Provider": "plugin",
    "Query": "plugin",
    "SearchPlugin": "plugin",
    "Varpd": "handle",
    "VarpdError": "errors",
    "VarpdPanic": "errors",
}

__all__ = [
    "DROP",
    "Answer",
    "Client",
    "Drop",
    "NvList",
    "PluginRegistry",
    "Prop",
    "PropInfo",
    "Provider",
    "Query",
    "SearchPlugin",
    "Varpd",
    "VarpdError",
    "VarpdPanic",
]


def __getattr__(name: str) -> object:
    if name in _HOMES:
        home = __import__(f"libvarpd.{_HOMES[name]}", fromlist=[name])
        return globals().setdefault(name, getattr(home, name))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
