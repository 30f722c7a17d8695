"""The next daemon adopts what the last one left: over the same kernel, from its state files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from etherspan.testing.varpd import VarpdWorld
from kernel_sim.sys import overlay_target as targ
from kernel_sim.sys.codec import OverlayLink, OverlayStatus
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.overlay import OVERLAY_IOC_ACTIVATE, OVERLAY_IOC_STATUS, OverlayPropId
from libvarpd.errors import VarpdError
from libvarpd.instance import InstanceState
from libvarpd.nvpair import NvList
from libvarpd.persist import StateDirectory
from libvarpd.plugins.direct import Direct
from libvarpd.prop import uint_value
from libvarpd.state import StateRecord, file_name

Make = Callable[..., int]
ORPHAN = (1, "no varpd instance exists")


def bound_to(world: VarpdWorld, linkid: int) -> int:
    return int.from_bytes(world.host.get_property(linkid, OverlayPropId.VARPD_ID), "little")


def status(world: VarpdWorld, linkid: int) -> tuple[int, str]:
    found = OverlayStatus.unpack(world.host.dld(OVERLAY_IOC_STATUS, OverlayStatus(linkid)))
    return found.status, found.message


def instances(world: VarpdWorld) -> list[tuple[int, int, InstanceState]]:
    return [(one.id, one.linkid, one.state) for one in world.varpd.instances]


def saved(world: VarpdWorld, instance: int, **changes: Any) -> bytes:
    """The bytes of an instance's state file with some fields changed."""
    return replace(StateRecord.decode(world.store.files[file_name(instance)]), **changes).encode()


@pytest.mark.fact("VPD-I15", "VPD-I16")
@pytest.mark.parametrize("up", [False, True])
def test_a_restart_brings_back_the_same_instances_bound_to_the_same_overlays(
    world: VarpdWorld, instance: Make, up: bool
) -> None:
    made = [instance(f"demo{n}", activate=True) for n in range(3)]
    links = {one: world.varpd.instances.find(one).linkid for one in made}
    if up:  # dladm activated the devices; if it did not come so far, an association exists all the same
        for linkid in links.values():
            world.host.dld(OVERLAY_IOC_ACTIVATE, OverlayLink(linkid))
    files = dict(world.store.files)
    for _ in range(2):
        world.restart()
        assert instances(world) == [(one, links[one], InstanceState.ACTIVE) for one in made]
        assert {one: bound_to(world, links[one]) for one in made} == {one: one for one in made}
        assert world.store.files == files
    world.run(world.varpd.instance_destroy(made[2]))
    linkid = world.host.create_overlay("demo9", 99, to=None)
    assert world.run(world.varpd.instance_create(linkid, "direct")) == 3
    linkid = world.host.create_overlay("demo8", 98, to=None)
    assert world.run(world.varpd.instance_create(linkid, "direct")) == 4


def test_properties_come_back_and_a_later_destroy_is_complete(world: VarpdWorld, instance: Make, traced: Any) -> None:
    made = instance(activate=True)
    world.restart()
    assert world.varpd.prop_get(made, 2) == uint_value(4789)
    assert traced.providers[-1].vnetid == 23
    traced.calls.clear()
    world.run(world.varpd.instance_destroy(made))
    assert (traced.calls, world.store.files) == (["stop", "destroy"], {})


def test_an_instance_that_was_not_active_is_gone_after_a_restart(world: VarpdWorld, instance: Make) -> None:
    linkid = world.varpd.instances.find(instance()).linkid
    world.restart()
    assert instances(world) == []
    assert status(world, linkid) == ORPHAN


@pytest.mark.fact("VPD-I14")
def test_every_overlay_has_an_instance_or_is_degraded_and_says_why(world: VarpdWorld, instance: Make) -> None:
    kept, lost = instance("demo0", activate=True), instance("demo1", activate=True)
    kept_link, lost_link = (world.varpd.instances.find(one).linkid for one in (kept, lost))
    bare = world.host.create_overlay("demo2", 77, to=None)
    del world.store.files[file_name(lost)]
    world.restart()
    assert [status(world, linkid) for linkid in (kept_link, lost_link, bare)] == [(0, ""), ORPHAN, ORPHAN]
    assert [one.linkid for one in world.varpd.instances] == [kept_link]


