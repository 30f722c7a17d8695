"""Link protection at its edges: relays without end, options cut short, requests that outlive each other, runs whose frames differ."""

from __future__ import annotations

import struct

import pytest

from etherspan.testing.frames import ethernet, partial, udp
from etherspan.testing.guarded import GUEST, NEIGHBOUR, STRANGER, Guarded, allowed
from etherspan.testing.memory import MemoryClock
from kernel_sim.mac.protect.dhcpv4 import Dhcpv4Message
from kernel_sim.mac.protect.dhcpv6 import RELAY_FORWARD, Dhcpv6Message
from kernel_sim.mac.protect.learned import Learned
from kernel_sim.mac.protect.leases import TRANSACTION_SECONDS, Leases
from kernel_sim.mac.protect.props import check_cids, check_ipaddrs, check_types
from kernel_sim.sys.codec import MacDhcpcid, MacIpaddr
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.mac_flow import MPT_MAXCID, MPT_MAXCIDLEN, MPT_MAXIPADDR, MacProtect
from kernel_sim.sys.message import Gso, Message

COOKIE = bytes.fromhex("63825363")
OWN = bytes((10, 0, 0, 9))


def option6(code: int, value: bytes) -> bytes:
    return struct.pack(">HH", code, len(value)) + value


def bootp(kind: int, *, xid: int = 7, mac: bytes = GUEST, asked: bytes = b"") -> bytes:
    options = bytes((53, 1, kind)) + (bytes((50, 4)) + asked if asked else b"") + b"\xff"
    fixed = struct.pack(">BBBBI20x", 1, 1, 6, 0, xid) + mac.ljust(16, b"\0") + bytes(64 + 128)
    return (fixed + COOKIE + options).ljust(300, b"\0")


def run_of(*bodies: bytes, to_guest: bool = False) -> Message:
    """A run of datagrams of one length."""
    src, dst = (STRANGER, GUEST) if to_guest else (GUEST, STRANGER)
    ports = (67, 68) if to_guest else (68, 67)
    sent = ethernet(dst, src, udp("0.0.0.0", "255.255.255.255", *ports, b"".join(bodies)))
    return partial(sent, gso=Gso.UDP_L4, mss=len(bodies[0]))


@pytest.mark.parametrize(("relays", "found"), [(0, True), (31, True), (32, False)])
def test_a_message_behind_32_relays_is_not_looked_for(relays: int, *, found: bool) -> None:
    message = b"\1\0\0\7"
    for _ in range(relays):
        message = bytes((RELAY_FORWARD, 0)) + bytes(32) + option6(9, message)
    inner = Dhcpv6Message(message).innermost()
    assert (inner is not None) is found
    assert inner is None or inner.type == 1


@pytest.mark.parametrize(("size", "granted"), [(24, (bytes(16),)), (23, ())])
def test_an_address_that_is_cut_short_grants_nothing(size: int, granted: tuple[bytes, ...]) -> None:
    association = option6(3, bytes(12) + option6(5, bytes(size)))
    assert Dhcpv6Message(b"\7\0\0\7" + association).granted() == granted


def test_an_answer_ends_the_requests_that_the_same_client_sent_before_it() -> None:
    leases = Leases()
    for xid, client in ((b"1", b"me"), (b"2", b"you"), (b"3", b"me"), (b"4", b"me")):
        assert leases.begin(xid, client, (OWN,), 0.0)
    assert leases.settle(b"3", (OWN,))
    assert [leases.transaction(xid) is not None for xid in (b"1", b"2", b"3", b"4")] == [False, True, False, True]
    leases.scrub(TRANSACTION_SECONDS)  # what it sent after it ends the lease, as the original has it
    assert OWN not in leases


def test_a_request_is_followed_for_a_minute_from_its_own_beginning() -> None:
    clock = MemoryClock()
    learned = Learned(clock, lambda: None)
    learned.clear()  # nothing is there, no timer either
    for xid in (1, 2):
        learned.request_v4(Dhcpv4Message(bootp(3, xid=xid, asked=OWN)))
        clock.advance(30.0)
    assert learned.dhcpv4.pending == 1
    clock.advance(59.0)
    assert (learned.dhcpv4.pending, clock.pending) == (1, 1)
    clock.advance(1.0)
    assert (learned.dhcpv4.pending, clock.pending) == (0, 0)


