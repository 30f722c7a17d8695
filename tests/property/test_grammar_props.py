"""The property grammar against the scanner that the rules describe in words."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from dladm.grammar import GrammarError, Property, parse_properties

TEXT = st.text(st.one_of(st.sampled_from("a1=,"), st.characters()), max_size=30)
TOKEN = st.text(st.characters(exclude_characters="=,"), min_size=1, max_size=5)


def scan(text: str) -> list[Property] | None:
    """Left to right: what ends in `=` opens a property, what ends in `,` is a value of the open one, or a property without values."""
    found: list[Property] = []
    is_open = False
    at = 0
    for token in re.finditer(r"([^=,]*)([=,])", text):
        word, end = token.groups()
        at = token.end()
        if not word:
            return None
        if end == "=":
            found.append(Property(word))
            is_open = True
        elif is_open:
            found[-1] = Property(found[-1].name, (*found[-1].values, word))
        else:
            found.append(Property(word))
    return found if at == len(text) and len(found) <= 32 else None


@given(TEXT.map(lambda text: text + ","))
def test_any_text_is_parsed_as_the_scanner_reads_it(text: str) -> None:
    try:
        assert parse_properties(text) == scan(text)
    except GrammarError:
        assert scan(text) is None


@given(st.lists(st.tuples(TOKEN, st.lists(TOKEN, min_size=1, max_size=3)), max_size=32))
def test_properties_with_values_survive_being_written_and_parsed(wanted: list[tuple[str, list[str]]]) -> None:
    text = "".join(f"{name}={','.join(values)}," for name, values in wanted)
    assert parse_properties(text) == [Property(name, tuple(values)) for name, values in wanted]
