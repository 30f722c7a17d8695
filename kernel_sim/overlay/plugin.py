"""The contract of an encapsulation plugin, and the registry of plugins (KRN 4.1).

A plugin is one object for the whole kernel; `init` gives the private state of one device, its *instance*. As in the original the
data path knows the plugin and a virtual network id, not the instance: encapsulation cannot depend on a device's properties.

What the original says as operations on packets is said here in a form that lets runs be handled as runs:

* `header(vnetid)`: the bytes before every frame of that id, when they are the same for all frames; None when not, and
  `encap(frame, vnetid)` is then asked for each frame;
* `decap_size`: how many bytes at the start of a datagram decide what `decap` answers, so that the answer for equal bytes can be
  remembered; 0 when it may depend on anything;
* `source_port`: what the original does with the socket option UDP_SRCPORT_HASH.
"""

from __future__ import annotations

import abc
import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from kernel_sim.ddi import SocketAddress
from kernel_sim.overlay.prop import PropertyHandle
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.message import Buffer
from kernel_sim.sys.overlay_common import DEST_MASK, OVERLAY_PROP_NAMELEN, Dest

PLUGIN_VERSION: Final = 1
ID_SIZE_MAX: Final = 8


class PluginFlag(enum.IntFlag):
    """What a plugin can do."""

    NONE = 0
    VLAN = 0x1
    """Frames may carry a VLAN tag: devices have a margin of 4 bytes."""


class Decapsulated(NamedTuple):
    """What a plugin reads from a datagram: whose it is, and how many bytes come before the frame."""

    vnetid: int
    header_size: int


class EncapInstance(abc.ABC):
    """A plugin's private state of one device."""

    @abc.abstractmethod
    def socket(self) -> SocketAddress:
        """The address to listen on; asked when the device starts. Errors (returned by the start): EINVAL when unset, any other."""

    @abc.abstractmethod
    def getprop(self, name: str) -> bytes:
        """The value of a property in its native layout, b"" when unset. Errors: EINVAL unknown name, any other."""

    @abc.abstractmethod
    def setprop(self, name: str, value: bytes) -> None:
        """Set a property. Errors: EINVAL unknown name, wrong size or value, any other."""

    def fini(self) -> None:  # noqa: B027 - most plugins have nothing to give back
        """The device goes away, or its creation failed after `init`."""


class EncapPlugin(abc.ABC):
    """An encapsulation plugin. `PluginRegistry.register` checks what it declares."""

    version: int = PLUGIN_VERSION
    name: str
    id_size: int
    """Bytes of a virtual network id."""
    dest: Dest
    """Parts of a destination it needs; the data path serves IP | PORT only (KRN 2.3)."""
    flags: PluginFlag = PluginFlag.NONE
    properties: tuple[str, ...] = ()
    """Names of its properties; property i has the id 4 + i."""
    decap_size: int = 0
    reserved: bytes = b""
    """Mask of the bits at the start of a header that its standard reserves, `decap_size` bytes at most; for receivers that are strict."""

    @abc.abstractmethod
    def init(self) -> EncapInstance:
        """Private state for a new device. Any error makes CREATE fail with EINVAL."""

    @abc.abstractmethod
    def header(self, vnetid: int) -> bytes | None:
        """The header of every frame of that id, or None when it differs between frames."""

    def encap(self, frame: Buffer, vnetid: int) -> bytes:
        """The header of one frame; used when `header` gave None. An error drops the frame and the rest of its chain."""
        constant = self.header(vnetid)
        if constant is None:
            raise KernelError(Errno.EINVAL, f"encapsulation {self.name} has neither a constant header nor encap()")
        return constant

    @abc.abstractmethod
    def decap(self, datagram: Buffer) -> Decapsulated | None:
        """Read a datagram; None when it is not one of this encapsulation."""

    port_by_conversation = False
    """Whether the source port depends on nothing but what makes a conversation (`ddi.TransmitPath`) and the bound port."""

    def source_port(self, frame: Buffer, bound_port: int) -> int:
        """The UDP source port of the datagram that carries `frame`."""
        return bound_port

    @abc.abstractmethod
    def propinfo(self, name: str, handle: PropertyHandle) -> None:
        """Describe a property, the same for all devices. Errors: EINVAL unknown name, any other."""


