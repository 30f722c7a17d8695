"""Addresses and headers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel_sim.sys.ethernet import BROADCAST, HeaderInfo, format_mac, is_group, parse_header, parse_mac

DST, SRC = bytes.fromhex("020820010203"), bytes.fromhex("0208200a0b0c")


def test_an_address_is_written_in_the_short_form() -> None:
    assert format_mac(SRC) == "2:8:20:a:b:c"
    assert format_mac(memoryview(BROADCAST)) == "ff:ff:ff:ff:ff:ff"


@pytest.mark.parametrize("text", ["2:8:20:a:b:c", "02:08:20:0a:0b:0c", "2:8:20:A:B:C"])
def test_groups_of_one_or_two_digits_in_either_case_are_read(text: str) -> None:
    assert parse_mac(text) == SRC


@pytest.mark.parametrize(
    "text",
    [
        "", "2:8:20:a:b", "2:8:20:a:b:c:d", "2:8:20:a:b:100", "2-8-20-a-b-c", "2:8:20:a:b:g", " 2:8:20:a:b:c",
        "2:8:20:a:b:c\n", "2:8:20:a::c", "٢:8:20:a:b:c",
    ],
)  # fmt: skip
def test_anything_else_is_not_an_address(text: str) -> None:
    with pytest.raises(ValueError, match="is not a MAC address"):
        parse_mac(text)


@given(st.binary(min_size=6, max_size=6))
def test_writing_and_reading_give_the_address_back(mac: bytes) -> None:
    assert parse_mac(format_mac(mac)) == mac


def test_the_low_bit_of_the_first_byte_marks_a_group() -> None:
    assert is_group(BROADCAST)
    assert is_group(parse_mac("1:0:5e:0:0:1"))
    assert not is_group(SRC)


def test_an_untagged_header_has_fourteen_bytes() -> None:
    frame = DST + SRC + b"\x08\x00" + b"payload"
    assert parse_header(frame) == HeaderInfo(DST, SRC, 0x0800, 0, tagged=False, cfi=False, size=14)
    assert parse_header(frame[:14]) == parse_header(memoryview(frame))


def test_a_tagged_header_has_eighteen_bytes_and_the_inner_type() -> None:
    frame = DST + SRC + b"\x81\x00\x30\x17\x86\xdd" + b"payload"
    assert parse_header(frame) == HeaderInfo(DST, SRC, 0x86DD, 23, tagged=True, cfi=True, size=18)


@pytest.mark.parametrize("size", range(14))
def test_a_frame_under_fourteen_bytes_has_no_header(size: int) -> None:
    assert parse_header((DST + SRC + b"\x08\x00")[:size]) is None


@pytest.mark.parametrize("size", range(14, 18))
def test_a_tagged_frame_under_eighteen_bytes_has_no_header(size: int) -> None:
    assert parse_header((DST + SRC + b"\x81\x00\x00\x17\x08\x00")[:size]) is None
