"""set-linkprop and reset-linkprop: values in force, values stored, and everything that can be wrong (DLM 5.6)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dladm.libdladm import linkprop
from dladm.libdladm.handle import Dladm
from dladm.libdladm.status import DladmError, Status
from etherspan.testing.sim.host import HostSystem
from kernel_sim.dev.sockets import Cred
from kernel_sim.sys.errno import Errno, KernelError


def warning(text: str) -> str:
    return f"dladm: warning: {text}\n"


def cannot(name: str, status: str, link: str = "v0", verb: str = "set") -> str:
    return warning(f"cannot {verb} link property '{name}' on '{link}': {status}")


@pytest.fixture
def host(world_host: Any) -> Any:
    """An overlay with a VNIC, an etherstub with a temporary VNIC."""
    assert world_host.create().status == 0
    world_host.ok("create-vnic -l ov0 v0")
    world_host.ok("create-etherstub stub0")
    world_host.ok("create-vnic -t -l stub0 t0")
    return world_host


def shown(host: Any, name: str, link: str = "v0") -> str:
    return str(host.ok(f"show-linkprop -c -o value -p {name} {link}")).removesuffix("\n")


def stored(host: Any, link: str = "v0") -> str:
    """The link properties on a link's line in datalink.conf."""
    text = host.inner.inner.fs.read("etc/dladm/datalink.conf").decode()
    line = next((line for line in text.splitlines() if line.startswith(f"{link}\t")), "")
    base = ("class", "media", "linkover", "maddr", "macaddr", "vrid", "vraf", "vid", "vnetid", "encap", "search")
    parts = line.partition("\t")[2].split(";")
    return ";".join(part for part in parts if part and "/" not in part.partition("=")[0] and not part.startswith(base))


# ---------------------------------------------------------------------- values in force and stored

ROUND_TRIPS = [
    ("maxbw=50", "   50", "maxbw=string,50"),
    ("maxbw=1200k", "    1.200", "maxbw=string,1200k"),
    ("maxbw=2G", " 2000", "maxbw=string,2G"),
    ("maxbw=0", "    0", "maxbw=string,0"),
    ("cpus=3,0-1", "0-1,3", "cpus=string,3,0-1"),
    ("pool=pool_a", "pool_a", "pool=string,pool_a"),
    ("priority=LOW", "low", "priority=string,LOW"),
    ("protection=ip-nospoof,mac-nospoof", "mac-nospoof,ip-nospoof", "protection=string,ip-nospoof,mac-nospoof"),
    ("dynamic-methods=slaac,dhcpv4", "dhcpv4,slaac", "dynamic-methods=string,slaac,dhcpv4"),
    ("dynamic-methods=addrconf", "dhcpv6,slaac", "dynamic-methods=string,addrconf"),
    ("promisc-filtered=off", "off", "promisc-filtered=string,off"),
    ("allowed-dhcp-cids=0x0a0b,abc", "0x0A0B,abc", "allowed-dhcp-cids=string,0x0a0b,abc"),
    ("allow-all-dhcp-cids=true", "true", "allow-all-dhcp-cids=string,true"),
    ("tagmode=normal", "normal", "tagmode=string,normal"),
    ("mtu=0x514", "1300", "mtu=string,0x514"),
    ("mtu=02424", "1300", "mtu=string,02424"),
    ("secondary-macs=2:8:20:0:0:1,2:8:20:0:0:2", "2:8:20:0:0:1,2:8:20:0:0:2", ""),
]


@pytest.mark.parametrize(("given", "value", "line"), ROUND_TRIPS)
def test_a_value_is_in_force_and_on_the_line_as_it_was_typed(host: Any, given: str, value: str, line: str) -> None:
    name = given.partition("=")[0]
    before = shown(host, name)
    host.ok(f"set-linkprop -p {given} v0")
    assert shown(host, name) == value
    assert stored(host) == (line or given.replace("=", "=string,"))
    host.ok(f"reset-linkprop -p {name} v0")
    assert (shown(host, name), stored(host)) == (before, "")


@pytest.mark.parametrize("given", ["maxbw=50", "mtu=1300", "promisc-filtered=off", "protection=mac-nospoof"])
def test_with_t_a_value_is_in_force_only(host: Any, given: str) -> None:
    name = given.partition("=")[0]
    host.ok(f"set-linkprop -t -p {given} v0")
    assert shown(host, name).strip() == given.partition("=")[2]
    assert stored(host) == ""
    host.ok(f"set-linkprop -p {given} v0")
    host.ok(f"reset-linkprop -t -p {name} v0")
    assert stored(host) == f"{name}=string,{given.partition('=')[2]}"


