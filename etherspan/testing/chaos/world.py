"""The stage of a random run in memory: hosts, their overlays, and what has to hold after each step.

Three hosts share a `files` overlay, two of them a `direct` one besides. What has to hold is `check`: every frame is where the ledger says
it is, the kernel's caches and queues are consistent, drops are counted as they are told, and varpd has neither panicked nor met an
exception.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import Final

from dladm.libscf.protocol import State
from etherspan.testing.chaos.invariants import KEPT_DROPS, check_kernel, drop_counters
from etherspan.testing.chaos.ledger import Ledger
from etherspan.testing.memory import address
from etherspan.testing.sim.events import Event, Kind, Trace
from etherspan.testing.sim.hostview import HostView, parked_frames
from etherspan.testing.sim.world import SimWorld, SimWorldHost
from etherspan.testing.topology import CONFIG, mac, table
from kernel_sim.middleware.capture import CapturedUnderlay
from kernel_sim.middleware.faults import Faults
from kernel_sim.sys.ethernet import format_mac

HOSTS: Final = 3
VNICS: Final = 9
"""VNIC n is on host 1 + (n - 1) % 3; the last one is in a VLAN."""
FULL_CHECK: Final = 20
"""Steps from one comparison of all accounts to the next."""
STRANGER: Final = "stranger"
SETTLE_SECONDS: Final = 10.0


class ChaosWorld:
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
        self._seen_records = dict.fromkeys((host.name for host in self.hosts), 0)
        view = HostView(self.world, STRANGER)
        underlay = CapturedUnderlay(self.world.network.underlay("10.88.88.99"), view.datagram)
        self.stranger = underlay.open(address("10.88.88.99"), lambda _memory, _stride, **_: None)
        for host in self.hosts:
            self.set_up_overlay(host)
        for number in range(1, VNICS - 2):
            self.set_up_vnic(number)
        self.check()

    def finish(self) -> None:
        """Mend everything, let time pass, and find that nothing is parked or on its way any more. Ends the world."""
        self.world.heal()
        for host in self.hosts:
            calm(host.faults)
            self.open_ports(host)
            host.write(CONFIG, self.some_table())
            start_varpd(host)
            host.svcadm("refresh varpd")
        self.world.advance(SETTLE_SECONDS)
        self.check(full=True)
        assert self.ledger.on_the_way == 0, f"{self.ledger.on_the_way} datagrams are on their way"
        for host in self.hosts:
            assert not list(parked_frames(host.inner.kernel)), f"{host.name}: frames are parked, and varpd runs"
        self.stranger.close()
        self.world.close()

    # ------------------------------------------------------------------ what has to hold

    def check(self, *, full: bool = False) -> None:
        """Errors: AssertionError."""
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

    # ------------------------------------------------------------------ the stage

    def host_of(self, number: int) -> SimWorldHost:
        """The host of a VNIC."""
        return self.hosts[(number - 1) % HOSTS]

    def remark(self, text: str) -> None:
        """Put a line into the trace."""
        self.world.tell(Event(self.world.loop.now(), "", Kind.NOTE, text))

    def set_up_vnic(self, number: int) -> None:
        """Make a VNIC, unless it is there."""
        over = "dp0" if number % 4 == 0 and number % HOSTS != 0 else "ov0"
        tag = "-v 7" if number == VNICS else ""
        host = self.host_of(number)
        host.dladm(f"create-vnic -l {over} -m {format_mac(mac(number))} {tag} vnic{number}", check=False)

    def set_up_overlay(self, host: SimWorldHost) -> None:
        """Make a host's overlays, unless they are there."""
        if host.inner.fs.get(CONFIG) is None:
            host.write(CONFIG, self.some_table())
        listen = f"vxlan/listen_ip={host.address}"
        host.dladm(f"create-overlay -e vxlan -s files -v 23 -p {listen},files/config={CONFIG} ov0", check=False)
        peers = {"h1": "10.88.88.2", "h2": "10.88.88.1"}
        if host.name in peers:
            props = f"{listen},direct/dest_ip={peers[host.name]},direct/dest_port=4789"
            host.dladm(f"create-overlay -e vxlan -s direct -v 24 -p {props} dp0", check=False)

    def some_table(self) -> str:
        """Everybody where he is, but for some."""
        placed = {number: self.host_of(number).address for number in range(1, VNICS + 1)}
        for number in self.random.sample(sorted(placed), self.random.randint(0, 2)):
            placed[number] = self.random.choice(self.hosts).address
        extra = {f"v{number}": {"dhcp-proxy": format_mac(mac(number % VNICS + 1))} for number in placed if number % 2}
        return table(placed, **extra)

    def open_ports(self, host: SimWorldHost) -> None:
        """Let a host's consumers take everything, and forget what they have."""
        for port in host.ports.ports.values():
            port.room = None
            port.take()


def start_varpd(host: SimWorldHost) -> None:
    """Have varpd running, whatever has become of it."""
    if host.state("varpd") is State.MAINTENANCE:
        host.svcadm("clear varpd")
    host.svcadm("enable varpd")


def calm(faults: Faults) -> None:
    """Nothing goes wrong any more."""
    faults.loss = faults.corruption = faults.duplication = faults.delay = faults.reordering = 0.0
