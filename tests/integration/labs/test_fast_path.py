"""Settings changed in the middle of a conversation hold from its next frame on, and counters count every frame."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

pytestmark = pytest.mark.namespaces

# Both ends of one conversation. The sender reads a count, sends so many datagrams and says so. The receiver reads a count and answers how
# many of them arrived, when all have; when none is expected, how many came within half a second.
SENDER = """
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], 5002))
s.connect((sys.argv[2], 5002))
print("ready", flush=True)
for line in sys.stdin:
    for number in range(int(line)):
        s.send(bytes(200))
        if number % 16 == 15:
            time.sleep(0.001)  # a rate that the path can take
    print("sent", flush=True)
"""
RECEIVER = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
s.bind((sys.argv[1], 5002))
print("ready", flush=True)
for line in sys.stdin:
    s.settimeout(5 if int(line) else 0.5)
    got = 0
    try:
        while not int(line) or got < int(line):
            s.recv(2000)
            got += 1
    except TimeoutError:
        pass
    print(got, flush=True)
"""


@dataclass(slots=True, frozen=True)
class Conversation:
    sender: subprocess.Popen[str]
    receiver: subprocess.Popen[str]

    def ask(self, end: subprocess.Popen[str], count: int) -> str:
        assert end.stdin is not None
        assert end.stdout is not None
        print(count, file=end.stdin, flush=True)
        return end.stdout.readline().strip()

    def send(self, count: int) -> None:
        assert self.ask(self.sender, count) == "sent"

    def received(self, expected: int) -> int:
        return int(self.ask(self.receiver, expected))


def start(lab: Any, where: str, program: str, *addresses: str) -> subprocess.Popen[str]:
    argv = lab.command(where, sys.executable, "-c", program, *addresses)
    end = subprocess.Popen(argv, env=lab.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert end.stdout is not None
    assert end.stdout.readline() == "ready\n"
    return end


def counts(lab: Any) -> tuple[int, int, int]:
    """Frames of vnic0: what cn1's zone gave to its TAP, one by one; what cn1 sent; what cn2 received."""
    devices = lab.run("cn1:web", "cat", "/proc/net/dev").stdout.splitlines()
    given = next(line for line in devices if "vnic0:" in line).split()[10]
    return int(given), stat(lab, "cn1", "link:0:vnic0:opackets64"), stat(lab, "cn2", "link:0:vnic0:ipackets64")


def stat(lab: Any, where: str, name: str) -> int:
    return int(lab.run(where, "kstat", "-p", name).stdout.split()[-1])


def grown(lab: Any, where: str, before: dict[str, int]) -> dict[str, int]:
    return {key: n - before.get(key, 0) for key, n in lab.drops(where).items() if n != before.get(key, 0)}


@pytest.mark.fact("KRN-I33")
def test_changes_in_the_middle_of_a_conversation(
    lab_up: Callable[[str], Any], two_hosts: Callable[..., str], wait_until: Callable[..., None]
) -> None:
    lab = lab_up(two_hosts())
    ends = []
    try:
        ends.append(start(lab, "cn2:web", RECEIVER, "10.55.55.2"))
        ends.append(start(lab, "cn1:web", SENDER, "10.55.55.1", "10.55.55.2"))
        talk = Conversation(ends[1], ends[0])

        before = counts(lab)
        talk.send(3000)
        assert talk.received(3000) == 3000
        given, sent, arrived = (b - a for a, b in zip(before, counts(lab), strict=True))
        assert given >= 3000
        assert (sent, arrived) == (given, given)

        spoofed = "vnic0:0:mac_misc_stat:ipspoofed"
        assert stat(lab, "cn1", spoofed) == 0
        lab.dladm("cn1", "set-linkprop", "-p", "protection=ip-nospoof,allowed-ips=10.55.55.99", "vnic0")
        talk.send(500)
        assert talk.received(0) == 0
        assert stat(lab, "cn1", spoofed) == 500

        lab.dladm("cn1", "reset-linkprop", "-p", "protection,allowed-ips", "vnic0")
        talk.send(500)
        assert talk.received(500) == 500

        lab.dladm("cn1", "set-linkprop", "-p", "maxbw=2M", "vnic0")
        talk.send(200)
        assert talk.received(200) == 200
        assert stat(lab, "cn1", "vnic0:0:mac_tx_swlane0:blockcnt") > 0
        lab.dladm("cn1", "reset-linkprop", "-p", "maxbw", "vnic0")

        lab.dladm("cn2", "create-vnic", "-l", "demo0", "vnic1")  # it will be alone, hence gets every frame
        drops = {where: lab.drops(where) for where in ("cn1", "cn2")}
        lab.run("cn2", "etherspan", "zone", "delete", "web")
        lab.dladm("cn2", "delete-vnic", "vnic0")
        talk.send(500)
        wait_until(lambda: sum(grown(lab, "cn2", drops["cn2"]).values()) >= 500, 10, "cn2 counts the 500 frames")
        assert grown(lab, "cn2", drops["cn2"]) == {"vnic1:rx_consumer_full": 500}
        assert grown(lab, "cn1", drops["cn1"]) == {}
    finally:
        for end in ends:
            end.kill()
            end.communicate()
