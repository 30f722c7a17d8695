"""The data path beside Linux vxlan and a naive loop, in one run: throughput, small packets, round trips, local traffic, table size.

    etherspan bench datapath [--rounds 5] [--seconds 3] [--json FILE] [--markdown FILE]

Labs stand side by side, each with two members on an underlay of its own (MTU 1500, overlay MTU 1400); the rounds are interleaved, so that a
machine whose speed drifts drifts for all. What counts are the ratios inside one run, medians of pairs. A run is valid when naive / kernel
lies between 0.008 and 0.02: outside that the machine was too busy, or something is not what it says it is.

    kernel             two Linux vxlan devices, default veth
    kernel_no_offload  the same without TSO, GSO and GRO
    kernel_wire        the same on a wire that cuts packets: `tso off tx-udp-segmentation off gro on` at every end
    etherspan          two hosts, the compiled helper        etherspan_wire   on that wire
    pure               two hosts, the helper's twin in Python
    mixed_wire         a host and a Linux vxlan device, on that wire; the worse direction counts
    local              two VNICs of one host
    naive              one receive, construct, one send for each frame
"""

from __future__ import annotations

import argparse
import contextlib
import json
import operator
import os
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from etherspan import netns
from etherspan.bench import small
from etherspan.bench.labs import environment, in_lab, lab, run
from etherspan.lab.journal import LabDir

PROGRAMS = {"iperf3": "iperf3", "ping": "iputils-ping"}
"""What measures, and the Debian packages that have it."""
VALID_NAIVE = (0.008, 0.02)
CONGESTION = "cubic"
"""Linux's default, asked for by every iperf3. On a machine whose own default is bbr such a connection goes on pacing by timer, since
iperf3 asks when it has connected already: hence the figures `tcp_unpaced_gbps`."""
UNPACED = "reno"
"""What an unpaced connection begins with."""
CONGESTION_DEFAULT = Path("/proc/sys/net/ipv4/tcp_congestion_control")
RTT_COUNT = 1000
RTT_PAUSE = 0.002
WIRE = {"tx-tcp-segmentation": False, "tx-tcp6-segmentation": False, "tx-udp-segmentation": False, "rx-gro": True}
NO_OFFLOAD = {
    "tx-tcp-segmentation": False,
    "tx-tcp6-segmentation": False,
    "tx-udp-segmentation": False,
    "tx-generic-segmentation": False,
    "rx-gro": False,
}

VTEP = """
[vtep.{name}]
address = "10.88.{net}.{own}"
vnetid = 23
port = 4789
mac = "02:00:00:00:00:0{own}"
inner = ["10.55.0.{own}/24"]
flood = ["10.88.{net}.{peer}"]
"""
OVERLAY_PROPS = "vxlan/listen_ip=10.88.{net}.{own},direct/dest_ip=10.88.{net}.{peer},direct/dest_port=4789"
HOST = """
[host.{name}]
address = "10.88.{net}.{own}"
dladm = [
  "create-overlay -t -e vxlan -s direct -v 23 -p PROPS ov0",
  "create-vnic -t -l ov0 -m 2:0:0:0:0:{own} vnic0",
]
[host.{name}.zone.z.nic.vnic0]
address = ["10.55.0.{own}/24"]
""".replace("PROPS", OVERLAY_PROPS)
LOCAL = """
[host.a]
address = "10.88.{net}.1"
dladm = [
  "create-overlay -t -e vxlan -s direct -v 23 -p PROPS ov0",
  "create-vnic -t -l ov0 -m 2:0:0:0:0:1 vnic0",
  "create-vnic -t -l ov0 -m 2:0:0:0:0:2 vnic1",
]
[host.a.zone.z.nic.vnic0]
address = ["10.55.0.1/24"]
[host.a.zone.y.nic.vnic1]
address = ["10.55.0.2/24"]
""".replace("PROPS", OVERLAY_PROPS)
BARE = """
[host.{name}]
address = "10.88.{net}.{own}"
"""
MEMBERS = (("a", 1, 2), ("b", 2, 1))


@dataclass(slots=True, frozen=True)
class Contestant:
    """A lab, where in it the two ends of a measurement run, and what is measured there."""

    name: str
    text: str
    a: str = "a"
    b: str = "b"
    features: Mapping[str, bool] = field(default_factory=dict)
    engine: str | None = None
    measures: Sequence[str] = ("tcp_gbps",)


