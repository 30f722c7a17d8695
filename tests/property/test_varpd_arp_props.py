"""The proxies on any frame, with scapy as the builder of questions and the reader of answers."""

from __future__ import annotations

import itertools
import struct
from dataclasses import dataclass, replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP, UDP, IPOption_NOP
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6ND_NS, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet, Raw

from etherspan.testing.frames import checksum
from kernel_sim.sys.codec import TargLookup
from libvarpd import arp

MAC = st.binary(min_size=6, max_size=6)
V4 = st.binary(min_size=4, max_size=4)
V6 = st.binary(min_size=16, max_size=16)
TAG = st.just(b"") | st.integers(0, 0xFFFF).map(lambda tci: struct.pack("!HH", 0x8100, tci))
PADDING = st.binary(max_size=200)
TARGET = V6.filter(lambda one: one[0] != 0xFF and one[:12] != bytes(10) + b"\xff\xff" and one != bytes(15) + b"\1")
LINK_SCOPE = st.builds(
    lambda flags, rest: bytes([0xFF, flags << 4 | 2]) + rest, st.integers(0, 15), V6.map(lambda b: b[2:])
)
OPTION = st.integers(2, 255).flatmap(
    lambda kind: st.integers(1, 4).flatmap(
        lambda units: st.binary(min_size=8 * units - 2, max_size=8 * units - 2).map(
            lambda body: bytes([kind, units]) + body
        )
    )
)
IP_OPTIONS = st.integers(0, 10).map(lambda words: [IPOption_NOP()] * (4 * words))
SOURCE = MAC.map(lambda mac: b"\x01\x01" + mac)


def text(mac: bytes) -> str:
    return mac.hex(":")


def v4(address: bytes) -> str:
    return ".".join(map(str, address))


def v6(address: bytes) -> str:
    return address.hex(":", 2)


def framed(dst: bytes, src: bytes, tag: bytes, ethertype: int, payload: bytes) -> bytes:
    return dst + src + tag + struct.pack("!H", ethertype) + payload


def record(frame: bytes, tag: bytes) -> TargLookup:
    """What LOOKUP says of a frame that has that tag."""
    size = 14 + len(tag)
    sap = int.from_bytes(frame[size - 2 : size], "big")
    return TargLookup(hdrsize=size, pktsize=len(frame) - size, srcaddr=frame[6:12], dstaddr=frame[:6], sap=sap)


@dataclass(slots=True, frozen=True)
class Asked:
    """A frame that asks, and its tag."""

    frame: bytes
    tag: bytes

    @property
    def request(self) -> TargLookup:
        return record(self.frame, self.tag)


def untagged(frame: bytes, tag: bytes) -> Packet:
    """scapy's reading of a frame, which shall have that tag."""
    assert frame[12 : 12 + len(tag)] == tag
    return Ether(frame[:12] + frame[12 + len(tag) :])


@st.composite
def arp_requests(draw: st.DrawFn) -> Asked:
    sender, target = draw(st.tuples(V4, V4).filter(lambda pair: pair[0] != pair[1]))
    asks = ARP(op=1, hwsrc=text(draw(MAC)), psrc=v4(sender), hwdst=text(draw(MAC)), pdst=v4(target))
    tag = draw(TAG)
    return Asked(framed(draw(MAC), draw(MAC), tag, 0x0806, bytes(asks) + draw(PADDING)), tag)


@st.composite
def solicitations(draw: st.DrawFn) -> Asked:
    options = draw(st.lists(OPTION, max_size=3))
    options.insert(draw(st.integers(0, len(options))), draw(SOURCE))
    network = IPv6(
        tc=draw(st.integers(0, 255)),
        fl=draw(st.integers(0, 0xFFFFF)),
        hlim=draw(st.integers(0, 255)),
        src=v6(draw(V6)),
        dst=v6(draw(LINK_SCOPE)),
    )
    asks = network / ICMPv6ND_NS(tgt=v6(draw(TARGET)), res=draw(st.integers(0, 2**32 - 1))) / Raw(b"".join(options))
    tag = draw(TAG)
    dst = b"\x33\x33" + draw(MAC)[2:]
    return Asked(framed(dst, draw(MAC), tag, 0x86DD, bytes(asks) + draw(PADDING)), tag)


@st.composite
def discovers(draw: st.DrawFn) -> Asked:
    message = bytes(BOOTP(chaddr=draw(MAC), xid=draw(st.integers(0, 2**32 - 1))) / DHCP(options=[("message-type", 1)]))
    network = IP(src="0.0.0.0", dst="255.255.255.255", id=draw(st.integers(0, 65535)), options=draw(IP_OPTIONS))
    asks = network / UDP(sport=68, dport=67) / Raw(message.ljust(300, b"\0") + draw(PADDING))
    tag = draw(TAG)
    return Asked(framed(b"\xff" * 6, draw(MAC), tag, 0x0800, bytes(asks)), tag)


