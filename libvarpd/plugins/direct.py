"""The search plugin `direct`: every frame goes to one address (VPD 4.2)."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Final, Self

from kernel_sim.sys.codec import Point, PropRange
from kernel_sim.sys.errno import Errno
from kernel_sim.sys.overlay_common import Dest, PropPerm, PropType
from kernel_sim.sys.overlay_target import TargMode
from libvarpd.errors import VarpdError
from libvarpd.nvpair import NvList
from libvarpd.plugin import Provider, SearchPlugin
from libvarpd.prop import IP_SIZE, V4_MAPPED, PropInfo, read_ip, read_uint, uint_value

DEST_IP: Final = "direct/dest_ip"
DEST_PORT: Final = "direct/dest_port"
PORT_MIN: Final = 1
PORT_MAX: Final = 65535

_INFO: Final = {
    DEST_IP: PropInfo(DEST_IP, PropType.IP, PropPerm.RRW),
    DEST_PORT: PropInfo(DEST_PORT, PropType.UINT, PropPerm.RRW, possible=PropRange.of_ranges((PORT_MIN, PORT_MAX))),
}
_PART: Final = {DEST_IP: Dest.IP, DEST_PORT: Dest.PORT}
"""The part of a destination each property is, in the order of their indices."""


def _require_supported(dest: Dest) -> None:
    """With an address, perhaps with a port, nothing else (VPD-Q10)."""
    if dest not in {Dest.IP, Dest.IP | Dest.PORT}:
        raise VarpdError(Errno.ENOTSUP, f"direct gives addresses and ports, not what {int(dest):#x} stands for")


class Direct(SearchPlugin):
    """See the module. It knows a destination as soon as its properties are set, and asks nobody."""

    name = "direct"
    mode = TargMode.POINT

    def __init__(self, dest: Dest, ip: bytes | None = None, port: int | None = None) -> None:
        self._dest = dest
        self._ip = ip
        self._port = port

    @classmethod
    def create(cls, provider: Provider, dest: Dest) -> Self:
        """Errors: ENOTSUP a destination without an address, or with an Ethernet address."""
        _require_supported(dest)
        return cls(dest)

    @classmethod
    def restore(cls, provider: Provider, dest: Dest, saved: NvList) -> Self:
        """Values absent or of another type are unset (VPD-Q12). Errors: ENOTSUP as `create`; EINVAL no address."""
        _require_supported(dest)
        text = saved.string(DEST_IP)
        return cls(dest, None if text is None else _parse_ip(text), saved.uint16(DEST_PORT))

    def start(self) -> None:
        """Errors: EAGAIN a property is unset that the encapsulation needs (VPD-Q11)."""
        for name in self._names():
            if not self.getprop(name):
                raise VarpdError(Errno.EAGAIN, f"{name} is not set")

    def stop(self) -> None:
        """Nothing runs."""

    def destroy(self) -> None:
        """Nothing is held."""

    def default(self) -> Point:
        """The destination."""
        return Point(ip=self._ip or bytes(IP_SIZE), port=self._port or 0)

    def nprops(self) -> int:
        """One for each part of a destination."""
        return len(self._names())

    def propinfo(self, index: int) -> PropInfo:
        """See `SearchPlugin.propinfo`."""
        return _INFO[self._names()[index]]

    def getprop(self, name: str) -> bytes:
        """See `SearchPlugin.getprop`."""
        self._require_known(name)
        if name == DEST_IP:
            return self._ip or b""
        return b"" if self._port is None else uint_value(self._port)

    def setprop(self, name: str, value: bytes) -> None:
        """Errors: EINVAL unknown name, an IPv4-compatible or 6to4 address, port 0 or above 65535; EOVERFLOW too short a value."""
        self._require_known(name)
        setter: Callable[[bytes], None] = self._set_ip if name == DEST_IP else self._set_port
        setter(value)

    def save(self) -> NvList:
        """Port, then address, of what is set."""
        saved = NvList()
        if self._port is not None:
            saved.add_uint16(DEST_PORT, self._port)
        if self._ip is not None:
            saved.add_string(DEST_IP, socket.inet_ntop(socket.AF_INET6, self._ip))
        return saved

    def _names(self) -> list[str]:
        return [name for name, part in _PART.items() if part in self._dest]

    def _require_known(self, name: str) -> None:
        if name not in self._names():
            raise VarpdError(Errno.EINVAL, f"direct has no property {name!r}")

    def _set_ip(self, value: bytes) -> None:
        self._ip = read_ip(value)

    def _set_port(self, value: bytes) -> None:
        port = read_uint(value)
        if not PORT_MIN <= port <= PORT_MAX:
            raise VarpdError(Errno.EINVAL, f"{DEST_PORT} is within {PORT_MIN}..{PORT_MAX}, not {port}")
        self._port = port


def _parse_ip(text: str) -> bytes:
    """16 bytes from IPv6 text, or from a dotted quad (VPD-B57). Errors: EINVAL."""
    for family, prefix in ((socket.AF_INET6, b""), (socket.AF_INET, V4_MAPPED)):
        try:
            return prefix + socket.inet_pton(family, text)
        except (OSError, ValueError):  # ValueError: a NUL, or what no address holds
            continue
    raise VarpdError(Errno.EINVAL, f"{DEST_IP} is saved as {text!r}, which is no address")


PLUGIN = Direct
