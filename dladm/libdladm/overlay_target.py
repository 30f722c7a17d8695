"""Where an overlay sends frames: its one destination, or the table of MAC addresses that varpd fills and anybody may correct.

    set_target(handle, linkid, mac, "10.0.0.5:4789")
    set_target(handle, linkid, mac, "drop")
    for target in targets(handle, linkid): ...

(DLM 3.2, 3.3.) The changes raise `DladmError`: NOTFOUND varpd never ran, or has nothing for that link; FAILED varpd has stopped; DENIED;
NOTSUP the overlay has one destination for all.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dladm.destination import parse_destination
from dladm.libdladm.handle import Dladm
from dladm.libdladm.overlay_prop import encode, format_ip
from dladm.libdladm.status import DladmError, Status
from kernel_sim.sys.codec import CacheEntry, Point
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.ethernet import ZERO_MAC, format_mac
from kernel_sim.sys.overlay_common import Dest, PropType
from kernel_sim.sys.overlay_target import OVERLAY_TARGET_CACHE_DROP, TargMode

if TYPE_CHECKING:
    from libvarpd.client import Client

_MAC: Final = re.compile(":".join([r"[ \t\n\v\f\r]*0*([0-9A-Fa-f]{1,2})"] * 6))
_PORT: Final = re.compile(r"[ \t\n\v\f\r]*\+?0*([0-9]{1,5})")
_PORT_MAX: Final = 65535


def parse_mac(text: str) -> bytes:
    """Six bytes from six hex numbers with colons between; blanks and zeros may come before each. ValueError for anything else.

    Where the original cuts a number over 255 and ignores what follows the last one, it is refused: the entry meant would not be
    the one that is changed (DLM-Q17).
    """
    found = _MAC.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not six hex numbers of at most 255 with colons between")
    return bytes(int(group, 16) for group in found.groups())


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

    def ask(varpd: Client) -> list[Target]:
        instance = varpd.instance_lookup(linkid)
        dest, mode = varpd.instance_target_mode(instance)
        if mode == TargMode.POINT:
            return [Target(None, Dest(dest), varpd.instance_cache_get(instance, ZERO_MAC))]
        entries = sorted(varpd.instance_cache_walk(instance), key=lambda entry: entry.mac)
        return [Target(entry.mac, Dest(dest), entry) for entry in entries]

    try:
        return handle.ask_varpd(ask)
    except KernelError as error:
        handle.note(f"targets of link {linkid}: {error}")
        return []


# ---------------------------------------------------------------------- changes


def set_target(handle: Dladm, linkid: int, mac: bytes, destination: str) -> None:
    """Send frames to `mac` to that destination, or drop them; frames that wait for one are sent. Errors: BADARG no destination (DLM-Q10).

    An entry that drops is deleted before it gets a destination, for the kernel would let it drop on (DLM-Q12).
    """
    with _instance(handle, linkid) as (varpd, instance):
        needs, _ = varpd.instance_target_mode(instance)
        try:
            entry = destination_entry(mac, destination, needs)
        except ValueError as error:
            handle.note(f"destination {destination!r}: {error}")
            raise DladmError(Status.BADARG) from error
        if not entry.flags & OVERLAY_TARGET_CACHE_DROP:
            _lift_drop(varpd, instance, mac)
        varpd.instance_cache_set(instance, entry)


def delete_target(handle: Dladm, linkid: int, mac: bytes) -> None:
    """Forget the destination of `mac`; the next frame to it is asked for anew. Errors: NOTFOUND, too, where nobody ever asked for it."""
    with _instance(handle, linkid) as (varpd, instance):
        varpd.instance_cache_delete(instance, mac)


def flush_targets(handle: Dladm, linkid: int) -> None:
    """Forget all destinations."""
    with _instance(handle, linkid) as (varpd, instance):
        varpd.instance_cache_flush(instance)


@contextlib.contextmanager
def _instance(handle: Dladm, linkid: int) -> Iterator[tuple[Client, int]]:
    """A conversation with varpd, and the instance that a link has there."""
    try:
        with handle.varpd() as varpd:
            yield varpd, varpd.instance_lookup(linkid)
    except KernelError as error:
        handle.note(f"targets of link {linkid}: {error}")
        raise DladmError.of(error) from error


def destination_entry(mac: bytes, text: str, needs: Dest) -> CacheEntry:
    """The entry for a destination. ValueError for a text that is none."""
    found = parse_destination(text, needs)
    if found.drop:
        return CacheEntry(mac, OVERLAY_TARGET_CACHE_DROP)
    underlay_mac = parse_mac(found.mac) if needs & Dest.ETHERNET else ZERO_MAC
    ip = _parse_ip(found.ip) if needs & Dest.IP else Point().ip
    port = _parse_port(found.port) if needs & Dest.PORT else 0
    return CacheEntry(mac, point=Point(underlay_mac, ip, port))


def _parse_ip(text: str) -> bytes:
    try:
        return encode(PropType.IP, text)
    except DladmError as error:
        raise ValueError(f"{text!r} is no IP address") from error


def _parse_port(text: str) -> int:
    found = _PORT.fullmatch(text)
    port = int(found[1]) if found else 0
    if not 0 < port <= _PORT_MAX:
        raise ValueError(f"{text!r} is no number from 1 to {_PORT_MAX}")
    return port


def _lift_drop(varpd: Client, instance: int, mac: bytes) -> None:
    try:
        if varpd.instance_cache_get(instance, mac).flags & OVERLAY_TARGET_CACHE_DROP:
            varpd.instance_cache_delete(instance, mac)
    except KernelError as error:
        if error.errno is not Errno.ENOENT:  # nothing is known of it
            raise
