"""The target ioctls of a dynamic overlay: LOOKUP and what is done about it, INJECT, RESEND, the cache (kernel.md 2.5 to 2.7)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from etherspan.testing.cache.overlay import OWN_MAC, DynamicOverlay, point
from etherspan.testing.host import ROOT
from kernel_sim.sys import overlay_target as targ
from kernel_sim.sys.codec import (
    CacheEntry,
    Point,
    TargCache,
    TargDegrade,
    TargId,
    TargInfo,
    TargIter,
    TargPkt,
    TargResp,
)
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.ethernet import ZERO_MAC
from kernel_sim.sys.overlay_common import DEST_IP_PORT
from kernel_sim.sys.overlay_target import TargInfoFlag

READ = 1
NO_LINK = 77
B = bytes.fromhex("02082000000b")
MACS = [bytes((2, 8, 0x20, 0, 0, last)) for last in range(1, 8)]
CACHE = [
    targ.OVERLAY_TARG_CACHE_GET,
    targ.OVERLAY_TARG_CACHE_SET,
    targ.OVERLAY_TARG_CACHE_REMOVE,
    targ.OVERLAY_TARG_CACHE_FLUSH,
]


@pytest.fixture
def overlay() -> DynamicOverlay:
    return DynamicOverlay()


def frame(mac: bytes = B, number: int = 0) -> bytes:
    return mac + OWN_MAC + b"\x88\xb5" + bytes((number,)) * 46


FRAME = frame()


def errno_of(call: Callable[[], object]) -> Errno:
    with pytest.raises(KernelError) as error:
        call()
    return error.value.errno


# ---------------------------------------------------------------------- LOOKUP


@pytest.mark.fact("KRN-I21")
def test_a_lookup_with_nothing_to_look_up_is_etime_after_a_second(overlay: DynamicOverlay) -> None:
    overlay.cache_set(B)
    answer = overlay.ask()
    overlay.port.send(FRAME)
    overlay.clock.advance(0.99)
    assert not answer.replied
    overlay.clock.advance(0.01)
    assert (answer.errno, answer.argument) == (Errno.ETIME, b"")


@pytest.mark.fact("KRN-I25")
def test_a_point_target_never_asks(overlay: DynamicOverlay) -> None:
    overlay.associate_again(point("10.0.0.2"))
    answer = overlay.ask()
    overlay.port.send(FRAME, b"\xff" * 6 + FRAME[6:])
    overlay.resend(b"runt")
    overlay.clock.advance(1)
    assert answer.errno == Errno.ETIME
    assert len(overlay.sent) == 3


@pytest.mark.fact("KRN-I21")
def test_a_miss_wakes_one_lookup_at_once_and_no_other_command_waits_behind_them(overlay: DynamicOverlay) -> None:
    answers = [overlay.ask() for _ in range(3)]
    assert TargInfo.unpack(overlay.host.targ(targ.OVERLAY_TARG_INFO, TargInfo(overlay.link))).vnetid == 23
    overlay.port.send(FRAME)
    assert [answer.errno for answer in answers] == [0, None, None]
    overlay.clock.advance(1)
    assert [answer.errno for answer in answers] == [0, Errno.ETIME, Errno.ETIME]


def test_a_lookup_that_waits_on_a_closing_handle_is_enxio(overlay: DynamicOverlay) -> None:
    answer = overlay.ask()
    overlay.host.varpd.close()
    assert answer.errno == Errno.ENXIO
    overlay.clock.advance(2)
    assert overlay.clock.pending == 0
    overlay.port.send(FRAME)
    assert overlay.lookup().dstaddr == B


# ---------------------------------------------------------------------- whose request it is


@pytest.mark.fact("KRN-I17")
def test_only_a_request_that_is_outstanding_on_this_handle_can_be_answered(overlay: DynamicOverlay) -> None:
    overlay.port.send(FRAME)
    reader = overlay.host.kernel.overlay_open(READ, ROOT)
    held = overlay.lookup(reader).reqid
    for reqid in (held, 0, 2**64 - 1):
        assert errno_of(lambda reqid=reqid: overlay.respond(reqid)) is Errno.EINVAL  # type: ignore[misc]
        assert errno_of(lambda reqid=reqid: overlay.drop(reqid)) is Errno.EINVAL  # type: ignore[misc]
        assert errno_of(lambda reqid=reqid: overlay.pkt(reqid)) is Errno.EINVAL  # type: ignore[misc]
        assert errno_of(lambda reqid=reqid: overlay.inject(FRAME, reqid)) is Errno.ENOENT  # type: ignore[misc]
        assert errno_of(lambda reqid=reqid: overlay.resend(FRAME, reqid)) is Errno.ENOENT  # type: ignore[misc]
    assert overlay.parked == {B: (1, 60)}
    assert overlay.sent == []
    assert list(reader.outstanding) == [held]


@pytest.mark.fact("KRN-I17")
def test_an_answer_uses_the_request_up(overlay: DynamicOverlay) -> None:
    overlay.port.send(frame(MACS[0]), frame(MACS[1]))
    first, second = overlay.lookup().reqid, overlay.lookup().reqid
    overlay.respond(first)
    overlay.drop(second)
    for reqid in (first, second):
        assert errno_of(lambda reqid=reqid: overlay.respond(reqid)) is Errno.EINVAL  # type: ignore[misc]
        assert errno_of(lambda reqid=reqid: overlay.drop(reqid)) is Errno.EINVAL  # type: ignore[misc]
    assert overlay.sent == [frame(MACS[0])]
    assert overlay.drops == {"tx_lookup_drop": 1}


@pytest.mark.fact("KRN-I19", "KRN-I13")
def test_closing_a_handle_gives_its_requests_back_at_the_end_and_in_order(overlay: DynamicOverlay) -> None:
    overlay.port.send(*[frame(mac) for mac in MACS[:4]])
    old = overlay.host.varpd
    assert [overlay.lookup(old).dstaddr for _ in range(3)] == MACS[:3]
    overlay.drop(list(old.outstanding)[1])
    old.close()
    assert [overlay.lookup().dstaddr for _ in range(3)] == [MACS[3], MACS[0], MACS[2]]
    assert overlay.idle()
    assert sum(frames for frames, _ in overlay.parked.values()) == 3


@pytest.mark.fact("KRN-Q26")
def test_a_read_only_handle_takes_requests_and_keeps_them_until_it_closes(overlay: DynamicOverlay) -> None:
    overlay.port.send(FRAME)
    reader = overlay.host.kernel.overlay_open(READ, ROOT)
    asked = overlay.lookup(reader)
    assert errno_of(lambda: overlay.host.targ(targ.OVERLAY_TARG_DROP, TargResp(asked.reqid), reader)) is Errno.EBADF
    waiting = overlay.ask()
    assert waiting.errno is None
    reader.close()
    assert waiting.errno == 0
    overlay.drop(asked.reqid)


@pytest.mark.fact("KRN-Q17")
def test_a_closing_handle_wakes_every_lookup_there_is_a_request_for(overlay: DynamicOverlay) -> None:
    overlay.port.send(*[frame(mac) for mac in MACS[:3]])
    reader = overlay.host.kernel.overlay_open(READ, ROOT)
    for _ in range(3):
        overlay.lookup(reader)
    waiting = [overlay.ask() for _ in range(4)]
    reader.close()
    assert [answer.errno for answer in waiting] == [0, 0, 0, None]


# ---------------------------------------------------------------------- PKT


@pytest.mark.parametrize("room", [0, 5, len(FRAME), 4000])
def test_pkt_gives_the_beginning_of_the_frame_and_leaves_it_parked(overlay: DynamicOverlay, room: int) -> None:
    overlay.port.send(FRAME, frame(number=2))
    reqid = overlay.lookup().reqid
    for linkid in (0, overlay.link, NO_LINK):
        answer = TargPkt.unpack(overlay.host.targ(targ.OVERLAY_TARG_PKT, TargPkt(linkid, reqid, room)))
        assert answer == TargPkt(linkid, reqid, min(room, len(FRAME)), FRAME[:room])
    assert overlay.parked == {B: (2, 120)}


def test_pkt_of_a_request_without_frames_is_einval(overlay: DynamicOverlay) -> None:
    overlay.port.send(FRAME)
    reqid = overlay.lookup().reqid
    overlay.cache_set(B)
    assert errno_of(lambda: overlay.pkt(reqid)) is Errno.EINVAL


# ---------------------------------------------------------------------- INJECT, RESEND


@pytest.mark.parametrize("cmd", [targ.OVERLAY_TARG_INJECT, targ.OVERLAY_TARG_RESEND])
def test_a_frame_over_1518_bytes_is_einval_first_and_one_that_is_not_there_efault(
    overlay: DynamicOverlay, cmd: int
) -> None:
    def refusal(linkid: int, size: int, given: int) -> Errno:
        return errno_of(lambda: overlay.host.targ(cmd, TargPkt(linkid, 0, size, bytes(given))))

    for linkid in (NO_LINK, targ.OVERLAY_TARG_NO_LINK):
        assert refusal(linkid, 1519, 1519) is Errno.EINVAL
        assert refusal(linkid, 1518, 1517) is Errno.EFAULT
        assert refusal(linkid, 1518, 1518) is Errno.ENOENT
    overlay.host.targ(cmd, TargPkt(overlay.link, 0, 1518, bytes(1518)))


@pytest.mark.fact("KRN-Q7")
def test_inject_by_link_is_received_by_the_vnic_and_leaves_no_hold(overlay: DynamicOverlay) -> None:
    argument = TargPkt(overlay.link | 5 << 32, 0, len(FRAME), FRAME + b"beyond")
    overlay.host.targ(targ.OVERLAY_TARG_INJECT, argument)
    assert overlay.port.take() == [FRAME]
    assert overlay.sent == []
    overlay.stop()
    assert overlay.delete().errno == 0


def test_inject_by_request_reaches_the_device_of_the_request_and_does_not_answer_it(overlay: DynamicOverlay) -> None:
    overlay.port.send(FRAME)
    reqid = overlay.lookup().reqid
    overlay.inject(frame(number=7), reqid)
    assert overlay.port.take() == [frame(number=7)]
    assert overlay.pkt(reqid) == FRAME
    overlay.drop(reqid)


def test_resend_by_request_looks_its_own_address_up_and_does_not_answer_the_request(overlay: DynamicOverlay) -> None:
    overlay.cache_set(MACS[0])
    overlay.port.send(FRAME)
    reqid = overlay.lookup().reqid
    overlay.resend(frame(MACS[0]), reqid)
    overlay.resend(frame(number=2), reqid)
    assert overlay.sent == [frame(MACS[0])]
    assert overlay.parked == {B: (2, 120)}
    overlay.respond(reqid)
    assert overlay.sent[1:] == [FRAME, frame(number=2)]


@pytest.mark.fact("KRN-Q7", "KRN-Q38")
def test_resend_always_succeeds_and_leaves_no_hold(overlay: DynamicOverlay) -> None:
    overlay.cache_set_drop(B)
    overlay.resend(FRAME)
    overlay.stop()
    overlay.resend(FRAME)
    assert overlay.drops == {"tx_target_drop": 1, "tx_not_started": 1}
    assert overlay.delete().errno == 0


# ---------------------------------------------------------------------- the cache


@pytest.mark.fact("KRN-I22")
def test_what_was_set_is_there_until_it_is_removed(overlay: DynamicOverlay) -> None:
    overlay.cache_set(B, "fd00::7", 9)
    offered = Point(mac=b"\x05" * 6, ip=b"\x07" * 16, port=7)
    assert overlay.cache_get(B, offered) == CacheEntry(B, 0, point("fd00::7", 9))
    for gone in (lambda: overlay.cache_remove(B), overlay.cache_flush):
        overlay.cache_set(B)
        gone()
        assert errno_of(lambda: overlay.cache_get(B)) is Errno.ENOENT
    overlay.cache_remove(B)
    overlay.cache_set_drop(B)
    assert overlay.cache_get(B, offered) == CacheEntry(B, targ.OVERLAY_TARGET_CACHE_DROP, offered)


def test_get_and_remove_of_an_address_nobody_asked_for_are_enoent(overlay: DynamicOverlay) -> None:
    assert errno_of(lambda: overlay.cache_get(B)) is Errno.ENOENT
    assert errno_of(lambda: overlay.cache_remove(B)) is Errno.ENOENT
    overlay.cache_flush()
    overlay.port.send(FRAME)
    assert errno_of(lambda: overlay.cache_get(B)) is Errno.ENOENT
    overlay.cache_remove(B)
    assert overlay.lookup().dstaddr == B


def test_set_remove_and_flush_give_back_what_they_were_given(overlay: DynamicOverlay) -> None:
    entry = CacheEntry(B, 0, point("10.0.0.9", 9))
    for cmd in CACHE[1:]:
        argument = TargCache(overlay.link, entry)
        assert overlay.host.targ(cmd, argument) == argument.pack()


def test_a_reader_may_get_and_walk_but_not_change(overlay: DynamicOverlay) -> None:
    overlay.cache_set(B)
    reader = overlay.host.kernel.overlay_open(READ, ROOT)
    argument = TargCache(overlay.link, CacheEntry(B))
    assert TargCache.unpack(overlay.host.targ(CACHE[0], argument, reader)).entry.point == point("10.0.0.2")
    assert overlay.host.targ(targ.OVERLAY_TARG_CACHE_ITER, TargIter(overlay.link, count=1), reader)
    for cmd in CACHE[1:]:
        assert errno_of(lambda cmd=cmd: overlay.host.targ(cmd, argument, reader)) is Errno.EBADF  # type: ignore[misc]


@pytest.mark.fact("KRN-I24")
def test_every_cache_command_is_enxio_when_disassociated(overlay: DynamicOverlay) -> None:
    overlay.cache_set(B)
    overlay.disassociate()
    for cmd in CACHE:
        argument = TargCache(overlay.link, CacheEntry(B))
        assert errno_of(lambda cmd=cmd, argument=argument: overlay.host.targ(cmd, argument)) is Errno.ENXIO  # type: ignore[misc]
    assert errno_of(overlay.cache_iter) is Errno.ENXIO


def test_unknown_flags_of_an_entry_are_einval_and_change_nothing(overlay: DynamicOverlay) -> None:
    for flags in (2, 3, 0x8000):
        argument = TargCache(overlay.link, CacheEntry(B, flags, point("10.0.0.2")))
        assert errno_of(lambda argument=argument: overlay.host.targ(CACHE[1], argument)) is Errno.EINVAL  # type: ignore[misc]
    assert overlay.walk() == []


@pytest.mark.fact("KRN-I23")
@pytest.mark.parametrize("count", [1, 2, 3, 4, 500])
def test_a_walk_gives_every_answer_once_in_order_and_ends(overlay: DynamicOverlay, count: int) -> None:
    for mac in (MACS[3], MACS[0], MACS[6], MACS[2]):
        overlay.cache_set(mac)
    overlay.port.send(frame(MACS[1]))
    overlay.cache_set(MACS[5])
    overlay.cache_remove(MACS[5])
    assert [entry.mac for entry in overlay.walk(count)] == [MACS[0], MACS[2], MACS[3], MACS[6]]


@pytest.mark.fact("KRN-I23")
def test_a_walk_goes_on_behind_what_was_removed_and_finds_what_was_added(overlay: DynamicOverlay) -> None:
    for mac in (MACS[0], MACS[2], MACS[4]):
        overlay.cache_set(mac)
    first = overlay.cache_iter(count=1)
    overlay.cache_remove(MACS[2])
    overlay.cache_set(MACS[1])
    overlay.cache_set(MACS[3])
    second = overlay.cache_iter(first.marker, 500)
    assert [entry.mac for entry in (*first.entries, *second.entries)] == [MACS[0], MACS[3], MACS[4]]
    assert overlay.cache_iter(second.marker, 1).entries == ()


def test_a_marker_between_two_addresses_goes_on_with_the_larger_one(overlay: DynamicOverlay) -> None:
    overlay.cache_set(MACS[0])
    overlay.cache_set(MACS[4])
    assert [entry.mac for entry in overlay.cache_iter(MACS[2] + bytes(2)).entries] == [MACS[4]]
    assert overlay.cache_iter(b"\xff" * 6 + bytes(2)).entries == ()


def test_the_walk_of_an_empty_cache_ends_at_once(overlay: DynamicOverlay) -> None:
    step = overlay.cache_iter(count=1)
    assert (step.count, step.entries) == (0, ())
    assert any(step.marker[6:])


def test_a_marker_at_its_end_succeeds_for_any_link(overlay: DynamicOverlay) -> None:
    argument = TargIter(NO_LINK, ZERO_MAC + b"\x01\x00", 500)
    assert TargIter.unpack(overlay.host.targ(targ.OVERLAY_TARG_CACHE_ITER, argument)).count == 0


# ---------------------------------------------------------------------- the device


@pytest.mark.fact("KRN-I32")
def test_degrading_changes_neither_cache_nor_forwarding(overlay: DynamicOverlay) -> None:
    overlay.cache_set(B)
    overlay.host.targ(targ.OVERLAY_TARG_DEGRADE, TargDegrade(overlay.link, "no varpd instance exists"))
    overlay.port.send(FRAME, frame(MACS[0]))
    assert overlay.sent == [FRAME]
    assert overlay.lookup().dstaddr == MACS[0]
    assert overlay.host.kernel.links.mac(overlay.link).link_state == 1
    info = TargInfo.unpack(overlay.host.targ(targ.OVERLAY_TARG_INFO, TargInfo(overlay.link)))
    assert info == TargInfo(overlay.link, DEST_IP_PORT, TargInfoFlag.ACTIVE | TargInfoFlag.DEGRADED, 23)
    overlay.host.targ(targ.OVERLAY_TARG_RESTORE, TargId(overlay.link))
    assert overlay.walk() == [CacheEntry(B, 0, point("10.0.0.2"))]
