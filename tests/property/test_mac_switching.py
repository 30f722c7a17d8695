"""The mac layer's switching against a small model of it, and runs against the frames they stand for."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etherspan.testing.flows import Flow
from etherspan.testing.frames import BROADCAST, UDP
from etherspan.testing.switch import Station, Switch
from kernel_sim.mac.stat import link_kstat
from kernel_sim.sys.kstat import KstatNamed
from kernel_sim.sys.message import Message

lenient = settings(deadline=None)
MACS = [bytes((2, 8, 0x20, 0, 0, last)) for last in range(1, 5)]
STRANGER = bytes((2, 8, 0x20, 0, 0, 99))
GROUPS = [bytes.fromhex("01005e000001"), bytes.fromhex("3333ff000001")]
VIDS = (0, 0, 2, 3)


@dataclass(slots=True, frozen=True)
class Place:
    """A client to be: its address, VLAN id, the groups it joins and whether it is in all of them."""

    mac: bytes
    vid: int
    groups: tuple[bytes, ...]
    everything: bool


@st.composite
def places(draw: st.DrawFn) -> list[Place]:
    pairs = draw(st.lists(st.tuples(st.sampled_from(MACS), st.sampled_from(VIDS)), min_size=1, max_size=5, unique=True))
    return [
        Place(mac, vid, tuple(draw(st.lists(st.sampled_from(GROUPS), max_size=2))), draw(st.booleans()))
        for mac, vid in pairs
    ]


destinations = st.sampled_from([*MACS, STRANGER, BROADCAST, *GROUPS])
tags = st.sampled_from((None, None, None, 0, 2, 3, 9))
sizes = st.sampled_from((0, 1, 46))


def build(wanted: list[Place]) -> tuple[Switch, list[Station]]:
    switch = Switch()
    stations = []
    for place in wanted:
        station = switch.attach(place.mac, place.vid, all_multicast=place.everything)
        for group in place.groups:
            station.client.add_multicast(group)
        stations.append(station)
    return switch, stations


def frame(dst: bytes, src: bytes, vid: int | None, size: int = 46) -> bytes:
    tag = b"" if vid is None else b"\x81\x00" + vid.to_bytes(2, "big")
    return dst + src + tag + b"\x08\x06" + bytes(size)


def is_member(place: Place, group: bytes) -> bool:
    return group == BROADCAST or place.everything or group in place.groups


class Model:
    """Who gets what, said as the reference sheet says it (KRN 6.5 to 6.8)."""

    def __init__(self, wanted: list[Place]) -> None:
        self.places = wanted

    def sent(self, sender: int, dst: bytes, vid: int | None, size: int) -> tuple[list[int], bytes | None]:
        """Receivers of a frame a client sends, and what the wire gets."""
        own = self.places[sender]
        if vid is not None:
            return [], None
        on_wire = frame(dst, own.mac, own.vid or None, size)
        if len(self.places) == 1:
            return [], on_wire
        if dst[0] & 1:
            members = [n for n, place in enumerate(self.places) if place.vid == own.vid and is_member(place, dst)]
            return [n for n in members if n != sender], on_wire
        owners = [n for n, place in enumerate(self.places) if (place.mac, place.vid) == (dst, own.vid)]
        if owners:
            return (owners if size else []), None
        return [], on_wire

    def received(self, dst: bytes, vid: int | None) -> list[int]:
        """Receivers of a frame from the wire."""
        if len(self.places) == 1:
            return [0] if vid is None or vid == self.places[0].vid else []
        same = [n for n, place in enumerate(self.places) if place.vid == (vid or 0)]
        if dst[0] & 1:
            return [n for n in same if is_member(self.places[n], dst)]
        return [n for n in same if self.places[n].mac == dst]


@pytest.mark.fact("KRN-I26", "KRN-I27", "KRN-I30", "KRN-Q36")
@lenient
@given(places(), st.data(), destinations, tags, sizes)
def test_what_a_client_sends_reaches_exactly_whom_it_should(
    wanted: list[Place], data: st.DataObject, dst: bytes, vid: int | None, size: int
) -> None:
    switch, stations = build(wanted)
    sender = data.draw(st.integers(0, len(wanted) - 1))
    stations[sender].send(frame(dst, wanted[sender].mac, vid, size))
    receivers, on_wire = Model(wanted).sent(sender, dst, vid, size)
    assert switch.wire.take() == ([] if on_wire is None else [on_wire])
    for number, station in enumerate(stations):
        expected = [frame(dst, wanted[sender].mac, None, size)] if number in receivers else []
        assert station.take() == expected


@pytest.mark.fact("KRN-I27", "KRN-I28", "KRN-I29", "KRN-Q32")
@lenient
@given(places(), destinations, tags)
def test_what_comes_from_the_wire_reaches_exactly_whom_it_should(
    wanted: list[Place], dst: bytes, vid: int | None
) -> None:
    switch, stations = build(wanted)
    switch.receive(frame(dst, STRANGER, vid))
    receivers = Model(wanted).received(dst, vid)
    assert switch.wire.take() == []
    for number, station in enumerate(stations):
        shown = None if wanted[number].vid else vid
        assert station.take() == ([frame(dst, STRANGER, shown)] if number in receivers else [])


@pytest.mark.fact("KRN-I35")
@lenient
@given(places(), st.lists(st.tuples(st.integers(0, 4), destinations, tags, sizes), max_size=10))
def test_every_frame_sent_has_one_fate_and_every_counter_only_grows(
    wanted: list[Place], sends: list[tuple[int, bytes, int | None, int]]
) -> None:
    switch, stations = build(wanted)
    model = Model(wanted)
    before = [dict.fromkeys(station.client.stats.__slots__, 0) for station in stations]
    for who, dst, vid, size in sends:
        sender = who % len(stations)
        station = stations[sender]
        dropped = sum(station.client.drops.values())
        station.send(frame(dst, wanted[sender].mac, vid, size))
        fates = len(switch.wire.take()) + sum(station.client.drops.values()) - dropped
        if not dst[0] & 1 and model.sent(sender, dst, vid, size)[0]:
            fates += 1
        assert fates == 1
        for number, other in enumerate(stations):
            other.take()
            now = {name: getattr(other.client.stats, name) for name in other.client.stats.__slots__}
            assert all(now[name] >= before[number][name] for name in now)
            shown = {one.name: one.value for one in _link_stats(other)}
            for name in ("rbytes", "ipackets", "obytes", "opackets"):
                wide = shown[f"{name}64"]
                assert isinstance(wide, int)
                assert shown[name] == wide % 2**32
            before[number] = now


def _link_stats(station: Station) -> tuple[KstatNamed, ...]:
    return link_kstat("vnic0", station.client.stats, station.client.link_state, "").stats


# ---------------------------------------------------------------------- a run is its frames


@st.composite
def transfers(draw: st.DrawFn) -> tuple[Flow, bytes, int]:
    flow = Flow(
        dst=draw(destinations),
        src=draw(st.sampled_from(MACS)),
        vid=draw(st.sampled_from((None, None, 0, 2))),
        v6=draw(st.booleans()),
        protocol=draw(st.sampled_from((6, UDP))),
    )
    return flow, bytes(draw(st.integers(1, 3000))), draw(st.integers(300, 1400))


def story(wanted: list[Place], messages: list[Message | bytes], sender: int | None) -> object:
    """Everything that can be seen of what messages cause."""
    switch, stations = build(wanted)
    if sender is None:
        switch.receive(*messages)
    else:
        stations[sender].send(*messages)
    counters = [{name: getattr(one.client.stats, name) for name in one.client.stats.__slots__} for one in stations]
    drops = [one.client.drops for one in stations]
    return switch.wire.take(), [one.take() for one in stations], counters, drops, switch.mac.drops


@lenient
@given(places(), transfers(), st.integers(-1, 4))
def test_a_run_has_the_story_of_its_single_frames(
    wanted: list[Place], transfer: tuple[Flow, bytes, int], who: int
) -> None:
    flow, payload, mss = transfer
    sender = None if who < 0 else who % len(wanted)
    run = story(wanted, [flow.run(payload, mss)], sender)
    singles = story(wanted, list(flow.frames(payload, mss)), sender)
    assert run == singles
