"""DHCP under link protection: who may ask, what is learned of the answers, and for how long (KRN 6.14)."""

from __future__ import annotations

import pytest
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.dhcp6 import (
    DUID_EN,
    DUID_LL,
    DUID_LLT,
    DHCP6_Advertise,
    DHCP6_Reply,
    DHCP6_Request,
    DHCP6_Solicit,
    DHCP6OptClientId,
    DHCP6OptIA_NA,
    DHCP6OptIAAddress,
    DHCP6OptStatusCode,
)
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import ICMPv6ND_RA, ICMPv6NDOptPrefixInfo, IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from etherspan.testing.guarded import GUEST, NEIGHBOUR, STRANGER, Guarded
from kernel_sim.mac.protect.leases import LEASES_MAX, TRANSACTION_SECONDS, TRANSACTIONS_MAX
from kernel_sim.mac.protect.slaac import PREFIXES_MAX
from kernel_sim.sys.ethernet import format_mac
from kernel_sim.sys.mac_flow import DynamicMethod, MacProtect

OWN_ID = b"\x01" + GUEST
LINK_LOCAL = "fe80::8:20ff:fe00:a"


def guarded(*ips: str, dynamic: DynamicMethod = DynamicMethod.NONE) -> Guarded:
    return Guarded(types=MacProtect.IPNOSPOOF, ips=ips, dynamic=dynamic)


def frame(packet: Packet, *, to_guest: bool = False) -> bytes:
    src, dst = (STRANGER, GUEST) if to_guest else (GUEST, STRANGER)
    return bytes(Ether(src=format_mac(src), dst=format_mac(dst)) / packet)


def dhcp(
    kind: str, *, xid: int = 7, server: bool = False, chaddr: bytes = GUEST, options: tuple[object, ...] = ()
) -> bytes:
    head = IP(src="10.0.0.254" if server else "0.0.0.0", dst="255.255.255.255", id=1)
    ports = UDP(sport=67, dport=68) if server else UDP(sport=68, dport=67)
    body = BOOTP(op=2 if server else 1, xid=xid, chaddr=chaddr.ljust(16, b"\0"))
    return frame(head / ports / body / DHCP(options=[("message-type", kind), *options, "end"]), to_guest=server)


def request(address: str, *, xid: int = 7, client: bytes = b"") -> bytes:
    ids = (("client_id", client),) if client else ()
    return dhcp("request", xid=xid, options=(("requested_addr", address), *ids))


def packet_from(address: str) -> bytes:
    return frame((IPv6 if ":" in address else IP)(src=address) / UDP(sport=1000, dport=2000) / Raw(b"hello"))


def lease(world: Guarded, address: str, *, xid: int = 7, client: bytes = b"") -> None:
    assert world.send(request(address, xid=xid, client=client)) == ""
    world.receive(dhcp("ack", xid=xid, server=True))


# ---------------------------------------------------------------------- which methods count


@pytest.mark.fact("KRN-Q35")
def test_with_static_addresses_and_no_method_named_a_guest_may_not_speak_dhcp() -> None:
    static = guarded("10.0.0.5")
    assert static.send(dhcp("discover")) == "ipspoofed"
    assert static.send(request("10.0.0.5")) == "ipspoofed"
    assert static.send(solicit()) == "ipspoofed"
    assert guarded().send(dhcp("discover")) == ""
    assert guarded("10.0.0.5", dynamic=DynamicMethod.DHCPV4).send(dhcp("discover")) == ""


@pytest.mark.parametrize(
    ("dynamic", "v4", "v6"),
    [
        (DynamicMethod.DHCPV4, "", "ipspoofed"),
        (DynamicMethod.DHCPV6, "ipspoofed", ""),
        (DynamicMethod.SLAAC, "ipspoofed", "ipspoofed"),
        (DynamicMethod.DHCPV4 | DynamicMethod.DHCPV6, "", ""),
        (DynamicMethod.NONE, "", ""),
    ],
)
def test_a_mask_of_methods_excludes_what_it_does_not_name(dynamic: DynamicMethod, v4: str, v6: str) -> None:
    world = guarded(dynamic=dynamic)
    assert (world.send(dhcp("discover")), world.send(solicit())) == (v4, v6)


