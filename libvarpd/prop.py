"""Properties of an instance: what describes one, how values are laid out, and how they are addressed (VPD 4). Pure.

Values: INT and UINT 8 bytes in native order, IP 16 bytes in network order (IPv4 as ::ffff:a.b.c.d), STRING counts its NUL; no bytes
at all means unset. Index 0 is always `search`, the plugin's name; property k of the plugin has index k + 1.

As in the original nothing here enforces permissions, ranges or types: the plugin is the only judge of a value.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from kernel_sim.sys.codec import PropRange
from kernel_sim.sys.errno import Errno
from kernel_sim.sys.overlay_common import OVERLAY_PROP_NAMELEN, OVERLAY_PROP_SIZEMAX, PropPerm, PropType
from libvarpd.errors import VarpdError

SEARCH: Final = "search"
"""Name of the internal property."""
UINT_SIZE: Final = 8
IP_SIZE: Final = 16
V4_MAPPED: Final = bytes(10) + b"\xff\xff"
_LOOPBACK: Final = bytes(15) + b"\x01"
_SIX_TO_FOUR: Final = b"\x20\x02"


@dataclass(slots=True, frozen=True)
class PropInfo:
    """What a plugin says about one of its properties. Errors: EINVAL a name of 64 bytes or more, E2BIG a default over 256 bytes."""

    name: str
    type: PropType
    prot: PropPerm
    default: bytes = b""
    possible: PropRange = field(default_factory=PropRange)

    def __post_init__(self) -> None:
        if not 0 < len(self.name.encode()) < OVERLAY_PROP_NAMELEN:
            raise VarpdError(
                Errno.EINVAL, f"a property name takes 1 to {OVERLAY_PROP_NAMELEN - 1} bytes: {self.name!r}"
            )
        if len(self.default) > OVERLAY_PROP_SIZEMAX:
            raise VarpdError(Errno.E2BIG, f"{self.name}: a default of {len(self.default)} bytes")


class PropertyOps(Protocol):
    """The part of a search plugin that deals with properties."""

    def nprops(self) -> int: ...
    def propinfo(self, index: int) -> PropInfo: ...
    def getprop(self, name: str) -> bytes: ...
    def setprop(self, name: str, value: bytes) -> None: ...


class Properties:
    """The properties of one instance, the internal one included. `names` gives the names of all plugins, in order."""

    def __init__(self, search: str, plugin: PropertyOps, names: Callable[[], Sequence[str]]) -> None:
        self._search = search
        self._plugin = plugin
        self._names = names

    def count(self) -> int:
        """How many there are (VPD-I34)."""
        return self._plugin.nprops() + 1

    def info(self, index: int) -> PropInfo:
        """What describes a property. Errors: EINVAL there is none of that index."""
        if not 0 <= index < self.count():
            raise VarpdError(Errno.EINVAL, f"property {index} of {self.count()}")
        if index == 0:
            return PropInfo(SEARCH, PropType.STRING, PropPerm.READ, possible=PropRange.of_strings(*self._names()))
        return self._plugin.propinfo(index - 1)

    def find(self, name: str) -> int:
        """The index of a property. Errors: ENOENT."""
        for index in range(self.count()):
            if self.info(index).name == name:
                return index
        raise VarpdError(Errno.ENOENT, f"no property {name!r}")

    def get(self, index: int) -> bytes:
        """A value, b"" while unset. Errors: EINVAL there is none of that index; EOVERFLOW over 256 bytes; the plugin's (VPD-Q7)."""
        name = self.info(index).name
        value = self._search.encode() + b"\0" if index == 0 else self._plugin.getprop(name)
        if len(value) > OVERLAY_PROP_SIZEMAX:
            raise VarpdError(Errno.EOVERFLOW, f"{name} has {len(value)} bytes")
        return value

    def check_set(self, index: int, size: int) -> str:
        """Whether a value of that size may be tried, and the name it is for.

        Errors: EINVAL no such index; EPERM `search` (VPD-I32); EOVERFLOW over 256 bytes (VPD-Q9).
        """
        name = self.info(index).name
        if index == 0:
            raise VarpdError(Errno.EPERM, f"{name} is the plugin's name and read-only")
        if size > OVERLAY_PROP_SIZEMAX:
            raise VarpdError(Errno.EOVERFLOW, f"{name}: {size} bytes, a value has at most {OVERLAY_PROP_SIZEMAX}")
        return name

    def set(self, index: int, value: bytes) -> None:
        """Set a value. Errors: those of `check_set`; the plugin's."""
        self._plugin.setprop(self.check_set(index, len(value)), value)


def read_uint(value: bytes) -> int:
    """The number in a UINT value; bytes after the eighth are ignored. Errors: EOVERFLOW under 8 bytes."""
    return int.from_bytes(_prefix(value, UINT_SIZE), sys.byteorder)


def uint_value(number: int) -> bytes:
    """A number as a UINT value, 8 bytes."""
    return number.to_bytes(UINT_SIZE, sys.byteorder)


def read_ip(value: bytes) -> bytes:
    """The 16 bytes of an IP value that can be an underlay destination; further bytes are ignored.

    Errors: EOVERFLOW under 16 bytes; EINVAL for an IPv4-compatible (::a.b.c.d but :: and ::1) or 6to4 (2002::/16) address.
    """
    ip = _prefix(value, IP_SIZE)
    compatible = ip.startswith(bytes(12)) and ip not in {bytes(IP_SIZE), _LOOPBACK}
    if compatible or ip.startswith(_SIX_TO_FOUR):
        raise VarpdError(Errno.EINVAL, f"{ip.hex(':', 2)} is an IPv4-compatible or 6to4 address")
    return ip


def _prefix(value: bytes, size: int) -> bytes:
    if len(value) < size:
        raise VarpdError(Errno.EOVERFLOW, f"a value of {len(value)} bytes, {size} are wanted")
    return value[:size]
