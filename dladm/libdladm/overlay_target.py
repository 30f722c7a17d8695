"""Where an overlay sends frames: its one destination, or the table of MAC addresses that varpd has filled (DLM 3.3)."""

from __future__ import annotations

from dataclasses import dataclass

from dladm.libdladm.handle import Dladm
from dladm.libdladm.overlay_prop import format_ip
from kernel_sim.sys.codec import CacheEntry
from kernel_sim.sys.errno import KernelError
from kernel_sim.sys.ethernet import ZERO_MAC, format_mac
from kernel_sim.sys.overlay_common import Dest
from kernel_sim.sys.overlay_target import OVERLAY_TARGET_CACHE_DROP, TargMode


@dataclass(slots=True, frozen=True)
class Target:
    """One destination: the MAC address it is for (None: every one), which parts it has, and the entry itself."""

    mac: bytes | None
    dest: Dest
    entry: CacheEntry

    @property
    def destination(self) -> str:
        """The parts that the encapsulation uses: MAC, IP, `mac,ip`, then `:port` after an IP, `,port` after a bare MAC.

        An IPv6 address is not bracketed. A drop entry is `drop` (DLM-Q13).
        """
        if self.entry.flags & OVERLAY_TARGET_CACHE_DROP:
            return "drop"
        point = self.entry.point
        parts = [format_mac(point.mac)] if self.dest & Dest.ETHERNET else []
        parts += [format_ip(point.ip)] if self.dest & Dest.IP else []
        text = ",".join(parts)
        if self.dest & Dest.PORT:
            text += f"{':' if self.dest & Dest.IP else ','}{point.port}" if text else str(point.port)
        return text


def targets(handle: Dladm, linkid: int) -> list[Target]:
    """The destinations of an overlay, ascending by MAC address; none when varpd cannot be asked (DLM-Q7). Raises nothing."""
    try:
        with handle.varpd() as varpd:
            instance = varpd.instance_lookup(linkid)
            dest, mode = varpd.instance_target_mode(instance)
            if mode == TargMode.POINT:
                return [Target(None, Dest(dest), varpd.instance_cache_get(instance, ZERO_MAC))]
            entries = sorted(varpd.instance_cache_walk(instance), key=lambda entry: entry.mac)
            return [Target(entry.mac, Dest(dest), entry) for entry in entries]
    except KernelError as error:
        handle.note(f"targets of link {linkid}: {error}")
        return []
