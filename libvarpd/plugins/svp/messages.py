"""What SVP says: opcodes, statuses, and a value for each message and log record (SVP 4, 5, 6).

Guest, underlay and compute node addresses are 16 bytes here as on the wire, IPv4 mapped (SVP-I7); MAC addresses are 6 bytes, event ids
the 16 bytes of a UUID in the order of its text (SVP-I9). Bytes that only pad are no part of a value (SVP-I6).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import ClassVar, Final, TypeAlias

VERSION_ONE: Final = 1
VERSION_TWO: Final = 2
VERSION_CURRENT: Final = VERSION_TWO

SERVER_PORT: Final = 1296
"""TCP; services name `portolan`."""
UNDERLAY_PORT: Final = 1339
"""Services name `svp-underlay`; nothing listens there (SVP 2)."""

NO_ADDRESS: Final = bytes(16)
NO_MAC: Final = bytes(6)
MAPPED: Final = bytes(10) + b"\xff\xff"
"""What an IPv4 address begins with when it is mapped."""


class Op(enum.IntEnum):
    """Kinds of messages. The answer to a request is the request's number and one."""

    UNKNOWN = 0
    PING = 1
    PONG = 2
    VL2_REQ = 3
    VL2_ACK = 4
    VL3_REQ = 5
    VL3_ACK = 6
    BULK_REQ = 7
    BULK_ACK = 8
    LOG_REQ = 9
    LOG_ACK = 10
    LOG_RM = 11
    LOG_RM_ACK = 12
    SHOOTDOWN = 13
    ROUTE_REQ = 14
    ROUTE_ACK = 15


REQUESTS: Final = (Op.PING, Op.VL2_REQ, Op.VL3_REQ, Op.BULK_REQ, Op.LOG_REQ, Op.LOG_RM, Op.ROUTE_REQ)
"""What a client asks. SHOOTDOWN is no request: it has no answer."""


class Status(enum.IntEnum):
    """How a request went."""

    OK = 0
    FATAL = 1
    NOTFOUND = 2
    BADL3TYPE = 3
    BADBULK = 4


class Vl3Type(enum.IntEnum):
    """Address family of a VL3 request. Released clients send others as well, and servers look at the address only (SVP-I17)."""

    IP = 1
    IPV6 = 2


class BulkType(enum.IntEnum):
    """Table that a bulk request asks for."""

    VL2 = 1
    VL3 = 2


class LogType(enum.IntEnum):
    """Kinds of log records."""

    VL2 = 1
    VL3 = 2
    ROUTE = 3


@dataclass(slots=True, frozen=True)
class Ping:
    """Are you there; in version 2 also: which version shall we speak."""

    op: ClassVar = Op.PING


@dataclass(slots=True, frozen=True)
class Pong:
    """The answer to `Ping`."""

    op: ClassVar = Op.PONG


@dataclass(slots=True, frozen=True)
class Vl2Req:
    """Where is that MAC address?"""

    op: ClassVar = Op.VL2_REQ
    mac: bytes
    vnet_id: int


@dataclass(slots=True, frozen=True)
class Vl2Ack:
    """It is there. All but the status is zero unless the status is OK, here and in the other answers (SVP-I13)."""

    op: ClassVar = Op.VL2_ACK
    status: int
    port: int = 0
    address: bytes = NO_ADDRESS


@dataclass(slots=True, frozen=True)
class Vl3Req:
    """Who has that guest address, and where is it?"""

    op: ClassVar = Op.VL3_REQ
    address: bytes
    type: int
    vnet_id: int


@dataclass(slots=True, frozen=True)
class Vl3Ack:
    """That MAC address has it, and is there. A router has port 0 and address `::` in version 2."""

    op: ClassVar = Op.VL3_ACK
    status: int
    mac: bytes = NO_MAC
    port: int = 0
    address: bytes = NO_ADDRESS


