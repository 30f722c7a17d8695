"""A long random run of a world in memory, with faults on, that checks after each step what always has to hold.

    chaos = Chaos(seed=1)
    chaos.run(10_000)
    chaos.finish()
    print(chaos.world.trace.hash)

One seed is one run: the same operations, faults and trace. `python -m etherspan.testing.chaos SEED OPERATIONS` prints the hash and how
often each fate was met.

Three hosts share a `files` overlay, two of them a `direct` one besides. What happens to them is one table, `OPERATIONS`; what has to
hold is `_check`: every frame is where the ledger says it is, the kernel's caches and queues are consistent, drops are counted as they are
told, and varpd has neither panicked nor met an exception.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from dladm.dlmgmtd.client import Dlmgmt
from dladm.libscf.protocol import VARPD, State
from kernel_sim.middleware.capture import CapturedUnderlay
from kernel_sim.middleware.faults import Faults
from kernel_sim.sys.codec import CacheEntry, Point
from kernel_sim.sys.errno import KernelError
from kernel_sim.sys.ethernet import BROADCAST, format_mac
from kernel_sim.sys.overlay_target import OVERLAY_TARGET_CACHE_DROP
from libvarpd.client import Client

from . import frames
from .events import Event, Kind, Trace
from .hostview import HostView, parked_frames
from .invariants import KEPT_DROPS, check_kernel, drop_counters
from .ledger import Ledger
from .memory import address
from .scenarios import CONFIG, ETHERTYPE_EXPERIMENTAL, inner4, inner6, mac, table
from .simworld import SimWorld, SimWorldHost

HOSTS: Final = 3
VNICS: Final = 9
"""VNIC n is on host 1 + (n - 1) % 3."""
UNKNOWN: Final = 12
"""Numbers above VNICS, up to this one, are in no table."""
FULL_CHECK: Final = 20
"""Steps from one comparison of all accounts to the next; between them only their sums are compared."""
STRANGER: Final = "stranger"
SETTLE_SECONDS: Final = 10.0


class Chaos:
    """See the module. `keep` says whether the trace keeps its lines."""

    def __init__(self, seed: int, *, keep: bool = False) -> None:
        self.world = SimWorld(seed=seed, trace=Trace(keep=keep))
        self.ledger = Ledger()
        self.world.observers.append(self.ledger)
        self.random = random.Random(f"chaos/{seed}")
        self.steps = 0
        self.done: Counter[str] = Counter()
        """How often each operation was made."""
        self.hosts = [self.world.host(f"h{number}", f"10.88.88.{number}") for number in range(1, HOSTS + 1)]
        self._serial = 0
        self._seen_records = dict.fromkeys((host.name for host in self.hosts), 0)
        view = HostView(self.world, STRANGER)
        underlay = CapturedUnderlay(self.world.network.underlay("10.88.88.99"), view.datagram)
        self._stranger = underlay.open(address("10.88.88.99"), lambda _memory, _stride: None)
        for host in self.hosts:
            self._make_overlay(host)
        for number in range(1, VNICS - 2):
            self._make_vnic(number)
        self._check()

    def run(self, operations: int) -> None:
        """Make so many random operations. Errors: AssertionError that names the step, whatever a daemon or the kernel raises."""
        names = [operation.__name__ for operation, _ in OPERATIONS]
        weights = [weight for _, weight in OPERATIONS]
        for place in self.random.choices(range(len(OPERATIONS)), weights, k=operations):
            self.steps += 1
            self.done[names[place]] += 1
            self.world.tell(Event(self.world.loop.now(), "", Kind.NOTE, f"step {self.steps}: {names[place]}"))
            try:
                OPERATIONS[place][0](self)
                self._check()
            except AssertionError as error:
                raise AssertionError(f"step {self.steps}, {names[place]}: {error}") from error

    def finish(self) -> None:
        """Mend everything, let time pass, and find that nothing is parked or on its way any more. Ends the world."""
        self.world.heal()
        for host in self.hosts:
            _calm(host.faults)
            self._open_ports(host)
            host.write(CONFIG, self._table())
            _start_varpd(host)
            host.svcadm("refresh varpd")
        self.world.advance(SETTLE_SECONDS)
        self._check(full=True)
        assert self.ledger.on_the_way == 0, f"{self.ledger.on_the_way} datagrams are on their way"
        for host in self.hosts:
            assert not list(parked_frames(host.inner.kernel)), f"{host.name}: frames are parked, and varpd runs"
        self._stranger.close()
        self.world.close()

    # ------------------------------------------------------------------ what has to hold

    def _check(self, *, full: bool = False) -> None:
        assert self.ledger.on_the_way >= 0
        for host in self.hosts:
            kernel = host.inner.kernel
            check_kernel(kernel)
            if full or self.steps % FULL_CHECK == 0:
                self.ledger.check(host.name, kernel)
                self._check_counters(host)
            self._check_varpd(host)

    def _check_counters(self, host: SimWorldHost) -> None:
        """The kernel has counted what it has told, and counts of what is kept never shrink."""
        counted = drop_counters(host.inner.kernel)
        told: Counter[str] = Counter()
        for (name, counter), count in self.ledger.dropped.items():
            if name == host.name:
                told[counter.rpartition(":")[2]] += count
        for reason in sorted({*counted, *told}):
            kept = reason in KEPT_DROPS
            agree = counted[reason] == told[reason] if kept else counted[reason] <= told[reason]
            assert agree, f"{host.name}: {counted[reason]} times {reason} counted, {told[reason]} times told"

    def _check_varpd(self, host: SimWorldHost) -> None:
        for panic in host.inner.panics:
            raise panic
        records = host.log("varpd")
        for record in records[self._seen_records[host.name] :]:
            assert "exception" not in record.keys, f"{host.name}: varpd: {record.msg}\n{record.keys['exception']}"
        self._seen_records[host.name] = len(records)

    # ------------------------------------------------------------------ frames

    def send(self) -> None:
        """One to three frames from somebody to somebody, known or not."""
        self._send(lambda sender: self._frame(sender, self.random.randint(1, UNKNOWN)), self.random.randint(1, 3))

    def burst(self) -> None:
        """Many large frames for one address."""
        to = self.random.randint(1, UNKNOWN)
        self._send(lambda sender: self._frame(sender, to, 1414), self.random.randint(40, 120))

    def short(self) -> None:
        """A frame of any length, the shortest too."""
        self._send(lambda sender: (mac(1) + mac(sender) + bytes(1600))[: self.random.randint(0, 1600)])

    def group(self) -> None:
        """A frame to a group."""
        to = self.random.choice((BROADCAST, bytes.fromhex("01005e000001"), bytes.fromhex("333300000001")))
        self._send(lambda sender: to + self._frame(sender, 1)[6:])

    def tag(self) -> None:
        """A frame that is tagged already."""
        self._send(lambda sender: frames.tagged(self._frame(sender, 1), self.random.randint(0, 4095)))

    def ask(self) -> None:
        """An ARP request or a neighbour solicitation, whole or mangled."""
        asked = self.random.randint(1, UNKNOWN)
        if self.random.random() < 0.5:
            self._send(lambda sender: self._mangled(frames.arp_request(mac(sender), inner4(sender), inner4(asked))))
        else:
            self._send(
                lambda sender: self._mangled(frames.neighbour_solicitation(mac(sender), inner6(sender), inner6(asked)))
            )

    def lease(self) -> None:
        """A DHCP broadcast, whole or mangled. Senders differ, so that no two are coalesced."""
        self._serial += 1
        from_ip = f"10.{self._serial >> 16 & 255}.{self._serial >> 8 & 255}.{self._serial & 255}"

        def discover(sender: int) -> bytes:
            packet = frames.dhcp_discover(mac(sender), xid=self._serial)[42:]
            asked = frames.udp(from_ip, "255.255.255.255", 68, 67, packet)
            return self._mangled(frames.ethernet(BROADCAST, mac(sender), asked))

        self._send(discover)

    def strange(self) -> None:
        """A datagram from somebody who is no host of ours: any header, any inner frame."""
        header = self.random.choice((bytes.fromhex("0800000000001700"), self.random.randbytes(8)))
        frame = self._frame(11, self.random.randint(1, UNKNOWN))[: self.random.randint(0, 80)]
        to = address(self.random.choice(self.hosts).address, self.random.choice((4789, 4789, 4790)))
        self.world.tell(Event(self.world.loop.now(), STRANGER, Kind.SENT, frame=frame))
        self._stranger.send(header, [frame], to, 4789)

    def _send(self, make: Callable[[int], bytes], count: int = 1) -> None:
        ports = [(host, name) for host in self.hosts for name in host.ports.ports]
        if ports:
            host, name = self.random.choice(ports)
            number = int(name.removeprefix("vnic"))
            host.port(name).send(*(make(number) for _ in range(count)))

    def _frame(self, sender: int, receiver: int, size: int = 0) -> bytes:
        self._serial += 1
        payload = self._serial.to_bytes(6, "big").ljust((size or self.random.randint(60, 300)) - 14, b"\xa7")
        return frames.ethernet(mac(receiver), mac(sender), payload, ethertype=ETHERTYPE_EXPERIMENTAL)

    def _mangled(self, frame: bytes) -> bytes:
        how = self.random.random()
        if how < 0.6:
            return frame
        if how < 0.8:
            return frame[: self.random.randint(12, len(frame))]
        place = self.random.randrange(12, len(frame))
        return frame[:place] + self.random.randbytes(1) + frame[place + 1 :]

    # ------------------------------------------------------------------ links

    def make_vnic(self) -> None:
        """A VNIC, if it is not there."""
        self._make_vnic(self.random.randint(1, VNICS))

    def delete_vnic(self) -> None:
        """A VNIC goes."""
        number = self.random.randint(1, VNICS)
        _host_of(self, number).dladm(f"delete-vnic vnic{number}", check=False)

    def make_overlay(self) -> None:
        """An overlay, if it is not there; with a table that may be broken. What did not come up at a boot is brought up."""
        host = self.random.choice(self.hosts)
        self._make_overlay(host)
        for command in ("up-overlay", "up-vnic"):
            host.dladm(command, check=False)

    def delete_overlay(self) -> None:
        """An overlay goes, with all VNICs on it or, if they are in its way, not."""
        host = self.random.choice(self.hosts)
        if self.random.random() < 0.8:
            for name in list(host.ports.ports):
                host.dladm(f"delete-vnic {name}", check=False)
        host.dladm("delete-overlay ov0", check=False)

    def _make_vnic(self, number: int) -> None:
        over = "dp0" if number % 4 == 0 and number % HOSTS != 0 else "ov0"
        tag = "-v 7" if number == VNICS else ""
        host = _host_of(self, number)
        host.dladm(f"create-vnic -l {over} -m {format_mac(mac(number))} {tag} vnic{number}", check=False)

    def _make_overlay(self, host: SimWorldHost) -> None:
        if host.inner.fs.get(CONFIG) is None:
            host.write(CONFIG, self._table())
        listen = f"vxlan/listen_ip={host.address}"
        host.dladm(f"create-overlay -e vxlan -s files -v 23 -p {listen},files/config={CONFIG} ov0", check=False)
        peers = {"h1": "10.88.88.2", "h2": "10.88.88.1"}
        if host.name in peers:
            props = f"{listen},direct/dest_ip={peers[host.name]},direct/dest_port=4789"
            host.dladm(f"create-overlay -e vxlan -s direct -v 24 -p {props} dp0", check=False)

    # ------------------------------------------------------------------ varpd

    def set_entry(self) -> None:
        """Somebody installs an answer: a destination, or drop."""
        flags = OVERLAY_TARGET_CACHE_DROP if self.random.random() < 0.3 else 0
        point = Point(ip=address(self.random.choice(self.hosts).address).ip, port=4789)
        entry = CacheEntry(mac(self.random.randint(1, UNKNOWN)), flags, point)
        self._with_varpd(lambda client, instance: client.instance_cache_set(instance, entry))

    def delete_entry(self) -> None:
        """Somebody removes an answer."""
        gone = mac(self.random.randint(1, UNKNOWN))
        self._with_varpd(lambda client, instance: client.instance_cache_delete(instance, gone))

    def flush(self) -> None:
        """Somebody removes all answers."""
        self._with_varpd(lambda client, instance: client.instance_cache_flush(instance))

    def walk(self) -> None:
        """Somebody lists all answers, which come in order."""

        def walk(client: Client, instance: int) -> None:
            found = [entry.mac for entry in client.instance_cache_walk(instance)]
            assert found == sorted(set(found))

        self._with_varpd(walk)

    def stop_varpd(self) -> None:
        """Varpd is disabled."""
        self.random.choice(self.hosts).svcadm("disable varpd")

    def start_varpd(self) -> None:
        """Varpd is enabled, and brought back from maintenance, where three kills in a row bring it."""
        _start_varpd(self.random.choice(self.hosts))

    def kill_varpd(self) -> None:
        """Varpd is killed, and started again if it is enabled."""
        self.random.choice(self.hosts).inner.kill(VARPD)

    def refresh(self) -> None:
        """The table changes, or breaks, and varpd is told or not."""
        host = self.random.choice(self.hosts)
        host.write(CONFIG, self._table())
        if self.random.random() < 0.25:
            host.write(CONFIG, self._table()[: self.random.randint(0, 60)])
        if self.random.random() < 0.8 and host.state("varpd") is State.ONLINE:
            host.svcadm("refresh varpd")

    def _table(self) -> str:
        """Everybody where he is, but for some."""
        placed = {number: _host_of(self, number).address for number in range(1, VNICS + 1)}
        for number in self.random.sample(sorted(placed), self.random.randint(0, 2)):
            placed[number] = self.random.choice(self.hosts).address
        extra = {f"v{number}": {"dhcp-proxy": format_mac(mac(number % VNICS + 1))} for number in placed if number % 2}
        return table(placed, **extra)

    def _with_varpd(self, do: Callable[[Client, int], object]) -> None:
        host = self.random.choice(self.hosts)
        try:
            with Dlmgmt(host.system) as dlmgmt:
                linkid = dlmgmt.name2info("ov0").linkid
            with Client.create(host.system) as client:
                do(client, client.instance_lookup(linkid))
        except KernelError:
            return  # no overlay, no varpd, no instance, no entry: whatever it is, it was answered

    # ------------------------------------------------------------------ surroundings

    def wait(self) -> None:
        """Time passes."""
        self.world.advance(self.random.choice((0.0, 0.0, 0.001, 0.01, 0.1, 1.0)))

    def fail(self) -> None:
        """Something goes wrong with what a host sends from now on, or nothing does."""
        faults = self.random.choice(self.hosts).faults
        _calm(faults)
        if self.random.random() < 0.7:
            fault = self.random.choice(("loss", "corruption", "duplication", "delay", "reordering"))
            setattr(faults, fault, self.random.choice((0.05, 0.3, 1.0)))

    def part(self) -> None:
        """Two hosts do not reach each other any more."""
        one, other = self.random.sample(self.hosts, 2)
        self.world.part(one.name, other.name)

    def heal(self) -> None:
        """All do."""
        self.world.heal()

    def fill(self) -> None:
        """A host's consumers take only so many frames more, or all."""
        host = self.random.choice(self.hosts)
        self._open_ports(host)
        if self.random.random() < 0.5:
            for port in host.ports.ports.values():
                port.room = self.random.randint(0, 5)

    def panic(self) -> None:
        """A host panics, and boots again."""
        host = self.random.choice(self.hosts)
        host.kill("kernel")

    def _open_ports(self, host: SimWorldHost) -> None:
        for port in host.ports.ports.values():
            port.room = None
            port.take()


