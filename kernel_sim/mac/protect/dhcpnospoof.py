"""dhcp-nospoof: a client speaks DHCP for itself only (KRN 6.14)."""

from __future__ import annotations

from kernel_sim.mac.protect import dhcpv4, dhcpv6
from kernel_sim.mac.protect.ip import IPV4_SIZE, IPV6_NEXT_HEADER, IPV6_SIZE, TCP, upper_v4, upper_v6
from kernel_sim.mac.protect.props import ProtectProps
from kernel_sim.mac.protect.udp import OTHER, UNTELLABLE, find_message
from kernel_sim.sys.ethernet import ETHERADDRL, ETHERTYPE_IP, ETHERTYPE_IPV6
from kernel_sim.sys.message import Buffer

_ETHERNET = b"\x01"
"""Hardware type in a client id."""
_DUID_TYPE_LEN = 2
_FROM_SERVERS = (dhcpv6.ADVERTISE, dhcpv6.REPLY, dhcpv6.RECONFIGURE)


class DhcpNospoof:
    """The rule for one client."""

    def __init__(self) -> None:
        self._mac = b""
        self.configure(ProtectProps())

    def configure(self, props: ProtectProps) -> None:
        """Take other client ids."""
        self._allows_all = props.allcids
        self._allowed = dict.fromkeys(entry.cid for entry in props.cids)

    def set_mac(self, mac: bytes) -> None:
        """The client's address is another."""
        self._mac = mac

    def permits(self, data: Buffer, sap: int, network: int) -> bool:
        """May this frame be sent? `sap` is its ethertype, `network` where the payload begins.

        IP packets whose headers are cut short, and what may be a part of a DHCP message, may not.
        """
        if sap == ETHERTYPE_IP:
            return len(data) >= network + IPV4_SIZE and self._permits_v4(data, network)
        if sap == ETHERTYPE_IPV6:
            return len(data) >= network + IPV6_SIZE and self._permits_v6(data, network)
        return True

    def _permits_v4(self, data: Buffer, network: int) -> bool:
        at = find_message(data, upper_v4(data, network), dhcpv4.PORTS, dhcpv4.SMALLEST)
        if at <= 0:
            return at == OTHER
        message = dhcpv4.Dhcpv4Message(bytes(data[at:]))
        if message.hardware_address not in {None, self._mac}:
            return False
        if self._allows_all:
            return True
        client = message.option(dhcpv4.CLIENT_ID)
        if client is None:
            return True
        return client.whole and (client.value == _ETHERNET + self._mac or client.value in self._allowed)

    def _permits_v6(self, data: Buffer, network: int) -> bool:
        if data[network + IPV6_NEXT_HEADER] == TCP:
            return True
        upper = upper_v6(data, network)
        at = UNTELLABLE if upper is None else find_message(data, upper, dhcpv6.PORTS, dhcpv6.SMALLEST)
        if at <= 0:
            return at == OTHER
        if self._allows_all:
            return True
        message = dhcpv6.Dhcpv6Message(bytes(data[at:])).innermost()
        if message is None:
            return False
        return message.type in _FROM_SERVERS or all(self._permits_duid(duid) for duid in message.client_ids)

    def _permits_duid(self, duid: bytes) -> bool:
        if len(duid) < _DUID_TYPE_LEN or duid in self._allowed:
            return True
        address = dhcpv6.link_layer_address(duid)
        return address is not None and len(address) == ETHERADDRL and address == self._mac
