"""Two simulated kernels on a wire: frames, runs and fragments between their VNICs."""

from __future__ import annotations

import hashlib
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import pytest

pytestmark = pytest.mark.namespaces

MAC_A = bytes.fromhex("020000000001")
MAC_B = bytes.fromhex("020000000002")
MACS = (MAC_A, MAC_B)
INNER = ("10.55.55.{}/24", "10.66.66.{}/24")
UNDERLAYS = [("10.88.88.1", "10.88.88.2"), ("fd00:88::1", "fd00:88::2")]


@dataclass(slots=True, frozen=True)
class Pair:
    """Two kernels with an overlay and a VNIC each; and the same again with jumbo frames."""

    wire: Any
    kernels: tuple[Any, Any]
    underlay: tuple[str, str]


@pytest.fixture(scope="module", params=UNDERLAYS, ids=["ipv4", "ipv6"])
def pair(request: pytest.FixtureRequest, module_stage: Any) -> Pair:
    """On demo0 and vnic0 10.55.55.1 and .2, MTU 1400; on jumbo0 and vnic1 10.66.66.1 and .2, MTU 8900."""
    underlay = request.param
    wire = module_stage.wire()
    kernels = []
    for number, namespace in enumerate((wire.a, wire.b), 1):
        kernel = module_stage.kernel(namespace)
        listen, to = underlay if number == 1 else underlay[::-1]
        for index, (over, mtu) in enumerate((("demo0", None), ("jumbo0", 8900))):
            linkid = kernel.overlay(over, 23 + index, listen, to, mtu)
            kernel.vnic(f"vnic{index}", linkid, MACS[number - 1])
            inner = INNER[index].format(number), f"fd55:{index}::{number}/64"
            namespace.address(f"vnic{index}", *inner)
        kernels.append(kernel)
    return Pair(wire, (kernels[0], kernels[1]), underlay)


def test_a_frame_sent_to_one_vnic_arrives_unchanged_at_the_other(pair: Pair) -> None:
    frame = MAC_B + MAC_A + b"\x88\xb5" + bytes(range(50))
    with pair.wire.a.packets("vnic0") as out, pair.wire.b.packets("vnic0") as into:
        out.send(frame)
        while (seen := into.recv(2000))[12:14] != b"\x88\xb5":
            pass
    assert seen == frame


def tcp_transfer(wire: Any, to: str, size: int) -> None:
    """Send from A to B and compare what arrived."""
    data = hashlib.shake_128(b"etherspan").digest(1 << 16) * (size >> 16)
    family = socket.AF_INET6 if ":" in to else socket.AF_INET
    listener = wire.b.run(lambda: socket.create_server((to, 5001), family=family))
    got = hashlib.sha256()

    def receive() -> None:
        connection, _ = listener.accept()
        with connection:
            while chunk := connection.recv(1 << 20):
                got.update(chunk)

    receiver = threading.Thread(target=receive)
    with listener:
        listener.settimeout(30)
        receiver.start()
        try:
            with wire.a.run(lambda: socket.create_connection((to, 5001), timeout=30)) as client:
                client.sendall(data)
        finally:
            receiver.join()
    assert got.digest() == hashlib.sha256(data).digest()


@pytest.mark.parametrize("inner", ["10.55.55.2", "fd55:0::2"])
def test_tcp_flows_whole_between_the_vnics_and_nothing_is_dropped(pair: Pair, inner: str) -> None:
    tcp_transfer(pair.wire, inner, 8 << 20)
    for kernel in pair.kernels:
        drops = kernel.kstat("etherspan", "demo0")
        assert not any(drops.values()), drops
        assert int(kernel.kstat("link", "vnic0")["obytes64"]) > 0


class Capture:
    """UDP datagrams that leave a link while this is open, uncut sends cut as the device would cut them."""

    def __init__(self, namespace: Any) -> None:
        self.sends: list[int] = []
        self.datagrams: list[bytes] = []
        self._sock = namespace.packets("net0")
        self._sock.setsockopt(263, 15, 1)  # PACKET_VNET_HDR
        self._sock.settimeout(0.1)
        self._over = threading.Event()
        self._reader = threading.Thread(target=self._read)

    def __enter__(self) -> Self:
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._reader.join()
        self._sock.close()

    def _read(self) -> None:
        while True:
            try:
                seen, address = self._sock.recvfrom(1 << 17)
            except TimeoutError:
                if self._over.is_set():
                    return
                continue
            if address[2] == socket.PACKET_OUTGOING:
                self._take(seen)

    def _take(self, seen: bytes) -> None:
        size = struct.unpack_from("=BBHHHH", seen)[3] or 1 << 17
        packet = seen[24:]
        ipv4 = seen[22:24] == b"\x08\x00"
        udp = packet[20:] if ipv4 else packet[40:]
        if (packet[9] if ipv4 else packet[6]) == socket.IPPROTO_UDP and udp[2:4] == struct.pack("!H", 4789):
            self.sends.append(len(packet))
            payload = udp[8 : struct.unpack_from("!H", udp, 4)[0]]
            self.datagrams += [payload[at : at + size] for at in range(0, len(payload), size)]


def internet_sum(data: bytes) -> int:
    """0 for data that holds its own right checksum."""
    return int.from_bytes(data + b"\0" * (len(data) & 1), "big") % 65535


