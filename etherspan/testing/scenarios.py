"""Scenarios that hold in every world: what hosts, overlays, varpd and dladm do for the frames of their VNICs.

Each function of `SCENARIOS` takes an empty world and raises AssertionError where it differs. Between them they also pin every drop
counter, which is to be the same in all worlds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from etherspan.testing import frames
from etherspan.testing.linkprop_scenarios import LINKPROP_SCENARIOS
from etherspan.testing.topology import (
    CONFIG,
    ETHERTYPE_EXPERIMENTAL,
    NOBODY,
    direct_overlay,
    files_overlay,
    files_pair,
    hosts,
    inner4,
    inner6,
    mac,
    no_drops,
    numbered,
    table,
    vnic,
)
from etherspan.testing.world import World
from kernel_sim.sys.ethernet import format_mac
from kernel_sim.sys.overlay_target import PENDING_BYTES_MAX
from libvarpd.client import Client

Scenario = Callable[[World], None]
SCENARIOS: Final[dict[str, Scenario]] = {}


def scenario(function: Scenario) -> Scenario:
    """Put a function into `SCENARIOS`."""
    SCENARIOS[function.__name__] = function
    return function


# ---------------------------------------------------------------------- point to point


@scenario
def point_to_point_carries_everything(world: World) -> None:
    a, b = hosts(world, 2)
    direct_overlay(a, b.address)
    direct_overlay(b, a.address)
    p, q = vnic(a, 1), vnic(b, 2)
    for frame in (numbered(1, 2), frames.arp_request(mac(1), inner4(1), inner4(2)), numbered(1, 2, size=1414)):
        p.send(frame)
        q.expect(frame)
    q.send(numbered(2, 1))
    p.expect(numbered(2, 1))
    q.expect_nothing()
    no_drops((a, b))
    assert a.kstat("link:0:vnic1:opackets") == {"link:0:vnic1:opackets": 3}


@scenario
def an_ipv6_underlay_carries_frames(world: World) -> None:
    a, b = world.host("h1", "fd00:88::1"), world.host("h2", "fd00:88::2")
    direct_overlay(a, b.address)
    direct_overlay(b, a.address)
    p, q = vnic(a, 1), vnic(b, 2)
    p.send(numbered(1, 2))
    q.expect(numbered(1, 2))
    no_drops((a, b))


@scenario
def vnics_of_one_overlay_switch_locally(world: World) -> None:
    a, b = hosts(world, 2)
    direct_overlay(a, b.address)
    direct_overlay(b, a.address)
    p, s, q = vnic(a, 1), vnic(a, 3), vnic(b, 2)
    p.send(numbered(1, 3))
    s.expect(numbered(1, 3))
    q.expect_nothing()
    asked = frames.arp_request(mac(1), inner4(1), inner4(9))
    p.send(asked)
    s.expect(asked)
    q.expect(asked)
    p.expect_nothing()
    no_drops((a, b))


@scenario
def overlays_of_two_ids_share_a_socket_and_nothing_else(world: World) -> None:
    a, b = hosts(world, 2)
    for vnetid, name in ((23, "ov0"), (24, "ov1")):
        direct_overlay(a, b.address, name=name, vnetid=vnetid)
    direct_overlay(b, a.address)
    p, r, q = vnic(a, 1), vnic(a, 3, over="ov1"), vnic(b, 2)
    p.send(numbered(1, 2))
    q.expect(numbered(1, 2))
    r.send(numbered(3, 2))
    q.expect_nothing()
    b.expect_drops({"mux:rx_unknown_vnetid": 1})
    no_drops([a])


@scenario
def an_etherstub_has_no_wire(world: World) -> None:
    (a,) = hosts(world, 1)
    a.dladm("create-etherstub stub0")
    p, q = vnic(a, 1, over="stub0"), vnic(a, 2, over="stub0")
    p.send(numbered(1, 2))
    q.expect(numbered(1, 2))
    p.send(numbered(1, 3))
    q.expect_nothing()
    a.expect_drops({"stub0:tx_no_wire": 1})


# ---------------------------------------------------------------------- files


@scenario
def files_finds_who_is_in_the_table_and_drops_who_is_not(world: World) -> None:
    a, b, p, q = files_pair(world)
    for serial in range(3):
        p.send(numbered(1, 2, serial))
        q.expect(numbered(1, 2, serial))
    lost = frames.ethernet(NOBODY, mac(1), frames.udp(inner4(1), inner4(9), 1, 2, b"nobody"))
    p.send(lost)
    q.expect_nothing()
    a.expect_drops({"ov0:tx_lookup_drop": 1})
    no_drops([b])
    shown = a.dladm("show-overlay -t ov0").out.split()
    assert format_mac(mac(2)) in shown
    assert format_mac(NOBODY) not in shown


@scenario
def arp_is_answered_by_varpd(world: World) -> None:
    a, b, p, q = files_pair(world)
    p.send(frames.arp_request(mac(1), inner4(1), inner4(2)))
    p.expect(frames.arp_reply(mac(2), inner4(2), mac(1), inner4(1)))
    p.send(frames.arp_request(mac(1), inner4(1), inner4(9)))
    p.expect_nothing()
    q.expect_nothing()
    a.expect_drops({"ov0:tx_lookup_drop": 2})
    no_drops([b])


@scenario
def tagged_questions_are_answered_with_their_tag(world: World) -> None:
    a, b = hosts(world, 2)
    text = table({1: a.address, 2: b.address})
    for host in (a, b):
        files_overlay(host, text)
    p, q = vnic(a, 1, options="-v 7"), vnic(b, 2, options="-v 7")
    p.send(frames.arp_request(mac(1), inner4(1), inner4(2)))
    p.expect(frames.arp_reply(mac(2), inner4(2), mac(1), inner4(1)))
    p.send(frames.neighbour_solicitation(mac(1), inner6(1), inner6(2)))
    p.expect(frames.neighbour_advertisement(mac(2), inner6(2), mac(1), inner6(1)))
    p.send(numbered(1, 2))
    q.expect(numbered(1, 2))
    a.expect_drops({"ov0:tx_lookup_drop": 2})


@scenario
def neighbours_are_answered_by_varpd(world: World) -> None:
    a, b, p, q = files_pair(world)
    p.send(frames.neighbour_solicitation(mac(1), inner6(1), inner6(2)))
    p.expect(frames.neighbour_advertisement(mac(2), inner6(2), mac(1), inner6(1)))
    p.send(frames.neighbour_solicitation(mac(1), inner6(1), inner6(9)))
    p.expect_nothing()
    q.expect_nothing()
    a.expect_drops({"ov0:tx_lookup_drop": 2})
    no_drops([b])


@scenario
def dhcp_goes_to_the_server_of_whoever_asks(world: World) -> None:
    a, b, p, q = files_pair(world, v1={"dhcp-proxy": format_mac(mac(2))})
    asked = frames.dhcp_discover(mac(1))
    p.send(asked)
    q.expect(mac(2) + asked[6:])
    q.send(frames.dhcp_discover(mac(2)))
    p.expect_nothing()
    a.expect_drops({"ov0:tx_lookup_drop": 1})
    b.expect_drops({"ov0:tx_lookup_drop": 1})


# ---------------------------------------------------------------------- life of varpd


@scenario
def a_stopped_varpd_leaves_frames_parked_that_it_delivers_later(world: World) -> None:
    a, b, c = hosts(world, 3)
    text = table({1: a.address, 2: b.address, 3: c.address})
    for host in (a, b, c):
        files_overlay(host, text)
    p, q, r = vnic(a, 1), vnic(b, 2), vnic(c, 3)
    p.send(numbered(1, 2))
    q.expect(numbered(1, 2))
    a.svcadm("disable varpd")
    p.send(numbered(1, 2, serial=1))
    q.expect(numbered(1, 2, serial=1))
    waiting = [numbered(1, 3, serial) for serial in range(5)]
    p.send(*waiting)
    r.expect_nothing()
    no_drops([a])
    a.svcadm("enable varpd")
    r.expect(*waiting)
    no_drops((a, b, c))


@scenario
def parked_frames_have_room_for_128_kib_an_address(world: World) -> None:
    a, b, p, q = files_pair(world)
    a.svcadm("disable varpd")
    size = 1414
    fit = PENDING_BYTES_MAX // size
    sent = [numbered(1, 2, serial, size) for serial in range(fit + 8)]
    for frame in sent:
        p.send(frame)
    world.advance(0.2)
    a.expect_drops({"ov0:tx_pending_full": 8})
    a.svcadm("enable varpd")
    q.expect(*sent[:fit])
    a.expect_drops({"ov0:tx_pending_full": 8})
    no_drops([b])


@scenario
def a_killed_varpd_comes_back_with_its_instances(world: World) -> None:
    a, b, p, q = files_pair(world)
    a.kill("varpd")
    p.send(numbered(1, 2))
    q.expect(numbered(1, 2))
    p.send(frames.arp_request(mac(1), inner4(1), inner4(2)))
    p.expect(frames.arp_reply(mac(2), inner4(2), mac(1), inner4(1)))
    assert a.dladm("show-overlay -f -p -o link,status ov0").out == "ov0:ONLINE\n"
    a.expect_drops({"ov0:tx_lookup_drop": 1})
    no_drops([b])


@scenario
def a_host_comes_back_from_a_panic(world: World) -> None:
    a, b, p, q = files_pair(world)
    p.send(numbered(1, 2))
    q.expect(numbered(1, 2))
    a.kill("kernel")
    p = a.port("vnic1")
    p.send(numbered(1, 2, serial=1))
    q.expect(numbered(1, 2, serial=1))
    no_drops((a, b))


# ---------------------------------------------------------------------- changes


@scenario
def a_refresh_moves_an_address(world: World) -> None:
    a, b, c = hosts(world, 3)
    for host in (a, b, c):
        files_overlay(host, table({1: a.address, 2: b.address}))
    p, q, r = vnic(a, 1), vnic(b, 2), vnic(c, 2)
    p.send(numbered(1, 2))
    q.expect(numbered(1, 2))
    a.write(CONFIG, table({1: a.address, 2: c.address}))
    p.send(numbered(1, 2, serial=1))
    q.expect(numbered(1, 2, serial=1))
    a.svcadm("refresh varpd")
    a.wait_until(lambda: format_mac(mac(2)) not in a.dladm("show-overlay -t ov0").out, 5.0, "the old entry to go")
    p.send(numbered(1, 2, serial=2))
    r.expect(numbered(1, 2, serial=2))
    q.expect_nothing()
    no_drops((a, b, c))


@scenario
def a_broken_table_degrades_and_leaves_the_old_one(world: World) -> None:
    a, b, p, q = files_pair(world)
    good = table({1: a.address, 2: b.address})
    a.write(CONFIG, good[:-1])
    a.svcadm("refresh varpd")

    def status() -> str:
        return a.dladm("show-overlay -f -p -o status ov0").out.strip()

    a.wait_until(lambda: status() == "DEGRADED", 5.0, "ov0 to be degraded")
    assert CONFIG in a.dladm("show-overlay -f -o details ov0").out.replace("\n", "").replace(" ", "")
    p.send(numbered(1, 2))
    q.expect(numbered(1, 2))
    a.write(CONFIG, good)
    a.svcadm("refresh varpd")
    a.wait_until(lambda: status() == "ONLINE", 5.0, "ov0 to be sound again")
    no_drops((a, b))


@scenario
def a_varpd_that_starts_with_a_broken_table_keeps_its_instance(world: World) -> None:
    a, b, p, q = files_pair(world)
    good = table({1: a.address, 2: b.address})
    a.write(CONFIG, good[:-1])

    def health() -> str:
        return a.dladm("show-overlay -f -p -o status,details ov0").out.strip()

    for _ in range(2):  # each of them finds it broken, the second an overlay that is degraded already
        a.svcadm("restart varpd")
        a.wait_until(lambda: CONFIG in health(), 5.0, "ov0 to be degraded")
        world.advance(0.2)
        assert health().startswith("DEGRADED")
    p.send(numbered(1, 2))
    a.expect_drops({"ov0:tx_lookup_drop": 1})
    a.write(CONFIG, good)
    a.svcadm("refresh varpd")
    a.wait_until(lambda: health() == "ONLINE:-", 5.0, "ov0 to be sound again")
    p.send(numbered(1, 2))
    q.expect(numbered(1, 2))
    a.expect_drops({"ov0:tx_lookup_drop": 1})
    no_drops([b])


@scenario
def an_overlay_without_an_instance_is_not_answered_for_by_another_s(world: World) -> None:
    a, b, p, _ = files_pair(world)
    with Client.create(a.system) as varpd:
        varpd.instance_destroy(1)
    a.svcadm("restart varpd")  # ids begin at 1 again
    a.write("etc/overlays/other.json", table({7: b.address}))
    props = f"vxlan/listen_ip={a.address},files/config=/etc/overlays/other.json"
    a.dladm(f"create-overlay -e vxlan -s files -v 77 -p {props} ov1")
    assert a.dladm("show-overlay -p -o value ov1").out.split("\n")[3] == "1"
    p.send(frames.arp_request(mac(1), inner4(1), inner4(7)), numbered(1, 7))
    p.expect_nothing()
    a.expect_drops({"ov0:tx_lookup_drop": 2})
    no_drops([b])


@scenario
def a_table_is_corrected_by_hand(world: World) -> None:
    a, b, c = hosts(world, 3)
    for host in (a, b, c):
        files_overlay(host, table({1: a.address, 2: b.address}))
    p, q, r = vnic(a, 1), vnic(b, 2), vnic(c, 2)
    at = format_mac(mac(2))
    a.dladm(f"modify-overlay -s {at}={c.address}:4789 ov0")
    p.send(numbered(1, 2, serial=1))
    r.expect(numbered(1, 2, serial=1))
    a.dladm(f"modify-overlay -s {at}=drop ov0")
    p.send(numbered(1, 2, serial=2))
    a.expect_drops({"ov0:tx_target_drop": 1})
    a.dladm(f"modify-overlay -d {at} ov0")
    p.send(numbered(1, 2, serial=3))
    q.expect(numbered(1, 2, serial=3))
    a.dladm(f"modify-overlay -s {at}={c.address}:4789 ov0")
    a.dladm("modify-overlay -f ov0")
    assert a.dladm("show-overlay -t -p -o link,target ov0").out == ""
    p.send(numbered(1, 2, serial=4))
    q.expect(numbered(1, 2, serial=4))
    r.expect_nothing()
    a.expect_drops({"ov0:tx_target_drop": 1})
    no_drops((b, c))


@scenario
def an_unknown_address_is_answered_by_hand(world: World) -> None:
    a, b, p, q = files_pair(world)
    unknown = frames.ethernet(NOBODY, mac(1), b"parked".ljust(46), ethertype=ETHERTYPE_EXPERIMENTAL)
    a.svcadm("disable varpd")
    p.send(unknown)
    q.expect_nothing()
    done = a.dladm(f"modify-overlay -s {format_mac(NOBODY)}={b.address}:4789 ov0", check=False)
    assert done.status == 1
    q.expect_nothing()
    a.svcadm("enable varpd")
    a.expect_drops({"ov0:tx_lookup_drop": 1})
    a.dladm(f"modify-overlay -s {format_mac(NOBODY)}={b.address}:4789 ov0")
    p.send(unknown)
    q.expect(unknown)


@scenario
def deleting_an_overlay_drops_what_is_parked(world: World) -> None:
    a, b, p, q = files_pair(world)
    a.svcadm("disable varpd")
    p.send(*(numbered(1, 2, serial) for serial in range(3)))
    world.advance(0.2)
    a.dladm("delete-vnic vnic1")
    a.dladm("delete-overlay ov0")
    a.expect_drops({"deleted:tx_overlay_deleted": 3})
    files_overlay(a, table({1: a.address, 2: b.address}))
    p = vnic(a, 1)
    p.send(numbered(1, 2, serial=9))
    q.expect(numbered(1, 2, serial=9))
    no_drops([b])


@scenario
def a_table_that_cannot_be_read_makes_no_overlay(world: World) -> None:
    (a,) = hosts(world, 1)
    a.write(CONFIG, "[]")
    props = f"vxlan/listen_ip={a.address},files/config={CONFIG}"
    done = a.dladm(f"create-overlay -e vxlan -s files -v 23 -p {props} ov0", check=False)
    assert done.status == 1
    assert done.err.endswith("dladm: overlay creation failed: invalid argument\n")
    assert a.dladm("show-overlay").out == ""
    a.write(CONFIG, "{}")
    a.dladm(f"create-overlay -e vxlan -s files -v 23 -p {props} ov0")


# ---------------------------------------------------------------------- link properties

for _one in LINKPROP_SCENARIOS:
    scenario(_one)
