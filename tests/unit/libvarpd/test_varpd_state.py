"""State files and the name-value lists inside them, against known bytes."""

from __future__ import annotations

import hashlib
import struct
import sys

import pytest

from kernel_sim.sys.errno import Errno
from libvarpd import nvpair
from libvarpd.errors import VarpdError
from libvarpd.nvpair import NvList
from libvarpd.state import HEADER_SIZE, SIZE_MAX, StateRecord, file_name, number_in

DIRECT = bytes.fromhex(
    "76617270 01000000 0bbed426139be8489e5e2f7a00152dbd"
    "01010000 00000000 00000001"
    "00000024 00000020 00000006 7672695f69640000 00000008 00000001 0000000000000003"
    "00000024 00000028 0000000a 7672695f6c696e6b69640000 00000006 00000001 00000007"
    "00000020 00000028 00000008 7672695f64657374 00000006 00000001 00000006"
    "00000020 00000028 00000008 7672695f6d6f6465 00000006 00000001 00000001"
    "0000002c 00000028 0000000a 7672695f706c7567696e0000 00000009 00000001 00000006 6469726563740000"
    "00000090 00000038 0000000b 7672695f7072697661746500 00000013 00000001"
    "  00000000 00000001"
    "  00000028 00000030 00000010 6469726563742f646573745f706f7274 00000004 00000001 000012b5"
    "  00000038 00000030 0000000e 6469726563742f646573745f69700000 00000009 00000001 0000000f"
    "    3a3a666666663a31302e302e302e3200"
    "  0000000000000000"
    "0000000000000000"
)
"""The file of instance 3 on link 7: plugin direct, ::ffff:10.0.0.2 port 4789, written on a little-endian machine (VPD 6.2)."""

little_endian = pytest.mark.skipif(sys.byteorder != "little", reason="the known files are of a little-endian machine")


def direct_record() -> StateRecord:
    private = NvList()
    private.add_uint16("direct/dest_port", 4789)
    private.add_string("direct/dest_ip", "::ffff:10.0.0.2")
    return StateRecord(3, 7, 6, 1, "direct", private)


def with_checksum(payload: bytes, magic: bytes = b"varp", version: int = 1) -> bytes:
    return struct.pack("=4sI16s", magic, version, hashlib.md5(payload).digest()) + payload


def outer(**changes: object) -> NvList:
    """The list of a good state file, with keys left out (None) or given as 32-bit numbers."""
    good = nvpair.decode(direct_record().encode()[HEADER_SIZE:])
    made = NvList()
    for name, kind, value in good:
        if name not in changes:
            getattr(made, f"add_{kind.name.lower()}")(name, value)
        elif isinstance(change := changes[name], int):
            made.add_uint32(name, change) if kind is not nvpair.NvType.UINT32 else made.add_uint64(name, change)
    return made


@little_endian
def test_the_file_of_a_direct_instance_has_exactly_the_known_bytes() -> None:
    assert len(DIRECT) == 368
    assert direct_record().encode() == DIRECT
    assert StateRecord.decode(DIRECT) == direct_record()


@little_endian
def test_the_file_of_a_files_instance_has_the_known_size_and_checksum() -> None:
    private = NvList()
    private.add_string("files/config", "/etc/overlay/net1.json")
    private.add_uint64("files/vaf_nmisses", 0)
    private.add_uint64("files/vaf_narp", 0)
    data = StateRecord(4, 9, 6, 2, "files", private).encode()
    assert len(data) == 424
    assert data[8:24].hex() == "efa3b478114b1db66451467bd3c622cd"
    assert StateRecord.decode(data).private == private


@pytest.mark.parametrize(
    "data",
    [
        *(DIRECT[:size] for size in (0, 1, 4, 8, 23, 24)),
        b"varq" + DIRECT[4:],
        DIRECT[:4] + struct.pack("=I", 2) + DIRECT[8:],
        DIRECT[:8] + bytes(16) + DIRECT[24:],
        with_checksum(b"garbage that is no list"),
        with_checksum(bytes(64)),
        *(
            with_checksum(nvpair.encode(outer(**{key: None})))
            for key in ("vri_id", "vri_linkid", "vri_dest", "vri_mode")
        ),
        *(with_checksum(nvpair.encode(outer(**{key: None}))) for key in ("vri_plugin", "vri_private")),
        *(
            with_checksum(nvpair.encode(outer(**{key: 3})))
            for key in ("vri_id", "vri_linkid", "vri_plugin", "vri_private")
        ),
    ],
)
def test_what_is_no_state_file_is_refused(data: bytes) -> None:
    with pytest.raises(VarpdError) as refused:
        StateRecord.decode(data)
    assert refused.value.errno is Errno.EINVAL


def test_the_same_bytes_with_a_right_checksum_are_accepted() -> None:
    assert StateRecord.decode(with_checksum(nvpair.encode(outer()))) == direct_record()


