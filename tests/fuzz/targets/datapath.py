"""Frames and datagrams as strangers make them."""

from __future__ import annotations

import struct
from typing import Final

from etherspan.testing import frames
from etherspan.testing.host import MemoryHost
from etherspan.testing.memory import MemoryClock, MemoryNetwork, address
from kernel_sim.ddi import V4_MAPPED_PREFIX
from kernel_sim.mac import hw_emul
from kernel_sim.mac._hw import ones
from kernel_sim.sys.codec import DldMacprop, MacDhcpcid, MacIpaddr, MacResourceProps, macprop_value
from kernel_sim.sys.dld import DLDIOC_SETMACPROP, MacProp
from kernel_sim.sys.mac_flow import DynamicMethod, MacProtect, MrpMask
from kernel_sim.sys.message import Gso, Message, Packed
from kernel_sim.sys.tunables import Tunables
from tests.fuzz.targets.registry import FRESH, part, parts, target

MAC: Final = bytes.fromhex("02082000000a")
PEER: Final = bytes.fromhex("02082000000b")
VNETID: Final = 23
HEADER: Final = bytes.fromhex("0800000000001700")
NESTED: Final = HEADER + frames.ethernet(MAC, PEER, frames.udp("10.5.5.2", "10.5.5.1", 1, 2, b"x" * 40))

ALL: Final = MacProtect.MACNOSPOOF | MacProtect.RESTRICTED | MacProtect.IPNOSPOOF | MacProtect.DHCPNOSPOOF
OWN_V4: Final = MacIpaddr(4, V4_MAPPED_PREFIX + bytes((10, 5, 5, 1)), 32)
NET_V4: Final = MacIpaddr(4, V4_MAPPED_PREFIX + bytes((10, 6, 0, 0)), 16)
NET_V6: Final = MacIpaddr(6, bytes.fromhex("fd55").ljust(16, b"\0"), 64)
DYNAMIC: Final = DynamicMethod.DHCPV4 | DynamicMethod.DHCPV6 | DynamicMethod.SLAAC


class Stage:
    """Two hosts that are sent the same: one as the original, and one with every defence on."""

    def __init__(self) -> None:
        self.uses = 0
        self.clock = MemoryClock()
        self.network = MemoryNetwork(self.clock, keep=False)
        defended = Tunables(vxlan_strict=True, overlay_source_filter=True, overlay_targets_max=64)
        self.hosts = [
            MemoryHost(self.clock, self.network, "10.0.0.1"),
            MemoryHost(self.clock, self.network, "10.0.0.3", tunables=defended),
        ]
        self.ports = []
        for host in self.hosts:
            over = host.create_overlay("ov0", VNETID, to="10.0.0.2")
            host.create_overlay("ov1", VNETID + 1, to="10.0.0.2")
            self.ports.append(host.create_vnic("vnic0", over, MAC))
            self.linkid = host.kernel.links.names()[-1].linkid
        self.peers = [
            self.network.underlay(ip).open(address(ip), lambda *_, **__: None) for ip in ("10.0.0.2", "10.0.0.9")
        ]

    def protect(self, number: int, given: MacResourceProps) -> None:
        host = self.hosts[number]
        value = macprop_value(MacProp.RESOURCE, given)
        host.dld(DLDIOC_SETMACPROP, DldMacprop(0, self.linkid, MacProp.RESOURCE, value=value))

    def settle(self) -> None:
        self.clock.run()
        for port in self.ports:
            port.take()


_stages: dict[str, Stage] = {}


def stage(name: str) -> Stage:
    """The stage of a target, a new one every `FRESH` inputs."""
    found = _stages.get(name)
    if found is None or found.uses >= FRESH:
        found = _stages[name] = Stage()
        if name == "tap_transmit":
            mask = MrpMask.PROTECT
            ids = (MacDhcpcid(b"\1" + PEER),)
            allowed = (OWN_V4, NET_V4, NET_V6)
            found.protect(0, MacResourceProps(mask, types=ALL, ipaddrs=allowed, cids=ids, dynamic=DYNAMIC))
            found.protect(1, MacResourceProps(mask, types=MacProtect.IPNOSPOOF, ipaddrs=(OWN_V4,)))
    found.uses += 1
    return found


