"""Scenarios of overlays that ask an SVP server, `SVP_SCENARIOS`: each takes an empty world and raises AssertionError where it differs.

Compute node n is host cn<n> at 10.88.88.n; guest n is VNIC n of `topology`, and lives on node n unless it is said otherwise. Before its
connection is made a host's lookups fail, so what was dropped is counted from `SvpHosts.begin` on.
"""

from __future__ import annotations

import functools
import ipaddress
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from etherspan.portolan.records import ComputeNode, Mapping
from etherspan.testing import frames
from etherspan.testing.portolan import Portolan
from etherspan.testing.topology import NOBODY, inner4, inner6, mac, numbered, vnic
from etherspan.testing.world import Host, Port, World, describe
from kernel_sim.sys.ethernet import BROADCAST, ETHERTYPE_ARP, format_mac
from libvarpd.plugins.svp.messages import MAPPED

NAME: Final = "portolan.test"
"""The servers' name."""
SERVER: Final = "10.88.88.50"
OTHER: Final = "10.88.88.51"
VNET: Final = 23
POLL: Final = 11.0
"""Seconds within which a node has heard of a change: the longest idle time, and a tick."""
CONNECT: Final = 15.0
"""Seconds for a connection to be made, on a busy machine as well."""

Scenario = Callable[[World], None]
SVP_SCENARIOS: Final[dict[str, Scenario]] = {}


def scenario(function: Scenario) -> Scenario:
    """Put a function into `SVP_SCENARIOS`."""
    SVP_SCENARIOS[function.__name__] = function
    return function


def node(number: int) -> str:
    """The compute node of a host."""
    return f"cn{number}"


def underlay(number: int) -> str:
    """Its address on the underlay network."""
    return f"10.88.88.{number}"


def packed(address: str) -> bytes:
    """An address as the protocol has it."""
    ip = ipaddress.ip_address(address)
    return ip.packed if ip.version == 6 else MAPPED + ip.packed


def rows(guest: int, cn: int, vnet: int = VNET) -> list[Mapping]:
    """Where a guest is: one row for each of its addresses."""
    return [Mapping(vnet, packed(ip), mac(guest), node(cn)) for ip in (inner4(guest), inner6(guest))]


def name_servers(hosts: Sequence[Host], addresses: Sequence[str]) -> None:
    """Let hosts know the servers' name, in their own files."""
    for host in hosts:
        host.write("etc/inet/hosts", "".join(f"{address} {NAME}\n" for address in addresses))


def svp_overlay(host: Host, *, name: str = "ov0", vnetid: int = VNET) -> None:
    """An overlay that asks the servers."""
    props = f"vxlan/listen_ip={host.address},svp/host={NAME},svp/underlay_ip={host.address}"
    host.dladm(f"create-overlay -e vxlan -s svp -v {vnetid} -p {props} {name}")


def condition(host: Host) -> str:
    """What an overlay's host says of it."""
    return host.dladm("show-overlay -f -p -o status,details ov0").out.strip()


def targets(host: Host) -> set[tuple[str, str]]:
    """The kernel's cache: MAC address and underlay address."""
    shown = host.dladm("show-overlay", "-t", "-p", "-o", "target,destination", "ov0").out
    found = [line.replace("\\:", ":") for line in shown.splitlines()]
    return {(":".join(one.split(":")[:6]), one.split(":")[6]) for one in found}


def comes(host: Host, port: Port, frame: bytes, within: float = 2.0) -> None:
    """Wait until a frame has come, whatever comes before it: announcements may. Errors: AssertionError."""
    taken: list[bytes] = []

    def come() -> bool:
        taken.extend(port.take())
        return frame in taken

    host.wait_until(come, within, f"{describe(frame)}; {len(taken)} others have come")


class SvpHosts:
    """Hosts that share a network, with a guest each, and a server that knows them."""

    def __init__(self, world: World, count: int = 3) -> None:
        self.world = world
        self.server: Portolan = world.portolan("one", SERVER)
        self.hosts = [world.host(node(n), underlay(n)) for n in range(1, count + 1)]
        self.server.fill(
            [ComputeNode(node(n), packed(underlay(n))) for n in range(1, count + 1)],
            [row for n in range(1, count + 1) for row in rows(n, n)],
        )
        name_servers(self.hosts, [SERVER])
        for host in self.hosts:
            svp_overlay(host)
        self.ports = [vnic(host, n) for n, host in enumerate(self.hosts, 1)]
        self._before: dict[str, Counter[str]] = {}

    def begin(self) -> None:
        """Wait until every host's lookups are answered; then forget what they found."""
        for n, host in enumerate(self.hosts, 1):
            peer = n % len(self.hosts) + 1
            host.wait_until(functools.partial(self._passes, n, peer), CONNECT, "its lookups to be answered")
        self.world.advance(0.2)
        for port in self.ports:
            port.take()
        for host in self.hosts:
            host.dladm("modify-overlay -f ov0")
            self._before[host.name] = Counter(host.drops())

    def expect_drops(self, host: Host, wanted: dict[str, int]) -> None:
        """What was dropped since `begin`. Errors: AssertionError."""

        def dropped() -> dict[str, int]:
            return dict(Counter(host.drops()) - self._before[host.name])

        try:
            host.wait_until(lambda: dropped() == wanted, 2.0, f"drops {wanted}")
        except AssertionError as error:
            raise AssertionError(f"{host.name} has dropped {dropped()}, expected was {wanted}") from error

    def _passes(self, sender: int, receiver: int) -> bool:
        frame = numbered(sender, receiver, serial=0xFFFF)
        self.ports[sender - 1].send(frame)
        self.world.advance(0.1)
        return frame in self.ports[receiver - 1].take()

    def all_online(self) -> None:
        """Nobody is degraded. Errors: AssertionError."""
        for host in self.hosts:
            assert condition(host) == "ONLINE:-", f"{host.name}: {condition(host)}"


