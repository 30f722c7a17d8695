"""A host's overlays against a small model: what exists, what is started, which sockets are open, where every frame ends."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from etherspan.testing import frames
from etherspan.testing.host import MemoryHost
from etherspan.testing.memory import MemoryClock, MemoryNetwork, MemoryPort, address
from kernel_sim.sys import overlay, overlay_target
from kernel_sim.sys.codec import (
    DldMacprop,
    OverlayLink,
    OverlayStatus,
    TargDegrade,
    TargId,
    macprop_value,
)
from kernel_sim.sys.dld import DLDIOC_SETMACPROP, MacProp
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.message import Message

ADDRESSES = ("10.0.0.1", "10.0.0.11")
PEER = "10.0.0.2"
LISTEN = st.sampled_from([*ADDRESSES[:1] * 3, *ADDRESSES])
PORTS = st.sampled_from([4789, 4789, 4789, 4790])
"""Mostly the same ones, so that overlays share sockets."""
VNETIDS = st.integers(1, 4)
MACS = st.sampled_from([bytes.fromhex(f"0208200000{n:02x}") for n in range(3)])


@dataclass
class Overlay:
    linkid: int
    name: str
    vnetid: int
    listen: tuple[str, int]
    associated: bool = False
    active: bool = False
    degraded: bool = False
    mtu: int = 1400
    vnics: dict[int, MemoryPort] = field(default_factory=dict)

    @property
    def started(self) -> bool:
        return bool(self.vnics)


def refused(call: Callable[[], object]) -> Errno | None:
    """The errno of a refusal, None for a success."""
    try:
        call()
    except KernelError as error:
        return error.errno
    return None


class OverlayMachine(RuleBasedStateMachine):
    """One host, up to four virtual networks, two listen addresses."""

    overlays = Bundle("overlays")

    def __init__(self) -> None:
        super().__init__()
        self.clock = MemoryClock()
        self.network = MemoryNetwork(self.clock)
        self.host = MemoryHost(self.clock, self.network, *ADDRESSES)
        self.peer = self.network.underlay(PEER)
        self.model: list[Overlay] = []
        self.names = 0
        self.accepted = 0

    @initialize()
    def warm(self) -> None:
        """Varpd opens the device."""
        assert not self.host.varpd.closed

    # ------------------------------------------------------------------ control

    @rule(target=overlays, vnetid=VNETIDS, ip=LISTEN, port=PORTS)
    def create(self, vnetid: int, ip: str, port: int) -> object:
        self.names += 1
        made: list[int] = []
        name = f"demo{self.names}"
        errno = refused(lambda: made.append(self.host.create_overlay(name, vnetid, to=None, listen=ip, port=port)))
        taken = any(one.vnetid == vnetid for one in self.model)
        assert errno == (Errno.EEXIST if taken else None)  # KRN-I5
        if taken:
            return multiple()
        self.model.append(Overlay(made[0], name, vnetid, (ip, port)))
        return self.model[-1]

    @rule(one=overlays)
    def associate(self, one: Overlay) -> None:
        errno = refused(lambda: self.host.associate(one.linkid, PEER))
        assert errno == (Errno.EEXIST if one.associated else None)
        one.associated = True

    @rule(one=overlays)
    def disassociate(self, one: Overlay) -> None:
        self.host.targ(overlay_target.OVERLAY_TARG_DISASSOCIATE, TargId(one.linkid))
        one.associated = False

    @rule(one=overlays)
    def activate(self, one: Overlay) -> None:
        errno = refused(lambda: self.host.dld(overlay.OVERLAY_IOC_ACTIVATE, OverlayLink(one.linkid)))
        wanted = Errno.EEXIST if one.active else None if one.associated else Errno.ENXIO
        assert errno == wanted  # KRN-I6
        one.active = one.active or one.associated

    @rule(one=overlays, vnetid=VNETIDS)
    def set_vnetid(self, one: Overlay, vnetid: int) -> None:
        errno = refused(lambda: self.host.set_property(one.linkid, 1, struct.pack("=Q", vnetid)))
        if one.active:
            assert errno is Errno.ENOTSUP  # KRN-I6
        elif any(other.vnetid == vnetid for other in self.model if other is not one):
            assert errno is Errno.EEXIST  # KRN-Q3
        else:
            assert errno is None
            one.vnetid = vnetid

    @rule(one=overlays, mtu=st.sampled_from([575, 576, 1200, 1400, 1500, 8900, 8901]))
    def set_mtu(self, one: Overlay, mtu: int) -> None:
        wanted = DldMacprop(0, one.linkid, MacProp.MTU, value=macprop_value(MacProp.MTU, mtu))
        errno = refused(lambda: self.host.dld(DLDIOC_SETMACPROP, wanted))
        if any(mtu < port.mtu for port in one.vnics.values()):
            assert errno is Errno.EBUSY  # KRN-I31
        elif not 576 <= mtu <= 8900:
            assert errno is Errno.EINVAL
        else:
            assert errno is None
            one.mtu = mtu

    @rule(one=overlays, message=st.sampled_from(["", "no varpd instance exists"]))
    def degrade(self, one: Overlay, message: str) -> None:
        self.host.targ(overlay_target.OVERLAY_TARG_DEGRADE, TargDegrade(one.linkid, message))
        one.degraded = True

    @rule(one=overlays)
    def restore(self, one: Overlay) -> None:
        self.host.targ(overlay_target.OVERLAY_TARG_RESTORE, TargId(one.linkid))
        one.degraded = False

    @rule(one=overlays, mac=MACS, vid=st.sampled_from([0, 0, 1, 7]))
    def create_vnic(self, one: Overlay, mac: bytes, vid: int) -> None:
        made: list[MemoryPort] = []
        self.names += 1
        name = f"vnic{self.names}"
        users = self.host.kernel.links.mac(one.linkid).users
        errno = refused(lambda: made.append(self.host.create_vnic(name, one.linkid, mac, vid=vid)))
        if vid == 1:
            assert errno is Errno.EBUSY
        elif self._has(one, mac, vid):
            assert errno is Errno.EEXIST  # KRN-I11
        elif not one.active:
            assert errno is Errno.EAGAIN  # KRN-I10
        else:
            assert errno is None
            one.vnics[made[0].linkid] = made[0]
            assert made[0].mtu == one.mtu
        assert self.host.kernel.links.mac(one.linkid).users == users + (errno is None)

    @rule(one=overlays)
    def start(self, one: Overlay) -> None:
        """All that it takes, in one rule: else there are hardly ever two overlays that are started."""
        if not one.active:
            if not one.associated:
                self.associate(one)
            self.activate(one)
        if not one.started:
            self.create_vnic(one, bytes.fromhex("020820000000"), 0)

    @rule(one=overlays)
    def delete_vnic(self, one: Overlay) -> None:
        if one.vnics:
            linkid, port = one.vnics.popitem()
            self.host.delete_vnic(linkid)
            assert port.closed

    @rule(target=overlays, one=consumes(overlays))
    def delete(self, one: Overlay) -> object:
        errno = refused(lambda: self.host.delete_overlay(one.linkid))
        assert errno == (Errno.EBUSY if one.vnics else None)  # KRN-I9
        if errno is not None:
            return one
        self.model.remove(one)
        return multiple()

    # ------------------------------------------------------------------ traffic

    @rule(
        one=overlays,
        sizes=st.lists(st.sampled_from([14, 20, 60, 60, 1400, 70000]), min_size=1, max_size=6),
        run=st.booleans(),
        errno=st.sampled_from([0, 0, 0, Errno.EAGAIN, Errno.ENETUNREACH]),
    )
    def send(self, one: Overlay, sizes: list[int], run: bool, errno: int) -> None:
        """Every frame handed to the overlay is on the wire, once, or dropped by name (KRN-I15, KRN-I25)."""
        if not one.vnics:
            return
        port = next(iter(one.vnics.values()))
        chain: list[bytes | Message] = [b"\x06" * 12 + bytes(size - 12) for size in sizes]
        if run:
            chain.insert(1, frames.tcp_run(b"\x06" * 6, port.mac, "1.2.3.4", "1.2.3.5", payload=bytes(999), mss=100))
        count = len(sizes) + 10 * run
        self.network.wire.clear()
        before = self._tx_drops(one)
        self.host.underlay.send_errno = errno
        port.send(*chain)
        self.host.underlay.send_errno = 0
        lost = self._tx_drops(one) - before
        assert len(self.network.wire) + lost == count
        assert {datagram.to for datagram in self.network.wire} <= {address(PEER)}
        header = b"\x08\0\0\0" + one.vnetid.to_bytes(3, "big") + b"\0"
        assert all(datagram.payload[:8] == header for datagram in self.network.wire)
        if not errno and 70000 not in sizes:
            assert lost == 0
        self.network.wire.clear()
        self.clock.run()

    @rule(vnetid=VNETIDS, ip=st.sampled_from(ADDRESSES), port=st.sampled_from([4789, 4790]))
    def receive(self, vnetid: int, ip: str, port: int) -> None:
        """A datagram reaches the one overlay of its id on the socket that got it, and nothing goes out (KRN-I4, KRN-I28)."""
        frame = frames.ethernet(frames.BROADCAST, b"\x06" * 6, bytes(46), ethertype=0x88B5)
        socket = self.host.underlay.socket_for(address(ip, port))
        self.network.wire.clear()
        if socket is not None:
            socket.receive(memoryview(b"\x08\0\0\0" + vnetid.to_bytes(3, "big") + b"\0" + frame), 68)
        assert self.network.wire == []
        for one in self.model:
            meant = one.started and one.vnetid == vnetid and one.listen == (ip, port)
            for got in one.vnics.values():
                vid = self.host.kernel.vnics.vid(got.linkid)
                expected = [frame] if meant and (not vid or len(one.vnics) == 1) else []
                assert got.take() == expected

    # ------------------------------------------------------------------ what always holds

    @invariant()
    def sockets_are_those_of_started_overlays(self) -> None:
        wanted = {address(*one.listen) for one in self.model if one.started}
        assert set(self.host.underlay.sockets) == wanted
        for one in self.model:
            device = self.host.kernel.overlays.find(one.linkid)
            assert device.in_mux is one.started is self.host.kernel.links.mac(one.linkid).started

    @invariant()
    def the_link_is_up_from_activation_on(self) -> None:
        for one in self.model:
            assert self.host.kernel.links.mac(one.linkid).link_state == (1 if one.active else -1)

    @invariant()
    def degraded_devices_are_counted_and_told(self) -> None:
        assert self.host.kernel.overlays.faults.degraded == sum(one.degraded for one in self.model)
        for one in self.model:
            argument = self.host.dld(overlay.OVERLAY_IOC_STATUS, OverlayStatus(one.linkid))
            assert OverlayStatus.unpack(argument).status == one.degraded

    @invariant()
    def the_mtu_is_never_below_a_vnics(self) -> None:
        for one in self.model:
            assert struct.unpack("=I", self.host.get_property(one.linkid, 0)) == (one.mtu,)
            assert all(port.mtu <= one.mtu for port in one.vnics.values())

    @invariant()
    def no_link_is_there_but_the_models(self) -> None:
        expected = {one.linkid for one in self.model} | {linkid for one in self.model for linkid in one.vnics}
        assert {name.linkid for name, _ in self.host.kernel.links.links()} == expected
        assert len(self.host.ports) == sum(len(one.vnics) for one in self.model)

    # ------------------------------------------------------------------ inside

    def _has(self, one: Overlay, mac: bytes, vid: int) -> bool:
        vnics = self.host.kernel.vnics
        return any(port.mac == mac and vnics.vid(port.linkid) == vid for port in one.vnics.values())

    def _tx_drops(self, one: Overlay) -> int:
        return sum(int(count) for reason, count in self.host.drops(one.name).items() if reason.startswith("tx_"))

    def teardown(self) -> None:
        self.host.kernel.close()
        assert not self.host.underlay.sockets
        assert not self.host.ports


OverlayMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@pytest.mark.fact(
    "KRN-I4",
    "KRN-I5",
    "KRN-I6",
    "KRN-I8",
    "KRN-I10",
    "KRN-I15",
    "KRN-I25",
    "KRN-I28",
    "KRN-I31",
    "KRN-I32",
)
class TestOverlays(OverlayMachine.TestCase):  # type: ignore[valid-type, misc]
    """Runs the machine."""
