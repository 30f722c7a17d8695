"""Option parsing of illumos (DLM 1.3)."""

from __future__ import annotations

import pytest

from dladm.getopt import BadOption, Declared, Getopt, Given

SHOW_OVERLAY = (
    Declared("f", long=("fma",)),
    Declared("t", long=("target",)),
    Declared("p", long=("parsable", "parseable")),
    Declared("o", argument=True, long=("output",)),
)


def parse(*words: str, permute: bool = True) -> tuple[list[tuple[str, str]], list[str]]:
    parser = Getopt(words, SHOW_OVERLAY, permute=permute)
    found = [(one.letter, one.argument) for one in parser]
    return found, parser.operands


def test_options_and_operands_may_be_interleaved() -> None:
    assert parse("a", "-f", "b", "-o", "x", "c") == ([("f", ""), ("o", "x")], ["a", "b", "c"])


def test_without_permutation_the_first_operand_ends_the_options() -> None:
    assert parse("-f", "a", "-t", permute=False) == ([("f", "")], ["a", "-t"])


def test_two_dashes_end_the_options() -> None:
    assert parse("a", "--", "-f", "--") == ([], ["a", "-f", "--"])


def test_a_single_dash_is_an_operand() -> None:
    assert parse("-", "-f") == ([("f", "")], ["-"])


def test_switches_cluster_and_an_argument_may_be_attached() -> None:
    assert parse("-ftolink") == ([("f", ""), ("t", ""), ("o", "link")], [])
    assert parse("-fo", "link") == ([("f", ""), ("o", "link")], [])


def test_the_next_word_is_the_argument_whatever_it_looks_like() -> None:
    assert parse("-o", "-f") == ([("o", "-f")], [])
    assert parse("-o", "--") == ([("o", "--")], [])
    assert parse("-o", "") == ([("o", "")], [])


def test_long_options_may_be_cut_to_an_unambiguous_prefix() -> None:
    assert parse("--tar", "--out=x", "--o", "y", "--output=") == (
        [("t", ""), ("o", "x"), ("o", "y"), ("o", "")],
        [],
    )


def refusal(*words: str) -> tuple[str, bool]:
    with pytest.raises(BadOption) as refused:
        parse(*words)
    return refused.value.letter, refused.value.missing


def test_two_spellings_of_one_option_make_their_prefix_ambiguous() -> None:
    assert refusal("--pars") == ("", False)
    assert parse("--parsable") == ([("p", "")], [])
    assert parse("--parse") == ([("p", "")], [])


@pytest.mark.fact("DLM-Q27")
def test_an_unknown_long_option_has_no_letter() -> None:
    assert refusal("--bogus") == ("", False)


@pytest.mark.fact("DLM-Q45")
def test_a_value_for_a_long_switch_counts_as_a_missing_argument() -> None:
    assert refusal("--fma=x") == ("f", True)


def test_missing_arguments_and_unknown_letters() -> None:
    assert refusal("-o") == ("o", True)
    assert refusal("--output") == ("o", True)
    assert refusal("-fx") == ("x", False)
    assert refusal("-f-") == ("-", False)
    assert refusal("-:") == (":", False)


def test_options_are_met_one_by_one() -> None:
    met = iter(Getopt(["-f", "--bogus"], SHOW_OVERLAY))
    assert next(met) == Given("f")
    with pytest.raises(BadOption):
        next(met)


def test_an_option_without_short_form_is_only_known_by_its_long_name() -> None:
    declared = (Declared("dev", argument=True, long=("dev",)),)
    assert list(Getopt(["--dev", "x"], declared)) == [Given("dev", "x")]
    with pytest.raises(BadOption):
        list(Getopt(["-d"], declared))