def test_an_overlay_that_was_degraded_is_sound_once_its_instance_is_back(world: VarpdWorld, instance: Make) -> None:
    made = instance(activate=True)
    linkid = world.varpd.instances.find(made).linkid
    files = dict(world.store.files)
    world.store.files.clear()
    world.restart()
    assert status(world, linkid) == ORPHAN
    world.store.files.update(files)
    world.restart()
    assert status(world, linkid) == (0, "")
    assert bound_to(world, linkid) == made


BAD_FILES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "header only": lambda good: good[:24],
    "cut short": lambda good: good[:-1],
    "other magic": lambda good: b"varq" + good[4:],
    "other version": lambda good: good[:4] + b"\2\0\0\0" + good[8:],
    "wrong checksum": lambda good: good[:-9] + b"\1" + good[-8:],
}


@pytest.mark.fact("VPD-B51", "VPD-Q23")
@pytest.mark.parametrize("damage", BAD_FILES)
def test_a_file_that_is_no_state_file_is_put_aside_and_the_others_restored(
    world: VarpdWorld, instance: Make, log: Any, damage: str
) -> None:
    bad, good = instance("demo0", activate=True), instance("demo1", activate=True)
    linkid = world.varpd.instances.find(bad).linkid
    data = BAD_FILES[damage](world.store.files[file_name(bad)])
    world.store.files[file_name(bad)] = data
    world.restart()
    assert [one.id for one in world.varpd.instances] == [good]
    assert set(world.store.files) == {f"{bad}.varpd.bad", f"{good}.varpd"}
    assert world.store.files[f"{bad}.varpd.bad"] == data
    assert [keys["file"] for keys in log.named("state file put aside")] == [f"{bad}.varpd"]
    assert status(world, linkid) == ORPHAN


class Renamed(Direct):
    name = "other"


@pytest.mark.fact("VPD-B52")
@pytest.mark.parametrize("case", ["unknown plugin", "mode", "link gone", "needs"])
def test_a_file_that_does_not_suit_the_host_any_more_is_put_aside(world: VarpdWorld, instance: Make, case: str) -> None:
    made = instance(activate=True)
    linkid = world.varpd.instances.find(made).linkid
    name = file_name(made)
    if case == "needs":
        world.store.files[name] = saved(world, made, dest=2)
    if case == "mode":
        world.store.files[name] = saved(world, made, mode=2)
    if case == "link gone":
        world.host.delete_overlay(linkid)
    world.restart(*([Renamed] if case == "unknown plugin" else []))
    assert list(world.store.files) == [f"{name}.bad"]
    assert len(world.varpd.instances) == 0


@pytest.mark.fact("VPD-B53")
@pytest.mark.parametrize("number", [0, 2147483647, 2**40, 2**32 + 5, 2**64 - 1])
def test_an_id_out_of_range_is_put_aside_and_takes_no_id(world: VarpdWorld, instance: Make, number: int) -> None:
    made = instance(activate=True)
    world.store.files = {file_name(number): saved(world, made, id=number)}
    world.restart()
    assert list(world.store.files) == [f"{number}.varpd.bad"]
    assert world.varpd._ids._used == set()


@pytest.mark.fact("VPD-Q39")
@pytest.mark.parametrize("name", ["007.varpd", "+7.varpd", "-7.varpd", ".varpd", " 7.varpd", "8.varpd"])
def test_a_file_whose_name_is_not_its_instances_is_put_aside(world: VarpdWorld, instance: Make, name: str) -> None:
    made = instance(activate=True)
    world.store.files = {name: saved(world, made, id=7), "7.varpd": saved(world, made, id=7)}
    world.restart()
    assert [one.id for one in world.varpd.instances] == [7]
    assert set(world.store.files) == {"7.varpd", f"{name}.bad"}


@pytest.mark.fact("VPD-B54")
def test_of_two_files_naming_one_link_the_first_is_kept(world: VarpdWorld, instance: Make) -> None:
    made = instance(activate=True)
    linkid = world.varpd.instances.find(made).linkid
    world.store.files["10.varpd"] = saved(world, made, id=10)
    world.store.files["9.varpd"] = saved(world, made, id=9)
    world.restart()
    assert instances(world) == [(made, linkid, InstanceState.ACTIVE)]
    assert set(world.store.files) == {f"{made}.varpd", "9.varpd.bad", "10.varpd.bad"}
    assert bound_to(world, linkid) == made


