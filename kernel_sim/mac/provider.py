"""What a driver gives the mac layer when it registers a MAC (KRN 1.4, 6.3, 6.11)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from kernel_sim.ddi import LinkId, SocketAddress, UnderlaySocket
from kernel_sim.sys.dld import DatalinkClass, LinkState
from kernel_sim.sys.ethernet import ZERO_MAC
from kernel_sim.sys.message import Chain, Message

DropCounts = Callable[[], Iterable[tuple[str, int]]]
"""Gives the frames lost so far, by reason; the bound `items` of a dictionary of counters is one."""


class WirePath(NamedTuple):
    """How a driver sends every frame of a conversation; see `ddi.TransmitPath`."""

    socket: UnderlaySocket
    header: bytes
    to: SocketAddress
    source_port: int
    limit: int


FindWirePath = Callable[[Message], WirePath | None]


def no_wire_path(_message: Message) -> WirePath | None:
    """Of a driver that looks at every frame."""
    return None


class MacProvider(Protocol):
    """The driver behind a MAC."""

    def start(self) -> None:
        """The MAC has its first user. Errors: any; the user is refused with it, and nothing may be left behind."""

    def stop(self) -> None:
        """The MAC's last user is gone."""

    def tx(self, chain: Chain) -> None:
        """Take a chain of frames, all of it; called between `start` and `stop` only. The chain is the provider's, its messages
        may be seen by others and are not to be changed.
        """

    def set_mtu(self, mtu: int) -> None:
        """A new MTU, within the registered range, is about to hold. Errors: any; the MTU stays as it was."""


@dataclass(slots=True, frozen=True)
class MacRegistration:
    """A MAC to be.

    `max_sdu` is its first MTU, `mtu_default` the one it advertises as default, `mtu_min`..`mtu_max` what it may be set to, all in
    bytes of payload. `margin` is what fits beyond the MTU (4: a VLAN tag). `address` is 6 bytes, zeros for a MAC without one. `anchor`
    marks an etherstub. `speed` is in bit/s, 0 unknown. `drop_counts` are the driver's own named drops, shown with those of the mac layer.
    `wire_path` says how the driver sends messages like one that it is shown, if it need not see each; it changes nothing.
    """

    linkid: LinkId
    provider: MacProvider
    link_class: DatalinkClass
    max_sdu: int
    mtu_min: int
    mtu_max: int
    mtu_default: int
    min_sdu: int = 1
    margin: int = 0
    address: bytes = ZERO_MAC
    anchor: bool = False
    link_state: LinkState = LinkState.UNKNOWN
    speed: int = 0
    drop_counts: DropCounts = tuple
    wire_path: FindWirePath = no_wire_path
