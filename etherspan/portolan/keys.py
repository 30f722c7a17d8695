"""Keys of very many rows, kept in a temporary file that goes with the process, so that memory does not grow with them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import ClassVar, Final, NamedTuple, Self, TypeAlias

from etherspan.errors import EtherspanError

_CACHE: Final = 8 << 10
"""KiB of the file that are kept in memory."""
Home: TypeAlias = tuple[int, bytes, str, bool]
"""Virtual network id and MAC address; the node it is on; whether that row is a router's."""


class Twice(NamedTuple):
    """A key that is there twice: number of the row, and of the one before it."""

    number: int
    earlier: int


class _Temporary:
    """An SQLite database without a name: it is in memory until it is too large for that, and then in an unlinked file."""

    _MAKE: ClassVar[str]

    def __init__(self) -> None:
        with _mapped():
            self._database = sqlite3.connect("", isolation_level=None)
            for statement in (
                f"PRAGMA cache_size = -{_CACHE}",
                "PRAGMA temp_store = FILE",
                "PRAGMA journal_mode = OFF",
                "PRAGMA synchronous = OFF",
                self._MAKE,
                "BEGIN",
            ):
                self._database.execute(statement)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()


class Keys(_Temporary):
    """Keys that were seen, each with the number of its row. Errors: `EtherspanError` there is no room."""

    _MAKE = "CREATE TABLE keys (key BLOB PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID"

    def add(self, first: int, keys: Sequence[bytes]) -> Twice | None:
        """Keys of rows that are numbered from `first` on; None, or the first of them that was there already."""
        numbered = list(zip(keys, range(first, first + len(keys)), strict=True))
        with _mapped():
            try:
                self._database.executemany("INSERT INTO keys VALUES (?, ?)", numbered)
            except sqlite3.IntegrityError:
                return self._first_twice(numbered)
        return None

    def _first_twice(self, numbered: Sequence[tuple[bytes, int]]) -> Twice:
        """Those before it have been put in with their own numbers."""
        for key, number in numbered:
            (there,) = self._database.execute("SELECT number FROM keys WHERE key = ?", (key,)).fetchone()
            if there != number:
                return Twice(number, there)
        raise AssertionError("a key is there twice")


class Homes(_Temporary):
    """Which nodes MAC addresses are on. Errors: `EtherspanError` there is no room."""

    _MAKE = (
        "CREATE TABLE homes (vnet_id INTEGER, mac BLOB, cn TEXT, router INTEGER, number INTEGER,"
        " PRIMARY KEY (vnet_id, mac, cn, router)) WITHOUT ROWID"
    )

    def __init__(self) -> None:
        super().__init__()
        self._count = 0

    def add(self, rows: Sequence[Home]) -> None:
        """In the order in which they were written."""
        numbers = range(self._count, self._count + len(rows))
        self._count += len(rows)
        with _mapped():
            self._database.executemany(
                "INSERT OR REPLACE INTO homes VALUES (?, ?, ?, ?, ?)",
                ((*row, number) for row, number in zip(rows, numbers, strict=True)),
            )

    def shared(self) -> Iterator[tuple[int, bytes, list[str]]]:
        """MAC addresses on several nodes, unless all rows are routers', and the nodes; the one written last comes last."""
        text = (
            "SELECT vnet_id, mac FROM homes GROUP BY vnet_id, mac HAVING COUNT(DISTINCT cn) > 1 AND MIN(router) = 0"
            " ORDER BY vnet_id, mac"
        )
        nodes = "SELECT cn FROM homes WHERE vnet_id = ? AND mac = ? GROUP BY cn ORDER BY MAX(number)"
        with _mapped():
            for vnet_id, mac in self._database.cursor().execute(text):
                yield vnet_id, mac, [cn for (cn,) in self._database.execute(nodes, (vnet_id, mac))]


@contextmanager
def _mapped() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise EtherspanError(f"a temporary file: {error}") from None
