"""An etherstub: a switch with no wire (KRN 6.15). What its VNICs send to each other is delivered, everything else is freed."""

from __future__ import annotations

from typing import Final

from kernel_sim.ddi import LinkId
from kernel_sim.mac.provider import MacRegistration
from kernel_sim.mac.stat import survey
from kernel_sim.mac.watch import DropWatch
from kernel_sim.sys.dld import DatalinkClass, LinkState
from kernel_sim.sys.ethernet import ETHERMTU, VLAN_TAG_LEN
from kernel_sim.sys.message import Chain

ETHERSTUB_MTU_MIN: Final = 576
ETHERSTUB_MTU_MAX: Final = 9000
DROP_NO_WIRE: Final = "tx_no_wire"


class Etherstub:
    """The provider of an etherstub's MAC."""

    def __init__(self, linkid: LinkId, watch: DropWatch) -> None:
        self.drops = {DROP_NO_WIRE: 0}
        self._linkid = linkid
        self._watch = watch

    def start(self) -> None:
        """Always succeeds."""

    def stop(self) -> None:
        """Nothing was started."""

    def tx(self, chain: Chain) -> None:
        """Free everything."""
        self.drops[DROP_NO_WIRE] += survey(chain)[0]
        self._watch.tell(self._linkid, DROP_NO_WIRE, chain)

    def set_mtu(self, mtu: int) -> None:
        """Any MTU of its range will do."""


def registration(linkid: LinkId, watch: DropWatch | None = None) -> MacRegistration:
    """A new etherstub's MAC: MTU 9000 (its advertised default is the Ethernet 1500), up from the start."""
    stub = Etherstub(linkid, watch or DropWatch())
    return MacRegistration(
        linkid=linkid,
        provider=stub,
        link_class=DatalinkClass.ETHERSTUB,
        max_sdu=ETHERSTUB_MTU_MAX,
        mtu_min=ETHERSTUB_MTU_MIN,
        mtu_max=ETHERSTUB_MTU_MAX,
        mtu_default=ETHERMTU,
        margin=VLAN_TAG_LEN,
        anchor=True,
        link_state=LinkState.UP,
        drop_counts=stub.drops.items,
    )
