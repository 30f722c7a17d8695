"""What leaves a host, read by somebody else's dissector."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.namespaces

# The sender's device cuts nothing and finishes every checksum, so that the capture shows what a real wire would.
PLAIN_DEVICE = """
from pyroute2 import Ethtool
tool = Ethtool()
features = tool.get_features("net0")
for name in ("tx-checksum-ip-generic", "tx-tcp-segmentation", "tx-udp-segmentation", "tx-generic-segmentation"):
    features.features[name].enable = False
tool.set_features("net0", features)
tool.close()
"""


@contextmanager
def capture(lab: Any, where: str, file: Path) -> Iterator[None]:
    lab.run(where, sys.executable, "-c", PLAIN_DEVICE)
    argv = lab.command(where, "dumpcap", "-q", "-i", "net0", "-B", "64", "-f", "udp", "-w", file)
    dumping = subprocess.Popen(argv, env=lab.env, stderr=subprocess.PIPE, text=True)
    try:
        assert dumping.stderr is not None
        for line in dumping.stderr:
            if line.startswith("File:"):
                break
        else:
            pytest.fail("dumpcap did not start")
        yield
    finally:
        dumping.send_signal(signal.SIGINT)
        rest = dumping.communicate()[1]
    assert "dropped on interface" not in rest or "/0" in rest, rest


def rows(file: Path, *names: str) -> list[list[str]]:
    argv = ["tshark", "-r", str(file), "-T", "fields", "-E", "occurrence=a", "-E", "separator=|"]
    for protocol in ("ip", "tcp", "udp"):
        argv += ["-o", f"{protocol}.check_checksum:TRUE"]
    argv += [part for name in names for part in ("-e", name)]
    out = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    return [line.split("|") for line in out.splitlines()]


GOOD, UNVERIFIED = "1", "2"


@pytest.mark.fact("KRN-I2", "KRN-I33")
def test_every_datagram_on_the_wire_is_complete_and_correct(
    lab_up: Callable[[str], Any], two_hosts: Callable[..., str], tmp_path: Path
) -> None:
    lab = lab_up(two_hosts())
    files = {where: tmp_path / f"{where}.pcapng" for where in ("cn1", "cn2")}
    with capture(lab, "cn1", files["cn1"]), capture(lab, "cn2", files["cn2"]):
        lab.tcp("cn1:web", "cn2:web", "10.55.55.2")
        lab.tcp("cn2:web", "cn1:web", "fd55::1")
    for where, own in (("cn1", "10.88.88.1"), ("cn2", "10.88.88.2")):
        found = rows(
            files[where],
            "ip.src", "udp.srcport", "vxlan.flags", "vxlan.vni", "_ws.malformed",
            "ip.checksum.status", "udp.checksum.status", "tcp.checksum.status", "icmpv6.checksum.status", "frame.len",
        )  # fmt: skip
        sent = [row for row in found if row[0].split(",")[0] == own]
        kinds = Counter((row[2], row[3]) for row in sent)
        assert set(kinds) == {("0x0800", "23")}, kinds
        assert len(sent) > 500
        for row in sent:
            ports = {int(port) for port in row[1].split(",")[:1]}
            assert ports <= {4789, *range(49153, 49408)}, row
            assert not row[4], row
            for status in row[5:9]:
                assert set(status.split(",")) <= {GOOD, ""}, row
            assert int(row[9]) <= 1514, row
        assert out_of_order(files[where], own) == 0


def out_of_order(file: Path, own: str) -> int:
    """Segments of data over IPv4 that left after a later one of their flow: the sender numbers its packets (the IPv4 identification)."""
    latest: dict[tuple[str, str], int] = {}
    late = 0
    for source, number, stream, port, size in rows(file, "ip.src", "ip.id", "tcp.stream", "tcp.srcport", "tcp.len"):
        if source.split(",")[0] != own or size in ("", "0") or "," not in number:
            continue
        flow, count = (stream, port), int(number.split(",")[1], 16)
        late += (count - latest.get(flow, count)) % 65536 > 32768
        latest[flow] = count
    assert latest, "no TCP over IPv4 was captured"
    return late


def test_overlays_that_share_an_address_and_port_share_one_socket_and_never_mix(
    lab_up: Callable[[str], Any], two_hosts: Callable[..., str]
) -> None:
    lab = lab_up(two_hosts())
    for n in (1, 2):
        where, own, peer = f"cn{n}", f"10.88.88.{n}", f"10.88.88.{3 - n}"
        prop = f"vxlan/listen_ip={own},direct/dest_ip={peer},direct/dest_port=4789"
        lab.dladm(where, "create-overlay", "-e", "vxlan", "-s", "direct", "-v", "24", "-p", prop, "demo1")
        lab.dladm(where, "create-vnic", "-l", "demo1", "-m", f"2:0:0:0:0:{n}", "vnic1")
        lab.run(where, "etherspan", "zone", "create", "other", "--link", "vnic1")
        lab.run(f"{where}:other", sys.executable, "-c", ADDRESS, "vnic1", f"10.55.55.{n}")
    listening = lab.run("cn1", "cat", "/proc/net/udp").stdout
    assert listening.count(":12B5 ") == 1, listening
    before = {where: lab.drops(where) for where in ("cn1", "cn2")}
    lab.tcp("cn1:web", "cn2:web", "10.55.55.2", 1 << 20)
    web = received(lab, "cn2", "vnic0")
    lab.tcp("cn1:other", "cn2:other", "10.55.55.2", 1 << 20)
    assert received(lab, "cn2", "vnic1") > 700
    assert received(lab, "cn2", "vnic0") - web < 20, "frames of the other overlay arrived"
    after = {where: lab.drops(where) for where in ("cn1", "cn2")}
    for where in ("cn1", "cn2"):
        grown = {key: n for key, n in after[where].items() if n != before[where].get(key, 0)}
        assert not grown, f"{where} dropped {grown}"


ADDRESS = """
import sys
from pyroute2 import IPRoute
with IPRoute() as ip:
    index = ip.link_lookup(ifname=sys.argv[1])[0]
    ip.addr("add", index=index, address=sys.argv[2], prefixlen=24)
    ip.link("set", index=index, state="up")
"""


def received(lab: Any, where: str, link: str) -> int:
    return int(lab.run(where, "kstat", "-p", f"link:0:{link}:ipackets64").stdout.split()[-1])


@pytest.mark.parametrize("mtu", [1500, 8900])
def test_an_overlay_mtu_above_the_underlay_fragments_and_loses_nothing(
    lab_up: Callable[[str], Any], two_hosts: Callable[..., str], mtu: int
) -> None:
    lab = lab_up(two_hosts(props=f"mtu={mtu}"))
    shown = lab.dladm("cn1", "show-link", "-p", "-o", "mtu", "vnic0").stdout
    assert shown == f"{mtu}\n"
    before = fragments(lab, "cn1")
    lab.tcp("cn1:web", "cn2:web", "10.55.55.2")
    lab.tcp("cn2:web", "cn1:web", "fd55::1")
    assert fragments(lab, "cn1") > before + 100
    for where in ("cn1", "cn2"):
        assert not {key: n for key, n in lab.drops(where).items() if "send" in key and n}, lab.drops(where)


def fragments(lab: Any, where: str) -> int:
    """IPv4 fragments the host's stack has made."""
    head, values = [
        line.split() for line in lab.run(where, "cat", "/proc/net/snmp").stdout.splitlines() if line.startswith("Ip:")
    ]
    return int(values[head.index("FragCreates")])
