"""The records of a command as one JSON object, in place of a table (docs/json-output.md).

    {"schema": "etherspan.dladm.show-link.v1", "links": [{"link": "ov0", "class": "overlay", "mtu": 1400, …}, …]}

A key is a column's name in lower case. A value has the column's type where it has one, is text otherwise, and null both for nothing and
for what could not be had. An object is one line, so that a command that prints again and again is a stream of lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from dladm.ofmt import Column, Formatter, Json, Record

VERSION: Final = 1
"""Of every schema. It goes up when a key goes or changes its meaning; a new key does not change it."""


def schema_name(program: str, records: str) -> str:
    """The name of a schema: `etherspan.dladm.show-link.v1`."""
    return f"etherspan.{program}.{records}.v{VERSION}"


class JsonFormatter(Formatter[Record]):
    """Keeps the records it is given, and prints no line for them; `document` is all of them."""

    def __init__(self, columns: Sequence[Column[Record]], schema: str, key: str) -> None:
        super().__init__(columns)
        self._chosen = tuple(columns)
        self._schema = schema
        self._key = key
        self._records: list[dict[str, Json]] = []

    def lines(self, record: Record) -> Iterator[str]:
        """Keep a record. No lines."""
        self._records.append({column.name.lower(): _value(column, record) for column in self._chosen})
        return iter(())

    def document(self) -> str:
        """The object, on one line; the records are gone afterwards."""
        content: dict[str, Any] = {"schema": self._schema, self._key: self._records}
        self._records = []
        return json.dumps(content)


def _value(column: Column[Record], record: Record) -> Json:
    return column.render(record) or None if column.value is None else column.value(record)
