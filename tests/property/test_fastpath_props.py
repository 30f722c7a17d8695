"""The compiled data path against the ordinary way: the same bytes in the same order, the same counts, nothing lost when something fails."""

from __future__ import annotations

import contextlib
import select
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etherspan.testing.flows import TIMESTAMP, Flow
from etherspan.testing.frames import TCP, UDP
from kernel_sim.ddi import V4_MAPPED_PREFIX, LocalPath, ReceivePath, ReceivePaths, SocketAddress, TransmitPath
from kernel_sim.io import fastpath, vnet
from kernel_sim.io.fastpath import Lanes, ReceiveLane, SendLane
from kernel_sim.io.loop import Loop
from kernel_sim.io.udp import UdpSocket, UdpUnderlay
from kernel_sim.mac._hw import plain
from kernel_sim.sys.message import Buffer, Message, Packed

pytestmark = pytest.mark.skipif(not fastpath.available, reason="the compiled data path could not be built here")

HEADER = b"\x08\0\0\0\0\0\x17\0"
OTHER_HEADER = b"\x08\0\0\0\0\0\x18\0"
MTU = 1400
ALL_RUNS = 1 << 1 | 1 << 4 | 1 << 5
MACS = [bytes.fromhex(f"0208200000{n:02x}") for n in range(3)]
FLOWS = [
    Flow(),
    Flow(sport=40001, tcp_options=TIMESTAMP),
    Flow(v6=True, tcp_options=TIMESTAMP),
    Flow(protocol=UDP),
    Flow(protocol=UDP, v6=True, dport=53),
    Flow(vid=7),
    Flow(ip_options=b"\x01" * 4),
    Flow(v6=True, extensions=(0,)),
    replace(Flow(), dst=b"\xff" * 6),
]
KNOWABLE = 5
"""So many of them, from the first on, make a conversation."""


def localhost(port: int) -> SocketAddress:
    return SocketAddress(V4_MAPPED_PREFIX + b"\x7f\0\0\1", port)


class Tap:
    """Two ends of what keeps messages apart; one stands for a TAP's descriptor."""

    def __init__(self, size: int = 16 << 20) -> None:
        self.kernel, self.consumer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        for end in (self.kernel, self.consumer):
            end.setblocking(False)
            end.setsockopt(socket.SOL_SOCKET, 32, size)  # SO_SNDBUFFORCE

    def close(self) -> None:
        self.kernel.close()
        self.consumer.close()

    def taken(self) -> list[bytes]:
        """All frames that its consumer was given, cut and finished."""
        frames: list[bytes] = []
        with contextlib.suppress(BlockingIOError):
            while True:
                data = bytearray(self.consumer.recv(70_000))
                frames += [bytes(one) for one in plain.cut(vnet.decode(memoryview(data), len(data)))]
        return frames


class Counter:
    def __init__(self) -> None:
        self.frames = self.octets = 0

    def __call__(self, frames: int, octets: int) -> None:
        self.frames += frames
        self.octets += octets


class World:
    """Lanes, an underlay with one socket, and a peer on the same machine."""

    def __init__(self, *, turning: bool) -> None:
        self.turning = turning
        self.loop = Loop()
        self.lanes = Lanes(self.loop)
        self.underlay = UdpUnderlay(self.loop, self.lanes)
        self.peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.peer.setsockopt(socket.SOL_SOCKET, 33, 32 << 20)  # SO_RCVBUFFORCE
        self.peer.bind(("127.0.0.1", 0))
        self.peer.setblocking(False)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.tap = Tap()
        self.counter = Counter()
        self.socket: UdpSocket | None = None

    def open(self) -> UdpSocket:
        self.socket = self.underlay.open(localhost(self.port), lambda _memory, _stride, **_: None)
        return self.socket

    @property
    def to(self) -> SocketAddress:
        return localhost(self.peer.getsockname()[1])

    def arrived(self) -> list[bytes]:
        got: list[bytes] = []
        with contextlib.suppress(BlockingIOError):
            while True:
                got.append(self.peer.recv(70_000))
        return got

    @contextlib.contextmanager
    def watching(self, descriptor: int, ready: Callable[[int], None]) -> Iterator[Callable[[], None]]:
        """Gives what deals with what is ready at a descriptor: by turns of the loop, or without it."""
        if not self.turning:
            yield lambda: ready(select.EPOLLIN)
            return
        self.loop.register(descriptor, ready, data=True)
        yield self.loop.run_once
        self.loop.unregister(descriptor)

    def close(self) -> None:
        if self.socket is not None:
            self.socket.close()
        self.peer.close()
        self.tap.close()
        self.loop.close()


