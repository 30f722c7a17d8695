"""The door's socket: one connection a client, one request at a time on each, any number of clients (VPD 3.1)."""

from __future__ import annotations

import asyncio
import contextlib
import socket

from kernel_sim.dev import sockets
from kernel_sim.dev.sockets import Cred
from kernel_sim.sys.errno import KernelError
from libvarpd.door import Door


class DoorServer:
    """Serves a door on a listening SEQPACKET socket, which it owns, in the running event loop, until `close`."""

    def __init__(self, door: Door, listener: socket.socket) -> None:
        self.door = door
        self.loop = asyncio.get_running_loop()
        self.connections: set[_Connection] = set()
        self._listener = listener
        listener.settimeout(0)
        self.loop.add_reader(listener.fileno(), self._accept)

    async def close(self) -> None:
        """Take no more clients and requests, let those under way be answered, and end every connection."""
        self.loop.remove_reader(self._listener.fileno())
        self._listener.close()
        under_way = {task for connection in list(self.connections) if (task := connection.finish()) is not None}
        if under_way:
            await asyncio.wait(under_way)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the client has gone meanwhile
            self.connections.add(_Connection(self, sockets.accept_seqpacket(self._listener)))


class _Connection:
    """One client: its request is read, done and answered before the next is read."""

    def __init__(self, server: DoorServer, sock: socket.socket) -> None:
        sock.settimeout(0)
        self._server = server
        self._sock = sock
        self._caller = _credentials(sock)
        self._task: asyncio.Task[None] | None = None
        self._finishing = False
        server.loop.add_reader(sock.fileno(), self._readable)

    def finish(self) -> asyncio.Task[None] | None:
        """Close once nothing is under way; the task that is, if one is."""
        self._finishing = True
        if self._task is None:
            self._close()
        return self._task

    def _readable(self) -> None:
        try:
            request = sockets.receive(self._sock)
        except BlockingIOError:
            return
        except KernelError:  # larger than any message may be, or the client has gone
            request = b""
        self._server.loop.remove_reader(self._sock.fileno())
        if request:
            self._task = self._server.loop.create_task(self._serve(request))
            self._task.add_done_callback(self._served)
        else:
            self._close()

    async def _serve(self, request: bytes) -> None:
        reply = await self._server.door.call(request, self._caller)
        with contextlib.suppress(OSError):  # a client that does not wait for its answer
            await self._server.loop.sock_sendall(self._sock, reply)

    def _served(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if task.cancelled() or self._finishing:
            self._close()
            return
        if isinstance(error := task.exception(), Exception):
            self._server.door.panic(error)
        self._server.loop.add_reader(self._sock.fileno(), self._readable)

    def _close(self) -> None:
        self._server.connections.discard(self)
        self._server.loop.remove_reader(self._sock.fileno())
        self._sock.close()


def _credentials(sock: socket.socket) -> Cred | None:
    try:
        return sockets.peer_cred(sock)
    except OSError:
        return None
