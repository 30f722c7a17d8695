"""How a target cache ends: another ASSOCIATE, DELETE with lookups about, the end of the kernel (kernel.md 2.7, 2.8)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from etherspan.testing.cache.overlay import OWN_MAC, DynamicOverlay, point
from etherspan.testing.host import ROOT, MemoryHost
from kernel_sim.sys.codec import CacheEntry
from kernel_sim.sys.errno import Errno, KernelError

B, C, D, E = (bytes.fromhex(f"0208200000{n}") for n in ("0b", "0c", "0d", "0e"))
READ = 1


@pytest.fixture
def overlay() -> DynamicOverlay:
    return DynamicOverlay()


def frame(mac: bytes = B, number: int = 0) -> bytes:
    return mac + OWN_MAC + b"\x88\xb5" + bytes((number,)) * 46


def errno_of(call: Callable[[], object]) -> Errno:
    with pytest.raises(KernelError) as error:
        call()
    return error.value.errno


# ---------------------------------------------------------------------- another ASSOCIATE


@pytest.mark.fact("KRN-Q18")
def test_what_is_pending_moves_to_the_next_target_with_its_frames_and_its_place(overlay: DynamicOverlay) -> None:
    overlay.port.send(frame(B), frame(C, 1), frame(C, 2), frame(D))
    old = overlay.lookup()
    overlay.associate_again(varpd_id=77)
    asked = [overlay.lookup(), overlay.lookup()]
    assert [(one.dstaddr, one.varpdid) for one in asked] == [(C, 77), (D, 77)]
    overlay.respond(old.reqid)
    overlay.respond(asked[0].reqid)
    assert overlay.sent == [frame(B), frame(C, 1), frame(C, 2)]
    assert overlay.cache_get(C) == CacheEntry(C, 0, point("10.0.0.2"))
    assert overlay.target.outstanding == 1
    assert overlay.drops == {}


@pytest.mark.fact("KRN-Q18")
def test_answers_do_not_move_to_the_next_target(overlay: DynamicOverlay) -> None:
    overlay.cache_set(B)
    overlay.cache_set_drop(C)
    overlay.port.send(frame(D), frame(E))
    overlay.cache_set(D)
    overlay.cache_set_drop(E)
    overlay.associate_again()
    assert overlay.walk() == []
    overlay.network.wire.clear()
    overlay.port.send(frame(B, 2), frame(C, 2), frame(D, 2), frame(E, 2))
    assert overlay.sent == []
    assert overlay.drops == {}
    assert overlay.parked == {B: (1, 60), C: (1, 60), D: (1, 60), E: (2, 120)}


@pytest.mark.fact("KRN-Q18")
def test_a_point_is_sent_what_was_pending_and_nothing_is_outstanding_any_more(overlay: DynamicOverlay) -> None:
    overlay.port.send(frame(B, 1), frame(C), frame(B, 2))
    overlay.cache_set_drop(B)
    asked = overlay.lookup()
    overlay.associate_again(point("10.0.0.3"))
    assert sorted(overlay.sent) == sorted([frame(B, 1), frame(B, 2), frame(C)])
    assert overlay.sent.index(frame(B, 1)) < overlay.sent.index(frame(B, 2))
    assert {datagram.to.ip for datagram in overlay.network.wire} == {point("10.0.0.3").ip}
    assert overlay.drops == {}
    assert errno_of(lambda: overlay.respond(asked.reqid)) is Errno.EINVAL
    assert overlay.idle()


@pytest.mark.fact("KRN-Q18")
def test_a_stopped_overlay_drops_by_name_what_a_point_would_be_sent(overlay: DynamicOverlay) -> None:
    overlay.port.send(frame(), frame(C))
    overlay.stop()
    overlay.associate_again(point("10.0.0.3"))
    assert overlay.drops == {"tx_not_started": 2}


def test_a_target_stays_in_use_after_disassociating(overlay: DynamicOverlay) -> None:
    overlay.cache_set(C)
    overlay.disassociate()
    overlay.port.send(frame(B), frame(C))
    assert overlay.sent == [frame(C)]
    overlay.respond(overlay.lookup().reqid)
    assert overlay.sent == [frame(C), frame(B)]


def test_the_next_target_after_a_point_starts_empty(overlay: DynamicOverlay) -> None:
    overlay.associate_again(point("10.0.0.3"))
    overlay.port.send(frame(B, 1))
    overlay.associate_again()
    overlay.port.send(frame(B, 2))
    assert overlay.sent == [frame(B, 1)]
    assert overlay.parked == {B: (1, 60)}


# ---------------------------------------------------------------------- DELETE


@pytest.mark.fact("KRN-Q9")
def test_delete_purges_the_queue_and_does_not_wait_for_a_daemon(overlay: DynamicOverlay) -> None:
    overlay.port.send(frame(B), frame(B), frame(C))
    overlay.stop()
    assert overlay.delete().errno == 0
    assert overlay.host.drops("deleted") == {"tx_overlay_deleted": 3}
    assert overlay.idle()
    assert overlay.clock.pending == 0


@pytest.mark.fact("KRN-Q9")
def test_delete_waits_a_second_for_lookups_that_were_handed_out_and_no_longer(overlay: DynamicOverlay) -> None:
    overlay.port.send(frame(B), frame(C), frame(C))
    asked = overlay.lookup()
    overlay.stop()
    answer = overlay.delete()
    overlay.clock.advance(0.99)
    assert not answer.replied
    assert overlay.pkt(asked.reqid) == frame(B)
    overlay.clock.advance(0.01)
    assert answer.errno == 0
    assert overlay.host.drops("deleted") == {"tx_overlay_deleted": 3}
    assert errno_of(lambda: overlay.drop(asked.reqid)) is Errno.EINVAL


@pytest.mark.fact("KRN-Q9")
@pytest.mark.parametrize("how", ["respond", "drop"])
def test_one_answer_for_each_lookup_ends_the_wait_though_more_frames_are_parked(
    overlay: DynamicOverlay, how: str
) -> None:
    overlay.port.send(frame(B, 1), frame(B, 2), frame(C))
    first, second = overlay.lookup(), overlay.lookup()
    overlay.stop()
    answer = overlay.delete()
    done = overlay.respond if how == "respond" else overlay.drop
    done(first.reqid)
    assert not answer.replied
    done(second.reqid)
    assert answer.errno == 0
    dropped = {"tx_overlay_deleted": 3} if how == "respond" else {"tx_overlay_deleted": 1, "tx_lookup_drop": 2}
    assert overlay.host.drops("deleted") == dropped
    assert overlay.sent == []
    assert overlay.idle()
    assert overlay.clock.pending == 0


@pytest.mark.fact("KRN-Q9")
def test_the_handle_that_closes_ends_the_wait(overlay: DynamicOverlay) -> None:
    overlay.port.send(frame(B), frame(C))
    reader = overlay.host.kernel.overlay_open(READ, ROOT)
    overlay.lookup(reader)
    overlay.lookup()
    overlay.stop()
    answer = overlay.delete()
    overlay.host.varpd.close()
    assert not answer.replied
    reader.close()
    assert answer.errno == 0
    assert overlay.idle()


@pytest.mark.fact("KRN-Q8")
def test_link_and_network_id_are_free_and_other_overlays_usable_while_delete_waits(overlay: DynamicOverlay) -> None:
    overlay.port.send(frame())
    asked = overlay.lookup()
    overlay.stop()
    answer = overlay.delete()
    assert errno_of(overlay.walk) is Errno.ENOENT
    host: MemoryHost = overlay.host
    other = host.create_overlay("demo0", 23, to="10.0.0.2")
    host.create_vnic("vnic0", other, OWN_MAC).send(frame(number=9))
    assert overlay.sent == [frame(number=9)]
    assert not answer.replied
    overlay.drop(asked.reqid)
    assert answer.errno == 0


def test_a_frame_sent_for_a_request_of_a_deleted_overlay_is_dropped_by_name(overlay: DynamicOverlay) -> None:
    overlay.port.send(frame())
    asked = overlay.lookup()
    overlay.stop()
    answer = overlay.delete()
    overlay.resend(frame(number=1), asked.reqid)
    overlay.inject(frame(number=2), asked.reqid)
    overlay.clock.advance(1)
    assert answer.errno == 0
    assert overlay.host.drops("deleted") == {"tx_not_started": 1, "tx_overlay_deleted": 1}


def test_what_deleted_overlays_had_dropped_adds_up(overlay: DynamicOverlay) -> None:
    overlay.resend(b"")
    overlay.stop()
    overlay.resend(frame())
    assert overlay.host.drops("deleted") == {}
    assert overlay.delete().errno == 0
    assert overlay.host.drops("deleted") == {"tx_no_header": 1, "tx_not_started": 1}
    other = overlay.host.create_overlay("demo1", 24, to="10.0.0.2")
    overlay.link = other
    overlay.resend(frame())
    overlay.host.delete_overlay(other)
    assert overlay.host.drops("deleted") == {"tx_no_header": 1, "tx_not_started": 2}


def test_the_end_of_the_kernel_ends_a_delete_that_waits(overlay: DynamicOverlay) -> None:
    overlay.port.send(frame())
    overlay.lookup()
    overlay.stop()
    answer = overlay.delete()
    overlay.host.kernel.close()
    assert answer.errno == 0
