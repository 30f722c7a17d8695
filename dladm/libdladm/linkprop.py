"""Link properties: what there are, reading and setting them (DLM 5.6).

One row of `TABLE` is one property. A property whose value is kept by the mac layer has its number there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dladm.libdladm import macprop
from dladm.libdladm.handle import Dladm
from dladm.libdladm.status import DladmError, Status
from kernel_sim.sys.dld import DATALINK_CLASS_ALL, DatalinkFlag, MacProp
from kernel_sim.sys.errno import Errno, KernelError

GLOBAL_ZONE: Final = "global"
"""What the host itself is called where a zone is wanted."""


@dataclass(slots=True, frozen=True)
class LinkProperty:
    """A link property: its number in the mac layer, the classes that have it, how it may be used (`rw`, `r-`), its default value.

    A temporary one is never stored.
    """

    name: str
    num: MacProp
    classes: int = DATALINK_CLASS_ALL
    perm: str = "rw"
    default: str = ""
    temporary: bool = False


TABLE: Final = (LinkProperty("zone", MacProp.ZONE, temporary=True),)
"""The properties of this release, in the order in which they are shown."""

NOT_HERE: Final = frozenset(
    {
        "autopush",
        "state",
        "mtu",
        "secondary-macs",
        "maxbw",
        "cpus",
        "cpus-effective",
        "pool",
        "pool-effective",
        "priority",
        "forward",
        "tagmode",
        "protection",
        "promisc-filtered",
        "allowed-ips",
        "allowed-dhcp-cids",
        "dynamic-methods",
        "allow-all-dhcp-cids",
        "rxrings",
        "rxrings-effective",
        "txrings",
        "txrings-effective",
        "txrings-available",
        "rxrings-available",
        "rxhwclnt-available",
        "txhwclnt-available",
    }
)
"""Properties of the original that this release does not have."""


def find(name: str) -> LinkProperty:
    """The row of a property. Errors: `DladmError`: NOTSUP for one that this release does not have, NOTFOUND for an unknown one."""
    for prop in TABLE:
        if prop.name == name:
            return prop
    raise DladmError(Status.NOTSUP if name in NOT_HERE else Status.NOTFOUND)


def is_storable(name: str) -> bool:
    """True for a property that belongs into datalink.conf."""
    return not find(name).temporary


def current(handle: Dladm, linkid: int, prop: LinkProperty) -> str:
    """The value that is in force, empty for none. Errors: `DladmError`."""
    return str(macprop.get(handle, linkid, prop.num))


def set_active(handle: Dladm, linkid: int, name: str, values: Sequence[str]) -> None:
    """Set a property of a running link. Errors: `DladmError`: NOTFOUND, NOTSUP, BADVALCNT, BADVAL (no such zone), EXIST, DENIED …"""
    find(name)
    if len(values) != 1:
        raise DladmError(Status.BADVALCNT)
    _set_zone(handle, linkid, "" if values[0] == GLOBAL_ZONE else values[0])


def set(  # noqa: A001 - the original's word
    handle: Dladm, linkid: int, name: str, values: Sequence[str], *, persistent: bool = True
) -> None:
    """Set a property, and store it for a persistent link unless `persistent` is false.

    Errors: `DladmError`: those of `set_active`; TEMPONLY for one that is never stored.
    """
    _refuse_storing(handle, linkid, find(name), persistent=persistent)
    set_active(handle, linkid, name, values)


def reset(handle: Dladm, linkid: int, name: str, *, persistent: bool = True) -> None:
    """Give a property its default value again. Errors as for `set`."""
    prop = find(name)
    _refuse_storing(handle, linkid, prop, persistent=persistent)
    _set_zone(handle, linkid, prop.default)


def _refuse_storing(handle: Dladm, linkid: int, prop: LinkProperty, *, persistent: bool) -> None:
    try:
        info = handle.dlmgmt.linkid2info(linkid)
    except KernelError as error:
        raise DladmError.of(error) from error
    if prop.temporary and persistent and info.flags & DatalinkFlag.PERSIST:
        raise DladmError(Status.TEMPONLY)


def _set_zone(handle: Dladm, linkid: int, zone: str) -> None:
    """Move a link: the kernel moves its TAP, dlmgmtd notes whose it is."""
    before = current(handle, linkid, find("zone"))
    try:
        macprop.set(handle, linkid, MacProp.ZONE, zone)
    except KernelError as error:
        raise DladmError(Status.BADVAL) if error.errno == Errno.ENOENT else DladmError.of(error) from error
    try:
        handle.dlmgmt.set_zone(linkid, zone)
    except KernelError as error:
        macprop.set(handle, linkid, MacProp.ZONE, before)
        raise DladmError.of(error) from error
