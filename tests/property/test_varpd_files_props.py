"""Overlay files of any content: what the reader takes, what the table answers, and what one file after another leaves in a cache."""

from __future__ import annotations

import ipaddress
import json
import socket
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kernel_sim.sys.codec import Point, TargLookup
from kernel_sim.sys.errno import Errno
from kernel_sim.sys.ethernet import ETHERTYPE_IP, format_mac
from kernel_sim.sys.overlay_common import Dest
from libvarpd.errors import VarpdError
from libvarpd.plugin import DROP, Drop
from libvarpd.plugins.files import CONFIG, Files
from libvarpd.plugins.files_address import parse_ip, parse_ipv4, parse_ipv6, parse_mac
from libvarpd.plugins.files_json import read_object
from libvarpd.plugins.files_table import Table
from libvarpd.prop import V4_MAPPED

lenient = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

# ---------------------------------------------------------------------- what files are made of

HOSTS = st.binary(min_size=6, max_size=6).map(lambda mac: bytes([mac[0] & 0xFE]) + mac[1:])
FEW_HOSTS = st.integers(0, 5).map(lambda last: bytes([2, 0, 0, 0, 0, last]))
IPV4 = st.ip_addresses(v=4)
IPV6 = st.ip_addresses(v=6)
INT32 = st.integers(-(2**31), 2**31 - 1)


@st.composite
def spelled(draw: st.DrawFn, macs: st.SearchStrategy[bytes] = HOSTS) -> str:
    """A MAC address with any letter case and padding."""
    octets = [f"{'0' * draw(st.integers(0, 2))}{octet:x}" for octet in draw(macs)]
    return ":".join(octet.upper() if draw(st.booleans()) else octet for octet in octets)


def padded(address: ipaddress.IPv4Address | ipaddress.IPv6Address, zeros: int) -> str:
    """An address with zeros before each of its numbers."""
    separator = "." if address.version == 4 else ":"
    full = str(address) if address.version == 4 else address.exploded
    return separator.join("0" * zeros + number for number in full.split(separator))


GOOD_IP = st.one_of(IPV4.map(str), IPV6.map(str), st.builds(padded, IPV4 | IPV6, st.integers(0, 5)))
JUNK = st.one_of(
    st.none(), st.booleans(), INT32, st.text("0123456789abcdef:.xz ", max_size=20), st.just([]), st.just({})
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "ip": GOOD_IP | GOOD_IP | JUNK,
        "port": st.integers(1, 65535) | st.sampled_from([1, 65535, 65536, 0]) | JUNK,
        "arp": IPV4.map(str) | JUNK,
        "ndp": IPV6.map(str) | JUNK,
        "dhcp-proxy": spelled() | JUNK,
        "comment": JUNK,
    },
)
DOCUMENTS = st.dictionaries(spelled(), FIELDS, max_size=6)


def table(document: Any, **layout: Any) -> Table:
    return Table.read(json.dumps(document, **layout).encode())


# ---------------------------------------------------------------------- the reader


def read(data: bytes) -> dict[str, Any] | None:
    """What is read; None when it is refused, which is the only other thing that may happen."""
    try:
        return read_object(data)
    except VarpdError as refused:
        assert refused.errno in {Errno.EPROTO, Errno.ENOTSUP, Errno.EINVAL}
        assert refused.detail.isprintable()
        return None


@pytest.mark.fact("VPD-I29")
@lenient
@given(st.binary(max_size=60) | st.text('{}[]",:\\u0123456789.eE+-nultrfasNI \n', max_size=60).map(str.encode))
@example(b'{"a": 1' + b"0" * 5000 + b"}")
@example(b'{"a":' * 100_000)
@example(b"[" * 100_000)
@example(b'{"\\ud800": "\\udfff"}')
@example(b"\xef\xbb\xbf{}")
@example(b"\xff\xfe{\0}\0")
def test_whatever_the_bytes_are_they_are_read_or_refused(data: bytes) -> None:
    found = read(data)
    assert found is None or isinstance(found, dict)


