"""Sniffers: who sees what, when, and in which form."""

from __future__ import annotations

import pytest

from etherspan.testing.flows import Flow
from etherspan.testing.frames import BROADCAST
from etherspan.testing.switch import Recorder, Switch
from kernel_sim.mac.promisc import PromiscFlag, PromiscType
from kernel_sim.sys.errno import Errno, KernelError

A, B, C, D = (bytes.fromhex(f"0208200000{last:02x}") for last in (0xA, 0xB, 0xC, 0xD))
ALL, FILTERED, MULTI = PromiscType.ALL, PromiscType.FILTERED, PromiscType.MULTI
KINDS = {ALL: "all", FILTERED: "filtered", MULTI: "multi"}


def frame(dst: bytes, src: bytes = A, vid: int | None = None) -> bytes:
    tag = b"" if vid is None else b"\x81\x00" + vid.to_bytes(2, "big")
    return dst + src + tag + b"\x08\x06" + bytes(46)


class Sniffed:
    """Three untagged stations and one in VLAN 7; sniffers of every type on b, and one that sees all on a client of its own."""

    def __init__(self) -> None:
        self.switch = Switch()
        self.a, self.b, self.c = (self.switch.attach(mac) for mac in (A, B, C))
        self.d = self.switch.attach(D, 7)
        self.seen = {kind: Recorder() for kind in PromiscType}
        for kind, seen in self.seen.items():
            self.b.client.promisc_add(kind, seen)
        self.tap = Recorder()
        self.switch.mac.open_client("tap").promisc_add(ALL, self.tap)

    def counts(self) -> dict[str, int]:
        return {KINDS[kind]: len(seen.take()) for kind, seen in self.seen.items()} | {"tap": len(self.tap.take())}


@pytest.fixture
def world() -> Sniffed:
    return Sniffed()


def test_what_the_client_sends_is_seen_by_its_sniffers_of_any_type(world: Sniffed) -> None:
    world.b.send(frame(bytes(6), B))
    assert world.counts() == {"all": 1, "filtered": 1, "multi": 1, "tap": 1}


def test_a_frame_between_two_others_is_seen_by_those_who_want_all(world: Sniffed) -> None:
    world.a.send(frame(C))
    assert world.counts() == {"all": 1, "filtered": 0, "multi": 0, "tap": 1}
    world.a.send(frame(bytes(6)))
    assert world.counts() == {"all": 1, "filtered": 0, "multi": 0, "tap": 1}


def test_unicast_to_the_client_is_seen_by_its_filtered_sniffers(world: Sniffed) -> None:
    world.a.send(frame(B))
    assert world.counts() == {"all": 1, "filtered": 1, "multi": 0, "tap": 1}
    world.switch.receive(frame(B, D))
    assert world.counts() == {"all": 1, "filtered": 1, "multi": 0, "tap": 1}


def test_group_frames_are_seen_once_by_everybody_of_the_vlan(world: Sniffed) -> None:
    world.a.send(frame(BROADCAST))
    assert world.counts() == {"all": 1, "filtered": 1, "multi": 1, "tap": 1}
    world.switch.receive(frame(BROADCAST, D))
    assert world.counts() == {"all": 1, "filtered": 1, "multi": 1, "tap": 1}


def test_group_frames_of_another_vlan_are_seen_by_those_who_want_all(world: Sniffed) -> None:
    world.d.send(frame(BROADCAST, D))
    assert world.counts() == {"all": 1, "filtered": 0, "multi": 0, "tap": 1}
    world.switch.receive(frame(BROADCAST, D, vid=7))
    assert world.counts() == {"all": 1, "filtered": 0, "multi": 0, "tap": 1}


def test_frames_nobody_owns_and_runts_are_seen_by_those_who_want_all(world: Sniffed) -> None:
    world.switch.receive(frame(bytes(6), D), b"", b"\x01")
    assert world.counts() == {"all": 3, "filtered": 0, "multi": 0, "tap": 3}


