"""snoop on links of a running lab."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from etherspan.snoop import decode, files

pytestmark = pytest.mark.namespaces


@contextlib.contextmanager
def snooping(lab: Any, where: str, *argv: object) -> Iterator[subprocess.Popen[str]]:
    """A snoop that has begun to look."""
    running = lab.popen(where, "snoop", *argv)
    try:
        assert running.stderr is not None
        link = argv[argv.index("-d") + 1]
        assert running.stderr.readline() == f"Using device {link} (promiscuous mode)\n"
        yield running
    finally:
        running.kill()
        running.communicate()


def test_a_capture_of_the_wire_shows_vxlan_and_the_tcp_in_it(
    lab_up: Callable[[str], Any], two_hosts: Callable[..., str], tmp_path: Path
) -> None:
    lab = lab_up(two_hosts())
    lab.run("cn1:web", "etherspan", "probe", "ping", "-c", 1, "10.55.55.2")
    file = tmp_path / "wire.pcapng"
    with snooping(lab, "cn1", "-d", "net0", "-c", 12, "-o", file, "vxlan-id", 23, "udp") as running:
        lab.tcp("cn1:web", "cn2:web", "10.55.55.2", 1 << 20)
        assert running.wait(20) == 0
    decode.load()
    stacks = [[layer.name for layer in decode.decode(one.data)] for one in files.read(file)]
    assert any(stack[:7] == ["ETHER", "IP", "UDP", "VXLAN", "ETHER", "IP", "TCP"] for stack in stacks)
    rows = subprocess.run(
        ["tshark", "-r", file, "-T", "fields", "-e", "vxlan.vni"], capture_output=True, text=True, check=True
    ).stdout.split()
    assert rows == ["23"] * 12


def test_a_capture_of_a_vnic_sees_every_frame_of_a_conversation_that_goes_on(
    lab_up: Callable[[str], Any], two_hosts: Callable[..., str]
) -> None:
    lab = lab_up(two_hosts())
    lab.tcp("cn1:web", "cn2:web", "10.55.55.2", 1 << 20)  # its way is known
    with snooping(lab, "cn1", "-d", "vnic0", "-c", 10, "-t", "r", "icmp") as running:
        lab.run("cn1:web", "etherspan", "probe", "ping", "-c", 5, "10.55.55.2")
        assert running.wait(20) == 0, running.stderr and running.stderr.read()
        assert running.stdout is not None
        lines = running.stdout.read().splitlines()
    assert [line.split("ICMP ")[1].split(" (")[0] for line in lines] == ["Echo request", "Echo reply"] * 5


def test_what_the_kernel_drops_is_shown_with_the_reason(
    lab_up: Callable[[str], Any], two_hosts: Callable[..., str]
) -> None:
    lab = lab_up(two_hosts())
    lab.dladm("cn1", "set-linkprop", "-t", "-p", "protection=ip-nospoof,allowed-ips=10.55.55.99", "vnic0")
    with snooping(lab, "cn1", "-d", "vnic0", "-c", 1, "10.55.55.1") as running:
        lab.run("cn1:web", "etherspan", "probe", "ping", "-c", 1, "-W", 1, "10.55.55.2", check=False)
        assert running.wait(20) == 0, running.stderr and running.stderr.read()
        assert running.stdout is not None
        assert "[" in running.stdout.read()


def test_links_that_are_none_and_hosts_that_are_down(
    lab_up: Callable[[str], Any], two_hosts: Callable[..., str]
) -> None:
    lab = lab_up(two_hosts())
    done = lab.run("cn1", "snoop", "-d", "nolink0", check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert (
        done.stderr == "snoop: cannot capture on 'nolink0': there is no such link; 'dladm show-link' lists the links\n"
    )
    script = "import os; os.environ['ETHERSPAN_ROOT']='/nowhere'; os.execvp('snoop', ['snoop', '-d', 'vnic0'])"
    done = lab.run("cn1", sys.executable, "-c", script, check=False)
    assert (done.returncode, done.stderr) == (1, "snoop: the host is not up: 'etherspan host boot' boots it\n")
