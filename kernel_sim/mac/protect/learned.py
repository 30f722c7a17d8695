"""What is learned of a client's addresses: DHCP leases of both versions, prefixes of routers (KRN 6.14).

A request that the client sends begins a transaction, the server's answer to it ends it. While there are transactions a timer runs that
ends those without an answer after 60 s; otherwise there is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kernel_sim.mac.protect import dhcpv4, dhcpv6, ndp
from kernel_sim.mac.protect.dhcpv4 import Dhcpv4Message
from kernel_sim.mac.protect.dhcpv6 import Dhcpv6Message
from kernel_sim.mac.protect.ip import (
    ICMPV6,
    IPV4_PROTOCOL,
    IPV4_SIZE,
    IPV6_SIZE,
    UDP,
    Upper,
    packet_end,
    upper_v4,
    upper_v6,
)
from kernel_sim.mac.protect.leases import TRANSACTION_SECONDS, Leases
from kernel_sim.mac.protect.slaac import SlaacAddresses
from kernel_sim.mac.protect.udp import find_message
from kernel_sim.sys.ethernet import ETHERTYPE_IP, ETHERTYPE_IPV6
from kernel_sim.sys.message import Buffer

if TYPE_CHECKING:
    from collections.abc import Callable

    from kernel_sim.ddi import Clock, Timer

_ADDRESS_LEN_V4: Final = 4
_CLIENT_ID_MIN: Final = 2
_HOP_LIMIT: Final = 7
_HOP_LIMIT_NDP: Final = 255
"""Of every message of neighbour discovery: it has not come through a router."""
_V6_REQUESTS: Final = (dhcpv6.SOLICIT, dhcpv6.REQUEST, dhcpv6.RENEW, dhcpv6.REBIND)
"""What a server answers with a reply; a solicitation, if both want it in two messages."""


class Learned:
    """The state of one client. `overflowed` is called for each transaction or lease that there is no room for."""

    def __init__(self, clock: Clock, overflowed: Callable[[], None]) -> None:
        self.dhcpv4 = Leases()
        self.dhcpv6 = Leases()
        self.slaac = SlaacAddresses()
        self._clock = clock
        self._overflowed = overflowed
        self._timer: Timer | None = None

    def clear(self) -> None:
        """Forget everything."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.dhcpv4.clear()
        self.dhcpv6.clear()
        self.slaac.clear()

    # ------------------------------------------------------------------ sent by the client

    def request_v4(self, message: Dhcpv4Message) -> None:
        """A DHCP message that the client sends. A request without a requested address (a renewal) changes nothing."""
        kind = message.type
        if kind not in {dhcpv4.REQUEST, dhcpv4.RELEASE}:
            return
        option = message.option(dhcpv4.CLIENT_ID)
        client = option.value if option is not None and len(option.value) >= _CLIENT_ID_MIN else b""
        if kind == dhcpv4.RELEASE:
            self.dhcpv4.release(client)
            return
        wanted = message.option(dhcpv4.REQUESTED_ADDRESS)
        asked = () if wanted is None or len(wanted.value) != _ADDRESS_LEN_V4 else (wanted.value,)
        self._begin(self.dhcpv4, message.xid, client, asked, followed=bool(asked))

    def request_v6(self, message: Dhcpv6Message) -> None:
        """A DHCPv6 message that the client sends."""
        kind = message.type
        if not message.client_ids:
            return
        client = message.client_ids[0]
        if kind == dhcpv6.RELEASE:
            self.dhcpv6.release(client)
        elif kind in _V6_REQUESTS:
            self._begin(self.dhcpv6, message.xid, client, (), followed=True)

    def _begin(self, leases: Leases, xid: bytes, client: bytes, asked: tuple[bytes, ...], *, followed: bool) -> None:
        now = self._clock.now()
        repeated = leases.transaction(xid)
        if repeated is not None:
            repeated.since = now
        elif followed and not leases.begin(xid, client, asked, now):
            self._overflowed()
        elif followed:
            self._start_timer()

    # ------------------------------------------------------------------ received

    def receive(self, data: Buffer, sap: int, network: int) -> None:
        """A frame that the client receives."""
        if sap == ETHERTYPE_IP:
            self._receive_v4(data, network)
        elif sap == ETHERTYPE_IPV6:
            self._receive_v6(data, network)

    def _receive_v4(self, data: Buffer, network: int) -> None:
        if len(data) < network + IPV4_SIZE or data[network + IPV4_PROTOCOL] != UDP:
            return
        at = find_message(data, upper_v4(data, network), dhcpv4.PORTS, dhcpv4.SMALLEST)
        if at <= 0:
            return
        message = Dhcpv4Message(bytes(data[at:]))
        kind = message.type
        transaction = self.dhcpv4.transaction(message.xid)
        if transaction is not None and kind in {dhcpv4.ACK, dhcpv4.NAK}:
            self._settle(self.dhcpv4, message.xid, transaction.asked if kind == dhcpv4.ACK else ())

    def _receive_v6(self, data: Buffer, network: int) -> None:
        upper = upper_v6(data, network) if len(data) >= network + IPV6_SIZE else None
        if upper is None:
            return
        if upper.protocol == ICMPV6:
            self.slaac.heard(_advertised_prefixes(data, network, upper))
            return
        at = find_message(data, upper, dhcpv6.PORTS, dhcpv6.SMALLEST)
        if at <= 0:
            return
        message = Dhcpv6Message(bytes(data[at:]))
        if message.type == dhcpv6.REPLY and self.dhcpv6.transaction(message.xid) is not None:
            self._settle(self.dhcpv6, message.xid, message.granted())

    def _settle(self, leases: Leases, xid: bytes, granted: tuple[bytes, ...]) -> None:
        if not leases.settle(xid, granted):
            self._overflowed()

    # ------------------------------------------------------------------ time

    def _start_timer(self) -> None:
        if self._timer is None:
            self._timer = self._clock.call_later(TRANSACTION_SECONDS, self._scrub)

    def _scrub(self) -> None:
        self._timer = None
        now = self._clock.now()
        for leases in (self.dhcpv4, self.dhcpv6):
            leases.scrub(now)
        if self.dhcpv4.pending or self.dhcpv6.pending:
            self._start_timer()


def _advertised_prefixes(data: Buffer, network: int, upper: Upper) -> list[bytes]:
    """The prefixes in a frame with these IPv6 headers, if it is a router advertisement of this link."""
    whole = not upper.fragment and len(data) >= upper.at + ndp.HEADER_SIZES[ndp.ROUTER_ADVERT]
    if not whole or (data[upper.at], data[upper.at + 1]) != (ndp.ROUTER_ADVERT, 0):
        return []
    if data[network + _HOP_LIMIT] != _HOP_LIMIT_NDP:
        return []
    return list(ndp.autonomous_prefixes(data, upper.at, packet_end(data, network)))
