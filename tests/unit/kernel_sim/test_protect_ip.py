"""ip-nospoof: whose addresses a client may use in IPv4, ARP, IPv6 and neighbour discovery (KRN 6.14)."""

from __future__ import annotations

import struct

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6EchoRequest,
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6ND_Redirect,
    ICMPv6ND_RS,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptMTU,
    ICMPv6NDOptPrefixInfo,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet, Raw

from etherspan.testing.frames import BROADCAST, ethernet, neighbour_advertisement, neighbour_solicitation
from etherspan.testing.guarded import GUEST, NEIGHBOUR, STRANGER, Guarded
from kernel_sim.sys.ethernet import format_mac
from kernel_sim.sys.mac_flow import MacProtect

LINK_LOCAL = "fe80::8:20ff:fe00:a"
"""What 2:8:20:0:0:a makes of itself."""
GUEST_MAC, NEIGHBOUR_MAC = format_mac(GUEST), format_mac(NEIGHBOUR)


def guarded(*ips: str) -> Guarded:
    return Guarded(types=MacProtect.IPNOSPOOF, ips=ips)


def frame(packet: Packet, *, ethertype: int | None = None) -> bytes:
    built = (
        Ether(dst=format_mac(STRANGER), src=GUEST_MAC, **({} if ethertype is None else {"type": ethertype})) / packet
    )
    return bytes(built)


def judge(world: Guarded, packet: Packet) -> str:
    return world.send(frame(packet))


# ---------------------------------------------------------------------- IPv4


@pytest.mark.parametrize(
    ("entry", "source", "passes"),
    [
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("10.0.0.1", "0.0.0.0", True),
        ("10.0.0.1", "255.255.255.255", False),
        ("10.0.0.1", "127.0.0.1", False),
        ("10.0.0.0/24", "10.0.0.0", True),
        ("10.0.0.0/24", "10.0.0.255", True),
        ("10.0.0.0/24", "10.0.1.0", False),
        ("10.0.0.0/24", "9.255.255.255", False),
        ("128.0.0.0/1", "255.1.2.3", True),
        ("128.0.0.0/1", "127.1.2.3", False),
        ("10.0.0.4/31", "10.0.0.5", True),
        ("10.0.0.4/31", "10.0.0.6", False),
        # the kernel compares source AND mask with the stored address, bits behind the prefix and all
        ("10.0.0.5/24", "10.0.0.5", False),
        ("10.0.0.5/24", "10.0.0.1", False),
        ("fd00::1", "10.0.0.1", False),
    ],
)
def test_an_ipv4_source_must_be_in_allowed_ips(entry: str, source: str, passes: bool) -> None:
    fate = "" if passes else "ipspoofed"
    for packet in (TCP(dport=80), UDP(dport=53), ICMP()):
        assert judge(guarded(entry), IP(src=source, dst="10.0.0.9") / packet) == fate


def test_every_entry_of_allowed_ips_counts() -> None:
    world = guarded("10.0.0.1", "10.1.0.0/16", "192.168.0.0/30", "172.16.0.1", "fd00::1")
    for source in ("10.0.0.1", "10.1.200.3", "192.168.0.3", "172.16.0.1"):
        assert judge(world, IP(src=source, dst="10.0.0.9") / ICMP()) == ""
    for source in ("10.0.0.2", "10.2.0.0", "192.168.0.4", "172.16.0.2"):
        assert judge(world, IP(src=source, dst="10.0.0.9") / ICMP()) == "ipspoofed"


def test_without_allowed_ips_the_unspecified_address_is_the_only_one() -> None:
    assert judge(guarded(), IP(src="0.0.0.0", dst="10.0.0.9") / ICMP()) == ""
    assert judge(guarded(), IP(src="10.0.0.1", dst="10.0.0.9") / ICMP()) == "ipspoofed"


def test_an_ipv4_header_must_be_whole() -> None:
    packet = bytes(IP(src="10.0.0.1", dst="10.0.0.9"))
    assert guarded("10.0.0.1").send(ethernet(STRANGER, GUEST, packet)) == ""
    assert guarded("10.0.0.1").send(ethernet(STRANGER, GUEST, packet[:19])) == "ipspoofed"
    assert guarded("10.0.0.1").send(ethernet(STRANGER, GUEST, b"", ethertype=0x800)) == "ipspoofed"


