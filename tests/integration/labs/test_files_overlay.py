"""A dynamic overlay on real hosts: varpd's `files` plugin tells where each MAC address lives, and answers ARP and NDP."""

from __future__ import annotations

import json
import re
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.namespaces

HEAD = """
[underlay]
subnet = "10.88.88.0/24"
mtu = 1500
"""
HOST = """
[host.cn{n}]
address = "10.88.88.{n}"
files = {{ "etc/overlays/map.json" = "map.json" }}
dladm = [
  "create-overlay -e vxlan -s files -v 23 -p vxlan/listen_ip=10.88.88.{n},files/config=/etc/overlays/map.json ov0",
  "create-vnic -l ov0 -m {mac} vnic0",
]
[host.cn{n}.zone.web.nic.vnic0]
{addresses}
"""
VTEP = """
[vtep.linux0]
address = "10.88.88.9"
vnetid = 23
mac = "{mac}"
inner = ["10.55.55.9/24", "fd55::9/64"]
learning = false
fdb = {{ {fdb} }}
neigh = {{ {neigh} }}
"""


def mac(n: int) -> str:
    return f"2:8:20:0:0:{n:x}"


def entry(n: int, **more: str) -> dict[str, object]:
    return {"ip": f"10.88.88.{n}", "port": 4789, "arp": f"10.55.55.{n}", "ndp": f"fd55::{n}", **more}


def host(n: int, addresses: str | None = None) -> str:
    own = f'address = ["10.55.55.{n}/24", "fd55::{n}/64"]' if addresses is None else addresses
    return HOST.format(n=n, mac=mac(n), addresses=own)


@pytest.fixture
def overlay_map(tmp_path: Path) -> Callable[[dict[str, Any]], None]:
    """Write the overlay file beside the lab file."""

    def write(entries: dict[str, Any]) -> None:
        (tmp_path / "map.json").write_text(json.dumps(entries, indent=1))

    return write


def rows(lab: Any, where: str) -> list[str]:
    shown: str = lab.dladm(where, "show-overlay", "-t", "-p", "-o", "target,destination", "ov0").stdout
    return [re.sub(r"\\(.)", r"\1", line) for line in shown.splitlines()]


def row(n: int) -> str:
    return f"{mac(n)}:10.88.88.{n}:4789"


NEIGHBOURS = """
from pyroute2 import IPRoute
with IPRoute() as ipr:
    for one in ipr.get_neighbours():
        address = one.get("NDA_DST")
        if address.startswith(("10.55.55.", "fd55::")) and one.get("NDA_LLADDR"):
            print(address, one.get("NDA_LLADDR"), one["state"])
"""
NUD_PERMANENT = 0x80


def neighbours(lab: Any, where: str) -> dict[str, str]:
    """IP address to MAC address of the zone's neighbours, none of which was written by hand."""
    found = {}
    for line in lab.run(where, sys.executable, "-c", NEIGHBOURS).stdout.splitlines():
        address, lladdr, state = line.split()
        assert not int(state) & NUD_PERMANENT, line
        found[address] = lladdr
    return found


def test_three_hosts_find_each_other_without_static_neighbours(
    lab_up: Callable[[str], Any], overlay_map: Callable[[dict[str, Any]], None]
) -> None:
    overlay_map({mac(n): entry(n) for n in (1, 2, 3)})
    lab = lab_up(HEAD + host(1) + host(2) + host(3))
    assert rows(lab, "cn1") == []
    for n in (1, 2, 3):
        for peer in {1, 2, 3} - {n}:
            lab.run(f"cn{n}:web", "etherspan", "probe", "ping", f"10.55.55.{peer}", "-c", 1)
            lab.run(f"cn{n}:web", "etherspan", "probe", "ping", f"fd55::{peer}", "-c", 1)
    for n, peer in ((1, 2), (2, 3), (3, 1)):
        lab.tcp(f"cn{n}:web", f"cn{peer}:web", f"10.55.55.{peer}", 4 << 20)
        lab.tcp(f"cn{peer}:web", f"cn{n}:web", f"fd55::{n}", 4 << 20)
    for n in (1, 2, 3):
        others = [peer for peer in (1, 2, 3) if peer != n]
        assert rows(lab, f"cn{n}") == [row(peer) for peer in others]
        known = neighbours(lab, f"cn{n}:web")
        for peer in others:
            assert known[f"10.55.55.{peer}"] == known[f"fd55::{peer}"] == f"02:08:20:00:00:0{peer}"


