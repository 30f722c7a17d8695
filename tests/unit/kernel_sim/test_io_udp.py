from __future__ import annotations

import errno
import ipaddress
import os
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel_sim.ddi import V4_MAPPED_PREFIX, SocketAddress
from kernel_sim.io.loop import Loop
from kernel_sim.io.srcport import SourcePorts, drop_all_input
from kernel_sim.io.udp import UdpSocket, UdpUnderlay
from kernel_sim.sys.errno import Errno, KernelError

HEADER = b"\x08\0\0\0\0\0\x17\0"


def address(text: str, port: int) -> SocketAddress:
    ip = ipaddress.ip_address(text)
    return SocketAddress(V4_MAPPED_PREFIX + ip.packed if ip.version == 4 else ip.packed, port)


def free_port(host: str = "127.0.0.1") -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


class World:
    """An underlay, and what its sockets received."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.underlay = UdpUnderlay(self.loop)
        self.received: list[tuple[bytes, int]] = []
        self.gathered: list[bool] = []
        self.opened: list[UdpSocket] = []

    def open(self, host: str, port: int | None = None) -> tuple[UdpSocket, SocketAddress]:
        at = address(host, port or free_port(host))
        opened = self.underlay.open(at, self.receive)
        self.opened.append(opened)
        return opened, at

    def receive(self, data: memoryview, stride: int, /, *, gathered: bool = False) -> None:
        self.received.append((bytes(data), stride))
        self.gathered.append(gathered)

    def frames(self, count: int) -> list[bytes]:
        """The payloads of the next datagrams."""
        got: list[bytes] = []
        while len(got) < count:
            self.loop.run_once(5.0)
            assert self.received, "nothing came"
            for data, stride in self.received:
                got += [data[at : at + stride] for at in range(0, len(data), stride)] if stride else [b""]
            self.received.clear()
        return got


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    for opened in world.opened:
        opened.close()
    world.loop.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("count", [1, 2, 46, 64, 300])
def test_frames_of_one_send_arrive_each_behind_the_header(world: World, host: str, count: int) -> None:
    sender, _ = world.open(host)
    _, to = world.open(host)
    frames = [bytes([number & 255]) * 200 for number in range(count - 1)] + [b"short"]
    assert sender.send(HEADER, frames, to, sender._port) == 0
    assert world.frames(count) == [HEADER + frame for frame in frames]


def test_a_run_arrives_as_one_batch(world: World) -> None:
    sender, at = world.open("127.0.0.1")
    assert sender.send(HEADER, [bytes(1000)] * 40, at, at.port) == 0
    world.loop.run_once(5.0)
    assert world.received == [((HEADER + bytes(1000)) * 40, 1008)]
    assert world.gathered == [False]


@contextmanager
def strangers(count: int) -> Iterator[list[socket.socket]]:
    """Sockets whose datagrams the machine does not put together."""
    with ExitStack() as stack:
        yield [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(count)]


SIZES = st.lists(st.sampled_from((0, 1, 8, 9, 1450, 1451, 9000, 20000)), min_size=1, max_size=70)


@given(
    sizes=st.one_of(SIZES, st.lists(st.just(1450), min_size=1, max_size=70)),
    runs=st.lists(st.booleans(), min_size=70, max_size=70),
)
@settings(max_examples=50, deadline=None)
def test_datagrams_of_several_senders_are_gathered_and_none_is_lost_cut_or_overtaken(
    sizes: list[int], runs: list[bool]
) -> None:
    world = World()
    sender, to = world.open("127.0.0.1")
    sent: list[bytes] = []
    with strangers(2) as others:
        for number, (size, run) in enumerate(zip(sizes, runs, strict=False)):
            payload = bytes((number,)) * size
            if run and 0 < size <= 9000:
                assert sender.send(payload[:1], [payload[1:]] * 3, to, to.port) == 0
                sent += [payload] * 3
            else:
                others[number % 2].sendto(payload, ("127.0.0.1", to.port))
                sent.append(payload)
        got: list[bytes] = []
        while len(got) < len(sent):
            got += world.frames(1)
    world.opened[0].close()
    world.loop.close()
    assert got == sent


def test_datagrams_of_one_length_are_handed_on_together_with_a_shorter_one_at_the_end(world: World) -> None:
    _, to = world.open("127.0.0.1")
    with strangers(3) as others:
        for number, size in enumerate((100, 100, 100, 40, 100, 101, 101)):
            others[number % 3].sendto(bytes((number,)) * size, ("127.0.0.1", to.port))
    world.loop.run_once(5.0)
    assert [(len(data), stride) for data, stride in world.received] == [(340, 100), (100, 100), (202, 101)]
    assert world.gathered == [True, False, True]


def test_a_socket_that_is_closed_by_what_it_received_hands_nothing_on(world: World) -> None:
    at = address("127.0.0.1", free_port())
    got: list[bytes] = []

    def receive(data: memoryview, _stride: int, /, **_: bool) -> None:
        got.append(bytes(data))
        opened.close()

    opened = world.underlay.open(at, receive)
    with strangers(1) as (other,):
        for payload in (b"first", b"longer than it", b"third"):
            other.sendto(payload, ("127.0.0.1", at.port))
    world.loop.run_once(5.0)
    assert got == [b"first"]


def test_frames_that_exceed_one_send_take_several(world: World) -> None:
    sender, at = world.open("127.0.0.1")
    frames = [os.urandom(8000) for _ in range(20)]
    assert sender.send(HEADER, frames, at, at.port) == 0
    assert world.frames(20) == [HEADER + frame for frame in frames]


def test_an_empty_datagram_is_handed_on_as_such(world: World) -> None:
    _, to = world.open("127.0.0.1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.sendto(b"", ("127.0.0.1", to.port))
    world.loop.run_once(5.0)
    assert world.received == [(b"", 0)]


def test_the_wildcard_socket_talks_to_both_families(world: World) -> None:
    wildcard, at = world.open("::")
    v4, v4_at = world.open("127.0.0.1")
    v6, v6_at = world.open("::1")
    assert wildcard.send(HEADER, [b"four"], v4_at, at.port) == 0
    assert wildcard.send(HEADER, [b"six"], v6_at, at.port) == 0
    assert v4.send(HEADER, [b"back"], address("127.0.0.1", at.port), v4_at.port) == 0
    assert v6.send(HEADER, [b"back"], address("::1", at.port), v6_at.port) == 0
    assert sorted(world.frames(4)) == [HEADER + text for text in (b"back", b"back", b"four", b"six")]


def test_an_ipv6_socket_leaves_the_ipv4_port_to_others(world: World) -> None:
    _, at = world.open("::1")
    world.open("127.0.0.1", at.port)


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize(("host", "number"), [("127.0.0.1", Errno.EADDRINUSE), ("192.0.2.1", Errno.EADDRNOTAVAIL)])
def test_a_socket_that_cannot_be_bound_leaves_nothing_behind(world: World, host: str, number: Errno) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        before = open_descriptors()
        with pytest.raises(KernelError) as caught:
            world.open(host, taken.getsockname()[1])
        assert caught.value.errno == number
        assert host in str(caught.value)
        assert open_descriptors() == before
        assert not world.underlay._source_ports


def test_a_datagram_over_the_limit_is_emsgsize(world: World) -> None:
    sender, at = world.open("127.0.0.1")
    assert sender.send(HEADER, [bytes(65_500)], at, at.port) == Errno.EMSGSIZE
    assert sender.send(HEADER, [bytes(65_499)], at, at.port) == 0


def test_an_unreachable_destination_is_an_errno(world: World) -> None:
    sender, at = world.open("127.0.0.1")
    assert sender.send(HEADER, [b"x"], address("192.0.2.1", 4789), at.port) in set(Errno)


# ---------------------------------------------------------------------- source ports


def from_port(world: World, sender: UdpSocket, source_port: int) -> int:
    """The port a frame sent with that source port comes from."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(5)
        assert sender.send(HEADER, [b"x"], address("127.0.0.1", peer.getsockname()[1]), source_port) == 0
        return int(peer.recvfrom(100)[1][1])


