"""SVP as bytes: headers, checksums, framing, and a fast codec of every message (SVP 2, 3, 5, 6).

    offset  size  header
         0     2  version
         2     2  op
         4     4  size of the body
         8     4  id: echoed by whoever answers; here the number that its four bytes are in network order
        12     4  CRC-32 of header, with these four bytes 0, and body

All numbers are in network order. `layout` declares the same in `construct`; the two are proven equal.
"""

from __future__ import annotations

import enum
import operator
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import Any, Final, NamedTuple

from libvarpd.plugins.svp.messages import (
    VERSION_ONE,
    BulkAck,
    BulkReq,
    LogAck,
    LogReq,
    LogRm,
    LogRmAck,
    LogType,
    Message,
    Op,
    Ping,
    Pong,
    Record,
    RouteAck,
    RouteRecord,
    RouteReq,
    Shootdown,
    Vl2Ack,
    Vl2Record,
    Vl2Req,
    Vl3Ack,
    Vl3Record,
    Vl3Req,
)

HEADER: Final = struct.Struct("!HHIII")
HEADER_SIZE: Final = 16
CRC_OFFSET: Final = 12
MAX_BODY: Final = 65536
"""Largest body that is taken from a peer, bytes. The released server buffers for ever (SVP-B9)."""

UUID_SIZE: Final = 16
_COVERED: Final = struct.Struct("!HHII")
"""What of the header comes before the checksum."""
_NO_CRC: Final = bytes(HEADER_SIZE - CRC_OFFSET)
_U32: Final = struct.Struct("!I")
_U32_PAIR: Final = struct.Struct("!II")
_VL2: Final = struct.Struct("!6s2xI")
_VL2_ACK: Final = struct.Struct("!HH16s")
_VL3: Final = struct.Struct("!16sII")
_VL3_ACK: Final = struct.Struct("!I6sH16s")
_LOG_REQ: Final = struct.Struct("!I16s")
_ROUTE: Final = struct.Struct("!IH2x16s16s")
_ROUTE_ACK: Final = struct.Struct("!IIIHH16s6s6sBB2x")
_RECORD: Final[Mapping[int, struct.Struct]] = {
    LogType.VL2: struct.Struct("!I16s6s2xI"),
    LogType.VL3: struct.Struct("!I16s16s2xHI"),
    LogType.ROUTE: struct.Struct("!I16sIII16s16sHHBB2x"),
}
_RECORD_FIELDS: Final[Mapping[int, Callable[[Any], tuple[Any, ...]]]] = {
    kind.type: operator.attrgetter(*(field.name for field in fields(kind)))
    for kind in (Vl2Record, Vl3Record, RouteRecord)
}
"""A record's values in the order of its layout."""
_RECORD_CLASS: Final[Mapping[int, Callable[..., Record]]] = {
    LogType.VL2: Vl2Record,
    LogType.VL3: Vl3Record,
    LogType.ROUTE: RouteRecord,
}


class Reason(enum.Enum):
    """What is wrong with what a peer sent; the value is a name for counters and logs."""

    CRC = "bad_crc"
    SIZE = "bad_size"
    TOO_LARGE = "too_large"
    VERSION = "bad_version"
    OP = "bad_op"
    ID = "bad_id"
    RECORD = "bad_record"


class RemoteProtocolError(Exception):
    """The peer does not speak SVP."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class Frame(NamedTuple):
    """A message as it came: its header's fields, and its body, whose checksum is right."""

    version: int
    op: int
    id: int
    body: bytes


def crc32(header: bytes, body: bytes) -> int:
    """Checksum of a message whose header's checksum bytes are 0 (SVP 3, SVP-I3)."""
    return zlib.crc32(body, zlib.crc32(header))


def frame(op: int, body: bytes, id: int, version: int = VERSION_ONE) -> bytes:  # noqa: A002 - the field's name
    """A message around a body."""
    covered = _COVERED.pack(version, op, len(body), id)
    return covered + _U32.pack(crc32(covered + _NO_CRC, body)) + body


def encode(message: Message, id: int, version: int = VERSION_ONE) -> bytes:  # noqa: A002 - the field's name
    """A message as bytes."""
    return frame(message.op, pack_body(message), id, version)


def pack_body(message: Message) -> bytes:
    """A message's body."""
    return _PACK[message.op](message)


