"""The proxies on single frames: the sheet's vectors, and one broken thing at a time."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace

import pytest

from etherspan.testing.frames import BROADCAST, arp_request, checksum, ethernet, ip, pseudo_header, udp
from kernel_sim.sys.codec import TargLookup
from kernel_sim.sys.errno import Errno
from kernel_sim.sys.ethernet import parse_header
from libvarpd import arp
from libvarpd.errors import VarpdError

CLIENT = bytes.fromhex("020000000001")
FOUND = bytes.fromhex("deadbeef0001")
TAG = bytes.fromhex("8100a017")
"""Priority 5, VLAN 23."""
ALL_NODES_MAC = bytes.fromhex("333300000001")

ARP_IN = bytes.fromhex("ffffffffffff020000000001080600010800060400010200000000010a3737020000000000000a373703")
ARP_OUT = bytes.fromhex("020000000001deadbeef000108060001080006040002deadbeef00010a3737030200000000010a373702")
NDP_IN = bytes.fromhex(
    "3333ff00000402000000000186dd6000000000203afffe800000000000000000000000000003ff0200000000000000000001ff00000487007a91"
    "00000000fe8000000000000000000000000000040101020000000001"
)
NDP_OUT = bytes.fromhex(
    "020000000001deadbeef000186dd6000000000203afffe800000000000000000000000000004fe80000000000000000000000000000388007c77"
    "60000000fe8000000000000000000000000000040201deadbeef0001"
)
SOURCE = b"\x01\x01" + CLIENT
"""The option that a solicitation must have."""
NONCE = b"\x0e\x01" + bytes(6)

NOT_ASKED_FOR = ["ff02::1", "ff0e::1:2", "::1", "::ffff:10.55.55.3"]
NOT_LINK_SCOPE = ["fe80::4", "ff01::1", "ff05::1:ff00:4", "ff0e::2", "fd02::1:ff00:4", "::"]
OVERRUNS = {
    "twice as long as what is there": b"\x01\x02" + CLIENT,
    "the longest there can be": b"\x01\xff" + CLIENT,
    "a second that overruns": SOURCE + b"\x0e\x02" + bytes(6),
    "cut by a byte": SOURCE[:-1],
    "a lone byte behind": SOURCE + b"\x0e",
    "a lone byte": b"\x01",
}
"""Options that end behind the message."""


def record(frame: bytes) -> TargLookup:
    """What LOOKUP says of a frame."""
    header = parse_header(frame)
    assert header is not None
    size = len(frame) - header.size
    return TargLookup(
        hdrsize=header.size, pktsize=size, srcaddr=header.src, dstaddr=header.dst, sap=header.sap, vlan=header.vid
    )


def arp_answer(frame: bytes) -> bytes | None:
    asked = arp.read_arp(record(frame), frame)
    return None if asked is None else asked.reply(FOUND)


def ndp_answer(frame: bytes) -> bytes | None:
    asked = arp.read_ndp(record(frame), frame)
    return None if asked is None else asked.reply(FOUND)


def dhcp_answer(frame: bytes) -> bytes | None:
    asked = arp.read_dhcp(record(frame), frame)
    return None if asked is None else asked.forward(FOUND)


def tagged(frame: bytes) -> bytes:
    return frame[:12] + TAG + frame[12:]


def patched(frame: bytes, at: int, new: bytes) -> bytes:
    return frame[:at] + new + frame[at + len(new) :]


def solicitation(
    options: bytes = SOURCE,
    *,
    target: str = "fe80::4",
    destination: str = "ff02::1:ff00:4",
    kind: int = 135,
    code: int = 0,
    behind: bytes = b"",
) -> bytes:
    """A solicitation of fe80::3, with a valid checksum; `behind` follows the IPv6 packet."""
    message = struct.pack("!BBHI", kind, code, 0, 0) + ip("::", target, 0, b"")[24:40] + options
    value = checksum(pseudo_header("fe80::3", destination, 58, len(message)) + message)
    packet = ip("fe80::3", destination, 58, patched(message, 2, value.to_bytes(2, "big")))
    return ethernet(ALL_NODES_MAC, CLIENT, packet + behind)


def discover(bootp: int = 300, *, sport: int = 68, dport: int = 67, to: bytes = BROADCAST) -> bytes:
    return ethernet(to, CLIENT, udp("0.0.0.0", "255.255.255.255", sport, dport, b"\x01\x01\x06\0" + bytes(bootp - 4)))


# ------------------------------------------------------------------ ARP


def test_the_arp_vector_is_answered_byte_for_byte() -> None:
    asked = arp.read_arp(record(ARP_IN), ARP_IN)
    assert asked is not None
    assert asked.address == bytes([10, 55, 55, 3])
    assert asked.reply(FOUND) == ARP_OUT


def test_the_arp_vector_with_a_tag_is_answered_with_that_tag() -> None:
    assert arp_answer(tagged(ARP_IN)) == tagged(ARP_OUT)


def test_padding_comes_back_with_the_reply() -> None:
    padding = bytes(range(18))
    assert arp_answer(ARP_IN + padding) == ARP_OUT + padding


def test_the_reply_goes_to_who_sent_the_frame_even_where_the_message_names_another() -> None:
    other = bytes.fromhex("02000000000f")
    answer = arp_answer(patched(ARP_IN, 6, other))
    assert answer == patched(ARP_OUT, 0, other)


@pytest.mark.fact("VPD-B33", "VPD-I21")
@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(patched(ARP_IN, 14, bytes([0, 6])), id="hardware type"),
        pytest.param(patched(ARP_IN, 16, b"\x86\xdd"), id="protocol"),
        pytest.param(patched(ARP_IN, 18, bytes([8])), id="hardware length"),
        pytest.param(patched(ARP_IN, 19, bytes([16])), id="protocol length"),
        pytest.param(patched(ARP_IN, 20, bytes([0, 2])), id="a reply"),
        pytest.param(patched(ARP_IN, 20, bytes([0, 3])), id="a reverse request"),
        pytest.param(patched(ARP_IN, 20, bytes([1, 1])), id="opcode 257"),
        pytest.param(patched(ARP_IN, 38, ARP_IN[28:32]), id="gratuitous"),
        pytest.param(ARP_IN[:-1], id="27 bytes"),
        pytest.param(ARP_IN.ljust(1519, b"\0"), id="a frame of 1519 bytes"),
        pytest.param(tagged(ARP_IN).ljust(1519, b"\0"), id="a tagged frame of 1519 bytes"),
    ],
)
def test_an_arp_message_that_is_no_question_is_dropped(frame: bytes) -> None:
    assert arp_answer(ARP_IN) is not None
    assert arp_answer(frame) is None


def test_an_arp_frame_too_short_or_too_long_is_not_even_fetched() -> None:
    fitting = [size for size in range(14, 1601) if arp.fits_arp(record(ARP_IN.ljust(1600, b"\0")[:size]))]
    assert fitting == list(range(42, 1519))
    fitting = [size for size in range(18, 1601) if arp.fits_arp(record(tagged(ARP_IN).ljust(1600, b"\0")[:size]))]
    assert fitting == list(range(46, 1519))


def test_another_ethertype_is_not_arp() -> None:
    assert not arp.fits_arp(record(patched(ARP_IN, 12, b"\x08\0")))


@pytest.mark.fact("VPD-Q16")
def test_a_probe_is_answered_even_to_the_owner_of_the_address() -> None:
    probe = arp_request(FOUND, "0.0.0.0", "10.55.55.3")
    answer = arp_answer(probe)
    assert answer is not None
    assert answer[:6] == answer[6:12] == FOUND
    assert answer[28:32] == bytes([10, 55, 55, 3])
    assert answer[38:42] == bytes(4)


def test_an_arp_frame_of_which_less_was_fetched_is_answered_at_that_length() -> None:
    padded = ARP_IN + bytes(18)
    asked = arp.read_arp(record(padded), padded[:50])
    assert asked is not None
    assert asked.reply(FOUND) == ARP_OUT + bytes(8)


def test_an_arp_frame_of_which_more_was_fetched_than_the_record_tells_of_is_dropped() -> None:
    assert arp.read_arp(record(ARP_IN), ARP_IN + b"\0") is None


# ------------------------------------------------------------------ NDP


def test_the_ndp_vector_is_answered_byte_for_byte() -> None:
    asked = arp.read_ndp(record(NDP_IN), NDP_IN)
    assert asked is not None
    assert asked.address == bytes.fromhex("fe800000000000000000000000000004")
    assert asked.reply(FOUND) == NDP_OUT


def test_the_ndp_vector_with_a_tag_is_answered_with_that_tag() -> None:
    assert ndp_answer(tagged(NDP_IN)) == tagged(NDP_OUT)


def behind_hop_by_hop(message: bytes) -> bytes:
    """An MLD report's place for a message: behind a hop-by-hop header with a router alert."""
    packet = ip("fe80::3", "ff02::16", 0, bytes.fromhex("3a00050200000100") + message)
    return ethernet(bytes.fromhex("333300000016"), CLIENT, packet)


