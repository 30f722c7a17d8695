"""Values out of a fixed list: one of them, or several that add up to a mask."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

from dladm.libdladm.status import DladmError, Status

Value = TypeVar("Value")
Flag = TypeVar("Flag", bound=enum.IntFlag)


class Choice(Generic[Value]):
    """One of a list of words, in any case; shown as the list spells it.

    `names` are the words in the order in which a property's possible values are shown. `several` is the status for more than one value.
    """

    def __init__(self, words: Mapping[str, Value], *, several: Status = Status.BADVALCNT) -> None:
        self.names = tuple(words)
        self._values = dict(words)
        self._words = {value: word for word, value in words.items()}
        self._several = several

    def parse(self, values: Sequence[str]) -> Value:
        """Errors: `DladmError`: BADVAL for a word that is not in the list, `several` for another number of values than one."""
        if not values:
            raise DladmError(Status.BADVALCNT)
        found = [lookup(self._values, value) for value in values]
        if len(found) > 1:
            raise DladmError(self._several)
        return found[0]

    def format(self, value: Value) -> tuple[str, ...]:
        """The word of a value."""
        return (self._words[value],)


class Mask(Generic[Flag]):
    """Any of a list of words, in any case, in any order and as often; shown in the list's order without repetition."""

    def __init__(self, words: Mapping[str, Flag]) -> None:
        self.names = tuple(words)
        self._flags = dict(words)

    def parse(self, values: Sequence[str]) -> Flag:
        """Errors: `DladmError`: BADVAL for a word that is not in the list, BADVALCNT for no value at all."""
        if not values:
            raise DladmError(Status.BADVALCNT)
        first, *others = (lookup(self._flags, value) for value in values)
        for other in others:
            first |= other
        return first

    def format(self, flags: Flag) -> tuple[str, ...]:
        """The words of the bits that are set."""
        return tuple(word for word, flag in self._flags.items() if flag & flags)


def lookup(words: Mapping[str, Value], value: str) -> Value:
    """What a word stands for. Errors: `DladmError` BADVAL."""
    for word, meaning in words.items():
        if value.lower() == word:
            return meaning
    raise DladmError(Status.BADVAL)
