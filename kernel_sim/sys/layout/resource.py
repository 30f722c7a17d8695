"""Layout of a link's resource properties (KRN 6.14)."""

from __future__ import annotations

from construct import (  # type: ignore[import-untyped,unused-ignore]
    Array,
    Bytes,
    Int8un,
    Int32sn,
    Int32un,
    Int64un,
    Padding,
    Struct,
)

_IPADDR = Struct("version" / Int32un, "address" / Bytes(16), "netmask" / Int8un, Padding(3))
_CID = Struct("cid" / Bytes(256), "length" / Int32un, "form" / Int32sn)

LAYOUTS = {
    "MacIpaddr": _IPADDR,
    "MacDhcpcid": _CID,
    "MacResourceProps": Struct(
        "mask" / Int32un,
        "maxbw" / Int64un,
        "priority" / Int32sn,
        "ncpus" / Int32un,
        "cpus" / Array(128, Int32un),
        Padding(4 + 512 + 12 + 512 + 1024),  # fanout and interrupt CPUs
        "fanout_mode" / Int32un,
        "types" / Int32un,
        "ipaddrcnt" / Int32un,
        "ipaddrs" / Array(32, _IPADDR),
        "cidcnt" / Int32un,
        "cids" / Array(32, _CID),
        "allcids" / Int32un,
        "dynamic" / Int32un,
        "nrxrings" / Int32un,
        "ntxrings" / Int32un,
        "pool" / Bytes(1024),
    ),
}
