"""create-vnic -p: resource properties at creation in the library's order, then every property as a link property (DLM 5.1)."""

from __future__ import annotations

from typing import Any

import pytest

from etherspan.testing.frames import ethernet, udp
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.ethernet import parse_mac

CONF = "etc/dladm/datalink.conf"


@pytest.fixture
def host(world_host: Any) -> Any:
    assert world_host.create().status == 0
    return world_host


def failed(*entries: str, status: str, over: str = "ov0") -> str:
    warnings = "".join(f"dladm: warning: failed to set property {entry}\n" for entry in entries)
    return f"{warnings}dladm: vnic creation over {over} failed: {status}\n"


def value(host: Any, name: str) -> str:
    return str(host.ok(f"show-linkprop -c -o value -p {name} v0")).strip()


def has_line(host: Any) -> bool:
    return any(line.startswith("v0\t") for line in host.inner.inner.fs.read(CONF).decode().splitlines())


RESOURCES = [
    ("maxbw=1", "minimum value for maxbw is 1200K"),
    ("maxbw", "invalid number of values"),
    ("priority=x", "invalid value"),
    ("cpus=x", "invalid range"),
    ("cpus-effective=1", "invalid argument"),
    ("pool=a,b", "invalid number of values"),
    ("pool-effective=a", "invalid argument"),
    ("protection=x", "invalid value"),
    ("dynamic-methods=x", "invalid value"),
    ("allowed-ips=::", "invalid IP address"),
    ("allowed-dhcp-cids=0xzz", "invalid argument"),
    ("allow-all-dhcp-cids=x", "invalid value"),
    ("rxrings=x", "invalid value"),
    ("rxrings=2", "invalid argument"),
    ("rxrings-effective=x", "invalid argument"),
    ("txrings=x", "invalid value"),
    ("txrings-effective=x", "invalid argument"),
]


@pytest.mark.parametrize(("given", "status"), RESOURCES)
def test_a_resource_property_that_is_no_good_is_a_status_without_a_warning(host: Any, given: str, status: str) -> None:
    for flags in ("", "-t "):
        assert host.fails(f"create-vnic {flags}-l ov0 -p {given} v0") == failed(status=status)
    assert host.ok("show-link -p -o link") == "net0\nov0\n"
    assert not has_line(host)
    host.ok("create-vnic -l ov0 v0")


def test_resource_properties_are_judged_in_the_library_s_order(host: Any) -> None:
    """Not in the order given: maxbw, priority, cpus, pool, protection, dynamic-methods, allowed-*, rings."""
    wrong = [given for given, _status in RESOURCES if "effective" not in given and "=" in given]
    statuses = dict(RESOURCES)
    order = "maxbw priority cpus pool protection dynamic-methods allowed-ips allowed-dhcp-cids allow-all-dhcp-cids rxrings txrings"
    by_name = {given.partition("=")[0]: given for given in wrong if given != "rxrings=2"}
    assert by_name.keys() == set(order.split())
    for first in order.split():
        later = order.split()[order.split().index(first) :]
        given = ",".join(by_name[name] for name in reversed(later))
        assert host.fails(f"create-vnic -l ov0 -p {given} v0") == failed(status=statuses[by_name[first]])


def test_they_are_judged_after_the_name_and_before_the_device(host: Any) -> None:
    assert host.fails("create-vnic -l ov0 -p priority=x ov0") == failed(status="object already exists")
    assert host.fails("create-vnic -l ov0 -m 1:2:3:4:5:6 -p priority=x v0") == failed(status="invalid value")
    assert host.fails("create-vnic -l ov0 -m 1:2:3:4:5:6 -p frob=1 v0") == failed(status="invalid MAC address value")


LINK_PROPERTIES = [
    ("mtu=1500", "mtu", "invalid argument"),
    ("mtu=575", "mtu", "invalid argument"),
    ("mtu=junk", "mtu", "invalid argument"),
    ("mtu=1,2", "mtu", "invalid value"),
    ("mtu", "mtu", "invalid argument"),
    ("frob=1", "frob", "object not found"),
    ("forward=1", "forward", "invalid argument"),
    ("state=up", "state", "read-only property"),
    ("autopush=mod", "autopush", "operation not supported"),
    ("promisc-filtered=x", "promisc-filtered", "invalid value"),
    ("secondary-macs=x", "secondary-macs", "invalid MAC address"),
    ("tagmode=x", "tagmode", "invalid value"),
]


