"""Shared sockets: who shares, what is received, what is dropped and under which name."""

from __future__ import annotations

import pytest

from etherspan.testing.frames import ethernet, udp
from kernel_sim.ddi import Receive, SocketAddress
from kernel_sim.overlay.drops import MuxDrop
from kernel_sim.overlay.mux import ANY_V4, ANY_V6, LOOPBACK_V4, LOOPBACK_V6, MuxTable
from kernel_sim.overlay.plugin import Decapsulated
from kernel_sim.overlay.plugins.vxlan import PLUGIN, VxlanPlugin
from kernel_sim.overlay.target import Destination
from kernel_sim.sys.errno import Errno, KernelError

V4 = bytes(10) + b"\xff\xff" + bytes((10, 0, 0, 1))
OTHER_V4 = bytes(10) + b"\xff\xff" + bytes((10, 0, 0, 2))
V6 = bytes.fromhex("fd000000000000000000000000000001")


class FakeSocket:
    def __init__(self, receive: Receive) -> None:
        self.receive = receive
        self.closed = False

    def send(self, *_: object) -> int:
        raise AssertionError("nothing is sent here")

    def close(self) -> None:
        self.closed = True


class FakeUnderlay:
    def __init__(self) -> None:
        self.opened: list[FakeSocket] = []
        self.refuses: Errno | None = None

    def open(self, address: SocketAddress, receive: Receive, _path: object = None, _heard: object = None) -> FakeSocket:
        if self.refuses is not None:
            raise KernelError(self.refuses)
        self.opened.append(FakeSocket(receive))
        return self.opened[-1]


class FakeDevice:
    """Collects each call's frames."""

    def __init__(self, vnetid: int) -> None:
        self.vnetid = vnetid
        self.calls: list[list[bytes]] = []
        self.segments: list[int] = []

    def receive(self, frames: list[memoryview], segment: int = 0) -> None:
        self.calls.append([bytes(one) for one in frames])
        self.segments.append(segment)

    @property
    def frames(self) -> list[bytes]:
        return [frame for call in self.calls for frame in call]


def vxlan(vnetid: int, frame: bytes) -> bytes:
    return PLUGIN.header(vnetid) + frame


@pytest.fixture
def underlay() -> FakeUnderlay:
    return FakeUnderlay()


@pytest.fixture
def table(underlay: FakeUnderlay) -> MuxTable:
    return MuxTable(underlay)


# ---------------------------------------------------------------------- sharing


def test_one_address_is_one_socket_however_many_share_it(table: MuxTable, underlay: FakeUnderlay) -> None:
    first, _ = table.open(PLUGIN, SocketAddress(V4, 4789))
    second, _ = table.open(PLUGIN, SocketAddress(V4, 4789))
    assert first is second
    assert len(underlay.opened) == 1
    table.close(first)
    assert [socket.closed for socket in underlay.opened] == [False]
    table.close(second)
    assert [socket.closed for socket in underlay.opened] == [True]
    assert len(table) == 0


@pytest.mark.parametrize("other", [SocketAddress(OTHER_V4, 4789), SocketAddress(V4, 4790)])
def test_another_address_or_port_is_another_socket(
    table: MuxTable, underlay: FakeUnderlay, other: SocketAddress
) -> None:
    table.open(PLUGIN, SocketAddress(V4, 4789))
    table.open(PLUGIN, other)
    assert len(underlay.opened) == 2


@pytest.mark.fact("KRN-Q21")
def test_another_plugin_on_the_same_address_is_eexist_and_the_table_goes_on(table: MuxTable) -> None:
    class Other(VxlanPlugin):
        name = "other"

    mux, _ = table.open(PLUGIN, SocketAddress(V4, 4789))
    with pytest.raises(KernelError) as error:
        table.open(Other(), SocketAddress(V4, 4789))
    assert error.value.errno is Errno.EEXIST
    assert mux.users == 1
    assert table.open(PLUGIN, SocketAddress(V4, 4789))[0] is mux


def test_a_socket_that_cannot_be_opened_leaves_nothing_behind(table: MuxTable, underlay: FakeUnderlay) -> None:
    underlay.refuses = Errno.EADDRNOTAVAIL
    with pytest.raises(KernelError) as error:
        table.open(PLUGIN, SocketAddress(V4, 4789))
    assert error.value.errno is Errno.EADDRNOTAVAIL
    assert len(table) == 0
    underlay.refuses = None
    table.open(PLUGIN, SocketAddress(V4, 4789))


# ---------------------------------------------------------------------- destinations