@pytest.mark.fact("VPD-B34")
@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(solicitation(b""), id="no option: duplicate address detection"),
        pytest.param(solicitation(NONCE), id="another option only"),
        pytest.param(solicitation(b"\x0e\0" + bytes(6) + SOURCE), id="length 0 before the source"),
        pytest.param(solicitation(SOURCE + b"\x0e\0" + bytes(6)), id="length 0 behind the source"),
        pytest.param(solicitation(b"\x01\0" + CLIENT), id="length 0 of the source"),
        pytest.param(solicitation(SOURCE + bytes(2)), id="length 0 in the last two bytes"),
        *(pytest.param(solicitation(target=one), id=f"target {one}") for one in NOT_ASKED_FOR),
        *(pytest.param(solicitation(destination=one), id=f"destination {one}") for one in NOT_LINK_SCOPE),
        pytest.param(behind_hop_by_hop(bytes.fromhex("8f00000000000001") + bytes(20)), id="MLD with hop-by-hop"),
        pytest.param(behind_hop_by_hop(NDP_IN[54:]), id="a solicitation with hop-by-hop"),
        *(pytest.param(patched(NDP_IN, 20, bytes([one])), id=f"next header {one}") for one in (0, 17, 43, 57, 59, 60)),
    ],
)
def test_a_solicitation_that_nobody_can_answer_is_dropped(frame: bytes) -> None:
    assert ndp_answer(frame) is None


