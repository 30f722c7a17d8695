"""What the tests of svp's engines put around them: a peer that writes down what it is told, and a world of such peers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from libvarpd.plugins.svp import wire
from libvarpd.plugins.svp.conn import Conn
from libvarpd.plugins.svp.messages import (
    LogAck,
    LogReq,
    LogRm,
    LogRmAck,
    Message,
    Op,
    Ping,
    Pong,
    Status,
    Vl2Ack,
    Vl2Req,
    Vl3Ack,
    Vl3Req,
)
from libvarpd.plugins.svp.query import Ids
from libvarpd.plugins.svp.remote import Remote, RemoteKey
from libvarpd.prop import V4_MAPPED

SERVER_A: Final = V4_MAPPED + bytes([10, 0, 0, 5])
SERVER_B: Final = V4_MAPPED + bytes([10, 0, 0, 6])
SERVER_C: Final = V4_MAPPED + bytes([10, 0, 0, 7])
HERE: Final = V4_MAPPED + bytes([10, 0, 0, 1])
THERE: Final = V4_MAPPED + bytes([10, 0, 0, 2])
MAC: Final = bytes.fromhex("020820aabbcc")
MAC2: Final = bytes.fromhex("020820aabbcd")
VNET: Final = 0x42EC15
KEY: Final = RemoteKey("portolan.test", 1296, HERE)


class FakePeer:
    """A peer that does nothing by itself. `calls` is what it was told, in order; `asked` what came as messages."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.frames: list[wire.Frame] = []
        self.conn: Conn | None = None
        self.open = False

    def use(self, conn: Conn) -> None:
        self.conn = conn

    def connect(self) -> None:
        self.calls.append("connect")

    def send(self, data: bytes) -> None:
        self.calls.append("send")
        self.frames += wire.Framer().feed(data)

    def close(self) -> None:
        self.calls.append("close")
        self.open = False

    @property
    def asked(self) -> list[Message]:
        return [wire.decode(frame.op, frame.body) for frame in self.frames]

    @property
    def attempts(self) -> int:
        return self.calls.count("connect")

    def accept(self, version: int | None = 1) -> None:
        """The connection is made, and its PING answered; None leaves it unanswered."""
        assert self.conn is not None
        self.open = True
        self.conn.connected()
        if version is not None and self.frames and self.frames[-1].op == Op.PING:
            self.answer(Pong(), version=version)

    def answer(self, message: Message, *, which: int = -1, version: int | None = None) -> None:
        """Answer a question, the last one unless `which` says another."""
        assert self.conn is not None
        asked = self.frames[which]
        self.conn.received(wire.encode(message, asked.id, asked.version if version is None else version))


class FakeWorld:
    """See `remote.World`: peers by address, names that were looked up, numbers that are `chance`."""

    def __init__(self) -> None:
        self.peers: dict[bytes, FakePeer] = {}
        self.made: list[bytes] = []
        self.lookups = 0
        self.chance = 0
        self.asked_chance: list[int] = []

    def peer(self, address: bytes, port: int) -> tuple[FakePeer, Callable[[Conn], None]]:
        assert port == KEY.port
        self.made.append(address)
        peer = self.peers[address] = FakePeer()
        return peer, peer.use

    def resolve(self, host: str) -> None:
        assert host == KEY.host
        self.lookups += 1

    def spread(self, most: int) -> int:
        self.asked_chance.append(most)
        return self.chance


class FakeInstance:
    """See `remote.Attached`: writes down what it is told. `slow` instances forget only when `forgotten` is called."""

    def __init__(self, vnetid: int = VNET, *, slow: bool = False) -> None:
        self.vnetid = vnetid
        self.told: list[object] = []
        self._slow = slow
        self._open: list[Callable[[], None]] = []

    def forget(self, mac: bytes, done: Callable[[], None]) -> None:
        self.told.append(("forget", mac))
        if self._slow:
            self._open.append(done)
        else:
            done()

    def forgotten(self) -> None:
        self._open.pop(0)()

    def announce(self, vlan: int, mac: bytes, address: bytes) -> None:
        self.told.append(("announce", vlan, mac, address))

    def degrade(self, text: str) -> None:
        self.told.append(("degrade", text))

    def healed(self) -> None:
        self.told.append("healed")

    def note(self, text: str) -> None:
        pass


def made_remote(world: FakeWorld, *instances: FakeInstance) -> Remote:
    """A remote that has begun, with instances."""
    remote = Remote(KEY, world, Ids())
    for instance in instances:
        remote.attach(instance)
    remote.start()
    return remote


def ticks(remote: Remote | Conn, count: int) -> None:
    for _ in range(count):
        remote.tick()


def fitting(request: Message) -> Message:
    """An answer to a question."""
    match request:
        case Ping():
            return Pong()
        case Vl2Req():
            return Vl2Ack(Status.OK, 4789, THERE)
        case Vl3Req():
            return Vl3Ack(Status.OK, MAC, 4789, THERE)
        case LogReq():
            return LogAck(Status.OK)
        case LogRm():
            return LogRmAck(Status.OK)
    raise AssertionError(request)
