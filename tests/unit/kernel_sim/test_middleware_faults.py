"""Faults on underlays and ports."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etherspan.testing.memory import MemoryClock, MemoryNetwork, MemoryPorts, MemoryRandom, address
from kernel_sim.ddi import LinkId, PortSpec, Receive, SocketAddress
from kernel_sim.io.entropy import SystemRandom
from kernel_sim.io.loop import Loop
from kernel_sim.io.udp import UdpUnderlay
from kernel_sim.middleware.capture import datagrams
from kernel_sim.middleware.faults import Fault, Faults, FaultyPorts, FaultyUnderlay, Passing
from kernel_sim.sys.message import Buffer, Chain, Message

HEADER = b"header.."
HERE, THERE = address("10.0.0.1"), address("10.0.0.2")


@dataclass
class Recorded:
    """An underlay of one socket that keeps what it is asked to send, and answers `errno`."""

    sends: list[tuple[bytes, list[bytes]]] = field(default_factory=list)
    errno: int = 0
    closed: bool = False

    def open(self, address: SocketAddress, receive: Receive, _path: object = None, heard: object = None) -> Recorded:
        return self

    def send(self, header: bytes, frames: Sequence[Buffer], to: SocketAddress, source_port: int) -> int:
        self.sends.append((bytes(header), [bytes(frame) for frame in frames]))
        sizes = [len(frame) for frame in frames]
        assert all(size == sizes[0] for size in sizes[:-1])
        assert sizes[-1] <= sizes[0]
        return self.errno

    def close(self) -> None:
        self.closed = True

    @property
    def frames(self) -> list[bytes]:
        return [frame for _, frames in self.sends for frame in frames]


class Line:
    def __init__(self, **chances: object) -> None:
        self.clock = MemoryClock()
        self.told: list[tuple[Fault, bytes]] = []
        self.faults = Faults(
            self.clock,
            MemoryRandom(1),
            observer=lambda fault, passing: self.told.append((fault, passing.data[len(HEADER) :])),
            **chances,  # type: ignore[arg-type]
        )
        self.inner = Recorded()
        self.socket = FaultyUnderlay(self.inner, self.faults).open(HERE, lambda _memory, _stride, **_: None)

    def send(self, *frames: bytes) -> int:
        memory = [bytearray(frame) for frame in frames]
        errno = self.socket.send(HEADER, memory, THERE, 4789)
        for one in memory:
            one[:] = b"\xa5" * len(one)
        return errno


def only(*wanted: bytes) -> Callable[[Passing], bool]:
    return lambda passing: passing.data[len(HEADER) :] in wanted


def test_without_faults_a_batch_passes_as_it_is() -> None:
    line = Line()
    assert line.send(b"aa", b"bb", b"c") == 0
    assert line.inner.sends == [(HEADER, [b"aa", b"bb", b"c"])]
    assert not any(line.faults.counts.values())


def test_a_lost_frame_is_counted_told_and_gone() -> None:
    line = Line(loss=only(b"bb"))
    line.send(b"aa", b"bb", b"c")
    assert line.inner.sends == [(HEADER, [b"aa", b"c"])]
    assert line.told == [(Fault.LOSS, b"bb")]
    assert line.faults.counts[Fault.LOSS] == 1


def test_a_partition_is_decided_by_destination_and_before_all_else() -> None:
    line = Line(partition=lambda passing: passing.to == THERE, loss=1.0)
    line.send(b"aa")
    assert line.inner.sends == []
    assert line.told == [(Fault.PARTITION, b"aa")]


def test_a_duplicated_last_frame_leaves_in_batches_an_underlay_takes() -> None:
    line = Line(duplication=1.0)
    line.send(b"aa", b"c")
    assert line.inner.frames == [b"aa", b"aa", b"c", b"c"]
    assert line.faults.counts[Fault.DUPLICATION] == 2


def test_corruption_turns_one_bit_of_header_or_frame() -> None:
    line = Line(corruption=1.0)
    for _ in range(50):
        line.send(b"frame")
    places = set()
    for header, (frame,) in line.inner.sends:
        difference = int.from_bytes(header + frame, "big") ^ int.from_bytes(HEADER + b"frame", "big")
        assert difference.bit_count() == 1
        places.add(difference)
    assert len(places) > 20


def test_a_delayed_frame_comes_later_as_it_was_sent() -> None:
    line = Line(delay=only(b"bb"), delay_seconds=2.0)
    line.send(b"aa", b"bb", b"cc")
    assert line.inner.frames == [b"aa", b"cc"]
    line.clock.advance(2.0)
    assert line.inner.frames == [b"aa", b"cc", b"bb"]


def test_a_reordered_frame_lets_the_next_pass_first() -> None:
    line = Line(reordering=only(b"aa"))
    line.send(b"aa", b"bb")
    line.send(b"cc")
    line.clock.advance(1.0)
    assert line.inner.frames == [b"bb", b"aa", b"cc"]


def test_a_reordered_frame_does_not_wait_for_ever() -> None:
    line = Line(reordering=1.0, reorder_seconds=0.5)
    line.send(b"aa")
    line.send(b"bb")
    assert line.inner.frames == []
    line.clock.advance(0.5)
    assert line.inner.frames == [b"aa", b"bb"]


def test_what_is_on_its_way_when_the_socket_closes_has_a_name_too() -> None:
    line = Line(delay=only(b"aa"), reordering=only(b"bb"))
    line.send(b"aa", b"bb")
    line.socket.close()
    line.clock.advance(1.0)
    assert line.inner.closed
    assert line.inner.frames == []
    assert line.faults.counts[Fault.CLOSED] == 2


def test_an_errno_of_the_underlay_is_passed_on() -> None:
    line = Line(duplication=1.0)
    line.inner.errno = 11
    assert line.send(b"aa", b"c") == 11
    assert len(line.inner.sends) == 1


@settings(max_examples=40)
@given(
    st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=5), max_size=8),
    st.lists(st.sampled_from((0.0, 0.3, 1.0)), min_size=5, max_size=5),
    st.integers(0, 3),
)
def test_every_frame_is_lost_by_name_or_arrives(sizes: list[list[int]], chances: list[float], seed: int) -> None:
    line = Line(
        loss=chances[0], duplication=chances[1], reordering=chances[2], delay=chances[3], partition=chances[4] * 0.3
    )
    line.faults.random = MemoryRandom(seed)
    sent = 0
    for batch in sizes:
        line.send(*[b"x" * max(batch)] * len(batch), b"x" * batch[-1])
        sent += len(batch) + 1
        line.clock.advance(0.001)
    line.clock.advance(1.0)
    counts = line.faults.counts
    assert len(line.inner.frames) == sent - counts[Fault.LOSS] - counts[Fault.PARTITION] + counts[Fault.DUPLICATION]
    assert sum(counts.values()) == len(line.told)


def test_the_same_random_bytes_give_the_same_faults() -> None:
    def run() -> list[bytes]:
        line = Line(loss=0.3, duplication=0.3, delay=0.3, reordering=0.3, corruption=0.3)
        for number in range(50):
            line.send(b"%04d" % number)
            line.clock.advance(0.003)
        line.clock.advance(1.0)
        return line.inner.frames

    assert run() == run()


class Consumer:
    def __init__(self, *, inward: Faults, outward: Faults) -> None:
        self.ports = MemoryPorts()
        self.sent: Chain = []
        spec = PortSpec(LinkId(1), "vnic0", bytes(6), 1500, up=True)
        self.port = FaultyPorts(self.ports, inward=inward, outward=outward).open(spec, self.sent.extend)

    def consumer(self) -> list[bytes]:
        return self.ports.ports["vnic0"].take()


def test_faults_of_ports_are_set_for_each_way_by_itself() -> None:
    clock = MemoryClock()
    inward, outward = (Faults(clock, MemoryRandom()) for _ in range(2))
    one = Consumer(inward=inward, outward=outward)
    outward.loss = 1.0
    inward.duplication = 1.0
    one.ports.ports["vnic0"].send(b"lost")
    assert one.sent == []
    assert one.port.deliver([Message(b"twice")]) == 0
    assert one.consumer() == [b"twice", b"twice"]
    assert (outward.counts[Fault.LOSS], inward.counts[Fault.DUPLICATION]) == (1, 1)


def test_a_run_meets_one_fault_and_counts_as_its_frames() -> None:
    clock = MemoryClock()
    inward, outward = (Faults(clock, MemoryRandom()) for _ in range(2))
    one = Consumer(inward=inward, outward=outward)
    inward.loss = 1.0
    assert one.port.deliver([Message(bytes(54 + 300), gso=1, mss=100, hdr_len=54)]) == 0
    assert inward.counts[Fault.LOSS] == 3


def test_a_consumer_that_is_full_says_so_through_faults() -> None:
    clock = MemoryClock()
    inward = Faults(clock, MemoryRandom(), duplication=1.0)
    one = Consumer(inward=inward, outward=Faults(clock, MemoryRandom()))
    one.ports.ports["vnic0"].room = 1
    assert one.port.deliver([Message(b"frame")]) == 1


def test_port_control_goes_through() -> None:
    clock = MemoryClock()
    one = Consumer(inward=Faults(clock, MemoryRandom()), outward=Faults(clock, MemoryRandom()))
    inner = one.ports.ports["vnic0"]
    one.ports.zones.append("web")
    one.port.set_mtu(1400)
    one.port.set_mac(bytes(5) + b"\1")
    one.port.set_link(False)
    one.port.set_zone("web")
    one.port.set_name("vnic9")
    assert (inner.mtu, inner.mac, inner.up, inner.zone, inner.name) == (1400, bytes(5) + b"\1", False, "web", "vnic9")
    assert one.port.zone == "web"
    one.port.close()
    assert inner.closed


def test_faults_work_over_a_network_in_memory() -> None:
    clock = MemoryClock()
    network = MemoryNetwork(clock)
    faults = Faults(clock, MemoryRandom(), loss=only(b"lost"))
    got: list[bytes] = []
    network.underlay("10.0.0.2").open(THERE, lambda memory, _stride, **_: got.append(bytes(memory)))
    sender = FaultyUnderlay(network.underlay("10.0.0.1"), faults).open(HERE, lambda _memory, _stride, **_: None)
    sender.send(HEADER, [b"lost", b"kept"], THERE, 4789)
    clock.run()
    assert got == [HEADER + b"kept"]


def test_faults_work_over_sockets_of_this_machine() -> None:
    loop = Loop()
    inner = UdpUnderlay(loop)
    faults = Faults(loop, SystemRandom(), loss=only(b"lost"), duplication=only(b"twice"), delay=only(b"late"))
    got: list[bytes] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        there = address("127.0.0.1", probe.getsockname()[1])

    def receive(memory: memoryview, stride: int, /, **_: bool) -> None:
        got.extend(bytes(one) for one in datagrams(memory, stride))

    receiver = inner.open(there, receive)
    sender = FaultyUnderlay(inner, faults).open(address("127.0.0.1", 0), lambda _memory, _stride, **_: None)
    assert sender.send(HEADER, [b"lost", b"late", b"last"], there, 0) == 0
    assert sender.send(HEADER, [b"twice"], there, 0) == 0
    while len(got) < 4:
        before = len(got)
        loop.run_once(5.0)
        assert len(got) > before or faults.counts[Fault.DELAY], "nothing came"
    assert sorted(got) == sorted(HEADER + one for one in (b"late", b"last", b"twice", b"twice"))
    sender.close()
    receiver.close()
    loop.close()


@pytest.mark.parametrize("quiet", [True, False])
def test_quiet_faults_hold_nothing_back(quiet: bool) -> None:
    line = Line(reordering=0.0 if quiet else 1.0)
    assert line.faults.quiet is quiet
