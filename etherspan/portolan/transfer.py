"""A whole store to and from a JSON document, row by row, whatever its size (see `jsonform`).

    {"compute_nodes": [{…}, …], "mappings": [{…}, …], "routes": [{…}, …], "events": [{…}, …]}

An import is one transaction: every row is there afterwards, as it stands and in its order, or none. Rows take the place of those with the
same key that the store has; two rows of one document cannot have the same key, and no event one that the store has.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any, Final

import ijson

from etherspan.errors import EtherspanError
from etherspan.portolan import jsonform
from etherspan.portolan.jsonform import FormError, Section
from etherspan.portolan.store.protocol import Store, Transaction

BATCH: Final = 10_000
"""Rows written at a time."""
_SECTIONS: Final = {section.name: section for section in jsonform.SECTIONS}


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
    seen: dict[str, set[object]] = {section: set() for section in _SECTIONS}
    async with store.transaction() as change:
        write = _writers(change)
        waiting: list[Any] = []
        section: Section[Any] | None = None
        for item in _items(file, name):
            if item.section is not section or len(waiting) >= BATCH:
                if section is not None:
                    await write[section.name](waiting)
                waiting, section = [], item.section
            row = _row(item, name)
            key = hash(item.section.key(row))
            if key in seen[item.section.name]:
                raise TransferError(_place(item, name, "there is a row with the same key before it"))
            seen[item.section.name].add(key)
            waiting.append(row)
            counts[item.section.name] += 1
        if section is not None:
            await write[section.name](waiting)
    return counts


async def export_document(store: Store, write: Callable[[str], object]) -> None:
    """Write a store's rows, those of one moment. Errors: `StoreError`."""
    async with store.transaction() as state:
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


def _writers(change: Transaction) -> dict[str, Callable[[list[Any]], Awaitable[None]]]:
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
        raise TransferError(_place(item, name, str(error))) from None


def _place(item: _Item, name: str, why: str) -> str:
    return f"{name}: {item.section.name}, row {item.number}: {why}"


def _items(file: IO[bytes], name: str) -> Iterator[_Item]:
    """The rows of a document in its order; they are counted from 1. Errors: `TransferError`."""
    reader = _Reader(name)
    try:
        for event, value in ijson.basic_parse(file, use_float=True):
            item = reader.take(event, value)
            if item is not None:
                yield item
    except ijson.JSONError as error:
        raise TransferError(f"{name}: not a JSON document: {error}") from None
    except UnicodeDecodeError as error:
        raise TransferError(f"{name}: not a JSON document: {error}") from None
    if not reader.complete:
        raise TransferError(f"{name}: not a JSON document: it is empty, or cut off")


class _Reader:
    """Follows the events of a parser through the one form that a document has."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._depth = 0
        self._section: Section[Any] | None = None
        self._done: dict[str, None] = {}
        self._number = 0
        self._values: dict[str, object] = {}
        self._key = ""
        self.complete = False

    def take(self, event: str, value: object) -> _Item | None:
        """One event; the row that it completes."""
        match self._depth:
            case 3:
                return self._in_row(event, value)
            case 2:
                self._in_section(event)
            case 1:
                self._in_document(event, value)
            case _:
                if event != "start_map":
                    raise TransferError(f"{self._name}: the document is an object with {', '.join(_SECTIONS)}")
                self._depth = 1
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
            self._depth = 2
        elif event == "end_map":
            self._depth = 0
            self.complete = True
        else:
            assert self._section is not None
            raise TransferError(f"{self._name}: {self._section.name} is no list of rows")

    def _in_section(self, event: str) -> None:
        assert self._section is not None
        if event == "end_array":
            self._depth = 1
            return
        self._number += 1
        if event != "start_map":
            raise TransferError(f"{self._name}: {self._section.name}, row {self._number}: it is no object")
        self._values = {}
        self._depth = 3

    def _in_row(self, event: str, value: object) -> _Item | None:
        assert self._section is not None
        if event == "map_key":
            self._key = str(value)
            if self._key in self._values:
                self._fail("it is there twice")
        elif event == "end_map":
            self._depth = 2
            return _Item(self._section, self._number, self._values)
        elif event.startswith("start"):
            self._fail("it is no single value")
        else:
            self._values[self._key] = value
        return None

    def _fail(self, why: str) -> None:
        assert self._section is not None
        raise TransferError(f"{self._name}: {self._section.name}, row {self._number}: {self._key}: {why}")
