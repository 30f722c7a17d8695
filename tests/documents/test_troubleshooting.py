"""What docs/troubleshooting.md says of lost frames and of a minute's silence, made to happen in memory, where time costs nothing.

What it shows in blocks is run by `test_documents`.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from etherspan.testing import frames
from etherspan.testing.memory import address
from etherspan.testing.scenarios import SCENARIOS
from etherspan.testing.sim.world import SimWorld, SimWorldHost
from etherspan.testing.topology import NOBODY, direct_overlay, files_pair, hosts, inner4, mac, numbered, vnic
from etherspan.testing.world import Host
from kernel_sim.sys.errno import Errno
from kernel_sim.sys.ethernet import format_mac
from tests.documents.markdown import ROOT, blocks

PAGE = ROOT / "docs" / "troubleshooting.md"
ROWS = re.findall(r"^\| (`[rt]x_.*?) \|", PAGE.read_text(), re.MULTILINE)
REASONS = [reason for row in ROWS for reason in re.findall(r"`(\w+)`", row)]
HEADER = bytes.fromhex("0800000000001700")
"""Of VXLAN network 23."""


def tx_lookup_drop(world: SimWorld) -> Host:
    a, _, p, _ = files_pair(world)
    p.send(frames.ethernet(NOBODY, mac(1), b"\x88\xb5" + bytes(50)))
    p.send(frames.arp_request(mac(1), inner4(1), inner4(2)))
    p.expect(frames.arp_reply(mac(2), inner4(2), mac(1), inner4(1)))
    a.expect_drops({"ov0:tx_lookup_drop": 2})
    return a


def tx_pending_full(world: SimWorld) -> Host:
    SCENARIOS["parked_frames_have_room_for_128_kib_an_address"](world)
    return world.hosts["h1"]


def tx_target_drop(world: SimWorld) -> Host:
    a, _, p, q = files_pair(world)
    a.dladm(f"modify-overlay -s {format_mac(mac(2))}=drop ov0")
    p.send(numbered(1, 2))
    q.expect_nothing()
    assert re.search(r"2:8:20:0:0:2 +drop", a.dladm("show-overlay -t ov0").out)
    a.expect_drops({"ov0:tx_target_drop": 1})
    a.dladm(f"modify-overlay -d {format_mac(mac(2))} ov0")
    p.send(numbered(1, 2))
    q.expect(numbered(1, 2))
    return a


def point(world: SimWorld) -> tuple[SimWorldHost, SimWorldHost]:
    """Two hosts, a VNIC each, over a point-to-point overlay of network 23."""
    a, b = hosts(world, 2)
    assert isinstance(a, SimWorldHost)
    assert isinstance(b, SimWorldHost)
    direct_overlay(a, b.address)
    direct_overlay(b, a.address)
    vnic(a, 1), vnic(b, 2)
    return a, b


def tx_address_family(world: SimWorld) -> Host:
    (a,) = hosts(world, 1)
    direct_overlay(a, "fd00:88::2")
    vnic(a, 1).send(numbered(1, 2))
    return a


def fails(world: SimWorld, errno: Errno) -> Host:
    """A host whose sends fail."""
    a, _ = point(world)
    world.network._owners[address(a.address).ip].send_errno = errno
    a.port("vnic1").send(numbered(1, 2))
    return a


def tx_send_failed(world: SimWorld) -> Host:
    return fails(world, Errno.ENETUNREACH)


def tx_would_block(world: SimWorld) -> Host:
    return fails(world, Errno.EAGAIN)


def hears(world: SimWorld, host: Host, datagram: bytes, source: str) -> Host:
    """A host hears a datagram of somebody on the underlay."""
    underlay = world.network.underlay(source)
    opened = underlay.open(address(source), lambda *_, **__: None)
    opened.send(b"", [datagram], address(host.address), 4789)
    world.advance(0.1)
    return host


def rx_unknown_vnetid(world: SimWorld) -> Host:
    return hears(world, point(world)[1], HEADER[:4] + b"\0\0\x63\0" + numbered(1, 2), "10.88.88.9")


def rx_bad_header(world: SimWorld) -> Host:
    return hears(world, point(world)[1], b"a question for a name server", "10.88.88.9")


def defended(world: SimWorld, setting: str, datagram: bytes) -> Host:
    """A host with a defence on, which has booted since, hears a datagram."""
    _, b = point(world)
    b.write("etc/system", f"set {setting} = 1\n")
    b.kill("kernel")
    return hears(world, b, datagram, "10.88.88.9")


def rx_reserved_bits(world: SimWorld) -> Host:
    return defended(world, "vxlan:vxlan_strict", HEADER[:-1] + b"\1" + numbered(1, 2))


def rx_unknown_source(world: SimWorld) -> Host:
    return defended(world, "overlay:overlay_source_filter", HEADER + numbered(1, 2))


def rx_local_mac(world: SimWorld) -> Host:
    return defended(world, "overlay:overlay_mac_check", HEADER + numbered(2, 2))


def rx_consumer_full(world: SimWorld) -> Host:
    a, b = point(world)
    b.ports.ports["vnic2"].room = 0
    a.port("vnic1").send(numbered(1, 2))
    world.advance(0.1)
    return b


MADE: dict[str, Callable[[SimWorld], Host]] = {
    one.__name__: one
    for one in (
        tx_lookup_drop,
        tx_pending_full,
        tx_target_drop,
        tx_address_family,
        tx_send_failed,
        tx_would_block,
        rx_unknown_vnetid,
        rx_bad_header,
        rx_reserved_bits,
        rx_unknown_source,
        rx_local_mac,
        rx_consumer_full,
    )
}


def test_every_reason_that_is_named_is_made_to_happen() -> None:
    assert list(MADE) == REASONS


@pytest.mark.parametrize("reason", REASONS)
def test_a_lost_frame_is_counted_under_the_reason_that_the_table_names(reason: str) -> None:
    with SimWorld() as world:
        lost = MADE[reason](world).drops()
        assert [name.partition(":")[2] for name in lost] == [reason]


def test_a_minute_without_a_server_degrades_the_overlay_as_shown() -> None:
    (block,) = [one for one in blocks(PAGE) if one.note("elsewhere") and "remote peers" in "".join(one.text)]
    create, show = block.steps
    with SimWorld() as world:
        host = world.host("cn1", "10.88.88.1")
        world.host("cn2", "10.88.88.2")  # which has no server
        host.write("etc/inet/hosts", "10.88.88.2 portolan.lab\n")
        host.dladm(create.command.removeprefix("dladm "))
        world.advance(50.0)
        assert "ONLINE" in host.dladm(show.command.removeprefix("dladm ")).out
        world.advance(20.0)
        assert host.dladm(show.command.removeprefix("dladm ")).out.splitlines() == show.output
