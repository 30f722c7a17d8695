"""A run in the target cache behaves as the single frames it stands for, whatever becomes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from etherspan.testing.flows import Flow
from etherspan.testing.frames import UDP
from etherspan.testing.host import Answer, MemoryHost
from etherspan.testing.memory import MemoryClock, MemoryNetwork, address
from kernel_sim.overlay.cache import DynamicTarget
from kernel_sim.sys import overlay_target as targ
from kernel_sim.sys.codec import (
    CacheEntry,
    OverlayLink,
    Point,
    TargAssociate,
    TargCache,
    TargLookup,
    TargPkt,
    TargResp,
)
from kernel_sim.sys.message import Message
from kernel_sim.sys.overlay import OVERLAY_IOC_ACTIVATE
from kernel_sim.sys.overlay_common import DEST_IP_PORT
from kernel_sim.sys.overlay_target import TargMode

A, B = Flow().src, Flow().dst
CAP = 131072
POINT = Point(ip=address("10.0.0.2").ip, port=4789)
lenient = settings(deadline=None, max_examples=60)


class World:
    """A started overlay whose target is dynamic."""

    def __init__(self) -> None:
        clock = MemoryClock()
        self.network = MemoryNetwork(clock)
        self.host = MemoryHost(clock, self.network, "10.0.0.1")
        self.link = self.host.create_overlay("demo0", 23, to=None)
        wanted = TargAssociate(self.link, TargMode.DYNAMIC, 9, DEST_IP_PORT)
        self.host.targ(targ.OVERLAY_TARG_ASSOCIATE, wanted)
        self.host.dld(OVERLAY_IOC_ACTIVATE, OverlayLink(self.link))
        self.port = self.host.create_vnic("vnic0", self.link, A)

    def lookup(self) -> TargLookup | None:
        """The next lookup, None when there is none."""
        answer = Answer()
        self.host.varpd.ioctl(targ.OVERLAY_TARG_LOOKUP, TargLookup().pack(), answer)
        if answer.replied:
            return TargLookup.unpack(answer.result())
        self.host.clock.advance(1)
        return None

    def cache_set(self, flags: int) -> None:
        self.host.targ(targ.OVERLAY_TARG_CACHE_SET, TargCache(self.link, CacheEntry(B, flags, POINT)))

    @property
    def seen(self) -> object:
        """All that shows: bytes parked, drops, statistics, the wire."""
        target = self.host.kernel.overlays.find(self.link).target
        assert isinstance(target, DynamicTarget)
        parked = [(entry.parked, sum(message.frames for message in entry.chain)) for entry in target]
        return parked, self.host.drops("demo0"), self.host.stats("link", "vnic0"), list(self.network.wire)


@dataclass(slots=True, frozen=True)
class Transfer:
    """A payload of one flow, cut every `mss` bytes."""

    flow: Flow
    size: int
    mss: int

    def frames(self) -> list[bytes]:
        return self.flow.frames(bytes(self.size), self.mss)

    def run(self) -> list[Message]:
        return [self.flow.run(bytes(self.size), self.mss)]


flows = st.builds(
    Flow, v6=st.booleans(), protocol=st.sampled_from((6, UDP)), tcp_options=st.sampled_from((b"", bytes((1,) * 12)))
)
transfers = st.builds(Transfer, flows, st.integers(1, 60000), st.integers(500, 8900))
LARGE = Transfer(Flow(), 20000, 1348)


def both(transfer: Transfer) -> tuple[tuple[World, list[Message]], tuple[World, list[bytes]]]:
    return (World(), transfer.run()), (World(), transfer.frames())


@pytest.mark.fact("KRN-I12", "KRN-Q1")
@lenient
@given(transfers, st.none() | st.integers(60, CAP), st.integers(0, 3))
@example(LARGE, CAP - len(LARGE.frames()[0]), 1)
@example(LARGE, CAP - len(LARGE.frames()[-1]), 1)
@example(LARGE, CAP - 5000, 2)
@example(Transfer(Flow(), 60000, 500), None, 3)
def test_a_run_is_parked_described_and_dropped_as_its_frames_are(
    transfer: Transfer, before: int | None, drops: int
) -> None:
    """`before`: bytes parked for the same address, None for no entry. Each world is asked, dropped from, and answered."""

    def story(world: World, sent: list[Message] | list[bytes]) -> list[object]:
        if before is not None:
            world.port.send(B + A + b"\x88\xb5" + bytes(before - 14))
        world.port.send(*sent, *sent)
        told: list[object] = [world.seen]
        for _ in range(drops):
            got = world.lookup()
            if got is None:
                break
            told.append((got, world.host.targ(targ.OVERLAY_TARG_PKT, TargPkt(0, got.reqid, CAP)), world.seen))
            world.host.targ(targ.OVERLAY_TARG_DROP, TargResp(got.reqid))
            told.append(world.seen)
        got = world.lookup()
        told.append(got)
        if got is not None:
            world.host.targ(targ.OVERLAY_TARG_RESPOND, TargResp(got.reqid, POINT))
        return [*told, world.seen]

    run, singles = both(transfer)
    assert story(*run) == story(*singles)


@lenient
@given(transfers, st.sampled_from(["valid", "drop", "stopped"]))
def test_a_run_is_sent_or_dropped_as_its_frames_are(
    transfer: Transfer, state: Literal["valid", "drop", "stopped"]
) -> None:
    def story(world: World, sent: list[Message] | list[bytes]) -> object:
        if state == "stopped":
            world.port.send(*sent)
            world.host.delete_vnic(world.port.linkid)
            world.cache_set(0)
            return world.host.drops("demo0"), world.network.wire
        world.cache_set(targ.OVERLAY_TARGET_CACHE_DROP if state == "drop" else 0)
        world.port.send(*sent, B + A + b"\x88\xb5" + bytes(46), *sent)
        return world.seen

    run, singles = both(transfer)
    assert story(*run) == story(*singles)


@pytest.mark.fact("KRN-I18")
@lenient
@given(st.integers(1, 12), st.booleans())
def test_k_parked_frames_take_k_drops_and_k_lookups_of_one_request(count: int, run: bool) -> None:
    world = World()
    payload = bytes(100 * count)
    sent = [Flow().run(payload, 100)] if run else Flow().frames(payload, 100)
    world.port.send(*sent)
    requests = []
    while (got := world.lookup()) is not None:
        requests.append(got.reqid)
        world.host.targ(targ.OVERLAY_TARG_DROP, TargResp(got.reqid))
    assert requests == [requests[0]] * count
    assert world.host.drops("demo0") == {"tx_lookup_drop": count}
    world.port.send(*sent)
    again = world.lookup()
    assert again is not None
    assert again.reqid == requests[0]


@pytest.mark.fact("KRN-I16")
@lenient
@given(st.lists(st.tuples(st.booleans(), st.integers(100, 9000)), min_size=1, max_size=12))
def test_parked_frames_leave_in_the_order_they_came(sends: list[tuple[bool, int]]) -> None:
    world = World()
    expected: list[bytes] = []
    for number, (run, size) in enumerate(sends):
        flow, payload = Flow(ack=number), bytes(size)
        expected += flow.frames(payload, 1348)
        world.port.send(*([flow.run(payload, 1348)] if run else flow.frames(payload, 1348)))
    got = world.lookup()
    assert got is not None
    assert world.network.wire == []
    world.host.targ(targ.OVERLAY_TARG_RESPOND, TargResp(got.reqid, POINT))
    assert [datagram.payload[8:] for datagram in world.network.wire] == expected