def test_a_lease_counts_only_while_its_method_does() -> None:
    world = guarded()
    lease(world, "10.0.0.9")
    world.configure(types=MacProtect.IPNOSPOOF, dynamic=DynamicMethod.SLAAC)
    assert world.send(packet_from("10.0.0.9")) == "ipspoofed"
    world.configure(types=MacProtect.IPNOSPOOF, dynamic=DynamicMethod.DHCPV4)
    assert world.send(packet_from("10.0.0.9")) == ""


# ---------------------------------------------------------------------- DHCPv4


def test_an_address_may_be_used_once_the_server_has_granted_it() -> None:
    world = guarded()
    assert world.send(packet_from("10.0.0.9")) == "ipspoofed"
    world.send(request("10.0.0.9"))
    assert world.send(packet_from("10.0.0.9")) == "ipspoofed"
    world.receive(dhcp("offer", server=True))
    assert world.send(packet_from("10.0.0.9")) == "ipspoofed"
    world.receive(dhcp("ack", xid=8, server=True))
    assert world.send(packet_from("10.0.0.9")) == "ipspoofed"
    world.receive(dhcp("ack", server=True))
    assert world.send(packet_from("10.0.0.9")) == ""
    assert world.send(packet_from("10.0.0.10")) == "ipspoofed"


def test_an_answer_nobody_asked_for_grants_nothing() -> None:
    world = guarded()
    world.receive(dhcp("ack", server=True, options=(("requested_addr", "10.0.0.9"),)))
    assert world.send(packet_from("10.0.0.9")) == "ipspoofed"


def test_a_refusal_and_a_release_end_a_lease() -> None:
    world = guarded()
    lease(world, "10.0.0.9")
    world.send(request("10.0.0.9", xid=8))
    assert world.send(packet_from("10.0.0.9")) == ""
    world.receive(dhcp("nak", xid=8, server=True))
    assert world.send(packet_from("10.0.0.9")) == "ipspoofed"
    assert world.guest.client.stats.dhcpdropped == 0
    lease(world, "10.0.0.9", xid=9)
    world.send(dhcp("release", xid=10))
    assert world.send(packet_from("10.0.0.9")) == "ipspoofed"


def test_a_transaction_without_an_answer_ends_after_a_minute_and_takes_the_lease_along() -> None:
    world = guarded()
    lease(world, "10.0.0.9")
    world.send(request("10.0.0.9", xid=8))
    world.clock.advance(TRANSACTION_SECONDS - 1)
    assert world.send(packet_from("10.0.0.9")) == ""
    world.clock.advance(2)
    assert world.send(packet_from("10.0.0.9")) == "ipspoofed"
    world.receive(dhcp("ack", xid=8, server=True))
    assert world.send(packet_from("10.0.0.9")) == "ipspoofed"


def test_there_is_no_timer_while_nothing_is_pending() -> None:
    world = guarded()
    assert world.clock.pending == 0
    world.send(request("10.0.0.9"))
    assert world.clock.pending == 1
    world.receive(dhcp("ack", server=True))
    world.clock.advance(TRANSACTION_SECONDS + 1)
    assert world.clock.pending == 0


def test_the_end_of_the_data_path_forgets_all_that_was_learned() -> None:
    world = guarded()
    lease(world, "10.0.0.9")
    world.send(request("10.0.0.10", xid=8))
    world.receive(advertisement("fd00:1::"))
    world.protection.flush()
    assert world.clock.pending == 0
    assert world.send(packet_from("10.0.0.9")) == "ipspoofed"
    assert world.send(packet_from("fd00:1::8:20ff:fe00:a")) == "ipspoofed"
    world.receive(dhcp("ack", xid=8, server=True))
    assert world.send(packet_from("10.0.0.10")) == "ipspoofed"


def test_what_was_learned_survives_that_protection_is_switched_off_and_on() -> None:
    world = guarded()
    lease(world, "10.0.0.9")
    world.configure(types=MacProtect.NONE)
    world.configure(types=MacProtect.IPNOSPOOF)
    assert world.send(packet_from("10.0.0.9")) == ""


def test_more_than_512_transactions_are_not_followed() -> None:
    world = guarded()
    for xid in range(1, TRANSACTIONS_MAX + 2):
        client = b"\x00" + xid.to_bytes(4, "big")
        address = f"10.1.{xid >> 8}.{xid & 255}"
        assert world.send(request(address, xid=xid, client=client)) == ""
    assert world.guest.client.stats.dhcpdropped == 1
    for xid in (TRANSACTIONS_MAX, TRANSACTIONS_MAX + 1):
        world.receive(dhcp("ack", xid=xid, server=True))
    assert world.send(packet_from(f"10.1.{TRANSACTIONS_MAX >> 8}.{TRANSACTIONS_MAX & 255}")) == ""
    beyond = TRANSACTIONS_MAX + 1
    assert world.send(packet_from(f"10.1.{beyond >> 8}.{beyond & 255}")) == "ipspoofed"


