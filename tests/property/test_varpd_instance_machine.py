"""The life of instances against a small model: overlays and instances come and go, steps fail, the daemon dies and comes back."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from etherspan.testing.varpd import VarpdWorld
from kernel_sim.sys import overlay_target as targ
from kernel_sim.sys.codec import OverlayStatus
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.overlay import OVERLAY_IOC_STATUS, OverlayPropId
from libvarpd.client import Client
from libvarpd.errors import VarpdError
from libvarpd.instance import InstanceState
from libvarpd.instances import ID_MAX, ID_MIN
from libvarpd.prop import V4_MAPPED, uint_value
from libvarpd.state import StateRecord, file_name

UNSPECIFIED = V4_MAPPED + bytes(4)
IPS = st.sampled_from([V4_MAPPED + bytes([10, 0, 0, 2]), bytes.fromhex("fd00") + bytes(13) + b"\2", UNSPECIFIED])
PORTS = st.sampled_from([1, 4789, 65535])


@dataclass
class Model:
    """What an instance should be."""

    linkid: int
    active: bool = False
    ip: bytes = b""
    port: int = 0


class InstanceLife(RuleBasedStateMachine):
    links = Bundle("links")
    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.world = VarpdWorld()
        self.client = Client.create(self.world)
        self.overlays: dict[int, int] = {}
        """Link ids and the instance each overlay is bound to, 0 for none."""
        self.instances: dict[int, Model] = {}
        self.degraded: set[int] = set()
        self.put_aside: set[str] = set()
        self.made = 0

    def teardown(self) -> None:
        self.world.close()

    # ------------------------------------------------------------------ overlays

    @rule(target=links)
    def create_overlay(self) -> int:
        self.made += 1
        linkid = self.world.host.create_overlay(f"demo{self.made}", self.made, to=None)
        self.overlays[linkid] = 0
        return linkid

    @rule(linkid=links)
    def delete_overlay(self, linkid: int) -> None:
        if linkid in self.overlays:
            self.world.host.delete_overlay(linkid)
            del self.overlays[linkid]
            self.degraded.discard(linkid)

    # ------------------------------------------------------------------ instances

    @rule(target=ids, linkid=links, search=st.sampled_from(["direct", "direct", "nope"]))
    def create(self, linkid: int, search: str) -> object:
        taken = any(model.linkid == linkid for model in self.instances.values())
        wanted = Errno.ENOENT if search == "nope" or linkid not in self.overlays else Errno.EEXIST if taken else None
        made = self.attempt(wanted, lambda: self.client.instance_create(linkid, search))
        if made is None:
            return multiple()
        assert ID_MIN <= made <= ID_MAX
        assert made not in self.instances
        self.instances[made] = Model(linkid)
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

    @rule(instance=ids, fail=st.sampled_from([None, None, "file", "kernel"]))
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
            self.instances[instance].active = True
            self.overlays[self.instances[instance].linkid] = instance

    def activation_error(self, instance: int, fail: str | None) -> Errno | None:
        model = self.instances.get(instance)
        if model is None:
            return Errno.ENOENT
        faults = (
            (model.active, Errno.EEXIST),
            (not (model.ip and model.port), Errno.EAGAIN),
            (fail == "file", Errno.ENOSPC),
            (fail == "kernel", Errno.EIO),
            (model.linkid not in self.overlays, Errno.ENOENT),
            (model.ip == UNSPECIFIED, Errno.EINVAL),
            (self.overlays.get(model.linkid, 0) != 0, Errno.EEXIST),  # an earlier instance's binding stays
        )
        return next((errno for wrong, errno in faults if wrong), None)

    @rule(instance=consumes(ids))
    def destroy(self, instance: int) -> None:
        self.attempt(
            None if instance in self.instances else Errno.ENOENT, lambda: self.client.instance_destroy(instance)
        )
        self.instances.pop(instance, None)

    # ------------------------------------------------------------------ restarts

    @rule(damage=st.booleans())
    def restart(self, damage: bool) -> None:
        if damage and self.world.store.files:
            name = max(self.world.store.files)
            self.world.store.files[name] += b"\0"
        lost = {name for name in self.world.store.files if not self.restorable(name)}
        self.put_aside |= {f"{name}.bad" for name in lost if not name.endswith(".bad")}
        self.world.restart()
        self.instances = {
            number: model for number, model in self.instances.items() if model.active and file_name(number) not in lost
        }
        for number, model in self.instances.items():
            self.overlays[model.linkid] = number
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
        served = {model.linkid for model in self.instances.values()}
        assert all(self.world.varpd.instances.has_link(linkid) == (linkid in served) for linkid in self.overlays)
        for number, model in self.instances.items():
            assert self.client.instance_lookup(model.linkid) == number
            assert self.world.varpd.prop_get(number, 1) == model.ip
            assert self.world.varpd.prop_get(number, 2) == (uint_value(model.port) if model.port else b"")

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
        for linkid, bound in self.overlays.items():
            value = self.world.host.get_property(linkid, OverlayPropId.VARPD_ID)
            assert int.from_bytes(value, "little") == bound
            reply = self.world.host.dld(OVERLAY_IOC_STATUS, OverlayStatus(linkid))
            assert OverlayStatus.unpack(reply).status == (linkid in self.degraded)

    # ------------------------------------------------------------------ inside

    @staticmethod
    def attempt(wanted: Errno | None, act: object) -> int | None:
        try:
            result: int | None = act()  # type: ignore[operator]
        except KernelError as error:
            assert error.errno is wanted, f"{error}, {wanted!r} was expected"
            return None
        assert wanted is None, f"it succeeded, {wanted!r} was expected"
        return result


InstanceLife.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


PINNED = ("VPD-I1", "VPD-I2", "VPD-I3", "VPD-I5", "VPD-I6", "VPD-I8", "VPD-I14")
TestInstanceLife = pytest.mark.fact(*PINNED)(InstanceLife.TestCase)