@pytest.mark.fact("VPD-I20")
@given(arp_requests(), MAC)
def test_an_arp_reply_is_its_request_with_the_roles_swapped(asked: Asked, mac: bytes) -> None:
    question = arp.read_arp(asked.request, asked.frame)
    assert question is not None
    frame = question.reply(mac)
    assert len(frame) == len(asked.frame)
    request, reply = untagged(asked.frame, asked.tag), untagged(frame, asked.tag)
    assert question.address == bytes(map(int, request[ARP].pdst.split(".")))
    assert (reply.dst, reply.src) == (request.src, text(mac))
    assert (reply[ARP].op, reply[ARP].hwsrc, reply[ARP].psrc) == (2, text(mac), request[ARP].pdst)
    assert (reply[ARP].hwdst, reply[ARP].pdst) == (request[ARP].hwsrc, request[ARP].psrc)
    at = 14 + len(asked.tag)
    assert frame[at : at + 6] == asked.frame[at : at + 6]
    assert frame[at + 28 :] == asked.frame[at + 28 :]


@pytest.mark.fact("VPD-I21")
@pytest.mark.parametrize(("at", "size"), [(0, 2), (2, 2), (4, 1), (5, 1), (6, 2)])
@settings(max_examples=25)
@given(asked=arp_requests(), noise=st.binary(min_size=2, max_size=2))
def test_an_arp_message_with_another_type_length_or_opcode_is_no_question(
    at: int, size: int, asked: Asked, noise: bytes
) -> None:
    begin = 14 + len(asked.tag) + at
    wrong = asked.frame[:begin] + noise[:size] + asked.frame[begin + size :]
    assert (arp.read_arp(asked.request, wrong) is None) == (wrong != asked.frame)
    sender = 14 + len(asked.tag) + 14
    gratuitous = asked.frame[: sender + 10] + asked.frame[sender : sender + 4] + asked.frame[sender + 14 :]
    assert arp.read_arp(asked.request, gratuitous) is None


@pytest.mark.fact("VPD-I22")
@given(solicitations(), MAC)
def test_an_advertisement_is_well_formed_and_goes_to_the_asker(asked: Asked, mac: bytes) -> None:
    question = arp.read_ndp(asked.request, asked.frame)
    assert question is not None
    frame = question.reply(mac)
    assert len(frame) == 14 + len(asked.tag) + 72
    request, reply = untagged(asked.frame, asked.tag), untagged(frame, asked.tag)
    assert (reply.dst, reply.src, reply.type) == (request.src, text(mac), 0x86DD)
    network, message, option = reply[IPv6], reply[ICMPv6ND_NA], reply[ICMPv6NDOptDstLLAddr]
    assert (network.version, network.tc, network.fl) == (6, request[IPv6].tc, request[IPv6].fl)
    assert (network.plen, network.nh, network.hlim) == (32, 58, request[IPv6].hlim)
    assert (network.src, network.dst) == (request[ICMPv6ND_NS].tgt, request[IPv6].src)
    assert (message.code, message.R, message.S, message.O, message.res) == (0, 0, 1, 1, 0)
    assert message.tgt == request[ICMPv6ND_NS].tgt
    assert (option.len, option.lladdr) == (1, text(mac))
    packet = frame[14 + len(asked.tag) :]
    assert question.address == packet[8:24] == packet[48:64]
    assert checksum(packet[8:40] + struct.pack("!II", 32, 58) + packet[40:]) == 0
    carried = message.cksum
    del message.cksum
    assert ICMPv6ND_NA(bytes(reply[ICMPv6ND_NA])).cksum == carried


@pytest.mark.fact("VPD-I23")
@given(arp_requests(), solicitations(), st.integers(0, 0xFFFF), MAC)
def test_replies_carry_the_tag_of_their_requests(one: Asked, two: Asked, tci: int, mac: bytes) -> None:
    tag = struct.pack("!HH", 0x8100, tci)
    for read, asked in ((arp.read_arp, one), (arp.read_ndp, two)):
        bare = asked.frame[:12] + asked.frame[12 + len(asked.tag) :]
        tagged = bare[:12] + tag + bare[12:]
        plain, question = read(record(bare, b""), bare), read(record(tagged, tag), tagged)
        assert plain is not None
        assert question is not None
        reply = question.reply(mac)
        assert Ether(reply)[Dot1Q].fields == Ether(tagged)[Dot1Q].fields
        assert reply[:12] + reply[16:] == plain.reply(mac)


@pytest.mark.fact("VPD-I24")
@given(discovers(), MAC)
def test_a_forwarded_discover_differs_in_its_destination_mac_only(asked: Asked, mac: bytes) -> None:
    question = arp.read_dhcp(asked.request, asked.frame)
    assert question is not None
    assert question.forward(mac) == mac + asked.frame[6:]


PIECE = OPTION | SOURCE
BROKEN = st.sampled_from([b"\x0e\0\0\0\0\0\0\0", b"\x01\0\0\0\0\0\0\0", b"\x0e", b"\x01", b"\x0e\x7f", b"\x01\x02\0\0"])


