"""From an older schema to today's, and what is refused."""

from __future__ import annotations

import asyncio
import functools
import sqlite3
from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from sqlalchemy.engine import make_url

from etherspan.portolan.store import StoreError, migrations, open_store, postgres, schema, sqlite
from tests.portolan_pg import Postgres
from tests.portolan_rows import everything, mapping, node, vl2_event

NEXT = schema.VERSION + 1


def use(monkeypatch: pytest.MonkeyPatch, *statements: str) -> None:
    """Let there be one more version, to which these statements lead."""
    plan = functools.partial(migrations.plan, version=NEXT, upgrades={schema.VERSION: lambda _: statements})
    monkeypatch.setattr(sqlite, "plan", plan)
    monkeypatch.setattr(postgres, "plan", plan)


def direct(url: str) -> Callable[[str], list[tuple[object, ...]]]:
    """Ask the database itself."""

    def sqlite_(text: str) -> list[tuple[object, ...]]:
        connection = sqlite3.connect(str(make_url(url).database), isolation_level=None)
        try:
            return connection.execute(text).fetchall()
        finally:
            connection.close()

    def postgres_(text: str) -> list[tuple[object, ...]]:
        query = make_url(url).query
        where = {"host": str(query["host"]), "options": str(query["options"]), "user": "postgres", "dbname": "postgres"}
        with psycopg.connect(**where, autocommit=True) as connection:
            cursor = connection.execute(text.encode())
            return cursor.fetchall() if cursor.description else []

    return sqlite_ if url.startswith("sqlite") else postgres_


async def fill(url: str) -> None:
    store = await open_store(url)
    async with store.transaction() as change:
        await change.put_nodes([node(1)])
        await change.put_mappings([mapping("10.0.0.1", 1, 1)])
        await change.append_events([vl2_event(1, 1)])
    await store.close()


async def check(url: str) -> None:
    store = await open_store(url)
    async with store.transaction() as change:
        assert await everything(change.all_nodes()) == [node(1)]
        assert await everything(change.all_mappings()) == [mapping("10.0.0.1", 1, 1)]
        assert await everything(change.all_events()) == [vl2_event(1, 1)]
    await store.close()


def test_a_store_says_its_version_once_and_opening_it_again_changes_nothing(shared_url: str) -> None:
    ask = direct(shared_url)
    asyncio.run(fill(shared_url))
    assert ask("SELECT version FROM portolan_schema") == [(schema.VERSION,)]
    asyncio.run(check(shared_url))
    assert ask("SELECT version FROM portolan_schema") == [(schema.VERSION,)]


def test_an_older_store_is_brought_up_to_date_with_all_it_holds(
    shared_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(fill(shared_url))
    use(
        monkeypatch,
        "ALTER TABLE portolan_underlay_mappings ADD COLUMN note TEXT",
        "UPDATE portolan_underlay_mappings SET note = 'kept'",
    )
    asyncio.run(check(shared_url))
    ask = direct(shared_url)
    assert ask("SELECT version FROM portolan_schema") == [(NEXT,)]
    assert ask("SELECT note FROM portolan_underlay_mappings") == [("kept",)]
    asyncio.run(check(shared_url))
    assert ask("SELECT version FROM portolan_schema") == [(NEXT,)]


def test_an_upgrade_that_fails_leaves_the_store_as_it_was(shared_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asyncio.run(fill(shared_url))
    with monkeypatch.context() as patch:
        use(patch, "ALTER TABLE portolan_underlay_mappings ADD COLUMN note TEXT", "UPDATE no_such_table SET note = 1")
        with pytest.raises(StoreError, match="no_such_table"):
            asyncio.run(check(shared_url))
    ask = direct(shared_url)
    assert ask("SELECT version FROM portolan_schema") == [(schema.VERSION,)]
    asyncio.run(check(shared_url))
    use(monkeypatch, "ALTER TABLE portolan_underlay_mappings ADD COLUMN note TEXT")
    asyncio.run(check(shared_url))


def test_a_store_of_a_newer_version_is_refused_and_not_touched(shared_url: str) -> None:
    asyncio.run(fill(shared_url))
    ask = direct(shared_url)
    ask(f"UPDATE portolan_schema SET version = {NEXT}")
    text = f"the store has schema version {NEXT}, and this portolan knows {schema.VERSION} and older only"
    with pytest.raises(StoreError, match=text):
        asyncio.run(open_store(shared_url))
    assert ask("SELECT version FROM portolan_schema") == [(NEXT,)]
    ask(f"UPDATE portolan_schema SET version = {schema.VERSION}")
    asyncio.run(check(shared_url))


def test_a_version_that_nothing_leads_from_is_refused() -> None:
    dialect = make_url("sqlite://").get_dialect()()
    with pytest.raises(StoreError, match="nothing leads from schema version 2 to 3"):
        migrations.plan(1, dialect, version=3, upgrades={1: lambda _: ["SELECT 1"]})
    steps = migrations.plan(1, dialect, version=3, upgrades={1: lambda _: ["one"], 2: lambda _: ["two", "three"]})
    assert steps == ["one", "two", "three", "UPDATE portolan_schema SET version = 3"]


def test_somebody_elses_sqlite_database_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE recipes (name TEXT)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StoreError, match="no portolan store: it holds recipes"):
        asyncio.run(open_store(f"sqlite:///{path}"))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_other_tables_of_a_postgres_database_are_in_nobodys_way(postgres: Postgres) -> None:
    url = postgres.new_url()
    direct(url)("CREATE TABLE recipes (name TEXT)")
    asyncio.run(fill(url))
    asyncio.run(check(url))
    assert direct(url)("SELECT count(*) FROM recipes") == [(0,)]