@contextlib.contextmanager
def made(*, turning: bool = False) -> Iterator[World]:
    world = World(turning=turning)
    try:
        yield world
    finally:
        world.close()


# ---------------------------------------------------------------------- out


@st.composite
def messages(draw: st.DrawFn) -> Message:
    flow = draw(st.sampled_from(FLOWS))
    size = draw(st.sampled_from((0, 1, 5, 64, 64, 64, 700, 1300)))
    kind = draw(st.sampled_from(("whole", "partial", "partial", "run", "run")))
    seq = draw(st.integers(0, 2**32 - 1))
    if kind == "run":
        payload = bytes(range(251)) * draw(st.integers(1, 180))
        return flow.run(payload, draw(st.sampled_from((536, 1000, 1348))), seq=seq)
    if kind == "partial":
        return flow.partial(bytes(size), seq=seq)
    return Message(flow.frame(b"\x5a" * size, seq=seq))


def send_all(world: World, lane: SendLane, chain: Sequence[Message], sender: UdpSocket) -> tuple[int, int]:
    """What a port does with its lane, the ordinary way being a send of each frame. Returns how many went that way, and their bytes."""
    for message in chain:
        world.tap.consumer.send(vnet.encode(message) + bytes(message.data))
    frames = octets = 0

    def ready(_events: int) -> None:
        nonlocal frames, octets
        for message in lane.send(world.tap.kernel.fileno()):
            for frame in plain.cut(message):
                assert sender.send(HEADER, [frame], world.to, world.port) == 0
                frames += 1
                octets += len(frame)

    with world.watching(world.tap.kernel.fileno(), ready) as turn:
        while _readable(world.tap.kernel):
            turn()
    return frames, octets


def _readable(end: socket.socket) -> bool:
    try:
        end.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    return True


def expected(chain: Sequence[Message]) -> list[bytes]:
    return [HEADER + bytes(frame) for message in chain for frame in plain.cut(message)]


@pytest.mark.parametrize("turning", [False, True])
@given(chain=st.lists(messages(), min_size=1, max_size=30), known=st.sets(st.integers(0, KNOWABLE - 1)))
@settings(max_examples=120, deadline=None)
def test_what_a_tap_sends_leaves_as_the_same_datagrams_in_the_same_order(
    turning: bool, chain: list[Message], known: set[int]
) -> None:
    with made(turning=turning) as world:
        sender = world.open()
        path = TransmitPath(sender, HEADER, world.to, world.port, 65_507, world.counter)
        lane = SendLane(world.lanes, lambda _: path)
        for number in known:
            sample = Message(FLOWS[number].frame(b""))
            key = lane.conversation(sample.data)
            assert key
            lane.learn(key, sample, world.tap.kernel.fileno())
        frames, octets = (0, 0)
        if known:
            frames, octets = send_all(world, lane, chain, sender)
            wanted = expected(chain)
            assert world.arrived() == wanted
            assert world.counter.frames + frames == len(wanted)
            assert world.counter.octets + octets == sum(len(one) - len(HEADER) for one in wanted)
            assert world.counter.frames >= sum(
                one.frames for one in chain if any(one.data[:40] == FLOWS[n].frame(b"")[:40] for n in known)
            )


def test_frames_that_make_no_conversation_are_never_known() -> None:
    with made() as world:
        lane = SendLane(world.lanes, lambda _: None)
        keys = [lane.conversation(flow.frame(b"x")) for flow in FLOWS]
        assert [bool(key) for key in keys] == [True] * KNOWABLE + [False] * (len(FLOWS) - KNOWABLE)
        assert len(set(keys[:KNOWABLE])) == KNOWABLE
        assert lane.conversation(b"") == b""
        fragment = bytearray(FLOWS[0].frame(b"x"))
        fragment[20:22] = b"\x20\x00"
        assert lane.conversation(fragment) == b""


