"""An SVP server in a world in memory: the real one, on the world's clock and its streams."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from etherspan.portolan.producer import Producer
from etherspan.portolan.server import Limits, Server
from etherspan.portolan.store.protocol import Store
from etherspan.testing.log import SimLog
from etherspan.testing.portolan import Portolan
from etherspan.testing.sim.loop import SimLoop
from etherspan.testing.sim.process import SimProcess
from libvarpd.plugins.svp.messages import SERVER_PORT

T = TypeVar("T")

_PIDS: Final = itertools.count(10_000)


class SimPortolan(Portolan):
    """See `testing.portolan`. `new_id` gives event ids, one for each event of a world, so that a seed settles them."""

    def __init__(
        self,
        loop: SimLoop,
        name: str,
        address: str,
        store: Store,
        new_id: Callable[[], bytes],
        limits: Limits | None = None,
    ) -> None:
        super().__init__(name, address, store)
        self.log = SimLog()
        self.server: Server | None = None
        self._loop = loop
        self._limits = limits
        self._new_id = new_id
        self._process: SimProcess | None = None

    @property
    def connections(self) -> int:
        return 0 if self.server is None else self.server.connections

    def start(self) -> None:
        if self.server is not None:
            return
        self._process = SimProcess(self._loop, "portolan", next(_PIDS), self.name)
        server = self.server = Server(self.store, limits=self._limits, log=self.log)
        self._loop.run_until(self._process.spawn(server.start(self.address, SERVER_PORT)))

    def kill(self) -> None:
        if self.server is not None and self._process is not None:
            self._process.enter(self.server.abort)
            self._process.kill()
            self.server = self._process = None

    def stop(self) -> None:
        if self.server is not None and self._process is not None:
            self._loop.run_until(self._process.spawn(self.server.stop()))
            self._process.kill()
            self.server = self._process = None

    def on_store(self, work: Callable[[Store], Awaitable[T]]) -> T:
        return self._loop.run_until(work(self.store))

    def producer(self, store: Store) -> Producer:
        return Producer(store, self._new_id)