def test_a_frame_leaves_from_the_source_port_asked_for(world: World) -> None:
    sender, at = world.open("127.0.0.1")
    other = free_port()
    assert from_port(world, sender, at.port) == at.port
    assert from_port(world, sender, other) == other
    assert from_port(world, sender, other) == other


def test_a_source_port_that_is_taken_falls_back_to_the_bound_one_until_paths_change(world: World) -> None:
    sender, at = world.open("127.0.0.1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        other = taken.getsockname()[1]
        assert from_port(world, sender, other) == at.port
    assert from_port(world, sender, other) == at.port
    world.underlay.paths_changed()
    assert from_port(world, sender, other) == other


def test_source_ports_are_shared_by_an_address_and_go_with_its_last_socket() -> None:
    world = World()
    before = open_descriptors()
    one, _ = world.open("127.0.0.1")
    two, _ = world.open("127.0.0.1")
    other = free_port()
    assert from_port(world, one, other) == other
    opened = open_descriptors()
    assert from_port(world, two, other) == other
    assert open_descriptors() == opened
    one.close()
    assert from_port(world, two, other) == other
    two.close()
    assert open_descriptors() == before
    world.loop.close()


def test_nothing_is_received_on_a_socket_that_drops_all_input() -> None:
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out,
    ):
        drop_all_input(deaf)
        deaf.bind(("127.0.0.1", 0))
        out.sendto(b"x", deaf.getsockname())
        assert select.select([deaf], [], [], 0.0)[0] == []