@pytest.mark.fact("VPD-Q19")
@pytest.mark.parametrize(
    "frame",
    [
        *(pytest.param(patched(NDP_IN, 19, bytes([n])), id=f"payload length {n}") for n in (0, 7, 8, 16, 23)),
        *(
            pytest.param(solicitation(options, behind=behind), id=f"{name}, {len(behind)} bytes behind")
            for name, options in OVERRUNS.items()
            for behind in (b"", SOURCE * 4)
        ),
    ],
)
def test_no_option_reaches_beyond_the_message_and_no_message_is_shorter_than_its_fields(frame: bytes) -> None:
    assert ndp_answer(NDP_IN) is not None
    assert ndp_answer(frame) is None


@pytest.mark.fact("VPD-B36")
def test_a_payload_length_of_8_is_dropped() -> None:
    assert ndp_answer(patched(NDP_IN, 18, bytes([0, 8]))) is None


@pytest.mark.fact("VPD-B35")
def test_no_other_icmpv6_type_is_a_solicitation_even_where_it_reads_like_one() -> None:
    answered = [kind for kind in range(256) if ndp_answer(solicitation(kind=kind)) is not None]
    assert answered == [135]


@pytest.mark.fact("VPD-Q18")
def test_what_the_proxies_answer_has_the_right_type_and_code_and_the_right_version_and_protocol() -> None:
    assert [kind for kind in range(256) if ndp_answer(solicitation(kind=kind)) is not None] == [135]
    assert [code for code in range(256) if ndp_answer(solicitation(code=code)) is not None] == [0]
    assert [one for one in range(16) if ndp_answer(patched(NDP_IN, 14, bytes([one << 4]))) is not None] == [6]
    frame = discover()
    assert [one for one in range(16) if dhcp_answer(patched(frame, 14, bytes([one << 4 | 5]))) is not None] == [4]
    assert [one for one in range(256) if dhcp_answer(patched(frame, 23, bytes([one]))) is not None] == [17]


@pytest.mark.parametrize("options", [SOURCE, SOURCE + NONCE])
def test_a_payload_length_beyond_the_frame_is_dropped(options: bytes) -> None:
    frame = solicitation(options)
    assert ndp_answer(frame) is not None
    assert ndp_answer(patched(frame, 18, struct.pack("!H", 24 + len(options) + 8))) is None
    assert ndp_answer(patched(frame, 18, b"\xff\xff")) is None


