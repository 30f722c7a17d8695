"""A whole store to and from a JSON document, row by row, whatever its size (see `jsonform`).

    {"compute_nodes": [{…}, …], "mappings": [{…}, …], "routes": [{…}, …], "events": [{…}, …]}

An import is one transaction: every row is there afterwards, as it stands and in its order, or none. Rows take the place of those with the
same key that the store has; two rows of one document cannot have the same key, and no event one that the store has. Nobody else can write
while it goes on. An export is in nobody's way.
"""

from __future__ import annotations

import contextlib
import enum
import json
import operator
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby, islice
from typing import IO, Any, Final, TypeAlias

import ijson

from etherspan.errors import EtherspanError
from etherspan.portolan import jsonform
from etherspan.portolan.jsonform import FormError, Section
from etherspan.portolan.keys import Keys
from etherspan.portolan.store.protocol import EventExistsError, Store, Transaction

BATCH: Final = 10_000
"""Rows written at a time."""
_SECTIONS: Final = {section.name: section for section in jsonform.SECTIONS}
_Write: TypeAlias = Callable[[Sequence[Any]], Awaitable[None]]


class TransferError(EtherspanError):
    """A document that cannot be imported: which one, where in it, and why."""


@dataclass(slots=True, frozen=True)
class _Item:
    """A row of a document."""

    section: Section[Any]
    number: int
    values: dict[str, object]


async def import_document(store: Store, file: IO[bytes], name: str) -> dict[str, int]:
    """Put a document's rows into a store; the number of each kind. `name` is the document's, for messages.

    Errors: `TransferError`, `StoreError`; nothing has changed then (SVP-B23).
    """
    counts = dict.fromkeys(_SECTIONS, 0)
    async with store.transaction() as change:
        write = _writers(change)
        with contextlib.closing(_items(file, name)) as items:
            for section, rows in groupby(items, key=operator.attrgetter("section")):
                counts[section.name] = await _import_section(section, rows, name, write[section.name])
    return counts


async def _import_section(section: Section[Any], items: Iterator[_Item], name: str, write: _Write) -> int:
    """The rows of one section, which follow each other. How many they are."""
    number = 1
    with Keys() as seen:
        while batch := [_row(item, name) for item in islice(items, BATCH)]:
            twice = seen.add(number, [section.key(row) for row in batch])
            if twice is not None:
                key = section.key_text(batch[twice.number - number])
                why = f"{key}: row {twice.earlier} has the same"
                raise TransferError(_place(section, twice.number, name, why))
            try:
                await write(batch)
            except EventExistsError as error:
                place = next(at for at, row in enumerate(batch, number) if row.record.id == error.ident)
                why = f"uuid {jsonform.uuid_text(error.ident)}: the store has an event with it"
                raise TransferError(_place(section, place, name, why)) from None
            number += len(batch)
    return number - 1


async def export_document(store: Store, write: Callable[[str], object]) -> None:
    """Write a store's rows, those of one moment; nobody has to wait meanwhile. Errors: `StoreError`."""
    async with store.snapshot() as state:
        rows: dict[str, AsyncIterator[Any]] = {
            "compute_nodes": state.all_nodes(),
            "mappings": state.all_mappings(),
            "routes": state.all_routes(),
            "events": state.all_events(),
        }
        for number, (name, section) in enumerate(_SECTIONS.items()):
            write(f"{',' if number else '{'}\n{json.dumps(name)}: [")
            begin = "\n"
            async for row in rows[name]:
                write(f"{begin} {json.dumps(section.write(row))}")
                begin = ",\n"
            write("]" if begin == "\n" else "\n]")
        write("\n}\n")


def _writers(change: Transaction) -> dict[str, _Write]:
    return {
        "compute_nodes": change.put_nodes,
        "mappings": change.put_mappings,
        "routes": change.put_routes,
        "events": change.append_events,
    }


def _row(item: _Item, name: str) -> Any:
    try:
        return item.section.read(item.values)
    except FormError as error:
        raise TransferError(_place(item.section, item.number, name, str(error))) from None


