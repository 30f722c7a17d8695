"""Entries of the target cache: what parks, asks, is sent and is dropped (kernel.md 2.2 to 2.4, 2.8, 7)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from etherspan.testing.cache.overlay import OWN_MAC, DynamicOverlay, point
from etherspan.testing.flows import Flow
from kernel_sim.overlay.plugins.vxlan import VxlanPlugin
from kernel_sim.sys import overlay_target as targ
from kernel_sim.sys.codec import CacheEntry, Point, TargLookup
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.overlay_common import Dest

B = bytes.fromhex("02082000000b")
C = bytes.fromhex("02082000000c")
ALL = b"\xff" * 6
CAP = 131072
CFI = b"\x81\x00\x10\x07\x08\x00"


@pytest.fixture
def overlay() -> DynamicOverlay:
    return DynamicOverlay()


def frame(mac: bytes = B, number: int = 0, size: int = 60) -> bytes:
    return mac + OWN_MAC + b"\x88\xb5" + bytes((number,)) * (size - 14)


def errno_of(call: Callable[[], object]) -> Errno:
    with pytest.raises(KernelError) as error:
        call()
    return error.value.errno


# ---------------------------------------------------------------------- parking


def test_frames_to_an_unknown_address_wait_for_one_lookup_and_leave_in_order(overlay: DynamicOverlay) -> None:
    overlay.port.send(frame(number=1), frame(number=2))
    overlay.port.send(frame(number=3))
    asked = overlay.lookup()
    assert overlay.sent == []
    assert overlay.parked == {B: (3, 180)}
    assert overlay.idle()
    overlay.respond(asked.reqid)
    overlay.port.send(frame(number=4))
    assert overlay.sent == [frame(number=number) for number in (1, 2, 3, 4)]
    assert overlay.drops == {}


def test_the_vlan_plays_no_part_in_the_lookup(overlay: DynamicOverlay) -> None:
    overlay.cache_set(B)
    tagged = B + OWN_MAC + b"\x81\x00\x00\x07\x08\x00" + bytes(46)
    overlay.resend(tagged)
    assert overlay.sent == [tagged]


@pytest.mark.fact("KRN-I12", "KRN-Q1")
def test_exactly_128_kib_are_parked_for_an_address_and_not_a_byte_more(overlay: DynamicOverlay) -> None:
    overlay.port.send(frame(size=CAP - 1000), frame(size=1000), frame(size=60), frame(C))
    assert overlay.parked == {B: (2, CAP), C: (1, 60)}
    assert overlay.drops == {"tx_pending_full": 1}


@pytest.mark.fact("KRN-I12", "KRN-Q1")
def test_the_frame_that_makes_an_entry_is_not_measured_the_first_of_an_older_entry_is(overlay: DynamicOverlay) -> None:
    overlay.port.send(frame(size=CAP + 1), frame(size=60))
    assert overlay.parked == {B: (1, CAP + 1)}
    assert overlay.drops == {"tx_pending_full": 1}
    overlay.drop(overlay.lookup().reqid)
    overlay.port.send(frame(size=CAP + 1))
    assert overlay.parked == {}
    assert overlay.drops == {"tx_pending_full": 2, "tx_lookup_drop": 1}
    assert overlay.idle()


def test_of_a_run_the_frames_that_fit_are_parked(overlay: DynamicOverlay) -> None:
    run = Flow().run(bytes(10_000), 1000)
    overlay.port.send(frame(size=CAP - 3000), run)
    assert overlay.parked == {B: (3, CAP - 3000 + 2 * 1054)}
    assert overlay.drops == {"tx_pending_full": 8}


def test_a_frame_without_a_whole_header_is_dropped_by_name(overlay: DynamicOverlay) -> None:
    overlay.resend(frame()[:13])
    overlay.resend(b"")
    assert overlay.drops == {"tx_no_header": 2}
    overlay.resend(frame()[:14])
    assert overlay.parked == {B: (1, 14)}


class NoPort(VxlanPlugin):
    """An encapsulation whose destinations have no port."""

    dest = Dest.IP


def test_with_an_encapsulation_of_another_kind_everything_is_dropped() -> None:
    overlay = DynamicOverlay(plugins=(NoPort(),))
    overlay.port.send(frame(), frame(ALL))
    overlay.cache_set(B)
    overlay.port.send(frame())
    overlay.resend(b"")
    assert overlay.sent == []
    assert overlay.drops == {"tx_target_drop": 4}


# ---------------------------------------------------------------------- answers


def test_an_answer_is_used_as_it_is(overlay: DynamicOverlay) -> None:
    overlay.port.send(frame())
    overlay.respond(overlay.lookup().reqid, "0.0.0.0", 0)
    (datagram,) = overlay.network.wire
    assert datagram.to.port == 0
    assert overlay.cache_get(B).point == point("0.0.0.0", 0)


@pytest.mark.fact("KRN-I18")
def test_each_drop_takes_one_frame_and_asks_again_behind_the_others(overlay: DynamicOverlay) -> None:
    overlay.port.send(frame(number=1), frame(number=2), frame(C))
    first, other = overlay.lookup(), overlay.lookup()
    overlay.port.send(frame(ALL))
    overlay.drop(first.reqid)
    assert [overlay.lookup().dstaddr, overlay.lookup().dstaddr] == [ALL, B]
    assert overlay.pkt(first.reqid) == frame(number=2)
    overlay.drop(first.reqid)
    assert overlay.drops == {"tx_lookup_drop": 2}
    assert overlay.idle()
    overlay.port.send(frame(number=3))
    assert overlay.lookup().reqid == first.reqid
    assert other.reqid != first.reqid


def test_the_first_frame_of_a_parked_run_is_fetched_and_dropped_alone(overlay: DynamicOverlay) -> None:
    flow, payload = Flow(), bytes(2500)
    overlay.port.send(flow.run(payload, 1000))
    singles = flow.frames(payload, 1000)
    asked = overlay.lookup()
    assert (asked.hdrsize, asked.pktsize) == (14, len(singles[0]) - 14)
    assert overlay.pkt(asked.reqid) == singles[0]
    overlay.drop(asked.reqid)
    assert overlay.parked == {B: (2, sum(map(len, singles[1:])))}
    overlay.respond(overlay.lookup().reqid)
    assert overlay.sent == singles[1:]


def test_a_frame_with_an_unfinished_checksum_is_finished_when_it_is_fetched_and_when_it_is_sent(
    overlay: DynamicOverlay,
) -> None:
    flow = Flow()
    overlay.port.send(flow.partial(b"one"), flow.partial(b"two"))
    asked = overlay.lookup()
    assert overlay.pkt(asked.reqid) == flow.frame(b"one")
    overlay.respond(asked.reqid)
    assert overlay.sent == [flow.frame(b"one"), flow.frame(b"two")]


@pytest.mark.fact("KRN-Q11")
def test_a_lookup_that_was_answered_through_the_cache_meanwhile_is_forgotten(overlay: DynamicOverlay) -> None:
    overlay.port.send(frame(number=1))
    overlay.cache_set(B)
    assert overlay.sent == [frame(number=1)]
    assert overlay.target.outstanding == 1
    assert overlay.idle()
    assert overlay.target.outstanding == 0
    overlay.cache_remove(B)
    overlay.port.send(frame(number=2))
    assert overlay.lookup().dstaddr == B


@pytest.mark.fact("KRN-Q12")
def test_frames_that_cannot_be_described_are_dropped_by_lookup_and_the_next_one_is_told_of(
    overlay: DynamicOverlay,
) -> None:
    bad = [B + OWN_MAC + CFI + bytes(40), B + OWN_MAC + b"\x81\x00\x00\x07", B + OWN_MAC + b"\x81\x00"]
    for one in bad:
        overlay.resend(one)
    assert overlay.idle()
    assert overlay.drops == {"tx_bad_header": 3}
    assert overlay.target.outstanding == 0
    overlay.resend(bad[0])
    overlay.port.send(frame(number=1), frame(C))
    assert [overlay.lookup().dstaddr, overlay.lookup().dstaddr] == [C, B]
    assert overlay.drops == {"tx_bad_header": 4}
    assert overlay.target.outstanding == 2


@pytest.mark.fact("KRN-Q13")
def test_a_lookup_without_frames_is_forgotten(overlay: DynamicOverlay) -> None:
    overlay.port.send(frame(number=1))
    overlay.cache_set(B)
    overlay.cache_flush()
    assert overlay.idle()
    assert overlay.target.outstanding == 0
    overlay.port.send(frame(number=2))
    assert overlay.pkt(overlay.lookup().reqid) == frame(number=2)


def test_a_drop_of_what_became_valid_meanwhile_drops_nothing(overlay: DynamicOverlay) -> None:
    overlay.port.send(frame(number=1))
    asked = overlay.lookup()
    overlay.cache_set(B)
    overlay.drop(asked.reqid)
    overlay.port.send(frame(number=2))
    assert overlay.sent == [frame(number=1), frame(number=2)]
    assert overlay.drops == {}
    assert overlay.target.outstanding == 0


@pytest.mark.fact("KRN-Q16")
def test_a_request_can_be_answered_from_within_its_lookups_reply_while_the_frame_is_being_sent(
    overlay: DynamicOverlay,
) -> None:
    """The entry is whole when it is handed out: nothing is held that an answer or a cache ioctl would wait for."""

    def reply(errno: int, argument: bytes) -> None:
        assert errno == 0
        asked = TargLookup.unpack(argument)
        overlay.cache_set(C)
        assert overlay.pkt(asked.reqid) == frame(number=1)
        overlay.respond(asked.reqid)

    overlay.host.varpd.ioctl(targ.OVERLAY_TARG_LOOKUP, TargLookup().pack(), reply)
    overlay.port.send(frame(number=1), frame(number=2), frame(C))
    assert overlay.sent == [frame(number=1), frame(number=2), frame(C)]
    assert overlay.target.outstanding == 0


# ---------------------------------------------------------------------- drop entries


@pytest.mark.fact("KRN-Q14", "KRN-I22")
def test_only_remove_and_flush_lift_a_drop(overlay: DynamicOverlay) -> None:
    overlay.port.send(frame(number=1))
    asked = overlay.lookup()
    overlay.cache_set_drop(B)
    overlay.cache_set(B)
    overlay.port.send(frame(number=2))
    overlay.respond(asked.reqid)
    overlay.port.send(frame(number=3))
    assert overlay.sent == []
    assert overlay.drops == {"tx_target_drop": 3}
    assert overlay.cache_get(B).flags == targ.OVERLAY_TARGET_CACHE_DROP
    overlay.cache_remove(B)
    overlay.cache_set(B)
    overlay.port.send(frame(number=4))
    assert overlay.sent == [frame(number=4)]


@pytest.mark.fact("KRN-Q15")
def test_a_drop_entry_keeps_what_is_parked_until_it_is_answered(overlay: DynamicOverlay) -> None:
    overlay.port.send(frame(number=1), frame(number=2))
    overlay.cache_set_drop(B)
    overlay.port.send(frame(number=3))
    assert overlay.parked == {B: (2, 120)}
    assert overlay.drops == {"tx_target_drop": 1}
    asked = overlay.lookup()
    overlay.drop(asked.reqid)
    overlay.cache_remove(B)
    overlay.respond(overlay.lookup().reqid)
    assert overlay.sent == [frame(number=2)]
    assert overlay.drops == {"tx_target_drop": 1, "tx_lookup_drop": 1}


# ---------------------------------------------------------------------- entries stay


@pytest.mark.fact("KRN-Q20")
def test_an_entry_stays_for_ever_and_so_does_its_request_id(overlay: DynamicOverlay) -> None:
    overlay.port.send(frame())
    asked = overlay.lookup()
    overlay.drop(asked.reqid)
    overlay.cache_flush()
    assert [entry.mac for entry in overlay.target] == [B]
    overlay.cache_remove(B)
    overlay.port.send(frame())
    assert overlay.lookup().reqid == asked.reqid


def test_a_walk_shows_drop_entries_with_the_point_they_have(overlay: DynamicOverlay) -> None:
    overlay.cache_set(C)
    overlay.cache_set_drop(C)
    overlay.cache_set_drop(ALL)
    overlay.cache_set(B, "10.0.0.3")
    overlay.port.send(frame(bytes.fromhex("020000000001")))
    assert overlay.walk(1) == [
        CacheEntry(B, 0, point("10.0.0.3")),
        CacheEntry(C, targ.OVERLAY_TARGET_CACHE_DROP, point("10.0.0.2")),
        CacheEntry(ALL, targ.OVERLAY_TARGET_CACHE_DROP, Point()),
    ]


# ---------------------------------------------------------------------- stop, start


def test_a_stopped_overlay_keeps_its_cache_and_drops_what_an_answer_releases(overlay: DynamicOverlay) -> None:
    """Packet walk (h)."""
    overlay.port.send(frame(number=1), frame(C, number=1))
    asked, other = overlay.lookup(), overlay.lookup()
    overlay.stop()
    assert overlay.parked == {B: (1, 60), C: (1, 60)}
    overlay.respond(asked.reqid)
    assert overlay.drops == {"tx_not_started": 1}
    overlay.start()
    overlay.port.send(frame(number=2))
    overlay.respond(other.reqid)
    assert overlay.sent == [frame(number=2), frame(C, number=1)]


def test_an_answer_of_the_wrong_family_drops_the_whole_chain_by_name(overlay: DynamicOverlay) -> None:
    overlay.port.send(frame(), frame(), frame(size=61))
    overlay.respond(overlay.lookup().reqid, "fd00::2")
    assert overlay.sent == []
    assert overlay.drops == {"tx_address_family": 2, "tx_chain_abandoned": 1}
    assert errno_of(lambda: overlay.pkt(1)) is Errno.EINVAL
