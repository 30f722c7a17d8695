"""One host with one overlay that asks for its destinations, and what varpd does about it, call by call.

overlay = DynamicOverlay()
overlay.port.send(frame)
asked = overlay.lookup()
overlay.respond(asked.reqid, "10.0.0.2")
assert overlay.sent == [frame]
"""

from __future__ import annotations

from collections.abc import Sequence

from etherspan.testing.host import ROOT, Answer, MemoryHost
from etherspan.testing.memory import MemoryClock, MemoryNetwork, MemoryPort, address
from kernel_sim.kernel import OverlayHandle
from kernel_sim.overlay.cache import DynamicTarget
from kernel_sim.overlay.device import OverlayDevice
from kernel_sim.overlay.plugin import EncapPlugin
from kernel_sim.overlay.plugins.vxlan import PLUGIN as VXLAN
from kernel_sim.sys import overlay_target as targ
from kernel_sim.sys.codec import (
    CacheEntry,
    EsNameClear,
    OverlayLink,
    Point,
    TargAssociate,
    TargCache,
    TargId,
    TargIter,
    TargLookup,
    TargPkt,
    TargResp,
)
from kernel_sim.sys.errno import Errno
from kernel_sim.sys.es import ES_NAME_CLEAR
from kernel_sim.sys.ethernet import ZERO_MAC
from kernel_sim.sys.overlay import OVERLAY_IOC_ACTIVATE, OVERLAY_IOC_DELETE
from kernel_sim.sys.overlay_target import TargMode
from kernel_sim.sys.tunables import Tunables

OWN_MAC = bytes.fromhex("02082000000a")
"""Of the VNIC."""


def point(to: str, port: int = 4789) -> Point:
    """A destination."""
    return Point(ip=address(to).ip, port=port)


