"""Names, link properties, physical links, statistics, and the end of a kernel."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from etherspan.testing.host import ROOT, Answer, MemoryHost
from etherspan.testing.memory import MemoryClock, MemoryNetwork, MemoryPhys
from kernel_sim.cred import Credentials
from kernel_sim.ddi import PhysLink
from kernel_sim.sys import dld, es
from kernel_sim.sys.codec import (
    DldAttr,
    DldMacprop,
    EsLinkList,
    EsNameClear,
    EsNameSet,
    EsPhysEntry,
    EsPhysList,
    EsPhysWait,
    PropRange,
    VnicCreate,
    VnicDelete,
    VnicInfo,
    VnicModify,
    macprop_read,
    macprop_value,
)
from kernel_sim.sys.dld import DatalinkClass, LinkDuplex, MacProp, MacPropFlag, MacPropPerm
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.vnic import (
    VNIC_IOC_CREATE,
    VNIC_IOC_DELETE,
    VNIC_IOC_INFO,
    VNIC_IOC_MODIFY,
    VnicDiag,
    VnicMacAddrType,
)

NOBODY = Credentials(1000, privileged=False)
NET0 = PhysLink(2, "net0", b"\x02\x00\x00\x00\x00\x01", 1500, up=True, speed=10_000, duplex=2)
NET1 = PhysLink(3, "net1", b"\x02\x00\x00\x00\x00\x02", 9000, up=False)
MAC = b"\x02\x08\x20\x00\x00\x01"


@pytest.fixture
def phys() -> MemoryPhys:
    return MemoryPhys(NET0, NET1)


@pytest.fixture
def clock() -> MemoryClock:
    return MemoryClock()


@pytest.fixture
def host(clock: MemoryClock, phys: MemoryPhys) -> MemoryHost:
    return MemoryHost(clock, MemoryNetwork(clock), "10.0.0.1", phys=phys)


def errno_of(call: Callable[[], object]) -> Errno:
    with pytest.raises(KernelError) as error:
        call()
    return error.value.errno


def prop(host: MemoryHost, linkid: int, num: int, flags: int = 0) -> tuple[int | str | PropRange, int]:
    answer = DldMacprop.unpack(host.dld(dld.DLDIOC_GETMACPROP, DldMacprop(flags, linkid, num), NOBODY))
    if flags & MacPropFlag.POSSIBLE:
        return PropRange.unpack(answer.value), answer.perm
    return macprop_read(MacProp(num), answer.value), answer.perm


def set_prop(host: MemoryHost, linkid: int, num: MacProp, value: int | str, cred: Credentials = ROOT) -> None:
    host.dld(dld.DLDIOC_SETMACPROP, DldMacprop(0, linkid, num, value=macprop_value(num, value)), cred)


# ---------------------------------------------------------------------- names


@pytest.mark.parametrize(
    "cmd", [es.ES_NAME_SET, es.ES_NAME_CLEAR, es.ES_PHYS_WAIT, dld.DLDIOC_SETMACPROP, VNIC_IOC_CREATE]
)
def test_these_commands_want_the_privilege(host: MemoryHost, cmd: int) -> None:
    assert errno_of(lambda: host.dld(cmd, bytes(600), NOBODY)) is Errno.EPERM


@pytest.mark.parametrize(
    "wanted",
    [
        EsNameSet(0, DatalinkClass.VNIC, 1, "vnic0"),
        EsNameSet(5, 0x400, 1, "vnic0"),
        EsNameSet(5, DatalinkClass.VNIC, 1, ""),
    ],
)
def test_an_impossible_name_is_einval(host: MemoryHost, wanted: EsNameSet) -> None:
    assert errno_of(lambda: host.dld(es.ES_NAME_SET, wanted)) is Errno.EINVAL


def test_a_name_can_be_pushed_again_and_cleared_once(host: MemoryHost) -> None:
    linkid = host.name_link("demo0", DatalinkClass.OVERLAY)
    host.name_link("demo0", DatalinkClass.OVERLAY, linkid)
    host.dld(es.ES_NAME_CLEAR, EsNameClear(linkid))
    assert errno_of(lambda: host.dld(es.ES_NAME_CLEAR, EsNameClear(linkid))) is Errno.ENOENT


def test_the_name_of_a_link_that_exists_cannot_be_cleared(host: MemoryHost) -> None:
    linkid = host.create_etherstub("stub0")
    assert errno_of(lambda: host.dld(es.ES_NAME_CLEAR, EsNameClear(linkid))) is Errno.EBUSY


def test_a_port_follows_the_new_name_of_its_vnic(host: MemoryHost) -> None:
    port = host.create_vnic("vnic0", host.create_etherstub("stub0"))
    generation = host.kernel.kstat_generation
    host.name_link("web0", DatalinkClass.VNIC, port.linkid)
    assert list(host.ports) == ["web0"]
    assert host.kernel.kstat_generation != generation
    assert host.stats("link", "web0")


def test_pushed_names_are_listed_in_pages_by_id(host: MemoryHost) -> None:
    for linkid in range(250, 0, -1):
        host.name_link(f"link{linkid}", DatalinkClass.VNIC, linkid)
    first = EsLinkList.unpack(host.dld(es.ES_LINK_LIST, EsLinkList(0), NOBODY))
    assert [one.linkid for one in first.links] == list(range(1, 201))
    second = EsLinkList.unpack(host.dld(es.ES_LINK_LIST, EsLinkList(201), NOBODY))
    assert [one.name for one in second.links] == [f"link{linkid}" for linkid in range(201, 251)]
    assert EsLinkList.unpack(host.dld(es.ES_LINK_LIST, EsLinkList(251), NOBODY)).links == ()


def test_a_held_link_cannot_be_removed(host: MemoryHost) -> None:
    linkid = host.create_etherstub("stub0")
    host.kernel.links.hold(linkid)
    host.kernel.links.hold(linkid)
    host.kernel.links.release(linkid)
    assert errno_of(lambda: host.kernel.links.remove(linkid)) is Errno.EBUSY
    host.kernel.links.release(linkid)
    host.kernel.links.remove(linkid)
    assert errno_of(lambda: host.kernel.links.hold(linkid)) is Errno.ENOENT


# ---------------------------------------------------------------------- properties of any link


def test_attributes_are_mtu_and_vlan_id(host: MemoryHost) -> None:
    stub = host.create_etherstub("stub0")
    port = host.create_vnic("vnic0", stub, vid=7)
    assert DldAttr.unpack(host.dld(dld.DLDIOC_ATTR, DldAttr(stub), NOBODY)) == DldAttr(stub, 9000, 0)
    assert DldAttr.unpack(host.dld(dld.DLDIOC_ATTR, DldAttr(port.linkid), NOBODY)) == DldAttr(port.linkid, 9000, 7)
    assert errno_of(lambda: host.dld(dld.DLDIOC_ATTR, DldAttr(99))) is Errno.ENOENT


def test_a_named_id_without_a_link_has_no_attributes_and_the_argument_goes_back(host: MemoryHost) -> None:
    linkid = host.name_link("demo0", DatalinkClass.OVERLAY)
    with pytest.raises(KernelError) as error:
        host.dld(dld.DLDIOC_ATTR, DldAttr(linkid))
    assert error.value.errno is Errno.ENOENT
    assert error.value.argument == DldAttr(linkid).pack()


def test_the_properties_of_an_overlay(host: MemoryHost) -> None:
    linkid = host.create_overlay("demo0", 23, to="10.0.0.2")
    assert prop(host, linkid, MacProp.MTU) == (1400, MacPropPerm.RW)
    assert prop(host, linkid, MacProp.MTU, MacPropFlag.DEFAULT) == (1400, MacPropPerm.RW)
    assert prop(host, linkid, MacProp.MTU, MacPropFlag.POSSIBLE)[0] == PropRange.of_ranges((576, 8900))
    assert prop(host, linkid, MacProp.STATUS) == (1, MacPropPerm.READ)
    assert prop(host, linkid, MacProp.SPEED) == (0, MacPropPerm.READ)
    assert prop(host, linkid, MacProp.DUPLEX) == (LinkDuplex.UNKNOWN, MacPropPerm.READ)
    assert prop(host, linkid, MacProp.ZONE) == ("", MacPropPerm.READ)
    assert errno_of(lambda: prop(host, linkid, MacProp.SPEED, MacPropFlag.DEFAULT)) is Errno.ENOTSUP
    assert errno_of(lambda: prop(host, linkid, MacProp.SPEED, MacPropFlag.POSSIBLE)) is Errno.ENOTSUP


@pytest.mark.parametrize("num", [MacProp.AUTONEG, 12345, -1])
def test_a_property_nobody_knows_is_enotsup(host: MemoryHost, num: int) -> None:
    linkid = host.create_overlay("demo0", 23, to=None)
    assert errno_of(lambda: host.dld(dld.DLDIOC_GETMACPROP, DldMacprop(0, linkid, num))) is Errno.ENOTSUP
    assert errno_of(lambda: host.dld(dld.DLDIOC_SETMACPROP, DldMacprop(0, linkid, num))) is Errno.ENOTSUP


@pytest.mark.parametrize("num", [MacProp.STATUS, MacProp.SPEED, MacProp.DUPLEX])
def test_state_speed_and_duplex_cannot_be_set(host: MemoryHost, num: MacProp) -> None:
    linkid = host.create_overlay("demo0", 23, to=None)
    assert errno_of(lambda: set_prop(host, linkid, num, 1)) is Errno.ENOTSUP


@pytest.mark.fact("KRN-I31")
def test_the_mtu_of_an_active_overlay_changes_as_a_link_property_but_not_below_a_vnic(host: MemoryHost) -> None:
    linkid = host.create_overlay("demo0", 23, to="10.0.0.2")
    port = host.create_vnic("vnic0", linkid)
    assert port.mtu == 1400
    set_prop(host, linkid, MacProp.MTU, 8900)
    assert host.get_property(linkid, 0) == struct.pack("=I", 8900)
    assert port.mtu == 1400
    assert errno_of(lambda: set_prop(host, linkid, MacProp.MTU, 1399)) is Errno.EBUSY
    assert errno_of(lambda: set_prop(host, linkid, MacProp.MTU, 8901)) is Errno.EINVAL
    assert prop(host, linkid, MacProp.MTU)[0] == 8900
    set_prop(host, port.linkid, MacProp.MTU, 8900)
    assert port.mtu == 8900


def test_a_value_of_another_size_is_einval(host: MemoryHost) -> None:
    linkid = host.create_overlay("demo0", 23, to=None)
    wanted = DldMacprop(0, linkid, MacProp.MTU, value=b"\x01")
    assert errno_of(lambda: host.dld(dld.DLDIOC_SETMACPROP, wanted)) is Errno.EINVAL


def test_a_vnic_can_be_given_to_a_zone_that_exists_and_no_other_link_can(host: MemoryHost) -> None:
    stub = host.create_etherstub("stub0")
    port = host.create_vnic("vnic0", stub)
    assert prop(host, port.linkid, MacProp.ZONE) == ("", MacPropPerm.RW)
    assert errno_of(lambda: set_prop(host, port.linkid, MacProp.ZONE, "web")) is Errno.ENOENT
    host.factory.zones.append("web")
    set_prop(host, port.linkid, MacProp.ZONE, "web")
    assert prop(host, port.linkid, MacProp.ZONE)[0] == port.zone == "web"
    assert errno_of(lambda: set_prop(host, stub, MacProp.ZONE, "web")) is Errno.ENOTSUP


# ---------------------------------------------------------------------- physical links


def test_a_physical_link_is_known_by_its_name_and_read_only(host: MemoryHost) -> None:
    linkid = host.name_link("net0", DatalinkClass.PHYS)
    assert DldAttr.unpack(host.dld(dld.DLDIOC_ATTR, DldAttr(linkid), NOBODY)) == DldAttr(linkid, 1500)
    assert prop(host, linkid, MacProp.MTU) == (1500, MacPropPerm.READ)
    assert prop(host, linkid, MacProp.STATUS)[0] == 1
    assert prop(host, linkid, MacProp.SPEED)[0] == 10_000_000_000
    assert prop(host, linkid, MacProp.DUPLEX)[0] == LinkDuplex.FULL
    assert prop(host, linkid, MacProp.ZONE)[0] == ""
    assert errno_of(lambda: set_prop(host, linkid, MacProp.MTU, 1400)) is Errno.ENOTSUP


def test_a_physical_link_that_is_gone_is_enoent(host: MemoryHost, phys: MemoryPhys) -> None:
    linkid = host.name_link("net0", DatalinkClass.PHYS)
    phys.set(NET1)
    assert errno_of(lambda: prop(host, linkid, MacProp.MTU)) is Errno.ENOENT
    assert errno_of(lambda: host.dld(dld.DLDIOC_ATTR, DldAttr(linkid))) is Errno.ENOENT


def test_a_vnic_over_a_physical_link_is_enotsup(host: MemoryHost) -> None:
    linkid = host.name_link("net0", DatalinkClass.PHYS)
    assert errno_of(lambda: host.create_vnic("vnic0", linkid)) is Errno.ENOTSUP


def test_physical_links_are_listed_and_a_change_ends_the_wait(host: MemoryHost, phys: MemoryPhys) -> None:
    listed = EsPhysList.unpack(host.dld(es.ES_PHYS_LIST, b"", NOBODY))
    assert listed.entries == (
        EsPhysEntry(2, "net0", NET0.mac, 1500, up=True, speed=10_000, duplex=2),
        EsPhysEntry(3, "net1", NET1.mac, 9000, up=False),
    )
    answer = Answer()
    host.kernel.dld_ioctl(es.ES_PHYS_WAIT, EsPhysWait(listed.generation).pack(), ROOT, answer)
    assert answer.errno is None
    phys.set(NET1)
    now = EsPhysWait.unpack(answer.result()).generation
    assert now != listed.generation
    assert EsPhysList.unpack(host.dld(es.ES_PHYS_LIST)).generation == now
    assert EsPhysWait.unpack(host.dld(es.ES_PHYS_WAIT, EsPhysWait(listed.generation))).generation == now


def test_a_kernel_without_physical_links_lists_none(clock: MemoryClock) -> None:
    host = MemoryHost(clock, MemoryNetwork(clock))
    assert EsPhysList.unpack(host.dld(es.ES_PHYS_LIST)).entries == ()


# ---------------------------------------------------------------------- VNIC ioctls


def test_vnic_ioctls_reach_the_vnics_and_carry_their_diagnosis(host: MemoryHost) -> None:
    stub = host.create_etherstub("stub0")
    port = host.create_vnic("vnic0", stub, MAC)
    info = VnicInfo.unpack(host.dld(VNIC_IOC_INFO, VnicInfo(port.linkid), NOBODY))
    assert (info.link_id, info.mac_addr) == (stub, MAC)
    host.dld(VNIC_IOC_MODIFY, VnicModify(port.linkid))
    linkid = host.name_link("vnic1", DatalinkClass.VNIC)
    wanted = VnicCreate(linkid, stub, VnicMacAddrType.FIXED, 6, MAC)
    with pytest.raises(KernelError) as error:
        host.dld(VNIC_IOC_CREATE, wanted)
    assert error.value.errno is Errno.EEXIST
    assert VnicCreate.unpack(error.value.argument).diag == VnicDiag.MACADDR_INUSE
    host.dld(VNIC_IOC_DELETE, VnicDelete(port.linkid))
    assert errno_of(lambda: host.dld(VNIC_IOC_DELETE, VnicDelete(port.linkid))) is Errno.ENOENT


# ---------------------------------------------------------------------- statistics


def test_every_set_of_statistics_can_be_had_by_its_name_and_names_are_unique(host: MemoryHost) -> None:
    host.create_vnic("vnic0", host.create_overlay("demo0", 23, to="10.0.0.2"))
    host.create_vnic("vnic1", host.create_etherstub("stub0"))
    entries = host.kernel.kstats()
    names = [(one.module, one.instance, one.name) for one in entries]
    assert len(set(names)) == len(names)
    assert {("link", 0, name) for name in ("demo0", "vnic0", "stub0", "vnic1")} <= set(names)
    assert ("vnic0", 0, "mac_rx_swlane0") in names
    for entry in entries:
        assert host.kernel.kstat(entry.module, entry.instance, entry.name).header == entry.header


def test_statistics_that_do_not_exist_are_enoent(host: MemoryHost) -> None:
    for module, instance, name in (("link", 0, "demo0"), ("etherspan", 1, "mux"), ("", 0, "")):
        assert errno_of(lambda m=module, i=instance, n=name: host.kernel.kstat(m, i, n)) is Errno.ENOENT  # type: ignore[misc]


@pytest.mark.fact("KRN-Q25")
def test_an_overlay_counts_nothing_under_its_link_but_its_drops_have_names(host: MemoryHost) -> None:
    port = host.create_vnic("vnic0", host.create_overlay("demo0", 23, to="10.0.0.2"))
    host.underlay.send_errno = Errno.EAGAIN
    port.send(bytes(60))
    link = host.stats("link", "demo0")
    assert {name for name, value in link.items() if value} == {"link_state", "zonename"}
    assert host.drops("demo0") == {"tx_would_block": 1}


# ---------------------------------------------------------------------- the end


def test_closing_the_kernel_closes_every_port_socket_and_handle(host: MemoryHost, clock: MemoryClock) -> None:
    linkid = host.create_overlay("demo0", 23, to="10.0.0.2")
    for index in range(3):
        host.create_vnic(f"vnic{index}", linkid)
    host.kernel.links.mac(linkid).hold()
    handle = host.varpd
    host.kernel.close()
    assert not host.ports
    assert not host.underlay.sockets
    assert handle.closed
    assert clock.pending == 0
