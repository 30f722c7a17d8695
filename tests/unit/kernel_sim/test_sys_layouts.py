"""Offsets and sizes of the reference sheets, tested without the declarations, and what codecs do with odd contents."""

from __future__ import annotations

import struct
import subprocess
import sys
from typing import Any

import pytest

from kernel_sim.sys import codec
from kernel_sim.sys.dld import LinkState, MacProp
from kernel_sim.sys.errno import Errno, KernelError

POINT = codec.Point(b"\1\2\3\4\5\6", bytes(range(16)), 4789)
ENTRY = codec.CacheEntry(b"\6\5\4\3\2\1", 1, POINT)
POINT_PARTS = [(0, "6s", b"\1\2\3\4\5\6"), (8, "16s", bytes(range(16))), (24, "H", 4789)]


def moved(parts: list[tuple[int, str, Any]], by: int) -> list[tuple[int, str, Any]]:
    return [(offset + by, form, value) for offset, form, value in parts]


ENTRY_PARTS = [(0, "6s", b"\6\5\4\3\2\1"), (6, "H", 1), *moved(POINT_PARTS, 8)]
CASES: list[tuple[Any, int, list[tuple[int, str, Any]]]] = [
    (codec.OverlayCreate(1, 2, "vxlan"), 48, [(0, "I", 1), (8, "Q", 2), (16, "6s", b"vxlan\0")]),
    (codec.OverlayLink(7), 4, [(0, "I", 7)]),
    (codec.OverlayNprops(1, 6), 8, [(0, "I", 1), (4, "i", 6)]),
    (
        codec.OverlayPropinfo(1, -1, "mtu", 2, 6, b"abc", codec.PropRange.of_ranges((576, 8900))),
        600,
        [
            (0, "I", 1),
            (4, "i", -1),
            (8, "4s", b"mtu\x00"),
            (72, "I", 2),
            (76, "I", 6),
            (80, "3s", b"abc"),
            (336, "I", 3),
            (340, "I", 24),
            (344, "I", 1),
            (348, "I", 1),
            (352, "I", 576),
            (356, "I", 8900),
        ],
    ),
    (
        codec.OverlayProp(1, 4, "encap", b"vxlan"),
        332,
        [(4, "i", 4), (8, "5s", b"encap"), (72, "5s", b"vxlan"), (328, "I", 5)],
    ),
    (codec.OverlayStatus(1, 1, "no"), 264, [(4, "I", 1), (8, "3s", b"no\0")]),
    (codec.TargInfo(1, 6, 3, 4), 24, [(0, "I", 1), (4, "I", 6), (8, "Q", 3), (16, "Q", 4)]),
    (
        codec.TargAssociate(1, 2, 3, 6, POINT),
        48,
        [(0, "I", 1), (4, "I", 2), (8, "Q", 3), (16, "I", 6), *moved(POINT_PARTS, 20)],
    ),
    (codec.TargId(9), 4, [(0, "I", 9)]),
    (codec.TargDegrade(1, "why"), 264, [(0, "I", 1), (8, "4s", b"why\0")]),
    (
        codec.TargLookup(1, 2, 3, 4, 14, 60, b"abcdef", b"ghijkl", 2, 0x806, 23),
        72,
        [
            (0, "Q", 1),
            (8, "Q", 2),
            (16, "Q", 3),
            (24, "Q", 4),
            (32, "Q", 14),
            (40, "Q", 60),
            (48, "6s", b"abcdef"),
            (54, "6s", b"ghijkl"),
            (60, "I", 2),
            (64, "I", 2054),
            (68, "i", 23),
        ],
    ),
    (codec.TargResp(5, POINT), 40, [(0, "Q", 5), *moved(POINT_PARTS, 8)]),
    (codec.TargPkt(1, 2, 3), 32, [(0, "Q", 1), (8, "Q", 2), (16, "Q", 3), (24, "Q", 0)]),
    (codec.TargList((7, 8), 9), 4, [(0, "I", 9), (4, "I", 7), (8, "I", 8)]),
    (codec.TargCache(1, ENTRY), 40, [(0, "I", 1), *moved(ENTRY_PARTS, 4)]),
    (
        codec.TargIter(1, b"mmmmmm\1\0", 1, (ENTRY,)),
        24,
        [(0, "I", 1), (8, "8s", b"mmmmmm\1\0"), (16, "H", 1), *moved(ENTRY_PARTS, 24)],
    ),
    (
        codec.VnicCreate(1, 2, 1, 6, b"abcdef", 3, -1, 23, 4, 2, 5, 6, 7),
        68,
        [
            (0, "I", 1),
            (4, "I", 2),
            (8, "i", 1),
            (12, "I", 6),
            (16, "6s", b"abcdef"),
            (36, "I", 3),
            (40, "i", -1),
            (44, "H", 23),
            (48, "I", 4),
            (52, "i", 2),
            (56, "I", 5),
            (60, "I", 6),
            (64, "i", 7),
        ],
    ),
]