def test_later_fragments_need_a_good_source_and_nothing_else() -> None:
    for offset in (1, 185, 8191):
        assert judge(guarded("10.0.0.1"), IP(src="10.0.0.1", dst="10.0.0.9", frag=offset, proto=17) / b"xx") == ""
        assert (
            judge(guarded("10.0.0.1"), IP(src="10.0.0.3", dst="10.0.0.9", frag=offset, proto=17) / b"xx") == "ipspoofed"
        )


def test_the_source_of_a_tagged_frame_is_looked_at_behind_its_tag() -> None:
    world = Guarded(types=MacProtect.IPNOSPOOF, ips=("10.0.0.1",), vid=7)
    for source, fate in (("10.0.0.1", ""), ("10.0.0.2", "ipspoofed")):
        packet = bytes(IP(src=source, dst="10.0.0.9") / ICMP())
        assert world.send(ethernet(STRANGER, GUEST, packet, vid=7)) == fate


def test_other_ethertypes_pass() -> None:
    spoofed = bytes(IP(src="10.0.0.66", dst="10.0.0.9") / ICMP())
    for ethertype in (0x0000, 0x002E, 0x8035, 0x88A8, 0x88CC):
        assert guarded("10.0.0.1").send(ethernet(STRANGER, GUEST, spoofed, ethertype=ethertype)) == ""


# ---------------------------------------------------------------------- ARP


@pytest.mark.parametrize(
    ("sender", "address", "fate"),
    [
        (GUEST_MAC, "10.0.0.1", ""),
        (GUEST_MAC, "0.0.0.0", ""),
        (GUEST_MAC, "10.0.0.2", "ipspoofed"),
        (NEIGHBOUR_MAC, "10.0.0.1", "ipspoofed"),
        (NEIGHBOUR_MAC, "0.0.0.0", "ipspoofed"),
        ("00:00:00:00:00:00", "10.0.0.1", "ipspoofed"),
    ],
)
@pytest.mark.parametrize("operation", [1, 2, 3, 9])
def test_arp_senders_are_the_client_itself(sender: str, address: str, fate: str, operation: int) -> None:
    packet = ARP(op=operation, hwsrc=sender, psrc=address, hwdst=NEIGHBOUR_MAC, pdst="10.0.0.66")
    assert judge(guarded("10.0.0.1"), packet) == fate


def test_arp_targets_are_not_looked_at() -> None:
    packet = ARP(hwsrc=GUEST_MAC, psrc="10.0.0.1", hwdst="ff:ff:ff:ff:ff:ff", pdst="255.255.255.255")
    assert judge(guarded("10.0.0.1"), packet) == ""


@pytest.mark.parametrize(
    ("hardware", "protocol", "body", "fate"),
    [
        (0, 4, bytes([10, 0, 0, 1]) + bytes(4), ""),
        (0, 4, bytes([10, 0, 0, 2]) + bytes(4), "ipspoofed"),
        (0, 4, bytes([10, 0, 0, 1]) + bytes(3), "ipspoofed"),
        (6, 4, GUEST + bytes([10, 0, 0, 1]) + bytes(10), ""),
        (6, 4, GUEST + bytes([10, 0, 0, 1]) + bytes(9), "ipspoofed"),
        (6, 16, GUEST + bytes(38), "ipspoofed"),
        (6, 0, GUEST + bytes(32), "ipspoofed"),
        (8, 4, GUEST + bytes(40), "ipspoofed"),
        (5, 4, GUEST + bytes([10, 0, 0, 1]) + bytes(10), "ipspoofed"),
        (255, 4, GUEST + bytes(600), "ipspoofed"),
    ],
)
def test_arp_lengths_are_none_or_six_and_four_and_the_packet_is_whole(
    hardware: int, protocol: int, body: bytes, fate: str
) -> None:
    packet = struct.pack(">HHBBH", 1, 0x0800, hardware, protocol, 1) + body
    assert guarded("10.0.0.1").send(ethernet(BROADCAST, GUEST, packet, ethertype=0x0806)) == fate


