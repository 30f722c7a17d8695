"""Any link: its attributes and the link it lies over (DLM 5.3, 5.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dladm.libdladm import macprop, vnic
from dladm.libdladm.handle import Dladm
from dladm.libdladm.status import DladmError
from kernel_sim.sys.codec import DldAttr
from kernel_sim.sys.dld import DLDIOC_ATTR, DatalinkClass, LinkState, MacProp
from kernel_sim.sys.errno import KernelError

if TYPE_CHECKING:
    from dladm.dlmgmtd.client import LinkInfo

STATES: Final = {LinkState.UP: "up", LinkState.DOWN: "down", LinkState.UNKNOWN: "unknown"}
"""How a link's state is printed."""
_MEGABIT: Final = 1_000_000


def mtu(handle: Dladm, linkid: int) -> int:
    """A running link's MTU in bytes. Errors: `DladmError` NOTFOUND for a link without a working device."""
    try:
        return DldAttr.unpack(handle.ioctl(DLDIOC_ATTR, DldAttr(linkid).pack())).max_sdu
    except KernelError as error:
        raise DladmError.of(error) from error


def state(handle: Dladm, linkid: int) -> str | None:
    """`up`, `down` or `unknown`; None when it could not be had."""
    try:
        return STATES.get(LinkState(macprop.number(handle, linkid, MacProp.STATUS)))
    except (DladmError, ValueError):
        return None


def speed(handle: Dladm, linkid: int) -> int:
    """Speed in Mbit/s, 0 where there is none. Errors: `DladmError` NOTFOUND, NOTSUP."""
    return macprop.number(handle, linkid, MacProp.SPEED) // _MEGABIT


def name_of(handle: Dladm, linkid: int) -> str | None:
    """The name of a link id; None when it has none."""
    try:
        return handle.dlmgmt.linkid2info(linkid).name
    except KernelError:
        return None


def over(handle: Dladm, link: LinkInfo, *, stored: bool = False) -> str | None:
    """The name of the link below a VNIC or VLAN, empty for other links; None when it could not be had."""
    if link.link_class not in {DatalinkClass.VNIC, DatalinkClass.VLAN}:
        return ""
    try:
        if stored:
            return vnic.stored_conf(handle, link.linkid).over or None
        return name_of(handle, vnic.view(handle, link.linkid).over)
    except DladmError:
        return None
