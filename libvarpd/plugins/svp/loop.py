"""Sockets, the resolver and the tick of `svp`: what connects its engines to an asyncio loop.

There is one `Client` in a varpd. It has a `Remote` for each server that instances use, with a task that ticks once a second.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import random
import socket
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final, Protocol, TypeAlias

from libvarpd.plugins.svp.conn import Conn, Peer
from libvarpd.plugins.svp.host import Failure
from libvarpd.plugins.svp.messages import MAPPED, is_mapped
from libvarpd.plugins.svp.query import Ids
from libvarpd.plugins.svp.remote import Attached, Remote, RemoteKey

TICK: Final = 1.0
"""Seconds."""
HOSTS: Final = "/etc/inet/hosts"
"""Names that the host itself knows; they come before the resolver's."""

_TEMPORARY: Final = frozenset({socket.EAI_AGAIN, socket.EAI_MEMORY, socket.EAI_SYSTEM})
_Read: TypeAlias = Callable[[], str]


class Client:
    """The remotes of one varpd."""

    def __init__(self) -> None:
        self._ids = Ids()
        self._remotes: dict[RemoteKey, _Running] = {}

    def attach(self, key: RemoteKey, instance: Attached, hosts: _Read) -> Remote:
        """The remote with that key, which the instance uses from now on. `hosts` reads the host's own names, a file's text."""
        running = self._remotes.get(key)
        fresh = running is None
        if running is None:
            running = self._remotes[key] = _Running(key, self._ids, hosts)
        running.remote.attach(instance)
        if fresh:
            running.start()
        return running.remote

    def detach(self, remote: Remote, instance: Attached) -> None:
        """The instance uses it no more; with the last one it ends."""
        if remote.detach(instance):
            self._remotes.pop(remote.key).end()

    def close(self) -> None:
        """End all of them."""
        while self._remotes:
            self._remotes.popitem()[1].end()


class _Running:
    """A remote in the real world: see `remote.World`."""

    def __init__(self, key: RemoteKey, ids: Ids, hosts: _Read) -> None:
        self.remote = Remote(key, _World(self, key), ids)
        self._hosts = hosts
        self._tasks: dict[asyncio.Task[None], None] = {}

    def start(self) -> None:
        self.remote.start()
        self._run(self._tick())

    def end(self) -> None:
        self.remote.end()
        for task in tuple(self._tasks):
            task.cancel()

    def look_up(self, host: str) -> None:
        self._run(self._resolve(host))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[task] = None
        task.add_done_callback(self._tasks.pop)

    async def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due = max(due + TICK, loop.time())  # a loop that was held up skips ticks rather than hurry through them
            await asyncio.sleep(due - loop.time())
            self.remote.tick()

    async def _resolve(self, host: str) -> None:
        try:
            addresses = await self._addresses(host)
        except OSError as error:
            temporary = isinstance(error, socket.gaierror) and error.errno in _TEMPORARY
            self.remote.unresolved(Failure.TEMPORARY if temporary else Failure.UNKNOWN)
        except UnicodeError:  # no name at all
            self.remote.unresolved(Failure.UNKNOWN)
        else:
            self.remote.resolved(addresses)

    async def _addresses(self, host: str) -> list[bytes]:
        literal = _literal(host)
        known = [literal] if literal else list(hosts_entries(self._hosts(), host))
        if known:
            return known
        found = await asyncio.get_running_loop().getaddrinfo(host, self.remote.key.port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(filter(None, (_literal(str(one[4][0])) for one in found))))


class _World:
    """See `remote.World`. Chance is the same each time for the same remote, and another for each compute node."""

    def __init__(self, running: _Running, key: RemoteKey) -> None:
        self._running = running
        self._random = random.Random(f"{key.host}/{key.port}/{key.underlay_ip.hex()}")

    def peer(self, address: bytes, port: int) -> tuple[Peer, Callable[[Conn], None]]:
        peer = _SocketPeer(address_text(address), port)
        return peer, peer.use

    def resolve(self, host: str) -> None:
        self._running.look_up(host)

    def spread(self, most: int) -> int:
        return self._random.randint(0, most)


class _Listener(Protocol):
    """What a stream tells of itself."""

    def connected(self) -> None: ...
    def received(self, data: bytes) -> None: ...
    def lost(self, why: str) -> None: ...
    def hold(self) -> None: ...
    def resume(self) -> None: ...


class _SocketPeer:
    """See `conn.Peer`. Each attempt is a stream of its own, so that nothing of an earlier one is heard."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._conn: Conn | None = None
        self._stream: _Stream | None = None
        self._attempt: asyncio.Task[None] | None = None

    def use(self, conn: Conn) -> None:
        self._conn = conn

    def connect(self) -> None:
        assert self._conn is not None, "`use` comes first"
        stream = self._stream = _Stream(self._conn)
        self._attempt = asyncio.get_running_loop().create_task(self._connect(stream))

    def send(self, data: bytes) -> None:
        assert self._stream is not None, "only a connection takes bytes"
        self._stream.send(data)

    def close(self) -> None:
        if self._attempt is not None:
            self._attempt.cancel()
            self._attempt = None
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    async def _connect(self, stream: _Stream) -> None:
        try:
            await asyncio.get_running_loop().create_connection(lambda: stream, self._host, self._port)
        except OSError as error:
            self._attempt = None
            stream.refused(error.strerror or str(error))
        else:
            self._attempt = None


class _Stream(asyncio.Protocol):
    """One TCP connection, from the attempt to its end."""

    def __init__(self, listener: _Listener) -> None:
        self._listener: _Listener | None = listener
        self._transport: asyncio.Transport | None = None

    def send(self, data: bytes) -> None:
        assert self._transport is not None, "only a connection takes bytes"
        self._transport.write(data)

    def close(self) -> None:
        """Tell nothing any more."""
        self._listener = None
        if self._transport is not None:
            self._transport.abort()

    def refused(self, why: str) -> None:
        if self._listener is not None:
            self._listener.lost(why)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if self._listener is None:
            transport.abort()
        else:
            self._listener.connected()

    def data_received(self, data: bytes) -> None:
        if self._listener is not None:
            self._listener.received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._listener is not None:
            self._listener.lost("closed by the server" if exc is None else str(exc))

    def pause_writing(self) -> None:
        if self._listener is not None:
            self._listener.hold()

    def resume_writing(self) -> None:
        if self._listener is not None:
            self._listener.resume()


def hosts_entries(text: str, host: str) -> Iterator[bytes]:
    """Addresses (16 bytes) that a hosts file gives a name or alias, in order, each once; letters match in either case."""
    wanted = host.rstrip(".").lower()
    seen: dict[bytes, None] = {}
    for line in text.splitlines():
        first, *names = line.partition("#")[0].split() or [""]
        address = _literal(first)
        if address and wanted in (name.rstrip(".").lower() for name in names):
            seen[address] = None
    yield from seen


def address_text(address: bytes) -> str:
    """An address as a socket takes it: an IPv4 one as such."""
    return str(ipaddress.IPv4Address(address[12:]) if is_mapped(address) else ipaddress.IPv6Address(address))


def _literal(text: str) -> bytes | None:
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(text)
        return address.packed if address.version == 6 else MAPPED + address.packed
    return None
