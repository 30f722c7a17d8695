"""The same datagrams to an etherspan host and to a vxlan device of Linux: which are delivered?

The host runs with `vxlan_strict` and `overlay_mac_check`, which Linux has built in. What differs then was named before it was run:

    tagged     a VNIC without a VLAN id gets no frames with a tag; a vxlan device does
    short IP   Linux drops a frame that says to be IPv4 or IPv6 and is shorter than such a header; here it is the receiver's matter
    CE         Linux drops a frame that cannot say that it met congestion on the way (RFC 6040); here as in the original nobody looks
"""

from __future__ import annotations

import random
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from pyroute2 import IPRoute

pytestmark = pytest.mark.namespaces

MAC = bytes.fromhex("020000000002")
VNI = 23
CHUNK = 400
SYSTEM = "set vxlan:vxlan_strict = 1\nset overlay:overlay_mac_check = 1\n"
CLASSES = ("tagged", "short IP", "CE")
_SO_RCVBUFFORCE = 33
_AUXDATA_ROOM = 65536


@dataclass(slots=True, frozen=True)
class Case:
    """A datagram, the number in its frame's source address, the ECN bits it travels with."""

    number: int
    payload: bytes
    ecn: int

    @property
    def difference(self) -> str:
        """The named class it belongs to; "" when verdicts have to be equal."""
        frame = self.payload[8:]
        ethertype = int.from_bytes(frame[12:14], "big") if len(frame) >= 14 else 0
        if ethertype == 0x8100:
            return "tagged"
        need = {0x0800: 20, 0x86DD: 40}.get(ethertype)
        if need is not None and len(frame) - 14 < need:
            return "short IP"
        return "CE" if need is not None and self.ecn == 3 else ""


def cases(count: int, seed: int) -> Iterator[Case]:
    chance = random.Random(seed)
    for number in range(1, count + 1):
        header = bytearray(struct.pack(">II", 0x08000000, VNI << 8))
        what = chance.random()
        if what < 0.25:
            header[chance.randrange(8)] ^= 1 << chance.randrange(8)
        elif what < 0.3:
            header = bytearray(chance.randbytes(8))
        dst = chance.choice((MAC, MAC, MAC, b"\xff" * 6, b"\x01\0\x5e\0\0\1", chance.randbytes(6)))
        src = MAC if chance.random() < 0.03 else b"\x02\x10" + number.to_bytes(4, "big")
        ethertype = chance.choice(
            (0x88B5, 0x88B5, 0x0800, 0x86DD, 0x8100, chance.randrange(0x600, 0x10000), chance.randrange(0x600))
        )
        frame = (
            dst
            + src
            + ethertype.to_bytes(2, "big")
            + chance.randbytes(chance.choice((0, 1, 3, 4, 19, 20, 39, 40, 46, 100, 1386)))
        )
        cut = chance.random()
        payload = bytes(header) + frame
        if cut < 0.05:
            payload = payload[: chance.randrange(0, 26)]
        yield Case(number, payload, 3 if chance.random() < 0.05 else 0)


class End:
    """One of the two: where datagrams go, and the packet socket that sees what is delivered."""

    def __init__(self, sender: Any, namespace: Any, link: str, address: str) -> None:
        self.out = {ecn: sender.run(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for ecn in (0, 3)}
        for ecn, sock in self.out.items():
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, ecn)
            sock.connect((address, 4789))
        self.seen = namespace.packets(link)
        self.seen.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 64 << 20)
        self.seen.settimeout(10)
        self._sentinel = 0

    def deliver(self, chunk: list[Case]) -> set[int]:
        """Send, then a frame that surely arrives; what came before it."""
        for case in chunk:
            self.out[case.ecn].send(case.payload)
        self._sentinel += 1
        mark = b"\x02\x20" + self._sentinel.to_bytes(4, "big")
        self.out[0].send(struct.pack(">II", 0x08000000, VNI << 8) + MAC + mark + b"\x88\xb6" + bytes(46))
        found: set[int] = set()
        while True:
            frame, (_, _, kind, *_) = self.seen.recvfrom(_AUXDATA_ROOM)
            if kind == 4:  # its own
                continue
            source = frame[6:12]
            if source == mark:
                return found
            if source[:2] == b"\x02\x10":
                found.add(int.from_bytes(source[2:], "big"))
            elif source == MAC:
                found.add(-int.from_bytes(frame[14:18].ljust(4, b"\0"), "big") - 1)

    def close(self) -> None:
        for sock in (*self.out.values(), self.seen):
            sock.close()


def linux_device(stage: Any, sender: Any) -> Any:
    """A namespace with a vxlan device, joined to the sender."""
    there = stage.namespace()

    def join() -> None:
        with IPRoute() as ip:
            ip.link("add", ifname="net1", kind="veth", peer={"ifname": "net0", "net_ns_fd": there.fd})

    def device() -> None:
        with IPRoute() as ip:
            ip.link(
                "add", ifname="vxlan0", kind="vxlan", vxlan_id=VNI, vxlan_port=4789, vxlan_local="10.88.89.2",
                vxlan_learning=0, address=MAC.hex(":"),
            )  # fmt: skip
            ip.link("set", index=ip.link_lookup(ifname="vxlan0")[0], state="up", mtu=1400)

    sender.run(join)
    sender.address("net1", "10.88.89.1/24")
    there.address("net0", "10.88.89.2/24")
    there.run(device)
    return there


@pytest.mark.parametrize("count", [4_000, pytest.param(100_000, marks=pytest.mark.soak)])
def test_linux_and_a_strict_host_deliver_the_same(
    stage: Any, wire: Any, start_kernel: Callable[..., Any], count: int
) -> None:
    kernel = start_kernel(wire.b, system=SYSTEM)
    kernel.vnic("vnic0", kernel.overlay("ov0", VNI, "10.88.88.2", "10.88.88.1"), MAC)
    wire.b.address("vnic0")
    there = linux_device(stage, wire.a)
    ends = [End(wire.a, wire.b, "vnic0", "10.88.88.2"), End(wire.a, there, "vxlan0", "10.88.89.2")]
    delivered = 0
    differences = dict.fromkeys(CLASSES, 0)
    try:
        batch: list[Case] = []
        for case in [*cases(count, 20261127), None]:
            if case is not None:
                batch.append(case)
            if len(batch) < CHUNK and case is not None:
                continue
            ours, linux = (end.deliver(batch) for end in ends)
            for one in batch:
                delivered += one.number in ours
                if (one.number in ours) == (one.number in linux):
                    continue
                assert one.difference, (
                    f"{one.payload.hex()} ecn {one.ecn}: {one.number in ours} here, {one.number in linux} there"
                )
                differences[one.difference] += 1
            assert not {number for number in ours ^ linux if number < 0}, (
                "a frame with the station's own address as source"
            )
            batch = []
    finally:
        for end in ends:
            end.close()
    assert delivered > count / 3
    assert all(differences.values()), f"a class that was named does not occur: {differences}"
