"""Layouts of the overlay driver's control ioctls (KRN 1.6)."""

from __future__ import annotations

from construct import (  # type: ignore[import-untyped,unused-ignore]
    Array,
    Bytes,
    Int32sn,
    Int32un,
    Int64un,
    NullTerminated,
    Padding,
    Struct,
    Switch,
    this,
)
from construct import GreedyBytes as Rest

_LINKID = "linkid" / Int32un

LAYOUTS = {
    "OverlayCreate": Struct(_LINKID, Padding(4), "vnetid" / Int64un, "encap" / Bytes(32)),
    "OverlayLink": Struct(_LINKID),
    "OverlayNprops": Struct(_LINKID, "nprops" / Int32sn),
    "OverlayPropinfo": Struct(
        _LINKID,
        "id" / Int32sn,
        "name" / Bytes(64),
        "type" / Int32un,
        "prot" / Int32un,
        "default" / Bytes(256),
        "defsize" / Int32un,
        "posssize" / Int32un,
        "poss" / Bytes(256),
    ),
    "OverlayProp": Struct(
        _LINKID,
        "id" / Int32sn,
        "name" / Bytes(64),
        "value" / Bytes(256),
        "size" / Int32un,
    ),
    "OverlayStatus": Struct(_LINKID, "status" / Int32un, "message" / Bytes(256)),
    "PropRange": Struct(
        "count" / Int32un,
        "kind" / Int32un,
        "body"
        / Switch(
            this.kind,
            {
                1: Struct("ranges" / Array(this._.count, Struct("min" / Int32un, "max" / Int32un))),
                2: Struct("nextbyte" / Int32un, "strings" / Array(this._.count, NullTerminated(Rest))),
            },
        ),
        "unused" / Rest,
    ),
}
