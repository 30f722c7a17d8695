"""A host that is halted and booted again has exactly what was persistent: links in their order, properties, zones, addresses."""

from __future__ import annotations

from typing import Final

import pytest

from etherspan.host import control
from tests.integration.hosts import BIN, Host

pytestmark = pytest.mark.namespaces

PERSISTENT: Final = (
    "create-etherstub stub0",
    "create-overlay -e vxlan -s direct -v 23 -p mtu=1450,vxlan/listen_ip=127.0.0.1,direct/dest_ip=127.0.0.2,direct/dest_port=4789 ov0",
    "create-overlay -e vxlan -s direct -v 24 -p vxlan/listen_ip=127.0.0.1,direct/dest_ip=127.0.0.3,direct/dest_port=4790 ov1",
    "create-vnic -l ov0 -p mtu=1430,maxbw=250M,priority=low,protection=mac-nospoof,ip-nospoof,allowed-ips=10.5.0.9/32 vnic0",
    "create-vnic -l ov0 -v 42 -m 2:8:20:a:b:c vlan0",
    "create-vnic -l ov1 -m random -r 2:8:21 vnic1",
    "create-vnic -l stub0 in0",
    "create-vnic -l stub0 in1",
    "set-linkprop -p promisc-filtered=off,secondary-macs=2:8:20:0:0:77 vnic1",
    "set-linkprop -p mtu=8000 in1",
    "set-linkprop -p allowed-dhcp-cids=0x0102,cid-text in0",
    "rename-link in0 inner0",
)
TEMPORARY: Final = (
    "create-overlay -t -e vxlan -s direct -v 99 -p vxlan/listen_ip=127.0.0.1,direct/dest_ip=127.0.0.2,direct/dest_port=4789 tmp0",
    "create-vnic -t -l tmp0 tnic0",
    "create-vnic -t -l ov0 tnic1",
    "set-linkprop -t -p maxbw=10M vnic1",
    "set-linkprop -t -p mtu=1500 in1",
)
VIEWS: Final = (
    "show-link -p -o link,class,mtu,state,over",
    "show-link -P -p -o link,class,over",
    "show-vnic -p -o link,over,macaddress,macaddrtype,vid,zone",
    "show-linkprop -c -o link,property,value",
    "show-linkprop -P -c -o link,property,value",
    "show-overlay -p -o link,property,value",
    "show-overlay -t -p -o link,target,destination",
    "show-overlay -f -p -o link,status,details",
)


def looks(host: Host) -> dict[str, list[str]]:
    """What a person sees of links and addresses, in the host and in its zone."""
    seen = {view: host.dladm(*view.split()).splitlines() for view in VIEWS}
    shown = ("show-addr", "-p", "-o", "addrobj,type,state,addr")
    seen["ipadm"] = host.command("ipadm", *shown).stdout.splitlines()
    inside = host.command("etherspan", "zone", "exec", "web", "--", BIN / "ipadm", *shown).stdout.splitlines()
    seen["ipadm in web"] = [
        line for line in inside if "fe80" not in line
    ]  # Linux makes one of its own for each interface
    return seen


def test_a_boot_restores_the_persistent_set_and_nothing_else(booted: Host) -> None:
    for command in PERSISTENT:
        booted.dladm(*command.split())
    booted.command("etherspan", "zone", "create", "web", "--link", "vnic0")
    for addrobj, address in (("inner0/v4", "10.1.0.1/24"), ("inner0/v6", "fd01::1/64"), ("in1/v4", "10.1.0.2/24")):
        booted.command("ipadm", "create-addr", "-T", "static", "-a", address, addrobj)
    web = ("etherspan", "zone", "exec", "web", "--", BIN / "ipadm")
    booted.command(*web, "create-addr", "-T", "static", "-a", "10.5.0.9/24", "vnic0/v4")
    wanted = looks(booted)
    names = ["stub0", "ov0", "ov1", "vnic0", "vlan0", "vnic1", "inner0", "in1"]
    assert [line.split(":")[0] for line in wanted[VIEWS[0]]] == names
    assert "vnic0:ov0:2" in "".join(line.replace("\\:", ":") for line in wanted[VIEWS[2]])

    for command in TEMPORARY:
        booted.dladm(*command.split())
    booted.command("ipadm", "create-addr", "-t", "-T", "static", "-a", "10.1.0.99/24", "inner0/temp")
    assert looks(booted) != wanted
    stored = booted.conf()

    assert control.halt_host(booted.root)
    assert booted.namespace.links() == ["lo"]
    booted.boot()
    assert booted.status().messages == ()
    assert looks(booted) == wanted
    assert booted.conf() == stored
