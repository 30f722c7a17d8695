"""Services killed at the worst moment: what holds, what comes back, what is left behind."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.namespaces

PING = """
import socket, struct, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
s.settimeout(1)
def csum(b):
    t = sum(struct.unpack(f"!{len(b)//2}H", b)); t = (t >> 16) + (t & 0xffff); return ~(t + (t >> 16)) & 0xffff
lost = 0
until = time.monotonic() + float(sys.argv[2])
n = 0
print("ready", flush=True)
while time.monotonic() < until:
    n += 1
    head = struct.pack("!BBHHH", 8, 0, 0, 77, n & 0xffff)
    s.sendto(struct.pack("!BBHHH", 8, 0, csum(head), 77, n & 0xffff), (sys.argv[1], 0))
    try:
        while True:
            reply = s.recv(2000)
            if reply[20] == 0 and struct.unpack("!HH", reply[24:28]) == (77, n & 0xffff):
                break
    except TimeoutError:
        lost += 1
    time.sleep(0.005)
print(n, lost)
"""


def service_pid(lab: Any, where: str, name: str) -> int:
    """The pid of a service, 0 while it has none."""
    shown = lab.run(where, "svcs", "-H", "-p", name).stdout
    pids = re.findall(r"^\s+\S+\s+(\d+)\s", shown, re.MULTILINE)
    return int(pids[0]) if pids else 0


def kernel_pid(root: str) -> int:
    """The simulated kernel of a host, found by the root it was started with."""
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            argv = entry.read_bytes().split(b"\0")
            if b"kernel_sim" in argv and root.encode() in argv:
                return int(entry.parent.name)
    return 0


def ping(lab: Any, where: str, address: str, seconds: float) -> tuple[int, int]:
    sent, lost = lab.run(where, sys.executable, "-c", PING, address, seconds).stdout.split()[-2:]
    return int(sent), int(lost)


def test_traffic_flows_while_varpd_dies_and_it_adopts_its_instance(
    lab_up: Callable[[str], Any], two_hosts: Callable[..., str], wait_until: Callable[..., None]
) -> None:
    lab = lab_up(two_hosts())
    ping(lab, "cn1:web", "10.55.55.2", 0.3)
    before = lab.dladm("cn1", "show-overlay").stdout
    pinging = lab.popen("cn1:web", sys.executable, "-c", PING, "10.55.55.2", 4)
    assert pinging.stdout.readline() == "ready\n"
    old = service_pid(lab, "cn1", "varpd")
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: service_pid(lab, "cn1", "varpd") not in {0, old}, 10, "varpd runs again")
    wait_until(lambda: lab.run("cn1", "svcs", "-H", "-o", "state", "varpd").stdout == "online\n", 10, "varpd is online")
    out, err = pinging.communicate(timeout=30)
    sent, lost = map(int, out.split())
    assert sent > 100, err
    assert lost == 0
    assert lab.dladm("cn1", "show-overlay").stdout == before
    assert lab.dladm("cn1", "show-overlay", "-p", "-o", "property,value", "demo0").stdout.count("varpd/id:1\n") == 1


def test_the_death_of_the_kernel_is_a_panic_and_the_host_boots_again(
    lab_up: Callable[[str], Any], two_hosts: Callable[..., str], wait_until: Callable[..., None]
) -> None:
    lab = lab_up(two_hosts())
    ping(lab, "cn1:web", "10.55.55.2", 0.3)
    before = lab.dladm("cn1", "show-overlay").stdout
    lab.dladm("cn1", "create-vnic", "-t", "-l", "demo0", "temporary0")
    root = lab.run("cn1", "printenv", "ETHERSPAN_ROOT").stdout.strip()
    old = kernel_pid(root)
    os.kill(old, signal.SIGKILL)

    def works() -> bool:
        done = lab.run("cn1:web", sys.executable, "-c", PING, "10.55.55.2", 0.1, check=False)
        return done.returncode == 0 and done.stdout.split()[-1:] == ["0"]

    wait_until(works, 10, "ping between the zones works again")
    assert kernel_pid(root) not in {0, old}
    assert lab.dladm("cn1", "show-overlay").stdout == before
    links = lab.dladm("cn1", "show-link", "-p", "-o", "link,class").stdout.split()
    assert sorted(links) == ["demo0:overlay", "net0:phys", "vnic0:vnic"]
    assert interfaces(lab, "cn1") == ["lo", "net0"]
    assert interfaces(lab, "cn1:web") == ["lo", "vnic0"]


INTERFACES = "import socket; print(*sorted(name for _, name in socket.if_nameindex()))"


def interfaces(lab: Any, where: str) -> list[str]:
    return lab.run(where, sys.executable, "-c", INTERFACES).stdout.split()
