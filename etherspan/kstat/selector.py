"""Which statistics are wanted. Pure.

A part of a selector is a shell pattern (`*`, `?`, `[a-z]`, `[!a-z]`, a backslash before a character to be taken as it is) that has to
fit the whole text, or an extended regular expression between slashes, `/^rx_/`, that has to be found in it. Letters count as they are.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Final, Protocol

ANY: Final = "*"
PARTS: Final = 4

_SPECIAL: Final = frozenset("*?[\\")
_POSIX_CLASSES: Final = {
    "alnum": "a-zA-Z0-9", "alpha": "a-zA-Z", "blank": " \\t", "digit": "0-9", "lower": "a-z", "punct": "!-/:-@\\[-`{-~",
    "space": "\\s", "upper": "A-Z", "word": "\\w", "xdigit": "0-9A-Fa-f",
}  # fmt: skip


class Named(Protocol):
    """What a set of statistics is called."""

    @property
    def module(self) -> str: ...
    @property
    def instance(self) -> int: ...
    @property
    def name(self) -> str: ...


@dataclass(slots=True, frozen=True)
class Pattern:
    """A selector. Errors, at the first match or `check`: ValueError for a regular expression that is none."""

    module: str = ANY
    instance: str = ANY
    name: str = ANY
    statistic: str = ANY

    @classmethod
    def parse(cls, operand: str) -> Pattern:
        """Read `module:instance:name:statistic`; parts that are empty or left out match everything. Errors: ValueError, five parts."""
        parts = operand.split(":")
        if len(parts) > PARTS:
            raise ValueError(f"{operand!r} has more than the four parts module:instance:name:statistic")
        return cls(*(part or ANY for part in parts))

    def check(self) -> None:
        """Errors: ValueError for a regular expression that is none, in words."""
        for part in (self.module, self.instance, self.name, self.statistic):
            matcher(part)

    def wants(self, named: Named) -> bool:
        """True if the set of statistics can hold a match."""
        return (
            matches(self.module, named.module)
            and matches(self.name, named.name)
            and matches(self.instance, str(named.instance))
        )

    def wants_statistic(self, name: str) -> bool:
        """True for a statistic of a wanted set."""
        return matches(self.statistic, name)

    @property
    def only(self) -> tuple[str, int, str] | None:
        """Module, instance and name of the one set that can match, None when there may be several."""
        if any(_is_pattern(part) for part in (self.module, self.instance, self.name)) or not self.instance.isdecimal():
            return None
        return self.module, int(self.instance), self.name


def matches(pattern: str, text: str) -> bool:
    """Does a text fit a part of a selector? Errors: ValueError as `matcher`."""
    if _is_pattern(pattern):
        return pattern == ANY or matcher(pattern)(text) is not None
    return text == pattern


class Matcher(Protocol):
    """A part of a selector, ready for use."""

    def __call__(self, text: str, /) -> object: ...


@functools.lru_cache(maxsize=256)
def matcher(pattern: str) -> Matcher:
    """What tells whether a text fits. Errors: ValueError for a regular expression that is none."""
    if _is_expression(pattern):
        return _expression(pattern[1:-1]).search
    return re.compile(_glob(pattern), re.DOTALL).fullmatch


def _is_expression(pattern: str) -> bool:
    return len(pattern) > 1 and pattern[0] == pattern[-1] == "/"


def _is_pattern(part: str) -> bool:
    return _is_expression(part) or not _SPECIAL.isdisjoint(part)


def _expression(text: str) -> re.Pattern[str]:
    known = re.sub(r"\[:(\w+):\]", lambda found: _POSIX_CLASSES.get(found[1], found[0]), text)
    try:
        return re.compile(known, re.DOTALL)
    except re.error as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from error


def _glob(pattern: str) -> str:
    """A shell pattern as a regular expression."""
    out: list[str] = []
    at = 0
    while at < len(pattern):
        sign = pattern[at]
        at += 1
        if sign == "*":
            out.append(".*")
        elif sign == "?":
            out.append(".")
        elif sign == "\\" and at < len(pattern):
            out.append(re.escape(pattern[at]))
            at += 1
        elif sign == "[" and (end := pattern.find("]", at + 1 + (pattern[at : at + 1] == "!"))) >= 0:
            out.append(_bracket(pattern[at:end]))
            at = end + 1
        else:
            out.append(re.escape(sign))
    return "".join(out)


def _bracket(inside: str) -> str:
    """What stands between the brackets of a shell pattern; a range that runs backwards matches nothing."""
    negated = inside.startswith("!")
    rest = inside[1:] if negated else inside
    found = re.findall(r"(.)-(.)|(.)", rest, re.DOTALL)
    ranges = [(first or single, last or single) for first, last, single in found]
    parts = [f"{re.escape(first)}-{re.escape(last)}" for first, last in ranges if first <= last]
    if not parts:
        return "." if negated else "(?!)"
    return f"[{'^' if negated else ''}{''.join(parts)}]"