@pytest.mark.parametrize(
    ("v6", "protocol", "known", "unknown"), [(False, 1, (8, 0), (3, 5, 11)), (True, 58, (128, 129), (1, 2, 130, 135))]
)
def test_echoes_are_conversations_by_their_type_and_other_icmp_is_not(
    v6: bool, protocol: int, known: tuple[int, ...], unknown: tuple[int, ...]
) -> None:
    def frame(kind: int, rest: bytes) -> bytes:
        made = bytearray(Flow(protocol=UDP, v6=v6).frame(rest))
        made[20 if v6 else 23] = protocol
        at = 54 if v6 else 34
        made[at : at + 8] = bytes((kind, 0)) + rest[:6]
        return bytes(made)

    with made() as world:
        lane = SendLane(world.lanes, lambda _: None)
        keys = [{lane.conversation(frame(kind, rest)) for rest in (b"abcdef", b"ghijklmnop")} for kind in known]
        assert all(len(of_one) == 1 for of_one in keys)
        assert len(set.union(*keys)) == len(known)
        assert b"" not in set.union(*keys)
        assert {lane.conversation(frame(kind, b"abcdef")) for kind in unknown} == {b""}


@pytest.mark.parametrize("what", ["dst", "src", "addresses", "sport", "dport", "protocol"])
def test_everything_that_policy_or_source_port_may_look_at_makes_another_conversation(what: str) -> None:
    other = {
        "dst": MACS[2],
        "src": MACS[2],
        "addresses": bytes(range(2, 34)),
        "sport": 1,
        "dport": 1,
        "protocol": UDP,
    }[what]
    with made() as world:
        lane = SendLane(world.lanes, lambda _: None)
        for flow in (Flow(), Flow(v6=True)):
            changed = replace(flow, **{what: other})
            assert flow.protocol == TCP
            assert lane.conversation(flow.frame(b"x")) != lane.conversation(changed.frame(b"x"))


def test_what_cannot_be_sent_is_given_back_finished_and_the_conversation_forgotten() -> None:
    with made() as world:
        sender = world.open()
        unreachable = TransmitPath(sender, HEADER, localhost(0), world.port, 65_507, world.counter)  # port 0: EINVAL
        lane = SendLane(world.lanes, lambda _: unreachable)
        run, small = Flow().run(bytes(5000), 1000), Flow().partial(b"abc")
        for chain in ([run], [small, small, run]):
            key = lane.conversation(run.data)
            lane.learn(key, run, world.tap.kernel.fileno())
            frames, _ = send_all(world, lane, chain, sender)
            assert frames == sum(one.frames for one in chain)
            assert world.arrived() == expected(chain)
        assert world.counter.frames == 0


def test_a_datagram_over_the_limit_goes_the_ordinary_way() -> None:
    with made() as world:
        sender = world.open()
        path = TransmitPath(sender, HEADER, world.to, world.port, 1000, world.counter)
        lane = SendLane(world.lanes, lambda _: path)
        chain = [Flow().run(bytes(5000), 1000), Flow().partial(bytes(938)), Flow().partial(bytes(939))]
        lane.learn(lane.conversation(chain[0].data), chain[0], world.tap.kernel.fileno())
        frames, _ = send_all(world, lane, chain, sender)
        assert (frames, world.counter.frames) == (6, 1)
        assert world.arrived() == expected(chain)


# ---------------------------------------------------------------------- from TAP to TAP


def pass_all(world: World, lane: SendLane, chain: Sequence[Message], target: Tap) -> int:
    """The same towards another TAP, the ordinary way being to write it what it takes. Returns how many messages went that way."""
    for message in chain:
        world.tap.consumer.send(vnet.encode(message) + bytes(message.data))
    ordinary = 0

    def ready(_events: int) -> None:
        nonlocal ordinary
        for message in lane.send(world.tap.kernel.fileno()):
            for frame in plain.cut(message):
                target.kernel.send(vnet.PLAIN + frame)
            ordinary += 1

    with world.watching(world.tap.kernel.fileno(), ready) as turn:
        while _readable(world.tap.kernel):
            turn()
    return ordinary


