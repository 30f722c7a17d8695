"""What a client may not send, and how far a session follows it (SVP 16)."""

from __future__ import annotations

import asyncio
import struct

import pytest

from etherspan.portolan.session import End, Session
from etherspan.portolan.store.memory import MemoryStore
from libvarpd.plugins.svp import wire
from libvarpd.plugins.svp.messages import (
    BulkReq,
    LogReq,
    Message,
    Op,
    Ping,
    Pong,
    Status,
    Vl2Ack,
    Vl2Req,
)
from tests.portolan_rows import VNET, mac
from tests.portolan_talk import (
    HERE,
    REQUESTS,
    ROUTE_REQ,
    request,
    small_store,
    talk,
)


@pytest.fixture
def store() -> MemoryStore:
    return asyncio.run(small_store())


def ends_with(reason: str, data: bytes) -> None:
    """Check that those bytes end a session for that reason, and that what came before is answered, and nothing behind."""
    before = request(Vl2Req(mac(1), VNET), 1) + request(Ping(), 2)

    async def check() -> None:
        store = await small_store()
        for batch in (1, 1024):
            for pieces in ([before + data + before], [before, data, before], [before + data[:14], data[14:] + before]):
                found = await talk(store, *pieces, max_batch=batch)
                assert isinstance(found.end, End)
                assert found.end.reason == reason
                assert found.messages == [Vl2Ack(Status.OK, 4789, HERE), Pong()]

    asyncio.run(check())


@pytest.mark.fact("SVP-B1")
@pytest.mark.parametrize("at", [0, 3, 9, 12, 15, 16, 27])
def test_a_wrong_checksum_ends_the_session(at: int) -> None:
    data = bytearray(request(Vl2Req(mac(1), VNET)))
    data[at] ^= 1
    ends_with("bad_crc", bytes(data))


@pytest.mark.fact("SVP-B2")
@pytest.mark.parametrize("message", [*REQUESTS, BulkReq(1), ROUTE_REQ, Pong()], ids=lambda one: one.op.name)
def test_version_0_ends_the_session(message: Message) -> None:
    ends_with("bad_version", request(message, 1, 0))


@pytest.mark.fact("SVP-B3")
@pytest.mark.parametrize("op", [0, 16, 99, 0xFFFF])
def test_an_operation_that_is_not_there_ends_the_session(op: int) -> None:
    ends_with("bad_op", wire.frame(op, bytes(64), 1, 2))


@pytest.mark.fact("SVP-B5")
def test_a_route_request_in_version_1_ends_the_session() -> None:
    ends_with("bad_op", request(ROUTE_REQ, 1, 1))


@pytest.mark.fact("SVP-B6")
@pytest.mark.parametrize("op", [2, 4, 6, 8, 10, 12, 15])
def test_an_answer_from_a_client_ends_the_session(op: int) -> None:
    ends_with("unsolicited", wire.frame(op, bytes(48), 1, 2))


@pytest.mark.fact("SVP-B7")
@pytest.mark.parametrize(("op", "size"), [(3, 11), (3, 0), (5, 23), (7, 3), (9, 19), (11, 3), (13, 11), (14, 39)])
def test_a_body_without_all_of_its_fixed_part_ends_the_session(op: int, size: int) -> None:
    ends_with("bad_size", wire.frame(op, bytes(size), 1, 2))


@pytest.mark.fact("SVP-B9")
@pytest.mark.parametrize("size", [wire.MAX_BODY + 1, 0x7FFFFFFF, 0xFFFFFFFF])
def test_an_announced_size_beyond_all_measure_ends_the_session_at_once(size: int) -> None:
    ends_with("too_large", struct.pack("!HHIII", 1, 3, size, 1, 0))


@pytest.mark.fact("SVP-B12")
@pytest.mark.parametrize("count", [0, 1, 3, 0xFFFFFFFF])
def test_a_removal_that_does_not_hold_the_ids_it_counts_ends_the_session(count: int) -> None:
    ends_with("bad_size", wire.frame(Op.LOG_RM, struct.pack("!I", count) + bytes(32), 1))


@pytest.mark.fact("SVP-B18")
def test_a_log_request_of_the_early_design_ends_the_session() -> None:
    ends_with("bad_size", wire.frame(Op.LOG_REQ, struct.pack("!I", 1024), 1))


def test_a_body_of_the_largest_size_is_taken(store: MemoryStore) -> None:
    full = wire.frame(Op.PING, bytes(wire.MAX_BODY), 1)
    assert asyncio.run(talk(store, full)).messages == [Pong()]
    over = wire.frame(Op.PING, bytes(wire.MAX_BODY + 1), 1)
    assert asyncio.run(talk(store, over[:16])).end is not None


def test_no_batch_asks_for_more_log_rows_than_a_few_thousand() -> None:
    session = Session()
    session.feed(request(LogReq(0xFFFFFFFF, HERE)) * 10, 0.0)
    sizes = []
    while (batch := session.batch()) is not None:
        sizes.append(len(batch.logs))
        assert batch.rows <= 4096 + 2048
    assert sum(sizes) == 10


def test_a_batch_is_as_old_as_the_read_that_brought_its_first_request() -> None:
    session = Session(max_batch=3)
    session.feed(request(Ping()) * 2, 1.0)
    session.feed(request(Ping()) * 2, 2.0)
    session.feed(request(Ping()), 3.0)
    first, second = session.batch(), session.batch()
    assert first is not None
    assert second is not None
    assert (first.since, second.since) == (1.0, 2.0)
    assert session.batch() is None
