"""A chain whose messages fare differently: what the transmit path asks of a target, and what it makes of the answers."""

from __future__ import annotations

import pytest

from etherspan.testing.cache.overlay import OWN_MAC, DynamicOverlay
from etherspan.testing.flows import Flow
from kernel_sim.overlay.cache import DynamicTarget
from kernel_sim.overlay.target import Destination, Verdict
from kernel_sim.sys.message import Message

KNOWN, FAR, DROPPED, UNKNOWN = (bytes.fromhex(f"0208200000{n}") for n in ("02", "04", "06", "08"))


@pytest.fixture
def overlay() -> DynamicOverlay:
    """KNOWN is at 10.0.0.2, FAR at an address this overlay cannot reach."""
    overlay = DynamicOverlay()
    overlay.cache_set(KNOWN)
    overlay.cache_set(FAR, "fd00::2")
    overlay.cache_set_drop(DROPPED)
    return overlay


def frame(mac: bytes, size: int = 60) -> bytes:
    return mac + OWN_MAC + b"\x88\xb5" + bytes(size - 14)


def run(mac: bytes) -> Message:
    return Flow(dst=mac, src=OWN_MAC).run(bytes(1000), 100)


def destination(overlay: DynamicOverlay, mac: bytes) -> Destination:
    return next(entry.destination for entry in overlay.target if entry.mac == mac and entry.destination)


def test_each_message_is_looked_up_once_a_run_too(overlay: DynamicOverlay, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []
    real = DynamicTarget.lookup

    def lookup(self: DynamicTarget, message: Message) -> Verdict:
        asked.append(bytes(message.data[:6]))
        return real(self, message)

    monkeypatch.setattr(DynamicTarget, "lookup", lookup)
    overlay.port.send(frame(KNOWN), frame(KNOWN), run(KNOWN), frame(DROPPED), frame(UNKNOWN))
    assert asked == [KNOWN, KNOWN, KNOWN, DROPPED, UNKNOWN]
    assert len(overlay.sent) == 12


def test_a_dropped_run_counts_as_its_frames_and_the_chain_goes_on(overlay: DynamicOverlay) -> None:
    overlay.port.send(frame(DROPPED), run(DROPPED), frame(KNOWN))
    assert overlay.drops == {"tx_target_drop": 11}
    assert overlay.sent == [frame(KNOWN)]


def test_what_the_target_keeps_is_neither_sent_nor_dropped(overlay: DynamicOverlay) -> None:
    overlay.port.send(frame(UNKNOWN), frame(KNOWN), run(UNKNOWN), frame(UNKNOWN))
    assert {mac: frames for mac, (frames, _) in overlay.parked.items()} == {UNKNOWN: 12}
    assert overlay.drops == {}
    assert overlay.sent == [frame(KNOWN)]


def test_what_is_parked_is_a_copy(overlay: DynamicOverlay) -> None:
    """The port overwrites its memory after each call."""
    overlay.port.send(frame(UNKNOWN, 100))
    assert overlay.pkt(overlay.lookup().reqid) == frame(UNKNOWN, 100)


@pytest.mark.fact("KRN-Q24")
def test_a_destination_of_the_wrong_family_ends_the_chain_behind_what_was_sent(overlay: DynamicOverlay) -> None:
    overlay.port.send(frame(KNOWN), frame(FAR), frame(KNOWN))
    assert overlay.sent == [frame(KNOWN)]
    assert overlay.drops == {"tx_address_family": 1, "tx_chain_abandoned": 1}


def test_a_destination_is_worked_out_again_for_another_socket(overlay: DynamicOverlay) -> None:
    overlay.port.send(frame(KNOWN))
    first = destination(overlay, KNOWN).resolved_by
    overlay.port.send(frame(KNOWN))
    assert destination(overlay, KNOWN).resolved_by is first
    overlay.stop()
    overlay.start()
    overlay.port.send(frame(KNOWN))
    assert destination(overlay, KNOWN).resolved_by is not first
    assert len(overlay.sent) == 3


def test_a_changed_destination_is_used_from_the_next_frame_on(overlay: DynamicOverlay) -> None:
    overlay.port.send(frame(KNOWN))
    overlay.cache_set(KNOWN, "10.0.0.3", 4790)
    overlay.port.send(frame(KNOWN))
    assert [datagram.to.port for datagram in overlay.network.wire] == [4789, 4790]


def test_an_overlay_over_ipv6_sends_where_ipv6_is() -> None:
    overlay = DynamicOverlay(listen="fd00::1")
    overlay.cache_set(KNOWN, "fd00::2")
    overlay.cache_set(FAR)
    overlay.port.send(frame(KNOWN), frame(FAR))
    assert overlay.sent == [frame(KNOWN)]
    assert overlay.drops == {"tx_address_family": 1}