@pytest.mark.fact("VPD-I29")
@lenient
@given(DOCUMENTS, st.data())
def test_a_damaged_file_is_read_or_refused(document: dict[str, Any], data: st.DataObject) -> None:
    text = bytearray(json.dumps(document, indent=data.draw(st.sampled_from([None, 1]))).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        text[at : at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    try:
        Table.read(bytes(text))
    except VarpdError as refused:
        assert refused.detail


ASCII = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12)
OBJECTS = st.recursive(ASCII | INT32, lambda inner: st.dictionaries(ASCII, inner, max_size=4), max_leaves=12)


@pytest.mark.fact("VPD-I29")
@lenient
@given(st.dictionaries(ASCII, OBJECTS, max_size=5), st.sampled_from([None, 0, 3, "\t"]))
def test_objects_texts_and_integers_of_32_bits_are_read_as_they_are(document: dict[str, Any], indent: Any) -> None:
    assert read(json.dumps(document, indent=indent).encode()) == document


@lenient
@given(
    st.recursive(
        st.none() | st.booleans() | INT32 | st.text(max_size=8),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=8), inner),
        max_leaves=10,
    )
)
def test_json_that_this_program_writes_is_read_if_it_is_an_object(document: Any) -> None:
    for ascii_only in (True, False):
        text = json.dumps(document, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
        found = read(text)
        if ascii_only or not has_surrogates(document):
            assert found == (document if isinstance(document, dict) else None)


def has_surrogates(document: Any) -> bool:
    return any("\ud800" <= char <= "\udfff" for char in json.dumps(document, ensure_ascii=False))


def outcome(data: bytes) -> bool:
    try:
        Table.read(data)
    except VarpdError:
        return False
    return True


BAD_KEYS = st.one_of(
    st.text(max_size=8),
    st.builds(lambda mac, more: mac + more, spelled(), st.sampled_from([" ", "x", ":1", "\n"])),
    HOSTS.map(lambda mac: format_mac(bytes([mac[0] | 1]) + mac[1:])),
    HOSTS.map(lambda mac: mac.hex("-")),
    HOSTS.map(lambda mac: format_mac(mac) + "100"),
)
KEYS = spelled().map(lambda key: (key, True)) | BAD_KEYS.map(lambda key: (key, False))
VALUES = FIELDS.map(lambda value: (value, True)) | (JUNK.filter(lambda value: value != {})).map(
    lambda value: (value, False)
)


@pytest.mark.fact("VPD-I30")
@lenient
@given(st.lists(st.tuples(KEYS, VALUES), max_size=3, unique_by=lambda pair: pair[0][0]), st.booleans())
@example([(("ff:ff:ff:ff:ff:ff", False), ({}, True))], True)
@example([(("2:0:0:0:0:1x", False), ({}, True))], True)
@example([(("2:0:0:0:0:100", False), ({}, True))], True)
@example([(("", False), ({}, True))], True)
@example([(("2:0:0:0:0:1", True), ([], False))], True)
@example([(("2:0:0:0:0:1", True), (None, False))], True)
@example([], False)
def test_a_file_starts_if_and_only_if_it_is_an_object_of_objects_by_mac_address(entries: Any, is_object: bool) -> None:
    pairs = {key: value for (key, _), (value, _) in entries}
    good = is_object and all(key_good and value_good for (_, key_good), (_, value_good) in entries)
    assert outcome(json.dumps(pairs if is_object else [pairs]).encode()) is good


# ---------------------------------------------------------------------- addresses

IP_LIKE = st.text("0123456789abcdef:.", max_size=24) | st.builds(
    lambda text, at, char: text[:at] + char + text[at + 1 :],
    (IPV4 | IPV6).map(str) | IPV4.map(lambda ip: f"::ffff:{ip}"),
    st.integers(0, 20),
    st.sampled_from(["", ":", ".", "0", "::", "%", "f"]),
)


def by_this_machine(text: str, family: socket.AddressFamily) -> bytes | None:
    try:
        return socket.inet_pton(family, text)
    except OSError:
        return None


def has_padding(text: str) -> bool:
    """Whether a number is longer than this machine takes it."""
    parts = text.replace(":", ".").split(".")
    return any(len(part) > 1 and part[0] == "0" for part in parts)


@lenient
@given(IP_LIKE)
@example("1::2:3:4:5:6:7:8")
@example("1:2:3:4:5:6:7::")
@example("::1.2.3.4")
def test_addresses_are_read_as_this_machine_reads_them_but_for_padding(text: str) -> None:
    for parse, family in ((parse_ipv4, socket.AF_INET), (parse_ipv6, socket.AF_INET6)):
        found, expected = parse(text), by_this_machine(text, family)
        assert found == expected or (expected is None and has_padding(text)), text


@lenient
@given(IPV4 | IPV6, st.integers(0, 6))
def test_padding_with_zeros_changes_no_address(address: Any, zeros: int) -> None:
    expected = address.packed if address.version == 6 else V4_MAPPED + address.packed
    assert parse_ip(padded(address, zeros)) == expected


@pytest.mark.fact("VPD-I27")
@lenient
@given(HOSTS, st.data())
def test_every_spelling_of_a_mac_address_is_that_address_and_the_canonical_one_stays(
    mac: bytes, data: st.DataObject
) -> None:
    assert parse_mac(data.draw(spelled(st.just(mac)))) == mac
    canonical = format_mac(mac)
    assert parse_mac(canonical) == mac
    assert format_mac(parse_mac(canonical) or b"") == canonical


@pytest.mark.fact("VPD-I27")
@lenient
@given(st.lists(st.tuples(spelled(FEW_HOSTS), FIELDS), min_size=2, max_size=8))
def test_of_several_spellings_the_last_wins_entirely(entries: list[tuple[str, dict[str, Any]]]) -> None:
    text = ", ".join(f"{json.dumps(key)}: {json.dumps(fields)}" for key, fields in entries)
    found = Table.read(f"{{{text}}}".encode())
    last = {parse_mac(key): fields for key, fields in entries}
    assert len(found) == len(last)
    for mac, fields in last.items():
        assert mac is not None
        alone = table({format_mac(mac): fields})
        assert (found.target(mac), found.dhcp_proxy(mac)) == (alone.target(mac), alone.dhcp_proxy(mac))
    every_arp = [parse_ipv4(str(fields.get("arp"))) for fields in last.values()]
    for _, fields in entries:
        address = parse_ipv4(str(fields.get("arp")))
        if address is not None:
            assert (found.owner(address) is not None) == (address in every_arp)


# ---------------------------------------------------------------------- answers


class Asked:
    """A question about a unicast frame; no proxy may be asked for."""

    def __init__(self, mac: bytes) -> None:
        self.request = TargLookup(
            dstaddr=mac, srcaddr=bytes([2, 9, 9, 9, 9, 9]), sap=ETHERTYPE_IP, hdrsize=14, pktsize=46
        )


def lookup(plugin: Files, mac: bytes) -> Point | Drop:
    with pytest.raises(StopIteration) as end:
        plugin.lookup(Asked(mac)).send(None)  # type: ignore[arg-type]
    answer: Point | Drop = end.value.value
    return answer


def started(document: Any) -> Files:
    provider: Any = SimpleNamespace(read_file=lambda path: json.dumps(document).encode(), warn=lambda text: None)
    made = Files(provider, "map.json")
    made.start()
    return made


@pytest.mark.fact("VPD-I26")
@lenient
@given(st.dictionaries(spelled(FEW_HOSTS), FIELDS, max_size=6), FEW_HOSTS)
@example({"2:0:0:0:0:1": {"ip": "192.0.2.1", "port": 65536}}, bytes([2, 0, 0, 0, 0, 1]))
@example({"2:0:0:0:0:1": {"ip": "192.0.2.1", "port": 0}}, bytes([2, 0, 0, 0, 0, 1]))
@example({"2:0:0:0:0:1": {"ip": "192.0.2.1", "port": True}}, bytes([2, 0, 0, 0, 0, 1]))
@example({"2:0:0:0:0:1": {"ip": "192.0.2.1", "port": 1}}, bytes([2, 0, 0, 0, 0, 1]))
def test_an_answer_has_a_port_sixteen_bytes_of_address_and_no_mac_address(document: Any, mac: bytes) -> None:
    answer = lookup(started(document), mac)
    fields = {parse_mac(key): fields for key, fields in document.items()}.get(mac, {})
    ip, port = fields.get("ip"), fields.get("port")
    if isinstance(answer, Drop):
        assert type(port) is not int or not 1 <= port <= 65535 or not isinstance(ip, str) or parse_ip(ip) is None
        return
    assert (answer.port, answer.mac, len(answer.ip)) == (port, bytes(6), 16)
    assert type(port) is int
    assert 1 <= answer.port <= 65535
    if "." in ip and ":" not in ip:
        assert answer.ip.startswith(V4_MAPPED)


@pytest.mark.fact("VPD-I28")
@lenient
@given(DOCUMENTS, st.data())
def test_layout_and_order_change_no_lookup_by_mac_address(document: dict[str, Any], data: st.DataObject) -> None:
    unique = {parse_mac(key): (key, fields) for key, fields in document.items()}
    plain = table(dict(unique.values()))
    shuffled = table(
        dict(data.draw(st.permutations(list(unique.values())))),
        indent=data.draw(st.sampled_from([None, 0, 4, "\t"])),
        separators=data.draw(st.sampled_from([(",", ":"), (" ,\n", "\t:\r\n")])),
    )
    for mac in unique:
        assert mac is not None
        assert (plain.target(mac), plain.dhcp_proxy(mac)) == (shuffled.target(mac), shuffled.dhcp_proxy(mac))
    listed = [
        parse(fields[name])
        for _, fields in unique.values()
        for name, parse in (("arp", parse_ipv4), ("ndp", parse_ipv6))
        if isinstance(fields.get(name), str)
    ]
    for address in filter(None, listed):
        if listed.count(address) == 1:
            assert plain.owner(address) == shuffled.owner(address) is not None


@pytest.mark.fact("VPD-I28")
@lenient
@given(st.permutations([bytes([2, 0, 0, 0, 0, last]) for last in range(4)]), st.integers(0, 3))
def test_the_first_of_those_with_one_address_answers_for_it(macs: list[bytes], without: int) -> None:
    entries = {format_mac(mac): {"arp": "10.0.0.1", "ndp": "fd00::1"} for mac in macs}
    entries[format_mac(macs[without])] = {"arp": "10.0.0.300", "ndp": "10.0.0.1"}
    first = next(mac for at, mac in enumerate(macs) if at != without)
    found = table(entries)
    assert found.owner(bytes([10, 0, 0, 1])) == found.owner(ipaddress.ip_address("fd00::1").packed) == first


# ---------------------------------------------------------------------- the property


@pytest.mark.fact("VPD-I31")
@lenient
@given(st.binary(max_size=255).filter(lambda path: 0 not in path), st.binary(max_size=8))
def test_a_path_is_given_back_as_it_was_set_and_nothing_behind_its_nul(path: bytes, more: bytes) -> None:
    made = Files.create(SimpleNamespace(), Dest.IP | Dest.PORT)  # type: ignore[arg-type]
    assert made.getprop(CONFIG) == b""
    made.setprop(CONFIG, path + b"\0" + more)
    assert made.getprop(CONFIG) == path + b"\0"
    assert Files.restore(SimpleNamespace(), Dest.IP | Dest.PORT, made.save()).getprop(CONFIG) == path + b"\0"  # type: ignore[arg-type]


# ---------------------------------------------------------------------- one file after another


class Host:
    """A file, a kernel's cache and the state of an overlay, as far as a plugin reaches them."""

    def __init__(self) -> None:
        self.file: bytes | None = b"{}"
        self.cache: dict[bytes, Point] = {}
        self.degraded = False
        self.forgotten: list[bytes] = []

    def read_file(self, path: str) -> bytes:
        if self.file is None:
            raise VarpdError(Errno.ENOENT, f"{path}: gone")
        return self.file

    def inject_varp(self, mac: bytes, target: Point | None) -> None:
        assert target is None
        self.cache.pop(mac, None)
        self.forgotten.append(mac)

    def degrade(self, text: str) -> None:
        assert text
        assert len(text.encode()) <= 255
        self.degraded = True

    def restore(self) -> None:
        assert self.degraded
        self.degraded = False


LAST_OCTETS = st.integers(0, 5)
SMALL = st.dictionaries(LAST_OCTETS, st.sampled_from([1, 2, None]), max_size=5)
VERSIONS = st.lists(SMALL | st.sampled_from(["{", "", "[]", '{"zz": {}}', None]), max_size=6)


def written(version: Any) -> bytes | None:
    if not isinstance(version, dict):
        return None if version is None else str(version).encode()
    entries = {
        f"2:0:0:0:0:{last}": {} if to is None else {"ip": f"192.0.2.{to}", "port": 4789} for last, to in version.items()
    }
    return json.dumps(entries).encode()


@lenient
@given(VERSIONS, st.lists(LAST_OCTETS, max_size=6))
def test_after_every_refresh_the_cache_holds_only_what_the_file_in_force_says(
    versions: list[Any], asked: list[int]
) -> None:
    host = Host()
    plugin = Files(host, "map.json")  # type: ignore[arg-type]
    plugin.start()
    in_force: dict[int, int | None] = {}

    def answer(last: int) -> Point | Drop:
        to = in_force.get(last)
        return DROP if to is None else Point(ip=V4_MAPPED + bytes([192, 0, 2, to]), port=4789)

    for version in versions:
        host.file, host.forgotten, before = written(version), [], dict(in_force)
        good = isinstance(version, dict)
        try:
            plugin.refresh()
        except VarpdError:
            assert not good
        else:
            assert good
            in_force = version
        assert host.degraded is not good
        moved = {last for last, to in before.items() if to is not None and in_force.get(last) != to}
        assert sorted(host.forgotten) == [bytes([2, 0, 0, 0, 0, last]) for last in sorted(moved)]
        for mac, point in host.cache.items():
            assert point == answer(mac[-1])
        for last in asked:
            mac = bytes([2, 0, 0, 0, 0, last])
            found = lookup(plugin, mac)
            assert found == answer(last)
            if isinstance(found, Point):
                host.cache[mac] = found
