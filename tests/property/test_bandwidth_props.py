"""The bandwidth limit over any pattern of traffic: never more than its bound, never less than the rate while somebody wants more, nothing
lost without a name, nothing out of order."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etherspan.testing.flows import Flow
from etherspan.testing.memory import MemoryPort, MemoryPorts
from etherspan.testing.switch import Station, Switch
from kernel_sim.ddi import LinkId, PortSpec
from kernel_sim.mac import resource
from kernel_sim.mac.bandwidth import BURST_SECONDS, QUANTUM_SECONDS, TokenBucket
from kernel_sim.mac.stat import ClientDrop
from kernel_sim.sys.codec import MacResourceProps
from kernel_sim.sys.mac_flow import MrpMask
from kernel_sim.sys.message import Chain, Message

A = bytes.fromhex("02082000000a")
B = bytes.fromhex("02082000000b")
lenient = settings(deadline=None, max_examples=60)

rates = st.integers(min_value=1_200_000, max_value=1_000_000_000)
gaps = st.floats(min_value=0, max_value=0.2)


def single(serial: int, size: int) -> Message:
    return Message(B + A + b"\x88\xb5" + serial.to_bytes(4, "big") + bytes(size))


def run(serial: int, size: int, mss: int) -> Message:
    return Flow(ack=serial).run(bytes(size), mss=mss)


@st.composite
def messages(draw: st.DrawFn) -> Message:
    serial = draw(st.integers(0, 2**32 - 1))
    if draw(st.booleans()):
        return single(serial, draw(st.integers(0, 9000)))
    return run(serial, draw(st.integers(2, 60_000)), draw(st.integers(500, 8000)))


bursts = st.lists(st.tuples(gaps, st.lists(messages(), max_size=6)), min_size=1, max_size=12)


class Trace:
    """When how many bytes passed."""

    def __init__(self, switch: Switch) -> None:
        self.clock = switch.clock
        self.passed: list[tuple[float, int]] = []
        self.data: list[bytes] = []
        self.most = 0
        self.frames = 0

    def __call__(self, chain: Chain) -> None:
        for message in chain:
            self.passed.append((self.clock.now(), message.bytes_on_wire))
            self.data.append(bytes(message.data))
            self.most = max(self.most, message.bytes_on_wire)
            self.frames += message.frames

    def keeps_to(self, rate: int) -> None:
        """In no stretch of time does more pass than the bound allows."""
        octets = rate / 8
        for begin in range(len(self.passed)):
            total = 0
            for when, size in self.passed[begin:]:
                total += size
                stretch = when - self.passed[begin][0]
                assert total <= octets * (stretch + BURST_SECONDS) + self.most + 1


def set_limit(switch: Switch, station: Station, rate: int | None) -> None:
    mask = MrpMask.NONE if rate is None else MrpMask.MAXBW
    wanted = MacResourceProps(mask=mask, maxbw=rate or 0)
    station.client.set_resources(resource.merge(resource.DEFAULTS, wanted), switch.clock)


def limited(rate: int) -> tuple[Switch, Station, MemoryPort]:
    """A client with a limit, and a port behind it that is held up as a VNIC's is."""
    switch = Switch()
    station = switch.attach(A)
    port = MemoryPorts().open(PortSpec(LinkId(1), "vnic0", A, 1500, up=True), station.client.transmit)
    station.client.set_flow_control(port.allow)
    set_limit(switch, station, rate)
    return switch, station, port


# ---------------------------------------------------------------------- the bucket


@lenient
@given(
    rate=st.floats(1, 1e9),
    steps=st.lists(st.tuples(st.floats(0, 10), st.integers(0, 100_000)), min_size=1, max_size=50),
)
def test_who_takes_only_with_a_positive_balance_stays_within_the_bound(
    rate: float, steps: list[tuple[float, int]]
) -> None:
    depth = rate * BURST_SECONDS
    bucket = TokenBucket(rate, depth, 0.0)
    now, taken, most = 0.0, 0, 0
    for pause, wanted in steps:
        now += pause
        if bucket.balance(now) > 0:
            bucket.take(wanted, now)
            taken, most = taken + wanted, max(most, wanted)
        assert taken <= (rate * now + depth + most) * (1 + 1e-9)
        assert bucket.balance(now) <= depth


