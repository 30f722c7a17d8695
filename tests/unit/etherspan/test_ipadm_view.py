"""What show-if and show-addr make of Linux's interfaces, the volatile map and ipadm.conf."""

from __future__ import annotations

import ipaddress
from dataclasses import astuple, replace

import pytest

from etherspan.ipadm import view
from etherspan.ipadm.conf import AddrType, ConfFile
from etherspan.ipadm.objects import AddressObject, ObjectMap, Plumbed
from etherspan.ipadm.view import NetAddress, NetInterface, ZoneView

STORED = b"""_ifname=vnic0;_class=0;_families=2,26;
_ifname=vnic0;_aobjname=vnic0/v4;_ipv4addr=10.0.0.1,;up=yes;
_ifname=vnic0;_aobjname=vnic0/v4;prefixlen=24;
_ifname=gone0;_class=0;_families=2;
_ifname=gone0;_aobjname=gone0/v4;_ipv4addr=alpha,;up=no;
_ifname=gone0;_aobjname=gone0/p;_ipv4addr=10.0.0.1,10.0.0.2;up=yes;
_ifname=gone0;_aobjname=gone0/v6;_intfid=::/0,yes,yes;
_ifname=gone0;_aobjname=gone0/id;_intfid=::2/64,yes,yes;
_ifname=gone0;_aobjname=gone0/d;_dhcp=-1,no;
_ifname=vnic0;_class=0;_families=2,26;_zone=web;
"""


def address(text: str, **kinds: bool) -> NetAddress:
    return NetAddress(ipaddress.ip_interface(text), **kinds)


def an_object(name: str, text: str, *, kind: AddrType = AddrType.STATIC, up: bool = True) -> AddressObject:
    return AddressObject(name, 7, kind, ipaddress.ip_interface(text), up=up)


LO0 = NetInterface(
    1, ("lo",), up=True, running=True, multicast=False, addresses=(address("127.0.0.1/8"), address("::1/128"))
)
VNIC0 = NetInterface(7, ("vnic0",), up=True, running=True, addresses=(address("10.0.0.1/24"),))


def zone(vnic0: NetInterface = VNIC0, *objects: AddressObject, stored: bytes = b"", plumbed: bool = True) -> ZoneView:
    made = ObjectMap((Plumbed("vnic0", 7),) if plumbed else (), objects)
    return ZoneView("", {"lo0": LO0, "vnic0": vnic0}, made, ConfFile.parse(stored))


def rows(found: ZoneView, ifname: str | None = "vnic0") -> list[tuple[str, ...]]:
    return [astuple(row) for row in view.addresses(found, ifname)]


def test_interfaces_that_are_stored_only_come_last_and_are_disabled() -> None:
    assert [astuple(row) for row in view.interfaces(zone(stored=STORED))] == [
        ("lo0", "VIRTUAL", "ok", "-m-v------46", "---"),
        ("vnic0", "IP", "ok", "bm--------46", "-46"),
        ("gone0", "IP", "disabled", "------------", "-4-"),
    ]


@pytest.mark.parametrize(
    ("interface", "state"),
    [
        (VNIC0, "ok"),
        (replace(VNIC0, addresses=()), "down"),
        (replace(VNIC0, up=False), "down"),
        (replace(VNIC0, running=False), "failed"),
    ],
)
def test_the_state_of_an_interface_tells_of_its_link_and_its_addresses(interface: NetInterface, state: str) -> None:
    (row,) = view.interfaces(zone(interface), "vnic0")
    assert row.state == state


def test_a_link_that_is_down_and_not_ipadms_is_no_interface() -> None:
    unknown = zone(replace(VNIC0, up=False), plumbed=False)
    assert view.interfaces(unknown, "vnic0") == []
    assert rows(unknown) == []
    assert len(view.interfaces(zone(VNIC0, plumbed=False), "vnic0")) == 1


def test_an_interface_without_ipv6_says_so() -> None:
    (row,) = view.interfaces(zone(replace(VNIC0, ipv6=False)), "vnic0")
    assert row.current == "bm--------4-"


