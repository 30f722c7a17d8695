"""The search plugin `direct` by itself, and what properties say about themselves."""

from __future__ import annotations

import ipaddress
from types import SimpleNamespace
from typing import Any, cast

import pytest

from kernel_sim.sys.codec import Point, PropRange
from kernel_sim.sys.errno import Errno
from kernel_sim.sys.overlay_common import Dest, PropPerm, PropType
from libvarpd.errors import VarpdError, VarpdPanic
from libvarpd.nvpair import NvList
from libvarpd.plugin import Query
from libvarpd.plugins.direct import DEST_IP, DEST_PORT, Direct
from libvarpd.prop import V4_MAPPED, Properties, PropInfo, uint_value

PROVIDER: Any = SimpleNamespace(vnetid=23)
BOTH = Dest.IP | Dest.PORT
TEN = V4_MAPPED + bytes([10, 0, 0, 2])


def ip6(text: str) -> bytes:
    return ipaddress.IPv6Address(text).packed


def direct(dest: Dest = BOTH, **values: bytes) -> Direct:
    made = Direct.create(PROVIDER, dest)
    for name, value in values.items():
        made.setprop(f"direct/{name}", value)
    return made


def refusal(act: Any, *args: Any) -> Errno:
    with pytest.raises(VarpdError) as refused:
        act(*args)
    return refused.value.errno


@pytest.mark.fact("VPD-Q10")
@pytest.mark.parametrize("dest", [Dest.NONE, Dest.PORT, Dest.ETHERNET, Dest.ETHERNET | BOTH, Dest(8), Dest(10)])
def test_only_destinations_with_an_address_and_perhaps_a_port_are_supported(dest: Dest) -> None:
    assert refusal(Direct.create, PROVIDER, dest) is Errno.ENOTSUP
    assert refusal(Direct.restore, PROVIDER, dest, NvList()) is Errno.ENOTSUP


def test_its_properties_are_an_address_and_a_port_both_required() -> None:
    made = direct()
    assert [made.propinfo(index) for index in range(made.nprops())] == [
        PropInfo("direct/dest_ip", PropType.IP, PropPerm.RRW),
        PropInfo("direct/dest_port", PropType.UINT, PropPerm.RRW, possible=PropRange.of_ranges((1, 65535))),
    ]


@pytest.mark.fact("VPD-Q11")
def test_without_a_port_in_the_destination_there_is_no_port_and_none_is_needed() -> None:
    made = direct(Dest.IP, dest_ip=TEN)
    assert made.nprops() == 1
    assert refusal(made.getprop, DEST_PORT) is Errno.EINVAL
    made.start()
    assert made.default() == Point(ip=TEN)


def test_it_starts_once_everything_needed_is_set() -> None:
    assert refusal(direct().start) is Errno.EAGAIN
    assert refusal(direct(dest_ip=TEN).start) is Errno.EAGAIN
    assert refusal(direct(dest_port=uint_value(4789)).start) is Errno.EAGAIN
    made = direct(dest_ip=TEN, dest_port=uint_value(4789))
    made.start()
    assert made.default() == Point(ip=TEN, port=4789)


def test_unset_properties_are_empty_and_unknown_ones_refused() -> None:
    made = direct()
    assert (made.getprop(DEST_IP), made.getprop(DEST_PORT)) == (b"", b"")
    assert refusal(made.getprop, "direct/other") is Errno.EINVAL
    assert refusal(made.setprop, "direct/other", TEN) is Errno.EINVAL


@pytest.mark.fact("VPD-B39")
def test_a_value_too_short_is_an_overflow() -> None:
    made = direct()
    assert refusal(made.setprop, DEST_IP, TEN[:15]) is Errno.EOVERFLOW
    assert refusal(made.setprop, DEST_PORT, uint_value(4789)[:4]) is Errno.EOVERFLOW


@pytest.mark.fact("VPD-B40")
@pytest.mark.parametrize("text", ["::10.0.0.1", "::2", "2002::1", "2002:c000:201::"])
def test_ipv4_compatible_and_6to4_addresses_are_refused(text: str) -> None:
    made = direct(dest_ip=TEN)
    assert refusal(made.setprop, DEST_IP, ip6(text)) is Errno.EINVAL
    assert made.getprop(DEST_IP) == TEN


@pytest.mark.parametrize("text", ["::", "::1", "ff02::1", "::ffff:0.0.0.0", "fd00::1", "2003::1"])
def test_every_other_address_is_left_for_the_kernel_to_judge(text: str) -> None:
    assert direct(dest_ip=ip6(text)).getprop(DEST_IP) == ip6(text)


@pytest.mark.fact("VPD-B41")
@pytest.mark.parametrize("port", [0, 65536, 2**32 + 4789, 2**64 - 1])
def test_a_port_is_from_1_to_65535(port: int) -> None:
    made = direct()
    assert refusal(made.setprop, DEST_PORT, uint_value(port)) is Errno.EINVAL
    for good in (1, 65535):
        made.setprop(DEST_PORT, uint_value(good))
        assert made.getprop(DEST_PORT) == uint_value(good)


@pytest.mark.fact("VPD-I31")
def test_bytes_beyond_a_value_are_not_given_back() -> None:
    made = direct()
    made.setprop(DEST_IP, TEN + b"junk")
    made.setprop(DEST_PORT, uint_value(4789) + b"junk")
    assert (made.getprop(DEST_IP), made.getprop(DEST_PORT)) == (TEN, uint_value(4789))


