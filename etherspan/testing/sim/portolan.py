"""An SVP server in a world in memory: the real one, on the world's clock and its streams."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from etherspan.portolan.producer import Producer
from etherspan.portolan.server import Limits, Server
from etherspan.portolan.store.protocol import Store
from etherspan.testing.log import SimLog
from etherspan.testing.sim.loop import SimLoop
from etherspan.testing.sim.process import SimProcess
from libvarpd.plugins.svp.messages import SERVER_PORT

T = TypeVar("T")

_PIDS: Final = itertools.count(10_000)


class SimPortolan:
    """See the module. `store` outlives the server, and `producer` changes it; event ids are numbers, so that a seed settles them."""

    def __init__(self, loop: SimLoop, name: str, address: str, store: Store, limits: Limits | None = None) -> None:
        self.name = name
        self.address = address
        self.store = store
        self.log = SimLog()
        self._loop = loop
        self._limits = limits
        self._numbers = itertools.count(1)
        self.producer = Producer(store, self._new_id)
        self.server: Server | None = None
        self._process: SimProcess | None = None

    def start(self) -> None:
        """Listen; nothing if it does."""
        if self.server is not None:
            return
        self._process = SimProcess(self._loop, "portolan", next(_PIDS), self.name)
        server = self.server = Server(self.store, limits=self._limits, log=self.log)
        self._loop.run_until(self._process.spawn(server.start(self.address, SERVER_PORT)))

    def kill(self) -> None:
        """End as if by SIGKILL: every connection is reset, nobody listens; nothing if it does not run."""
        if self.server is not None and self._process is not None:
            self.server.abort()
            self._process.kill()
            self.server = self._process = None

    def stop(self) -> None:
        """End as it does when asked to."""
        if self.server is not None and self._process is not None:
            self._loop.run_until(self._process.spawn(self.server.stop()))
            self.server = self._process = None

    def change(self, what: Callable[[Producer], Awaitable[T]]) -> T:
        """Let the producer change the store."""

        async def work() -> T:
            return await what(self.producer)

        return self._loop.run_until(work())

    def _new_id(self) -> bytes:
        return next(self._numbers).to_bytes(16)
