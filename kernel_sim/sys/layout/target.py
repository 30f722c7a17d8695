"""Layouts of the target ioctls of /dev/overlay (KRN 2.6)."""

from __future__ import annotations

from construct import (  # type: ignore[import-untyped,unused-ignore]
    Array,
    Bytes,
    GreedyBytes,
    GreedyRange,
    Int16un,
    Int32sn,
    Int32un,
    Int64un,
    Padding,
    Struct,
    this,
)

_LINKID = "linkid" / Int32un
_POINT = Struct("mac" / Bytes(6), Padding(2), "ip" / Bytes(16), "port" / Int16un, Padding(2))
_ENTRY = Struct("mac" / Bytes(6), "flags" / Int16un, "point" / _POINT)

LAYOUTS = {
    "Point": _POINT,
    "TargInfo": Struct(_LINKID, "needs" / Int32un, "flags" / Int64un, "vnetid" / Int64un),
    "TargAssociate": Struct(_LINKID, "mode" / Int32un, "id" / Int64un, "provides" / Int32un, "point" / _POINT),
    "TargId": Struct(_LINKID),
    "TargDegrade": Struct(_LINKID, Padding(4), "message" / Bytes(256)),
    "TargLookup": Struct(
        "dlid" / Int64un,
        "reqid" / Int64un,
        "varpdid" / Int64un,
        "vnetid" / Int64un,
        "hdrsize" / Int64un,
        "pktsize" / Int64un,
        "srcaddr" / Bytes(6),
        "dstaddr" / Bytes(6),
        "dsttype" / Int32un,
        "sap" / Int32un,
        "vlan" / Int32sn,
    ),
    "TargResp": Struct("reqid" / Int64un, "point" / _POINT, Padding(4)),
    "TargPkt": Struct("linkid" / Int64un, "reqid" / Int64un, "size" / Int64un, Padding(8), "data" / GreedyBytes),
    "TargList": Struct("nents" / Int32un, "linkids" / GreedyRange(Int32un)),
    "CacheEntry": _ENTRY,
    "TargCache": Struct(_LINKID, "entry" / _ENTRY),
    "TargIter": Struct(
        _LINKID,
        Padding(4),
        "marker" / Bytes(8),
        "count" / Int16un,
        Padding(6),
        "entries" / Array(this.count, _ENTRY),
    ),
}