def test_a_port_that_cannot_be_had_is_tried_once_until_asked_to_retry() -> None:
    asked: list[int] = []

    def refuse(port: int) -> socket.socket:
        asked.append(port)
        raise OSError(errno.EMFILE, "no descriptors")

    ports = SourcePorts(refuse)
    assert ports.get(49153) is None
    assert ports.get(49153) is None
    assert asked == [49153]
    ports.retry()
    assert ports.get(49153) is None
    assert asked == [49153, 49153]
    ports.close()


# ---------------------------------------------------------------------- what a path can do


class FakeSocket:
    """Refuses sends as a path would, and notes the number of datagrams of each."""

    def __init__(self, refuse: Callable[[int, int], int]) -> None:
        self.refuse = refuse
        self.tried: list[int] = []
        self.sent: list[bytes] = []

    def sendmsg(self, parts: list[bytes], ancillary: object, _flags: int, _name: object) -> None:
        count = len(parts) // 2
        self.tried.append(count)
        assert bool(ancillary) == (count > 1)
        number = self.refuse(count, len(parts[0]) + len(parts[1]))
        if number:
            raise OSError(number, "refused")
        self.sent += [parts[at] + parts[at + 1] for at in range(0, len(parts), 2)]


def send_by(world: World, fake: FakeSocket, frames: list[bytes], to: str = "192.0.2.1") -> int:
    sender = world.opened[0] if world.opened else world.open("127.0.0.1")[0]
    real, sender._sock = sender._sock, fake  # type: ignore[assignment]
    try:
        return sender.send(HEADER, frames, address(to, 4789), sender._port)
    finally:
        sender._sock = real


@pytest.mark.parametrize("number", [errno.EMSGSIZE, errno.EIO, errno.EINVAL])
def test_a_path_that_refuses_a_cut_send_gets_datagrams_one_by_one_from_then_on(world: World, number: int) -> None:
    frames = [bytes(1600)] * 3
    fake = FakeSocket(lambda count, _: number if count > 1 else 0)
    assert send_by(world, fake, frames) == 0
    assert fake.tried == [3, 1, 1, 1]
    assert fake.sent == [HEADER + frame for frame in frames]
    assert send_by(world, fake, frames) == 0
    assert fake.tried[4:] == [1, 1, 1]


def test_smaller_frames_and_other_destinations_are_still_sent_at_once(world: World) -> None:
    fake = FakeSocket(lambda count, size: errno.EMSGSIZE if count > 1 and size > 1500 else 0)
    send_by(world, fake, [bytes(1600)] * 2)
    fake.tried.clear()
    send_by(world, fake, [bytes(1000)] * 2)
    assert fake.tried == [2]
    fake.refuse = lambda *_: 0
    send_by(world, fake, [bytes(1600)] * 2, to="192.0.2.2")
    assert fake.tried == [2, 2]


def test_a_change_of_paths_forgets_what_was_refused(world: World) -> None:
    fake = FakeSocket(lambda count, _: errno.EMSGSIZE if count > 1 else 0)
    send_by(world, fake, [bytes(1600)] * 2)
    world.underlay.paths_changed()
    fake.refuse = lambda *_: 0
    fake.tried.clear()
    send_by(world, fake, [bytes(1600)] * 2)
    assert fake.tried == [2]


def test_an_older_machine_gets_sixty_four_segments_a_send(world: World) -> None:
    fake = FakeSocket(lambda count, _: errno.EINVAL if count > 64 else 0)
    assert send_by(world, fake, [bytes(60)] * 200) == 0
    assert fake.tried == [128, 64, 64, 64, 8]
    assert send_by(world, fake, [bytes(60)] * 100) == 0
    assert fake.tried[5:] == [64, 36]


def test_a_full_send_buffer_is_eagain_and_ends_the_send(world: World) -> None:
    fake = FakeSocket(lambda *_: errno.EAGAIN)
    assert send_by(world, fake, [bytes(60)] * 2) == Errno.EAGAIN
    assert fake.tried == [2]
    assert not world.opened[0]._uncuttable
