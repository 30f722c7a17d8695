"""A device node: accepts connections, reads requests, sends replies as they come, in whatever order.

Rules for a connection:

* Its first message opens the node; a reply with tag 0 says how that went. After a refusal every request is EBADF.
* A message that is no request is answered with EINVAL and tag 0, and otherwise ignored.
* While replies cannot be sent, or `OUTSTANDING_MAX` requests have no reply yet, no further request is read.
* When the peer is gone the handle is closed, and replies to what it asked are dropped.

Nothing a peer sends ends the kernel; rights come from the peer's credentials at the time it connected.
"""

from __future__ import annotations

import enum
import errno
import functools
import os
import select
import socket
from collections import deque
from typing import Final, Protocol

from kernel_sim.cred import Credentials
from kernel_sim.dev import framing, sockets
from kernel_sim.dld import Reply
from kernel_sim.io.loop import Loop
from kernel_sim.sys.errno import Errno, KernelError

OUTSTANDING_MAX: Final = 1024
"""Requests of one connection that may wait for their replies; varpd parks two LOOKUPs a processor."""
ACCEPT_BATCH: Final = 16
REQUEST_BATCH: Final = 16
"""Connections accepted, and requests read from one, at one wake-up."""
ACCEPT_PAUSE_SECONDS: Final = 0.1
"""Without descriptors for another connection, how long until the next attempt."""

_NO_DESCRIPTORS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class OpenNode(Protocol):
    """An open device node."""

    def ioctl(self, cmd: int, argument: bytes, reply: Reply) -> None:
        """Do a command and call `reply` once, now or later; do not raise."""

    def close(self) -> None:
        """The peer is gone."""


class Node(Protocol):
    """A device node that can be opened."""

    def open(self, flags: int, cred: Credentials) -> OpenNode:
        """Open it; flags as in `framing`. Errors: `KernelError`."""


class NodeServer:
    """Serves one node on a listening SEQPACKET socket, which it owns from now on."""

    def __init__(self, loop: Loop, listener: socket.socket, node: Node) -> None:
        self.loop = loop
        self.node = node
        self.memory = bytearray(sockets.MESSAGE_MAX)
        self.connections: set[Connection] = set()
        self._listener = listener
        self._accepting = False
        self._closed = False
        listener.settimeout(0)
        self._resume()

    def close(self) -> None:
        """Stop listening and end every connection, closing the handles."""
        self._closed = True
        if self._accepting:
            self._pause()
        self._listener.close()
        for connection in list(self.connections):
            connection.close()

    def _resume(self) -> None:
        if not self._closed:
            self.loop.register(self._listener.fileno(), self._acceptable)
            self._accepting = True

    def _pause(self) -> None:
        self.loop.unregister(self._listener.fileno())
        self._accepting = False

    def _acceptable(self, _events: int) -> None:
        for _ in range(ACCEPT_BATCH):
            try:
                sock = sockets.accept_seqpacket(self._listener)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in _NO_DESCRIPTORS:
                    self._pause()
                    self.loop.call_later(ACCEPT_PAUSE_SECONDS, self._resume)
                    return
                continue  # that peer has gone meanwhile
            self.connections.add(Connection(self, sock))


class _State(enum.Enum):
    WAITING = enum.auto()
    """The open message has not come."""
    OPEN = enum.auto()
    REFUSED = enum.auto()
    CLOSED = enum.auto()


class Connection:
    """One peer of a node."""

    def __init__(self, server: NodeServer, sock: socket.socket) -> None:
        sock.settimeout(0)
        self._server = server
        self._sock = sock
        self._cred = credentials(sockets.peer_cred(sock).uid)
        self._state = _State.WAITING
        self._handle: OpenNode | None = None
        self._unsent: deque[bytes] = deque()
        self._outstanding = 0
        self._events = select.EPOLLIN
        server.loop.register(sock.fileno(), self._ready, self._events)

    def close(self) -> None:
        """End it; harmless when it has ended."""
        if self._state is _State.CLOSED:
            return
        self._state = _State.CLOSED
        self._server.connections.discard(self)
        self._server.loop.unregister(self._sock.fileno())
        self._sock.close()
        self._unsent.clear()
        if self._handle is not None:
            self._handle.close()

    # ------------------------------------------------------------------ events

    def _ready(self, events: int) -> None:
        if self._unsent and events & select.EPOLLOUT:
            self._flush()
        if self._wants_input():
            self._read()
        elif events & (select.EPOLLHUP | select.EPOLLERR):
            self.close()
        self._update_events()

    def _wants_input(self) -> bool:
        return self._state is not _State.CLOSED and not self._unsent and self._outstanding < OUTSTANDING_MAX

    def _update_events(self) -> None:
        if self._state is _State.CLOSED:
            return
        events = (select.EPOLLIN if self._wants_input() else 0) | (select.EPOLLOUT if self._unsent else 0)
        if events != self._events:
            self._events = events
            self._server.loop.modify(self._sock.fileno(), events)

    # ------------------------------------------------------------------ in

    def _read(self) -> None:
        memory = self._server.memory
        for _ in range(REQUEST_BATCH):
            if not self._wants_input():
                return
            try:
                size, _, flags, _ = self._sock.recvmsg_into((memory,))
            except BlockingIOError:
                return
            except OSError:
                size, flags = 0, 0
            if not size:
                self.close()
                return
            self._take(b"" if flags & socket.MSG_TRUNC else bytes(memory[:size]))

    def _take(self, message: bytes) -> None:
        try:
            if self._state is _State.WAITING:
                self._state = _State.REFUSED
                self._handle = self._server.node.open(framing.unpack_open(message), self._cred)
                self._state = _State.OPEN
                self._send(framing.Reply(None))
            else:
                self._request(framing.unpack_request(message))
        except KernelError as error:
            self._send(framing.Reply(error.errno))

    def _request(self, request: framing.Request) -> None:
        if self._handle is None:
            self._send(framing.Reply(Errno.EBADF, request.tag))
            return
        self._outstanding += 1
        self._handle.ioctl(request.command, request.argument, functools.partial(self._reply, request.tag))

    # ------------------------------------------------------------------ out

    def _reply(self, tag: int, number: int, argument: bytes) -> None:
        if self._state is _State.CLOSED:
            return
        self._outstanding -= 1
        self._send(framing.Reply(Errno(number) if number else None, tag, argument))
        self._update_events()

    def _send(self, reply: framing.Reply) -> None:
        self._unsent.append(framing.pack_reply(reply))
        if len(self._unsent) == 1:
            self._flush()

    def _flush(self) -> None:
        while self._unsent:
            try:
                self._sock.send(self._unsent[0])
            except BlockingIOError:
                return
            except OSError:
                self.close()
                return
            self._unsent.popleft()


def credentials(uid: int) -> Credentials:
    """What a user may do: root, and the user who runs the kernel, have the datalink-config privilege."""
    return Credentials(uid, privileged=uid in {0, os.geteuid()})
