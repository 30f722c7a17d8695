"""What a search plugin is (VPD 1.5).

A search plugin is a subclass of `SearchPlugin`; varpd makes one object of it for each overlay. It is offered under the entry-point group
`varpd.plugins`, or as `PLUGIN` in a plain file of a directory given to `varpd -i`:

    class Anycast(SearchPlugin):
        name = "anycast"
        mode = TargMode.DYNAMIC

        async def lookup(self, query: Query) -> Answer:
            if query.request.sap == ETHERTYPE_ARP:
                return await query.proxy_arp()  # which asks `arp`
            return await self._directory.find(query.request.dstaddr) or DROP
        ...

    PLUGIN = Anycast

Life: `create`, any number of property calls, `start`, then `default` (point) or `lookup` … (dynamic), `stop`, `destroy`. After a
restart `restore` takes the place of `create` and the property calls. `stop` is called only after a `start` that succeeded, `destroy`
always (VPD-Q3, VPD-Q4).

An operation refuses by raising `VarpdError`; its errno is what the client is told. Anything else it raises is a fault of the plugin,
which is logged and becomes EIO. Operations run on varpd's event loop: those that are not coroutines must not wait.
"""

from __future__ import annotations

import abc
import asyncio
from dataclasses import dataclass
from typing import ClassVar, Final, Protocol, Self, TypeAlias, TypeVar

from kernel_sim.sys.codec import Point, TargLookup
from kernel_sim.sys.errno import Errno
from kernel_sim.sys.overlay_common import Dest
from kernel_sim.sys.overlay_target import TargMode
from libvarpd.errors import VarpdError, VarpdPanic
from libvarpd.nvpair import NvList
from libvarpd.prop import PropInfo

VARPD_VERSION_ONE: Final = 1
VARPD_CURRENT_VERSION: Final = VARPD_VERSION_ONE


@dataclass(slots=True, frozen=True)
class Drop:
    """The answer that the frame is to be dropped."""


DROP: Final = Drop()
Answer: TypeAlias = Point | Drop
"""What a lookup gives: where the frames of that MAC address go, or `DROP`."""
MacAnswer: TypeAlias = bytes | Drop
"""What `arp` and `dhcp` give: 6 bytes, or `DROP`."""


class Common(Protocol):
    """What instances share: connections to a server, say."""

    def close(self) -> None:
        """The end of varpd. Instances may not have been stopped."""


CommonT = TypeVar("CommonT", bound=Common)


class Query(Protocol):
    """A question of the kernel, and what may be done with the frame that waits before it is answered (VPD 5.1).

    Every call may raise `KernelError`: EINVAL the question has been answered, or nobody waits for the answer any more.
    """

    @property
    def request(self) -> TargLookup:
        """What describes the first frame that waits."""

    async def packet(self) -> bytes:
        """That frame, Ethernet header and all; at most 1518 bytes of it."""

    async def inject(self, frame: bytes) -> None:
        """Let a frame come up the overlay as if from the wire; at most 1518 bytes. Whether anybody took it is not told."""

    async def resend(self, frame: bytes) -> None:
        """Let a frame leave by the overlay, with a lookup of its own; at most 1518 bytes. Its fate is not told (KRN-Q38)."""

    async def proxy_arp(self) -> Drop:
        """Answer an ARP request in the name of the address asked for, with what `SearchPlugin.arp` says (VPD 5.3)."""

    async def proxy_ndp(self) -> Drop:
        """The same for a neighbour solicitation (VPD 5.4)."""

    async def proxy_dhcp(self) -> Drop:
        """Send a DHCP client's broadcast on to the server that `SearchPlugin.dhcp` names (VPD 5.5)."""


