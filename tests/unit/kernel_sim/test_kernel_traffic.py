"""Frames between two kernels: what is on the wire, what arrives, what is lost and under which name."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

import pytest

from etherspan.testing import frames
from etherspan.testing.host import MemoryHost
from etherspan.testing.memory import Datagram, MemoryClock, MemoryNetwork, MemoryUnderlay, address
from kernel_sim.overlay.plugin import Decapsulated
from kernel_sim.overlay.plugins.vxlan import PLUGIN, VxlanPlugin
from kernel_sim.sys import overlay
from kernel_sim.sys.codec import OverlayCreate, OverlayLink
from kernel_sim.sys.dld import DatalinkClass
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.message import Buffer, Message

A = bytes.fromhex("02082000000a")
B = bytes.fromhex("02082000000b")
C = bytes.fromhex("02082000000c")
HEADER = bytes.fromhex("0800000000001700")
FRAME = frames.ethernet(B, A, frames.udp("10.55.0.1", "10.55.0.2", 1000, 2000, b"payload"))


class Pair:
    """Two hosts of one overlay, with a VNIC each."""

    def __init__(self) -> None:
        self.clock = MemoryClock()
        self.network = MemoryNetwork(self.clock)
        self.one = MemoryHost(self.clock, self.network, "10.0.0.1", "fd00::1")
        self.two = MemoryHost(self.clock, self.network, "10.0.0.2", "fd00::2")
        self.link1 = self.one.create_overlay("demo0", 23, to="10.0.0.2")
        self.link2 = self.two.create_overlay("demo0", 23, to="10.0.0.1")
        self.a = self.one.create_vnic("vnic0", self.link1, A)
        self.b = self.two.create_vnic("vnic0", self.link2, B)

    @property
    def payloads(self) -> list[bytes]:
        return [datagram.payload for datagram in self.network.wire]


@pytest.fixture
def pair() -> Pair:
    return Pair()


def errno_of(call: Callable[[], object]) -> Errno:
    with pytest.raises(KernelError) as error:
        call()
    return error.value.errno


# ---------------------------------------------------------------------- frames


@pytest.mark.fact("KRN-I1", "KRN-I2")
def test_a_frame_crosses_the_wire_behind_its_header_and_arrives_as_it_was(pair: Pair) -> None:
    pair.a.send(FRAME)
    (datagram,) = pair.network.wire
    assert datagram.payload == HEADER + FRAME
    assert (datagram.source.ip, datagram.to) == (address("10.0.0.1").ip, address("10.0.0.2"))
    pair.clock.run()
    assert pair.b.take() == [FRAME]


@pytest.mark.fact("KRN-I33")
def test_both_directions_of_a_conversation_leave_from_one_port(pair: Pair) -> None:
    pair.a.send(FRAME)
    pair.b.send(frames.ethernet(A, B, frames.udp("10.55.0.2", "10.55.0.1", 2000, 1000, b"answer")))
    ports = {datagram.source.port for datagram in pair.network.wire}
    assert len(ports) == 1
    assert ports <= set(range(49153, 49408))


@pytest.mark.parametrize("frame", [bytes(14), bytes(60), b"\xff" * 14 + b"x", FRAME], ids=len)
@pytest.mark.fact("KRN-I25")
def test_every_frame_goes_to_the_point_whatever_it_is(pair: Pair, frame: bytes) -> None:
    pair.a.send(frame)
    assert pair.payloads == [HEADER + frame]


def test_frames_of_one_chain_arrive_in_their_order(pair: Pair) -> None:
    sent = [
        frames.ethernet(B, A, frames.udp("10.55.0.1", "10.55.0.2", port, 2000, bytes(size), ident=ident))
        for ident, (port, size) in enumerate(
            ((1000, 10), (1000, 10), (1000, 4), (1001, 10), (1000, 10), (1000, 90), (1000, 1300))
        )
    ]
    pair.a.send(*sent)
    assert [payload[8:] for payload in pair.payloads] == sent
    pair.clock.run()
    assert pair.b.take() == sent


def test_frames_of_one_size_and_conversation_leave_in_one_send(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    carry = pair.network.carry

    def counted(batch: Sequence[Datagram], sender: MemoryUnderlay) -> None:
        sizes.append(len(batch))
        carry(batch, sender)

    monkeypatch.setattr(pair.network, "carry", counted)
    ack = frames.ethernet(B, A, frames.tcp("10.55.0.1", "10.55.0.2", 40000, 5201, b""))
    pair.a.send(*[ack] * 10, FRAME, *[ack] * 3)
    assert sizes == [10, 1, 3]


@pytest.mark.parametrize(("src", "dst"), [("10.55.0.1", "10.55.0.2"), ("fd55::1", "fd55::2")])
def test_a_run_is_cut_on_the_wire_and_is_a_run_again_where_it_arrives(pair: Pair, src: str, dst: str) -> None:
    payload = bytes(range(256)) * 40
    single = frames.tcp_segments(B, A, src, dst, payload=payload, mss=1200)
    pair.a.send(frames.tcp_run(B, A, src, dst, payload=payload, mss=1200))
    assert [one[8:] for one in pair.payloads] == single
    assert len({datagram.source.port for datagram in pair.network.wire}) == 1
    pair.clock.run()
    assert [message.frames for message in pair.b.received] == [9]
    assert pair.b.take() == single


def test_a_partial_checksum_is_finished_before_the_wire(pair: Pair) -> None:
    pair.a.send(frames.partial(FRAME))
    assert pair.payloads == [HEADER + FRAME]


@pytest.mark.fact("KRN-I28")
def test_nothing_received_goes_back_to_the_wire(pair: Pair) -> None:
    pair.two.create_vnic("vnic1", pair.link2, C)
    strangers = [frames.arp_request(A, "10.55.0.1", "10.55.0.9"), b"\x02" * 12 + FRAME[12:], b"\x33" + FRAME[1:]]
    pair.a.send(*strangers)
    pair.network.wire.clear()
    pair.clock.run()
    assert pair.network.wire == []


def test_the_sender_is_not_looked_at(pair: Pair) -> None:
    third = MemoryHost(pair.clock, pair.network, "10.0.0.3")
    port = third.create_vnic("vnic0", third.create_overlay("demo0", 23, to="10.0.0.2"), C)
    port.send(FRAME)
    pair.clock.run()
    assert pair.b.take() == [FRAME]


def test_an_overlay_that_points_at_itself_hears_its_own_frames() -> None:
    clock = MemoryClock()
    host = MemoryHost(clock, MemoryNetwork(clock), "10.0.0.1")
    port = host.create_vnic("vnic0", host.create_overlay("demo0", 23, to="10.0.0.1"), A)
    port.send(FRAME)
    clock.run()
    assert port.take() == [FRAME]
    assert len(host.underlay.network.wire) == 1


@pytest.mark.fact("KRN-I4")
def test_overlays_on_one_socket_do_not_hear_each_other(pair: Pair) -> None:
    others = [
        host.create_vnic("vnic1", host.create_overlay("demo1", 24, to=to), mac)
        for host, to, mac in ((pair.one, "10.0.0.2", A), (pair.two, "10.0.0.1", B))
    ]
    assert len(pair.one.underlay.sockets) == len(pair.two.underlay.sockets) == 1
    pair.a.send(FRAME)
    others[0].send(FRAME, FRAME)
    pair.clock.run()
    assert len(pair.b.take()) == 1
    assert len(others[1].take()) == 2


@pytest.mark.parametrize("listen", ["::", "fd00::1"])
def test_frames_cross_an_ipv6_underlay(listen: str) -> None:
    clock = MemoryClock()
    network = MemoryNetwork(clock)
    one = MemoryHost(clock, network, "fd00::1")
    two = MemoryHost(clock, network, "fd00::2")
    a = one.create_vnic("vnic0", one.create_overlay("demo0", 23, to="fd00::2", listen=listen))
    b = two.create_vnic("vnic0", two.create_overlay("demo0", 23, to="fd00::1"))
    a.send(FRAME)
    clock.run()
    assert b.take() == [FRAME]


# ---------------------------------------------------------------------- starting


@pytest.mark.fact("KRN-I10")
def test_a_vnic_on_an_overlay_that_is_not_active_is_eagain_and_leaves_the_counts_as_they_were() -> None:
    clock = MemoryClock()
    host = MemoryHost(clock, MemoryNetwork(clock), "10.0.0.1")
    linkid = host.create_overlay("demo0", 23, to=None)
    mac = host.kernel.links.mac(linkid)
    assert errno_of(lambda: host.create_vnic("vnic0", linkid)) is Errno.EAGAIN
    assert (mac.users, mac.clients, dict(host.ports)) == (0, (), {})
    host.delete_overlay(linkid)


def test_a_listen_address_is_tried_when_the_first_vnic_comes(pair: Pair) -> None:
    away = pair.one.create_overlay("demo1", 24, to="10.0.0.2", listen="10.9.9.9")
    assert errno_of(lambda: pair.one.create_vnic("vnic1", away)) is Errno.EADDRNOTAVAIL
    taken = pair.one.create_overlay("demo2", 25, to="10.0.0.2", listen="::")
    assert errno_of(lambda: pair.one.create_vnic("vnic2", taken)) is Errno.EADDRINUSE
    assert not pair.one.kernel.links.mac(taken).started
    pair.one.delete_overlay(away)
    pair.one.delete_overlay(taken)
    assert len(pair.one.underlay.sockets) == 1


class Other(VxlanPlugin):
    """vxlan under another name."""

    name = "other"


def other_overlay(host: MemoryHost, name: str, vnetid: int, to: str) -> int:
    linkid = host.name_link(name, DatalinkClass.OVERLAY)
    host.dld(overlay.OVERLAY_IOC_CREATE, OverlayCreate(linkid, vnetid, "other"))
    host.set_property(linkid, 4, address(host.addresses[0]).ip)
    host.associate(linkid, to)
    host.dld(overlay.OVERLAY_IOC_ACTIVATE, OverlayLink(linkid))
    return linkid


@pytest.mark.fact("KRN-Q21")
def test_another_encapsulation_on_the_same_address_is_eexist_at_start_and_works_once_it_is_free() -> None:
    clock = MemoryClock()
    host = MemoryHost(clock, MemoryNetwork(clock), "10.0.0.1", plugins=[PLUGIN, Other()])
    port = host.create_vnic("vnic0", host.create_overlay("demo0", 23, to="10.0.0.2"))
    other = other_overlay(host, "other0", 23, "10.0.0.2")
    assert errno_of(lambda: host.create_vnic("vnic1", other)) is Errno.EEXIST
    host.delete_vnic(port.linkid)
    host.create_vnic("vnic1", other)


@pytest.mark.fact("KRN-I8")
def test_the_socket_is_there_exactly_while_the_overlay_has_users(pair: Pair) -> None:
    sockets = pair.one.underlay.sockets
    second = pair.one.create_vnic("vnic1", pair.link1)
    pair.one.delete_vnic(pair.a.linkid)
    assert len(sockets) == 1
    pair.one.delete_vnic(second.linkid)
    assert not sockets
    pair.one.create_vnic("vnic0", pair.link1, A).send(FRAME)
    assert len(sockets) == 1
    pair.clock.run()
    assert pair.b.take() == [FRAME]


@pytest.mark.fact("KRN-I8")
def test_a_stopped_overlay_receives_nothing_while_others_share_the_socket(pair: Pair) -> None:
    other = pair.two.create_vnic("vnic1", pair.two.create_overlay("demo1", 24, to="10.0.0.1"))
    pair.two.delete_vnic(pair.b.linkid)
    pair.a.send(FRAME)
    pair.clock.run()
    assert other.take() == []
    assert pair.two.drops("mux") == {"rx_unknown_vnetid": 1}


# ---------------------------------------------------------------------- losses


@pytest.mark.parametrize(
    ("errno", "reason"),
    [
        (Errno.EAGAIN, "tx_would_block"),
        (Errno.ENOBUFS, "tx_would_block"),
        (Errno.EADDRNOTAVAIL, "tx_address_family"),
        (Errno.EMSGSIZE, "tx_too_big"),
        (Errno.ENETUNREACH, "tx_send_failed"),
        (9999, "tx_send_failed"),
    ],
)
@pytest.mark.fact("KRN-Q24", "KRN-Q25")
def test_a_failed_send_loses_its_frames_by_name_and_ends_the_chain(pair: Pair, errno: int, reason: str) -> None:
    pair.one.underlay.send_errno = errno
    run = frames.tcp_run(B, A, "10.55.0.1", "10.55.0.2", payload=bytes(3600), mss=1200)
    pair.a.send(FRAME, FRAME, FRAME + b"longer", run, FRAME)
    assert pair.network.wire == []
    assert pair.one.drops("demo0") == {reason: 2, "tx_chain_abandoned": 5}
    assert pair.one.stats("link", "vnic0")["opackets"] == 7
    pair.one.underlay.send_errno = 0
    pair.a.send(FRAME)
    assert len(pair.network.wire) == 1


@pytest.mark.fact("KRN-Q24")
def test_what_went_before_the_failure_is_not_lost(pair: Pair) -> None:
    big = b"\x02" * 12 + b"\x88\xb5" + bytes(65486)
    pair.a.send(FRAME, big, FRAME)
    assert pair.payloads == [HEADER + FRAME]
    assert pair.one.drops("demo0") == {"tx_too_big": 1, "tx_chain_abandoned": 1}


@pytest.mark.parametrize(("size", "sent"), [(65507 - 8, 1), (65507 - 7, 0)])
def test_the_largest_datagram_of_ipv4_has_65507_bytes(pair: Pair, size: int, sent: int) -> None:
    pair.a.send(bytes(size))
    assert len(pair.network.wire) == sent
    assert pair.one.drops("demo0") == ({} if sent else {"tx_too_big": 1})


@pytest.mark.parametrize(("size", "sent"), [(65487 - 8, 1), (65487 - 7, 0)])
def test_the_largest_datagram_of_ipv6_has_twenty_bytes_less(pair: Pair, size: int, sent: int) -> None:
    port = pair.one.create_vnic("v6", pair.one.create_overlay("six0", 6, to="fd00::2", listen="fd00::1"))
    port.send(bytes(size))
    assert len(pair.network.wire) == sent


@pytest.mark.parametrize(("listen", "to"), [("10.0.0.1", "fd00::2"), ("fd00::1", "10.0.0.2")])
def test_a_destination_of_the_other_family_loses_every_frame_by_name(pair: Pair, listen: str, to: str) -> None:
    port = pair.one.create_vnic("vnic1", pair.one.create_overlay("demo1", 24, to=to, listen=listen))
    port.send(FRAME, FRAME)
    assert pair.network.wire == []
    assert pair.one.drops("demo1") == {"tx_address_family": 2}


def test_garbage_on_the_socket_is_counted_and_harmless(pair: Pair) -> None:
    socket = next(iter(pair.two.underlay.sockets.values()))
    for datagram in (b"", b"\x08", HEADER, bytes(8) + FRAME, HEADER[:4] + b"\x00\x00\x18\x00" + FRAME, HEADER + b"x"):
        socket.receive(memoryview(bytearray(datagram)), len(datagram))
    assert pair.two.drops("mux") == {"rx_bad_header": 3, "rx_empty": 1, "rx_unknown_vnetid": 1}
    pair.a.send(FRAME)
    pair.clock.run()
    assert FRAME in pair.b.take()


# ---------------------------------------------------------------------- other encapsulations


class PerFrame(Other):
    """A header that says how long its frame is; it refuses frames that end in an exclamation mark."""

    decap_size = 0

    def header(self, vnetid: int) -> bytes | None:  # type: ignore[override]
        return None

    def encap(self, frame: Buffer, vnetid: int) -> bytes:
        if bytes(frame[-1:]) == b"!":
            raise KernelError(Errno.EINVAL)
        return struct.pack(">HI", len(frame), vnetid)

    def decap(self, datagram: Buffer) -> Decapsulated | None:
        if len(datagram) < 6:
            return None
        length, vnetid = struct.unpack_from(">HI", datagram)
        return Decapsulated(vnetid, 6) if length == len(datagram) - 6 else None


@pytest.fixture
def per_frame() -> tuple[MemoryNetwork, MemoryHost, MemoryHost]:
    clock = MemoryClock()
    network = MemoryNetwork(clock)
    hosts = [MemoryHost(clock, network, ip, plugins=[PerFrame()]) for ip in ("10.0.0.1", "10.0.0.2")]
    for host, to in zip(hosts, ("10.0.0.2", "10.0.0.1"), strict=True):
        host.create_vnic("vnic0", other_overlay(host, "other0", 1 << 20, to))
    return network, hosts[0], hosts[1]


def test_a_header_that_differs_between_frames_is_asked_for_each(
    per_frame: tuple[MemoryNetwork, MemoryHost, MemoryHost],
) -> None:
    network, one, two = per_frame
    run = frames.tcp_run(B, A, "10.55.0.1", "10.55.0.2", payload=bytes(3000), mss=1200)
    one.ports["vnic0"].send(FRAME, FRAME, run)
    assert [datagram.payload[:2] for datagram in network.wire] == [
        struct.pack(">H", size) for size in (len(FRAME), len(FRAME), 1254, 1254, 654)
    ]
    one.clock.run()
    assert [len(frame) for frame in two.ports["vnic0"].take()] == [len(FRAME), len(FRAME), 1254, 1254, 654]


@pytest.mark.fact("KRN-Q24")
def test_a_frame_the_plugin_refuses_ends_the_chain(per_frame: tuple[MemoryNetwork, MemoryHost, MemoryHost]) -> None:
    network, one, _ = per_frame
    bad = FRAME[:-1] + b"!"
    one.ports["vnic0"].send(FRAME, FRAME, bad, FRAME, FRAME + b"more", Message(FRAME))
    assert len(network.wire) == 2
    assert one.drops("other0") == {"tx_encap_failed": 2, "tx_chain_abandoned": 2}


def test_too_big_and_failed_sends_are_told_apart_there_too(
    per_frame: tuple[MemoryNetwork, MemoryHost, MemoryHost],
) -> None:
    _, one, _ = per_frame
    one.ports["vnic0"].send(bytes(65502))
    one.underlay.send_errno = Errno.EAGAIN
    one.ports["vnic0"].send(FRAME)
    assert one.drops("other0") == {"tx_too_big": 1, "tx_would_block": 1}
