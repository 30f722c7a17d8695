"""The manual pages as pages: mandoc finds no fault, references lead somewhere, every page is named somewhere."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests import mdoc

PAGES = mdoc.paths()
OTHERS = frozenset({("mandoc", "1")})
"""Pages that are not ours, and that ours may refer to."""


def title(name: str, section: str) -> str:
    return f"{name}({section})"


def listed() -> set[str]:
    """Pages that etherspan(1) or man/README.md names."""
    overview = mdoc.MAN / "man1/etherspan.1"
    named = {title(*one) for one in mdoc.read(overview).references} if overview.exists() else set()
    return named | set(re.findall(r"[\w.-]+\(\d\w*\)", (mdoc.MAN / "README.md").read_text()))


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="no mandoc")
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_mandoc_has_nothing_to_say(path: Path) -> None:
    argv = ["mandoc", "-Tlint", "-W", "warning", path]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout + done.stderr, done.returncode) == ("", 0)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_is_what_its_file_says(path: Path) -> None:
    page = mdoc.read(path)
    assert path.parent.name == f"man{page.section}"
    assert page.description
    assert f".Dt {page.name.upper()} {page.section}" in path.read_text().splitlines()


def to_come() -> set[str]:
    """Pages that man/README.md says are still to be written."""
    _, _, text = (mdoc.MAN / "README.md").read_text().partition("**Still to be written**")
    return set(re.findall(r"[\w.-]+\(\d\w*\)", text))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_references_lead_to_pages(path: Path) -> None:
    known = {tuple(one.name.rsplit(".", 1)) for one in PAGES} | OTHERS
    assert not {title(*one) for one in mdoc.read(path).references - known} - to_come()


def test_what_is_written_is_no_longer_to_come() -> None:
    assert not to_come() & {mdoc.read(path).title for path in PAGES}


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_see_also_is_in_order_and_without_repetition(path: Path) -> None:
    _, found, text = path.read_text().partition("\n.Sh SEE ALSO\n")
    if not found:
        pytest.skip("the page has none")
    names = re.findall(r"^\.Xr (\S+) (\S+)", text.split("\n.Sh ")[0], re.MULTILINE)
    assert [(section, name) for name, section in names] == sorted({(section, name) for name, section in names})


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_page_is_named_in_the_overview(path: Path) -> None:
    page = mdoc.read(path)
    assert page.title in listed() | {"etherspan(1)"}
