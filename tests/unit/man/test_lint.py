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
SECTION_4P = "WARNING: unknown manual section: Dt ... 4P"
"""mandoc knows no section for network protocols; illumos has this one."""


def title(name: str, section: str) -> str:
    return f"{name}({section})"


def listed() -> set[str]:
    """Pages that etherspan(1) names."""
    return {title(*one) for one in mdoc.read(mdoc.MAN / "man1/etherspan.1").references}


@pytest.mark.skipif(shutil.which("mandoc") is None, reason="no mandoc")
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_mandoc_has_nothing_to_say(path: Path) -> None:
    argv = ["mandoc", "-Tlint", "-W", "warning", path]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    said = [line for line in (done.stdout + done.stderr).splitlines() if not line.endswith(SECTION_4P)]
    assert said == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_page_is_what_its_file_says(path: Path) -> None:
    page = mdoc.read(path)
    assert path.parent.name == f"man{page.section}"
    assert page.description
    assert f".Dt {page.name.upper()} {page.section.upper()}" in path.read_text().splitlines()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_references_lead_to_pages(path: Path) -> None:
    known = {tuple(one.name.rsplit(".", 1)) for one in PAGES} | OTHERS
    assert not {title(*one) for one in mdoc.read(path).references - known}


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