@pytest.mark.parametrize("turning", [False, True])
@given(
    chain=st.lists(messages(), min_size=1, max_size=30),
    known=st.sets(st.integers(0, KNOWABLE - 1), min_size=1),
    runs=st.sampled_from((0, 1 << 1, ALL_RUNS)),
)
@settings(max_examples=120, deadline=None)
def test_what_is_for_another_tap_of_the_host_reaches_it_whole(
    turning: bool, chain: list[Message], known: set[int], runs: int
) -> None:
    with made(turning=turning) as world, contextlib.closing(Tap()) as target:
        world.lanes.ports[target] = lambda: (target.kernel.fileno(), runs)  # type: ignore[index]
        path = LocalPath(target, world.counter)  # type: ignore[arg-type]
        lane = SendLane(world.lanes, lambda _: path)
        prefixes = set()
        for number in known:
            sample = Message(FLOWS[number].frame(b""))
            key = lane.conversation(sample.data)
            prefixes.add(key)
            lane.learn(key, sample, world.tap.kernel.fileno())
        mine = [one for one in chain if lane.conversation(one.data) in prefixes]
        ordinary = pass_all(world, lane, chain, target)
        assert target.taken() == [bytes(frame) for message in chain for frame in plain.cut(message)]
        assert ordinary >= len(chain) - len(mine)
        if runs == ALL_RUNS:
            assert ordinary == len(chain) - len(mine)
            assert world.counter.frames == sum(one.frames for one in mine)
            assert world.counter.octets == sum(one.bytes_on_wire for one in mine)


def test_what_another_tap_does_not_take_is_given_back() -> None:
    with made() as world, contextlib.closing(Tap(1)) as target:
        world.lanes.ports[target] = lambda: (target.kernel.fileno(), ALL_RUNS)  # type: ignore[index]
        lane = SendLane(world.lanes, lambda _: LocalPath(target, world.counter))  # type: ignore[arg-type]
        chain = [Message(Flow().frame(bytes(300), seq=number)) for number in range(60)]
        lane.learn(lane.conversation(chain[0].data), chain[0], world.tap.kernel.fileno())
        for message in chain:
            world.tap.consumer.send(vnet.PLAIN + bytes(message.data))
        (refused,) = lane.send(world.tap.kernel.fileno())
        taken = target.taken()
        assert 0 < len(taken) < len(chain)
        assert [*taken, bytes(refused.data)] == [bytes(one.data) for one in chain[: len(taken) + 1]]
        assert world.counter.frames == len(taken)
        (following,) = lane.send(world.tap.kernel.fileno())
        assert following.data == chain[len(taken) + 1].data


# ---------------------------------------------------------------------- in


class Sending(NamedTuple):
    """Frames that leave at once."""

    header: bytes
    number: int
    dst: bytes
    size: int
    seq: int

    @property
    def frames(self) -> list[bytes]:
        flow = replace(FLOWS[self.number], dst=self.dst)
        return flow.frames((bytes(range(251)) * 200)[: self.size], 1300, seq=self.seq)


SENDINGS = st.builds(
    Sending,
    st.sampled_from((HEADER, HEADER, HEADER, OTHER_HEADER)),
    st.integers(0, len(FLOWS) - 1),
    st.sampled_from([*MACS, b"\xff" * 6]),
    st.sampled_from((0, 251, 251, 1200, 1300, 9000, 50_000)),
    st.integers(0, 2**32 - 1),
)


def take_all(world: World, lane: ReceiveLane, receiver: UdpSocket, sent: int, seen: list[tuple[bytes, bytes]]) -> None:
    """What a socket does with its lane, the ordinary way being to note header and frame of each datagram, as it comes, in `seen`."""
    descriptor = receiver._sock.fileno()

    def ready(_events: int) -> None:
        batches = lane.receive(descriptor)
        seen.extend((HEADER, frame) for frame in world.tap.taken())
        for begun, end, stride, gathered in batches:
            memory = lane.memory[begun:end]
            step = stride if 0 < stride < len(memory) else max(len(memory), 1)
            assert not gathered or step < len(memory)
            for at in range(0, max(len(memory), 1), step):
                one = bytes(memory[at : at + step])
                seen.append((one[: len(HEADER)], one[len(HEADER) :]))

    world.loop.unregister(descriptor)
    with world.watching(descriptor, ready) as turn:
        while len(seen) < sent:
            before = len(seen)
            turn()
            seen.extend((HEADER, frame) for frame in world.tap.taken())
            assert len(seen) > before, "nothing came"
    world.loop.register(descriptor, ready, data=True)


