"""Messages of varpd's door, LP64, in native byte order (VPD 3.3). Pure.

    0  command u32     4  errno u32     8  one member of a union; a request has 616 bytes, a walk as many as its entries take

A reply is the request's bytes with the errno and the member filled in. Its errno is an illumos number, 0 for success. A request that
is none is answered by 8 bytes: command 0, errno.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass, field
from typing import ClassVar, Final, Protocol, Self

from kernel_sim.sys.codec import CacheEntry, Point
from kernel_sim.sys.errno import Errno
from kernel_sim.sys.overlay_common import OVERLAY_PROP_NAMELEN, OVERLAY_PROP_SIZEMAX
from kernel_sim.sys.overlay_target import MARKER_BEGIN
from libvarpd.errors import VarpdError


class Command(enum.IntEnum):
    """What a client asks."""

    INVALID = 0
    CREATE = 1
    ACTIVATE = 2
    DESTROY = 3
    NPROPS = 4
    PROPINFO = 5
    GETPROP = 6
    SETPROP = 7
    LOOKUP = 8
    TARGET_MODE = 9
    CACHE_FLUSH = 10
    CACHE_DELETE = 11
    CACHE_GET = 12
    CACHE_SET = 13
    CACHE_WALK = 14


COMMAND_MAX: Final = 15
"""The first number that is no command."""
BY_NAME: Final = 0xFFFFFFFF
"""Property index of a PROPINFO that goes by name."""

_HEADER: Final = struct.Struct("=II")
HEADER_SIZE: Final = _HEADER.size
REQUEST_SIZE: Final = 616
ERROR_SIZE: Final = HEADER_SIZE


class Member(Protocol):
    """A member of the union, as it stands from byte 8 of a message on."""

    def pack(self) -> bytes:
        """Its bytes. Errors: EINVAL for a value its field cannot hold."""

    @classmethod
    def unpack(cls, message: bytes) -> Self:
        """The member of a whole message of at least 616 bytes."""


class _Plain:
    """A member whose struct's fields are the class's fields, one for one."""

    __slots__: tuple[str, ...] = ()
    _LAYOUT: ClassVar[struct.Struct]

    def pack(self) -> bytes:
        """Its bytes. Errors: EINVAL for a value its field cannot hold."""
        return _pack(self._LAYOUT, *(getattr(self, name) for name in self.__slots__))

    @classmethod
    def unpack(cls, message: bytes) -> Self:
        """The member of a whole message of at least 616 bytes."""
        return cls(*cls._LAYOUT.unpack_from(message, HEADER_SIZE))


@dataclass(slots=True, frozen=True)
class Create:
    """8 linkid u32, 12 pad, 16 id u64 (out), 24 plugin char[64]; a name is cut at 63 bytes."""

    _LAYOUT: ClassVar = struct.Struct(f"=I4xQ{OVERLAY_PROP_NAMELEN}s")

    linkid: int
    plugin: str
    id: int = 0

    def pack(self) -> bytes:
        """80 bytes."""
        return _pack(self._LAYOUT, self.linkid, self.id, _name(self.plugin))

    @classmethod
    def unpack(cls, message: bytes) -> Self:
        """The member of a whole message."""
        linkid, instance, plugin = cls._LAYOUT.unpack_from(message, HEADER_SIZE)
        return cls(linkid, _text(plugin), instance)


@dataclass(slots=True, frozen=True)
class InstanceId(_Plain):
    """8 id u64."""

    _LAYOUT: ClassVar = struct.Struct("=Q")

    id: int


@dataclass(slots=True, frozen=True)
class Nprops(_Plain):
    """8 id u64, 16 count u32 (out), 20 pad."""

    _LAYOUT: ClassVar = struct.Struct("=QI4x")

    id: int
    count: int = 0


@dataclass(slots=True, frozen=True)
class Info:
    """8 id u64, 16 index u32 (`BY_NAME`: by name), then out: 20 type, 24 prot, 28 default size, 32 possible size u32, 36 pad.

    40 name char[64] (in when by name), 104 default u8[256], 360 possible values u8[256].
    """

    _LAYOUT: ClassVar = struct.Struct(f"=QIIIII4x{OVERLAY_PROP_NAMELEN}s{OVERLAY_PROP_SIZEMAX}s{OVERLAY_PROP_SIZEMAX}s")

    id: int
    index: int
    name: str = ""
    type: int = 0
    prot: int = 0
    default: bytes = b""
    possible: bytes = b""
    default_size: int = 0
    possible_size: int = 0

    def pack(self) -> bytes:
        """608 bytes."""
        numbers = (self.id, self.index, self.type, self.prot, self.default_size, self.possible_size)
        return _pack(self._LAYOUT, *numbers, _name(self.name), _room(self.default), _room(self.possible))

    @classmethod
    def unpack(cls, message: bytes) -> Self:
        """The member of a whole message; `default` and `possible` are all 256 bytes, whatever the sizes say."""
        number, index, kind, prot, defsize, posssize, name, default, possible = cls._LAYOUT.unpack_from(
            message, HEADER_SIZE
        )
        return cls(number, index, _text(name), kind, prot, default, possible, defsize, posssize)


@dataclass(slots=True, frozen=True)
class PropValue:
    """8 id u64, 16 index u32, 20 value u8[256], 276 pad, 280 value size u64 (the size a client claims; VPD-Q9)."""

    _LAYOUT: ClassVar = struct.Struct(f"=QI{OVERLAY_PROP_SIZEMAX}s4xQ")

    id: int
    index: int
    value: bytes = b""
    size: int = 0

    def pack(self) -> bytes:
        """280 bytes."""
        return _pack(self._LAYOUT, self.id, self.index, _room(self.value), self.size)

    @classmethod
    def unpack(cls, message: bytes) -> Self:
        """The member of a whole message; `value` has `size` bytes, or 256 when that is more."""
        number, index, value, size = cls._LAYOUT.unpack_from(message, HEADER_SIZE)
        return cls(number, index, value[:size], size)


@dataclass(slots=True, frozen=True)
class LinkLookup(_Plain):
    """8 linkid u32, 12 pad, 16 id u64 (out)."""

    _LAYOUT: ClassVar = struct.Struct("=I4xQ")

    linkid: int
    id: int = 0


@dataclass(slots=True, frozen=True)
class TargetMode(_Plain):
    """8 id u64, 16 destination bits u32 (out), 20 mode u32 (out)."""

    _LAYOUT: ClassVar = struct.Struct("=QII")

    id: int
    dest: int = 0
    mode: int = 0


@dataclass(slots=True, frozen=True)
class CacheArg:
    """8 id u64, 16 key MAC u8[6], 22 pad, 24 cache entry: MAC u8[6], flags u16, IP u8[16], port u16, pad."""

    _LAYOUT: ClassVar = struct.Struct("=Q6s2x6sH16sH6x")

    id: int
    entry: CacheEntry = field(default_factory=CacheEntry)

    def pack(self) -> bytes:
        """48 bytes."""
        point = self.entry.point
        return _pack(self._LAYOUT, self.id, self.entry.mac, point.mac, self.entry.flags, point.ip, point.port)

    @classmethod
    def unpack(cls, message: bytes) -> Self:
        """The member of a whole message."""
        number, key, mac, flags, ip, port = cls._LAYOUT.unpack_from(message, HEADER_SIZE)
        return cls(number, CacheEntry(key, flags, Point(mac, ip, port)))


@dataclass(slots=True, frozen=True)
class Walk:
    """8 id u64, 16 marker u8[8] (in and out), 24 count u64 (in and out), 32 entries of 36: key MAC, flags, MAC, pad, IP, port, pad."""

    _LAYOUT: ClassVar = struct.Struct("=Q8sQ")
    ENTRIES_AT: ClassVar[int] = HEADER_SIZE + _LAYOUT.size

    id: int
    marker: bytes = MARKER_BEGIN
    count: int = 0
    entries: tuple[CacheEntry, ...] = ()

    def pack(self) -> bytes:
        """24 bytes and 36 an entry."""
        head = _pack(self._LAYOUT, self.id, self.marker, self.count)
        return head + b"".join(entry.pack() for entry in self.entries)

    @classmethod
    def unpack(cls, message: bytes) -> Self:
        """The member of a whole message, without entries: only a reply has some."""
        return cls(*cls._LAYOUT.unpack_from(message, HEADER_SIZE))

    @classmethod
    def unpack_reply(cls, message: bytes) -> Self:
        """With the `count` entries that follow. Errors: EINVAL there is no room for so many."""
        asked = cls.unpack(message)
        if asked.count > cls.room(message):
            raise VarpdError(Errno.EINVAL, f"{asked.count} cache entries do not fit {len(message)} bytes")
        ends = range(cls.ENTRIES_AT, cls.ENTRIES_AT + asked.count * CacheEntry.SIZE, CacheEntry.SIZE)
        entries = tuple(CacheEntry.unpack(message[at : at + CacheEntry.SIZE]) for at in ends)
        return cls(asked.id, asked.marker, asked.count, entries)

    @classmethod
    def room(cls, message: bytes) -> int:
        """How many entries fit a message of that size (VPD-Q8)."""
        return (len(message) - cls.ENTRIES_AT) // CacheEntry.SIZE


def pack_request(command: Command, member: Member, size: int = REQUEST_SIZE) -> bytes:
    """A request of `size` bytes. Errors: EINVAL for a value its field cannot hold."""
    return (_HEADER.pack(command, 0) + member.pack()).ljust(size, b"\0")


def unpack_header(message: bytes) -> tuple[int, int]:
    """Command and errno of a message of at least 8 bytes."""
    command, errno = _HEADER.unpack_from(message)
    return command, errno


def pack_reply(request: bytes, errno: int, member: Member | None = None) -> bytes:
    """The reply to a request: its bytes, with errno and member put in place (VPD-I38)."""
    reply = bytearray(request)
    _HEADER.pack_into(reply, 0, unpack_header(request)[0], errno)
    if member is not None:
        body = member.pack()
        reply[HEADER_SIZE : HEADER_SIZE + len(body)] = body
    assert len(reply) == len(request), "a reply has the request's size"
    return bytes(reply)


def pack_error(errno: int) -> bytes:
    """The 8 bytes that answer what is no request."""
    return _HEADER.pack(Command.INVALID, errno)


def _pack(layout: struct.Struct, *fields: object) -> bytes:
    try:
        return layout.pack(*fields)
    except struct.error as error:
        raise VarpdError(Errno.EINVAL, f"door message: {error}") from error


def _name(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")[: OVERLAY_PROP_NAMELEN - 1]


def _text(raw: bytes) -> str:
    return raw[: OVERLAY_PROP_NAMELEN - 1].split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def _room(value: bytes) -> bytes:
    if len(value) > OVERLAY_PROP_SIZEMAX:
        raise VarpdError(Errno.EOVERFLOW, f"{len(value)} bytes; a value has at most {OVERLAY_PROP_SIZEMAX}")
    return value
