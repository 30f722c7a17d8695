"""Link properties that are parts of a link's resource structure: bandwidth, priority, CPUs, protection, rings (DLM 5.6, KRN 6.14).

One `Part` is one property: which bit of the structure's mask says that it is set, how its value goes in, comes out and is cleared. The
kernel merges what it is given, so a structure holds the part that changes and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Generic, TypeVar

from dladm.libdladm import macprop
from dladm.libdladm.handle import Dladm
from dladm.libdladm.linkprop_kept import Answers, Kept, Shown, Texts, Undo
from dladm.libdladm.propvalue import (
    allow_all_dhcp_cids,
    allowed_dhcp_cids,
    allowed_ips,
    cpus,
    dynamic_methods,
    maxbw,
    pool,
    priority,
    protection,
    rings,
)
from dladm.libdladm.status import DladmError, Status
from kernel_sim.sys.codec import MacResourceProps
from kernel_sim.sys.dld import MacProp
from kernel_sim.sys.errno import KernelError
from kernel_sim.sys.mac_flow import MPT_RESET, MRP_MAXBW_RESETVAL, DynamicMethod, MacPriority, MacProtect, MrpMask

Value = TypeVar("Value")
Props = MacResourceProps


@dataclass(slots=True, frozen=True)
class Part(Generic[Value]):
    """One property. `take` gives its value, None when it is not set; `unset` is what is shown then."""

    parse: Callable[[Sequence[str]], Value]
    format: Callable[[Value], Texts]
    put: Callable[[Props, Value], Props]
    clear: Callable[[Props], Props]
    take: Callable[[Props], Value | None]
    unset: Texts = ()

    def put_texts(self, props: Props, values: Sequence[str]) -> Props:
        """The structure with this property in it. Errors: `DladmError`, those of the property's syntax."""
        return self.put(props, self.parse(values))

    def shown(self, props: Props) -> Texts:
        """The property of a link that has this structure."""
        value = self.take(props)
        return self.unset if value is None else self.format(value)

    def alone(self, props: Props) -> Props:
        """What gives a link the property as it is in `props`."""
        value = self.take(props)
        return self.clear(Props()) if value is None else self.put(Props(), value)


def _with(mask: MrpMask, props: Props) -> int:
    return props.mask | mask


def _put_rx(props: Props, wanted: rings.Rings) -> Props:
    mask = MrpMask.RX_RINGS | (MrpMask.RXRINGS_UNSPEC if wanted.unspecified else 0)
    return replace(props, mask=_with(mask, props), nrxrings=wanted.count)


def _put_tx(props: Props, wanted: rings.Rings) -> Props:
    mask = MrpMask.TX_RINGS | (MrpMask.TXRINGS_UNSPEC if wanted.unspecified else 0)
    return replace(props, mask=_with(mask, props), ntxrings=wanted.count)


def _rings(props: Props, has: MrpMask, unspecified: MrpMask, count: int) -> rings.Rings | None:
    return rings.Rings(count, bool(props.mask & unspecified)) if props.mask & has else None


MAXBW: Final = Part(
    maxbw.parse,
    maxbw.format,
    put=lambda p, rate: replace(p, mask=_with(MrpMask.MAXBW, p), maxbw=rate),
    clear=lambda p: replace(p, mask=_with(MrpMask.MAXBW, p), maxbw=MRP_MAXBW_RESETVAL),
    take=lambda p: p.maxbw if p.mask & MrpMask.MAXBW else None,
)
PRIORITY: Final = Part(
    priority.parse,
    priority.format,
    put=lambda p, level: replace(p, mask=_with(MrpMask.PRIORITY, p), priority=level),
    clear=lambda p: replace(p, mask=_with(MrpMask.PRIORITY, p), priority=MacPriority.RESET),
    take=lambda p: MacPriority(p.priority) if p.mask & MrpMask.PRIORITY else None,
    unset=("high",),
)
CPUS: Final = Part(
    cpus.parse,
    cpus.format,
    put=lambda p, numbers: replace(p, mask=_with(MrpMask.CPUS | MrpMask.CPUS_USERSPEC, p), cpus=numbers),
    clear=lambda p: replace(p, mask=_with(MrpMask.CPUS, p), cpus=()),
    take=lambda p: p.cpus or None,
)
POOL: Final = Part(
    pool.parse,
    pool.format,
    put=lambda p, name: replace(p, mask=_with(MrpMask.POOL, p), pool=name),
    clear=lambda p: replace(p, mask=_with(MrpMask.POOL, p), pool=""),
    take=lambda p: p.pool or None,
)
PROTECTION: Final = Part(
    protection.parse,
    protection.format,
    put=lambda p, types: replace(p, mask=_with(MrpMask.PROTECT, p), types=types),
    clear=lambda p: replace(p, mask=_with(MrpMask.PROTECT, p), types=MPT_RESET),
    take=lambda p: MacProtect(p.types) if p.types else None,
)
DYNAMIC_METHODS: Final = Part(
    dynamic_methods.parse,
    dynamic_methods.format,
    put=lambda p, methods: replace(p, mask=_with(MrpMask.PROTECT, p), dynamic=methods),
    clear=lambda p: replace(p, mask=_with(MrpMask.PROTECT, p), dynamic=MPT_RESET),
    take=lambda p: DynamicMethod(p.dynamic) if p.dynamic else None,
)
ALLOWED_IPS: Final = Part(
    allowed_ips.parse,
    allowed_ips.format,
    put=lambda p, addresses: replace(p, mask=_with(MrpMask.PROTECT, p), ipaddrs=addresses),
    clear=lambda p: replace(p, mask=_with(MrpMask.PROTECT, p), ipaddrs=None),
    take=lambda p: p.ipaddrs or None,
)
ALLOWED_DHCP_CIDS: Final = Part(
    allowed_dhcp_cids.parse,
    allowed_dhcp_cids.format,
    put=lambda p, cids: replace(p, mask=_with(MrpMask.PROTECT, p), cids=cids),
    clear=lambda p: replace(p, mask=_with(MrpMask.PROTECT, p), cids=None),
    take=lambda p: p.cids or None,
)
ALLOW_ALL_DHCP_CIDS: Final = Part(
    allow_all_dhcp_cids.parse,
    allow_all_dhcp_cids.format,
    put=lambda p, on: replace(p, mask=_with(MrpMask.PROTECT, p), allcids=1 if on else MPT_RESET),
    clear=lambda p: replace(p, mask=_with(MrpMask.PROTECT, p), allcids=MPT_RESET),
    take=lambda p: True if p.allcids else None,
    unset=("false",),
)
RXRINGS: Final = Part(
    rings.parse,
    rings.format,
    put=_put_rx,
    clear=lambda p: replace(p, mask=_with(MrpMask.RX_RINGS | MrpMask.RINGS_RESET, p), nrxrings=0),
    take=lambda p: _rings(p, MrpMask.RX_RINGS, MrpMask.RXRINGS_UNSPEC, p.nrxrings),
)
TXRINGS: Final = Part(
    rings.parse,
    rings.format,
    put=_put_tx,
    clear=lambda p: replace(p, mask=_with(MrpMask.TX_RINGS | MrpMask.RINGS_RESET, p), ntxrings=0),
    take=lambda p: _rings(p, MrpMask.TX_RINGS, MrpMask.TXRINGS_UNSPEC, p.ntxrings),
)


