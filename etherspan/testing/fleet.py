"""A fleet in memory: many hosts, two tenants with the same MAC and IP addresses, one SVP server, faults; and what has to hold.

    fleet = Fleet(hosts=100, seed=1)
    fleet.run(2000)
    fleet.finish()
    print(fleet.world.trace.hash)

One seed is one run. After each step it holds that

* no frame of one tenant reaches a VNIC of the other, unless the underlay has damaged it;
* no frame arrives more often than it was sent and duplicated;
* every frame is delivered, dropped by name, on its way or parked (`chaos.ledger`), and the kernels' caches are consistent;

and after `finish`, when the faults have ended, that every guest reaches those it is asked to, wherever they have moved.
"""

from __future__ import annotations

import random
import struct
import zlib
from collections import Counter
from typing import Final

from etherspan.portolan.records import ComputeNode, Mapping
from etherspan.testing import frames
from etherspan.testing.chaos.invariants import check_kernel
from etherspan.testing.chaos.ledger import Ledger
from etherspan.testing.chaos.world import calm, start_varpd
from etherspan.testing.sim.events import Event, Kind
from etherspan.testing.sim.hostview import parked_frames
from etherspan.testing.sim.world import SimWorld, SimWorldHost
from etherspan.testing.svp_scenarios import NAME, packed
from etherspan.testing.topology import ETHERTYPE_EXPERIMENTAL
from kernel_sim.middleware.faults import Fault
from kernel_sim.sys.ethernet import format_mac

TENANTS: Final = (101, 102)
SERVER: Final = "10.64.0.1"
_TAG: Final = struct.Struct(">4sIII")
_MAGIC: Final = b"flt1"
SETTLE_SECONDS: Final = 40.0
"""Longer than a poll of the log, a new connection and a lookup."""
REACHED: Final = 20
"""Guests of each tenant that are asked at the end."""
FULL_CHECK: Final = 50
"""Steps from one comparison of a host's accounts to the next."""


def guest_mac(number: int) -> bytes:
    """The MAC address of guest `number`, of either tenant."""
    return b"\x02\x08\x20\x00" + number.to_bytes(2, "big")


def guest_ip(number: int) -> str:
    return f"10.200.{number >> 8}.{number & 255}"


def host_ip(number: int) -> str:
    return f"10.65.{number >> 8}.{number & 255}"


def label(tenant: int, serial: int, size: int) -> bytes:
    """A payload that says whose it is, and tells if it was damaged."""
    head = _TAG.pack(_MAGIC, tenant, serial, size)
    body = head.ljust(max(size - 4, _TAG.size), b"\xa7")
    return body + zlib.crc32(body).to_bytes(4, "big")


def read_label(frame: bytes) -> tuple[int, int] | None:
    """Tenant and serial of a frame; None of one that is damaged, or none of ours."""
    payload = frame[14:]
    if len(payload) < _TAG.size + 4:
        return None
    magic, tenant, serial, _ = _TAG.unpack_from(payload)
    good = magic == _MAGIC and zlib.crc32(payload[:-4]).to_bytes(4, "big") == payload[-4:]
    return (tenant, serial) if good else None