@pytest.mark.parametrize(
    ("bound", "to", "errno"),
    [
        (V4, OTHER_V4, 0),
        (V4, V6, Errno.EADDRNOTAVAIL),
        (ANY_V4, OTHER_V4, 0),
        (ANY_V4, V6, Errno.EADDRNOTAVAIL),
        (V6, LOOPBACK_V6, 0),
        (V6, OTHER_V4, Errno.EADDRNOTAVAIL),
        (ANY_V6, V6, 0),
        (ANY_V6, V4, 0),
    ],
)
def test_address_families_have_to_go_together(table: MuxTable, bound: bytes, to: bytes, errno: int) -> None:
    mux, _ = table.open(PLUGIN, SocketAddress(bound, 4789))
    destination = Destination(SocketAddress(to, 4789))
    mux.resolve(destination)
    assert destination.errno == errno
    assert destination.to.ip == to


@pytest.mark.parametrize(("to", "meant"), [(ANY_V6, LOOPBACK_V6), (ANY_V4, LOOPBACK_V4)])
def test_the_unspecified_address_is_oneself(table: MuxTable, to: bytes, meant: bytes) -> None:
    mux, _ = table.open(PLUGIN, SocketAddress(ANY_V6, 4789))
    destination = Destination(SocketAddress(to, 4790))
    mux.resolve(destination)
    assert destination.to == SocketAddress(meant, 4790)


# ---------------------------------------------------------------------- receiving


def opened(table: MuxTable, underlay: FakeUnderlay, *vnetids: int) -> list[FakeDevice]:
    mux, _ = table.open(PLUGIN, SocketAddress(V4, 4789))
    devices = [FakeDevice(vnetid) for vnetid in vnetids]
    for device in devices:
        mux.add(device)
    return devices


def receive(underlay: FakeUnderlay, data: bytes, stride: int | None = None) -> None:
    underlay.opened[-1].receive(memoryview(data), len(data) if stride is None else stride)


def test_a_datagram_reaches_the_device_of_its_vnetid(table: MuxTable, underlay: FakeUnderlay) -> None:
    seven, eight = opened(table, underlay, 7, 8)
    receive(underlay, vxlan(8, b"frame"))
    assert (seven.frames, eight.frames) == ([], [b"frame"])


@pytest.mark.parametrize("count", [2, 7, 8, 40])
def test_a_batch_of_one_device_is_one_call_with_the_frames_in_order(
    table: MuxTable, underlay: FakeUnderlay, count: int
) -> None:
    (device,) = opened(table, underlay, 7)
    frames = [bytes((index,)) * 30 for index in range(count)]
    frames[-1] = b"short"
    receive(underlay, b"".join(vxlan(7, one) for one in frames), 38)
    assert device.calls == [frames]


def test_a_super_frame_that_a_linux_peer_did_not_cut_is_one_frame(table: MuxTable, underlay: FakeUnderlay) -> None:
    (seven,) = opened(table, underlay, 7)
    frame = ethernet(b"\2\0\0\0\0\1", b"\2\0\0\0\0\2", udp("10.0.0.1", "10.0.0.2", 1, 2, bytes(9550)))
    receive(underlay, vxlan(7, frame), stride=1000)
    assert seven.calls == [[frame]]
    assert seven.segments == [1000]
    batch = [
        vxlan(7, ethernet(frame[:6], frame[6:12], udp("10.0.0.1", "10.0.0.2", 1, 2, bytes(n)))) for n in (900, 900, 5)
    ]
    receive(underlay, b"".join(batch), stride=len(batch[0]))
    assert seven.calls[1:] == [[one[8:] for one in batch]]


def test_a_frame_that_claims_to_be_all_that_was_gathered_takes_in_nobody_elses(
    table: MuxTable, underlay: FakeUnderlay
) -> None:
    (seven,) = opened(table, underlay, 7)
    honest = vxlan(7, ethernet(b"\2\0\0\0\0\1", b"\2\0\0\0\0\2", udp("10.0.0.1", "10.0.0.2", 1, 2, bytes(100))))
    size = len(honest)
    whole = ethernet(b"\2\0\0\0\0\1", b"\2\0\0\0\0\2", udp("10.0.0.1", "10.0.0.2", 1, 2, bytes(100 + 2 * size)))
    liar = vxlan(7, whole)[:size]
    underlay.opened[-1].receive(memoryview(liar + honest + honest), size, gathered=True)
    assert seven.calls == [[liar[8:], honest[8:], honest[8:]]]


