"""Capture of ports and underlays."""

from __future__ import annotations

from etherspan.testing.memory import MemoryClock, MemoryNetwork, MemoryPorts, address
from kernel_sim.ddi import LinkId, PortSpec, SocketAddress
from kernel_sim.middleware.capture import CapturedPorts, CapturedUnderlay, Way, datagrams
from kernel_sim.sys.message import Buffer, Chain, Message

A, B = bytes.fromhex("02082000000a"), bytes.fromhex("02082000000b")


def test_frames_are_seen_both_ways_under_the_present_name() -> None:
    inner = MemoryPorts()
    seen: list[tuple[Way, str, bytes]] = []
    sent: Chain = []
    ports = CapturedPorts(inner, lambda way, name, message: seen.append((way, name, bytes(message.data))))
    port = ports.open(PortSpec(LinkId(1), "vnic0", A, 1500, up=True), sent.extend)
    inner.ports["vnic0"].send(b"out")
    port.set_name("web0")
    assert port.deliver([Message(b"in")]) == 0
    assert seen == [(Way.TO_KERNEL, "vnic0", b"out"), (Way.FROM_KERNEL, "web0", b"in")]
    assert len(sent) == 1
    assert inner.ports["web0"].take() == [b"in"]


def test_a_refused_frame_is_seen_and_its_refusal_passed_on() -> None:
    inner = MemoryPorts()
    seen: list[Way] = []
    port = CapturedPorts(inner, lambda way, _name, _message: seen.append(way)).open(
        PortSpec(LinkId(1), "vnic0", A, 1500, up=True), lambda _chain: None
    )
    inner.ports["vnic0"].room = 0
    assert port.deliver([Message(b"in")]) == 1
    assert seen == [Way.FROM_KERNEL]


def test_port_control_goes_through() -> None:
    inner = MemoryPorts()
    inner.zones.append("web")
    port = CapturedPorts(inner, lambda *_: None).open(
        PortSpec(LinkId(1), "vnic0", A, 1500, up=True), lambda _chain: None
    )
    made = inner.ports["vnic0"]
    port.set_mtu(1400)
    port.set_mac(B)
    port.set_link(False)
    port.set_zone("web")
    assert (made.mtu, made.mac, made.up, made.zone, port.zone) == (1400, B, False, "web", "web")
    port.close()
    assert made.closed


def test_datagrams_are_seen_both_ways_one_by_one() -> None:
    clock = MemoryClock()
    network = MemoryNetwork(clock)
    seen: list[tuple[Way, SocketAddress, SocketAddress | None, bytes]] = []

    def note(way: Way, bound: SocketAddress, peer: SocketAddress | None, datagram: Buffer) -> None:
        seen.append((way, bound, peer, bytes(datagram)))

    here, there = address("10.0.0.1"), address("10.0.0.2")
    got: list[bytes] = []
    sender = CapturedUnderlay(network.underlay("10.0.0.1"), note).open(here, lambda _memory, _stride, **_: None)
    receiver = CapturedUnderlay(network.underlay("10.0.0.2"), note).open(
        there, lambda memory, _stride, **_: got.append(bytes(memory))
    )
    assert sender.send(b"h", [b"aa", b"b"], there, 4789) == 0
    clock.run()
    assert got == [b"haahb"]
    assert seen == [
        (Way.FROM_KERNEL, here, there, b"haa"),
        (Way.FROM_KERNEL, here, there, b"hb"),
        (Way.TO_KERNEL, there, None, b"haa"),
        (Way.TO_KERNEL, there, None, b"hb"),
    ]
    sender.close()
    receiver.close()
    assert sender.send(b"h", [b"aa"], there, 4789) == 0
    clock.run()
    assert got == [b"haahb"]


def test_a_batch_of_one_may_have_no_stride() -> None:
    assert [bytes(one) for one in datagrams(memoryview(b"abc"), 0)] == [b"abc"]
    assert [bytes(one) for one in datagrams(memoryview(b"abc"), 2)] == [b"ab", b"c"]
