"""The lab file: what it means, and what is said about a wrong one."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from etherspan.lab import file, hostsfile
from etherspan.lab.model import Host, Lab, Underlay, Vtep
from etherspan.schema import Invalid
from etherspan.zonefile import Nic, Zone

FIXTURES = Path(__file__).parents[3] / "fixtures" / "labs"

WHOLE = """
[underlay]
subnet = "10.88.88.0/24"
mtu = 1500

[hosts]
"portolan.lab" = ["10.88.88.5"]

[host.cn0]
address = "10.88.88.69"
dladm = ["create-overlay -e vxlan -p files/config=$ROOT/x 'o v0'", "create-vnic -l demo0 vnic0"]
files = { "etc/overlays/map.json" = "map.json" }

[host.cn0.zone.web.nic.vnic0]
address = ["10.55.55.2/24"]
routes = { "10.66.0.0/16" = "10.55.55.1" }

[vtep.linux0]
address = "10.88.88.71"
vnetid = 23
port = 4790
mac = "02:00:00:00:00:71"
inner = ["10.55.55.9/24"]
flood = ["10.88.88.69"]
fdb = { "02:00:00:00:00:01" = "10.88.88.69" }
neigh = { "10.55.55.2" = "02:00:00:00:00:01" }
learning = false
"""


MISTAKES = [
    ("mtu = 1500", "mtus = 1500", "underlay.mtus", "unknown key; did you mean 'mtu'?"),
    ("mtu = 1500", "colour = 1", "underlay.colour", "unknown key; known here: subnet, mtu"),
    ("mtu = 1500", 'mtu = "1500"', "underlay.mtu", "expected an integer, found a string"),
    ("mtu = 1500", "mtu = true", "underlay.mtu", "expected an integer, found a boolean"),
    ("mtu = 1500", "mtu = 575", "underlay.mtu", "575 is not between 576 and 65535"),
    ('subnet = "10.88.88.0/24"', "", "underlay.subnet", "is missing"),
    (
        "10.88.88.0/24",
        "10.88.88.1/24",
        "underlay.subnet",
        "'10.88.88.1/24' has host bits set; the network is 10.88.88.0/24",
    ),
    ("10.88.88.0/24", "10.88.88.0", "underlay.subnet", "'10.88.88.0' is not a network; write it as address/length"),
    ("10.88.88.0/24", "224.0.0.0/24", "underlay.subnet", "'224.0.0.0/24' cannot be the subnet of interfaces"),
    (
        '"portolan.lab" = ["10.88.88.5"]',
        '"portolan.lab" = [5]',
        'hosts."portolan.lab"[0]',
        "expected a string, found an integer",
    ),
    (
        '"portolan.lab" = ["10.88.88.5"]',
        '"portolan.lab" = []',
        'hosts."portolan.lab"',
        "a name needs at least one address",
    ),
    ('"portolan.lab"', '"portolan lab"', 'hosts."portolan lab"', "'portolan lab' is no host name"),
    (
        '"10.88.88.5"',
        '"10.88.88.5/24"',
        'hosts."portolan.lab"[0]',
        "'10.88.88.5/24' is not an IP address; write it without the prefix length",
    ),
    (
        'address = "10.88.88.69"',
        'address = "10.88.89.69"',
        "host.cn0.address",
        "10.88.89.69 is not in the underlay's subnet 10.88.88.0/24",
    ),
    (
        'address = "10.88.88.69"',
        'address = "10.88.88.255"',
        "host.cn0.address",
        "10.88.88.255 names the subnet 10.88.88.0/24, not an interface in it",
    ),
    (
        'address = "10.88.88.69"',
        'address = "fe80::1%eth0"',
        "host.cn0.address",
        "'fe80::1%eth0' has a scope; write the address alone",
    ),
    (
        'address = "10.88.88.69"',
        'address = "127.0.0.1"',
        "host.cn0.address",
        "'127.0.0.1' cannot be the address of an interface",
    ),
    ('address = "10.88.88.69"', 'address = ""', "host.cn0.address", "must not be empty"),
    (
        'address = "10.88.88.71"',
        'address = "10.88.88.69"',
        "vtep.linux0.address",
        "10.88.88.69 is already the address of cn0",
    ),
    ("[vtep.linux0]", "[vtep.cn0]", "vtep.cn0", "a host has the same name"),
    (
        "[vtep.linux0]",
        '[vtep."linux 0"]',
        'vtep."linux 0"',
        "'linux 0' is not a name; 1 to 31 letters, digits, '_' and '-'",
    ),
    (
        '"create-vnic -l demo0 vnic0"',
        '"dladm show-link"',
        "host.cn0.dladm[1]",
        "begins with 'dladm'; write the subcommand first",
    ),
    (
        '"create-vnic -l demo0 vnic0"',
        '"create-vnic \'x"',
        "host.cn0.dladm[1]",
        "cannot be split into words: no closing quotation",
    ),
    ('"create-vnic -l demo0 vnic0"', '" "', "host.cn0.dladm[1]", "holds no command"),
    ('"etc/overlays/map.json"', '"/etc/x"', 'host.cn0.files."/etc/x"', "'/etc/x' must be a relative path without '..'"),
    (
        '"map.json"',
        '"../map.json"',
        'host.cn0.files."etc/overlays/map.json"',
        "'../map.json' must be a relative path without '..'",
    ),
    ("zone.web.nic", "zone.global.nic", "host.cn0.zone.global", "'global' is reserved; choose another zone name"),
    (
        "nic.vnic0",
        "nic.vnic",
        "host.cn0.zone.web.nic.vnic",
        "'vnic' is no link name; write it as vnic0 (letters, digits, '_', '.', then a number)",
    ),
    (
        '"10.55.55.2/24"',
        '"10.55.55.2"',
        "host.cn0.zone.web.nic.vnic0.address[0]",
        "'10.55.55.2' has no prefix length; write it as 10.55.55.2/24 or the like",
    ),
    (
        '"10.55.55.2/24"',
        '"10.55.55.2/33"',
        "host.cn0.zone.web.nic.vnic0.address[0]",
        "'10.55.55.2/33' is not an address with a prefix length",
    ),
    (
        '["10.55.55.2/24"]',
        '"10.55.55.2/24"',
        "host.cn0.zone.web.nic.vnic0.address",
        "expected an array, found a string",
    ),
    (
        '"10.55.55.1"',
        '"fd00::1"',
        'host.cn0.zone.web.nic.vnic0.routes."10.66.0.0/16"',
        "the gateway fd00::1 is of another IP version than the destination",
    ),
    ("vnetid = 23", "vnetid = 16777216", "vtep.linux0.vnetid", "16777216 is not between 0 and 16777215"),
    ("port = 4790", "port = 0", "vtep.linux0.port", "0 is not between 1 and 65535"),
    (
        'mac = "02:00:00:00:00:71"',
        'mac = "01:00:00:00:00:71"',
        "vtep.linux0.mac",
        "'01:00:00:00:00:71' is not the MAC address of one station",
    ),
    (
        'mac = "02:00:00:00:00:71"',
        'mac = "2:0:0:0:71"',
        "vtep.linux0.mac",
        "'2:0:0:0:71' is not a MAC address; write it as 02:00:00:00:00:01",
    ),
    (
        'flood = ["10.88.88.69"]',
        'flood = ["fd00::1"]',
        "vtep.linux0.flood[0]",
        "fd00::1 is of another IP version than 10.88.88.71",
    ),
    (
        'fdb = { "02:00:00:00:00:01" = "10.88.88.69" }',
        'fdb = { "2:0:0:0:0:1" = "::1" }',
        'vtep.linux0.fdb."2:0:0:0:0:1"',
        "::1 is of another IP version than 10.88.88.71",
    ),
    ("learning = false", 'learning = "no"', "vtep.linux0.learning", "expected true or false, found a string"),
    ("[hosts]", "[portolan.one]\n[hosts]", "portolan.one.address", "is missing"),
    (
        "[hosts]",
        "[portolan.one]\naddress = '10.88.88.9'\nport = 0\n[hosts]",
        "portolan.one.port",
        "0 is not between 1 and 65535",
    ),
    (
        "[hosts]",
        "[portolan.one]\naddress = '10.88.88.9'\nstore = 'fleet.db'\n[hosts]",
        "portolan.one.store",
        "'fleet.db' is no URL of a store, such as postgresql+psycopg://… or sqlite:///PATH",
    ),
    (
        "[hosts]",
        "[portolan.one]\naddress = '10.88.88.9'\nstore = 'sqlite:///x.db'\ndata = 'x.json'\n[hosts]",
        "portolan.one.data",
        "fills a store of the lab's own; it does not go with 'store'",
    ),
    (
        "[hosts]",
        "[portolan.one]\naddress = '10.88.88.9'\ndata = '/x.json'\n[hosts]",
        "portolan.one.data",
        "'/x.json' must be a relative path without '..'",
    ),
    (
        "[hosts]",
        "[portolan.one]\naddress = '10.88.88.9'\ndata = { file = 'x.json' }\n[hosts]",
        "portolan.one.data",
        "expected a string, found a table",
    ),
    (
        "[hosts]",
        "[portolan.one]\naddress = '10.88.88.9'\nstore = ['sqlite:///x.db']\n[hosts]",
        "portolan.one.store",
        "expected a string, found an array",
    ),
    ("[hosts]", "[portolan.cn0]\naddress = '10.88.88.9'\n[hosts]", "portolan.cn0", "a host has the same name"),
    (
        "[hosts]",
        "[portolan.linux0]\naddress = '10.88.88.9'\n[hosts]",
        "portolan.linux0",
        "a vtep has the same name",
    ),
    (
        "[hosts]",
        "[portolan.one]\naddress = '10.88.88.71'\n[hosts]",
        "portolan.one.address",
        "10.88.88.71 is already the address of linux0",
    ),
    (
        "[hosts]",
        "[portolan.one]\naddress = '10.88.88.9'\nlisten = 1\n[hosts]",
        "portolan.one.listen",
        "unknown key; known here: address, port, data, store",
    ),
]
"""What stands in the good file, what stands there instead, the key path and the message."""


def problems(text: str) -> list[str]:
    with pytest.raises(Invalid) as caught:
        file.parse(text, "x.toml")
    lines = str(caught.value).splitlines()
    assert all(line.startswith("x.toml: ") for line in lines)
    return [line.removeprefix("x.toml: ") for line in lines]


def changed(old: str, new: str) -> str:
    assert WHOLE.count(old) == 1
    return WHOLE.replace(old, new)


def test_every_key_of_the_format_is_read() -> None:
    ip = ipaddress.ip_address
    station = bytes.fromhex("020000000001")
    nic = Nic((ipaddress.ip_interface("10.55.55.2/24"),), {ipaddress.ip_network("10.66.0.0/16"): ip("10.55.55.1")})
    assert file.parse(WHOLE, "x") == Lab(
        Underlay(ipaddress.ip_network("10.88.88.0/24"), 1500),
        {"portolan.lab": (ip("10.88.88.5"),)},
        {
            "cn0": Host(
                ip("10.88.88.69"),
                (
                    ("create-overlay", "-e", "vxlan", "-p", "files/config=$ROOT/x", "o v0"),
                    ("create-vnic", "-l", "demo0", "vnic0"),
                ),
                {"etc/overlays/map.json": "map.json"},
                {"web": Zone({"vnic0": nic})},
            )
        },
        {
            "linux0": Vtep(
                address=ip("10.88.88.71"),
                vnetid=23,
                port=4790,
                mtu=1400,
                mac=bytes.fromhex("020000000071"),
                inner=(ipaddress.ip_interface("10.55.55.9/24"),),
                flood=(ip("10.88.88.69"),),
                fdb={station: ip("10.88.88.69")},
                neigh={ip("10.55.55.2"): station},
                learning=False,
            )
        },
    )


def test_what_may_be_left_out_has_a_default() -> None:
    lab = file.parse(
        '[underlay]\nsubnet = "fd00:88::/64"\n[host.a]\naddress = "fd00:88::1"\n'
        '[vtep.b]\naddress = "fd00:88::2"\nvnetid = 0\n',
        "x",
    )
    assert lab.underlay.mtu == 1500
    assert lab.hosts["a"] == Host(ipaddress.ip_address("fd00:88::1"))
    assert lab.vteps["b"] == Vtep(ipaddress.ip_address("fd00:88::2"), 0)
    assert (lab.vteps["b"].port, lab.vteps["b"].learning, lab.vteps["b"].mtu) == (4789, True, 1400)


@pytest.mark.parametrize("name", sorted(path.name for path in FIXTURES.glob("*.toml")))
def test_the_labs_that_come_with_the_project_are_good(name: str) -> None:
    assert file.parse((FIXTURES / name).read_text(), name).nodes


@pytest.mark.parametrize(("old", "new", "where", "what"), MISTAKES)
def test_a_mistake_is_named_by_its_whole_key_path(old: str, new: str, where: str, what: str) -> None:
    assert problems(changed(old, new)) == [f"{where}: {what}"]


def test_every_mistake_is_told_at_once() -> None:
    text = '[underlay]\nsubnet = 5\n[host.a]\nadress = "10.0.0.1"\n[host.b]\naddress = "x"\n'
    assert problems(text) == [
        "underlay.subnet: expected a string, found an integer",
        "host.a.adress: unknown key; did you mean 'address'?",
        "host.a.address: is missing",
        "host.b.address: 'x' is not an IP address",
    ]


def test_an_ipv6_underlay_needs_an_mtu_of_1280() -> None:
    text = '[underlay]\nsubnet = "fd00::/64"\nmtu = 1279\n[host.a]\naddress = "fd00::1"\n'
    assert problems(text) == ["underlay.mtu: 1279 is too small for IPv6; it needs 1280"]


def test_a_link_is_in_one_zone() -> None:
    text = changed("[vtep.linux0]", "[host.cn0.zone.db.nic.vnic0]\n[vtep.linux0]")
    assert problems(text) == ["host.cn0.zone.db.nic.vnic0: the link is already in zone 'web'"]


def test_two_ways_to_write_one_mac_address_are_one_too_many() -> None:
    text = changed(
        '"02:00:00:00:00:01" = "10.88.88.69"', '"02:00:00:00:00:01" = "10.88.88.69", "2:0:0:0:0:1" = "10.88.88.69"'
    )
    assert problems(text) == ['vtep.linux0.fdb."2:0:0:0:0:1": stands here twice, written in two ways']


def test_a_lab_without_nodes_is_refused() -> None:
    assert problems('[underlay]\nsubnet = "10.0.0.0/24"\n') == ["host: is missing; a lab has at least one host or vtep"]


def test_text_that_is_not_toml_is_placed_by_line() -> None:
    (line,) = problems("[underlay]\nsubnet = \n")
    assert line.startswith("not TOML: ")
    assert "line 2" in line


def test_names_of_the_lab_become_a_hosts_file() -> None:
    names = {"portolan.lab": (ipaddress.ip_address("10.88.88.5"), ipaddress.ip_address("fd00::5"))}
    assert hostsfile.render(names) == (
        "127.0.0.1\tlocalhost\n::1\tlocalhost\n10.88.88.5\tportolan.lab\nfd00::5\tportolan.lab\n"
    )
