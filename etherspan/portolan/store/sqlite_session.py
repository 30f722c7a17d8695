"""Questions to an SQLite store, and changes of it, over one cursor that is inside a transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import chain, count
from typing import Final, TypeVar

from etherspan.portolan.records import ComputeNode, Event, Mapping, Owner, Place, Route, RoutePlace
from etherspan.portolan.store import rows as codec
from etherspan.portolan.store import sql
from etherspan.portolan.store.protocol import AddressKey, EventExistsError, LogKey, MacKey, RouteKey, StoreError
from etherspan.portolan.store.schema import EVENTS, NODES

T = TypeVar("T")

_WIDTHS: Final = 512, 128, 32, 8, 2, 1
"""Keys that one statement asks for. Only so many texts are parsed, and no batch needs many statements."""
_BIT: Final = 1000
"""Rows of a table that are read at a time."""
_MOST: Final = (1 << 63) - 1


@cache
def _text(question: sql.Question, width: int) -> str:
    names = ", ".join(name for name, _ in question.columns)
    row = f"({', '.join('?' * len(question.columns))})"
    keys = f"WITH k({names}) AS (VALUES {', '.join([row] * width)}) "
    # The left side of a LEFT JOIN is the outer loop, and the rows of VALUES come as they stand: so answers are in the order of the keys.
    return keys + question.text.format(keys="k")


def _marked(text: str) -> str:
    return text.replace("{}", "?")


_EVENTS_OF_KIND: Final = (
    f"SELECT * FROM (SELECT seq, cn, record FROM {EVENTS.name} WHERE cn = ?1 AND route = {{}} ORDER BY seq LIMIT ?2)"
)
_NODES_AT: Final = f"SELECT uuid FROM {NODES.name} WHERE underlay_ip = ? LIMIT 2"
_LOG_ONE: Final = f"SELECT cn, record FROM ({_EVENTS_OF_KIND.format('FALSE')}) ORDER BY seq"
_LOG_TWO: Final = f"""SELECT cn, record FROM ({_EVENTS_OF_KIND.format("FALSE")} UNION ALL {_EVENTS_OF_KIND.format("TRUE")})
 ORDER BY seq LIMIT ?2"""
_EVENT_BEFORE: Final = f"SELECT 1 FROM {EVENTS.name} WHERE id = ? AND seq < ?"


class SqliteSnapshot:
    """See `Snapshot`."""

    def __init__(self, cursor: sqlite3.Cursor, path: str) -> None:
        self._cursor = cursor
        self._path = path
        self._reading: list[sqlite3.Cursor] = []

    def stop_reading(self) -> None:
        """Before the transaction ends: what is still read bit by bit is given up."""
        while self._reading:
            self._reading.pop().close()

    def _ask(self, question: sql.Question, keys: Sequence[tuple[object, ...]]) -> list[codec.Row]:
        found: list[codec.Row] = []
        execute = self._cursor.execute
        at, left = 0, len(keys)
        try:
            for width in _WIDTHS:
                while left >= width:
                    part = keys[at : at + width]
                    found += execute(_text(question, width), tuple(chain.from_iterable(part))).fetchall()
                    at += width
                    left -= width
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: {error}") from None
        return found

    def _read(self, text: str, values: tuple[object, ...]) -> list[codec.Row]:
        try:
            return self._cursor.execute(text, values).fetchall()
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: {error}") from None

    async def vl2(self, keys: Sequence[MacKey]) -> Sequence[Place | None]:
        return codec.places(self._ask(sql.VL2, keys))

    async def vl3(self, keys: Sequence[AddressKey]) -> Sequence[Owner | None]:
        return [codec.owner(row) for row in self._ask(sql.VL3, keys)]

    async def routes(self, keys: Sequence[RouteKey]) -> Sequence[RoutePlace | None]:
        return [codec.route_place(row) for row in self._ask(sql.ROUTE, keys)]

    async def log(self, keys: Sequence[LogKey]) -> Sequence[Sequence[Event] | None]:
        return [self._log(key) for key in keys]

    def _log(self, key: LogKey) -> Sequence[Event] | None:
        nodes = self._read(_NODES_AT, (key.address,))
        if len(nodes) != 1:
            return None
        values = nodes[0][0], min(key.limit, _MOST)
        return [codec.event(row) for row in self._read(_LOG_TWO if key.routes else _LOG_ONE, values)]

    def _all(self, text: str, *values: object) -> Iterator[codec.Row]:
        try:
            cursor = self._cursor.connection.cursor()
            cursor.arraysize = _BIT
            self._reading.append(cursor)
            cursor.execute(_marked(text), values)
            while rows := cursor.fetchmany():
                yield from rows
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: {error}") from None

    async def all_nodes(self) -> AsyncIterator[ComputeNode]:
        for row in self._all(sql.ALL_NODES):
            yield ComputeNode(*row)

    async def all_mappings(self, vnet_id: int | None = None) -> AsyncIterator[Mapping]:
        found = self._all(sql.ALL_MAPPINGS) if vnet_id is None else self._all(sql.ALL_MAPPINGS_OF, vnet_id)
        for row in found:
            one = codec.mapping(row)
            assert one is not None
            yield one

    async def all_routes(self) -> AsyncIterator[Route]:
        for row in self._all(sql.ALL_ROUTES):
            yield codec.route(row)

    async def all_events(self, cn: str | None = None) -> AsyncIterator[Event]:
        found = self._all(sql.ALL_EVENTS) if cn is None else self._all(sql.ALL_EVENTS_OF, cn)
        for row in found:
            yield codec.event(row)


class SqliteTransaction(SqliteSnapshot):
    """See `Transaction`. One in which a call failed cannot be completed."""

    def __init__(self, cursor: sqlite3.Cursor, path: str) -> None:
        super().__init__(cursor, path)
        self._failed = False
        self._numbers: dict[str, Iterator[int]] = {}

    def end(self, *, given_up: bool = False) -> None:
        """Before it is committed or rolled back. Errors: `StoreError` a call failed, unless it is given up."""
        self.stop_reading()
        if self._failed and not given_up:
            raise StoreError(f"{self._path}: a transaction with a call that failed cannot be kept")

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            self._failed = True
            raise StoreError(f"{self._path}: {error}") from None
        except StoreError:
            self._failed = True
            raise

    def _numbered(self, table: str) -> Iterator[int]:
        """Numbers for what is written, after all that are there."""
        if table not in self._numbers:
            (last,) = self._cursor.execute(f"SELECT COALESCE(MAX(seq), 0) FROM {table}").fetchone()
            self._numbers[table] = count(last + 1)
        return self._numbers[table]

    def _put(self, how: sql.Put, row: Callable[[int, T], codec.Row], values: Sequence[T]) -> None:
        with self._writing():
            self._cursor.executemany(how.values("?"), map(row, self._numbered(how.table), values))

    async def nodes(self, uuids: Sequence[str]) -> Sequence[ComputeNode | None]:
        return [codec.node(row) for row in self._ask(sql.NODE, [(uuid,) for uuid in uuids])]

    async def mappings(self, keys: Sequence[AddressKey]) -> Sequence[Mapping | None]:
        return [codec.mapping(row) for row in self._ask(sql.MAPPING, keys)]

    async def mappings_of(self, vnet_id: int, mac: bytes) -> Sequence[Mapping]:
        found = map(codec.mapping, self._read(_marked(sql.MAPPINGS_OF), (vnet_id, mac)))
        return [one for one in found if one is not None]

    async def nodes_of(self, vnet_id: int) -> Sequence[str]:
        return [cn for (cn,) in self._read(_marked(sql.NODES_OF), (vnet_id,))]

    async def put_nodes(self, rows: Sequence[ComputeNode]) -> None:
        self._put(sql.PUT_NODES, codec.of_node, rows)

    async def remove_nodes(self, uuids: Sequence[str]) -> None:
        self._remove(f"DELETE FROM {NODES.name} WHERE uuid = ?", [(uuid,) for uuid in uuids])

    async def put_mappings(self, rows: Sequence[Mapping]) -> None:
        self._put(sql.PUT_MAPPINGS, codec.of_mapping, rows)

    async def put_routes(self, rows: Sequence[Route]) -> None:
        self._put(sql.PUT_ROUTES, codec.of_route, rows)

    async def remove_routes(self, rows: Sequence[Route]) -> None:
        self._remove(_marked(sql.REMOVE_ROUTE), [codec.route_key(row) for row in rows])

    async def append_events(self, rows: Sequence[Event]) -> None:
        with self._writing():
            first = next(self._numbered(EVENTS.name))
            self._numbers[EVENTS.name] = chain((first,), self._numbers[EVENTS.name])
            try:
                self._put(sql.PUT_EVENTS, codec.of_event, rows)
            except StoreError:
                self._name_duplicate(rows, first)
                raise

    def _name_duplicate(self, rows: Sequence[Event], first: int) -> None:
        """Say which event cannot be appended, if the reason is that it is there."""
        seen: set[bytes] = set()
        for row in rows:
            one = row.record.id
            if one in seen or self._cursor.execute(_EVENT_BEFORE, (one, first)).fetchone():
                raise EventExistsError(one)
            seen.add(one)

    async def remove_events(self, ids: Sequence[bytes]) -> None:
        self._remove(f"DELETE FROM {EVENTS.name} WHERE id = ?", [(one,) for one in ids])

    def _remove(self, text: str, keys: Sequence[tuple[object, ...]]) -> None:
        with self._writing():
            self._cursor.executemany(text, keys)