@pytest.mark.parametrize(("value", "size", "parts"), CASES, ids=[type(value).__name__ for value, _, _ in CASES])
def test_fields_lie_where_the_reference_says(value: Any, size: int, parts: list[tuple[int, str, Any]]) -> None:
    raw = value.pack()
    assert size == type(value).SIZE
    for offset, form, expected in parts:
        assert struct.unpack_from(f"={form}", raw, offset) == (expected,), offset


def test_an_unterminated_encapsulation_name_comes_out_whole_so_that_create_can_refuse_it() -> None:
    raw = struct.pack("=I4xQ32s", 1, 2, b"x" * 32)
    assert codec.OverlayCreate.unpack(raw).encap == "x" * 32


def test_a_name_that_is_not_utf8_comes_out_with_surrogates() -> None:
    raw = struct.pack("=I4xQ32s", 1, 2, b"vx\xff")
    with pytest.raises(UnicodeEncodeError):
        codec.OverlayCreate.unpack(raw).encap.encode()


@pytest.mark.parametrize("encap", ["x" * 32, "v\0x"])
def test_a_name_that_does_not_fit_its_field_is_refused_when_packing(encap: str) -> None:
    with pytest.raises(KernelError, match="must be shorter than 32 bytes") as refused:
        codec.OverlayCreate(1, 2, encap).pack()
    assert refused.value.errno is Errno.EINVAL


def test_a_property_name_ends_at_byte_63_at_the_latest() -> None:
    raw = bytearray(codec.OverlayProp(1, -1, "n" * 63).pack())
    raw[8:72] = b"n" * 64
    assert codec.OverlayProp.unpack(raw).name == "n" * 63


@pytest.mark.parametrize(("cls", "at"), [(codec.OverlayProp, 328), (codec.OverlayPropinfo, 336)])
def test_a_value_size_over_256_is_invalid_but_a_request_does_not_mind(cls: Any, at: int) -> None:
    raw = bytearray(cls(1, 2).pack())
    raw[at : at + 4] = struct.pack("=I", 257)
    with pytest.raises(KernelError, match="257") as refused:
        cls.unpack(raw)
    assert refused.value.errno is Errno.EINVAL
    assert cls.unpack_request(raw) == cls(1, 2)


def test_a_property_value_over_256_bytes_cannot_be_packed() -> None:
    with pytest.raises(KernelError, match="257") as refused:
        codec.OverlayProp(1, 2, value=bytes(257)).pack()
    assert refused.value.errno is Errno.EINVAL


def test_a_long_message_is_cut_between_characters() -> None:
    assert codec.OverlayStatus.unpack(codec.OverlayStatus(1, 1, "ä" * 200).pack()).message == "ä" * 127
    assert codec.TargDegrade.unpack(codec.TargDegrade(1, "x" * 300).pack()).message == "x" * 255


def test_an_unterminated_degrade_text_is_cut_to_255_bytes() -> None:
    assert codec.TargDegrade.unpack(struct.pack("=I4x256s", 1, b"x" * 256)).message == "x" * 255


@pytest.mark.parametrize("value", [codec.TargId(-1), codec.TargId(2**32), codec.TargPkt(2**64, 0, 0)])
def test_a_number_out_of_range_is_refused_with_the_name_of_the_argument(value: Any) -> None:
    with pytest.raises(KernelError, match=type(value).__name__) as refused:
        value.pack()
    assert refused.value.errno is Errno.EINVAL


@pytest.mark.parametrize("value", [codec.Point(b"short"), codec.Point(ip=b"v4!!"), codec.CacheEntry(bytes(7))])
def test_an_address_of_the_wrong_length_is_refused(value: Any) -> None:
    with pytest.raises(KernelError, match="bytes") as refused:
        value.pack()
    assert refused.value.errno is Errno.EINVAL


def test_requests_of_lists_carry_room_and_no_entries() -> None:
    assert codec.TargList.unpack(codec.TargList(nents=500).pack()) == codec.TargList((), 500)
    assert codec.TargIter.unpack(codec.TargIter(1, count=200).pack()) == codec.TargIter(1, count=200)


def test_entries_that_contradict_their_count_are_invalid() -> None:
    with pytest.raises(KernelError) as refused:
        codec.TargIter.unpack(codec.TargIter(1, count=2, entries=(ENTRY,)).pack())
    assert refused.value.errno is Errno.EINVAL


def test_a_vnic_address_keeps_the_prefix_even_when_its_length_is_none() -> None:
    asked = codec.VnicCreate(1, 2, 1, 0, b"\2\x08\x20", 3)
    assert codec.VnicCreate.unpack(asked.pack()) == asked


def test_lengths_a_caller_lied_about_reach_the_kernel_as_they_are() -> None:
    raw = bytearray(codec.VnicCreate(1, 2, 0, 6, b"abcdef").pack())
    raw[12:16] = struct.pack("=I", 21)
    lied = codec.VnicCreate.unpack(raw)
    assert (lied.mac_len, len(lied.mac_addr)) == (21, 20)


