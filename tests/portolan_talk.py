"""How tests talk to the SVP server: with its session alone, without a connection, or over TCP; and stores that fail."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from etherspan.portolan.answer import Answerer
from etherspan.portolan.batch import pack
from etherspan.portolan.server import Limits, Server
from etherspan.portolan.session import End, Session
from etherspan.portolan.store.memory import MemoryStore
from etherspan.portolan.store.protocol import Store, StoreError
from kernel_sim.dev.log import Log, NullLog
from libvarpd.plugins.svp import wire
from libvarpd.plugins.svp.messages import LogReq, LogRm, Message, Op, Ping, RouteReq, Status, Vl2Req, Vl3Req
from libvarpd.plugins.svp.wire import HEADER, Frame, Framer
from tests.portolan_rows import VNET, ip, mac, mapping, node, route, route_event, vl2_event, vl3_event

PATIENCE = 20.0
HERE = ip("172.16.0.1")
"""Of node 1, which asks."""
REQUESTS: tuple[Message, ...] = (
    Ping(),
    Vl2Req(mac(1), VNET),
    Vl3Req(ip("10.0.0.1"), 1, VNET),
    LogReq(1024, HERE),
    LogRm((bytes(16),)),
)
"""One of each kind that version 1 knows and the store answers."""
ROUTE_REQ = RouteReq(VNET, 4, ip("10.0.0.1"), ip("10.1.0.9"))


async def small_store() -> MemoryStore:
    """Three nodes, the first with events; MAC addresses 1 and 2 on the nodes of those numbers; a route to another network."""
    store = MemoryStore()
    async with store.transaction() as change:
        await change.put_nodes([node(1), node(2), node(3)])
        await change.put_mappings(
            [
                mapping("10.0.0.1", 1, 1),
                mapping("10.0.0.2", 2, 2),
                mapping("10.0.0.3", 3, 3, deleted=True),
                mapping("10.0.0.4", 4, 4),
                mapping("10.0.0.5", 5, 9, router=True),
                mapping("fd00::2", 2, 2),
                mapping("10.1.0.9", 9, 3, vnet_id=7),
            ]
        )
        await change.put_routes([route("10.0.0.0/24", "10.1.0.0/16", vlan=4, dc=2)])
        await change.append_events([vl2_event(1, 1), vl3_event(2, 1), route_event(3, 1), vl2_event(4, 2)])
    return store


def request(message: Message, ident: int = 1, version: int = 1, surplus: bytes = b"") -> bytes:
    """A message as bytes, with a longer body than it needs if wanted."""
    return wire.frame(message.op, wire.pack_body(message) + surplus, ident, version)


def frames(data: bytes) -> list[Frame]:
    """The messages that bytes are, all of them whole."""
    framer = Framer()
    found = framer.feed(data) if data else []
    assert not framer.partial
    return found


def said(frame: Frame) -> Message:
    return wire.decode(frame.op, frame.body)


def status(frame: Frame) -> int:
    """Of an answer; a PONG is always OK."""
    if frame.op == Op.PONG:
        return Status.OK
    width = "!H" if frame.op == Op.VL2_ACK else "!I"
    return int(struct.unpack_from(width, frame.body)[0])


@dataclass
class Talk:
    """What came of it."""

    data: bytes
    end: End | None
    batches: int

    @property
    def frames(self) -> list[Frame]:
        return frames(self.data)

    @property
    def messages(self) -> list[Message]:
        return [said(one) for one in self.frames]

    @property
    def statuses(self) -> list[int]:
        return [status(one) for one in self.frames]


async def talk(store: Store, *pieces: bytes, max_batch: int = 1024, answerer: Answerer | None = None) -> Talk:
    """What one session answers to what is read piece by piece."""
    session = Session(max_batch)
    answerer = answerer or Answerer(store, NullLog(), PATIENCE)
    loop = asyncio.get_running_loop()
    out, batches = b"", 0
    for piece in pieces:
        session.feed(piece, loop.time())
        while (batch := session.batch()) is not None:
            out += pack(batch, await answerer.answer(batch))
            batches += 1
    return Talk(out, session.end, batches)


def ask(store: Store, *messages: Message, version: int = 1) -> Talk:
    """What a client is answered that asks all that at once."""
    data = b"".join(request(one, number, version) for number, one in enumerate(messages, 1))
    return asyncio.run(talk(store, data))


class BrokenStore:
    """A store of which some parts fail: `snapshot`, `transaction`, and the calls of both, by name."""

    def __init__(self, store: Store, *parts: str) -> None:
        self.store = store
        self.parts = set(parts)

    def check(self, part: str) -> None:
        if part in self.parts:
            raise StoreError(f"{part} does not work")

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Any]:
        self.check("snapshot")
        async with self.store.snapshot() as inner:
            yield _Checked(self, inner)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        self.check("transaction")
        async with self.store.transaction() as inner:
            yield _Checked(self, inner)

    async def close(self) -> None:
        await self.store.close()


@dataclass
class _Checked:
    store: BrokenStore
    inner: Any

    def __getattr__(self, name: str) -> Any:
        self.store.check(name)
        return getattr(self.inner, name)


class HeldStore:
    """A store whose snapshots wait until they are let go."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.free = asyncio.Event()
        self.asked = asyncio.Event()

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Any]:
        self.asked.set()
        await self.free.wait()
        async with self.store.snapshot() as inner:
            yield inner

    def transaction(self) -> Any:
        return self.store.transaction()

    async def close(self) -> None:
        await self.store.close()


