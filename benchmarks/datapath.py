"""TCP and small-packet rates over one overlay: Linux vxlan, etherspan and a naive loop, side by side in one run.

    python -m benchmarks.datapath [--rounds 5] [--seconds 3] [--json FILE] [--markdown FILE]

Three labs stand at once, each with two members on an underlay of its own (MTU 1500, overlay MTU 1400); the rounds are interleaved, so
that a machine whose speed drifts drifts for all. What counts are the ratios inside one run. A run is valid when naive / kernel
lies between 0.008 and 0.02: outside that the machine was too busy, or something is not what it says it is.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.labs import REPOSITORY, environment, in_lab, lab, run

VALID_NAIVE = (0.008, 0.02)

KERNEL_LAB = """
[underlay]
subnet = "10.88.91.0/24"
[vtep.a]
address = "10.88.91.1"
vnetid = 23
port = 4789
mac = "02:00:00:00:00:01"
inner = ["10.55.0.1/24"]
flood = ["10.88.91.2"]
[vtep.b]
address = "10.88.91.2"
vnetid = 23
port = 4789
mac = "02:00:00:00:00:02"
inner = ["10.55.0.2/24"]
flood = ["10.88.91.1"]
"""

HOST = """
[host.{name}]
address = "10.88.92.{own}"
dladm = [
  "create-overlay -t -e vxlan -s direct -v 23 -p vxlan/listen_ip=10.88.92.{own},direct/dest_ip=10.88.92.{peer},direct/dest_port=4789 ov0",
  "create-vnic -t -l ov0 -m 2:0:0:0:0:{own} vnic0",
]
[host.{name}.zone.z.nic.vnic0]
address = ["10.55.0.{own}/24"]
"""

BARE_HOST = """
[host.{name}]
address = "10.88.93.{own}"
"""


@dataclass(slots=True, frozen=True)
class Contestant:
    """A lab, and where in it the two ends of a measurement run."""

    name: str
    a: str
    b: str


@contextlib.contextmanager
def naive_loops(name: str) -> Iterator[None]:
    """The naive loop in both members of a lab."""
    with contextlib.ExitStack() as stack:
        for where, own, peer in (("a", 1, 2), ("b", 2, 1)):
            argv = in_lab(
                name, where, sys.executable, "-m", "benchmarks.naive", "tap0", f"02:00:00:00:00:0{own}", "1400"
            )
            loop = subprocess.Popen(
                [*argv, f"10.88.93.{own}", f"10.88.93.{peer}", "23"], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
            )
            stack.callback(loop.wait)
            stack.callback(loop.terminate)
            assert loop.stdout is not None
            if loop.stdout.readline() != "ready\n":
                raise RuntimeError(f"the naive loop in {where} did not start")
            run(*in_lab(name, where, "ip", "address", "add", f"10.55.0.{own}/24", "dev", "tap0"))
            run(*in_lab(name, where, "ip", "link", "set", "tap0", "up"))
        yield


@contextlib.contextmanager
def contestants() -> Iterator[list[Contestant]]:
    hosts = "".join(HOST.format(name=n, own=o, peer=p) for n, o, p in (("a", 1, 2), ("b", 2, 1)))
    bare = "".join(BARE_HOST.format(name=n, own=o) for n, o in (("a", 1), ("b", 2)))
    with contextlib.ExitStack() as stack:
        stack.enter_context(lab("bench-kernel", KERNEL_LAB))
        stack.enter_context(lab("bench-etherspan", '[underlay]\nsubnet = "10.88.92.0/24"\n' + hosts))
        stack.enter_context(lab("bench-naive", '[underlay]\nsubnet = "10.88.93.0/24"\n' + bare))
        stack.enter_context(naive_loops("bench-naive"))
        yield [
            Contestant("kernel", "a", "b"),
            Contestant("etherspan", "a:z", "b:z"),
            Contestant("naive", "a", "b"),
        ]


@contextlib.contextmanager
def server(one: Contestant) -> Iterator[None]:
    argv = in_lab(f"bench-{one.name}", one.b, "iperf3", "-s", "--forceflush")
    listening = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert listening.stdout is not None
        for line in listening.stdout:
            if "Server listening" in line:
                break
        else:
            raise RuntimeError("iperf3 -s did not start")
        yield
    finally:
        listening.terminate()
        listening.communicate()


def iperf(one: Contestant, seconds: int, *options: str) -> dict[str, object]:
    argv = in_lab(f"bench-{one.name}", one.a, "iperf3", "-c", "10.55.0.2", "-t", str(seconds), "-J", *options)
    end: dict[str, object] = json.loads(run(*argv, timeout=seconds + 60))["end"]
    return end


def tcp_gbps(one: Contestant, seconds: int) -> float:
    end = iperf(one, seconds)
    received = end["sum_received"]
    assert isinstance(received, dict)
    return float(received["bits_per_second"]) / 1e9


def udp_kpps(one: Contestant, seconds: int) -> float:
    """64-byte datagrams as fast as the sender can: how many arrive."""
    end = iperf(one, seconds, "-u", "-l", "64", "-b", "0")
    total = end["sum"]
    assert isinstance(total, dict)
    return (float(total["packets"]) - float(total["lost_packets"])) / float(total["seconds"]) / 1e3


def measure(rounds: int, seconds: int) -> dict[str, dict[str, list[float]]]:
    figures: dict[str, dict[str, list[float]]] = {}
    with contestants() as members, contextlib.ExitStack() as stack:
        for one in members:
            stack.enter_context(server(one))
            figures[one.name] = {"tcp_gbps": [], "udp64_kpps": []}
        for turn in range(rounds):
            for one in members:
                figures[one.name]["tcp_gbps"].append(tcp_gbps(one, seconds))
                figures[one.name]["udp64_kpps"].append(udp_kpps(one, seconds))
                row = "  ".join(f"{key} {values[-1]:.3f}" for key, values in figures[one.name].items())
                print(f"round {turn + 1}  {one.name:10}{row}", flush=True)
    return figures


def report(figures: dict[str, dict[str, list[float]]], rounds: int, seconds: int) -> dict[str, object]:
    def ratio(key: str, over: str, under: str) -> float:
        pairs = zip(figures[over][key], figures[under][key], strict=True)
        return statistics.median(a / b for a, b in pairs)

    ratios = {
        "tcp_pure_vs_kernel": ratio("tcp_gbps", "etherspan", "kernel"),
        "tcp_pure_vs_naive": ratio("tcp_gbps", "etherspan", "naive"),
        "tcp_naive_vs_kernel": ratio("tcp_gbps", "naive", "kernel"),
        "udp64_pure_vs_kernel": ratio("udp64_kpps", "etherspan", "kernel"),
        "udp64_pure_vs_naive": ratio("udp64_kpps", "etherspan", "naive"),
    }
    low, high = VALID_NAIVE
    return {
        "environment": {
            **environment(),
            "rounds": rounds,
            "seconds": seconds,
            "underlay": "default veth, MTU 1500; overlay MTU 1400",
        },
        "results": figures,
        "ratios": {key: round(value, 4) for key, value in ratios.items()},
        "valid": low <= ratios["tcp_naive_vs_kernel"] <= high,
    }


def markdown(result: dict[str, object]) -> str:
    figures, ratios = result["results"], result["ratios"]
    assert isinstance(figures, dict)
    assert isinstance(ratios, dict)
    lines = ["| contestant | TCP Gbit/s | 64 B kpps |", "|---|---|---|"]
    for name, rows in figures.items():
        lines.append(
            f"| {name} | {statistics.median(rows['tcp_gbps']):.2f} | {statistics.median(rows['udp64_kpps']):.1f} |"
        )
    lines += [
        "",
        "| ratio (median of pairs) | |",
        "|---|---|",
        *(f"| `{key}` | {value} |" for key, value in ratios.items()),
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="benchmarks.datapath", description=__doc__.splitlines()[0] if __doc__ else None
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    result = report(measure(options.rounds, options.seconds), options.rounds, options.seconds)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    if options.markdown:
        options.markdown.write_text(markdown(result))
    print(markdown(result))
    if not result["valid"]:
        print(f"not a valid run: naive / kernel is not within {VALID_NAIVE}", file=sys.stderr)
    return 0 if result["valid"] else 1


if __name__ == "__main__":
    sys.exit(main())
