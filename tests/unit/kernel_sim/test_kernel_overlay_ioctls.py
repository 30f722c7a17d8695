"""The overlay ioctls of /dev/dld: what each refuses, in which order, and what it leaves (kernel.md 1.6 to 1.8)."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from etherspan.testing.host import Answer, MemoryHost
from etherspan.testing.memory import MemoryClock, MemoryNetwork, address
from kernel_sim.cred import Credentials
from kernel_sim.overlay.plugin import EncapInstance, EncapPlugin
from kernel_sim.overlay.plugins.vxlan import PLUGIN, VxlanInstance, VxlanPlugin
from kernel_sim.overlay.prop import PropertyHandle
from kernel_sim.sys import overlay, overlay_target
from kernel_sim.sys.codec import (
    OverlayCreate,
    OverlayLink,
    OverlayNprops,
    OverlayProp,
    OverlayPropinfo,
    OverlayStatus,
    TargDegrade,
    TargId,
)
from kernel_sim.sys.dld import DatalinkClass
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.overlay_common import PropPerm, PropType

NOBODY = Credentials(1000, privileged=False)
OTHER_ID = 77
MTU, VNETID, ENCAP, VARPD_ID, LISTEN_IP, LISTEN_PORT = range(6)


@pytest.fixture
def host() -> MemoryHost:
    clock = MemoryClock()
    return MemoryHost(clock, MemoryNetwork(clock), "10.0.0.1")


def errno_of(call: Callable[[], object]) -> Errno:
    with pytest.raises(KernelError) as error:
        call()
    return error.value.errno


def u64(value: int) -> bytes:
    return struct.pack("=Q", value)


def create(host: MemoryHost, linkid: int, vnetid: int = 23, encap: str = "vxlan") -> None:
    host.dld(overlay.OVERLAY_IOC_CREATE, OverlayCreate(linkid, vnetid, encap))


def named(host: MemoryHost, name: str = "demo0") -> int:
    return host.name_link(name, DatalinkClass.OVERLAY)


def propinfo(host: MemoryHost, linkid: int, prop: int, name: str = "") -> OverlayPropinfo:
    return OverlayPropinfo.unpack(host.dld(overlay.OVERLAY_IOC_PROPINFO, OverlayPropinfo(linkid, prop, name)))


# ---------------------------------------------------------------------- the dispatcher


@pytest.mark.parametrize("cmd", [0x20050009, 0x20050000, 0x99990001, 0])
def test_an_unknown_command_is_enotsup(host: MemoryHost, cmd: int) -> None:
    assert errno_of(lambda: host.dld(cmd)) is Errno.ENOTSUP


@pytest.mark.parametrize("cmd", range(0x20050001, 0x20050008))
def test_control_wants_a_privilege(host: MemoryHost, cmd: int) -> None:
    assert errno_of(lambda: host.dld(cmd, bytes(600), NOBODY)) is Errno.EPERM


def test_status_wants_none(host: MemoryHost) -> None:
    linkid = host.create_overlay("demo0", 23, to=None)
    host.dld(overlay.OVERLAY_IOC_STATUS, OverlayStatus(linkid), NOBODY)


@pytest.mark.parametrize("cmd", range(0x20050001, 0x20050009))
def test_an_argument_cut_short_is_efault(host: MemoryHost, cmd: int) -> None:
    assert errno_of(lambda: host.dld(cmd, b"\x01\x00")) is Errno.EFAULT


@pytest.mark.parametrize(
    ("cmd", "argument", "returned"),
    [
        (overlay.OVERLAY_IOC_PROPINFO, OverlayPropinfo(OTHER_ID, 0), True),
        (overlay.OVERLAY_IOC_GETPROP, OverlayProp(OTHER_ID, 0), True),
        (overlay.OVERLAY_IOC_NPROPS, OverlayNprops(OTHER_ID), True),
        (overlay.OVERLAY_IOC_STATUS, OverlayStatus(OTHER_ID), True),
        (overlay.OVERLAY_IOC_SETPROP, OverlayProp(OTHER_ID, 0), False),
        (overlay.OVERLAY_IOC_DELETE, OverlayLink(OTHER_ID), False),
        (overlay.OVERLAY_IOC_ACTIVATE, OverlayLink(OTHER_ID), False),
    ],
)
def test_a_link_that_is_no_overlay_is_enoent_and_read_write_commands_return_their_argument(
    host: MemoryHost, cmd: int, argument: OverlayLink, returned: bool
) -> None:
    with pytest.raises(KernelError) as error:
        host.dld(cmd, argument)
    assert error.value.errno is Errno.ENOENT
    assert error.value.argument == (argument.pack() if returned else b"")


def test_an_ioctl_replies_once_and_at_once(host: MemoryHost) -> None:
    answer = Answer()
    host.kernel.dld_ioctl(overlay.OVERLAY_IOC_DELETE, OverlayLink(OTHER_ID).pack(), Credentials(0, True), answer)
    assert answer.errno == Errno.ENOENT


# ---------------------------------------------------------------------- CREATE


@pytest.mark.parametrize("encap", ["", "vx/lan", "x" * 32, "\udcff"])
def test_a_bad_encapsulation_name_is_einval_before_anything_else(host: MemoryHost, encap: str) -> None:
    raw = struct.pack("=I4xQ32s", OTHER_ID, 2**63, encap.encode("utf-8", "surrogateescape"))
    assert errno_of(lambda: host.dld(overlay.OVERLAY_IOC_CREATE, raw)) is Errno.EINVAL


def test_an_unknown_encapsulation_is_enoent_before_the_vnetid_is_looked_at(host: MemoryHost) -> None:
    assert errno_of(lambda: create(host, OTHER_ID, 2**63, "geneve")) is Errno.ENOENT


@pytest.mark.fact("KRN-I7", "KRN-Q2")
def test_the_largest_vnetid_can_be_created_and_not_set(host: MemoryHost) -> None:
    assert errno_of(lambda: create(host, named(host), 2**24)) is Errno.EINVAL
    create(host, named(host, "demo1"), 2**24 - 1)
    linkid = named(host, "demo2")
    create(host, linkid, 0)
    assert errno_of(lambda: host.set_property(linkid, VNETID, u64(2**24 - 1))) is Errno.EINVAL
    host.set_property(linkid, VNETID, u64(2**24 - 2))
    assert host.get_property(linkid, VNETID) == u64(2**24 - 2)


@pytest.mark.fact("KRN-I5")
def test_a_second_overlay_of_one_plugin_and_vnetid_is_eexist_whatever_its_address(host: MemoryHost) -> None:
    host.create_overlay("demo0", 23, to="10.0.0.2", port=4790)
    linkid = named(host, "demo1")
    assert errno_of(lambda: create(host, linkid)) is Errno.EEXIST
    create(host, linkid, 24)


def test_an_overlay_of_that_id_is_eexist_before_the_name_is_looked_at(host: MemoryHost) -> None:
    linkid = named(host)
    create(host, linkid)
    assert errno_of(lambda: create(host, linkid, 24)) is Errno.EEXIST


def test_an_id_of_another_link_is_eexist(host: MemoryHost) -> None:
    linkid = host.create_etherstub("stub0")
    assert errno_of(lambda: create(host, linkid)) is Errno.EEXIST
    assert len(host.kernel.overlays) == 0


def test_an_id_without_a_name_is_enoent_and_leaves_nothing(host: MemoryHost) -> None:
    assert errno_of(lambda: create(host, OTHER_ID)) is Errno.ENOENT
    assert len(host.kernel.overlays) == 0
    assert host.kernel.maclayer._macs == {}
    host.kernel.overlays.plugins.unregister("vxlan")


class CountingPlugin(VxlanPlugin):
    """vxlan under another name, whose init can fail and whose instances are counted."""

    name = "counting"

    def __init__(self) -> None:
        self.fails: Errno | None = None
        self.alive = 0

    def init(self) -> VxlanInstance:
        if self.fails is not None:
            raise KernelError(self.fails)
        self.alive += 1
        return CountedInstance(self)


class CountedInstance(VxlanInstance):
    def __init__(self, plugin: CountingPlugin) -> None:
        super().__init__()
        self.plugin = plugin

    def fini(self) -> None:
        self.plugin.alive -= 1


def with_plugin(plugin: EncapPlugin) -> MemoryHost:
    clock = MemoryClock()
    return MemoryHost(clock, MemoryNetwork(clock), "10.0.0.1", plugins=[PLUGIN, plugin])


@pytest.mark.fact("KRN-Q31")
def test_a_failing_plugin_init_is_einval_whatever_it_says_and_finishes_nothing() -> None:
    plugin = CountingPlugin()
    host = with_plugin(plugin)
    plugin.fails = Errno.ENOSPC
    assert errno_of(lambda: create(host, named(host), encap="counting")) is Errno.EINVAL
    assert plugin.alive == 0
    host.kernel.overlays.plugins.unregister("counting")


def test_a_create_that_fails_after_init_finishes_the_instance() -> None:
    plugin = CountingPlugin()
    host = with_plugin(plugin)
    assert errno_of(lambda: create(host, OTHER_ID, encap="counting")) is Errno.ENOENT
    assert errno_of(lambda: create(host, OTHER_ID, 2**24, encap="counting")) is Errno.EINVAL
    assert plugin.alive == 0


def test_the_instance_is_finished_with_the_overlay() -> None:
    plugin = CountingPlugin()
    host = with_plugin(plugin)
    linkid = named(host)
    create(host, linkid, encap="counting")
    assert plugin.alive == 1
    assert errno_of(lambda: host.kernel.overlays.plugins.unregister("counting")) is Errno.EBUSY
    host.delete_overlay(linkid)
    assert plugin.alive == 0
    host.kernel.overlays.plugins.unregister("counting")


@pytest.mark.fact("KRN-I5")
def test_another_plugin_may_have_the_same_vnetid() -> None:
    host = with_plugin(CountingPlugin())
    create(host, named(host))
    create(host, named(host, "demo1"), encap="counting")
    assert len(host.kernel.overlays) == 2


# ---------------------------------------------------------------------- ACTIVATE


@pytest.mark.fact("KRN-I6")
def test_activate_wants_the_listen_address_then_an_association_then_not_again(host: MemoryHost) -> None:
    linkid = named(host)
    create(host, linkid)
    activate = OverlayLink(linkid)

    def attempt() -> Errno:
        return errno_of(lambda: host.dld(overlay.OVERLAY_IOC_ACTIVATE, activate))

    assert attempt() is Errno.EINVAL
    host.associate(linkid, "10.0.0.2")
    assert attempt() is Errno.EINVAL
    host.targ(overlay_target.OVERLAY_TARG_DISASSOCIATE, TargId(linkid))
    host.set_property(linkid, LISTEN_IP, address("10.0.0.1").ip)
    assert attempt() is Errno.ENXIO
    host.associate(linkid, "10.0.0.2")
    host.dld(overlay.OVERLAY_IOC_ACTIVATE, activate)
    assert attempt() is Errno.EEXIST


def test_the_link_state_is_unknown_until_activation_and_up_for_ever_after(host: MemoryHost) -> None:
    linkid = host.create_overlay("demo0", 23, to=None)
    mac = host.kernel.links.mac(linkid)
    assert mac.link_state == -1
    host.associate(linkid, "10.0.0.2")
    host.dld(overlay.OVERLAY_IOC_ACTIVATE, OverlayLink(linkid))
    assert mac.link_state == 1
    host.targ(overlay_target.OVERLAY_TARG_DISASSOCIATE, TargId(linkid))
    host.targ(overlay_target.OVERLAY_TARG_DEGRADE, TargDegrade(linkid, "no"))
    assert mac.link_state == 1


class FailingPropinfo(VxlanPlugin):
    name = "failing"

    def propinfo(self, name: str, handle: PropertyHandle) -> None:
        raise KernelError(Errno.ENXIO)


def test_activate_returns_a_plugins_propinfo_error_as_it_is() -> None:
    host = with_plugin(FailingPropinfo())
    linkid = named(host)
    create(host, linkid, encap="failing")
    assert errno_of(lambda: host.dld(overlay.OVERLAY_IOC_ACTIVATE, OverlayLink(linkid))) is Errno.ENXIO


class FailingInstance(VxlanInstance):
    def getprop(self, name: str) -> bytes:
        raise KernelError(Errno.EACCES)


class FailingGetprop(VxlanPlugin):
    name = "failing"

    def init(self) -> EncapInstance:  # type: ignore[override]
        return FailingInstance()


def test_activate_returns_a_plugins_getprop_error_as_it_is() -> None:
    host = with_plugin(FailingGetprop())
    linkid = named(host)
    create(host, linkid, encap="failing")
    assert errno_of(lambda: host.dld(overlay.OVERLAY_IOC_ACTIVATE, OverlayLink(linkid))) is Errno.EACCES


# ---------------------------------------------------------------------- DELETE


@pytest.mark.parametrize("to", [None, "10.0.0.2"])
def test_an_overlay_without_users_can_be_deleted_in_any_state(host: MemoryHost, to: str | None) -> None:
    linkid = host.create_overlay("demo0", 23, to=to)
    host.delete_overlay(linkid)
    assert errno_of(lambda: host.dld(overlay.OVERLAY_IOC_STATUS, OverlayStatus(linkid))) is Errno.ENOENT
    host.create_overlay("demo0", 23, to=to)


@pytest.mark.fact("KRN-I9")
def test_an_overlay_with_a_vnic_is_ebusy_and_unchanged(host: MemoryHost) -> None:
    linkid = host.create_overlay("demo0", 23, to="10.0.0.2")
    port = host.create_vnic("vnic0", linkid)
    assert errno_of(lambda: host.delete_overlay(linkid)) is Errno.EBUSY
    port.send(bytes(12) + b"\x08\x00" + bytes(50))
    assert len(host.underlay.network.wire) == 1
    host.delete_vnic(port.linkid)
    host.delete_overlay(linkid)
    assert host.kernel.maclayer._macs == {}


@pytest.mark.fact("KRN-Q8")
def test_a_delete_that_the_naming_layer_refuses_changes_nothing(host: MemoryHost) -> None:
    linkid = host.create_overlay("demo0", 23, to="10.0.0.2")
    host.kernel.links.hold(linkid)
    assert errno_of(lambda: host.delete_overlay(linkid)) is Errno.EBUSY
    host.kernel.links.release(linkid)
    host.create_vnic("vnic0", linkid)


@pytest.mark.fact("KRN-Q8")
def test_a_delete_that_the_mac_layer_refuses_gives_the_link_its_name_back(host: MemoryHost) -> None:
    linkid = host.create_overlay("demo0", 23, to="10.0.0.2")
    client = host.kernel.links.mac(linkid).open_client("sniffer")
    assert errno_of(lambda: host.delete_overlay(linkid)) is Errno.EBUSY
    assert host.kernel.links.mac(linkid).mtu == 1400
    client.close()
    host.delete_overlay(linkid)


@pytest.mark.fact("KRN-Q10")
def test_a_deleted_overlay_leaves_no_mac_and_no_statistics(host: MemoryHost) -> None:
    before = [entry.header for entry in host.kernel.kstats()]
    host.delete_overlay(host.create_overlay("demo0", 23, to="10.0.0.2"))
    assert host.kernel.maclayer._macs == {}
    assert [entry.header for entry in host.kernel.kstats()] == before


@pytest.mark.fact("KRN-Q29")
def test_deleting_a_degraded_overlay_takes_it_out_of_the_count(host: MemoryHost) -> None:
    linkid = host.create_overlay("demo0", 23, to="10.0.0.2")
    host.targ(overlay_target.OVERLAY_TARG_DEGRADE, TargDegrade(linkid, "no"))
    assert host.kernel.overlays.faults.degraded == 1
    host.delete_overlay(linkid)
    assert host.kernel.overlays.faults.degraded == 0


# ---------------------------------------------------------------------- properties


def test_a_vxlan_overlay_has_six_properties(host: MemoryHost) -> None:
    linkid = host.create_overlay("demo0", 23, to=None)
    assert OverlayNprops.unpack(host.dld(overlay.OVERLAY_IOC_NPROPS, OverlayNprops(linkid))).nprops == 6


PROPERTIES = [
    (MTU, "mtu", PropType.UINT, PropPerm.RW, struct.pack("=I", 1400), ((576, 8900),), ()),
    (VNETID, "vnetid", PropType.UINT, PropPerm.RW, b"", (), ()),
    (ENCAP, "encap", PropType.STRING, PropPerm.READ, b"", (), ("vxlan",)),
    (VARPD_ID, "varpd/id", PropType.UINT, PropPerm.READ, b"", (), ()),
    (LISTEN_IP, "vxlan/listen_ip", PropType.IP, PropPerm.RRW, b"", (), ()),
    (LISTEN_PORT, "vxlan/listen_port", PropType.UINT, PropPerm.RRW, struct.pack("=H", 4789), ((1, 65535),), ()),
]


@pytest.mark.parametrize(("prop", "name", "kind", "perm", "default", "ranges", "strings"), PROPERTIES)
def test_propinfo_says_the_same_by_id_and_by_name(
    host: MemoryHost,
    prop: int,
    name: str,
    kind: PropType,
    perm: PropPerm,
    default: bytes,
    ranges: tuple[tuple[int, int], ...],
    strings: tuple[str, ...],
) -> None:
    linkid = host.create_overlay("demo0", 23, to=None)
    for asked in (propinfo(host, linkid, prop, "ignored"), propinfo(host, linkid, -1, name)):
        assert (asked.id, asked.name, asked.type, asked.prot, asked.default) == (prop, name, kind, perm, default)
        assert (asked.poss.ranges, asked.poss.strings) == (ranges, strings)


@pytest.mark.fact("KRN-Q5")
@pytest.mark.parametrize("prop", [-2, 6, 7, 2**31 - 1])
def test_an_id_that_no_property_has_is_einval_everywhere(host: MemoryHost, prop: int) -> None:
    linkid = host.create_overlay("demo0", 23, to=None)
    for use in (
        lambda: propinfo(host, linkid, prop),
        lambda: host.get_property(linkid, prop),
        lambda: host.set_property(linkid, prop, u64(1)),
    ):
        assert errno_of(use) is Errno.EINVAL


@pytest.mark.fact("KRN-Q4")
def test_a_plugins_property_cannot_be_read_or_set_by_name(host: MemoryHost) -> None:
    linkid = host.create_overlay("demo0", 23, to=None)
    for name in ("vxlan/listen_port", "nothing"):
        wanted = OverlayProp(linkid, -1, name, u64(5000))
        assert errno_of(lambda: host.dld(overlay.OVERLAY_IOC_GETPROP, wanted)) is Errno.ENOENT  # noqa: B023
        assert errno_of(lambda: host.dld(overlay.OVERLAY_IOC_SETPROP, wanted)) is Errno.ENOENT  # noqa: B023
    assert errno_of(lambda: propinfo(host, linkid, -1, "nothing")) is Errno.ENOENT


def test_a_generic_property_can_be_read_and_set_by_name(host: MemoryHost) -> None:
    linkid = host.create_overlay("demo0", 23, to=None)
    host.dld(overlay.OVERLAY_IOC_SETPROP, OverlayProp(linkid, -1, "mtu", u64(1300)))
    answer = OverlayProp.unpack(host.dld(overlay.OVERLAY_IOC_GETPROP, OverlayProp(linkid, -1, "mtu")))
    assert answer == OverlayProp(linkid, -1, "mtu", struct.pack("=I", 1300))


@pytest.mark.fact("KRN-Q27")
def test_sizes_of_values_differ_from_what_their_types_say(host: MemoryHost) -> None:
    linkid = host.create_overlay("demo0", 23, to=None)
    assert host.get_property(linkid, MTU) == struct.pack("=I", 1400)
    assert host.get_property(linkid, ENCAP) == b"vxlan"


def test_the_varpd_id_reads_as_nothing_unless_associated(host: MemoryHost) -> None:
    linkid = host.create_overlay("demo0", 23, to=None)
    assert host.get_property(linkid, VARPD_ID) == b""
    host.associate(linkid, "10.0.0.2")
    assert host.get_property(linkid, VARPD_ID) == u64(linkid)
    host.targ(overlay_target.OVERLAY_TARG_DISASSOCIATE, TargId(linkid))
    assert host.get_property(linkid, VARPD_ID) == b""


@pytest.mark.parametrize("prop", [ENCAP, VARPD_ID])
def test_a_read_only_property_is_eperm(host: MemoryHost, prop: int) -> None:
    linkid = host.create_overlay("demo0", 23, to=None)
    assert errno_of(lambda: host.set_property(linkid, prop, u64(1))) is Errno.EPERM


@pytest.mark.parametrize(
    ("prop", "value"),
    [
        (MTU, u64(575)),
        (MTU, u64(8901)),
        (MTU, u64(0)),
        (MTU, b""),
        (MTU, b"\x05\x78"),
        (VNETID, struct.pack("=I", 5)),
        (VNETID, u64(2**64 - 1)),
        (LISTEN_IP, bytes(4)),
        (LISTEN_PORT, u64(0)),
    ],
)
def test_a_bad_value_is_einval_and_changes_nothing(host: MemoryHost, prop: int, value: bytes) -> None:
    linkid = host.create_overlay("demo0", 23, to=None)
    before = host.get_property(linkid, prop)
    assert errno_of(lambda: host.set_property(linkid, prop, value)) is Errno.EINVAL
    assert host.get_property(linkid, prop) == before


@pytest.mark.fact("KRN-Q28")
def test_an_mtu_beyond_32_bits_does_not_wrap(host: MemoryHost) -> None:
    linkid = host.create_overlay("demo0", 23, to=None)
    assert errno_of(lambda: host.set_property(linkid, MTU, u64(2**32 + 1300))) is Errno.EINVAL
    assert host.get_property(linkid, MTU) == struct.pack("=I", 1400)


@pytest.mark.fact("KRN-Q3")
def test_a_vnetid_that_another_overlay_has_cannot_be_set(host: MemoryHost) -> None:
    host.create_overlay("demo0", 23, to=None)
    linkid = host.create_overlay("demo1", 24, to=None)
    assert errno_of(lambda: host.set_property(linkid, VNETID, u64(23))) is Errno.EEXIST
    host.set_property(linkid, VNETID, u64(24))
    host.set_property(linkid, VNETID, u64(25))
    host.create_overlay("demo2", 24, to=None)


def test_a_value_over_256_bytes_is_einval_before_the_link_is_looked_at(host: MemoryHost) -> None:
    raw = OverlayProp(OTHER_ID, 0).pack()[:-4] + struct.pack("=I", 257)
    assert errno_of(lambda: host.dld(overlay.OVERLAY_IOC_SETPROP, raw)) is Errno.EINVAL


@pytest.mark.fact("KRN-I6", "KRN-Q6")
def test_no_property_of_an_active_overlay_can_be_set_and_trying_leaves_no_hold(host: MemoryHost) -> None:
    linkid = host.create_overlay("demo0", 23, to="10.0.0.2")
    for prop in (-1, 0, 1, 2, 3, 4, 5, 6, 99):
        assert errno_of(lambda prop=prop: host.set_property(linkid, prop, u64(1300))) is Errno.ENOTSUP  # type: ignore[misc]
    assert [host.get_property(linkid, prop) for prop in range(6)] == [
        struct.pack("=I", 1400),
        u64(23),
        b"vxlan",
        u64(linkid),
        address("10.0.0.1").ip,
        u64(4789),
    ]
    host.delete_overlay(linkid)


# ---------------------------------------------------------------------- STATUS


def test_status_of_an_overlay_that_is_well_is_ok_and_empty(host: MemoryHost) -> None:
    linkid = host.create_overlay("demo0", 23, to=None)
    status = OverlayStatus.unpack(host.dld(overlay.OVERLAY_IOC_STATUS, OverlayStatus(linkid)))
    assert status == OverlayStatus(linkid, 0, "")


def test_status_of_a_degraded_overlay_has_the_last_message(host: MemoryHost) -> None:
    linkid = host.create_overlay("demo0", 23, to=None)
    for message in ("first", "no varpd instance exists"):
        host.targ(overlay_target.OVERLAY_TARG_DEGRADE, TargDegrade(linkid, message))
    status = OverlayStatus.unpack(host.dld(overlay.OVERLAY_IOC_STATUS, OverlayStatus(linkid)))
    assert status == OverlayStatus(linkid, 1, "no varpd instance exists")
    host.targ(overlay_target.OVERLAY_TARG_RESTORE, TargId(linkid))
    status = OverlayStatus.unpack(host.dld(overlay.OVERLAY_IOC_STATUS, OverlayStatus(linkid)))
    assert status == OverlayStatus(linkid, 0, "")
