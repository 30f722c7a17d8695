"""Opening device nodes and doors from any process.

`System` is the seam under every command and library: the host they talk to. `LocalSystem` is one on this machine, below a
root directory; a world in memory is another. `Device` speaks the device-node framing over a system's transport.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol, Self

from kernel_sim.dev import framing, sockets
from kernel_sim.sys.errno import Errno, KernelError

if TYPE_CHECKING:
    from kernel_sim.dev.async_client import AsyncDevice

__all__ = ["AsyncDevice", "Device", "LocalSystem", "System", "Transport"]


def __getattr__(name: str) -> object:
    if name == "AsyncDevice":  # asyncio costs start-up time that only daemons should pay
        from kernel_sim.dev.async_client import AsyncDevice

        return AsyncDevice
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class Transport(Protocol):
    """One connection: a request out, its reply back."""

    def call(self, message: bytes) -> bytes:
        """Send a message and wait for the reply. Errors (`KernelError`): EMSGSIZE, ECONNRESET when the peer went away."""

    def close(self) -> None:
        """End the connection; harmless when it has ended."""


class System(Protocol):
    """A host to talk to."""

    def connect(self, path: str) -> Transport:
        """Reach the node or door at `path` below the host's root. Errors (`KernelError`): ENOENT, ECONNREFUSED, EACCES."""

    def wait(self, seconds: float) -> None:
        """Let that much of the host's time pass."""


AHEAD: Final = 8
"""Requests sent before the first reply is taken; fewer than a socket queues (10)."""


def call_each(transport: Transport, messages: Sequence[bytes]) -> list[bytes]:
    """All these calls; the replies in the order in which they came. On this machine one does not wait for another.

    Errors: as `Transport.call`.
    """
    if isinstance(transport, _SocketTransport):
        return transport.call_each(messages)
    return [transport.call(message) for message in messages]


class LocalSystem:
    """The host on this machine whose root directory is `root`."""

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(root)

    def connect(self, path: str) -> Transport:
        """See `System.connect`."""
        return _SocketTransport(sockets.connect_seqpacket(self.root, path), path)

    def wait(self, seconds: float) -> None:
        """See `System.wait`."""
        time.sleep(seconds)


class _SocketTransport:
    def __init__(self, sock: socket.socket, path: str) -> None:
        self._sock = sock
        self._path = path

    def call(self, message: bytes) -> bytes:
        self._send(message)
        return self._receive()

    def call_each(self, messages: Sequence[bytes]) -> list[bytes]:
        replies: list[bytes] = []
        for sent, message in enumerate(messages):
            if sent >= AHEAD:
                replies.append(self._receive())
            self._send(message)
        replies += [self._receive() for _ in range(len(messages) - len(replies))]
        return replies

    def _send(self, message: bytes) -> None:
        if len(message) > sockets.MESSAGE_MAX:
            detail = f"{len(message)} bytes for {self._path}, a message may have {sockets.MESSAGE_MAX}"
            raise KernelError(Errno.EMSGSIZE, detail)
        try:
            self._sock.sendall(message)
        except (BrokenPipeError, ConnectionError) as error:
            raise KernelError(Errno.ECONNRESET, f"{self._path} closed the connection") from error
        except OSError as error:
            raise KernelError.from_os(error, f"cannot send to {self._path}: {error.strerror}") from error

    def _receive(self) -> bytes:
        reply = sockets.receive(self._sock)
        if not reply:
            raise KernelError(Errno.ECONNRESET, f"{self._path} closed the connection")
        return reply

    def close(self) -> None:
        self._sock.close()


class Device:
    """An open device node."""

    def __init__(self, transport: Transport, path: str) -> None:
        self._transport = transport
        self._path = path
        self._tag = 0

    @classmethod
    def open(cls, system: System, path: str, flags: int = framing.FREAD | framing.FWRITE) -> Self:
        """Open the node at `path` below the host's root; `flags` as in `framing`.

        Errors (`KernelError`): those of `System.connect`, and the node's own refusal (EPERM, EEXIST …).
        """
        device = cls(system.connect(path), path)
        try:
            device._exchange(framing.pack_open(flags), 0)
        except KernelError:
            device.close()
            raise
        return device

    def ioctl(self, cmd: int, argument: bytes = b"") -> bytes:
        """Make one call and return the argument that came back.

        Errors: `KernelError` with the node's errno; its `argument` holds what came back beside it.
        """
        self._tag += 1
        return self._exchange(framing.pack_request(framing.Request(cmd, self._tag, argument)), self._tag)

    def ioctls(self, calls: Sequence[tuple[int, bytes]]) -> list[bytes | KernelError]:
        """Make calls that do not depend on each other; what each gave, or its error, in their order. Errors: those of the connection."""
        first = self._tag + 1
        requests = [framing.Request(cmd, first + i, argument) for i, (cmd, argument) in enumerate(calls)]
        self._tag += len(requests)
        answers = call_each(self._transport, [framing.pack_request(request) for request in requests])
        by_tag = {reply.tag: reply for reply in map(framing.unpack_reply, answers)}
        if by_tag.keys() != {request.tag for request in requests}:
            raise KernelError(Errno.EPROTO, f"{self._path} answered other requests than were asked")
        replies = [by_tag[request.tag] for request in requests]
        return [one.argument if one.errno is None else KernelError(one.errno, argument=one.argument) for one in replies]

    def _exchange(self, message: bytes, tag: int) -> bytes:
        reply = framing.unpack_reply(self._transport.call(message))
        if reply.errno is not None:
            raise KernelError(reply.errno, argument=reply.argument)
        if reply.tag != tag:
            raise KernelError(Errno.EPROTO, f"{self._path} answered request {reply.tag}, {tag} was asked")
        return reply.argument

    def close(self) -> None:
        """Close the node; harmless when it is closed."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
