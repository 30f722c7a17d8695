"""ipadm on booted hosts: what it does to Linux, to the files, and what a boot brings back."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pyroute2 import IPRoute

from etherspan import netns
from etherspan.ipadm import IPADM_CONF
from tests.integration.hosts import BIN, Host

pytestmark = pytest.mark.namespaces

GLOBAL_SCOPE = "addrobj,type,state,addr"


DOCS = Path(__file__).parents[2] / "docs/json"


def ipadm(host: Host, *argv: str, status: int = 0) -> str:
    """Run ipadm on the host; what it wrote on standard output, or on standard error where it is to fail."""
    done = host.command("ipadm", *argv, check=False)
    assert done.returncode == status, f"{argv}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stderr if status else done.stdout


def in_zone(host: Host, zone: str, *argv: str, status: int = 0) -> str:
    """Run ipadm in a zone; what it wrote, as `ipadm`."""
    done = host.command("etherspan", "zone", "exec", zone, "--", BIN / "ipadm", *argv, check=False)
    assert done.returncode == status, f"{argv}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stderr if status else done.stdout


def stored(host: Host) -> list[str]:
    path = host.root / IPADM_CONF
    return path.read_text().splitlines() if path.exists() else []


def of_linux(link: str) -> list[str]:
    """The addresses of an interface in the caller's namespace, `down` before them if it is not up."""
    with IPRoute() as ip:
        index = socket.if_nametoindex(link)
        (found,) = ip.get_links(index)
        addresses = [f"{one.get_attr('IFA_ADDRESS')}/{one['prefixlen']}" for one in ip.get_addr(index=index)]
    return ([] if found["flags"] & 1 else ["down"]) + sorted(addresses)


def linux(host: Host, link: str) -> list[str]:
    return host.namespace.run(lambda: of_linux(link))  # type: ignore[no-any-return]


def zone_linux(host: Host, zone: str, link: str) -> list[str]:
    """As `linux`, without the link-local address that Linux gives every interface of a zone's file."""
    found = netns.call(host.root / "var/run/zones" / zone, of_linux, link)
    return [one for one in found if not one.startswith("fe80:")]


@pytest.fixture
def vnics(booted: Host) -> Host:
    """A host with an etherstub and two VNICs on it."""
    booted.dladm("create-etherstub", "stub0")
    booted.dladm("create-vnic", "-l", "stub0", "vnic0")
    booted.dladm("create-vnic", "-l", "stub0", "vnic1")
    return booted


@pytest.fixture
def web(vnics: Host) -> Iterator[Host]:
    """The same with vnic1 in a zone `web`, which has an address of its own file."""
    vnics.command("etherspan", "zone", "create", "web", "--link", "vnic1", "--address", "vnic1=10.5.0.9/24")
    yield vnics
    vnics.command("etherspan", "zone", "delete", "web", check=False)


def test_an_address_is_made_marked_and_taken_away_in_linux_too(vnics: Host) -> None:
    ipadm(vnics, "create-if", "vnic0")
    assert linux(vnics, "vnic0") == []
    ipadm(vnics, "create-addr", "-T", "static", "-a", "10.0.0.1/24", "vnic0/v4")
    ipadm(vnics, "create-addr", "-T", "static", "-d", "-a", "fd00::1/64", "vnic0/six")
    assert linux(vnics, "vnic0") == ["10.0.0.1/24"]
    ipadm(vnics, "up-addr", "vnic0/six")
    ipadm(vnics, "down-addr", "-t", "vnic0/v4")
    assert linux(vnics, "vnic0") == ["fd00::1/64"]
    assert ipadm(vnics, "show-addr", "-p", "-o", "addrobj,state,persistent", "vnic0/") == (
        "vnic0/v4:down:U--\nvnic0/six:ok:U--\n"
    )
    assert stored(vnics) == [
        "_ifname=vnic0;_class=0;_families=2,26;",
        "_ifname=vnic0;_aobjname=vnic0/v4;_ipv4addr=10.0.0.1,;up=yes;",
        "_ifname=vnic0;_aobjname=vnic0/v4;prefixlen=24;",
        "_ifname=vnic0;_aobjname=vnic0/six;_ipv6addr=fd00::1,;up=yes;",
        "_ifname=vnic0;_aobjname=vnic0/six;prefixlen=64;",
    ]
    ipadm(vnics, "delete-addr", "vnic0/six")
    ipadm(vnics, "delete-if", "vnic0")
    assert linux(vnics, "vnic0") == ["down"]
    assert stored(vnics) == []