def both(template: str, net: int) -> str:
    return "".join(template.format(name=name, own=own, peer=peer, net=net) for name, own, peer in MEMBERS)


def mixed(net: int) -> str:
    (a, own_a, peer_a), (b, own_b, peer_b) = MEMBERS
    return HOST.format(name=a, own=own_a, peer=peer_a, net=net) + VTEP.format(name=b, own=own_b, peer=peer_b, net=net)


CONTESTANTS = (
    Contestant("kernel", both(VTEP, 91), measures=("tcp_gbps", "tcp_unpaced_gbps", "udp64_kpps", "rtt_ms")),
    Contestant(
        "etherspan",
        both(HOST, 92),
        "a:z",
        "b:z",
        measures=("tcp_gbps", "tcp_unpaced_gbps", "tcp8_gbps", "udp64_kpps", "rtt_ms"),
    ),
    Contestant("naive", both(BARE, 93)),
    Contestant("pure", both(HOST, 94), "a:z", "b:z", engine="python", measures=("tcp_gbps", "udp64_kpps")),
    Contestant("kernel_no_offload", both(VTEP, 95), features=NO_OFFLOAD),
    Contestant("kernel_wire", both(VTEP, 96), features=WIRE),
    Contestant("etherspan_wire", both(HOST, 97), "a:z", "b:z", features=WIRE),
    Contestant("mixed_wire", mixed(98), "a:z", "b", features=WIRE, measures=("tcp_gbps", "tcp_back_gbps")),
    Contestant("local", LOCAL.format(net=99, own=1, peer=2), "a:z", "a:y"),
)


def lab_name(one: Contestant) -> str:
    return f"bench-{one.name.replace('_', '-')}"


# ---------------------------------------------------------------------- labs


def set_features(link: str, features: Mapping[str, bool]) -> None:
    """What `ethtool -K` does, in the calling thread's namespace; a feature that the device does not have is left."""
    from pyroute2 import Ethtool

    tool = Ethtool()
    try:
        known = tool.get_features(link)
        for name, on in features.items():
            if name in known.features:
                known.features[name].enable = on
        tool.set_features(link, known)
    finally:
        tool.close()


def shape(one: Contestant) -> None:
    """Set the features of both ends of every wire of a lab, and of its vxlan devices."""
    where = LabDir(lab_name(one))
    for name, _, _ in MEMBERS:
        namespace = where.namespace(name)
        for link in ("net0", *(("vxlan0",) if "vtep." + name in one.text and one.features is NO_OFFLOAD else ())):
            netns.call(namespace, set_features, link, one.features)
    for port in range(len(MEMBERS)):
        netns.call(where.switch, set_features, f"port{port}", one.features)