@pytest.mark.fact("DLM-Q41")
def test_a_prefix_is_kept_in_force_and_on_the_line(host: Any) -> None:
    host.ok("set-linkprop -p allowed-ips=10.0.0.5,10.1.0.0/16,fd00::/64 v0")
    assert shown(host, "allowed-ips") == "10.0.0.5/32,10.1.0.0/16,fd00::/64"
    assert stored(host) == "allowed-ips=string,10.0.0.5,10.1.0.0/16,fd00::/64"
    host.ok("create-vnic -l ov0 -p allowed-ips=10.2.0.0/24 v1")
    assert shown(host, "allowed-ips", "v1") == "10.2.0.0/24"
    assert stored(host, "v1") == "allowed-ips=string,10.2.0.0/24"


def test_properties_are_on_the_line_in_the_order_in_which_they_were_first_set(host: Any) -> None:
    host.ok("set-linkprop -p priority=low,maxbw=50 v0")
    host.ok("set-linkprop -p cpus=0,priority=medium v0")
    assert stored(host) == "priority=string,medium;maxbw=string,50;cpus=string,0"


def test_names_of_properties_may_be_in_any_case(host: Any) -> None:
    host.ok("set-linkprop -p MaxBW=50 v0")
    assert (shown(host, "maxbw"), stored(host)) == ("   50", "maxbw=string,50")


def test_parts_of_protection_do_not_disturb_one_another(host: Any) -> None:
    host.ok("set-linkprop -p protection=ip-nospoof,allowed-ips=10.0.0.5,dynamic-methods=dhcpv4 v0")
    host.ok("set-linkprop -p allowed-dhcp-cids=abc v0")
    host.ok("reset-linkprop -p allowed-ips v0")
    names = ("protection", "allowed-ips", "dynamic-methods", "allowed-dhcp-cids")
    assert [shown(host, name) for name in names] == ["ip-nospoof", "", "dhcpv4", "abc"]


@pytest.mark.parametrize("link", ["stub0", "ov0"])
def test_etherstubs_and_overlays_have_resource_properties_too(host: Any, link: str) -> None:
    host.ok(f"set-linkprop -p maxbw=50,protection=mac-nospoof {link}")
    assert (shown(host, "maxbw", link), shown(host, "protection", link)) == ("   50", "mac-nospoof")
    assert stored(host, link) == "maxbw=string,50;protection=string,mac-nospoof"


def test_forward_is_kept_on_the_line_only(host: Any) -> None:
    assert shown(host, "forward", "ov0") == "1"
    assert host.fails("set-linkprop -t -p forward=0 ov0") == cannot("forward", "change must be persistent", "ov0")
    host.ok("set-linkprop -p forward=0 ov0")
    assert (shown(host, "forward", "ov0"), stored(host, "ov0")) == ("0", "forward=string,0")
    host.ok("reset-linkprop -p forward ov0")
    assert (shown(host, "forward", "ov0"), stored(host, "ov0")) == ("1", "")


def test_on_a_temporary_link_the_missing_t_is_ignored(host: Any) -> None:
    host.ok("set-linkprop -p maxbw=50 t0")
    assert (shown(host, "maxbw", "t0"), stored(host, "t0")) == ("   50", "")
    assert "t0" not in host.ok("show-link -P -p -o link")
    host.ok("reset-linkprop -p maxbw t0")
    assert shown(host, "maxbw", "t0") == ""


def test_a_property_that_was_never_stored_is_reset_without_complaint(host: Any) -> None:
    host.ok("set-linkprop -t -p maxbw=50 v0")
    host.ok("reset-linkprop -p maxbw v0")
    assert shown(host, "maxbw") == ""


# ---------------------------------------------------------------------- what is refused

