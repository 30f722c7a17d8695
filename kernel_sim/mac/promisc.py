"""Copies for sniffers: promiscuous callbacks (KRN 6.9).

Who gets a copy, and when:

    frame goes to the provider, or to a local    the sender's own callbacks of any type; every ALL callback; for group frames every
    client as unicast                            callback of that VLAN id
    frame comes from the provider                the same, without a sender
    unicast reaches a client                     that client's FILTERED callbacks

A copy is the message itself, since nobody changes a message. It carries its offload marks, and a run is one message, unless FIXUPS
is asked for.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import TYPE_CHECKING

from kernel_sim.mac import hw_emul
from kernel_sim.mac.vlan import frame_vid, is_tagged, strip_tag
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.ethernet import ETHER_HDR_LEN, VLAN_HDR_LEN, is_group
from kernel_sim.sys.message import Buffer, Chain, Message

if TYPE_CHECKING:
    from kernel_sim.mac.client import MacClient
    from kernel_sim.mac.datapath import ClientDataPath


class PromiscType(enum.Enum):
    """What a callback wants to see."""

    ALL = "all"
    """Everything on the lower MAC."""
    FILTERED = "filtered"
    """Unicast to the client itself, and groups of its VLAN."""
    MULTI = "multi"
    """Groups of its VLAN."""


class PromiscFlag(enum.IntFlag):
    """How a callback wants to see it."""

    NONE = 0
    NO_TX_LOOP = 0x1
    """Not what the client itself sends."""
    NO_PHYS = 0x2
    """The device need not become promiscuous for it."""
    VLAN_TAG_STRIP = 0x4
    NO_COPY = 0x8
    """It does not mind sharing buffers; does not go with DO_FIXUPS."""
    DO_FIXUPS = 0x10
    """Finished frames only: checksums filled in, runs cut."""


class PromiscCallback:
    """One sniffer of one client; made by `MacClient.promisc_add`."""

    __slots__ = ("_callback", "client", "flags", "kind")

    def __init__(
        self, client: MacClient, kind: PromiscType, callback: Callable[[Chain], None], flags: PromiscFlag
    ) -> None:
        if flags & PromiscFlag.NO_COPY and flags & PromiscFlag.DO_FIXUPS:
            raise KernelError(Errno.EINVAL, "a promiscuous callback cannot ask for fixups without copies")
        self.client = client
        self.kind = kind
        self.flags = flags
        self._callback = callback

    def offer(self, chain: Chain, sender: ClientDataPath | None) -> None:
        """Frames pass the MAC; `sender` is None for those from the wire."""
        if sender is self.client:
            if not self.flags & PromiscFlag.NO_TX_LOOP:
                self.copy(chain)
        elif self.kind is PromiscType.ALL:
            self.copy(chain)
        else:
            self.copy([one for one in chain if self._is_own_group(one.data)])

    def copy(self, chain: Chain) -> None:
        """Hand frames to the sniffer in the form it wants."""
        if self.flags & PromiscFlag.DO_FIXUPS:
            chain = [Message(frame) for message in chain for frame in hw_emul.cut(message)]
        if self.flags & PromiscFlag.VLAN_TAG_STRIP:
            chain = [_stripped(message) for message in chain]
        if chain:
            self._callback(chain)

    def _is_own_group(self, data: Buffer) -> bool:
        return len(data) >= ETHER_HDR_LEN and is_group(data) and frame_vid(data) == self.client.vid


def _stripped(message: Message) -> Message:
    return strip_tag(message) if is_tagged(message.data) and len(message.data) >= VLAN_HDR_LEN else message
