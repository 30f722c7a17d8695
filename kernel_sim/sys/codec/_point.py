"""Where frames go: an underlay destination, and a target cache's entry for it (KRN 2.6). varpd's door carries both as well."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import ClassVar, Self

from kernel_sim.sys.codec._record import octets, read, write
from kernel_sim.sys.ethernet import ETHERADDRL, ZERO_MAC
from kernel_sim.sys.message import Buffer

_IP_LEN = 16


@dataclass(slots=True, frozen=True)
class Point:
    """An underlay destination: 0 mac u8[6], 8 ip u8[16] (network order, IPv4 mapped), 24 port u16 (host order); 28 bytes."""

    _LAYOUT: ClassVar = struct.Struct("=6s2x16sH2x")
    SIZE: ClassVar[int] = 28

    mac: bytes = ZERO_MAC
    ip: bytes = bytes(_IP_LEN)
    port: int = 0

    def pack(self) -> bytes:
        """28 bytes. Errors: EINVAL for an address of another length, a port out of range."""
        mac = octets(self.mac, ETHERADDRL, "MAC address")
        return write(self._LAYOUT, "Point", mac, octets(self.ip, _IP_LEN, "IP address"), self.port)

    @classmethod
    def unpack(cls, buffer: Buffer) -> Self:
        """Errors: EFAULT when short."""
        return cls(*read(cls._LAYOUT, buffer, "Point"))


@dataclass(slots=True, frozen=True)
class CacheEntry:
    """0 mac u8[6], 6 flags u16 (1 drop), 8 destination point (28); 36 bytes."""

    _LAYOUT: ClassVar = struct.Struct("=6sH28s")
    SIZE: ClassVar[int] = 36

    mac: bytes = ZERO_MAC
    flags: int = 0
    point: Point = field(default_factory=Point)

    def pack(self) -> bytes:
        """36 bytes."""
        mac = octets(self.mac, ETHERADDRL, "MAC address")
        return write(self._LAYOUT, "CacheEntry", mac, self.flags, self.point.pack())

    @classmethod
    def unpack(cls, buffer: Buffer) -> Self:
        """Errors: EFAULT when short."""
        mac, flags, point = read(cls._LAYOUT, buffer, "CacheEntry")
        return cls(mac, flags, Point.unpack(point))
