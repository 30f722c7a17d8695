"""`allowed-dhcp-cids`: the DHCP client ids and DUIDs that a link may send, at most 32 of at most 256 bytes.

| text                      | bytes (numbers in network order)                                  |
|---------------------------|-------------------------------------------------------------------|
| `1.HWTYPE.TIME.LLADDR`    | DUID-LLT: 0 type 1 u16, 2 hardware type u16, 4 time u32, 8 address |
| `2.NUMBER.HEX`            | DUID-EN: 0 type 2 u16, 2 enterprise number u32, 6 identifier       |
| `3.HWTYPE.LLADDR`         | DUID-LL: 0 type 3 u16, 2 hardware type u16, 4 address              |
| `TYPE.HEX`                | any other type: 0 type u16, 2 identifier                           |
| `0xHEX`                   | the bytes                                                          |
| anything else             | the text itself                                                    |

Digits and a dot at the start make a DUID. Numbers are in C's notation (decimal, `0x`, octal after `0`), link-layer addresses of any length
with colons, HEX an even number of digits. The form goes with the id, so it is shown as it was written.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence
from typing import Final

from dladm.libdladm.propvalue._linkaddr import aton, ntoa
from dladm.libdladm.propvalue._number import ULONG_MAX, strtoul
from dladm.libdladm.status import DladmError, Status
from kernel_sim.sys.codec import MacDhcpcid
from kernel_sim.sys.mac_flow import MPT_MAXCID, MPT_MAXCIDLEN, CidForm

USHRT_MAX: Final = 0xFFFF
UNKNOWN: Final = "<unknown>"
"""Shown for an id that has no text."""
DUID_LLT: Final = 1
DUID_EN: Final = 2
DUID_LL: Final = 3
_LLT: Final = struct.Struct(">HHI")
_EN: Final = struct.Struct(">HI")
_LL: Final = struct.Struct(">HH")
_OTHER: Final = struct.Struct(">H")

_TYPED: Final = re.compile(r"[0-9]+\.", re.ASCII)
_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{2})*", re.ASCII)


def parse(values: Sequence[str]) -> tuple[MacDhcpcid, ...]:
    """The ids in the order given.

    Errors: `DladmError`: BADVALCNT for more than 32 values; BADARG for a DUID or hexadecimal digits that cannot be read, and for more than
    256 bytes of digits; TOOSMALL for any other id over 256 bytes; BADARG for the same bytes twice (in the original the kernel's answer).
    """
    if len(values) > MPT_MAXCID:
        raise DladmError(Status.BADVALCNT)
    cids = tuple(map(_cid, values))
    if len({cid.cid for cid in cids}) < len(cids):
        raise DladmError(Status.BADARG)
    return cids


def format(cids: Sequence[MacDhcpcid]) -> tuple[str, ...]:  # noqa: A001
    """Each id in the form in which it was written; `<unknown>` for one that has no text, as a string that is not of printing ASCII."""
    return tuple(_TEXTS.get(cid.form, _no_text)(cid.cid) or UNKNOWN for cid in cids)


def _cid(value: str) -> MacDhcpcid:
    if _TYPED.match(value):
        form, cid = CidForm.TYPED, _duid(value)
    elif value[:2].lower() == "0x" and len(value) > 2:
        form, cid = CidForm.HEX, _octets(value[2:])
    else:
        form, cid = CidForm.STR, value.encode("utf-8", "surrogateescape")
    if len(cid) > MPT_MAXCIDLEN:
        raise DladmError(Status.TOOSMALL)
    return MacDhcpcid(cid, form)


def _duid(value: str) -> bytes:
    kind, rest = _number(value, USHRT_MAX)
    if kind == DUID_LLT:
        hardware, rest = _number(rest, USHRT_MAX)
        time, rest = _number(rest, ULONG_MAX)
        return _LLT.pack(kind, hardware, time) + _link_address(rest)
    if kind == DUID_EN:
        enterprise, rest = _number(rest, ULONG_MAX)
        return _EN.pack(kind, enterprise) + _octets(rest)
    if kind == DUID_LL:
        hardware, rest = _number(rest, USHRT_MAX)
        return _LL.pack(kind, hardware) + _link_address(rest)
    return _OTHER.pack(kind) + _octets(rest)


def _number(text: str, most: int) -> tuple[int, str]:
    """A number with the dot that ends it, and what follows the dot."""
    number, rest, fits = strtoul(text)
    if not text[:1].isdigit() or not fits or number > most or not rest.startswith("."):
        raise DladmError(Status.BADARG)
    return number, rest[1:]


def _link_address(text: str) -> bytes:
    address = aton(text)
    if address is None:
        raise DladmError(Status.BADARG)
    return address


def _octets(digits: str) -> bytes:
    if not _HEX.fullmatch(digits) or len(digits) > 2 * MPT_MAXCIDLEN:
        raise DladmError(Status.BADARG)
    return bytes.fromhex(digits)


def _no_text(_cid: bytes) -> None:
    return None


def _duid_text(cid: bytes) -> str | None:
    if len(cid) < _OTHER.size:
        return None
    kind = _OTHER.unpack_from(cid)[0]
    head, tail = _SHAPES.get(kind, (_OTHER, _hex))
    if len(cid) < head.size or (tail is ntoa and len(cid) == head.size):
        return None
    numbers = ".".join(map(str, head.unpack_from(cid)))
    return f"{numbers}.{tail(cid[head.size :])}"


def _hex(octets: bytes) -> str:
    return octets.hex().upper()


def _hex_text(cid: bytes) -> str | None:
    return f"0x{_hex(cid)}" if cid else None


def _string_text(cid: bytes) -> str | None:
    text = cid.decode("ascii", "replace")
    return text if text.isascii() and text.isprintable() else None


_SHAPES: Final[dict[int, tuple[struct.Struct, Callable[[bytes], str]]]] = {
    DUID_LLT: (_LLT, ntoa),
    DUID_EN: (_EN, _hex),
    DUID_LL: (_LL, ntoa),
}
"""The numbers at the head of a DUID, and how what follows them is written."""
_TEXTS: Final[dict[int, Callable[[bytes], str | None]]] = {
    CidForm.TYPED: _duid_text,
    CidForm.HEX: _hex_text,
    CidForm.STR: _string_text,
}