@contextlib.contextmanager
def naive_loops(name: str) -> Iterator[None]:
    """The naive loop in both members of a lab."""
    with contextlib.ExitStack() as stack:
        for where, own, peer in MEMBERS:
            argv = in_lab(
                name, where, sys.executable, "-m", "etherspan.bench.naive", "tap0", f"02:00:00:00:00:0{own}", "1400"
            )
            loop = subprocess.Popen(
                [*argv, f"10.88.93.{own}", f"10.88.93.{peer}", "23"], stdout=subprocess.PIPE, text=True
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
def engine(name: str | None) -> Iterator[None]:
    """What hosts that boot meanwhile cut and merge with."""
    before = os.environ.get("ETHERSPAN_ENGINE")
    if name is not None:
        os.environ["ETHERSPAN_ENGINE"] = name
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("ETHERSPAN_ENGINE", None)
        else:
            os.environ["ETHERSPAN_ENGINE"] = before


@contextlib.contextmanager
def standing(contestants: Sequence[Contestant]) -> Iterator[None]:
    """All labs, with an iperf3 server at the far end of each."""
    with contextlib.ExitStack() as stack:
        for number, one in enumerate(contestants):
            net = re.search(r"10\.88\.(\d+)\.", one.text)
            assert net is not None, number
            with engine(one.engine):
                stack.enter_context(lab(lab_name(one), f'[underlay]\nsubnet = "10.88.{net[1]}.0/24"\n{one.text}'))
            if one.features:
                shape(one)
            if one.name == "naive":
                stack.enter_context(naive_loops(lab_name(one)))
            stack.enter_context(server(one))
        yield


@contextlib.contextmanager
def server(one: Contestant) -> Iterator[None]:
    argv = in_lab(lab_name(one), one.b, "iperf3", "-s", "--forceflush")
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


# ---------------------------------------------------------------------- measurements


def iperf(one: Contestant, seconds: int, *options: str) -> dict[str, object]:
    argv = in_lab(lab_name(one), one.a, "iperf3", "-c", "10.55.0.2", "-t", str(seconds), "-J", *options)
    end: dict[str, object] = json.loads(run(*argv, timeout=seconds + 60))["end"]
    return end


def tcp(one: Contestant, seconds: int, *options: str) -> float:
    received = iperf(one, seconds, "-C", CONGESTION, *options)["sum_received"]
    assert isinstance(received, dict)
    return float(received["bits_per_second"]) / 1e9


def tcp_unpaced(one: Contestant, seconds: int) -> float:
    """TCP that never paced, whatever the machine's default is."""
    before = in_sender(one, "cat", CONGESTION_DEFAULT).strip()
    in_sender(one, "sh", "-c", f"echo {UNPACED} > {CONGESTION_DEFAULT}")
    try:
        return tcp(one, seconds)
    finally:
        in_sender(one, "sh", "-c", f"echo {before} > {CONGESTION_DEFAULT}")


def in_sender(one: Contestant, *argv: str | Path) -> str:
    return run(*in_lab(lab_name(one), one.a, *argv))


def udp_kpps(one: Contestant, _seconds: int) -> float:
    """64-byte datagrams a second, in thousands: the highest rate of which at most one in 200 is lost."""
    name = lab_name(one)
    rate, late = small.search(partial(in_lab, name, one.a), partial(in_lab, name, one.b), "10.55.0.2")
    reordered[one.name] = reordered.get(one.name, 0) + late
    return rate / 1e3


reordered: dict[str, int] = {}
"""Of small datagrams, by contestant, over the whole run."""


def round_trips(one: Contestant) -> list[float]:
    """Sorted, milliseconds."""
    argv = in_lab(lab_name(one), one.a, "ping", "-n", "-i", str(RTT_PAUSE), "-c", str(RTT_COUNT), "10.55.0.2")
    return sorted(float(found) for found in re.findall(r"time=([\d.]+)", run(*argv)))


MEASURES: Mapping[str, Callable[[Contestant, int], float]] = {
    "tcp_gbps": tcp,
    "tcp_unpaced_gbps": tcp_unpaced,
    "tcp8_gbps": lambda one, seconds: tcp(one, seconds, "-P", "8"),
    "tcp_back_gbps": lambda one, seconds: tcp(one, seconds, "-R"),
    "udp64_kpps": udp_kpps,
}


def idle_share(one: Contestant, seconds: float = 3.0) -> float:
    """Of one core: what the processes of a lab's hosts use while nothing happens."""
    pids = [
        int(path.name)
        for path in Path("/proc").iterdir()
        if path.name.isdigit() and _is_of(path, f"labs/{lab_name(one)}/hosts/")
    ]
    before = sum(map(_cpu, pids))
    time.sleep(seconds)
    return (sum(map(_cpu, pids)) - before) / seconds


def _is_of(path: Path, part: str) -> bool:
    with contextlib.suppress(OSError):
        return part.encode() in (path / "cmdline").read_bytes()
    return False


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


Figures = dict[str, dict[str, list[float]]]


def measure(contestants: Sequence[Contestant], rounds: int, seconds: int) -> Figures:
    figures: Figures = {one.name: {key: [] for key in one.measures if key in MEASURES} for one in contestants}
    with standing(contestants):
        for one in contestants:
            if one.name == "etherspan":
                figures[one.name]["idle_share"] = [idle_share(one)]
        for turn in range(rounds):
            for one in contestants:
                if "rtt_ms" in one.measures:
                    trips = round_trips(one)
                    figures[one.name].setdefault("rtt_p50_ms", []).append(trips[len(trips) // 2])
                    figures[one.name].setdefault("rtt_p99_ms", []).append(trips[int(len(trips) * 0.99)])
                for key in one.measures:
                    if key in MEASURES:
                        figures[one.name][key].append(MEASURES[key](one, seconds))
                row = "  ".join(f"{key} {figures[one.name][key][-1]:.3f}" for key in one.measures if key in MEASURES)
                print(f"round {turn + 1}  {one.name:18}{row}", flush=True)
    return figures


def target_rates() -> dict[str, float]:
    """64 B frames a second through mac and overlay in memory, to random MAC addresses of a table of so many targets."""
    from etherspan.bench.targets import rates

    return {f"targets_{size}_kpps": rate / 1e3 for size, rate in rates((10, 100_000)).items()}


# ---------------------------------------------------------------------- results


def ratio(figures: Figures, over: tuple[str, str], under: tuple[str, str]) -> float:
    pairs = zip(figures[over[0]][over[1]], figures[under[0]][under[1]], strict=True)
    return statistics.median(a / b for a, b in pairs)


def report(figures: Figures, rounds: int, seconds: int) -> dict[str, object]:
    gbps = "tcp_gbps"
    mixed_ways = [ratio(figures, ("mixed_wire", key), ("kernel_wire", gbps)) for key in (gbps, "tcp_back_gbps")]
    targets = target_rates()
    rtt = {
        key: statistics.median(map(operator.sub, figures["etherspan"][key], figures["kernel"][key]))
        for key in ("rtt_p50_ms", "rtt_p99_ms")
    }
    ratios = {
        "tcp_vs_kernel": ratio(figures, ("etherspan", gbps), ("kernel", gbps)),
        "tcp_vs_kernel_unpaced": ratio(figures, ("etherspan", "tcp_unpaced_gbps"), ("kernel", "tcp_unpaced_gbps")),
        "tcp_vs_kernel_wire": ratio(figures, ("etherspan_wire", gbps), ("kernel_wire", gbps)),
        "tcp_vs_kernel_no_offload": ratio(figures, ("etherspan", gbps), ("kernel_no_offload", gbps)),
        "tcp_pure_vs_naive": ratio(figures, ("pure", gbps), ("naive", gbps)),
        "tcp_pure_vs_kernel": ratio(figures, ("pure", gbps), ("kernel", gbps)),
        "tcp_naive_vs_kernel": ratio(figures, ("naive", gbps), ("kernel", gbps)),
        "pps_vs_kernel": ratio(figures, ("etherspan", "udp64_kpps"), ("kernel", "udp64_kpps")),
        "tcp_mixed_vs_kernel_wire": min(mixed_ways),
        "local_vs_remote": ratio(figures, ("local", gbps), ("etherspan", gbps)),
        "target_100k_vs_10": targets["targets_100000_kpps"] / targets["targets_10_kpps"],
        **rtt,
        "idle_share": figures["etherspan"]["idle_share"][0],
    }
    low, high = VALID_NAIVE
    return {
        "environment": {
            **environment(),
            "rounds": rounds,
            "seconds": seconds,
            "underlay": "veth and a bridge, MTU 1500; overlay MTU 1400",
        },
        "results": {**figures, "memory": targets, "reordered": reordered},
        "ratios": {key: round(value, 4) for key, value in ratios.items()},
        "valid": low <= ratios["tcp_naive_vs_kernel"] <= high,
    }


def markdown(result: dict[str, object]) -> str:
    figures, ratios = result["results"], result["ratios"]
    assert isinstance(figures, dict)
    assert isinstance(ratios, dict)
    lines = ["| contestant | TCP Gbit/s | 64 B kpps |", "|---|---|---|"]
    for name, rows in figures.items():
        if name in ("memory", "reordered"):
            continue
        small = f"{statistics.median(rows['udp64_kpps']):.1f}" if "udp64_kpps" in rows else ""
        lines.append(f"| {name} | {statistics.median(rows['tcp_gbps']):.2f} | {small} |")
    lines += [
        "",
        "| ratio (median of pairs) | |",
        "|---|---|",
        *(f"| `{key}` | {value} |" for key, value in ratios.items()),
    ]
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="etherspan bench datapath", description=__doc__.splitlines()[0] if __doc__ else None
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args(argv)
    for program, package in PROGRAMS.items():
        if shutil.which(program) is None:
            parser.error(f"{program} is not installed: install it (apt install {package}), then try again")
    figures = measure(CONTESTANTS, options.rounds, options.seconds)
    result = report(figures, options.rounds, options.seconds)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    if options.markdown:
        options.markdown.write_text(markdown(result))
    print(markdown(result))
    if not result["valid"]:
        print(f"not a valid run: naive / kernel is not within {VALID_NAIVE}", file=sys.stderr)
    return 0 if result["valid"] else 1
