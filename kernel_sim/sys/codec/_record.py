"""What all codecs share: reading and writing one `struct` layout, texts of fixed room, exact byte strings.

Whose fault it is: a buffer too short to hold the layout is EFAULT, as a bad user pointer is; a value that the layout cannot
hold is EINVAL. Native byte order, no alignment beyond what the layouts spell out; bytes after the layout are ignored.
"""

from __future__ import annotations

import struct
from typing import Any, ClassVar, Self

from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.message import Buffer


def read(layout: struct.Struct, buffer: Buffer, what: str) -> tuple[Any, ...]:
    """The fields at the start of `buffer`. Errors: EFAULT when it is too short."""
    if len(buffer) < layout.size:
        raise KernelError(Errno.EFAULT, f"{what} takes {layout.size} bytes, {len(buffer)} were given")
    return layout.unpack_from(buffer)


def write(layout: struct.Struct, what: str, *fields: object) -> bytes:
    """The bytes of a layout. Errors: EINVAL for a number that its field cannot hold."""
    try:
        return layout.pack(*fields)
    except struct.error as error:
        raise KernelError(Errno.EINVAL, f"{what}: {error}") from error


def octets(value: bytes, size: int, what: str) -> bytes:
    """`value`, which has to be exactly `size` bytes. Errors: EINVAL."""
    if len(value) != size:
        raise KernelError(Errno.EINVAL, f"{what} takes {size} bytes, {len(value)} were given")
    return value


def name_bytes(text: str, room: int, what: str) -> bytes:
    """A name for a field of `room` bytes with its NUL. Errors: EINVAL when it does not fit or holds a NUL."""
    raw = text.encode("utf-8", "surrogateescape")
    if len(raw) >= room or b"\0" in raw:
        raise KernelError(Errno.EINVAL, f"{what} {text!r} must be shorter than {room} bytes and hold no NUL")
    return raw


def message_bytes(text: str, room: int) -> bytes:
    """A text for a field of `room` bytes with its NUL, cut between characters to what fits, and at a NUL."""
    raw = text.split("\0", 1)[0].encode("utf-8", "replace")
    return raw if len(raw) < room else raw[: room - 1].decode("utf-8", "ignore").encode()


def text(raw: bytes) -> str:
    """The text up to the first NUL, or all of an unterminated field; bytes that are not UTF-8 become lone surrogates."""
    return raw.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


class Numbers:
    """A record whose fields are the struct's fields, one for one and in order: numbers, no texts."""

    __slots__: tuple[str, ...] = ()
    SIZE: ClassVar[int]
    _LAYOUT: ClassVar[struct.Struct]

    def pack(self) -> bytes:
        """The bytes of this record. Errors: EINVAL for a number out of range."""
        return write(self._LAYOUT, type(self).__name__, *(getattr(self, name) for name in self.__slots__))

    @classmethod
    def unpack(cls, buffer: Buffer) -> Self:
        """The record at the start of `buffer`. Errors: EFAULT when it is too short."""
        return cls(*read(cls._LAYOUT, buffer, cls.__name__))
