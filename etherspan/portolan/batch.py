"""Requests of one connection that are answered together: what the store is asked, and the answers as bytes (SVP 5, 6, 11.2).

A batch holds its questions by kind, so that the store is asked once for each kind, and the order in which the requests came, which is the
order of their answers (SVP-I12). LOG_RM, which changes the store, is always last: a LOG_REQ that came after it is for the next batch.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import repeat
from typing import Final, NamedTuple, TypeAlias, TypeVar

from etherspan.portolan.records import Event, Owner, Place, RoutePlace, Subnet
from etherspan.portolan.store.protocol import AddressKey, LogKey, MacKey, RouteKey
from libvarpd.plugins.svp import wire
from libvarpd.plugins.svp.messages import (
    BulkAck,
    LogAck,
    LogRmAck,
    Op,
    Pong,
    Record,
    RouteAck,
    Status,
    Vl2Ack,
    Vl2Record,
    Vl3Ack,
    is_mapped,
)

SMALLEST_RECORD: Final = Vl2Record.size
"""As many rows are asked for as records of this size fit (SVP-I19)."""
RELEASED_COUNT: Final = 1024
"""What the released client says it can take; the status has to fit in there as well (SVP-Q7)."""
STATUS_SIZE: Final = 4
MOST_RECORDS: Final = wire.MAX_BODY - STATUS_SIZE
"""Bytes of records in one answer, whatever the client says: nobody has to take a larger body than this server does."""

_MAPPED_BITS: Final = 96
_PLACES: Final = 4096
"""Bodies that are kept packed: one a compute node."""

Tally: TypeAlias = Mapping[tuple[Op, Status], int]
"""How many requests of a kind were answered how."""
_T = TypeVar("_T")


class Slot(NamedTuple):
    """Whose turn it is: a request's kind, the version and the id of its answer."""

    op: int
    version: int
    id: int


@dataclass(slots=True)
class Batch:
    """See the module. `since` is when the first of the requests was read, seconds."""

    since: float
    slots: list[Slot] = field(default_factory=list)
    vl2: list[MacKey] = field(default_factory=list)
    vl3: list[AddressKey] = field(default_factory=list)
    routes: list[RouteKey] = field(default_factory=list)
    logs: list[LogKey] = field(default_factory=list)
    rooms: list[int] = field(default_factory=list)
    """Bytes of records that fit, for each of `logs`."""
    bulks: list[int] = field(default_factory=list)
    """Types that BULK_REQs named."""
    removals: list[tuple[bytes, ...]] = field(default_factory=list)
    """Event ids, for each LOG_RM."""
    rows: int = 0
    """Rows that all of `logs` may have."""

    @property
    def asks(self) -> bool:
        """Whether the store has something to say."""
        return bool(self.vl2 or self.vl3 or self.routes or self.logs)

    @property
    def removed(self) -> list[bytes]:
        """All event ids that go."""
        return [one for ids in self.removals for one in ids]

    def ask_log(self, count: int, address: bytes, *, routes: bool) -> None:
        """A LOG_REQ: events of the node at an address, of which `count` bytes fit. Routes are for those who speak version 2 (SVP-Q13)."""
        room = min(count - STATUS_SIZE if count == RELEASED_COUNT else count, MOST_RECORDS)
        limit = min(count, MOST_RECORDS) // SMALLEST_RECORD
        self.logs.append(LogKey(address, limit, routes))
        self.rooms.append(room)
        self.rows += limit


@dataclass(slots=True)
class Answers:
    """What the store said, in the order of the batch's questions; None where it failed (SVP-B21)."""

    vl2: Sequence[Place | None] | None = None
    vl3: Sequence[Owner | None] | None = None
    routes: Sequence[RoutePlace | None] | None = None
    logs: Sequence[Sequence[Event] | None] | None = None
    removed: bool = False


class _Failure(enum.Enum):
    """In place of what the store said."""

    FATAL = enum.auto()


_FATAL: Final = _Failure.FATAL


