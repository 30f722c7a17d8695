"""SVP's messages once more, declared with construct: to read, to document, and to test `wire` against (SVP 2, 5, 6).

All numbers are in network order, nothing is aligned. `LAYOUTS` has one declaration for each message's body and each log record, by the name
of its class in `messages`; `MESSAGE` puts the header before a body. Offsets in a body are counted from its start.

    header             0 version 2   2 op 2   4 size of the body 4   8 id 4   12 crc32 4

    Ping, Pong         nothing
    Vl2Req             0 mac 6   6 pad 2   8 vnet_id 4                                                                           12
    Vl2Ack             0 status 2   2 port 2   4 address 16                                                                      20
    Vl3Req             0 address 16   16 type 4   20 vnet_id 4                                                                   24
    Vl3Ack             0 status 4   4 mac 6   10 port 2   12 address 16                                                          28
    BulkReq            0 type 4                                                                                                   4
    BulkAck            0 status 4   4 type 4   8 data                                                                             8 + n
    LogReq             0 count 4   4 address 16                                                                                  20
    LogAck             0 status 4   4 records                                                                                     4 + n
    LogRm              0 count 4   4 ids 16 each                                                                                  4 + 16n
    LogRmAck           0 status 4                                                                                                 4
    Shootdown          0 mac 6   6 pad 2   8 vnet_id 4                                                                           12
    RouteReq           0 vnet_id 4   4 vlan 2   6 pad 2   8 src_address 16   24 dst_address 16                                   40
    RouteAck           0 status 4   4 dcid 4   8 vnet_id 4   12 vlan 2   14 port 2   16 address 16
                       32 src_mac 6   38 dst_mac 6   44 src_prefix 1   45 dst_prefix 1   46 pad 2                                48

    Vl2Record          0 type 4   4 id 16   20 mac 6   26 pad 2   28 vnet_id 4                                                   32
    Vl3Record          0 type 4   4 id 16   20 address 16   36 pad 2   38 vlan 2   40 vnet_id 4                                  44
    RouteRecord        0 type 4   4 id 16   20 src_vnet_id 4   24 dst_vnet_id 4   28 dcid 4   32 src_address 16
                       48 dst_address 16   64 src_vlan 2   66 dst_vlan 2   68 src_prefix 1   69 dst_prefix 1   70 pad 2          72

What pads is 0 when built and anything when parsed, but counts for the checksum (SVP-I6). The status is 2 bytes in Vl2Ack and 4 everywhere
else (SVP-I10).
"""

from __future__ import annotations

import zlib
from typing import Any

from construct import (  # type: ignore[import-untyped,unused-ignore]
    Bytes,
    Check,
    Const,
    GreedyBytes,
    GreedyRange,
    Int8ub,
    Int16ub,
    Int32ub,
    Padding,
    PrefixedArray,
    Rebuild,
    Select,
    Struct,
    Terminated,
    len_,
    this,
)

from libvarpd.plugins.svp.messages import LogType

HEADER = Struct("version" / Int16ub, "op" / Int16ub, "size" / Int32ub, "id" / Int32ub, "crc32" / Int32ub)

_STATUS = "status" / Int32ub
_PORT = "port" / Int16ub
_ADDRESS = "address" / Bytes(16)
_MAC = "mac" / Bytes(6)
_VNET_ID = "vnet_id" / Int32ub
_VLAN = "vlan" / Int16ub
_TYPE = "type" / Int32ub
_ID = "id" / Bytes(16)

_RECORDS = {
    "Vl2Record": Struct("type" / Const(LogType.VL2.value, Int32ub), _ID, _MAC, Padding(2), _VNET_ID),
    "Vl3Record": Struct("type" / Const(LogType.VL3.value, Int32ub), _ID, _ADDRESS, Padding(2), _VLAN, _VNET_ID),
    "RouteRecord": Struct(
        "type" / Const(LogType.ROUTE.value, Int32ub),
        _ID,
        "src_vnet_id" / Int32ub,
        "dst_vnet_id" / Int32ub,
        "dcid" / Int32ub,
        "src_address" / Bytes(16),
        "dst_address" / Bytes(16),
        "src_vlan" / Int16ub,
        "dst_vlan" / Int16ub,
        "src_prefix" / Int8ub,
        "dst_prefix" / Int8ub,
        Padding(2),
    ),
}

LAYOUTS = {
    "Ping": Struct(),
    "Pong": Struct(),
    "Vl2Req": Struct(_MAC, Padding(2), _VNET_ID),
    "Vl2Ack": Struct("status" / Int16ub, _PORT, _ADDRESS),
    "Vl3Req": Struct(_ADDRESS, _TYPE, _VNET_ID),
    "Vl3Ack": Struct(_STATUS, _MAC, _PORT, _ADDRESS),
    "BulkReq": Struct(_TYPE),
    "BulkAck": Struct(_STATUS, _TYPE, "data" / GreedyBytes),
    "LogReq": Struct("count" / Int32ub, _ADDRESS),
    "LogAck": Struct(_STATUS, "records" / GreedyRange(Select(*_RECORDS.values())), Terminated),
    "LogRm": Struct("ids" / PrefixedArray(Int32ub, Bytes(16)), Terminated),
    "LogRmAck": Struct(_STATUS),
    "Shootdown": Struct(_MAC, Padding(2), _VNET_ID),
    "RouteReq": Struct(_VNET_ID, _VLAN, Padding(2), "src_address" / Bytes(16), "dst_address" / Bytes(16)),
    "RouteAck": Struct(
        _STATUS,
        "dcid" / Int32ub,
        _VNET_ID,
        _VLAN,
        _PORT,
        _ADDRESS,
        "src_mac" / Bytes(6),
        "dst_mac" / Bytes(6),
        "src_prefix" / Int8ub,
        "dst_prefix" / Int8ub,
        Padding(2),
    ),
} | _RECORDS

_COVERED = Struct(
    "version" / Int16ub, "op" / Int16ub, "size" / Int32ub, "id" / Int32ub, Padding(4), "body" / GreedyBytes
)


def _checksum(message: Any) -> int:
    """CRC-32 of what is covered: the header with its last four bytes 0, then the body (SVP 3)."""
    return zlib.crc32(_COVERED.build(message))


MESSAGE = Struct(
    "version" / Int16ub,
    "op" / Int16ub,
    "size" / Rebuild(Int32ub, len_(this.body)),
    "id" / Int32ub,
    "crc32" / Rebuild(Int32ub, _checksum),
    "body" / Bytes(this.size),
    Check(lambda message: message.crc32 == _checksum(message)),
)
