"""Link protection of one client: what it may send, and what it learns from what it receives (KRN 6.14)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from kernel_sim.mac import hw_emul
from kernel_sim.mac.protect import dhcpv4, dhcpv6
from kernel_sim.mac.protect.dhcpnospoof import DhcpNospoof
from kernel_sim.mac.protect.ip import TCP, UDP, upper
from kernel_sim.mac.protect.ipnospoof import IpNospoof
from kernel_sim.mac.protect.learned import Learned
from kernel_sim.mac.protect.props import ProtectProps
from kernel_sim.mac.protect.udp import OTHER, find_message
from kernel_sim.mac.protect.verdict import ProtectDrop
from kernel_sim.mac.stat import ClientDrop
from kernel_sim.sys.ethernet import (
    ETHER_HDR_LEN,
    ETHERTYPE_ARP,
    ETHERTYPE_IP,
    ETHERTYPE_IPV6,
    ETHERTYPE_VLAN,
    VLAN_CFI,
    VLAN_HDR_LEN,
    VLAN_ID_MASK,
)
from kernel_sim.sys.mac_flow import MacProtect
from kernel_sim.sys.message import Buffer, Chain, Message

if TYPE_CHECKING:
    from kernel_sim.ddi import Clock
    from kernel_sim.mac.stat import ClientStats
    from kernel_sim.mac.watch import DropWatch

_RESTRICTED_TO = (ETHERTYPE_IP, ETHERTYPE_IPV6, ETHERTYPE_ARP)
_TRANSPORT_MIN = 8
_DHCP = {ETHERTYPE_IP: (dhcpv4.PORTS, dhcpv4.SMALLEST), ETHERTYPE_IPV6: (dhcpv6.PORTS, dhcpv6.SMALLEST)}


class WatchedMac(Protocol):
    """The MAC of a protected client."""

    @property
    def watch(self) -> DropWatch:
        """Who is told of drops."""


class ProtectedClient(Protocol):
    """What protection needs of the client it protects; `mac.client.MacClient` is one."""

    name: str
    address: bytes | None
    vid: int
    stats: ClientStats

    @property
    def mac(self) -> WatchedMac:
        """The MAC it is a client of."""

    def drop(self, reason: ClientDrop, chain: Chain) -> None:
        """Count frames that go no further, by name."""


class Protection:
    """Link protection of one client.

    It follows the client's address and VLAN id by itself. What was learned stays when types are switched off and on; `flush` forgets it.
    """

    def __init__(self, client: ProtectedClient, clock: Clock) -> None:
        self._client = client
        self._learned = Learned(clock, self._overflowed)
        self._ip = IpNospoof(self._learned)
        self._dhcp = DhcpNospoof()
        self._mac: bytes | None = None
        self.configure(ProtectProps())

    @property
    def enabled(self) -> bool:
        """Any type is on: `check` is to be called with what the client sends."""
        return self._enabled

    @property
    def wants_to_learn(self) -> bool:
        """ip-nospoof is on: `learn` is to be called with what the client receives."""
        return self._ip_nospoof

    def configure(self, props: ProtectProps) -> None:
        """Take other properties, from the next frame on."""
        self._enabled = bool(props.types)
        self._mac_nospoof = bool(props.types & MacProtect.MACNOSPOOF)
        self._restricted = bool(props.types & MacProtect.RESTRICTED)
        self._ip_nospoof = bool(props.types & MacProtect.IPNOSPOOF)
        self._dhcp_nospoof = bool(props.types & MacProtect.DHCPNOSPOOF)
        self._ip.configure(props)
        self._dhcp.configure(props)

    def flush(self) -> None:
        """The client's data path is torn down: forget all that was learned, and stop the timer."""
        self._learned.clear()

    # ------------------------------------------------------------------ transmit

    def check(self, chain: Chain) -> Chain:
        """What of a chain the client may send, unchanged; the rest is dropped and counted by the first check it fails (KRN-I34).

        A client without an address sends nothing anyway; its frames are left to the transmit stage.
        """
        if not self._follow_address():
            return chain
        passed: Chain = []
        for message in chain:
            if message.mss and not self._is_one_answer(message):
                passed += self._check_each(message)
                continue
            failed = self._fails(message.data)
            if failed is None:
                passed.append(message)
            else:
                self._drop(failed, message)
        return passed

    def _check_each(self, run: Message) -> Chain:
        """A run whose frames may get different answers: what of it may be sent, whole if that is all."""
        frames = [Message(frame) for frame in hw_emul.cut(run)]
        failed = [self._fails(frame.data) for frame in frames]
        if not any(failed):
            return [run]
        for reason, frame in zip(failed, frames, strict=True):
            if reason is not None:
                self._drop(reason, frame)
        return [frame for reason, frame in zip(failed, frames, strict=True) if reason is None]

    def _fails(self, data: Buffer) -> ProtectDrop | ClientDrop | None:
        """The first check that a frame fails."""
        size = len(data)
        if size < ETHER_HDR_LEN:
            return ClientDrop.TX_PROTECT_UNPARSED
        sap, network, vid = data[12] << 8 | data[13], ETHER_HDR_LEN, 0
        if sap == ETHERTYPE_VLAN:
            tci = data[14] << 8 | data[15] if size >= VLAN_HDR_LEN else VLAN_CFI
            if tci & VLAN_CFI:
                return ClientDrop.TX_PROTECT_UNPARSED
            sap, network, vid = data[16] << 8 | data[17], VLAN_HDR_LEN, tci & VLAN_ID_MASK
        if self._mac_nospoof and data[6:12] != self._mac:
            return ProtectDrop.MACSPOOFED
        if self._restricted and (sap not in _RESTRICTED_TO or (vid and vid != self._client.vid)):
            return ProtectDrop.RESTRICTED
        if self._ip_nospoof and not self._ip.permits(data, sap, network):
            return ProtectDrop.IPSPOOFED
        if self._dhcp_nospoof and not self._dhcp.permits(data, sap, network):
            return ProtectDrop.DHCPSPOOFED
        return None

    def _drop(self, reason: ProtectDrop | ClientDrop, message: Message) -> None:
        client = self._client
        if isinstance(reason, ClientDrop):
            client.drop(reason, [message])
            return
        setattr(client.stats, reason, getattr(client.stats, reason) + message.frames)
        client.mac.watch.tell(client.name, reason, [message])

    def _follow_address(self) -> bool:
        """Whether the client has an address, which may be another than last time."""
        address = self._client.address
        if address != self._mac and address is not None:
            self._mac = address
            self._ip.set_mac(address)
            self._dhcp.set_mac(address)
            self._learned.slaac.set_mac(address)
        return address is not None

    # ------------------------------------------------------------------ receive

    def learn(self, chain: Chain) -> None:
        """Take what received frames say about the client's addresses: answers of DHCP servers, prefixes of routers."""
        if not self._follow_address():
            return
        for message in chain:
            if message.mss and not self._is_one_answer(message):
                for frame in hw_emul.cut(message):
                    self._learn(frame)
            else:
                self._learn(message.data)

    def _learn(self, data: Buffer) -> None:
        sap, network = _place(data)
        self._learned.receive(data, sap, network)

    def _overflowed(self) -> None:
        self._client.stats.dhcpdropped += 1

    # ------------------------------------------------------------------ runs

    @staticmethod
    def _is_one_answer(run: Message) -> bool:
        """Whether what is said of a run's first frame holds for all: its marks go with its headers, and it is not DHCP."""
        data = run.data
        sap, network = _place(data)
        above = upper(data, sap, network)
        if above is None or above.protocol not in (TCP, UDP):
            return False
        if run.start != above.at or run.hdr_len < above.at + _TRANSPORT_MIN:
            return False
        ports, smallest = _DHCP[sap]
        return find_message(data, above, ports, smallest) == OTHER


def _place(data: Buffer) -> tuple[int, int]:
    """Ethertype and end of the Ethernet header; (0, 0) when it is cut short."""
    if len(data) < ETHER_HDR_LEN:
        return 0, 0
    sap = data[12] << 8 | data[13]
    if sap != ETHERTYPE_VLAN:
        return sap, ETHER_HDR_LEN
    return (data[16] << 8 | data[17], VLAN_HDR_LEN) if len(data) >= VLAN_HDR_LEN else (0, 0)