@pytest.mark.parametrize("operation", ["restore", "start"])
@pytest.mark.parametrize("fault", [VarpdError(Errno.ENOMEM), VarpdError(Errno.ECONNRESET), RuntimeError("bug")])
def test_a_plugin_that_fails_to_restore_leaves_nothing_behind_but_the_file(
    world: VarpdWorld, instance: Make, traced: Any, operation: str, fault: Exception
) -> None:
    instance(activate=True)
    traced.calls.clear()
    traced.faults[operation] = fault
    world.restart()
    assert list(world.store.files) == ["1.varpd.bad"]
    assert (len(world.varpd.instances), world.varpd._ids._used) == (0, set())
    assert traced.calls == {"restore": ["restore"], "start": ["restore", "start", "destroy"]}[operation]


def test_a_destination_the_kernel_refuses_to_bind_is_put_aside_with_the_plugin_stopped(
    world: VarpdWorld, instance: Make, traced: Any
) -> None:
    made = instance(activate=True)
    linkid = world.varpd.instances.find(made).linkid
    world.store.files[file_name(made)] = saved(world, made, private=unusable())
    traced.calls.clear()
    world.restart()
    assert traced.calls == ["restore", "start", "default", "stop", "destroy"]
    assert list(world.store.files) == [f"{made}.varpd.bad"]
    assert bound_to(world, linkid) == 0


def unusable() -> NvList:
    """What `direct` would have saved for the unspecified address, which the kernel refuses."""
    private = NvList()
    private.add_uint16("direct/dest_port", 4789)
    private.add_string("direct/dest_ip", "::")
    return private


@pytest.mark.fact("VPD-I13")
def test_files_with_other_names_are_never_touched(world: VarpdWorld, instance: Make) -> None:
    instance(activate=True)
    others = dict.fromkeys(
        (".12.1.varpd", "1.varpd.bak", "x.varpd", "varpd.door", "18446744073709551616.varpd"), b"mine"
    )
    world.store.files.update(others)
    read: list[str] = []
    plain = world.store.read
    world.store.read = lambda name: (read.append(name), plain(name))[1]  # type: ignore[func-returns-value,method-assign]
    world.restart()
    assert read == ["1.varpd"]
    assert {name: data for name, data in world.store.files.items() if name != "1.varpd"} == others


@pytest.mark.fact("VPD-B56")
def test_a_file_that_cannot_be_opened_ends_the_restore_and_orphans_are_marked_all_the_same(
    world: VarpdWorld, instance: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    linkid = world.varpd.instances.find(instance(activate=True)).linkid

    def unreadable(name: str) -> bytes:
        raise VarpdError(Errno.EACCES, name)

    monkeypatch.setattr(world.store, "read", unreadable)
    with pytest.raises(VarpdError) as refused:
        world.restart()
    assert refused.value.errno is Errno.EACCES
    assert status(world, linkid) == ORPHAN
    assert list(world.store.files) == ["1.varpd"]


def test_a_kernel_that_goes_away_during_the_restore_costs_no_file(
    world: VarpdWorld, instance: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance(activate=True)
    monkeypatch.setattr(
        "etherspan.testing.varpd.KernelDevice.ioctl", lambda *_: (_ for _ in ()).throw(KernelError(Errno.ECONNRESET))
    )
    with pytest.raises(KernelError) as refused:
        world.restart()
    assert refused.value.errno is Errno.ECONNRESET
    assert list(world.store.files) == ["1.varpd"]


def test_the_same_works_over_a_directory(world: VarpdWorld, instance: Make, tmp_path: Path) -> None:
    world.varpd.persist_disable()
    world.varpd.persist_enable(StateDirectory.open(tmp_path))
    made = instance(activate=True)
    (tmp_path / "5.varpd").mkdir()
    (tmp_path / "6.varpd").write_bytes(b"junk")
    world.run(world.varpd.destroy())
    world.store = StateDirectory.open(tmp_path)  # type: ignore[assignment]
    world.run(world._start())
    assert [one.id for one in world.varpd.instances] == [made]
    assert {path.name for path in tmp_path.iterdir()} == {"1.varpd", "5.varpd", "6.varpd.bad"}


def test_the_overlay_is_let_go_before_it_is_bound_again(world: VarpdWorld, instance: Make) -> None:
    instance(activate=True)
    world.restart()
    order = (targ.OVERLAY_TARG_INFO, targ.OVERLAY_TARG_DISASSOCIATE, targ.OVERLAY_TARG_ASSOCIATE)
    assert [cmd for cmd in world.device.calls if cmd in order] == list(order)