def test_the_table_lists_the_targets_in_use_and_no_others(
    lab_up: Callable[[str], Any], overlay_map: Callable[[dict[str, Any]], None]
) -> None:
    overlay_map({mac(n): entry(n) for n in (3, 1, 2)})
    lab = lab_up(HEAD + host(1) + host(2) + host(3))
    lab.run("cn1:web", "etherspan", "probe", "ping", "10.55.55.3", "-c", 1)
    assert rows(lab, "cn1") == [row(3)]
    assert rows(lab, "cn2") == []
    lab.run("cn1:web", "etherspan", "probe", "ping", "fd55::2", "-c", 1)
    assert rows(lab, "cn1") == [row(2), row(3)]


def test_a_linux_vxlan_device_with_static_entries_is_a_fourth_member(
    lab_up: Callable[[str], Any], overlay_map: Callable[[dict[str, Any]], None]
) -> None:
    overlay_map({mac(n): entry(n) for n in (1, 2, 3, 9)})
    padded = {n: f"02:08:20:00:00:0{n}" for n in (1, 2, 3, 9)}
    vtep = VTEP.format(
        mac=padded[9],
        fdb=", ".join(f'"{padded[n]}" = "10.88.88.{n}"' for n in (1, 2, 3)),
        neigh=", ".join(f'"{prefix}{n}" = "{padded[n]}"' for n in (1, 2, 3) for prefix in ("10.55.55.", "fd55::")),
    )
    lab = lab_up(HEAD + host(1) + host(2) + host(3) + vtep)
    for n in (1, 2, 3):
        lab.run(f"cn{n}:web", "etherspan", "probe", "ping", "10.55.55.9", "-c", 1)
        lab.run("linux0", "etherspan", "probe", "ping", f"fd55::{n}", "-c", 1)
    lab.tcp("cn1:web", "linux0", "10.55.55.9")
    lab.tcp("linux0", "cn2:web", "fd55::2")
    lab.tcp("cn3:web", "linux0", "fd55::9")
    lab.tcp("linux0", "cn3:web", "10.55.55.3")
    assert row(9) in rows(lab, "cn1")


LEASE_SCRIPT = """#!/bin/sh
[ "$1" = bound ] && echo "bound $ip/$mask"
exit 0
"""


def test_dhcp_crosses_the_overlay_through_the_proxy(
    lab_up: Callable[[str], Any],
    overlay_map: Callable[[dict[str, Any]], None],
    tmp_path: Path,
    wait_until: Callable[..., None],
) -> None:
    overlay_map({mac(1): entry(1), mac(2): {"ip": "10.88.88.2", "port": 4789, "dhcp-proxy": mac(1)}})
    lab = lab_up(HEAD + host(1) + host(2, ""))
    script = tmp_path / "lease"
    script.write_text(LEASE_SCRIPT)
    script.chmod(0o755)
    pid_file, log = tmp_path / "dnsmasq.pid", tmp_path / "dnsmasq.log"
    server = lab.popen(
        "cn1:web",
        *("dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--user=root", "--bind-interfaces"),
        *("--interface=vnic0", "--dhcp-range=10.55.55.100,10.55.55.120,2m", "--dhcp-authoritative", "--no-ping"),
        *(f"--dhcp-leasefile={tmp_path / 'leases'}", f"--pid-file={pid_file}", f"--log-facility={log}", "--log-dhcp"),
    )
    try:
        wait_until(lambda: log.exists() and "DHCP, IP range" in log.read_text(), 10, "dnsmasq serves")
        client = lab.run(
            "cn2:web",
            *("busybox", "udhcpc", "-i", "vnic0", "-f", "-q", "-n", "-t", 5, "-T", 2, "-s", script),
            timeout=60,
        )
        bound = re.search(r"^bound (10\.55\.55\.1[0-2][0-9])/24$", client.stdout, re.MULTILINE)
        assert bound, client.stdout + client.stderr + log.read_text()
        assert f"DHCPACK(vnic0) {bound[1]} 02:08:20:00:00:02" in log.read_text()
    finally:
        server.terminate()
        server.communicate(timeout=10)
    assert lab.drops("cn2")["ov0:tx_lookup_drop"] >= 2  # the broadcasts themselves go nowhere


