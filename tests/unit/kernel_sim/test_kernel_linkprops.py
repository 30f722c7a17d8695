"""Link properties over /dev/dld: resources, MTU, sniffers' view, secondary addresses, tag mode, rings (KRN 6.11 to 6.14)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from etherspan.testing.frames import BROADCAST
from etherspan.testing.host import ROOT, MemoryHost
from etherspan.testing.memory import MemoryClock, MemoryNetwork, MemoryPhys, MemoryPort
from kernel_sim.cred import Credentials
from kernel_sim.ddi import PhysLink
from kernel_sim.mac import resource
from kernel_sim.mac.promisc import PromiscType
from kernel_sim.sys import dld
from kernel_sim.sys.codec import (
    DldMacprop,
    MacIpaddr,
    MacResourceProps,
    PropRange,
    PropValue,
    VnicCreate,
    macprop_read,
    macprop_value,
)
from kernel_sim.sys.dld import DatalinkClass, MacProp, MacPropFlag, MacPropPerm
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.mac_flow import (
    MRP_MAXBW_MINVAL,
    MRP_MAXBW_RESETVAL,
    MacPriority,
    MacProtect,
    MrpMask,
    TagMode,
)
from kernel_sim.sys.vnic import VNIC_IOC_CREATE, VnicMacAddrType

NOBODY = Credentials(1000, privileged=False)
NET0 = PhysLink(2, "net0", b"\x02\x00\x00\x00\x00\x01", 1500, up=True, speed=10_000, duplex=2)
A = bytes.fromhex("02082000000a")
B = bytes.fromhex("02082000000b")
C = bytes.fromhex("02082000000c")
D = bytes.fromhex("02082000000d")
LIMIT = MacResourceProps(mask=MrpMask.MAXBW, maxbw=8_000_000)
ALLOWED = MacIpaddr(4, bytes(10) + b"\xff\xff\x0a\0\0\1", 32)


@pytest.fixture
def clock() -> MemoryClock:
    return MemoryClock()


@pytest.fixture
def host(clock: MemoryClock) -> MemoryHost:
    return MemoryHost(clock, MemoryNetwork(clock), "10.0.0.1", phys=MemoryPhys(NET0))


@pytest.fixture
def stub(host: MemoryHost) -> int:
    return host.create_etherstub("stub0")


def ask(host: MemoryHost, linkid: int, num: int, flags: int = 0) -> DldMacprop:
    return DldMacprop.unpack(host.dld(dld.DLDIOC_GETMACPROP, DldMacprop(flags, linkid, num), NOBODY))


def get(host: MemoryHost, linkid: int, num: MacProp, flags: int = 0) -> PropValue:
    return macprop_read(num, ask(host, linkid, num, flags).value)


def resources(host: MemoryHost, linkid: int, flags: int = 0) -> MacResourceProps:
    value = get(host, linkid, MacProp.RESOURCE, flags)
    assert isinstance(value, MacResourceProps)
    return value


def put(host: MemoryHost, linkid: int, num: MacProp, value: PropValue, cred: Credentials = ROOT) -> None:
    host.dld(dld.DLDIOC_SETMACPROP, DldMacprop(0, linkid, num, value=macprop_value(num, value)), cred)


def errno_of(call: Callable[[], object]) -> Errno:
    with pytest.raises(KernelError) as error:
        call()
    return error.value.errno


def frame(dst: bytes, src: bytes, size: int = 1000) -> bytes:
    return dst + src + b"\x88\xb5" + bytes(size - 14)


def links(host: MemoryHost) -> dict[str, int]:
    """A link of each kind that has a MAC here."""
    stub = host.create_etherstub("stub0")
    return {
        "stub": stub,
        "overlay": host.create_overlay("demo0", 23, to=None),
        "vnic": host.create_vnic("vnic0", stub, A).linkid,
    }


# ---------------------------------------------------------------------- resources


@pytest.mark.parametrize("kind", ["stub", "overlay", "vnic"])
def test_every_link_keeps_resource_properties_and_shows_them(host: MemoryHost, kind: str) -> None:
    linkid = links(host)[kind]
    assert resources(host, linkid) == resource.DEFAULTS
    assert ask(host, linkid, MacProp.RESOURCE).perm == MacPropPerm.RW
    wanted = MacResourceProps(
        mask=MrpMask.MAXBW | MrpMask.PRIORITY | MrpMask.CPUS | MrpMask.POOL | MrpMask.PROTECT,
        maxbw=8_000_000,
        priority=MacPriority.LOW,
        cpus=(0,),
        pool="web",
        types=MacProtect.IPNOSPOOF,
        ipaddrs=(ALLOWED,),
    )
    put(host, linkid, MacProp.RESOURCE, wanted)
    assert resources(host, linkid) == wanted
    assert resources(host, linkid, MacPropFlag.DEFAULT) == resource.DEFAULTS
    effective = replace(resource.DEFAULTS, mask=MrpMask.CPUS | MrpMask.POOL, cpus=(0,), pool="web")
    assert get(host, linkid, MacProp.RESOURCE_EFF) == effective
    assert ask(host, linkid, MacProp.RESOURCE_EFF).perm == MacPropPerm.READ


def test_a_change_merges_what_its_mask_names(host: MemoryHost, stub: int) -> None:
    put(host, stub, MacProp.RESOURCE, LIMIT)
    put(host, stub, MacProp.RESOURCE, MacResourceProps(mask=MrpMask.PRIORITY, priority=MacPriority.LOW))
    assert (resources(host, stub).maxbw, resources(host, stub).priority) == (8_000_000, MacPriority.LOW)
    put(host, stub, MacProp.RESOURCE, MacResourceProps(mask=MrpMask.MAXBW, maxbw=MRP_MAXBW_RESETVAL))
    assert resources(host, stub) == replace(resource.DEFAULTS, mask=MrpMask.PRIORITY, priority=MacPriority.LOW)


def test_a_refused_change_leaves_everything_as_it_was(host: MemoryHost, stub: int) -> None:
    port = host.create_vnic("vnic0", stub, A)
    put(host, port.linkid, MacProp.RESOURCE, LIMIT)
    before, allowance = resources(host, port.linkid), port.allowance
    wrong = MacResourceProps(
        mask=MrpMask.MAXBW | MrpMask.PROTECT,
        maxbw=MRP_MAXBW_RESETVAL,
        types=MacProtect.MACNOSPOOF,
        ipaddrs=(replace(ALLOWED, netmask=33),),
    )
    assert errno_of(lambda: put(host, port.linkid, MacProp.RESOURCE, wrong)) is Errno.EINVAL
    too_little = MacResourceProps(mask=MrpMask.MAXBW, maxbw=MRP_MAXBW_MINVAL - 1)
    assert errno_of(lambda: put(host, port.linkid, MacProp.RESOURCE, too_little)) is Errno.EINVAL
    assert (resources(host, port.linkid), port.allowance) == (before, allowance)
    port.send(frame(B, C))
    assert host.drops("stub0") == {"tx_no_wire": 1}


def test_resources_are_set_by_the_privileged_only(host: MemoryHost, stub: int) -> None:
    assert errno_of(lambda: put(host, stub, MacProp.RESOURCE, LIMIT, NOBODY)) is Errno.EPERM


def test_a_list_of_possible_resources_is_enotsup(host: MemoryHost, stub: int) -> None:
    assert errno_of(lambda: ask(host, stub, MacProp.RESOURCE, MacPropFlag.POSSIBLE)) is Errno.ENOTSUP


def test_rings_are_refused_and_a_vnic_with_the_address_below_has_none_of_its_own(host: MemoryHost) -> None:
    overlay = host.create_overlay("demo0", 23, to="10.0.0.2")
    port = host.create_vnic("vnic0", overlay, A)
    primary = host.name_link("vlan5", DatalinkClass.VNIC)
    host.dld(VNIC_IOC_CREATE, VnicCreate(primary, overlay, VnicMacAddrType.PRIMARY, vid=5))
    for linkid, errno, perm in (
        (port.linkid, Errno.EINVAL, MacPropPerm.RW),
        (primary, Errno.ENOTSUP, MacPropPerm.READ),
    ):
        for mask in (MrpMask.RX_RINGS, MrpMask.TX_RINGS | MrpMask.RINGS_RESET):
            assert errno_of(lambda: put(host, linkid, MacProp.RESOURCE, MacResourceProps(mask=mask))) is errno  # noqa: B023
        for num in (MacProp.RXRINGSRANGE, MacProp.TXRINGSRANGE):
            answer = ask(host, linkid, num, MacPropFlag.POSSIBLE)
            assert (PropRange.unpack(answer.value).count, answer.perm) == (0, perm)
            assert ask(host, linkid, num).value == b""


@pytest.mark.parametrize(
    "num",
    [
        MacProp.MAX_TX_RINGS_AVAIL,
        MacProp.MAX_RX_RINGS_AVAIL,
        MacProp.MAX_RXHWCLNT_AVAIL,
        MacProp.MAX_TXHWCLNT_AVAIL,
    ],
)
@pytest.mark.parametrize("kind", ["stub", "overlay", "vnic"])
def test_no_ring_and_no_group_is_free_and_nobody_can_say_otherwise(host: MemoryHost, kind: str, num: MacProp) -> None:
    linkid = links(host)[kind]
    assert get(host, linkid, num) == 0
    assert ask(host, linkid, num).perm == MacPropPerm.READ
    assert errno_of(lambda: put(host, linkid, num, 1)) is Errno.ENOTSUP


def test_a_physical_link_has_what_nothing_was_set_for_and_takes_nothing(host: MemoryHost) -> None:
    linkid = host.name_link("net0", DatalinkClass.PHYS)
    for num, value in (
        (MacProp.RESOURCE, resource.DEFAULTS),
        (MacProp.RESOURCE_EFF, resource.DEFAULTS),
        (MacProp.TAGMODE, TagMode.VLANONLY),
    ):
        assert get(host, linkid, num) == value
        assert ask(host, linkid, num).perm == MacPropPerm.READ
    assert errno_of(lambda: ask(host, linkid, MacProp.SECONDARY_ADDRS)) is Errno.ENOTSUP
    assert errno_of(lambda: ask(host, linkid, MacProp.RXRINGSRANGE)) is Errno.ENOTSUP
    assert errno_of(lambda: put(host, linkid, MacProp.RESOURCE, LIMIT)) is Errno.ENOTSUP


# ---------------------------------------------------------------------- what resources do


def test_a_bandwidth_limit_holds_a_vnics_consumer_up(host: MemoryHost, stub: int, clock: MemoryClock) -> None:
    a, b = host.create_vnic("a", stub, A), host.create_vnic("b", stub, B)
    put(host, a.linkid, MacProp.RESOURCE, LIMIT)
    for _ in range(200):
        a.send(frame(B, A))
    assert len(b.take()) == 20
    assert len(a.queued) == 180
    clock.advance(0.1)
    assert 99 <= len(b.take()) <= 101
    put(host, a.linkid, MacProp.RESOURCE, MacResourceProps(mask=MrpMask.MAXBW, maxbw=MRP_MAXBW_RESETVAL))
    assert len(b.take()) + 100 >= 179
    assert (a.allowance, len(a.queued)) == (None, 0)
    lane = host.stats("a", "mac_tx_swlane0")
    assert lane["blockcnt"] == lane["unblockcnt"] != 0
    assert lane["opackets"] == 200


def test_what_a_vnic_cannot_receive_in_time_is_dropped_by_name(host: MemoryHost, stub: int) -> None:
    a, b = host.create_vnic("a", stub, A), host.create_vnic("b", stub, B)
    put(host, b.linkid, MacProp.RESOURCE, LIMIT)
    a.send(*[frame(B, A)] * 200)
    assert len(b.take()) == 20
    assert host.drops("b") == {"rx_over_maxbw": 49}
    assert host.stats("b", "mac_rx_swlane0")["rxsdrops"] == 49


def test_limit_and_protection_of_an_overlay_are_not_its_vnics(host: MemoryHost, stub: int) -> None:
    a, b = host.create_vnic("a", stub, A), host.create_vnic("b", stub, B)
    wanted = MacResourceProps(mask=MrpMask.MAXBW | MrpMask.PROTECT, maxbw=MRP_MAXBW_MINVAL, types=MacProtect.MACNOSPOOF)
    put(host, stub, MacProp.RESOURCE, wanted)
    a.send(*[frame(B, C)] * 500)
    assert len(b.take()) == 500


def test_a_protected_vnic_cannot_send_under_another_address_not_even_its_former_one(
    host: MemoryHost, stub: int
) -> None:
    a, b = host.create_vnic("a", stub, A), host.create_vnic("b", stub, B)
    put(host, a.linkid, MacProp.RESOURCE, MacResourceProps(mask=MrpMask.PROTECT, types=MacProtect.MACNOSPOOF))
    a.send(frame(B, A), frame(B, C))
    assert b.take() == [frame(B, A)]
    host.kernel.vnics.set_address(a.linkid, C)
    a.send(frame(B, A), frame(B, C))
    assert b.take() == [frame(B, C)]
    assert host.stats("a", "mac_misc_stat")["macspoofed"] == 2


def test_a_vnics_speed_is_the_lower_links_or_its_limit(host: MemoryHost, stub: int) -> None:
    port = host.create_vnic("vnic0", stub, A)
    assert get(host, port.linkid, MacProp.SPEED) == 0
    put(host, port.linkid, MacProp.RESOURCE, LIMIT)
    assert get(host, port.linkid, MacProp.SPEED) == 0
    below = host.kernel.links.mac(stub)
    below.registration = replace(below.registration, speed=1_000_000_000)
    assert get(host, port.linkid, MacProp.SPEED) == host.stats("link", "vnic0")["ifspeed"] == 8_000_000
    assert host.stats("vnic", "mac", port.linkid)["ifspeed"] == 8_000_000
    put(host, port.linkid, MacProp.RESOURCE, MacResourceProps(mask=MrpMask.MAXBW, maxbw=2_000_000_000))
    assert get(host, port.linkid, MacProp.SPEED) == 1_000_000_000


def test_deleting_a_limited_vnic_leaves_no_timer(host: MemoryHost, stub: int, clock: MemoryClock) -> None:
    a, b = host.create_vnic("a", stub, A), host.create_vnic("b", stub, B)
    for port in (a, b):
        put(host, port.linkid, MacProp.RESOURCE, LIMIT)
    a.send(*[frame(B, A)] * 100)
    b.send(*[frame(A, B)] * 100)
    for port in (a, b):
        host.delete_vnic(port.linkid)
    assert clock.pending == 0


# ---------------------------------------------------------------------- MTU


def mtus(host: MemoryHost, linkid: int) -> tuple[PropValue, PropValue, PropRange]:
    return (
        get(host, linkid, MacProp.MTU),
        get(host, linkid, MacProp.MTU, MacPropFlag.DEFAULT),
        PropRange.unpack(ask(host, linkid, MacProp.MTU, MacPropFlag.POSSIBLE).value),
    )


def test_default_and_range_of_a_vnics_mtu_follow_the_link_below(host: MemoryHost) -> None:
    overlay = host.create_overlay("demo0", 23, to="10.0.0.2")
    port = host.create_vnic("vnic0", overlay, A)
    assert mtus(host, port.linkid) == (1400, 1400, PropRange.of_ranges((576, 1400)))
    put(host, overlay, MacProp.MTU, 8900)
    assert mtus(host, port.linkid) == (1400, 8900, PropRange.of_ranges((576, 8900)))
    assert mtus(host, overlay) == (8900, 1400, PropRange.of_ranges((576, 8900)))


@pytest.mark.parametrize(
    ("kind", "low", "high"), [("overlay", 576, 8900), ("stub", 576, 9000), ("vnic", 576, 9000), ("small", 576, 1000)]
)
def test_an_mtu_within_its_range_is_taken_and_the_next_number_is_einval(
    host: MemoryHost, kind: str, low: int, high: int
) -> None:
    stub = host.create_etherstub("stub1")
    if kind == "vnic":
        linkid = int(host.create_vnic("vnic1", stub, B).linkid)
    elif kind == "small":
        put(host, stub, MacProp.MTU, 1000)
        linkid = host.create_vnic("vnic1", stub, B).linkid
    else:
        linkid = links(host)[kind]
        if kind == "stub":
            host.delete_vnic(host.ports["vnic0"].linkid)
    for taken in (low, high):
        put(host, linkid, MacProp.MTU, taken)
        assert get(host, linkid, MacProp.MTU) == taken
    for wrong in (0, low - 1, high + 1, 0xFFFFFFFF):
        assert errno_of(lambda: put(host, linkid, MacProp.MTU, wrong)) is Errno.EINVAL  # noqa: B023
        assert get(host, linkid, MacProp.MTU) == high


@pytest.mark.fact("KRN-I31")
@pytest.mark.parametrize("wrong", [1, 575, 999])
def test_below_a_vnic_a_lower_mtu_is_ebusy_even_where_it_is_out_of_range(
    host: MemoryHost, stub: int, wrong: int
) -> None:
    port = host.create_vnic("vnic0", stub, A)
    put(host, port.linkid, MacProp.MTU, 1000)
    assert errno_of(lambda: put(host, stub, MacProp.MTU, wrong)) is Errno.EBUSY
    put(host, stub, MacProp.MTU, 1000)
    assert (get(host, stub, MacProp.MTU), port.mtu) == (1000, 1000)


# ---------------------------------------------------------------------- sniffers' view, tag mode


def test_a_vnics_sniffers_see_what_is_its_own_unless_it_is_told_otherwise(host: MemoryHost, stub: int) -> None:
    a, b = host.create_vnic("a", stub, A), host.create_vnic("b", stub, B)
    num = MacProp.VN_PROMISC_FILTERED
    assert (get(host, a.linkid, num), get(host, a.linkid, num, MacPropFlag.DEFAULT)) == (1, 1)
    assert ask(host, a.linkid, num).perm == MacPropPerm.RW
    client = host.kernel.links.mac(a.linkid).open_client("sniffer")
    assert client.promisc_add(PromiscType.ALL, lambda _: None).kind is PromiscType.FILTERED
    put(host, a.linkid, num, 0)
    assert get(host, a.linkid, num) == 0
    assert client.promisc_add(PromiscType.ALL, lambda _: None).kind is PromiscType.ALL
    assert get(host, b.linkid, num) == 1
    put(host, a.linkid, num, 1)
    assert get(host, a.linkid, num) == 1


@pytest.mark.parametrize(("num", "value"), [(MacProp.VN_PROMISC_FILTERED, 1), (MacProp.SECONDARY_ADDRS, (B,))])
@pytest.mark.parametrize("kind", ["stub", "overlay"])
def test_what_only_vnics_have_is_enotsup_elsewhere(host: MemoryHost, kind: str, num: MacProp, value: PropValue) -> None:
    linkid = links(host)[kind]
    assert errno_of(lambda: ask(host, linkid, num)) is Errno.ENOTSUP
    assert errno_of(lambda: put(host, linkid, num, value)) is Errno.ENOTSUP


@pytest.mark.parametrize("kind", ["stub", "overlay", "vnic"])
def test_the_tag_mode_is_kept(host: MemoryHost, kind: str) -> None:
    linkid = links(host)[kind]
    assert get(host, linkid, MacProp.TAGMODE) == get(host, linkid, MacProp.TAGMODE, MacPropFlag.DEFAULT) == 0
    put(host, linkid, MacProp.TAGMODE, TagMode.NORMAL)
    assert errno_of(lambda: put(host, linkid, MacProp.TAGMODE, 2)) is Errno.EINVAL
    assert get(host, linkid, MacProp.TAGMODE) == TagMode.NORMAL


@pytest.mark.parametrize("num", [MacProp.RESOURCE, MacProp.SECONDARY_ADDRS, MacProp.TAGMODE])
def test_a_value_of_another_size_is_einval(host: MemoryHost, stub: int, num: MacProp) -> None:
    port = host.create_vnic("vnic0", stub, A)
    wanted = DldMacprop(0, port.linkid, num, value=b"\x01")
    assert errno_of(lambda: host.dld(dld.DLDIOC_SETMACPROP, wanted)) is Errno.EINVAL


# ---------------------------------------------------------------------- secondary addresses


@pytest.fixture
def pair(host: MemoryHost, stub: int) -> tuple[MemoryPort, MemoryPort]:
    """VNICs a and b; a has C and D beside its own address."""
    a, b = host.create_vnic("a", stub, A), host.create_vnic("b", stub, B)
    put(host, a.linkid, MacProp.SECONDARY_ADDRS, (C, D))
    return a, b


def test_frames_to_a_secondary_address_reach_the_vnic_and_count_as_its_own(
    host: MemoryHost, pair: tuple[MemoryPort, MemoryPort]
) -> None:
    a, b = pair
    assert get(host, a.linkid, MacProp.SECONDARY_ADDRS) == (C, D)
    sent = [frame(C, B), frame(A, B), frame(D, B), frame(BROADCAST, B), frame(b"\x01\x00\x5e\0\0\1", B)]
    for one in sent:
        b.send(one)
    assert a.take() == sent
    assert host.stats("link", "a")["ipackets"] == 5
    assert a.mac == A


def test_secondary_addresses_are_further_clients(host: MemoryHost, stub: int) -> None:
    a = host.create_vnic("a", stub, A)
    lower = host.kernel.links.mac(stub)
    put(host, a.linkid, MacProp.SECONDARY_ADDRS, (C, D))
    assert (len(lower.clients), len(lower.active_clients), lower.users) == (3, 3, 3)
    a.send(frame(C, A), frame(BROADCAST, A), frame(B, A))
    assert a.take() == [frame(C, A)]
    put(host, a.linkid, MacProp.SECONDARY_ADDRS, ())
    assert (len(lower.clients), lower.users) == (1, 1)


def test_with_its_other_addresses_gone_their_frames_are_nobodys(
    host: MemoryHost, pair: tuple[MemoryPort, MemoryPort]
) -> None:
    a, b = pair
    put(host, a.linkid, MacProp.SECONDARY_ADDRS, (D,))
    b.send(frame(C, B), frame(D, B))
    assert a.take() == [frame(D, B)]
    put(host, b.linkid, MacProp.SECONDARY_ADDRS, (C,))


@pytest.mark.fact("KRN-I11")
@pytest.mark.parametrize(
    ("wanted", "errno"),
    [
        ((B,), Errno.EEXIST),
        ((A,), Errno.EEXIST),
        ((D, D), Errno.EEXIST),
        ((b"\x01\0\0\0\0\1",), Errno.EINVAL),
        ((bytes(6),), Errno.EINVAL),
        (tuple(bytes((2, 0, 0, 0, 1, n)) for n in range(32)), Errno.EINVAL),
    ],
)
def test_a_refused_list_leaves_the_addresses_there_were(
    host: MemoryHost, pair: tuple[MemoryPort, MemoryPort], wanted: tuple[bytes, ...], errno: Errno
) -> None:
    a, b = pair
    assert errno_of(lambda: put(host, a.linkid, MacProp.SECONDARY_ADDRS, wanted)) is errno
    assert get(host, a.linkid, MacProp.SECONDARY_ADDRS) == (C, D)
    b.send(frame(C, B), frame(D, B))
    assert len(a.take()) == 2


def test_a_vnic_may_have_31_secondary_addresses(host: MemoryHost, stub: int) -> None:
    a = host.create_vnic("a", stub, A)
    addresses = tuple(bytes((2, 0, 0, 0, 1, n)) for n in range(31))
    put(host, a.linkid, MacProp.SECONDARY_ADDRS, addresses)
    assert get(host, a.linkid, MacProp.SECONDARY_ADDRS) == addresses


def test_the_address_of_another_vnics_secondary_cannot_be_had(
    host: MemoryHost, stub: int, pair: tuple[MemoryPort, MemoryPort]
) -> None:
    _, b = pair
    assert errno_of(lambda: host.create_vnic("c", stub, C)) is Errno.EEXIST
    assert errno_of(lambda: host.kernel.vnics.set_address(b.linkid, C)) is Errno.ENOTSUP
    host.create_vnic("c", stub, C, vid=7)


def test_secondary_addresses_are_in_the_vnics_vlan(host: MemoryHost, stub: int) -> None:
    a, b = host.create_vnic("a", stub, A, vid=7), host.create_vnic("b", stub, B, vid=7)
    c = host.create_vnic("c", stub, C)
    put(host, a.linkid, MacProp.SECONDARY_ADDRS, (D,))
    c.send(frame(D, C))
    assert a.take() == []
    b.send(frame(D, B))
    assert a.take() == [frame(D, B)]


def test_mac_nospoof_lets_only_the_primary_address_send(host: MemoryHost, pair: tuple[MemoryPort, MemoryPort]) -> None:
    a, b = pair
    put(host, a.linkid, MacProp.RESOURCE, MacResourceProps(mask=MrpMask.PROTECT, types=MacProtect.MACNOSPOOF))
    a.send(frame(B, C), frame(B, A))
    assert b.take() == [frame(B, A)]
    assert host.stats("a", "mac_misc_stat")["macspoofed"] == 1


def test_a_limit_holds_for_all_addresses_together(
    host: MemoryHost, pair: tuple[MemoryPort, MemoryPort], clock: MemoryClock
) -> None:
    a, b = pair
    put(host, a.linkid, MacProp.RESOURCE, LIMIT)
    b.send(*[frame(A, B)] * 20)
    b.send(frame(C, B))
    assert len(a.take()) == 20
    clock.advance(0.1)
    assert a.take() == [frame(C, B)]


def test_a_vnic_with_secondary_addresses_can_be_renamed_and_deleted(
    host: MemoryHost, stub: int, pair: tuple[MemoryPort, MemoryPort]
) -> None:
    a, b = pair
    lower = host.kernel.links.mac(stub)
    host.name_link("web0", DatalinkClass.VNIC, a.linkid)
    assert sorted(client.name for client in lower.clients) == ["b", "web0", "web0", "web0"]
    host.delete_vnic(a.linkid)
    assert (len(lower.clients), lower.users) == (1, 1)
    put(host, b.linkid, MacProp.SECONDARY_ADDRS, (A, C, D))
