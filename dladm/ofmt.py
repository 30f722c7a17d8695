r"""Tables as illumos commands print them (libofmt): columns, header, wrapping, parsable output (DLM 4).

Three rules make the output recognisable, and scripts depend on all of them:

* The header is a record like any other in the count of lines: it is printed whenever the count of records and headers so far is
  a multiple of the terminal's rows. Piped output counts as 24 rows, so the header comes again after every 23 records.
* A cell that is too long pushes the line to the right. The excess is a debt that later cells of the same line pay back out of
  their padding, so that columns align again as soon as there is slack. The last column is never padded.
* In wrap mode a cell is broken at its commas; what does not fit goes to continuation lines in which other columns are blank.

Parsable output has none of this: one line a record, fields joined by `:`, `:` and `\` escaped by `\` when there are several.
`split_parsable` takes such a line apart again.

Nothing is written here: a `Formatter` turns records into lines and leaves it to its caller where they go.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

Record = TypeVar("Record")

Json = str | int | bool | list[str] | list[int] | None
"""A cell in JSON output."""

UNDEFINED: Final = "--"
"""Shown for an empty cell."""
UNKNOWN: Final = "?"
"""Shown for a cell whose value could not be had."""
DEFAULT_ROWS: Final = 24
"""Rows assumed when output goes elsewhere than to a terminal."""
PIECES_MAX: Final = 128
"""A cell of more pieces than this is not broken."""
SEPARATOR: Final = ":"
"""Between the fields of parsable output."""
ESCAPE: Final = "\\"
"""Before a separator, or another one of these, that is part of a field."""


@dataclass(slots=True, frozen=True)
class Column(Generic[Record]):
    """One column: its head, its width with the gap to the next one, and how a record's cell is had.

    `render` returns the text, an empty text for "nothing" (`--`), or None when it could not be had (`?`). `value` is for output as JSON:
    the cell with its type, None for both nothing and what could not be had; without it the text stands.
    """

    name: str
    width: int
    render: Callable[[Record], str | None]
    value: Callable[[Record], Json] | None = None


class Mode(enum.Enum):
    """How records are laid out."""

    TABLE = enum.auto()
    WRAP = enum.auto()
    PARSABLE = enum.auto()


class FieldError(Exception):
    """A field list (`-o`) that cannot be used; the text is the original's, without the program's name (DLM 4.4)."""


def _quoted(names: Sequence[str]) -> str:
    head = "field" if len(names) == 1 else "fields"
    return f"unknown output {head}:" + "".join(f" `{name}'" for name in names)


@dataclass(slots=True, frozen=True)
class Selection(Generic[Record]):
    """The columns that a field list chose, in its order, and the warning that goes with it (empty: none)."""

    columns: tuple[Column[Record], ...]
    warning: str = ""


def select(columns: Sequence[Column[Record]], fields: str | None, *, parsable: bool) -> Selection[Record]:
    """Choose columns by a field list: comma-separated names in any case; None and `all` mean every column.

    Empty names between commas vanish. `all` has its meaning only when it is the whole list.

    Raises `FieldError` when the list cannot be used; in parsable mode that includes a list that is absent or empty, `all`, and one
    that names an unknown field, which human mode only warns of (DLM 4.4).
    """
    if parsable and not fields:
        raise FieldError("output fields must be specified in parsable mode")
    if fields is None or fields.lower() == "all":
        if parsable:
            raise FieldError("output field `all' invalid in parsable mode")
        return Selection(tuple(columns))
    names = [name for name in fields.split(",") if name]
    if not fields or len(names) > len(columns):
        raise FieldError("Not enough space")
    known = {column.name.lower(): column for column in columns}
    bad = [name for name in names if name.lower() not in known]
    if len(bad) == len(names):
        raise FieldError("no valid output fields")
    if bad and parsable:
        raise FieldError(_quoted(bad))
    chosen = tuple(known[name.lower()] for name in names if name.lower() in known)
    return Selection(chosen, f"ignoring {_quoted(bad)}" if bad else "")


class Formatter(Generic[Record]):
    """Turns records into output lines, without their newlines.

    `rows` is the height of the terminal that the lines go to, 0 when there is none.
    """

    def __init__(self, columns: Sequence[Column[Record]], mode: Mode = Mode.TABLE, *, rows: int = 0) -> None:
        self._columns = tuple(columns)
        self._mode = mode
        self._rows = rows or DEFAULT_ROWS
        self._printed = 0

    def lines(self, record: Record) -> Iterator[str]:
        """The lines of one record: a header when it is due, the record, its continuation lines."""
        cells = [column.render(record) for column in self._columns]
        if self._mode is Mode.PARSABLE:
            yield self._parsable(cells)
            return
        if self._printed % self._rows == 0:
            yield self._line([column.name for column in self._columns])
            self._printed += 1
        self._printed += 1
        shown = [UNKNOWN if cell is None else cell or UNDEFINED for cell in cells]
        if self._mode is Mode.WRAP:
            yield from self._wrapped(shown)
        else:
            yield self._line(shown)

    def _parsable(self, cells: Sequence[str | None]) -> str:
        texts = [UNKNOWN if cell is None else cell for cell in cells]
        return texts[0] if len(texts) == 1 else SEPARATOR.join(map(_escaped, texts))

    def _wrapped(self, cells: Sequence[str]) -> Iterator[str]:
        parts = [broken(cell, column.width) for cell, column in zip(cells, self._columns, strict=True)]
        for i in range(max(map(len, parts))):
            yield self._line([part[i] if i < len(part) else "" for part in parts])

    def _line(self, cells: Sequence[str]) -> str:
        out: list[str] = []
        debt = 0
        for cell, column in zip(cells[:-1], self._columns, strict=False):
            if len(cell) + debt >= column.width:
                out.append(cell + " ")
                debt += len(cell) - column.width + 1
            else:
                out.append(cell.ljust(column.width - debt))
                debt = 0
        out.append(cells[-1])
        return "".join(out)


def _escaped(text: str) -> str:
    return text.replace(ESCAPE, ESCAPE + ESCAPE).replace(SEPARATOR, ESCAPE + SEPARATOR)


def broken(cell: str, width: int) -> list[str]:
    """A cell as wrap mode lays it out, one text a line: broken after commas wherever the next piece would pass `width` (DLM 4.3).

    Empty pieces vanish, but not the last: a cell of nothing but commas stays as it is. So does one without commas, and one of more than
    128 pieces.
    """
    pieces = [piece for piece in cell.split(",") if piece]
    if not 0 < len(pieces) <= PIECES_MAX:
        return [cell]
    texts = [piece + "," for piece in pieces[:-1]] + [pieces[-1]]
    lines = [texts[0]]
    for piece, text in zip(pieces[1:], texts[1:], strict=True):
        if len(lines[-1]) + len(piece) > width:
            lines.append(text)
        else:
            lines[-1] += text
    return lines


def split_parsable(line: str) -> list[str]:
    r"""The cells of a line of parsable output with several fields: split at `:`, and `\` taken away before the character it protects.

    Output with a single field is not escaped: there the line is the cell. ValueError for a line that ends in a `\` which protects nothing.
    """
    cells = [""]
    characters = iter(line)
    for character in characters:
        if character == SEPARATOR:
            cells.append("")
            continue
        if character == ESCAPE:
            protected = next(characters, None)
            if protected is None:
                msg = f"{line!r} ends in a backslash that protects nothing: it is no whole line of parsable output"
                raise ValueError(msg)
            character = protected  # noqa: PLW2901 - the protected character stands in its place
        cells[-1] += character
    return cells
