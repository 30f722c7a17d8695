"""Every command in the documents is run, and prints what is shown (`markdown` says how a document is read)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.documents.conftest import Machine
from tests.documents.markdown import PAGES, README, ROOT, blocks
from tests.documents.running import check

RUN_HERE = [page for page in PAGES if page != README and any(block.runs for block in blocks(page))]
NOT_RUN = {
    "README.md": 2,  # what sets up this very run, and what takes minutes
    "svp.md": 1,  # a database on another machine
}
"""How many blocks of a document nothing runs. Each says why; the fewer the better."""


@pytest.mark.namespaces
@pytest.mark.parametrize("page", RUN_HERE, ids=lambda page: page.name)
def test_what_a_document_shows_is_what_comes(page: Path, machine: Machine) -> None:
    check(page, machine)


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
