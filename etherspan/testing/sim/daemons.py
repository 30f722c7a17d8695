"""dlmgmtd and varpd in a world in memory: the real services, without processes and sockets.

A *daemon* is one run of a service, from start to end. Its door is open while it is up; afterwards calls under way are ECONNRESET.
"""

from __future__ import annotations

import asyncio
import posixpath
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, Protocol

from dladm.dlmgmtd.names import DeviceNames
from dladm.dlmgmtd.protocol import BOOT, decode_request
from dladm.dlmgmtd.service import LinkService
from dladm.doors.message import encode_error, encode_reply
from etherspan.testing.log import SimLog
from etherspan.testing.sim.devices import SimDevice
from etherspan.testing.sim.loop import SimLoop
from etherspan.testing.sim.process import SimProcess
from etherspan.testing.sim.rootfs import ConfigFiles, Folder, LinkStore, RootFs
from etherspan.testing.varpd import MemoryStore
from kernel_sim.ddi import PhysLinks
from kernel_sim.dev import paths
from kernel_sim.dev.client import System
from kernel_sim.dev.sockets import Cred
from kernel_sim.sys.errno import Errno, KernelError
from libvarpd.door import Door
from libvarpd.handle import Varpd
from libvarpd.overlay import OPEN_FLAGS
from libvarpd.plugin import SearchPlugin
from libvarpd.registry import PluginRegistry

_DOOR_NAME: Final = posixpath.basename(paths.VARPD_DOOR)
LOOKUP_WORKERS: Final = 5
"""LOOKUPs that wait in the kernel: what varpd starts on a machine of two processors."""


class Daemon(Protocol):
    """One run of a service. `start` and `stop` are to run in its process."""

    @property
    def process(self) -> SimProcess:
        """Its process."""

    @property
    def door_open(self) -> bool:
        """Whether it can be reached."""

    async def start(self) -> None:
        """Get ready; its door answers when this returns. Errors: `KernelError` it cannot run."""

    async def stop(self) -> None:
        """Finish what is under way, as it does when asked to end."""

    def kill(self) -> None:
        """End at once, in whatever state."""

    def refresh(self) -> None:
        """Read configuration again."""

    async def call(self, message: bytes, caller: Cred) -> bytes:
        """A request at its door, and its reply."""


class DoorTransport:
    """See `kernel_sim.dev.client.Transport`: a connection to a daemon's door. A call lets time pass until it is answered."""

    def __init__(
        self, loop: SimLoop, answer: Callable[[bytes], Coroutine[Any, Any, bytes]], process: SimProcess
    ) -> None:
        self._loop = loop
        self._answer = answer
        self._process = process

    def call(self, message: bytes) -> bytes:
        if not self._process.alive:
            raise KernelError(Errno.ECONNRESET, f"{self._process.name} has gone")
        answer = self._process.spawn(self._answer(message))
        try:
            return self._loop.run_until(answer)
        except asyncio.CancelledError as error:
            raise KernelError(Errno.ECONNRESET, f"{self._process.name} has gone") from error

    def close(self) -> None:
        """Nothing is open."""


class LinkDaemon:
    """dlmgmtd."""

    def __init__(self, process: SimProcess, fs: RootFs, system: System, phys: PhysLinks, log: SimLog) -> None:
        self.process = process
        self.door_open = False
        self._phys = phys
        self._names = DeviceNames(system)
        self.service = LinkService(LinkStore(fs), self._names, log)

    async def start(self) -> None:
        self.service.load()
        self._phys.subscribe(self._follow_phys)
        self.door_open = True

    async def stop(self) -> None:
        """Nothing is under way."""

    def kill(self) -> None:
        self.door_open = False
        self.process.kill()
        self._names.close()

    def refresh(self) -> None:
        """It reads datalink.conf whenever it needs it."""

    async def call(self, message: bytes, caller: Cred) -> bytes:
        try:
            reply = self.service.handle(decode_request(message), privileged=caller.uid == 0)
            return encode_reply({**reply, BOOT: self.service.boot})
        except KernelError as error:
            return encode_error(error)

    def _follow_phys(self) -> None:
        if self.door_open:
            self.service.follow_phys()


class VarpdDaemon:
    """varpd. `panicked` is told why, when it ends because it cannot go on."""

    def __init__(
        self,
        process: SimProcess,
        fs: RootFs,
        open_device: Callable[[int], SimDevice],
        plugins: Sequence[type[SearchPlugin]],
        log: SimLog,
        panicked: Callable[[Exception], None],
        lookup_workers: int = LOOKUP_WORKERS,
    ) -> None:
        self.process = process
        self.log = log
        self._files = ConfigFiles(fs)
        self._state = _Folder(fs, paths.VARPD_RUN)
        self._open_device = open_device
        self._plugins = plugins
        self._panicked = panicked
        self._lookup_workers = lookup_workers
        self._device: SimDevice | None = None
        self.varpd: Varpd | None = None
        self._door: Door | None = None

    @property
    def door_open(self) -> bool:
        return self._door is not None

    async def start(self) -> None:
        registry = PluginRegistry()
        for plugin in self._plugins:
            registry.register(plugin)
        self._device = self._open_device(OPEN_FLAGS)
        self.varpd = Varpd(self._device, registry, self.log, files=self._files)
        self.varpd.persist_enable(MemoryStore(self._state))
        await self.varpd.persist_restore()
        self.varpd.lookup_run(self._lookup_workers)
        self._door = Door(self.varpd)
        self._state[_DOOR_NAME] = b""
        self.varpd.failed.add_done_callback(self._failed)
        self.log.info("varpd up", instances=len(self.varpd.instances), plugins=registry.names())

    async def stop(self) -> None:
        self._door = None
        self._state.pop(_DOOR_NAME, None)
        if self.varpd is not None:
            await self.varpd.destroy()
        self.log.info("varpd down")

    def kill(self) -> None:
        self._door = None
        self._state.detached = True
        if self._device is not None:
            self._device.close()
        self.process.kill()

    def refresh(self) -> None:
        self.log.info("refresh")
        if self.varpd is not None:
            self.process.enter(self.varpd.refresh)

    async def call(self, message: bytes, caller: Cred) -> bytes:
        if self._door is None:
            raise KernelError(Errno.ECONNRESET, "varpd has gone")
        return await self._door.call(message, caller)

    def _failed(self, failed: asyncio.Future[Exception]) -> None:
        if not failed.cancelled() and self.process.alive:
            self._panicked(failed.result())


class _Folder(Folder):
    """varpd's state files; what a killed daemon does with them has no effect."""

    def __init__(self, fs: RootFs, path: str) -> None:
        super().__init__(fs, path)
        self.detached = False

    def __setitem__(self, name: str, data: bytes) -> None:
        if not self.detached:
            super().__setitem__(name, data)

    def __delitem__(self, name: str) -> None:
        if not self.detached:
            super().__delitem__(name)
