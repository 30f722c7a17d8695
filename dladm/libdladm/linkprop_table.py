"""The link properties, in the order in which they are shown (DLM 5.6)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dladm.libdladm import linkprop_resource as resource
from dladm.libdladm.linkprop_kept import Addresses, Count, Kept, Number, Stored, Texts, Unsupported, Zone
from dladm.libdladm.linkprop_resource import Effective, Resource, Ringed
from dladm.libdladm.propvalue import (
    allow_all_dhcp_cids,
    autopush,
    dynamic_methods,
    forward,
    mtu,
    priority,
    promisc_filtered,
    protection,
    tagmode,
)
from dladm.libdladm.status import DladmError, Status
from kernel_sim.sys.dld import DATALINK_CLASS_ALL, DatalinkClass, LinkDuplex, LinkState, MacProp
from kernel_sim.sys.mac_flow import TagMode

STATES: Final = {LinkState.UP: "up", LinkState.DOWN: "down"}
_DUPLEXES: Final = {LinkDuplex.HALF: "half", LinkDuplex.FULL: "full"}
_PHYS: Final = int(DatalinkClass.PHYS)
_VNIC: Final = int(DatalinkClass.VNIC)
_TAGMODE: Final = DatalinkClass.PHYS | DatalinkClass.AGGR | DatalinkClass.VNIC
_NONE: Final = "--"
"""A default of this text is shown as it is, also where an empty one is not."""


@dataclass(slots=True, frozen=True)
class LinkProperty:
    """A link property: where its value is kept, the link classes that have it, its default and what it may be.

    `default` is empty where the link is asked for it, `possible` where there is no list of words or the link is asked for a range. One
    that is not `writable` is read only, a `temporary` one is never stored, a `stored` one has no other place than datalink.conf.
    `several` can have more than one value. `numeric`: its value is a number.
    """

    name: str
    kept: Kept
    classes: int = DATALINK_CLASS_ALL
    default: str = ""
    possible: Texts = ()
    writable: bool = True
    temporary: bool = False
    stored: bool = False
    several: bool = False
    numeric: bool = False


def _number(value: int) -> Texts:
    return (str(value),)


def _speed(value: int) -> Texts:
    """Mbit/s; six decimals where they are no whole ones."""
    mega, rest = divmod(value, 1_000_000)
    return (f"{value / 1_000_000:.6f}" if rest else str(mega),)


def _available(name: str, num: MacProp) -> LinkProperty:
    return LinkProperty(name, Count(num, _number), writable=False, numeric=True)


TABLE: Final = (
    LinkProperty("speed", Count(MacProp.SPEED, _speed), _PHYS, writable=False, numeric=True),
    LinkProperty("autopush", Unsupported(autopush.parse)),
    LinkProperty("zone", Zone(), temporary=True),
    LinkProperty(
        "duplex",
        Count(MacProp.DUPLEX, lambda value: (_DUPLEXES.get(LinkDuplex(value), "unknown"),)),
        _PHYS,
        possible=("half", "full"),
        writable=False,
    ),
    LinkProperty(
        "state",
        Count(MacProp.STATUS, lambda value: (STATES.get(LinkState(value), "unknown"),)),
        default="up",
        possible=("up", "down"),
        writable=False,
    ),
    LinkProperty("mtu", Number(MacProp.MTU, mtu.parse, mtu.format), numeric=True),
    LinkProperty("secondary-macs", Addresses(), _VNIC, _NONE, several=True),
    LinkProperty("maxbw", Resource(resource.MAXBW), default=_NONE),
    LinkProperty("cpus", Resource(resource.CPUS, excludes=resource.POOL), default=_NONE, several=True),
    LinkProperty("cpus-effective", Effective(resource.CPUS), default=_NONE, writable=False, several=True),
    LinkProperty("pool", Resource(resource.POOL, excludes=resource.CPUS), default=_NONE),
    LinkProperty("pool-effective", Effective(resource.POOL), default=_NONE, writable=False),
    LinkProperty("priority", Resource(resource.PRIORITY), default="high", possible=priority.names),
    LinkProperty(
        "tagmode",
        Number(MacProp.TAGMODE, tagmode.parse, lambda value: tagmode.format(TagMode(value)), TagMode.VLANONLY),
        _TAGMODE,
        "vlanonly",
        tagmode.names,
    ),
    LinkProperty(
        "forward",
        Stored("forward", "1", forward.parse),
        DATALINK_CLASS_ALL & ~_VNIC,
        "1",
        forward.names,
        stored=True,
    ),
    LinkProperty("protection", Resource(resource.PROTECTION), default=_NONE, possible=protection.names, several=True),
    LinkProperty(
        "dynamic-methods",
        Resource(resource.DYNAMIC_METHODS),
        default=_NONE,
        possible=dynamic_methods.names,
        several=True,
    ),
    LinkProperty(
        "promisc-filtered",
        Number(
            MacProp.VN_PROMISC_FILTERED,
            promisc_filtered.parse,
            lambda value: promisc_filtered.format(bool(value)),
            reset=1,
        ),
        _VNIC,
        "on",
        promisc_filtered.names,
    ),
    LinkProperty("allowed-ips", Resource(resource.ALLOWED_IPS), default=_NONE, several=True),
    LinkProperty("allowed-dhcp-cids", Resource(resource.ALLOWED_DHCP_CIDS), default=_NONE, several=True),
    LinkProperty(
        "allow-all-dhcp-cids",
        Resource(resource.ALLOW_ALL_DHCP_CIDS),
        default="false",
        possible=allow_all_dhcp_cids.names,
    ),
    LinkProperty("rxrings", Ringed(resource.RXRINGS, num=MacProp.RXRINGSRANGE), default=_NONE),
    LinkProperty("rxrings-effective", Effective(resource.RXRINGS), default=_NONE, writable=False),
    LinkProperty("txrings", Ringed(resource.TXRINGS, num=MacProp.TXRINGSRANGE), default=_NONE),
    LinkProperty("txrings-effective", Effective(resource.TXRINGS), default=_NONE, writable=False),
    _available("txrings-available", MacProp.MAX_TX_RINGS_AVAIL),
    _available("rxrings-available", MacProp.MAX_RX_RINGS_AVAIL),
    _available("rxhwclnt-available", MacProp.MAX_RXHWCLNT_AVAIL),
    _available("txhwclnt-available", MacProp.MAX_TXHWCLNT_AVAIL),
)

BY_NAME: Final = {prop.name: prop for prop in TABLE}


def find(name: str) -> LinkProperty:
    """The row of a property, whose name may be in any case. Errors: `DladmError` NOTFOUND for an unknown one."""
    found = BY_NAME.get(name.lower())
    if found is None:
        raise DladmError(Status.NOTFOUND)
    return found


def of_class(link_class: int) -> tuple[LinkProperty, ...]:
    """The properties that links of a class have."""
    return tuple(prop for prop in TABLE if prop.classes & link_class)
