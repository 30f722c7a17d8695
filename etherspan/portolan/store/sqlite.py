"""A store in an SQLite file.

Called on the loop as it is: a question takes microseconds, less than to hand it to a thread. The file is in WAL mode, so a reader waits for
nobody, and sees the state in which it began. Writers, also those of other processes, are one after the other; whoever waits for its turn
lets the loop go on. A transaction is on the disk before it is said to be done.

What is kept in memory is a page cache of fixed size for each connection; tables are read bit by bit.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final

from sqlalchemy import create_engine
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.exc import DBAPIError as WrappedError
from sqlalchemy.pool import NullPool

from etherspan.portolan.store.migrations import READ_VERSION, plan
from etherspan.portolan.store.protocol import StoreError
from etherspan.portolan.store.schema import SCHEMA
from etherspan.portolan.store.sqlite_session import SqliteSnapshot, SqliteTransaction

PATIENCE: Final = 5.0
"""How long a writer waits for its turn, seconds."""
_PAUSE: Final = 0.002, 0.05
"""Between two tries: the first pause, and the longest."""
_READER_CACHE: Final = 8 << 10
_WRITER_CACHE: Final = 32 << 10
"""KiB."""
_WAL_LIMIT: Final = 64 << 20
"""What is left of the log file after a large transaction, bytes."""
_IDLE_READERS: Final = 4


class SqliteStore:
    """See the module."""

    def __init__(self, url: URL, folder: tempfile.TemporaryDirectory[str] | None) -> None:
        self._path = url.database or ""
        self._folder = folder
        self._engine: Engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": PATIENCE})
        self._readers: list[_Reader] = []
        self._writer: sqlite3.Connection | None = None
        self._turn = asyncio.Lock()
        self._closed = False

    @classmethod
    async def open(cls, text: str) -> SqliteStore:
        """Open the file, or make it. Errors: `StoreError` it cannot be, or is something else."""
        try:
            url = make_url(text)
        except (ArgumentError, ValueError) as error:
            raise StoreError(f"{text}: {error}") from None
        if url.query or url.host:
            raise StoreError(f"{text}: an SQLite URL is sqlite:////PATH, and nothing more")
        folder = None
        if url.database in (None, "", ":memory:"):
            folder = tempfile.TemporaryDirectory(prefix="portolan-")
            url = url.set(database=str(Path(folder.name, "portolan.db")))
        store = cls(url, folder)
        try:
            await store._prepare()
        except BaseException:
            await store.close()
            raise
        return store

    async def _prepare(self) -> None:
        """Look whose file it is before anything of it changes; then bring it up to date."""
        with self._mapped():
            self._writer = connection = self._connect(_WRITER_CACHE)
            cursor = connection.cursor()
            complete = not plan(_version(cursor), self._engine.dialect)
            if await self._patiently(cursor, "PRAGMA journal_mode = WAL") != ("wal",):
                raise StoreError(f"{self._path}: its file system cannot share memory, which SQLite's WAL mode needs")
            cursor.execute("PRAGMA synchronous = FULL")
            cursor.execute(f"PRAGMA journal_size_limit = {_WAL_LIMIT}")
            cursor.execute("PRAGMA busy_timeout = 0")
            if complete:
                return
            await self._patiently(cursor, "BEGIN IMMEDIATE")
            try:
                for statement in plan(_version(cursor), self._engine.dialect):
                    cursor.execute(statement)
                cursor.execute("COMMIT")
            except BaseException:
                _roll_back(cursor)
                raise

    async def _patiently(self, cursor: sqlite3.Cursor, statement: str) -> object:
        """Execute what another process may be in the way of, until it is not. The first row of the answer."""
        loop = asyncio.get_running_loop()
        pause, longest = _PAUSE
        end = loop.time() + PATIENCE
        while True:
            try:
                return cursor.execute(statement).fetchone()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                    raise
                if loop.time() >= end:
                    raise StoreError(
                        f"{self._path}: another process has been writing for more than {PATIENCE:g} s"
                    ) from None
            await asyncio.sleep(pause)
            pause = min(2 * pause, longest)

    def _connect(self, cache: int) -> sqlite3.Connection:
        try:
            pooled = self._engine.raw_connection()
        except WrappedError as error:
            raise StoreError(f"{self._path}: {error.orig}") from None
        connection = pooled.driver_connection
        assert isinstance(connection, sqlite3.Connection)
        pooled.detach()
        connection.isolation_level = None
        connection.execute(f"PRAGMA cache_size = -{cache}")
        connection.execute("PRAGMA temp_store = FILE")
        return connection

    @contextmanager
    def _mapped(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: {error}") from None

    def snapshot(self) -> AbstractAsyncContextManager[SqliteSnapshot]:
        """See `Store`."""
        return _Reading(self)

    def transaction(self) -> AbstractAsyncContextManager[SqliteTransaction]:
        """See `Store`. Errors: `StoreError` too, if others write for longer than `PATIENCE`."""
        return self._transaction()

    def take_reader(self) -> _Reader:
        """A connection with a read transaction begun."""
        self._check_open()
        with self._mapped():
            reader = self._readers.pop() if self._readers else _Reader(self._connect(_READER_CACHE), self._path)
            try:
                reader.cursor.execute("BEGIN")
                # The state is chosen by the first that is read of it.
                reader.cursor.execute(READ_VERSION).fetchone()
            except BaseException:
                reader.close()
                raise
        return reader

    def give_reader(self, reader: _Reader) -> None:
        """Take it back, its transaction ended."""
        reader.snapshot.stop_reading()
        try:
            reader.cursor.execute("COMMIT")
        except sqlite3.Error:
            reader.close()
            return
        if self._closed or len(self._readers) >= _IDLE_READERS:
            reader.close()
        else:
            self._readers.append(reader)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[SqliteTransaction]:
        async with self._one_at_a_time():
            self._check_open()
            assert self._writer is not None
            cursor = self._writer.cursor()
            with self._mapped():
                await self._patiently(cursor, "BEGIN IMMEDIATE")
            change = SqliteTransaction(cursor, self._path)
            try:
                yield change
                change.end()
                with self._mapped():
                    cursor.execute("COMMIT")
            finally:
                change.end(given_up=True)
                with self._mapped():
                    _roll_back(cursor)
                cursor.close()
                if self._closed:
                    self._close_writer()

    @asynccontextmanager
    async def _one_at_a_time(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(PATIENCE):
                await self._turn.acquire()
        except TimeoutError:
            raise StoreError(
                f"{self._path}: another transaction has been going on for more than {PATIENCE:g} s"
            ) from None
        try:
            yield
        finally:
            self._turn.release()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreError(f"{self._path}: the store was closed")

    def _close_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    async def close(self) -> None:
        """See `Store`. What is going on goes on to its end."""
        self._closed = True
        while self._readers:
            self._readers.pop().close()
        if not self._turn.locked():
            self._close_writer()
        self._engine.dispose()
        if self._folder is not None:
            self._folder.cleanup()


class _Reader:
    """A connection that reads, its cursor, and the questions it can be asked."""

    def __init__(self, connection: sqlite3.Connection, path: str) -> None:
        self._connection = connection
        self.cursor = connection.cursor()
        self.snapshot = SqliteSnapshot(self.cursor, path)

    def close(self) -> None:
        self._connection.close()


class _Reading:
    """The context of a snapshot; a class, since there is one for each batch of questions."""

    __slots__ = ("_reader", "_store")

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self._reader: _Reader | None = None

    async def __aenter__(self) -> SqliteSnapshot:
        self._reader = self._store.take_reader()
        return self._reader.snapshot

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._reader is not None
        self._store.give_reader(self._reader)


def _version(cursor: sqlite3.Cursor) -> int | None:
    """Of the schema, None of an empty file. Errors: `StoreError` there is something else."""
    tables = {name for (name,) in cursor.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if SCHEMA.name in tables:
        row = cursor.execute(READ_VERSION).fetchone()
        if row is not None:
            return int(row[0])
    if tables:
        raise StoreError(f"this is no portolan store: it holds {', '.join(sorted(tables))}")
    return None


def _roll_back(cursor: sqlite3.Cursor) -> None:
    if cursor.connection.in_transaction:
        cursor.execute("ROLLBACK")