REFUSED = [
    ("maxbw=1199k v0", cannot("maxbw", "minimum value for maxbw is 1200K")),
    ("maxbw=1,2 v0", cannot("maxbw", "invalid number of values")),
    ("maxbw=x v0", cannot("maxbw", "invalid argument")),
    ("maxbw=5x v0", cannot("maxbw", "invalid value")),
    ("priority=x v0", warning("link property 'priority' must be one of: low,medium,high")),
    ("protection=x v0", warning("link property 'protection' must be one of: mac-nospoof,restricted,ip-nospoof,dhcp-nospoof")),
    ("dynamic-methods=x v0", warning("link property 'dynamic-methods' must be one of: dhcpv4,dhcpv6,slaac,addrconf")),
    ("promisc-filtered=x v0", warning("link property 'promisc-filtered' must be one of: off,on")),
    ("allow-all-dhcp-cids=x v0", warning("link property 'allow-all-dhcp-cids' must be one of: false,true")),
    ("tagmode=x v0", warning("link property 'tagmode' must be one of: normal,vlanonly")),
    ("forward=2 ov0", warning("link property 'forward' must be one of: 1,0")),
    ("mtu=1300,1301 v0", warning("link property 'mtu' must be one of: 576-1400")),
    ("mtu=junk v0", cannot("mtu", "invalid argument")),
    ("rxrings=x v0", warning("invalid link property 'x'")),
    ("allowed-ips=0.0.0.0 v0", cannot("allowed-ips", "invalid IP address")),
    ("allowed-ips=10.0.0.1/8 v0", cannot("allowed-ips", "invalid IP address")),
    ("allowed-ips=10.0.0.1,10.0.0.1 v0", cannot("allowed-ips", "invalid argument")),
    ("cpus=3-1 v0", cannot("cpus", "invalid range")),
    ("secondary-macs=zz v0", cannot("secondary-macs", "invalid MAC address")),
    (f"secondary-macs={','.join(f'2:8:20:0:1:{i:x}' for i in range(32))} v0", cannot("secondary-macs", "invalid number of values")),
    (f"allowed-ips={','.join(f'10.0.0.{i}' for i in range(1, 34))} v0", cannot("allowed-ips", "invalid number of values")),
    ("zone=nope v0", cannot("zone", "change cannot be persistent")),
    ("state=up v0", cannot("state", "read-only property")),
    ("cpus-effective=1 v0", cannot("cpus-effective", "read-only property")),
    ("rxrings-available=1 v0", cannot("rxrings-available", "read-only property")),
    ("autopush=mod v0", cannot("autopush", "operation not supported")),
    ("forward=1 v0", cannot("forward", "invalid argument")),
    ("secondary-macs=2:8:20:0:0:1 ov0", cannot("secondary-macs", "invalid argument", "ov0")),
    ("promisc-filtered=on stub0", cannot("promisc-filtered", "invalid argument", "stub0")),
    ("maxbw=50 net0", cannot("maxbw", "read-only property", "net0")),
    ("mtu=1400 net0", cannot("mtu", "read-only property", "net0")),
    ("frob=1 v0", warning("invalid link property 'frob'")),
    ("mac-address=2:8:20:1:2:3 v0", warning("invalid link property 'mac-address'")),
    ("maxbw v0", warning("no value specified for 'maxbw'")),
]  # fmt: skip


@pytest.mark.parametrize(("words", "message"), REFUSED)
def test_what_is_refused_changes_nothing(host: Any, words: str, message: str) -> None:
    link = words.rsplit(maxsplit=1)[-1]
    before = host.ok(f"show-linkprop -c -o property,value {link}")
    assert host.fails(f"set-linkprop -p {words}") == message
    assert host.ok(f"show-linkprop -c -o property,value {link}") == before
    assert stored(host, link) == ""


def test_pool_and_cpus_exclude_each_other(host: Any) -> None:
    status = "pool and cpus property are mutually exclusive"
    host.ok("set-linkprop -p pool=a v0")
    assert host.fails("set-linkprop -p cpus=0 v0") == cannot("cpus", status)
    host.ok("reset-linkprop -p pool v0")
    host.ok("set-linkprop -p cpus=0 v0")
    assert host.fails("set-linkprop -p pool=a v0") == cannot("pool", status)


def test_a_link_that_is_down_has_no_property_to_set(host: Any) -> None:
    host.ok("delete-vnic -t v0")
    assert host.fails("set-linkprop -p maxbw=50 v0") == warning("invalid link property 'maxbw'")


@pytest.mark.fact("DLM-Q30")
def test_the_exit_status_is_that_of_the_last_property(host: Any) -> None:
    done = host("set-linkprop -p priority=x,maxbw=50 v0")
    assert (done.err, done.status) == (warning("link property 'priority' must be one of: low,medium,high"), 0)
    done = host("set-linkprop -p maxbw=60,priority=x v0")
    assert done.status == 1
    assert shown(host, "maxbw") == "   60"
    done = host("reset-linkprop -p frob,maxbw v0")
    assert (done.err, done.status) == (warning("invalid link property 'frob'"), 0)
    assert host("reset-linkprop -p maxbw,frob v0").status == 1


