"""Arguments of the generic link ioctls on /dev/dld: attributes and link properties."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar, Self

from kernel_sim.sys.codec._record import Numbers, name_bytes, read, text, write
from kernel_sim.sys.dld import MAXLINKPROPNAME, MacProp
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.es import ZONENAME_MAX
from kernel_sim.sys.message import Buffer


@dataclass(slots=True, frozen=True)
class DldAttr(Numbers):
    """0 linkid u32, 4 max_sdu u32 (bytes of payload), 8 vid u16, 10 pad."""

    _LAYOUT: ClassVar = struct.Struct("=IIH2x")
    SIZE: ClassVar[int] = 12

    linkid: int
    max_sdu: int = 0
    vid: int = 0


@dataclass(slots=True, frozen=True)
class DldMacprop:
    """A link property, asked for or set; 276 bytes and the value.

    0 flags u32 (`MacPropFlag`), 4 linkid u32, 8 num i32 (`MacProp`), 12 perm u32 (`MacPropPerm`, out), 16 name char[256], 272 size
    u32, 276 value.

    `size` is the length of `value`. A GETMACPROP request carries no value, its answer one of any length: a property value
    (`macprop_value`, `macprop_read`), or with the flag POSSIBLE a `PropRange`.
    """

    _LAYOUT: ClassVar = struct.Struct(f"=IIiI{MAXLINKPROPNAME}sI")
    SIZE: ClassVar[int] = 276

    flags: int
    linkid: int
    num: int
    perm: int = 0
    name: str = ""
    value: bytes = b""

    def pack(self) -> bytes:
        """276 bytes and the value. Errors: EINVAL for a name of 256 bytes or more, a number out of range."""
        name = name_bytes(self.name, MAXLINKPROPNAME, "link property name")
        fields = (self.flags, self.linkid, self.num, self.perm, name, len(self.value))
        return write(self._LAYOUT, "DldMacprop", *fields) + self.value

    @classmethod
    def unpack(cls, buffer: Buffer) -> Self:
        """Errors: EFAULT when short, also of the value."""
        flags, linkid, num, perm, name, size = read(cls._LAYOUT, buffer, "DldMacprop")
        if len(buffer) - cls.SIZE < size:
            raise KernelError(Errno.EFAULT, f"DldMacprop: a value of {size} bytes, {len(buffer) - cls.SIZE} were given")
        return cls(flags, linkid, num, perm, text(name), bytes(buffer[cls.SIZE : cls.SIZE + size]))


_VALUES = {
    MacProp.DUPLEX: struct.Struct("=I"),  # LinkDuplex
    MacProp.SPEED: struct.Struct("=Q"),  # bits a second
    MacProp.STATUS: struct.Struct("=i"),  # LinkState
    MacProp.MTU: struct.Struct("=I"),  # bytes of payload
}


def macprop_value(num: MacProp, value: int | str) -> bytes:
    """A link property's value: DUPLEX u32, SPEED u64 bit/s, STATUS i32, MTU u32; ZONE a NUL-terminated name ("" the global zone).

    Errors: EINVAL for a value that the layout cannot hold, ENOTSUP for a property without a known layout.
    """
    if num is MacProp.ZONE and isinstance(value, str):
        return name_bytes(value, ZONENAME_MAX, "zone name") + b"\0"
    layout = _VALUES.get(num)
    if layout is None:
        raise KernelError(Errno.ENOTSUP, f"link property {num!r} has no value layout for {value!r}")
    return write(layout, num.name, value)


def macprop_read(num: MacProp, value: bytes) -> int | str:
    """What `macprop_value` packed: a number, or the text of ZONE.

    Errors: EINVAL for bytes that are no such value, ENOTSUP for a property without a known layout.
    """
    if num is MacProp.ZONE:
        if not value.endswith(b"\0") or len(value) > ZONENAME_MAX:
            raise KernelError(Errno.EINVAL, f"a zone name has at most {ZONENAME_MAX - 1} bytes and a NUL")
        return text(value)
    layout = _VALUES.get(num)
    if layout is None:
        raise KernelError(Errno.ENOTSUP, f"link property {num!r} has no value layout")
    if len(value) != layout.size:
        raise KernelError(Errno.EINVAL, f"{num.name} takes {layout.size} bytes, {len(value)} were given")
    number: int = layout.unpack(value)[0]
    return number
