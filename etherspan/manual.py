"""The manual pages: where they are, how they are shown, and as HTML."""

from __future__ import annotations

import difflib
import html
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from etherspan import mdoc
from etherspan.errors import EtherspanError

ELSEWHERE: Final = "https://manpages.debian.org/%N.%S"
"""Where HTML pages send those who follow a reference to a page that is not one of ours."""

_WIDTH: Final = 78
_OVERSTRUCK: Final = re.compile(".\b")


@dataclass(frozen=True, slots=True, order=True)
class Page:
    """A manual page: `dladm` of section `8`."""

    section: str
    name: str
    path: Path

    @property
    def title(self) -> str:
        return f"{self.name}({self.section})"

    @property
    def html(self) -> str:
        """The file that `write_html` makes of it."""
        return f"{self.name}.{self.section}.html"

    def summary(self) -> str:
        """What it is about, in one line."""
        for line in self.path.read_text(encoding="utf-8").splitlines():
            if line.startswith(".Nd "):
                return re.sub(r"\\[&%]", "", line.removeprefix(".Nd ")).replace(r"\-", "-")
        return ""


def folder() -> Path:
    """Where the pages are: in the package, or at the top of a source checkout."""
    package = Path(__file__).parent
    installed = package / "man"
    return installed if installed.is_dir() else package.parent / "man"


def pages() -> list[Page]:
    """All pages, by section and name."""
    found = []
    for path in folder().glob("man*/*.*"):
        name, _, section = path.name.rpartition(".")
        if path.parent.name == f"man{section}":
            found.append(Page(section, name, path))
    return sorted(found)


def find(name: str, section: str | None = None) -> Page:
    """The page of a name; it may be written `dladm`, `dladm.8` or `dladm(8)`. Errors: EtherspanError."""
    known = pages()
    if not known:
        raise EtherspanError(f"no manual pages are installed: {folder()} has none")
    for page in known:
        if section in {None, page.section} and name in {page.name, f"{page.name}.{page.section}", page.title}:
            return page
    where = "" if section is None else f" in section {section}"
    others = [page.title for page in known if page.name == name]
    near = others or [
        page.title
        for close in difflib.get_close_matches(name, {page.name for page in known}, cutoff=0.6)
        for page in known
        if page.name == close
    ]
    hint = f"did you mean {' or '.join(near)}?" if near else "'etherspan man' lists the pages there are"
    raise EtherspanError(f"there is no manual page '{name}'{where}; {hint}")


def render(page: Page, *, columns: int, emphasis: bool) -> str:
    """A page as text for so many columns, by the first program that can, or without one; emphasis is overstruck, as pagers know it."""
    width = max(min(columns - 2, _WIDTH), 20)
    for program, argv in (
        ("mandoc", ["mandoc", "-T", _device(), "-O", f"width={width}", str(page.path)]),
        ("man", ["man", "-P", "cat", "-l", str(page.path)]),
    ):
        if shutil.which(program) is None:
            continue
        env = {**os.environ, "MANWIDTH": str(width), "MAN_KEEP_FORMATTING": "1", "GROFF_NO_SGR": "1"}
        done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        text = done.stdout.decode("utf-8", "replace")
        if text:  # what a renderer complains about does not matter as long as there is something to read
            return text if emphasis else _OVERSTRUCK.sub("", text)
    return mdoc.render(page.path.read_text(encoding="utf-8"), width)


def _device() -> str:
    """What kind of text the output can take."""
    try:
        "“—”".encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return "ascii"
    return "utf8"


def write_html(into: Path) -> int:
    """Write all pages and an index as HTML, with links between them, and return how many. Errors: EtherspanError."""
    if shutil.which("mandoc") is None:
        raise EtherspanError("HTML needs mandoc: install the Debian package mandoc")
    known = pages()
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as names:  # mandoc takes the first form for pages that lie where it runs
        for page in known:
            (Path(names) / f"{page.name}.{page.section}").touch()
        for page in known:
            argv = ["mandoc", "-T", "html", "-O", f"man=%N.%S.html;{ELSEWHERE}", str(page.path)]
            done = subprocess.run(argv, cwd=names, stdin=subprocess.DEVNULL, capture_output=True, check=False)
            if not done.stdout:
                raise EtherspanError(
                    f"mandoc cannot render {page.path}: {done.stderr.decode(errors='replace').strip()}"
                )
            (into / page.html).write_bytes(done.stdout)
    (into / "index.html").write_text(_index(known), encoding="utf-8")
    return len(known)


def _index(known: Sequence[Page]) -> str:
    rows = "\n".join(
        f'<tr><td><a href="{html.escape(page.html)}">{html.escape(page.title)}</a></td><td>{html.escape(page.summary())}</td></tr>'
        for page in known
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8"><title>etherspan: manual pages</title></head>\n'
        f"<body>\n<h1>etherspan: manual pages</h1>\n<table>\n{rows}\n</table>\n</body>\n</html>\n"
    )
