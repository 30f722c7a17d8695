"""What link properties do to a VNIC's frames, in every world; part of `scenarios.SCENARIOS`."""

from __future__ import annotations

from typing import Final

from etherspan.testing import frames
from etherspan.testing.topology import direct_overlay, hosts, inner4, inner6, mac, no_drops, numbered, vnic
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


def a_protected_vnic_cannot_spoof(world: World) -> None:
    a, b = hosts(world, 2)
    direct_overlay(a, b.address)
    direct_overlay(b, a.address)
    p, local, q = vnic(a, 1), vnic(a, 3), vnic(b, 2)
    types = "mac-nospoof,restricted,ip-nospoof,dhcp-nospoof"
    allowed = f"{inner4(1)},{inner6(1)}/128"
    a.dladm(f"set-linkprop -p protection={types},allowed-ips={allowed} vnic1")

    def said(own: int, claimed: int, receiver: int) -> list[bytes]:
        """What VNIC 1 says with the MAC address of `own` and the IP addresses of `claimed`."""
        src, to = mac(own), mac(receiver)
        echo4 = frames.udp(inner4(claimed), inner4(receiver), 1000, 2000, b"hello")
        echo6 = frames.udp(inner6(claimed), inner6(receiver), 1000, 2000, b"hello")
        advert = frames.neighbour_advertisement(mac(claimed), inner6(claimed), to, inner6(receiver))
        return [
            frames.ethernet(to, src, echo4),
            frames.ethernet(to, src, echo6),
            frames.arp_reply(mac(claimed), inner4(claimed), to, inner4(receiver)),
            advert,
        ]

    def counters() -> dict[str, int]:
        found = a.kstat("vnic1:0:mac_misc_stat:*")
        named = {name.rsplit(":", 1)[1]: value for name, value in found.items()}
        return {name: int(named[name]) for name in COUNTERS}

    for port, receiver in ((q, 2), (local, 3)):
        honest = said(1, 1, receiver)
        p.send(*honest)
        port.expect(*honest)
    assert counters() == dict.fromkeys(COUNTERS, 0), counters()

    for receiver in (2, 3):
        spoofed = [numbered(7, receiver), *said(7, 1, receiver)[:2]]  # another's MAC address
        spoofed += [numbered(1, receiver)]  # a type that is not IP
        spoofed += [frame[:6] + mac(1) + frame[12:] for frame in said(1, 7, receiver)]  # another's IP and ARP
        spoofed += [frame[:6] + mac(1) + frame[12:] for frame in (frames.dhcp_discover(mac(7)),)]
        p.send(*spoofed)
    q.expect_nothing()
    local.expect_nothing()
    assert counters() == {"macspoofed": 6, "restricted": 2, "ipspoofed": 10, "dhcpspoofed": 0}, counters()
    a.dladm("set-linkprop -p protection=dhcp-nospoof vnic1")
    p.send(frames.dhcp_discover(mac(7)))
    q.expect_nothing()
    assert counters()["dhcpspoofed"] == 1, counters()
    a.dladm("reset-linkprop -p protection vnic1")
    p.send(numbered(7, 2))
    q.expect(numbered(7, 2))
    no_drops([a, b])


COUNTERS: Final = ("macspoofed", "restricted", "ipspoofed", "dhcpspoofed")
"""The counters of link protection."""

LINKPROP_SCENARIOS: Final = (
    frames_for_a_secondary_address_reach_its_vnic,
    a_vnic_without_bandwidth_sends_and_receives_nothing,
    over_its_bandwidth_a_vnic_is_held_up_and_loses_nothing,
    a_protected_vnic_cannot_spoof,
)