_SMALL: Final = HEADER + frames.ethernet(MAC, PEER, frames.udp("10.5.5.2", "10.5.5.1", 1, 2, b"x" * 41))[:-2]
_SMALL6: Final = HEADER + frames.ethernet(MAC, PEER, frames.udp("fd55::2", "fd55::1", 1, 2, b"x" * 41))[:-2]
_OTHER: Final = HEADER[:6] + b"\x18\0" + _SMALL[8:]
_NOBODY: Final = HEADER[:6] + b"\x19\0" + _SMALL[8:]
assert len(_SMALL) % 8 == 1
_STEP: Final = bytes((len(_SMALL) // 8,))
_STEP6: Final = bytes((len(_SMALL6) // 8,))


@target(
    NESTED,
    HEADER,
    _STEP + _SMALL,
    _STEP + _SMALL * 3,
    _STEP + _SMALL * 2 + _SMALL[:9],
    _STEP + _SMALL + _OTHER + _SMALL,
    _STEP + _OTHER + _NOBODY + _SMALL + b"\0" * len(_SMALL) + _SMALL,
    _STEP + _NOBODY * 2,
    _STEP + b"\x08\0\0\1" + _SMALL[4:],
    _STEP + HEADER,
    _STEP6 + _SMALL6 * 2,
    bytes((_STEP[0] | 0x80,)) + _SMALL * 2,
    reaches=(
        "kernel_sim/overlay/mux.py:Mux.receive",
        "kernel_sim/overlay/mux.py:Mux._receive_*",
        "kernel_sim/overlay/mux.py:Mux._give",
        "kernel_sim/overlay/mux.py:Mux._classify",
        "kernel_sim/overlay/plugins/vxlan.py:VxlanPlugin.decap",
        "kernel_sim/mac/_hw/headers.py:claimed_length",
    ),
)
def vxlan_receive(data: bytes) -> None:
    """Datagrams as they come; the first byte says how long the pieces of one batch are, and whether a stranger sends them."""
    now = stage("vxlan_receive")
    if len(data) < 2:
        return
    size = (data[0] & 0x7F) * 8 + 1
    sender = now.peers[data[0] >> 7]
    body = data[1:]
    pieces = [body[at : at + size] for at in range(0, min(len(body), 40 * size), size)]
    for to in ("10.0.0.1", "10.0.0.3"):
        sender.send(b"", pieces[:1], address(to), 4789)
        if len(pieces) > 1:
            sender.send(b"", pieces, address(to), 4789)
    now.settle()


V4: Final = 0x10
V6: Final = 0x20
DHCPV4: Final = 0x30
DHCPV6: Final = 0x40
NDP: Final = 0x50
HEARD: Final = 0x80
"""Kinds of a frame of `tap_transmit`: the bytes as they are, behind the header of IPv4 or IPv6, of a message of DHCP, DHCPv6 or neighbour
discovery; received instead of sent. The low bits: how it is to be cut."""


def _frame(kind: int, body: bytes) -> bytes:
    to, by = (MAC, PEER) if kind & HEARD else (PEER, MAC)
    own, other = ("10.5.5.1", "10.5.5.2") if not kind & HEARD else ("10.5.5.2", "10.5.5.1")
    kind &= 0x70
    if kind == V4 and body:
        return frames.ethernet(to, by, frames.ip(own, other, body[0], body[1:]))
    if kind == V6 and body:
        return frames.ethernet(to, by, frames.ip("fd55::1", "fd55::2", body[0], body[1:]))
    if kind == DHCPV4:
        return frames.ethernet(to, by, frames.udp("0.0.0.0", "255.255.255.255", 68, 67, body))
    if kind == DHCPV6:
        return frames.ethernet(to, by, frames.udp("fe80::8:20ff:fe00:a", "ff02::1:2", 546, 547, body))
    if kind == NDP:
        packet = bytearray(frames.ip("fe80::8:20ff:fe00:a", "ff02::1", frames.ICMPV6, body))
        packet[7] = 255
        return frames.ethernet(to, by, bytes(packet))
    return body


def _bootp(*options: tuple[int, bytes], op: int = 1, mac: bytes = MAC, file: bytes = b"") -> bytes:
    said = b"".join(bytes((code, len(value))) + value for code, value in options) + b"\xff"
    fixed = struct.pack(">BBBBI20x", op, 1, 6, 0, 7) + mac.ljust(16, b"\0") + bytes(64) + file.ljust(128, b"\0")
    return fixed + bytes.fromhex("63825363") + said


def _dhcpv6(kind: int, *options: tuple[int, bytes]) -> bytes:
    return bytes((kind, 0, 0, 7)) + b"".join(struct.pack(">HH", code, len(value)) + value for code, value in options)


_DUID: Final = b"\0\3\0\1" + MAC
_LEASE: Final = bytes(12) + struct.pack(">HH", 5, 24) + bytes.fromhex("fd66").ljust(15, b"\0") + b"\1" + bytes(8)
_PREFIX: Final = b"\3\4\x40\x40" + bytes(12) + bytes.fromhex("fd77").ljust(16, b"\0")
_ASKED: Final = _bootp((53, b"\3"), (50, bytes((10, 7, 7, 7))), (61, b"\1" + MAC))
_OWN_V6: Final = frames.udp("fd66::1", "fd55::2", 1, 2, b"")


@target(
    part(0, frames.arp_request(MAC, "10.5.5.1", "10.5.5.2")),
    part(1, frames.ethernet(PEER, MAC, frames.udp("10.5.5.1", "10.5.5.2", 1, 2, bytes(900)))),
    part(0, frames.neighbour_solicitation(MAC, "fd55::1", "fd55::2")),
    part(0, frames.neighbour_advertisement(MAC, "fd55::1", PEER, "fd55::2")),
    part(0, frames.dhcp_discover(MAC)),
    part(0, frames.tagged(frames.arp_request(MAC, "10.5.5.1", "10.5.5.2"), 5)),
    part(0x83, b""),
    part(DHCPV4, _ASKED)
    + part(DHCPV4 | HEARD, _bootp((53, b"\5"), op=2))
    + part(0, frames.ethernet(PEER, MAC, frames.udp("10.7.7.7", "10.5.5.2", 1, 2, b""))),
    part(DHCPV4, _ASKED) + part(DHCPV4 | HEARD, _bootp((53, b"\6"), op=2)) + part(DHCPV4, _bootp((53, b"\7"))),
    part(DHCPV4, _bootp((52, b"\1"), (53, b"\3"), file=b"\x32\4\x0a\7\7\7\x3d\xff")),
    part(DHCPV4, _bootp((53, b"\3"), (61, b"\1" + PEER), mac=PEER)),
    part(DHCPV6, _dhcpv6(1, (1, _DUID), (3, bytes(12))))
    + part(DHCPV6 | HEARD, _dhcpv6(7, (1, _DUID), (3, _LEASE)))
    + part(0, frames.ethernet(PEER, MAC, _OWN_V6))
    + part(DHCPV6, _dhcpv6(8, (1, _DUID))),
    part(DHCPV6, _dhcpv6(3, (1, _DUID))) + part(DHCPV6 | HEARD, _dhcpv6(7, (13, b"\0\2"))),
    part(DHCPV6, bytes((12, 0)) + bytes(32) + struct.pack(">HH", 9, 18) + _dhcpv6(1, (1, _DUID))),
    part(NDP | HEARD, b"\x86\0\0\0" + bytes(12) + _PREFIX)
    + part(0, frames.ethernet(PEER, MAC, frames.udp("fd77::8:20ff:fe00:a", "fd55::2", 1, 2, b""))),
    part(NDP, b"\x87\0\0\0" + bytes(20) + b"\1\1" + MAC),
    *(
        part(0, frames.ethernet(PEER, MAC, frames.ip(own, other, protocol, bytes(24))))
        for own, other in (("10.5.5.1", "10.5.5.2"), ("fd55::1", "fd55::2"))
        for protocol in (6, 17, 50, 51, 132)
    ),
    part(0, frames.ethernet(PEER, MAC, frames.tcp("fd55::1", "fd55::2", 1, 2, b"x"))),
    part(V6, b"\x2c\x3a\0\0\0\0\0\0\0" + bytes(30)),
    part(V6, b"\x00\x11\0\0\0\0\0\0\0" + bytes(30)),
    reaches=(
        "kernel_sim/mac/protect/protection.py:Protection.*",
        "kernel_sim/mac/protect/protection.py:_place",
        "kernel_sim/mac/protect/ipnospoof.py:IpNospoof.permits",
        "kernel_sim/mac/protect/ipnospoof.py:IpNospoof._*",
        "kernel_sim/mac/protect/dhcpnospoof.py:DhcpNospoof.permits",
        "kernel_sim/mac/protect/dhcpnospoof.py:DhcpNospoof._*",
        "kernel_sim/mac/protect/dhcpv[46].py",
        "kernel_sim/mac/protect/learned.py",
        "kernel_sim/mac/protect/slaac.py",
        "kernel_sim/mac/protect/ndp.py",
        "kernel_sim/mac/protect/arp.py",
        "kernel_sim/mac/protect/ip.py",
        "kernel_sim/mac/protect/udp.py",
        "kernel_sim/overlay/plugins/porthash.py",
    ),
)
def tap_transmit(data: bytes) -> None:
    """Frames of a protected guest, whole or to be cut, and such as it is sent."""
    now = stage("tap_transmit")
    for kind, body in parts(data):
        frame = _frame(kind, body)
        message = Message(frame)
        gso = (None, Gso.TCPV4, Gso.TCPV6, Gso.UDP_L4)[kind & 3]
        if gso is not None and len(frame) >= 70:
            start = 54 if gso is Gso.TCPV6 else 34
            udp = gso is Gso.UDP_L4
            hdr_len = start + (8 if udp else 20)
            if hdr_len < len(frame):
                mss = (1, 200, 1400, 9000)[kind >> 2 & 3]
                message = Message(
                    frame, partial=True, start=start, stuff=6 if udp else 16, mss=mss, hdr_len=hdr_len, gso=gso
                )
        if kind & HEARD:
            for to in ("10.0.0.1", "10.0.0.3")[: 1 + (kind & 1)]:
                now.peers[0].send(HEADER, [frame], address(to), 4789)
        else:
            for port in now.ports:
                port.transmit([message])
        now.settle()
    if now.uses % 64 == 0:
        now.clock.advance(61.0)  # transactions without an answer end


def _batch(how: int, *pieces: bytes) -> bytes:
    return bytes((len(pieces[0]) - 1, how)) + b"".join(pieces)


_V4_RUN: Final = frames.tcp_segments(MAC, PEER, "10.5.5.2", "10.5.5.1", payload=bytes(range(224)), mss=56)
_V6_RUN: Final = frames.tcp_segments(MAC, PEER, "fd55::2", "fd55::1", payload=bytes(range(224)), mss=56)
_DATAGRAM: Final = frames.ethernet(MAC, PEER, frames.udp("10.5.5.2", "10.5.5.1", 1, 2, b"x" * 40))
_DATAGRAM6: Final = frames.ethernet(MAC, PEER, frames.udp("fd55::2", "fd55::1", 1, 2, b"x" * 40))
_BEHIND: Final = frames.ethernet(
    MAC, PEER, frames.ip("fd55::2", "fd55::1", 0, b"\x06\0" + bytes(6) + bytes(12) + b"\x50" + bytes(20))
)


@target(
    *(_batch(how, *_V4_RUN) for how in (0, 1, 36, 68, 100, 196)),
    *(_batch(how, *_V6_RUN) for how in (0, 1, 40, 72)),
    *(_batch(how, *(frames.tagged(one, 5) for one in _V4_RUN)) for how in (0, 52, 84)),
    *(_batch(how, _DATAGRAM, _DATAGRAM, _DATAGRAM) for how in (0, 2, 3, 44, 76)),
    *(_batch(how, _DATAGRAM6, _DATAGRAM6) for how in (0, 2, 172, 204)),
    _batch(0, frames.partial(_V4_RUN[0]).data, frames.partial(_V4_RUN[1]).data),
    _batch(0, _BEHIND, _BEHIND),
    reaches=(
        "kernel_sim/mac/_hw/coalesce.py",
        "kernel_sim/mac/_hw/headers.py",
        "kernel_sim/mac/_hw/segment.py",
        "kernel_sim/mac/_hw/ones.py",
        "kernel_sim/mac/_hw/plain.py",
    ),
)
def helper(data: bytes) -> None:
    """The compiled helper and its twin, which have to agree: first how a batch becomes messages, then how a message is cut.

    The batch is in one piece, as it comes from the wire, or the compiled one would leave it to its twin. Two bytes say how long its frames
    are, how large segments and the link's MTU, and whether each frame is behind a header.
    """
    if len(data) < 3:
        return
    size, how = data[0] + 1, data[1]
    body = memoryview(data[2:])
    pieces = Packed(body, size, 8 if how & 0x80 and size > 8 and (len(body) - 1) % size >= 8 else 0)
    mtu, segment = ((1400, 0), (64, 0), (64, 8), (1400, 40))[how & 3]
    run = _run(bytes(body), how >> 2)
    found = []
    for engine in hw_emul.ENGINES:
        hw_emul.use(engine)
        made = [(bytes(one.data), *_marks(one)) for one in hw_emul.receive(pieces, mtu, segment)]
        cut = [bytes(one) for one in hw_emul.cut(run)]
        behind = [bytes(one)[-len(two) :] for one, two in zip(hw_emul.cut_behind(run, HEADER), cut, strict=True)]
        alike = hw_emul.uniform(body, size, min(8, size))
        found.append((made, cut, behind, alike, hw_emul.complete(run).data))
    hw_emul.use(hw_emul.ENGINES[0])
    assert all(one == found[0] for one in found)
    assert found[0][2] == found[0][1]
    assert ones.checksum(ones.ones_sum(body)) == frames.checksum(bytes(body)) % 0xFFFF
    for one in list(pieces):
        assert hw_emul.claimed_length(one) >= 0


def _marks(message: Message) -> tuple[object, ...]:
    return message.partial, message.start, message.stuff, message.mss, message.hdr_len, message.gso


def _run(data: bytes, how: int) -> Message:
    """A message whose marks may be right for its bytes, or not at all."""
    gso = (Gso.NONE, Gso.TCPV4, Gso.TCPV6, Gso.UDP_L4)[how & 3]
    tagged = 4 if how & 4 else 0
    start = tagged + (54 if gso is Gso.TCPV6 or how & 32 else 34)
    udp = gso is Gso.UDP_L4
    mss = (0, 8, 64, 1000)[how >> 3 & 3]
    head = data[start + 12] >> 4 if len(data) > start + 12 else 5
    hdr_len = start + (8 if udp else head * 4)
    return Message(
        data, partial=not how & 8, start=start, stuff=6 if udp else 16, mss=mss, hdr_len=hdr_len if mss else 0, gso=gso
    )
