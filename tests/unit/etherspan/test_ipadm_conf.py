"""ipadm.conf: reading, editing, and what damage does to it."""

from __future__ import annotations

import ipaddress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etherspan.ipadm.conf import AddrType, ConfFile, StoredAddress, StoredInterface, parse_pairs
from etherspan.ipadm.names import InterfaceId, Typed

FILE = b"""# made by hand
_ifname=net0;_class=0;_families=2,26;
_ifname=net0;_aobjname=net0/v4;_ipv4addr=10.0.0.1,;up=yes;
_ifname=net0;_aobjname=net0/v4;prefixlen=24;
_protocol=ipv4;forwarding=on;
_ifname=old0;_family=2;
_ifname=old0;_family=26;
_ifname=vnic0;_class=0;_families=2;_zone=web;
_ifname=vnic0;_aobjname=vnic0/v6;_intfid=::2/64,yes,no;_zone=web;
_ifname=net0;_aobjname=net0/d;_dhcp=-1,no;

"""
UNREADABLE = [
    ("garbage", "'garbage' is not NAME=VALUE"),
    ("_ifname=net0;_ifname=net1;", "'_ifname' is given twice"),
    ("_class=0;_families=2;", "no _ifname"),
    ("_ifname=net;_families=2;", "'net' is no interface name"),
    ("_ifname=net0;", "neither an address object nor address families"),
    ("_ifname=net0;_families=2,10;", "'2,10' are no address families: 2 is IPv4, 26 IPv6"),
    ("_ifname=net0;_aobjname=net1/v4;prefixlen=24;", "'net1/v4' is not on net0"),
    (
        "_ifname=net0;_aobjname=net0/4;prefixlen=24;",
        "'4' is no name for an address object: a letter, then letters and digits",
    ),
    ("_ifname=net0;_aobjname=net0/v4;prefixlen=x;", "'x' is no prefix length"),
    ("_ifname=net0;_aobjname=net0/v4;_ipv4addr=10.0.0.1;up=yes;", "_ipv4addr is not LOCAL,REMOTE: '10.0.0.1'"),
    ("_ifname=net0;_aobjname=net0/v4;_ipv4addr=10.0.0.1,;up=maybe;", "up is neither yes nor no: 'maybe'"),
    ("_ifname=net0;_aobjname=net0/v6;_intfid=::/0,yes;", "_intfid is not ID/LENGTH,STATELESS,STATEFUL: '::/0,yes'"),
    (
        "_ifname=net0;_aobjname=net0/v6;_intfid=x/0,yes,no;",
        "'x/0' is no interface id; write it as ::1a:2b3c:4d5e:6f78/64",
    ),
    (f"_ifname=net0;_families=2;x={'y' * 1000};", "the line has more than 1022 bytes"),
]

ZONES = st.sampled_from(["", "web", "db"])
IFNAMES = st.sampled_from(["net0", "vnic0", "vnic1"])
PARTS = st.sampled_from(["v4", "v6", "x"])
OBJECTS = st.builds("{}/{}".format, IFNAMES, PARTS)
HOSTS = st.one_of(st.ip_addresses(v=4).map(str), st.sampled_from(["alpha", "a.example"]))
STATIC = st.builds(
    StoredAddress,
    OBJECTS,
    st.just(AddrType.STATIC),
    ZONES,
    st.builds(Typed, HOSTS, st.one_of(st.none(), st.integers(1, 32))),
    st.sampled_from(["", "10.9.9.9"]),
    up=st.booleans(),
)
IDS = st.builds(InterfaceId, st.integers(0, 2**64 - 1).map(ipaddress.IPv6Address), st.integers(0, 128))
ADDRCONF = st.builds(
    StoredAddress,
    OBJECTS,
    st.just(AddrType.ADDRCONF),
    ZONES,
    version=st.just(6),
    interface_id=IDS,
    stateless=st.booleans(),
    stateful=st.booleans(),
)
ADDRESSES = st.lists(st.one_of(STATIC, ADDRCONF), max_size=8, unique_by=lambda one: (one.zone, one.aobjname))
INTERFACES = st.lists(
    st.builds(StoredInterface, IFNAMES, ZONES, st.sampled_from([(2,), (2, 26)])),
    max_size=6,
    unique_by=lambda one: (one.zone, one.ifname),
)


def built(interfaces: list[StoredInterface], addresses: list[StoredAddress]) -> ConfFile:
    conf = ConfFile()
    for interface in interfaces:
        conf = conf.with_interface(interface)
    for address in addresses:
        conf = conf.with_address(address)
    return conf


def content(conf: ConfFile) -> list[object]:
    """Everything the file says, whatever the numbers of its lines."""
    found: list[object] = []
    for zone in sorted(conf.zones()):
        found += [replace(one, line=0) for one in conf.interfaces(zone)]
        found += [replace(one, line=0) for one in conf.addresses(zone)]
    return found


def test_a_file_is_read_zone_by_zone() -> None:
    conf = ConfFile.parse(FILE)
    assert conf.problems() == []
    assert conf.zones() == ["", "web"]
    assert conf.interfaces("") == [StoredInterface("net0", "", (2, 26), 2), StoredInterface("old0", "", (2, 26), 6)]
    assert conf.interfaces("web") == [StoredInterface("vnic0", "web", (2,), 8)]
    assert conf.addresses("") == [
        StoredAddress("net0/v4", AddrType.STATIC, "", Typed("10.0.0.1", 24), line=3),
        StoredAddress("net0/d", AddrType.DHCP, "", line=10),
    ]
    assert conf.addresses("web") == [
        StoredAddress(
            "vnic0/v6",
            AddrType.ADDRCONF,
            "web",
            version=6,
            interface_id=InterfaceId(ipaddress.IPv6Address("::2"), 64),
            stateful=False,
            line=9,
        )
    ]


