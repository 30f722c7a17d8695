"""A fleet of compute nodes that poll one SVP server: how soon all of them hear of a change, and what it costs the server.

    etherspan bench svp_fleet [--nodes 100 1000] [--seconds 20] [--json FILE]

The nodes are the plugin's own engines over real sockets, each with an overlay of one network, all in one process; the server is another.
After a warm-up one MAC address moves, and every node has to take it out of its kernel's cache within one poll period. Then the fleet idles
and the server's processor time is read. What counts is that it grows with the number of nodes and no faster.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path

from etherspan.bench.labs import environment
from etherspan.portolan.producer import Producer
from etherspan.portolan.records import ComputeNode, Mapping
from etherspan.portolan.store import Store, open_store
from libvarpd.plugins.svp.loop import Client
from libvarpd.plugins.svp.messages import MAPPED
from libvarpd.plugins.svp.remote import RemoteKey

VNET = 23
MAC = bytes.fromhex("020820000001")
GUEST = MAPPED + bytes([10, 0, 0, 1])
POLL_PERIOD = 11.0
"""Seconds: the longest idle time, and a tick."""
MEAN_PERIOD = 7.5
_TICKS = os.sysconf("SC_CLK_TCK")


class Node:
    """What an instance of the plugin is to its remote (`remote.Attached`): it notes when it was told."""

    vnetid = VNET

    def __init__(self, number: int) -> None:
        self.address = MAPPED + (0x0A000000 + number).to_bytes(4)
        self.forgot: list[float] = []
        self.troubles: list[str] = []

    def forget(self, mac: bytes, done: Callable[[], None]) -> None:
        self.forgot.append(time.monotonic())
        done()

    def announce(self, vlan: int, mac: bytes, address: bytes) -> None: ...

    def degrade(self, text: str) -> None:
        self.troubles.append(text)

    def healed(self) -> None: ...

    def note(self, text: str) -> None:
        self.troubles.append(text)


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


async def fill(store: Store, nodes: int) -> None:
    async with store.transaction() as change:
        await change.put_nodes([ComputeNode(f"cn{n}", Node(n).address) for n in range(nodes)])
        rows = [
            Mapping(VNET, MAPPED + (0x0B000000 + n).to_bytes(4), b"\x02\x01" + n.to_bytes(4), f"cn{n}")
            for n in range(nodes)
        ]
        await change.put_mappings([*rows, Mapping(VNET, GUEST, MAC, "cn0")])


def start_server(url: str) -> tuple[subprocess.Popen[str], int, int]:
    """A server, the port it listens on, and the one with its metrics."""
    argv = [sys.executable, "-m", "etherspan.portolan.cli", "serve", "--store", url]
    argv += ["--listen", "127.0.0.1:0", "--metrics", "127.0.0.1:0"]
    if not os.geteuid():
        argv += ["--user", "0"]
    server = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert server.stdout is not None
    ports = [int(server.stdout.readline().rsplit(":", 1)[1]) for _ in range(2)]
    return server, ports[0], ports[1]


def depth(port: int) -> float:
    """Batches that wait for the store in this moment."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as page:
        found = re.search(rb"^portolan_batches_at_store (\S+)", page.read(), re.MULTILINE)
    return float(found[1]) if found else -1.0


async def watch_depth(port: int, deepest: list[float]) -> None:
    while True:
        deepest[0] = max(deepest[0], await asyncio.to_thread(depth, port))
        await asyncio.sleep(0.05)


async def fleet(nodes: int, seconds: float, folder: Path) -> dict[str, object]:
    url = f"sqlite:///{folder}/{nodes}.db"
    store = await open_store(url)
    await fill(store, nodes)
    server, port, metrics = await asyncio.to_thread(start_server, url)
    try:
        members = [Node(n) for n in range(nodes)]
        clients = [Client() for _ in members]
        for number, (client, member) in enumerate(zip(clients, members, strict=True)):
            client.attach(RemoteKey("127.0.0.1", port, member.address), member, str)
            if number % 50 == 0:
                await asyncio.sleep(0.05)  # they are not all started in one moment
        await asyncio.sleep(POLL_PERIOD)
        deepest = [0.0]
        watching = asyncio.create_task(watch_depth(metrics, deepest))
        moved = time.monotonic()
        await Producer(store).move(VNET, MAC, "cn1")
        await asyncio.sleep(POLL_PERIOD + 2)
        watching.cancel()
        delays = sorted(member.forgot[0] - moved for member in members if member.forgot)
        before, begun = cpu_seconds(server.pid), time.monotonic()
        await asyncio.sleep(seconds)
        used = (cpu_seconds(server.pid) - before) / (time.monotonic() - begun)
        for client in clients:
            client.close()
        await asyncio.sleep(0.2)
        return {
            "nodes": nodes,
            "missing": nodes - len(delays),
            "applied_last_s": round(delays[-1], 2) if delays else None,
            "applied_median_s": round(statistics.median(delays), 2) if delays else None,
            "deepest_queue": deepest[0],
            "idle_cpu": round(used, 4),
            "idle_cpu_us_per_poll": round(used / nodes * MEAN_PERIOD * 1e6, 1),
            "troubles": sum(len(member.troubles) for member in members),
        }
    finally:
        server.terminate()
        server.wait()
        await store.close()


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="etherspan bench svp_fleet", description=__doc__.splitlines()[0] if __doc__ else None
    )
    parser.add_argument("--nodes", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--seconds", type=float, default=20.0, help="how long the idle fleet is watched")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(argv)
    results = []
    for nodes in options.nodes:
        with tempfile.TemporaryDirectory() as folder:
            results.append(asyncio.run(fleet(nodes, options.seconds, Path(folder))))
        print(json.dumps(results[-1]), flush=True)
    growth = None
    first, last = results[0], results[-1]
    if len(results) > 1 and first["idle_cpu"]:
        share = float(str(last["idle_cpu"])) / float(str(first["idle_cpu"]))
        growth = round(share / (int(str(last["nodes"])) / int(str(first["nodes"]))), 3)
        print(f"processor time a node, {last['nodes']} against {first['nodes']} nodes: {growth}")
    late = [one for one in results if one["missing"] or float(str(one["applied_last_s"])) > POLL_PERIOD]
    document = {"environment": environment(), "results": results, "ratios": {"fleet_growth": growth}, "valid": not late}
    if options.json:
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    if late:
        print(f"not within one poll period of {POLL_PERIOD:g} s: {late}", file=sys.stderr)
    return 1 if late else 0
