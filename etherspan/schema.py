"""Reading configuration documents (parsed TOML) with messages that name the whole key path.

A *reader* turns one value into what the program wants, or raises `Invalid`. Tables, arrays and maps collect what is wrong with
their parts, so that one run reports every mistake of a document:

    def point(at: At) -> Point:
        with at.table("x", "y") as table:
            x = table.required("x", number)
            y = table.optional("y", number, 0)
        return Point(x, y)

Leaving the `with` block raises when something was wrong, so that what follows only sees good values.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, TypeVar, cast

from etherspan.errors import EtherspanError

T = TypeVar("T")
K = TypeVar("K")

_BARE = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)

_KINDS: Sequence[tuple[type, str]] = (
    (bool, "a boolean"),
    (int, "an integer"),
    (float, "a float"),
    (str, "a string"),
    (list, "an array"),
    (dict, "a table"),
)


def kind_of(value: object) -> str:
    """What TOML calls the value, with its article."""
    return next((name for kind, name in _KINDS if isinstance(value, kind)), "a date or time")


def path_text(path: Sequence[str | int]) -> str:
    """A key path as it could stand in the file: `hosts."portolan.lab"[0]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if _BARE.fullmatch(part) else quote(part))
    return text


_SHORT = {"\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r", '"': '\\"', "\\": "\\\\"}


def quote(text: str) -> str:
    """A TOML basic string."""
    return '"' + "".join(_SHORT.get(c) or (f"\\u{ord(c):04x}" if c < " " or c == "\x7f" else c) for c in text) + '"'


@dataclass(slots=True, frozen=True)
class Problem:
    """One mistake: where, and what to change. The path is empty for the document as a whole."""

    path: tuple[str | int, ...]
    message: str

    def __str__(self) -> str:
        return f"{path_text(self.path)}: {self.message}" if self.path else self.message


class Invalid(EtherspanError):
    """What is wrong with a document: at least one problem, in the order of the document's reading."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)

    def located(self, source: str) -> Invalid:
        """The same with the document's name before each line."""
        fresh = Invalid(self.problems)
        fresh.args = ("\n".join(f"{source}: {problem}" for problem in self.problems),)
        return fresh


@dataclass(slots=True, frozen=True)
class At:
    """A value and where it stands in the document."""

    value: object
    path: tuple[str | int, ...] = ()

    def wrong(self, message: str) -> Invalid:
        """The exception to raise for this value."""
        return Invalid([Problem(self.path, message)])

    def string(self) -> str:
        """The value as a string that is not empty."""
        if not isinstance(self.value, str):
            raise self.wrong(f"expected a string, found {kind_of(self.value)}")
        if not self.value:
            raise self.wrong("must not be empty")
        return self.value

    def integer(self, low: int, high: int) -> int:
        """The value as an integer from `low` to `high`."""
        if not isinstance(self.value, int) or isinstance(self.value, bool):
            raise self.wrong(f"expected an integer, found {kind_of(self.value)}")
        if not low <= self.value <= high:
            raise self.wrong(f"{self.value} is not between {low} and {high}")
        return self.value

    def boolean(self) -> bool:
        """The value as a boolean."""
        if not isinstance(self.value, bool):
            raise self.wrong(f"expected true or false, found {kind_of(self.value)}")
        return self.value

    def table(self, *known: str) -> Table:
        """The value as a table of which exactly these keys are known."""
        return Table(self, self._dict(), known)

    def map(self, key: Callable[[At], K], value: Callable[[At], T]) -> dict[K, T]:
        """The value as a table whose keys the document chooses; two keys that mean the same are refused."""
        found: dict[K, T] = {}
        problems: list[Problem] = []
        for name, item in self._dict().items():
            path = (*self.path, name)
            try:
                meaning = key(At(name, path))
                if meaning in found:
                    raise At(name, path).wrong("stands here twice, written in two ways")
                found[meaning] = value(At(item, path))
            except Invalid as error:
                problems += error.problems
        if problems:
            raise Invalid(problems)
        return found

    def array(self, item: Callable[[At], T]) -> tuple[T, ...]:
        """The value as an array."""
        if not isinstance(self.value, list):
            raise self.wrong(f"expected an array, found {kind_of(self.value)}")
        found: list[T] = []
        problems: list[Problem] = []
        for index, value in enumerate(self.value):
            try:
                found.append(item(At(value, (*self.path, index))))
            except Invalid as error:
                problems += error.problems
        if problems:
            raise Invalid(problems)
        return tuple(found)

    def _dict(self) -> Mapping[str, object]:
        if not isinstance(self.value, dict):
            raise self.wrong(f"expected a table, found {kind_of(self.value)}")
        return self.value


@dataclass(slots=True)
class Table:
    """A table being read; see the text at the top."""

    at: At
    values: Mapping[str, object]
    known: Sequence[str]
    problems: list[Problem] = field(default_factory=list)

    def __enter__(self) -> Self:
        for key in self.values:
            if key not in self.known:
                near = difflib.get_close_matches(key, self.known, 1)
                hint = f"did you mean '{near[0]}'?" if near else f"known here: {', '.join(self.known)}"
                self.problems.append(Problem((*self.at.path, key), f"unknown key; {hint}"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and self.problems:
            raise Invalid(self.problems)

    def required(self, key: str, reader: Callable[[At], T]) -> T:
        """The value of a key that must be there."""
        if key not in self.values:
            self.problems.append(Problem((*self.at.path, key), "is missing"))
            return cast("T", None)
        return self._read(key, reader)

    def optional(self, key: str, reader: Callable[[At], T], default: T) -> T:
        """The value of a key that may be absent."""
        return self._read(key, reader) if key in self.values else default

    def map(self, key: str, name: Callable[[At], K], value: Callable[[At], T]) -> dict[K, T]:
        """A table within, whose keys the document chooses; empty when it is absent."""
        return self._read(key, lambda at: at.map(name, value)) if key in self.values else {}

    def array(self, key: str, item: Callable[[At], T]) -> tuple[T, ...]:
        """An array within; empty when it is absent."""
        return self._read(key, lambda at: at.array(item)) if key in self.values else ()

    def _read(self, key: str, reader: Callable[[At], T]) -> T:
        try:
            return reader(At(self.values[key], (*self.at.path, key)))
        except Invalid as error:
            self.problems += error.problems
            return cast("T", None)  # never seen: the end of the with block raises


def read_toml(text: str, reader: Callable[[At], T], source: str) -> T:
    """Parse TOML and read the whole document. Errors: `Invalid`, every line beginning with `source`."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Invalid([Problem((), f"not TOML: {error}")]).located(source) from error
    try:
        return reader(At(document))
    except Invalid as error:
        raise error.located(source) from None
