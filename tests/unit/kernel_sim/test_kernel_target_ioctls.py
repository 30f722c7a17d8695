"""/dev/overlay: opening it, and the target ioctls that no lookup is needed for, over point-to-point targets (kernel.md 2.5 to 2.7)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from etherspan.testing.host import ROOT, MemoryHost, Packed
from etherspan.testing.memory import MemoryClock, MemoryNetwork, address
from kernel_sim.cred import Credentials
from kernel_sim.sys import overlay_target as targ
from kernel_sim.sys.codec import (
    CacheEntry,
    Point,
    TargAssociate,
    TargCache,
    TargDegrade,
    TargId,
    TargInfo,
    TargIter,
    TargList,
    TargPkt,
)
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.ethernet import ZERO_MAC
from kernel_sim.sys.overlay_common import DEST_IP_PORT, Dest
from kernel_sim.sys.overlay_target import TargInfoFlag, TargMode

READ, WRITE, EXCLUSIVE = 1, 2, 4
NO_LINK = 77
SOME_MAC = b"\x02\x08\x20\x01\x02\x03"
FRAME = bytes.fromhex("020820aaaaaa020820bbbbbb0800") + b"inner"


@pytest.fixture
def clock() -> MemoryClock:
    return MemoryClock()


@pytest.fixture
def host(clock: MemoryClock) -> MemoryHost:
    return MemoryHost(clock, MemoryNetwork(clock), "10.0.0.1", "fd00::1")


@pytest.fixture
def link(host: MemoryHost) -> int:
    """An active overlay towards 10.0.0.2."""
    return host.create_overlay("demo0", 23, to="10.0.0.2")


def errno_of(call: Callable[[], object]) -> Errno:
    with pytest.raises(KernelError) as error:
        call()
    return error.value.errno


POINT = Point(ip=address("10.0.0.2").ip, port=4789)


# ---------------------------------------------------------------------- opening


def test_an_open_without_the_privilege_is_eperm_before_the_flags_are_looked_at(host: MemoryHost) -> None:
    nobody = Credentials(1000, privileged=False)
    assert errno_of(lambda: host.kernel.overlay_open(0xFF, nobody)) is Errno.EPERM


@pytest.mark.parametrize("flags", [0, EXCLUSIVE, WRITE, READ | WRITE, READ | 8, READ | WRITE | EXCLUSIVE | 0x100])
def test_these_open_flags_are_einval(host: MemoryHost, flags: int) -> None:
    assert errno_of(lambda: host.kernel.overlay_open(flags, ROOT)) is Errno.EINVAL


@pytest.mark.fact("KRN-I20")
def test_there_is_one_exclusive_handle_and_closing_it_makes_room(host: MemoryHost) -> None:
    first = host.kernel.overlay_open(READ | WRITE | EXCLUSIVE, ROOT)
    for flags in (READ | EXCLUSIVE, WRITE | EXCLUSIVE, READ | WRITE | EXCLUSIVE):
        assert errno_of(lambda flags=flags: host.kernel.overlay_open(flags, ROOT)) is Errno.EEXIST  # type: ignore[misc]
    readers = [host.kernel.overlay_open(READ, ROOT) for _ in range(3)]
    readers[0].close()
    assert errno_of(lambda: host.kernel.overlay_open(READ | EXCLUSIVE, ROOT)) is Errno.EEXIST
    first.close()
    first.close()
    host.kernel.overlay_open(READ | EXCLUSIVE, ROOT)


# ---------------------------------------------------------------------- the dispatcher


@pytest.mark.parametrize("cmd", [0x6F767400, 0x6F767406, 0x6F767416, 0x6F767435, 0x20050001, 0])
def test_an_unknown_command_is_enotty(host: MemoryHost, cmd: int) -> None:
    assert errno_of(lambda: host.targ(cmd)) is Errno.ENOTTY


WRITING = [
    targ.OVERLAY_TARG_INFO,
    targ.OVERLAY_TARG_ASSOCIATE,
    targ.OVERLAY_TARG_DISASSOCIATE,
    targ.OVERLAY_TARG_DEGRADE,
    targ.OVERLAY_TARG_RESTORE,
    targ.OVERLAY_TARG_RESPOND,
    targ.OVERLAY_TARG_DROP,
    targ.OVERLAY_TARG_INJECT,
    targ.OVERLAY_TARG_PKT,
    targ.OVERLAY_TARG_RESEND,
    targ.OVERLAY_TARG_CACHE_SET,
    targ.OVERLAY_TARG_CACHE_REMOVE,
    targ.OVERLAY_TARG_CACHE_FLUSH,
]
READING = [targ.OVERLAY_TARG_LIST, targ.OVERLAY_TARG_CACHE_GET, targ.OVERLAY_TARG_CACHE_ITER]


@pytest.mark.parametrize("cmd", WRITING)
def test_a_writing_command_on_a_handle_for_reading_is_ebadf(host: MemoryHost, cmd: int) -> None:
    reader = host.kernel.overlay_open(READ, ROOT)
    assert errno_of(lambda: host.targ(cmd, b"", reader)) is Errno.EBADF


@pytest.mark.parametrize("cmd", READING)
def test_the_others_work_on_a_handle_for_reading(host: MemoryHost, cmd: int) -> None:
    reader = host.kernel.overlay_open(READ, ROOT)
    assert errno_of(lambda: host.targ(cmd, b"", reader)) is Errno.EFAULT


@pytest.mark.parametrize("cmd", WRITING + READING)
def test_an_argument_cut_short_is_efault(host: MemoryHost, cmd: int) -> None:
    assert errno_of(lambda: host.targ(cmd, b"\x01\x00")) is Errno.EFAULT


def test_every_command_on_a_closed_handle_is_enxio(host: MemoryHost) -> None:
    handle = host.varpd
    handle.close()
    for cmd in (*WRITING, *READING, targ.OVERLAY_TARG_LOOKUP):
        assert errno_of(lambda cmd=cmd: host.targ(cmd, bytes(600), handle)) is Errno.ENXIO  # type: ignore[misc]


@pytest.mark.parametrize(
    ("cmd", "argument"),
    [
        (targ.OVERLAY_TARG_INFO, TargInfo(NO_LINK)),
        (targ.OVERLAY_TARG_ASSOCIATE, TargAssociate(NO_LINK, 9, 0, 0)),
        (targ.OVERLAY_TARG_DISASSOCIATE, TargId(NO_LINK)),
        (targ.OVERLAY_TARG_DEGRADE, TargDegrade(NO_LINK, "")),
        (targ.OVERLAY_TARG_RESTORE, TargId(NO_LINK)),
        (targ.OVERLAY_TARG_INJECT, TargPkt(NO_LINK, 0, 14, bytes(14))),
        (targ.OVERLAY_TARG_RESEND, TargPkt(NO_LINK, 0, 14, bytes(14))),
        (targ.OVERLAY_TARG_CACHE_GET, TargCache(NO_LINK)),
        (targ.OVERLAY_TARG_CACHE_SET, TargCache(NO_LINK)),
        (targ.OVERLAY_TARG_CACHE_REMOVE, TargCache(NO_LINK)),
        (targ.OVERLAY_TARG_CACHE_FLUSH, TargCache(NO_LINK)),
        (targ.OVERLAY_TARG_CACHE_ITER, TargIter(NO_LINK, count=1)),
    ],
)
def test_a_link_that_is_no_overlay_is_enoent_and_nothing_goes_back(
    host: MemoryHost, cmd: int, argument: Packed
) -> None:
    with pytest.raises(KernelError) as error:
        host.targ(cmd, argument)
    assert error.value.errno is Errno.ENOENT
    assert error.value.argument == b""


# ---------------------------------------------------------------------- INFO, ASSOCIATE, DISASSOCIATE


def info(host: MemoryHost, linkid: int) -> TargInfo:
    return TargInfo.unpack(host.targ(targ.OVERLAY_TARG_INFO, TargInfo(linkid)))


def test_info_tells_what_the_encapsulation_needs_and_how_the_overlay_is(host: MemoryHost) -> None:
    linkid = host.create_overlay("demo0", 23, to=None)
    assert info(host, linkid) == TargInfo(linkid, DEST_IP_PORT, TargInfoFlag.NONE, 23)
    host.targ(targ.OVERLAY_TARG_DEGRADE, TargDegrade(linkid, "no"))
    assert info(host, linkid).flags == TargInfoFlag.DEGRADED
    active = host.create_overlay("demo1", 24, to="10.0.0.2")
    assert info(host, active) == TargInfo(active, DEST_IP_PORT, TargInfoFlag.ACTIVE, 24)


def associate(host: MemoryHost, linkid: int, **changed: object) -> None:
    fields = {"mode": TargMode.POINT, "id": 5, "provides": DEST_IP_PORT, "point": POINT, **changed}
    host.targ(targ.OVERLAY_TARG_ASSOCIATE, TargAssociate(linkid, **fields))  # type: ignore[arg-type]


def point(ip: str, port: int = 4789) -> Point:
    return Point(ip=address(ip).ip, port=port)


@pytest.mark.parametrize(
    "changed",
    [
        {"id": 0},
        {"mode": 0},
        {"mode": 3},
        {"provides": 0},
        {"provides": Dest.IP},
        {"provides": Dest.PORT},
        {"provides": 7},
        {"point": point("::")},
        {"point": point("::10.0.0.1")},
        {"point": point("0.0.0.0")},
        {"point": point("10.0.0.2", 0)},
    ],
    ids=str,
)
def test_an_impossible_association_is_einval_though_there_is_one_already(
    host: MemoryHost, link: int, changed: dict[str, object]
) -> None:
    assert errno_of(lambda: associate(host, link, **changed)) is Errno.EINVAL


@pytest.mark.parametrize("ip", ["10.0.0.2", "::1", "fd00::2", "255.255.255.255", "ff02::1"])
def test_any_other_address_is_accepted(host: MemoryHost, ip: str) -> None:
    linkid = host.create_overlay("demo0", 23, to=None)
    associate(host, linkid, point=point(ip))


def test_a_second_association_is_eexist_until_the_first_is_undone(host: MemoryHost, link: int) -> None:
    assert errno_of(lambda: associate(host, link)) is Errno.EEXIST
    host.targ(targ.OVERLAY_TARG_DISASSOCIATE, TargId(link))
    associate(host, link, point=point("10.0.0.3"))
    answer = host.targ(targ.OVERLAY_TARG_CACHE_GET, TargCache(link))
    assert TargCache.unpack(answer).entry.point == point("10.0.0.3")


@pytest.mark.parametrize("ip", ["::", "10.0.0.2"])
def test_a_dynamic_association_does_not_look_at_the_point(host: MemoryHost, ip: str) -> None:
    linkid = host.create_overlay("demo0", 23, to=None)
    associate(host, linkid, mode=TargMode.DYNAMIC, point=point(ip, 0))
    assert errno_of(lambda: associate(host, linkid, mode=TargMode.DYNAMIC)) is Errno.EEXIST
    assert errno_of(lambda: associate(host, linkid, mode=TargMode.DYNAMIC, id=0)) is Errno.EINVAL
    assert errno_of(lambda: associate(host, linkid, mode=TargMode.DYNAMIC, provides=7)) is Errno.EINVAL


@pytest.mark.fact("KRN-Q30")
def test_disassociating_is_always_allowed_and_degrades_nothing(host: MemoryHost) -> None:
    linkid = host.create_overlay("demo0", 23, to=None)
    host.targ(targ.OVERLAY_TARG_DISASSOCIATE, TargId(linkid))
    associate(host, linkid)
    host.targ(targ.OVERLAY_TARG_DISASSOCIATE, TargId(linkid))
    assert info(host, linkid).flags == TargInfoFlag.NONE


def test_traffic_goes_on_after_disassociating_and_to_the_new_point_after_associating_again(
    host: MemoryHost, link: int
) -> None:
    port = host.create_vnic("vnic0", link)
    wire = host.underlay.network.wire

    def goes_to() -> bytes:
        wire.clear()
        port.send(FRAME)
        (datagram,) = wire
        return datagram.to.ip

    assert goes_to() == address("10.0.0.2").ip
    host.targ(targ.OVERLAY_TARG_DISASSOCIATE, TargId(link))
    assert goes_to() == address("10.0.0.2").ip
    associate(host, link, point=point("10.0.0.3"))
    assert goes_to() == address("10.0.0.3").ip


# ---------------------------------------------------------------------- DEGRADE, RESTORE


@pytest.mark.fact("KRN-I32")
def test_degrading_changes_neither_link_state_nor_forwarding(host: MemoryHost, link: int) -> None:
    port = host.create_vnic("vnic0", link)
    host.targ(targ.OVERLAY_TARG_DEGRADE, TargDegrade(link, "no"))
    port.send(FRAME)
    assert len(host.underlay.network.wire) == 1
    assert host.kernel.links.mac(link).link_state == 1
    assert host.kernel.overlays.faults.degraded == 1
    host.targ(targ.OVERLAY_TARG_RESTORE, TargId(link))
    host.targ(targ.OVERLAY_TARG_RESTORE, TargId(link))
    assert host.kernel.overlays.faults.degraded == 0


# ---------------------------------------------------------------------- LIST


def test_list_gives_the_total_and_as_many_ids_as_there_is_room_in_order_of_creation(host: MemoryHost) -> None:
    ids = [host.create_overlay(f"demo{index}", index, to=None) for index in range(4)]
    host.delete_overlay(ids.pop(1))
    for room in (0, 1, 3, 100):
        answer = TargList.unpack(host.targ(targ.OVERLAY_TARG_LIST, TargList(nents=room)))
        assert answer == TargList(tuple(ids[:room]), 3)


def test_list_with_too_many_slots_is_einval(host: MemoryHost) -> None:
    assert errno_of(lambda: host.targ(targ.OVERLAY_TARG_LIST, TargList(nents=536870911))) is Errno.EINVAL
    host.targ(targ.OVERLAY_TARG_LIST, TargList(nents=536870910))


# ---------------------------------------------------------------------- the cache of a point


@pytest.mark.fact("KRN-I24")
def test_every_mac_address_is_answered_with_the_point(host: MemoryHost, link: int) -> None:
    for mac in (ZERO_MAC, SOME_MAC, b"\xff" * 6):
        asked = TargCache(link, CacheEntry(mac, 1, Point(ip=address("9.9.9.9").ip)))
        answer = TargCache.unpack(host.targ(targ.OVERLAY_TARG_CACHE_GET, asked))
        assert answer == TargCache(link, CacheEntry(mac, 0, POINT))


@pytest.mark.fact("KRN-I24", "KRN-Q19")
@pytest.mark.parametrize("to", ["10.0.0.2", "fd00::2"])
@pytest.mark.parametrize("count", [1, 500])
def test_a_walk_gives_one_record_with_a_zero_address_and_is_done(host: MemoryHost, to: str, count: int) -> None:
    linkid = host.create_overlay("demo0", 23, to=to, listen="fd00::1" if ":" in to else None)
    answer = TargIter.unpack(host.targ(targ.OVERLAY_TARG_CACHE_ITER, TargIter(linkid, count=count)))
    assert answer.entries == (CacheEntry(ZERO_MAC, 0, point(to)),)
    assert any(answer.marker[6:])
    again = TargIter.unpack(host.targ(targ.OVERLAY_TARG_CACHE_ITER, TargIter(NO_LINK, answer.marker, count)))
    assert (again.count, again.entries) == (0, ())


@pytest.mark.fact("KRN-I24")
def test_the_cache_of_a_point_cannot_be_changed(host: MemoryHost, link: int) -> None:
    for cmd in (targ.OVERLAY_TARG_CACHE_SET, targ.OVERLAY_TARG_CACHE_REMOVE, targ.OVERLAY_TARG_CACHE_FLUSH):
        argument = TargCache(link, CacheEntry(SOME_MAC, 0, POINT))
        assert errno_of(lambda cmd=cmd, argument=argument: host.targ(cmd, argument)) is Errno.ENOTSUP  # type: ignore[misc]


@pytest.mark.fact("KRN-I24")
def test_every_cache_command_is_enxio_when_disassociated(host: MemoryHost, link: int) -> None:
    host.targ(targ.OVERLAY_TARG_DISASSOCIATE, TargId(link))
    for cmd, argument in (
        (targ.OVERLAY_TARG_CACHE_GET, TargCache(link).pack()),
        (targ.OVERLAY_TARG_CACHE_SET, TargCache(link).pack()),
        (targ.OVERLAY_TARG_CACHE_REMOVE, TargCache(link).pack()),
        (targ.OVERLAY_TARG_CACHE_FLUSH, TargCache(link).pack()),
        (targ.OVERLAY_TARG_CACHE_ITER, TargIter(link, count=1).pack()),
    ):
        assert errno_of(lambda cmd=cmd, argument=argument: host.targ(cmd, argument)) is Errno.ENXIO  # type: ignore[misc]


def test_unknown_flags_of_an_entry_are_einval_before_the_link_is_looked_at(host: MemoryHost) -> None:
    argument = TargCache(NO_LINK, CacheEntry(SOME_MAC, 2))
    assert errno_of(lambda: host.targ(targ.OVERLAY_TARG_CACHE_SET, argument)) is Errno.EINVAL


@pytest.mark.parametrize(("count", "errno"), [(501, Errno.E2BIG), (65535, Errno.E2BIG), (0, Errno.EINVAL)])
def test_the_count_of_a_walk_is_checked_before_marker_and_link(host: MemoryHost, count: int, errno: Errno) -> None:
    argument = TargIter(NO_LINK, targ.MARKER_DONE, count)
    assert errno_of(lambda: host.targ(targ.OVERLAY_TARG_CACHE_ITER, argument)) is errno
