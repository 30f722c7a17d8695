"""The PostgreSQL store when its server goes, comes back, hangs, or is busy."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import psycopg
import pytest

from etherspan.portolan.store import Store, StoreError, open_store, postgres_link
from etherspan.portolan.store.postgres import _LOCK, _READERS
from tests.portolan_pg import Postgres, running
from tests.portolan_rows import cn, everything, mapping, node, vl2_event
from tests.portolan_writer import add, seen


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """One that these tests may stop."""
    with running() as started:
        yield started


@pytest.fixture
def url(server: Postgres) -> str:
    server.stop()
    server.start()
    return server.new_url()


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Store]:
    store = await open_store(url)
    try:
        yield store
    finally:
        await store.close()


async def warm(store: Store) -> None:
    """Fill its pools, and add one transaction."""
    async with AsyncExitStack() as stack:
        for _ in range(_READERS):
            await stack.enter_async_context(store.snapshot())
    async with store.transaction() as change:
        await add(change)


async def count(store: Store) -> int:
    async with store.snapshot() as snapshot:
        return await seen(snapshot)


def test_a_restart_between_two_calls_is_not_noticed(server: Postgres, url: str) -> None:
    async def steps() -> None:
        async with opened(url) as store:
            await warm(store)
            for times in range(1, 4):
                server.stop((signal.SIGINT, signal.SIGQUIT)[times % 2])
                server.start()
                assert await count(store) == times
                async with store.transaction() as change:
                    await add(change)
            server.stop()
            server.start()
            async with store.transaction() as change:
                assert await add(change) == 4

    asyncio.run(steps())


def test_while_the_server_is_away_calls_fail_at_once_and_afterwards_they_do_not(server: Postgres, url: str) -> None:
    async def steps() -> None:
        async with opened(url) as store:
            await warm(store)
            server.stop(signal.SIGQUIT)
            begun = time.monotonic()
            for _ in range(3):
                with pytest.raises(StoreError):
                    await count(store)
                with pytest.raises(StoreError):
                    async with store.transaction():
                        pytest.fail("nobody is there")
            with pytest.raises(StoreError):
                await open_store(url)
            assert time.monotonic() - begun < 3
            server.start()
            assert await count(store) == 1, "what was acknowledged before the crash"
            async with store.transaction() as change:
                await add(change)

    asyncio.run(steps())


def test_a_snapshot_and_a_transaction_that_a_restart_cuts_short_fail_and_are_not_kept(
    server: Postgres, url: str
) -> None:
    async def steps() -> None:
        async with opened(url) as store:
            await warm(store)
            with pytest.raises(StoreError):
                async with store.snapshot() as snapshot:
                    server.stop()
                    server.start()
                    await seen(snapshot)
            with pytest.raises(StoreError):
                async with store.transaction() as change:
                    await add(change)
                    server.stop(signal.SIGQUIT)
                    server.start()
                    await change.put_nodes([node(5)])
            assert await count(store) == 1
            async with store.transaction() as change:
                assert await add(change) == 1

    asyncio.run(steps())


def test_a_commit_that_nobody_answered_is_said_to_be_unknown(server: Postgres, url: str) -> None:
    async def steps() -> None:
        async with opened(url) as store:
            await warm(store)
            with pytest.raises(StoreError, match="it is unknown whether the transaction was kept"):
                async with store.transaction() as change:
                    await add(change)
                    server.stop()
            server.start()
            assert await count(store) in {1, 2}

    asyncio.run(steps())


def test_a_commit_that_is_refused_is_said_to_be_refused(server: Postgres, url: str) -> None:
    schema = url.rpartition("%3D")[2]

    async def steps() -> None:
        async with opened(url) as store:
            server.execute(
                f"CREATE FUNCTION {schema}.refuse() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN RAISE EXCEPTION 'not today'; END $$;"
                f" CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON {schema}.portolan_underlay_mappings"
                f" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION {schema}.refuse()"
            )
            with pytest.raises(StoreError, match="not today") as caught:
                async with store.transaction() as change:
                    await change.put_nodes([node(1)])
            assert "unknown" not in str(caught.value)
            async with store.transaction() as change:
                assert await everything(change.all_nodes()) == []

    asyncio.run(steps())


def test_a_server_that_hangs_is_not_waited_for_without_end(
    server: Postgres, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_link, "STATEMENT_PATIENCE", 0.3)
    monkeypatch.setattr(postgres_link, "_GRACE", 0.2)

    async def steps() -> None:
        async with opened(url) as store:
            with pytest.raises(StoreError, match=r"no answer within 0\.5 s"):
                async with store.snapshot() as snapshot:
                    ((backend,),) = await snapshot._link.fetch("SELECT pg_backend_pid()")  # type: ignore[attr-defined]
                    os.kill(backend, signal.SIGSTOP)
                    begun = time.monotonic()
                    try:
                        await seen(snapshot)
                    finally:
                        os.kill(backend, signal.SIGCONT)
                        assert time.monotonic() - begun < 8
            assert await count(store) == 0

    asyncio.run(steps())


def test_who_waits_for_another_process_for_too_long_is_told_so(server: Postgres, url: str) -> None:
    where = {"host": str(server.folder), "user": "postgres", "dbname": "postgres"}

    async def steps() -> None:
        async with opened(f"{url}%20-clock_timeout%3D200") as store:
            with psycopg.connect(**where, autocommit=True) as other:
                other.execute(f"SELECT pg_advisory_lock({_LOCK})".encode())
                with pytest.raises(StoreError, match="lock timeout"):
                    async with store.transaction():
                        pytest.fail("nobody may write now")
                # A store that is complete needs no turn to be opened.
                async with opened(url) as late:
                    assert await count(late) == 0
            async with store.transaction() as change:
                await add(change)

    asyncio.run(steps())


def test_who_finds_all_connections_in_use_for_too_long_is_told_so(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps() -> None:
        async with opened(url) as store, AsyncExitStack() as stack:
            for _ in range(_READERS):
                await stack.enter_async_context(store.snapshot())
            await stack.enter_async_context(store.transaction())
            monkeypatch.setattr(postgres_link, "STATEMENT_PATIENCE", 0.05)
            with pytest.raises(StoreError, match="all connections have been in use"):
                await count(store)
            with pytest.raises(StoreError, match="another transaction has been going on"):
                async with store.transaction():
                    pytest.fail("one is going on")

    asyncio.run(steps())


def test_a_cancelled_question_costs_its_connection_at_most(url: str) -> None:
    async def steps() -> None:
        async with opened(url) as store:

            async def sleep() -> None:
                async with store.snapshot() as snapshot:
                    asyncio.get_running_loop().call_soon(begun.set)
                    await snapshot._link.fetch("SELECT pg_sleep(30)")  # type: ignore[attr-defined]

            for _ in range(2 * _READERS):
                begun = asyncio.Event()
                task = asyncio.create_task(sleep())
                await begun.wait()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            assert await count(store) == 0

    asyncio.run(steps())


def test_large_and_small_puts_write_alike(url: str) -> None:
    rows = [mapping(f"10.0.{n >> 8}.{n & 255}", n, n % 3, router=n % 2 == 0, vlan=n) for n in range(600)]

    async def steps() -> None:
        async with opened(url) as store:
            async with store.transaction() as change:
                for _ in range(2):
                    await change.put_mappings([*rows, *rows[:300]])
                    await change.put_nodes([node(n) for n in range(250)])
                await change.append_events([vl2_event(n, 1) for n in range(400)])
            async with store.transaction() as change:
                await change.put_mappings(rows[10:20])
                expected = [*rows[300:], *rows[:10], *rows[20:300], *rows[10:20]]
                assert await everything(change.all_mappings()) == expected
                assert await everything(change.all_nodes()) == [node(n) for n in range(250)]
                assert await everything(change.all_events(cn(1))) == [vl2_event(n, 1) for n in range(400)]
            with pytest.raises(StoreError, match="is there already"):
                async with store.transaction() as change:
                    await change.append_events([vl2_event(n, 1) for n in range(800, 399, -1)] + [vl2_event(7, 1)])

    asyncio.run(steps())