@lenient
@given(rate=st.floats(1000, 1e9), debt=st.integers(0, 10_000_000))
def test_after_the_wait_the_tokens_are_there(rate: float, debt: int) -> None:
    bucket = TokenBucket(rate, rate * BURST_SECONDS, 0.0)
    bucket.take(debt, 0.0)
    wanted = rate * QUANTUM_SECONDS
    seconds = bucket.wait(wanted, 0.0)
    assert bucket.balance(seconds) >= wanted * (1 - 1e-6)


# ---------------------------------------------------------------------- a client


@lenient
@given(rate=rates, traffic=bursts)
def test_what_a_held_up_consumer_sends_keeps_to_the_rate_and_all_of_it_goes_in_order(
    rate: int, traffic: list[tuple[float, list[Message]]]
) -> None:
    switch, _, port = limited(rate)
    trace = Trace(switch)
    switch.mac._provider_tx = trace
    for gap, chain in traffic:
        switch.clock.advance(gap)
        port.send(*chain)
    switch.clock.advance(sum(message.bytes_on_wire for _, chain in traffic for message in chain) * 8 / rate + 1)
    assert trace.data == [bytes(message.data) for _, chain in traffic for message in chain]
    trace.keeps_to(rate)
    assert switch.clock.pending == 0


@lenient
@given(rate=rates, size=st.integers(46, 9000))
def test_a_consumer_that_always_wants_more_gets_the_whole_rate(rate: int, size: int) -> None:
    switch, _, port = limited(rate)
    trace = Trace(switch)
    switch.mac._provider_tx = trace
    frame = single(0, size)
    seconds = min(2.0, 4_000 * len(frame.data) * 8 / rate)
    port.send(*[frame] * (int(rate / 8 * (seconds + BURST_SECONDS)) // len(frame.data) + 10))
    switch.clock.advance(seconds)
    assert port.queued
    octets = sum(size for _, size in trace.passed)
    assert octets >= rate / 8 * (seconds - QUANTUM_SECONDS) * 0.999
    assert octets <= rate / 8 * (seconds + BURST_SECONDS) + len(frame.data)


@lenient
@given(rate=rates, traffic=bursts)
def test_received_frames_pass_in_order_at_the_rate_or_are_dropped_by_name(
    rate: int, traffic: list[tuple[float, list[Message]]]
) -> None:
    switch, station, _ = limited(rate)
    trace = Trace(switch)
    station.client.set_receive(trace)
    for gap, chain in traffic:
        switch.clock.advance(gap)
        switch.mac.receive(chain)
    switch.clock.advance(10.0)
    offered = [message for _, chain in traffic for message in chain]
    left = iter(offered)
    assert all(any(data == bytes(one.data) for one in left) for data in trace.data), "out of order, or changed"
    dropped = station.client.drops[ClientDrop.RX_OVER_MAXBW]
    assert trace.frames + dropped == sum(message.frames for message in offered) == station.client.stats.ipackets
    assert station.client.stats.rxsdrops == dropped
    trace.keeps_to(rate)
    assert switch.clock.pending == 0


@lenient
@given(traffic=bursts)
@pytest.mark.parametrize("change", [None, 0, 5_000_000])
def test_no_frame_is_lost_without_a_name_when_the_limit_changes(
    change: int | None, traffic: list[tuple[float, list[Message]]]
) -> None:
    switch, station, _ = limited(1_200_000)
    trace = Trace(switch)
    station.client.set_receive(trace)
    for place, (gap, chain) in enumerate(traffic):
        switch.clock.advance(gap)
        switch.mac.receive(chain)
        if place == len(traffic) // 2:
            set_limit(switch, station, change)
    switch.clock.advance(100.0)
    assert trace.frames + station.client.drops[ClientDrop.RX_OVER_MAXBW] == station.client.stats.ipackets
    assert switch.clock.pending == 0