def test_a_mixed_batch_is_split_where_the_device_changes(table: MuxTable, underlay: FakeUnderlay) -> None:
    seven, eight = opened(table, underlay, 7, 8)
    order = [7, 7, 8, 7, 8, 8, 8, 8, 7]
    receive(underlay, b"".join(vxlan(vnetid, bytes((index,)) * 4) for index, vnetid in enumerate(order)), 12)
    assert [len(call) for call in seven.calls] == [2, 1, 1]
    assert [len(call) for call in eight.calls] == [1, 4]


@pytest.mark.parametrize(
    ("datagram", "reason"),
    [
        (b"", MuxDrop.BAD_HEADER),
        (b"\x08\x00\x00\x00\x00\x00\x07", MuxDrop.BAD_HEADER),
        (b"\x00" * 40, MuxDrop.BAD_HEADER),
        (vxlan(7, b""), MuxDrop.EMPTY),
        (vxlan(9, b""), MuxDrop.EMPTY),
        (vxlan(9, b"frame"), MuxDrop.UNKNOWN_VNETID),
    ],
)
def test_what_reaches_no_device_is_counted_by_name(
    table: MuxTable, underlay: FakeUnderlay, datagram: bytes, reason: MuxDrop
) -> None:
    (device,) = opened(table, underlay, 7)
    receive(underlay, vxlan(7, b"warm"))
    receive(underlay, datagram)
    assert device.frames == [b"warm"]
    assert table.drops.counts[reason] == table.drops.total == 1


@pytest.mark.parametrize("header", [PLUGIN.header(9), bytes(8)])
def test_a_whole_batch_without_a_device_is_counted_frame_by_frame(
    table: MuxTable, underlay: FakeUnderlay, header: bytes
) -> None:
    opened(table, underlay, 7)
    receive(underlay, (header + bytes(20)) * 19 + header + b"x", 28)
    assert table.drops.total == 20


def test_a_header_without_a_frame_at_the_end_of_a_batch_drops_alone(table: MuxTable, underlay: FakeUnderlay) -> None:
    (device,) = opened(table, underlay, 7)
    receive(underlay, vxlan(7, b"frames") * 10 + vxlan(7, b""), 14)
    assert device.frames == [b"frames"] * 10
    assert table.drops.counts[MuxDrop.EMPTY] == 1


def test_a_device_that_left_receives_nothing_though_its_header_was_known(
    table: MuxTable, underlay: FakeUnderlay
) -> None:
    mux, _ = table.open(PLUGIN, SocketAddress(V4, 4789))
    old, new = FakeDevice(7), FakeDevice(7)
    mux.add(old)
    receive(underlay, vxlan(7, b"first"))
    mux.remove(old)
    receive(underlay, vxlan(7, b"second"))
    mux.add(new)
    receive(underlay, vxlan(7, b"third"))
    assert (old.frames, new.frames) == ([b"first"], [b"third"])
    assert table.drops.counts[MuxDrop.UNKNOWN_VNETID] == 1


@pytest.mark.fact("KRN-I4")
def test_a_vnetid_is_known_to_the_mux_that_received_the_datagram_only(table: MuxTable, underlay: FakeUnderlay) -> None:
    (seven,) = opened(table, underlay, 7)
    other, _ = table.open(PLUGIN, SocketAddress(OTHER_V4, 4789))
    eight = FakeDevice(8)
    other.add(eight)
    receive(underlay, vxlan(7, b"frame"))
    assert seven.frames == eight.frames == []
    assert table.drops.counts[MuxDrop.UNKNOWN_VNETID] == 1


def test_reserved_bits_that_never_repeat_do_not_fill_memory(table: MuxTable, underlay: FakeUnderlay) -> None:
    (device,) = opened(table, underlay, 7)
    for reserved in range(3000):
        receive(underlay, b"\x08" + reserved.to_bytes(3, "big") + b"\x00\x00\x07\x00frame")
    assert len(device.frames) == 3000
    mux, _ = table.open(PLUGIN, SocketAddress(V4, 4789))
    assert len(mux._known) <= 1024


def test_a_plugin_without_a_constant_decision_is_asked_for_every_datagram(underlay: FakeUnderlay) -> None:
    class Trailer(VxlanPlugin):
        """The id is the last byte of the datagram."""

        name = "trailer"
        decap_size = 0

        def decap(self, datagram: bytes | bytearray | memoryview) -> Decapsulated | None:
            return Decapsulated(datagram[-1], 1) if len(datagram) else None

    table = MuxTable(underlay)
    mux, _ = table.open(Trailer(), SocketAddress(V4, 4789))
    one, two = FakeDevice(1), FakeDevice(2)
    mux.add(one)
    mux.add(two)
    receive(underlay, b".aaa\x01.bbb\x02" * 6, 5)
    assert one.frames == [b"aaa\x01"] * 6
    assert two.frames == [b"bbb\x02"] * 6
