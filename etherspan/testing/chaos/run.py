"""A long random run of a world in memory, with faults on, that checks after each step what always has to hold.

    chaos = Chaos(seed=1)
    chaos.run(10_000)
    chaos.finish()
    print(chaos.world.trace.hash)

One seed is one run: the same operations, faults and trace. `python -m etherspan.testing.chaos SEED OPERATIONS` prints the hash and how
often each fate was met.

What can happen is one table, `OPERATIONS`; where it happens, and what always has to hold, is `world`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Final

from dladm.dlmgmtd.client import Dlmgmt
from dladm.libscf.protocol import VARPD, State
from etherspan.testing import frames
from etherspan.testing.chaos.world import STRANGER, VNICS, ChaosWorld, calm, start_varpd
from etherspan.testing.memory import address
from etherspan.testing.sim.events import Event, Kind
from etherspan.testing.topology import CONFIG, ETHERTYPE_EXPERIMENTAL, inner4, inner6, mac
from kernel_sim.sys.codec import CacheEntry, Point
from kernel_sim.sys.errno import KernelError
from kernel_sim.sys.ethernet import BROADCAST
from kernel_sim.sys.overlay_target import OVERLAY_TARGET_CACHE_DROP
from libvarpd.client import Client

UNKNOWN: Final = 12
"""Numbers above VNICS, up to this one, are in no table."""


class Chaos(ChaosWorld):
    """See the module. `keep` says whether the trace keeps its lines."""

    def __init__(self, seed: int, *, keep: bool = False) -> None:
        super().__init__(seed, keep=keep)
        self._serial = 0

    def run(self, operations: int) -> None:
        """Make so many random operations. Errors: AssertionError that names the step, whatever a daemon or the kernel raises."""
        names = [operation.__name__ for operation, _ in OPERATIONS]
        weights = [weight for _, weight in OPERATIONS]
        for place in self.random.choices(range(len(OPERATIONS)), weights, k=operations):
            self.steps += 1
            self.done[names[place]] += 1
            self.remark(f"step {self.steps}: {names[place]}")
            try:
                OPERATIONS[place][0](self)
                self.check()
            except AssertionError as error:
                raise AssertionError(f"step {self.steps}, {names[place]}: {error}") from error

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
        self.stranger.send(header, [frame], to, 4789)

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
        self.set_up_vnic(self.random.randint(1, VNICS))

    def delete_vnic(self) -> None:
        """A VNIC goes."""
        number = self.random.randint(1, VNICS)
        self.host_of(number).dladm(f"delete-vnic vnic{number}", check=False)

    def make_overlay(self) -> None:
        """An overlay, if it is not there; with a table that may be broken. What did not come up at a boot is brought up."""
        host = self.random.choice(self.hosts)
        self.set_up_overlay(host)
        for command in ("up-overlay", "up-vnic"):
            host.dladm(command, check=False)

    def delete_overlay(self) -> None:
        """An overlay goes, with all VNICs on it or, if they are in its way, not."""
        host = self.random.choice(self.hosts)
        if self.random.random() < 0.8:
            for name in list(host.ports.ports):
                host.dladm(f"delete-vnic {name}", check=False)
        host.dladm("delete-overlay ov0", check=False)

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
        start_varpd(self.random.choice(self.hosts))

    def kill_varpd(self) -> None:
        """Varpd is killed, and started again if it is enabled."""
        self.random.choice(self.hosts).inner.kill(VARPD)

    def refresh(self) -> None:
        """The table changes, or breaks, and varpd is told or not."""
        host = self.random.choice(self.hosts)
        host.write(CONFIG, self.some_table())
        if self.random.random() < 0.25:
            host.write(CONFIG, self.some_table()[: self.random.randint(0, 60)])
        if self.random.random() < 0.8 and host.state("varpd") is State.ONLINE:
            host.svcadm("refresh varpd")

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
        calm(faults)
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
        self.open_ports(host)
        if self.random.random() < 0.5:
            for port in host.ports.ports.values():
                port.room = self.random.randint(0, 5)

    def panic(self) -> None:
        """A host panics, and boots again."""
        host = self.random.choice(self.hosts)
        host.kill("kernel")


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
