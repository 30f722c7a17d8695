"""A state file: everything needed to adopt an active instance again (VPD 6.2). Pure.

    0   4   "varp"
    4   4   version 1, in the host's byte order
    8  16   MD5 of all that follows
    24      name-value list: vri_id, vri_linkid, vri_dest, vri_mode, vri_plugin, vri_private

Its name is `<id>.varpd`.
"""

from __future__ import annotations

import hashlib
import re
import struct
from dataclasses import dataclass
from typing import Final, Self, TypeVar

from kernel_sim.sys.errno import Errno
from libvarpd import nvpair
from libvarpd.errors import VarpdError
from libvarpd.nvpair import NvList

MAGIC: Final = b"varp"
VERSION: Final = 1
_HEAD: Final = struct.Struct("=4sI16s")
HEADER_SIZE: Final = _HEAD.size
SIZE_MAX: Final = 1 << 20
"""Bytes of the largest state file; real ones have some hundred."""

SUFFIX: Final = ".varpd"
_NAME: Final = re.compile(r"(?:[ \t\n\v\f\r]*([+-]?)([0-9]+))?\.varpd", re.ASCII)
_U64_MAX: Final = (1 << 64) - 1
_T = TypeVar("_T")


@dataclass(slots=True, frozen=True)
class StateRecord:
    """The contents of a state file. `dest` is an or of `Dest` bits, `mode` a `TargMode`, `private` what the plugin saved."""

    id: int
    linkid: int
    dest: int
    mode: int
    plugin: str
    private: NvList

    def encode(self) -> bytes:
        """The bytes of the file. Errors: EINVAL for values the list cannot hold."""
        outer = NvList()
        outer.add_uint64("vri_id", self.id)
        outer.add_uint32("vri_linkid", self.linkid)
        outer.add_uint32("vri_dest", self.dest)
        outer.add_uint32("vri_mode", self.mode)
        outer.add_string("vri_plugin", self.plugin)
        outer.add_nvlist("vri_private", self.private)
        payload = nvpair.encode(outer)
        return _HEAD.pack(MAGIC, VERSION, _digest(payload)) + payload

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The record in a file's bytes. Errors: EINVAL, its detail says what is wrong (VPD-B51)."""
        if not HEADER_SIZE < len(data) <= SIZE_MAX:
            raise _invalid(f"a state file does not have {len(data)} bytes")
        magic, version, digest = _HEAD.unpack_from(data)
        payload = data[HEADER_SIZE:]
        if magic != MAGIC:
            raise _invalid(f"it begins with {magic!r}")
        if version != VERSION:
            raise _invalid(f"version {version}, {VERSION} is wanted")
        if digest != _digest(payload):
            raise _invalid("the checksum is wrong")
        outer = nvpair.decode(payload)
        return cls(
            _present("vri_id", outer.uint64("vri_id")),
            _present("vri_linkid", outer.uint32("vri_linkid")),
            _present("vri_dest", outer.uint32("vri_dest")),
            _present("vri_mode", outer.uint32("vri_mode")),
            _present("vri_plugin", outer.string("vri_plugin")),
            _present("vri_private", outer.nvlist("vri_private")),
        )


def file_name(instance: int) -> str:
    """The name of an instance's state file."""
    return f"{instance}{SUFFIX}"


def number_in(name: str) -> int | None:
    """The number a file name claims, None when it is no state file's name (VPD 6.4).

    As wide as the original's: white space and a sign may lead, a minus counts down from 2^64, and no digits at all are 0.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    sign, digits = match.groups()
    number = int(digits or "0")
    if number > _U64_MAX:
        return None
    return -number & _U64_MAX if sign == "-" else number


def _digest(payload: bytes) -> bytes:
    return hashlib.md5(payload, usedforsecurity=False).digest()


def _present(key: str, value: _T | None) -> _T:
    if value is None:
        raise _invalid(f"{key} is missing or of another type")
    return value


def _invalid(why: str) -> VarpdError:
    return VarpdError(Errno.EINVAL, why)
