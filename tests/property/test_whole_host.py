"""A whole host in memory against `host_model`: commands, services killed, reboots, frames and time, in any order.

What can happen is one table, `STEPS`: a method of `WholeHost`, how often, and what its arguments are taken from. A machine of hypothesis
takes them and shortens what it finds; a long walk takes them by a seed.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from etherspan.testing import frames
from etherspan.testing.sim.world import SimWorld
from etherspan.testing.topology import ETHERTYPE_EXPERIMENTAL
from tests.property.host_model import GROUP, PEER_MAC, Model

NAMES = ("a0", "b0", "c0", "d0", "e0", "f0")
VNETIDS = (23, 24, 25)
MACS = tuple(f"2:8:20:0:0:{number}" for number in range(1, 6))
TO = (*MACS, PEER_MAC, GROUP)
SIZES = (46, 1280, 1300, 1400, 1401, 9000)
MTUS = (1280, 1300, 1400, 9000)
SHOW_OVERLAY = "show-overlay -p -o link,property,value"
CHECK_SECONDS = 0.05
"""Longer than a frame is on its way."""


class DivergedError(AssertionError):
    """The host did what the model does not say."""


class WholeHost:
    """See the module."""

    def __init__(self) -> None:
        self.model = Model()
        self.steps = 0
        self.serial = 0
        self.done: list[str] = []
        self.world = SimWorld(seed=1, lookup_workers=1)
        self.host = self.world.host("host", "10.0.0.1")
        self.peer = self.world.host("peer", "10.0.0.2")
        for vnetid in VNETIDS:
            self.peer.dladm(_create_overlay(f"net{vnetid}", vnetid, "10.0.0.2", "10.0.0.1", "mtu=8900"))
            self.peer.dladm(f"create-vnic -l net{vnetid} -m {PEER_MAC} p{vnetid}")

    def close(self) -> None:
        self.world.close()

    # ------------------------------------------------------------------ steps

    def create_etherstub(self, name: str, temporary: bool) -> None:
        said = self.model.create_etherstub(name, temporary=temporary)
        self._dladm(f"create-etherstub {_flag(temporary)}{name}", said)

    def create_overlay(self, name: str, vnetid: int, temporary: bool) -> None:
        if any(one.vnetid == vnetid and not one.active for one in self.model.links.values()):
            return  # which of two stored overlays of one network comes up at boot is not the model's business
        said = self.model.create_overlay(name, vnetid, temporary=temporary)
        self._dladm(_create_overlay(_flag(temporary) + name, vnetid, "10.0.0.1", "10.0.0.2"), said)

    def create_vnic(self, name: str, lower: str, mac: str, temporary: bool) -> None:
        said = self.model.create_vnic(name, lower, mac, temporary=temporary)
        self._dladm(f"create-vnic {_flag(temporary)}-l {lower} -m {mac} {name}", said)

    def delete_etherstub(self, name: str, temporary: bool) -> None:
        said = self.model.delete_etherstub(name, temporary=temporary)
        self._dladm(f"delete-etherstub {_flag(temporary)}{name}", said)

    def delete_overlay(self, name: str, temporary: bool) -> None:
        said = self.model.delete_overlay(name, temporary=temporary)
        self._dladm(f"delete-overlay {_flag(temporary)}{name}", said)

    def delete_vnic(self, name: str, temporary: bool) -> None:
        said = self.model.delete_vnic(name, temporary=temporary)
        self._dladm(f"delete-vnic {_flag(temporary)}{name}", said)

    def rename_link(self, name: str, new: str) -> None:
        said = self.model.rename(name, new)
        self._dladm(f"rename-link {name} {new}", said)

    def set_mtu(self, name: str, mtu: int, temporary: bool) -> None:
        said = self.model.set_mtu(name, mtu, temporary=temporary)
        self._dladm(f"set-linkprop {_flag(temporary)}-p mtu={mtu} {name}", said)

    def up_vnic(self, name: str) -> None:
        said = self.model.up_vnic(name)
        self._dladm(f"up-vnic {name}", said)

    def kill(self, service: str) -> None:
        if service == "varpd" and not self.model.overlays():
            return  # it is disabled
        self.done.append(f"kill {service}")
        if service == "kernel":
            self.model.reboot()
        self.host.kill(service)

    def pass_time(self, seconds: float) -> None:
        self.done.append(f"{seconds} s pass")
        self.world.advance(seconds)

    def send(self, name: str, to: str, size: int) -> None:
        sender = self.model.links.get(name)
        if sender is None or not sender.active or sender.kind != "vnic" or size > sender.mtu:
            return
        self._send(self.host, name, sender.mac, to, size, self.model.reached(sender, to))

    def send_from_peer(self, vnetid: int, to: str, size: int) -> None:
        if to == PEER_MAC:
            return
        self._send(self.peer, f"p{vnetid}", PEER_MAC, to, size, self.model.reached_from_peer(vnetid, to))

    # ------------------------------------------------------------------ comparing

    def _dladm(self, line: str, said: str) -> None:
        self.done.append(f"dladm {line}")
        got = self.host.dladm(line, check=False)
        wanted = f"dladm: {said}\n" if said else ""
        if (got.err, got.status) != (wanted, 1 if said else 0):
            self._diverged(f"dladm {line}", f"{got.err!r}, exit {got.status}", f"{wanted!r}")

    def _send(self, host: Any, port: str, source: str, to: str, size: int, wanted: list[str]) -> None:
        self.done.append(f"{host.name}: {port} sends {size} bytes to {to}")
        self.serial += 1
        payload = self.serial.to_bytes(4, "big").ljust(size, b"\xa5")
        frame = frames.ethernet(_bytes(to), _bytes(source), payload, ethertype=ETHERTYPE_EXPERIMENTAL)
        host.port(port).send(frame)
        self.world.advance(CHECK_SECONDS)
        got = sorted(name for name, one in self._ports() if frame in one.take())
        if got != wanted:
            self._diverged(self.done[-1], f"reached {got}", f"{wanted}")

    def _ports(self) -> list[tuple[str, Any]]:
        here = [(name, self.host.port(name)) for name in self.host.ports.ports]
        return here + [("peer", self.peer.port(f"p{vnetid}")) for vnetid in VNETIDS]

    def check(self) -> None:
        """What the commands show is what the model holds."""
        self.steps += 1
        links = sorted(
            (a, b, int(c), d) for a, b, c, d in self._shown("show-link -p -o link,class,mtu,over") if b != "phys"
        )
        self._compare("show-link", links, self.model.shown())
        self._compare("show-link -P", self._shown("show-link -P -p -o link,class,over"), self.model.stored())
        self._compare("show-vnic", self._shown("show-vnic -p -o link,macaddress"), self.model.addresses())
        told = [(name, int(value)) for name, prop, value in self._shown(SHOW_OVERLAY) if prop == "vnetid"]
        self._compare("show-overlay", told, self.model.overlays())

    def _shown(self, line: str) -> list[tuple[str, ...]]:
        text = self.host.dladm(line).out.replace("\\:", "\0")
        return sorted(tuple(one.replace("\0", ":") for one in row.split(":")) for row in text.splitlines())

    def _compare(self, what: str, got: object, wanted: object) -> None:
        if got != wanted:
            self._diverged(what, got, wanted)

    def _diverged(self, what: str, got: object, wanted: object) -> None:
        raise DivergedError(f"step {self.steps}, {what}: {got}, the model says {wanted}\n" + "\n".join(self.done[-25:]))


def _create_overlay(name: str, vnetid: int, address: str, to: str, *props: str) -> str:
    wanted = ",".join((f"vxlan/listen_ip={address}", f"direct/dest_ip={to}", "direct/dest_port=4789", *props))
    return f"create-overlay -e vxlan -s direct -v {vnetid} -p {wanted} {name}"


def _flag(temporary: bool) -> str:
    return "-t " if temporary else ""


def _bytes(mac: str) -> bytes:
    return bytes(int(part, 16) for part in mac.split(":"))


BOTH = (False, True)
STEPS: dict[Callable[..., None], tuple[int, dict[str, tuple[Any, ...]]]] = {
    WholeHost.create_etherstub: (6, {"name": NAMES, "temporary": BOTH}),
    WholeHost.create_overlay: (9, {"name": NAMES, "vnetid": VNETIDS, "temporary": BOTH}),
    WholeHost.create_vnic: (20, {"name": NAMES, "lower": NAMES, "mac": MACS, "temporary": BOTH}),
    WholeHost.delete_etherstub: (3, {"name": NAMES, "temporary": BOTH}),
    WholeHost.delete_overlay: (3, {"name": NAMES, "temporary": BOTH}),
    WholeHost.delete_vnic: (5, {"name": NAMES, "temporary": BOTH}),
    WholeHost.rename_link: (3, {"name": NAMES, "new": NAMES}),
    WholeHost.set_mtu: (6, {"name": NAMES, "mtu": MTUS, "temporary": BOTH}),
    WholeHost.up_vnic: (3, {"name": NAMES}),
    WholeHost.kill: (2, {"service": ("varpd", "dlmgmtd", "kernel")}),
    WholeHost.pass_time: (2, {"seconds": (0.1, 1.0, 30.0)}),
    WholeHost.send: (25, {"name": NAMES, "to": TO, "size": SIZES}),
    WholeHost.send_from_peer: (10, {"vnetid": VNETIDS, "to": TO, "size": SIZES[:-1]}),
}


class HostMachine(RuleBasedStateMachine):
    """The steps, each as a rule."""

    def __init__(self) -> None:
        super().__init__()
        self.whole = WholeHost()

    def teardown(self) -> None:
        self.whole.close()


def _rule(step: Callable[..., None], choices: dict[str, tuple[Any, ...]]) -> Any:
    def take(self: HostMachine, **arguments: Any) -> None:
        step(self.whole, **arguments)
        self.whole.check()

    take.__name__ = step.__name__
    return rule(**{name: st.sampled_from(values) for name, values in choices.items()})(take)


for _step, (_, _choices) in STEPS.items():
    setattr(HostMachine, _step.__name__, _rule(_step, _choices))

TestHostMachine = HostMachine.TestCase
TestHostMachine.settings = settings(
    max_examples=12, stateful_step_count=60, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def walk(seed: int, steps: int) -> WholeHost:
    """So many steps, chosen by a seed."""
    chance = random.Random(f"whole host/{seed}")
    whole = WholeHost()
    try:
        for step in chance.choices(list(STEPS), [weight for weight, _ in STEPS.values()], k=steps):
            step(whole, **{name: chance.choice(values) for name, values in STEPS[step][1].items()})
            whole.check()
    finally:
        whole.close()
    return whole


@pytest.mark.parametrize("seed", [1, 2])
def test_a_walk(seed: int) -> None:
    assert walk(seed, 600).steps == 600


@pytest.mark.soak
@pytest.mark.timeout(7200)
def test_fifty_thousand_steps() -> None:
    assert sum(walk(seed, 5000).steps for seed in range(100, 110)) == 50_000