class Provider(Protocol):
    """What a plugin may ask of libvarpd on behalf of its instance, from any operation. None of it waits."""

    @property
    def vnetid(self) -> int:
        """The overlay's virtual network id, as the kernel gave it when the instance was made or restored."""

    def read_file(self, path: str) -> bytes:
        """A configuration file of the host: an absolute path is below its root. Errors: see `libvarpd.hostfiles`."""

    def warn(self, text: str) -> None:
        """Put something that people should know into varpd's log."""

    def inject_varp(self, mac: bytes, target: Point | None) -> asyncio.Future[None]:
        """Put an answer into the kernel's cache, or with None take it out; answers on their way are asked for again (VPD 5.7).

        What it gives is done once the kernel has been told; nobody needs to wait for it.
        """

    def inject_arp(self, vlan: int, source_mac: bytes, source_ip: bytes, destination_mac: bytes) -> None:
        """Announce that an IPv4 address (4 bytes) is at a MAC address, to one that may think otherwise (VPD 5.7)."""

    def common(self, kind: type[CommonT]) -> CommonT:
        """The one object of that class that all instances of this varpd share: made when first asked for, closed when varpd ends."""

    def degrade(self, text: str) -> None:
        """Mark the overlay degraded, with the reason people are shown (255 bytes). An overlay that is gone is none (VPD-Q31)."""

    def restore(self) -> None:
        """Mark the overlay sound again."""


class SearchPlugin(abc.ABC):
    """A search plugin bound to one overlay.

    `name` 1 to 63 bytes; `mode` says whether there is one destination for all frames (POINT: `default`) or one a MAC address
    (DYNAMIC: `lookup`).
    """

    version: ClassVar[int] = VARPD_VERSION_ONE
    name: ClassVar[str]
    mode: ClassVar[TargMode]

    @classmethod
    @abc.abstractmethod
    def create(cls, provider: Provider, dest: Dest) -> Self:
        """A new instance; `dest` are the parts of a destination that the encapsulation needs. Errors: ENOTSUP it cannot give those."""

    @classmethod
    @abc.abstractmethod
    def restore(cls, provider: Provider, dest: Dest, saved: NvList) -> Self:
        """The instance that `save` wrote down. Errors: any; the state file is then put aside."""

    @abc.abstractmethod
    def start(self) -> None:
        """Make ready to answer. Errors: EAGAIN a required property is unset; any other."""

    @abc.abstractmethod
    def stop(self) -> None:
        """Undo `start`. No question is outstanding."""

    @abc.abstractmethod
    def destroy(self) -> None:
        """The instance goes away."""

    @abc.abstractmethod
    def nprops(self) -> int:
        """How many properties it has."""

    @abc.abstractmethod
    def propinfo(self, index: int) -> PropInfo:
        """What describes a property; `index` is below `nprops()`."""

    @abc.abstractmethod
    def getprop(self, name: str) -> bytes:
        """A property's value as `libvarpd.prop` lays it out, b"" while unset. Errors: EINVAL unknown name."""

    @abc.abstractmethod
    def setprop(self, name: str, value: bytes) -> None:
        """Set a property of an instance that is not active. Errors: EINVAL unknown name or bad value, EOVERFLOW too short a value."""

    @abc.abstractmethod
    def save(self) -> NvList:
        """What `restore` needs; called after `start`."""

    def default(self) -> Point:
        """Where all frames go (mode POINT). Errors: any; the activation fails with it."""
        raise VarpdError(Errno.ENOTSUP, f"{self.name} has no default destination")

    async def lookup(self, query: Query) -> Answer:
        """Where frames for `query.request.dstaddr` go (mode DYNAMIC). Cancelled when the instance is destroyed meanwhile."""
        raise VarpdError(Errno.ENOTSUP, f"{self.name} answers no lookups")

    async def arp(self, query: Query, address: bytes) -> MacAnswer:
        """Who has that address (4 bytes IPv4, 16 bytes IPv6)? Asked only by a plugin's own use of the proxies."""
        raise VarpdPanic(f"{self.name} plugin asked to do arp, but has no method")

    async def dhcp(self, query: Query) -> MacAnswer:
        """Where is this client's DHCP server? Asked only by a plugin's own use of the proxy."""
        raise VarpdPanic(f"{self.name} plugin asked to do dhcp, but has no method")

    def refresh(self) -> None:  # noqa: B027 - most plugins have nothing to read again
        """The service was refreshed: read outside configuration again."""
