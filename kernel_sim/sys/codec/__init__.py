"""Codecs of ioctl arguments: frozen values with `SIZE`, `pack()` and `unpack()`, laid out as in the original (LP64).

`SIZE` is the bytes of the fixed part. `unpack` takes what it needs from the start of a buffer and raises `KernelError`: EFAULT when
there is too little. `pack` raises EINVAL for values that the layout cannot hold. `sys.layout` declares the same layouts with
construct, and a property test holds the two together.

Names resolve on first use, since start-up time of the commands counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kernel_sim.sys.codec._dld import DldAttr, DldMacprop, PropValue, macprop_read, macprop_value
    from kernel_sim.sys.codec._es import EsLinkList, EsNameClear, EsNameSet, EsPhysEntry, EsPhysList, EsPhysWait
    from kernel_sim.sys.codec._overlay import (
        OverlayCreate,
        OverlayLink,
        OverlayNprops,
        OverlayProp,
        OverlayPropinfo,
        OverlayStatus,
    )
    from kernel_sim.sys.codec._point import CacheEntry, Point
    from kernel_sim.sys.codec._proprange import PropRange
    from kernel_sim.sys.codec._resource import MacDhcpcid, MacIpaddr, MacResourceProps
    from kernel_sim.sys.codec._target import (
        TargAssociate,
        TargCache,
        TargDegrade,
        TargId,
        TargInfo,
        TargIter,
        TargList,
        TargLookup,
        TargPkt,
        TargResp,
    )
    from kernel_sim.sys.codec._vnic import VnicCreate, VnicDelete, VnicInfo, VnicModify
    from kernel_sim.sys.kstat import KstatChain, KstatEntry, KstatHeader, KstatNamed

__all__ = [
    "CacheEntry",
    "DldAttr",
    "DldMacprop",
    "EsLinkList",
    "EsNameClear",
    "EsNameSet",
    "EsPhysEntry",
    "EsPhysList",
    "EsPhysWait",
    "KstatChain",
    "KstatEntry",
    "KstatHeader",
    "KstatNamed",
    "MacDhcpcid",
    "MacIpaddr",
    "MacResourceProps",
    "OverlayCreate",
    "OverlayLink",
    "OverlayNprops",
    "OverlayProp",
    "OverlayPropinfo",
    "OverlayStatus",
    "Point",
    "PropRange",
    "PropValue",
    "TargAssociate",
    "TargCache",
    "TargDegrade",
    "TargId",
    "TargInfo",
    "TargIter",
    "TargList",
    "TargLookup",
    "TargPkt",
    "TargResp",
    "VnicCreate",
    "VnicDelete",
    "VnicInfo",
    "VnicModify",
    "macprop_read",
    "macprop_value",
]

_HOMES = {
    "Dld": "kernel_sim.sys.codec._dld",
    "Es": "kernel_sim.sys.codec._es",
    "Kstat": "kernel_sim.sys.kstat",
    "Overlay": "kernel_sim.sys.codec._overlay",
    "Targ": "kernel_sim.sys.codec._target",
    "Vnic": "kernel_sim.sys.codec._vnic",
    "CacheEntry": "kernel_sim.sys.codec._point",
    "Point": "kernel_sim.sys.codec._point",
    "PropRange": "kernel_sim.sys.codec._proprange",
    "PropValue": "kernel_sim.sys.codec._dld",
    "Mac": "kernel_sim.sys.codec._resource",
    "macprop": "kernel_sim.sys.codec._dld",
}
"""Which module defines the names with that beginning."""


def __getattr__(name: str) -> object:
    if name in __all__:
        home = next(module for prefix, module in _HOMES.items() if name.startswith(prefix))
        return globals().setdefault(name, getattr(__import__(home, fromlist=[name]), name))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
