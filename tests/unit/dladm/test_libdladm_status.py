"""Statuses, their texts and those of errnos against the tables of the reference sheet (DLM 1.5); link names (DLM 1.6)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from dladm.libdladm.linkname import is_valid
from dladm.libdladm.status import DladmError, Status, from_errno, status2str
from kernel_sim.sys.errno import Errno, KernelError, strerror

SHEET = (Path(__file__).resolve().parents[3] / "docs" / "reference" / "dladm.md").read_text()
SECTION = SHEET.partition("### 1.5 ")[2].partition("### 1.6 ")[0]
assert SECTION, "the sheet has no section 1.5"
BEYOND_THE_SHEET = {Status.BADRANGE, Status.BADCPUID, Status.POOLCPU}
"""Statuses of the properties cpus and pool."""


def errno_rows() -> list[tuple[str, str, str]]:
    """(errno, status, text) of the table; a row with several errnos gives as many."""
    rows = re.findall(r"^\| ([^|]+) \| ([A-Z_]+) \| `([^`]+)` \|$", SECTION, re.MULTILINE)
    return [
        (errno, status, text) for errnos, status, text in rows for errno in re.findall(r"\b(?:E[A-Z]+|0)\b", errnos)
    ]


def listed(heading: str) -> list[tuple[str, str]]:
    """(name, text) of a list that begins with a heading and ends with an empty line."""
    paragraph = SECTION.partition(heading)[2].partition("\n\n")[0]
    return [(name, " ".join(text.split())) for name, text in re.findall(r"\b([A-Z][A-Z_0-9]+)\s+`([^`]+)`", paragraph)]


ERRNOS = errno_rows()
STATUSES = listed("Statuses without an errno:")
STRERRORS = listed("`strerror` texts are illumos ones and differ from glibc in places:")


@pytest.mark.parametrize(("errno", "status", "text"), ERRNOS, ids=[row[0] for row in ERRNOS])
def test_an_errno_has_the_status_and_the_text_of_the_sheet(errno: str, status: str, text: str) -> None:
    found = from_errno(0 if errno == "0" else Errno[errno])
    assert (found.name, found.text) == (status, text)
    assert status2str(found) == text


@pytest.mark.parametrize(("status", "text"), STATUSES)
def test_a_status_without_an_errno_has_the_text_of_the_sheet(status: str, text: str) -> None:
    assert Status[status].text == text


@pytest.mark.parametrize(("errno", "text"), STRERRORS)
def test_an_errno_has_the_text_of_the_sheet(errno: str, text: str) -> None:
    assert strerror(Errno[errno]) == text


def test_the_tables_of_the_sheet_are_read_whole() -> None:
    """Each of the three is found, and together with the errnos' statuses they name every status there is."""
    assert [errno for errno, *_ in ERRNOS][:2] == ["0", "EINVAL"]
    assert {"EPERM", "EADDRINUSE", "EADDRNOTAVAIL"} <= {errno for errno, *_ in ERRNOS}
    assert len(STRERRORS) == 17
    in_the_sheet = {status for _, status, _ in ERRNOS} | {status for status, _ in STATUSES}
    assert {status for status in Status if status.name not in in_the_sheet} <= BEYOND_THE_SHEET


def test_every_other_errno_is_a_failure() -> None:
    named = {errno for errno, *_ in ERRNOS}
    others = [errno for errno in Errno if errno.name not in named]
    assert len(others) > 50
    assert {from_errno(errno) for errno in [*others, 4711, -1]} == {Status.FAILED}


def test_the_first_sixteen_statuses_have_the_numbers_of_the_sheet() -> None:
    numbered = re.findall(r"\b([A-Z]+) (\d+)[,.]", SECTION.partition("Numeric order")[2].partition("\n\n")[0])
    assert [int(number) for _, number in numbered] == list(range(16))
    assert [Status(number).name for number in range(16)] == [name for name, _ in numbered]


def test_statuses_of_cpus_and_pool_have_texts() -> None:
    assert {status.text for status in BEYOND_THE_SHEET} == {
        "invalid range",
        "non-existent processor ID",
        "pool and cpus property are mutually exclusive",
    }


@pytest.mark.parametrize("number", [-1, 4711])
def test_a_number_that_is_no_status_is_an_unknown_error(number: int) -> None:
    assert "anything unknown `<unknown error>`" in SECTION
    assert status2str(number) == "<unknown error>"


def test_every_status_has_a_text_of_its_own() -> None:
    assert len({status.text for status in Status}) == len(Status)


def test_an_error_carries_its_status_and_its_list() -> None:
    error = DladmError.of(KernelError(Errno.EBUSY), ["one", "two\n"])
    assert (error.status, error.entries, str(error)) == (Status.LINKBUSY, ("one", "two\n"), "link busy")


@pytest.mark.parametrize(
    "name", ["ov0", "sdc_overlay4385087", "a.b_1", "v10", "v100", "_0", ".1", "a101", "a0b1", "A" * 30 + "0"]
)
def test_names_that_are_accepted(name: str) -> None:
    assert is_valid(name)


@pytest.mark.parametrize(
    "name", ["ov", "0ov1", "ov01", "ov00", "ov-1", "", "1", "a" * 31 + "0", "ov0\n", "ov 0", "ü0", "a\u0661"]
)
def test_names_that_are_refused(name: str) -> None:
    assert not is_valid(name)
