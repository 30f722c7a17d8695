"""How a document is read: blocks, notes, commands and their outputs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.documents.conftest import Result
from tests.documents.markdown import Block, Step, blocks
from tests.documents.running import difference


def read(folder: Path, text: str) -> list[Block]:
    page = folder / "page.md"
    page.write_text(text)
    return blocks(page)


def test_a_console_has_commands_and_what_each_prints(tmp_path: Path) -> None:
    text = "<!-- doc: on cn1 -->\n\n```console\n# one \\\n  two\nout\n$ cat >x <<'EOF'\n# inside\nEOF\nmore\n```\n"
    (block,) = read(tmp_path, text)
    assert block.note("on") == "cn1"
    assert block.steps == [Step(4, "one \\\n  two", ["out"]), Step(7, "cat >x <<'EOF'\n# inside\nEOF", ["more"])]


def test_a_script_prints_the_text_right_below_it(tmp_path: Path) -> None:
    text = "```sh\none  # first\ntwo <<EOF\nin\nEOF\n```\n\n<!-- doc: varies -->\n```text\n5 s\n```\n\nwords\n\n```text\nart\n```\n"
    script, output, picture = read(tmp_path, text)
    assert script.steps == [Step(1, "one  # first\ntwo <<EOF\nin\nEOF", ["5 s"])]
    assert script.commands == ["one", "two <<EOF"]
    assert script.notes == ["varies"]
    assert not output.runs
    assert not picture.runs


@pytest.mark.parametrize(
    ("note", "runs"), [("varies", True), ("not run: it is late", False), ("elsewhere x.py", False)]
)
def test_a_block_runs_unless_a_note_says_otherwise(tmp_path: Path, note: str, *, runs: bool) -> None:
    (block,) = read(tmp_path, f"<!-- doc: {note} -->\n```sh\ntrue\n```\n")
    assert block.runs is runs


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("```\nls\n```\n", "line 1: a block of the kind ''"),
        ("```bash\nls\n```\n", "line 1: a block of the kind 'bash'"),
        ("* so\n  ```sh\n  ls\n  ```\n", "line 2: a block that tests do not see"),
        ("~~~\nls\n~~~\n", "line 1: a block that tests do not see"),
        ("<!-- doc: varies -->\nwords\n", "line 2: the notes before it are about no block"),
    ],
)
def test_what_cannot_be_seen_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(tmp_path, text)


def test_an_output_before_the_first_command_is_refused(tmp_path: Path) -> None:
    (block,) = read(tmp_path, "```console\nout\n```\n")
    with pytest.raises(ValueError, match="line 2: an output without a command"):
        _ = block.steps


@pytest.mark.parametrize(
    ("shown", "printed", "status", "same"),
    [
        (None, "anything\n", 0, True),
        (["a  1"], "a  1\n", 0, True),
        (["a  1"], "a  2\n", 0, False),
        (["a …}"], "a b c}\n", 0, True),
        (["a …}"], "a b c\n", 0, False),
        (["a"], "a\n", 1, False),
        ([], "a\n", 0, False),
    ],
)
def test_what_comes_is_compared_with_what_is_shown(
    shown: list[str] | None, printed: str, status: int, *, same: bool
) -> None:
    assert (difference(Step(1, "command", shown), Result(printed, status), 0, varies=False) == "") is same
