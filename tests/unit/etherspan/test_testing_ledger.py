"""The accounts of frames, and the checks of a kernel: they hold for what is right, and find what is not."""

from __future__ import annotations

from collections import deque

import pytest

from etherspan.testing import frames
from etherspan.testing.chaos.invariants import check_kernel, drop_counters
from etherspan.testing.chaos.ledger import Ledger, essence
from etherspan.testing.sim.events import Event, Kind, Trace, frame_id
from etherspan.testing.sim.world import SimWorld, SimWorldHost
from etherspan.testing.topology import files_pair, mac, numbered
from kernel_sim.overlay.cache import DynamicTarget
from kernel_sim.overlay.entry import EntryFlag, TargetEntry

FRAME = numbered(1, 2)


@pytest.fixture
def parked(etherspan_world: SimWorld) -> tuple[SimWorldHost, Ledger, TargetEntry]:
    """A host with two frames parked for one address, its accounts, and the entry they wait in."""
    ledger = Ledger()
    etherspan_world.observers.append(ledger)
    a, _, p, _ = files_pair(etherspan_world)
    a.svcadm("disable varpd")
    p.send(numbered(1, 2, 1), numbered(1, 2, 2))
    assert isinstance(a, SimWorldHost)
    (device,) = a.inner.kernel.overlays
    assert isinstance(device.target, DynamicTarget)
    (entry,) = device.target
    return a, ledger, entry


def test_parked_frames_are_what_the_accounts_are_short_of(parked: tuple[SimWorldHost, Ledger, TargetEntry]) -> None:
    host, ledger, entry = parked
    ledger.check(host.name, host.inner.kernel)
    check_kernel(host.inner.kernel)
    assert len(entry.chain) == 2


def test_a_frame_that_vanishes_is_missed(parked: tuple[SimWorldHost, Ledger, TargetEntry]) -> None:
    host, ledger, entry = parked
    entry.chain.pop()
    with pytest.raises(AssertionError, match=frame_id(numbered(1, 2, 2))):
        ledger.check(host.name, host.inner.kernel)


def test_a_frame_that_is_there_twice_is_found(parked: tuple[SimWorldHost, Ledger, TargetEntry]) -> None:
    host, ledger, entry = parked
    entry.chain.append(entry.chain[0])
    with pytest.raises(AssertionError, match="2 are parked"):
        ledger.check(host.name, host.inner.kernel)


def test_a_drop_that_is_not_told_is_missed(parked: tuple[SimWorldHost, Ledger, TargetEntry]) -> None:
    host, ledger, _ = parked
    (device,) = host.inner.kernel.overlays
    device.drops.add(next(iter(device.drops.counts)), 1)
    assert sum(drop_counters(host.inner.kernel).values()) == 1
    assert not ledger.dropped


@pytest.mark.parametrize(
    "damage",
    [
        lambda entry: entry.change(clear=EntryFlag.PENDING),
        lambda entry: setattr(entry, "holder", {entry.reqid: entry}),
        lambda entry: setattr(entry, "parked", entry.parked + 1),
        lambda entry: setattr(entry, "chain", deque([*entry.chain] * 2000)),
        lambda entry: entry.target._queue._entries.append(entry),
        lambda entry: entry.target._queue._entries.clear(),
    ],
)
def test_an_inconsistent_cache_is_found(
    parked: tuple[SimWorldHost, Ledger, TargetEntry],
    damage: object,
) -> None:
    host, _, entry = parked
    assert callable(damage)
    damage(entry)
    with pytest.raises(AssertionError):
        check_kernel(host.inner.kernel)


def test_a_panic_ends_accounts_and_counters(
    parked: tuple[SimWorldHost, Ledger, TargetEntry],
) -> None:
    host, ledger, _ = parked
    host.kill("kernel")
    ledger.check(host.name, host.inner.kernel)
    assert ledger.fates["panic"] == 2
    assert not ledger.dropped


def event(kind: Kind, frame: bytes = FRAME, detail: str = "") -> Event:
    return Event(0.0, "h1", kind, "ov0", detail, frame)


def test_datagrams_are_on_the_way_until_they_end() -> None:
    ledger = Ledger()
    ways = (
        (Kind.WIRE, "", 1),
        (Kind.FAULT, "fault_duplication", 2),
        (Kind.FAULT, "fault_delay", 2),
        (Kind.ARRIVES, "", 1),
        (Kind.FAULT, "fault_loss", 0),
        (Kind.WIRE, "", 1),
        (Kind.UNREACHED, "", 0),
    )
    for kind, detail, left in ways:
        ledger(event(kind, detail=detail))
        assert ledger.on_the_way == left


def test_copies_of_a_group_frame_have_no_account() -> None:
    ledger = Ledger()
    group = frames.arp_request(mac(1), "10.0.0.1", "10.0.0.2")
    for kind, detail in ((Kind.SENT, ""), (Kind.DELIVERED, ""), (Kind.DROPPED, "rx_consumer_full"), (Kind.WIRE, "")):
        ledger(event(kind, group, detail))
    assert not ledger._open


def test_an_account_knows_a_frame_with_and_without_its_tag_and_ident() -> None:
    assert essence(frames.tagged(FRAME, 7)) == essence(FRAME) == FRAME
    one, other = (
        frames.ethernet(mac(2), mac(1), frames.udp("10.0.0.1", "10.0.0.2", 1, 2, b"x", ident=ident)) for ident in (1, 2)
    )
    assert essence(one) == essence(other)
    assert essence(one[:20]) == one[:20]


def test_a_trace_has_a_line_an_event_and_a_hash_over_all() -> None:
    kept, bare = Trace(), Trace(keep=False)
    for trace in (kept, bare):
        trace(event(Kind.SENT))
        trace(Event(1.5, "", Kind.NOTE, "half past one"))
        trace(Event(2.0, "h1", Kind.FAULT, "to", "fault_corruption", b"a", b"b"))
    assert kept.lines == [
        f"0.000000 h1 sent ov0 60:{frame_id(FRAME)}",
        "1.500000 note half past one",
        f"2.000000 h1 fault to fault_corruption 1:{frame_id(b'a')}>{frame_id(b'b')}",
    ]
    assert (bare.lines, bare.count) == ([], 3)
    assert kept.hash == bare.hash != Trace().hash