def test_taking_an_address_away_leaves_the_others_of_its_subnet(vnics: Host) -> None:
    for number in (1, 2, 3):
        ipadm(vnics, "create-addr", "-t", "-T", "static", "-a", f"10.0.0.{number}/24", f"vnic0/a{number}")
    ipadm(vnics, "delete-addr", "vnic0/a1")
    assert linux(vnics, "vnic0") == ["10.0.0.2/24", "10.0.0.3/24"]
    assert stored(vnics) == []


def put(link: str, address: str, length: int) -> None:
    with IPRoute() as ip:
        ip.addr("add", index=socket.if_nametoindex(link), address=address, prefixlen=length)


def test_an_address_that_a_killed_command_left_gets_its_name(vnics: Host) -> None:
    ipadm(vnics, "create-if", "vnic0")
    vnics.namespace.run(lambda: put("vnic0", "10.0.0.1", 24))
    refused = ipadm(vnics, "create-addr", "-T", "static", "-a", "10.0.0.1/16", "vnic0/v4", status=1)
    assert refused == "ipadm: Could not create address: Can't assign requested address\n"
    ipadm(vnics, "create-addr", "-T", "static", "-a", "10.0.0.1/24", "vnic0/v4")
    assert linux(vnics, "vnic0") == ["10.0.0.1/24"]
    assert ipadm(vnics, "show-addr", "-p", "-o", "addrobj,addr", "vnic0/") == "vnic0/v4:10.0.0.1/24\n"
    again = ipadm(vnics, "create-addr", "-T", "static", "-a", "10.0.0.1/24", "vnic0/more", status=1)
    assert again == refused
    ipadm(vnics, "delete-addr", "vnic0/v4")
    assert linux(vnics, "vnic0") == []


def test_autoconfiguration_begins_with_a_link_local_address_usable_at_once(vnics: Host) -> None:
    ipadm(vnics, "create-addr", "-T", "addrconf", "-i", "::2/64", "-p", "stateful=no", "vnic0/v6")
    assert linux(vnics, "vnic0") == ["fe80::2/10"]
    assert ipadm(vnics, "show-addr", "-p", "-o", GLOBAL_SCOPE, "vnic0/v6") == (
        "vnic0/v6:addrconf:ok:fe80\\:\\:2%vnic0/10\n"
    )
    assert stored(vnics)[-1] == "_ifname=vnic0;_aobjname=vnic0/v6;_intfid=::2/64,yes,no;"
    again = ipadm(vnics, "create-addr", "-T", "addrconf", "vnic0/more", status=1)
    assert again == "ipadm: Could not create address: Addrconf already in progress\n"
    ipadm(vnics, "delete-addr", "vnic0/v6")
    assert linux(vnics, "vnic0") == []
    ipadm(vnics, "create-addr", "-T", "addrconf", "vnic0/v6")
    (own,) = linux(vnics, "vnic0")
    assert "ff:fe" in own


@pytest.mark.fact("KRN-Q39")
def test_ip_cannot_be_plumbed_on_an_overlay(booted: Host) -> None:
    booted.overlay("ov0", 23)
    assert ipadm(booted, "create-if", "ov0", status=1) == "ipadm: Could not create ov0 : Interface does not exist\n"
    assert stored(booted) == []


def test_a_zone_sees_and_configures_its_own_links_only(web: Host) -> None:
    assert ipadm(web, "create-if", "vnic1", status=1) == "ipadm: Could not create vnic1 : Interface already in use\n"
    assert in_zone(web, "web", "create-if", "vnic0", status=1) == (
        "ipadm: Could not create vnic0 : Could not open DLPI link\n"
    )
    in_zone(web, "web", "create-addr", "-t", "-T", "static", "-a", "10.5.0.10/24", "vnic1/more")
    assert zone_linux(web, "web", "vnic1") == ["10.5.0.10/24", "10.5.0.9/24"]
    shown = in_zone(web, "web", "show-addr", "-p", "-o", GLOBAL_SCOPE, "vnic1/").splitlines()
    assert [line for line in shown if "addrconf" not in line] == [
        "vnic1/_a:static:ok:10.5.0.9/24",
        "vnic1/more:static:ok:10.5.0.10/24",
    ]
    assert "vnic1" not in ipadm(web, "show-addr") + ipadm(web, "show-if")