def test_a_value_that_cannot_be_stored_is_not_in_force_either(host: Any) -> None:
    """A semicolon ends an attribute in datalink.conf, a blank the line."""
    for value in ("a;b", "a b"):
        assert host.fails("set-linkprop", "-p", f"allowed-dhcp-cids={value}", "v0") == cannot(
            "allowed-dhcp-cids", "invalid argument"
        )
        assert (shown(host, "allowed-dhcp-cids"), stored(host)) == ("", "")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("maxbw=50", "maxbw=60"),
        ("maxbw=", "maxbw=60"),
        ("mtu=1300", "mtu=1200"),
        ("allowed-ips=10.0.0.0/24", "allowed-ips=10.0.1.0/24"),
        ("protection=", "protection=restricted"),
        ("secondary-macs=2:8:20:0:0:1", "secondary-macs=2:8:20:0:0:2"),
        ("rest", "allow-all-dhcp-cids=true"),
    ],
)
def test_when_storing_fails_the_value_is_as_it_was(host: Any, monkeypatch: Any, first: str, second: str) -> None:
    if first.partition("=")[2]:
        host.ok(f"set-linkprop -p {first} v0")
    name = second.partition("=")[0]
    before, line = shown(host, name), stored(host)

    def full(*_: object) -> None:
        raise KernelError(Errno.ENOSPC)

    with monkeypatch.context() as patch:
        patch.setattr("dladm.dlmgmtd.client.Dlmgmt.set_conf_field", full)
        patch.setattr("dladm.dlmgmtd.client.Dlmgmt.unset_conf_field", full)
        assert host.fails(f"set-linkprop -p {second} v0") == cannot(name, "buffer size too small")
        assert host.fails(f"reset-linkprop -p {name} v0") == cannot(name, "buffer size too small", verb="reset")
    assert (shown(host, name), stored(host)) == (before, line)


def test_a_line_has_only_so_much_room(host: Any) -> None:
    cids = ",".join(f"{i:0>60}" for i in range(20))
    assert host.fails(f"set-linkprop -p allowed-dhcp-cids={cids} v0") == cannot(
        "allowed-dhcp-cids", "buffer size too small"
    )
    assert (shown(host, "allowed-dhcp-cids"), stored(host)) == ("", "")


def test_an_unprivileged_user_is_denied(host: Any) -> None:
    host.system = HostSystem(host.inner.inner, Cred(7, 1000, 1000))
    assert host.fails("set-linkprop -p maxbw=50 v0") == cannot("maxbw", "permission denied")
    assert host.fails("reset-linkprop -p mtu v0") == cannot("mtu", "permission denied", verb="reset")
    assert shown(host, "maxbw") == ""


# ---------------------------------------------------------------------- the command line


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("set-linkprop -p a= v0", "invalid link properties specified"),
        ("set-linkprop v0", "link property must be specified"),
        ("set-linkprop -p maxbw=1 nope0", "link nope0 is not valid: object not found"),
        ("reset-linkprop nope0", "link nope0 is not valid: object not found"),
        ("reset-linkprop -p mtu=1300 v0", "invalid link properties specified"),
        (f"set-linkprop -p {'x' * 2050} v0", f"property list too long '{'x' * 2047}'"),
    ],
)
def test_what_is_wrong_with_the_command_line(host: Any, words: str, message: str) -> None:
    assert host.fails(words) == f"dladm: {message}\n"


def test_no_operand_or_two_give_the_usage(host: Any) -> None:
    for words in ("set-linkprop -p a=1", "set-linkprop -p a=1 v0 t0", "reset-linkprop", "reset-linkprop a0 b0"):
        assert host.fails(words).startswith("usage:  dladm")


def test_options_that_cannot_be_taken(host: Any) -> None:
    usage = "usage:     set-linkprop     [-t] -p <prop>=<value>[,...] <name>\n"
    assert host.fails("set-linkprop -x v0") == f"dladm: unrecognized option '-x'\n{usage}"
    assert host.fails("set-linkprop v0 -p") == f"dladm: option '-p' requires a value\n{usage}"


def test_a_command_for_another_root_is_only_noted(host: Any, tmp_path: Path) -> None:
    host.ok("set-linkprop", "-p", "maxbw=50", "-R", str(tmp_path), "anything0")
    host.ok("reset-linkprop", "-R", str(tmp_path), "anything0")
    noted = (tmp_path / "var/svc/profile/upgrade_datalink").read_text()
    assert noted == "/sbin/dladm set-linkprop -p maxbw=50 anything0\n/sbin/dladm reset-linkprop anything0\n"


# ---------------------------------------------------------------------- reset without a list


def no_rings(link: str) -> str:
    """What a link without groups of rings always says."""
    names = ("rxrings", "txrings")
    return "".join(cannot(name, "invalid argument", link, "reset") for name in names)


