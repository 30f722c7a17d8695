"""The peer every machine has: the Linux kernel's vxlan device, left at its default offloads."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.namespaces

PEER = """
[underlay]
subnet = "{subnet}"
mtu = 1500

[host.cn0]
address = "{prefix}69"
dladm = [
  "create-overlay -e vxlan -s direct -v 4242 -p vxlan/listen_ip={prefix}69,direct/dest_ip={prefix}71,direct/dest_port=4789 ov7",
  "create-vnic -l ov7 -m 2:8:20:0:0:1 net7",
]
[host.cn0.zone.app.nic.net7]
address = ["10.77.0.1/24", "fd77::1/64"]

[vtep.linux0]
address = "{prefix}71"
vnetid = 4242
port = 4789
mac = "02:00:00:00:00:71"
inner = ["10.77.0.9/24", "fd77::9/64"]
flood = ["{prefix}69"]
"""


@pytest.mark.parametrize(
    ("prefix", "subnet"), [("10.99.3.", "10.99.3.0/24"), ("fd00:88::", "fd00:88::/64")], ids=["IPv4", "IPv6"]
)
def test_tcp_both_ways_with_a_linux_vxlan_device(lab_up: Callable[[str], Any], prefix: str, subnet: str) -> None:
    lab = lab_up(PEER.format(prefix=prefix, subnet=subnet))
    for size in (1000, 16 << 20):
        lab.tcp("cn0:app", "linux0", "10.77.0.9", size)
        lab.tcp("linux0", "cn0:app", "10.77.0.1", size)
    lab.tcp("cn0:app", "linux0", "fd77::9")
    lab.tcp("linux0", "cn0:app", "fd77::1")
    grown = {key: n for key, n in lab.drops("cn0").items() if n and "checksum" in key}
    assert not grown


def test_two_hosts_over_an_ipv6_underlay(lab_up: Callable[[str], Any], two_hosts: Callable[..., str]) -> None:
    lab = lab_up(two_hosts(prefix="fd00:88::", subnet="fd00:88::/64"))
    shown = lab.dladm("cn1", "show-overlay", "-t", "-p", "-o", "destination", "demo0").stdout
    assert shown == "fd00:88::2:4789\n"
    lab.tcp("cn1:web", "cn2:web", "10.55.55.2")
    lab.tcp("cn2:web", "cn1:web", "fd55::1")


SEND = """
import random, socket, sys
rng = random.Random(7)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for length in range(41):
    s.sendto(bytes(length), (sys.argv[1], 4789))
    s.sendto(b"\\xff" * length, (sys.argv[1], 4789))
for _ in range(2000):
    s.sendto(rng.randbytes(rng.randrange(1, 1400)), (sys.argv[1], 4789))
"""


def test_garbage_on_the_vxlan_port_is_dropped_by_name_and_harms_nothing(
    lab_up: Callable[[str], Any], two_hosts: Callable[..., str], wait_until: Callable[..., None]
) -> None:
    lab = lab_up(two_hosts())
    lab.tcp("cn1:web", "cn2:web", "10.55.55.2", 1 << 16)
    shown = lab.dladm("cn2", "show-overlay").stdout
    before = sum(lab.drops("cn2").values())
    lab.run("cn1", sys.executable, "-c", SEND, "10.88.88.2")
    wait_until(lambda: sum(lab.drops("cn2").values()) >= before + 2000, 10, "the garbage was counted")
    lab.tcp("cn1:web", "cn2:web", "10.55.55.2", 1 << 20)
    assert lab.dladm("cn2", "show-overlay").stdout == shown
    log = lab.run("cn2", sys.executable, "-c", READ_LOGS).stdout
    assert "Traceback" not in log


READ_LOGS = """
import os, pathlib
for file in sorted(pathlib.Path(os.environ["ETHERSPAN_ROOT"], "var/svc/log").glob("*.log")):
    print(file.name, file.read_text())
"""


UDP_RECEIVE = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("10.77.0.1", 6000))
s.settimeout(10)
print("ready", flush=True)
print([len(s.recv(65535)) for _ in range(27)])
"""
UDP_SEGMENTED = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_UDP if hasattr(socket, "SOL_UDP") else 17, 103, 1000)
for _ in range(3):
    s.sendto(bytes(8100), ("10.77.0.1", 6000))
"""


def test_a_udp_super_frame_of_a_linux_peer_arrives_as_its_datagrams(lab_up: Callable[[str], Any]) -> None:
    lab = lab_up(PEER.format(prefix="10.99.3.", subnet="10.99.3.0/24"))
    lab.tcp("linux0", "cn0:app", "10.77.0.1", 1000)
    receiving = lab.popen("cn0:app", sys.executable, "-c", UDP_RECEIVE)
    assert receiving.stdout.readline() == "ready\n"
    lab.run("linux0", sys.executable, "-c", UDP_SEGMENTED)
    out, err = receiving.communicate(timeout=30)
    assert out == f"{([1000] * 8 + [100]) * 3}\n", err