@dataclass
class Counts:
    """Metrics that tests read."""

    reasons: Counter[str] = field(default_factory=Counter)
    requests: Counter[tuple[Op, Status]] = field(default_factory=Counter)
    opens: int = 0
    at_store: int = 0
    batches: list[int] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """A connection has ended."""

    def opened(self) -> None:
        self.opens += 1

    def closed(self, reason: str) -> None:
        self.reasons[reason] += 1
        self.changed.set()

    def asking(self, change: int) -> None:
        self.at_store += change

    def answered(self, counts: Mapping[tuple[Op, Status], int], requests: int, seconds: float) -> None:
        self.requests.update(counts)
        self.batches.append(requests)


@dataclass
class Client:
    """One TCP connection to a server."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def receive(self) -> Frame:
        async with asyncio.timeout(PATIENCE):
            head = await self.reader.readexactly(wire.HEADER_SIZE)
            body = await self.reader.readexactly(HEADER.unpack(head)[2])
        (found,) = frames(head + body)
        return found

    async def ask(self, message: Message, ident: int = 1, version: int = 1) -> Message:
        self.send(request(message, ident, version))
        frame = await self.receive()
        assert (frame.op, frame.id) == (message.op + 1, ident)
        return said(frame)

    async def rest(self) -> bytes:
        """What comes until the server closes; a reset is an end as well."""
        found = b""
        async with asyncio.timeout(PATIENCE):
            try:
                while data := await self.reader.read(65536):
                    found += data
            except ConnectionResetError:
                pass
        return found

    def reset(self) -> None:
        """Close so that the server sees RST."""
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def close(self) -> None:
        self.writer.transport.abort()


@dataclass
class Served:
    """A server on a port of its own, and who connects to it."""

    server: Server
    port: int
    counts: Counts
    clients: list[Client] = field(default_factory=list)

    async def client(self, receive_buffer: int = 0) -> Client:
        """One more; the system keeps so many bytes of answers for it, by default as many as it likes."""
        connected = socket.socket()
        connected.setblocking(False)
        if receive_buffer:
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        await asyncio.get_running_loop().sock_connect(connected, ("127.0.0.1", self.port))
        client = Client(*await asyncio.open_connection(sock=connected, limit=1 << 20))
        self.clients.append(client)
        return client

    async def until(self, reason: str, number: int = 1) -> None:
        """Until so many connections ended for that reason."""
        async with asyncio.timeout(PATIENCE):
            while self.counts.reasons[reason] < number:
                self.counts.changed.clear()
                await self.counts.changed.wait()


@asynccontextmanager
async def serving(store: Store, limits: Limits | None = None, log: Log | None = None) -> AsyncIterator[Served]:
    """A server on the loopback interface."""
    counts = Counts()
    server = Server(store, limits=limits, log=log, metrics=counts)
    _, port = await server.start("127.0.0.1", 0)
    served = Served(server, port, counts)
    try:
        yield served
    finally:
        for client in served.clients:
            client.close()
        await server.stop()


def only(found: Sequence[Message]) -> Message:
    (one,) = found
    return one
