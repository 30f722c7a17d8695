"""Arguments of the overlay driver's control ioctls on /dev/dld (KRN 1.6)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import ClassVar, Self

from kernel_sim.sys.codec._proprange import PropRange
from kernel_sim.sys.codec._record import Numbers, message_bytes, name_bytes, octets, read, text, write
from kernel_sim.sys.dld import MAXLINKNAMELEN
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.message import Buffer
from kernel_sim.sys.overlay_common import OVERLAY_PROP_NAMELEN, OVERLAY_PROP_SIZEMAX, OVERLAY_STATUS_BUFLEN


@dataclass(slots=True, frozen=True)
class OverlayCreate:
    """0 linkid u32, 4 filler u32, 8 vnetid u64, 16 encap char[32].

    After `unpack`, an `encap` that was not terminated is all its 32 bytes, and one that is not UTF-8 holds lone surrogates:
    CREATE judges both (EINVAL).
    """

    _LAYOUT: ClassVar = struct.Struct(f"=I4xQ{MAXLINKNAMELEN}s")
    SIZE: ClassVar[int] = 48

    linkid: int
    vnetid: int
    encap: str

    def pack(self) -> bytes:
        """48 bytes. Errors: EINVAL for a name of 32 bytes or more, a number out of range."""
        encap = name_bytes(self.encap, MAXLINKNAMELEN, "encapsulation plugin name")
        return write(self._LAYOUT, "OverlayCreate", self.linkid, self.vnetid, encap)

    @classmethod
    def unpack(cls, buffer: Buffer) -> Self:
        """Errors: EFAULT when short."""
        linkid, vnetid, encap = read(cls._LAYOUT, buffer, "OverlayCreate")
        return cls(linkid, vnetid, text(encap))


@dataclass(slots=True, frozen=True)
class OverlayLink(Numbers):
    """0 linkid u32: the argument of ACTIVATE and DELETE."""

    _LAYOUT: ClassVar = struct.Struct("=I")
    SIZE: ClassVar[int] = 4

    linkid: int


@dataclass(slots=True, frozen=True)
class OverlayNprops(Numbers):
    """0 linkid u32, 4 nprops i32 (out)."""

    _LAYOUT: ClassVar = struct.Struct("=Ii")
    SIZE: ClassVar[int] = 8

    linkid: int
    nprops: int = 0


_PROP_HEAD = struct.Struct(f"=Ii{OVERLAY_PROP_NAMELEN}s")


def _prop_head(buffer: Buffer, size: int, what: str) -> tuple[int, int, str]:
    if len(buffer) < size:
        raise KernelError(Errno.EFAULT, f"{what} takes {size} bytes, {len(buffer)} were given")
    linkid, prop, name = _PROP_HEAD.unpack_from(buffer)
    return linkid, prop, text(name[: OVERLAY_PROP_NAMELEN - 1])


@dataclass(slots=True, frozen=True)
class OverlayPropinfo:
    """What a property is, 600 bytes.

    0 linkid u32, 4 id i32, 8 name char[64], 72 type u32, 76 prot u32, 80 default u8[256], 336 defsize u32, 340 posssize u32, 344 poss
    u8[256].

    `defsize` is the length of `default`, `posssize` is `poss.size`. Names end at byte 63 at the latest.
    """

    _LAYOUT: ClassVar = struct.Struct(f"=Ii{OVERLAY_PROP_NAMELEN}sII{OVERLAY_PROP_SIZEMAX}sII{OVERLAY_PROP_SIZEMAX}s")
    SIZE: ClassVar[int] = 600

    linkid: int
    id: int
    name: str = ""
    type: int = 0
    prot: int = 0
    default: bytes = b""
    poss: PropRange = field(default_factory=PropRange)

    def pack(self) -> bytes:
        """600 bytes. Errors: EINVAL for a name of 64 bytes or more, a default over 256."""
        return write(
            self._LAYOUT,
            "OverlayPropinfo",
            self.linkid,
            self.id,
            name_bytes(self.name, OVERLAY_PROP_NAMELEN, "property name"),
            self.type,
            self.prot,
            _value(self.default),
            len(self.default),
            self.poss.size,
            self.poss.pack(),
        )

    @classmethod
    def unpack(cls, buffer: Buffer) -> Self:
        """Errors: EFAULT when short, EINVAL for a default over 256 bytes or a descriptor that contradicts itself."""
        linkid, prop, name = _prop_head(buffer, cls.SIZE, "OverlayPropinfo")
        *_, kind, prot, default, defsize, _posssize, poss = cls._LAYOUT.unpack_from(buffer)
        return cls(linkid, prop, name, kind, prot, _used(default, defsize), PropRange.unpack(poss))

    @classmethod
    def unpack_request(cls, buffer: Buffer) -> Self:
        """The fields a caller fills (linkid, id, name); the rest may be anything. Errors: EFAULT when short."""
        return cls(*_prop_head(buffer, cls.SIZE, "OverlayPropinfo"))


@dataclass(slots=True, frozen=True)
class OverlayProp:
    """0 linkid u32, 4 id i32, 8 name char[64], 72 value u8[256], 328 size u32. `size` is the length of `value`."""

    _LAYOUT: ClassVar = struct.Struct(f"=Ii{OVERLAY_PROP_NAMELEN}s{OVERLAY_PROP_SIZEMAX}sI")
    SIZE: ClassVar[int] = 332

    linkid: int
    id: int
    name: str = ""
    value: bytes = b""

    def pack(self) -> bytes:
        """332 bytes. Errors: EINVAL for a name of 64 bytes or more, a value over 256."""
        name = name_bytes(self.name, OVERLAY_PROP_NAMELEN, "property name")
        value = _value(self.value)
        return write(self._LAYOUT, "OverlayProp", self.linkid, self.id, name, value, len(value))

    @classmethod
    def unpack(cls, buffer: Buffer) -> Self:
        """Errors: EFAULT when short, EINVAL for a size over 256, which SETPROP tests before anything else."""
        linkid, prop, name = _prop_head(buffer, cls.SIZE, "OverlayProp")
        *_, value, size = cls._LAYOUT.unpack_from(buffer)
        return cls(linkid, prop, name, _used(value, size))

    @classmethod
    def unpack_request(cls, buffer: Buffer) -> Self:
        """The fields a caller of GETPROP fills (linkid, id, name); value and size may be anything. Errors: EFAULT when short."""
        return cls(*_prop_head(buffer, cls.SIZE, "OverlayProp"))


def _value(value: bytes) -> bytes:
    return value if len(value) <= OVERLAY_PROP_SIZEMAX else octets(value, OVERLAY_PROP_SIZEMAX, "property value")


def _used(value: bytes, size: int) -> bytes:
    if size > OVERLAY_PROP_SIZEMAX:
        raise KernelError(Errno.EINVAL, f"property value of {size} bytes, at most {OVERLAY_PROP_SIZEMAX} are allowed")
    return value[:size]


@dataclass(slots=True, frozen=True)
class OverlayStatus:
    """0 linkid u32, 4 status u32 (0 ok, 1 degraded), 8 message char[256]. A longer message is cut to 255 bytes."""

    _LAYOUT: ClassVar = struct.Struct(f"=II{OVERLAY_STATUS_BUFLEN}s")
    SIZE: ClassVar[int] = 264

    linkid: int
    status: int = 0
    message: str = ""

    def pack(self) -> bytes:
        """264 bytes."""
        message = message_bytes(self.message, OVERLAY_STATUS_BUFLEN)
        return write(self._LAYOUT, "OverlayStatus", self.linkid, self.status, message)

    @classmethod
    def unpack(cls, buffer: Buffer) -> Self:
        """Errors: EFAULT when short."""
        linkid, status, message = read(cls._LAYOUT, buffer, "OverlayStatus")
        return cls(linkid, status, text(message))
