"""Mixed traffic, changing links and dying services for a long time: whether memory, descriptors and latency stay as they were.

    etherspan bench soak [--seconds 3600] [--seed 1] [--json FILE] [--markdown FILE]

Two hosts have an overlay of each search plugin, one SVP server, and a zone at each end of each overlay. TCP, UDP and echo requests run
over all of them; on both hosts links are made, changed and deleted all the time. On one host (cn2) a service is killed every now and
then, or the underlay is cut; the other one (cn1) and the server run through, so that what they lose would be seen. What fails while
cn2 recovers is counted; what fails at any other time, a figure that is not flat, and a link that is left over make the run fail.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, ParamSpec

from pyroute2 import IPRoute

from etherspan import netns, probe
from etherspan.bench import flatness
from etherspan.bench.flatness import Sample, Trend
from etherspan.bench.labs import environment, in_lab, lab
from etherspan.errors import EtherspanError
from etherspan.host import control
from etherspan.lab import server
from etherspan.lab.journal import LabDir
from etherspan.lab.run import find
from kernel_sim.overlay.plugins.porthash import FIRST_PORT
from kernel_sim.sys.errno import KernelError

P = ParamSpec("P")

NAME: Final = "soak"
STEADY: Final = "cn1"
VICTIM: Final = "cn2"
SERVER: Final = "one"
NODES: Final = {STEADY: 1, VICTIM: 2}
PLUGINS: Final = {"direct": 23, "files": 24, "svp": 25}
"""Each has an overlay with this virtual network id, and a zone of the plugin's name with 10.NET.0.N."""
TRANSFER: Final = 2 << 20
DATAGRAMS: Final = 100
ROUND_SECONDS: Final = 2.0
"""From one round of traffic over an overlay to the next."""
SAMPLE_SECONDS: Final = 10.0
COMMAND_SECONDS: Final = 1.0
FAULT_SECONDS: Final = (10.0, 25.0)
CUT_SECONDS: Final = 3.0
RECOVERY_SECONDS: Final = 60.0
SETTLING_SECONDS: Final = 2.0
"""After the last overlay answers again."""


def lab_text() -> str:
    """The lab file."""
    return "\n".join(
        [
            '[underlay]\nsubnet = "10.88.88.0/24"\nmtu = 1500',
            f'[portolan.{SERVER}]\naddress = "10.88.88.5"\ndata = "svp.json"',
            *(_host_text(name, n) for name, n in NODES.items()),
        ]
    )


def _host_text(name: str, n: int) -> str:
    own = f"vxlan/listen_ip=10.88.88.{n}"
    search = {
        "direct": f"{own},direct/dest_ip=10.88.88.{3 - n},direct/dest_port=4789",
        "files": f"{own},files/config=/etc/overlays/map.json",
        "svp": f"{own},svp/host=10.88.88.5,svp/underlay_ip=10.88.88.{n}",
    }
    commands = [
        command
        for plugin, vnetid in PLUGINS.items()
        for command in (
            f"create-overlay -e vxlan -s {plugin} -v {vnetid} -p {search[plugin]} {plugin}0",
            f"create-vnic -l {plugin}0 -m {_mac(vnetid, n)} v{plugin}0",
        )
    ]
    lines = [
        f'[host.{name}]\naddress = "10.88.88.{n}"\nfiles = {{ "etc/overlays/map.json" = "map.json" }}',
        f"dladm = {json.dumps(commands)}",
    ]
    for plugin, vnetid in PLUGINS.items():
        lines.append(f'[host.{name}.zone.{plugin}.nic.v{plugin}0]\naddress = ["10.{vnetid}.0.{n}/24"]')
    return "\n".join(lines)


def _mac(vnetid: int, n: int) -> str:
    return f"2:8:20:0:{vnetid:x}:{n}"


def lab_files() -> dict[str, str]:
    """What the lab file refers to: a map for `files`, records for the server."""
    where = {
        _mac(PLUGINS["files"], n): {"ip": f"10.88.88.{n}", "port": 4789, "arp": f"10.{PLUGINS['files']}.0.{n}"}
        for n in NODES.values()
    }
    nodes = {n: f"00000000-0000-4000-8000-{n:012d}" for n in NODES.values()}
    records = {
        "compute_nodes": [
            {"uuid": uuid, "underlay_ip": f"10.88.88.{n}", "underlay_port": 4789} for n, uuid in nodes.items()
        ],
        "mappings": [
            {"vnet_id": 25, "mac": f"02:08:20:00:19:{n:02x}", "ip": f"10.25.0.{n}", "cn": uuid}
            for n, uuid in nodes.items()
        ],
    }
    return {"map.json": json.dumps(where), "svp.json": json.dumps(records)}


