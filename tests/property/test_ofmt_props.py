"""What holds of every table, whatever the records."""

from __future__ import annotations

import itertools
import re

from hypothesis import given
from hypothesis import strategies as st

from dladm.ofmt import Column, Formatter, Mode, broken

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


@given(tables(st.text(max_size=12)))
def test_parsable_output_can_be_taken_apart_again(table: tuple[list[int], list[Record]]) -> None:
    widths, records = table
    formatter = Formatter(columns(widths), Mode.PARSABLE)
    for record in records:
        (line,) = formatter.lines(record)
        if len(widths) == 1:
            assert line == record[0]
        else:
            cells = re.findall(r"((?:\\.|[^\\:])*)(?::|\Z)", line, re.DOTALL)[: len(widths)]
            assert [re.sub(r"\\(.)", r"\1", cell, flags=re.DOTALL) for cell in cells] == list(record)


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
