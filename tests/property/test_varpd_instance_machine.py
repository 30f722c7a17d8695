"""The life of instances against a small model: links and instances come and go, steps fail, caches change, the daemon dies and returns.

Everything but configuration goes through the door, bytes in, bytes out.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from etherspan.testing.varpd import ROOT_USER, VarpdWorld
from kernel_sim.dev.paths import VARPD_DOOR
from kernel_sim.dev.sockets import Cred
from kernel_sim.sys import overlay_target as targ
from kernel_sim.sys.codec import CacheEntry, OverlayStatus, Point
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.overlay import OVERLAY_IOC_STATUS, OverlayPropId
from kernel_sim.sys.overlay_common import Dest
from kernel_sim.sys.overlay_target import OVERLAY_TARGET_CACHE_DROP, TargMode
from libvarpd.client import Client
from libvarpd.errors import VarpdError
from libvarpd.instance import InstanceState
from libvarpd.instances import ID_MAX, ID_MIN
from libvarpd.plugin import DROP, Answer, Provider, Query
from libvarpd.plugins.direct import Direct
from libvarpd.prop import V4_MAPPED, uint_value
from libvarpd.state import StateRecord, file_name

_T = TypeVar("_T")
NOBODY = Cred(5, 1000, 1000)
UNSPECIFIED = V4_MAPPED + bytes(4)
IPS = st.sampled_from([V4_MAPPED + bytes([10, 0, 0, 2]), bytes.fromhex("fd00") + bytes(13) + b"\2", UNSPECIFIED])
PORTS = st.sampled_from([1, 4789, 65535])
MACS = st.sampled_from([bytes([2, 0, 0, 0, 0, last]) for last in (3, 1, 2)])
TARGETS = st.sampled_from([Point(ip=V4_MAPPED + bytes([10, 0, 0, last]), port=last) for last in (7, 8)])
PICKS = st.integers(0, 9)
FAIL = st.sampled_from([None, None, None, "file", "kernel"])
"""The step of an activation that fails."""
MODES = {"direct": TargMode.POINT, "counted": TargMode.POINT, "roaming": TargMode.DYNAMIC}
SEARCHES = st.sampled_from(["direct", "counted", "roaming", "roaming", "refusing", "nope"])


class Counted(Direct):
    """`direct`, whose steps have to come in order. `running` are those started; `faults` what should not have been."""

    name = "counted"
    running: list[Counted]
    faults: list[str]

    def start(self) -> None:
        super().start()
        if self in self.running:
            self.faults.append("started twice")
        self.running.append(self)

    def stop(self) -> None:
        if self not in self.running:
            self.faults.append("stopped without a start")
        self.running.remove(self)

    def destroy(self) -> None:
        if self in self.running or self._dest is Dest.NONE:
            self.faults.append("destroyed while it runs, or twice")
        self._dest = Dest.NONE


class Roaming(Counted):
    """The same for a plugin that is asked."""

    name = "roaming"
    mode = TargMode.DYNAMIC

    async def lookup(self, query: Query) -> Answer:
        return DROP


class Refusing(Direct):
    """Takes no overlay."""

    name = "refusing"

    @classmethod
    def create(cls, provider: Provider, dest: Dest) -> Refusing:
        raise VarpdError(Errno.ENOTSUP)


@dataclass
class Model:
    """What an instance should be."""

    linkid: int
    search: str
    active: bool = False
    ip: bytes = b""
    port: int = 0

    @property
    def mode(self) -> TargMode:
        return MODES[self.search]


@dataclass
class Overlay:
    """What the kernel should know of an overlay: the instance it is bound to, 0 for none, and that one's destinations."""

    bound: int = 0
    point: Point | None = None
    cache: dict[bytes, tuple[Point | None, bool]] = field(default_factory=dict)
    """Every MAC address there was an answer for: where to, and whether frames are dropped all the same (KRN-I22)."""

    def bind(self, number: int, model: Model) -> None:
        """ASSOCIATE: what there was is forgotten."""
        self.bound, self.cache = number, {}
        self.point = Point(ip=model.ip, port=model.port) if model.mode is TargMode.POINT else None

    def entry(self, mac: bytes) -> CacheEntry | None:
        if self.point is not None:
            return CacheEntry(mac, 0, self.point)
        to, drop = self.cache.get(mac, (None, False))
        if drop:
            return CacheEntry(mac, OVERLAY_TARGET_CACHE_DROP)
        return None if to is None else CacheEntry(mac, 0, to)

    def change(self, op: str, mac: bytes, to: Point | None) -> Errno | None:
        """A change of the cache, or why there is none."""
        if not self.bound:
            return Errno.ENXIO
        if self.point is not None:
            return Errno.ENOTSUP
        before, drop = self.cache.get(mac, (None, False))
        if op == "set":
            self.cache[mac] = (before, True) if to is None else (to, drop)
        elif op == "flush":
            self.cache = dict.fromkeys(self.cache, (None, False))
        elif mac not in self.cache:
            return Errno.ENOENT
        else:
            self.cache[mac] = (None, False)
        return None


