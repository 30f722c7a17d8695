"""Arguments of the target ioctls on /dev/overlay (KRN 2.6)."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import ClassVar, Self

from kernel_sim.sys.codec._point import CacheEntry, Point
from kernel_sim.sys.codec._record import Numbers, message_bytes, octets, read, text, write
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.ethernet import ZERO_MAC
from kernel_sim.sys.message import Buffer
from kernel_sim.sys.overlay_common import OVERLAY_STATUS_BUFLEN
from kernel_sim.sys.overlay_target import MARKER_BEGIN, MARKER_LEN

_LINKID = struct.Struct("=I")


@dataclass(slots=True, frozen=True)
class TargInfo(Numbers):
    """0 linkid u32, 4 needs u32 (`Dest`), 8 flags u64 (`TargInfoFlag`), 16 vnetid u64."""

    _LAYOUT: ClassVar = struct.Struct("=IIQQ")
    SIZE: ClassVar[int] = 24

    linkid: int
    needs: int = 0
    flags: int = 0
    vnetid: int = 0


@dataclass(slots=True, frozen=True)
class TargAssociate:
    """0 linkid u32, 4 mode u32 (`TargMode`), 8 id u64, 16 provides u32 (`Dest`), 20 point (28)."""

    _LAYOUT: ClassVar = struct.Struct("=IIQI28s")
    SIZE: ClassVar[int] = 48

    linkid: int
    mode: int
    id: int
    provides: int
    point: Point = field(default_factory=Point)

    def pack(self) -> bytes:
        """48 bytes."""
        point = self.point.pack()
        return write(self._LAYOUT, "TargAssociate", self.linkid, self.mode, self.id, self.provides, point)

    @classmethod
    def unpack(cls, buffer: Buffer) -> Self:
        """Errors: EFAULT when short."""
        linkid, mode, instance, provides, point = read(cls._LAYOUT, buffer, "TargAssociate")
        return cls(linkid, mode, instance, provides, Point.unpack(point))


@dataclass(slots=True, frozen=True)
class TargId(Numbers):
    """0 linkid u32: the argument of DISASSOCIATE and RESTORE."""

    _LAYOUT: ClassVar = _LINKID
    SIZE: ClassVar[int] = 4

    linkid: int


@dataclass(slots=True, frozen=True)
class TargDegrade:
    """0 linkid u32, 4 pad u32, 8 text char[256]. A longer text is cut to 255 bytes, an unterminated one too (KRN-Q29)."""

    _LAYOUT: ClassVar = struct.Struct(f"=I4x{OVERLAY_STATUS_BUFLEN}s")
    SIZE: ClassVar[int] = 264

    linkid: int
    message: str

    def pack(self) -> bytes:
        """264 bytes."""
        return write(self._LAYOUT, "TargDegrade", self.linkid, message_bytes(self.message, OVERLAY_STATUS_BUFLEN))

    @classmethod
    def unpack(cls, buffer: Buffer) -> Self:
        """Errors: EFAULT when short."""
        linkid, message = read(cls._LAYOUT, buffer, "TargDegrade")
        return cls(linkid, text(message[: OVERLAY_STATUS_BUFLEN - 1]))


@dataclass(slots=True, frozen=True)
class TargLookup(Numbers):
    """What a frame without a destination is, 72 bytes; it describes the first parked frame only.

    0 dlid, 8 reqid, 16 varpdid, 24 vnetid, 32 hdrsize, 40 pktsize u64, 48 srcaddr, 54 dstaddr u8[6], 60 dsttype u32 (`DstType`), 64
    sap u32, 68 vlan i32.
    """

    _LAYOUT: ClassVar = struct.Struct("=6Q6s6sIIi")
    SIZE: ClassVar[int] = 72

    dlid: int = 0
    reqid: int = 0
    varpdid: int = 0
    vnetid: int = 0
    hdrsize: int = 0
    pktsize: int = 0
    srcaddr: bytes = ZERO_MAC
    dstaddr: bytes = ZERO_MAC
    dsttype: int = 0
    sap: int = 0
    vlan: int = 0


@dataclass(slots=True, frozen=True)
class TargResp:
    """0 reqid u64, 8 answer point (28), 36 pad."""

    _LAYOUT: ClassVar = struct.Struct("=Q28s4x")
    SIZE: ClassVar[int] = 40

    reqid: int
    point: Point = field(default_factory=Point)

    def pack(self) -> bytes:
        """40 bytes."""
        return write(self._LAYOUT, "TargResp", self.reqid, self.point.pack())

    @classmethod
    def unpack(cls, buffer: Buffer) -> Self:
        """Errors: EFAULT when short."""
        reqid, point = read(cls._LAYOUT, buffer, "TargResp")
        return cls(reqid, Point.unpack(point))


@dataclass(slots=True, frozen=True)
class TargPkt:
    """0 linkid u64, 8 reqid u64, 16 size u64, 24 pointer u64 (0), then the frame's bytes.

    A PKT request carries the room it has in `size` and no bytes; INJECT and RESEND carry `size` bytes.
    """

    _LAYOUT: ClassVar = struct.Struct("=QQQ8x")
    SIZE: ClassVar[int] = 32

    linkid: int
    reqid: int
    size: int
    data: bytes = b""

    def pack(self) -> bytes:
        """32 bytes and the data."""
        return write(self._LAYOUT, "TargPkt", self.linkid, self.reqid, self.size) + self.data

    @classmethod
    def unpack(cls, buffer: Buffer) -> Self:
        """`data` is whatever follows, whether or not it is `size` bytes. Errors: EFAULT under 32 bytes."""
        linkid, reqid, size = read(cls._LAYOUT, buffer, "TargPkt")
        return cls(linkid, reqid, size, bytes(buffer[cls.SIZE :]))


@dataclass(slots=True, frozen=True)
class TargList:
    """0 nents u32, then linkid u32 each.

    A request carries the slots it has in `nents` and no ids; an answer the number of all overlays in `nents`, and the ids that
    the slots took.
    """

    _LAYOUT: ClassVar = _LINKID
    SIZE: ClassVar[int] = 4

    linkids: tuple[int, ...] = ()
    nents: int = 0

    def pack(self) -> bytes:
        """4 bytes and 4 an id."""
        ids = struct.Struct(f"={len(self.linkids)}I")
        return write(self._LAYOUT, "TargList", self.nents) + write(ids, "TargList", *self.linkids)

    @classmethod
    def unpack(cls, buffer: Buffer) -> Self:
        """All whole ids that follow are taken. Errors: EFAULT under 4 bytes."""
        (nents,) = read(cls._LAYOUT, buffer, "TargList")
        return cls(struct.unpack_from(f"={(len(buffer) - cls.SIZE) // 4}I", buffer, cls.SIZE), nents)


@dataclass(slots=True, frozen=True)
class TargCache:
    """0 linkid u32, 4 cache entry (36)."""

    _LAYOUT: ClassVar = struct.Struct("=I36s")
    SIZE: ClassVar[int] = 40

    linkid: int
    entry: CacheEntry = field(default_factory=CacheEntry)

    def pack(self) -> bytes:
        """40 bytes."""
        return write(self._LAYOUT, "TargCache", self.linkid, self.entry.pack())

    @classmethod
    def unpack(cls, buffer: Buffer) -> Self:
        """Errors: EFAULT when short."""
        linkid, entry = read(cls._LAYOUT, buffer, "TargCache")
        return cls(linkid, CacheEntry.unpack(entry))


@dataclass(slots=True, frozen=True)
class TargIter:
    """0 linkid u32, 4 pad, 8 marker u8[8], 16 count u16, 18 pad, 24 entries (36 each).

    A request carries how many it wants in `count` and no entries; an answer as many entries as `count` says.
    """

    _LAYOUT: ClassVar = struct.Struct("=I4x8sH6x")
    SIZE: ClassVar[int] = 24

    linkid: int
    marker: bytes = MARKER_BEGIN
    count: int = 0
    entries: tuple[CacheEntry, ...] = ()

    def pack(self) -> bytes:
        """24 bytes and 36 an entry."""
        marker = octets(self.marker, MARKER_LEN, "marker")
        head = write(self._LAYOUT, "TargIter", self.linkid, marker, self.count)
        return head + b"".join(entry.pack() for entry in self.entries)

    @classmethod
    def unpack(cls, buffer: Buffer) -> Self:
        """Errors: EFAULT when short, EINVAL when entries follow that are not `count` whole ones."""
        linkid, marker, count = read(cls._LAYOUT, buffer, "TargIter")
        body = bytes(buffer[cls.SIZE :])
        if body and len(body) != count * CacheEntry.SIZE:
            raise KernelError(
                Errno.EINVAL, f"TargIter: {count} entries take {count * CacheEntry.SIZE} bytes, not {len(body)}"
            )
        entries = (CacheEntry.unpack(body[at : at + CacheEntry.SIZE]) for at in range(0, len(body), CacheEntry.SIZE))
        return cls(linkid, marker, count, tuple(entries))