RAW_SEND = """
import socket, sys
destination, count, size = bytes.fromhex(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("vnic0", 0))
for n in range(count):
    s.send(destination + bytes.fromhex("020820000001") + b"\\x88\\xb5" + n.to_bytes(4, "big") + bytes(size - 18))
"""
RAW_RECEIVE = """
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88b5))
s.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)  # SO_RCVBUFFORCE: they come in one burst
s.bind(("vnic0", 0x88b5))
s.settimeout(20)
print("ready", flush=True)
print(*(int.from_bytes(s.recv(2000)[14:18], "big") for _ in range(int(sys.argv[1]))))
"""
FRAME = 1000
FIT = 131072 // FRAME


def test_without_varpd_known_targets_flow_and_new_ones_park_until_it_is_back(
    lab_up: Callable[[str], Any], overlay_map: Callable[[dict[str, Any]], None], wait_until: Callable[..., None]
) -> None:
    overlay_map({mac(n): entry(n) for n in (1, 2, 3)})
    lab = lab_up(HEAD + host(1) + host(2) + host(3))
    lab.run("cn1:web", "etherspan", "probe", "ping", "10.55.55.2", "-c", 1)
    lab.run("cn1", "svcadm", "disable", "-s", "varpd")
    lab.tcp("cn1:web", "cn2:web", "10.55.55.2", 1 << 20)
    receiving = lab.popen("cn3:web", sys.executable, "-c", RAW_RECEIVE, FIT)
    assert receiving.stdout.readline() == "ready\n"
    before = lab.drops("cn1")
    lab.run("cn1:web", sys.executable, "-c", RAW_SEND, "020820000003", FIT + 69, FRAME)
    wait_until(
        lambda: lab.drops("cn1")["ov0:tx_pending_full"] == before["ov0:tx_pending_full"] + 69, 10, "69 frames too many"
    )
    assert {key: n for key, n in lab.drops("cn1").items() if n != before[key]} == {
        "ov0:tx_pending_full": before["ov0:tx_pending_full"] + 69
    }
    lab.run("cn1", "svcadm", "enable", "-s", "varpd")
    out, err = receiving.communicate(timeout=30)
    assert out.split() == [str(n) for n in range(FIT)], err
    assert rows(lab, "cn1") == [row(3)]  # the new daemon began with an empty cache


def test_a_varpd_killed_while_frames_are_parked_loses_none(
    lab_up: Callable[[str], Any], overlay_map: Callable[[dict[str, Any]], None], wait_until: Callable[..., None]
) -> None:
    overlay_map({mac(n): entry(n) for n in (1, 2)})
    lab = lab_up(HEAD + host(1) + host(2))
    receiving = lab.popen("cn2:web", sys.executable, "-c", RAW_RECEIVE, 20)
    assert receiving.stdout.readline() == "ready\n"
    pids = re.findall(r"^\s+\S+\s+(\d+)\s", lab.run("cn1", "svcs", "-H", "-p", "varpd").stdout, re.MULTILINE)
    sending = lab.popen("cn1:web", sys.executable, "-c", RAW_SEND, "020820000002", 20, FRAME)
    lab.run("cn1", "kill", "-KILL", *pids)
    assert sending.communicate(timeout=20) == ("", "")
    out, err = receiving.communicate(timeout=30)
    assert out.split() == [str(n) for n in range(20)], err


def test_a_refresh_follows_the_file_and_a_bad_file_degrades_the_overlay(
    lab_up: Callable[[str], Any], overlay_map: Callable[[dict[str, Any]], None], wait_until: Callable[..., None]
) -> None:
    good = {mac(n): entry(n) for n in (1, 2, 3)}
    overlay_map(good)
    lab = lab_up(HEAD + host(1) + host(2) + host(3))
    for peer in (2, 3):
        lab.run("cn1:web", "etherspan", "probe", "ping", f"10.55.55.{peer}", "-c", 1)
    root = lab.run("cn1", "printenv", "ETHERSPAN_ROOT").stdout.strip()
    file = Path(root, "etc/overlays/map.json")

    def health() -> str:
        shown: str = lab.dladm("cn1", "show-overlay", "-f", "-p", "-o", "status,details", "ov0").stdout
        return shown

    file.write_text('{\n "2:8:20:0:0:2": {,}\n}')
    lab.run("cn1", "svcadm", "refresh", "varpd")
    wait_until(lambda: health().startswith("DEGRADED:"), 10, "the bad file is noticed")
    assert "map.json" in health()
    assert "line 2" in health()
    assert rows(lab, "cn1") == [row(2), row(3)]
    lab.run("cn1:web", "etherspan", "probe", "ping", "10.55.55.3", "-c", 1)
    # 2 moves to an address nobody has, 3 stays as it is
    file.write_text(json.dumps({**good, mac(2): {**good[mac(2)], "ip": "10.88.88.77"}}))
    lab.run("cn1", "svcadm", "refresh", "varpd")
    wait_until(lambda: health() == "ONLINE:-\n", 10, "the good file is taken")
    wait_until(lambda: rows(lab, "cn1") == [row(3)], 10, "what moved is forgotten")
    assert (
        lab.run("cn1:web", "etherspan", "probe", "ping", "10.55.55.2", "-c", 1, "-W", 0.5, check=False).returncode == 1
    )
    assert rows(lab, "cn1") == [f"{mac(2)}:10.88.88.77:4789", row(3)]