class DynamicOverlay:
    """The host is 10.0.0.1 and fd00::1, the overlay `demo0` with vnetid 23, the VNIC `vnic0`; `started` tells whether that is made."""

    def __init__(
        self,
        *,
        started: bool = True,
        plugins: Sequence[EncapPlugin] = (VXLAN,),
        listen: str = "10.0.0.1",
        tunables: Tunables | None = None,
    ) -> None:
        self.clock = MemoryClock()
        self.network = MemoryNetwork(self.clock)
        self.host = MemoryHost(self.clock, self.network, "10.0.0.1", "fd00::1", plugins=plugins, tunables=tunables)
        self.link = self.host.create_overlay("demo0", 23, to=None, listen=listen)
        self.device: OverlayDevice = self.host.kernel.overlays.find(self.link)
        self.associate()
        self.host.dld(OVERLAY_IOC_ACTIVATE, OverlayLink(self.link))
        if started:
            self.start()

    # ------------------------------------------------------------------ the overlay

    def associate(self, to: Point | None = None, varpd_id: int = 9) -> None:
        """ASSOCIATE: dynamic, or to a point."""
        mode = TargMode.DYNAMIC if to is None else TargMode.POINT
        wanted = TargAssociate(self.link, mode, varpd_id, self.device.plugin.dest, to or Point())
        self.host.targ(targ.OVERLAY_TARG_ASSOCIATE, wanted)

    def disassociate(self) -> None:
        """DISASSOCIATE."""
        self.host.targ(targ.OVERLAY_TARG_DISASSOCIATE, TargId(self.link))

    def associate_again(self, to: Point | None = None, varpd_id: int = 10) -> None:
        """What varpd does when it starts anew."""
        self.disassociate()
        self.associate(to, varpd_id)

    def start(self) -> None:
        """Make the VNIC."""
        self.host.create_vnic("vnic0", self.link, OWN_MAC)

    def stop(self) -> None:
        """Delete the VNIC."""
        self.host.delete_vnic(self.port.linkid)

    def delete(self) -> Answer:
        """DELETE of the overlay, after `stop`; it may still wait. Its name is forgotten."""
        answer = Answer()
        self.host.kernel.dld_ioctl(OVERLAY_IOC_DELETE, OverlayLink(self.link).pack(), ROOT, answer)
        self.host.dld(ES_NAME_CLEAR, EsNameClear(self.link))
        return answer

    @property
    def port(self) -> MemoryPort:
        """The VNIC's port."""
        return self.host.ports["vnic0"]

    @property
    def target(self) -> DynamicTarget:
        """The present target, which is dynamic."""
        assert isinstance(self.device.target, DynamicTarget)
        return self.device.target

    # ------------------------------------------------------------------ lookups

    def ask(self, handle: OverlayHandle | None = None) -> Answer:
        """A LOOKUP, by default varpd's."""
        answer = Answer()
        (handle or self.host.varpd).ioctl(targ.OVERLAY_TARG_LOOKUP, TargLookup().pack(), answer)
        return answer

    def lookup(self, handle: OverlayHandle | None = None) -> TargLookup:
        """The LOOKUP that is to be had now."""
        return TargLookup.unpack(self.ask(handle).result())

    def idle(self) -> bool:
        """Whether nothing is to be looked up; asking takes a second."""
        answer = self.ask()
        self.clock.advance(1)
        return answer.errno == Errno.ETIME

    def respond(self, reqid: int, to: str = "10.0.0.2", port: int = 4789) -> None:
        """RESPOND."""
        self.host.targ(targ.OVERLAY_TARG_RESPOND, TargResp(reqid, point(to, port)))

    def drop(self, reqid: int) -> None:
        """DROP."""
        self.host.targ(targ.OVERLAY_TARG_DROP, TargResp(reqid))

    def pkt(self, reqid: int, room: int = 200_000) -> bytes:
        """PKT: the frame at the head."""
        return TargPkt.unpack(self.host.targ(targ.OVERLAY_TARG_PKT, TargPkt(0, reqid, room))).data

    def inject(self, frame: bytes, reqid: int | None = None) -> None:
        """INJECT, by request id or by link."""
        self.host.targ(targ.OVERLAY_TARG_INJECT, self._packet(frame, reqid))

    def resend(self, frame: bytes, reqid: int | None = None) -> None:
        """RESEND, by request id or by link."""
        self.host.targ(targ.OVERLAY_TARG_RESEND, self._packet(frame, reqid))

    def _packet(self, frame: bytes, reqid: int | None) -> TargPkt:
        if reqid is None:
            return TargPkt(self.link, 0, len(frame), frame)
        return TargPkt(targ.OVERLAY_TARG_NO_LINK, reqid, len(frame), frame)

    # ------------------------------------------------------------------ the cache

    def cache_get(self, mac: bytes, offered: Point | None = None) -> CacheEntry:
        """CACHE_GET, with what the caller has in its buffer."""
        return self._cache(targ.OVERLAY_TARG_CACHE_GET, CacheEntry(mac, 0, offered or Point()))

    def cache_set(self, mac: bytes, to: str = "10.0.0.2", port: int = 4789) -> None:
        """CACHE_SET of a destination."""
        self._cache(targ.OVERLAY_TARG_CACHE_SET, CacheEntry(mac, 0, point(to, port)))

    def cache_set_drop(self, mac: bytes) -> None:
        """CACHE_SET of a drop entry."""
        self._cache(targ.OVERLAY_TARG_CACHE_SET, CacheEntry(mac, targ.OVERLAY_TARGET_CACHE_DROP))

    def cache_remove(self, mac: bytes) -> None:
        """CACHE_REMOVE."""
        self._cache(targ.OVERLAY_TARG_CACHE_REMOVE, CacheEntry(mac))

    def cache_flush(self) -> None:
        """CACHE_FLUSH."""
        self._cache(targ.OVERLAY_TARG_CACHE_FLUSH, CacheEntry(ZERO_MAC))

    def cache_iter(self, marker: bytes = targ.MARKER_BEGIN, count: int = 500) -> TargIter:
        """CACHE_ITER, one step."""
        argument = TargIter(self.link, marker, count)
        return TargIter.unpack(self.host.targ(targ.OVERLAY_TARG_CACHE_ITER, argument))

    def walk(self, count: int = 500) -> list[CacheEntry]:
        """CACHE_ITER to the end."""
        found: list[CacheEntry] = []
        marker = targ.MARKER_BEGIN
        while not any(marker[6:]):
            step = self.cache_iter(marker, count)
            found += step.entries
            marker = step.marker
        return found

    def _cache(self, cmd: int, entry: CacheEntry) -> CacheEntry:
        return TargCache.unpack(self.host.targ(cmd, TargCache(self.link, entry))).entry

    # ------------------------------------------------------------------ what came of it

    @property
    def sent(self) -> list[bytes]:
        """The frames on the wire."""
        return [datagram.payload[8:] for datagram in self.network.wire]

    @property
    def drops(self) -> dict[str, int | str]:
        """What the overlay has dropped, by name."""
        return self.host.drops("demo0")

    @property
    def parked(self) -> dict[bytes, tuple[int, int]]:
        """Frames and bytes parked, by MAC address."""
        return {
            entry.mac: (sum(message.frames for message in entry.chain), entry.parked)
            for entry in self.target
            if entry.chain
        }