@dataclass(slots=True, frozen=True)
class Resource(Kept):
    """A property that is a part of the resource structure. `excludes` is a part that must not be set beside it."""

    part: Part[Any]
    excludes: Part[Any] | None = None

    def read(self, answers: Answers) -> Shown:
        value, perm = answers.value(MacProp.RESOURCE)
        assert isinstance(value, Props)
        return Shown(self.part.shown(value), perm)

    def write(self, handle: Dladm, linkid: int, values: Sequence[str] | None) -> Undo:
        before = macprop.get(handle, linkid, MacProp.RESOURCE)
        assert isinstance(before, Props)
        if values is None:
            wanted = self.part.clear(Props())
        else:
            if self.excludes is not None and self.excludes.take(before) is not None:
                raise DladmError(Status.POOLCPU)
            wanted = self.part.put_texts(Props(), values)
        put(handle, linkid, wanted)
        return lambda: macprop.set(handle, linkid, MacProp.RESOURCE, self.part.alone(before))


@dataclass(slots=True, frozen=True)
class Effective(Kept):
    """What the mac layer made of a part; it cannot be set."""

    part: Part[Any]

    def read(self, answers: Answers) -> Shown:
        value, perm = answers.value(MacProp.RESOURCE_EFF)
        assert isinstance(value, Props)
        return Shown(self.part.shown(value), perm)


@dataclass(slots=True, frozen=True)
class Ringed(Resource):
    """A number of rings; whether it can be set, and what it may be, depends on the hardware, whose range has the number `num`."""

    num: MacProp = MacProp.RXRINGSRANGE

    def read(self, answers: Answers) -> Shown:
        perm = macprop.permission(answers.handle, answers.linkid, self.num)
        value, _perm = answers.value(MacProp.RESOURCE)
        assert isinstance(value, Props)
        return Shown(self.part.shown(value), perm)

    def possible(self, answers: Answers) -> Texts:
        ranges = answers.possible(self.num).ranges
        if not ranges:
            return ()
        low, high = ranges[0]
        if not high:
            return ("sw", "hw")
        return ("sw", "hw", str(low) if low == high else f"<{low}-{high}>")


ORDER: Final[dict[str, Part[Any] | None]] = {
    "maxbw": MAXBW,
    "priority": PRIORITY,
    "cpus": CPUS,
    "cpus-effective": None,
    "pool": POOL,
    "pool-effective": None,
    "protection": PROTECTION,
    "dynamic-methods": DYNAMIC_METHODS,
    "allowed-ips": ALLOWED_IPS,
    "allowed-dhcp-cids": ALLOWED_DHCP_CIDS,
    "allow-all-dhcp-cids": ALLOW_ALL_DHCP_CIDS,
    "rxrings": RXRINGS,
    "rxrings-effective": None,
    "txrings": TXRINGS,
    "txrings-effective": None,
}
"""The order in which the properties of a new VNIC are checked (DLM 5.1); None for one that has no value of its own."""


def collect(properties: Iterable[tuple[str, Sequence[str]]]) -> Props | None:
    """The structure that a new VNIC gets, None when no property belongs into it; of a repeated property the first counts.

    Errors: `DladmError`: those of the first property, in `ORDER`, that is no good; BADARG for one that cannot be set.
    """
    given: dict[str, Sequence[str]] = {}
    for name, values in properties:
        given.setdefault(name.lower(), values)
    props = None
    for name, part in ORDER.items():
        if name in given:
            if part is None:
                raise DladmError(Status.BADARG)
            props = part.put_texts(props or Props(), given[name])
    return props


def put(handle: Dladm, linkid: int, props: Props) -> None:
    """Give a link what the structure holds. Errors: `DladmError`."""
    try:
        macprop.set(handle, linkid, MacProp.RESOURCE, props)
    except KernelError as error:
        handle.note(f"resource properties of link {linkid}: {error}")
        raise DladmError.of(error) from error
