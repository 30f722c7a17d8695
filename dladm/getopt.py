"""Option parsing of illumos: `getopt_long` as a generator, so that a command judges its options from left to right (DLM 1.3).

The rules that callers can see:

* options and operands may be interleaved, unless `permute` is off (POSIXLY_CORRECT); `--` ends the options;
* short options cluster (`-ft`) and take their argument attached (`-lfoo`) or as the next word, whatever that begins with;
* long options may be cut to a prefix that fits one row of the table only. Two rows with the same letter are still two rows,
  so that `--pars` is ambiguous between `--parsable` and `--parseable`, and an ambiguous option is an unknown one;
* a long switch that is given a value (`--fma=x`) counts as one that lacks its argument;
* an unknown long option has no letter.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(slots=True, frozen=True)
class Declared:
    """An option that a command knows: its letter, whether it takes an argument, and its long names (none, one or several).

    An option without a short form has a letter of more than one character. `help` is a line for people.
    """

    letter: str
    argument: bool = False
    long: tuple[str, ...] = ()
    help: str = ""


@dataclass(slots=True, frozen=True)
class Given:
    """An option as it was met on the command line; `argument` is empty for a switch."""

    letter: str
    argument: str = ""


class BadOption(Exception):
    """An option that cannot be taken: unknown, or (`missing`) without the argument it needs.

    `letter` is empty for a long option that is unknown or ambiguous.
    """

    def __init__(self, letter: str, *, missing: bool) -> None:
        super().__init__(letter, missing)
        self.letter = letter
        self.missing = missing


class Getopt:
    """One pass over the words of a command line.

    Iterating yields `Given` and raises `BadOption`; once exhausted, `operands` holds the words that are not options, in order.
    """

    def __init__(self, words: Sequence[str], declared: Sequence[Declared], *, permute: bool = True) -> None:
        self._words = list(words)
        self._short = {option.letter: option for option in declared if len(option.letter) == 1}
        self._long = [(name, option) for option in declared for name in option.long]
        self._permute = permute
        self.operands: list[str] = []

    def __iter__(self) -> Iterator[Given]:
        while self._words:
            word = self._words.pop(0)
            if word == "--" or not (self._permute or _is_option(word)):
                rest = self._words if word == "--" else [word, *self._words]
                self.operands += rest
                return
            if not _is_option(word):
                self.operands.append(word)
            elif word.startswith("--"):
                yield self._one_long(word[2:])
            else:
                yield from self._cluster(word[1:])

    def _one_long(self, text: str) -> Given:
        name, equals, value = text.partition("=")
        option = self._resolve(name)
        if not option.argument:
            if equals:
                raise BadOption(option.letter, missing=True)
            return Given(option.letter)
        return Given(option.letter, value if equals else self._next_word(option))

    def _resolve(self, name: str) -> Declared:
        exact = [option for known, option in self._long if known == name]
        fitting = exact or [option for known, option in self._long if known.startswith(name)]
        if len(fitting) != 1:
            raise BadOption("", missing=False)
        return fitting[0]

    def _cluster(self, letters: str) -> Iterator[Given]:
        for i, letter in enumerate(letters):
            option = self._short.get(letter)
            if option is None:
                raise BadOption(letter, missing=False)
            if option.argument:
                yield Given(letter, letters[i + 1 :] or self._next_word(option))
                return
            yield Given(letter)

    def _next_word(self, option: Declared) -> str:
        if not self._words:
            raise BadOption(option.letter, missing=True)
        return self._words.pop(0)


def _is_option(word: str) -> bool:
    return word.startswith("-") and word != "-"
