"""Arguments of this project's own ioctls on /dev/dld (`sys.es`)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar, Self

from kernel_sim.sys.codec._record import Numbers, name_bytes, octets, read, text, write
from kernel_sim.sys.dld import MAXLINKNAMELEN
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.es import ZONENAME_MAX
from kernel_sim.sys.ethernet import ETHERADDRL
from kernel_sim.sys.message import Buffer


@dataclass(slots=True, frozen=True)
class EsNameSet:
    """A link's name as dlmgmtd pushes it, 108 bytes.

    0 linkid u32, 4 link_class u32 (`DatalinkClass`), 8 flags u32 (`DatalinkFlag`), 12 name char[32], 44 zone char[64] ("" the global zone).
    """

    _LAYOUT: ClassVar = struct.Struct(f"=III{MAXLINKNAMELEN}s{ZONENAME_MAX}s")
    SIZE: ClassVar[int] = 108

    linkid: int
    link_class: int
    flags: int
    name: str
    zone: str = ""

    def pack(self) -> bytes:
        """108 bytes. Errors: EINVAL for a name that does not fit."""
        name = name_bytes(self.name, MAXLINKNAMELEN, "link name")
        zone = name_bytes(self.zone, ZONENAME_MAX, "zone name")
        return write(self._LAYOUT, "EsNameSet", self.linkid, self.link_class, self.flags, name, zone)

    @classmethod
    def unpack(cls, buffer: Buffer) -> Self:
        """Errors: EFAULT when short."""
        linkid, link_class, flags, name, zone = read(cls._LAYOUT, buffer, "EsNameSet")
        return cls(linkid, link_class, flags, text(name), text(zone))


@dataclass(slots=True, frozen=True)
class EsNameClear(Numbers):
    """0 linkid u32."""

    _LAYOUT: ClassVar = struct.Struct("=I")
    SIZE: ClassVar[int] = 4

    linkid: int


@dataclass(slots=True, frozen=True)
class EsPhysEntry:
    """A physical link, 52 bytes.

    0 ifindex u32, 4 mtu u32, 8 speed u32 (Mbit/s, 0 unknown), 12 mac u8[6], 18 up u8, 19 duplex u8 (`LinkDuplex`), 20 name char[32].
    """

    _LAYOUT: ClassVar = struct.Struct(f"=III6sBB{MAXLINKNAMELEN}s")
    SIZE: ClassVar[int] = 52

    ifindex: int
    name: str
    mac: bytes
    mtu: int
    up: bool
    speed: int = 0
    duplex: int = 0

    def pack(self) -> bytes:
        """52 bytes. Errors: EINVAL for a name or address that does not fit."""
        mac = octets(self.mac, ETHERADDRL, "MAC address")
        name = name_bytes(self.name, MAXLINKNAMELEN, "link name")
        return write(self._LAYOUT, "EsPhysEntry", self.ifindex, self.mtu, self.speed, mac, self.up, self.duplex, name)

    @classmethod
    def unpack(cls, buffer: Buffer) -> Self:
        """Errors: EFAULT when short."""
        ifindex, mtu, speed, mac, up, duplex, name = read(cls._LAYOUT, buffer, "EsPhysEntry")
        return cls(ifindex, text(name), mac, mtu, bool(up), speed, duplex)


@dataclass(slots=True, frozen=True)
class EsPhysList:
    """0 generation u64, 8 count u32, 12 pad, 16 entries (52 each), in ifindex order."""

    _LAYOUT: ClassVar = struct.Struct("=QI4x")
    SIZE: ClassVar[int] = 16

    generation: int
    entries: tuple[EsPhysEntry, ...] = ()

    def pack(self) -> bytes:
        """16 bytes and 52 an entry."""
        head = write(self._LAYOUT, "EsPhysList", self.generation, len(self.entries))
        return head + b"".join(entry.pack() for entry in self.entries)

    @classmethod
    def unpack(cls, buffer: Buffer) -> Self:
        """Errors: EFAULT when short, also of entries."""
        generation, count = read(cls._LAYOUT, buffer, "EsPhysList")
        bodies = _bodies(buffer, cls.SIZE, count, EsPhysEntry.SIZE, "EsPhysList")
        return cls(generation, tuple(EsPhysEntry.unpack(body) for body in bodies))


@dataclass(slots=True, frozen=True)
class EsPhysWait(Numbers):
    """0 generation u64: the one last seen, in; the one now, out."""

    _LAYOUT: ClassVar = struct.Struct("=Q")
    SIZE: ClassVar[int] = 8

    generation: int


@dataclass(slots=True, frozen=True)
class EsLinkList:
    """0 start u32, 4 count u32, 8 links (`EsNameSet`, 108 each).

    A request asks for the links with ids from `start` on, and carries none; an answer repeats `start` and carries at most
    `ES_LINK_LIST_MAX` of them in ascending order of id, none at the end.
    """

    _LAYOUT: ClassVar = struct.Struct("=II")
    SIZE: ClassVar[int] = 8

    start: int = 0
    links: tuple[EsNameSet, ...] = ()

    def pack(self) -> bytes:
        """8 bytes and 108 a link."""
        head = write(self._LAYOUT, "EsLinkList", self.start, len(self.links))
        return head + b"".join(link.pack() for link in self.links)

    @classmethod
    def unpack(cls, buffer: Buffer) -> Self:
        """Errors: EFAULT when short, also of links."""
        start, count = read(cls._LAYOUT, buffer, "EsLinkList")
        bodies = _bodies(buffer, cls.SIZE, count, EsNameSet.SIZE, "EsLinkList")
        return cls(start, tuple(EsNameSet.unpack(body) for body in bodies))


def _bodies(buffer: Buffer, start: int, count: int, size: int, what: str) -> list[bytes]:
    if len(buffer) - start < count * size:
        raise KernelError(
            Errno.EFAULT, f"{what}: {count} entries take {count * size} bytes, {len(buffer) - start} were given"
        )
    return [bytes(buffer[at : at + size]) for at in range(start, start + count * size, size)]
