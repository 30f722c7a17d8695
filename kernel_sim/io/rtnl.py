"""rtnetlink messages: what the kernel tells about its links, read without decoding what nobody asks for.

Requests that change links go through pyroute2 (`linkconf`). Notifications are read here because each TAP causes several and
a full decode of one takes half a millisecond, this a few microseconds.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from kernel_sim.sys.message import Buffer


class Rtm(enum.IntEnum):
    """Message types."""

    NOOP = 1
    ERROR = 2
    DONE = 3
    NEWLINK = 16
    DELLINK = 17
    GETLINK = 18


class RtnlGroup(enum.IntFlag):
    """Multicast groups, as bits of a netlink address."""

    LINK = 0x1
    IPV4_IFADDR = 0x10
    IPV4_ROUTE = 0x40
    IPV6_IFADDR = 0x100
    IPV6_ROUTE = 0x400


ARPHRD_ETHER: Final = 1
_AF_UNSPEC: Final = 0
_NLM_F_REQUEST_DUMP: Final = 0x301
_IFF_UP: Final = 0x1
_IFF_RUNNING: Final = 0x40
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_GROUP = 1, 3, 4, 27
_WANTED: Final = frozenset({_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_MTU, _IFLA_GROUP})

_HEADER: Final = struct.Struct("=IHHII")
_IFINFO: Final = struct.Struct("=BxHiII")
_ATTRIBUTE: Final = struct.Struct("=HH")
_U32: Final = struct.Struct("=I")


@dataclass(slots=True, frozen=True)
class Link:
    """An interface as a link message describes it; `up` is its operational state."""

    ifindex: int
    kind: int
    name: str
    mac: bytes
    mtu: int
    group: int
    up: bool


def dump_request(sequence: int) -> bytes:
    """A request for all links."""
    size = _HEADER.size + _IFINFO.size
    return _HEADER.pack(size, Rtm.GETLINK, _NLM_F_REQUEST_DUMP, sequence, 0) + _IFINFO.pack(_AF_UNSPEC, 0, 0, 0, 0)


def messages(datagram: Buffer) -> Iterator[tuple[int, memoryview]]:
    """Type and payload of each message of a datagram; one that is cut short ends it."""
    view = memoryview(datagram)
    while len(view) >= _HEADER.size:
        length, kind, _flags, _sequence, _port = _HEADER.unpack_from(view)
        if not _HEADER.size <= length <= len(view):
            return
        yield kind, view[_HEADER.size : length]
        view = view[(length + 3) & ~3 :]


def parse_link(payload: memoryview) -> Link | None:
    """What a NEWLINK or DELLINK message says; None when it is about something else (a bridge's port) or cut short."""
    if len(payload) < _IFINFO.size:
        return None
    family, kind, ifindex, flags, _change = _IFINFO.unpack_from(payload)
    if family != _AF_UNSPEC:
        return None
    found = dict(_attributes(payload[_IFINFO.size :]))
    return Link(
        ifindex=ifindex,
        kind=kind,
        name=found.get(_IFLA_IFNAME, b"").split(b"\0", 1)[0].decode("utf-8", "surrogateescape"),
        mac=found.get(_IFLA_ADDRESS, b""),
        mtu=_number(found.get(_IFLA_MTU, b"")),
        group=_number(found.get(_IFLA_GROUP, b"")),
        up=flags & (_IFF_UP | _IFF_RUNNING) == _IFF_UP | _IFF_RUNNING,
    )


def _attributes(view: memoryview) -> Iterator[tuple[int, bytes]]:
    while len(view) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(view)
        if not _ATTRIBUTE.size <= length <= len(view):
            return
        if kind in _WANTED:
            yield kind, bytes(view[_ATTRIBUTE.size : length])
        view = view[(length + 3) & ~3 :]


def _number(value: bytes) -> int:
    return int(_U32.unpack(value)[0]) if len(value) == _U32.size else 0