def _host_of(chaos: Chaos, number: int) -> SimWorldHost:
    return chaos.hosts[(number - 1) % HOSTS]


def _start_varpd(host: SimWorldHost) -> None:
    if host.state("varpd") is State.MAINTENANCE:
        host.svcadm("clear varpd")
    host.svcadm("enable varpd")


def _calm(faults: Faults) -> None:
    faults.loss = faults.corruption = faults.duplication = faults.delay = faults.reordering = 0.0


OPERATIONS: Final[Sequence[tuple[Callable[[Chaos], None], int]]] = (
    (Chaos.send, 400),
    (Chaos.burst, 20),
    (Chaos.short, 20),
    (Chaos.group, 20),
    (Chaos.tag, 10),
    (Chaos.ask, 80),
    (Chaos.lease, 30),
    (Chaos.strange, 20),
    (Chaos.make_vnic, 20),
    (Chaos.delete_vnic, 10),
    (Chaos.make_overlay, 10),
    (Chaos.delete_overlay, 3),
    (Chaos.set_entry, 30),
    (Chaos.delete_entry, 20),
    (Chaos.flush, 10),
    (Chaos.walk, 5),
    (Chaos.stop_varpd, 8),
    (Chaos.start_varpd, 12),
    (Chaos.kill_varpd, 5),
    (Chaos.refresh, 15),
    (Chaos.wait, 200),
    (Chaos.fail, 15),
    (Chaos.part, 4),
    (Chaos.heal, 10),
    (Chaos.fill, 5),
    (Chaos.panic, 1),
)
"""What can happen, and how often of all times."""


def main(argv: Sequence[str] | None = None) -> int:
    """`python -m etherspan.testing.chaos SEED OPERATIONS`."""
    parser = argparse.ArgumentParser(prog="chaos", description="A long random run of a world in memory.")
    parser.add_argument("seed", type=int)
    parser.add_argument("operations", type=int)
    options = parser.parse_args(argv)
    chaos = Chaos(options.seed)
    chaos.run(options.operations)
    chaos.finish()
    print(chaos.world.trace.hash)
    print(*(f"{name} {count}" for name, count in sorted(chaos.ledger.fates.items())), sep="\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