class InstanceLife(RuleBasedStateMachine):
    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.running: list[Counted] = []
        self.faults: list[str] = []
        traced = {"running": self.running, "faults": self.faults}
        self.world = VarpdWorld(type("Mine", (Counted,), traced), type("Hers", (Roaming,), traced), Refusing)
        self.client = Client.create(self.world)
        self.overlays: dict[int, Overlay] = {}
        self.instances: dict[int, Model] = {}
        self.degraded: set[int] = set()
        self.put_aside: set[str] = set()
        self.links: list[int] = []

    def teardown(self) -> None:
        self.world.close()

    # ------------------------------------------------------------------ overlays

    @rule()
    def create_overlay(self) -> None:
        self.new_overlay()

    def new_overlay(self) -> int:
        number = len(self.links) + 1
        linkid = self.world.host.create_overlay(f"demo{number}", number, to=None)
        self.overlays[linkid] = Overlay()
        self.links.append(linkid)
        return linkid

    def link(self, pick: int) -> int:
        """One that is or was an overlay."""
        return self.links[pick % len(self.links)] if self.links else 0

    @rule(pick=PICKS)
    def delete_overlay(self, pick: int) -> None:
        linkid = self.link(pick)
        if linkid in self.overlays:
            self.world.host.delete_overlay(linkid)
            del self.overlays[linkid]
            self.degraded.discard(linkid)

    # ------------------------------------------------------------------ instances

    @rule(target=ids, pick=PICKS, search=SEARCHES)
    def create(self, pick: int, search: str) -> object:
        made = self.create_over(self.link(pick), search)
        return multiple() if made is None else made

    @rule(target=ids, search=st.sampled_from(sorted(MODES)), fail=FAIL)
    def bring_up(self, search: str, fail: str | None) -> int:
        """What create-overlay does."""
        made = self.create_over(self.new_overlay(), search)
        assert made is not None
        self.configure(made, V4_MAPPED + bytes([10, 0, 0, 2]), 4789)
        self.activate(made, fail)
        return made

    @rule()
    def be_refused(self) -> None:
        assert self.create_over(self.new_overlay(), "refusing") is None

    def create_over(self, linkid: int, search: str) -> int | None:
        faults = (
            (search == "nope" or linkid not in self.overlays, Errno.ENOENT),
            (any(model.linkid == linkid for model in self.instances.values()), Errno.EEXIST),
            (search == "refusing", Errno.ENOTSUP),
        )
        wanted = next((errno for wrong, errno in faults if wrong), None)
        made = self.attempt(wanted, lambda: self.client.instance_create(linkid, search))
        if made is not None:
            assert ID_MIN <= made <= ID_MAX
            assert made not in self.instances
            self.instances[made] = Model(linkid, search)
        return made

    @rule(instance=ids, ip=st.none() | IPS, port=st.none() | PORTS)
    def configure(self, instance: int, ip: bytes | None, port: int | None) -> None:
        model = self.instances.get(instance)
        wanted = Errno.ENOENT if model is None else Errno.EBUSY if model.active else None
        varpd = self.world.varpd
        for index, value in ((1, ip), (2, None if port is None else uint_value(port))):
            if value is not None:
                self.attempt(wanted, lambda i=index, v=value: self.world.run(varpd.prop_set(instance, i, v)))
        if model is not None and not model.active:
            model.ip, model.port = ip or model.ip, port or model.port

    @rule(instance=ids, fail=FAIL)
    def activate(self, instance: int, fail: str | None) -> None:
        if fail == "file":
            self.world.store.refuse = VarpdError(Errno.ENOSPC)
        if fail == "kernel":
            self.world.device.refuse[targ.OVERLAY_TARG_ASSOCIATE] = Errno.EIO
        wanted = self.activation_error(instance, fail)
        self.attempt(wanted, lambda: self.client.instance_activate(instance))
        self.world.store.refuse = None
        self.world.device.refuse.clear()
        if wanted is None:
            model = self.instances[instance]
            model.active = True
            self.overlays[model.linkid].bind(instance, model)

    def activation_error(self, instance: int, fail: str | None) -> Errno | None:
        model = self.instances.get(instance)
        if model is None:
            return Errno.ENOENT
        overlay = self.overlays.get(model.linkid)
        faults = (
            (model.active, Errno.EEXIST),
            (not (model.ip and model.port), Errno.EAGAIN),
            (fail == "file", Errno.ENOSPC),
            (fail == "kernel", Errno.EIO),
            (overlay is None, Errno.ENOENT),
            (model.mode is TargMode.POINT and model.ip == UNSPECIFIED, Errno.EINVAL),
            (overlay is not None and overlay.bound, Errno.EEXIST),  # an earlier instance's binding stays
        )
        return next((errno for wrong, errno in faults if wrong), None)

    @rule(instance=consumes(ids))
    def destroy(self, instance: int) -> None:
        self.attempt(
            None if instance in self.instances else Errno.ENOENT, lambda: self.client.instance_destroy(instance)
        )
        self.instances.pop(instance, None)

    # ------------------------------------------------------------------ the cache

    @rule(instance=ids, op=st.sampled_from(["set", "set", "delete", "flush"]), mac=MACS, to=st.none() | TARGETS)
    def change_cache(self, instance: int, op: str, mac: bytes, to: Point | None) -> None:
        entry = CacheEntry(mac, OVERLAY_TARGET_CACHE_DROP) if to is None else CacheEntry(mac, 0, to)
        model = self.instances.get(instance)
        overlay = self.overlays.get(model.linkid) if model is not None else None
        wanted = Errno.ENOENT if overlay is None else overlay.change(op, mac, to)
        changes: dict[str, Callable[[], None]] = {
            "set": lambda: self.client.instance_cache_set(instance, entry),
            "delete": lambda: self.client.instance_cache_delete(instance, mac),
            "flush": lambda: self.client.instance_cache_flush(instance),
        }
        self.attempt(wanted, changes[op])

    @rule(instance=ids | st.integers(0, 2**64 - 1), op=st.sampled_from(["set", "delete", "flush"]), mac=MACS)
    def change_cache_without_privileges(self, instance: int, op: str, mac: bytes) -> None:
        self.world.caller = NOBODY
        changes: dict[str, Callable[[], None]] = {
            "set": lambda: self.client.instance_cache_set(instance, CacheEntry(mac)),
            "delete": lambda: self.client.instance_cache_delete(instance, mac),
            "flush": lambda: self.client.instance_cache_flush(instance),
        }
        self.attempt(Errno.EPERM, changes[op])
        self.world.caller = ROOT_USER

    @rule(instance=ids, mac=MACS, caller=st.sampled_from([ROOT_USER, NOBODY]))
    def read_cache(self, instance: int, mac: bytes, caller: Cred) -> None:
        self.world.caller = caller
        model = self.instances.get(instance)
        overlay = self.overlays.get(model.linkid) if model is not None else None
        missing = Errno.ENOENT if overlay is None else None if overlay.bound else Errno.ENXIO
        entry = overlay.entry(mac) if overlay is not None and not missing else None
        found = self.attempt(
            missing or (None if entry else Errno.ENOENT), lambda: self.client.instance_cache_get(instance, mac)
        )
        assert found == entry
        walked = self.attempt(missing, lambda: list(self.client.instance_cache_walk(instance)))
        if walked is not None:
            assert overlay is not None
            if overlay.point is not None:
                assert [one.point for one in walked] == [overlay.point]
            else:
                assert [one.mac for one in walked] == sorted(mac for mac in overlay.cache if overlay.entry(mac))
        self.world.caller = ROOT_USER

    # ------------------------------------------------------------------ what is no request

    @rule(size=st.sampled_from([1, 7, 8, 88, 615]), command=st.integers(0, 14), body=st.binary(max_size=80))
    def send_too_little(self, size: int, command: int, body: bytes) -> None:
        self.send_nonsense((struct.pack("=II", command, 0) + body).ljust(size, b"\1")[:size])

    @rule(command=st.sampled_from([0, 15, 16, 255, 2**32 - 1]), size=st.sampled_from([616, 3632]))
    def send_what_is_no_command(self, command: int, size: int) -> None:
        self.send_nonsense(struct.pack("=II", command, 0).ljust(size, b"\1"))

    def send_nonsense(self, message: bytes) -> None:
        assert self.world.connect(VARPD_DOOR).call(message) == struct.pack("=II", 0, Errno.EINVAL)

    # ------------------------------------------------------------------ restarts

    @rule(damage=st.booleans(), times=st.integers(1, 2))
    def restart(self, damage: bool, times: int) -> None:
        files = self.world.store.files
        if damage and files:
            name = max(files)
            files[name] += b"\0"
        lost = {name for name in files if not self.restorable(name)}
        kept = {name: data for name, data in files.items() if name not in lost}
        self.put_aside |= {f"{name}.bad" for name in lost if not name.endswith(".bad")}
        for _ in range(times):
            self.running.clear()
            self.world.restart()
            assert {name: data for name, data in files.items() if name not in self.put_aside} == kept
        self.instances = {
            number: model for number, model in self.instances.items() if model.active and file_name(number) not in lost
        }
        for number, model in self.instances.items():
            self.overlays[model.linkid].bind(number, model)
        served = {model.linkid for model in self.instances.values()}
        self.degraded = set(self.overlays) - served

    def restorable(self, name: str) -> bool:
        try:
            record = StateRecord.decode(self.world.store.files[name])
        except VarpdError:
            return False
        return record.linkid in self.overlays

    # ------------------------------------------------------------------ what always holds

    @invariant()
    def instances_are_the_models(self) -> None:
        found = {one.id: (one.linkid, one.state is InstanceState.ACTIVE) for one in self.world.varpd.instances}
        assert found == {number: (model.linkid, model.active) for number, model in self.instances.items()}
        assert self.world.varpd._ids._used == set(found)
        served = {model.linkid for model in self.instances.values()}
        assert all(self.world.varpd.instances.has_link(linkid) == (linkid in served) for linkid in self.overlays)
        for number, model in self.instances.items():
            assert self.client.instance_lookup(model.linkid) == number
            assert self.client.instance_target_mode(number) == (Dest.IP | Dest.PORT, model.mode)
            assert self.world.varpd.prop_get(number, 1) == model.ip
            assert self.world.varpd.prop_get(number, 2) == (uint_value(model.port) if model.port else b"")

    @invariant()
    def plugins_run_exactly_for_active_instances(self) -> None:
        assert self.faults == []
        active = [model for model in self.instances.values() if model.active and model.search != "direct"]
        assert len(self.running) == len(active)

    @invariant()
    def state_files_are_those_of_active_instances(self) -> None:
        active = {file_name(number) for number, model in self.instances.items() if model.active}
        assert set(self.world.store.files) == active | self.put_aside
        for name in active:
            record = StateRecord.decode(self.world.store.files[name])
            assert file_name(record.id) == name
            assert record.linkid == self.instances[record.id].linkid

    @invariant()
    def the_kernel_is_bound_to_the_instances(self) -> None:
        for linkid, overlay in self.overlays.items():
            value = self.world.host.get_property(linkid, OverlayPropId.VARPD_ID)
            assert int.from_bytes(value, "little") == overlay.bound
            reply = self.world.host.dld(OVERLAY_IOC_STATUS, OverlayStatus(linkid))
            assert OverlayStatus.unpack(reply).status == (linkid in self.degraded)

    # ------------------------------------------------------------------ inside

    @staticmethod
    def attempt(wanted: Errno | None, act: Callable[[], _T]) -> _T | None:
        try:
            result = act()
        except KernelError as error:
            assert error.errno is wanted, f"{error}, {wanted!r} was expected"
            return None
        assert wanted is None, f"it succeeded, {wanted!r} was expected"
        return result


InstanceLife.TestCase.settings = settings(
    phases=__import__("hypothesis").settings.default.phases[:3], max_examples=80, stateful_step_count=40, deadline=None
)


TestInstanceLife = pytest.mark.fact(
    "VPD-I1",
    "VPD-I2",
    "VPD-I3",
    "VPD-I4",
    "VPD-I5",
    "VPD-I6",
    "VPD-I7",
    "VPD-I8",
    "VPD-I14",
    "VPD-I15",
    "VPD-I16",
    "VPD-I36",
    "VPD-I37",
)(InstanceLife.TestCase)
