"""One question of the kernel, from LOOKUP to its answer (VPD 5.1).

A plugin's `lookup` may look at the frame that waits, and may have the proxies answer it. Whatever it injects or sends again goes to
the kernel before the answer does, since the answer retires the request id (VPD-I19). The proxies always answer DROP, so what they
answer for never gets into the kernel's cache (VPD-I18).
"""

from __future__ import annotations

from kernel_sim.sys.codec import TargLookup
from kernel_sim.sys.errno import Errno
from kernel_sim.sys.ethernet import ETHERADDRL
from kernel_sim.sys.overlay_target import OVERLAY_TARG_PKT_MAX
from libvarpd import arp
from libvarpd.errors import VarpdError
from libvarpd.overlay import Overlay
from libvarpd.plugin import DROP, Drop, MacAnswer, SearchPlugin


class Question:
    """See `libvarpd.plugin.Query`. It belongs to its instance, which asks it again when it is `stale` and closes it at the end."""

    __slots__ = ("_closed", "_ops", "_overlay", "_request", "stale")

    def __init__(self, overlay: Overlay, request: TargLookup, ops: SearchPlugin) -> None:
        self._overlay = overlay
        self._request = request
        self._ops = ops
        self._closed = False
        self.stale = False

    @property
    def request(self) -> TargLookup:
        return self._request

    def close(self) -> None:
        """It is answered: a plugin that kept it can do nothing with it any more, for the request id is another question's by and by."""
        self._closed = True

    async def packet(self) -> bytes:
        self._require_open()
        return await self._overlay.packet(self._request.reqid, OVERLAY_TARG_PKT_MAX)

    async def inject(self, frame: bytes) -> None:
        self._require_open()
        _require_short(frame)
        await self._overlay.inject(frame, reqid=self._request.reqid)

    async def resend(self, frame: bytes) -> None:
        self._require_open()
        _require_short(frame)
        await self._overlay.resend(frame, reqid=self._request.reqid)

    async def proxy_arp(self) -> Drop:
        if arp.fits_arp(self._request):
            asked = arp.read_arp(self._request, await self.packet())
            if asked is not None and not isinstance(mac := _checked(await self._ops.arp(self, asked.address)), Drop):
                await self.inject(asked.reply(mac))
        return DROP

    async def proxy_ndp(self) -> Drop:
        if arp.fits_ndp(self._request):
            asked = arp.read_ndp(self._request, await self.packet())
            if asked is not None and not isinstance(mac := _checked(await self._ops.arp(self, asked.address)), Drop):
                await self.inject(asked.reply(mac))
        return DROP

    async def proxy_dhcp(self) -> Drop:
        if arp.fits_dhcp(self._request):
            asked = arp.read_dhcp(self._request, await self.packet())
            if asked is not None and not isinstance(mac := _checked(await self._ops.dhcp(self)), Drop):
                await self.resend(asked.forward(mac))
        return DROP

    def _require_open(self) -> None:
        if self._closed:
            raise VarpdError(Errno.EINVAL, f"request {self._request.reqid} has been answered")


def _require_short(frame: bytes) -> None:
    if len(frame) > OVERLAY_TARG_PKT_MAX:
        raise VarpdError(
            Errno.EINVAL, f"a frame of {len(frame)} bytes; at most {OVERLAY_TARG_PKT_MAX} can be injected or sent again"
        )


def _checked(answer: MacAnswer) -> MacAnswer:
    if isinstance(answer, Drop) or (isinstance(answer, bytes) and len(answer) == ETHERADDRL):
        return answer
    raise TypeError(f"{answer!r} is neither a MAC address nor DROP")
