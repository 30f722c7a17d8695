"""The bandwidth limit of a VNIC's client: who is held up, what waits, what is dropped and counted."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from etherspan.testing.flows import Flow
from etherspan.testing.frames import BROADCAST
from etherspan.testing.switch import Station, Switch
from kernel_sim.mac import resource
from kernel_sim.mac.bandwidth import BURST_SECONDS, ROOM_MIN, ROOM_SECONDS, TokenBucket
from kernel_sim.mac.stat import ClientDrop
from kernel_sim.sys.codec import MacResourceProps
from kernel_sim.sys.mac_flow import MRP_MAXBW_RESETVAL, MrpMask
from kernel_sim.sys.message import Message

A = bytes.fromhex("02082000000a")
B = bytes.fromhex("02082000000b")
C = bytes.fromhex("02082000000c")
SIZE = 1000
FAST = 80_000_000
"""10,000 frames of SIZE a second, 200 in the bucket."""
SLOW = 8_000_000
"""1,000 frames a second, 20 in the bucket."""


@dataclass
class Consumer:
    """Notes how much the consumer behind a station was told to send."""

    station: Station
    told: list[int | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.station.client.set_flow_control(self.allow)

    def allow(self, octets: int | None) -> None:
        self.told.append(octets)

    @property
    def held_up(self) -> bool:
        return bool(self.told) and self.told[-1] == 0


def frame(dst: bytes = B, src: bytes = A, *, serial: int = 0, size: int = SIZE) -> bytes:
    return dst + src + b"\x88\xb5" + serial.to_bytes(4, "big") + bytes(size - 18)


def limit(station: Station, switch: Switch, rate: int | None) -> None:
    wanted = MacResourceProps(mask=MrpMask.MAXBW, maxbw=MRP_MAXBW_RESETVAL if rate is None else rate)
    station.client.set_resources(resource.merge(resource.DEFAULTS, wanted), switch.clock)


def drops(station: Station) -> dict[ClientDrop, int]:
    return {reason: count for reason, count in station.client.drops.items() if count}


@pytest.fixture
def switch() -> Switch:
    return Switch()


# ---------------------------------------------------------------------- the bucket


def test_a_bucket_fills_up_to_its_depth_and_may_be_in_debt() -> None:
    bucket = TokenBucket(rate=100, depth=50, now=1.0)
    assert bucket.balance(9.0) == 50
    assert bucket.take(80, 9.0) == -30
    assert bucket.wait(20, 9.0) == pytest.approx(0.5)
    assert bucket.balance(9.5) == pytest.approx(20)
    assert bucket.wait(20, 9.6) == 0


# ---------------------------------------------------------------------- transmit


def test_a_consumer_is_told_what_is_left_and_held_up_when_nothing_is(switch: Switch) -> None:
    a = switch.attach(A)
    consumer = Consumer(a)
    limit(a, switch, SLOW)
    assert consumer.told == [20 * SIZE]
    a.send(*[frame()] * 19)
    assert consumer.told[-1] == SIZE
    a.send(frame(), frame())
    assert consumer.held_up
    assert len(switch.wire.take()) == 21
    switch.clock.advance(0.0019)
    assert consumer.held_up
    switch.clock.advance(0.0002)
    assert consumer.told[-1] == SIZE
    assert (a.client.stats.blockcnt, a.client.stats.unblockcnt, a.client.stats.txsdrops) == (1, 1, 0)
    assert drops(a) == {}


def test_what_comes_although_the_consumer_was_held_up_passes_and_is_owed(switch: Switch) -> None:
    a = switch.attach(A)
    consumer = Consumer(a)
    limit(a, switch, SLOW)
    a.send(*[frame()] * 120)
    assert len(switch.wire.take()) == 120
    switch.clock.advance(0.1)
    assert consumer.held_up
    switch.clock.advance(0.002)
    assert not consumer.held_up


def test_a_run_costs_what_its_frames_cost(switch: Switch) -> None:
    a = switch.attach(A)
    consumer = Consumer(a)
    limit(a, switch, FAST)
    run = Flow().run(bytes(20_000), mss=1000)
    a.send(run)
    assert consumer.told[-1] == 200_000 - 20 * (1000 + run.hdr_len)


def test_frames_that_link_protection_drops_cost_nothing(switch: Switch) -> None:
    a = switch.attach(A)
    consumer = Consumer(a)
    props = resource.merge(
        resource.DEFAULTS, MacResourceProps(mask=MrpMask.MAXBW | MrpMask.PROTECT, maxbw=SLOW, types=1)
    )
    a.client.set_resources(props, switch.clock)
    a.send(*[frame(src=C)] * 50)
    assert consumer.told[-1] == 20 * SIZE
    assert a.client.stats.macspoofed == 50


def test_under_a_limit_of_0_everything_is_dropped_by_name(switch: Switch) -> None:
    a, b = switch.attach(A), switch.attach(B)
    consumer = Consumer(a)
    limit(a, switch, 0)
    limit(b, switch, 0)
    a.send(frame(), frame(C))
    switch.receive(frame(A, C))
    switch.receive(frame(B, C), frame(BROADCAST, C))
    assert (switch.wire.take(), a.take(), b.take()) == ([], [], [])
    assert drops(a) == {ClientDrop.TX_OVER_MAXBW: 2, ClientDrop.RX_OVER_MAXBW: 2}
    assert drops(b) == {ClientDrop.RX_OVER_MAXBW: 2}
    assert (a.client.stats.txsdrops, b.client.stats.rxsdrops) == (2, 2)
    assert not consumer.held_up
    assert switch.clock.pending == 0


# ---------------------------------------------------------------------- receive


def test_received_frames_wait_for_their_turn_in_order(switch: Switch) -> None:
    b = switch.attach(B)
    limit(b, switch, SLOW)
    sent = [frame(B, C, serial=serial) for serial in range(50)]
    switch.receive(*sent)
    assert b.take() == sent[:20]
    switch.clock.advance(0.0105)
    assert b.take() == sent[20:30]
    switch.receive(frame(B, C, serial=50))
    switch.clock.advance(1.0)
    assert b.take() == [*sent[30:], frame(B, C, serial=50)]
    assert drops(b) == {}
    assert switch.clock.pending == 0


def test_what_waits_is_not_the_senders_memory(switch: Switch) -> None:
    b = switch.attach(B)
    limit(b, switch, SLOW)
    memory = bytearray(frame(B, C, serial=7))
    switch.receive(*[frame(B, C)] * 20)
    switch.receive(Message(memoryview(memory)))
    memory[:] = bytes(len(memory))
    switch.clock.advance(1.0)
    assert b.take()[-1] == frame(B, C, serial=7)


@pytest.mark.parametrize(("rate", "room"), [(SLOW, ROOM_MIN), (800_000_000, int(100_000_000 * ROOM_SECONDS))])
def test_what_finds_no_room_to_wait_is_dropped_by_name(switch: Switch, rate: int, room: int) -> None:
    b = switch.attach(B)
    limit(b, switch, rate)
    at_once = int(rate / 8 * BURST_SECONDS) // SIZE
    switch.receive(*[frame(B, C)] * (at_once + room // SIZE + 7))
    assert len(b.take()) == at_once
    assert drops(b) == {ClientDrop.RX_OVER_MAXBW: 7}
    assert b.client.stats.rxsdrops == 7
    assert b.client.stats.ipackets == at_once + room // SIZE + 7
    switch.clock.advance(1.0)
    assert len(b.take()) == room // SIZE


def test_what_goes_on_makes_room_for_others(switch: Switch) -> None:
    b = switch.attach(B)
    limit(b, switch, SLOW)
    for _ in range(10):
        switch.receive(*[frame(B, C)] * 100)
        switch.clock.advance(0.11)
    assert len(b.take()) == 1000
    assert drops(b) == {}


def test_a_run_larger_than_the_room_passes_when_nothing_else_waits(switch: Switch) -> None:
    b = switch.attach(B)
    limit(b, switch, SLOW)
    switch.receive(*[frame(B, C)] * 20)
    run = Flow(dst=B, src=C).run(bytes(60_000), mss=10)
    assert run.bytes_on_wire > ROOM_MIN
    switch.receive(run, run)
    assert drops(b) == {ClientDrop.RX_OVER_MAXBW: 6000}
    assert b.client.stats.rxsdrops == 6000
    switch.clock.advance(1.0)
    assert len(b.take()) == 20 + 6000


def test_local_traffic_is_limited_like_any_other(switch: Switch) -> None:
    a, b = switch.attach(A), switch.attach(B)
    limit(b, switch, SLOW)
    a.send(*[frame(B)] * 30)
    assert len(b.take()) == 20
    a.send(frame(BROADCAST))
    switch.clock.advance(1.0)
    assert b.take() == [*[frame(B)] * 10, frame(BROADCAST)]
    assert switch.wire.take() == [frame(BROADCAST)]


def test_the_directions_are_limited_apart(switch: Switch) -> None:
    a = switch.attach(A)
    limit(a, switch, SLOW)
    a.send(*[frame()] * 20)
    switch.receive(*[frame(A, C)] * 20)
    assert len(switch.wire.take()) == len(a.take()) == 20


# ---------------------------------------------------------------------- changes and ends


def test_another_limit_holds_from_now_on(switch: Switch) -> None:
    a = switch.attach(A)
    consumer = Consumer(a)
    limit(a, switch, SLOW)
    a.send(*[frame()] * 200)
    switch.receive(*[frame(A, C)] * 40)
    assert consumer.held_up
    assert len(a.take()) == 20
    limit(a, switch, FAST)
    assert consumer.told[-1] == 200 * SIZE
    assert len(a.take()) == 20
    limit(a, switch, 0)
    assert consumer.told[-1] is None


def test_frames_that_wait_are_dropped_when_the_limit_becomes_0(switch: Switch) -> None:
    a = switch.attach(A)
    limit(a, switch, SLOW)
    switch.receive(*[frame(A, C)] * 30)
    a.take()
    limit(a, switch, 0)
    assert drops(a) == {ClientDrop.RX_OVER_MAXBW: 10}
    switch.clock.advance(1.0)
    assert a.take() == []


def test_without_a_limit_any_more_what_was_held_up_goes_on_and_nothing_is_left_behind(switch: Switch) -> None:
    a = switch.attach(A)
    way = a.client._deliver
    consumer = Consumer(a)
    limit(a, switch, SLOW)
    a.send(*[frame()] * 30)
    switch.receive(*[frame(A, C)] * 30)
    a.take()
    limit(a, switch, None)
    assert consumer.told[-1] is None
    assert len(a.take()) == 10
    assert (a.client.checks, a.client._deliver) == ((), way)
    assert switch.clock.pending == 0
    assert a.client.stats.blockcnt == a.client.stats.unblockcnt == 1


def test_a_consumer_that_sends_as_soon_as_it_may_is_not_charged_by_a_limit_that_is_gone(switch: Switch) -> None:
    a = switch.attach(A)
    waiting = [frame()] * 30

    def allow(octets: int | None) -> None:
        if octets is None:
            burst = list(waiting)
            waiting.clear()
            a.send(*burst)

    a.client.set_flow_control(allow)
    limit(a, switch, SLOW)
    a.send(*[frame()] * 30)
    limit(a, switch, None)
    assert len(switch.wire.take()) == 60
    assert switch.clock.pending == 0


def test_with_the_client_its_limit_ends_and_what_waits_is_dropped(switch: Switch) -> None:
    a = switch.attach(A)
    Consumer(a)
    limit(a, switch, SLOW)
    a.send(*[frame()] * 30)
    switch.receive(*[frame(A, C)] * 30)
    a.client.close()
    assert drops(a) == {ClientDrop.RX_OVER_MAXBW: 10}
    a.send(*[frame()] * 30)
    assert drops(a) == {ClientDrop.RX_OVER_MAXBW: 10, ClientDrop.TX_CLOSED: 30}
    assert switch.clock.pending == 0