def test_of_a_run_whose_frames_differ_the_good_ones_go_on() -> None:
    guarded = Guarded(types=MacProtect.DHCPNOSPOOF)
    good, bad = bootp(1), bootp(1, mac=NEIGHBOUR)
    guarded.guest.send(run_of(good, bad, good))
    assert [frame[42:] for frame in guarded.switch.wire.take()] == [good, good]
    assert guarded.counters()["dhcpspoofed"] == 1
    guarded.guest.send(run_of(good, good))
    assert len(guarded.switch.wire.take()) == 2
    assert guarded.counters()["dhcpspoofed"] == 1


def test_a_run_of_answers_is_learned_frame_by_frame() -> None:
    guarded = Guarded(types=MacProtect.IPNOSPOOF)
    packet = ethernet(STRANGER, GUEST, udp("10.0.0.9", "10.0.0.1", 1, 2, b""))
    guarded.send(ethernet(STRANGER, GUEST, udp("0.0.0.0", "255.255.255.255", 68, 67, bootp(3, asked=OWN))))
    assert guarded.send(packet) == "ipspoofed"
    guarded.receive(run_of(bootp(5, xid=99), bootp(5), to_guest=True))
    assert guarded.send(packet) == ""


def test_a_client_without_an_address_learns_nothing() -> None:
    guarded = Guarded(types=MacProtect.IPNOSPOOF)
    guarded.send(ethernet(STRANGER, GUEST, udp("0.0.0.0", "255.255.255.255", 68, 67, bootp(3, asked=OWN))))
    address, guarded.guest.client.address = guarded.guest.client.address, None
    guarded.receive(ethernet(GUEST, STRANGER, udp("10.0.0.1", "255.255.255.255", 67, 68, bootp(5))))
    guarded.guest.client.address = address
    assert guarded.send(ethernet(STRANGER, GUEST, udp("10.0.0.9", "10.0.0.1", 1, 2, b""))) == "ipspoofed"


ONE = allowed("10.0.0.1")


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ((ONE,) * (MPT_MAXIPADDR + 1), "at most 32"),
        ((MacIpaddr(5, bytes(16), 32),), "version"),
        ((MacIpaddr(4, ONE.address, 0),), "a prefix of 0, not 1..32"),
        ((MacIpaddr(4, ONE.address, 33),), "a prefix of 33, not 1..32"),
        ((MacIpaddr(6, bytes(15) + b"\1", 129),), "a prefix of 129, not 1..128"),
        ((allowed("0.0.0.0/8"),), "the unspecified address"),
        ((allowed("::/8"),), "the unspecified address"),
        ((ONE, allowed("10.0.0.2"), allowed("10.0.0.1/24")), "0 and 2 are the same"),
    ],
)
def test_allowed_addresses_that_make_no_sense_are_refused(entries: tuple[MacIpaddr, ...], said: str) -> None:
    with pytest.raises(KernelError, match=said) as caught:
        check_ipaddrs(entries)
    assert caught.value.errno == Errno.EINVAL
    check_ipaddrs((ONE, allowed("fd00::/64")))


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        (tuple(MacDhcpcid(bytes((number,))) for number in range(MPT_MAXCID + 1)), "at most 32"),
        ((MacDhcpcid(bytes(MPT_MAXCIDLEN + 1)),), "at most 256"),
        ((MacDhcpcid(b"x", 9),), "form 9"),
        ((MacDhcpcid(b"x"), MacDhcpcid(b"y"), MacDhcpcid(b"x", 2)), "0 and 2 are the same"),
    ],
)
def test_allowed_client_ids_that_make_no_sense_are_refused(entries: tuple[MacDhcpcid, ...], said: str) -> None:
    with pytest.raises(KernelError, match=said) as caught:
        check_cids(entries)
    assert caught.value.errno == Errno.EINVAL
    check_cids((MacDhcpcid(b"x"), MacDhcpcid(b"y")))


@pytest.mark.parametrize(
    ("types", "dynamic", "said"),
    [(16, 0, "0x10 is no type of protection; there are 0xf"), (3, 8, "0x8 is no dynamic method; there are 0x7")],
)
def test_bits_that_mean_nothing_are_refused(types: int, dynamic: int, said: str) -> None:
    with pytest.raises(KernelError, match=said) as caught:
        check_types(types, dynamic)
    assert caught.value.errno == Errno.EINVAL
    check_types(15, 7)
