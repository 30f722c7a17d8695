"""mac-nospoof, restricted, and what every protected client has in common (KRN 6.14)."""

from __future__ import annotations

import pytest

from etherspan.testing.frames import BROADCAST, arp_request, ethernet, tcp, udp
from etherspan.testing.guarded import GUEST, NEIGHBOUR, STRANGER, Guarded
from kernel_sim.mac.stat import ClientDrop
from kernel_sim.sys.mac_flow import MacProtect

ALL_TYPES = MacProtect.MACNOSPOOF | MacProtect.RESTRICTED | MacProtect.IPNOSPOOF | MacProtect.DHCPNOSPOOF
UNPARSED = ClientDrop.TX_PROTECT_UNPARSED
PACKET = udp("10.0.0.1", "10.0.0.2", 1000, 2000, b"hello")


def tag(tci: int) -> bytes:
    return b"\x81\x00" + tci.to_bytes(2, "big")


# ---------------------------------------------------------------------- nothing on


def test_without_protection_everything_goes_on() -> None:
    guarded = Guarded(types=MacProtect.NONE)
    assert not guarded.protection.enabled
    guarded.guest.client.checks = ()
    guarded.guest.send(ethernet(STRANGER, NEIGHBOUR, PACKET), b"\x01")
    assert len(guarded.switch.wire.take()) == 2


@pytest.mark.parametrize("one", [each for each in MacProtect if each])
def test_any_type_switches_protection_on_and_ip_nospoof_alone_wants_to_learn(one: MacProtect) -> None:
    protection = Guarded(types=one).protection
    assert protection.enabled
    assert protection.wants_to_learn is (one is MacProtect.IPNOSPOOF)


# ---------------------------------------------------------------------- mac-nospoof


@pytest.mark.parametrize(
    ("source", "fate"),
    [
        (GUEST, ""),
        (NEIGHBOUR, "macspoofed"),
        (STRANGER, "macspoofed"),
        (BROADCAST, "macspoofed"),
        (bytes(6), "macspoofed"),
        (GUEST[:5] + b"\x0b", "macspoofed"),
        (b"\x03" + GUEST[1:], "macspoofed"),
    ],
)
@pytest.mark.parametrize("to", [NEIGHBOUR, STRANGER, BROADCAST, b"\x01\x00\x5e\x00\x00\x01"])
def test_mac_nospoof_lets_the_own_source_address_alone_pass(source: bytes, fate: str, to: bytes) -> None:
    guarded = Guarded(types=MacProtect.MACNOSPOOF)
    assert guarded.send(ethernet(to, source, PACKET)) == fate


def test_mac_nospoof_looks_at_frames_of_every_type_and_any_size() -> None:
    guarded = Guarded(types=MacProtect.MACNOSPOOF)
    for payload in (b"", b"\x00", bytes(1500)):
        for ethertype in (0x0000, 0x05DC, 0x0806, 0x88CC):
            assert guarded.send(ethernet(STRANGER, GUEST, payload, ethertype=ethertype)) == ""
            assert guarded.send(ethernet(STRANGER, NEIGHBOUR, payload, ethertype=ethertype)) == "macspoofed"


def test_mac_nospoof_does_not_mind_what_is_inside() -> None:
    guarded = Guarded(types=MacProtect.MACNOSPOOF)
    assert guarded.send(arp_request(GUEST, "10.9.9.9", "10.0.0.2")) == ""
    assert (
        guarded.send(ethernet(BROADCAST, GUEST, arp_request(NEIGHBOUR, "10.0.0.2", "10.0.0.2")[14:], ethertype=0x806))
        == ""
    )


def test_mac_nospoof_follows_a_change_of_address() -> None:
    guarded = Guarded(types=MacProtect.MACNOSPOOF)
    assert guarded.send(ethernet(STRANGER, GUEST, PACKET)) == ""
    guarded.guest.client.set_address(STRANGER)
    assert guarded.send(ethernet(BROADCAST, GUEST, PACKET)) == "macspoofed"
    assert guarded.send(ethernet(BROADCAST, STRANGER, PACKET)) == ""


# ---------------------------------------------------------------------- restricted


@pytest.mark.parametrize(
    ("ethertype", "fate"),
    [
        (0x0800, ""),
        (0x0806, ""),
        (0x86DD, ""),
        (0x0000, "restricted"),
        (0x05DC, "restricted"),
        (0x0801, "restricted"),
        (0x8035, "restricted"),
        (0x88A8, "restricted"),
        (0x88CC, "restricted"),
        (0xFFFF, "restricted"),
    ],
)
def test_restricted_lets_ipv4_ipv6_and_arp_pass(ethertype: int, fate: str) -> None:
    guarded = Guarded(types=MacProtect.RESTRICTED)
    assert guarded.send(ethernet(STRANGER, NEIGHBOUR, bytes(46), ethertype=ethertype)) == fate


