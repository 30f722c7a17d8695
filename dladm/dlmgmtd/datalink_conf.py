"""The line format of datalink.conf and of the active cache (DLM 6.2). Pure.

    NAME <TAB> key=type,value;key=type,value; ... <NEWLINE>        types: string, int, boolean

Nothing is escaped, so a value holds neither `;` nor `=` nor blanks. On reading, what follows a blank among the attributes is ignored;
an attribute without a value does not count. The file is kept line by line: comments, empty lines and lines that cannot be read stay
byte for byte where they are and are reported with their numbers (DLM-Q44), a changed link's line is replaced in place, a new one goes
to the end.

A link's second line is no link's: it is reported and kept as long as the first one is there. It goes with the first, or a link that
was deleted would be back after the next boot.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from ply import lex, yacc

from dladm.dlmgmtd.protocol import ConfType, ConfValue
from kernel_sim.sys.errno import Errno, KernelError

LINE_MAX: Final = 1023
"""Bytes of a line with its newline."""
KEY_MAX: Final = 31
_FORBIDDEN: Final = re.compile(r"[;=\s\0]")
_INT: Final = re.compile(r"-?[0-9]{1,20}", re.ASCII)
_BOOLEANS: Final = frozenset({"true", "false", "1", "0"})

Attributes = Mapping[str, ConfValue]


class UnreadableError(ValueError):
    """Why a line cannot be read."""


class _LineGrammar:
    """line : NAME attributes;  attribute : KEY TYPE VALUE. What may come next is the lexer's state."""

    tokens = ("NAME", "KEY", "TYPE", "VALUE", "END")
    states = (("key", "exclusive"), ("type", "exclusive"), ("value", "exclusive"))
    t_ANY_ignore = ""  # noqa: N815 - PLY's naming, here and below

    def t_NAME(self, token: Any) -> Any:  # noqa: N802
        r"""[ \t]*[^\s=;,\#][^\s=;,]*[ \t]*"""
        token.value = token.value.strip()
        token.lexer.begin("key")
        return token

    def t_key_KEY(self, token: Any) -> Any:  # noqa: N802
        r"""[^\s=;,]+="""
        token.value = token.value[:-1]
        token.lexer.begin("type")
        return token

    def t_type_TYPE(self, token: Any) -> Any:  # noqa: N802
        r"""(string|int|boolean)(?=,)"""
        token.lexer.begin("value")
        return token

    def t_value_VALUE(self, token: Any) -> Any:  # noqa: N802
        r""",[^;\s]*(;|(?=\s)|\Z)"""
        token.value = token.value[1:].removesuffix(";")
        if "=" in token.value:
            raise UnreadableError(f"the value {token.value!r} holds a '='")
        token.lexer.begin("key")
        return token

    def t_key_END(self, token: Any) -> Any:  # noqa: N802
        r"""\s[\s\S]*"""
        return token

    def t_ANY_error(self, token: Any) -> None:  # noqa: N802
        raise UnreadableError(f"unexpected {token.value[:12]!r} at column {token.lexpos + 1}")

    def p_line(self, p: Any) -> None:
        """line : NAME attributes end"""
        p[0] = (p[1], p[2])

    def p_attributes(self, p: Any) -> None:
        """attributes : attributes KEY TYPE VALUE"""
        p[0] = p[1]
        if p[4]:
            p[0][p[2]] = ConfValue(ConfType(p[3]), p[4])

    def p_no_attributes(self, p: Any) -> None:
        """attributes :"""
        p[0] = {}

    def p_end(self, _p: Any) -> None:
        """end : END
        |
        """

    def p_error(self, p: Any) -> None:
        raise UnreadableError(
            f"unexpected {p.value[:12]!r} at column {p.lexpos + 1}" if p else "it ends inside an attribute"
        )


class LineParser:
    """Reads single lines. Building one takes some milliseconds: `line_parser` keeps one."""

    def __init__(self) -> None:
        grammar = _LineGrammar()
        self._lexer = lex.lex(module=grammar)
        self._parser = yacc.yacc(module=grammar, write_tables=False, debug=False)

    def parse(self, line: str) -> tuple[str, dict[str, ConfValue]]:
        """The name and the attributes of a line. Errors: `UnreadableError`."""
        if "\0" in line:
            raise UnreadableError("it holds a NUL byte")
        self._lexer.begin("INITIAL")
        name, attributes = self._parser.parse(line, lexer=self._lexer)
        for key, value in attributes.items():
            if (wrong := _wrong_value(value)) is not None:
                raise UnreadableError(f"{key}: {wrong}")
        return str(name), attributes


@functools.cache
def line_parser() -> LineParser:
    """The parser that all files share."""
    return LineParser()


def _wrong_value(value: ConfValue) -> str | None:
    if value.type is ConfType.INT and not _INT.fullmatch(value.text):
        return f"{value.text!r} is no number"
    if value.type is ConfType.BOOLEAN and value.text not in _BOOLEANS:
        return f"{value.text!r} is neither true nor false"
    return None


