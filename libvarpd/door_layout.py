"""The door's messages once more, declared with construct: to read, to document, and to test `door_codec` against (VPD 3.3).

`LAYOUTS` has one declaration for each member of the union, by the name of its codec class, as it stands from byte 8 on. Fields carry
the original's meaning byte for byte: a text fills its room with NULs.
"""

from __future__ import annotations

from construct import (  # type: ignore[import-untyped,unused-ignore]
    Array,
    Bytes,
    Int16un,
    Int32un,
    Int64un,
    Padding,
    Struct,
    this,
)

HEADER = Struct("command" / Int32un, "errno" / Int32un)

_ID = "id" / Int64un
_LINK = Struct("linkid" / Int32un, Padding(4), _ID)
_ENTRY = Struct("mac" / Bytes(6), "flags" / Int16un, "ip" / Bytes(16), "port" / Int16un, Padding(2))
_WALK_ENTRY = Struct(
    "key" / Bytes(6),
    "flags" / Int16un,
    "mac" / Bytes(6),
    Padding(2),
    "ip" / Bytes(16),
    "port" / Int16un,
    Padding(2),
)

LAYOUTS = {
    "Create": Struct("linkid" / Int32un, Padding(4), _ID, "plugin" / Bytes(64)),
    "InstanceId": Struct(_ID),
    "Nprops": Struct(_ID, "count" / Int32un, Padding(4)),
    "Info": Struct(
        _ID,
        "index" / Int32un,
        "type" / Int32un,
        "prot" / Int32un,
        "default_size" / Int32un,
        "possible_size" / Int32un,
        Padding(4),
        "name" / Bytes(64),
        "default" / Bytes(256),
        "possible" / Bytes(256),
    ),
    "PropValue": Struct(_ID, "index" / Int32un, "value" / Bytes(256), Padding(4), "size" / Int64un),
    "LinkLookup": _LINK,
    "TargetMode": Struct(_ID, "dest" / Int32un, "mode" / Int32un),
    "CacheArg": Struct(_ID, "key" / Bytes(6), Padding(2), "entry" / _ENTRY, Padding(4)),
    "Walk": Struct(_ID, "marker" / Bytes(8), "count" / Int64un, "entries" / Array(this.count, _WALK_ENTRY)),
}