MANY = 10_000
WINDOW = 500
"""Frames that a TAP's queue surely takes at once."""
SPRAY = """
import socket, sys
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("vnic0", 0))
for n in range(int(sys.argv[1]), int(sys.argv[2])):
    s.send(b"\\x02\\x99\\x00\\x00" + n.to_bytes(2, "big") + bytes.fromhex("020820000001") + b"\\x88\\xb5" + bytes(46))
"""


def test_ten_thousand_macs_load_and_are_shown_in_order_within_two_seconds(
    lab_up: Callable[[str], Any], overlay_map: Callable[[dict[str, Any]], None], wait_until: Callable[..., None]
) -> None:
    many = {f"2:99:0:0:{n >> 8:x}:{n & 255:x}": {"ip": "10.88.88.2", "port": 4789} for n in range(MANY)}
    overlay_map({mac(1): entry(1), **many})
    lab = lab_up(HEAD + host(1))
    begun = time.monotonic()
    lab.dladm("cn1", *shlex.split(CREATE_SECOND))
    assert time.monotonic() - begun < 2
    for start in range(0, MANY, WINDOW):
        lab.run("cn1:web", sys.executable, "-c", SPRAY, start, min(start + WINDOW, MANY))
    wait_until(lambda: len(rows(lab, "cn1")) == MANY, 30, "all of them are in the cache")
    begun = time.monotonic()
    shown = rows(lab, "cn1")
    assert time.monotonic() - begun < 2
    assert shown == [f"{one}:10.88.88.2:4789" for one in many]


CREATE_SECOND = (
    "create-overlay -e vxlan -s files -v 24 -p vxlan/listen_ip=10.88.88.1,files/config=/etc/overlays/map.json ov1"
)


PLUGIN = """
import ipaddress
from kernel_sim.sys.codec import Point
from kernel_sim.sys.overlay_target import TargMode
from libvarpd.plainplugin import PlainPlugin
from libvarpd.plugin import DROP

class Even(PlainPlugin):
    name = "even"
    mode = TargMode.DYNAMIC

    async def lookup(self, query):
        if query.request.dstaddr[5] % 2:
            return DROP
        return Point(ip=ipaddress.ip_address("::ffff:10.88.88.2").packed, port=4789)

PLUGIN = Even
"""
EVEN_HOST = """
[host.cn{n}]
address = "10.88.88.{n}"
files = {{ "usr/lib/varpd/even.py" = "even.py" }}
dladm = [
  "create-overlay -e vxlan -s even -v 23 -p vxlan/listen_ip=10.88.88.{n} ov0",
  "create-vnic -l ov0 -m {mac} vnic0",
]
[host.cn{n}.zone.web.nic.vnic0]
"""


def test_a_search_plugin_of_the_host_is_a_file_below_its_root(lab_up: Callable[[str], Any], tmp_path: Path) -> None:
    (tmp_path / "even.py").write_text(PLUGIN)
    lab = lab_up(HEAD + "".join(EVEN_HOST.format(n=n, mac=mac(n)) for n in (1, 2)))
    receiving = lab.popen("cn2:web", sys.executable, "-c", RAW_RECEIVE, 3)
    assert receiving.stdout.readline() == "ready\n"
    lab.run("cn1:web", sys.executable, "-c", RAW_SEND, "020820000003", 1, FRAME)
    lab.run("cn1:web", sys.executable, "-c", RAW_SEND, "020820000002", 3, FRAME)
    out, err = receiving.communicate(timeout=30)
    assert out.split() == ["0", "1", "2"], err
    assert row(2) in rows(lab, "cn1")
    assert row(3) not in rows(lab, "cn1")
    shown = lab.dladm("cn1", "show-overlay", "-p", "-o", "property,possible", "ov0").stdout
    assert "search:direct,even,files,svp\n" in shown