def test_an_address_over_twenty_bytes_does_not_fit() -> None:
    with pytest.raises(KernelError, match="21 bytes"):
        codec.VnicCreate(1, 2, 0, 21, bytes(21)).pack()


@pytest.mark.parametrize(
    ("num", "value", "raw"),
    [
        (MacProp.MTU, 1400, struct.pack("=I", 1400)),
        (MacProp.STATUS, LinkState.UNKNOWN, struct.pack("=i", -1)),
        (MacProp.SPEED, 10**10, struct.pack("=Q", 10**10)),
        (MacProp.DUPLEX, 2, struct.pack("=I", 2)),
        (MacProp.ZONE, "web", b"web\0"),
        (MacProp.ZONE, "", b"\0"),
        (MacProp.VN_PROMISC_FILTERED, 1, struct.pack("=I", 1)),
        (MacProp.SECONDARY_ADDRS, (b"abcdef", b"ghijkl"), struct.pack("=I192s", 2, b"abcdefghijkl")),
        (MacProp.RESOURCE, codec.MacResourceProps(mask=1, maxbw=5), struct.pack("=IQ", 1, 5).ljust(12868, b"\0")),
    ],
)
def test_a_link_property_value_has_one_layout(num: MacProp, value: codec.PropValue, raw: bytes) -> None:
    assert codec.macprop_value(num, value) == raw
    assert codec.macprop_read(num, raw) == value


@pytest.mark.parametrize(
    ("num", "raw"),
    [
        (MacProp.MTU, b"12"),
        (MacProp.MTU, bytes(8)),
        (MacProp.ZONE, b"web"),
        (MacProp.ZONE, bytes(65)),
        (MacProp.SECONDARY_ADDRS, struct.pack("=I192x", 33)),
        (MacProp.RESOURCE, bytes(12869)),
    ],
)
def test_bytes_that_are_no_such_value_are_invalid(num: MacProp, raw: bytes) -> None:
    with pytest.raises(KernelError) as refused:
        codec.macprop_read(num, raw)
    assert refused.value.errno is Errno.EINVAL


def test_a_property_without_a_layout_is_not_supported() -> None:
    for call in (lambda: codec.macprop_value(MacProp.AUTOPUSH, 1), lambda: codec.macprop_read(MacProp.AUTOPUSH, b"")):
        with pytest.raises(KernelError) as refused:
            call()
        assert refused.value.errno is Errno.ENOTSUP


def test_a_link_property_value_that_is_cut_short_is_a_bad_address() -> None:
    with pytest.raises(KernelError) as refused:
        codec.DldMacprop.unpack(codec.DldMacprop(0, 1, 6, value=b"1234").pack()[:-1])
    assert refused.value.errno is Errno.EFAULT


def list_of(count: int) -> dict[str, Any]:
    return {
        "cpus": tuple(range(4 * count)),
        "ipaddrs": (codec.MacIpaddr(4, bytes(16), 32),) * count,
        "cids": (codec.MacDhcpcid(b"x"),) * count,
    }


@pytest.mark.parametrize("field", ["cpus", "ipaddrs", "cids"])
def test_a_list_of_resources_has_room_for_so_many(field: str) -> None:
    full = codec.MacResourceProps(**{field: list_of(32)[field]})
    assert codec.MacResourceProps.unpack(full.pack()) == full
    with pytest.raises(KernelError, match=r"at most (128|32) fit") as error:
        codec.MacResourceProps(**{field: list_of(33)[field]}).pack()
    assert error.value.errno is Errno.EINVAL


@pytest.mark.parametrize(("at", "most"), [(16, 128), (2604, 32), (3376, 32)])
def test_a_count_beyond_the_room_is_invalid(at: int, most: int) -> None:
    packed = bytearray(codec.MacResourceProps().pack())
    packed[at : at + 4] = struct.pack("=I", most + 1)
    with pytest.raises(KernelError, match=f"at most {most} fit") as error:
        codec.MacResourceProps.unpack(packed)
    assert error.value.errno is Errno.EINVAL


def test_a_client_id_has_256_bytes_at_most() -> None:
    longest = codec.MacDhcpcid(bytes(256))
    assert codec.MacDhcpcid.unpack(longest.pack()) == longest
    with pytest.raises(KernelError, match="257 bytes, at most 256 fit"):
        codec.MacDhcpcid(bytes(257)).pack()


def test_there_are_32_secondary_addresses_at_most() -> None:
    addresses = tuple(bytes((2, 8, 32, 0, 0, n)) for n in range(33))
    assert codec.macprop_value(MacProp.SECONDARY_ADDRS, addresses[:32])
    with pytest.raises(KernelError, match="33 secondary addresses, at most 32 fit"):
        codec.macprop_value(MacProp.SECONDARY_ADDRS, addresses)


def test_importing_the_package_imports_no_codec() -> None:
    script = (
        "import sys, kernel_sim.sys.codec; print([m for m in sys.modules if m.startswith('kernel_sim.sys.codec.')])"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"


def test_a_name_that_is_no_codec_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="OverlayNothing"):
        codec.OverlayNothing  # noqa: B018