def _place(section: Section[Any], number: int, name: str, why: str) -> str:
    return f"{name}: {section.name}, row {number}: {why}"


def _items(file: IO[bytes], name: str) -> Generator[_Item, None, None]:
    """The rows of a document in its order; they are counted from 1. Errors: `TransferError`."""
    reader = _Reader(name)
    try:
        for event, value in ijson.basic_parse(file):
            item = reader.take(event, value)
            if item is not None:
                yield item
    except (ijson.JSONError, UnicodeDecodeError) as error:
        raise TransferError(f"{name}: {reader.place}not a JSON document: {_parser_says(error)}") from None
    if not reader.complete:
        raise TransferError(f"{name}: not a JSON document: it is empty, or cut off")


def _parser_says(error: Exception) -> str:
    """What is wrong, and the text around it if there is any."""
    said = error.args[0] if error.args else ""
    text = said.decode(errors="replace") if isinstance(said, bytes) else str(error)
    what, *around = (line.strip() for line in text.strip().splitlines())
    return f"{what.rstrip('.')}, near {around[0]!r}" if around and around[0] else what.rstrip(".")


class _Depth(enum.IntEnum):
    """How deep in a document a parser is."""

    OUTSIDE = 0
    DOCUMENT = 1
    SECTION = 2
    ROW = 3


class _Reader:
    """Follows the events of a parser through the one form that a document has."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._depth = _Depth.OUTSIDE
        self._section: Section[Any] | None = None
        self._done: dict[str, None] = {}
        self._number = 0
        self._values: dict[str, object] = {}
        self._key = ""
        self.complete = False

    @property
    def place(self) -> str:
        """Where it is, for a message: the row that is read, or comes next."""
        if self._section is None or self._depth < _Depth.SECTION:
            return ""
        return f"{self._section.name}, row {self._number + (self._depth is _Depth.SECTION)}: "

    def take(self, event: str, value: object) -> _Item | None:
        """One event; the row that it completes."""
        match self._depth:
            case _Depth.ROW:
                return self._in_row(event, value)
            case _Depth.SECTION:
                self._in_section(event)
            case _Depth.DOCUMENT:
                self._in_document(event, value)
            case _:
                if event != "start_map":
                    raise TransferError(f"{self._name}: the document is an object with {', '.join(_SECTIONS)}")
                self._depth = _Depth.DOCUMENT
        return None

    def _in_document(self, event: str, value: object) -> None:
        if event == "map_key":
            name = str(value)
            if name not in _SECTIONS:
                raise TransferError(f"{self._name}: there is no section {name!r}; there are {', '.join(_SECTIONS)}")
            if name in self._done:
                raise TransferError(f"{self._name}: section {name!r} is there twice")
            self._done[name] = None
            self._section, self._number = _SECTIONS[name], 0
        elif event == "start_array":
            self._depth = _Depth.SECTION
        elif event == "end_map":
            self._depth = _Depth.OUTSIDE
            self.complete = True
        else:
            assert self._section is not None
            raise TransferError(f"{self._name}: {self._section.name} is no list of rows")

    def _in_section(self, event: str) -> None:
        assert self._section is not None
        if event == "end_array":
            self._depth = _Depth.DOCUMENT
            return
        self._number += 1
        if event != "start_map":
            raise TransferError(f"{self._name}: {self._section.name}, row {self._number}: it is no object")
        self._values = {}
        self._depth = _Depth.ROW

    def _in_row(self, event: str, value: object) -> _Item | None:
        assert self._section is not None
        if event == "map_key":
            self._key = str(value)
            if self._key in self._values:
                self._fail("it is there twice")
        elif event == "end_map":
            self._depth = _Depth.SECTION
            return _Item(self._section, self._number, self._values)
        elif event.startswith("start"):
            self._fail("it is no single value")
        else:
            self._values[self._key] = float(value) if isinstance(value, Decimal) else value
        return None

    def _fail(self, why: str) -> None:
        assert self._section is not None
        raise TransferError(f"{self._name}: {self._section.name}, row {self._number}: {self._key}: {why}")