def test_a_file_larger_than_any_state_file_is_refused_before_it_is_read_through() -> None:
    with pytest.raises(VarpdError, match="does not have 1048577 bytes"):
        StateRecord.decode(DIRECT.ljust(SIZE_MAX + 1, b"\0"))


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("7.varpd", 7),
        ("007.varpd", 7),
        ("+7.varpd", 7),
        (" \t7.varpd", 7),
        ("-7.varpd", 2**64 - 7),
        (".varpd", 0),
        ("18446744073709551615.varpd", 2**64 - 1),
        ("18446744073709551616.varpd", None),
        ("-18446744073709551616.varpd", None),
        ("7", None),
        ("7.varpd.bad", None),
        ("x7.varpd", None),
        ("7x.varpd", None),
        ("+.varpd", None),
        (" .varpd", None),
        (".123.7.varpd", None),
        ("\u0667.varpd", None),
        ("7.varpd\n", None),
    ],
)
def test_a_name_is_a_state_files_when_it_is_a_number_and_the_suffix(name: str, number: int | None) -> None:
    assert number_in(name) == number


def test_the_name_of_an_instances_file_is_its_number() -> None:
    assert file_name(12) == "12.varpd"


# ---------------------------------------------------------------------- lists


def test_a_name_added_again_moves_to_the_end_with_its_new_value() -> None:
    made = NvList()
    made.add_uint16("a", 1)
    made.add_uint16("b", 2)
    made.add_string("a", "x")
    assert [name for name, _, _ in made] == ["b", "a"]
    assert (made.string("a"), made.uint16("a")) == ("x", None)


def test_readers_find_a_value_of_their_type_only() -> None:
    made = NvList()
    made.add_uint64("n", 5)
    made.add_nvlist("l", NvList())
    assert (made.uint64("n"), made.uint32("n"), made.uint16("n"), made.string("n"), made.nvlist("n")) == (
        5,
        None,
        None,
        None,
        None,
    )
    assert made.nvlist("l") == NvList()
    assert made.uint64("absent") is None


@pytest.mark.parametrize(
    ("add", "value"),
    [
        ("uint16", 1 << 16),
        ("uint32", 1 << 32),
        ("uint64", 1 << 64),
        ("uint16", -1),
        ("string", "a\0b"),
        ("string", "\ud800"),
    ],
)
def test_a_value_its_type_cannot_hold_is_refused(add: str, value: object) -> None:
    with pytest.raises(VarpdError) as refused:
        getattr(NvList(), f"add_{add}")("name", value)
    assert refused.value.errno is Errno.EINVAL


def test_bytes_that_are_not_utf8_survive() -> None:
    made = NvList()
    made.add_string("path", b"/\xff".decode("utf-8", "surrogateescape"))
    assert nvpair.decode(nvpair.encode(made)) == made


def encoded(pair: bytes) -> bytes:
    return bytes.fromhex("01010000 00000000 00000001") + pair + bytes(8)


PAIR = "0000001c 00000020 00000001 61000000 00000006 00000001 00000005"


def pair(hex_text: str) -> bytes:
    return encoded(bytes.fromhex(hex_text))


@pytest.mark.parametrize(
    "data",
    [
        pair(PAIR) + b"\0",
        pair(PAIR)[:-1],
        pair("00000020 00000020 00000001 61000000 00000006 00000001 00000005"),
        pair("0000001c 00000028 00000001 61000000 00000006 00000001 00000005"),
        pair("0000001c 00000020 00000001 61000001 00000006 00000001 00000005"),
        pair("0000001c 00000020 00000001 61000000 00000007 00000001 00000005"),
        pair("0000001c 00000020 00000001 61000000 00000006 00000002 00000005"),
        pair("0000001c 00000020 00000001 61000000 00000004 00000001 00010000"),
        pair("0000001c 00000020 ffffffff 61000000 00000006 00000001 00000005"),
        pair("00000020 00000020 00000001 61000000 00000009 00000001 00000001 00000000"),
        pair(PAIR * 2),
        b"\0" + pair(PAIR)[1:],
        b"\1\2" + pair(PAIR)[2:],
        b"\1\1\1" + pair(PAIR)[3:],
        bytes.fromhex("01010000 00000001 00000001") + bytes(8),
        bytes.fromhex("01010000 00000000 00000000") + bytes(8),
        b"",
    ],
)
def test_an_encoding_that_encoding_would_not_give_is_refused(data: bytes) -> None:
    with pytest.raises(VarpdError) as refused:
        nvpair.decode(data)
    assert refused.value.errno is Errno.EINVAL


def test_the_pair_those_are_made_from_is_good_and_the_other_byte_order_too() -> None:
    good = pair(PAIR)
    assert nvpair.decode(good).uint32("a") == 5
    assert nvpair.decode(b"\1\0" + good[2:]).uint32("a") == 5


def test_a_list_within_a_list_without_end_is_refused_and_not_followed() -> None:
    head = bytes.fromhex("00000000 00000001")
    nested = bytes.fromhex("00000100 00000038 00000001 61000000 00000013 00000001") + head
    with pytest.raises(VarpdError):
        nvpair.decode(bytes.fromhex("01010000") + head + nested * 5000)
