"""Stored link properties: what a link comes back with, and init-linkprop (DLM 5.2, 6.2, 6.4, 6.5)."""

from __future__ import annotations

from typing import Any

import pytest

CONF = "etc/dladm/datalink.conf"
PROPERTIES = (
    "mtu=1300,maxbw=50,priority=low,cpus=0,1,protection=mac-nospoof,ip-nospoof,dynamic-methods=dhcpv4,promisc-filtered=off,"
    "allowed-ips=10.0.0.0/24,10.1.0.1,allowed-dhcp-cids=abc,allow-all-dhcp-cids=true,tagmode=normal,secondary-macs=2:8:20:0:0:1"
)


@pytest.fixture
def host(world_host: Any) -> Any:
    assert world_host.create().status == 0
    return world_host


def line(host: Any, link: str) -> str:
    found: str = next(
        line for line in host.inner.inner.fs.read(CONF).decode().splitlines() if line.startswith(f"{link}\t")
    )
    return found


def edit(host: Any, old: str, new: str) -> None:
    """Somebody edits datalink.conf by hand."""
    text = host.inner.inner.fs.read(CONF).decode()
    assert old in text
    host.inner.inner.fs.write(CONF, text.replace(old, new).encode())


def values(host: Any, link: str) -> str:
    return str(host.ok(f"show-linkprop -c -o property,value {link}"))


def value(host: Any, link: str, name: str) -> str:
    return str(host.ok(f"show-linkprop -c -o value -p {name} {link}")).strip()


def test_a_line_holds_the_properties_after_what_a_vnic_is_made_of(host: Any) -> None:
    host.ok("create-vnic -l ov0 -m 2:8:20:a:b:c -v 7 -p priority=low,mtu=1300 vnic0")
    host.ok("set-linkprop -p allowed-ips=10.0.0.5,10.0.0.6 vnic0")
    assert line(host, "vnic0").endswith(
        "macaddr=string,2:8:20:a:b:c;vid=int,7;priority=string,low;mtu=string,1300;allowed-ips=string,10.0.0.5,10.0.0.6;"
    )


def test_a_vnic_comes_back_with_everything_by_up_vnic_and_by_a_boot(host: Any) -> None:
    host.ok("create-vnic", "-l", "ov0", "-p", PROPERTIES, "vnic0")
    before, stored = values(host, "vnic0"), line(host, "vnic0")
    host.ok("delete-vnic -t vnic0")
    host.ok("up-vnic vnic0")
    assert (values(host, "vnic0"), line(host, "vnic0")) == (before, stored)
    host.inner.kill("kernel")
    assert (values(host, "vnic0"), line(host, "vnic0")) == (before, stored)


@pytest.mark.parametrize("link", ["ov0", "stub0"])
def test_overlays_and_etherstubs_come_back_with_theirs(host: Any, link: str) -> None:
    host.ok("create-etherstub stub0")
    host.ok(f"set-linkprop -p mtu=1450,maxbw=50,protection=restricted,forward=0 {link}")
    before = values(host, link)
    host.inner.kill("kernel")
    assert values(host, link) == before


def test_deleting_a_vnic_takes_its_line_away(host: Any) -> None:
    host.ok("create-vnic -l ov0 -p maxbw=50 vnic0")
    host.ok("delete-vnic vnic0")
    assert "vnic0" not in host.inner.inner.fs.read(CONF).decode()
    host.ok("create-vnic -l ov0 vnic0")
    assert value(host, "vnic0", "maxbw") == ""


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        ("mtu=string,1300", "mtu=string,1500", "invalid argument"),
        ("maxbw=string,50", "maxbw=string,5k", "minimum value for maxbw is 1200K"),
        ("priority=string,low", "priority=string,x", "invalid value"),
    ],
)
def test_a_stored_property_that_cannot_be_set_keeps_the_vnic_down(host: Any, old: str, new: str, status: str) -> None:
    host.ok("create-vnic -l ov0 -p mtu=1300,maxbw=50,priority=low vnic0")
    host.ok("delete-vnic -t vnic0")
    edit(host, old, new)
    assert host.fails("up-vnic vnic0") == f"dladm: could not bring up vnic 'vnic0': {status}\n"
    assert host.ok("show-vnic") == ""
    assert "vnic0" not in host.inner.ports.ports
    edit(host, new, old)
    host.ok("up-vnic vnic0")