def test_an_arp_header_must_be_whole() -> None:
    for size in range(8):
        cut = ethernet(BROADCAST, GUEST, bytes(ARP())[:size], ethertype=0x0806)
        assert guarded("10.0.0.1").send(cut) == "ipspoofed"


# ---------------------------------------------------------------------- IPv6


@pytest.mark.parametrize(
    ("entry", "source", "passes"),
    [
        ("fd00::1", "fd00::1", True),
        ("fd00::1", "fd00::2", False),
        ("fd00::1", "::", True),
        ("fd00::1", "::1", False),
        ("fd00::1", LINK_LOCAL, True),
        ("fd00::1", "fe80::8:20ff:fe00:b", False),
        ("fd00::1", "fe80::1", False),
        ("fd00::1", "::ffff:10.0.0.1", False),
        ("10.0.0.1", "::ffff:10.0.0.1", False),
        ("10.0.0.1", "::10.0.0.1", False),
        ("fd00::/64", "fd00::ffff:1", True),
        ("fd00::/64", "fd00:0:0:1::1", False),
        # bits behind the prefix are ignored, unlike in IPv4
        ("fd00::5/64", "fd00::9", True),
        ("fd00::4/127", "fd00::5", True),
        ("fd00::4/127", "fd00::6", False),
        ("8000::/1", "ff00::1", True),
        ("8000::/1", "7f00::1", False),
        ("2001:db8::/33", "2001:db8:7fff::1", True),
        ("2001:db8::/33", "2001:db8:8000::1", False),
    ],
)
def test_an_ipv6_source_must_be_own_link_local_or_in_allowed_ips(entry: str, source: str, passes: bool) -> None:
    fate = "" if passes else "ipspoofed"
    for packet in (TCP(dport=80), UDP(dport=53), ICMPv6EchoRequest()):
        assert judge(guarded(entry), IPv6(src=source, dst="fd00::9") / packet) == fate


def test_the_own_link_local_address_follows_the_mac_address() -> None:
    world = guarded()
    assert judge(world, IPv6(src=LINK_LOCAL, dst="ff02::1") / ICMPv6EchoRequest()) == ""
    world.guest.client.set_address(STRANGER)
    to = ethernet(BROADCAST, STRANGER, bytes(IPv6(src=LINK_LOCAL, dst="ff02::1") / ICMPv6EchoRequest()))
    assert world.send(to) == "ipspoofed"
    new = ethernet(BROADCAST, STRANGER, bytes(IPv6(src="fe80::8:20ff:fe00:c", dst="ff02::1") / ICMPv6EchoRequest()))
    assert world.send(new) == ""


def test_the_universal_bit_of_the_mac_address_is_turned_over() -> None:
    world = guarded()
    world.guest.client.set_address(bytes.fromhex("00163e0a0b0c"))
    own = bytes(IPv6(src="fe80::216:3eff:fe0a:b0c", dst="ff02::1") / ICMPv6EchoRequest())
    assert world.send(ethernet(BROADCAST, bytes.fromhex("00163e0a0b0c"), own)) == ""


def test_an_ipv6_header_must_be_whole() -> None:
    packet = bytes(IPv6(src="fd00::1", dst="fd00::9", nh=59))
    assert guarded("fd00::1").send(ethernet(STRANGER, GUEST, packet)) == ""
    assert guarded("fd00::1").send(ethernet(STRANGER, GUEST, packet[:39])) == "ipspoofed"


EXTENSIONS = [
    [],
    [IPv6ExtHdrHopByHop()],
    [IPv6ExtHdrDestOpt()],
    [IPv6ExtHdrRouting()],
    [IPv6ExtHdrHopByHop(), IPv6ExtHdrDestOpt(), IPv6ExtHdrRouting(), IPv6ExtHdrDestOpt()],
]


def behind(source: str, extensions: list[Packet], upper: Packet, *, hop_limit: int = 255) -> bytes:
    packet = IPv6(src=source, dst="ff02::1", hlim=hop_limit)
    for extension in extensions:
        packet = packet / extension.copy()
    return frame(packet / upper)


