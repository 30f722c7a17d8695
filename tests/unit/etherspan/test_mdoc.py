"""The pages as our own renderer shows them, beside mandoc."""

from __future__ import annotations

import re
import subprocess

import pytest

from etherspan import manual
from etherspan.mdoc import WIDTH, UnknownMacroError, render

PAGES = manual.pages()


def letters(text: str) -> str:
    """A rendered page without its first and last line, blanks and the kinds of quotes."""
    lines = re.sub(".\b", "", text).strip().splitlines()[1:-1]
    return "".join("".join(lines).split()).replace("`", "'").replace("''", "'")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.title)
def test_it_says_what_mandoc_says(page: manual.Page) -> None:
    theirs = subprocess.run(["mandoc", "-T", "ascii", page.path], capture_output=True, text=True, check=False).stdout
    assert letters(render(page.path.read_text(encoding="utf-8"))) == letters(theirs)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.title)
@pytest.mark.parametrize("width", [60, WIDTH])
def test_lines_fit(page: manual.Page, width: int) -> None:
    source = page.path.read_text(encoding="utf-8")
    literal = re.sub(r"(?ms)^\.Bd.*?^\.Ed$|^\.Bl -column.*?^\.El$", "", source)
    longest = max(map(len, literal.split()))
    for line in render(literal, width).splitlines():
        assert len(line) <= max(width, longest + 20), line


def test_a_macro_nobody_taught_it_is_an_error() -> None:
    with pytest.raises(UnknownMacroError, match="Rs"):
        render(".Dd today\n.Dt X 1\n.Os\n.Sh NAME\n.Rs\n.Re\n")


def test_what_stands_where() -> None:
    source = """.Dd today
.Dt THING 8
.Os etherspan
.Sh NAME
.Nm thing
.Nd do things
.Sh SYNOPSIS
.Nm
.Op Fl v
.Fl o Ar field Ns Op ,...
.Nm
.Cm stop
.Sh DESCRIPTION
.Nm
does
.Dq things ,
see
.Xr other 7 .
.Bl -column aa bb
.It Sy A Ta Sy B
.It one Ta two
.El
.Bd -literal -offset indent
# thing
a  b
.Ed
"""
    assert (
        render(source)
        == """THING(8)                                                              THING(8)

NAME
     thing - do things

SYNOPSIS
     thing [-v] -o field[,...]
     thing stop

DESCRIPTION
     thing does "things", see other(7).
     A    B
     one  two

          # thing
          a  b

etherspan                                                                today
"""
    )
