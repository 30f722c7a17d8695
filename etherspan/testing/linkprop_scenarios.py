"""What link properties do to a VNIC's frames, in every world; part of `scenarios.SCENARIOS`."""

from __future__ import annotations

from typing import Final

from etherspan.testing.topology import direct_overlay, hosts, mac, no_drops, numbered, vnic
from etherspan.testing.world import World
from kernel_sim.sys.ethernet import format_mac


def frames_for_a_secondary_address_reach_its_vnic(world: World) -> None:
    a, b = hosts(world, 2)
    direct_overlay(a, b.address)
    direct_overlay(b, a.address)
    p, s, q = vnic(a, 1), vnic(a, 3), vnic(b, 2)
    a.dladm(f"set-linkprop -p secondary-macs={format_mac(mac(9))} vnic1")
    for sender, number in ((s, 3), (q, 2)):
        sender.send(numbered(number, 9))
        p.expect(numbered(number, 9))
        sender.send(numbered(number, 1))
        p.expect(numbered(number, 1))
    a.dladm("reset-linkprop -p secondary-macs vnic1")
    q.send(numbered(2, 9))
    p.expect_nothing()
    a.expect_drops({"ov0:rx_no_flow": 1})
    no_drops([b])


def a_vnic_without_bandwidth_sends_and_receives_nothing(world: World) -> None:
    (a,) = hosts(world, 1)
    a.dladm("create-etherstub stub0")
    p, q = vnic(a, 1, over="stub0"), vnic(a, 2, over="stub0")
    a.dladm("set-linkprop -p maxbw=0 vnic1")
    p.send(numbered(1, 2))
    q.expect_nothing()
    q.send(numbered(2, 1))
    p.expect_nothing()
    a.expect_drops({"vnic1:tx_over_maxbw": 1, "vnic1:rx_over_maxbw": 1})
    a.dladm("reset-linkprop -p maxbw vnic1")
    p.send(numbered(1, 2))
    q.expect(numbered(1, 2))


def over_its_bandwidth_a_vnic_is_held_up_and_loses_nothing(world: World) -> None:
    (a,) = hosts(world, 1)
    a.dladm("create-etherstub stub0")
    p, q = vnic(a, 1, over="stub0"), vnic(a, 2, over="stub0")
    a.dladm("set-linkprop -p maxbw=1200K vnic1")
    sent = [numbered(1, 2, serial, size=1414) for serial in range(40)]
    p.send(*sent)
    q.expect(*sent)
    no_drops([a])
    counts = a.kstat("vnic1:0:mac_tx_swlane0:*blockcnt")
    assert len(counts) == 2, counts
    assert all(counts.values()), counts


LINKPROP_SCENARIOS: Final = (
    frames_for_a_secondary_address_reach_its_vnic,
    a_vnic_without_bandwidth_sends_and_receives_nothing,
    over_its_bandwidth_a_vnic_is_held_up_and_loses_nothing,
)