def test_the_same_names_and_addresses_in_two_zones_do_not_meet(web: Host) -> None:
    ipadm(web, "create-addr", "-T", "static", "-a", "10.5.0.9/24", "vnic0/v4")
    in_zone(web, "web", "delete-if", "vnic1")
    in_zone(web, "web", "create-addr", "-T", "static", "-a", "10.5.0.9/24", "vnic1/v4")
    assert zone_linux(web, "web", "vnic1") == linux(web, "vnic0") == ["10.5.0.9/24"]
    assert stored(web)[-1] == "_ifname=vnic1;_aobjname=vnic1/v4;prefixlen=24;_zone=web;"
    ipadm(web, "delete-if", "vnic0")
    assert [line for line in stored(web) if not line.endswith("_zone=web;")] == []
    web.command("etherspan", "zone", "delete", "web")
    assert stored(web) == []


def test_a_boot_brings_addresses_back_whatever_else_the_file_holds(
    web: Host, panicked: Callable[[Host], float], wait_for: Callable[..., None]
) -> None:
    ipadm(web, "create-addr", "-T", "static", "-a", "10.0.0.1/24", "vnic0/v4")
    ipadm(web, "create-addr", "-t", "-T", "static", "-a", "10.0.0.99/24", "vnic0/t")
    in_zone(web, "web", "delete-if", "vnic1")
    in_zone(web, "web", "create-addr", "-T", "static", "-a", "10.6.0.1/24", "vnic1/v4")
    path = web.root / IPADM_CONF
    damaged = ["rubbish", "_ifname=vnic8;_class=0;_families=2;", *stored(web)]
    damaged[4:4] = ["_ifname=vnic0;_aobjname=vnic0/same;_ipv4addr=10.0.0.1,;up=yes;"]
    path.write_text("".join(f"{line}\n" for line in damaged))
    panicked(web)
    wait_for(lambda: zone_linux(web, "web", "vnic1") == ["10.5.0.9/24", "10.6.0.1/24"], "the zone's addresses are back")
    wait_for(lambda: linux(web, "vnic0") == ["10.0.0.1/24"], "the host's address is back")
    assert stored(web) == damaged
    log = "\n".join(one.read_text(errors="replace") for one in (web.root / "var/svc/log").iterdir())
    assert f"{path}:1: 'rubbish' is not NAME=VALUE; the line is kept" in log
    assert f"{path}:2: vnic8: Could not open DLPI link (there is no link 'vnic8' in this zone)" in log
    assert "vnic0/same: Can't assign requested address" in log or "vnic0/v4: Can't assign requested address" in log
    ipadm(web, "create-if", "-t", "vnic0", status=1)
    assert ipadm(web, "show-addr", "-p", "-o", "state,persistent,addr", "vnic0/v4") == "ok:U--:10.0.0.1/24\n"


def test_a_renamed_or_deleted_link_leaves_its_stored_lines_disabled(vnics: Host) -> None:
    ipadm(vnics, "create-addr", "-T", "static", "-a", "10.0.0.1/24", "vnic0/v4")
    ipadm(vnics, "disable-if", "-t", "vnic0")
    vnics.dladm("rename-link", "vnic0", "other0")
    assert ipadm(vnics, "show-addr", "-p", "-o", "state,addr", "vnic0/v4") == "disabled:10.0.0.1/24\n"
    assert ipadm(vnics, "enable-if", "-t", "vnic0", status=1) == (
        "ipadm: Could not enable vnic0 : Could not open DLPI link\n"
    )
    vnics.dladm("rename-link", "other0", "vnic0")
    ipadm(vnics, "enable-if", "-t", "vnic0")
    assert linux(vnics, "vnic0") == ["10.0.0.1/24"]


