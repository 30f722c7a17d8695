"""A device node under asyncio, with any number of ioctls outstanding (varpd's LOOKUPs park in the kernel)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from typing import Self

from kernel_sim.dev import framing, sockets
from kernel_sim.sys.errno import Errno, KernelError


class AsyncDevice:
    """An open device node; replies find their calls by tag, in whatever order they come.

    Belongs to the running event loop it was opened in.
    """

    def __init__(self, sock: socket.socket, path: str) -> None:
        self._sock = sock
        self._path = path
        self._tag = 0
        self._calls: dict[int, asyncio.Future[bytes]] = {}
        self._lost: KernelError | None = None
        self._sending = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(sock.fileno(), self._readable)

    @classmethod
    async def open(
        cls, root: int | str | os.PathLike[str], path: str, flags: int = framing.FREAD | framing.FWRITE
    ) -> Self:
        """Open the node at `path` below `root` (a path, or a directory fd).

        Errors (`KernelError`): ENOENT, ECONNREFUSED, EACCES from the socket, and the node's own refusal (EPERM, EEXIST …).
        """
        sock = sockets.connect_seqpacket(root, path)
        sock.settimeout(0)
        device = cls(sock, path)
        try:
            await device._exchange(framing.pack_open(flags), 0)
        except BaseException:
            device.close()
            raise
        return device

    async def ioctl(self, cmd: int, argument: bytes = b"") -> bytes:
        """Make one call and return the argument that came back; a cancelled call's reply is dropped.

        Errors: `KernelError` with the node's errno, its `argument` what came back beside it; EMSGSIZE; ECONNRESET once the kernel has
        gone, also for calls already made; EBADF after `close`.
        """
        self._tag += 1
        return await self._exchange(framing.pack_request(framing.Request(cmd, self._tag, argument)), self._tag)

    def close(self) -> None:
        """Close the node; calls outstanding end with EBADF. Harmless when it is closed."""
        self._fail(KernelError(Errno.EBADF, f"{self._path} is closed"))

    async def _exchange(self, message: bytes, tag: int) -> bytes:
        if self._lost is not None:
            raise _again(self._lost)
        if len(message) > sockets.MESSAGE_MAX:
            detail = f"{len(message)} bytes for {self._path}, a message may have {sockets.MESSAGE_MAX}"
            raise KernelError(Errno.EMSGSIZE, detail)
        answer = self._loop.create_future()
        self._calls[tag] = answer
        try:
            await self._send(message)
            argument: bytes = await answer
            return argument
        finally:
            self._calls.pop(tag, None)
            if answer.done() and not answer.cancelled():
                answer.exception()  # seen: a send that failed has told the caller already

    async def _send(self, message: bytes) -> None:
        async with self._sending:  # one writer at a time: the loop watches a socket for one
            if self._lost is not None:
                raise _again(self._lost)
            try:
                await self._loop.sock_sendall(self._sock, message)
            except OSError as error:
                self._fail(KernelError(Errno.ECONNRESET, f"{self._path} closed the connection: {error.strerror}"))
                raise _again(self._lost or KernelError(Errno.ECONNRESET)) from error

    def _readable(self) -> None:
        try:
            message = sockets.receive(self._sock)
            reply = framing.unpack_reply(message) if message else None
        except BlockingIOError:
            return
        except KernelError as error:
            self._fail(error)
            return
        if reply is None:
            self._fail(KernelError(Errno.ECONNRESET, f"{self._path} closed the connection"))
            return
        call = self._calls.pop(reply.tag, None)
        if call is None or call.done():
            return
        if reply.errno is None:
            call.set_result(reply.argument)
        else:
            call.set_exception(KernelError(reply.errno, argument=reply.argument))

    def _fail(self, error: KernelError) -> None:
        if self._lost is not None:
            return
        self._lost = error
        self._loop.remove_reader(self._sock.fileno())
        self._loop.remove_writer(self._sock.fileno())
        self._sock.close()
        calls, self._calls = self._calls, {}
        for call in calls.values():
            with contextlib.suppress(asyncio.InvalidStateError):
                call.set_exception(_again(error))


def _again(error: KernelError) -> KernelError:
    """A copy to raise: one exception object must not collect the tracebacks of many callers."""
    return KernelError(error.errno, error.detail, argument=error.argument)
