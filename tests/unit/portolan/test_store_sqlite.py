"""The SQLite store, and which stores can be opened at all."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import sys
import tempfile
from pathlib import Path

import pytest

from etherspan.portolan.store import StoreError, open_store, sqlite
from etherspan.portolan.store.sqlite import SqliteStore
from tests.portolan_rows import VNET, everything, mac, mapping, node, vl2_event


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("mysql://host/name", "mysql://host/name: not the URL of a store"),
        ("portolan.db", "portolan.db: not the URL of a store"),
        ("", ": not the URL of a store"),
        ("sqlite://host/name", "an SQLite URL is sqlite:////PATH"),
        ("sqlite:////tmp/x?mode=ro", "an SQLite URL is sqlite:////PATH"),
        ("sqlite:////no/such/folder/p.db", "/no/such/folder/p.db: unable to open database file"),
        ("sqlite:////proc", "/proc: unable to open database file"),
        ("postgresql+psycopg://host:port/name", "postgresql"),
        ("postgresql+psycopg://postgres@/postgres?host=/no/such/folder", "/no"),
    ],
)
def test_what_is_no_store_is_refused_by_name(url: str, text: str) -> None:
    with pytest.raises(StoreError) as caught:
        asyncio.run(open_store(url))
    assert text in str(caught.value)


def test_a_file_that_is_no_database_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("milk, bread, butter; " * 100)
    with pytest.raises(StoreError, match="notes: file is not a database"):
        asyncio.run(open_store(f"sqlite:///{path}"))
    assert path.read_text().startswith("milk")


def test_without_psycopg_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(sys.modules):
        if name.startswith("etherspan.portolan.store.postgres"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("etherspan.portolan.store.postgres", raising=False)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError, match=r"needs the extra etherspan\[portolan-pg\]"):
        asyncio.run(open_store("postgresql+psycopg://postgres@/postgres"))


def test_a_password_is_in_no_message() -> None:
    with pytest.raises(StoreError) as caught:
        asyncio.run(open_store("postgresql+psycopg://me:sesame@/postgres?host=/no/such/folder"))
    assert "sesame" not in str(caught.value)


def test_a_store_without_a_path_is_its_own_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    async def steps() -> None:
        one, other = await open_store("sqlite://"), await open_store("sqlite://")
        async with one.transaction() as change:
            await change.put_nodes([node(1)])
        async with other.transaction() as change:
            assert await everything(change.all_nodes()) == []
        assert len(os.listdir(tmp_path)) == 2  # noqa: PTH208
        await one.close()
        await other.close()

    asyncio.run(steps())
    assert list(tmp_path.iterdir()) == []


def test_what_is_acknowledged_is_on_the_disk_and_memory_is_bounded(tmp_path: Path) -> None:
    async def steps() -> None:
        store = await open_store(f"sqlite:///{tmp_path}/portolan.db")
        assert isinstance(store, SqliteStore)
        reader = store.take_reader()
        try:
            assert store._writer is not None
            assert store._writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
            assert store._writer.execute("PRAGMA synchronous").fetchone() == (2,), "FULL"
            for connection in (store._writer, reader.cursor.connection):
                (pages,) = connection.execute("PRAGMA cache_size").fetchone()
                assert -(32 << 10) <= pages < 0, "KiB"
        finally:
            store.give_reader(reader)
            await store.close()

    asyncio.run(steps())


def test_who_waits_for_another_process_lets_the_loop_go_on(tmp_path: Path) -> None:
    async def steps() -> None:
        store = await open_store(f"sqlite:///{tmp_path}/portolan.db")
        other = sqlite3.connect(tmp_path / "portolan.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")

        async def write() -> None:
            async with store.transaction() as change:
                await change.put_nodes([node(1)])

        task = asyncio.create_task(write())
        for _ in range(100):
            await asyncio.sleep(0)
            async with store.snapshot() as snapshot:
                assert await snapshot.vl2([(VNET, mac(1))]) == [None]
        assert not task.done()
        other.execute("ROLLBACK")
        await asyncio.wait_for(task, 4)
        other.close()
        await store.close()

    asyncio.run(steps())


def test_who_waits_for_too_long_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def steps() -> None:
        store = await open_store(f"sqlite:///{tmp_path}/portolan.db")
        other = sqlite3.connect(tmp_path / "portolan.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr(sqlite, "PATIENCE", 0.05)
        with pytest.raises(StoreError, match=r"another process has been writing for more than 0\.05 s"):
            async with store.transaction():
                pytest.fail("nobody may write now")
        # A store that is complete needs no turn to be opened.
        late = await open_store(f"sqlite:///{tmp_path}/portolan.db")
        await late.close()
        other.execute("ROLLBACK")
        async with store.transaction() as change:
            await change.put_nodes([node(1)])
        other.close()
        await store.close()

    asyncio.run(steps())


def test_who_waits_for_a_transaction_of_its_own_process_for_too_long_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "PATIENCE", 0.05)

    async def steps() -> None:
        store = await open_store(f"sqlite:///{tmp_path}/portolan.db")
        async with store.transaction():
            with pytest.raises(StoreError, match="another transaction has been going on"):
                async with store.transaction():
                    pytest.fail("nobody may write now")
        await store.close()

    asyncio.run(steps())


def test_a_full_disk_fails_the_transaction_and_nothing_else(tmp_path: Path) -> None:
    async def steps() -> None:
        store = await open_store(f"sqlite:///{tmp_path}/portolan.db")
        assert isinstance(store, SqliteStore)
        assert store._writer is not None
        async with store.transaction() as change:
            await change.put_mappings([mapping("10.0.0.1", 1, 1)])
        (pages,) = store._writer.execute("PRAGMA page_count").fetchone()
        store._writer.execute(f"PRAGMA max_page_count = {pages + 3}")
        with pytest.raises(StoreError, match="database or disk is full"):
            async with store.transaction() as change:
                await change.append_events([vl2_event(n, 1) for n in range(10_000)])
        store._writer.execute("PRAGMA max_page_count = 100000")
        async with store.transaction() as change:
            assert await everything(change.all_events()) == []
            assert await everything(change.all_mappings()) == [mapping("10.0.0.1", 1, 1)]
            await change.append_events([vl2_event(1, 1)])
        await store.close()

    asyncio.run(steps())


def test_what_is_going_on_when_a_store_is_closed_goes_on_to_its_end(tmp_path: Path) -> None:
    async def steps() -> None:
        store = await open_store(f"sqlite:///{tmp_path}/portolan.db")
        async with store.snapshot() as snapshot, store.transaction() as change:
            await store.close()
            await change.put_nodes([node(1)])
            assert await snapshot.vl2([(VNET, mac(1))]) == [None]
        again = await open_store(f"sqlite:///{tmp_path}/portolan.db")
        async with again.transaction() as change:
            assert await everything(change.all_nodes()) == [node(1)]
        await again.close()

    asyncio.run(steps())


def test_a_closed_store_answers_no_more(tmp_path: Path) -> None:
    async def steps() -> None:
        store = await open_store(f"sqlite:///{tmp_path}/portolan.db")
        await store.close()
        await store.close()
        with pytest.raises(StoreError, match="closed"):
            async with store.snapshot():
                pytest.fail("it is closed")
        with pytest.raises(StoreError, match="closed"):
            async with store.transaction():
                pytest.fail("it is closed")

    asyncio.run(steps())