def pack_record(record: Record) -> bytes:
    """A log record."""
    return _RECORD[record.type].pack(record.type, *_RECORD_FIELDS[record.type](record))


def decode(op: int, body: bytes) -> Message:
    """The message that a body is; of a body of fixed size what is over is left (SVP-B8).

    Errors: `RemoteProtocolError` with OP there is no such message; SIZE the body is shorter than its fixed part, or a LOG_RM does not hold
    the ids it counts (SVP-B12); RECORD a log record is of no known type or cut short (SVP-I8).
    """
    read = _UNPACK.get(op)
    if read is None:
        raise RemoteProtocolError(Reason.OP, f"there is no operation {op}")
    try:
        return read(body)
    except struct.error:
        raise RemoteProtocolError(Reason.SIZE, f"{len(body)} bytes are too few for the body of {Op(op).name}") from None


def records(data: bytes, offset: int = 0) -> Iterator[Record]:
    """Log records that follow each other from an offset. Errors: `RemoteProtocolError` (RECORD)."""
    while offset < len(data):
        if len(data) - offset < _U32.size:
            raise RemoteProtocolError(Reason.RECORD, f"{len(data) - offset} bytes are no log record")
        (kind,) = _U32.unpack_from(data, offset)
        layout = _RECORD.get(kind)
        if layout is None:
            raise RemoteProtocolError(Reason.RECORD, f"there is no log record of type {kind}")
        if len(data) - offset < layout.size:
            raise RemoteProtocolError(
                Reason.RECORD, f"a log record of type {kind} has {layout.size} bytes, not {len(data) - offset}"
            )
        yield _RECORD_CLASS[kind](*layout.unpack_from(data, offset)[1:])
        offset += layout.size


class Framer:
    """Cuts a stream into messages, however it comes in pieces (SVP-I4, SVP-I5). `limit` is the largest body that is taken, bytes."""

    def __init__(self, limit: int = MAX_BODY) -> None:
        self._limit = limit
        self._kept = bytearray()
        self._enough = HEADER_SIZE
        self._bad: tuple[Reason, str] | None = None

    @property
    def partial(self) -> int:
        """Bytes of a message that is not whole yet."""
        return len(self._kept)

    def feed(self, data: bytes) -> list[Frame]:
        """The messages that became whole. Errors: `RemoteProtocolError` (TOO_LARGE, CRC), and again from then on: the stream is of no use.

        Messages before a bad one are not lost: they come first, and the error with the next call, `feed(b"")` if need be.
        """
        if self._bad is not None:
            raise RemoteProtocolError(*self._bad)
        kept = self._kept
        if kept:
            kept += data
            if len(kept) < self._enough:
                return []
            data = bytes(kept)
            kept.clear()
        whole: list[Frame] = []
        at, end = 0, len(data)
        self._enough = HEADER_SIZE
        while end - at >= HEADER_SIZE:
            version, op, size, ident, checksum = HEADER.unpack_from(data, at)
            if size > self._limit:
                self._bad = Reason.TOO_LARGE, f"a body of {size} bytes; {self._limit} are the most"
                break
            start = at + HEADER_SIZE
            after = start + size
            if after > end:
                self._enough = after - at
                break
            body = data[start:after]
            if checksum != crc32(data[at : at + CRC_OFFSET] + _NO_CRC, body):
                self._bad = Reason.CRC, f"checksum {checksum:#010x} is wrong"
                break
            whole.append(Frame(version, op, ident, body))
            at = after
        if self._bad is None:
            kept += data[at:]
        elif not whole:
            raise RemoteProtocolError(*self._bad)
        return whole


def _pack_log_rm(message: LogRm) -> bytes:
    body = _U32.pack(len(message.ids)) + b"".join(message.ids)
    assert len(body) == _U32.size + UUID_SIZE * len(message.ids), "an id has 16 bytes"
    return body


def _unpack_log_rm(body: bytes) -> LogRm:
    (count,) = _U32.unpack_from(body)
    if len(body) != _U32.size + UUID_SIZE * count:
        raise RemoteProtocolError(Reason.SIZE, f"a LOG_RM of {len(body)} bytes does not hold {count} ids")
    return LogRm(tuple(body[at : at + UUID_SIZE] for at in range(_U32.size, len(body), UUID_SIZE)))