@pytest.mark.parametrize("extensions", EXTENSIONS)
def test_extension_headers_hide_no_source(extensions: list[Packet]) -> None:
    for upper in (TCP(dport=80), UDP(dport=53), ICMPv6EchoRequest()):
        assert guarded("fd00::1").send(behind("fd00::1", extensions, upper)) == ""
        assert guarded("fd00::1").send(behind("fd00::2", extensions, upper)) == "ipspoofed"


# ---------------------------------------------------------------------- neighbour discovery


def test_honest_neighbour_discovery_passes() -> None:
    world = guarded("fd00::1")
    source = ICMPv6NDOptSrcLLAddr(lladdr=GUEST_MAC)
    target = ICMPv6NDOptDstLLAddr(lladdr=GUEST_MAC)
    for address in ("fd00::1", LINK_LOCAL):
        for message in (
            ICMPv6ND_RS() / source,
            ICMPv6ND_NS(tgt="fd00::2") / source,
            ICMPv6ND_NA(tgt=address) / target,
            ICMPv6ND_NA(tgt=address),
            ICMPv6ND_RA() / ICMPv6NDOptMTU() / ICMPv6NDOptPrefixInfo(prefix="fd00::") / source,
            ICMPv6ND_Redirect(tgt="fd00::9", dst="fd00::8") / ICMPv6NDOptDstLLAddr(lladdr=NEIGHBOUR_MAC),
        ):
            assert judge(world, IPv6(src=address, dst="ff02::1", hlim=255) / message) == ""
    # duplicate address detection: from nobody, about an address that one does not have yet
    assert judge(world, IPv6(src="::", dst="ff02::1:ff00:1", hlim=255) / ICMPv6ND_NS(tgt="fd00::7")) == ""
    assert world.send(neighbour_solicitation(GUEST, "fd00::1", "fd00::2")) == ""
    assert world.send(neighbour_advertisement(GUEST, "fd00::1", NEIGHBOUR, "fd00::2")) == ""


@pytest.mark.parametrize("extensions", EXTENSIONS)
@pytest.mark.parametrize(
    "message",
    [
        ICMPv6ND_NA(tgt="fd00::2") / ICMPv6NDOptDstLLAddr(lladdr=GUEST_MAC),
        ICMPv6ND_NA(tgt="fe80::1"),
        ICMPv6ND_NA(tgt="fd00::1") / ICMPv6NDOptDstLLAddr(lladdr=NEIGHBOUR_MAC),
        ICMPv6ND_NA(tgt="fd00::1") / ICMPv6NDOptMTU() / ICMPv6NDOptDstLLAddr(lladdr=NEIGHBOUR_MAC),
        ICMPv6ND_NS(tgt="fd00::2") / ICMPv6NDOptSrcLLAddr(lladdr=NEIGHBOUR_MAC),
        ICMPv6ND_RS() / ICMPv6NDOptSrcLLAddr(lladdr=NEIGHBOUR_MAC),
        ICMPv6ND_RA() / ICMPv6NDOptSrcLLAddr(lladdr=NEIGHBOUR_MAC),
        ICMPv6ND_RA()
        / ICMPv6NDOptSrcLLAddr(lladdr=GUEST_MAC)
        / ICMPv6NDOptPrefixInfo()
        / ICMPv6NDOptSrcLLAddr(lladdr=NEIGHBOUR_MAC),
    ],
)
def test_neighbour_discovery_that_speaks_for_others_is_dropped(message: Packet, extensions: list[Packet]) -> None:
    assert guarded("fd00::1").send(behind("fd00::1", extensions, message)) == "ipspoofed"


def test_the_option_that_does_not_give_the_senders_address_may_name_anybody() -> None:
    world = guarded("fd00::1")
    advertisement = ICMPv6ND_NA(tgt="fd00::1") / ICMPv6NDOptSrcLLAddr(lladdr=NEIGHBOUR_MAC)
    solicitation = ICMPv6ND_NS(tgt="fd00::2") / ICMPv6NDOptDstLLAddr(lladdr=NEIGHBOUR_MAC)
    for message in (advertisement, solicitation):
        assert judge(world, IPv6(src="fd00::1", dst="ff02::1", hlim=255) / message) == ""


