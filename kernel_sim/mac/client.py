"""A user of a MAC and its control: addresses, groups, sniffers, what it is held to (KRN 6.1, 6.4, 6.7, 6.9). Its data path: `datapath`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kernel_sim.ddi import LocalPath, Port, TransmitPath
from kernel_sim.mac.datapath import ClientDataPath, Receive
from kernel_sim.mac.enforce import Enforcement
from kernel_sim.mac.promisc import PromiscCallback, PromiscFlag, PromiscType
from kernel_sim.mac.vlan import is_tagged, tag_bytes
from kernel_sim.sys.dld import LinkState
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.ethernet import BROADCAST, ETHER_HDR_LEN, ETHERADDRL, format_mac, is_group
from kernel_sim.sys.vnic import VnicDiag

if TYPE_CHECKING:
    from collections.abc import Callable

    from kernel_sim.ddi import Clock
    from kernel_sim.mac.bandwidth import Allow
    from kernel_sim.mac.mac import Mac
    from kernel_sim.sys.codec import MacResourceProps
    from kernel_sim.sys.message import Message


class DiagnosedError(KernelError):
    """A refused address, with the diagnosis that VNIC ioctls report beside the errno (KRN 6.4)."""

    def __init__(self, errno: Errno, diag: VnicDiag, detail: str) -> None:
        super().__init__(errno, detail)
        self.diag = diag


class MacClient(ClientDataPath):
    """A client of a MAC; made by `Mac.open_client`.

    It is *active* while it has a unicast address. Two attributes are set before the address is added: `all_multicast` puts it into every
    multicast group of its VLAN, `unicast_only` keeps it out of the broadcast group, too. `promisc_filtered` (default of a VNIC)
    turns a sniffer that asks for everything into one that sees what is the client's (KRN 6.9).
    """

    def __init__(self, mac: Mac, name: str) -> None:
        super().__init__(mac, name)
        self.address: bytes | None = None
        self.unicast_only = False
        self.all_multicast = False
        self.promisc_filtered = False
        self.mtu_reserved = 0
        self.opens = 1
        self._primary = False
        self._multicast: list[bytes] = []
        self._promisc: list[PromiscCallback] = []
        self._enforcement: Enforcement | None = None
        self._allow: Allow = _allow_nobody
        self._port: Callable[[], Port] | None = None

    @property
    def link_state(self) -> LinkState:
        """Up if another active client of the MAC is in the same VLAN, else the MAC's state (KRN 6.12)."""
        if any(other is not self and other.vid == self.vid for other in self.mac.active_clients):
            return LinkState.UP
        return self.mac.link_state

    @property
    def is_primary(self) -> bool:
        """It uses the MAC's own address."""
        return self._primary

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
        if not self.unicast_only:
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
        for group in self._multicast if self.unicast_only else (*self._multicast, BROADCAST):
            flows.leave(group, self.vid, self)
        self._multicast.clear()
        flows.remove(self.address, self.vid)
        self.address, self.vid, self._tag = None, 0, b""
        if self._enforcement is not None:
            self._enforcement.flush()
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

    def set_receive(self, callback: Receive | None, port: Callable[[], Port] | None = None) -> None:
        """Say who takes received frames; None: nobody, they are counted and dropped. `port`: where the callback just delivers them to."""
        self._consumer = callback or self._unread
        self._port = port
        self._wire_up()

    def transmit_path(self, message: Message) -> TransmitPath | LocalPath | None:
        """See `ddi.FindTransmitPath`: while no check, tag or sniffer looks at the frames."""
        data = message.data
        if self.checks or self._tag or self.mac.promisc or self.address is None or len(data) < ETHER_HDR_LEN:
            return None
        if is_group(bytes(data[:ETHERADDRL])) or is_tagged(data):
            return None
        if len(self.mac.active_clients) > 1:
            flow = self._flows.get(bytes(data[:ETHERADDRL]))
            if flow is not None:
                return self._local_path(flow) if isinstance(flow, MacClient) else None
        wire = self.mac.registration.wire_path(message)
        return None if wire is None else TransmitPath(*wire, sent=self._count_sent)

    def _local_path(self, other: MacClient) -> LocalPath | None:
        found = other.receive_path()
        if found is None:
            return None
        port, received = found

        def sent(frames: int, octets: int) -> None:
            self._count_sent(frames, octets)
            received(frames, octets)

        return LocalPath(port, sent)

    def receive_path(self) -> tuple[Port, Callable[[int, int], None]] | None:
        """The port behind the client and who counts, while nothing between the MAC and that port looks at frames without tag."""
        if self._observed or self._tag or self._port is None or self._deliver is not self._consumer:
            return None
        return self._port(), self._count_received

    def _count_sent(self, frames: int, octets: int) -> None:
        self.stats.opackets += frames
        self.stats.obytes += octets

    def _count_received(self, frames: int, octets: int) -> None:
        self.stats.net_packets += frames
        self.stats.net_bytes += octets

    def set_flow_control(self, allow: Allow) -> None:
        """Say how the consumer is told how much it may send (`ddi.Port.allow`)."""
        self._allow = allow

    def allow(self, octets: int | None) -> None:
        """Tell the consumer how much it may send."""
        self._allow(octets)

    def set_resources(self, props: MacResourceProps, clock: Clock) -> None:
        """Hold the client to resource properties, from the next frame on. `props` are checked and whole (`resource.merge`)."""
        if self._enforcement is None:
            self._enforcement = Enforcement(self, clock)
        self._enforcement.apply(props)
        self.checks = self._enforcement.checks
        self._learn = self._enforcement.learn
        self._wire_up()
        self._enforcement.let_go()

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
        self._consumer = self._unread
        self._port = None
        if self._enforcement is not None:
            self._enforcement.close()
            self._enforcement = None
        self.checks, self._learn = (), None
        self._wire_up()
        self.mac.forget_client(self)

    def choose_way(self, *, alone: bool) -> None:
        """The MAC's clients have changed: is this the only active one?"""
        if self.address is None:
            self._send = self._transmit_closed
        else:
            self._send = self._transmit_alone if alone else self._transmit_switched

    def _check_unused(self, address: bytes, vid: int) -> None:
        for other in self.mac.active_clients:
            if other.address == address and other.vid == vid:
                detail = f"{format_mac(address)} is the address of {other.name}"
                raise DiagnosedError(Errno.EEXIST, VnicDiag.MACADDR_INUSE, detail)

    def _promisc_changed(self) -> None:
        self._filtered = [one for one in self._promisc if one.kind is PromiscType.FILTERED]
        self._wire_up()
        self.mac.sniffers_changed()

    def _wire_up(self) -> None:
        """What received frames pass on their way to the consumer."""
        limit = self._enforcement.receive if self._enforcement is not None else None
        self._deliver = limit or self._consumer
        self._observed = bool(self._filtered) or self._learn is not None

    @property
    def promisc_callbacks(self) -> list[PromiscCallback]:
        """The client's sniffers."""
        return self._promisc


def _allow_nobody(_octets: int | None) -> None:
    """There is no consumer that could be held up."""


def _check_station(address: bytes) -> None:
    if len(address) != ETHERADDRL:
        detail = f"an Ethernet address has {ETHERADDRL} bytes, not {len(address)}"
        raise DiagnosedError(Errno.EINVAL, VnicDiag.MACADDR_INVALID, detail)
    if is_group(address):
        raise DiagnosedError(Errno.EINVAL, VnicDiag.MACADDR_INVALID, f"{format_mac(address)} is a multicast address")