@pytest.mark.parametrize(("given", "name", "status"), LINK_PROPERTIES)
def test_any_other_property_that_cannot_be_set_is_named_and_takes_the_vnic_away(
    host: Any, given: str, name: str, status: str
) -> None:
    for flags in ("", "-t "):
        expected = failed(f"{name}: {status}", status=status)
        assert host.fails(f"create-vnic {flags}-l ov0 -p {given},maxbw=50 v0") == expected
    assert host.ok("show-link -p -o link") == "net0\nov0\n"
    assert "v0" not in host.inner.ports.ports
    assert not has_line(host)


def test_properties_are_set_in_the_order_given_up_to_the_first_that_fails(host: Any) -> None:
    expected = failed("frob: object not found", status="object not found")
    assert host.fails("create-vnic -l ov0 -p frob=1,mtu=9999 v0") == expected
    expected = failed("mtu: invalid argument", status="invalid argument")
    assert host.fails("create-vnic -l ov0 -p mtu=9999,frob=1 v0") == expected


def test_of_a_repeated_property_the_last_value_wins(host: Any) -> None:
    host.ok("create-vnic -l ov0 -p maxbw=50,mtu=1300,maxbw=60,mtu=1200 v0")
    assert (value(host, "maxbw"), value(host, "mtu")) == ("60", "1200")
    assert host.inner.inner.fs.read(CONF).decode().endswith("maxbw=string,60;mtu=string,1200;\n")


def test_of_a_repeated_resource_property_the_first_value_is_judged_at_creation(host: Any) -> None:
    status = "minimum value for maxbw is 1200K"
    assert host.fails("create-vnic -l ov0 -p maxbw=1,maxbw=50 v0") == failed(status=status)
    assert host.fails("create-vnic -l ov0 -p maxbw=50,maxbw=1 v0") == failed(f"maxbw: {status}", status=status)


def test_pool_and_cpus_exclude_each_other(host: Any) -> None:
    status = "pool and cpus property are mutually exclusive"
    assert host.fails("create-vnic -l ov0 -p cpus=0,pool=a v0").endswith(f"vnic creation over ov0 failed: {status}\n")
    assert host.ok("show-vnic") == ""


def test_a_property_that_cannot_be_stored_is_named(host: Any) -> None:
    status = "invalid argument"
    done = host.fails("create-vnic", "-l", "ov0", "-p", "allowed-dhcp-cids=a;b", "v0")
    assert done == failed(f"allowed-dhcp-cids: {status}", status=status)
    assert host.ok("show-vnic") == ""
    host.ok("create-vnic", "-t", "-l", "ov0", "-p", "allowed-dhcp-cids=a;b", "v0")


def test_a_temporary_vnic_has_its_properties_and_no_line(host: Any) -> None:
    host.ok("create-vnic -t -l ov0 -p maxbw=50,mtu=1300 v0")
    assert (value(host, "maxbw"), value(host, "mtu")) == ("50", "1300")
    assert not has_line(host)


def test_what_smartos_passes_at_zone_boot(host: Any) -> None:
    """mtu first, zone last, for the moment (statechange)."""
    host.inner.ports.zones.append("vm1")
    props = "mtu=1400,protection=mac-nospoof,ip-nospoof,allowed-ips=10.0.0.5,dynamic-methods=dhcpv4,zone=vm1"
    host.ok(f"create-vnic -t -l ov0 -p {props} v0")
    assert (value(host, "zone"), value(host, "allowed-ips")) == ("vm1", "10.0.0.5/32")
    assert host.fails("create-vnic -t -l ov0 -p mtu=1500,zone=vm1 v1") == failed(
        "mtu: invalid argument", status="invalid argument"
    )


def test_a_vnic_is_protected_from_its_first_frame_on(host: Any) -> None:
    host.ok("create-etherstub stub0")
    host.ok("create-vnic -l stub0 -m 2:8:20:0:0:2 peer0")
    host.ok("create-vnic -l stub0 -m 2:8:20:0:0:1 -p protection=mac-nospoof v0")
    packet = udp("10.0.0.1", "10.0.0.2", 1, 2, b"x")
    to, own, false = parse_mac("2:8:20:0:0:2"), parse_mac("2:8:20:0:0:1"), parse_mac("2:8:20:0:0:9")
    host.inner.port("v0").send(ethernet(to, false, packet), ethernet(to, own, packet))
    host.inner.port("peer0").expect(ethernet(to, own, packet))
    host.inner.port("peer0").expect_nothing()


def test_a_kernel_that_refuses_the_resources_takes_the_vnic_away(host: Any, monkeypatch: Any) -> None:
    def refused(*_: object) -> None:
        raise KernelError(Errno.ENOMEM)

    monkeypatch.setattr("dladm.libdladm.macprop.set", refused)
    assert host.fails("create-vnic -l ov0 -p maxbw=50 v0") == failed(status="insufficient memory")
    assert "v0" not in host.inner.ports.ports
    assert host.ok("show-link -P -p -o link") == "ov0\n"
