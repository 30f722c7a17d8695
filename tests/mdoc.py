"""The manual pages as tests see them: items, tables, and examples of mdoc sources, as far as man/README.md says how they are written.

No renderer: macros are names that stand before words, and most of them are skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

MAN = Path(__file__).parents[1] / "man"

_MACROS = frozenset(
    re.findall(
        r"\w+",
        "Ad An Ao Ap Aq Ar Bq Brq Bsx Bx Cd Cm D1 Dl Do Dq Dv Dx Em Er Ev Fa Fl Fn Ft Fx Ic In Lb Li "
        "Lk Ms Mt Nm No Ns Nx Op Ot Ox Pa Pf Po Pq Ql Qq Sm So Sq St Sx Sy Ta Tn Ux Va Vt Xc Xo Xr",
    )
)
_ESCAPES = {r"\e": "\\", r"\-": "-", r"\&": "", r"\ ": " ", r"\(aq": "'", r"\(dq": '"', r"\(ha": "^", r"\(ti": "~"}
_ESCAPE = re.compile(r"\\(?:\(..|.)")
_WORD = re.compile(r'"((?:[^"]|"")*)"|(\S+)')
_NOTE = '.\\" example: '


def plain(text: str) -> str:
    """A text without roff's escapes."""
    return _ESCAPE.sub(lambda found: _ESCAPES[found[0]], text)


def words_of(line: str) -> list[str]:
    """The words of a macro line; what stands in double quotes is one."""
    return [plain(bare or quoted.replace('""', '"')) for quoted, bare in _WORD.findall(line)]


@dataclass(slots=True)
class Item:
    """An item of a list: the words of its head, macro names among them, and the lines below it as they are."""

    head: list[str]
    body: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The head without macro names."""
        return " ".join(word for word in self.head if word not in _MACROS)

    @property
    def cells(self) -> tuple[str, ...]:
        """The head of a row of a -column list, a text for each cell."""
        cells: list[list[str]] = [[]]
        for word in self.head:
            if word == "Ta":
                cells.append([])
            elif word not in _MACROS:
                cells[-1].append(word)
        return tuple(" ".join(cell) for cell in cells)

    @property
    def options(self) -> dict[str, bool]:
        """The options in the head, `-x` and `--long`, and whether each takes an argument."""
        found: dict[str, bool] = {}
        for i, word in enumerate(self.head):
            if word == "Fl" and i + 1 < len(self.head):
                found[f"-{self.head[i + 1]}"] = False
            elif word == "Ar" and found:
                found[list(found)[-1]] = True
        return found


@dataclass(slots=True)
class List:
    """A list: its type, such as `column`, and where it is."""

    kind: str
    section: str
    subsection: str
    items: list[Item] = field(default_factory=list)


@dataclass(slots=True)
class Example:
    """A block that runs: its lines with their numbers, and the test's notes before and within it, in their order."""

    lines: list[tuple[int, str]] = field(default_factory=list)


@dataclass(slots=True)
class Page:
    """A page. `example` are the lines of the blocks of EXAMPLES that run, notes among them (`.\\" example: …` as `note` lines)."""

    name: str
    section: str
    description: str = ""
    lists: list[List] = field(default_factory=list)
    subsections: list[tuple[str, str]] = field(default_factory=list)
    sections: list[str] = field(default_factory=list)
    notes: list[tuple[int, str]] = field(default_factory=list)
    example: list[tuple[int, str]] = field(default_factory=list)
    references: set[tuple[str, str]] = field(default_factory=set)

    @property
    def title(self) -> str:
        return f"{self.name}({self.section})"

    def below(self, section: str) -> list[str]:
        """The subsections of a section."""
        return [sub for sec, sub in self.subsections if sec == section]

    def lists_in(self, section: str, subsection: str | None = None, kind: str | None = None) -> list[List]:
        """The lists of a section, or of one of its subsections only."""
        return [
            one
            for one in self.lists
            if one.section == section and subsection in {None, one.subsection} and kind in {None, one.kind}
        ]

    def options(self, subsection: str | None = None) -> dict[str, bool]:
        """The options of a subcommand, or those that are of none."""
        found: dict[str, bool] = {}
        for one in self.lists:
            inside = one.section == "SUBCOMMANDS"
            if one.section == "EXAMPLES" or (one.subsection != subsection if inside else subsection is not None):
                continue
            for item in one.items:
                if item.head[:1] == ["Fl"]:
                    found |= item.options
        return found

    def table(self, section: str, subsection: str = "") -> list[tuple[str, ...]]:
        """The rows of the only -column list there, without the head that stands in bold."""
        (found,) = self.lists_in(section, subsection, "column")
        return [item.cells for item in found.items if item.head[:1] != ["Sy"]]

    def names(self, section: str, subsection: str | None = None) -> list[str]:
        """The first word of each item of the tagged lists there, for those that do not begin with an option."""
        lists = self.lists_in(section, subsection, "tag")
        return [
            item.text.split()[0].rstrip(",")
            for one in lists
            for item in one.items
            if item.text and item.head[:1] != ["Fl"]
        ]


