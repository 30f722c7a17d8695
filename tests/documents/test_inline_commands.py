"""A command that a document names within a sentence or a table is run by some test, too: with the same words, in that order."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests import mdoc
from tests.documents.markdown import PAGES, blocks
from tests.transcripts.test_manual_examples import parse as examples
from tests.transcripts.test_transcripts import parse as transcript

TRANSCRIPTS = Path(__file__).parents[1] / "transcripts"
SCRIPTS = {
    one.name for one in importlib.metadata.distribution("etherspan").entry_points if one.group == "console_scripts"
}
PROGRAMS = {*SCRIPTS, "make"}
PLACEHOLDER = re.compile(r"[A-Z][A-Z0-9_:/=…]*")
SPAN = re.compile(r"`([^`\n]+)`")


def ran() -> list[list[str]]:
    """The words of every command of documents, manual pages and transcripts; those that nothing runs have a reason."""
    shown = [line for page in PAGES for block in blocks(page) if block.kind == "sh" for line in block.text]
    shown += [
        step.command for page in PAGES for block in blocks(page) if block.kind == "console" for step in block.steps
    ]
    shown += [command for page in PAGES for block in blocks(page) for command in block.before]
    shown += [step.command for path in mdoc.paths() for step in examples(mdoc.read(path).example).steps]
    shown += [step.command for path in TRANSCRIPTS.glob("*/*.t") for step in transcript(path).steps]
    return [line.replace("'", "").replace('"', "").split() for line in shown]


def named(page: Path) -> list[str]:
    """The commands within the text of a document: a program with at least one word after it."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    return [span for span in SPAN.findall(text) if span.split()[0] in PROGRAMS and len(span.split()) > 1]


def covers(command: Iterable[str], words: list[str]) -> bool:
    """Whether the words come in a command, in their order; one in capitals stands for any."""
    rest = iter(command)
    return all(any(word == have or PLACEHOLDER.fullmatch(word) for have in rest) for word in words)


RAN = ran()
ELSEWHERE = {
    "etherspan lab watch": "integration/labs/test_lab_watch_live.py",
    "etherspan sim": "property/test_fleet.py",
}
"""Commands that another test file runs, whose words it has."""
NOT_RUN = {"etherspan bench datapath": "it takes minutes, and wants the machine for itself"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_command_in_the_text_is_run_somewhere(page: Path) -> None:
    unknown = [
        span
        for span in named(page)
        if span not in ELSEWHERE | NOT_RUN and not any(covers(one, span.split()) for one in RAN)
    ]
    assert not unknown


@pytest.mark.parametrize("command", ELSEWHERE)
def test_what_another_test_runs_is_there(command: str) -> None:
    text = (TRANSCRIPTS.parent / ELSEWHERE[command]).read_text()
    _, *words = command.split()
    assert all(re.search(rf"[\"' ]{re.escape(word)}[\"' ]", text) for word in words)
    assert any(command in page.read_text() for page in PAGES), "no document names it any more"
