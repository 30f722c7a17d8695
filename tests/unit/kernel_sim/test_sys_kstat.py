"""Statistics on the wire of /dev/kstat."""

from __future__ import annotations

import pytest

from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.kstat import (
    KstatChain,
    KstatData,
    KstatEntry,
    KstatHeader,
    KstatNamed,
    pack_entries,
    unpack_entries,
)

LINK = KstatEntry(
    "link",
    0,
    "vnic0",
    "net",
    (
        KstatNamed.u64("obytes64", 2**64 - 1),
        KstatNamed.string("zonename", "global"),
        KstatNamed("link_state", KstatData.UINT32, 1),
        KstatNamed("kind", KstatData.CHAR, "sixteen bytes ok"),
        KstatNamed.string("note", ""),
    ),
)


def test_a_set_comes_back_as_it_was_sent() -> None:
    assert KstatEntry.unpack(LINK.pack()) == LINK
    assert LINK.header == KstatHeader("link", 0, "vnic0", "net")


def test_counters_wrap_at_their_width() -> None:
    assert KstatNamed.u32("ipackets", 2**32 + 5).value == 5
    assert KstatNamed.u64("ipackets64", 2**64 + 5).value == 5


def test_the_longest_link_name_fits_as_a_set_name_and_one_more_does_not() -> None:
    assert KstatHeader.unpack(KstatHeader("link", 0, "n" * 31).pack()).name == "n" * 31
    with pytest.raises(KernelError) as refused:
        KstatHeader("link", 0, "n" * 32).pack()
    assert refused.value.errno is Errno.EINVAL


@pytest.mark.parametrize(
    "stat",
    [
        KstatNamed("a", KstatData.UINT32, 2**32),
        KstatNamed("a", KstatData.INT32, "text"),
        KstatNamed("a", KstatData.STRING, 1),
        KstatNamed("a", KstatData.CHAR, "seventeen bytes!!"),
    ],
)
def test_a_value_that_its_type_cannot_hold_is_refused(stat: KstatNamed) -> None:
    with pytest.raises(KernelError) as refused:
        KstatEntry("m", 0, "n", "c", (stat,)).pack()
    assert refused.value.errno is Errno.EINVAL


@pytest.mark.parametrize("cut", [1, 7, 8, 60])
def test_a_set_that_is_cut_short_is_a_bad_address(cut: int) -> None:
    with pytest.raises(KernelError) as refused:
        KstatEntry.unpack(LINK.pack()[:-cut])
    assert refused.value.errno is Errno.EFAULT


def test_an_unknown_type_is_invalid() -> None:
    raw = bytearray(KstatEntry("m", 0, "n", "c", (KstatNamed.u32("a", 1),)).pack())
    raw[KstatEntry.SIZE + 32] = 5
    with pytest.raises(KernelError, match="unknown type 5"):
        KstatEntry.unpack(raw)


def test_a_page_of_the_chain_says_how_many_sets_there_are() -> None:
    page = KstatChain(200, 7, 450, (KstatHeader("link", 0, "vnic0", "net"),))
    assert KstatChain.unpack(page.pack()) == page
    assert KstatChain.unpack(KstatChain(200).pack()) == KstatChain(200)


def test_sets_follow_each_other_and_the_unwanted_are_passed_over() -> None:
    other = KstatEntry("m", 1, "n", "c", (KstatNamed.u32("a", 1),), 5, 7)
    raw = pack_entries([LINK.pack(), other.pack()])
    assert unpack_entries(raw) == [LINK, other]
    assert unpack_entries(raw, lambda header: header.module == "m") == [other]
    assert unpack_entries(b"") == []


@pytest.mark.parametrize("cut", [1, KstatEntry.SIZE])
def test_sets_that_are_cut_short_are_a_bad_address(cut: int) -> None:
    with pytest.raises(KernelError) as caught:
        unpack_entries(pack_entries([LINK.pack()])[:-cut])
    assert caught.value.errno is Errno.EFAULT