def test_more_than_512_leases_are_not_taken_in() -> None:
    world = guarded()
    for number in range(1, LEASES_MAX + 2):
        lease(world, f"10.1.{number >> 8}.{number & 255}", xid=number, client=b"\x00" + number.to_bytes(4, "big"))
    assert world.guest.client.stats.dhcpdropped == 1
    assert world.send(packet_from("10.1.2.0")) == ""
    assert world.send(packet_from("10.1.2.1")) == "ipspoofed"


# ---------------------------------------------------------------------- DHCPv6


def dhcpv6(message: Packet, *, server: bool = False) -> bytes:
    src, dst, ports = ("fe80::1", LINK_LOCAL, (547, 546)) if server else (LINK_LOCAL, "ff02::1:2", (546, 547))
    return frame(IPv6(src=src, dst=dst) / UDP(sport=ports[0], dport=ports[1]) / message, to_guest=server)


def solicit() -> bytes:
    return dhcpv6(DHCP6_Solicit(trid=1) / DHCP6OptClientId(duid=DUID_LL(lladdr=format_mac(GUEST))))


def reply(address: str, *, xid: int = 5, kind: type[Packet] = DHCP6_Reply) -> bytes:
    granted = DHCP6OptIA_NA(iaid=1, ianaopts=[DHCP6OptIAAddress(addr=address)])
    return dhcpv6(kind(trid=xid) / DHCP6OptClientId(duid=DUID_LL(lladdr=format_mac(GUEST))) / granted, server=True)


def test_an_ipv6_address_is_learned_from_the_reply_to_a_request() -> None:
    world = guarded()
    asked = DHCP6_Request(trid=5) / DHCP6OptClientId(duid=DUID_LL(lladdr=format_mac(GUEST))) / DHCP6OptIA_NA(iaid=1)
    world.receive(reply("fd00::77"))
    assert world.send(packet_from("fd00::77")) == "ipspoofed"
    assert world.send(dhcpv6(asked)) == ""
    world.receive(reply("fd00::77", kind=DHCP6_Advertise), reply("fd00::78", xid=6))
    assert world.send(packet_from("fd00::77")) == "ipspoofed"
    refused = DHCP6_Reply(trid=5) / DHCP6OptStatusCode(statuscode=2)
    world.receive(dhcpv6(refused / DHCP6OptIA_NA(iaid=1, ianaopts=[DHCP6OptIAAddress(addr="fd00::77")]), server=True))
    assert world.send(packet_from("fd00::77")) == "ipspoofed"
    world.send(dhcpv6(asked))
    world.receive(reply("fd00::77"))
    assert world.send(packet_from("fd00::77")) == ""
    assert world.send(packet_from("fd00::78")) == "ipspoofed"


# ---------------------------------------------------------------------- SLAAC


def advertisement(prefix: str, *, hops: int = 255, autonomous: int = 1) -> bytes:
    option = ICMPv6NDOptPrefixInfo(prefix=prefix, prefixlen=64, A=autonomous)
    return frame(IPv6(src="fe80::1", dst="ff02::1", hlim=hops) / ICMPv6ND_RA() / option, to_guest=True)


@pytest.mark.parametrize(
    ("heard", "fate"),
    [
        (advertisement("fd00:1::"), ""),
        (advertisement("fd00:1::", hops=254), "ipspoofed"),
        (advertisement("fd00:1::", autonomous=0), "ipspoofed"),
        (advertisement("fd00:2::"), "ipspoofed"),
        (advertisement("fd00:1::")[:60], "ipspoofed"),
    ],
)
def test_an_address_in_an_advertised_prefix_is_the_guests_own(heard: bytes, fate: str) -> None:
    world = guarded()
    world.receive(heard)
    assert world.send(packet_from("fd00:1::8:20ff:fe00:a")) == fate
    assert world.send(packet_from("fd00:1::1")) == "ipspoofed"


def test_a_link_local_prefix_needs_no_router() -> None:
    world = guarded()
    world.receive(advertisement("fe80:0:0:1::"))
    assert world.send(packet_from("fe80:0:0:1:8:20ff:fe00:a")) == "ipspoofed"


