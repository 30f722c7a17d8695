"""Every command in README and docs is run, and prints what is shown (`markdown` says how a document is read)."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

import pytest

from tests.documents.conftest import Machine, Result
from tests.documents.markdown import PAGES, ROOT, Block, Step, blocks
from tests.transcripts.test_manual_examples import agree

RUN_HERE = [page for page in PAGES if any(block.runs for block in blocks(page))]
NOT_RUN = {
    "README.md": 2,  # what sets up this very run, and what takes minutes
    "svp.md": 1,  # a database on another machine
}
"""How many blocks of a document nothing runs. Each says why; the fewer the better."""


def lines_agree(want: str, got: str, *, varies: bool) -> bool:
    """Whether a line is what the document shows; `…` stands for anything."""
    if "…" in want:
        return re.fullmatch(re.escape(want).replace("…", ".*"), got) is not None
    return agree(want, got, varies=varies)


def difference(step: Step, result: Result, status: int, *, varies: bool) -> str:
    """What is not as shown."""
    got = result.output.splitlines()
    want = got if step.output is None else step.output
    same = len(want) == len(got) and all(lines_agree(*pair, varies=varies) for pair in zip(want, got, strict=True))
    if same and result.status == status:
        return ""
    shown = difflib.unified_diff([*want, f"[{status}]"], [*got, f"[{result.status}]"], "shown", "seen", lineterm="")
    return f"line {step.line}: {step.command}\n" + "\n".join(shown)


def run(machine: Machine, block: Block) -> list[str]:
    """Run a block; what is not as shown."""
    for command in block.before:
        (done,) = machine.shell(f"( set -e; {command} )")
        assert done.status == 0, f"{command}: exit {done.status}\n{done.output}"
    if "serves" in block.notes:
        return [wrong for command in block.commands if (wrong := serve(machine, command))]
    steps = block.steps
    script = [f"( set -e\n{step.command}\n)" if block.kind == "sh" else step.command for step in steps]
    results = machine.shell(*script, on=block.note("on") or "")
    results += [Result("this one was not reached", -1)] * (len(steps) - len(results))
    expected = [0] * (len(steps) - 1) + [int(block.note("exit") or 0)]
    varies = "varies" in block.notes
    found = [
        difference(step, result, status, varies=varies)
        for step, result, status in zip(steps, results, expected, strict=True)
    ]
    return [one for one in found if one]


def serve(machine: Machine, command: str) -> str:
    """Start a server, see that it listens, and end it; what is wrong."""
    started = f"{command} >log & server=$!"
    listens = "until grep -q 'listening on' log || ! kill -0 $server; do sleep 0.05; done; cat log"
    *_, said, ended = machine.shell(started, listens, "kill $server; wait $server")
    return "" if "listening on" in said.output and ended.status == 0 else f"{command}\n{said.output}{ended.output}"


@pytest.mark.namespaces
@pytest.mark.parametrize("page", RUN_HERE, ids=lambda page: page.name)
def test_what_a_document_shows_is_what_comes(page: Path, machine: Machine) -> None:
    for block in blocks(page):
        if block.runs:
            wrong = run(machine, block)
            assert not wrong, f"{page.name} " + "\n".join(wrong)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_nothing_runs_is_counted_and_says_why(page: Path) -> None:
    reasons = [block.note("not") for block in blocks(page) if block.note("not") is not None]
    assert all(reason and re.fullmatch(r"run: .{10,}", reason) for reason in reasons)
    assert len(reasons) == NOT_RUN.get(page.name, 0)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_another_test_runs_is_named_there(page: Path) -> None:
    for block in blocks(page):
        if (elsewhere := block.note("elsewhere")) is not None:
            text = (ROOT / "tests" / elsewhere).read_text()
            assert page.name in text, f"{page.name}:{block.line}: {elsewhere} does not read it"
