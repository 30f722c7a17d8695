"""Option parsing against the GNU-style parser of Python's library, which follows the same rules but for the noted ones."""

from __future__ import annotations

import getopt

from hypothesis import example, given
from hypothesis import strategies as st

from dladm.getopt import BadOption, Declared, Getopt

TABLE = (
    Declared("a"),
    Declared("b", argument=True),
    Declared("c", long=("cut",)),
    Declared("d", argument=True, long=("dash",)),
    Declared("e", long=("dot",)),
)
LETTERS = {f"--{name}": f"-{option.letter}" for option in TABLE for name in option.long}
WORDS = st.one_of(
    st.sampled_from(
        ["-", "--", "", "-a", "-b", "-c", "-d", "--cut", "--dash", "--dot", "--d", "--da", "--c", "--dash=x", "--cut=x"]
    ),
    st.text("-abcdx=", max_size=6),
)


def ours(words: list[str], *, permute: bool) -> tuple[list[tuple[str, str]], list[str]] | None:
    parser = Getopt(words, TABLE, permute=permute)
    try:
        return [(f"-{one.letter}", one.argument) for one in parser], parser.operands
    except BadOption:
        return None


def theirs(words: list[str], *, permute: bool) -> tuple[list[tuple[str, str]], list[str]] | None:
    parse = getopt.gnu_getopt if permute else getopt.getopt
    try:
        options, operands = parse(words, "ab:cd:e", ["cut", "dash=", "dot"])
    except getopt.GetoptError:
        return None
    return [(LETTERS.get(name, name), value) for name, value in options], operands


@given(st.lists(WORDS, max_size=6), st.booleans())
@example(["--=x"], True)
def test_our_parser_and_the_library_agree(words: list[str], permute: bool) -> None:
    assert ours(words, permute=permute) == theirs(words, permute=permute)


@given(st.lists(st.text(max_size=8), max_size=8))
def test_any_words_are_parsed_or_refused(words: list[str]) -> None:
    result = ours(words, permute=True)
    if result is not None:
        assert len(result[1]) <= len(words)


@given(st.lists(WORDS, max_size=6))
def test_what_follows_two_dashes_is_left_alone(words: list[str]) -> None:
    assert ours(["-a", "--", *words], permute=True) == ([("-a", "")], words)
