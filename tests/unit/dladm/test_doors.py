"""JSON doors: messages, a client that outlives its daemon, a server that outlives its clients."""

from __future__ import annotations

import os
import selectors
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dladm.dlmgmtd.client import Dlmgmt
from dladm.dlmgmtd.protocol import ConfValue, LinkInfo, Op, decode_attrs, decode_request, encode_attrs, encode_request
from dladm.doors import message
from dladm.doors.client import PATIENCE, TRIES, Door
from dladm.doors.server import DoorServer, Peer
from kernel_sim.dev.client import LocalSystem
from kernel_sim.dev.sockets import bind_seqpacket, connect_seqpacket
from kernel_sim.sys.dld import DL_ETHER, DatalinkClass, DatalinkFlag
from kernel_sim.sys.errno import Errno, KernelError

PATH = "door"


# ---------------------------------------------------------------------- messages


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'"x"', b"\xff\xff", b"1", b"[" * 100_000])
def test_anything_but_an_object_is_refused(raw: bytes) -> None:
    with pytest.raises(KernelError) as refused:
        message.decode(raw)
    assert refused.value.errno is Errno.EINVAL


@pytest.mark.parametrize(
    ("raw", "errno"),
    [
        (b'{"op":"fly"}', Errno.ENOTSUP),
        (b'{"op":["walk"]}', Errno.ENOTSUP),
        (b"{}", Errno.ENOTSUP),
        (b'{"op":"up-linkid"}', Errno.EINVAL),
        (b'{"op":"up-linkid","linkid":"1"}', Errno.EINVAL),
        (b'{"op":"up-linkid","linkid":true}', Errno.EINVAL),
        (b'{"op":"up-linkid","linkid":1.5}', Errno.EINVAL),
        (b'{"op":"up-linkid","linkid":1,"more":2}', Errno.EINVAL),
    ],
)
def test_a_request_with_the_wrong_fields_is_refused(raw: bytes, errno: Errno) -> None:
    with pytest.raises(KernelError) as refused:
        decode_request(raw)
    assert refused.value.errno is errno


def test_a_request_is_read_as_it_was_written() -> None:
    request = decode_request(encode_request(Op.SET_ZONE, {"linkid": 7, "zone": "web"}))
    assert (request.op, request.fields) == (Op.SET_ZONE, {"linkid": 7, "zone": "web"})


@pytest.mark.parametrize("rows", [["x"], [["k", "string"]], [["k", "text", "v"]], [["k", "int", 1]]])
def test_attributes_of_another_form_are_refused(rows: list[object]) -> None:
    with pytest.raises(KernelError) as refused:
        decode_attrs(rows)
    assert refused.value.errno is Errno.EINVAL


def test_attributes_keep_order_type_and_text() -> None:
    attributes = {"b": ConfValue.of_int(-1), "a": ConfValue.of_string("\udc80")}
    assert list(decode_attrs(encode_attrs(attributes)).items()) == list(attributes.items())


def test_a_reply_carries_the_error_of_the_daemon() -> None:
    with pytest.raises(KernelError) as refused:
        message.decode_reply(message.encode_error(KernelError(Errno.EBUSY, "link ov0 exists")))
    assert (refused.value.errno, refused.value.detail) == (Errno.EBUSY, "link ov0 exists")


@pytest.mark.parametrize("raw", [b"", b"{}", b'{"errno":"x"}', b'{"errno":null}', b"[0]"])
def test_what_is_no_reply_is_a_protocol_error(raw: bytes) -> None:
    with pytest.raises(KernelError) as refused:
        message.decode_reply(raw)
    assert refused.value.errno is Errno.EPROTO


def test_link_information_travels_whole() -> None:
    link = LinkInfo(7, "ov0", DatalinkClass.OVERLAY, DL_ETHER, DatalinkFlag.ACTIVE, "web")
    assert LinkInfo.from_json(link.to_json()) == link


# ---------------------------------------------------------------------- the client


class FakeTransport:
    def __init__(self, system: FakeSystem) -> None:
        self.system = system
        self.open = True

    def call(self, raw: bytes) -> bytes:
        outcome = self.system.outcomes.pop(0)
        if isinstance(outcome, Errno):
            raise KernelError(outcome)
        return outcome

    def close(self) -> None:
        self.open = False


class FakeSystem:
    """Gives what `outcomes` says for each connection and call, and counts them."""

    def __init__(self, *outcomes: bytes | Errno, refused: int = 0) -> None:
        self.outcomes = list(outcomes)
        self.refused = refused
        self.transports: list[FakeTransport] = []
        self.waited = 0.0

    def connect(self, path: str) -> FakeTransport:
        if self.refused:
            self.refused -= 1
            raise KernelError(Errno.ECONNREFUSED)
        self.transports.append(FakeTransport(self))
        return self.transports[-1]

    def wait(self, seconds: float) -> None:
        self.waited += seconds


def test_questions_share_a_connection() -> None:
    system = FakeSystem(b"1", b"2")
    door = Door(system, PATH)
    assert [door.read(b"a"), door.read(b"b")] == [b"1", b"2"]
    assert len(system.transports) == 1


def test_a_question_is_asked_again_when_the_daemon_was_restarted_since_the_last_one() -> None:
    system = FakeSystem(b"1", Errno.ECONNRESET, b"2")
    door = Door(system, PATH)
    assert [door.read(b"a"), door.read(b"b")] == [b"1", b"2"]
    assert [one.open for one in system.transports] == [False, True]


