"""The server's end of a JSON door, on the selector of a single-threaded daemon.

Nothing a client does blocks the daemon: a connection whose replies are not read is closed, a message that is too long or no request
is answered with an error. A handler may answer later (it keeps the `Peer`); a peer that has gone by then is told nothing.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
from collections.abc import Callable

from dladm.doors.message import encode_error
from kernel_sim.dev.sockets import Cred, accept_seqpacket, peer_cred, receive
from kernel_sim.sys.errno import KernelError


class Peer:
    """A client's connection: who it is, and the way back."""

    def __init__(self, sock: socket.socket, cred: Cred, closed: Callable[[Peer], None]) -> None:
        self._sock = sock
        self._closed = closed
        self.cred = cred
        self.open = True

    @property
    def privileged(self) -> bool:
        """Root, or the user the daemon runs as."""
        return self.cred.uid in {0, os.geteuid()}

    def reply(self, message: bytes) -> None:
        """Send a reply. A client that does not read its replies is cut off."""
        if not self.open:
            return
        try:
            self._sock.send(message)
        except OSError:
            self.close()

    def close(self) -> None:
        """End the connection; harmless when it has ended."""
        if self.open:
            self.open = False
            self._closed(self)
            self._sock.close()

    def fileno(self) -> int:
        return self._sock.fileno()

    def receive(self) -> bytes:
        """The next message, b"" at the end. Errors: BlockingIOError, `KernelError`."""
        return receive(self._sock)


Handler = Callable[[Peer, bytes], None]
"""Is given each message; calls `Peer.reply`, now or later, or raises `KernelError`."""


class DoorServer:
    """Serves `listener`. Each event the selector reports carries the method to call as its data."""

    def __init__(self, selector: selectors.BaseSelector, listener: socket.socket, handle: Handler) -> None:
        self._selector = selector
        self._listener = listener
        self._handle = handle
        self._peers: dict[Peer, None] = {}
        listener.settimeout(0)
        selector.register(listener, selectors.EVENT_READ, self._accept)

    def close(self) -> None:
        """End every connection and stop listening; the socket's file stays."""
        for peer in list(self._peers):
            peer.close()
        self._selector.unregister(self._listener)
        self._listener.close()

    def _accept(self) -> None:
        try:
            sock = accept_seqpacket(self._listener)
        except OSError:  # gone again, or no descriptor left: the client sees its connection end
            return
        sock.settimeout(0)
        peer = Peer(sock, peer_cred(sock), self._gone)
        self._peers[peer] = None
        self._selector.register(peer, selectors.EVENT_READ, lambda: self._readable(peer))

    def _gone(self, peer: Peer) -> None:
        self._selector.unregister(peer)
        del self._peers[peer]

    def _readable(self, peer: Peer) -> None:
        with contextlib.suppress(BlockingIOError):
            try:
                message = peer.receive()
                if not message:
                    peer.close()
                    return
                self._handle(peer, message)
            except KernelError as error:
                peer.reply(encode_error(error))
