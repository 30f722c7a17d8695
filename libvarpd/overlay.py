"""The conversation with the overlay driver: one method an ioctl of /dev/overlay (VPD 8).

Every method may raise `KernelError` with the errno of the ioctl, and ECONNRESET once the kernel has gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from kernel_sim.dev.framing import FEXCL, FREAD, FWRITE
from kernel_sim.sys import overlay_target as targ
from kernel_sim.sys.codec import (
    CacheEntry,
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
from kernel_sim.sys.overlay_common import Dest
from kernel_sim.sys.overlay_target import TargMode

OPEN_FLAGS: Final = FREAD | FWRITE | FEXCL
"""How varpd opens /dev/overlay: whoever holds it so is the only daemon (VPD 1.2)."""


class OverlayDevice(Protocol):
    """An open /dev/overlay: `kernel_sim.dev.client.AsyncDevice`, or one in memory. Any number of calls may be outstanding."""

    async def ioctl(self, cmd: int, argument: bytes = b"") -> bytes:
        """Make a call and return the argument that came back. Errors: `KernelError`."""

    def close(self) -> None:
        """Close it; calls outstanding end with an error."""


class Overlay:
    """The kernel's overlays, seen from varpd."""

    def __init__(self, device: OverlayDevice) -> None:
        self._device = device

    async def info(self, linkid: int) -> TargInfo:
        """What a destination of that overlay takes, its flags and virtual network id. Errors: ENOENT."""
        return TargInfo.unpack(await self._device.ioctl(targ.OVERLAY_TARG_INFO, TargInfo(linkid).pack()))

    async def associate(self, linkid: int, instance: int, mode: TargMode, provides: Dest, point: Point) -> None:
        """Bind an instance to an overlay. Errors: ENOENT; EINVAL parts or point do not suit; ENOTSUP mode; EEXIST it is bound."""
        wanted = TargAssociate(linkid, mode, instance, provides, point)
        await self._device.ioctl(targ.OVERLAY_TARG_ASSOCIATE, wanted.pack())

    async def disassociate(self, linkid: int) -> None:
        """Unbind, whether or not it was bound; traffic goes on. Errors: ENOENT."""
        await self._device.ioctl(targ.OVERLAY_TARG_DISASSOCIATE, TargId(linkid).pack())

    async def degrade(self, linkid: int, text: str) -> None:
        """Errors: ENOENT."""
        await self._device.ioctl(targ.OVERLAY_TARG_DEGRADE, TargDegrade(linkid, text).pack())

    async def restore(self, linkid: int) -> None:
        """Errors: ENOENT."""
        await self._device.ioctl(targ.OVERLAY_TARG_RESTORE, TargId(linkid).pack())

    async def lookup(self) -> TargLookup:
        """The next frame whose destination is not known. Errors: ETIME none within about a second."""
        return TargLookup.unpack(await self._device.ioctl(targ.OVERLAY_TARG_LOOKUP))

    async def respond(self, reqid: int, point: Point) -> None:
        """Answer a lookup. Errors: EINVAL it is not outstanding."""
        await self._device.ioctl(targ.OVERLAY_TARG_RESPOND, TargResp(reqid, point).pack())

    async def drop(self, reqid: int) -> None:
        """Answer a lookup: drop the frame. Errors: EINVAL it is not outstanding."""
        await self._device.ioctl(targ.OVERLAY_TARG_DROP, TargResp(reqid).pack())

    async def packet(self, reqid: int, size: int) -> bytes:
        """The frame that waits for the answer to a lookup, at most `size` bytes of it. Errors: EINVAL it is not outstanding."""
        asked = TargPkt(targ.OVERLAY_TARG_NO_LINK, reqid, size)
        return TargPkt.unpack(await self._device.ioctl(targ.OVERLAY_TARG_PKT, asked.pack())).data

    async def inject(self, frame: bytes, *, reqid: int = 0, linkid: int = targ.OVERLAY_TARG_NO_LINK) -> None:
        """Let a frame come up an overlay, the one of a lookup or of a link id. Errors: EINVAL over 1518 bytes; ENOENT."""
        await self._device.ioctl(targ.OVERLAY_TARG_INJECT, TargPkt(linkid, reqid, len(frame), frame).pack())

    async def resend(self, frame: bytes, *, reqid: int = 0, linkid: int = targ.OVERLAY_TARG_NO_LINK) -> None:
        """Let a frame leave by an overlay. Errors: as `inject`."""
        await self._device.ioctl(targ.OVERLAY_TARG_RESEND, TargPkt(linkid, reqid, len(frame), frame).pack())

    async def links(self) -> tuple[int, ...]:
        """The link ids of all overlays, in the order they were made."""
        slots = 0
        while True:
            found = TargList.unpack(await self._device.ioctl(targ.OVERLAY_TARG_LIST, TargList(nents=slots).pack()))
            if found.nents == slots:
                return found.linkids
            slots = found.nents

    async def cache_get(self, linkid: int, mac: bytes) -> CacheEntry:
        """The answer for a MAC address. Errors: ENOENT overlay or entry, ENXIO not bound."""
        return await self._cache(targ.OVERLAY_TARG_CACHE_GET, linkid, CacheEntry(mac))

    async def cache_set(self, linkid: int, entry: CacheEntry) -> None:
        """Install an answer. Errors: EINVAL unknown flags; ENOENT; ENXIO; ENOTSUP not dynamic."""
        await self._cache(targ.OVERLAY_TARG_CACHE_SET, linkid, entry)

    async def cache_remove(self, linkid: int, mac: bytes) -> None:
        """Remove an answer. Errors: ENOENT overlay or entry; ENXIO; ENOTSUP."""
        await self._cache(targ.OVERLAY_TARG_CACHE_REMOVE, linkid, CacheEntry(mac))

    async def cache_flush(self, linkid: int) -> None:
        """Remove all answers. Errors: ENOENT; ENXIO; ENOTSUP."""
        await self._cache(targ.OVERLAY_TARG_CACHE_FLUSH, linkid, CacheEntry())

    async def cache_iter(self, linkid: int, marker: bytes, count: int) -> tuple[bytes, Sequence[CacheEntry]]:
        """Up to `count` answers from `marker` on, and the marker to go on from. Errors: EINVAL count 0; E2BIG; ENOENT; ENXIO."""
        asked = TargIter(linkid, marker, count)
        found = TargIter.unpack(await self._device.ioctl(targ.OVERLAY_TARG_CACHE_ITER, asked.pack()))
        return found.marker, found.entries

    def close(self) -> None:
        """Close the device: lookups that were handed out go back to the kernel's queue."""
        self._device.close()

    async def _cache(self, command: int, linkid: int, entry: CacheEntry) -> CacheEntry:
        return TargCache.unpack(await self._device.ioctl(command, TargCache(linkid, entry).pack())).entry
