"""The life of a VNIC's TAP: making, changing, moving between zones, losing its namespace."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pyroute2 import IPRoute

from etherspan.netns import set_sysctl
from etherspan.testing.frames import BROADCAST
from kernel_sim.ddi import LinkId, PortSpec
from kernel_sim.io import tun
from kernel_sim.io.loop import Loop
from kernel_sim.io.tap import GSO_MAX_SIZE, TapPort, TapPorts
from kernel_sim.io.zones import Zones
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.message import Chain, Gso, Message

pytestmark = pytest.mark.namespaces

GROUP = 4711
MAC = bytes.fromhex("020000000001")
LONG = "sdc_overlay4385087"


class Host:
    """TAP ports in a namespace; to be used inside it."""

    def __init__(self, namespace: Any, zones: Path) -> None:
        self.namespace = namespace
        self.zones = zones
        self.loop = Loop()
        self.reports: list[str] = []
        self.sent: Chain = []
        self.ports = TapPorts(self.loop, Zones(zones), GROUP, self.reports.append)

    def open(self, name: str = "vnic0", *, mtu: int = 1400, up: bool = True) -> TapPort:
        return self.ports.open(PortSpec(LinkId(7), name, MAC, mtu, up), self.transmit)

    def transmit(self, chain: Chain) -> None:
        self.sent += [message.with_data(bytes(message.data)) for message in chain]

    def turn(self, until: Callable[[], bool]) -> None:
        for _ in range(500):
            if until():
                return
            self.loop.run_once(0.02)
        raise AssertionError(f"it does not come: {self.reports}")

    def add_zone(self, name: str, namespace: Any) -> None:
        (self.zones / name).symlink_to(namespace.path)

    def close(self) -> None:
        self.ports.close()
        self.loop.close()


@pytest.fixture
def host(namespace: Any, tmp_path: Path) -> Iterator[Host]:
    host = namespace.run(lambda: Host(namespace, tmp_path))
    yield host
    namespace.run(host.close)


def link(namespace: Any, name: str) -> dict[str, Any]:
    """What rtnetlink says of a link, by its name or alternative name."""

    def get() -> dict[str, Any]:
        with IPRoute() as ip:
            [found] = ip.link("get", altname=name) if len(name) > 15 else ip.link("get", ifname=name)
            wanted = ("IFNAME", "ADDRESS", "MTU", "GROUP", "GSO_MAX_SIZE", "CARRIER")
            return {key: found.get_attr(f"IFLA_{key}") for key in wanted} | {"up": bool(found["flags"] & 1)}

    return namespace.run(get)  # type: ignore[no-any-return]


def inside(host: Host, action: Callable[[], Any]) -> Any:
    return host.namespace.run(action)


def refused(action: Callable[[], object]) -> Errno:
    with pytest.raises(KernelError) as caught:
        action()
    return caught.value.errno


# ---------------------------------------------------------------------- making and changing


def test_a_tap_is_made_down_with_address_mtu_group_and_carrier(host: Host) -> None:
    inside(host, host.open)
    assert link(host.namespace, "vnic0") == {
        "IFNAME": "vnic0",
        "ADDRESS": "02:00:00:00:00:01",
        "MTU": 1400,
        "GROUP": GROUP,
        "GSO_MAX_SIZE": GSO_MAX_SIZE,
        "CARRIER": 1,
        "up": False,
    }


def test_a_long_link_name_becomes_an_alternative_name(host: Host) -> None:
    inside(host, lambda: host.open(LONG))
    assert link(host.namespace, LONG)["IFNAME"] == "es7"
    assert host.namespace.links() == ["es7", "lo"]


def test_closing_a_port_removes_its_tap(host: Host) -> None:
    inside(host, lambda: host.open().close())
    assert host.namespace.links() == ["lo"]


def test_a_name_that_is_taken_is_eexist_and_leaves_nothing(host: Host) -> None:
    def body() -> None:
        before = len(list(Path("/proc/self/fd").iterdir()))
        host.open("vnic0")
        host.open(LONG)
        for name in ("vnic0", LONG, "lo"):
            assert refused(lambda name=name: host.open(name)) == Errno.EEXIST  # type: ignore[misc]
        assert len(list(Path("/proc/self/fd").iterdir())) == before + 2

    inside(host, body)


def test_an_address_or_mtu_that_a_tap_cannot_have_is_refused_and_leaves_nothing(host: Host) -> None:
    def body() -> None:
        assert refused(lambda: host.open(mtu=10)) == Errno.EINVAL
        port = host.open()
        assert refused(lambda: port.set_mtu(10)) == Errno.EINVAL
        assert refused(lambda: port.set_mac(b"\x01\0\0\0\0\x01")) == Errno.EADDRNOTAVAIL

    inside(host, body)
    assert link(host.namespace, "vnic0")["MTU"] == 1400


def test_without_the_right_to_make_taps_it_is_eperm_or_enoent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tun, "DEVICE", "/nonexistent/tun")
    assert refused(lambda: tun.create("vnic0")) == Errno.ENOENT


def test_offloads_fall_back_step_by_step(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = tun.Offload(0x4000, frozenset({99}))
    monkeypatch.setattr(tun, "OFFLOADS", (unknown, *tun.OFFLOADS[1:]))
    fd, granted = inside(host, lambda: tun.create("vnic0"))
    os.close(fd)
    assert granted == tun.OFFLOADS[1]
    assert Gso.UDP_L4 not in granted.runs


@pytest.mark.parametrize("zone", ["", "web"])
def test_mtu_address_and_carrier_follow_wherever_the_tap_is(
    host: Host, make_namespace: Callable[[], Any], zone: str
) -> None:
    web = make_namespace()
    host.add_zone("web", web)

    def body() -> None:
        port = host.open()
        port.set_zone(zone)
        port.set_mtu(1300)
        port.set_mac(MAC[:5] + b"\x99")
        port.set_link(False)
        assert port.zone == zone

    inside(host, body)
    found = link(web if zone else host.namespace, "vnic0")
    assert (found["MTU"], found["ADDRESS"], found["CARRIER"]) == (1300, "02:00:00:00:00:99", 0)


@pytest.mark.parametrize(
    ("before", "after"), [("vnic0", "vnic1"), ("vnic0", LONG), (LONG, "vnic0"), (LONG, LONG + "1")]
)
def test_a_rename_of_the_link_renames_the_tap(host: Host, before: str, after: str) -> None:
    def body() -> None:
        port = host.open(before)
        port.set_name(after)
        port.set_name(after)

    inside(host, body)
    assert link(host.namespace, after)["ADDRESS"] == "02:00:00:00:00:01"
    with pytest.raises(Exception, match=r"No such device|empty"):
        link(host.namespace, before)


@pytest.mark.parametrize("name", ["vnic0", LONG])
def test_a_tap_that_is_up_keeps_its_name(host: Host, name: str) -> None:
    def body() -> None:
        port = host.open(name)
        with IPRoute() as ip:
            ip.link("set", index=socket.if_nametoindex(name if name == "vnic0" else "es7"), state="up")
        assert refused(lambda: port.set_name("web0")) is Errno.EBUSY

    inside(host, body)
    assert link(host.namespace, name)["up"]


# ---------------------------------------------------------------------- zones


def test_a_tap_moves_between_zones_and_back(host: Host, make_namespace: Callable[[], Any]) -> None:
    web, db = make_namespace(), make_namespace()
    host.add_zone("web", web)
    host.add_zone("db", db)

    def body() -> None:
        port = host.open(LONG)
        for zone in ("web", "web", "db", "global", "web", ""):
            port.set_zone(zone)
            assert port.zone == ("" if zone == "global" else zone)
            for name, namespace in (("web", web), ("db", db), ("", host.namespace)):
                assert ("es7" in namespace.links()) == (name == port.zone)

    inside(host, body)
    found = link(host.namespace, LONG)
    assert (found["GROUP"], found["MTU"], found["GSO_MAX_SIZE"]) == (GROUP, 1400, GSO_MAX_SIZE)


def test_an_unknown_zone_is_enoent_and_the_tap_stays(host: Host) -> None:
    def body() -> None:
        port = host.open()
        assert refused(lambda: port.set_zone("nowhere")) == Errno.ENOENT
        assert port.zone == ""

    inside(host, body)
    assert "vnic0" in host.namespace.links()


def test_a_name_taken_in_the_zone_is_eexist_and_the_tap_stays(host: Host, make_namespace: Callable[[], Any]) -> None:
    web = make_namespace()
    host.add_zone("web", web)
    fd, _ = web.run(lambda: tun.create("vnic0"))

    def body() -> None:
        port = host.open()
        assert refused(lambda: port.set_zone("web")) == Errno.EEXIST
        assert port.zone == ""

    inside(host, body)
    os.close(fd)
    assert "vnic0" in host.namespace.links()


@contextlib.contextmanager
def open_port(host: Host, zone: str) -> Iterator[TapPort]:
    def make() -> TapPort:
        port = host.open(mtu=1380, up=False)
        port.set_zone(zone)
        return port

    yield inside(host, make)


def test_a_vnic_whose_namespace_goes_away_returns_to_the_host(host: Host, make_namespace: Callable[[], Any]) -> None:
    web = make_namespace()
    host.add_zone("web", web)
    with open_port(host, "web") as port:
        web.close()
        inside(host, lambda: host.turn(lambda: port.zone == ""))
        found = link(host.namespace, "vnic0")
        assert found["ADDRESS"] == "02:00:00:00:00:01"
        assert (found["MTU"], found["CARRIER"], found["GROUP"]) == (1380, 0, GROUP)
        assert len(host.reports) == 1
        assert "zone web" in host.reports[0]
        traffic_passes(host, port)


def test_while_its_name_is_taken_a_port_waits_for_it(
    host: Host, make_namespace: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kernel_sim.io.tap.RETRY_SECONDS", 0.02)
    web = make_namespace()
    host.add_zone("web", web)
    with open_port(host, "web") as port:
        fd, _ = host.namespace.run(lambda: tun.create("vnic0"))
        web.close()
        inside(host, lambda: host.turn(lambda: len(host.reports) >= 2))
        assert port.deliver([Message(bytes(60)), Message(bytes(60))]) == 2
        assert refused(lambda: port.set_zone("")) == Errno.EAGAIN
        inside(host, lambda: port.set_mtu(1370))
        os.close(fd)
        inside(host, lambda: host.turn(lambda: "vnic0" in host.namespace.links()))
        assert link(host.namespace, "vnic0")["MTU"] == 1370


def test_a_port_that_waits_for_its_name_can_be_closed(host: Host, make_namespace: Callable[[], Any]) -> None:
    web = make_namespace()
    host.add_zone("web", web)
    with open_port(host, "web") as port:
        fd, _ = host.namespace.run(lambda: tun.create("vnic0"))
        web.close()
        inside(host, lambda: host.turn(lambda: len(host.reports) >= 2))
        inside(host, port.close)
        os.close(fd)
        inside(host, lambda: host.loop.run_once(0.0))
        assert host.namespace.links() == ["lo"]


def test_removing_all_devices_leaves_none_in_any_namespace(host: Host, make_namespace: Callable[[], Any]) -> None:
    web = make_namespace()
    host.add_zone("web", web)

    def body() -> None:
        for number in range(3):
            host.ports.open(PortSpec(LinkId(number), f"vnic{number}", MAC, 1400, up=True), host.transmit)
        host.open("vnic9").set_zone("web")
        host.ports.remove_devices()

    inside(host, body)
    assert host.namespace.links() == web.links() == ["lo"]


# ---------------------------------------------------------------------- traffic


def traffic_passes(host: Host, port: TapPort) -> None:
    inside(host, lambda: port.set_link(True))
    host.namespace.address("vnic0", "10.55.55.1/24")
    host.sent.clear()
    frame = b"\xff" * 6 + MAC + b"\x88\xb5" + bytes(50)
    with host.namespace.packets("vnic0") as consumer:
        consumer.send(frame)
        inside(host, lambda: host.turn(lambda: any(message.data == frame for message in host.sent)))
        back = MAC + b"\x02\0\0\0\0\x99" + b"\x88\xb5" + bytes(range(50))
        assert inside(host, lambda: port.deliver([Message(back)])) == 0
        while consumer.recv(2000) != back:
            pass


def test_frames_pass_in_both_directions(host: Host) -> None:
    traffic_passes(host, inside(host, host.open))


def test_a_tap_that_is_down_takes_nothing_and_says_so(host: Host) -> None:
    def body() -> None:
        port = host.open()
        run = Message(bytes(5054), partial=True, start=34, stuff=16, gso=Gso.TCPV4, mss=1000, hdr_len=54)
        assert port.deliver([Message(bytes(60)), run]) == 1 + 5

    inside(host, body)


def test_what_the_consumer_sends_in_bulk_arrives_as_runs(host: Host) -> None:
    port = inside(host, host.open)
    host.namespace.address("vnic0", "10.55.55.1/24")
    with host.namespace.run(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as out:
        out.setsockopt(17, 103, 1000)  # UDP_SEGMENT
        out.bind(("10.55.55.1", 0))
        host.namespace.run(lambda: neighbour("10.55.55.2", "02:00:00:00:00:02"))
        out.sendto(bytes(range(250)) * 40, ("10.55.55.2", 7000))
        inside(host, lambda: host.turn(lambda: any(message.mss for message in host.sent)))
    [run] = [message for message in host.sent if message.mss]
    assert (run.gso, run.mss, run.frames, run.partial, run.hdr_len) == (Gso.UDP_L4, 1000, 10, True, 42)
    with host.namespace.packets("vnic0") as consumer:
        assert inside(host, lambda: port.deliver([run])) == 0
        sizes: list[int] = []
        while sum(sizes) < 10_000:
            frame = consumer.recv(70_000)
            if frame[12:14] == b"\x08\x00":
                sizes.append(len(frame) - 42)
    assert sizes in ([10_000], [1000] * 10)


def neighbour(address: str, mac: str) -> None:
    with IPRoute() as ip:
        ip.neigh("add", dst=address, lladdr=mac, ifindex=socket.if_nametoindex("vnic0"))


def test_a_kind_of_run_the_machine_does_not_know_is_cut(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    port = inside(host, host.open)
    host.namespace.address("vnic0", "10.55.55.1/24")
    monkeypatch.setattr(port, "_runs", frozenset())
    headers = MAC + b"\x02\0\0\0\0\x99" + b"\x08\x00"
    ip = b"\x45\0\0\0\0\0\0\0\x40\x11\0\0\x0a\x37\x37\x02\x0a\x37\x37\x01"
    udp = b"\x1b\x58\x1b\x58\0\0\0\0"
    run = Message(
        headers + ip + udp + bytes(2500), partial=True, start=34, stuff=6, gso=Gso.UDP_L4, mss=1000, hdr_len=42
    )
    with host.namespace.packets("vnic0") as consumer:
        assert inside(host, lambda: port.deliver([run])) == 0
        sizes: list[int] = []
        while len(sizes) < 3:
            frame = consumer.recv(70_000)
            if frame[12:14] == b"\x08\x00" and frame[36:38] == b"\x1b\x58":
                sizes.append(len(frame))
    assert sizes == [1042, 1042, 542]


# ---------------------------------------------------------------------- how much the consumer may send


def experimental(host: Host) -> list[int]:
    """The serial numbers of the frames that came from a consumer's `send_experimental`."""
    return [message.data[14] for message in host.sent if bytes(message.data[12:14]) == b"\x88\xb5"]


