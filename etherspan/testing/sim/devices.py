"""Device nodes of a kernel in memory: the same messages as on the sockets of a real host (`kernel_sim.dev.framing`), handed over directly.

`NodeConnection` is the node's side, as `kernel_sim.devfs.server` has it; `NodeTransport` a client that waits for its reply, and
`SimDevice` one with any number of ioctls outstanding.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable

from etherspan.testing.sim.loop import SimLoop
from kernel_sim.cred import Credentials
from kernel_sim.dev import framing
from kernel_sim.devfs.server import Node, OpenNode
from kernel_sim.sys.errno import Errno, KernelError


class NodeConnection:
    """A connection to a node. `deliver` is given each reply message, while the connection is open."""

    def __init__(self, node: Node, cred: Credentials, deliver: Callable[[bytes], None]) -> None:
        self._node = node
        self._cred = cred
        self._deliver = deliver
        self._open = True
        self._begun = False
        self._handle: OpenNode | None = None

    def receive(self, message: bytes) -> None:
        """Take a message from the client."""
        try:
            if not self._begun:
                self._begun = True
                self._handle = self._node.open(framing.unpack_open(message), self._cred)
                self._reply(0, 0, b"")
            else:
                self._request(framing.unpack_request(message))
        except KernelError as error:
            self._reply(0, error.errno, b"")

    def close(self) -> None:
        """The client has gone; harmless when it had."""
        self._open = False
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.close()

    def _request(self, request: framing.Request) -> None:
        if self._handle is None:
            self._reply(request.tag, Errno.EBADF, b"")
        else:
            self._handle.ioctl(request.command, request.argument, functools.partial(self._reply, request.tag))

    def _reply(self, tag: int, errno: int, argument: bytes) -> None:
        if self._open:
            self._deliver(framing.pack_reply(framing.Reply(Errno(errno) if errno else None, tag, argument)))


class Lifeline:
    """Who is told when the other side of a connection dies: callables, in the order they came."""

    def __init__(self) -> None:
        self.alive = True
        self._watchers: dict[Callable[[], None], None] = {}

    def watch(self, gone: Callable[[], None]) -> None:
        """Be told."""
        self._watchers[gone] = None

    def unwatch(self, gone: Callable[[], None]) -> None:
        """Be told no more; harmless for somebody who was not to be."""
        self._watchers.pop(gone, None)

    def cut(self) -> None:
        """Tell everybody."""
        self.alive = False
        watchers, self._watchers = self._watchers, {}
        for gone in watchers:
            gone()


class NodeTransport:
    """See `kernel_sim.dev.client.Transport`: a call lets time pass until its reply is there."""

    def __init__(self, loop: SimLoop, node: Node, cred: Credentials, kernel: Lifeline) -> None:
        self._loop = loop
        self._kernel = kernel
        self._waiting: asyncio.Future[bytes] | None = None
        self._connection = NodeConnection(node, cred, self._replied)
        kernel.watch(self._lost)

    def call(self, message: bytes) -> bytes:
        if not self._kernel.alive:
            raise KernelError(Errno.ECONNRESET, "the kernel has gone")
        answer: asyncio.Future[bytes] = self._loop.create_future()
        self._waiting = answer
        self._connection.receive(message)
        return answer.result() if answer.done() else self._loop.run_until(answer)

    def close(self) -> None:
        self._kernel.unwatch(self._lost)
        self._connection.close()

    def _replied(self, message: bytes) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(message)

    def _lost(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(KernelError(Errno.ECONNRESET, "the kernel has gone"))


Answered = Callable[[int, bytes, int], None]


class SimDevice:
    """See `libvarpd.overlay.OverlayDevice`. Replies arrive in a turn of the loop of their own, as from a socket.

    The constructor opens the node. Errors: the node's refusal. `answered` is told command, argument and errno (0 for success) of each
    ioctl when the kernel answers it, even if nobody waits for the answer any more.
    """

    def __init__(
        self,
        loop: SimLoop,
        node: Node,
        flags: int,
        cred: Credentials,
        kernel: Lifeline,
        answered: Answered = lambda _cmd, _argument, _errno: None,
    ) -> None:
        self._loop = loop
        self._kernel = kernel
        self._answered = answered
        self._tag = 0
        self._lost: KernelError | None = None
        self._calls: dict[int, asyncio.Future[bytes]] = {}
        self._asked: dict[int, tuple[int, bytes]] = {}
        self._refusal: Errno | None = None
        self._connection = NodeConnection(node, cred, self._opened)
        self._connection.receive(framing.pack_open(flags))
        if self._refusal is not None:
            raise KernelError(self._refusal)
        kernel.watch(self._kernel_gone)

    async def ioctl(self, cmd: int, argument: bytes = b"") -> bytes:
        if self._lost is not None:
            raise KernelError(self._lost.errno, self._lost.detail)
        self._tag += 1
        tag = self._tag
        answer: asyncio.Future[bytes] = self._loop.create_future()
        self._calls[tag] = answer
        self._asked[tag] = cmd, argument
        try:
            self._connection.receive(framing.pack_request(framing.Request(cmd, tag, argument)))
            return await answer
        finally:
            self._calls.pop(tag, None)

    def close(self) -> None:
        self._kernel.unwatch(self._kernel_gone)
        self._fail(KernelError(Errno.EBADF, "the device is closed"))

    def _opened(self, message: bytes) -> None:
        reply = framing.unpack_reply(message)
        if reply.tag == 0:
            self._refusal = reply.errno
        else:
            self._answered(*self._asked.pop(reply.tag), reply.errno or 0)
            self._loop.call_soon(self._replied, reply)

    def _replied(self, reply: framing.Reply) -> None:
        call = self._calls.pop(reply.tag, None)
        if call is None or call.done():
            return
        if reply.errno is None:
            call.set_result(reply.argument)
        else:
            call.set_exception(KernelError(reply.errno, argument=reply.argument))

    def _kernel_gone(self) -> None:
        self._fail(KernelError(Errno.ECONNRESET, "the kernel has gone"))

    def _fail(self, error: KernelError) -> None:
        if self._lost is not None:
            return
        self._lost = error
        self._connection.close()
        calls, self._calls = self._calls, {}
        for call in calls.values():
            if not call.done():
                call.set_exception(KernelError(error.errno, error.detail))
