"""Connections of the SVP server, over TCP: whatever one client does, the others go on being answered."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from etherspan.portolan.answer import GRACE
from etherspan.portolan.server import Limits
from etherspan.portolan.store.memory import MemoryStore
from etherspan.testing.log import SimLog
from libvarpd.plugins.svp import wire
from libvarpd.plugins.svp.messages import LogReq, LogRm, Message, Op, Ping, Pong, Status, Vl2Ack, Vl2Req, Vl3Req
from tests.portolan_rows import VNET, event_id, ip, mac, vl2_event
from tests.portolan_talk import (
    HERE,
    PATIENCE,
    REQUESTS,
    BrokenStore,
    Client,
    HeldStore,
    Served,
    frames,
    request,
    serving,
    small_store,
    status,
)

QUESTION = Vl2Req(mac(2), VNET)
ANSWER = Vl2Ack(Status.OK, 4789, ip("172.16.0.2"))


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(work())


@asynccontextmanager
async def beside_a_good_client(limits: Limits | None = None) -> AsyncIterator[tuple[Served, Client]]:
    """A server, and a client that is served before and after whatever happens, on the same connection."""
    async with serving(await small_store(), limits) as served:
        good, other = await served.client(), await served.client()
        assert await good.ask(QUESTION, 1) == ANSWER
        yield served, other
        assert await good.ask(QUESTION, 2) == ANSWER
        assert served.server.connections >= 1


BAD: list[Any] = [
    pytest.param("bad_crc", struct.pack("!HHIII", 1, 1, 0, 1, 7), id="wrong checksum"),
    pytest.param("bad_version", request(Ping(), 1, 0), id="version 0"),
    pytest.param("bad_op", wire.frame(99, b"", 1), id="no such operation"),
    pytest.param("unsolicited", request(Pong()), id="unsolicited"),
    pytest.param("bad_size", wire.frame(Op.VL2_REQ, b"", 1), id="short"),
    pytest.param("too_large", struct.pack("!HHIII", 1, 3, 0xFFFFFFFF, 1, 0), id="huge"),
    pytest.param("bad_size", wire.frame(Op.LOG_RM, struct.pack("!I", 9), 1), id="ids missing"),
]


@pytest.mark.fact("SVP-B1", "SVP-B2", "SVP-B3", "SVP-B6", "SVP-B7", "SVP-B9", "SVP-B12")
@pytest.mark.parametrize(("reason", "data"), BAD)
def test_a_client_that_breaks_the_rules_is_closed_and_counted(reason: str, data: bytes) -> None:
    async def check() -> None:
        async with beside_a_good_client() as (served, bad):
            bad.send(request(QUESTION, 5) + data + request(QUESTION, 6))
            answers = frames(await bad.rest())
            assert [one.id for one in answers] == [5]
            await served.until(reason)

    run(check)


@pytest.mark.fact("SVP-B10")
@pytest.mark.parametrize("sent", [1, 10, 16, 27])
def test_a_message_that_never_becomes_whole_ends_its_connection(sent: int) -> None:
    async def check() -> None:
        async with beside_a_good_client(Limits(message_time=0.15)) as (served, slow):
            slow.send(request(QUESTION, 5) + request(QUESTION, 6)[:sent])
            assert [one.id for one in frames(await slow.rest())] == [5]
            await served.until("message_time")

    run(check)


def test_a_message_that_comes_byte_by_byte_in_time_is_answered() -> None:
    async def check() -> None:
        async with beside_a_good_client() as (_, slow):
            for byte in request(QUESTION, 5):
                slow.send(bytes([byte]))
                await slow.writer.drain()
                await asyncio.sleep(0)
            assert (await slow.receive()).id == 5

    run(check)


def test_time_for_a_message_begins_anew_with_each() -> None:
    """A client whose reads always end in the middle of a message is not one that is stuck."""

    async def check() -> None:
        loop = asyncio.get_running_loop()
        async with beside_a_good_client(Limits(message_time=1.0)) as (_, client):
            data = request(QUESTION, 5)
            client.send(data[:20])
            end = loop.time() + 2.0
            while loop.time() < end:
                client.send(data[20:] + data[:20])
                assert (await client.receive()).id == 5
                await asyncio.sleep(0.01)

    run(check)


@pytest.mark.fact("SVP-B11")
@pytest.mark.parametrize("sent", [b"", request(QUESTION)[:10], request(QUESTION) * 500])
def test_a_reset_ends_nothing_but_its_connection(sent: bytes) -> None:
    async def check() -> None:
        async with beside_a_good_client() as (served, rude):
            before = served.server.connections
            rude.send(sent)
            await rude.writer.drain()
            rude.reset()
            await served.until("reset")
            assert served.server.connections == before - 1

    run(check)


def test_a_reset_while_the_store_is_asked_is_survived() -> None:
    async def check() -> None:
        held = HeldStore(await small_store())
        async with serving(held) as served:
            rude, good = await served.client(), await served.client()
            rude.send(request(QUESTION) * 3)
            await held.asked.wait()
            rude.reset()
            await served.until("reset")
            held.free.set()
            assert await good.ask(QUESTION) == ANSWER
            assert served.counts.at_store == 0

    run(check)


def test_a_client_that_takes_no_answers_is_not_read_any_more_and_cut_in_the_end() -> None:
    async def check() -> None:
        async with beside_a_good_client(Limits(write_time=0.3, write_buffer=8192)) as (served, _):
            slow = await served.client(receive_buffer=4096)
            slow.writer.transport.pause_reading()  # type: ignore[attr-defined] # a ReadTransport at run time
            burst = request(QUESTION) * 10_000
            sent, stuck = 0, 0
            async with asyncio.timeout(PATIENCE):
                while not served.counts.reasons["slow_reader"]:
                    stuck = max(stuck, slow.writer.transport.get_write_buffer_size())
                    if slow.writer.transport.get_write_buffer_size() < len(burst):
                        slow.send(burst)
                        sent += len(burst)
                    await asyncio.sleep(0.01)
            assert stuck >= len(burst), "the server went on reading"
            assert served.counts.requests[Op.VL2_REQ, Status.OK] * len(request(QUESTION)) < sent

    run(check)


def test_a_client_that_takes_its_answers_late_gets_all_of_them() -> None:
    async def check() -> None:
        async with beside_a_good_client(Limits(write_buffer=4096, batch=16)) as (_, late):
            number = 5_000

            async def ask() -> None:
                for ident in range(number):
                    late.send(request(Ping(), ident))
                    await late.writer.drain()

            asking = asyncio.create_task(ask())
            assert [(await late.receive()).id for _ in range(number)] == list(range(number))
            await asking

    run(check)


def test_what_was_asked_before_the_client_closed_its_side_is_answered() -> None:
    async def check() -> None:
        async with beside_a_good_client() as (served, client):
            client.send(b"".join(request(one, number) for number, one in enumerate(REQUESTS)))
            client.writer.write_eof()
            assert [one.id for one in frames(await client.rest())] == list(range(len(REQUESTS)))
            await served.until("eof")

    run(check)


@pytest.mark.fact("SVP-Q5")
def test_nothing_is_sent_that_was_not_asked_for() -> None:
    async def check() -> None:
        async with beside_a_good_client(Limits(message_time=0.1)) as (served, silent):
            polling = await served.client()
            for _ in range(20):
                await polling.ask(LogReq(1024, HERE))
                await asyncio.sleep(0.01)  # several looks at the time limits
            for client in (silent, polling):
                client.writer.write_eof()
                assert await client.rest() == b""

    run(check)


@pytest.mark.fact("SVP-Q6")
def test_the_client_that_pings_with_all_ones_and_never_polls_is_served() -> None:
    async def check() -> None:
        async with beside_a_good_client() as (served, linux):
            assert await linux.ask(Ping(), 0xFFFFFFFF) == Pong()
            questions: list[Message] = [Vl2Req(mac(1), VNET), Vl3Req(ip("fd00::2"), 0x00020000, VNET)]
            linux.send(b"".join(request(one, 7) for one in questions))
            for _ in questions:
                frame = await linux.receive()
                assert status(frame) == Status.OK
                assert wire.HEADER_SIZE + len(frame.body) <= 2048
            await served.until("eof", 0)
            in_a_week = asyncio.get_running_loop().time() + 7 * 86400
            for connection in tuple(served.server._connections):
                connection.look(in_a_week)
            assert await linux.ask(Ping(), 0xFFFFFFFF) == Pong()

    run(check)


@pytest.mark.fact("SVP-Q8")
def test_a_store_that_does_not_answer_in_time_makes_a_request_fatal() -> None:
    limits = Limits()
    assert limits.store_time + GRACE < 30, "what clients wait"

    async def check() -> None:
        held = HeldStore(await small_store())
        async with serving(held, Limits(store_time=0.1)) as served:
            client = await served.client()
            client.send(b"".join(request(one, number, 2) for number, one in enumerate(REQUESTS)))
            answers = [await client.receive() for _ in REQUESTS]
            assert [status(one) for one in answers] == [Status.OK] + [Status.FATAL] * (len(REQUESTS) - 1)
            held.free.set()
            assert await client.ask(QUESTION) == ANSWER

    run(check)


def test_requests_behind_a_store_that_hangs_are_not_forgotten_one_after_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each has its time from when it was read: five batches do not wait for five times as long."""
    monkeypatch.setattr("etherspan.portolan.answer.GRACE", 0.1)

    async def check() -> None:
        loop = asyncio.get_running_loop()
        async with serving(HeldStore(MemoryStore()), Limits(store_time=1.0, batch=1)) as served:
            client = await served.client()
            begun = loop.time()
            client.send(request(QUESTION) * 5)
            assert [status(await client.receive()) for _ in range(5)] == [Status.FATAL] * 5
            assert loop.time() - begun < 3.5

    run(check)