def pack(batch: Batch, answers: Answers) -> bytes:
    """All answers, one for each request, in the order of the requests (SVP-I11, SVP-I12)."""
    bodies: dict[int, Iterator[bytes]] = {
        Op.PING: repeat(wire.pack_body(Pong())),
        Op.VL2_REQ: map(_vl2, _or_fatal(answers.vl2)),
        Op.VL3_REQ: map(_vl3, _or_fatal(answers.vl3)),
        Op.ROUTE_REQ: map(_route, _or_fatal(answers.routes)),
        Op.LOG_REQ: map(_log, _or_fatal(answers.logs), batch.rooms),
        Op.BULK_REQ: map(_bulk, batch.bulks),
        Op.LOG_RM: (_log_rm(done=answers.removed or not ids) for ids in batch.removals),
    }
    frame = wire.frame
    return b"".join([frame(op + 1, next(bodies[op]), ident, version) for op, version, ident in batch.slots])


def tally(batch: Batch, answers: Answers) -> Tally:
    """What `pack` answers, counted."""
    counts: dict[tuple[Op, Status], int] = {}

    def count(op: Op, missing: Status, asked: int, found: Sequence[object] | None) -> None:
        none = 0 if found is None else found.count(None)
        counts[op, Status.FATAL] = asked if found is None else 0
        counts[op, missing] = counts.get((op, missing), 0) + none
        counts[op, Status.OK] = 0 if found is None else asked - none

    count(Op.VL2_REQ, Status.NOTFOUND, len(batch.vl2), answers.vl2)
    count(Op.VL3_REQ, Status.NOTFOUND, len(batch.vl3), answers.vl3)
    count(Op.ROUTE_REQ, Status.NOTFOUND, len(batch.routes), answers.routes)
    count(Op.LOG_REQ, Status.FATAL, len(batch.logs), answers.logs)
    done = len(batch.removals) if answers.removed else batch.removals.count(())
    counts[Op.LOG_RM, Status.OK] = done
    counts[Op.LOG_RM, Status.FATAL] = len(batch.removals) - done
    counts[Op.BULK_REQ, Status.BADBULK] = len(batch.bulks)
    counts[Op.PING, Status.OK] = sum(slot.op == Op.PING for slot in batch.slots)
    return {which: number for which, number in counts.items() if number}


def fitting(events: Iterable[Event], room: int) -> Iterator[Record]:
    """Records of the events, in order, up to the first that does not fit into so many bytes (SVP-I19)."""
    for event in events:
        room -= event.record.size
        if room < 0:
            return
        yield event.record


def prefix_length(subnet: Subnet) -> int:
    """As a ROUTE_ACK gives it: 0 to 32 for IPv4, where the store and log records count from the start of the 16 bytes."""
    return max(0, subnet.prefix - _MAPPED_BITS) if is_mapped(subnet.address) else subnet.prefix


def _or_fatal(found: Sequence[_T] | None) -> Iterable[_T | _Failure]:
    return repeat(_FATAL) if found is None else found


def _status(found: object | None) -> Status:
    """Of an answer with nothing else in it (SVP-I13)."""
    return Status.NOTFOUND if found is None else Status.FATAL


@lru_cache(_PLACES)
def _vl2(place: Place | _Failure | None) -> bytes:
    message = Vl2Ack(_status(place)) if place is None or place is _FATAL else Vl2Ack(Status.OK, *place)
    return wire.pack_body(message)


def _vl3(owner: Owner | _Failure | None) -> bytes:
    message = Vl3Ack(_status(owner)) if owner is None or owner is _FATAL else Vl3Ack(Status.OK, *owner)
    return wire.pack_body(message)


def _route(found: RoutePlace | _Failure | None) -> bytes:
    if found is None or found is _FATAL:
        return wire.pack_body(RouteAck(_status(found)))  # SVP-Q26: a store that fails is not one that knows no place
    route, owner = found
    return wire.pack_body(
        RouteAck(
            Status.OK,
            dcid=route.far_dc,
            vnet_id=route.far_vnet_id,
            vlan=route.far_vlan,
            port=owner.port,
            address=owner.address,
            src_mac=route.router_mac,
            dst_mac=owner.mac,
            src_prefix=prefix_length(route.subnet),
            dst_prefix=prefix_length(route.far_subnet),
        )
    )


def _log(events: Sequence[Event] | _Failure | None, room: int) -> bytes:
    if events is None or events is _FATAL:
        return wire.pack_body(LogAck(Status.FATAL))
    return wire.pack_body(LogAck(Status.OK, tuple(fitting(events, room))))


def _log_rm(*, done: bool) -> bytes:
    return wire.pack_body(LogRmAck(Status.OK if done else Status.FATAL))


def _bulk(kind: int) -> bytes:
    return wire.pack_body(BulkAck(Status.BADBULK, kind))