@pytest.mark.parametrize(
    ("vid", "tci", "ethertype", "fate"),
    [
        (0, 0x0000, 0x0800, ""),
        (0, 0xE000, 0x0806, ""),
        (0, 0x0007, 0x0800, "restricted"),
        (7, 0x0007, 0x0800, ""),
        (7, 0x6007, 0x86DD, ""),
        (7, 0x0000, 0x0800, ""),
        (7, 0x0008, 0x0800, "restricted"),
        (7, 0x0007, 0x88CC, "restricted"),
        (7, 0x0007, 0x8100, "restricted"),
    ],
)
def test_restricted_wants_a_tag_of_the_own_vlan_around_an_allowed_type(
    vid: int, tci: int, ethertype: int, fate: str
) -> None:
    """Such a frame passes link protection; the VLAN check behind it drops it all the same (KRN-I30)."""
    guarded = Guarded(types=MacProtect.RESTRICTED, vid=vid)
    sent = STRANGER + GUEST + tag(tci) + ethertype.to_bytes(2, "big") + bytes(46)
    assert guarded.send(sent) == fate
    assert guarded.guest.client.drops[ClientDrop.TX_TAGGED] == (fate == "")


# ---------------------------------------------------------------------- headers that do not parse


@pytest.mark.fact("KRN-I34")
@pytest.mark.parametrize("types", [*(each for each in MacProtect if each), ALL_TYPES])
@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"\xff",
        STRANGER + GUEST + b"\x08",
        STRANGER + GUEST + b"\x81\x00",
        STRANGER + GUEST + b"\x81\x00\x00\x07\x08",
        STRANGER + GUEST + tag(0x1000) + b"\x08\x00" + bytes(46),
        STRANGER + GUEST + tag(0x1007) + b"\x08\x06" + bytes(46),
    ],
)
def test_a_short_header_or_a_set_cfi_bit_is_dropped_by_a_name_of_its_own(types: MacProtect, frame: bytes) -> None:
    assert Guarded(types=types).send(frame) == UNPARSED


# ---------------------------------------------------------------------- order, chains, clients


@pytest.mark.fact("KRN-I34")
def test_the_first_check_that_fails_counts_and_no_other() -> None:
    dhcp = bytes.fromhex("01010600") + bytes(24) + NEIGHBOUR + bytes(202) + bytes.fromhex("63825363") + b"\xff"
    offers = udp("10.0.0.66", "10.0.0.2", 68, 67, dhcp)
    lies = {
        "macspoofed": ethernet(STRANGER, NEIGHBOUR, offers, ethertype=0x88CC),
        "restricted": ethernet(STRANGER, GUEST, offers, ethertype=0x88CC),
        "ipspoofed": ethernet(STRANGER, GUEST, offers),
    }
    guarded = Guarded(types=ALL_TYPES, ips=("10.0.0.1",))
    for counter, frame in lies.items():
        assert guarded.send(frame) == counter
    guarded = Guarded(types=MacProtect.DHCPNOSPOOF | MacProtect.MACNOSPOOF)
    assert guarded.send(ethernet(STRANGER, GUEST, offers)) == "dhcpspoofed"


def test_what_passes_of_a_chain_goes_on_in_order() -> None:
    guarded = Guarded(types=MacProtect.MACNOSPOOF)
    good = [ethernet(STRANGER, GUEST, tcp("10.0.0.1", "10.0.0.2", 1, 2, bytes([n]))) for n in range(4)]
    bad = ethernet(STRANGER, NEIGHBOUR, PACKET)
    guarded.guest.send(good[0], bad, good[1], good[2], bad, bad, good[3])
    assert guarded.switch.wire.take() == good
    assert guarded.guest.client.stats.macspoofed == 3
    assert guarded.guest.client.stats.opackets == 4


def test_the_frames_of_other_clients_are_none_of_its_business() -> None:
    guarded = Guarded(types=ALL_TYPES)
    spoofed = ethernet(STRANGER, GUEST, PACKET)
    guarded.neighbour.send(spoofed)
    assert guarded.switch.wire.take() == [spoofed]
    assert not any(guarded.counters().values())


def test_a_client_without_an_address_drops_by_its_own_reason() -> None:
    guarded = Guarded(types=ALL_TYPES)
    guarded.guest.client.remove_unicast()
    guarded.guest.send(ethernet(STRANGER, NEIGHBOUR, PACKET))
    assert guarded.guest.client.drops[ClientDrop.TX_CLOSED] == 1
    assert not any(guarded.counters().values())


def test_a_single_active_client_is_protected_as_well() -> None:
    guarded = Guarded(types=MacProtect.MACNOSPOOF)
    for sniffer in tuple(guarded.neighbour.client.promisc_callbacks):
        guarded.neighbour.client.promisc_remove(sniffer)
    guarded.neighbour.client.close()
    assert guarded.send(ethernet(STRANGER, NEIGHBOUR, PACKET)) == "macspoofed"
    assert guarded.send(ethernet(STRANGER, GUEST, PACKET)) == ""


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_kind_of_buffer_will_do(kind: type) -> None:
    from kernel_sim.sys.message import Message

    guarded = Guarded(types=ALL_TYPES, ips=("10.0.0.1",))
    assert guarded.send(Message(kind(ethernet(STRANGER, GUEST, PACKET)))) == ""
    assert guarded.send(Message(kind(ethernet(STRANGER, NEIGHBOUR, PACKET)))) == "macspoofed"
    assert guarded.send(Message(kind(arp_request(GUEST, "10.0.0.1", "10.0.0.2")))) == ""
    assert guarded.send(Message(kind(arp_request(GUEST, "10.0.0.2", "10.0.0.2")))) == "ipspoofed"
