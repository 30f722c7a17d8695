"""The door's commands: a message in, a message out (VPD 3.1, 3.4). Sockets are `door_server`'s matter."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from kernel_sim.dev.sockets import Cred
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.overlay_target import VARPD_ITER_MAX
from libvarpd.door_codec import (
    BY_NAME,
    COMMAND_MAX,
    REQUEST_SIZE,
    CacheArg,
    Command,
    Create,
    Info,
    InstanceId,
    LinkLookup,
    Member,
    Nprops,
    PropValue,
    TargetMode,
    Walk,
    pack_error,
    pack_reply,
    unpack_header,
)
from libvarpd.errors import VarpdPanic
from libvarpd.handle import Varpd

_Handler: TypeAlias = Callable[[Any], Awaitable[Member | None]]


@dataclass(slots=True, frozen=True)
class _Command:
    member: type[Member]
    handler: _Handler
    privileged: bool = False


class Door:
    """The commands over one handle. `privileged` are the users who may change the kernel's cache."""

    def __init__(self, varpd: Varpd, privileged: Collection[int] = (0,)) -> None:
        self._varpd = varpd
        self._privileged = frozenset(privileged)
        self._commands: Final = {
            Command.CREATE: _Command(Create, self._create),
            Command.ACTIVATE: _Command(InstanceId, self._activate),
            Command.DESTROY: _Command(InstanceId, self._destroy),
            Command.NPROPS: _Command(Nprops, self._nprops),
            Command.PROPINFO: _Command(Info, self._propinfo),
            Command.GETPROP: _Command(PropValue, self._getprop),
            Command.SETPROP: _Command(PropValue, self._setprop),
            Command.LOOKUP: _Command(LinkLookup, self._lookup),
            Command.TARGET_MODE: _Command(TargetMode, self._target_mode),
            Command.CACHE_FLUSH: _Command(InstanceId, self._cache_flush, privileged=True),
            Command.CACHE_DELETE: _Command(CacheArg, self._cache_delete, privileged=True),
            Command.CACHE_GET: _Command(CacheArg, self._cache_get),
            Command.CACHE_SET: _Command(CacheArg, self._cache_set, privileged=True),
        }

    async def call(self, request: bytes, caller: Cred | None) -> bytes:
        """Do a command and return the reply: the request's bytes filled in, or 8 bytes for what is no request (VPD-I37, VPD-I38).

        `caller` None means that credentials cannot be had: EPERM (VPD-Q34). A `VarpdPanic` is passed on to the handle and
        answered EIO.
        """
        if len(request) < REQUEST_SIZE:
            return pack_error(Errno.EINVAL)
        if caller is None:
            return pack_error(Errno.EPERM)
        number, _ = unpack_header(request)
        if not Command.INVALID < number < COMMAND_MAX:
            return pack_error(Errno.EINVAL)
        try:
            return pack_reply(request, 0, await self._run(Command(number), request, caller))
        except KernelError as error:
            return pack_reply(request, error.errno)
        except VarpdPanic as error:
            self.panic(error)
            return pack_reply(request, Errno.EIO)

    def panic(self, error: Exception) -> None:
        """What the daemon cannot go on from."""
        self._varpd.panic(error)

    async def _run(self, number: Command, request: bytes, caller: Cred) -> Member | None:
        if number is Command.CACHE_WALK:
            return await self._cache_walk(Walk.unpack(request), Walk.room(request))
        command = self._commands[number]
        if command.privileged and caller.uid not in self._privileged:  # tested before the id (VPD-I36)
            raise KernelError(Errno.EPERM, f"user {caller.uid} may not change the cache")
        return await command.handler(command.member.unpack(request))

    async def _create(self, asked: Create) -> Member:
        return replace(asked, id=await self._varpd.instance_create(asked.linkid, asked.plugin))

    async def _activate(self, asked: InstanceId) -> None:
        await self._varpd.instance_activate(asked.id)

    async def _destroy(self, asked: InstanceId) -> None:
        await self._varpd.instance_destroy(asked.id)

    async def _nprops(self, asked: Nprops) -> Member:
        return replace(asked, count=self._varpd.prop_count(asked.id))

    async def _propinfo(self, asked: Info) -> Member:
        index = self._varpd.prop_find(asked.id, asked.name) if asked.index == BY_NAME else asked.index
        info = self._varpd.prop_info(asked.id, index)
        return Info(
            asked.id,
            index,
            info.name,
            info.type,
            info.prot,
            info.default,
            info.possible.pack(),
            len(info.default),
            info.possible.size,
        )

    async def _getprop(self, asked: PropValue) -> Member:
        value = self._varpd.prop_get(asked.id, asked.index)
        return PropValue(asked.id, asked.index, value, len(value))

    async def _setprop(self, asked: PropValue) -> None:
        await self._varpd.prop_set(asked.id, asked.index, asked.value, asked.size)

    async def _lookup(self, asked: LinkLookup) -> Member:
        return replace(asked, id=self._varpd.instance_lookup(asked.linkid))

    async def _target_mode(self, asked: TargetMode) -> Member:
        dest, mode = self._varpd.instance_mode(asked.id)
        return TargetMode(asked.id, dest, mode)

    async def _cache_flush(self, asked: InstanceId) -> None:
        await self._varpd.cache_flush(asked.id)

    async def _cache_delete(self, asked: CacheArg) -> None:
        await self._varpd.cache_delete(asked.id, asked.entry.mac)

    async def _cache_get(self, asked: CacheArg) -> Member:
        return CacheArg(asked.id, await self._varpd.cache_get(asked.id, asked.entry.mac))

    async def _cache_set(self, asked: CacheArg) -> None:
        await self._varpd.cache_set(asked.id, asked.entry)

    async def _cache_walk(self, asked: Walk, room: int) -> Member:
        """Entries that do not fit the caller's message are left for its next call (VPD-B48)."""
        count = asked.count if asked.count > VARPD_ITER_MAX else min(asked.count, room)
        marker, entries = await self._varpd.cache_walk(asked.id, asked.marker, count)
        return Walk(asked.id, marker, len(entries), tuple(entries))
