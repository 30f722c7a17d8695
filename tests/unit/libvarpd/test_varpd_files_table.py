"""The format of overlay files: what is read from them, and what is said of those that are refused."""

from __future__ import annotations

import ipaddress
import json
import re
import time
from pathlib import Path
from typing import Any

import pytest

from kernel_sim.sys.codec import Point
from kernel_sim.sys.errno import Errno
from libvarpd.errors import VarpdError
from libvarpd.plugins.files_address import parse_ip, parse_ipv4, parse_ipv6, parse_mac
from libvarpd.plugins.files_json import KEY_MAX, read_object
from libvarpd.plugins.files_table import EMPTY, Table

FIXTURES = Path(__file__).parents[3] / "fixtures" / "overlays"
ONE = bytes.fromhex("020000000001")
TWO = bytes.fromhex("020000000002")


def ip6(text: str) -> bytes:
    return ipaddress.IPv6Address(text).packed


def ip4(text: str) -> bytes:
    return ipaddress.IPv4Address(text).packed


def to(ip: str, port: int = 4789) -> Point:
    return Point(ip=ip6(ip), port=port)


def table(document: Any) -> Table:
    return Table.read(document if isinstance(document, bytes) else json.dumps(document).encode())


def fixture(name: str) -> bytes:
    return (FIXTURES / name).read_bytes()


def refusal(document: Any) -> tuple[Errno, str]:
    with pytest.raises(VarpdError) as refused:
        table(document)
    return refused.value.errno, refused.value.detail


# ---------------------------------------------------------------------- what is read


def test_an_entry_tells_destination_addresses_and_dhcp_server() -> None:
    found = Table.read(fixture("two-hosts.json"))
    assert len(found) == 2
    assert found.target(ONE) == to("::ffff:192.0.2.10")
    assert found.target(TWO) == to("2001:db8::7")
    assert found.owner(ip4("10.1.0.1")) == found.owner(ip6("fd00::1")) == ONE
    assert found.owner(ip4("10.1.0.2")) == TWO
    assert (found.dhcp_proxy(ONE), found.dhcp_proxy(TWO)) == (None, ONE)


def test_what_is_in_no_entry_is_not_known() -> None:
    found = Table.read(fixture("two-hosts.json"))
    stranger = bytes.fromhex("020000000003")
    assert found.target(stranger) is found.dhcp_proxy(stranger) is None
    assert found.owner(ip4("10.1.0.3")) is found.owner(ip6("::ffff:10.1.0.1")) is found.owner(b"") is None


@pytest.mark.fact("VPD-I27")
def test_spellings_of_one_mac_address_are_one_entry_and_the_later_one_is_it() -> None:
    found = Table.read(fixture("spellings.json"))
    assert len(found) == 3
    assert found.target(bytes.fromhex("02aa00000001")) == to("::ffff:192.0.2.4", 4790)
    assert found.owner(ip4("10.1.0.1")) is None  # nothing of the earlier one is left
    assert found.target(bytes.fromhex("02aa00000002")) == to("::ffff:192.0.2.2", 65535)
    assert found.owner(ip6("fd00::2")) == bytes.fromhex("02aa00000002")
    assert found.target(bytes.fromhex("02aa00000003")) == to("::ffff:192.0.2.3")


@pytest.mark.parametrize("again", ["2:0:0:0:0:1", "02:00:00:00:00:01"])
def test_an_entry_that_is_replaced_stands_where_the_later_one_does(again: str) -> None:
    first = b'{"2:0:0:0:0:1": {"arp": "10.1.0.9"}, "2:0:0:0:0:2": {"arp": "10.1.0.1"}, "%s": {"arp": "10.1.0.1"}}'
    found = table(first % again.encode())
    assert found.owner(ip4("10.1.0.1")) == TWO
    assert found.owner(ip4("10.1.0.9")) is None


@pytest.mark.fact("VPD-I28")
def test_of_two_entries_with_one_address_the_first_answers_for_it() -> None:
    entries = {
        "2:0:0:0:0:2": {"arp": "10.1.0.1", "ndp": "fd00::1"},
        "2:0:0:0:0:1": {"arp": "10.1.0.1", "ndp": "fd00::1"},
    }
    for document, first in ((entries, TWO), (dict(reversed(entries.items())), ONE)):
        assert table(document).owner(ip4("10.1.0.1")) == first
        assert table(document).owner(ip6("fd00::1")) == first


