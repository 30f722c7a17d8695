"""What holds of every table, whatever the records."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dladm.ofmt import Column, FieldError, Formatter, Mode, broken, select, split_parsable

Record = tuple[str, ...]
WORD = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S"), exclude_characters=","), max_size=12)
CELL = st.lists(WORD, min_size=1, max_size=4).map(",".join)


def columns(widths: list[int]) -> list[Column[Record]]:
    def cell(place: int, width: int) -> Column[Record]:
        return Column(f"C{place}", width, lambda record: record[place])

    return [cell(place, width) for place, width in enumerate(widths)]


@st.composite
def tables(draw: st.DrawFn, cell: st.SearchStrategy[str] = WORD) -> tuple[list[int], list[Record]]:
    widths = draw(st.lists(st.integers(4, 16), min_size=1, max_size=6))
    records = draw(st.lists(st.tuples(*[cell] * len(widths)), min_size=1, max_size=60))
    return widths, records


@given(tables())
def test_a_table_keeps_its_cells_in_order_one_line_a_record(table: tuple[list[int], list[Record]]) -> None:
    widths, records = table
    formatter = Formatter(columns(widths))
    head = [f"C{place}" for place in range(len(widths))]
    for record in records:
        *headers, line = formatter.lines(record)
        assert [one.split() for one in headers] in ([], [head])
        assert line.split() == [cell or "--" for cell in record]


@given(tables())
def test_a_column_starts_where_it_should_or_later_and_only_by_what_pushes_it(
    table: tuple[list[int], list[Record]],
) -> None:
    widths, records = table
    formatter = Formatter(columns(widths))
    for record in records:
        *_, line = formatter.lines(record)
        starts = [found.start() for found in re.finditer(r"\S+", line)]
        due = end = 0
        for start, width, cell in zip(starts, widths, record, strict=True):
            assert start == max(due, end)
            due += width
            end = start + len(cell or "--") + 1


@given(st.integers(1, 50), st.integers(1, 150))
def test_the_header_comes_whenever_the_count_of_lines_is_a_multiple_of_the_rows(rows: int, records: int) -> None:
    formatter = Formatter(columns([4]), rows=rows)
    printed = 0
    for _ in range(records):
        lines = list(formatter.lines(("x",)))
        assert (len(lines) == 2) == (printed % rows == 0)
        printed += len(lines)


def by_the_words(cells: Record, widths: list[int]) -> str:
    """A line as the rule has it in words: a cell that with the debt would pass its column is followed by one blank and leaves the
    difference as debt; any other pays the whole debt out of its padding. The last is printed as it is."""
    line, debt = "", 0
    for cell, width in zip(cells[:-1], widths[:-1], strict=True):
        used = len(cell) + debt
        line += cell + " " if used >= width else cell + " " * (width - used)
        debt = max(0, used + 1 - width) if used >= width else 0
    return line + cells[-1]


@given(st.lists(st.tuples(st.text("ab ", max_size=20), st.integers(1, 16)), min_size=1, max_size=8))
def test_a_line_is_laid_out_by_the_rule_of_debt(cells: list[tuple[str, int]]) -> None:
    texts, widths = tuple(text for text, _ in cells), [width for _, width in cells]
    *_, line = Formatter(columns(widths)).lines(texts)
    assert line == by_the_words(tuple(text or "--" for text in texts), widths)


@given(tables(st.text(max_size=12)))
def test_parsable_output_can_be_taken_apart_again(table: tuple[list[int], list[Record]]) -> None:
    widths, records = table
    formatter = Formatter(columns(widths), Mode.PARSABLE)
    for record in records:
        (line,) = formatter.lines(record)
        assert ([line] if len(widths) == 1 else split_parsable(line)) == list(record)


@given(st.lists(st.text("a:\\", max_size=6), min_size=2, max_size=6))
def test_of_parsable_output_nothing_but_separators_and_their_guards_is_protected(record: list[str]) -> None:
    (line,) = Formatter(columns([4] * len(record)), Mode.PARSABLE).lines(tuple(record))
    assert split_parsable(line) == record
    assert len(line) == sum(map(len, record)) + sum(map(len, re.findall(r"[:\\]", "".join(record)))) + len(record) - 1


@given(st.text("a:\\", max_size=12))
def test_any_line_is_split_or_was_cut(line: str) -> None:
    guards = len(line) - len(line.rstrip("\\"))
    if guards % 2:
        with pytest.raises(ValueError, match="ends in a backslash"):
            split_parsable(line)
    else:
        assert len(split_parsable(line)) == 1 + len(re.findall(r":", re.sub(r"\\.", "", line)))


FIELDS = st.lists(st.sampled_from(["c0", "C1", "c2", "", "foo", "bar", "all", "%s"]), max_size=6)


@given(FIELDS, st.booleans())
def test_a_field_list_gives_its_known_names_in_order_or_the_message_that_its_case_has(
    names: list[str], parsable: bool
) -> None:
    fields = ",".join(names)
    given_names = [name for name in names if name]
    known = [name.upper() for name in given_names if name.upper() in ("C0", "C1", "C2")]
    bad = [name for name in given_names if name.upper() not in ("C0", "C1", "C2")]
    quoted = f"unknown output field{'s' * (len(bad) > 1)}:" + "".join(f" `{name}'" for name in bad)
    if not fields:
        message = "output fields must be specified in parsable mode" if parsable else "Not enough space"
    elif fields == "all":
        message = "output field `all' invalid in parsable mode" if parsable else ""
        known, bad = ["C0", "C1", "C2"], []
    elif len(given_names) > 3:
        message = "Not enough space"
    elif not known:
        message = "no valid output fields"
    else:
        message = quoted if bad and parsable else ""
    try:
        chosen = select(columns([4, 4, 4]), fields, parsable=parsable)
    except FieldError as refused:
        assert str(refused) == message
    else:
        assert not message
        assert [column.name for column in chosen.columns] == known
        assert chosen.warning == (f"ignoring {quoted}" if bad else "")


@given(st.lists(WORD.filter(bool), min_size=1, max_size=150), st.integers(1, 30))
def test_a_broken_cell_is_whole_again_when_joined(pieces: list[str], width: int) -> None:
    lines = broken(",".join(pieces), width)
    assert "".join(lines) == ",".join(pieces)
    if len(pieces) <= 128:
        assert all(line.endswith(",") for line in lines[:-1])
        assert all(len(line.removesuffix(",")) <= width or "," not in line[:-1] for line in lines)
        for line, after in itertools.pairwise(lines):
            assert len(line) + len(after.split(",")[0]) > width


@given(tables(CELL))
def test_wrapped_tables_give_back_every_cell_column_by_column(table: tuple[list[int], list[Record]]) -> None:
    widths, records = table
    formatter = Formatter(columns(widths), Mode.WRAP)
    for record in records:
        lines = list(formatter.lines(record))
        if lines[0].split() == [f"C{place}" for place in range(len(widths))]:
            lines = lines[1:]
        pieces = [broken(cell or "--", width) for cell, width in zip(record, widths, strict=True)]
        assert len(lines) == max(map(len, pieces))
        for place, line in enumerate(lines):
            assert line.split() == [part[place] for part in pieces if place < len(part)]
