"""Overlays of search plugin `svp` in a world in memory: real varpd, real server, a clock that is turned."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import pytest

from etherspan.portolan.jsonform import read_address
from etherspan.portolan.records import ComputeNode, Mapping
from etherspan.testing.frames import arp_reply, arp_request
from etherspan.testing.sim.world import SimWorld, SimWorldHost
from libvarpd.plugins.svp.messages import MAPPED

VNET = 7957669
CN = {n: f"cn{n}" for n in (1, 2, 3)}
SERVER = "10.0.0.5"
OTHER = "10.0.0.6"
NAME = "portolan.test"


def mac(n: int) -> bytes:
    return bytes([2, 8, 0x20, 0, 0, n])


def guest(n: int) -> str:
    return f"10.55.0.{n}"


class SvpWorld:
    """Three hosts with an svp overlay and a VNIC each, and a server that knows them."""

    def __init__(self, *, seed: int = 0, hosts: int = 3) -> None:
        self.world = SimWorld(seed=seed)
        self.server = self.world.portolan("one", SERVER)
        self.world.streams.names[NAME] = [SERVER]
        self.hosts = [self.world.host(CN[n], f"10.0.0.{n}") for n in range(1, hosts + 1)]
        self.server.change(lambda p: self._fill(p, hosts))
        for n, host in enumerate(self.hosts, 1):
            self.overlay(host, f"10.0.0.{n}")
            host.dladm("create-vnic", "-t", "-l", "ov0", "-m", mac(n).hex(":"), "vnic0")
        self.world.advance(2)

    async def _fill(self, producer: object, hosts: int) -> None:
        async with self.server.store.transaction() as change:
            await change.put_nodes([ComputeNode(CN[n], MAPPED + bytes([10, 0, 0, n])) for n in range(1, hosts + 1)])
            await change.put_mappings(
                [Mapping(VNET, read_address(guest(n)), mac(n), CN[n]) for n in range(1, hosts + 1)]
            )

    def overlay(self, host: SimWorldHost, ip: str, name: str = "ov0", vnet: int = VNET) -> None:
        props = f"vxlan/listen_ip={ip},svp/host={NAME},svp/underlay_ip={ip}"
        host.dladm("create-overlay", "-t", "-e", "vxlan", "-s", "svp", "-v", str(vnet), "-p", props, name)

    def status(self, n: int = 1) -> str:
        return self.hosts[n - 1].dladm("show-overlay", "-f", "-p", "-o", "status,details", "ov0").out.strip()

    def targets(self, n: int) -> str:
        return self.hosts[n - 1].dladm("show-overlay", "-t", "-p", "-o", "target,destination", "ov0").out

    def frame(self, source: int, target: int, text: bytes = b"hello") -> bytes:
        return mac(target) + mac(source) + b"\x88\xb5" + text.ljust(46)

    def send(self, source: int, target: int, text: bytes = b"hello") -> None:
        self.hosts[source - 1].port("vnic0").send(self.frame(source, target, text))

    def received(self, n: int, link: str = "vnic0") -> list[bytes]:
        return self.hosts[n - 1].port(link).take()

    def reaches(
        self, source: int, target: int, text: bytes = b"hello", link: str = "vnic0", at: int | None = None
    ) -> bool:
        where = target if at is None else at
        self.received(where, link)
        self.send(source, target, text)
        self.world.advance(0.5)
        return self.frame(source, target, text) in self.received(where, link)


@pytest.fixture
def svp() -> Iterator[SvpWorld]:
    made = SvpWorld()
    yield made
    made.world.close()


def test_all_hosts_reach_each_other_and_arp_is_answered_for_those_that_are_elsewhere(svp: SvpWorld) -> None:
    for source in (1, 2, 3):
        for target in {1, 2, 3} - {source}:
            assert svp.reaches(source, target)
            svp.received(source)
            svp.hosts[source - 1].port("vnic0").send(arp_request(mac(source), guest(source), guest(target)))
            svp.world.advance(0.5)
            assert arp_reply(mac(target), guest(target), mac(source), guest(source)) in svp.received(source)


def test_traffic_follows_a_mac_address_that_moves_within_a_poll_period_and_the_guests_are_told(svp: SvpWorld) -> None:
    assert svp.reaches(1, 3)
    svp.hosts[1].dladm("create-vnic", "-t", "-l", "ov0", "-m", mac(3).hex(":"), "vnic3")
    assert svp.server.change(lambda p: p.move(VNET, mac(3), CN[2])) == 6
    svp.received(1)
    for _ in range(11):
        svp.world.advance(1)
    announced = [frame for frame in svp.received(1) if frame[12:14] == b"\x08\x06"]
    assert len(announced) == 1, "a gratuitous ARP"
    assert announced[0][:12] == b"\xff" * 6 + mac(3)
    svp.received(3)
    for _ in range(3):
        assert svp.reaches(1, 3, link="vnic3", at=2)
    assert svp.received(3) == [], "the old host gets frames"


@pytest.mark.fact("SVP-Q9", "SVP-Q11")
def test_a_lookup_right_after_an_event_has_the_new_place(svp: SvpWorld) -> None:
    assert svp.reaches(1, 3)
    svp.server.change(lambda p: p.move(VNET, mac(3), CN[2]))
    svp.world.advance(11)
    svp.send(1, 3)
    svp.world.advance(0.5)
    assert svp.targets(1).splitlines() == ["2\\:8\\:20\\:0\\:0\\:3:10.0.0.2\\:4789"]


@pytest.mark.fact("SVP-I32", "SVP-I33")
def test_without_a_server_for_70_seconds_it_is_degraded_what_is_known_goes_on_and_then_it_is_sound(
    svp: SvpWorld,
) -> None:
    assert svp.reaches(1, 3)
    svp.server.kill()
    seen = [svp.status()]
    for _ in range(70):
        svp.world.advance(1)
        assert svp.reaches(1, 3)
        seen += [svp.status()] if svp.status() != seen[-1] else []
    assert seen == ["ONLINE:-", "DEGRADED:cannot reach any remote peers"]
    svp.server.start()
    for _ in range(40):
        svp.world.advance(1)
        seen += [svp.status()] if svp.status() != seen[-1] else []
    assert seen == ["ONLINE:-", "DEGRADED:cannot reach any remote peers", "ONLINE:-"]
    svp.hosts[0].dladm("modify-overlay", "-f", "ov0")
    assert svp.reaches(1, 2)


def test_a_degraded_overlay_looks_as_it_does_on_a_real_host(svp: SvpWorld) -> None:
    """DLM 7.2."""
    host = svp.hosts[0]
    host.dladm("delete-vnic", "vnic0")
    host.dladm("delete-overlay", "ov0")
    direct = "vxlan/listen_ip=10.0.0.1,direct/dest_ip=10.0.0.2,direct/dest_port=4789"
    host.dladm("create-overlay", "-t", "-e", "vxlan", "-s", "direct", "-v", "23", "-p", direct, "demo0")
    svp.overlay(host, "10.0.0.1", "sdc_overlay7957669")
    host.dladm("create-vnic", "-t", "-l", "sdc_overlay7957669", "vnic0")
    host.dladm("modify-overlay", "-s", "90:b8:d0:1f:d0:2a=10.0.1.5:4789", "sdc_overlay7957669")
    host.dladm("modify-overlay", "-s", "2:8:20:a:b:c=[fd00:88::5]:4789", "sdc_overlay7957669")
    svp.server.kill()
    svp.world.advance(70)
    assert host.dladm("show-overlay", "-f").out == (
        "LINK                STATUS  DETAILS\n"
        "demo0               ONLINE  -\n"
        "sdc_overlay7957669  DEGRADED cannot reach any remote peers\n"
    )
    assert host.dladm("show-overlay", "-t", "sdc_overlay7957669").out == (
        "LINK                TARGET            DESTINATION\n"
        "sdc_overlay7957669  2:8:20:a:b:c      fd00:88::5:4789\n"
        "sdc_overlay7957669  90:b8:d0:1f:d0:2a 10.0.1.5:4789\n"
    )


@pytest.mark.fact("SVP-I34")
@pytest.mark.parametrize("kind", [socket.EAI_NONAME, socket.EAI_FAIL])
def test_a_name_that_is_gone_degrades_and_lookups_go_on(svp: SvpWorld, kind: int) -> None:
    svp.world.streams.failing[NAME] = kind
    svp.world.advance(31)
    assert svp.status() == f"DEGRADED:failed to resolve or find entries for hostname {NAME}"
    assert svp.reaches(1, 3)
    svp.world.streams.failing.clear()
    svp.world.advance(31)
    assert svp.status() == "ONLINE:-"


@pytest.mark.fact("SVP-I38")
def test_addresses_of_the_name_come_and_go_without_harm(svp: SvpWorld) -> None:
    second = svp.world.portolan("two", OTHER, svp.server.store)
    svp.world.streams.names[NAME] = [SERVER, OTHER]
    svp.world.advance(32)
    assert second.server is not None
    assert second.server.connections == 3
    svp.world.streams.names[NAME] = [OTHER]
    svp.world.advance(32)
    assert svp.server.server is not None
    assert (svp.server.server.connections, second.server.connections) == (0, 3)
    assert svp.reaches(1, 3)
    assert svp.status() == "ONLINE:-"


@pytest.mark.fact("SVP-I37", "SVP-B28")
def test_one_of_two_servers_dies_and_nothing_is_degraded(svp: SvpWorld) -> None:
    svp.world.portolan("two", OTHER, svp.server.store)
    svp.world.streams.names[NAME] = [SERVER, OTHER]
    svp.world.advance(32)
    svp.server.kill()
    for _ in range(100):
        svp.hosts[0].dladm("modify-overlay", "-f", "ov0")
        assert svp.reaches(1, 3)
        svp.world.advance(1)
        assert svp.status() == "ONLINE:-"


@pytest.mark.fact("SVP-I31")
def test_a_server_that_cannot_be_reached_any_more_answers_nothing_and_then_again(svp: SvpWorld) -> None:
    svp.world.part("cn1", "one")
    assert not svp.reaches(1, 3)
    svp.world.heal()
    svp.world.advance(3)
    assert svp.reaches(1, 3)


def test_varpd_that_is_killed_comes_back_with_its_overlay(svp: SvpWorld) -> None:
    assert svp.server.server is not None
    assert svp.server.server.connections == 3
    svp.hosts[0].kill("varpd")
    svp.world.advance(0.2)
    svp.world.advance(5)
    assert svp.status() == "ONLINE:-"
    assert svp.reaches(1, 3)
    assert svp.server.server.connections == 3


def test_deleting_the_overlay_closes_its_connection(svp: SvpWorld) -> None:
    svp.hosts[0].dladm("delete-vnic", "vnic0")
    svp.hosts[0].dladm("delete-overlay", "ov0")
    svp.world.advance(1)
    assert svp.server.server is not None
    assert svp.server.server.connections == 2


class Hostile(asyncio.Protocol):
    """A server that answers whatever it is asked with the same bytes, or hangs up."""

    def __init__(self, data: bytes | None) -> None:
        self._data = data

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        assert isinstance(self._transport, asyncio.Transport)
        if self._data is None:
            self._transport.abort()
        else:
            self._transport.write(self._data)


@pytest.mark.fact("SVP-I37")
@pytest.mark.parametrize(
    "data",
    [b"\0" * 40, b"\xff" * 16, b"\0\1\0\4\xff\xff\xff\xff" + bytes(8), b"\0\1\0", None],
    ids=["zeros", "ones", "huge", "half", "hangs up"],
)
def test_a_hostile_server_beside_a_good_one_does_no_harm(svp: SvpWorld, data: bytes | None) -> None:
    svp.world.loop.run_until(svp.world.loop.create_server(lambda: Hostile(data), OTHER, 1296))
    svp.world.streams.names[NAME] = [SERVER, OTHER]
    svp.world.advance(32)
    for _ in range(20):
        svp.hosts[0].dladm("modify-overlay", "-f", "ov0")
        assert svp.reaches(1, 3)
        svp.world.advance(2)
        assert svp.status() == "ONLINE:-"


def test_the_same_seed_gives_the_same_trace() -> None:
    def trace() -> list[str]:
        made = SvpWorld(seed=7)
        for source, target in ((1, 3), (2, 1), (3, 2)):
            made.send(source, target)
            made.world.advance(1)
        made.server.change(lambda p: p.move(VNET, mac(3), CN[1]))
        made.world.advance(25)
        made.world.close()
        return [str(line) for line in made.world.trace.lines]

    assert trace() == trace()