def test_prefixes_count_only_where_slaac_is_a_method() -> None:
    world = guarded(dynamic=DynamicMethod.DHCPV6)
    world.receive(advertisement("fd00:1::"))
    assert world.send(packet_from("fd00:1::8:20ff:fe00:a")) == "ipspoofed"
    world.configure(types=MacProtect.IPNOSPOOF, dynamic=DynamicMethod.SLAAC)
    assert world.send(packet_from("fd00:1::8:20ff:fe00:a")) == ""


def test_what_is_beyond_512_prefixes_is_not_taken_in() -> None:
    world = guarded()
    world.receive(*(advertisement(f"fd00:{number:x}::") for number in range(1, PREFIXES_MAX + 2)))
    assert world.send(packet_from(f"fd00:{PREFIXES_MAX:x}::8:20ff:fe00:a")) == ""
    assert world.send(packet_from(f"fd00:{PREFIXES_MAX + 1:x}::8:20ff:fe00:a")) == "ipspoofed"


# ---------------------------------------------------------------------- dhcp-nospoof


def nospoof(*cids: bytes, allcids: bool = False) -> Guarded:
    return Guarded(types=MacProtect.DHCPNOSPOOF, cids=cids, allcids=allcids)


@pytest.mark.parametrize(
    ("client", "fate"),
    [
        (b"", ""),
        (OWN_ID, ""),
        (b"\x01" + NEIGHBOUR, "dhcpspoofed"),
        (b"\x00" + GUEST, "dhcpspoofed"),
        (GUEST, "dhcpspoofed"),
        (b"listed", ""),
        (b"liste", "dhcpspoofed"),
        (b"listed!", "dhcpspoofed"),
    ],
)
def test_a_client_id_is_the_guests_own_or_a_listed_one(client: bytes, fate: str) -> None:
    options = (("client_id", client),) if client else ()
    assert nospoof(b"listed").send(dhcp("discover", options=options)) == fate


def test_the_hardware_address_in_a_message_is_the_guests_own() -> None:
    assert nospoof().send(dhcp("discover", chaddr=NEIGHBOUR)) == "dhcpspoofed"
    assert nospoof(allcids=True).send(dhcp("discover", chaddr=NEIGHBOUR)) == "dhcpspoofed"


def test_all_client_ids_may_be_allowed() -> None:
    assert nospoof(allcids=True).send(dhcp("discover", options=(("client_id", b"any"),))) == ""
    duid = DHCP6OptClientId(duid=DUID_LL(lladdr=format_mac(NEIGHBOUR)))
    assert nospoof(allcids=True).send(dhcpv6(DHCP6_Solicit(trid=1) / duid)) == ""


@pytest.mark.parametrize(
    ("duid", "fate"),
    [
        (DUID_LL(lladdr=format_mac(GUEST)), ""),
        (DUID_LLT(lladdr=format_mac(GUEST), timeval=1), ""),
        (DUID_LL(lladdr=format_mac(NEIGHBOUR)), "dhcpspoofed"),
        (DUID_LLT(lladdr=format_mac(NEIGHBOUR), timeval=1), "dhcpspoofed"),
        (DUID_EN(enterprisenum=1, id=b"other"), "dhcpspoofed"),
        (DUID_EN(enterprisenum=1, id=b"known"), ""),
    ],
)
def test_a_duid_is_of_the_guests_address_or_a_listed_one(duid: Packet, fate: str) -> None:
    world = nospoof(bytes(DUID_EN(enterprisenum=1, id=b"known")))
    assert world.send(dhcpv6(DHCP6_Solicit(trid=1) / DHCP6OptClientId(duid=duid))) == fate


def test_what_cannot_be_read_whole_is_not_sent() -> None:
    whole = dhcp("discover")
    fragment = bytearray(whole)
    fragment[20] |= 0x20  # more fragments follow
    assert nospoof().send(bytes(fragment)) == "dhcpspoofed"
    assert nospoof().send(whole[: 14 + 20 + 7]) == "dhcpspoofed"
    other = frame(IP(src="10.0.0.1") / UDP(sport=5000, dport=5001) / Raw(b"x" * 30))
    assert nospoof().send(other) == ""
    assert nospoof().send(other[: 14 + 20 + 7]) == "dhcpspoofed"


def test_without_dhcp_nospoof_nobody_minds_client_ids() -> None:
    world = guarded()
    assert world.send(dhcp("discover", chaddr=NEIGHBOUR, options=(("client_id", b"any"),))) == ""
