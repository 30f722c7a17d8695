"""A manual page as plain text, where no program is that could show it: as much of mdoc(7) as this project's pages use.

Pure: text in, text out.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from typing import Final

WIDTH: Final = 78
_INDENT: Final = 5
_TAG: Final = 8

_WORD: Final = re.compile(r'"((?:[^"]|"")*)"|(\S+)')
_ESCAPE: Final = re.compile(r"\\(?:\(..|\[[^]]*\]|f[BIRP]|.)")
_ESCAPES: Final = {
    r"\e": "\\",
    r"\-": "-",
    r"\&": "",
    r"\ ": " ",
    r"\(aq": "'",
    r"\(dq": '"',
    r"\(ha": "^",
    r"\(ti": "~",
}
_CLOSING: Final = frozenset(".,;:)]?!")
_OPENING: Final = frozenset("([")
_PLAIN: Final = frozenset(
    re.findall(r"\w+", "Ad An Ar Cd Cm Dv Em Er Ev Fa Fn Ft Ic In Li Lk Ms Mt Nm No Pa St Sx Sy Tn Ux Va Vt")
)
_PAIRS: Final = {
    "Op": "[]",
    "Dq": '""',
    "Sq": "''",
    "Ql": "''",
    "Pq": "()",
    "Bq": "[]",
    "Brq": "{}",
    "Aq": "<>",
    "Qq": '""',
}
_BLOCKS: Final = {
    "Oo": "[",
    "Oc": "]",
    "Po": "(",
    "Pc": ")",
    "Bo": "[",
    "Bc": "]",
    "Do": '"',
    "Dc": '"',
    "Ao": "<",
    "Ac": ">",
}
_CALLED: Final = _PLAIN | _PAIRS.keys() | _BLOCKS.keys() | {"Fl", "Ns", "Ap", "Pf", "Xr", "Ta"}
_TAB: Final = "\t"


class UnknownMacroError(ValueError):
    """A macro that pages of this project do not use."""


def plain(text: str) -> str:
    """A text without escapes."""
    return _ESCAPE.sub(lambda found: _ESCAPES.get(found[0], ""), text)


class _Line:
    """Words put together, with blanks where they belong."""

    def __init__(self) -> None:
        self.text = ""
        self._glued = True

    def add(self, word: str) -> None:
        if self.text and not self._glued and not (word and word[0] in _CLOSING and len(word) == 1):
            self.text += " "
        self.text += word
        self._glued = word in _OPENING

    def glue(self) -> None:
        """The next word follows without a blank."""
        self._glued = True


class Renderer:
    """One page."""

    def __init__(self, source: str, width: int = WIDTH) -> None:
        self._lines = iter(source.splitlines())
        self._width = width
        self._name = ""
        self._title = ""
        self._system = ""
        self._date = ""
        self._out: list[str] = []
        self._paragraph = _Line()
        self._indent = _INDENT
        self._lists: list[str] = []
        self._columns: list[list[str]] = []
        self._section = ""

    def render(self) -> str:
        """The whole page. Errors: `UnknownMacroError`."""
        for line in self._lines:
            if line.startswith('.\\"') or line == ".":
                continue
            if line.startswith("."):
                macro, _, rest = line[1:].lstrip().partition(" ")
                self._macro(macro, self._words(rest))
            else:
                self._paragraph.add(plain(line))
        self._end_paragraph()
        head = f"{self._title:<{self._width // 2}}{self._title:>{self._width - self._width // 2}}"
        foot = f"{self._system:<{self._width // 2}}{self._date:>{self._width - self._width // 2}}"
        body = re.sub(r"\n{3,}", "\n\n", "\n".join(self._out)).strip("\n")
        return f"{head}\n\n{body}\n\n{foot}\n"

    @staticmethod
    def _words(rest: str) -> list[str]:
        return [bare or quoted.replace('""', '"') for quoted, bare in _WORD.findall(rest)]

    # ------------------------------------------------------------------ blocks

    def _macro(self, macro: str, words: list[str]) -> None:
        match macro:
            case "Dd":
                self._date = " ".join(words)
            case "Dt":
                self._title = f"{words[0]}({words[1].lower()})"
            case "Os":
                self._system = " ".join(words)
            case "Sh" | "Ss":
                self._head(macro, words)
            case "Pp":
                self._end_paragraph()
                self._blank()
            case "Nd":
                self._paragraph.add(f"- {plain(' '.join(words))}")
            case "Bl":
                self._end_paragraph()
                self._lists.append(words[0].lstrip("-"))
                self._indent += 0 if words[0] == "-column" else _INDENT
            case "It":
                self._item(words)
            case "El":
                self._end_list()
            case "Bd":
                self._display()
            case "Nm" if not words or words[0] in _CALLED or not self._name:
                self._named(words)
            case _:
                self._inline(self._paragraph, [macro, *words])

    def _named(self, words: list[str]) -> None:
        if not self._name and words:
            self._name = words[0]
        elif self._section == "SYNOPSIS":
            self._end_paragraph()
        self._paragraph.add(self._name)
        self._inline(self._paragraph, words[1:] if words[:1] == [self._name] else words)

    def _head(self, macro: str, words: list[str]) -> None:
        self._end_paragraph()
        self._blank()
        line = _Line()
        self._inline(line, words)
        if macro == "Sh":
            self._section = line.text
        self._indent = _INDENT
        self._out.append(line.text if macro == "Sh" else f"  {line.text}")

    def _item(self, words: list[str]) -> None:
        while words[-1:] == ["Xo"]:
            words = [*words[:-1], *self._until_closed()]
        self._end_paragraph()
        kind = self._lists[-1]
        if kind == "column":
            line = _Line()
            self._inline(line, words)
            self._columns.append([cell.strip() for cell in line.text.split(_TAB)])
            return
        self._blank()
        line = _Line()
        self._inline(line, words)
        if kind in {"bullet", "dash", "enum"}:
            self._paragraph.add("o")
        else:
            self._fill(line.text, self._indent - _INDENT)

    def _until_closed(self) -> list[str]:
        words: list[str] = []
        for line in self._lines:
            more = self._words(line[1:])
            if more[:1] == ["Xc"]:
                return [*words, *more[1:]]
            words += more
        return words

    def _end_list(self) -> None:
        self._end_paragraph()
        if self._lists.pop() != "column":
            self._indent -= _INDENT
            return
        rows, self._columns = self._columns, []
        count = max(map(len, rows), default=0)
        widths = [max((len(row[at]) for row in rows if at < len(row)), default=0) for at in range(count)]
        last = max(16, self._width - self._indent - sum(widths[:-1]) - 2 * (count - 1))
        for row in rows:
            lead = "".join(f"{cell:<{widths[at]}}  " for at, cell in enumerate(row[: count - 1]))
            tail = textwrap.wrap(row[count - 1], last) if len(row) == count else []
            self._out.append((" " * self._indent + lead + (tail[0] if tail else "")).rstrip())
            self._out += [" " * (self._indent + len(lead)) + more for more in tail[1:]]
        self._blank()

    def _display(self) -> None:
        self._end_paragraph()
        self._blank()
        for line in self._lines:
            if line.startswith(".Ed"):
                break
            if not line.startswith("."):
                self._out.append((" " * (self._indent + _INDENT) + plain(line)).rstrip())
        self._blank()

    def _end_paragraph(self) -> None:
        text, self._paragraph = self._paragraph.text, _Line()
        if text:
            self._fill(text, self._indent)

    def _fill(self, text: str, indent: int) -> None:
        hang = indent + _TAG if self._section == "SYNOPSIS" else indent
        blank, later = " " * indent, " " * hang
        self._out += textwrap.wrap(
            text,
            self._width,
            initial_indent=blank,
            subsequent_indent=later,
            break_long_words=False,
            break_on_hyphens=False,
        )

    def _blank(self) -> None:
        if self._out and self._out[-1]:
            self._out.append("")

    # ------------------------------------------------------------------ within a line

    def _inline(self, line: _Line, words: list[str]) -> None:
        todo = iter(words)
        closing: list[str] = []
        macro = "No"
        bare = False
        for word in todo:
            if word in _CALLED:
                if bare:
                    self._nothing(line, macro)
                macro, bare = self._call(line, word, todo, closing)
            elif word[:1].isupper() and len(word) == 2 and word[1].islower() and word == words[0]:
                raise UnknownMacroError(word)
            elif word in _CLOSING or word in _OPENING:
                if bare and word in _CLOSING:
                    self._nothing(line, macro)
                if word in _CLOSING and word == words[-1]:
                    self._close(line, closing)
                bare = False
                line.add(word)
            else:
                line.add(f"-{plain(word)}" if macro == "Fl" and word != "|" else plain(word))
                bare = False
        if bare:
            self._nothing(line, macro)
        self._close(line, closing)

    def _call(self, line: _Line, word: str, todo: Iterator[str], closing: list[str]) -> tuple[str, bool]:
        match word:
            case "Ns":
                line.glue()
            case "Ap":
                line.glue()
                line.add("'")
                line.glue()
            case "Pf":
                line.add(plain(next(todo, "")))
                line.glue()
            case "Ta":
                line.add(_TAB)
            case "Xr":
                line.add(f"{next(todo, '')}({next(todo, '')})")
            case _ if word in _PAIRS:
                line.add(_PAIRS[word][0])
                line.glue()
                closing.append(_PAIRS[word][1])
            case _ if word in _BLOCKS:
                if word.endswith("c"):
                    line.glue()
                line.add(_BLOCKS[word])
                if word.endswith("o"):
                    line.glue()
            case _:
                return word, word in {"Fl", "Nm", "Ar"}
        return "No", False

    def _nothing(self, line: _Line, macro: str) -> None:
        """A macro without words of its own."""
        if macro == "Fl":
            line.add("-")
            line.glue()
        elif macro == "Nm":
            line.add(self._name)
        elif macro == "Ar":
            line.add("file ...")

    @staticmethod
    def _close(line: _Line, closing: list[str]) -> None:
        while closing:
            line.glue()
            line.add(closing.pop())


def render(source: str, width: int = WIDTH) -> str:
    """A page's source as text of lines no longer than `width`, examples aside. Errors: `UnknownMacroError`."""
    return Renderer(source, width).render()
