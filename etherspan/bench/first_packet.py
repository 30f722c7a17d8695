"""How long the first frame to a MAC address takes: parked, asked for, answered by the `files` plugin, sent, delivered.

    etherspan bench first_packet [--count 200] [--json FILE]

Two hosts, a zone in each; frames go from one zone's VNIC to the other's, and both ends read the same clock. A *miss* is a frame whose
destination has just been taken out of the kernel's cache; a *hit* is the frame that follows it. What a miss adds is the question and
its answer: kernel, /dev/overlay, varpd, plugin, and back.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from etherspan.bench.labs import environment, in_lab, lab, run
from kernel_sim.dev.client import LocalSystem
from libvarpd.client import Client

NAME = "bench-miss"
FIRST_INSTANCE = 1
"""varpd counts from there, and the host has one overlay."""
MACS = {1: bytes.fromhex("020000000001"), 2: bytes.fromhex("020000000002")}
HOST = """
[host.cn{own}]
address = "10.88.94.{own}"
files = {{ "etc/overlays/map.json" = "map.json" }}
dladm = [
  "create-overlay -t -e vxlan -s files -v 23 -p vxlan/listen_ip=10.88.94.{own},files/config=/etc/overlays/map.json ov0",
  "create-vnic -t -l ov0 -m 2:0:0:0:0:{own} vnic0",
]
[host.cn{own}.zone.z.nic.vnic0]
"""
SENDER = """
import socket, sys, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind(("vnic0", 0))
head = bytes.fromhex(sys.argv[1]) + b"\\x88\\xb5"
print("ready", flush=True)
for line in sys.stdin:
    s.send(head + time.monotonic_ns().to_bytes(8, "big") + bytes(86))
"""
RECEIVER = """
import socket, sys, time
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88b5))
s.bind(("vnic0", 0x88b5))
print("ready", flush=True)
while True:
    frame = s.recv(2000)
    print(time.monotonic_ns() - int.from_bytes(frame[14:22], "big"), flush=True)
"""


@contextlib.contextmanager
def program(where: str, text: str, *argv: str) -> Iterator[subprocess.Popen[str]]:
    """A Python program in a zone that has said it is ready."""
    process = subprocess.Popen(
        in_lab(NAME, where, sys.executable, "-c", text, *argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise RuntimeError(f"the program in {where} did not start")
        yield process
    finally:
        process.terminate()
        process.communicate()


def measure(count: int) -> dict[str, list[float]]:
    """Milliseconds of `count` misses and as many hits, taken in turn."""
    peers = {f"2:0:0:0:0:{n}": {"ip": f"10.88.94.{n}", "port": 4789} for n in MACS}
    text = '[underlay]\nsubnet = "10.88.94.0/24"\n' + "".join(HOST.format(own=n) for n in MACS)
    figures: dict[str, list[float]] = {"miss": [], "hit": []}
    with contextlib.ExitStack() as stack:
        stack.enter_context(lab(NAME, text, {"map.json": json.dumps(peers)}))
        root = run(*in_lab(NAME, "cn1", "printenv", "ETHERSPAN_ROOT")).strip()
        varpd = stack.enter_context(Client.create(LocalSystem(root)))
        receiver = stack.enter_context(program("cn2:z", RECEIVER))
        sender = stack.enter_context(program("cn1:z", SENDER, (MACS[2] + MACS[1]).hex()))
        assert sender.stdin is not None
        assert receiver.stdout is not None
        for _ in range(count):
            varpd.instance_cache_flush(FIRST_INSTANCE)
            for kind in ("miss", "hit"):
                sender.stdin.write("\n")
                sender.stdin.flush()
                figures[kind].append(int(receiver.stdout.readline()) / 1e6)
    return figures


def report(figures: dict[str, list[float]]) -> dict[str, object]:
    """Median and 95th percentile of each kind, in milliseconds."""
    rows = {
        kind: {
            "median_ms": round(statistics.median(times), 3),
            "p95_ms": round(statistics.quantiles(times, n=20)[18], 3),
        }
        for kind, times in figures.items()
    }
    added = statistics.median(miss - hit for miss, hit in zip(figures["miss"], figures["hit"], strict=True))
    return {"environment": environment(), "results": rows, "miss_adds_ms": round(added, 3)}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="etherspan bench first_packet", description="Latency of the first frame to a MAC address"
    )
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(argv)
    result = report(measure(options.count))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    rows = result["results"]
    assert isinstance(rows, dict)
    print("| frame | median ms | p95 ms |\n|---|---|---|")
    for kind, row in rows.items():
        print(f"| {kind} | {row['median_ms']} | {row['p95_ms']} |")
    print(f"\na miss adds {result['miss_adds_ms']} ms (median of pairs)")
    return 0
