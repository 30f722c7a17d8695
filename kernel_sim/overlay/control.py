"""/dev/overlay: handles, and the target ioctls by which varpd talks with the driver (KRN 2.5 to 2.7).

An ioctl answers by a callback, at once except for LOOKUP, which waits up to a second. On failure nothing goes back but the errno.
Read-only handles may issue LOOKUP too, and keep what they took until they close (KRN-Q26).
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from kernel_sim.cred import Credentials
from kernel_sim.ddi import V4_MAPPED_PREFIX
from kernel_sim.dld import Reply
from kernel_sim.overlay.cache import DynamicTarget
from kernel_sim.overlay.device import OverlayDevice
from kernel_sim.overlay.driver import OverlayDriver
from kernel_sim.overlay.lookup import Injectable, LookupQueue, PendingLookup, Waiter
from kernel_sim.overlay.target import Association, PointTarget, Target
from kernel_sim.sys import overlay_target as targ
from kernel_sim.sys.codec import (
    Point,
    TargAssociate,
    TargCache,
    TargDegrade,
    TargId,
    TargInfo,
    TargIter,
    TargList,
    TargLookup,
    TargPkt,
    TargResp,
)
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.overlay_common import Dest
from kernel_sim.sys.overlay_target import TargInfoFlag, TargMode

_ANY: Final = bytes(16)
_LOOPBACK: Final = bytes(15) + b"\x01"
_LINKID_MASK: Final = 0xFFFFFFFF


class OpenFlag(enum.IntFlag):
    """How /dev/overlay is opened."""

    READ = 1
    WRITE = 2
    EXCLUSIVE = 4


_ALL_FLAGS: Final = int(OpenFlag.READ | OpenFlag.WRITE | OpenFlag.EXCLUSIVE)

TargetMaker = Callable[[OverlayDevice, Association], Target]


@dataclass(slots=True, frozen=True)
class _Command:
    handler: Callable[[OverlayHandle, bytes], bytes]
    writes: bool = True


class OverlayHandle:
    """One open of /dev/overlay. `outstanding` are the lookups it was handed, by request id, in order."""

    def __init__(self, control: TargetControl, flags: OpenFlag) -> None:
        self.flags = flags
        self.outstanding: dict[int, PendingLookup] = {}
        self.waiters: dict[Waiter, Reply] = {}
        self.closed = False
        self._control = control

    def ioctl(self, cmd: int, argument: bytes, reply: Reply) -> None:
        """Do a target ioctl, and call `reply` exactly once.

        Errors: ENXIO the handle is closed; ENOTTY unknown command; EBADF the command writes and the handle is not open for
        writing; EFAULT argument cut short; those of the command.
        """
        self._control.ioctl(self, cmd, argument, reply)

    def close(self) -> None:
        """Give outstanding lookups back to the end of the queue, in order (KRN-I19); LOOKUPs that still wait get ENXIO."""
        self._control.close(self)


class TargetControl:
    """The device node, for all handles. `makers` make the targets of ASSOCIATE, by mode."""

    def __init__(self, driver: OverlayDriver, queue: LookupQueue) -> None:
        self.makers: dict[TargMode, TargetMaker] = {
            TargMode.POINT: lambda _, association: PointTarget(association),
            TargMode.DYNAMIC: lambda device, association: DynamicTarget(device, association, queue, driver.tunables),
        }
        self._driver = driver
        self._queue = queue
        self._exclusive: OverlayHandle | None = None
        self._handles: dict[OverlayHandle, None] = {}
        self._commands = {
            targ.OVERLAY_TARG_INFO: _Command(self._info),
            targ.OVERLAY_TARG_ASSOCIATE: _Command(self._associate),
            targ.OVERLAY_TARG_DISASSOCIATE: _Command(self._disassociate),
            targ.OVERLAY_TARG_DEGRADE: _Command(self._degrade),
            targ.OVERLAY_TARG_RESTORE: _Command(self._restore),
            targ.OVERLAY_TARG_RESPOND: _Command(self._respond),
            targ.OVERLAY_TARG_DROP: _Command(self._drop),
            targ.OVERLAY_TARG_INJECT: _Command(self._inject),
            targ.OVERLAY_TARG_PKT: _Command(self._pkt),
            targ.OVERLAY_TARG_RESEND: _Command(self._resend),
            targ.OVERLAY_TARG_LIST: _Command(self._list, writes=False),
            targ.OVERLAY_TARG_CACHE_GET: _Command(self._cache_get, writes=False),
            targ.OVERLAY_TARG_CACHE_SET: _Command(self._cache_set),
            targ.OVERLAY_TARG_CACHE_REMOVE: _Command(self._cache_remove),
            targ.OVERLAY_TARG_CACHE_FLUSH: _Command(self._cache_flush),
            targ.OVERLAY_TARG_CACHE_ITER: _Command(self._cache_iter, writes=False),
        }

    # ------------------------------------------------------------------ handles

    def open(self, flags: int, cred: Credentials) -> OverlayHandle:
        """A new handle.

        Errors, in this order: EPERM; EINVAL a flag other than read, write, exclusive, write without exclusive, neither read nor
        write; EEXIST exclusive while there is an exclusive handle (KRN-I20).
        """
        cred.require_privilege()
        if flags & ~_ALL_FLAGS:
            raise KernelError(Errno.EINVAL, f"/dev/overlay: unknown open flags {flags:#x}")
        wanted = OpenFlag(flags)
        if OpenFlag.WRITE in wanted and OpenFlag.EXCLUSIVE not in wanted:
            raise KernelError(Errno.EINVAL, "/dev/overlay can be opened for writing exclusively only")
        if not wanted & (OpenFlag.READ | OpenFlag.WRITE):
            raise KernelError(Errno.EINVAL, "/dev/overlay must be opened for reading or writing")
        if OpenFlag.EXCLUSIVE in wanted and self._exclusive is not None:
            raise KernelError(Errno.EEXIST, "/dev/overlay is open exclusively: another varpd runs")
        handle = OverlayHandle(self, wanted)
        self._handles[handle] = None
        if OpenFlag.EXCLUSIVE in wanted:
            self._exclusive = handle
        return handle

    def close(self, handle: OverlayHandle) -> None:
        """See `OverlayHandle.close`."""
        if handle.closed:
            return
        handle.closed = True
        del self._handles[handle]
        if self._exclusive is handle:
            self._exclusive = None
        waiters, handle.waiters = handle.waiters, {}
        for waiter, reply in waiters.items():
            self._queue.cancel(waiter)
            reply(Errno.ENXIO, b"")
        returned = list(handle.outstanding.values())
        handle.outstanding.clear()
        self._queue.enqueue(*[entry for entry in returned if entry.give_back()])

    def close_all(self) -> None:
        """Close every handle."""
        for handle in list(self._handles):
            handle.close()

    def ioctl(self, handle: OverlayHandle, cmd: int, argument: bytes, reply: Reply) -> None:
        """See `OverlayHandle.ioctl`."""
        if handle.closed:
            reply(Errno.ENXIO, b"")
        elif cmd == targ.OVERLAY_TARG_LOOKUP:
            self._lookup(handle, reply)
        else:
            reply(*self._run(handle, cmd, argument))

    def _run(self, handle: OverlayHandle, cmd: int, argument: bytes) -> tuple[int, bytes]:
        command = self._commands.get(cmd)
        if command is None:
            return Errno.ENOTTY, b""
        if command.writes and OpenFlag.WRITE not in handle.flags:
            return Errno.EBADF, b""
        try:
            return 0, command.handler(handle, argument)
        except KernelError as error:
            return error.errno, b""

    # ------------------------------------------------------------------ devices

    def _info(self, handle: OverlayHandle, argument: bytes) -> bytes:
        device = self._driver.find(TargInfo.unpack(argument).linkid)
        flags = TargInfoFlag.ACTIVE if device.active else TargInfoFlag.NONE
        if device.fault.degraded:
            flags |= TargInfoFlag.DEGRADED
        return TargInfo(device.linkid, device.plugin.dest, flags, device.vnetid).pack()

    def _associate(self, handle: OverlayHandle, argument: bytes) -> bytes:
        wanted = TargAssociate.unpack(argument)
        device = self._driver.find(wanted.linkid)
        mode = _checked_mode(wanted, device)
        if device.associated:
            raise KernelError(Errno.EEXIST, f"overlay {device.linkid} has a varpd instance")
        device.associate(self.makers[mode](device, Association(wanted.id, Dest(wanted.provides), wanted.point)))
        return b""

    def _disassociate(self, handle: OverlayHandle, argument: bytes) -> bytes:
        self._driver.find(TargId.unpack(argument).linkid).disassociate()
        return b""

    def _degrade(self, handle: OverlayHandle, argument: bytes) -> bytes:
        wanted = TargDegrade.unpack(argument)
        self._driver.faults.degrade(self._driver.find(wanted.linkid).fault, wanted.message)
        return b""

    def _restore(self, handle: OverlayHandle, argument: bytes) -> bytes:
        self._driver.faults.restore(self._driver.find(TargId.unpack(argument).linkid).fault)
        return b""

    def _list(self, handle: OverlayHandle, argument: bytes) -> bytes:
        slots = TargList.unpack(argument).nents
        if slots >= targ.OVERLAY_TARG_LIST_MAX:
            raise KernelError(Errno.EINVAL, f"{slots} slots are more than {targ.OVERLAY_TARG_LIST_MAX - 1}")
        ids = [device.linkid for device in self._driver]
        return TargList(tuple(ids[:slots]), len(ids)).pack()

    # ------------------------------------------------------------------ lookups

    def _lookup(self, handle: OverlayHandle, reply: Reply) -> None:
        def deliver(entry: PendingLookup, described: TargLookup) -> None:
            handle.waiters.pop(waiter, None)
            handle.outstanding[entry.reqid] = entry
            entry.holder = handle.outstanding
            reply(0, described.pack())

        def expire() -> None:
            del handle.waiters[waiter]
            reply(Errno.ETIME, b"")

        waiter = Waiter(deliver, expire)
        handle.waiters[waiter] = reply
        self._queue.wait(waiter)

    def _respond(self, handle: OverlayHandle, argument: bytes) -> bytes:
        answer = TargResp.unpack(argument)
        entry = _outstanding(handle, answer.reqid, Errno.EINVAL)
        del handle.outstanding[answer.reqid]
        entry.respond(answer.point)
        return b""

    def _drop(self, handle: OverlayHandle, argument: bytes) -> bytes:
        reqid = TargResp.unpack(argument).reqid
        entry = _outstanding(handle, reqid, Errno.EINVAL)
        del handle.outstanding[reqid]
        entry.drop()
        return b""

    def _pkt(self, handle: OverlayHandle, argument: bytes) -> bytes:
        wanted = TargPkt.unpack(argument)
        frame = _outstanding(handle, wanted.reqid, Errno.EINVAL).head()
        if frame is None:
            raise KernelError(Errno.EINVAL, f"nothing is parked for request {wanted.reqid}")
        data = bytes(frame[: wanted.size])
        return TargPkt(wanted.linkid, wanted.reqid, len(data), data).pack()

    def _inject(self, handle: OverlayHandle, argument: bytes) -> bytes:
        device, frame = self._selected(handle, argument)
        device.inject(frame)
        return b""

    def _resend(self, handle: OverlayHandle, argument: bytes) -> bytes:
        device, frame = self._selected(handle, argument)
        device.resend(frame)
        return b""

    def _selected(self, handle: OverlayHandle, argument: bytes) -> tuple[Injectable, bytes]:
        """Device and frame of an INJECT or RESEND. Errors: EINVAL over 1518 bytes; EFAULT; ENOENT link or request."""
        wanted = TargPkt.unpack(argument)
        if wanted.size > targ.OVERLAY_TARG_PKT_MAX:
            raise KernelError(Errno.EINVAL, f"a frame of {wanted.size} bytes; at most {targ.OVERLAY_TARG_PKT_MAX}")
        if len(wanted.data) < wanted.size:
            raise KernelError(Errno.EFAULT, f"a frame of {wanted.size} bytes, {len(wanted.data)} were given")
        frame = wanted.data[: wanted.size]
        if wanted.linkid != targ.OVERLAY_TARG_NO_LINK:
            return self._driver.find(wanted.linkid & _LINKID_MASK), frame
        return _outstanding(handle, wanted.reqid, Errno.ENOENT).device, frame

    # ------------------------------------------------------------------ cache

    def _target(self, linkid: int) -> Target:
        device = self._driver.find(linkid)
        if not device.associated or device.target is None:
            raise KernelError(Errno.ENXIO, f"overlay {linkid} has no varpd instance")
        return device.target

    def _cache_get(self, handle: OverlayHandle, argument: bytes) -> bytes:
        asked = TargCache.unpack(argument)
        return TargCache(asked.linkid, self._target(asked.linkid).cache_get(asked.entry.mac, asked.entry.point)).pack()

    def _cache_set(self, handle: OverlayHandle, argument: bytes) -> bytes:
        wanted = TargCache.unpack(argument)
        if wanted.entry.flags & ~targ.OVERLAY_TARGET_CACHE_DROP:
            raise KernelError(Errno.EINVAL, f"unknown cache entry flags {wanted.entry.flags:#x}")
        self._target(wanted.linkid).cache_set(wanted.entry)
        return wanted.pack()

    def _cache_remove(self, handle: OverlayHandle, argument: bytes) -> bytes:
        wanted = TargCache.unpack(argument)
        self._target(wanted.linkid).cache_remove(wanted.entry.mac)
        return wanted.pack()

    def _cache_flush(self, handle: OverlayHandle, argument: bytes) -> bytes:
        wanted = TargCache.unpack(argument)
        self._target(wanted.linkid).cache_flush()
        return wanted.pack()

    def _cache_iter(self, handle: OverlayHandle, argument: bytes) -> bytes:
        asked = TargIter.unpack(argument)
        if asked.count > targ.OVERLAY_TARGET_ITER_MAX:
            raise KernelError(Errno.E2BIG, f"{asked.count} entries; at most {targ.OVERLAY_TARGET_ITER_MAX}")
        if asked.count == 0:
            raise KernelError(Errno.EINVAL, "no entry is asked for")
        if any(asked.marker[6:]):
            return TargIter(asked.linkid, asked.marker).pack()
        marker, entries = self._target(asked.linkid).cache_iter(asked.marker, asked.count)
        return TargIter(asked.linkid, marker, len(entries), tuple(entries)).pack()


def _outstanding(handle: OverlayHandle, reqid: int, missing: Errno) -> PendingLookup:
    entry = handle.outstanding.get(reqid)
    if entry is None:
        raise KernelError(missing, f"request {reqid} is not outstanding on this handle")
    return entry


def _checked_mode(wanted: TargAssociate, device: OverlayDevice) -> TargMode:
    """The mode of an ASSOCIATE that could be. Errors: EINVAL id, mode, parts or point."""
    faults = (
        (wanted.id == 0, "instance id 0"),
        (wanted.mode not in {TargMode.POINT, TargMode.DYNAMIC}, f"mode {wanted.mode}"),
        (wanted.provides != device.plugin.dest, f"parts {wanted.provides:#x}, wanted are {int(device.plugin.dest):#x}"),
        (
            wanted.mode == TargMode.POINT and not _usable(wanted.point, device.plugin.dest),
            f"destination {wanted.point}",
        ),
    )
    for wrong, why in faults:
        if wrong:
            raise KernelError(Errno.EINVAL, f"overlay {device.linkid} cannot be associated: {why}")
    return TargMode(wanted.mode)


def _usable(point: Point, dest: Dest) -> bool:
    compatible = point.ip[:12] == _ANY[:12] and point.ip != _LOOPBACK
    if Dest.IP in dest and (compatible or point.ip == V4_MAPPED_PREFIX + bytes(4)):
        return False
    return not (Dest.PORT in dest and point.port == 0)