def paths() -> list[Path]:
    """All pages."""
    return sorted(MAN.glob("man*/*.[1-9]*"))


def find(title: str) -> Page:
    """The page `dladm.8`."""
    name, _, section = title.rpartition(".")
    return read(MAN / f"man{section}" / f"{name}.{section}")


def read(path: Path) -> Page:
    """The page in a file."""
    name, _, section = path.name.rpartition(".")
    return _Reader(Page(name, section)).read(path.read_text(encoding="utf-8").splitlines())


class _Reader:
    def __init__(self, page: Page) -> None:
        self._page = page
        self._section = ""
        self._subsection = ""
        self._lists: list[List] = []

    def read(self, lines: list[str]) -> Page:
        numbered = iter(enumerate(lines, 1))
        for number, line in numbered:
            if line.startswith(_NOTE):
                self._page.example.append((number, f"note {line.removeprefix(_NOTE)}"))
            elif line.startswith('.\\"'):
                continue
            elif line.startswith("."):
                macro, _, rest = line[1:].lstrip().partition(" ")
                self._macro(number, macro, rest.strip(), numbered)
            else:
                self._text(line)
        return self._page

    def _text(self, line: str) -> None:
        if self._lists and self._lists[-1].items:
            self._lists[-1].items[-1].body.append(line)

    def _macro(self, number: int, macro: str, rest: str, numbered: Iterator[tuple[int, str]]) -> None:
        page = self._page
        match macro:
            case "Sh":
                self._section, self._subsection = rest, ""
                page.sections.append(rest)
            case "Ss":
                self._subsection = plain(" ".join(word for word in words_of(rest) if word not in _MACROS))
                page.subsections.append((self._section, self._subsection))
            case "Nd":
                page.description = plain(rest)
            case "Bl":
                self._lists.append(List(rest.split(maxsplit=1)[0].lstrip("-"), self._section, self._subsection))
                page.lists.append(self._lists[-1])
            case "El":
                self._lists.pop()
            case "It":
                self._lists[-1].items.append(Item(self._head(rest, numbered)))
            case "Bd":
                runs = self._section == "EXAMPLES" and rest.split() == ["-literal", "-offset", "indent"]
                self._display(numbered, keep=runs)
            case "Xr":
                page.references.add((words_of(rest)[0], words_of(rest)[1]))
            case _:
                self._text(f".{macro} {rest}")

    @staticmethod
    def _head(rest: str, numbered: Iterator[tuple[int, str]]) -> list[str]:
        words = words_of(rest)
        if words[-1:] == ["Xo"]:
            for _number, line in numbered:
                words += words_of(line[1:])
                if line.startswith(".Xc"):
                    break
        return [word for word in words if word not in {"Xo", "Xc"}]

    def _display(self, numbered: Iterator[tuple[int, str]], *, keep: bool) -> None:
        for number, line in numbered:
            if line.startswith(".Ed"):
                return
            if line.startswith(_NOTE):
                self._page.example.append((number, f"note {line.removeprefix(_NOTE)}"))
            elif keep and not line.startswith("."):
                self._page.example.append((number, f"line {plain(line)}"))