@pytest.mark.fact("VPD-B21")
def test_a_file_is_an_object_an_empty_one_too_but_no_array() -> None:
    assert len(table({})) == 0
    for array in ([], [{}]):
        assert refusal(array) == (Errno.EINVAL, "the file is an array, where an object is wanted")


@pytest.mark.fact("VPD-B27")
@pytest.mark.parametrize("port", [0, 65536, -1, "4789", True, None, {}, [4789]])
def test_without_a_port_from_1_to_65535_there_is_no_destination(port: Any) -> None:
    entry = {"ip": "192.0.2.1"}
    assert table({"2:0:0:0:0:1": entry}).target(ONE) is None
    assert table({"2:0:0:0:0:1": {**entry, "port": port}}).target(ONE) is None
    for good in (1, 65535):
        assert table({"2:0:0:0:0:1": {**entry, "port": good}}).target(ONE) == to("::ffff:192.0.2.1", good)


@pytest.mark.fact("VPD-B29")
@pytest.mark.parametrize("ip", ["10.1", "host", "1.2.3.4/24", 5, "", " 1.2.3.4", "fe80::1%net0", None, {}])
def test_without_a_whole_address_there_is_no_destination(ip: Any) -> None:
    assert table({"2:0:0:0:0:1": {"ip": ip, "port": 4789}}).target(ONE) is None
    assert table({"2:0:0:0:0:1": {"port": 4789}}).target(ONE) is None


@pytest.mark.parametrize("ip", ["::", "::ffff:0.0.0.0", "ff02::1", "::1", "2002::1", "::ffff:224.0.0.1"])
def test_odd_destinations_are_not_refused(ip: str) -> None:
    assert table({"2:0:0:0:0:1": {"ip": ip, "port": 4789}}).target(ONE) == to(ip)


@pytest.mark.fact("VPD-B30")
def test_an_address_of_the_wrong_kind_is_passed_over() -> None:
    bad = {"arp": "300.1.1.1", "ndp": "10.0.0.1"}
    found = table({"2:0:0:0:0:1": bad, "2:0:0:0:0:2": {"arp": "fd00::1", "ndp": 5}})
    asked = (ip4("10.0.0.1"), ip6("::ffff:10.0.0.1"), ip6("fd00::1"), bytes([44, 1, 1, 1]), bytes([255, 1, 1, 1]))
    assert [found.owner(address) for address in asked] == [None] * 5
    later = table({"2:0:0:0:0:1": bad, "2:0:0:0:0:2": {"arp": "10.0.0.1", "ndp": "::ffff:10.0.0.1"}})
    assert [later.owner(address) for address in asked[:2]] == [TWO, TWO]


@pytest.mark.fact("VPD-B31")
@pytest.mark.parametrize("server", ["xyz", 5, "", "2:0:0:0:0", None, "ff:ff:ff:ff:ff:ff"])
def test_a_dhcp_server_is_named_by_the_mac_address_of_one_host(server: Any) -> None:
    assert table({"2:0:0:0:0:1": {"dhcp-proxy": server}}).dhcp_proxy(ONE) is None


def test_what_is_wrong_below_the_entries_makes_single_lookups_fail_and_no_more() -> None:
    found = Table.read(fixture("silent.json"))
    assert len(found) == 5
    assert [found.target(bytes([2, 0, 0, 0, 0, last])) for last in range(1, 6)] == [None] * 5


def test_ten_thousand_entries_are_read_in_less_than_two_seconds() -> None:
    entry = {"ip": "192.0.2.1", "port": 4789, "arp": "10.1.0.1", "ndp": "fd00::1", "dhcp-proxy": "2:0:0:0:0:1"}
    data = json.dumps({f"2:0:0:0:{n >> 8:x}:{n & 255:x}": entry for n in range(10_000)}, indent=2).encode()
    begun = time.monotonic()
    assert len(Table.read(data)) == 10_000
    assert time.monotonic() - begun < 2