@pytest.mark.parametrize("options", [NONCE + SOURCE, SOURCE + NONCE, b"\x0e\x03" + bytes(22) + SOURCE, SOURCE + SOURCE])
def test_the_source_may_stand_anywhere_among_the_options(options: bytes) -> None:
    assert ndp_answer(solicitation(options)) == NDP_OUT[:21] + b"\x40" + NDP_OUT[22:]


@pytest.mark.parametrize("target", ["::", "fe80::4", "2001:db8::4", "::10.55.55.3", "::2"])
def test_any_other_target_is_asked_for(target: str) -> None:
    asked = arp.read_ndp(record(frame := solicitation(target=target)), frame)
    assert asked is not None
    assert asked.address == ip("::", target, 0, b"")[24:40]


@pytest.mark.parametrize("destination", ["ff02::1:ff00:4", "ff02::1", "ff02::fb", "ff12::1234", "ff32::1"])
def test_any_multicast_destination_of_link_scope_will_do(destination: str) -> None:
    assert ndp_answer(solicitation(destination=destination)) is not None


def test_a_solicitation_to_a_unicast_mac_is_not_even_fetched() -> None:
    assert arp.fits_ndp(record(NDP_IN))
    for mac in (FOUND, BROADCAST, bytes.fromhex("3332ff000004"), bytes.fromhex("3233ff000004")):
        assert not arp.fits_ndp(record(patched(NDP_IN, 0, mac)))
        assert ndp_answer(patched(NDP_IN, 0, mac)) is None


def test_an_ndp_frame_too_short_or_too_long_is_not_even_fetched() -> None:
    assert not arp.fits_ndp(record(NDP_IN[: 14 + 63]))
    assert arp.fits_ndp(record(NDP_IN[: 14 + 64]))
    assert arp.fits_ndp(record(NDP_IN.ljust(1518, b"\0")))
    assert not arp.fits_ndp(record(NDP_IN.ljust(1519, b"\0")))
    assert ndp_answer(NDP_IN.ljust(1519, b"\0")) is None


def test_neither_hop_limit_nor_checksum_nor_source_of_a_solicitation_matter() -> None:
    assert ndp_answer(patched(NDP_IN, 21, b"\x01")) == patched(NDP_OUT, 21, b"\x01")
    assert ndp_answer(patched(NDP_IN, 56, b"\0\0")) == NDP_OUT
    assert ndp_answer(patched(NDP_IN, 22, bytes(16))) is not None


# ------------------------------------------------------------------ DHCP


@pytest.mark.fact("VPD-I24")
@pytest.mark.parametrize("frame", [discover(), tagged(discover()), discover(548)])
def test_a_discover_goes_to_the_one_server_and_is_else_the_same(frame: bytes) -> None:
    assert dhcp_answer(frame) == FOUND + frame[6:]


@pytest.mark.fact("VPD-B32")
@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(discover(299), id="a message of 299 bytes"),
        pytest.param(discover(sport=67), id="from a server"),
        pytest.param(discover(dport=68), id="to a client"),
        pytest.param(discover(to=FOUND), id="unicast"),
        pytest.param(discover(to=ALL_NODES_MAC), id="multicast"),
    ],
)
def test_what_is_no_broadcast_of_a_dhcp_client_is_dropped(frame: bytes) -> None:
    assert dhcp_answer(discover()) is not None
    assert dhcp_answer(frame) is None


def test_ports_are_looked_for_behind_the_ip_options() -> None:
    plain = discover(548)
    for words in range(16):
        ports_at = 14 + 4 * words
        moved = patched(patched(plain, 34, bytes(4)), 14, bytes([0x40 | words]))
        assert dhcp_answer(moved) is None
        if words >= 3:  # below, they would overwrite version and protocol
            assert dhcp_answer(patched(moved, ports_at, struct.pack("!HH", 68, 67))) is not None


def test_a_dhcp_frame_too_short_or_too_long_is_not_even_fetched() -> None:
    assert not arp.fits_dhcp(record(discover(299)))
    assert arp.fits_dhcp(record(discover()))
    assert arp.fits_dhcp(record(discover(1476)))
    assert not arp.fits_dhcp(record(discover(1477)))
    assert dhcp_answer(discover(1477)) is None


def test_another_ethertype_is_not_dhcp() -> None:
    assert not arp.fits_dhcp(record(patched(discover(), 12, b"\x08\x06")))


# ------------------------------------------------------------------ sizes


