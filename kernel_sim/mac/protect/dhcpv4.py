"""DHCP messages (RFC 2131, RFC 2132).

0 op u8, 1 htype u8, 2 hlen u8, 3 hops u8, 4 xid u32, 8 secs u16, 10 flags u16, 12 ciaddr, 16 yiaddr, 20 siaddr, 24 giaddr,
28 chaddr u8[16], 44 sname u8[64], 108 file u8[128], 236 magic cookie u32, 240 options: code u8, length u8, data
"""

from __future__ import annotations

from typing import Final, NamedTuple

from kernel_sim.sys.ethernet import ETHERADDRL

PORTS: Final = (67, 68)
SMALLEST: Final = 240
"""Bytes of a message without options."""

REQUEST: Final = 3
ACK: Final = 5
NAK: Final = 6
RELEASE: Final = 7

REQUESTED_ADDRESS: Final = 50
MESSAGE_TYPE: Final = 53
CLIENT_ID: Final = 61
_OVERLOAD: Final = 52
_PAD: Final = 0
_END: Final = 255

_SNAME: Final = slice(44, 108)
_FILE: Final = slice(108, 236)
_OVERLOADED: Final = {b"\x01": (_FILE,), b"\x02": (_SNAME,), b"\x03": (_FILE, _SNAME)}


class Option(NamedTuple):
    """An option, put together from all its parts (RFC 3396); `whole` is False when a part is cut short."""

    value: bytes
    whole: bool


class Dhcpv4Message:
    """A view of a message of at least 240 bytes."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def xid(self) -> bytes:
        """The transaction id, four bytes."""
        return self._data[4:8]

    @property
    def hardware_address(self) -> bytes | None:
        """The client's address; None unless it is of six bytes."""
        return self._data[28:34] if self._data[2] == ETHERADDRL else None

    @property
    def type(self) -> int | None:
        """The message type; None if it has none."""
        option = self.option(MESSAGE_TYPE)
        return option.value[0] if option is not None and option.whole and len(option.value) == 1 else None

    def option(self, code: int) -> Option | None:
        """An option that is not empty; None if there is none.

        Where the message says so, the fields `file` and `sname` hold options, too.
        """
        parts, cut = _parts(self._data[SMALLEST:], code)
        overload, _ = _parts(self._data[SMALLEST:], _OVERLOAD)
        for field in _OVERLOADED.get(b"".join(overload), ()):
            more, also_cut = _parts(self._data[field], code)
            parts += more
            cut = cut or also_cut
        value = b"".join(parts)
        return Option(value, not cut) if value or cut else None


def _parts(options: bytes, code: int) -> tuple[list[bytes], bool]:
    """The values of every option of that code, and whether one of them is longer than what is there."""
    parts: list[bytes] = []
    at, end = 0, len(options)
    while at < end and options[at] != _END:
        if options[at] == _PAD:
            at += 1
            continue
        if at + 1 == end:
            return parts, options[at] == code
        start = at + 2
        stop = start + options[at + 1]
        if options[at] == code:
            parts.append(options[start:stop])
            if stop > end:
                return parts, True
        at = stop
    return parts, False
