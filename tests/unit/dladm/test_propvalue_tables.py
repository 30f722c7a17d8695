"""The syntaxes of allowed-ips, allowed-dhcp-cids and dynamic-methods, row by row of fixtures/linkprops: what is shown or which status."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from dladm.libdladm.propvalue import allowed_dhcp_cids, allowed_ips, dynamic_methods
from dladm.libdladm.status import DladmError, Status
from kernel_sim.sys.codec import MacDhcpcid
from kernel_sim.sys.mac_flow import CidForm

TABLES = Path(__file__).resolve().parents[3] / "fixtures" / "linkprops"


def shown_ips(values: Sequence[str]) -> tuple[str, ...]:
    return allowed_ips.format(allowed_ips.parse(values))


def shown_cids(values: Sequence[str]) -> tuple[str, ...]:
    return allowed_dhcp_cids.format(allowed_dhcp_cids.parse(values))


def shown_methods(values: Sequence[str]) -> tuple[str, ...]:
    return dynamic_methods.format(dynamic_methods.parse(values))


SYNTAXES: dict[str, Callable[[Sequence[str]], tuple[str, ...]]] = {
    "allowed-ips": shown_ips,
    "allowed-dhcp-cids": shown_cids,
    "dynamic-methods": shown_methods,
}


def values_of(cell: str) -> list[str]:
    """The values of a cell: `␠` a blank, `{1..3}` three values, `{x*5}` five x."""
    repeated = re.sub(r"\{([^*{}]+)\*(\d+)\}", lambda found: found[1] * int(found[2]), cell.replace("␠", " "))
    values = []
    for value in repeated.split(","):
        counted = re.fullmatch(r"(.*)\{(\d+)\.\.(\d+)\}(.*)", value)
        if counted:
            before, first, last, after = counted.groups()
            values += [f"{before}{n}{after}" for n in range(int(first), int(last) + 1)]
        else:
            values.append(value)
    return values


def rows() -> Iterator[tuple[str, str, str, str]]:
    for name in SYNTAXES:
        for line in (TABLES / f"{name}.tsv").read_text().splitlines():
            if not line.startswith("#"):
                values, outcome, rule = line.split("\t")
                yield name, values, outcome, rule


ROWS = list(rows())


def outcome_of(name: str, cell: str) -> list[str] | Status:
    try:
        return list(SYNTAXES[name](values_of(cell)))
    except DladmError as refused:
        return refused.status


@pytest.mark.parametrize(("name", "values", "outcome", "rule"), ROWS, ids=[f"{row[0]}-{row[3]}" for row in ROWS])
def test_the_syntax_is_as_its_table_says(name: str, values: str, outcome: str, rule: str) -> None:
    expected = Status[outcome[1:]] if outcome.startswith("!") else values_of(outcome)
    assert outcome_of(name, values) == expected, rule


def test_the_tables_are_whole() -> None:
    assert len(ROWS) >= 120
    assert len({(name, values) for name, values, _, _ in ROWS}) == len(ROWS), "two rows test the same text"
    assert len({(name, rule) for name, _, _, rule in ROWS}) == len(ROWS), "two rows have the same rule"


@pytest.mark.parametrize("row", [row for row in ROWS if not row[2].startswith(("!", "<"))], ids=lambda row: row[3])
def test_what_is_shown_can_be_set_again_and_is_shown_the_same(row: tuple[str, str, str, str]) -> None:
    shown = values_of(row[2])
    assert list(SYNTAXES[row[0]](shown)) == shown


@pytest.mark.fact("DLM-Q41")
def test_the_prefix_of_an_allowed_network_is_kept() -> None:
    (entry,) = allowed_ips.parse(["10.0.0.0/8"])
    assert (entry.version, entry.netmask) == (4, 8)
    assert allowed_ips.format([entry]) == ("10.0.0.0/8",)


@pytest.mark.parametrize(
    ("cid", "form"),
    [
        (b"", CidForm.TYPED),
        (b"\0", CidForm.TYPED),
        (b"\0\1\0\1\0\0\0", CidForm.TYPED),
        (b"\0\1\0\1\0\0\0\0", CidForm.TYPED),
        (b"\0\2\0\0\0", CidForm.TYPED),
        (b"\0\3\0", CidForm.TYPED),
        (b"\0\3\0\1", CidForm.TYPED),
        (b"", CidForm.HEX),
        (b"", CidForm.STR),
        (b"a\0b", CidForm.STR),
        (b"host", 0),
    ],
)
def test_a_client_id_that_has_no_text_is_shown_as_unknown(cid: bytes, form: int) -> None:
    assert allowed_dhcp_cids.format([MacDhcpcid(cid, form)]) == ("<unknown>",)