QUESTIONS: list[tuple[Callable[[bytes], bytes | None], bytes]] = [
    (arp_answer, ARP_IN),
    (ndp_answer, NDP_IN),
    (dhcp_answer, discover()),
    (arp_answer, tagged(ARP_IN)),
    (ndp_answer, tagged(NDP_IN)),
    (dhcp_answer, tagged(discover())),
]
KINDS = ["arp", "ndp", "dhcp", "tagged arp", "tagged ndp", "tagged dhcp"]


@pytest.mark.parametrize(("answer", "frame"), QUESTIONS, ids=KINDS)
@pytest.mark.parametrize("fill", [b"\0", b"\xff"])
def test_of_all_lengths_those_are_answered_that_hold_the_question_and_fit_an_inject(
    answer: Callable[[bytes], bytes | None], frame: bytes, fill: bytes
) -> None:
    header = 18 if frame[12:16] == TAG else 14
    answered = [size for size in range(header, 1601) if answer(frame[:size].ljust(size, fill)) is not None]
    assert answered == list(range(len(frame), 1519))


READERS: list[tuple[Callable[[TargLookup, bytes], object], bytes, int]] = [
    (arp.read_arp, ARP_IN + bytes(18), len(ARP_IN)),
    (arp.read_ndp, solicitation(SOURCE + NONCE) + bytes(4), len(NDP_IN) + len(NONCE)),
    (arp.read_dhcp, discover(), len(discover())),
]


@pytest.mark.fact("VPD-I25")
@pytest.mark.parametrize(("read", "frame", "needed"), READERS, ids=["arp", "ndp", "dhcp"])
@pytest.mark.parametrize("wrap", [bytes, tagged])
def test_a_frame_of_which_less_was_fetched_than_the_question_takes_is_dropped(
    read: Callable[[TargLookup, bytes], object], frame: bytes, needed: int, wrap: Callable[[bytes], bytes]
) -> None:
    whole = wrap(frame)
    least = needed + len(whole) - len(frame)
    answered = [size for size in range(len(whole) + 1) if read(record(whole), whole[:size]) is not None]
    assert answered == list(range(least, len(whole) + 1))


@pytest.mark.parametrize("size", [0, 13, 15, 17, 19, 22, 1490, 2**64 - 1])
def test_no_header_has_another_size(size: int) -> None:
    for fits, frame in ((arp.fits_arp, ARP_IN), (arp.fits_ndp, NDP_IN), (arp.fits_dhcp, discover())):
        request = replace(record(frame), hdrsize=size)
        assert not fits(request)
        for read in (arp.read_arp, arp.read_ndp, arp.read_dhcp):
            assert read(request, frame) is None


# ------------------------------------------------------------------ gratuitous ARP


def test_a_gratuitous_arp_names_its_source_twice() -> None:
    body = "00010800060400010200000000010a373702ffffffffffff0a373702"
    assert arp.gratuitous_arp(0, CLIENT, bytes([10, 55, 55, 2]), FOUND) == bytes.fromhex(
        "deadbeef0001" + "020000000001" + "0806" + body
    )
    assert arp.gratuitous_arp(23, CLIENT, bytes([10, 55, 55, 2]), FOUND) == bytes.fromhex(
        "deadbeef0001" + "020000000001" + "81000017" + "0806" + body
    )


@pytest.mark.parametrize("vlan", [0, 1, 4095])
def test_a_gratuitous_arp_is_not_answered(vlan: int) -> None:
    assert arp_answer(arp.gratuitous_arp(vlan, CLIENT, bytes([10, 55, 55, 2]), FOUND)) is None


@pytest.mark.parametrize(
    ("vlan", "source_mac", "source_ip", "destination_mac"),
    [
        (-1, CLIENT, bytes(4), FOUND),
        (4096, CLIENT, bytes(4), FOUND),
        (0, CLIENT[1:], bytes(4), FOUND),
        (0, CLIENT, bytes(16), FOUND),
        (0, CLIENT, bytes(4), FOUND + b"\0"),
    ],
)
def test_a_gratuitous_arp_of_wrong_sizes_is_refused(
    vlan: int, source_mac: bytes, source_ip: bytes, destination_mac: bytes
) -> None:
    with pytest.raises(VarpdError) as refused:
        arp.gratuitous_arp(vlan, source_mac, source_ip, destination_mac)
    assert refused.value.errno == Errno.EINVAL
