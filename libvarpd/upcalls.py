"""What plugins ask of libvarpd from operations that cannot wait: done in the background, in the order they asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from kernel_sim.dev.log import Log
from kernel_sim.sys.codec import CacheEntry, Point, TargDegrade
from kernel_sim.sys.errno import Errno, KernelError
from libvarpd import arp
from libvarpd.hostfiles import HostFiles
from libvarpd.overlay import Overlay
from libvarpd.plugin import Common, CommonT


class Upcalls:
    """Ioctls posted by plugins. A refusal is logged, unless the overlay has gone meanwhile (VPD-Q31)."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._posted: dict[asyncio.Task[None], None] = {}

    def post(self, operation: str, linkid: int, work: Coroutine[Any, Any, None]) -> asyncio.Future[None]:
        """Do `work` soon. What it gives is done afterwards, and ending that ends no work."""
        task = asyncio.get_running_loop().create_task(self._do(operation, linkid, work))
        self._posted[task] = None
        task.add_done_callback(self._posted.pop)
        return asyncio.shield(task)

    def warn(self, linkid: int, text: str) -> None:
        """Put a plugin's doubts into the log."""
        self._log.warning("search plugin warns", linkid=linkid, reason=text)

    async def settle(self) -> None:
        """Wait until all that was posted is done."""
        while self._posted:
            await asyncio.wait(self._posted)

    async def _do(self, operation: str, linkid: int, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except KernelError as error:
            if error.errno is not Errno.ENOENT:
                self._log.error("upcall refused", operation=operation, linkid=linkid, reason=str(error))


class CommonObjects:
    """What the instances of one varpd share, one object of each class."""

    def __init__(self) -> None:
        self._objects: dict[type[Common], Common] = {}

    def get(self, kind: type[CommonT]) -> CommonT:
        """See `libvarpd.plugin.Provider.common`."""
        made = self._objects.get(kind)
        if made is None:
            made = self._objects[kind] = kind()
        assert isinstance(made, kind)
        return made

    def close(self) -> None:
        """Close them, the last one first."""
        while self._objects:
            self._objects.popitem()[1].close()


class InstanceProvider:
    """See `libvarpd.plugin.Provider`: the one of an instance. `changed` is told each MAC address whose answer it changes.

    `common` is what all instances of this varpd share.

    What the kernel could not be told is refused at once, where the plugin sees it (EINVAL).
    """

    def __init__(
        self, overlay: Overlay, upcalls: Upcalls, files: HostFiles, common: CommonObjects, linkid: int, vnetid: int
    ) -> None:
        self.changed: Callable[[bytes], None] = _nobody_waits
        self._overlay = overlay
        self._upcalls = upcalls
        self._files = files
        self._common = common
        self._linkid = linkid
        self._vnetid = vnetid

    @property
    def vnetid(self) -> int:
        return self._vnetid

    def read_file(self, path: str) -> bytes:
        return self._files.read(path)

    def common(self, kind: type[CommonT]) -> CommonT:
        return self._common.get(kind)

    def inject_varp(self, mac: bytes, target: Point | None) -> asyncio.Future[None]:
        entry = CacheEntry(mac, point=target or Point())
        entry.pack()
        self.changed(mac)
        if target is None:
            return self._upcalls.post("inject_varp", self._linkid, self._overlay.cache_remove(self._linkid, mac))
        return self._upcalls.post("inject_varp", self._linkid, self._overlay.cache_set(self._linkid, entry))

    def inject_arp(self, vlan: int, source_mac: bytes, source_ip: bytes, destination_mac: bytes) -> None:
        frame = arp.gratuitous_arp(vlan, source_mac, source_ip, destination_mac)
        self._upcalls.post("inject_arp", self._linkid, self._overlay.inject(frame, linkid=self._linkid))

    def warn(self, text: str) -> None:
        self._upcalls.warn(self._linkid, text)

    def degrade(self, text: str) -> None:
        TargDegrade(self._linkid, text).pack()
        self._upcalls.post("degrade", self._linkid, self._overlay.degrade(self._linkid, text))

    def restore(self) -> None:
        self._upcalls.post("restore", self._linkid, self._overlay.restore(self._linkid))


def _nobody_waits(_mac: bytes) -> None:
    """Before the instance exists it has no questions."""
