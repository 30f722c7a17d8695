"""Instances of the handle, over an in-memory kernel: creating, activating, destroying, properties, cache."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from etherspan.testing.varpd import VarpdWorld, varpd_world
from kernel_sim.sys import overlay_target as targ
from kernel_sim.sys.codec import CacheEntry, OverlayLink, OverlayStatus, Point
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.overlay import OVERLAY_IOC_ACTIVATE, OVERLAY_IOC_STATUS, OverlayPropId
from kernel_sim.sys.overlay_common import Dest
from kernel_sim.sys.overlay_target import TargMode
from libvarpd.errors import VarpdError, VarpdPanic
from libvarpd.prop import V4_MAPPED, uint_value
from libvarpd.state import StateRecord

Make = Callable[..., int]
TEN = V4_MAPPED + bytes([10, 0, 0, 2])


def refusal(world: VarpdWorld, work: Coroutine[Any, Any, Any]) -> Errno:
    with pytest.raises(KernelError) as refused:
        world.run(work)
    return refused.value.errno


def varpd_id(world: VarpdWorld, linkid: int) -> bytes:
    """The instance the kernel says the overlay is bound to."""
    return world.host.get_property(linkid, OverlayPropId.VARPD_ID)


# ---------------------------------------------------------------------- create


def test_ids_start_at_1_and_a_link_leads_to_its_instance(world: VarpdWorld, instance: Make) -> None:
    first, second = instance("demo0"), instance("demo1")
    assert (first, second) == (1, 2)
    links = [world.varpd.instances.find(one).linkid for one in (first, second)]
    assert [world.varpd.instance_lookup(linkid) for linkid in links] == [first, second]
    assert world.varpd.instance_mode(first) == (Dest.IP | Dest.PORT, TargMode.POINT)


@pytest.mark.fact("VPD-B10")
def test_an_unknown_plugin_is_not_found_before_the_kernel_is_asked(world: VarpdWorld) -> None:
    linkid = world.host.create_overlay("demo0", 23, to=None)
    world.device.calls.clear()
    assert refusal(world, world.varpd.instance_create(linkid, "nope")) is Errno.ENOENT
    assert world.device.calls == []


@pytest.mark.fact("VPD-B12")
@pytest.mark.parametrize("linkid", [0, 77])
def test_a_link_that_is_no_overlay_is_not_found(world: VarpdWorld, linkid: int) -> None:
    assert refusal(world, world.varpd.instance_create(linkid, "direct")) is Errno.ENOENT


@pytest.mark.fact("VPD-B14", "VPD-I3", "VPD-Q1")
def test_a_second_instance_of_a_link_is_refused_and_changes_nothing(
    world: VarpdWorld, instance: Make, traced: Any
) -> None:
    first = instance()
    linkid = world.varpd.instances.find(first).linkid
    assert refusal(world, world.varpd.instance_create(linkid, "traced")) is Errno.EEXIST
    assert traced.calls == ["create"]
    assert world.varpd.instance_lookup(linkid) == first
    assert len(world.varpd.instances) == 1


def test_of_two_creates_for_one_link_at_once_one_succeeds(world: VarpdWorld) -> None:
    linkid = world.host.create_overlay("demo0", 23, to=None)

    async def both() -> Sequence[object]:
        create = world.varpd.instance_create
        return await asyncio.gather(create(linkid, "direct"), create(linkid, "direct"), return_exceptions=True)

    first, second = world.run(both())
    assert first == 1
    assert isinstance(second, VarpdError)
    assert second.errno is Errno.EEXIST


@pytest.mark.fact("VPD-I4")
def test_a_create_that_the_plugin_refuses_leaves_nothing_but_a_gap_in_the_ids(
    world: VarpdWorld, instance: Make, traced: Any
) -> None:
    linkid = world.host.create_overlay("demo9", 99, to=None)
    traced.faults["create"] = VarpdError(Errno.ENOTSUP)
    assert refusal(world, world.varpd.instance_create(linkid, "traced")) is Errno.ENOTSUP
    traced.faults.clear()
    assert (len(world.varpd.instances), world.store.files, varpd_id(world, linkid)) == (0, {}, b"")
    assert world.run(world.varpd.instance_create(linkid, "traced")) == 2
    world.varpd._ids._next = 1
    assert instance() == 1


@pytest.mark.fact("VPD-I35")
@pytest.mark.parametrize("needs", range(9))
def test_an_instance_can_be_made_exactly_where_address_and_perhaps_port_are_needed(
    world: VarpdWorld, monkeypatch: pytest.MonkeyPatch, needs: int
) -> None:
    linkid = world.host.create_overlay("demo0", 23, to=None)
    monkeypatch.setattr(world.host.kernel.overlays.find(linkid).plugin, "dest", Dest(needs))
    if needs in {Dest.IP, Dest.IP | Dest.PORT}:
        assert world.run(world.varpd.instance_create(linkid, "direct")) == 1
    else:
        assert refusal(world, world.varpd.instance_create(linkid, "direct")) is Errno.ENOTSUP


@pytest.mark.fact("VPD-B13")
def test_a_destination_the_plugin_cannot_give_is_not_supported(
    world: VarpdWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    linkid = world.host.create_overlay("demo0", 23, to=None)
    plugin = world.host.kernel.overlays.find(linkid).plugin
    monkeypatch.setattr(plugin, "dest", Dest.ETHERNET | Dest.IP)
    assert refusal(world, world.varpd.instance_create(linkid, "direct")) is Errno.ENOTSUP


def test_a_fault_of_the_plugin_is_an_input_output_error_and_logged(world: VarpdWorld, traced: Any, log: Any) -> None:
    linkid = world.host.create_overlay("demo0", 23, to=None)
    traced.faults["create"] = ZeroDivisionError("oops")
    assert refusal(world, world.varpd.instance_create(linkid, "traced")) is Errno.EIO
    assert log.named("search plugin failed") == [{"plugin": "traced", "operation": "create"}]
    assert len(world.varpd.instances) == 0


# ---------------------------------------------------------------------- activate


@pytest.mark.fact("VPD-I5")
def test_activation_starts_the_plugin_writes_the_state_file_and_binds_the_overlay(
    world: VarpdWorld, instance: Make, traced: Any
) -> None:
    made = instance()
    linkid = world.varpd.instances.find(made).linkid
    world.device.calls.clear()
    world.run(world.varpd.instance_activate(made))
    assert traced.calls == ["create", "start", "save", "default"]
    assert list(world.store.files) == [f"{made}.varpd"]
    record = StateRecord.decode(world.store.files[f"{made}.varpd"])
    assert (record.id, record.linkid, record.dest, record.mode, record.plugin) == (made, linkid, 6, 1, "traced")
    assert varpd_id(world, linkid) == uint_value(made)
    assert world.device.calls == [targ.OVERLAY_TARG_ASSOCIATE]
    entry = world.run(world.varpd.cache_get(made, bytes(6)))
    assert entry.point == Point(ip=TEN, port=4789)


@pytest.mark.fact("VPD-B15")
def test_a_required_property_missing_means_try_again(world: VarpdWorld, instance: Make) -> None:
    made = instance(search="direct", set_up=False)
    assert refusal(world, world.varpd.instance_activate(made)) is Errno.EAGAIN
    world.run(world.varpd.prop_set(made, 1, TEN))
    assert refusal(world, world.varpd.instance_activate(made)) is Errno.EAGAIN


@pytest.mark.fact("VPD-B16", "VPD-I7")
def test_activating_twice_is_refused_without_a_second_start(world: VarpdWorld, instance: Make, traced: Any) -> None:
    made = instance(activate=True)
    assert refusal(world, world.varpd.instance_activate(made)) is Errno.EEXIST
    assert traced.calls.count("start") == 1


@pytest.mark.fact("VPD-B17")
@pytest.mark.parametrize("ip", ["::", "::ffff:0.0.0.0"])
def test_a_destination_the_kernel_refuses_is_invalid_and_leaves_no_file(
    world: VarpdWorld, instance: Make, ip: str
) -> None:
    made = instance()
    world.run(world.varpd.prop_set(made, 1, ipaddress.IPv6Address(ip).packed))
    assert refusal(world, world.varpd.instance_activate(made)) is Errno.EINVAL
    assert world.store.files == {}


@pytest.mark.fact("VPD-I6", "VPD-Q4")
@pytest.mark.parametrize("step", ["start", "save", "write", "default", "associate"])
def test_a_failed_step_is_undone_in_reverse_and_activation_can_succeed_later(
    world: VarpdWorld, instance: Make, traced: Any, step: str
) -> None:
    made = instance()
    linkid = world.varpd.instances.find(made).linkid
    if step == "write":
        world.store.refuse = VarpdError(Errno.ENOSPC)
    elif step == "associate":
        world.device.refuse[targ.OVERLAY_TARG_ASSOCIATE] = Errno.ENOSPC
    else:
        traced.faults[step] = VarpdError(Errno.ENOSPC)
    assert refusal(world, world.varpd.instance_activate(made)) is Errno.ENOSPC
    assert traced.calls.count("stop") == (step != "start")
    assert (world.store.files, varpd_id(world, linkid)) == ({}, b"")
    traced.faults.clear()
    world.device.refuse.clear()
    world.run(world.varpd.instance_activate(made))
    assert (list(world.store.files), varpd_id(world, linkid)) == ([f"{made}.varpd"], uint_value(made))


def test_a_dynamic_plugin_is_bound_without_a_default_and_its_cache_begins_empty(
    dynamic_plugin: Any, configure: Callable[[VarpdWorld, int], None]
) -> None:
    with varpd_world(dynamic_plugin) as world:
        linkid = world.host.create_overlay("demo0", 23, to=None)
        made = world.run(world.varpd.instance_create(linkid, "moving"))
        assert world.varpd.instance_mode(made) == (Dest.IP | Dest.PORT, TargMode.DYNAMIC)
        configure(world, made)
        world.run(world.varpd.instance_activate(made))
        assert (list(world.store.files), varpd_id(world, linkid)) == ([f"{made}.varpd"], uint_value(made))
        assert world.run(world.varpd.cache_walk(made, bytes(8), 200))[1] == ()
        entry = CacheEntry(bytes(range(6)), 0, Point(ip=TEN, port=1))
        world.run(world.varpd.cache_set(made, entry))
        assert world.run(world.varpd.cache_get(made, entry.mac)) == entry


def test_the_log_says_why_an_activation_was_refused(world: VarpdWorld, instance: Make, traced: Any, log: Any) -> None:
    made = instance()
    linkid = world.varpd.instances.find(made).linkid
    traced.faults["start"] = VarpdError(Errno.EPROTO, "/etc/map.json: line 3 column 7: ',' expected")
    assert refusal(world, world.varpd.instance_activate(made)) is Errno.EPROTO
    assert log.named("activation failed") == [
        {
            "instance": made,
            "linkid": linkid,
            "plugin": "traced",
            "reason": "Protocol error: /etc/map.json: line 3 column 7: ',' expected",
        }
    ]


# ---------------------------------------------------------------------- destroy


@pytest.mark.fact("VPD-I8")
def test_a_destroyed_instance_is_found_by_nothing_and_its_plugin_stops_before_it_is_destroyed(
    world: VarpdWorld, instance: Make, traced: Any
) -> None:
    made = instance(activate=True)
    linkid = world.varpd.instances.find(made).linkid
    traced.calls.clear()
    world.device.calls.clear()
    world.run(world.varpd.instance_destroy(made))
    assert (traced.calls, world.store.files) == (["stop", "destroy"], {})
    assert world.device.calls == []  # the kernel is not told
    for again in (world.varpd.instance_destroy, world.varpd.instance_activate):
        assert refusal(world, again(made)) is Errno.ENOENT
    with pytest.raises(VarpdError) as refused:
        world.varpd.instance_lookup(linkid)
    assert refused.value.errno is Errno.ENOENT


@pytest.mark.fact("VPD-Q3")
def test_an_instance_that_was_never_active_is_destroyed_and_not_stopped(
    world: VarpdWorld, instance: Make, traced: Any
) -> None:
    world.run(world.varpd.instance_destroy(instance()))
    assert traced.calls == ["create", "destroy"]


def test_a_fault_in_stop_or_destroy_does_not_stop_the_destruction(
    world: VarpdWorld, instance: Make, traced: Any, log: Any
) -> None:
    made = instance(activate=True)
    traced.faults.update(stop=RuntimeError("stop"), destroy=VarpdError(Errno.EBUSY))
    world.run(world.varpd.instance_destroy(made))
    assert traced.calls[-2:] == ["stop", "destroy"]
    assert (len(world.varpd.instances), world.store.files) == (0, {})
    assert log.named("search plugin failed") == [{"plugin": "traced", "operation": "stop"}]


@pytest.mark.fact("VPD-I1")
def test_a_live_id_is_never_given_again(world: VarpdWorld, instance: Make) -> None:
    instance("demo0")
    second = instance("demo1")
    world.varpd._ids._next = 1
    world.run(world.varpd.instance_destroy(second))
    assert instance("demo2") == 2
    assert instance("demo3") == 3


def test_who_asks_for_an_instance_that_is_destroyed_meanwhile_is_told_that_it_is_gone(
    world: VarpdWorld, instance: Make, traced: Any
) -> None:
    made = instance()

    async def race() -> list[object]:
        varpd = world.varpd
        lock = varpd.instances.find(made).lock
        await lock.acquire()
        waiting = [
            asyncio.ensure_future(work)
            for work in (
                varpd.instance_destroy(made),
                varpd.instance_activate(made),
                varpd.prop_set(made, 1, TEN),
            )
        ]
        await asyncio.sleep(0)
        lock.release()
        return await asyncio.gather(*waiting, return_exceptions=True)

    destroyed, *others = world.run(race())
    assert destroyed is None
    assert [one.errno for one in others if isinstance(one, KernelError)] == [Errno.ENOENT, Errno.ENOENT]
    assert "start" not in traced.calls


@pytest.mark.fact("VPD-Q2")
def test_an_instance_that_somebody_still_holds_when_it_is_destroyed_does_not_start_any_more(
    world: VarpdWorld, instance: Make, traced: Any
) -> None:
    made = instance()
    held = world.varpd.instances.find(made)
    world.run(world.varpd.instance_destroy(made))
    assert refusal(world, held.activate(world.varpd._overlay, world.store)) is Errno.ENOENT
    assert ("start" in traced.calls, world.store.files, varpd_id(world, held.linkid)) == (False, {}, b"")


def test_a_destroy_during_activation_comes_after_it_and_leaves_nothing(
    world: VarpdWorld, instance: Make, traced: Any
) -> None:
    made = instance()

    async def race() -> Sequence[object]:
        varpd = world.varpd
        return await asyncio.gather(varpd.instance_activate(made), varpd.instance_destroy(made), return_exceptions=True)

    assert list(world.run(race())) == [None, None]
    assert traced.calls[-4:] == ["save", "default", "stop", "destroy"]
    assert world.store.files == {}


def test_a_state_file_that_cannot_be_removed_is_a_panic(
    world: VarpdWorld, instance: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = instance(activate=True)

    def read_only(_number: int) -> None:
        raise VarpdError(Errno.EROFS)

    monkeypatch.setattr(world.store, "remove", read_only)
    with pytest.raises(VarpdPanic, match="state file of instance 1"):
        world.run(world.varpd.instance_destroy(made))


# ---------------------------------------------------------------------- properties, cache, upcalls


@pytest.mark.fact("VPD-Q13")
def test_properties_of_an_active_instance_are_busy(world: VarpdWorld, instance: Make) -> None:
    made = instance(activate=True)
    before = dict(world.store.files)
    assert refusal(world, world.varpd.prop_set(made, 2, uint_value(1))) is Errno.EBUSY
    assert world.varpd.prop_get(made, 2) == uint_value(4789)
    assert world.store.files == before
    assert refusal(world, world.varpd.prop_set(made, 0, b"direct\0")) is Errno.EPERM
    assert refusal(world, world.varpd.prop_set(made, 3, b"x")) is Errno.EINVAL
    assert refusal(world, world.varpd.prop_set(made, 1, TEN, 300)) is Errno.EOVERFLOW


@pytest.mark.fact("VPD-B50")
def test_the_cache_of_a_point_instance_is_its_point_for_every_address_and_cannot_be_changed(
    world: VarpdWorld, instance: Make
) -> None:
    made = instance(activate=True)
    varpd, mac = world.varpd, bytes(range(6))
    assert world.run(varpd.cache_get(made, mac)) == CacheEntry(mac, 0, Point(ip=TEN, port=4789))
    for change in (varpd.cache_set(made, CacheEntry(mac)), varpd.cache_delete(made, mac), varpd.cache_flush(made)):
        assert refusal(world, change) is Errno.ENOTSUP


@pytest.mark.fact("VPD-B49")
def test_unknown_flags_of_a_cache_entry_are_invalid(world: VarpdWorld, instance: Make) -> None:
    made = instance(activate=True)
    assert refusal(world, world.varpd.cache_set(made, CacheEntry(flags=2))) is Errno.EINVAL


def test_the_cache_of_an_instance_that_is_not_active_is_no_device(world: VarpdWorld, instance: Make) -> None:
    assert refusal(world, world.varpd.cache_get(instance(), bytes(6))) is Errno.ENXIO


@pytest.mark.fact("VPD-B47")
def test_a_walk_asks_for_1_to_200_entries(world: VarpdWorld, instance: Make) -> None:
    made, varpd = instance(activate=True), world.varpd
    assert refusal(world, varpd.cache_walk(made, bytes(8), 0)) is Errno.EINVAL
    assert refusal(world, varpd.cache_walk(made, bytes(8), 201)) is Errno.E2BIG
    assert refusal(world, varpd.cache_walk(9, bytes(8), 201)) is Errno.ENOENT
    marker, entries = world.run(varpd.cache_walk(made, bytes(8), 200))
    assert list(entries) == [CacheEntry(point=Point(ip=TEN, port=4789))]
    assert world.run(varpd.cache_walk(made, marker, 200))[1] == ()


def test_a_plugin_knows_the_virtual_network_and_can_degrade_and_restore_its_overlay(
    world: VarpdWorld, instance: Make, traced: Any
) -> None:
    linkid = world.varpd.instances.find(instance()).linkid
    (provider,) = traced.providers
    assert provider.vnetid == 23

    def status() -> OverlayStatus:
        world.run(world.varpd._upcalls.settle())
        return OverlayStatus.unpack(world.host.dld(OVERLAY_IOC_STATUS, OverlayStatus(linkid)))

    async def ask(what: Callable[..., None], *words: str) -> None:
        what(*words)

    world.run(ask(provider.degrade, "the far end is down"))
    assert (status().status, status().message) == (1, "the far end is down")
    world.run(ask(provider.restore))
    assert (status().status, status().message) == (0, "")


@pytest.mark.fact("VPD-Q31")
def test_degrading_an_overlay_that_is_gone_is_ignored(world: VarpdWorld, instance: Make, traced: Any, log: Any) -> None:
    world.host.delete_overlay(world.varpd.instances.find(instance()).linkid)
    (provider,) = traced.providers

    async def ask() -> None:
        provider.degrade("nobody sees this")
        provider.restore()

    world.run(ask())
    world.run(world.varpd._upcalls.settle())
    assert log.named("upcall refused") == []
    assert not world.varpd.failed.done()


def test_an_upcall_refused_for_another_reason_is_logged(
    world: VarpdWorld, instance: Make, traced: Any, log: Any
) -> None:
    instance()
    world.device.refuse[targ.OVERLAY_TARG_DEGRADE] = Errno.EIO

    async def ask() -> None:
        traced.providers[0].degrade("x")

    world.run(ask())
    world.run(world.varpd._upcalls.settle())
    assert [keys["operation"] for keys in log.named("upcall refused")] == ["degrade"]


def test_a_refresh_reaches_every_plugin_and_a_fault_stops_none(world: VarpdWorld, instance: Make, traced: Any) -> None:
    instance("demo0")
    instance("demo1")
    traced.faults["refresh"] = RuntimeError("no")
    world.varpd.refresh()
    assert traced.calls.count("refresh") == 2
    assert not world.varpd.failed.done()


def test_a_panic_of_a_refresh_ends_the_daemon(world: VarpdWorld, instance: Make, traced: Any) -> None:
    instance()
    traced.faults["refresh"] = VarpdPanic("inconsistent")
    world.varpd.refresh()
    assert str(world.varpd.failed.result()) == "inconsistent"


# ---------------------------------------------------------------------- persistence


def test_without_a_store_activation_writes_nothing_and_restore_has_no_directory(
    world: VarpdWorld, instance: Make
) -> None:
    world.varpd.persist_disable()
    instance(activate=True)
    assert world.store.files == {}
    assert refusal(world, world.varpd.persist_restore()) is Errno.EBADF


@pytest.mark.fact("VPD-Q20")
def test_disabling_persistence_that_is_not_enabled_is_not_found(world: VarpdWorld) -> None:
    world.varpd.persist_disable()
    with pytest.raises(VarpdError) as refused:
        world.varpd.persist_disable()
    assert refused.value.errno is Errno.ENOENT


def test_persistence_is_enabled_once(world: VarpdWorld) -> None:
    with pytest.raises(VarpdError) as refused:
        world.varpd.persist_enable(world.store)
    assert refused.value.errno is Errno.EEXIST


def test_an_activated_overlay_can_be_brought_up(world: VarpdWorld, instance: Make) -> None:
    linkid = world.varpd.instances.find(instance(activate=True)).linkid
    world.host.dld(OVERLAY_IOC_ACTIVATE, OverlayLink(linkid))
