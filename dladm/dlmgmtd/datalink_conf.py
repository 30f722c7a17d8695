"""The line format of datalink.conf and of the active cache (DLM 6.2). Pure.

    NAME <TAB> key=type,value;key=type,value; ... <NEWLINE>        types: string, int, boolean

Nothing is escaped, so a value holds neither `;` nor `=` nor blanks. On reading, what follows a blank among the attributes is ignored;
an attribute without a value does not count. The file is kept line by line: comments, empty lines and lines that cannot be read stay
byte for byte where they are and are reported with their numbers (DLM-Q44), a changed link's line is replaced in place, a new one goes
to the end.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
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
    """Reads single lines. Building one takes some milliseconds; it is used again."""

    def __init__(self) -> None:
        grammar = _LineGrammar()
        self._lexer = lex.lex(module=grammar)
        self._parser = yacc.yacc(module=grammar, write_tables=False, debug=False)

    def parse(self, line: str) -> tuple[str, dict[str, ConfValue]]:
        """The name and the attributes of a line. Errors: `UnreadableError`."""
        self._lexer.begin("INITIAL")
        name, attributes = self._parser.parse(line, lexer=self._lexer)
        for key, value in attributes.items():
            if (wrong := _wrong_value(value)) is not None:
                raise UnreadableError(f"{key}: {wrong}")
        return str(name), attributes


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
    text: str
    entry: Entry | None = None


@dataclass(slots=True, frozen=True)
class LinkFile:
    """A file of link lines; a value, each change gives another one."""

    rows: tuple[_Row, ...] = ()
    problems: tuple[Problem, ...] = ()

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read a file. No content is an error: what cannot be read is in `problems`."""
        parser = LineParser()
        rows: list[_Row] = []
        problems: list[Problem] = []
        names: dict[str, int] = {}
        lines = raw.decode("utf-8", "surrogateescape").split("\n")
        if not lines[-1]:
            lines.pop()
        for number, text in enumerate(lines, 1):
            if not text.strip() or text.lstrip().startswith("#"):
                rows.append(_Row(text))
                continue
            try:
                entry = Entry(*parser.parse(text))
                if names.setdefault(entry.name, number) != number:
                    raise UnreadableError(f"{entry.name} is on line {names[entry.name]} already")
            except UnreadableError as error:
                problems.append(Problem(number, str(error)))
                rows.append(_Row(text))
            else:
                rows.append(_Row(text, entry))
        return cls(tuple(rows), tuple(problems))

    def render(self) -> bytes:
        """The file's bytes."""
        return "".join(f"{row.text}\n" for row in self.rows).encode("utf-8", "surrogateescape")

    def entries(self) -> list[Entry]:
        """The links, in the order of their lines."""
        return [row.entry for row in self.rows if row.entry is not None]

    def get(self, name: str) -> Attributes | None:
        """A link's attributes, None when it has no line."""
        return next((one.attributes for one in self.entries() if one.name == name), None)

    def line_number(self, name: str) -> int:
        """Where a link's line is, from 1."""
        return next(at for at, row in enumerate(self.rows, 1) if row.entry is not None and row.entry.name == name)

    def put(self, name: str, attributes: Attributes) -> Self:
        """With a line for that link, in place of the one it had. Errors: those of `format_line`."""
        kept = {key: value for key, value in attributes.items() if value.text}
        row = _Row(format_line(name, kept), Entry(name, kept))
        rows = [row if old.entry is not None and old.entry.name == name else old for old in self.rows]
        if row not in rows:
            rows.append(row)
        return type(self)(tuple(rows), self.problems)

    def remove(self, name: str) -> Self:
        """Without that link's line."""
        rows = tuple(row for row in self.rows if row.entry is None or row.entry.name != name)
        return type(self)(rows, self.problems)

    def rename(self, old: str, new: str, referring_key: str) -> Self:
        """With another name for a link, also where lines refer to it by `referring_key`. Errors: ENOSPC."""
        rows: list[_Row] = []
        for row in self.rows:
            entry = row.entry
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
        return type(self)(tuple(rows), self.problems)