# ---------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("name", "errno", "detail"),
    [
        ("bad-fraction.json", Errno.ENOTSUP, r"line 2, column 47: 2:0:0:0:0:1\.port: 4789\.5 is a fraction .*"),
        ("bad-number.json", Errno.EINVAL, r"line 2, column 47: 2:0:0:0:0:1\.port: 4294972085 does not fit in 32 bits"),
        ("bad-trailing.json", Errno.EPROTO, r"line 4, column 1: .*"),
        # Python 3.13 and later point at the comma, earlier ones at what follows it
        ("bad-comma.json", Errno.EPROTO, r"line 2, column (51|53): .*"),
        ("bad-group.json", Errno.EINVAL, r'key "ff:ff:ff:ff:ff:ff" is not the MAC address of one host'),
        ("bad-key.json", Errno.EINVAL, r'key "2-0-0-0-0-1" is not the MAC address of one host'),
        ("bad-entry.json", Errno.EINVAL, r"2:0:0:0:0:1: an array, where an object is wanted"),
    ],
)
def test_a_refusal_says_where_it_is_and_what(name: str, errno: Errno, detail: str) -> None:
    found, said = refusal(fixture(name))
    assert found is errno
    assert re.fullmatch(detail, said), said


@pytest.mark.fact("VPD-B20")
@pytest.mark.parametrize(
    ("text", "errno"),
    [
        (b" ", Errno.EPROTO),
        (b"{", Errno.EPROTO),
        (b'{"2:0:0:0:0:1": {}', Errno.EPROTO),
        (b"{'2:0:0:0:0:1': {}}", Errno.EPROTO),
        (b'{"2:0:0:0:0:1": {"port": +1}}', Errno.EPROTO),
        (b'{"2:0:0:0:0:1": {"port": NaN}}', Errno.EPROTO),
        (b'{"2:0:0:0:0:1": {"port": -Infinity}}', Errno.EPROTO),
        (b'{"2:0:0:0:0:1": {"ip": "\\q"}}', Errno.EPROTO),
        (b'{"2:0:0:0:0:1": {}}\0', Errno.EPROTO),
        (b'\xef\xbb\xbf{"2:0:0:0:0:1": {}}', Errno.EPROTO),
        (b"{} // comment", Errno.EPROTO),
        (b"4789", Errno.EPROTO),
        (b'"2:0:0:0:0:1"', Errno.EPROTO),
        (b"null", Errno.EPROTO),
        (b'{"2:0:0:0:0:1": {"port": 4789.0}}', Errno.ENOTSUP),
        (b'{"2:0:0:0:0:1": {"port": 4e3}}', Errno.ENOTSUP),
        (b'{"2:0:0:0:0:1": {"mtu": -1.5e-3}}', Errno.ENOTSUP),
    ],
)
def test_what_is_not_json_is_a_protocol_error_and_fractions_are_not_supported(text: bytes, errno: Errno) -> None:
    assert refusal(text)[0] is errno


@pytest.mark.fact("VPD-B22")
@pytest.mark.parametrize(
    "key",
    ["zz", "", "aa-bb-cc-dd-ee-ff", "aabb.ccdd.eeff", "2:0:0:0:0", "2:0:0:0:0:1:2", "2:0:0:0:0:-1", "2:0:0:0:0:0x"],
)
def test_every_key_is_a_mac_address(key: str) -> None:
    assert refusal({key: {}}) == (Errno.EINVAL, f'key "{key}" is not the MAC address of one host')


@pytest.mark.fact("VPD-B23")
@pytest.mark.parametrize(("value", "said"), [(5, "5"), (None, "null"), ("x", '"x"'), (False, "false")])
def test_every_value_is_an_object(value: Any, said: str) -> None:
    assert refusal({"a:b:c:d:e:f": value}) == (Errno.EINVAL, f"a:b:c:d:e:f: {said}, where an object is wanted")


@pytest.mark.fact("VPD-B24", "VPD-Q30")
@pytest.mark.parametrize("array", [[], [{}]])
def test_an_array_is_no_entry(array: Any) -> None:
    assert refusal({"a:b:c:d:e:f": array}) == (Errno.EINVAL, "a:b:c:d:e:f: an array, where an object is wanted")