def test_what_is_added_is_written_in_the_originals_form() -> None:
    conf = ConfFile().with_interface(StoredInterface("vnic0"))
    conf = conf.with_address(StoredAddress("vnic0/v4", AddrType.STATIC, local=Typed("10.0.0.1", 24)))
    conf = conf.with_address(StoredAddress("vnic0/six", AddrType.STATIC, "", Typed("fd00::1"), version=6, up=False))
    conf = conf.with_interface(StoredInterface("vnic1", "web"))
    conf = conf.with_address(StoredAddress("vnic1/v6", AddrType.ADDRCONF, "web", version=6, stateful=False))
    assert conf.render().decode().splitlines() == [
        "_ifname=vnic0;_class=0;_families=2,26;",
        "_ifname=vnic0;_aobjname=vnic0/v4;_ipv4addr=10.0.0.1,;up=yes;",
        "_ifname=vnic0;_aobjname=vnic0/v4;prefixlen=24;",
        "_ifname=vnic0;_aobjname=vnic0/six;_ipv6addr=fd00::1,;up=no;",
        "_ifname=vnic1;_class=0;_families=2,26;_zone=web;",
        "_ifname=vnic1;_aobjname=vnic1/v6;_intfid=::/0,yes,no;_zone=web;",
    ]


@given(INTERFACES, ADDRESSES)
def test_what_is_added_is_read_back(interfaces: list[StoredInterface], addresses: list[StoredAddress]) -> None:
    conf = built(interfaces, addresses)
    again = ConfFile.parse(conf.render())
    assert again.problems() == []
    assert content(again) == content(conf)
    for zone in ("", "web", "db"):
        assert [one.ifname for one in again.interfaces(zone)] == [one.ifname for one in interfaces if one.zone == zone]
        expected = [one for one in addresses if one.zone == zone]
        assert [(one.aobjname, one.local, one.remote, one.up) for one in again.addresses(zone)] == [
            (one.aobjname, one.local, one.remote, one.up) for one in expected
        ]


def test_an_interface_is_stored_once() -> None:
    conf = ConfFile.parse(FILE)
    assert conf.with_interface(StoredInterface("net0")) is conf
    assert conf.with_interface(StoredInterface("net0", "web")) is not conf


def test_deleting_an_interface_takes_its_addresses_and_nothing_else() -> None:
    kept = [line for line in FILE.split(b"\n") if b"net0" not in line]
    assert ConfFile.parse(FILE).without_interface("", "net0").render() == b"\n".join(kept)


def test_deleting_an_address_takes_its_prefix_length_too() -> None:
    kept = [line for line in FILE.split(b"\n") if b"net0/v4" not in line]
    assert ConfFile.parse(FILE).without_address("", "net0/v4").render() == b"\n".join(kept)


def test_the_same_name_in_another_zone_is_another_interface() -> None:
    conf = ConfFile.parse(FILE)
    assert conf.without_interface("", "vnic0").render() == FILE
    assert conf.without_zone("web").zones() == [""]


def test_marking_an_address_changes_its_line_only() -> None:
    conf = ConfFile.parse(FILE).with_up("", "net0/v4", up=False)
    assert conf.render() == FILE.replace(b"10.0.0.1,;up=yes;", b"10.0.0.1,;up=no;")


@pytest.mark.parametrize(("line", "reason"), UNREADABLE)
def test_a_line_that_cannot_be_read_is_kept_and_its_number_told(line: str, reason: str) -> None:
    raw = FILE + line.encode() + b"\n" + b"_ifname=net5;_class=0;_families=2;\n"
    conf = ConfFile.parse(raw)
    (problem,) = conf.problems()
    assert (problem.line, problem.text) == (12, reason)
    assert [one.ifname for one in conf.interfaces("")] == ["net0", "old0", "net5"]
    assert conf.without_interface("", "net5").render() == FILE + line.encode() + b"\n"


@given(st.binary(max_size=200))
def test_any_file_is_read_and_given_back(raw: bytes) -> None:
    conf = ConfFile.parse(raw)
    assert conf.render() == (raw if raw.endswith(b"\n") or not raw else raw + b"\n")
    for zone in conf.zones():
        conf.interfaces(zone)
        conf.addresses(zone)


@given(st.data())
def test_damage_loses_no_other_line(data: st.DataObject) -> None:
    lines = FILE.rstrip(b"\n").split(b"\n")
    number = data.draw(st.integers(0, len(lines) - 1))
    damaged = data.draw(st.one_of(st.just(lines[number][: len(lines[number]) // 2]), st.binary(max_size=40)))
    lines[number] = damaged.replace(b"\n", b"")
    conf = ConfFile.parse(b"".join(line + b"\n" for line in lines))
    edited = conf.with_interface(StoredInterface("fresh0")).without_interface("", "fresh0")
    assert edited.render().split(b"\n")[:-1] == lines
    assert all(problem.line == number + 1 for problem in conf.problems())


@given(st.text(st.characters(codec="ascii", exclude_characters=";"), max_size=12), st.integers(0, 3))
def test_pairs_are_read_with_and_without_the_last_semicolon(value: str, count: int) -> None:
    pairs = {f"name{number}": value for number in range(count)}
    text = ";".join(f"{name}={each}" for name, each in pairs.items())
    assert parse_pairs(text) == pairs
    assert parse_pairs(f"{text};" if text else "") == pairs
