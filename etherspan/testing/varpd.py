"""varpd in memory: the daemon's parts over an in-memory kernel, without processes, sockets or files.

    world = VarpdWorld()
    link = world.host.create_overlay("demo0", 23, to=None)
    with Client.create(world) as client:
        instance = client.instance_create(link, "direct")

Calls are plain synchronous ones: each turns the world's event loop until it is done. `restart` is the death of the daemon and the start of
the next, over the same kernel and state files.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine, Iterator, MutableMapping, Sequence
from typing import Any, TypeVar

from etherspan.testing.host import MemoryHost
from etherspan.testing.memory import MemoryClock, MemoryNetwork
from kernel_sim.dev.client import Transport
from kernel_sim.dev.log import Log
from kernel_sim.dev.paths import VARPD_DOOR
from kernel_sim.dev.sockets import Cred
from kernel_sim.kernel import OverlayHandle
from kernel_sim.sys.errno import Errno, KernelError
from libvarpd.door import Door
from libvarpd.handle import Varpd
from libvarpd.plugin import SearchPlugin
from libvarpd.plugins.direct import Direct
from libvarpd.registry import PluginRegistry
from libvarpd.state import file_name

ROOT_USER = Cred(1, 0, 0)
_T = TypeVar("_T")


class KernelDevice:
    """/dev/overlay of an in-memory kernel, as `libvarpd.overlay.OverlayDevice`.

    `calls` are the ioctls made, in order; `refuse` maps a command to the errno it fails with, without reaching the kernel.
    """

    def __init__(self, handle: OverlayHandle) -> None:
        self.calls: list[int] = []
        self.refuse: dict[int, Errno] = {}
        self._handle = handle

    async def ioctl(self, cmd: int, argument: bytes = b"") -> bytes:
        self.calls.append(cmd)
        if cmd in self.refuse:
            raise KernelError(self.refuse[cmd])
        answer: asyncio.Future[tuple[int, bytes]] = asyncio.get_running_loop().create_future()

        def reply(errno: int, data: bytes) -> None:
            if not answer.done():
                answer.set_result((errno, data))

        self._handle.ioctl(cmd, argument, reply)
        errno, data = await answer
        if errno:
            raise KernelError(Errno.of(errno), argument=data)
        return data

    def close(self) -> None:
        self._handle.close()


class MemoryStore:
    """State files in a dictionary. See `libvarpd.persist.StateStore`; `refuse` is raised by the next write."""

    def __init__(self, files: MutableMapping[str, bytes] | None = None) -> None:
        self.files: MutableMapping[str, bytes] = {} if files is None else files
        self.refuse: KernelError | None = None

    def names(self) -> Sequence[str]:
        return sorted(self.files)

    def read(self, name: str) -> bytes | None:
        return self.files[name]

    def write(self, instance: int, data: bytes) -> None:
        if self.refuse is not None:
            error, self.refuse = self.refuse, None
            raise error
        self.files[file_name(instance)] = data

    def remove(self, instance: int) -> None:
        self.files.pop(file_name(instance), None)

    def quarantine(self, name: str) -> None:
        self.files[f"{name}.bad"] = self.files.pop(name)

    def close(self) -> None:
        """Nothing is open."""


class VarpdWorld:
    """A host's kernel and its varpd; itself the `System` that clients connect to, as the user `caller`.

    `plugins` are registered beside `direct`. Close it at the end.
    """

    def __init__(self, *plugins: type[SearchPlugin], log: Log | None = None) -> None:
        self.clock = MemoryClock()
        self.host = MemoryHost(self.clock, MemoryNetwork(self.clock), "10.0.0.1")
        self.store = MemoryStore()
        self.caller: Cred | None = ROOT_USER
        self._plugins = (Direct, *plugins)
        self._log = log
        self._loop = asyncio.new_event_loop()
        self.run(self._start())

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Turn the loop until `work` is done."""
        return self._loop.run_until_complete(work)

    def wait(self, seconds: float) -> None:
        """Let time pass, in the kernel and on the loop."""
        self.clock.advance(seconds)
        self.run(asyncio.sleep(0))

    def connect(self, path: str) -> Transport:
        """See `kernel_sim.dev.client.System`; the door is the only thing there is."""
        if path != VARPD_DOOR:
            raise KernelError(Errno.ENOENT, path)
        return _DoorTransport(self)

    def restart(self, *plugins: type[SearchPlugin]) -> None:
        """The daemon dies and the next one restores what state files say; with other plugins beside `direct`, if given."""
        self._plugins = (Direct, *plugins) if plugins else self._plugins
        self.run(self.varpd.destroy())
        self.run(self._start())

    def close(self) -> None:
        """End the daemon and the loop."""
        self.run(self.varpd.destroy())
        self._loop.close()

    async def _start(self) -> None:
        registry = PluginRegistry()
        for plugin in self._plugins:
            registry.register(plugin)
        self.device = KernelDevice(self.host.varpd)
        self.varpd = Varpd(self.device, registry, self._log)
        self.door = Door(self.varpd)
        self.varpd.persist_enable(self.store)
        await self.varpd.persist_restore()


class _DoorTransport:
    def __init__(self, world: VarpdWorld) -> None:
        self._world = world

    def call(self, message: bytes) -> bytes:
        return self._world.run(self._world.door.call(message, self._world.caller))

    def close(self) -> None:
        """Nothing is open."""


@contextlib.contextmanager
def varpd_world(*plugins: type[SearchPlugin], log: Log | None = None) -> Iterator[VarpdWorld]:
    """A world, closed at the end."""
    world = VarpdWorld(*plugins, log=log)
    try:
        yield world
    finally:
        world.close()
