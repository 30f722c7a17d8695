"""ip-nospoof: a client uses its own addresses only, and which these are may be learned (KRN 6.14)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel_sim.mac.protect import dhcpv4, dhcpv6, ndp
from kernel_sim.mac.protect.allowed import AllowList
from kernel_sim.mac.protect.arp import read_sender
from kernel_sim.mac.protect.ip import (
    ICMPV6,
    IPV4_PROTOCOL,
    IPV4_SIZE,
    IPV6_NEXT_HEADER,
    IPV6_SIZE,
    TCP,
    UDP,
    Upper,
    packet_end,
    upper_v4,
    upper_v6,
)
from kernel_sim.mac.protect.props import ProtectProps
from kernel_sim.mac.protect.slaac import link_local
from kernel_sim.mac.protect.udp import find_message
from kernel_sim.sys.ethernet import ETHERTYPE_ARP, ETHERTYPE_IP, ETHERTYPE_IPV6
from kernel_sim.sys.mac_flow import DynamicMethod
from kernel_sim.sys.message import Buffer

if TYPE_CHECKING:
    from collections.abc import Callable

    from kernel_sim.mac.protect.learned import Learned

UNSPECIFIED_V4: Final = bytes(4)
UNSPECIFIED_V6: Final = bytes(16)


class IpNospoof:
    """The rule for one client. It follows the transactions that the client begins, in `learned`."""

    def __init__(self, learned: Learned) -> None:
        self._learned = learned
        self._permits: dict[int, Callable[[Buffer, int], bool]] = {
            ETHERTYPE_IP: self._permits_v4,
            ETHERTYPE_ARP: self._permits_arp,
            ETHERTYPE_IPV6: self._permits_v6,
        }
        self._mac = b""
        self._always_v6: tuple[bytes, ...] = (UNSPECIFIED_V6,)
        self.configure(ProtectProps())

    def configure(self, props: ProtectProps) -> None:
        """Take other allowed addresses and dynamic methods."""
        self._v4 = AllowList.v4(props.ipaddrs)
        self._v6 = AllowList.v6(props.ipaddrs)
        self._dhcpv4 = props.allows(DynamicMethod.DHCPV4)
        self._dhcpv6 = props.allows(DynamicMethod.DHCPV6)
        self._slaac = props.allows(DynamicMethod.SLAAC)

    def set_mac(self, mac: bytes) -> None:
        """The client's address is another."""
        self._mac = mac
        self._always_v6 = (link_local(mac), UNSPECIFIED_V6)

    def permits(self, data: Buffer, sap: int, network: int) -> bool:
        """May this frame be sent? `sap` is its ethertype, `network` where the payload begins. Other ethertypes than IP and ARP may."""
        permits = self._permits.get(sap)
        return permits is None or permits(data, network)

    # ------------------------------------------------------------------ addresses

    def _is_own_v4(self, address: bytes) -> bool:
        if address in self._v4 or address == UNSPECIFIED_V4:
            return True
        return self._dhcpv4 and address in self._learned.dhcpv4

    def _is_own_v6(self, address: bytes) -> bool:
        if address in self._v6 or address in self._always_v6:
            return True
        if self._slaac and address in self._learned.slaac:
            return True
        return self._dhcpv6 and address in self._learned.dhcpv6

    # ------------------------------------------------------------------ ARP, IPv4

    def _permits_arp(self, data: Buffer, network: int) -> bool:
        sender = read_sender(data, network)
        return sender is not None and sender.mac in (b"", self._mac) and self._is_own_v4(sender.ip)

    def _permits_v4(self, data: Buffer, network: int) -> bool:
        if len(data) < network + IPV4_SIZE:
            return False
        if not self._is_own_v4(bytes(data[network + 12 : network + IPV4_SIZE - 4])):
            return False
        if data[network + IPV4_PROTOCOL] != UDP:
            return True
        at = find_message(data, upper_v4(data, network), dhcpv4.PORTS, dhcpv4.SMALLEST)
        if at <= 0:
            return True
        if not self._dhcpv4:
            return False  # KRN-Q35
        self._learned.request_v4(dhcpv4.Dhcpv4Message(bytes(data[at:])))
        return True

    # ------------------------------------------------------------------ IPv6

    def _permits_v6(self, data: Buffer, network: int) -> bool:
        if len(data) < network + IPV6_SIZE:
            return False
        if not self._is_own_v6(bytes(data[network + 8 : network + 24])):
            return False
        if data[network + IPV6_NEXT_HEADER] == TCP:
            return True
        upper = upper_v6(data, network)
        if upper is None:
            return True
        if upper.protocol == ICMPV6:
            return self._permits_icmpv6(data, network, upper)
        at = find_message(data, upper, dhcpv6.PORTS, dhcpv6.SMALLEST)
        if at <= 0:
            return True
        if not self._dhcpv6:
            return False
        self._learned.request_v6(dhcpv6.Dhcpv6Message(bytes(data[at:])))
        return True

    def _permits_icmpv6(self, data: Buffer, network: int, upper: Upper) -> bool:
        if len(data) < upper.at + ndp.ICMPV6_SIZE:
            return False
        if data[upper.at] not in ndp.HEADER_SIZES:
            return True
        if upper.fragment:
            return False  # RFC 6980: what is missing might be the part that lies
        claim = ndp.read_claim(data, upper.at, packet_end(data, network))
        if claim is None or any(mac != self._mac for mac in claim.macs):
            return False
        return claim.target is None or self._is_own_v6(claim.target)
