"""Layouts of the VNIC ioctls (KRN 6.4), without the resource properties at their end."""

from __future__ import annotations

from construct import (  # type: ignore[import-untyped,unused-ignore]
    Bytes,
    Int16un,
    Int32sn,
    Int32un,
    Padding,
    Struct,
)

LAYOUTS = {
    "VnicCreate": Struct(
        "vnic_id" / Int32un,
        "link_id" / Int32un,
        "mac_addr_type" / Int32sn,
        "mac_len" / Int32un,
        "mac_addr" / Bytes(20),
        "mac_prefix_len" / Int32un,
        "mac_slot" / Int32sn,
        "vid" / Int16un,
        Padding(2),
        "vrid" / Int32un,
        "af" / Int32sn,
        "status" / Int32un,
        "flags" / Int32un,
        "diag" / Int32sn,
    ),
    "VnicDelete": Struct("vnic_id" / Int32un),
    "VnicInfo": Struct(
        "vnic_id" / Int32un,
        "link_id" / Int32un,
        "mac_addr_type" / Int32sn,
        "mac_len" / Int32un,
        "mac_addr" / Bytes(20),
        "mac_slot" / Int32sn,
        "mac_prefix_len" / Int32un,
        "vid" / Int16un,
        Padding(2),
        "vrid" / Int32un,
        "af" / Int32sn,
        "force" / Int32sn,
    ),
    "VnicModify": Struct(
        "vnic_id" / Int32un,
        "modify_mask" / Int32un,
        "mac_len" / Int32un,
        "mac_slot" / Int32sn,
        "mac_addr" / Bytes(20),
        "mac_addr_type" / Int32sn,
        "diag" / Int32sn,
    ),
}
