"""The resource properties of a link: what is accepted, how a change is merged in, what they come to (KRN 6.14, DLM 5.6).

Every link keeps them and shows them. What they do:

* a VNIC: `enforce` holds its client to the bandwidth limit and to link protection;
* an overlay or etherstub: nothing. In the original they govern the link's own client, the one that a consumer of the link itself
  would send with, and never those of the VNICs on it; nobody can be a consumer of these links (KRN-Q39, an etherstub is ENXIO);
* priority, CPUs and pool steer threads of the original, of which there are none here: they are kept and shown everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from kernel_sim.mac.protect.props import ProtectProps, check_cids, check_ipaddrs, check_types
from kernel_sim.sys.codec import MacResourceProps
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.mac_flow import (
    MPT_RESET,
    MRP_MAXBW_MINVAL,
    MRP_MAXBW_RESETVAL,
    MRP_NCPUS,
    DynamicMethod,
    MacPriority,
    MacProtect,
    MrpMask,
)

DEFAULTS: Final = MacResourceProps(priority=MacPriority.HIGH)
"""Nothing is set; the priority of a link is high."""

_FANOUT_MODES: Final = 2
"""The highest fanout mode (CPUs by name)."""


def check(wanted: MacResourceProps) -> None:
    """Whether a change may be made, in the original's order.

    Errors: EINVAL a priority that is none; a bandwidth limit that is not 0 and under 1,200,000 bit/s; a CPU named twice, a fanout mode
    that is none; link protection: see `protect.check_types`, `check_ipaddrs`, `check_cids`; rings, set or reset: no link here has
    groups of them.
    """
    mask = wanted.mask
    if mask & MrpMask.PRIORITY and not MacPriority.LOW <= wanted.priority <= MacPriority.RESET:
        raise KernelError(Errno.EINVAL, f"priority {wanted.priority}")
    if mask & MrpMask.MAXBW and 0 < wanted.maxbw < MRP_MAXBW_MINVAL:
        raise KernelError(Errno.EINVAL, f"a limit of {wanted.maxbw} bit/s, at least {MRP_MAXBW_MINVAL}")
    if mask & MrpMask.CPUS:
        _check_cpus(wanted.cpus, wanted.fanout_mode)
    if mask & MrpMask.PROTECT:
        check_types(_set_bits(wanted.types), _set_bits(wanted.dynamic))
        check_ipaddrs(wanted.ipaddrs or ())
        check_cids(wanted.cids or ())
    if mask & (MrpMask.RX_RINGS | MrpMask.TX_RINGS):
        raise KernelError(Errno.EINVAL, "the link has no groups of rings")


def _check_cpus(cpus: Sequence[int], fanout_mode: int) -> None:
    if len(cpus) > MRP_NCPUS or len(dict.fromkeys(cpus)) < len(cpus):
        raise KernelError(Errno.EINVAL, f"CPUs {cpus}: at most {MRP_NCPUS}, each once")
    if fanout_mode > _FANOUT_MODES:
        raise KernelError(Errno.EINVAL, f"fanout mode {fanout_mode}")


def _set_bits(mask: int) -> int:
    return 0 if mask == MPT_RESET else mask


def merge(current: MacResourceProps, wanted: MacResourceProps) -> MacResourceProps:
    """The properties after a change that `check` lets pass: what `wanted.mask` names is set, or taken away.

    In the result the mask names what is set, and what is not set has its default.
    """
    merged = current
    for bit, change in _CHANGES:
        if wanted.mask & bit:
            merged = change(merged, wanted)
    return merged


def _merge_bandwidth(current: MacResourceProps, wanted: MacResourceProps) -> MacResourceProps:
    limited = wanted.maxbw != MRP_MAXBW_RESETVAL
    return replace(_marked(current, MrpMask.MAXBW, on=limited), maxbw=wanted.maxbw if limited else DEFAULTS.maxbw)


def _merge_priority(current: MacResourceProps, wanted: MacResourceProps) -> MacResourceProps:
    given = wanted.priority != MacPriority.RESET
    priority = wanted.priority if given else DEFAULTS.priority
    return replace(_marked(current, MrpMask.PRIORITY, on=given), priority=priority)


def _merge_cpus(current: MacResourceProps, wanted: MacResourceProps) -> MacResourceProps:
    named = bool(wanted.cpus)
    marked = _marked(current, MrpMask.CPUS, on=named)
    marked = _marked(marked, MrpMask.CPUS_USERSPEC, on=named and bool(wanted.mask & MrpMask.CPUS_USERSPEC))
    return replace(marked, cpus=wanted.cpus, fanout_mode=wanted.fanout_mode)


def _merge_pool(current: MacResourceProps, wanted: MacResourceProps) -> MacResourceProps:
    return replace(_marked(current, MrpMask.POOL, on=bool(wanted.pool)), pool=wanted.pool)


def _merge_protection(current: MacResourceProps, wanted: MacResourceProps) -> MacResourceProps:
    """Empty parts stay as they are; the bit of the mask tells of types only, as in the original."""
    merged = current
    if wanted.types:
        merged = replace(merged, types=_set_bits(wanted.types))
        merged = _marked(merged, MrpMask.PROTECT, on=wanted.types != MPT_RESET)
    if wanted.ipaddrs != ():
        merged = replace(merged, ipaddrs=wanted.ipaddrs or ())
    if wanted.cids != ():
        merged = replace(merged, cids=wanted.cids or ())
    if wanted.allcids:
        merged = replace(merged, allcids=int(wanted.allcids != MPT_RESET))
    if wanted.dynamic:
        merged = replace(merged, dynamic=_set_bits(wanted.dynamic))
    return merged


def _marked(props: MacResourceProps, bit: MrpMask, *, on: bool) -> MacResourceProps:
    return replace(props, mask=props.mask | bit if on else props.mask & ~bit)


_CHANGES: Final = (
    (MrpMask.PRIORITY, _merge_priority),
    (MrpMask.MAXBW, _merge_bandwidth),
    (MrpMask.CPUS, _merge_cpus),
    (MrpMask.POOL, _merge_pool),
    (MrpMask.PROTECT, _merge_protection),
)


# ---------------------------------------------------------------------- what they come to


def bandwidth(props: MacResourceProps) -> int | None:
    """The limit in bit/s; 0 lets nothing pass, None is no limit."""
    return props.maxbw if props.mask & MrpMask.MAXBW else None


def protection(props: MacResourceProps) -> ProtectProps:
    """Link protection, of properties that `merge` gave."""
    return ProtectProps(
        types=MacProtect(props.types),
        ipaddrs=props.ipaddrs or (),
        cids=props.cids or (),
        allcids=bool(props.allcids),
        dynamic=DynamicMethod(props.dynamic),
    )


def effective(props: MacResourceProps) -> MacResourceProps:
    """What is in effect of the CPUs and the pool: what was asked for."""
    mask = props.mask & (MrpMask.CPUS | MrpMask.POOL)
    return replace(DEFAULTS, mask=mask, cpus=props.cpus, fanout_mode=props.fanout_mode, pool=props.pool)