def test_a_question_that_kills_the_daemon_is_not_asked_for_ever() -> None:
    system = FakeSystem(*[Errno.ECONNRESET] * TRIES, b"never")
    with pytest.raises(KernelError) as refused:
        Door(system, PATH).read(b"a")
    assert refused.value.errno is Errno.ECONNRESET
    assert len(system.transports) == TRIES


def test_a_question_that_is_refused_is_not_asked_again() -> None:
    system = FakeSystem(Errno.EMSGSIZE, b"never")
    with pytest.raises(KernelError) as refused:
        Door(system, PATH).read(b"a")
    assert refused.value.errno is Errno.EMSGSIZE


def test_a_change_has_a_connection_of_its_own_and_is_never_repeated() -> None:
    system = FakeSystem(b"1", b"2", Errno.ECONNRESET)
    door = Door(system, PATH)
    assert [door.read(b"a"), door.change(b"b")] == [b"1", b"2"]
    with pytest.raises(KernelError) as refused:
        door.change(b"c")
    assert refused.value.errno is Errno.ECONNRESET
    assert [one.open for one in system.transports] == [True, False, False]


def test_a_daemon_that_is_being_restarted_is_waited_for() -> None:
    system = FakeSystem(b"1", refused=5)
    assert Door(system, PATH).read(b"a") == b"1"
    assert 0 < system.waited < 1


def test_a_daemon_that_stays_away_is_given_up() -> None:
    system = FakeSystem(refused=1_000_000)
    with pytest.raises(KernelError) as refused:
        Door(system, PATH).change(b"a")
    assert refused.value.errno is Errno.ECONNREFUSED
    assert PATIENCE <= system.waited < PATIENCE + 1


def test_the_dlmgmtd_client_pages_through_a_walk() -> None:
    links = [LinkInfo(n, f"v{n}", DatalinkClass.VNIC, DL_ETHER, DatalinkFlag.ACTIVE) for n in (1, 2, 5)]

    def page(*found: LinkInfo, more: bool) -> bytes:
        return message.encode_reply({"links": [one.to_json() for one in found], "more": more})

    system = FakeSystem(page(*links[:2], more=True), page(links[2], more=False))
    with Dlmgmt(system) as dlmgmt:
        assert dlmgmt.walk() == links


# ---------------------------------------------------------------------- the server


class Server:
    """A door served from a thread; answers each message with its length, or as `handle` does."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.peers: list[Peer] = []
        self._selector = selectors.DefaultSelector()
        self._door = DoorServer(self._selector, bind_seqpacket(root, PATH, 0o666), self._handle)
        self._stop, self._stopped = socket.socketpair()
        self._selector.register(self._stopped, selectors.EVENT_READ, self._end)
        self._running = True
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _handle(self, peer: Peer, raw: bytes) -> None:
        self.peers.append(peer)
        match raw:
            case b"later":
                return
            case b"refuse":
                raise KernelError(Errno.EBUSY, "no")
            case b"release":
                for one in self.peers:
                    one.reply(b"now")
            case _:
                peer.reply(str(len(raw)).encode())

    def _end(self) -> None:
        self._running = False

    def _run(self) -> None:
        while self._running:
            for key, _ in self._selector.select():
                key.data()

    def close(self) -> None:
        self._stop.send(b"x")
        self._thread.join()
        self._door.close()
        self._selector.close()
        self._stop.close()
        self._stopped.close()

    def connect(self) -> socket.socket:
        sock = connect_seqpacket(self.root, PATH)
        sock.settimeout(5)
        return sock


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path)
    yield server
    server.close()


@pytest.fixture
def still_serves(server: Server) -> Callable[[], bool]:
    def still_serves() -> bool:
        transport = LocalSystem(server.root).connect(PATH)
        try:
            return transport.call(b"abc") == b"3"
        finally:
            transport.close()

    return still_serves


def test_each_message_gets_its_reply(server: Server) -> None:
    with server.connect() as sock:
        for size in (1, 10, 200_000):
            sock.send(b"x" * size)
            assert sock.recv(100) == str(size).encode()


def test_an_error_is_the_reply(server: Server) -> None:
    with server.connect() as sock:
        sock.send(b"refuse")
        assert message.decode(sock.recv(1000)) == {"errno": int(Errno.EBUSY), "detail": "no"}


def test_a_reply_may_come_later_and_to_nobody(server: Server) -> None:
    with server.connect() as waiting, server.connect() as other:
        with server.connect() as gone:
            gone.send(b"later")
        waiting.send(b"later")
        other.send(b"release")
        assert waiting.recv(100) == b"now"
        assert other.recv(100) == b"now"


def test_a_client_that_does_not_read_is_cut_off(server: Server, still_serves: Callable[[], bool]) -> None:
    with server.connect() as deaf:
        with pytest.raises((TimeoutError, ConnectionError)):
            for _ in range(1_000_000):
                deaf.send(b"x" * 1000)
        assert still_serves()


def test_a_message_that_is_too_long_is_refused(server: Server, still_serves: Callable[[], bool]) -> None:
    with server.connect() as sock:
        sock.send(b"x" * 300_000)
        assert message.decode(sock.recv(1000))["errno"] == Errno.EMSGSIZE
    assert still_serves()


def test_the_caller_is_known(server: Server, still_serves: Callable[[], bool]) -> None:
    assert still_serves()
    assert server.peers[0].cred.pid == os.getpid()
    assert server.peers[0].privileged