def test_it_saves_the_port_then_the_address_and_nothing_unset() -> None:
    saved = direct(dest_ip=TEN, dest_port=uint_value(4789)).save()
    assert [(name, value) for name, _, value in saved] == [(DEST_PORT, 4789), (DEST_IP, "::ffff:10.0.0.2")]
    assert len(direct().save()) == 0


@pytest.mark.fact("VPD-Q12")
def test_what_was_saved_is_restored_ready_to_start() -> None:
    saved = direct(dest_ip=ip6("fd00::2"), dest_port=uint_value(4790)).save()
    restored = Direct.restore(PROVIDER, BOTH, saved)
    assert restored.nprops() == 2
    restored.start()
    assert restored.default() == Point(ip=ip6("fd00::2"), port=4790)
    assert restored.save() == saved


def test_keys_of_another_type_count_as_absent_and_an_address_that_is_none_is_refused() -> None:
    saved = NvList()
    saved.add_uint32(DEST_PORT, 4789)
    saved.add_uint16(DEST_IP, 1)
    restored = Direct.restore(PROVIDER, BOTH, saved)
    assert (restored.getprop(DEST_IP), restored.getprop(DEST_PORT)) == (b"", b"")
    saved.add_string(DEST_IP, "example.org")
    assert refusal(Direct.restore, PROVIDER, BOTH, saved) is Errno.EINVAL


@pytest.mark.fact("VPD-B57")
def test_an_address_saved_as_a_dotted_quad_is_accepted() -> None:
    saved = NvList()
    saved.add_string(DEST_IP, "10.0.0.1")
    assert Direct.restore(PROVIDER, BOTH, saved).getprop(DEST_IP) == V4_MAPPED + bytes([10, 0, 0, 1])


def test_what_a_point_plugin_has_no_operation_for_says_so() -> None:
    made, query = direct(), cast("Query", None)
    with pytest.raises(VarpdPanic, match="direct plugin asked to do arp, but has no method"):
        made.arp(query, b"").send(None)
    with pytest.raises(VarpdPanic, match="direct plugin asked to do dhcp, but has no method"):
        made.dhcp(query).send(None)
    with pytest.raises(VarpdError):
        made.lookup(query).send(None)


# ---------------------------------------------------------------------- properties of an instance


def properties(plugin: Any = None) -> Properties:
    return Properties("direct", plugin or direct(), lambda: ["direct", "files"])


@pytest.mark.fact("VPD-I34")
def test_an_instance_has_one_property_more_than_its_plugin() -> None:
    assert properties().count() == 3
    assert properties(direct(Dest.IP)).count() == 2


@pytest.mark.fact("VPD-I32", "VPD-B37")
def test_property_0_is_the_plugins_name_and_cannot_be_set() -> None:
    made = properties()
    possible = PropRange.of_strings("direct", "files")
    assert made.info(0) == PropInfo("search", PropType.STRING, PropPerm.READ, possible=possible)
    assert (possible.size, possible.pack()[:28]) == (29, b"\2\0\0\0\2\0\0\0\x0d\0\0\0direct\0files\0\0\0\0")
    assert made.get(0) == b"direct\0"
    assert refusal(made.set, 0, b"files\0") is Errno.EPERM


@pytest.mark.fact("VPD-I33")
def test_a_name_is_found_at_the_index_that_bears_it() -> None:
    made = properties()
    assert [made.find(made.info(index).name) for index in range(made.count())] == [0, 1, 2]
    assert refusal(made.find, "direct/other") is Errno.ENOENT


@pytest.mark.fact("VPD-B38")
@pytest.mark.parametrize("index", [3, 0xFFFFFFFF, -1])
def test_an_index_past_the_last_property_is_invalid(index: int) -> None:
    made = properties()
    for act in (made.info, made.get, lambda index: made.set(index, TEN)):
        assert refusal(act, index) is Errno.EINVAL


@pytest.mark.fact("VPD-Q7")
def test_an_error_of_reading_a_value_is_an_error() -> None:
    class Stubborn(Direct):
        def getprop(self, name: str) -> bytes:
            raise VarpdError(Errno.EOVERFLOW)

    assert refusal(properties(Stubborn(BOTH)).get, 1) is Errno.EOVERFLOW


def test_a_value_over_256_bytes_is_an_overflow_both_ways() -> None:
    class Long(Direct):
        def getprop(self, name: str) -> bytes:
            return bytes(257)

    assert refusal(properties(Long(BOTH)).get, 1) is Errno.EOVERFLOW
    assert refusal(properties().set, 1, bytes(257)) is Errno.EOVERFLOW
    properties().set(1, TEN.ljust(256, b"\0"))


@pytest.mark.parametrize("name", ["", "n" * 64])
def test_a_property_with_a_name_no_field_holds_is_refused(name: str) -> None:
    assert refusal(PropInfo, name, PropType.INT, PropPerm.RW) is Errno.EINVAL


def test_a_default_over_256_bytes_is_too_big() -> None:
    assert refusal(PropInfo, "p", PropType.STRING, PropPerm.RW, bytes(257)) is Errno.E2BIG
