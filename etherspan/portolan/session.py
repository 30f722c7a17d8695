"""One connection as the server sees it, without the connection: bytes in, batches of requests out (SVP 2, 4, 6, 11).

    bytes ──feed──► messages that wait ──batch──► Batch ──(the store)──► Answers ──pack──► bytes

A message is answered in the version it has, or in the highest that is spoken here if it has a higher one. What a peer may not send ends
the session: it is read no further, but what came before is answered. The reasons:

    bad_crc, too_large      the stream is of no use any more                     SVP-B1, SVP-B9
    bad_version             version 0                                            SVP-B2
    bad_op                  no such operation, or not in this version            SVP-B3, SVP-B5
    unsolicited             an answer, or PONG; nothing is asked here            SVP-B6
    bad_size                too short, or not as many ids as it counts           SVP-B7, SVP-B12, SVP-B18

SHOOTDOWN goes from one compute node to another; here it is ignored (SVP-B4). Bytes over are ignored too (SVP-B8).
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from etherspan.portolan.batch import Batch, Slot
from etherspan.portolan.store.protocol import RouteKey
from libvarpd.plugins.svp import wire
from libvarpd.plugins.svp.messages import (
    VERSION_CURRENT,
    VERSION_TWO,
    LogReq,
    Message,
    Op,
    RouteReq,
)
from libvarpd.plugins.svp.wire import Frame, Framer, Reason, RemoteProtocolError

MAX_BATCH: Final = 1024
"""Requests that are answered together; other connections have their turn between two batches."""
MAX_ROWS: Final = 4096
"""Log rows that one batch may ask for."""
UNSOLICITED: Final = "unsolicited"

_ANSWERS: Final = frozenset({Op.PONG, Op.VL2_ACK, Op.VL3_ACK, Op.BULK_ACK, Op.LOG_ACK, Op.LOG_RM_ACK, Op.ROUTE_ACK})
_VL2: Final = struct.Struct("!6s2xI")


class End(NamedTuple):
    """Why a session ends: a name for counters, and a text for people."""

    reason: str
    text: str


class Session:
    """See the module. Times are seconds of any clock; they only travel through."""

    def __init__(self, max_batch: int = MAX_BATCH, max_body: int = wire.MAX_BODY) -> None:
        self._max_batch = max_batch
        self._framer = Framer(max_body)
        self._frames: deque[Frame] = deque()
        self._reads: deque[tuple[int, float]] = deque()
        self._queued = 0
        self.end: End | None = None
        """Set once the peer did what it may not; what waits is still answered."""

    @property
    def waiting(self) -> int:
        """Messages that are in no batch yet."""
        return len(self._frames)

    @property
    def partial(self) -> bool:
        """Whether a message has begun that is not whole yet."""
        return self._framer.partial > 0 and self.end is None

    def feed(self, data: bytes, now: float) -> int:
        """Take what was read. The number of messages that became whole."""
        if self.end is not None:
            return 0
        frames: list[Frame] = []
        try:
            frames = self._framer.feed(data)
            self._framer.feed(b"")  # what comes behind the last whole message may be bad already
        except RemoteProtocolError as error:
            self.end = End(error.reason.value, str(error))
        if frames:
            self._frames += frames
            self._queued += len(frames)
            self._reads.append((self._queued, now))
        return len(frames)

    def batch(self) -> Batch | None:
        """The next requests to answer; None when none is there."""
        while self._frames:
            batch = self._collect()
            if batch.slots:
                return batch
        return None

    def _collect(self) -> Batch:
        frames = self._frames
        batch = Batch(self._since())
        for _ in range(min(self._max_batch, len(frames))):
            version, op, ident, body = frame = frames[0]
            if op == Op.VL2_REQ and version and len(body) == _VL2.size and not batch.removals:
                mac, vnet_id = _VL2.unpack(body)  # by far the most of all: without the steps that others take
                batch.vl2.append((vnet_id, mac))
            elif not self._take(batch, frame):
                break
            frames.popleft()
            if op != Op.SHOOTDOWN:
                batch.slots.append(Slot(op, min(version, VERSION_CURRENT), ident))
        return batch

    def _since(self) -> float:
        taken = self._queued - len(self._frames)
        while self._reads[0][0] <= taken:
            self._reads.popleft()
        return self._reads[0][1]

    def _take(self, batch: Batch, frame: Frame) -> bool:
        """Put a message into a batch. False if it is for another, or the session ends with it."""
        if (batch.removals and frame.op != Op.LOG_RM) or (batch.rows >= MAX_ROWS and frame.op == Op.LOG_REQ):
            return False
        message = _check(frame)
        if isinstance(message, End):
            self.end = message
            self._frames.clear()
            return False
        _PUT[message.op](batch, message, frame.version)
        return True


def _check(frame: Frame) -> Message | End:
    """The message, or why there cannot be one."""
    if not frame.version:
        return End(Reason.VERSION.value, "version 0")
    if frame.op in _ANSWERS:
        return End(UNSOLICITED, f"{Op(frame.op).name}, and nothing was asked")
    if frame.op == Op.ROUTE_REQ and frame.version < VERSION_TWO:
        return End(Reason.OP.value, f"ROUTE_REQ in version {frame.version}")
    try:
        return wire.decode(frame.op, frame.body)
    except RemoteProtocolError as error:
        return End(error.reason.value, str(error))


def _put_log_req(batch: Batch, message: LogReq, version: int) -> None:
    batch.ask_log(message.count, message.address, routes=version >= VERSION_TWO)


def _put_route(batch: Batch, message: RouteReq, _version: int) -> None:
    batch.routes.append(RouteKey(message.vnet_id, message.vlan, message.src_address, message.dst_address))


_PUT: Final[Mapping[Op, Callable[[Batch, Any, int], None]]] = {
    Op.PING: lambda batch, message, version: None,
    Op.SHOOTDOWN: lambda batch, message, version: None,
    Op.VL2_REQ: lambda batch, message, version: batch.vl2.append((message.vnet_id, message.mac)),
    Op.VL3_REQ: lambda batch, message, version: batch.vl3.append((message.vnet_id, message.address)),
    Op.BULK_REQ: lambda batch, message, version: batch.bulks.append(message.type),
    Op.LOG_REQ: _put_log_req,
    Op.LOG_RM: lambda batch, message, version: batch.removals.append(message.ids),
    Op.ROUTE_REQ: _put_route,
}
"""What the store is asked for a message of that version."""