def format_line(name: str, attributes: Attributes) -> str:
    """A line without its newline.

    Errors: EINVAL for a key or value that the format cannot hold, ENOSPC when line and newline exceed 1023 bytes.
    """
    for key, value in attributes.items():
        if not 0 < len(key.encode("utf-8", "surrogateescape")) <= KEY_MAX or "," in key or _FORBIDDEN.search(key):
            raise KernelError(Errno.EINVAL, f"{key!r} cannot be the name of an attribute of {name}")
        if _FORBIDDEN.search(value.text):
            raise KernelError(
                Errno.EINVAL, f"{key} of {name}: {value.text!r} holds a ';', '=' or blank and cannot be stored"
            )
        if value.text and (wrong := _wrong_value(value)) is not None:
            raise KernelError(Errno.EINVAL, f"{key} of {name}: {wrong}")
    line = f"{name}\t" + "".join(f"{key}={one.type},{one.text};" for key, one in attributes.items() if one.text)
    size = len(line.encode("utf-8", "surrogateescape")) + 1
    if size > LINE_MAX:
        raise KernelError(Errno.ENOSPC, f"the line of {name} would have {size} bytes, {LINE_MAX} are allowed")
    return line


@dataclass(slots=True, frozen=True)
class Entry:
    """A link's line as it was read."""

    name: str
    attributes: Attributes


@dataclass(slots=True, frozen=True)
class Problem:
    """A line that was not read: its number, from 1, and why."""

    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.reason}"


@dataclass(slots=True, frozen=True)
class _Row:
    """A line; `second_of` is the link whose second line it is."""

    text: str
    entry: Entry | None = None
    second_of: str = ""

    def is_of(self, name: str) -> bool:
        return self.second_of == name or (self.entry is not None and self.entry.name == name)


@dataclass(slots=True, frozen=True)
class LinkFile:
    """A file of link lines; a value, each change gives another one. Its cost is that of a copy, so that large files stay quick."""

    rows: tuple[_Row, ...] = ()
    problems: tuple[Problem, ...] = ()
    _places: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def parse(cls, raw: bytes, known: LinkFile | None = None) -> Self:
        """Read a file. No content is an error: what cannot be read is in `problems`. Lines of `known` are not read again."""
        read = {row.text: row.entry for row in known.rows if row.entry is not None} if known is not None else {}
        parser = line_parser()
        rows: list[_Row] = []
        problems: list[Problem] = []
        places: dict[str, int] = {}
        lines = raw.decode("utf-8", "surrogateescape").split("\n")
        if not lines[-1]:
            lines.pop()
        for number, text in enumerate(lines, 1):
            if not text.strip() or text.lstrip().startswith("#"):
                rows.append(_Row(text))
                continue
            try:
                entry = read.get(text) or Entry(*parser.parse(text))
            except UnreadableError as error:
                problems.append(Problem(number, str(error)))
                rows.append(_Row(text))
                continue
            if entry.name in places:
                problems.append(Problem(number, f"{entry.name} is on line {places[entry.name] + 1} already"))
                rows.append(_Row(text, second_of=entry.name))
            else:
                places[entry.name] = len(rows)
                rows.append(_Row(text, entry))
        return cls(tuple(rows), tuple(problems), places)

    def render(self) -> bytes:
        """The file's bytes."""
        return "\n".join([*[row.text for row in self.rows], ""]).encode("utf-8", "surrogateescape")

    def entries(self) -> list[Entry]:
        """The links, in the order of their lines."""
        return [row.entry for row in self.rows if row.entry is not None]

    def get(self, name: str) -> Attributes | None:
        """A link's attributes, None when it has no line."""
        place = self._places.get(name)
        entry = self.rows[place].entry if place is not None else None
        return entry.attributes if entry is not None else None

    def line_number(self, name: str) -> int:
        """Where the line of a link that has one is, from 1."""
        return self._places[name] + 1

    def put(self, name: str, attributes: Attributes) -> Self:
        """With a line for that link, in place of the one it had. Errors: those of `format_line`."""
        kept = {key: value for key, value in attributes.items() if value.text}
        row = _Row(format_line(name, kept), Entry(name, kept))
        place = self._places.get(name)
        if place is None:
            return type(self)((*self.rows, row), self.problems, {**self._places, name: len(self.rows)})
        return type(self)((*self.rows[:place], row, *self.rows[place + 1 :]), self.problems, self._places)

    def remove(self, name: str) -> Self:
        """Without that link's line, and without what was hidden behind it."""
        if name not in self._places:
            return self
        return self._with_rows(row for row in self.rows if not row.is_of(name))

    def rename(self, old: str, new: str, referring_key: str) -> Self:
        """With another name for a link, also where lines refer to it by `referring_key`; a line that has that name goes.

        Errors: ENOSPC.
        """
        rows: list[_Row] = []
        for row in self.rows:
            entry = row.entry
            if row.is_of(new) or row.second_of == old:
                continue
            if entry is None:
                rows.append(row)
                continue
            name = new if entry.name == old else entry.name
            refers = entry.attributes.get(referring_key)
            attributes = dict(entry.attributes)
            if refers is not None and refers.text == old:
                attributes[referring_key] = ConfValue(refers.type, new)
            changed = Entry(name, attributes)
            rows.append(row if changed == entry else _Row(format_line(name, attributes), changed))
        return self._with_rows(rows)

    def _with_rows(self, rows: Iterable[_Row]) -> Self:
        kept = tuple(rows)
        places = {row.entry.name: place for place, row in enumerate(kept) if row.entry is not None}
        return type(self)(kept, self.problems, places)