@pytest.mark.parametrize("turning", [False, True])
@given(chain=st.lists(SENDINGS, min_size=1, max_size=12), known=st.sets(st.integers(0, 2), min_size=1))
@settings(max_examples=120, deadline=None)
def test_datagrams_reach_the_tap_as_the_frames_they_carry_in_the_same_order(
    turning: bool, chain: list[Sending], known: set[int]
) -> None:
    with made(turning=turning) as world:
        receiver = world.open()
        path = ReceivePath(world.tap, MTU, world.counter)  # type: ignore[arg-type]
        world.lanes.ports[world.tap] = lambda: (world.tap.kernel.fileno(), ALL_RUNS)  # type: ignore[index]
        lane = ReceiveLane(world.lanes, ReceivePaths(len(HEADER), lambda _: path))
        for number in known:
            sample = memoryview(HEADER + MACS[number] + bytes(8))
            lane.learn(lane.address(sample), sample, receiver._sock.fileno())
        wanted: list[tuple[bytes, bytes]] = []
        seen: list[tuple[bytes, bytes]] = []
        peer_underlay = UdpUnderlay(world.loop)
        world.peer.close()
        peer = peer_underlay.open(localhost(_free_port()), lambda _memory, _stride, **_: None)
        for one in chain:
            assert peer.send(one.header, one.frames, localhost(world.port), 0) == 0
            wanted += [(one.header, frame) for frame in one.frames]
        take_all(world, lane, receiver, len(wanted), seen)
        peer.close()
        assert [(header, bare(frame)) for header, frame in seen] == [(header, bare(frame)) for header, frame in wanted]
        there = [
            frame for header, frame in wanted if header == HEADER and frame[:6] in {MACS[number] for number in known}
        ]
        assert world.counter.frames <= len(there)
        tagged = [frame for frame in there if frame[12:14] == b"\x81\0"]
        alone = len({(one.header, one.dst) for one in chain}) == 1
        if alone and not tagged:
            assert world.counter.frames == len(there)
            assert world.counter.octets == sum(map(len, there))


def bare(frame: bytes) -> bytes:
    """A frame without what merging frames and cutting them again makes anew: the ident of IPv4, and with it the header's checksum."""
    return frame[:18] + frame[20:24] + frame[26:] if frame[12:14] == b"\x08\0" else frame


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_what_a_tap_does_not_take_is_given_back_from_where_it_stopped() -> None:
    with made() as world:
        world.tap.close()
        world.tap = Tap(1)  # a buffer of the least size: full after a few frames
        receiver = world.open()
        path = ReceivePath(world.tap, MTU, world.counter)  # type: ignore[arg-type]
        world.lanes.ports[world.tap] = lambda: (world.tap.kernel.fileno(), ALL_RUNS)  # type: ignore[index]
        lane = ReceiveLane(world.lanes, ReceivePaths(len(HEADER), lambda _: path))
        frames = [Flow(protocol=UDP, dst=MACS[0], sport=number).frame(bytes(300)) for number in range(1, 61)]
        sample = memoryview(HEADER + frames[0])
        lane.learn(lane.address(sample), sample, receiver._sock.fileno())
        assert receiver.send(HEADER, frames, localhost(world.port), world.port) == 0
        ((begun, end, stride, _),) = lane.receive(receiver._sock.fileno())
        taken = world.tap.taken()
        assert 0 < len(taken) < len(frames)
        rest = Packed(lane.memory[begun:end], stride, len(HEADER))
        assert taken + [bytes(frame) for frame in rest] == frames
        assert world.counter.frames == len(taken)
        assert receiver.send(HEADER, frames[:1], localhost(world.port), world.port) == 0
        assert lane.receive(receiver._sock.fileno()) == [(0, 8 + len(frames[0]), 8 + len(frames[0]), False)]


def test_a_way_is_forgotten_with_everything_else_and_found_again_when_asked() -> None:
    asked: list[Buffer] = []
    with made() as world:
        sender = world.open()
        path = TransmitPath(sender, HEADER, world.to, world.port, 65_507, world.counter)

        def find(message: Message) -> TransmitPath | None:
            asked.append(message.data)
            return path if len(asked) > 1 else None

        lane = SendLane(world.lanes, find)
        message = Flow().partial(b"abc")
        lane.learn(lane.conversation(message.data), message, world.tap.kernel.fileno())
        assert lane.empty
        assert lane.conversation(message.data) == b"", "it is not asked for again while nothing has changed"
        world.loop.disturbed()
        lane.learn(lane.conversation(message.data), message, world.tap.kernel.fileno())
        assert not lane.empty
        world.loop.disturbed()
        assert lane.empty
        frames, _ = send_all(world, lane, [message], sender)
        assert (frames, world.counter.frames) == (1, 0)
