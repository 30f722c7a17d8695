"""A store in a PostgreSQL database, for any number of servers and writers.

A snapshot is a read-only REPEATABLE READ transaction. Whoever writes holds an advisory lock to the end of its transaction: so there is one
at a time in all processes, and what has a higher number became visible later (SVP-I21).

A restart of the database is survived: a snapshot or a transaction begins on a new connection if that from the pool has died, and what was
going on fails. No call waits for ever (`postgres_link` has the times).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from etherspan.portolan.store.migrations import READ_VERSION, plan
from etherspan.portolan.store.postgres_link import WRITE_PATIENCE, Link, Pool
from etherspan.portolan.store.postgres_session import PostgresSnapshot, PostgresTransaction
from etherspan.portolan.store.protocol import StoreError
from etherspan.portolan.store.schema import SCHEMA

_READERS: Final = 8
_LOCK: Final = int.from_bytes(b"portolan")
_READ: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT 1"
"""The state is chosen by the first that is read of it."""
_WRITE: Final = f"BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL statement_timeout = '{WRITE_PATIENCE}s'"
_WAIT: Final = f"SELECT pg_advisory_xact_lock({_LOCK})"


class PostgresStore:
    """See the module."""

    def __init__(self, url: URL) -> None:
        self._dialect = url.get_dialect()()
        self._name = url.render_as_string(hide_password=True)
        self._readers = Pool(url, _READERS, "all connections have been in use")
        self._writers = Pool(url, 1, "another transaction has been going on")

    @classmethod
    async def open(cls, text: str) -> PostgresStore:
        """Connect, and make the tables or bring them up to date.

        Errors: `StoreError` nobody is there, or the store is of a newer version.
        """
        try:
            url = make_url(text)
        except (ArgumentError, ValueError) as error:
            raise StoreError(f"{text}: {error}") from None
        store = cls(url)
        try:
            await store._prepare()
        except BaseException:
            await store.close()
            raise
        return store

    async def _prepare(self) -> None:
        async with self._readers.link(_READ) as link:
            if not plan(await _version(link), self._dialect):
                return
        async with self._change() as link:
            for statement in plan(await _version(link), self._dialect):
                await link.run(statement)
            await self._commit(link)

    def snapshot(self) -> AbstractAsyncContextManager[PostgresSnapshot]:
        """See `Store`."""
        return self._snapshot()

    def transaction(self) -> AbstractAsyncContextManager[PostgresTransaction]:
        """See `Store`. Errors: `StoreError` too, if others write for longer than `STATEMENT_PATIENCE`, and if the connection is lost in the
        end: then the text says that nobody knows whether what was written lasts.
        """
        return self._transaction()

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[PostgresSnapshot]:
        async with self._readers.link(_READ) as link:
            yield PostgresSnapshot(link)

    @asynccontextmanager
    async def _change(self) -> AsyncIterator[Link]:
        async with self._writers.link(_WRITE) as link:
            await link.run(_WAIT)
            link.patience = WRITE_PATIENCE
            yield link

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[PostgresTransaction]:
        async with self._change() as link:
            change = PostgresTransaction(link)
            yield change
            if change.failed:
                raise StoreError(f"{self._name}: a transaction with a call that failed cannot be kept")
            await self._commit(link)

    async def _commit(self, link: Link) -> None:
        try:
            said = await link.run("COMMIT")
        except StoreError as error:
            if link.gone:
                raise StoreError(f"{error}; it is unknown whether the transaction was kept") from None
            raise
        if said != "COMMIT":
            raise StoreError(f"{self._name}: the transaction was not kept")

    async def close(self) -> None:
        """See `Store`."""
        await asyncio.gather(self._readers.close(), self._writers.close())


async def _version(link: Link) -> int | None:
    """Of the schema, None if there are no tables."""
    ((there,),) = await link.fetch(f"SELECT to_regclass('{SCHEMA.name}') IS NOT NULL")
    if not there:
        return None
    rows = await link.fetch(READ_VERSION)
    if len(rows) != 1:
        raise StoreError(f"{SCHEMA.name} has {len(rows)} rows, not one")
    return int(rows[0][0])
