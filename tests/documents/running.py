"""Runs the blocks of a document, and compares what comes with what is shown."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from tests.documents.conftest import Machine, Result
from tests.documents.markdown import Block, Step, blocks
from tests.transcripts.test_manual_examples import agree


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
    expected = [int(block.note("exit") or 0)] + [0] * (len(steps) - 1)
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


def check(page: Path, machine: Machine) -> None:
    """Run what a document shows, from its first block to its last."""
    for block in blocks(page):
        if block.runs:
            wrong = run(machine, block)
            assert not wrong, f"{page.name} " + "\n".join(wrong)