@dataclass(slots=True)
class _Registered:
    plugin: EncapPlugin
    users: int = 0


class PluginRegistry:
    """The plugins a kernel has, in the order they came."""

    def __init__(self, plugins: Iterable[EncapPlugin] = ()) -> None:
        self._plugins: dict[str, _Registered] = {}
        for plugin in plugins:
            self.register(plugin)

    def register(self, plugin: EncapPlugin) -> None:
        """Add a plugin.

        Errors: EINVAL wrong version, no name, unknown flag, id size under 1, destination empty or unknown, a missing operation,
        a property name of 64 or more bytes; ENOTSUP id size over 8; EEXIST a plugin of that name is there.
        """
        _check(plugin)
        if plugin.name in self._plugins:
            raise KernelError(Errno.EEXIST, f"an encapsulation plugin named {plugin.name} is registered already")
        self._plugins[plugin.name] = _Registered(plugin)

    def unregister(self, name: str) -> None:
        """Forget a plugin. Errors: ENOENT, EBUSY while an overlay uses it."""
        if self._find(name).users:
            raise KernelError(Errno.EBUSY, f"overlays use encapsulation plugin {name}")
        del self._plugins[name]

    def hold(self, name: str) -> EncapPlugin:
        """Take a plugin into use, until `release`. Errors: ENOENT."""
        found = self._find(name)
        found.users += 1
        return found.plugin

    def release(self, plugin: EncapPlugin) -> None:
        """Give back what `hold` gave."""
        self._plugins[plugin.name].users -= 1

    def names(self) -> tuple[str, ...]:
        """The names of all plugins."""
        return tuple(self._plugins)

    def _find(self, name: str) -> _Registered:
        found = self._plugins.get(name)
        if found is None:
            raise KernelError(
                Errno.ENOENT, f"no encapsulation plugin named {name}; there are: {', '.join(self._plugins)}"
            )
        return found


_OPERATIONS: Final = ("init", "header", "encap", "decap", "source_port", "propinfo")


def _check(plugin: EncapPlugin) -> None:
    """Refuse a wrong declaration. The object may come from anybody, and need not be an `EncapPlugin` by class."""
    name = getattr(plugin, "name", "")
    version = getattr(plugin, "version", 0)
    id_size = getattr(plugin, "id_size", 0)
    flags, dest = int(getattr(plugin, "flags", 0)), int(getattr(plugin, "dest", 0))
    missing = [one for one in _OPERATIONS if not callable(getattr(plugin, one, None))]
    long_names = [one for one in getattr(plugin, "properties", ()) if len(one.encode()) >= OVERLAY_PROP_NAMELEN]
    faults = (
        (not name, "it has no name"),
        (version != PLUGIN_VERSION, f"its version is {version}, not {PLUGIN_VERSION}"),
        (bool(missing), f"operations are missing: {', '.join(missing)}"),
        (bool(flags & ~int(PluginFlag.VLAN)), f"unknown flags {flags:#x}"),
        (id_size < 1, f"an id of {id_size} bytes"),
        (not dest or bool(dest & ~int(DEST_MASK)), f"destination parts {dest:#x}"),
        (bool(long_names), f"property name {''.join(long_names[:1])} has {OVERLAY_PROP_NAMELEN} bytes or more"),
    )
    for wrong, why in faults:
        if wrong:
            raise KernelError(Errno.EINVAL, f"encapsulation plugin {name or plugin!r}: {why}")
    if id_size > ID_SIZE_MAX:
        raise KernelError(
            Errno.ENOTSUP, f"encapsulation plugin {name}: an id of {id_size} bytes; at most {ID_SIZE_MAX}"
        )
