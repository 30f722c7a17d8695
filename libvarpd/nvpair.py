"""Name-value lists and their XDR encoding, the payload of state files (VPD 6.2). Pure.

    list    u32 version 0, u32 flags 1 (names are unique), pairs, 8 zero bytes
    pair    u32 encoded size, u32 size in memory, name, u32 type, u32 element count 1, value

All numbers are big-endian, texts a u32 length and bytes padded to 4. Before the outermost list stand 4 bytes: 1 (XDR), 1 on a
little-endian host else 0, 0, 0. Encoding is deterministic, and decoding takes nothing that encoding would not give but for that
second byte.
"""

from __future__ import annotations

import enum
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from kernel_sim.sys.errno import Errno
from libvarpd.errors import VarpdError

_U32: Final = struct.Struct(">I")
_U64: Final = struct.Struct(">Q")
_XDR: Final = 1
_LIST_HEAD: Final = bytes.fromhex("00000000 00000001")
_LIST_END: Final = bytes(8)
_PAIR_HEADER_IN_MEMORY: Final = 16
_LIST_IN_MEMORY: Final = 24
_DEPTH_MAX: Final = 16
"""How deep lists may nest in a file; varpd's own have 2 levels."""


class NvType(enum.IntEnum):
    """Types of a value, by the original's codes."""

    UINT16 = 4
    UINT32 = 6
    UINT64 = 8
    STRING = 9
    NVLIST = 19


_NUMBER_BYTES: Final = {NvType.UINT16: 2, NvType.UINT32: 4, NvType.UINT64: 8}
NvValue: TypeAlias = "int | str | NvList"


class NvList:
    """An ordered list of typed values under unique names. Adding a name again moves it to the end."""

    __slots__ = ("_pairs",)

    def __init__(self) -> None:
        self._pairs: dict[str, tuple[NvType, NvValue]] = {}

    def add_uint16(self, name: str, value: int) -> None:
        """Errors: EINVAL out of range, or a name that cannot be encoded; the other `add_` methods likewise."""
        self._add_number(name, NvType.UINT16, value)

    def add_uint32(self, name: str, value: int) -> None:
        self._add_number(name, NvType.UINT32, value)

    def add_uint64(self, name: str, value: int) -> None:
        self._add_number(name, NvType.UINT64, value)

    def add_string(self, name: str, value: str) -> None:
        _checked_text(value)
        self._add(name, NvType.STRING, value)

    def add_nvlist(self, name: str, value: NvList) -> None:
        self._add(name, NvType.NVLIST, value)

    def uint16(self, name: str) -> int | None:
        """The value, None when there is none of that name and type; the other readers likewise."""
        return self._number(name, NvType.UINT16)

    def uint32(self, name: str) -> int | None:
        return self._number(name, NvType.UINT32)

    def uint64(self, name: str) -> int | None:
        return self._number(name, NvType.UINT64)

    def string(self, name: str) -> str | None:
        value = self._of_type(name, NvType.STRING)
        return value if isinstance(value, str) else None

    def nvlist(self, name: str) -> NvList | None:
        value = self._of_type(name, NvType.NVLIST)
        return value if isinstance(value, NvList) else None

    def __iter__(self) -> Iterator[tuple[str, NvType, NvValue]]:
        return ((name, kind, value) for name, (kind, value) in self._pairs.items())

    def __len__(self) -> int:
        return len(self._pairs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NvList) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"NvList({', '.join(f'{name}={value!r}' for name, _, value in self)})"

    def _add(self, name: str, kind: NvType, value: NvValue) -> None:
        _checked_text(name)
        self._pairs.pop(name, None)
        self._pairs[name] = (kind, value)

    def _add_number(self, name: str, kind: NvType, value: int) -> None:
        if not 0 <= value < 1 << (8 * _NUMBER_BYTES[kind]):
            raise VarpdError(Errno.EINVAL, f"{name}: {value} is no {kind.name.lower()}")
        self._add(name, kind, value)

    def _of_type(self, name: str, kind: NvType) -> NvValue | None:
        found = self._pairs.get(name)
        return found[1] if found is not None and found[0] is kind else None

    def _number(self, name: str, kind: NvType) -> int | None:
        value = self._of_type(name, kind)
        return value if isinstance(value, int) else None


def encode(nvlist: NvList) -> bytes:
    """The bytes of a list."""
    return bytes((_XDR, sys.byteorder == "little", 0, 0)) + _encode_list(nvlist)


def decode(data: bytes) -> NvList:
    """The list that `data` is, to its last byte. Errors: EINVAL for anything that is no such encoding."""
    if data[:1] != bytes((_XDR,)) or data[1:2] not in {b"\0", b"\1"} or data[2:4] != bytes(2):
        raise VarpdError(Errno.EINVAL, "not a name-value list in XDR")
    reader = _Reader(data, 4)
    nvlist = _decode_list(reader, 0)
    if reader.at != len(data):
        raise VarpdError(Errno.EINVAL, f"{len(data) - reader.at} bytes follow the name-value list")
    return nvlist