def test_reset_without_a_list_takes_everything_back_and_complains_of_zone(host: Any) -> None:
    host.ok("set-linkprop -p maxbw=50,mtu=1300,protection=restricted,promisc-filtered=off,tagmode=normal v0")
    fresh = host.ok("show-linkprop -c -o property,value t0")
    assert host.fails("reset-linkprop v0") == cannot("zone", "change cannot be persistent", verb="reset") + no_rings(
        "v0"
    )
    assert stored(host) == ""
    assert host.ok("show-linkprop -c -o property,value v0") == fresh.replace("mtu:9000", "mtu:1400")


def test_reset_with_t_of_all_properties_of_a_vnic_leaves_the_line(host: Any) -> None:
    host.ok("set-linkprop -p maxbw=50 v0")
    assert host.fails("reset-linkprop -t v0") == no_rings("v0")
    assert (shown(host, "maxbw"), stored(host)) == ("", "maxbw=string,50")


def test_reset_with_t_of_all_properties_of_an_overlay_complains_of_forward(host: Any) -> None:
    expected = cannot("forward", "change must be persistent", "ov0", "reset") + no_rings("ov0")
    assert host.fails("reset-linkprop -t ov0") == expected


def test_a_physical_link_has_nothing_to_reset(host: Any) -> None:
    host.ok("reset-linkprop net0")


def test_mtu_is_reset_to_the_default_of_the_link(host: Any) -> None:
    for link, low in (("stub0", "9000"), ("ov0", "1400")):
        host.ok(f"set-linkprop -p mtu={low} {link}")
    host.ok("delete-vnic t0")
    for link, default in (("stub0", "1500"), ("ov0", "1400"), ("v0", "1400")):
        host.ok(f"reset-linkprop -p mtu {link}")
        assert shown(host, "mtu", link) == default


# ---------------------------------------------------------------------- zones


def test_a_zone_is_set_for_the_moment_only(host: Any) -> None:
    host.inner.ports.zones.append("web")
    assert host.fails("set-linkprop -p zone=web v0") == cannot("zone", "change cannot be persistent")
    host.ok("set-linkprop -t -p zone=web v0")
    assert shown(host, "zone") == "web"
    host.ok("set-linkprop -t -p zone=global v0")
    assert shown(host, "zone") == ""
    assert host.fails("set-linkprop -t -p zone=nope v0") == cannot("zone", "invalid value")
    assert host.fails("set-linkprop -t -p zone=a,b v0") == cannot("zone", "invalid number of values")
    assert host.fails("set-linkprop -t -p zone=web ov0") == cannot("zone", "operation not supported", "ov0")


def test_when_dlmgmtd_does_not_note_the_zone_the_link_goes_back(host: Any, monkeypatch: Any) -> None:
    def refused(*_: object) -> None:
        raise KernelError(Errno.EACCES)

    host.inner.ports.zones.append("web")
    monkeypatch.setattr("dladm.dlmgmtd.client.Dlmgmt.set_zone", refused)
    assert host.fails("set-linkprop -t -p zone=web v0") == cannot("zone", "permission denied")
    assert (shown(host, "zone"), host.inner.ports.ports["v0"].zone) == ("", "")


def test_with_z_only_links_of_that_zone_are_found(host: Any) -> None:
    host.inner.ports.zones.append("web")
    host.ok("set-linkprop -t -p zone=web v0")
    host.ok("set-linkprop -z web -p maxbw=50 v0")
    assert host.fails("set-linkprop -z web -p maxbw=50 t0") == "dladm: link t0 is not valid: object not found\n"
    assert host.fails("reset-linkprop -z global -p maxbw v0") == "dladm: link v0 is not valid: object not found\n"
    assert host.ok("show-linkprop -z web -c -o link,value -p maxbw") == "v0:   50\n"
    assert host.ok("show-linkprop -z web -c -o value -p maxbw v0") == "   50\n"
    host.ok("reset-linkprop -z web -p maxbw v0")


# ---------------------------------------------------------------------- the library


def test_scripts_get_statuses(host: Any) -> None:
    with Dladm(host.system) as handle:
        linkid = handle.dlmgmt.name2info("v0").linkid
        for name, values, status in (
            ("frob", ("1",), Status.NOTFOUND),
            ("maxbw", (), Status.BADARG),
            ("maxbw", ("1",), Status.MINMAXBW),
            ("zone", ("web",), Status.TEMPONLY),
            ("state", ("up",), Status.PROPRDONLY),
        ):
            with pytest.raises(DladmError) as caught:
                linkprop.set(handle, linkid, name, values)
            assert caught.value.status is status