def test_a_failing_store_is_told_of_once_and_its_recovery_too() -> None:
    async def check() -> None:
        log = SimLog()
        broken = BrokenStore(await small_store(), "snapshot")
        async with serving(broken, log=log) as served:
            client = await served.client()
            for _ in range(3):
                await client.ask(QUESTION)
            broken.parts.clear()
            assert await client.ask(QUESTION) == ANSWER
        assert [one.msg for one in log.records] == ["the store fails", "the store is well again"]

    run(check)


def test_an_error_in_the_server_ends_one_connection_and_is_logged() -> None:
    async def check() -> None:
        class Wrong(HeldStore):
            def snapshot(self) -> Any:
                raise ZeroDivisionError

        log = SimLog()
        async with serving(Wrong(MemoryStore()), log=log) as served:
            bad, good = await served.client(), await served.client()
            bad.send(request(QUESTION))
            assert await bad.rest() == b""
            assert await good.ask(Ping()) == Pong()
            await served.until("internal")
        assert "ZeroDivisionError" in str(log.records[0].keys["exception"])

    run(check)


def test_a_client_too_many_is_turned_away() -> None:
    async def check() -> None:
        async with beside_a_good_client(Limits(connections=2)) as (served, other):
            assert await other.ask(Ping()) == Pong()
            assert await (await served.client()).rest() == b""
            await served.until("too_many")
            assert await other.ask(Ping()) == Pong()
            other.close()
            await served.until("eof")
            assert await (await served.client()).ask(Ping()) == Pong()

    run(check)