@dataclass(slots=True, frozen=True)
class BulkReq:
    """Give me a whole table. Nobody ever defined how."""

    op: ClassVar = Op.BULK_REQ
    type: int


@dataclass(slots=True, frozen=True)
class BulkAck:
    """The answer to `BulkReq`; the data have no defined form."""

    op: ClassVar = Op.BULK_ACK
    status: int
    type: int = 0
    data: bytes = b""


@dataclass(slots=True, frozen=True)
class LogReq:
    """What is there for me to forget or announce? `count` is the bytes of records that I can take, `address` who I am."""

    op: ClassVar = Op.LOG_REQ
    count: int
    address: bytes


@dataclass(slots=True, frozen=True)
class Vl2Record:
    """Forget where that MAC address is (32 bytes)."""

    type: ClassVar = LogType.VL2
    size: ClassVar = 32
    id: bytes
    mac: bytes
    vnet_id: int


@dataclass(slots=True, frozen=True)
class Vl3Record:
    """Look that guest address up again and announce it (44 bytes). VLAN 0 is none."""

    type: ClassVar = LogType.VL3
    size: ClassVar = 44
    id: bytes
    address: bytes
    vlan: int
    vnet_id: int


@dataclass(slots=True, frozen=True)
class RouteRecord:
    """Forget the routes between two subnets (72 bytes, version 2 only). Prefix lengths are those of IPv6: 96 more for IPv4."""

    type: ClassVar = LogType.ROUTE
    size: ClassVar = 72
    id: bytes
    src_vnet_id: int
    dst_vnet_id: int
    dcid: int
    src_address: bytes
    dst_address: bytes
    src_vlan: int
    dst_vlan: int
    src_prefix: int
    dst_prefix: int


Record: TypeAlias = Vl2Record | Vl3Record | RouteRecord


@dataclass(slots=True, frozen=True)
class LogAck:
    """The oldest events for whoever asked, in order."""

    op: ClassVar = Op.LOG_ACK
    status: int
    records: tuple[Record, ...] = ()


@dataclass(slots=True, frozen=True)
class LogRm:
    """These events are dealt with."""

    op: ClassVar = Op.LOG_RM
    ids: tuple[bytes, ...]


@dataclass(slots=True, frozen=True)
class LogRmAck:
    """The answer to `LogRm`, one for all ids."""

    op: ClassVar = Op.LOG_RM_ACK
    status: int


@dataclass(slots=True, frozen=True)
class Shootdown:
    """You sent me a frame for a MAC address that is not here. From one compute node to another, without an answer; nobody ever sent it."""

    op: ClassVar = Op.SHOOTDOWN
    mac: bytes
    vnet_id: int


@dataclass(slots=True, frozen=True)
class RouteReq:
    """Where does traffic between two guest addresses of different networks go? (version 2)"""

    op: ClassVar = Op.ROUTE_REQ
    vnet_id: int
    vlan: int
    src_address: bytes
    dst_address: bytes


@dataclass(slots=True, frozen=True)
class RouteAck:
    """It goes there, from one MAC address to the other (version 2). Prefix lengths are those of the address family, 0 to 32 for IPv4."""

    op: ClassVar = Op.ROUTE_ACK
    status: int
    dcid: int = 0
    vnet_id: int = 0
    vlan: int = 0
    port: int = 0
    address: bytes = NO_ADDRESS
    src_mac: bytes = NO_MAC
    dst_mac: bytes = NO_MAC
    src_prefix: int = 0
    dst_prefix: int = 0


Message: TypeAlias = (
    Ping
    | Pong
    | Vl2Req
    | Vl2Ack
    | Vl3Req
    | Vl3Ack
    | BulkReq
    | BulkAck
    | LogReq
    | LogAck
    | LogRm
    | LogRmAck
    | Shootdown
    | RouteReq
    | RouteAck
)


def is_mapped(address: bytes) -> bool:
    """Whether 16 bytes are an IPv4 address."""
    return address.startswith(MAPPED)
