"""How many questions an SVP server answers: one process, an SQLite store, clients that pipeline, and one that does not.

    etherspan bench svp [--mappings 100000] [--seconds 5] [--store URL] [--json FILE]

The server is `portolan serve` in a process of its own, the clients are another; both on the loopback interface. Keys are uniformly random,
some of them unknown. Every answer is checked: its id, its place, its checksum. A request's time is that of the burst it was sent in.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import random
import selectors
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from etherspan.bench.labs import environment
from etherspan.portolan.records import ComputeNode, Mapping
from etherspan.portolan.store import open_store
from libvarpd.plugins.svp import wire
from libvarpd.plugins.svp.messages import MAPPED, Status, Vl2Ack, Vl2Req

CONNECTIONS = 8
PIPELINED = 64
UNKNOWN = 0.05
NODES = 1000
NETWORKS = 100
SEED = 1
BURSTS = 2000
"""Different ones; they are sent over and over."""
ANSWER_SIZE = wire.HEADER_SIZE + wire.FIXED_SIZE[Vl2Ack.op]
READY = "portolan: listening on "


@dataclass(slots=True, frozen=True)
class Figures:
    """Requests a second and the times of requests, milliseconds; `busy` is the part of one processor that the server had."""

    connections: int
    pipelined: int
    requests: int
    per_second: float
    median_ms: float
    p99_ms: float
    busy: float


def key(number: int) -> tuple[int, bytes]:
    """The virtual network id and MAC address of a mapping."""
    return number % NETWORKS, (0x020000000000 + number).to_bytes(6)


def place(number: int) -> tuple[int, bytes]:
    """Where it is."""
    return 4789, MAPPED + (0x0A000000 + number % NODES).to_bytes(4)


async def fill(url: str, mappings: int) -> None:
    """Make the store."""
    store = await open_store(url)
    async with store.transaction() as change:
        await change.put_nodes([ComputeNode(f"cn{number}", place(number)[1]) for number in range(NODES)])
        guest = (MAPPED + number.to_bytes(4) for number in range(mappings))
        await change.put_mappings(
            [Mapping(key(number)[0], next(guest), key(number)[1], f"cn{number % NODES}") for number in range(mappings)]
        )
    await store.close()


def burst(rng: random.Random, mappings: int, size: int) -> tuple[bytes, bytes]:
    """Requests, and the answers that they have to get."""
    asked, expected = [], []
    for ident in range(size):
        number = rng.randrange(mappings) + (mappings if rng.random() < UNKNOWN else 0)
        vnet_id, mac = key(number)
        asked.append(wire.encode(Vl2Req(mac, vnet_id), ident))
        answer = Vl2Ack(Status.OK, *place(number)) if number < mappings else Vl2Ack(Status.NOTFOUND)
        expected.append(wire.encode(answer, ident))
    return b"".join(asked), b"".join(expected)


class Client:
    """One connection with one burst under way."""

    def __init__(self, port: int, bursts: list[tuple[bytes, bytes]]) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._bursts = bursts
        self._next = 0
        self._expected = b""
        self._got = bytearray()
        self._sent = 0.0

    def send(self) -> None:
        asked, self._expected = self._bursts[self._next % len(self._bursts)]
        self._next += 1
        self._got.clear()
        self._sent = time.perf_counter()
        self.socket.sendall(asked)

    def receive(self) -> float | None:
        """Seconds that the burst took, once it is answered."""
        data = self.socket.recv(65536)
        if not data:
            raise RuntimeError("the server closed the connection")
        self._got += data
        if len(self._got) < len(self._expected):
            return None
        if self._got != self._expected:
            raise RuntimeError("a wrong answer")
        return time.perf_counter() - self._sent


def load(port: int, mappings: int, connections: int, pipelined: int, seconds: float) -> tuple[int, float, list[float]]:
    """Ask for so long. Requests answered, seconds it took, and the times of all bursts."""
    rng = random.Random(SEED)
    bursts = [burst(rng, mappings, pipelined) for _ in range(BURSTS)]
    clients = [Client(port, bursts[number::connections]) for number in range(connections)]
    times: list[float] = []
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client.socket, selectors.EVENT_READ, client)
        begun = time.perf_counter()
        for client in clients:
            client.send()
        busy = connections
        while busy:
            for ready, _ in selector.select():
                took = ready.data.receive()
                if took is None:
                    continue
                times.append(took)
                if time.perf_counter() - begun < seconds:
                    ready.data.send()
                else:
                    busy -= 1
        elapsed = time.perf_counter() - begun
    for client in clients:
        client.socket.close()
    return len(times) * pipelined, elapsed, sorted(times)


@contextlib.contextmanager
def server(url: str) -> Iterator[tuple[int, int]]:
    """A server's process id and port."""
    command = [str(Path(sys.executable).parent / "portolan"), "serve", "--store", url, "--listen", "127.0.0.1:0"]
    if os.geteuid() == 0:
        command += ["--user", "root"]  # the store is in a folder of ours
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.startswith(READY):
            raise RuntimeError(f"the server did not start: {line}")
        yield process.pid, int(line.rpartition(":")[2])
    finally:
        process.terminate()
        process.communicate()


def processor_seconds(pid: int) -> float:
    """Processor time that a process has had."""
    values = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(values[11]) + int(values[12])) / os.sysconf("SC_CLK_TCK")


def measure(url: str, mappings: int, connections: int, pipelined: int, seconds: float) -> Figures:
    """One server, one process of clients."""
    with server(url) as (pid, port), multiprocessing.get_context("spawn").Pool(1) as pool:
        pool.apply(load, (port, mappings, connections, pipelined, 0.5))  # what is read first comes from the disk
        had = processor_seconds(pid)
        requests, elapsed, times = pool.apply(load, (port, mappings, connections, pipelined, seconds))
        busy = (processor_seconds(pid) - had) / elapsed
    return Figures(
        connections,
        pipelined,
        requests,
        round(requests / elapsed),
        round(times[len(times) // 2] * 1000, 3),
        round(times[int(len(times) * 0.99)] * 1000, 3),
        round(busy, 2),
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="etherspan bench svp", description="questions an SVP server answers")
    parser.add_argument("--mappings", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--store", help="an empty store's URL (default: SQLite in a temporary folder)")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        url = given.store or f"sqlite:///{folder}/portolan.db"
        asyncio.run(fill(url, given.mappings))
        rows = [
            measure(url, given.mappings, connections, pipelined, given.seconds)
            for connections, pipelined in ((CONNECTIONS, PIPELINED), (CONNECTIONS, 1), (1, 1))
        ]
    print("| connections | pipelined | VL2/s | median ms | p99 ms | server's processor |\n|---|---|---|---|---|---|")
    for row in rows:
        print(
            f"| {row.connections} | {row.pipelined} | {row.per_second:.0f} | {row.median_ms} | {row.p99_ms} | {row.busy:.0%} |"
        )
    if given.json:
        result = {"environment": environment(), "mappings": given.mappings, "results": [asdict(row) for row in rows]}
        given.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0