@pytest.mark.fact("VPD-B25")
@pytest.mark.parametrize(
    "key", ["1ff:0:0:0:0:1junk", "102:0:0:0:0:1", "2:0:0:0:0:1junk", "2:0:0:0:0:1 ", "2:0:0:0:0:100"]
)
def test_neither_wide_octets_nor_trailing_text_are_part_of_a_mac_address(key: str) -> None:
    assert refusal({key: {}})[0] is Errno.EINVAL


@pytest.mark.fact("VPD-B26")
@pytest.mark.parametrize("more", [b" trailing", b"{}", b"}", b"\0", b"\x0b"])
def test_nothing_follows_the_document(more: bytes) -> None:
    assert refusal(b"{}" + more)[0] is Errno.EPROTO
    assert len(table(b" \t\r\n{}\n\n")) == 0


@pytest.mark.fact("VPD-B28", "VPD-Q35")
def test_a_number_of_more_than_32_bits_is_refused_and_does_not_wrap() -> None:
    for number in ("4294972085", "2147483648", "-2147483649", "1" + "0" * 5000):
        errno, said = refusal(f'{{"2:0:0:0:0:1": {{"port":\n {number}}}}}'.encode())
        assert errno is Errno.EINVAL
        assert said.startswith("line 2, column 2: 2:0:0:0:0:1.port: ")
        assert len(said) < 200


def test_numbers_of_32_bits_are_numbers() -> None:
    assert read_object(b'{"a": -2147483648, "b": 2147483647, "c": -0}') == {"a": -(2**31), "b": 2**31 - 1, "c": 0}


@pytest.mark.fact("VPD-Q35")
def test_an_escaped_code_point_is_hexadecimal() -> None:
    assert read_object(b'{"\\u0041": "\\u00e9\\u0000\\ud83d\\ude00"}') == {"A": "\u00e9\0\U0001f600"}


def test_control_characters_and_bytes_that_are_not_utf_8_are_part_of_a_text() -> None:
    found = table(b'{"2:0:0:0:0:1": {"ip": "192.0.2.1", "port": 4789, "note": "\xff\x01\t\n\xed\xa0\x80"}}')
    assert found.target(ONE) == to("::ffff:192.0.2.1")


