"""What is counted on a client of a MAC, by which names frames get lost, and the kstats made of both (KRN 6.13).

Bytes are whole frames: header included, no FCS. A run counts as the frames it stands for. Counters are Python integers, which never
wrap; the 32-bit kstats are cut when they are read (KRN-I35).
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from kernel_sim.sys.dld import LinkState
from kernel_sim.sys.kstat import KstatEntry, KstatNamed
from kernel_sim.sys.message import Chain

NET_CLASS: Final = "net"
DROPS_MODULE: Final = "etherspan"
DROPS_CLASS: Final = "drops"
RX_LANE: Final = "mac_rx_swlane0"
TX_LANE: Final = "mac_tx_swlane0"
MISC_STAT: Final = "mac_misc_stat"
MAC_STAT: Final = "mac"
LINK_MODULE: Final = "link"


class MacDrop(enum.StrEnum):
    """Frames from the wire that no client got."""

    RX_NO_CLIENT = "rx_no_active_client"
    """Nobody has an address on this MAC; a sniffer may have seen the frame."""
    RX_NO_FLOW = "rx_no_flow"
    """Two or more clients, and none of them, nor a group, has this address and VLAN id (KRN 6.6)."""


class ClientDrop(enum.StrEnum):
    """Frames lost in the transmit or receive stage of one client."""

    TX_CLOSED = "tx_client_closed"
    TX_PROTECT_UNPARSED = "tx_protect_unparsed"
    """Link protection is on and the Ethernet header is cut short or has the CFI bit set (KRN 6.14)."""
    TX_TAGGED = "tx_vlan_tagged"
    """An ordinary client may not send tagged frames (KRN 6.8)."""
    TX_SHORT = "tx_short_for_tag"
    """Too short for the client's VLAN tag to be put in."""
    TX_NO_PAYLOAD = "tx_no_payload"
    """A local frame with a header and nothing behind it (KRN 6.10)."""
    TX_FANOUT = "tx_fanout_abandoned"
    """The group changed while copies were handed out; the frame did not go to the wire (KRN 6.7)."""
    TX_OVER_MAXBW = "tx_over_maxbw"
    """Sent under a bandwidth limit of 0; any other limit holds the consumer up instead."""
    RX_SHORT = "rx_short"
    """Less than an Ethernet header, or a tag that is cut short."""
    RX_VLAN = "rx_foreign_vlan"
    """Tagged with an id that is not the client's."""
    RX_OVER_MAXBW = "rx_over_maxbw"
    """Over the bandwidth limit, and too many wait already."""
    RX_UNREAD = "rx_no_consumer"
    """Nobody has opened the link."""
    RX_UNDELIVERED = "rx_consumer_full"
    """The consumer could not take it."""


@dataclass(slots=True)
class ClientStats:
    """Counters of one client. The two of the receive lane, network and local, are kept apart here and added in kstats."""

    net_packets: int = 0
    net_bytes: int = 0
    local_packets: int = 0
    local_bytes: int = 0
    rxsdrops: int = 0
    opackets: int = 0
    obytes: int = 0
    oerrors: int = 0
    txerrors: int = 0
    blockcnt: int = 0
    unblockcnt: int = 0
    txsdrops: int = 0
    multircv: int = 0
    multircvbytes: int = 0
    brdcstrcv: int = 0
    brdcstrcvbytes: int = 0
    multixmt: int = 0
    multixmtbytes: int = 0
    brdcstxmt: int = 0
    brdcstxmtbytes: int = 0
    macspoofed: int = 0
    ipspoofed: int = 0
    dhcpspoofed: int = 0
    restricted: int = 0
    dhcpdropped: int = 0

    @property
    def ipackets(self) -> int:
        """Frames received, from network and local clients together."""
        return self.net_packets + self.local_packets

    @property
    def rbytes(self) -> int:
        """Bytes received, from network and local clients together."""
        return self.net_bytes + self.local_bytes


def survey(chain: Chain) -> tuple[int, int, bool]:
    """Frames and bytes of a chain, and whether any frame is tagged or shorter than an Ethernet header."""
    frames = len(chain)
    octets = 0
    odd = False
    for message in chain:
        data = message.data
        size = len(data)
        octets += size
        if size < 14 or (data[12] == 0x81 and data[13] == 0):
            odd = True
        if message.mss:
            more = message.frames - 1
            frames += more
            octets += more * message.hdr_len
    return frames, octets, odd


# ---------------------------------------------------------------------- kstats

