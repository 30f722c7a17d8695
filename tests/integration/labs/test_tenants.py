"""Two tenants with the same addresses on the same two hosts, a guest that nests VXLAN, and a stranger on the underlay."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.namespaces

LAB = """
[underlay]
subnet = "10.88.88.0/24"
{hosts}
[vtep.stranger]
address = "10.88.88.66"
vnetid = 99
"""
HOST = """
[host.cn{n}]
address = "10.88.88.{n}"
files = {{ "etc/system" = "system" }}
dladm = [
  "create-overlay -e vxlan -s direct -v 23 -p vxlan/listen_ip=10.88.88.{n},direct/dest_ip=10.88.88.{peer},direct/dest_port=4789 red0",
  "create-overlay -e vxlan -s direct -v 24 -p vxlan/listen_ip=10.88.88.{n},direct/dest_ip=10.88.88.{peer},direct/dest_port=4789 blue0",
  "create-vnic -l red0 -m 2:0:0:0:0:{n} vnic0",
  "create-vnic -l blue0 -m 2:0:0:0:0:{n} vnic1",
]
[host.cn{n}.zone.red.nic.vnic0]
address = ["10.55.55.{n}/24"]
[host.cn{n}.zone.blue.nic.vnic1]
address = ["10.55.55.{n}/24"]
"""
# A frame for 2:0:0:0:0:2 behind the header of network 24, as UDP payload: from a zone it is nested, from the underlay it is forged.
SEND = """
import socket, sys
frame = bytes.fromhex("020000000002" "020000000001" "88b5") + bytes(50)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    for _ in range(100):
        s.sendto(bytes.fromhex("0800000000001800") + frame, (sys.argv[1], 4789))
"""


@pytest.fixture
def tenants(lab_up: Callable[[str], Any], tmp_path: Path) -> Callable[[str], Any]:
    """The lab, with that text as etc/system of both hosts."""

    def up(system: str) -> Any:
        (tmp_path / "system").write_text(system)
        return lab_up(LAB.format(hosts="".join(HOST.format(n=n, peer=3 - n) for n in (1, 2))))

    return up


def received(lab: Any, link: str) -> int:
    return int(lab.run("cn2", "kstat", "-p", f"link:0:{link}:ipackets64").stdout.split()[-1])


@pytest.mark.fact("KRN-I5")
def test_tenants_with_equal_addresses_do_not_meet_and_nesting_leads_nowhere(
    tenants: Callable[[str], Any], wait_until: Callable[..., None]
) -> None:
    lab = tenants("")
    lab.tcp("cn1:red", "cn2:red", "10.55.55.2", 1 << 20)
    lab.tcp("cn1:blue", "cn2:blue", "10.55.55.2", 1 << 20)
    red, blue = received(lab, "vnic0"), received(lab, "vnic1")
    for to in ("10.55.55.2", "10.88.88.2"):  # to a guest, and to a host that no zone has a way to
        lab.run("cn1:red", sys.executable, "-c", SEND, to, check=to == "10.55.55.2")
    wait_until(lambda: received(lab, "vnic0") >= red + 100, 10, "the guest's own network carries them")
    assert received(lab, "vnic1") < blue + 20, "frames of the other tenant arrived"
    assert {key: n for key, n in lab.drops("cn2").items() if n and key.startswith("mux:")} == {}


def test_a_stranger_on_the_underlay_is_heard_unless_there_is_a_source_filter(
    tenants: Callable[[str], Any], wait_until: Callable[..., None]
) -> None:
    lab = tenants("")
    before = received(lab, "vnic1")
    lab.run("stranger", sys.executable, "-c", SEND, "10.88.88.2")
    wait_until(lambda: received(lab, "vnic1") >= before + 100, 10, "all are delivered")

    lab = tenants("set overlay:overlay_source_filter = 1\n")
    lab.tcp("cn1:blue", "cn2:blue", "10.55.55.2", 1 << 20)
    before = received(lab, "vnic1")
    lab.run("stranger", sys.executable, "-c", SEND, "10.88.88.2")
    wait_until(lambda: lab.drops("cn2")["blue0:rx_unknown_source"] == 100, 10, "all are dropped")
    assert received(lab, "vnic1") < before + 20
    lab.tcp("cn1:blue", "cn2:blue", "10.55.55.2", 1 << 20)
