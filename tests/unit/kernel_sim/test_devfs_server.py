from __future__ import annotations

import errno
import os
import select
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kernel_sim.cred import Credentials
from kernel_sim.dev import framing, sockets
from kernel_sim.dev.framing import Reply, Request
from kernel_sim.devfs import server
from kernel_sim.devfs.server import NodeServer, credentials
from kernel_sim.io.loop import Loop
from kernel_sim.sys.errno import Errno, KernelError

PARK, ECHO, FAIL, BIG = 1, 2, 3, 4


class FakeNode:
    """Parks, echoes or fails; notes what happens to it."""

    def __init__(self) -> None:
        self.opened: list[tuple[int, Credentials]] = []
        self.parked: list[Callable[[int, bytes], None]] = []
        self.arguments: list[bytes] = []
        self.closed = 0
        self.refuse: KernelError | None = None

    def open(self, flags: int, cred: Credentials) -> FakeNode:
        if self.refuse is not None:
            raise self.refuse
        self.opened.append((flags, cred))
        return self

    def ioctl(self, cmd: int, argument: bytes, reply: Callable[[int, bytes], None]) -> None:
        self.arguments.append(argument)
        if cmd == PARK:
            self.parked.append(reply)
        elif cmd == ECHO:
            reply(0, argument)
        elif cmd == BIG:
            reply(0, bytes(200_000))
        else:
            reply(Errno.ENOTSUP, argument)

    def close(self) -> None:
        self.closed += 1


class Peer:
    """A client that is driven together with the server, in one thread."""

    def __init__(self, loop: Loop, folder: Path) -> None:
        self.loop = loop
        self.sock = sockets.connect_seqpacket(folder, "node")
        self.sock.settimeout(0)

    def send(self, message: bytes) -> None:
        self.sock.send(message)

    def turn(self) -> None:
        for _ in range(4):
            self.loop.run_once()

    def replies(self) -> list[Reply]:
        self.turn()
        found = []
        while select.select([self.sock], [], [], 0)[0]:
            message = sockets.receive(self.sock)
            if not message:
                break
            found.append(framing.unpack_reply(message))
            self.turn()
        return found

    def open(self, flags: int = 3) -> list[Reply]:
        self.send(framing.pack_open(flags))
        return self.replies()

    def request(self, command: int, tag: int, argument: bytes = b"") -> None:
        self.send(framing.pack_request(Request(command, tag, argument)))

    def ask(self, command: int, tag: int, argument: bytes = b"") -> list[Reply]:
        self.request(command, tag, argument)
        return self.replies()


class World:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.loop = Loop()
        self.node = FakeNode()
        self.server = NodeServer(self.loop, sockets.bind_seqpacket(folder, "node", 0o666), self.node)
        self.peers: list[Peer] = []

    def peer(self, *, opened: bool = True) -> Peer:
        peer = Peer(self.loop, self.folder)
        self.peers.append(peer)
        if opened:
            assert peer.open() == [Reply(None)]
        return peer


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    for peer in world.peers:
        peer.sock.close()
    world.server.close()
    world.loop.close()


def test_the_first_message_opens_the_node_with_its_flags_and_the_peers_credentials(world: World) -> None:
    assert world.peer(opened=False).open(5) == [Reply(None)]
    assert world.node.opened == [(5, Credentials(os.geteuid(), privileged=True))]


def test_a_refused_open_says_why_and_requests_are_ebadf_after_it(world: World) -> None:
    world.node.refuse = KernelError(Errno.EEXIST)
    peer = world.peer(opened=False)
    assert peer.open() == [Reply(Errno.EEXIST)]
    assert peer.ask(ECHO, 7) == [Reply(Errno.EBADF, 7)]
    assert peer.open() == [Reply(Errno.EINVAL)]


@pytest.mark.parametrize("first", [b"x", framing.pack_request(Request(ECHO, 1)), bytes(8), bytes(100_000)])
def test_a_connection_that_does_not_begin_with_an_open_is_einval(world: World, first: bytes) -> None:
    peer = world.peer(opened=False)
    peer.send(first)
    assert peer.replies() == [Reply(Errno.EINVAL)]
    assert not world.node.opened


def test_a_request_is_answered_with_its_tag(world: World) -> None:
    peer = world.peer()
    assert peer.ask(ECHO, 99, b"hello") == [Reply(None, 99, b"hello")]
    assert peer.ask(FAIL, 2**64 - 1, b"back") == [Reply(Errno.ENOTSUP, 2**64 - 1, b"back")]


