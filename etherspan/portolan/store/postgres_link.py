"""Connections to PostgreSQL: one, with errors and time-outs in the store's words, and a pool of them.

The pool is our own for what happens when the server has gone away: whoever finds the first dead connection throws all idle ones away, which
died with it, and goes on with a new one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy.engine import URL

from etherspan.portolan.store.protocol import StoreError, StoreUnreachableError
from etherspan.portolan.store.rows import Row

CONNECT_PATIENCE: Final = 3
STATEMENT_PATIENCE: Final = 5
"""Seconds. The server gives a statement up after that, and the wait for a lock; the client after `_GRACE` more, if it hears nothing."""
WRITE_PATIENCE: Final = 30
"""The same for a statement of a transaction, which may write very many rows."""
_GRACE: Final = 2
_IDLE_PATIENCE: Final = 60
"""How long a transaction may have nothing to say before the server takes its locks away, seconds."""

_SETTINGS: Final = {
    "statement_timeout": STATEMENT_PATIENCE * 1000,
    "lock_timeout": STATEMENT_PATIENCE * 1000,
    "idle_in_transaction_session_timeout": _IDLE_PATIENCE * 1000,
    # Every question is a handful of index lookups; the planner knows no better while a table is new.
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
}


class Link:
    """A connection. What it raises is `StoreError`, and what it ran into a time-out with is closed."""

    def __init__(self, connection: psycopg.AsyncConnection[Row], name: str) -> None:
        self._connection = connection
        self._cursor = connection.cursor(binary=True)
        self._plain = connection.cursor()
        self._name = name
        self.patience = STATEMENT_PATIENCE

    @classmethod
    async def connect(cls, url: URL) -> Link:
        """Errors: `StoreUnreachableError` nobody is there, or lets us in, within `CONNECT_PATIENCE`."""
        name = url.render_as_string(hide_password=True)
        values: dict[str, Any] = {**url.translate_connect_args(username="user", database="dbname"), **url.query}
        settings = " ".join(f"-c {key}={value}" for key, value in _SETTINGS.items())
        values["options"] = f"{settings} {values.get('options', '')}"
        defaults: dict[str, Any] = {
            "application_name": "portolan",
            "connect_timeout": CONNECT_PATIENCE,
            "tcp_user_timeout": (STATEMENT_PATIENCE + _GRACE) * 1000,
            "keepalives_idle": STATEMENT_PATIENCE,
        }
        try:
            async with asyncio.timeout(CONNECT_PATIENCE + _GRACE):
                connection = await psycopg.AsyncConnection.connect(autocommit=True, **(defaults | values))
        except (psycopg.Error, TimeoutError) as error:
            raise StoreUnreachableError(f"{name}: {_line(error) or 'no answer'}") from None
        return cls(connection, name)

    @property
    def usable(self) -> bool:
        """Whether it is there, and idle."""
        return not self._connection.closed and self._connection.info.transaction_status == TransactionStatus.IDLE

    @property
    def gone(self) -> bool:
        """Whether it is lost."""
        return bool(self._connection.closed)

    @asynccontextmanager
    async def _mapped(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self.patience + _GRACE):
                yield
        except psycopg.errors.UniqueViolation as error:
            raise DuplicateError(f"{self._name}: {_line(error)}", error.diag.message_detail or "") from None
        except psycopg.Error as error:
            raise StoreError(f"{self._name}: {_line(error)}") from None
        except TimeoutError:
            await self.close()
            raise StoreError(f"{self._name}: no answer within {self.patience + _GRACE} s") from None

    async def run(self, text: str, values: Sequence[object] | None = None) -> str:
        """Execute; statements without values may be several. What the server says it did."""
        async with self._mapped():
            await self._plain.execute(text.encode(), values)
        return self._plain.statusmessage or ""

    async def fetch(self, text: str, values: Sequence[object] | None = None) -> list[Row]:
        """All rows of an answer."""
        async with self._mapped():
            await self._cursor.execute(text.encode(), values)
            return await self._cursor.fetchall()

    async def copy(self, text: str, types: Sequence[str], rows: Sequence[Row]) -> None:
        """Send rows to a `COPY … FROM STDIN (FORMAT BINARY)`."""
        async with self._mapped(), self._cursor.copy(text.encode()) as copy:
            copy.set_types(types)
            for row in rows:
                await copy.write_row(row)

    async def roll_back(self) -> None:
        """End a transaction, if there is one; a connection with which that does not work is closed."""
        if self.gone or self.usable:
            return
        try:
            await self.run("ROLLBACK")
        except StoreError:
            await self.close()

    async def close(self) -> None:
        """Let go of it."""
        await self._connection.close()


class DuplicateError(StoreError):
    """A row with that key is there. `detail` is the server's word on which."""

    def __init__(self, text: str, detail: str) -> None:
        super().__init__(text)
        self.detail = detail


class Pool:
    """Connections that are used in turn, at most `size` at a time. `busy` says what keeps the next waiting."""

    def __init__(self, url: URL, size: int, busy: str) -> None:
        self._url = url
        self._name = url.render_as_string(hide_password=True)
        self._busy = busy
        self._idle: list[Link] = []
        self._free = asyncio.Semaphore(size)
        self._closed = False

    @asynccontextmanager
    async def link(self, begin: str) -> AsyncIterator[Link]:
        """A connection on which `begin` was executed; afterwards its transaction is over.

        One from the pool may have died since: then `begin` is tried once more, on a new one. Errors: `StoreError` that does not work
        either, or all are in use for too long.
        """
        try:
            async with asyncio.timeout(STATEMENT_PATIENCE):
                await self._free.acquire()
        except TimeoutError:
            raise StoreError(f"{self._name}: {self._busy} for more than {STATEMENT_PATIENCE} s") from None
        try:
            link = await self._begun(begin)
            try:
                yield link
            finally:
                await link.roll_back()
                await self._give(link)
        finally:
            self._free.release()

    async def _begun(self, begin: str) -> Link:
        if self._closed:
            raise StoreError(f"{self._name}: the store was closed")
        if self._idle:
            link = self._idle.pop()
            try:
                await link.run(begin)
            except StoreError:
                await link.close()
                await self._drop()
            except BaseException:
                await link.close()
                raise
            else:
                return link
        link = await Link.connect(self._url)
        try:
            await link.run(begin)
        except BaseException:
            await link.close()
            raise
        return link

    async def _give(self, link: Link) -> None:
        if link.usable and not self._closed:
            link.patience = STATEMENT_PATIENCE
            self._idle.append(link)
        else:
            await link.close()

    async def _drop(self) -> None:
        while self._idle:
            await self._idle.pop().close()

    async def close(self) -> None:
        """Close what is idle now, and the others when they come back."""
        self._closed = True
        await self._drop()


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())
