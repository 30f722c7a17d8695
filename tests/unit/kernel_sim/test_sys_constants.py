"""Numbers that other programs rely on, against the reference sheets."""

from __future__ import annotations

import pytest

from kernel_sim.sys import dld, es, overlay, overlay_common, overlay_target, vnic


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("CREATE", 1), ("DELETE", 2), ("PROPINFO", 3), ("GETPROP", 4),
        ("SETPROP", 5), ("NPROPS", 6), ("ACTIVATE", 7), ("STATUS", 8),
    ],
)  # fmt: skip
def test_overlay_control_commands_carry_their_module_id(name: str, number: int) -> None:
    command = getattr(overlay, f"OVERLAY_IOC_{name}")
    assert command == 0x2005 << 16 | number
    assert dld.modid(command) == overlay.OVERLAY_MODID


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("INFO", 0x01), ("ASSOCIATE", 0x02), ("DISASSOCIATE", 0x03), ("DEGRADE", 0x04), ("RESTORE", 0x05),
        ("LOOKUP", 0x10), ("RESPOND", 0x11), ("DROP", 0x12), ("INJECT", 0x13), ("PKT", 0x14), ("RESEND", 0x15),
        ("LIST", 0x20), ("CACHE_GET", 0x30), ("CACHE_SET", 0x31), ("CACHE_REMOVE", 0x32), ("CACHE_FLUSH", 0x33),
        ("CACHE_ITER", 0x34),
    ],
)  # fmt: skip
def test_target_commands_begin_with_ovt(name: str, number: int) -> None:
    assert getattr(overlay_target, f"OVERLAY_TARG_{name}").to_bytes(4, "big") == b"ovt" + bytes([number])


def test_vnic_and_link_commands_are_the_original_words() -> None:
    assert vnic.VNIC_IOC_CREATE == 0x01710001
    assert [vnic.VNIC_IOC_DELETE, vnic.VNIC_IOC_INFO, vnic.VNIC_IOC_MODIFY] == [0x01710002, 0x01710003, 0x01710004]
    assert dld.modid(dld.DLDIOC_GETMACPROP) == dld.DLD_MODID
    assert int.from_bytes(b"es", "big") == es.ES_NAME_SET >> 16


def test_link_classes_have_the_numbers_that_datalink_conf_stores() -> None:
    numbers = {one.label: int(one) for one in dld.DatalinkClass}
    assert numbers == {
        "phys": 1, "vlan": 2, "aggr": 4, "vnic": 8, "etherstub": 16, "simnet": 32, "bridge": 64, "iptun": 128, "part": 256,
        "overlay": 512,
    }  # fmt: skip
    assert sum(dld.DatalinkClass) == dld.DATALINK_CLASS_ALL


def test_property_types_and_permissions_are_those_of_the_property_table() -> None:
    assert [int(kind) for kind in overlay_common.PropType] == [1, 2, 3, 4]
    assert overlay_common.PropPerm.RW == overlay_common.PropPerm.READ | overlay_common.PropPerm.WRITE == 6
    assert overlay_common.PropPerm.RRW == 7
    assert overlay_common.DEST_IP_PORT == 6


def test_limits_are_those_of_the_reference() -> None:
    assert (overlay.OVERLAY_MTU_MIN, overlay.OVERLAY_MTU_DEFAULT, overlay.OVERLAY_MTU_MAX) == (576, 1400, 8900)
    assert overlay_target.PENDING_BYTES_MAX == 131072
    assert overlay_target.OVERLAY_TARGET_ITER_MAX == 500
    assert overlay_target.OVERLAY_TARG_PKT_MAX == 1514 + 4
    assert any(overlay_target.MARKER_DONE[6:])
