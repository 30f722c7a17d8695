"""What commands write where nobody sees colours: no escapes, 80 columns; and what they say at a terminal while they work."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from etherspan import demo, progress
from etherspan.cli import etherspan

COLUMNS = 80


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command of the tree."""
    yield path
    if isinstance(command, click.Group):
        for name in command.list_commands(click.Context(command)):
            found = command.get_command(click.Context(command), name)
            assert found is not None
            yield from commands(found, (*path, name))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("path", sorted(commands(etherspan)), ids=" ".join)
def test_a_help_page_is_plain_and_80_columns_wide(path: tuple[str, ...]) -> None:
    done = CliRunner().invoke(etherspan, [*path, "--help"], terminal_width=COLUMNS, prog_name="etherspan")
    assert done.exit_code == 0
    assert "Usage: etherspan" in done.output
    assert "\x1b" not in done.output
    assert [line for line in done.output.splitlines() if len(line) > COLUMNS] == []


def test_the_command_tree_is_seen() -> None:
    assert {("demo",), ("lab", "up"), ("zone", "create")} <= set(commands(etherspan))


def test_what_goes_on_is_told_at_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream, told in ((io.StringIO(), ""), (Terminal(), "booting\n")):
        monkeypatch.setattr(sys, "stderr", stream)
        progress.tell("booting")
        assert stream.getvalue() == told


def test_a_long_run_tells_about_once_a_second_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    stream, now = Terminal(), [0.0]
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    pieces = []
    for piece in progress.steps("seed 1, steps", 50, 20):
        pieces.append(piece)
        now[0] += 0.6
    assert pieces == [20, 20, 10]
    assert stream.getvalue() == "seed 1, steps: 40 of 50\n"


def test_a_long_command_is_shown_in_lines_a_shell_takes_as_one() -> None:
    argv = ["dladm", "create-overlay", "-e", "vxlan", "-p", "a=" + "x" * 30, "-p", "b=" + "y" * 30, "demo0"]
    lines = demo.shown("cn0$", argv)
    assert len(lines) > 1
    assert max(map(len, lines)) <= COLUMNS
    assert "".join(line.removesuffix("\\") for line in lines).split() == ["cn0$", *argv]
    assert all(line.endswith(" \\") for line in lines[:-1])