@pytest.mark.fact("VPD-Q19")
@given(solicitations(), st.lists(PIECE, max_size=4), BROKEN, st.binary(max_size=40))
def test_an_option_list_is_accepted_if_whole_and_with_a_source(
    asked: Asked, pieces: list[bytes], broken: bytes, behind: bytes
) -> None:
    at = 14 + len(asked.tag)

    def answered(options: bytes) -> bool:
        length = struct.pack("!H", 24 + len(options))
        frame = asked.frame[: at + 4] + length + asked.frame[at + 6 : at + 64] + options + behind
        return arp.read_ndp(record(frame, asked.tag), frame) is not None

    assert answered(b"".join(pieces)) == any(piece[0] == 1 for piece in pieces)
    assert not answered(b"".join(pieces) + broken)
    frame = asked.frame[: at + 4] + struct.pack("!H", len(behind) % 24) + asked.frame[at + 6 :]
    assert arp.read_ndp(asked.request, frame) is None


NUMBER = st.sampled_from([0, 1, 13, 14, 15, 18, 28, 64, 328, 1500, 1504, 1505, 2**63, 2**64 - 1]) | st.integers(0, 2000)
RECORD = st.builds(
    TargLookup,
    hdrsize=st.sampled_from([14, 18]) | NUMBER,
    pktsize=NUMBER,
    dstaddr=st.sampled_from([b"\xff" * 6, b"\x33\x33\0\0\0\1"]) | MAC,
    sap=st.sampled_from([0x0806, 0x86DD, 0x0800]) | st.integers(0, 2**32 - 1),
    vlan=st.integers(-(2**31), 2**31 - 1),
)


def check_all(request: TargLookup, packet: bytes) -> None:
    """None of the proxies raises, what they send fits an INJECT, and is made of what was fetched."""
    mac = b"\x02\0\0\0\0\x02"
    asked = arp.read_arp(request, packet)
    assert asked is None or arp.fits_arp(request)
    if asked is not None:
        assert len(asked.reply(mac)) == len(packet) <= arp.PACKET_MAX
    solicited = arp.read_ndp(request, packet)
    assert solicited is None or arp.fits_ndp(request)
    if solicited is not None:
        assert solicited.address in packet
        assert len(solicited.reply(mac)) == request.hdrsize + 72 <= len(packet)
    discover = arp.read_dhcp(request, packet)
    assert discover is None or arp.fits_dhcp(request)
    if discover is not None:
        assert discover.forward(mac) == mac + packet[6:]
        assert len(packet) <= arp.PACKET_MAX


@settings(max_examples=300)
@given(RECORD, st.binary(max_size=1600))
@example(TargLookup(hdrsize=2**64 - 14, pktsize=28, sap=0x0806), bytes(42))
def test_no_record_and_no_bytes_make_a_proxy_raise(request: TargLookup, packet: bytes) -> None:
    check_all(request, packet)


ASKED = arp_requests() | solicitations() | discovers()
DAMAGE = st.lists(st.tuples(st.integers(0, 120), st.integers(0, 255)), max_size=4)


@settings(max_examples=300)
@given(ASKED, DAMAGE, st.integers(0, 1600), RECORD)
def test_damaged_questions_make_no_proxy_raise(
    asked: Asked, damage: list[tuple[int, int]], fetched: int, other: TargLookup
) -> None:
    frame = bytearray(asked.frame)
    for at, value in damage:
        frame[at % len(frame)] = value
    truth = record(bytes(frame), asked.tag)
    records = [truth, replace(truth, hdrsize=other.hdrsize), replace(truth, pktsize=other.pktsize), other]
    for request, packet in itertools.product(records, (bytes(frame), bytes(frame[:fetched]))):
        check_all(request, packet)


@pytest.mark.fact("VPD-I25")
@settings(max_examples=60)
@given(arp_requests(), solicitations(), discovers(), st.data())
def test_nothing_is_concluded_from_bytes_that_were_not_fetched(
    one: Asked, two: Asked, three: Asked, data: st.DataObject
) -> None:
    size = 14 + len(one.tag) + 28
    assert arp.read_arp(one.request, one.frame[: data.draw(st.integers(0, size - 1))]) is None
    assert arp.read_arp(one.request, one.frame[:size]) is not None
    at = 14 + len(two.tag)
    size = at + 40 + int.from_bytes(two.frame[at + 4 : at + 6], "big")
    for fetched in range(at, size):
        assert arp.read_ndp(two.request, two.frame[:fetched]) is None
    assert arp.read_ndp(two.request, two.frame[:size]) is not None
    assert arp.read_dhcp(three.request, three.frame[: data.draw(st.integers(0, len(three.frame) - 1))]) is None


@given(st.integers(0, 4095), MAC, V4, MAC)
def test_a_gratuitous_arp_is_what_scapy_makes_of_it(vlan: int, source: bytes, address: bytes, to: bytes) -> None:
    frame = arp.gratuitous_arp(vlan, source, address, to)
    tag = struct.pack("!HH", 0x8100, vlan) if vlan else b""
    body = ARP(op=1, hwsrc=text(source), psrc=v4(address), hwdst="ff:ff:ff:ff:ff:ff", pdst=v4(address))
    assert frame == framed(to, source, tag, 0x0806, bytes(body))
    assert len(frame) == (46 if vlan else 42)
