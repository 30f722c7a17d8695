"""What the driver asks of a target that decides frame by frame, as dynamic ones will."""

from __future__ import annotations

import pytest

from etherspan.testing import frames
from etherspan.testing.host import MemoryHost
from etherspan.testing.memory import MemoryClock, MemoryNetwork, MemoryPort, address
from kernel_sim.overlay.device import OverlayDevice
from kernel_sim.overlay.drops import DeviceDrop
from kernel_sim.overlay.target import Association, Destination, PointTarget, Verdict
from kernel_sim.sys import overlay_target as targ
from kernel_sim.sys.codec import OverlayLink, TargAssociate, TargId
from kernel_sim.sys.message import Message
from kernel_sim.sys.overlay import OVERLAY_IOC_ACTIVATE
from kernel_sim.sys.overlay_common import DEST_IP_PORT
from kernel_sim.sys.overlay_target import TargMode

A = bytes.fromhex("02082000000a")


class Deciding(PointTarget):
    """Decides by the first byte of a frame."""

    mode = TargMode.DYNAMIC
    fixed = None

    def __init__(self, device: OverlayDevice, association: Association) -> None:
        self.varpd_id = association.varpd_id
        self.asked: list[int] = []
        self.parked: list[bytes] = []
        self.retired = 0
        self.known = {0x02: Destination(address("10.0.0.2")), 0x04: Destination(address("fd00::2"))}

    def lookup(self, message: Message) -> Verdict:
        first = message.data[0]
        self.asked.append(first)
        if first == 0x06:
            return DeviceDrop.TX_TARGET
        if first not in self.known:
            self.parked.append(bytes(message.data))
        return self.known.get(first)

    def retire(self) -> None:
        self.retired += 1


class World:
    def __init__(self) -> None:
        clock = MemoryClock()
        self.network = MemoryNetwork(clock)
        self.host = MemoryHost(clock, self.network, "10.0.0.1")
        self.host.kernel._targets.makers[TargMode.DYNAMIC] = Deciding
        self.link = self.host.create_overlay("demo0", 23, to=None)
        self.target = self.associate()
        self.host.dld(OVERLAY_IOC_ACTIVATE, OverlayLink(self.link))
        self.port = self.host.create_vnic("vnic0", self.link, A)

    def associate(self) -> Deciding:
        wanted = TargAssociate(self.link, TargMode.DYNAMIC, 9, DEST_IP_PORT)
        self.host.targ(targ.OVERLAY_TARG_ASSOCIATE, wanted)
        target = self.host.kernel.overlays.find(self.link).target
        assert isinstance(target, Deciding)
        return target

    @property
    def sent(self) -> list[int]:
        return [datagram.payload[8] for datagram in self.network.wire]


@pytest.fixture
def world() -> World:
    return World()


def frame(first: int, size: int = 60) -> bytes:
    return bytes((first,)) * 6 + A + b"\x88\xb5" + bytes(size - 14)


def run(first: int) -> Message:
    return frames.tcp_run(bytes((first,)) * 6, A, "1.2.3.4", "1.2.3.5", payload=bytes(1000), mss=100)


def test_each_message_is_looked_up_once_a_run_too(world: World) -> None:
    world.port.send(frame(2), frame(2), run(2), frame(6), frame(8))
    assert world.target.asked == [2, 2, 2, 6, 8]
    assert world.sent == [2] * 12


def test_a_dropped_run_counts_as_its_frames_and_the_chain_goes_on(world: World) -> None:
    world.port.send(frame(6), run(6), frame(2))
    assert world.host.drops("demo0") == {"tx_target_drop": 11}
    assert world.sent == [2]


def test_what_the_target_keeps_is_neither_sent_nor_dropped(world: World) -> None:
    world.port.send(frame(8), frame(2), frame(8))
    assert world.target.parked == [frame(8)] * 2
    assert world.host.drops("demo0") == {}
    assert world.sent == [2]


def test_a_destination_of_the_wrong_family_ends_the_chain_behind_what_was_sent(world: World) -> None:
    world.port.send(frame(2), frame(4), frame(2))
    assert world.sent == [2]
    assert world.host.drops("demo0") == {"tx_address_family": 1, "tx_chain_abandoned": 1}


def test_a_destination_is_worked_out_again_for_another_socket(world: World) -> None:
    def again() -> MemoryPort:
        return world.host.create_vnic("vnic0", world.link, A)

    world.port.send(frame(2))
    first = world.target.known[2].resolved_by
    world.port.send(frame(2))
    assert world.target.known[2].resolved_by is first
    world.host.delete_vnic(world.port.linkid)
    again().send(frame(2))
    assert world.target.known[2].resolved_by is not first
    assert world.sent == [2, 2, 2]


def test_a_target_is_retired_by_its_successor_and_by_delete(world: World) -> None:
    world.host.targ(targ.OVERLAY_TARG_DISASSOCIATE, TargId(world.link))
    assert world.target.retired == 0
    second = world.associate()
    assert (world.target.retired, second.retired) == (1, 0)
    world.port.send(frame(2))
    assert second.asked == [2]
    world.host.delete_vnic(world.port.linkid)
    world.host.delete_overlay(world.link)
    assert (world.target.retired, second.retired) == (1, 1)
