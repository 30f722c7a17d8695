"""Where the frames of an overlay go: the target that an ASSOCIATE installs (KRN 2.1 to 2.3, 2.7).

A target answers one question for each message, `lookup`. The answer of a point-to-point target never depends on the frame, so it
also states it beforehand (`fixed`) and the transmit path asks no more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from kernel_sim.ddi import SocketAddress
from kernel_sim.overlay.drops import DeviceDrop
from kernel_sim.sys.codec import CacheEntry, Point
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.ethernet import ZERO_MAC
from kernel_sim.sys.message import Chain, Message
from kernel_sim.sys.overlay_common import DEST_IP_PORT, Dest
from kernel_sim.sys.overlay_target import MARKER_DONE, TargMode


class Destination:
    """An underlay address that frames are sent to; compared by identity.

    The last fields are the transmit path's: what a mux made of the address (`Mux.resolve`), valid for that mux only.
    """

    __slots__ = ("address", "errno", "limit", "resolved_by", "to")

    def __init__(self, address: SocketAddress) -> None:
        self.address = address
        self.resolved_by: object = None
        self.to = address
        self.errno = 0
        self.limit = 0


Verdict = Destination | DeviceDrop | None
"""What to do with a message: send it there, drop it for that reason, or nothing, for the target has kept it."""


class Target(Protocol):
    """What ASSOCIATE installs."""

    @property
    def mode(self) -> TargMode:
        """Point-to-point or dynamic."""

    @property
    def varpd_id(self) -> int:
        """The id of varpd's instance, not 0."""

    @property
    def fixed(self) -> Destination | None:
        """The verdict on every message, if it is always the same destination."""

    def lookup(self, message: Message) -> Verdict:
        """Decide about a message."""

    def settled(self, message: Message) -> Destination | None:
        """Where messages to the same address go, as long as nothing is configured or answered; None if that is not so. Changes nothing."""

    def cache_get(self, mac: bytes, offered: Point) -> CacheEntry:
        """The answer for a MAC address. Errors: ENOENT none. A drop entry gives back the point it was offered."""

    def cache_set(self, entry: CacheEntry) -> None:
        """Install an answer. Errors: ENOTSUP not dynamic."""

    def cache_remove(self, mac: bytes) -> None:
        """Invalidate an answer. Errors: ENOTSUP not dynamic, ENOENT there never was an entry."""

    def cache_flush(self) -> None:
        """Invalidate all answers. Errors: ENOTSUP not dynamic."""

    def cache_iter(self, marker: bytes, count: int) -> tuple[bytes, list[CacheEntry]]:
        """At most `count` answers in ascending order of MAC address from `marker` on, and the marker to go on from."""

    def named(self, ip: bytes) -> bool:
        """Whether the search plugin has named that address (16 bytes) as one where somebody is."""

    def identify(self, mac: bytes, by: bytes) -> None:
        """Find out where a MAC address is whose frame has come to another one from an address that was not named."""

    def retire(self, successor: Target) -> Chain:
        """Another target takes its place (KRN-Q18). Hands on what is pending; returns parked frames that are to be sent again."""

    def teardown(self, gone: Callable[[], None]) -> None:
        """The device goes away: drop what is parked, and call back once no lookup is outstanding, within a second."""


@dataclass(slots=True, frozen=True)
class Association:
    """What ASSOCIATE gives a target, checked."""

    varpd_id: int
    provides: Dest
    point: Point


class PointTarget:
    """Everything goes to one address, whatever the frame is (KRN 2.3, KRN-I25)."""

    mode = TargMode.POINT

    def __init__(self, association: Association) -> None:
        self.varpd_id = association.varpd_id
        self._point = association.point
        # an encapsulation that needs other parts than IP and port has no destination the data path could use (KRN 2.3)
        usable = association.provides == DEST_IP_PORT
        self.fixed = Destination(SocketAddress(self._point.ip, self._point.port)) if usable else None

    def lookup(self, message: Message) -> Verdict:
        return self.fixed or DeviceDrop.TX_TARGET

    def settled(self, message: Message) -> Destination | None:
        """Wherever all go."""
        return self.fixed

    def cache_get(self, mac: bytes, offered: Point) -> CacheEntry:
        """Any MAC address is answered with the point."""
        return CacheEntry(mac, 0, self._point)

    def cache_set(self, entry: CacheEntry) -> None:
        raise _not_dynamic("CACHE_SET")

    def cache_remove(self, mac: bytes) -> None:
        raise _not_dynamic("CACHE_REMOVE")

    def cache_flush(self) -> None:
        raise _not_dynamic("CACHE_FLUSH")

    def cache_iter(self, marker: bytes, count: int) -> tuple[bytes, list[CacheEntry]]:
        """One record with a zero MAC address, then done (KRN-Q19)."""
        return MARKER_DONE, [CacheEntry(ZERO_MAC, 0, self._point)]

    def named(self, ip: bytes) -> bool:
        """The one destination is."""
        return ip == self._point.ip

    def identify(self, mac: bytes, by: bytes) -> None:
        """There is nobody else to be named."""

    def retire(self, successor: Target) -> Chain:
        """Nothing is ever parked here."""
        return []

    def teardown(self, gone: Callable[[], None]) -> None:
        """Nothing is outstanding."""
        gone()


def _not_dynamic(operation: str) -> KernelError:
    return KernelError(Errno.ENOTSUP, f"{operation} wants a dynamic target; this one is point to point")
