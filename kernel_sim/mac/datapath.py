"""A user of a MAC: what happens to frames on their way from and to it (KRN 6.5, 6.6, 6.8).

    transmit ── checks ──┬─ the only active client ──── VLAN check, tag ────────────────► provider
                         │
                         └─ one of several ── VLAN check, tag ── flow table ─┬─ unicast ─► that client
                                                                             ├─ group ───► other members, and provider
                                                                             └─ none ────► provider

    receive ── count ── observers ── VLAN check, strip ── bandwidth limit ── consumer

Checks, the observers (sniffers, and the learning of link protection) and the limit are there when they are wanted, see `enforce`.

Counting differs between the two transmit ways as it does in the original: alone, a frame is counted as it leaves, tag included, and a
rejected one is a `txerrors`; switched, it is counted as it came, and a rejected one is counted as sent and as `oerrors` (KRN-Q34). A
batch from a TAP is a series of single sends, so the original's accounting of longer chains does not arise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kernel_sim.mac.flow import Group
from kernel_sim.mac.stat import ClientDrop, ClientStats, survey
from kernel_sim.mac.vlan import frame_vid, insert_tag, is_tagged, strip_tag
from kernel_sim.sys.ethernet import ETHER_HDR_LEN, VLAN_HDR_LEN
from kernel_sim.sys.message import Chain, Message

if TYPE_CHECKING:
    from kernel_sim.mac.flow import Flow
    from kernel_sim.mac.mac import Mac
    from kernel_sim.mac.promisc import PromiscCallback

Receive = Callable[[Chain], None]
TransmitCheck = Callable[[Chain], Chain]
"""Looks at what a client sends, drops and counts what offends, returns the rest (KRN 6.14)."""


class ClientDataPath:
    """What frames of one client pass; `MacClient` adds the control of it.

    `checks` are the transmit checks; whoever changes them calls nothing else. The underscored attributes are worked out when
    something is configured, never per frame.
    """

    def __init__(self, mac: Mac, name: str) -> None:
        self.mac = mac
        self.name = name
        self.vid = 0
        self.checks: tuple[TransmitCheck, ...] = ()
        self.stats = ClientStats()
        self.drops = dict.fromkeys(ClientDrop, 0)
        self._tag = b""
        self._filtered: list[PromiscCallback] = []
        self._learn: Receive | None = None
        self._observed = False
        self._flows: dict[bytes, Flow] = {}
        self._other_multicast = Group(broadcast=False)
        self._consumer: Receive = self._unread
        self._deliver: Receive = self._unread
        self._send: Receive = self._transmit_closed

    # ------------------------------------------------------------------ transmit

    def transmit(self, chain: Chain) -> None:
        """Send frames; all are consumed: each reaches provider or clients, or is dropped by name."""
        for check in self.checks:
            chain = check(chain)
        if chain:
            self._send(chain)

    def _transmit_closed(self, chain: Chain) -> None:
        self.drop(ClientDrop.TX_CLOSED, chain)

    def _transmit_alone(self, chain: Chain) -> None:
        # KRN-Q36: no flow table here, even the client's own address is the provider's business
        frames, octets, odd = survey(chain)
        stats = self.stats
        if odd or self._tag:
            chain, rejected = self._admitted(chain)
            stats.txerrors += rejected
            if not chain:
                return
            frames, octets, _ = survey(chain)
        stats.opackets += frames
        stats.obytes += octets
        self.mac.to_wire(chain, self)

    def _transmit_switched(self, chain: Chain) -> None:
        frames, octets, odd = survey(chain)
        stats = self.stats
        stats.opackets += frames
        stats.obytes += octets
        if odd or self._tag:
            chain, rejected = self._admitted(chain)
            stats.oerrors += rejected
        find = self._flows.get
        batch: Chain = []
        current: Flow | None = None
        for message in chain:
            data = message.data
            if odd and len(data) < ETHER_HDR_LEN:
                flow = None
            else:
                flow = find(bytes(data[:6]))
                if flow is None and data[0] & 1 and self._other_multicast.members:
                    flow = self._other_multicast
            if flow is not current and batch:
                self._switch(batch, current)
                batch = []
            current = flow
            batch.append(message)
        if batch:
            self._switch(batch, current)

    def _switch(self, chain: Chain, flow: Flow | None) -> None:
        """Hand on frames that all have one destination."""
        if flow is None:
            self.mac.to_wire(chain, self)
        elif isinstance(flow, Group):
            self._fan_out(chain, flow)
        else:
            if self.mac.promisc:
                self.mac.copy_to_sniffers(chain, self)
            header = VLAN_HDR_LEN if self._tag else ETHER_HDR_LEN
            whole = [message for message in chain if len(message.data) > header]  # KRN 6.10
            if len(whole) < len(chain):
                self.drop(ClientDrop.TX_NO_PAYLOAD, [message for message in chain if len(message.data) <= header])
            if whole:
                flow.receive(whole)

    def _fan_out(self, chain: Chain, group: Group) -> None:
        """A copy for every member but the sender, then the frame itself to the provider (KRN 6.7)."""
        forwarded: Chain = []
        for message in chain:
            if group.send_copies(message, self):
                forwarded.append(message)
            else:
                self.drop(ClientDrop.TX_FANOUT, [message])
        if not forwarded:
            return
        frames, octets, _ = survey(forwarded)
        stats = self.stats
        stats.multixmt += frames  # KRN-Q34: both of them, whichever it is
        stats.multixmtbytes += octets
        stats.brdcstxmt += frames
        stats.brdcstxmtbytes += octets
        self.mac.to_wire(forwarded, self)

    def _admitted(self, chain: Chain) -> tuple[Chain, int]:
        """What the VLAN check lets pass, with the client's own tag, and how many frames it rejects (KRN-I30)."""
        passed: Chain = []
        rejected = 0
        for message in chain:
            if is_tagged(message.data):
                reason = ClientDrop.TX_TAGGED
            elif self._tag and len(message.data) < ETHER_HDR_LEN:
                reason = ClientDrop.TX_SHORT
            else:
                passed.append(insert_tag(message, self._tag) if self._tag else message)
                continue
            self.drop(reason, [message])
            rejected += message.frames
        return passed, rejected

    # ------------------------------------------------------------------ receive

    def receive(self, chain: Chain) -> None:
        """Frames for this client, from the wire or as unicast from another client. They are not checked for their address (KRN-Q32)."""
        frames, octets, odd = survey(chain)
        self.stats.net_packets += frames
        self.stats.net_bytes += octets
        if self._observed:
            self._observe(chain)
        if odd or self._tag:
            chain = self._accepted(chain)
        if chain:
            self._deliver(chain)

    def receive_copy(self, message: Message, *, broadcast: bool, local: bool) -> None:
        """A copy of a group frame."""
        stats = self.stats
        frames, octets = message.frames, message.bytes_on_wire
        if local:
            stats.local_packets += frames
            stats.local_bytes += octets
        else:
            stats.net_packets += frames
            stats.net_bytes += octets
        if broadcast:
            stats.brdcstrcv += frames
            stats.brdcstrcvbytes += octets
        else:
            stats.multircv += frames
            stats.multircvbytes += octets
        if self._learn is not None:
            self._learn([message])
        chain = self._accepted([message])
        if chain:
            self._deliver(chain)

    def _observe(self, chain: Chain) -> None:
        if self._filtered:
            unicast = [message for message in chain if message.data[:1] and not message.data[0] & 1]
            for callback in self._filtered:
                callback.copy(unicast)
        if self._learn is not None:
            self._learn(chain)

    def _accepted(self, chain: Chain) -> Chain:
        """What the client's VLAN id lets in, without the tag where the client has an id (KRN 6.6, 6.8)."""
        passed: Chain = []
        for message in chain:
            data = message.data
            if len(data) < ETHER_HDR_LEN or (is_tagged(data) and len(data) < VLAN_HDR_LEN):
                reason = ClientDrop.RX_SHORT
            elif is_tagged(data) and frame_vid(data) != self.vid:
                reason = ClientDrop.RX_VLAN
            else:
                passed.append(strip_tag(message) if self._tag and is_tagged(data) else message)
                continue
            self.drop(reason, [message])
            self.stats.rxsdrops += message.frames
        return passed

    def to_consumer(self, chain: Chain) -> None:
        """Hand frames to the consumer, past any limit."""
        self._consumer(chain)

    def deliver(self, chain: Chain) -> None:
        """Hand frames to the consumer that came for another address of the same VNIC."""
        self._deliver(chain)

    def _unread(self, chain: Chain) -> None:
        self.drop(ClientDrop.RX_UNREAD, chain)

    def drop(self, reason: ClientDrop, chain: Chain) -> None:
        """Count frames that go no further, by name."""
        self.drops[reason] += survey(chain)[0]
        self.mac.watch.tell(self.name, reason, chain)
