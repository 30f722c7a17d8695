"""Layouts of the generic link ioctls, of this project's own, and of the messages of /dev/kstat."""

from __future__ import annotations

from construct import (  # type: ignore[import-untyped,unused-ignore]
    Array,
    Bytes,
    GreedyBytes,
    Int8un,
    Int16un,
    Int32sn,
    Int32un,
    Int64un,
    Padding,
    Struct,
    this,
)

_LINKID = "linkid" / Int32un
_NAME = Struct(_LINKID, "link_class" / Int32un, "flags" / Int32un, "name" / Bytes(32), "zone" / Bytes(64))
_PHYS = Struct(
    "ifindex" / Int32un,
    "mtu" / Int32un,
    "speed" / Int32un,
    "mac" / Bytes(6),
    "up" / Int8un,
    "duplex" / Int8un,
    "name" / Bytes(32),
)
_HEADER = Struct(
    "module" / Bytes(32), "instance" / Int32sn, "name" / Bytes(32), "klass" / Bytes(32), Padding(4), "crtime" / Int64un
)
_NAMED = Struct("name" / Bytes(32), "type" / Int32un, "value" / Bytes(16))

LAYOUTS = {
    "DldAttr": Struct(_LINKID, "max_sdu" / Int32un, "vid" / Int16un, Padding(2)),
    "DldMacprop": Struct(
        "flags" / Int32un,
        _LINKID,
        "num" / Int32sn,
        "perm" / Int32un,
        "name" / Bytes(256),
        "size" / Int32un,
        "value" / Bytes(this.size),
    ),
    "EsNameSet": _NAME,
    "EsNameClear": Struct(_LINKID),
    "EsPhysEntry": _PHYS,
    "EsPhysList": Struct("generation" / Int64un, "count" / Int32un, Padding(4), "entries" / Array(this.count, _PHYS)),
    "EsPhysWait": Struct("generation" / Int64un),
    "EsLinkList": Struct("start" / Int32un, "count" / Int32un, "links" / Array(this.count, _NAME)),
    "KstatHeader": _HEADER,
    "KstatChain": Struct(
        "generation" / Int64un,
        "start" / Int32un,
        "total" / Int32un,
        "count" / Int32un,
        Padding(4),
        "headers" / Array(this.count, _HEADER),
    ),
    "KstatEntry": Struct(
        "module" / Bytes(32),
        "instance" / Int32sn,
        "name" / Bytes(32),
        "klass" / Bytes(32),
        Padding(4),
        "crtime" / Int64un,
        "snaptime" / Int64un,
        "count" / Int32un,
        Padding(4),
        "stats" / Array(this.count, _NAMED),
        "texts" / GreedyBytes,
    ),
}