SIZES = {133: 8, 134: 16, 135: 24, 136: 24, 137: 40}


def icmpv6(kind: int, size: int, options: bytes = b"") -> bytes:
    body = (bytes([kind, 0, 0, 0, 0, 0, 0, 0]) + b"\xfd\x00" + bytes(13) + b"\x01" + bytes(64))[:size] + options
    return frame(IPv6(src="fd00::1", dst="ff02::1", hlim=255, nh=58) / Raw(body))


@pytest.mark.parametrize(("kind", "size"), SIZES.items())
def test_neighbour_discovery_must_be_whole(kind: int, size: int) -> None:
    world = guarded("fd00::1")
    assert world.send(icmpv6(kind, size)) == ""
    for cut in range(size):
        assert world.send(icmpv6(kind, cut)) == "ipspoofed"


def test_other_icmpv6_needs_a_header_and_nothing_else() -> None:
    world = guarded("fd00::1")
    for kind in (*range(133), *range(138, 256)):
        assert world.send(icmpv6(kind, 8)) == ""
    assert world.send(icmpv6(128, 7)) == "ipspoofed"


@pytest.mark.parametrize(
    ("options", "fate"),
    [
        (b"", ""),
        (b"\x01\x01" + GUEST, ""),
        (b"\x01\x01" + NEIGHBOUR, "ipspoofed"),
        (b"\x01\x01" + GUEST[:5], "ipspoofed"),
        (b"\x01\x02" + GUEST + bytes(8), "ipspoofed"),
        (b"\x01\x02" + GUEST, "ipspoofed"),
        (b"\x01\x00" + GUEST, "ipspoofed"),
        (b"\x05\x00" + GUEST, "ipspoofed"),
        (b"\x05\xff" + GUEST, ""),
        (b"\x05\x01" + bytes(6) + b"\x01\x01" + GUEST, ""),
        (b"\x05\x01" + bytes(6) + b"\x01\x01" + NEIGHBOUR, "ipspoofed"),
        (b"\x05\x01" + bytes(6) + b"\x01\x01", ""),
    ],
)
def test_options_are_read_to_their_end_and_a_zero_length_is_none(options: bytes, fate: str) -> None:
    assert guarded("fd00::1").send(icmpv6(135, 24, options)) == fate


def test_what_follows_the_packet_in_its_frame_is_not_a_part_of_it() -> None:
    padded = icmpv6(135, 24, b"\x01\x01" + GUEST) + bytes(10)
    assert guarded("fd00::1").send(padded) == ""
    short = bytearray(icmpv6(136, 24))
    short[18:20] = (23).to_bytes(2, "big")
    assert guarded("fd00::1").send(bytes(short)) == "ipspoofed"


def test_fragmented_neighbour_discovery_is_dropped_and_other_fragments_are_not() -> None:
    world = guarded("fd00::1")
    honest = ICMPv6ND_NA(tgt="fd00::1") / ICMPv6NDOptDstLLAddr(lladdr=GUEST_MAC)
    for more in (0, 1):
        assert world.send(behind("fd00::1", [IPv6ExtHdrFragment(m=more)], honest)) == "ipspoofed"
        assert world.send(behind("fd00::1", [IPv6ExtHdrFragment(m=more)], ICMPv6EchoRequest())) == ""
        assert world.send(behind("fd00::1", [IPv6ExtHdrFragment(m=more)], UDP(dport=53) / b"x")) == ""
        assert world.send(behind("fd00::1", [IPv6ExtHdrFragment(m=more, offset=3, nh=58)], Raw(b"\x88"))) == ""


@pytest.mark.parametrize("size", range(8))
def test_an_extension_header_that_is_cut_short_leaves_the_source_to_decide(size: int) -> None:
    for source, fate in (("fd00::1", ""), ("fd00::2", "ipspoofed")):
        for kind in (0, 43, 44, 60):
            cut = frame(IPv6(src=source, dst="ff02::1", nh=kind) / Raw(b"\x3a\x00\x00\x00\x00\x00\x00\x00"[:size]))
            assert guarded("fd00::1").send(cut) == fate