class Fleet:
    """See the module. `loss` and its like are chances of each datagram."""

    def __init__(
        self,
        hosts: int,
        seed: int,
        *,
        loss: float = 0.02,
        duplication: float = 0.01,
        reordering: float = 0.02,
        corruption: float = 0.01,
    ) -> None:
        self.world = SimWorld(seed=seed, lookup_workers=1)  # an idle one wakes each second, on each host
        self.ledger = Ledger()
        self.random = random.Random(f"fleet/{seed}")
        self.steps = self.serial = self.strays = 0
        self.events = 0
        self.delivered: Counter[int] = Counter()
        self._allowed: Counter[int] = Counter()
        self._damaged: set[int] = set()
        self._broken: list[str] = []
        self._chances = (loss, duplication, reordering, corruption)
        self.world.observers += [self.ledger, self._follow]
        self._vnics: dict[tuple[str, str], int] = {}
        """Tenant by host and VNIC."""
        self.where = {(tenant, number): number for tenant in TENANTS for number in range(1, hosts + 1)}
        """The host that a guest lives on."""
        self.server = self.world.portolan("one", SERVER)
        self.server.fill(
            [ComputeNode(f"cn{n}", packed(host_ip(n))) for n in range(1, hosts + 1)],
            [self._row(tenant, n, n) for tenant in TENANTS for n in range(1, hosts + 1)],
        )
        self.world.names[NAME] = [SERVER]
        self.hosts = [self._host(number) for number in range(1, hosts + 1)]

    def _row(self, tenant: int, guest: int, host: int) -> Mapping:
        return Mapping(tenant, packed(guest_ip(guest)), guest_mac(guest), f"cn{host}")

    def _host(self, number: int) -> SimWorldHost:
        host = self.world.host(f"cn{number}", host_ip(number))
        for tenant in TENANTS:
            props = f"vxlan/listen_ip={host.address},svp/host={NAME},svp/underlay_ip={host.address}"
            host.dladm(f"create-overlay -e vxlan -s svp -v {tenant} -p {props} t{tenant}")
            self._vnic(host, tenant, number)
        host.faults.loss, host.faults.duplication, host.faults.reordering, host.faults.corruption = self._chances
        return host

    def _vnic(self, host: SimWorldHost, tenant: int, guest: int) -> None:
        name = self._name(tenant, guest)
        host.dladm(f"create-vnic -l t{tenant} -m {format_mac(guest_mac(guest))} {name}")
        self._vnics[host.name, name] = tenant

    @staticmethod
    def _name(tenant: int, guest: int) -> str:
        return f"g{tenant}x{guest}"

    # ------------------------------------------------------------------ what happens

    def run(self, steps: int) -> None:
        """Make so many random steps. Errors: AssertionError that names the step."""
        kinds = (self._talk, self._pass_time, self._move, self._panic, self._restart_server)
        for _ in range(steps):
            self.steps += 1
            kind = self.random.choices(kinds, (80, 15, 3, 1, 1))[0]
            try:
                kind()
                self.check()
            except AssertionError as error:
                raise AssertionError(f"step {self.steps}, {kind.__name__.strip('_')}: {error}") from error

    def _talk(self) -> None:
        """A few frames from a guest to another one, or to nobody."""
        tenant = self.random.choice(TENANTS)
        sender = self.random.randint(1, len(self.hosts))
        receiver = self.random.randint(1, len(self.hosts) + 1)
        for _ in range(self.random.randint(1, 4)):
            self._send(tenant, sender, receiver)
        self.world.advance(0.01)

    def _send(self, tenant: int, sender: int, receiver: int) -> int:
        self.serial += 1
        payload = label(tenant, self.serial, self.random.randint(46, 400))
        host = self.hosts[self.where[tenant, sender] - 1]
        port = host.ports.ports.get(self._name(tenant, sender))
        if port is not None:
            self._allowed[self.serial] += 1
            frame = frames.ethernet(guest_mac(receiver), guest_mac(sender), payload, ethertype=ETHERTYPE_EXPERIMENTAL)
            host.port(port.name).send(frame)
        return self.serial

    def _pass_time(self) -> None:
        self.world.advance(self.random.random() * 3)

    def _move(self) -> None:
        """A guest goes to another host."""
        tenant, guest = self.random.choice(TENANTS), self.random.randint(1, len(self.hosts))
        old, new = self.where[tenant, guest], self.random.randint(1, len(self.hosts))
        if old == new:
            return
        name = self._name(tenant, guest)
        self.hosts[old - 1].dladm(f"delete-vnic {name}")
        del self._vnics[self.hosts[old - 1].name, name]
        self._vnic(self.hosts[new - 1], tenant, guest)
        self.where[tenant, guest] = new
        self.server.change(lambda producer: producer.move(tenant, guest_mac(guest), f"cn{new}"))

    def _panic(self) -> None:
        """A host's kernel dies; the host boots again."""
        self.random.choice(self.hosts).kill("kernel")

    def _restart_server(self) -> None:
        """The server is gone for a while."""
        self.server.kill()
        self.world.advance(self.random.random() * 2)
        self.server.start()

    # ------------------------------------------------------------------ what has to hold

    def _follow(self, event: Event) -> None:
        self.events += 1
        if event.frame is None:
            return
        if event.kind is Kind.DELIVERED:
            self._arrived(event)
        elif event.kind is Kind.FAULT:
            read = read_label(event.frame)
            if read is not None and event.detail == Fault.DUPLICATION:
                self._allowed[read[1]] += 1
            elif read is not None and event.detail == Fault.CORRUPTION:
                self._damaged.add(read[1])

    def _arrived(self, event: Event) -> None:
        assert event.frame is not None
        read = read_label(event.frame)
        if read is None:
            self.strays += 1
            return
        tenant, serial = read
        self.delivered[serial] += 1
        if tenant != self._vnics.get((event.host, event.where), tenant) and serial not in self._damaged:
            self._broken.append(f"frame {serial} of tenant {tenant} reached {event.where} on {event.host}")
        if self.delivered[serial] > self._allowed[serial] and serial not in self._damaged:
            self._broken.append(f"frame {serial} arrived {self.delivered[serial]} times, sent {self._allowed[serial]}")

    def check(self) -> None:
        """Errors: AssertionError."""
        assert not self._broken, "; ".join(self._broken[:3])
        assert self.ledger.on_the_way >= 0
        if self.steps % FULL_CHECK == 0:
            self._check_host(self.random.choice(self.hosts))

    def _check_host(self, host: SimWorldHost) -> None:
        check_kernel(host.inner.kernel)
        self.ledger.check(host.name, host.inner.kernel)
        for panic in host.inner.panics:
            raise panic

    def finish(self) -> None:
        """End the faults, let time pass, and find that all is well. Ends the world. Errors: AssertionError."""
        for host in self.hosts:
            calm(host.faults)
            start_varpd(host)
        self.world.advance(SETTLE_SECONDS)
        asked = []
        for tenant in TENANTS:
            for _ in range(min(REACHED, len(self.hosts))):
                sender, receiver = self.random.sample(range(1, len(self.hosts) + 1), 2)
                asked.append((tenant, sender, receiver, self._send(tenant, sender, receiver)))
        self.world.loop.advance_until(lambda: all(self.delivered[one[3]] for one in asked), SETTLE_SECONDS)
        for tenant, sender, receiver, serial in asked:
            assert self.delivered[serial], f"tenant {tenant}: guest {receiver} is not reached by guest {sender}"
        for host in self.hosts:
            self._check_host(host)
            assert not list(parked_frames(host.inner.kernel)), f"{host.name}: frames are parked, and varpd runs"
        self.check()
        assert self.ledger.on_the_way == 0, f"{self.ledger.on_the_way} datagrams are on their way"
        self.world.close()