def test_attributes_that_are_no_properties_and_a_stored_zone_are_passed_over(host: Any) -> None:
    host.ok("create-vnic -l ov0 -p maxbw=50 vnic0")
    host.ok("delete-vnic -t vnic0")
    edit(host, "maxbw=string,50", "maxbw=string,50;zone=string,web;frob=string,1;state=string,down;forward=string,0")
    host.ok("up-vnic vnic0")
    assert (value(host, "vnic0", "maxbw"), value(host, "vnic0", "zone")) == ("50", "")


def test_an_overlay_comes_up_without_a_property_that_cannot_be_set(host: Any) -> None:
    """Its properties come back by link property initialisation, which reports to nobody."""
    host.ok("set-linkprop -p mtu=1500,maxbw=50 ov0")
    host.ok("delete-overlay -t ov0")
    edit(host, "mtu=string,1500", "mtu=string,8901")
    host.ok("up-overlay ov0")
    assert (value(host, "ov0", "mtu"), value(host, "ov0", "maxbw")) == ("1400", "50")


def test_a_line_that_somebody_took_away_is_nothing_to_forget(host: Any) -> None:
    host.ok("create-vnic -l ov0 -p maxbw=50 vnic0")
    edit(host, line(host, "vnic0") + "\n", "")
    host.ok("reset-linkprop -p maxbw vnic0")
    assert value(host, "vnic0", "maxbw") == ""


# ---------------------------------------------------------------------- init-linkprop


def test_init_linkprop_sets_again_what_is_stored_for_a_link(host: Any) -> None:
    host.ok("create-vnic -l ov0 -p maxbw=50 vnic0")
    host.ok("set-linkprop -t -p maxbw=60,priority=low vnic0")
    host.ok("init-linkprop vnic0")
    assert (value(host, "vnic0", "maxbw"), value(host, "vnic0", "priority")) == ("50", "low")


def test_init_linkprop_of_all_leaves_vnics_alone(host: Any) -> None:
    host.ok("create-etherstub stub0")
    host.ok("create-vnic -l ov0 vnic0")
    for link in ("ov0", "stub0", "vnic0"):
        host.ok(f"set-linkprop -p maxbw=50 {link}")
        host.ok(f"set-linkprop -t -p maxbw=60 {link}")
    host.ok("init-linkprop")
    assert [value(host, link, "maxbw") for link in ("ov0", "stub0", "vnic0")] == ["50", "50", "60"]


def test_init_linkprop_for_wifi_links_does_nothing(host: Any) -> None:
    host.ok("set-linkprop -p maxbw=50 ov0")
    host.ok("set-linkprop -t -p maxbw=60 ov0")
    host.ok("init-linkprop -w")
    host.ok("init-linkprop -w ov0")
    assert value(host, "ov0", "maxbw") == "60"


def test_init_linkprop_sets_what_it_can_and_succeeds(host: Any) -> None:
    host.ok("set-linkprop -p maxbw=50,mtu=1400,priority=low ov0")
    host.ok("set-linkprop -t -p maxbw=60,mtu=1300,priority=high ov0")
    edit(host, "mtu=string,1400", "mtu=string,9999")
    host.ok("init-linkprop ov0")
    assert [value(host, "ov0", name) for name in ("maxbw", "mtu", "priority")] == ["50", "1300", "low"]
    host.ok("init-linkprop")


def test_init_linkprop_says_what_is_wrong(host: Any) -> None:
    assert host.fails("init-linkprop nope0") == "dladm: link nope0 is not valid: object not found\n"
    for words in ("-x", "ov0 vnic0", "-w ov0 vnic0"):
        assert host.fails(f"init-linkprop {words}").startswith("usage:  dladm")


def test_init_linkprop_of_a_physical_link_has_nothing_to_do(host: Any) -> None:
    host.ok("init-linkprop net0")