def test_what_cannot_be_stored_is_undone(vnics: Host) -> None:
    ipadm(vnics, "create-if", "vnic1")
    before = stored(vnics)
    blocker = (vnics.root / IPADM_CONF).with_name("ipadm.conf.new")
    blocker.mkdir()
    for argv in (
        ["create-if", "vnic0"],
        ["create-addr", "-T", "static", "-a", "10.0.0.1/24", "vnic0/v4"],
        ["create-addr", "-T", "addrconf", "vnic1/v6"],
        ["delete-if", "vnic1"],
    ):
        assert "ipadm: " in ipadm(vnics, *argv, status=1)
    blocker.rmdir()
    assert (linux(vnics, "vnic0"), linux(vnics, "vnic1")) == (["down"], [])
    assert stored(vnics) == before
    assert ipadm(vnics, "show-if", "-p", "-o", "ifname") == "lo0\nvnic1\n"


def test_who_may_not_configure_interfaces_is_told_so(vnics: Host) -> None:
    drop = ["setpriv", "--bounding-set", "-net_admin", "--inh-caps", "-net_admin", "--"]
    env = {**os.environ, "ETHERSPAN_ROOT": str(vnics.root)}

    def unprivileged(*argv: str) -> subprocess.CompletedProcess[str]:
        with vnics.namespace.popen(
            "/usr/bin/env", *drop, BIN / "ipadm", *argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            out, err = process.communicate(timeout=30)
        return subprocess.CompletedProcess(argv, process.returncode, out, err)

    done = unprivileged("create-if", "vnic0")
    assert (done.returncode, done.stderr) == (1, "ipadm: Could not create vnic0 : Insufficient user authorizations\n")
    assert unprivileged("show-if", "-p", "-o", "ifname").stdout == "lo0\n"
    assert linux(vnics, "vnic0") == ["down"]


def test_a_command_that_is_killed_leaves_a_file_that_can_be_read(vnics: Host) -> None:
    env = {**os.environ, "ETHERSPAN_ROOT": str(vnics.root)}
    loop = """
from etherspan.ipadm.cli import main
for n in range(1, 200):
    main(["create-addr", "-T", "static", "-a", f"10.0.0.{n}/24", f"vnic0/a{n}"])
    print(n, flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", loop], env=env, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for _ in range(3):
            writer.stdout.readline()
        writer.send_signal(signal.SIGKILL)
    lines = stored(vnics)
    assert lines[0] == "_ifname=vnic0;_class=0;_families=2,26;"
    assert len(lines) % 2 == 1  # an address and its prefix length come together
    shown = ipadm(vnics, "show-addr", "-p", "-o", "addrobj,persistent", "vnic0/").split()
    assert {f"vnic0/a{number}:U--" for number in (1, 2, 3)} <= set(shown)
    ipadm(vnics, "delete-if", "vnic0")
    assert (stored(vnics), linux(vnics, "vnic0")) == ([], ["down"])


def test_without_a_host_nothing_is_done(tmp_path: Path) -> None:
    env: dict[str, Any] = {**os.environ, "ETHERSPAN_ROOT": str(tmp_path / "none")}
    done = subprocess.run([BIN / "ipadm", "show-if"], env=env, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr.splitlines()) == (
        1,
        [
            "ipadm: Could not open handle to library - Datalink does not exist",
            f"ipadm: no host runs in {tmp_path / 'none'}; 'etherspan host boot' starts one",
        ],
    )


@pytest.mark.parametrize(("command", "key"), [("show-if", "interfaces"), ("show-addr", "addrs")])
def test_json_is_what_its_schema_promises(vnics: Host, command: str, key: str) -> None:
    ipadm(vnics, "create-addr", "-T", "static", "-a", "10.0.0.1/24", "vnic0/v4")
    ipadm(vnics, "create-addr", "-T", "addrconf", "vnic0/v6")
    ipadm(vnics, "create-addr", "-T", "static", "-d", "-a", "10.0.0.2/24", "vnic1/v4")
    ipadm(vnics, "disable-if", "-t", "vnic1")
    found = json.loads(ipadm(vnics, command, "--json"))
    schema = json.loads((DOCS / f"ipadm.{command}.v1.json").read_text())
    Draft202012Validator(schema).validate(found)
    columns = schema["properties"][key]["items"]["properties"].keys()
    assert len(found[key]) >= 3
    assert all(one.keys() == columns for one in found[key])