def send_experimental(host: Host, serials: range, size: int = 1000) -> None:
    with host.namespace.packets("vnic0") as consumer:
        for serial in serials:
            consumer.send(BROADCAST + MAC + b"\x88\xb5" + bytes([serial]) + bytes(size - 15))


@pytest.fixture
def quiet(host: Host) -> TapPort:
    """A TAP that is up, where nothing but a test sends."""
    port = inside(host, host.open)
    host.namespace.run(lambda: set_sysctl("net/ipv6/conf/vnic0/disable_ipv6", "1"))
    host.namespace.address("vnic0")
    return port  # type: ignore[no-any-return]


def test_a_consumer_that_may_send_nothing_is_not_read_and_costs_no_time(host: Host, quiet: TapPort) -> None:
    quiet.allow(0)
    send_experimental(host, range(5))
    rounds = time.process_time()
    inside(host, lambda: host.loop.run_once(0.2))
    assert time.process_time() - rounds < 0.1
    assert experimental(host) == []
    quiet.allow(None)
    inside(host, lambda: host.turn(lambda: experimental(host) == [0, 1, 2, 3, 4]))


def test_a_consumer_is_not_read_for_more_than_it_may_send(
    host: Host, quiet: TapPort, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []

    def transmit(chain: Chain) -> None:
        batches.append(len(chain))
        host.transmit(chain)
        quiet.allow(2500 if len(batches) < 2 else None)

    monkeypatch.setattr(quiet, "_transmit", transmit)
    quiet.allow(1)
    send_experimental(host, range(10))
    inside(host, lambda: host.turn(lambda: len(experimental(host)) == 10))
    assert batches == [1, 3, 6]
    assert experimental(host) == list(range(10))


def test_a_held_up_tap_that_is_lost_comes_back_held_up(host: Host, make_namespace: Callable[[], Any]) -> None:
    web = make_namespace()
    host.add_zone("web", web)
    with open_port(host, "web") as port:
        port.allow(0)
        web.close()
        inside(host, lambda: host.turn(lambda: port.zone == ""))
        host.namespace.run(lambda: set_sysctl("net/ipv6/conf/vnic0/disable_ipv6", "1"))
        inside(host, lambda: port.set_link(True))
        host.namespace.address("vnic0")
        send_experimental(host, range(2))
        inside(host, lambda: host.loop.run_once(0.05))
        assert experimental(host) == []
        port.allow(None)
        inside(host, lambda: host.turn(lambda: experimental(host) == [0, 1]))
