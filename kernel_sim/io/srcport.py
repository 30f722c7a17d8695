"""Sockets that lend their port to outgoing datagrams (KRN 4.5: source ports 49153 to 49407 spread flows over paths).

The original changes the source port of a packet; here a datagram leaves from a socket bound to that port. All sockets that send from
one address share them. Nothing is received on them: a filter drops what arrives before it is queued.
"""

from __future__ import annotations

import array
import contextlib
import socket
import struct
from collections.abc import Callable
from typing import Final

_SO_ATTACH_FILTER: Final = 26
_BPF_RET_K: Final = 0x06
_DROP_ALL: Final = struct.pack("=HBBI", _BPF_RET_K, 0, 0, 0)

Make = Callable[[int], socket.socket]
"""Makes a send socket bound to a port. Raises `OSError`."""


def drop_all_input(sock: socket.socket) -> None:
    """Let a socket receive nothing."""
    program = array.array("B", _DROP_ALL)
    address, _ = program.buffer_info()
    sock.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("@HP", 1, address))


class SourcePorts:
    """The send sockets of one address, opened when first needed. `users` counts the listening sockets that share them."""

    def __init__(self, make: Make) -> None:
        self.users = 0
        self._make = make
        self._sockets: dict[int, socket.socket | None] = {}

    def get(self, port: int) -> socket.socket | None:
        """The socket of a port, None when the port cannot be had."""
        try:
            return self._sockets[port]
        except KeyError:
            self._sockets[port] = opened = self._open(port)
            return opened

    def _open(self, port: int) -> socket.socket | None:
        with contextlib.suppress(OSError):  # the port is in use, or no descriptors are left
            return self._make(port)
        return None

    def retry(self) -> None:
        """Try again, at the next use, the ports that could not be had."""
        self._sockets = {port: opened for port, opened in self._sockets.items() if opened is not None}

    def close(self) -> None:
        """Close all of them."""
        for opened in self._sockets.values():
            if opened is not None:
                opened.close()
        self._sockets.clear()