@pytest.mark.fact("VPD-I29", "VPD-Q36")
def test_a_key_of_more_than_32766_bytes_is_refused() -> None:
    longest = "k" * KEY_MAX
    assert KEY_MAX == 32766
    assert read_object(json.dumps({"a": {longest: 1}}).encode()) == {"a": {longest: 1}}
    for key in (longest + "k", "\u00e9" * (KEY_MAX // 2 + 1)):
        errno, said = refusal({"2:0:0:0:0:1": {key: 1}})
        assert errno is Errno.EINVAL
        assert len(said) < 200


@pytest.mark.fact("VPD-B19")
def test_an_empty_file_is_invalid() -> None:
    assert refusal(b"") == (Errno.EINVAL, "the file is empty")


def test_nesting_without_end_is_refused() -> None:
    for text in (b'{"a":' * 200_000, b"[" * 200_000, b'{"2:0:0:0:0:1": ' + b"[" * 200_000):
        assert refusal(text) == (Errno.EPROTO, "nested too deeply")


@pytest.mark.fact("VPD-Q14")
@pytest.mark.parametrize("key", ["ff:ff:ff:ff:ff:ff", "1:0:5e:0:0:1", "33:33:0:0:0:1", "01:00:00:00:00:00"])
def test_the_address_of_a_group_is_no_key(key: str) -> None:
    assert refusal({key: {"ip": "192.0.2.1", "port": 4789}})[0] is Errno.EINVAL


def test_the_place_of_a_number_is_not_mistaken_for_one_like_it_in_a_text() -> None:
    text = b'{"2:0:0:0:0:1": {"1.5": "1.5 \\" 1.5", "list": [0, "1.5", {"x": "1.5", "y": 1.5}]}}'
    assert refusal(text)[1].startswith(f"line 1, column {text.rindex(b'1.5') + 1}: 2:0:0:0:0:1.list.2.y: 1.5 is ")


def test_no_message_has_a_line_break_or_an_endless_key_in_it() -> None:
    for key in ("x\ny", "x" * 30000, "\udc80"):
        for text in ({key: {}}, {"2:0:0:0:0:1": {key: 2**40}}, {"2:0:0:0:0:1": key}):
            said = refusal(text)[1]
            assert said.isprintable()
            assert len(said) < 250


# ---------------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("text", "mac"),
    [
        ("2:8:20:a:b:c", "0208200a0b0c"),
        ("02:08:20:0A:0b:0C", "0208200a0b0c"),
        ("\t2: 8:+20:0xa:0XB:0000c", "0208200a0b0c"),
        ("0:0:0:0:0:0", "000000000000"),
    ],
)
def test_mac_addresses_have_many_spellings(text: str, mac: str) -> None:
    assert parse_mac(text) == bytes.fromhex(mac)


def test_numbers_in_addresses_may_be_padded_with_zeros_and_stay_decimal() -> None:
    assert parse_ipv4("010.001.0000000.08") == bytes([10, 1, 0, 8])
    assert parse_ipv6("00001::000000ffff:010.0.0.1") == ip6("1::ffff:10.0.0.1")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "1.2.3",
        "1.2.3.4.5",
        "1.2.3.256",
        "1..3.4",
        "1.2.3.4 ",
        "1.2.3.-4",
        "0x1.2.3.4",
        "1.2.3.\u0664",
    ],
)
def test_an_ipv4_address_has_four_numbers_and_dots_between(text: str) -> None:
    assert parse_ipv4(text) is None


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            ":",
            ":::",
            "1::2::3",
            "1:2:3:4:5:6:7",
            "1:2:3:4:5:6:7:8:9",
            "1:2:3:4:5:6:7::8",
            "::1:2:3:4:5:6:7:8",
            "1:2:3:4:5:6:7:",
        ),
        *(
            ":1:2:3:4:5:6:7",
            "12345::",
            "g::",
            "::1%0",
            "[::1]",
            "1.2.3.4::",
            "::1.2.3",
            "1:2:3:4:5:6:7:1.2.3.4",
            "::1.2.3.4:5",
            "+1::",
        ),
    ],
)
def test_an_ipv6_address_has_eight_groups_or_one_gap(text: str) -> None:
    assert parse_ipv6(text) is None


def test_no_text_is_too_long_to_be_judged() -> None:
    for text in ("1." * 10**6, "1:" * 10**6, "::" * 10**6, "1" * 10**6, "0" * 10**6 + "x"):
        assert parse_ip(text) is parse_mac(text) is None
    assert parse_ip("0" * 10**6 + "::") == bytes(16)


def test_a_dotted_quad_is_a_mapped_address_where_either_may_stand() -> None:
    assert parse_ip("192.0.2.1") == ip6("::ffff:192.0.2.1")
    assert parse_ip("fd00::1") == ip6("fd00::1")
    assert parse_ip("192.0.2") is None


# ---------------------------------------------------------------------- one file after another


def test_what_moved_or_vanished_is_out_of_date_and_what_came_or_stayed_is_not() -> None:
    def entry(host: int, **more: Any) -> dict[str, Any]:
        return {"ip": f"192.0.2.{host}", "port": 4789, **more}

    older = table({"2:0:0:0:0:1": entry(1), "2:0:0:0:0:2": entry(2), "2:0:0:0:0:3": entry(3), "2:0:0:0:0:4": {}})
    newer = table(
        {
            "2:0:0:0:0:5": entry(5),
            "2:0:0:0:0:4": entry(4),
            "2:0:0:0:0:3": entry(3, arp="10.0.0.3"),
            "2:0:0:0:0:1": entry(9),
        }
    )
    assert list(older.outdated_by(newer)) == [ONE, TWO]
    assert list(older.outdated_by(older)) == []
    assert list(older.outdated_by(EMPTY)) == [bytes([2, 0, 0, 0, 0, last]) for last in (1, 2, 3)]
    same_address = table({"2:0:0:0:0:1": {"ip": "::ffff:192.0.2.1", "port": 4789}})
    assert list(table({"2:0:0:0:0:1": entry(1)}).outdated_by(same_address)) == []
    assert list(same_address.outdated_by(table({"2:0:0:0:0:1": entry(1, port=4790)}))) == [ONE]