def test_a_run_leaves_in_few_sends_and_every_frame_on_the_wire_is_complete(pair: Pair) -> None:
    with Capture(pair.wire.a) as capture:
        tcp_transfer(pair.wire, "10.55.55.2", 4 << 20)
    assert max(capture.sends) > 40_000, "no run was sent whole"
    data = [
        one for one in capture.datagrams if one[4:7] == b"\0\0\x17" and one[20:22] == b"\x08\x00" and len(one) > 200
    ]
    assert len(data) > 500, "a capture may lose some, not most"
    for datagram in capture.datagrams:
        assert datagram[:4] + datagram[7:8] == b"\x08\0\0\0\0"
        assert len(datagram) <= 8 + 14 + 1400
    for datagram in data:
        packet = datagram[22 : 22 + struct.unpack_from("!H", datagram, 24)[0]]
        assert internet_sum(packet[:20]) == 0
        assert internet_sum(packet[12:20] + struct.pack("!HH", 6, len(packet) - 20) + packet[20:]) == 0


def test_frames_above_the_underlay_mtu_cross_as_fragments_that_may_be_fragmented(pair: Pair) -> None:
    payload = bytes(range(256)) * 34
    with (
        pair.wire.a.packets("net0") as seen,
        pair.wire.b.run(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as into,
    ):
        into.bind(("10.66.66.2", 7000))
        into.settimeout(5)
        with pair.wire.a.run(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as out:
            out.sendto(payload, ("10.66.66.2", 7000))
        assert into.recv(20_000) == payload
        sizes = fragments(seen)
    assert len(sizes) > 5
    assert max(sizes) <= 1500
    assert sizes[0] > 1400, "fragments are as large as the interface's MTU allows"


def fragments(seen: socket.socket) -> list[int]:
    """Sizes of the outer fragments that left, none of them with DF."""
    sizes: list[int] = []
    seen.settimeout(0.2)
    while True:
        try:
            frame, address = seen.recvfrom(20_000)
        except TimeoutError:
            return sizes
        if address[2] != socket.PACKET_OUTGOING:
            continue
        packet = frame[14:]
        if frame[12:14] == b"\x08\x00" and packet[9] == socket.IPPROTO_UDP:
            flags = struct.unpack_from("!H", packet, 6)[0]
            assert not flags & 0x4000
            if flags & 0x3FFF:
                sizes.append(len(packet))
        elif frame[12:14] == b"\x86\xdd" and packet[6] == socket.IPPROTO_FRAGMENT:
            sizes.append(len(packet))


def test_a_tcp_flow_with_jumbo_frames_is_whole(pair: Pair) -> None:
    tcp_transfer(pair.wire, "10.66.66.2", 2 << 20)


@pytest.mark.fact("KRN-I33")
def test_both_directions_of_a_conversation_leave_from_one_source_port(pair: Pair) -> None:
    with pair.wire.a.packets("net0") as seen:
        tcp_transfer(pair.wire, "10.55.55.2", 1 << 16)
        ports = source_ports(seen)
    assert len(ports[True]) == 1
    assert ports[True] == ports[False]
    assert ports[True] <= set(range(49153, 49408))


def source_ports(seen: socket.socket) -> dict[bool, set[int]]:
    """Outer source ports of inner IPv4 TCP frames, by whether they left."""
    ports: dict[bool, set[int]] = {True: set(), False: set()}
    seen.settimeout(0.2)
    while True:
        try:
            frame, address = seen.recvfrom(100_000)
        except TimeoutError:
            return ports
        udp = frame[14 + (20 if frame[12:14] == b"\x08\x00" else 40) :]
        if udp[2:4] == b"\x12\xb5" and udp[8 + 20 : 8 + 22] == b"\x08\x00" and udp[8 + 31] == socket.IPPROTO_TCP:
            ports[address[2] == socket.PACKET_OUTGOING].add(struct.unpack_from("!H", udp)[0])


def test_outer_packets_have_the_ttl_and_hop_limit_of_the_original(pair: Pair) -> None:
    with pair.wire.b.packets("net0") as seen, pair.wire.a.packets("vnic0") as out:
        out.send(MAC_B + MAC_A + b"\x88\xb5" + bytes(50))
        while True:
            packet = seen.recv(2000)
            if packet[12:14] == b"\x08\x00" and packet[23] == socket.IPPROTO_UDP:
                assert packet[22] == 255
                return
            if packet[12:14] == b"\x86\xdd" and packet[20] == socket.IPPROTO_UDP:
                assert packet[21] == 60
                return


def test_a_datagram_for_an_unknown_network_is_counted_and_goes_nowhere(
    pair: Pair, wait_for: Callable[..., None]
) -> None:
    b, address = pair.kernels[1], pair.underlay[1]
    before = b.kstat("etherspan", "mux")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with pair.wire.a.run(lambda: socket.socket(family, socket.SOCK_DGRAM)) as out:
        out.sendto(b"\x08\0\0\0\0\0\x99\0" + bytes(60), (address, 4789))
        out.sendto(b"no header", (address, 4789))
        out.sendto(b"", (address, 4789))

    def counted() -> bool:
        after = b.kstat("etherspan", "mux")
        return sum(int(after[key]) - int(before[key]) for key in after) == 3

    wait_for(counted, "three drops by name")
