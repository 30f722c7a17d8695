"""The handle that owns everything: conversation with the kernel, plugins, instances, workers, state files (VPD 1.2).

Its methods are what the door's commands do, and a program may use them without the daemon:

    varpd = Varpd(await AsyncDevice.open(root, OVERLAY, OPEN_FLAGS), registry)
    instance = await varpd.instance_create(linkid, "direct")

All of it belongs to one running event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from kernel_sim.dev.log import Log, NullLog
from kernel_sim.sys.codec import CacheEntry, TargInfo
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.overlay_common import Dest
from kernel_sim.sys.overlay_target import VARPD_ITER_MAX, TargMode
from libvarpd.errors import VarpdError, VarpdPanic
from libvarpd.hostfiles import HostFiles, NoFiles
from libvarpd.instance import Instance, InstanceState, plugin_fault
from libvarpd.instances import IdSpace, InstanceTable
from libvarpd.lookup import LookupWorkers
from libvarpd.overlay import Overlay, OverlayDevice
from libvarpd.persist import StateStore
from libvarpd.plugin import Provider, SearchPlugin
from libvarpd.prop import PropInfo
from libvarpd.registry import PluginRegistry
from libvarpd.restore import restore_files
from libvarpd.state import StateRecord
from libvarpd.upcalls import CommonObjects, InstanceProvider, Upcalls

ORPHAN_TEXT = "no varpd instance exists"
"""Why an overlay without an instance is degraded."""
_Make = Callable[[Provider, Dest], SearchPlugin]


class Varpd:
    """See the module. `device` is /dev/overlay, open for reading and writing exclusively; it is closed by `destroy`.

    `files` are the configuration files that properties may name, none by default.
    """

    def __init__(
        self,
        device: OverlayDevice,
        plugins: PluginRegistry,
        log: Log | None = None,
        *,
        files: HostFiles | None = None,
    ) -> None:
        self.plugins = plugins
        self.instances: InstanceTable[Instance] = InstanceTable()
        self.failed: asyncio.Future[Exception] = asyncio.get_running_loop().create_future()
        self._log = log or NullLog()
        self._overlay = Overlay(device)
        self._upcalls = Upcalls(self._log)
        self._common = CommonObjects()
        self._workers = LookupWorkers(self._overlay, self.instances.get, self.panic, self._log)
        self._ids = IdSpace()
        self._store: StateStore | None = None
        self._files = files or NoFiles()

    def panic(self, error: Exception) -> None:
        """Record what the daemon cannot go on from: `failed` gets it as its result."""
        if not self.failed.done():
            self.failed.set_result(error)

    async def destroy(self) -> None:
        """End workers, close state store and device. Instances and associations stay, for the next daemon to adopt (VPD 1.2)."""
        await self._workers.abandon()
        self._common.close()
        await self._upcalls.settle()
        if self._store is not None:
            self._store.close()
            self._store = None
        self._overlay.close()

    # ------------------------------------------------------------------ lookups

    def lookup_run(self, workers: int) -> None:
        """Start that many lookup workers."""
        self._workers.start(workers)

    async def lookup_quiesce(self) -> None:
        """End the workers; when it returns no plugin operation is running or will start by itself (VPD-I40)."""
        await self._workers.quiesce()

    # ------------------------------------------------------------------ instances

    async def instance_create(self, linkid: int, search: str) -> int:
        """Make an instance of the plugin `search` for an overlay, and return its id (VPD-I4, VPD-I35).

        Errors: ENOENT no such plugin, or the link is no overlay; EEXIST the link has an instance (VPD-B14); ENOTSUP the plugin cannot
        give what the encapsulation needs; the plugin's.
        """
        plugin = self.plugins.find(search)
        info = await self._info(linkid)
        if self.instances.has_link(linkid):
            raise VarpdError(Errno.EEXIST, f"link {linkid} has an instance")
        number = self._ids.allocate()
        try:
            instance = self._make(number, plugin, info, plugin.create)
        except KernelError:
            self._ids.free(number)
            raise
        self.instances.add(instance)
        return number

    async def instance_activate(self, number: int) -> None:
        """See `Instance.activate`. Errors: ENOENT no such instance, and those; why is in the log, for a client is told the errno only."""
        instance = self.instances.find(number)
        try:
            await instance.activate(self._overlay, self._store)
        except KernelError as error:
            self._log.error(
                "activation failed",
                instance=number,
                linkid=instance.linkid,
                plugin=instance.plugin.name,
                reason=str(error),
            )
            raise

    async def instance_destroy(self, number: int) -> None:
        """End an instance: it is found no more at once, and its state file is gone at the end (VPD-I8). Errors: ENOENT."""
        instance = self.instances.find(number)
        self.instances.remove(instance)
        await instance.destroy(self._store)
        self._ids.free(number)

    def instance_lookup(self, linkid: int) -> int:
        """The id of a link's instance, active or not. Errors: ENOENT."""
        return self.instances.by_link(linkid).id

    def instance_mode(self, number: int) -> tuple[Dest, TargMode]:
        """Parts of a destination it gives, and its mode. Errors: ENOENT."""
        instance = self.instances.find(number)
        return instance.dest, instance.plugin.mode

    def refresh(self) -> None:
        """The service was refreshed: every plugin may read outside configuration again."""
        for instance in self.instances:
            try:
                instance.refresh()
            except KernelError as error:
                self._log.error("refresh failed", instance=instance.id, reason=str(error))
            except VarpdPanic as error:
                self.panic(error)

    # ------------------------------------------------------------------ properties

    def prop_count(self, number: int) -> int:
        """How many properties an instance has, `search` included. Errors: ENOENT; the plugin's; these hold below as well."""
        instance = self.instances.find(number)
        with instance.guard("nprops"):
            return instance.properties.count()

    def prop_info(self, number: int, index: int) -> PropInfo:
        """What describes a property. Errors: EINVAL no such index."""
        instance = self.instances.find(number)
        with instance.guard("propinfo"):
            return instance.properties.info(index)

    def prop_find(self, number: int, name: str) -> int:
        """The index of a property. Errors: ENOENT no such name."""
        instance = self.instances.find(number)
        with instance.guard("propinfo"):
            return instance.properties.find(name)

    def prop_get(self, number: int, index: int) -> bytes:
        """A property's value, b"" while unset. Errors: EINVAL no such index."""
        instance = self.instances.find(number)
        with instance.guard("getprop"):
            return instance.properties.get(index)

    async def prop_set(self, number: int, index: int, value: bytes, size: int | None = None) -> None:
        """Set a property; `size` is how many bytes the value is said to have, where that may be more than there are.

        Errors: EINVAL no such index; EPERM `search`; EOVERFLOW over 256 bytes; EBUSY the instance is active, for neither the
        kernel nor the state file would follow (VPD-Q13).
        """
        instance = self.instances.find(number)
        async with instance.lock:
            instance.require_present()
            with instance.guard("setprop"):
                instance.properties.check_set(index, len(value) if size is None else size)
                if instance.state is InstanceState.ACTIVE:
                    raise VarpdError(Errno.EBUSY, f"instance {number} is active; its properties are fixed")
                instance.properties.set(index, value)

    # ------------------------------------------------------------------ the kernel's cache

    async def cache_get(self, number: int, mac: bytes) -> CacheEntry:
        """The kernel's answer for a MAC address. Errors: ENOENT instance, overlay or entry; ENXIO the overlay is not bound."""
        return await self._overlay.cache_get(self.instances.find(number).linkid, mac)

    async def cache_set(self, number: int, entry: CacheEntry) -> None:
        """Install an answer. Errors: ENOENT; EINVAL unknown flags; ENXIO; ENOTSUP point mode. Those of the next two likewise."""
        await self._overlay.cache_set(self.instances.find(number).linkid, entry)

    async def cache_delete(self, number: int, mac: bytes) -> None:
        """Remove an answer. Errors: ENOENT, no entry, too."""
        await self._overlay.cache_remove(self.instances.find(number).linkid, mac)

    async def cache_flush(self, number: int) -> None:
        """Remove all answers."""
        await self._overlay.cache_flush(self.instances.find(number).linkid)

    async def cache_walk(self, number: int, marker: bytes, count: int) -> tuple[bytes, Sequence[CacheEntry]]:
        """Up to `count` answers from `marker` on. Errors: ENOENT; E2BIG over 200; EINVAL 0; ENXIO."""
        instance = self.instances.find(number)
        if count > VARPD_ITER_MAX:
            raise VarpdError(Errno.E2BIG, f"{count} entries; at most {VARPD_ITER_MAX}")
        return await self._overlay.cache_iter(instance.linkid, marker, count)

    # ------------------------------------------------------------------ persistence

    def persist_enable(self, store: StateStore) -> None:
        """Keep state files from now on; the store belongs to the handle then. Errors: EEXIST it has one."""
        if self._store is not None:
            raise VarpdError(Errno.EEXIST, "persistence is enabled")
        self._store = store

    def persist_disable(self) -> None:
        """Keep no state files any more. Errors: ENOENT it is not enabled (VPD-Q20)."""
        if self._store is None:
            raise VarpdError(Errno.ENOENT, "persistence is not enabled")
        self._store.close()
        self._store = None

    async def persist_restore(self) -> None:
        """Adopt the instances of state files, then mark every overlay without an instance degraded (VPD-I14).

        Errors: EBADF persistence is not enabled; those of `restore_files`.
        """
        if self._store is None:
            raise VarpdError(Errno.EBADF, "persistence is not enabled")
        names = self._store.names()
        try:
            await restore_files(self._store, names, self._adopt, self._log)
        finally:
            await self._degrade_orphans()

    async def _adopt(self, record: StateRecord) -> None:
        """Bring back the instance of a state file. Errors: any; nothing is left behind."""
        self._ids.claim(record.id)
        with contextlib.ExitStack() as undo:
            undo.callback(self._ids.free, record.id)
            plugin = self.plugins.find(record.plugin)
            info = await self._info(record.linkid)
            faults = (
                (plugin.mode != record.mode, Errno.EINVAL, f"plugin {plugin.name} is not of mode {record.mode}"),
                (info.needs != record.dest, Errno.EINVAL, f"the overlay needs {info.needs:#x}, not {record.dest:#x}"),
                (self.instances.has_link(record.linkid), Errno.EEXIST, f"link {record.linkid} has an instance"),
            )
            for wrong, errno, why in faults:
                if wrong:
                    raise VarpdError(errno, why)
            instance = self._make(
                record.id, plugin, info, lambda provider, dest: plugin.restore(provider, dest, record.private)
            )
            undo.callback(instance.discard)
            await instance.adopt(self._overlay, info)
            self.instances.add(instance)
            undo.pop_all()

    async def _info(self, linkid: int) -> TargInfo:
        """What the kernel says of an overlay. Errors: ENOENT no overlay."""
        try:
            return await self._overlay.info(linkid)
        except KernelError as error:
            if error.errno is not Errno.ENOENT:
                raise
            raise VarpdError(Errno.ENOENT, f"link {linkid} is no overlay") from error

    async def _degrade_orphans(self) -> None:
        for linkid in await self._overlay.links():
            if not self.instances.has_link(linkid):
                self._log.warning("overlay degraded", linkid=linkid, reason=ORPHAN_TEXT)
                with contextlib.suppress(KernelError):  # it may have gone since it was listed
                    await self._overlay.degrade(linkid, ORPHAN_TEXT)

    def _make(self, number: int, plugin: type[SearchPlugin], info: TargInfo, make: _Make) -> Instance:
        provider = InstanceProvider(self._overlay, self._upcalls, self._files, self._common, info.linkid, info.vnetid)
        with plugin_fault(self._log, plugin.name, "create"):
            ops = make(provider, Dest(info.needs))
            if not isinstance(ops, plugin):
                raise TypeError(f"{ops!r} is no {plugin.__name__}")
        instance = Instance(number, info, ops, self.plugins.names, self._log)
        provider.changed = instance.changed
        return instance
