"""Kernel statistics and the messages of /dev/kstat.

A statistic is named module:instance:name:statistic (KRN 6.13). Three commands: CHAIN lists the sets of statistics in pages, READ
gives the values of one, WALK those of all, as many sets a call as a reply has room for. Room for names is that of a link name
(31 characters), one more than the original's. Times are nanoseconds of the kernel's monotonic clock.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar, Final, Self

from kernel_sim.sys.codec._record import name_bytes, read, text, write
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.message import Buffer

KSTAT_IOC_CHAIN: Final = 0x4B01
KSTAT_IOC_READ: Final = 0x4B02
KSTAT_IOC_WALK: Final = 0x4B03
"""Argument: none. The first call of an open begins a walk; the answer is some sets (`pack_entries`), or nothing: the walk has ended, and
the next call begins another."""

KSTAT_TYPE_NAMED: Final = 1
"""The only type of set there is: named statistics."""

KSTAT_STRLEN: Final = 32
"""Bytes of a module, set, class or statistic name with its NUL."""
KSTAT_CHAIN_MAX: Final = 200
"""Most headers one CHAIN answers."""
_CHARS = 16
"""Bytes of a CHAR value."""


class KstatData(enum.IntEnum):
    """Types of a value. A CHAR is a text of at most 16 bytes, a STRING one of any length."""

    CHAR = 0
    INT32 = 1
    UINT32 = 2
    INT64 = 3
    UINT64 = 4
    STRING = 9


_TEXTS = {KstatData.CHAR, KstatData.STRING}
_NUMBERS = {
    KstatData.INT32: struct.Struct("=i12x"),
    KstatData.UINT32: struct.Struct("=I12x"),
    KstatData.INT64: struct.Struct("=q8x"),
    KstatData.UINT64: struct.Struct("=Q8x"),
}
_STRING = struct.Struct("=8xI4x")


@dataclass(slots=True, frozen=True)
class KstatNamed:
    """One statistic: a name, a type and a number or text."""

    name: str
    type: KstatData
    value: int | str

    @classmethod
    def u32(cls, name: str, value: int) -> Self:
        """A 32-bit counter, wrapped (KRN-I35)."""
        return cls(name, KstatData.UINT32, value & 0xFFFFFFFF)

    @classmethod
    def u64(cls, name: str, value: int) -> Self:
        """A 64-bit counter."""
        return cls(name, KstatData.UINT64, value & 0xFFFFFFFFFFFFFFFF)

    @classmethod
    def string(cls, name: str, value: str) -> Self:
        """A text."""
        return cls(name, KstatData.STRING, value)


@dataclass(slots=True, frozen=True)
class KstatHeader:
    """What names a set of statistics, and when it was made.

    0 module char[32], 32 instance i32, 36 name char[32], 68 class char[32], 100 pad, 104 crtime u64; 112 bytes.
    """

    _LAYOUT: ClassVar = struct.Struct(f"={KSTAT_STRLEN}si{KSTAT_STRLEN}s{KSTAT_STRLEN}s4xQ")
    SIZE: ClassVar[int] = 112

    module: str
    instance: int
    name: str
    klass: str = ""
    crtime: int = 0

    def pack(self) -> bytes:
        """112 bytes. Errors: EINVAL for a name that does not fit."""
        texts = [name_bytes(part, KSTAT_STRLEN, "kstat name") for part in (self.module, self.name, self.klass)]
        return write(self._LAYOUT, "KstatHeader", texts[0], self.instance, texts[1], texts[2], self.crtime)

    @classmethod
    def unpack(cls, buffer: Buffer) -> Self:
        """Errors: EFAULT when short."""
        module, instance, name, klass, crtime = read(cls._LAYOUT, buffer, "KstatHeader")
        return cls(text(module), instance, text(name), text(klass), crtime)


@dataclass(slots=True, frozen=True)
class KstatChain:
    """0 generation u64, 8 start u32, 12 total u32, 16 count u32, 20 pad, 24 headers (112 each).

    A request asks for the page that begins at index `start`, and carries no headers. An answer gives the generation of the chain
    (it changes when a set comes or goes), how many sets there are, and at most `KSTAT_CHAIN_MAX` headers.
    """

    _LAYOUT: ClassVar = struct.Struct("=QIII4x")
    SIZE: ClassVar[int] = 24

    start: int = 0
    generation: int = 0
    total: int = 0
    headers: tuple[KstatHeader, ...] = ()

    def pack(self) -> bytes:
        """24 bytes and 112 a header."""
        head = write(self._LAYOUT, "KstatChain", self.generation, self.start, self.total, len(self.headers))
        return head + b"".join(header.pack() for header in self.headers)

    @classmethod
    def unpack(cls, buffer: Buffer) -> Self:
        """Errors: EFAULT when short, also of headers."""
        generation, start, total, count = read(cls._LAYOUT, buffer, "KstatChain")
        end = cls.SIZE + count * KstatHeader.SIZE
        if len(buffer) < end:
            raise KernelError(Errno.EFAULT, f"KstatChain: {count} headers end at byte {end} of {len(buffer)}")
        places = range(cls.SIZE, end, KstatHeader.SIZE)
        headers = (KstatHeader.unpack(buffer[at : at + KstatHeader.SIZE]) for at in places)
        return cls(start, generation, total, tuple(headers))


@dataclass(slots=True, frozen=True)
class KstatEntry:
    """A set of statistics with its values.

    0 header (112), 112 snaptime u64 (when the values were read), 120 count u32, 124 pad, 128 records (52 each: 0 name char[32], 32 type
    u32, 36 value of 16 bytes), then the texts of the STRING values, in order, each with its NUL; their records hold the length with
    the NUL at byte 8 of the value. A READ request carries no records, class and times.
    """

    _RECORD: ClassVar = struct.Struct(f"={KSTAT_STRLEN}sI16s")
    _COUNT: ClassVar = struct.Struct("=QI4x")
    SIZE: ClassVar[int] = KstatHeader.SIZE + 16

    module: str
    instance: int
    name: str
    klass: str = ""
    stats: tuple[KstatNamed, ...] = ()
    crtime: int = 0
    snaptime: int = 0

    @property
    def header(self) -> KstatHeader:
        """All but values and the time they were read."""
        return KstatHeader(self.module, self.instance, self.name, self.klass, self.crtime)

    def pack(self) -> bytes:
        """The bytes. Errors: EINVAL for a name that does not fit, a value that its type cannot hold."""
        records: list[bytes] = []
        texts: list[bytes] = []
        for stat in self.stats:
            value, trailer = _pack_value(stat)
            name = name_bytes(stat.name, KSTAT_STRLEN, "statistic name")
            records.append(self._RECORD.pack(name, stat.type, value))
            texts.append(trailer)
        counted = write(self._COUNT, "KstatEntry", self.snaptime, len(records))
        return b"".join((self.header.pack(), counted, *records, *texts))

    @classmethod
    def unpack(cls, buffer: Buffer) -> Self:
        """Errors: EFAULT when short, also of records and texts; EINVAL for a type that is none."""
        header = KstatHeader.unpack(buffer)
        snaptime, count = read(cls._COUNT, buffer[KstatHeader.SIZE :], "KstatEntry")
        trailer = cls.SIZE + count * cls._RECORD.size
        if len(buffer) < trailer:
            raise KernelError(Errno.EFAULT, f"KstatEntry: {count} records end at byte {trailer} of {len(buffer)}")
        texts = bytes(buffer[trailer:])
        stats: list[KstatNamed] = []
        for name, kind, value in cls._RECORD.iter_unpack(bytes(buffer[cls.SIZE : trailer])):
            stat, texts = _unpack_value(text(name), kind, value, texts)
            stats.append(stat)
        return cls(header.module, header.instance, header.name, header.klass, tuple(stats), header.crtime, snaptime)


_LENGTH = struct.Struct("=I")


def pack_entries(entries: Iterable[bytes]) -> bytes:
    """What a WALK answers: packed sets, each after its length (u32)."""
    return b"".join(part for entry in entries for part in (_LENGTH.pack(len(entry)), entry))


def unpack_entries(buffer: bytes, wanted: Callable[[KstatHeader], bool] = lambda _header: True) -> list[KstatEntry]:
    """The wanted sets of a WALK's answer. Errors: those of `KstatEntry.unpack`, EFAULT also where a set is cut short."""
    found: list[KstatEntry] = []
    at = 0
    while at < len(buffer):
        (length,) = read(_LENGTH, buffer[at : at + _LENGTH.size], "KstatEntry length")
        at += _LENGTH.size
        if len(buffer) < at + length:
            raise KernelError(Errno.EFAULT, f"a set of {length} bytes, {len(buffer) - at} were given")
        entry = buffer[at : at + length]
        if wanted(KstatHeader.unpack(entry)):
            found.append(KstatEntry.unpack(entry))
        at += length
    return found


