"""What a descriptor of possible values takes, counts and leaves out."""

from __future__ import annotations

import struct

import pytest

from kernel_sim.sys.codec import PropRange
from kernel_sim.sys.dld import PropvalType
from kernel_sim.sys.errno import Errno, KernelError


def test_an_empty_descriptor_counts_sixteen_bytes() -> None:
    assert PropRange().size == 16
    assert PropRange().pack() == bytes(256)


def test_a_range_counts_eight_bytes_and_a_string_its_length_and_nul() -> None:
    assert PropRange().with_range(576, 8900).size == 24
    assert PropRange().with_string("vxlan").size == 16 + 6


def test_strings_lie_back_to_back_behind_the_next_free_byte() -> None:
    raw = PropRange.of_strings("vxlan", "geneve").pack()
    assert raw[:8] == struct.pack("=II", 2, 2)
    assert raw[8:25] == struct.pack("=I", 13) + b"vxlan\0geneve\0"
    assert not any(raw[25:])


def test_what_would_pass_256_bytes_is_dropped_without_a_word() -> None:
    full = PropRange.of_ranges(*[(i, i) for i in range(40)])
    assert (full.count, full.size) == (30, 256)
    assert full.with_range(1, 2) == full


def test_a_string_that_fits_after_one_that_did_not_is_taken() -> None:
    assert PropRange.of_strings("a" * 200, "b" * 60, "c").strings == ("a" * 200, "c")
    assert PropRange.of_strings("a" * 239).size == 256
    assert PropRange.of_strings("a" * 240).strings == ()


def test_an_addition_of_the_other_kind_is_dropped_too() -> None:
    numbers = PropRange.of_ranges((1, 2))
    names = PropRange.of_strings("on", "off")
    assert numbers.with_string("on") == numbers
    assert names.with_range(1, 2) == names
    assert PropRange(PropvalType.UINT32, strings=("on",)).strings == ()


def test_additions_to_an_empty_descriptor_decide_its_kind() -> None:
    assert PropRange().with_range(1, 2) == PropRange.of_ranges((1, 2))
    assert PropRange().with_string("on").with_string("off") == PropRange.of_strings("on", "off")


@pytest.mark.parametrize(
    "raw",
    [
        struct.pack("=II", 1, 0),
        struct.pack("=II", 1, 3),
        struct.pack("=II", 31, 1) + bytes(240),
        struct.pack("=III", 2, 2, 3) + b"on\0",
        struct.pack("=III", 1, 2, 2) + b"on\0",
        struct.pack("=III", 1, 2, 300) + b"on\0",
    ],
)
def test_a_descriptor_that_contradicts_itself_is_invalid(raw: bytes) -> None:
    with pytest.raises(KernelError) as refused:
        PropRange.unpack(raw)
    assert refused.value.errno is Errno.EINVAL


def test_an_end_of_a_range_outside_u32_cannot_be_packed() -> None:
    with pytest.raises(KernelError) as refused:
        PropRange.of_ranges((0, 2**32)).pack()
    assert refused.value.errno is Errno.EINVAL
