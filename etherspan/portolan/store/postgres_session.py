"""Questions to a PostgreSQL store, and changes of it, over one connection that is inside a transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import count, groupby
from typing import Final, TypeVar

from sqlalchemy.engine import make_url

from etherspan.portolan.records import ComputeNode, Event, Mapping, Owner, Place, Route, RoutePlace
from etherspan.portolan.store import rows as codec
from etherspan.portolan.store import sql
from etherspan.portolan.store.postgres_link import DuplicateError, Link
from etherspan.portolan.store.protocol import AddressKey, EventExistsError, LogKey, MacKey, RouteKey, StoreError
from etherspan.portolan.store.schema import EVENTS, METADATA, NODES

T = TypeVar("T")

_COPIED: Final = 200
"""Rows from which on COPY is worth its three statements."""
_BIT: Final = 1000
"""Rows of a table that are read at a time."""
_MOST: Final = (1 << 63) - 1

_EVENTS_OF_KIND: Final = f"""(SELECT seq, cn, record FROM {EVENTS.name}
 WHERE cn = at.uuid AND at.found = 1 AND route = {{}} ORDER BY seq LIMIT k.most)"""
_LOG: Final = f"""SELECT k.n, at.found, e.cn, e.record
 FROM unnest(%b::bytea[], %b::bigint[], %b::boolean[]) WITH ORDINALITY AS k(address, most, routes, n)
 CROSS JOIN LATERAL (SELECT COUNT(*) AS found, MIN(uuid) AS uuid FROM
 (SELECT uuid FROM {NODES.name} WHERE underlay_ip = k.address LIMIT 2) AS nodes) AS at
 LEFT JOIN LATERAL ({_EVENTS_OF_KIND.format("FALSE")} UNION ALL
 (SELECT * FROM {_EVENTS_OF_KIND.format("TRUE")} AS other WHERE k.routes) ORDER BY seq LIMIT k.most) AS e ON TRUE
 ORDER BY k.n, e.seq"""


@cache
def _text(question: sql.Question) -> str:
    names = ", ".join(name for name, _ in question.columns)
    arrays = ", ".join(f"%b::{kind}[]" for _, kind in question.columns)
    keys = f"unnest({arrays}) WITH ORDINALITY AS k({names}, n)"
    return f"{question.text.format(keys=keys)} ORDER BY k.n"


@cache
def _types(put: sql.Put) -> tuple[str, ...]:
    """PostgreSQL types of a table's columns."""
    columns = METADATA.tables[put.table].columns
    dialect = make_url("postgresql://").get_dialect()()
    return tuple(columns[one].type.compile(dialect=dialect).split()[0].lower() for one in put.columns)


@cache
def _put_text(put: sql.Put) -> str:
    names = ", ".join(put.columns)
    arrays = ", ".join(f"%b::{one}[]" for one in _types(put))
    return f"INSERT INTO {put.table} ({names}) SELECT {names} FROM unnest({arrays}) AS k({names}) {put.on_conflict}"


def _marked(text: str) -> str:
    return text.replace("{}", "%b")