@scenario
def svp_hosts_reach_each_other_and_nobody_else(world: World) -> None:
    svp = SvpHosts(world)
    svp.begin()
    for n, port in enumerate(svp.ports, 1):
        for peer, other in enumerate(svp.ports, 1):
            if peer != n:
                port.send(numbered(n, peer, serial=n))
                other.expect(numbered(n, peer, serial=n))
    p = svp.ports[0]
    p.send(frames.arp_request(mac(1), inner4(1), inner4(2)))
    p.expect(frames.arp_reply(mac(2), inner4(2), mac(1), inner4(1)))
    p.send(frames.neighbour_solicitation(mac(1), inner6(1), inner6(3)))
    p.expect(frames.neighbour_advertisement(mac(3), inner6(3), mac(1), inner6(1)))
    p.send(frames.arp_request(mac(1), inner4(1), inner4(9)))
    p.send(frames.ethernet(NOBODY, mac(1), frames.udp(inner4(1), inner4(9), 1, 2, b"nobody")))
    p.send(frames.dhcp_discover(mac(1)))
    p.expect_nothing()
    svp.expect_drops(svp.hosts[0], {"ov0:tx_lookup_drop": 5})
    for host in svp.hosts[1:]:
        svp.expect_drops(host, {})
    for n, host in enumerate(svp.hosts, 1):
        assert targets(host) == {(format_mac(mac(peer)), underlay(peer)) for peer in (1, 2, 3) if peer != n}
    svp.all_online()


@scenario
def svp_networks_are_apart(world: World) -> None:
    """The same MAC address on two networks is two guests."""
    svp = SvpHosts(world, 2)
    a, b = svp.hosts
    svp.server.fill(
        [], [Mapping(24, packed(inner4(2)), mac(2), node(1)), Mapping(24, packed(inner4(1)), mac(1), node(2))]
    )
    for host in (a, b):
        svp_overlay(host, name="ov1", vnetid=24)
    far = vnic(b, 1, over="ov1")
    b.dladm(f"create-vnic -l ov1 -m {format_mac(mac(7))} vnic7")
    near = vnic(a, 2, over="ov1")
    svp.begin()
    svp.ports[0].send(numbered(1, 2, serial=1))
    svp.ports[1].expect(numbered(1, 2, serial=1))
    b.port("vnic7").send(numbered(7, 2, serial=2))
    near.expect(numbered(7, 2, serial=2))
    svp.ports[1].expect_nothing()
    far.expect_nothing()


@scenario
def svp_traffic_follows_a_mac_address_that_moves(world: World) -> None:
    svp = SvpHosts(world)
    a, b, _ = svp.hosts
    svp.begin()
    p, _, old = svp.ports
    p.send(numbered(1, 3, serial=1))
    old.expect(numbered(1, 3, serial=1))
    b.dladm(f"create-vnic -l ov0 -m {format_mac(mac(3))} guest3")
    new = b.port("guest3")
    assert svp.server.change(lambda producer: producer.move(VNET, mac(3), node(2))) == 9, (
        "two addresses and the MAC, for three"
    )
    a.wait_until(lambda: (format_mac(mac(3)), underlay(3)) not in targets(a), POLL, "the old place to be forgotten")
    told: list[bytes] = []

    def announced() -> bool:
        told.extend(one for one in p.take() if one[12:14] == ETHERTYPE_ARP.to_bytes(2))
        return bool(told)

    a.wait_until(announced, 2.0, "the guest to be told")
    assert [one[:12] for one in told] == [BROADCAST + mac(3)], "one gratuitous ARP, for the IPv4 address"
    p.send(numbered(1, 3, serial=2))
    comes(b, new, numbered(1, 3, serial=2))
    a.wait_until(lambda: not svp.server.events(), 2 * POLL, "every node to acknowledge")
    old.take()
    for n, port in ((1, p), (2, svp.ports[1])):
        port.send(numbered(n, 3, serial=3))
    old.expect_nothing(0.5)
    assert (format_mac(mac(3)), underlay(2)) in targets(a)


@scenario
def svp_lookups_go_on_when_one_of_two_servers_dies(world: World) -> None:
    svp = SvpHosts(world, 2)
    second = world.portolan("two", OTHER, svp.server.store)
    a, _ = svp.hosts
    svp.begin()
    name_servers(svp.hosts, [SERVER, OTHER])
    for host in svp.hosts:
        host.svcadm("restart varpd")  # rather than wait for the next look at the name
    svp.begin()
    for serial, victim in enumerate((svp.server, second)):
        victim.kill()
        for again in range(5):
            frame = numbered(1, 2, serial=10 * serial + again)
            a.dladm("modify-overlay -f ov0")
            svp.ports[0].send(frame)
            svp.ports[1].expect(frame)
        svp.all_online()
        victim.start()
        a.wait_until(lambda one=victim: one.connections == 2, CONNECT, "both hosts to have a connection again")  # type: ignore[misc]
        svp.begin()
