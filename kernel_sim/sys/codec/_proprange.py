"""The descriptor of a property's possible values (`mac_propval_range`), 256 bytes."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar, Self

from kernel_sim.sys.codec._record import read, text
from kernel_sim.sys.dld import PropvalType
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.message import Buffer
from kernel_sim.sys.overlay_common import OVERLAY_PROP_SIZEMAX

_HEAD = struct.Struct("=II")
_PAIR = struct.Struct("=II")
_NEXT = struct.Struct("=I")
_EMPTY_SIZE = 16
"""What an empty descriptor counts, though it fills 8 bytes (KRN 1.6)."""
_TEXTS_AT = _HEAD.size + _NEXT.size


@dataclass(slots=True, frozen=True)
class PropRange:
    """Possible values of a property: ranges of numbers, or strings.

    0 count u32, 4 kind u32 (0 u8, 1 u32, 2 strings), then from 8 pairs (min u32, max u32), or 8 next free byte u32 and from 12
    NUL-terminated strings back to back. As in the original, an addition that would pass 256 bytes, or is of another kind than
    what is there, is dropped without a word; so is what a constructor call gives too much.
    """

    SIZE: ClassVar[int] = OVERLAY_PROP_SIZEMAX

    kind: PropvalType = PropvalType.UINT8
    ranges: tuple[tuple[int, int], ...] = ()
    strings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        ranges, strings = self.ranges, self.strings
        object.__setattr__(self, "ranges", ())
        object.__setattr__(self, "strings", ())
        for low, high in ranges:
            self._add_range(low, high)
        for string in strings:
            self._add_string(string)

    @classmethod
    def of_ranges(cls, *ranges: tuple[int, int]) -> Self:
        """Ranges of u32 values, both ends included."""
        return cls(PropvalType.UINT32, ranges=ranges)

    @classmethod
    def of_strings(cls, *strings: str) -> Self:
        """The strings allowed."""
        return cls(PropvalType.STRING, strings=strings)

    @property
    def count(self) -> int:
        """How many ranges or strings it holds."""
        return len(self.ranges) + len(self.strings)

    @property
    def size(self) -> int:
        """Bytes as the original counts them (`posssize`): 16, and 8 a range or the length and NUL of each string."""
        texts = sum(len(_encoded(string)) + 1 for string in self.strings)
        return _EMPTY_SIZE + _PAIR.size * len(self.ranges) + texts

    def with_range(self, low: int, high: int) -> Self:
        """One more range, where it fits."""
        kind = self.kind if self.count else PropvalType.UINT32
        return type(self)(kind, (*self.ranges, (low, high)), self.strings)

    def with_string(self, string: str) -> Self:
        """One more string, where it fits."""
        kind = self.kind if self.count else PropvalType.STRING
        return type(self)(kind, self.ranges, (*self.strings, string))

    def _add_range(self, low: int, high: int) -> None:
        if self.kind is PropvalType.UINT32 and self.size + _PAIR.size <= self.SIZE:
            object.__setattr__(self, "ranges", (*self.ranges, (low, high)))

    def _add_string(self, string: str) -> None:
        whole = string.split("\0", 1)[0]
        if self.kind is PropvalType.STRING and self.size + len(_encoded(whole)) + 1 <= self.SIZE:
            object.__setattr__(self, "strings", (*self.strings, whole))

    def pack(self) -> bytes:
        """All 256 bytes, the unused ones zero. Errors: EINVAL for an end of a range outside u32."""
        try:
            pairs = b"".join(_PAIR.pack(low, high) for low, high in self.ranges)
        except struct.error as error:
            raise KernelError(Errno.EINVAL, f"PropRange: {self.ranges}: {error}") from error
        texts = b"".join(_encoded(string) + b"\0" for string in self.strings)
        next_free = _NEXT.pack(len(texts)) if self.kind is PropvalType.STRING else b""
        return (_HEAD.pack(self.count, self.kind) + pairs + next_free + texts).ljust(self.SIZE, b"\0")

    @classmethod
    def unpack(cls, buffer: Buffer) -> Self:
        """A descriptor from as many bytes as there are, up to 256. Errors: EFAULT under 8 bytes; EINVAL when it contradicts itself."""
        count, kind = read(_HEAD, buffer, cls.__name__)
        body = bytes(buffer[_HEAD.size : cls.SIZE])
        if kind == PropvalType.UINT32 and count * _PAIR.size <= len(body):
            return cls.of_ranges(*_PAIR.iter_unpack(body[: count * _PAIR.size]))
        if kind == PropvalType.STRING and len(body) >= _NEXT.size:
            (next_free,) = _NEXT.unpack_from(body)
            pieces = body[_NEXT.size : _NEXT.size + next_free].split(b"\0")
            if len(pieces) == count + 1 and not pieces[-1] and next_free <= len(body) - _NEXT.size:
                return cls.of_strings(*(text(piece) for piece in pieces[:-1]))
        if kind == PropvalType.UINT8 and not count:
            return cls()
        raise KernelError(Errno.EINVAL, f"PropRange of kind {kind} cannot hold {count} values in {len(buffer)} bytes")


def _encoded(string: str) -> bytes:
    return string.encode("utf-8", "surrogateescape")