def test_a_single_client_and_its_sniffers_see_foreign_unicast() -> None:
    switch = Switch()
    a = switch.attach(A)
    seen = {kind: Recorder() for kind in PromiscType}
    for kind, recorder in seen.items():
        a.client.promisc_add(kind, recorder)
    switch.receive(frame(C, B), b"")
    assert {KINDS[kind]: len(recorder.take()) for kind, recorder in seen.items()} == {
        "all": 2,
        "filtered": 1,
        "multi": 0,
    }
    a.send(frame(C))
    assert [len(recorder.take()) for recorder in seen.values()] == [1, 1, 1]


def test_sniffers_see_the_tag_that_vlan_clients_do_not() -> None:
    switch = Switch()
    a, b = switch.attach(A, 7), switch.attach(B, 7)
    seen, stripped = Recorder(), Recorder()
    tap = switch.mac.open_client("tap")
    tap.promisc_add(ALL, seen)
    tap.promisc_add(ALL, stripped, PromiscFlag.VLAN_TAG_STRIP)
    a.send(frame(B))
    switch.receive(frame(A, B, vid=7), frame(A, B, vid=7)[:16])
    assert seen.take() == [frame(B, vid=7), frame(A, B, vid=7), frame(A, B, vid=7)[:16]]
    assert stripped.take() == [frame(B), frame(A, B), frame(A, B, vid=7)[:16]]
    assert b.take() == [frame(B)]


def test_a_sniffer_need_not_see_what_its_client_sends() -> None:
    switch = Switch()
    a = switch.attach(A)
    seen = Recorder()
    a.client.promisc_add(ALL, seen, PromiscFlag.NO_TX_LOOP)
    a.send(frame(B))
    switch.receive(frame(A, B))
    assert seen.take() == [frame(A, B)]


def test_sniffers_see_runs_uncut_unless_they_want_finished_frames() -> None:
    switch = Switch()
    a = switch.attach(A)
    raw, fixed = Recorder(), Recorder()
    a.client.promisc_add(ALL, raw)
    a.client.promisc_add(ALL, fixed, PromiscFlag.DO_FIXUPS)
    run = Flow().run(bytes(3000), 1000)
    a.send(run)
    assert raw.seen == [run]
    assert [one.data for one in fixed.seen] == Flow().frames(bytes(3000), 1000)


def test_fixups_without_copies_are_refused() -> None:
    a = Switch().attach(A)
    with pytest.raises(KernelError) as error:
        a.client.promisc_add(ALL, Recorder(), PromiscFlag.DO_FIXUPS | PromiscFlag.NO_COPY)
    assert error.value.errno == Errno.EINVAL
    assert a.client.mac.users == 1


def test_a_filtered_client_that_asks_for_all_gets_what_is_its_own() -> None:
    switch = Switch()
    a, b = switch.attach(A), switch.attach(B)
    switch.attach(C)
    b.client.promisc_filtered = True
    seen = Recorder()
    b.client.promisc_add(ALL, seen)
    a.send(frame(C), frame(B), frame(BROADCAST))
    assert seen.take() == [frame(B), frame(BROADCAST)]


def test_each_sniffer_holds_the_mac_started() -> None:
    switch = Switch()
    tap = switch.mac.open_client("tap")
    seen = Recorder()
    callback = tap.promisc_add(ALL, seen)
    assert switch.mac.users == 1
    switch.receive(frame(A))
    assert seen.take() == [frame(A)]
    tap.promisc_remove(callback)
    assert switch.mac.users == 0
    switch.receive(frame(A))
    assert seen.take() == []
    tap.promisc_add(ALL, seen)
    tap.close()
    assert switch.wire.calls == ["start", "stop"] * 2


def test_a_sniffer_on_a_mac_that_does_not_start_is_refused() -> None:
    switch = Switch()
    switch.wire.refuses = KernelError(Errno.EAGAIN)
    tap = switch.mac.open_client("tap")
    with pytest.raises(KernelError) as error:
        tap.promisc_add(ALL, Recorder())
    assert error.value.errno == Errno.EAGAIN
    assert tap.promisc_callbacks == []
    assert switch.mac.promisc == []