def _pack_log_ack(message: LogAck) -> bytes:
    return _U32.pack(message.status) + b"".join(map(pack_record, message.records))


def _unpack_log_ack(body: bytes) -> LogAck:
    (status,) = _U32.unpack_from(body)
    return LogAck(status, tuple(records(body, _U32.size)))


def _unpack_bulk_ack(body: bytes) -> BulkAck:
    status, kind = _U32_PAIR.unpack_from(body)
    return BulkAck(status, kind, body[_U32_PAIR.size :])


_PACK: Final[Mapping[Op, Callable[[Any], bytes]]] = {
    Op.PING: lambda _: b"",
    Op.PONG: lambda _: b"",
    Op.VL2_REQ: lambda m: _VL2.pack(m.mac, m.vnet_id),
    Op.VL2_ACK: lambda m: _VL2_ACK.pack(m.status, m.port, m.address),
    Op.VL3_REQ: lambda m: _VL3.pack(m.address, m.type, m.vnet_id),
    Op.VL3_ACK: lambda m: _VL3_ACK.pack(m.status, m.mac, m.port, m.address),
    Op.BULK_REQ: lambda m: _U32.pack(m.type),
    Op.BULK_ACK: lambda m: _U32_PAIR.pack(m.status, m.type) + m.data,
    Op.LOG_REQ: lambda m: _LOG_REQ.pack(m.count, m.address),
    Op.LOG_ACK: _pack_log_ack,
    Op.LOG_RM: _pack_log_rm,
    Op.LOG_RM_ACK: lambda m: _U32.pack(m.status),
    Op.SHOOTDOWN: lambda m: _VL2.pack(m.mac, m.vnet_id),
    Op.ROUTE_REQ: lambda m: _ROUTE.pack(m.vnet_id, m.vlan, m.src_address, m.dst_address),
    Op.ROUTE_ACK: lambda m: _ROUTE_ACK.pack(
        m.status, m.dcid, m.vnet_id, m.vlan, m.port, m.address, m.src_mac, m.dst_mac, m.src_prefix, m.dst_prefix
    ),
}
_UNPACK: Final[Mapping[int, Callable[[bytes], Message]]] = {
    Op.PING: lambda _: Ping(),
    Op.PONG: lambda _: Pong(),
    Op.VL2_REQ: lambda body: Vl2Req(*_VL2.unpack_from(body)),
    Op.VL2_ACK: lambda body: Vl2Ack(*_VL2_ACK.unpack_from(body)),
    Op.VL3_REQ: lambda body: Vl3Req(*_VL3.unpack_from(body)),
    Op.VL3_ACK: lambda body: Vl3Ack(*_VL3_ACK.unpack_from(body)),
    Op.BULK_REQ: lambda body: BulkReq(*_U32.unpack_from(body)),
    Op.BULK_ACK: _unpack_bulk_ack,
    Op.LOG_REQ: lambda body: LogReq(*_LOG_REQ.unpack_from(body)),
    Op.LOG_ACK: _unpack_log_ack,
    Op.LOG_RM: _unpack_log_rm,
    Op.LOG_RM_ACK: lambda body: LogRmAck(*_U32.unpack_from(body)),
    Op.SHOOTDOWN: lambda body: Shootdown(*_VL2.unpack_from(body)),
    Op.ROUTE_REQ: lambda body: RouteReq(*_ROUTE.unpack_from(body)),
    Op.ROUTE_ACK: lambda body: RouteAck(*_ROUTE_ACK.unpack_from(body)),
}
FIXED_SIZE: Final[Mapping[int, int]] = {
    Op.PING: 0,
    Op.PONG: 0,
    Op.VL2_REQ: _VL2.size,
    Op.VL2_ACK: _VL2_ACK.size,
    Op.VL3_REQ: _VL3.size,
    Op.VL3_ACK: _VL3_ACK.size,
    Op.BULK_REQ: _U32.size,
    Op.LOG_REQ: _LOG_REQ.size,
    Op.LOG_RM_ACK: _U32.size,
    Op.SHOOTDOWN: _VL2.size,
    Op.ROUTE_REQ: _ROUTE.size,
    Op.ROUTE_ACK: _ROUTE_ACK.size,
}
"""Bytes of a body, where all of that operation have the same (SVP 4)."""