_LINK_32: Final = (
    "multircv",
    "brdcstrcv",
    "multixmt",
    "brdcstxmt",
    "norcvbuf",
    "ierrors",
    "noxmtbuf",
    "oerrors",
    "collisions",
)
_LINK_TRAFFIC: Final = ("rbytes", "ipackets", "obytes", "opackets")
_MAC_EXTRA_32: Final = ("unknowns", "uflo", "oflo")
_ETHER_32: Final = (
    "align_errors",
    "fcs_errors",
    "first_collisions",
    "multi_collisions",
    "sqe_errors",
    "defer_xmts",
    "tx_late_collisions",
    "ex_collisions",
    "macxmt_errors",
    "carrier_errors",
    "toolong_errors",
    "macrcv_errors",
    "xcvr_addr",
    "xcvr_id",
    "xcvr_inuse",
    "link_asmpause",
    "link_pause",
    "link_autoneg",
    "link_duplex",
)
_MISC: Final = (
    "multircv",
    "brdcstrcv",
    "multixmt",
    "brdcstxmt",
    "multircvbytes",
    "brdcstrcvbytes",
    "multixmtbytes",
    "brdcstxmtbytes",
    "txerrors",
    "macspoofed",
    "ipspoofed",
    "dhcpspoofed",
    "restricted",
    "dhcpdropped",
)
_MISC_PAST: Final = (
    "ipackets",
    "rbytes",
    "local",
    "localbytes",
    "intrs",
    "intrbytes",
    "polls",
    "pollbytes",
    "rxsdrops",
    "chainunder10",
    "chain10to50",
    "chainover50",
    "obytes",
    "opackets",
    "oerrors",
    "blockcnt",
    "unblockcnt",
    "txsdrops",
)
"""Totals of lanes that no longer exist; the one lane of a client lives as long as the client."""


def link_kstat(name: str, stats: ClientStats | None, state: LinkState, zone: str, *, speed: int = 0) -> KstatEntry:
    """`link:0:NAME`: the statistics of a link. `stats` is None for an overlay or etherstub, whose counters stay 0 (KRN-Q25).

    `speed` in bit/s.
    """
    return KstatEntry(
        LINK_MODULE,
        0,
        name,
        NET_CLASS,
        (
            KstatNamed.u64("ifspeed", speed),
            *_generic(stats),
            KstatNamed.u32("link_state", state),
            KstatNamed.u32("link_duplex", 0),
            KstatNamed.u32("unknowns", 0),
            KstatNamed.string("zonename", zone or "global"),
        ),
    )


def mac_kstat(
    driver: str, instance: int, stats: ClientStats | None, state: LinkState, *, promisc: bool, speed: int = 0
) -> KstatEntry:
    """`DRIVER:INSTANCE:mac`: the statistics that a driver gives for its MAC."""
    return KstatEntry(
        driver,
        instance,
        MAC_STAT,
        NET_CLASS,
        (
            KstatNamed.u32("link_state", state),
            KstatNamed.u32("link_up", state is LinkState.UP),
            KstatNamed.u32("promisc", promisc),
            KstatNamed.u64("ifspeed", speed),
            *_generic(stats),
            *(KstatNamed.u32(each, 0) for each in (*_MAC_EXTRA_32, *_ETHER_32)),
        ),
    )


def client_kstats(name: str, stats: ClientStats) -> list[KstatEntry]:
    """The lane and miscellaneous statistics of a client, in module NAME."""
    rx = {
        "ipackets": stats.ipackets,
        "rbytes": stats.rbytes,
        "local": stats.local_packets,
        "localbytes": stats.local_bytes,
        "intrs": stats.net_packets,
        "intrbytes": stats.net_bytes,
        "rxsdrops": stats.rxsdrops,
    }
    tx = {
        "obytes": stats.obytes,
        "opackets": stats.opackets,
        "oerrors": stats.oerrors,
        "blockcnt": stats.blockcnt,
        "unblockcnt": stats.unblockcnt,
        "txsdrops": stats.txsdrops,
    }
    misc = {each: getattr(stats, each) for each in _MISC} | dict.fromkeys(_MISC_PAST, 0)
    return [
        KstatEntry(name, 0, kstat, NET_CLASS, tuple(KstatNamed.u64(*pair) for pair in values.items()))
        for kstat, values in ((RX_LANE, rx), (TX_LANE, tx), (MISC_STAT, misc))
    ]


def drops_kstat(name: str, counts: Iterable[tuple[str, int]]) -> KstatEntry:
    """`etherspan:0:NAME`: the drops that the original does not count, by reason."""
    stats = tuple(KstatNamed.u64(str(reason), count) for reason, count in counts)
    return KstatEntry(DROPS_MODULE, 0, name, DROPS_CLASS, stats)


def _generic(stats: ClientStats | None) -> list[KstatNamed]:
    """The statistics that `link` and `mac` share."""
    words = (*_LINK_32, *_LINK_TRAFFIC)
    return [
        *(KstatNamed.u32(each, getattr(stats, each, 0)) for each in words),
        *(KstatNamed.u64(f"{each}64", getattr(stats, each, 0)) for each in _LINK_TRAFFIC),
    ]