def _columns(rows: Iterable[Sequence[object]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]


class PostgresSnapshot:
    """See `Snapshot`."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._cursors = count(1)

    async def _ask(self, question: sql.Question, keys: Sequence[tuple[object, ...]]) -> list[codec.Row]:
        return await self._link.fetch(_text(question), _columns(keys)) if keys else []

    async def vl2(self, keys: Sequence[MacKey]) -> Sequence[Place | None]:
        return codec.places(await self._ask(sql.VL2, keys))

    async def vl3(self, keys: Sequence[AddressKey]) -> Sequence[Owner | None]:
        return [codec.owner(row) for row in await self._ask(sql.VL3, keys)]

    async def routes(self, keys: Sequence[RouteKey]) -> Sequence[RoutePlace | None]:
        return [codec.route_place(row) for row in await self._ask(sql.ROUTE, keys)]

    async def log(self, keys: Sequence[LogKey]) -> Sequence[Sequence[Event] | None]:
        if not keys:
            return []
        values = [(key.address, min(key.limit, _MOST), key.routes) for key in keys]
        found = await self._link.fetch(_LOG, _columns(values))
        return [_log(list(rows)) for _, rows in groupby(found, key=lambda row: row[0])]

    async def _all(self, text: str, *values: object) -> AsyncIterator[codec.Row]:
        name = f"portolan_all_{next(self._cursors)}"
        await self._link.run(f"DECLARE {name} NO SCROLL CURSOR FOR {_marked(text)}", values)
        while rows := await self._link.fetch(f"FETCH {_BIT} FROM {name}"):
            for row in rows:
                yield row
        await self._link.run(f"CLOSE {name}")

    async def all_nodes(self) -> AsyncIterator[ComputeNode]:
        async for row in self._all(sql.ALL_NODES):
            yield ComputeNode(*row)

    async def all_mappings(self, vnet_id: int | None = None) -> AsyncIterator[Mapping]:
        found = self._all(sql.ALL_MAPPINGS) if vnet_id is None else self._all(sql.ALL_MAPPINGS_OF, vnet_id)
        async for row in found:
            one = codec.mapping(row)
            assert one is not None
            yield one

    async def all_routes(self) -> AsyncIterator[Route]:
        async for row in self._all(sql.ALL_ROUTES):
            yield codec.route(row)

    async def all_events(self, cn: str | None = None) -> AsyncIterator[Event]:
        found = self._all(sql.ALL_EVENTS) if cn is None else self._all(sql.ALL_EVENTS_OF, cn)
        async for row in found:
            yield codec.event(row)


def _log(rows: Sequence[codec.Row]) -> Sequence[Event] | None:
    if rows[0][1] != 1:
        return None
    return [codec.event(row[2:]) for row in rows if row[2] is not None]


class PostgresTransaction(PostgresSnapshot):
    """See `Transaction`. One in which a call failed cannot be completed."""

    def __init__(self, link: Link) -> None:
        super().__init__(link)
        self.failed = False
        self._last: dict[str, int] = {}

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except StoreError:
            self.failed = True
            raise

    async def _put(self, how: sql.Put, row: Callable[[int, T], codec.Row], values: Sequence[T]) -> None:
        if not values:
            return
        with self._writing():
            if how.table not in self._last:
                ((last,),) = await self._link.fetch(f"SELECT COALESCE(MAX(seq), 0) FROM {how.table}")
                self._last[how.table] = last
            first = self._last[how.table] + 1
            self._last[how.table] += len(values)
            made = list(map(row, count(first), values))
            if len(made) < _COPIED:
                await self._link.run(_put_text(how), _columns(made))
            else:
                await self._copy(how, made)

    async def _copy(self, how: sql.Put, rows: Sequence[codec.Row]) -> None:
        """By way of a table of this connection, since COPY cannot replace rows."""
        names = ", ".join(how.columns)
        waiting = f"pg_temp.{how.table}_waiting"
        text = "CREATE TEMPORARY TABLE IF NOT EXISTS {0}_waiting (LIKE {0}) ON COMMIT DELETE ROWS"
        await self._link.run(text.format(how.table))
        await self._link.copy(f"COPY {waiting} ({names}) FROM STDIN (FORMAT BINARY)", _types(how), rows)
        await self._link.run(
            f"INSERT INTO {how.table} ({names}) SELECT {names} FROM {waiting} ORDER BY seq {how.on_conflict};"
            f" TRUNCATE {waiting}"
        )

    async def nodes(self, uuids: Sequence[str]) -> Sequence[ComputeNode | None]:
        return [codec.node(row) for row in await self._ask(sql.NODE, [(uuid,) for uuid in uuids])]

    async def mappings(self, keys: Sequence[AddressKey]) -> Sequence[Mapping | None]:
        return [codec.mapping(row) for row in await self._ask(sql.MAPPING, keys)]

    async def mappings_of(self, vnet_id: int, mac: bytes) -> Sequence[Mapping]:
        found = map(codec.mapping, await self._link.fetch(_marked(sql.MAPPINGS_OF), (vnet_id, mac)))
        return [one for one in found if one is not None]

    async def nodes_of(self, vnet_id: int) -> Sequence[str]:
        return [cn for (cn,) in await self._link.fetch(_marked(sql.NODES_OF), (vnet_id,))]

    async def put_nodes(self, rows: Sequence[ComputeNode]) -> None:
        # One statement cannot replace a row twice: the last of a key counts, in the place of the first.
        await self._put(sql.PUT_NODES, codec.of_node, list({row.uuid: row for row in rows}.values()))

    async def remove_nodes(self, uuids: Sequence[str]) -> None:
        await self._remove(f"DELETE FROM {NODES.name} WHERE uuid = ANY(%b::text[])", [list(uuids)])

    async def put_mappings(self, rows: Sequence[Mapping]) -> None:
        # Here the last of a key counts in its own place, since it is the one written last.
        last: dict[AddressKey, Mapping] = {}
        for row in reversed(rows):
            last.setdefault((row.vnet_id, row.ip), row)
        await self._put(sql.PUT_MAPPINGS, codec.of_mapping, list(reversed(last.values())))

    async def put_routes(self, rows: Sequence[Route]) -> None:
        await self._put(sql.PUT_ROUTES, codec.of_route, list({codec.route_key(row): row for row in rows}.values()))

    async def remove_routes(self, rows: Sequence[Route]) -> None:
        for row in rows:
            await self._remove(_marked(sql.REMOVE_ROUTE), codec.route_key(row))

    async def append_events(self, rows: Sequence[Event]) -> None:
        try:
            await self._put(sql.PUT_EVENTS, codec.of_event, rows)
        except DuplicateError as error:
            _, _, tail = error.detail.partition(r"=(\x")
            raise EventExistsError(bytes.fromhex(tail[:32])) from None

    async def remove_events(self, ids: Sequence[bytes]) -> None:
        await self._remove(f"DELETE FROM {EVENTS.name} WHERE id = ANY(%b::bytea[])", [list(ids)])

    async def _remove(self, text: str, values: Sequence[object]) -> None:
        with self._writing():
            await self._link.run(text, values)