def _pack_value(stat: KstatNamed) -> tuple[bytes, bytes]:
    if isinstance(stat.value, str) != (stat.type in _TEXTS):
        raise KernelError(Errno.EINVAL, f"statistic {stat.name}: {stat.value!r} is no {stat.type.name}")
    if isinstance(stat.value, int):
        return write(_NUMBERS[stat.type], stat.name, stat.value), b""
    if stat.type is KstatData.CHAR:
        return name_bytes(stat.value, _CHARS + 1, stat.name).ljust(_CHARS, b"\0"), b""
    raw = stat.value.split("\0", 1)[0].encode("utf-8", "surrogateescape") + b"\0"
    return _STRING.pack(len(raw)), raw


def _unpack_value(name: str, kind: int, value: bytes, texts: bytes) -> tuple[KstatNamed, bytes]:
    if kind in _NUMBERS:
        known = KstatData(kind)
        return KstatNamed(name, known, _NUMBERS[known].unpack(value)[0]), texts
    if kind == KstatData.CHAR:
        return KstatNamed(name, KstatData.CHAR, text(value)), texts
    if kind != KstatData.STRING:
        raise KernelError(Errno.EINVAL, f"statistic {name} has the unknown type {kind}")
    (length,) = _STRING.unpack(value)
    if length > len(texts):
        raise KernelError(Errno.EFAULT, f"statistic {name}: a text of {length} bytes, {len(texts)} were given")
    return KstatNamed(name, KstatData.STRING, text(texts[:length])), texts[length:]
