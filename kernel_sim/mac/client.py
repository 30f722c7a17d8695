"""A user of a MAC: what happens to frames on their way from and to it (KRN 6.5, 6.6, 6.8).

    transmit ── checks ──┬─ the only active client ──── VLAN check, tag ────────────────► provider
                         │
                         └─ one of several ── VLAN check, tag ── flow table ─┬─ unicast ─► that client
                                                                             ├─ group ───► other members, and provider
                                                                             └─ none ────► provider

    receive ── count ── sniffers ── VLAN check, strip ── consumer

Counting differs between the two transmit ways as it does in the original: alone, a frame is counted as it leaves, tag included, and a
rejected one is a `txerrors`; switched, it is counted as it came, and a rejected one is counted as sent and as `oerrors` (KRN-Q34). A
batch from a TAP is a series of single sends, so the original's accounting of longer chains does not arise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from kernel_sim.mac.flow import Group
from kernel_sim.mac.promisc import PromiscCallback, PromiscFlag, PromiscType
from kernel_sim.mac.stat import ClientDrop, ClientStats, survey
from kernel_sim.mac.vlan import frame_vid, insert_tag, is_tagged, strip_tag, tag_bytes
from kernel_sim.sys.dld import LinkState
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.ethernet import BROADCAST, ETHER_HDR_LEN, ETHERADDRL, VLAN_HDR_LEN, format_mac, is_group
from kernel_sim.sys.message import Chain, Message
from kernel_sim.sys.vnic import VnicDiag

if TYPE_CHECKING:
    from kernel_sim.mac.flow import Flow
    from kernel_sim.mac.mac import Mac

Receive = Callable[[Chain], None]
TransmitCheck = Callable[[Chain], Chain]
"""Looks at what a client sends, drops and counts what offends, returns the rest (KRN 6.14)."""


class DiagnosedError(KernelError):
    """A refused address, with the diagnosis that VNIC ioctls report beside the errno (KRN 6.4)."""

    def __init__(self, errno: Errno, diag: VnicDiag, detail: str) -> None:
        super().__init__(errno, detail)
        self.diag = diag


class MacClient:
    """A client of a MAC; made by `Mac.open_client`.

    It is *active* while it has a unicast address. `all_multicast`, set before the address is added, puts it into every multicast group
    of its VLAN. `promisc_filtered` (default of a VNIC) turns a sniffer that asks for everything into one that sees what is the
    client's (KRN 6.9). `checks` are the transmit checks; whoever changes them calls nothing else.
    """

    def __init__(self, mac: Mac, name: str) -> None:
        self.mac = mac
        self.name = name
        self.address: bytes | None = None
        self.vid = 0
        self.all_multicast = False
        self.promisc_filtered = False
        self.mtu_reserved = 0
        self.opens = 1
        self.checks: tuple[TransmitCheck, ...] = ()
        self.stats = ClientStats()
        self.drops = dict.fromkeys(ClientDrop, 0)
        self._primary = False
        self._tag = b""
        self._multicast: list[bytes] = []
        self._promisc: list[PromiscCallback] = []
        self._filtered: list[PromiscCallback] = []
        self._flows: dict[bytes, Flow] = {}
        self._other_multicast = Group(broadcast=False)
        self._deliver: Receive = self._unread
        self._send: Receive = self._transmit_closed

    # ------------------------------------------------------------------ control

    @property
    def link_state(self) -> LinkState:
        """Up if another active client of the MAC is in the same VLAN, else the MAC's state (KRN 6.12)."""
        if any(other is not self and other.vid == self.vid for other in self.mac.active_clients):
            return LinkState.UP
        return self.mac.link_state

    def add_unicast(self, address: bytes, vid: int, *, check_dup: bool = True, primary: bool = False) -> None:
        """Give the client an address and VLAN id, which makes it active and the MAC started.

        `primary` is for the MAC's own address, which other clients may not have. Without `check_dup` only the flow table tells
        duplicates. Errors: EBUSY it has an address; `DiagnosedError` EINVAL not 6 bytes, multicast, the MAC's own; EEXIST (address, VLAN
        id) is another client's (KRN-I11); those of the provider's start; EALREADY a duplicate found late.
        """
        if self.address is not None:
            raise KernelError(Errno.EBUSY, f"{self.name} has the address {format_mac(self.address)}")
        if not primary:
            _check_station(address)
            if check_dup and address == self.mac.address:
                detail = f"{format_mac(address)} is the address of the link below"
                raise DiagnosedError(Errno.EINVAL, VnicDiag.MACADDR_NIC, detail)
        if check_dup or primary:
            self._check_unused(address, vid)
        self.mac.hold()
        try:
            self.mac.flows.insert(address, vid, self)
        except KernelError:
            self.mac.release()
            raise
        self.address, self.vid, self._primary = address, vid, primary
        self._tag = tag_bytes(vid) if vid else b""
        self._flows = self.mac.flows.vlan(vid)
        self._other_multicast = self.mac.flows.other_multicast(vid)
        self.mac.flows.join(BROADCAST, vid, self)
        if self.all_multicast:
            self.mac.flows.set_all_multicast(vid, self, on=True)
        self.mac.client_changed(self)

    def remove_unicast(self) -> None:
        """Take the address away; nothing if there is none. The groups it joined go with it."""
        if self.address is None:
            return
        flows = self.mac.flows
        if self.all_multicast:
            flows.set_all_multicast(self.vid, self, on=False)
        for group in (*self._multicast, BROADCAST):
            flows.leave(group, self.vid, self)
        self._multicast.clear()
        flows.remove(self.address, self.vid)
        self.address, self.vid, self._tag = None, 0, b""
        self.mac.client_changed(self)
        self.mac.release()

    def set_address(self, address: bytes) -> None:
        """Change the address (KRN 6.4).

        Errors, in this order: EINVAL not 6 bytes or multicast; ENXIO it has none; ENOTSUP it uses the MAC's own; EACCES the new one is the
        MAC's own; EBUSY another client shares the present one; ENOTSUP the new one is known to the MAC, in whatever VLAN.
        """
        _check_station(address)
        if self.address is None:
            raise KernelError(Errno.ENXIO, f"{self.name} has no address to change")
        if address == self.address:
            return
        if self._primary:
            raise KernelError(Errno.ENOTSUP, f"{self.name} uses the address of the link below")
        if address == self.mac.address:
            raise KernelError(Errno.EACCES, f"{format_mac(address)} is the address of the link below")
        others = [other.address for other in self.mac.active_clients if other is not self]
        if self.address in others:
            raise KernelError(Errno.EBUSY, f"{format_mac(self.address)} is used in another VLAN, too")
        if address in others:
            raise KernelError(Errno.ENOTSUP, f"{format_mac(address)} is in use")
        self.mac.flows.remove(self.address, self.vid)
        self.mac.flows.insert(address, self.vid, self)
        self.address = address

    def add_multicast(self, address: bytes) -> None:
        """Join a multicast group in the client's VLAN; joins are counted. Errors: EINVAL not multicast, or broadcast; ENXIO inactive."""
        if self.address is None:
            raise KernelError(Errno.ENXIO, f"{self.name} has no address")
        if address == BROADCAST:
            raise KernelError(Errno.EINVAL, "the broadcast group is joined by itself")
        self.mac.flows.join(address, self.vid, self)
        self._multicast.append(address)

    def remove_multicast(self, address: bytes) -> None:
        """Take one join back. Errors: EINVAL there is none."""
        if address not in self._multicast:
            raise KernelError(Errno.EINVAL, f"{self.name} did not join {format_mac(address)}")
        self._multicast.remove(address)
        self.mac.flows.leave(address, self.vid, self)

    def set_receive(self, callback: Receive | None) -> None:
        """Say who takes received frames; None: nobody, they are counted and dropped."""
        self._deliver = callback or self._unread

    def promisc_add(
        self, kind: PromiscType, callback: Receive, flags: PromiscFlag = PromiscFlag.NONE
    ) -> PromiscCallback:
        """Add a sniffer, which holds the MAC started. Errors: EINVAL flags that do not go together; those of the provider's start."""
        if kind is PromiscType.ALL and self.promisc_filtered:
            kind = PromiscType.FILTERED
        added = PromiscCallback(self, kind, callback, flags)
        self.mac.hold()
        self._promisc.append(added)
        self._promisc_changed()
        return added

    def promisc_remove(self, callback: PromiscCallback) -> None:
        """Take a sniffer away."""
        self._promisc.remove(callback)
        self._promisc_changed()
        self.mac.release()

    def close(self) -> None:
        """Give back one open; with the last one, address, groups and sniffers go, and the client is gone."""
        self.opens -= 1
        if self.opens:
            return
        for callback in tuple(self._promisc):
            self.promisc_remove(callback)
        self.remove_unicast()
        self.mtu_reserved = 0
        self._deliver = self._unread
        self.mac.forget_client(self)

    def choose_way(self, *, alone: bool) -> None:
        """The MAC's clients have changed: is this the only active one?"""
        if self.address is None:
            self._send = self._transmit_closed
        else:
            self._send = self._transmit_alone if alone else self._transmit_switched

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
        if self._filtered:
            unicast = [message for message in chain if message.data[:1] and not message.data[0] & 1]
            for callback in self._filtered:
                callback.copy(unicast)
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
        chain = self._accepted([message])
        if chain:
            self._deliver(chain)

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

    def _unread(self, chain: Chain) -> None:
        self.drop(ClientDrop.RX_UNREAD, chain)

    def drop(self, reason: ClientDrop, chain: Chain) -> None:
        """Count frames that go no further, by name."""
        self.drops[reason] += survey(chain)[0]
        self.mac.watch.tell(self.name, reason, chain)

    # ------------------------------------------------------------------ inside

    def _check_unused(self, address: bytes, vid: int) -> None:
        for other in self.mac.active_clients:
            if other.address == address and other.vid == vid:
                detail = f"{format_mac(address)} is the address of {other.name}"
                raise DiagnosedError(Errno.EEXIST, VnicDiag.MACADDR_INUSE, detail)

    def _promisc_changed(self) -> None:
        self._filtered = [one for one in self._promisc if one.kind is PromiscType.FILTERED]
        self.mac.sniffers_changed()

    @property
    def promisc_callbacks(self) -> list[PromiscCallback]:
        """The client's sniffers."""
        return self._promisc


def _check_station(address: bytes) -> None:
    if len(address) != ETHERADDRL:
        detail = f"an Ethernet address has {ETHERADDRL} bytes, not {len(address)}"
        raise DiagnosedError(Errno.EINVAL, VnicDiag.MACADDR_INVALID, detail)
    if is_group(address):
        raise DiagnosedError(Errno.EINVAL, VnicDiag.MACADDR_INVALID, f"{format_mac(address)} is a multicast address")
