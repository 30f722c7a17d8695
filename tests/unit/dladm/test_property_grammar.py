"""The property grammar (DLM 2.3); the commands put a comma behind each argument."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import dladm
from dladm.grammar import GrammarError, Property, parse_properties


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        ("a=1,b=2,", [("a", "1"), ("b", "2")]),
        ("a=1,2,b=3,", [("a", "1", "2"), ("b", "3")]),
        ("a=1=2,", [("a",), ("1", "2")]),
        ("a,", [("a",)]),
        ("a,b,c=1,d,", [("a",), ("b",), ("c", "1", "d")]),
        ("a=1,a=2,", [("a", "1"), ("a", "2")]),
        (" a = 1 ,", [(" a ", " 1 ")]),
        ("a='1;2',", [("a", "'1;2'")]),
        ("a=1\n,", [("a", "1\n")]),
        ("a=\u00fc\udcff,", [("a", "\u00fc\udcff")]),
    ],
)
def test_lists(text: str, found: list[tuple[str, ...]]) -> None:
    assert parse_properties(text) == [Property(name, values) for name, *rest in found for values in [tuple(rest)]]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a=,", "position 2: a name or value is missing before ','"),
        (",", "position 0: a name or value is missing before ','"),
        ("=1,", "position 0: a name or value is missing before '='"),
        ("a=1,,b=2,", "position 4: a name or value is missing before ','"),
        ("a==1,", "position 2: a name or value is missing before '='"),
        ("a=1", "position 2: no comma after '1'"),
    ],
)
def test_an_empty_token_makes_the_whole_list_invalid(text: str, complaint: str) -> None:
    with pytest.raises(GrammarError) as refused:
        parse_properties(text)
    assert str(refused.value) == complaint


@pytest.mark.fact("DLM-Q19")
def test_a_list_holds_32_properties() -> None:
    assert len(parse_properties("a=1," * 32)) == 32
    with pytest.raises(GrammarError, match="33 properties"):
        parse_properties("a=1," * 33)


def test_ply_writes_no_files_and_says_nothing(tmp_path: Path) -> None:
    program = "from dladm.grammar import parse_properties; parse_properties('a=1,')"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not list(tmp_path.iterdir())
    assert dladm.__file__ is not None
    assert not list(Path(dladm.__file__).parent.rglob("*parsetab*"))