def test_replies_may_come_out_of_order(world: World) -> None:
    peer = world.peer()
    peer.request(PARK, 1)
    peer.request(PARK, 2)
    assert peer.ask(ECHO, 3) == [Reply(None, 3)]
    world.node.parked[1](0, b"second")
    world.node.parked[0](Errno.ETIME, b"")
    assert peer.replies() == [Reply(None, 2, b"second"), Reply(Errno.ETIME, 1)]


@pytest.mark.parametrize("cut", [1, 15, 17])
def test_a_message_that_is_no_request_is_einval_and_the_connection_goes_on(world: World, cut: int) -> None:
    peer = world.peer()
    peer.send(framing.pack_request(Request(ECHO, 5, b"xy"))[:cut])
    assert peer.replies() == [Reply(Errno.EINVAL)]
    assert peer.ask(ECHO, 6) == [Reply(None, 6)]


def test_a_message_beyond_the_largest_is_einval(world: World) -> None:
    peer = world.peer()
    try:
        peer.sock.setsockopt(socket.SOL_SOCKET, 32, 1 << 20)  # SO_SNDBUFFORCE
        peer.send(framing.pack_request(Request(ECHO, 5, bytes(sockets.MESSAGE_MAX))))
    except PermissionError:
        pytest.skip("only root can send more than the largest message")
    assert peer.replies() == [Reply(Errno.EINVAL)]


def test_the_largest_message_is_taken_and_answered(world: World) -> None:
    peer = world.peer()
    argument = os.urandom(sockets.MESSAGE_MAX - framing.HEADER_LEN)
    peer.request(ECHO, 1, argument)
    assert peer.replies() == [Reply(None, 1, argument)]


def test_when_the_peer_goes_the_handle_is_closed_and_late_replies_are_dropped(world: World) -> None:
    peer = world.peer()
    peer.request(PARK, 1)
    peer.turn()
    peer.sock.close()
    peer.turn()
    assert world.node.closed == 1
    assert not world.server.connections
    world.node.parked[0](0, b"too late")


def test_what_a_peer_asked_before_it_went_is_still_done(world: World) -> None:
    peer = world.peer()
    peer.request(ECHO, 1, b"one")
    peer.sock.close()
    peer.turn()
    assert world.node.arguments == [b"one"]
    assert world.node.closed == 1


def test_a_peer_that_reads_no_replies_is_not_read_either_and_loses_none(world: World) -> None:
    peer = world.peer()
    sent = 0
    for tag in range(60):
        try:
            peer.request(BIG, tag)
        except BlockingIOError:
            break
        sent += 1
        world.loop.run_once()
    assert len(world.node.arguments) < sent
    [connection] = world.server.connections
    assert len(connection._unsent) == 1
    assert [reply.tag for reply in peer.replies()] == list(range(sent))


def test_a_peer_that_goes_while_it_is_not_read_is_noticed(world: World) -> None:
    peer = world.peer()
    for tag in range(10):
        peer.request(BIG, tag)
        world.loop.run_once()
    peer.sock.close()
    peer.turn()
    assert world.node.closed == 1


def test_a_peer_with_too_many_requests_outstanding_waits(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "OUTSTANDING_MAX", 3)
    peer = world.peer()
    for tag in range(5):
        peer.request(PARK, tag)
    peer.turn()
    assert len(world.node.parked) == 3
    world.node.parked[0](0, b"")
    assert peer.replies() == [Reply(None, 0)]
    assert len(world.node.parked) == 4


def test_peers_do_not_wait_for_each_other(world: World) -> None:
    one, other = world.peer(), world.peer()
    one.request(PARK, 1)
    assert other.ask(ECHO, 1, b"x") == [Reply(None, 1, b"x")]


def test_without_descriptors_accepting_pauses_and_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_descriptors(_listener: socket.socket) -> socket.socket:
        raise OSError(errno.EMFILE, "too many open files")

    with monkeypatch.context() as patched:
        patched.setattr(sockets, "accept_seqpacket", no_descriptors)
        peer = world.peer(opened=False)
        peer.send(framing.pack_open(1))
        peer.turn()
    while not world.node.opened:
        world.loop.run_once(1.0)
    assert peer.replies() == [Reply(None)]


def test_closing_the_server_ends_connections_and_closes_handles(tmp_path: Path) -> None:
    world = World(tmp_path)
    peer = world.peer()
    world.server.close()
    assert world.node.closed == 1
    assert sockets.receive(peer.sock) == b""
    peer.sock.close()
    world.loop.close()


def test_root_and_the_kernels_own_user_are_privileged() -> None:
    assert credentials(0).privileged
    assert credentials(os.geteuid()).privileged
    assert not credentials(os.geteuid() + 4711).privileged