@dataclass
class Record:
    """What has happened, `times` in milliseconds by overlay. Threads add to it; `failures` are those that nothing excuses."""

    begun: float = field(default_factory=time.monotonic)
    samples: list[Sample] = field(default_factory=list)
    times: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def now(self) -> float:
        return time.monotonic() - self.begun


class Faults:
    """When cn2 was hurt. What overlaps such a time is excused."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._times: list[list[float]] = []

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        mine = [time.monotonic(), float("inf")]
        with self._lock:
            self._times.append(mine)
        try:
            yield
        finally:
            mine[1] = time.monotonic()

    def excuse(self, since: float) -> bool:
        """True when cn2 was hurt or recovered at some time from `since` to now."""
        with self._lock:
            return any(end >= since for _, end in self._times)


class Soak:
    """The run. `over` is set when it is to end."""

    def __init__(self, seed: int) -> None:
        self.record = Record()
        self.faults = Faults()
        self.over = threading.Event()
        self.where = LabDir(NAME)
        self._rng = random.Random(seed)
        self._first_seen: dict[int, float] = {}

    def run(self, seconds: float) -> None:
        """Run for so long; every worker has ended afterwards."""
        workers = [threading.Thread(target=self._guarded, args=(self._traffic, plugin)) for plugin in PLUGINS]
        workers += [threading.Thread(target=self._guarded, args=(self._churn, node)) for node in NODES]
        workers.append(threading.Thread(target=self._guarded, args=(self._hurt,)))
        for worker in workers:
            worker.start()
        end = self.record.begun + seconds
        try:
            while (left := end - time.monotonic()) > 0 and not self.over.wait(min(SAMPLE_SECONDS, left)):
                self._sample()
        finally:
            self.over.set()
            for worker in workers:
                worker.join()

    def _guarded(self, work: Callable[..., None], *args: str) -> None:
        try:
            work(*args)
        except Exception as error:  # noqa: BLE001 - the thread's only way to tell
            self.record.failures.append(f"{work.__name__} {' '.join(args)}: {error!r}")
            self.over.set()

    def _attempt(self, what: str, act: Callable[P, object], *args: P.args, **options: P.kwargs) -> bool:
        """Do something that may fail only while cn2 is hurt."""
        begun = time.monotonic()
        try:
            act(*args, **options)
        except (EtherspanError, OSError, KernelError, subprocess.SubprocessError, RuntimeError) as error:
            if self.faults.excuse(begun):
                self.record.counts[f"{what}, failed while {VICTIM} recovered"] += 1
            else:
                self.record.counts[f"{what}, failed"] += 1
                self.record.failures.append(f"{self.record.now():.0f} s: {what}: {error}")
            return False
        self.record.counts[what] += 1
        return True

    # ------------------------------------------------------------------ traffic

    def _traffic(self, plugin: str) -> None:
        rng = random.Random(PLUGINS[plugin])
        for number in itertools.count():
            begun = time.monotonic()
            source, sink = (STEADY, VICTIM) if number % 2 else (VICTIM, STEADY)
            self._attempt(f"{plugin}: TCP transfers", self._transfer, plugin, source, sink)
            self._attempt(f"{plugin}: rounds of echoes", self._echo, plugin, source, sink)
            self._attempt(f"{plugin}: rounds of datagrams", self._datagrams, plugin, source, sink, rng)
            if self.over.wait(max(0.0, ROUND_SECONDS - (time.monotonic() - begun))):
                return

    def _zone(self, plugin: str, node: str) -> Path:
        return find(self.where, f"{node}:{plugin}").namespace

    def _transfer(self, plugin: str, source: str, sink: str) -> None:
        address = f"10.{PLUGINS[plugin]}.0.{NODES[sink]}"
        listener = netns.call(self._zone(plugin, sink), probe.listen, address, probe.PORT)
        with listener:
            listener.settimeout(probe.STALL_SECONDS)
            taker = threading.Thread(target=_serve, args=(listener,))
            taker.start()
            try:
                netns.call(self._zone(plugin, source), probe.send, address, TRANSFER)
            finally:
                with contextlib.suppress(OSError):
                    listener.shutdown(socket.SHUT_RDWR)
                taker.join()

    def _echo(self, plugin: str, source: str, sink: str) -> None:
        address = f"10.{PLUGINS[plugin]}.0.{NODES[sink]}"
        begun = time.monotonic()
        found = netns.call(self._zone(plugin, source), probe.ping, address, 10, 0.02)
        if len(found.times) < found.sent:
            raise EtherspanError(f"{address} from {source}: {found.summary()}")
        if not self.faults.excuse(begun):
            at = self.record.now()
            self.record.times.setdefault(plugin, []).extend((at, taken * 1e3) for taken in found.times)

    def _datagrams(self, plugin: str, source: str, sink: str, rng: random.Random) -> None:
        """Datagrams of many sizes; they come as they were sent."""
        address = f"10.{PLUGINS[plugin]}.0.{NODES[sink]}"
        sent = {number: number.to_bytes(4, "big") + rng.randbytes(rng.randrange(1400)) for number in range(DATAGRAMS)}
        takes = netns.call(self._zone(plugin, sink), _bound, address)
        sends = netns.call(self._zone(plugin, source), _bound, "0.0.0.0")
        with takes, sends:
            takes.settimeout(2.0)
            for number, data in sent.items():
                sends.sendto(data, takes.getsockname())
                got = takes.recv(65535)
                if got != data:
                    raise EtherspanError(f"datagram {number} to {address} is another one")

    # ------------------------------------------------------------------ links that come and go

    def _churn(self, node: str) -> None:
        n = NODES[node]
        own = f"vxlan/listen_ip=10.88.88.{n}"
        cycle = [
            "create-etherstub stub9",
            "create-vnic -l stub9 vone9",
            "set-linkprop -p maxbw=50 vone9",
            "rename-link vone9 vtwo9",
            f"create-overlay -e vxlan -s files -v 99 -p {own},files/config=/etc/overlays/map.json over9",
            "create-vnic -l over9 vthree9",
            f"modify-overlay -f {'files0' if n == 1 else 'svp0'}",
            "reset-linkprop -p maxbw vtwo9",
            "delete-vnic vthree9",
            "delete-overlay over9",
            "delete-vnic vtwo9",
            "delete-etherstub stub9",
        ]
        while not self.over.is_set():
            failed = False
            for line in cycle:
                failed = not self._attempt(f"{node}: dladm {line.split()[0]}", self._dladm, node, line)
                if self.over.wait(COMMAND_SECONDS):
                    return
                if failed:  # what follows in the cycle needs what has not been made
                    break
            left = self.clear(node)
            if left and not failed:
                self.record.failures.append(f"{self.record.now():.0f} s: {node}: left over: {', '.join(left)}")

    def _dladm(self, node: str, line: str) -> str:
        done = subprocess.run(
            in_lab(NAME, node, "dladm", *line.split()), capture_output=True, text=True, timeout=60, check=False
        )
        if done.returncode:
            raise EtherspanError(f"dladm {line}: {done.stderr.strip()}")
        return done.stdout

    def links(self, node: str) -> set[str]:
        """The links of a host that there are, or are stored."""
        shown = self._dladm(node, "show-link -p -o link") + self._dladm(node, "show-link -P -p -o link")
        return set(shown.split())

    def clear(self, node: str) -> list[str]:
        """Delete the links that a cycle has left, and name them: one that was cut short, or whose commands failed."""
        deleted = []
        with contextlib.suppress(EtherspanError):
            left = sorted(name for name in self.links(node) if name.endswith("9"))
            for kind, start in (("vnic", "v"), ("overlay", "over"), ("etherstub", "stub")):
                for name in left:
                    if name.startswith(start):
                        self._dladm(node, f"delete-{kind} {name}")
                        deleted.append(name)
        return deleted

    # ------------------------------------------------------------------ faults

    def _hurt(self) -> None:
        while not self.over.wait(self._rng.uniform(*FAULT_SECONDS)):
            what = self._rng.choice(("varpd", "dlmgmtd", "kernel", "cut", "varpd", "dlmgmtd", "cut"))
            with self.faults.one():
                if what == "cut":
                    self._cut()
                else:
                    self._kill(what)
                self._await_recovery(what)
            self.record.counts[f"faults: {what}"] += 1

    def _kill(self, service: str) -> None:
        pid = self.processes(VICTIM).get(service, 0)
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _cut(self) -> None:
        namespace = find(self.where, VICTIM).namespace
        netns.call(namespace, _set_underlay, up=False)
        try:
            self.over.wait(CUT_SECONDS)
        finally:
            netns.call(namespace, _set_underlay, up=True)

    def _await_recovery(self, what: str) -> None:
        end = time.monotonic() + RECOVERY_SECONDS
        for plugin, vnetid in PLUGINS.items():
            while True:
                with contextlib.suppress(EtherspanError, KernelError, OSError):
                    found = netns.call(
                        self._zone(plugin, STEADY), probe.ping, f"10.{vnetid}.0.{NODES[VICTIM]}", 3, 0.05, 1.0
                    )
                    if len(found.times) == found.sent and self._is_up():
                        break
                if time.monotonic() > end:
                    raise EtherspanError(f"after {what}: no answer over {plugin}0 within {RECOVERY_SECONDS:g} s")
                if self.over.wait(0.2):
                    return
        self.over.wait(SETTLING_SECONDS)

    def _is_up(self) -> bool:
        status = control.host_status(self.where.root(VICTIM))
        return status.phase == "up" and len(self.processes(VICTIM)) == len(self.processes(STEADY))

    # ------------------------------------------------------------------ samples

    def processes(self, node: str) -> dict[str, int]:
        """Process ids by service; `kernel` is the restarter's second process."""
        found: dict[str, int] = {}
        for one in control.host_status(self.where.root(node)).services:
            name = one.fmri.rpartition("/")[2].partition(":")[0]
            for number, pid in enumerate(one.pids):
                found["kernel" if number else {"datalink-management": "dlmgmtd"}.get(name, name)] = pid
        return found

    def _sample(self) -> None:
        for node in NODES:
            with contextlib.suppress(KernelError, OSError, EtherspanError):
                for service, pid in self.processes(node).items():
                    self._sample_process(f"{node}/{service}", pid)
        found = server.process_of(self.where, SERVER)
        if found is not None:
            self._sample_process(f"{SERVER}/portolan", found.pid)

    def _sample_process(self, name: str, pid: int) -> None:
        at = self.record.now()
        folder = Path("/proc", str(pid))
        with contextlib.suppress(OSError):
            rss = int((folder / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            fds, threads = descriptors(folder), len(list((folder / "task").iterdir()))
            age = at - self._first_seen.setdefault(pid, at)
            self.record.samples.append(Sample(round(at, 1), name, pid, round(age, 1), rss, fds, threads))


def descriptors(folder: Path) -> int:
    """The open descriptors of the process whose folder of /proc this is, but for the sockets of source ports.

    The kernel opens one for each of 255 ports when it first comes to use it, so they say how old it is. More than one a port would show.
    """
    targets = []
    for one in list((folder / "fd").iterdir()):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            targets.append(str(one.readlink()))
    ports = set()
    for table in ("udp", "udp6"):
        for line in (folder / "net" / table).read_text().splitlines()[1:]:
            words = line.split()
            port = int(words[1].rpartition(":")[2], 16)
            if FIRST_PORT < port < FIRST_PORT + 256 and f"socket:[{words[9]}]" in targets:
                ports.add(port)
    return len(targets) - len(ports)


def _serve(listener: socket.socket) -> None:
    with contextlib.suppress(EtherspanError, OSError):  # the sender tells
        probe.serve(listener)


def _bound(address: str) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((address, 0))
    return made


def _set_underlay(*, up: bool) -> None:
    with IPRoute() as ip:
        ip.link("set", index=socket.if_nametoindex("net0"), state="up" if up else "down")


# ---------------------------------------------------------------------- the report


def document(record: Record, seconds: float, trends: Sequence[Trend]) -> dict[str, Any]:
    """All there is to keep."""
    return {
        "environment": environment(),
        "seconds": round(seconds),
        "counts": dict(sorted(record.counts.items())),
        "trends": [asdict(one) for one in trends],
        "failures": record.failures,
        "samples": [asdict(one) for one in record.samples],
    }


def markdown(found: dict[str, Any]) -> str:
    """The report for people."""
    lines = [f"# {found['seconds']} seconds of traffic, changes and faults", "", "| what | how often |", "|---|---|"]
    lines += [f"| {what} | {count} |" for what, count in found["counts"].items()]
    lines += ["", "| process or overlay | figure | first quarter | last quarter | flat |", "|---|---|---|---|---|"]
    for one in found["trends"]:
        scale = 2**20 if one["what"] == "rss" else 1
        what = "RSS, MiB" if one["what"] == "rss" else one["what"]
        first, last = (f"{round(one[key] / scale, 3):g}" for key in ("first", "last"))
        lines.append(f"| {one['name']} | {what} | {first} | {last} | {'yes' if one['flat'] else 'NO'} |")
    lines += ["", "Failures:" if found["failures"] else "Nothing failed that should not."]
    lines += [f"* {one}" for one in found["failures"]]
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Run, and tell; 1 when something failed or is not flat."""
    parser = argparse.ArgumentParser(
        prog="etherspan bench soak", description="a long run of traffic, changes and faults"
    )
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    given = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as state:
        os.environ["ETHERSPAN_STATE"] = state
        with lab(NAME, lab_text(), lab_files()):
            soak = Soak(given.seed)
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
            before = {node: soak.links(node) for node in NODES}
            soak.run(given.seconds)
            for node, links in before.items():
                soak.clear(node)
                if soak.links(node) != links:
                    soak.record.failures.append(f"{node} has {sorted(soak.links(node))}, had {sorted(links)}")
    record = soak.record
    trends = flatness.of_processes(record.samples, given.seconds) + flatness.of_latency(record.times, given.seconds)
    record.failures += [f"not flat: {one}" for one in trends if not one.flat]
    found = document(record, given.seconds, trends)
    print(markdown(found))
    if given.json:
        given.json.write_text(json.dumps(found) + "\n")
    if given.markdown:
        given.markdown.write_text(markdown(found))
    return 1 if record.failures else 0