def test_ipv4_addresses_come_first_then_ipv6_each_in_the_order_of_interfaces_and_stored_ones_last() -> None:
    vnic0 = replace(VNIC0, addresses=(address("fd00::1/64"), address("10.0.0.1/24")))
    objects = (an_object("vnic0/six", "fd00::1/64"), an_object("vnic0/v4", "10.0.0.1/24"))
    assert rows(zone(vnic0, *objects, stored=STORED), None) == [
        ("lo0/v4", "static", "ok", "U----", "---", "127.0.0.1/8"),
        ("vnic0/v4", "static", "ok", "U----", "U--", "10.0.0.1/24"),
        ("lo0/v6", "static", "ok", "U----", "---", "::1/128"),
        ("vnic0/six", "static", "ok", "U----", "---", "fd00::1/64"),
        ("gone0/v4", "static", "disabled", "-----", "---", "alpha"),
        ("gone0/p", "static", "disabled", "-----", "U--", "10.0.0.1->10.0.0.2"),
        ("gone0/v6", "addrconf", "disabled", "-----", "U--", "::"),
        ("gone0/id", "addrconf", "disabled", "-----", "U--", "::2/64"),
        ("gone0/d", "dhcp", "disabled", "-----", "U--", "?"),
    ]


def test_an_address_that_is_down_is_shown_where_it_was_created() -> None:
    vnic0 = replace(VNIC0, addresses=(address("10.0.0.3/24"), address("10.0.0.1/24")))
    objects = (
        an_object("vnic0/a", "10.0.0.1/24"),
        an_object("vnic0/b", "10.0.0.2/24", up=False),
        an_object("vnic0/c", "10.0.0.3/24"),
    )
    assert [(row[0], row[2]) for row in rows(zone(vnic0, *objects))] == [
        ("vnic0/a", "ok"),
        ("vnic0/b", "down"),
        ("vnic0/c", "ok"),
    ]


def test_an_address_that_is_down_does_not_lend_its_name_to_the_same_address_of_others() -> None:
    found = zone(VNIC0, an_object("vnic0/a", "10.0.0.1/24", up=False))
    assert sorted((row[0], row[2]) for row in rows(found)) == [("vnic0/?", "ok"), ("vnic0/a", "down")]


def test_addresses_of_others_have_no_name() -> None:
    assert rows(zone()) == [("vnic0/?", "static", "ok", "U----", "---", "10.0.0.1/24")]


def test_what_comes_from_routers_belongs_to_the_autoconfigured_object() -> None:
    vnic0 = replace(
        VNIC0,
        addresses=(
            address("fe80::2/10"),
            address("fd00::2/64", lasting=False),
            address("fd00::99/64", lasting=False, temporary=True, deprecated=True),
        ),
    )
    own = an_object("vnic0/v6", "fe80::2/10", kind=AddrType.ADDRCONF)
    assert rows(zone(vnic0, own)) == [
        ("vnic0/v6", "addrconf", "ok", "U----", "---", "fe80::2%vnic0/10"),
        ("vnic0/v6", "addrconf", "ok", "U----", "---", "fd00::2/64"),
        ("vnic0/v6", "addrconf", "ok", "U--td", "---", "fd00::99/64"),
    ]
    assert [row[:2] for row in rows(zone(vnic0))] == [("vnic0/?", "addrconf")] * 3


@pytest.mark.parametrize(
    ("interface", "state"),
    [
        (replace(VNIC0, addresses=(address("fd00::1/64", tentative=True),)), "tentative"),
        (replace(VNIC0, addresses=(address("fd00::1/64", tentative=True, duplicate=True),)), "duplicate"),
        (replace(VNIC0, running=False), "inaccessible"),
        (replace(VNIC0, up=False), "inaccessible"),
    ],
)
def test_the_state_of_an_address(interface: NetInterface, state: str) -> None:
    assert [row[2] for row in rows(zone(interface))] == [state]