def test_idle_clients_are_cut_only_if_that_is_wanted() -> None:
    async def check() -> None:
        async with serving(MemoryStore(), Limits(idle_time=0.2)) as served:
            idle = await served.client()
            assert await idle.ask(Ping()) == Pong()
            assert await idle.rest() == b""
            await served.until("idle")

    run(check)


def test_one_client_with_very_many_requests_does_not_keep_another_waiting() -> None:
    async def check() -> None:
        async with serving(await small_store()) as served:
            greedy, modest = await served.client(), await served.client()
            greedy.send(request(QUESTION) * 100_000)
            await greedy.receive()
            assert await modest.ask(QUESTION) == ANSWER
            assert served.counts.requests[Op.VL2_REQ, Status.OK] < 100_000
            assert max(served.counts.batches) <= 1024

    run(check)


def test_pipelined_requests_of_one_read_are_one_batch() -> None:
    async def check() -> None:
        async with serving(await small_store()) as served:
            client = await served.client()
            client.send(b"".join(request(one, number) for number, one in enumerate(REQUESTS)))
            for _ in REQUESTS:
                await client.receive()
            assert served.counts.batches == [len(REQUESTS)]

    run(check)


# The end of the server


def test_a_stopping_server_answers_what_it_has_read() -> None:
    async def check() -> None:
        held = HeldStore(await small_store())
        async with serving(held) as served:
            client, idle = await served.client(), await served.client()
            assert await idle.ask(Ping()) == Pong()
            client.send(request(QUESTION, 5))
            await held.asked.wait()
            stopping = asyncio.create_task(served.server.stop())
            assert await idle.rest() == b""
            held.free.set()
            assert (await client.receive()).id == 5
            assert await client.rest() == b""
            await stopping
            assert served.server.connections == 0
            with pytest.raises(OSError, match=r"refused|Connect call failed"):
                await asyncio.open_connection("127.0.0.1", served.port)

    run(check)


def test_a_stopping_server_does_not_wait_for_ever() -> None:
    async def check() -> None:
        held = HeldStore(await small_store())
        async with serving(held, Limits(stop_time=0.2)) as served:
            client = await served.client()
            client.send(request(QUESTION, 5))
            await held.asked.wait()
            async with asyncio.timeout(PATIENCE):
                await served.server.stop()
            assert await client.rest() == b""

    run(check)


def test_an_aborted_server_resets_its_clients() -> None:
    async def check() -> None:
        async with serving(await small_store()) as served:
            client = await served.client()
            assert await client.ask(Ping()) == Pong()
            served.server.abort()
            assert await client.rest() == b""
            await served.server.stop()

    run(check)


def test_a_removal_under_way_is_completed_though_its_client_has_gone() -> None:
    """Others may have asked for the same transaction."""

    async def check() -> None:
        store = await small_store()
        async with store.transaction() as change:
            await change.append_events([vl2_event(50, 1)])
        async with serving(store) as served:
            ids = [event_id(1), event_id(2), event_id(50)]
            clients = [await served.client() for _ in ids]
            for client, one in zip(clients, ids, strict=True):
                client.send(request(LogRm((one,))))
            clients[0].reset()
            assert [status(await one.receive()) for one in clients[1:]] == [Status.OK] * 2

    run(check)