def _checked_text(text: str) -> bytes:
    try:
        raw = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise VarpdError(Errno.EINVAL, f"{text!r} cannot be encoded") from error
    if b"\0" in raw:
        raise VarpdError(Errno.EINVAL, f"{text!r} holds a NUL")
    return raw


def _round8(size: int) -> int:
    return -(-size // 8) * 8


def _encode_text(raw: bytes) -> bytes:
    return _U32.pack(len(raw)) + raw + bytes(-len(raw) % 4)


def _encode_value(kind: NvType, value: NvValue) -> bytes:
    if isinstance(value, NvList):
        return _encode_list(value)
    if isinstance(value, str):
        return _encode_text(_checked_text(value))
    return (_U64 if kind is NvType.UINT64 else _U32).pack(value)


def _value_in_memory(kind: NvType, value: NvValue) -> int:
    if isinstance(value, NvList):
        return _LIST_IN_MEMORY
    return len(_checked_text(value)) + 1 if isinstance(value, str) else _NUMBER_BYTES[kind]


def _pair_in_memory(name: bytes, kind: NvType, value: NvValue) -> int:
    return _round8(_PAIR_HEADER_IN_MEMORY + len(name) + 1) + _round8(_value_in_memory(kind, value))


def _encode_list(nvlist: NvList) -> bytes:
    pairs = []
    for name, kind, value in nvlist:
        raw = _checked_text(name)
        body = _encode_text(raw) + _U32.pack(kind) + _U32.pack(1) + _encode_value(kind, value)
        pairs.append(_U32.pack(len(body) + 8) + _U32.pack(_pair_in_memory(raw, kind, value)) + body)
    return _LIST_HEAD + b"".join(pairs) + _LIST_END


@dataclass(slots=True)
class _Reader:
    data: bytes
    at: int

    def take(self, size: int) -> bytes:
        piece = self.data[self.at : self.at + size]
        if len(piece) != size:
            raise VarpdError(Errno.EINVAL, f"the name-value list ends at byte {len(self.data)}, within a field")
        self.at += size
        return piece

    def u32(self) -> int:
        return int.from_bytes(self.take(4))

    def text(self) -> bytes:
        size = self.u32()
        raw = self.take(size)
        if b"\0" in raw or any(self.take(-size % 4)):
            raise VarpdError(Errno.EINVAL, f"a NUL within a text, or padding that is not, before byte {self.at}")
        return raw


def _decode_list(reader: _Reader, depth: int) -> NvList:
    if depth > _DEPTH_MAX or reader.take(len(_LIST_HEAD)) != _LIST_HEAD:
        raise VarpdError(Errno.EINVAL, f"no name-value list of version 0 with unique names before byte {reader.at}")
    nvlist = NvList()
    while True:
        start = reader.at
        encoded, in_memory = reader.u32(), reader.u32()
        if (encoded, in_memory) == (0, 0):
            return nvlist
        name, kind, value = _decode_pair(reader, depth)
        if reader.at - start != encoded or _pair_in_memory(name, kind, value) != in_memory:
            raise VarpdError(Errno.EINVAL, f"the pair at byte {start} is not as long as it says")
        before = len(nvlist)
        _add_decoded(nvlist, name.decode("utf-8", "surrogateescape"), kind, value)
        if len(nvlist) == before:
            raise VarpdError(Errno.EINVAL, f"the name at byte {start} occurs twice")


def _decode_pair(reader: _Reader, depth: int) -> tuple[bytes, NvType, NvValue]:
    name = reader.text()
    try:
        kind = NvType(reader.u32())
    except ValueError as error:
        raise VarpdError(Errno.EINVAL, f"a type that state files do not have before byte {reader.at}") from error
    if reader.u32() != 1:
        raise VarpdError(Errno.EINVAL, f"an element count other than 1 before byte {reader.at}")
    return name, kind, _decode_value(reader, kind, depth)


def _decode_value(reader: _Reader, kind: NvType, depth: int) -> NvValue:
    if kind is NvType.NVLIST:
        return _decode_list(reader, depth + 1)
    if kind is NvType.STRING:
        return reader.text().decode("utf-8", "surrogateescape")
    return int.from_bytes(reader.take(8)) if kind is NvType.UINT64 else reader.u32()


def _add_decoded(nvlist: NvList, name: str, kind: NvType, value: NvValue) -> None:
    if isinstance(value, NvList):
        nvlist.add_nvlist(name, value)
    elif isinstance(value, str):
        nvlist.add_string(name, value)
    elif kind is NvType.UINT16:
        nvlist.add_uint16(name, value)
    elif kind is NvType.UINT32:
        nvlist.add_uint32(name, value)
    else:
        nvlist.add_uint64(name, value)
