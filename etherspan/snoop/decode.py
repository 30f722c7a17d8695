"""What is in a frame, layer by layer. Ethernet to TCP, and DHCP, are scapy's matter, VXLAN and SVP the project's own codecs'."""

from __future__ import annotations

import ipaddress
import logging
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from construct import ConstructError

from kernel_sim.sys.vxlan import VXLAN_HDR_LEN, VXLAN_ID_MAX, VXLAN_PORT
from libvarpd.plugins.svp import layout
from libvarpd.plugins.svp.messages import SERVER_PORT, Op, Status

_VALID: Final = 0x08
_TCP_FLAGS: Final = (("S", "Syn"), ("F", "Fin"), ("R", "Rst"), ("P", "Push"), ("U", "Urg"), ("A", "Ack"))
_ICMP: Final = {0: "Echo reply", 3: "Destination unreachable", 5: "Redirect", 8: "Echo request", 11: "Time exceeded"}
_ICMPV6: Final = {
    1: "Destination unreachable",
    2: "Packet too big",
    3: "Time exceeded",
    4: "Parameter problem",
    128: "Echo request",
    129: "Echo reply",
    133: "Router solicitation",
    134: "Router advertisement",
    135: "Neighbor solicitation",
    136: "Neighbor advertisement",
    143: "Multicast listener report",
}
_ETHERTYPES: Final = {0x0800: "IP", 0x0806: "ARP", 0x86DD: "IPv6", 0x8100: "VLAN"}
_PROTOCOLS: Final = {1: "ICMP", 2: "IGMP", 6: "TCP", 17: "UDP", 58: "ICMPv6"}
_DHCP: Final = ("", "DISCOVER", "OFFER", "REQUEST", "DECLINE", "ACK", "NAK", "RELEASE", "INFORM")
_DHCP_PORTS: Final = frozenset((67, 68))
DEPTH_MAX: Final = 4
"""Frames within frames."""


@dataclass(slots=True, frozen=True)
class Layer:
    """A header, or what is behind the last one that is known: its name, its fields for people, and one line about it."""

    name: str
    summary: str
    fields: Sequence[tuple[str, str]] = ()
    values: dict[str, Any] = field(default_factory=dict)


def mac_text(text: str) -> str:
    """As illumos writes it: 2:8:20:0:0:1."""
    return ":".join(f"{int(part, 16):x}" for part in text.split(":"))


def decode(data: bytes, size: int | None = None, depth: int = 0) -> list[Layer]:
    """The layers of a frame, outermost first; those of a frame that VXLAN carries follow it."""
    logging.getLogger("scapy").setLevel(logging.CRITICAL)
    from scapy.layers.l2 import Ether

    length = len(data) if size is None else size
    if len(data) < 14:
        return [Layer("ETHER", f"ETHER of {len(data)} bytes, cut short", (("Packet size", f"{length} bytes"),))]
    ethertype = int.from_bytes(data[12:14], "big")
    kind = f"{ethertype:04x} ({_ETHERTYPES.get(ethertype, 'LLC/802.3' if ethertype < 0x600 else 'Unknown')})"
    src, dst = mac_text(_mac(data[6:12])), mac_text(_mac(data[:6]))
    layers = [
        Layer(
            "ETHER",
            f"ETHER Type={kind}, size={length} bytes",
            (("Packet size", f"{length} bytes"), ("Destination", dst), ("Source", src), ("Ethertype", kind)),
            {"src": bytes(data[6:12]), "dst": bytes(data[:6]), "type": ethertype},
        )
    ]
    try:
        for layer in _above(Ether(data).payload, depth):
            layers.append(layer)  # noqa: PERF402 - what was read before a fault stays
    except Exception:  # noqa: BLE001 - another's dissectors, and anybody's bytes
        layers.append(Layer("DATA", "DATA that makes no sense there", (("Length", "unknown"),)))
    return layers


def _mac(octets: bytes) -> str:
    return octets.hex(":")


def _above(packet: Any, depth: int) -> Iterator[Layer]:
    """Layer by layer, as long as they are known."""
    while packet is not None and packet.__class__.__name__ not in {"NoPayload", "Padding"}:
        name = packet.__class__.__name__
        make = _MAKERS.get(name) or (_icmpv6 if name.startswith(("ICMPv6", "MLD")) else None)
        if make is None:
            if name.startswith("IPv6ExtHdr"):
                packet = packet.payload
                continue
            yield Layer("DATA", f"DATA {len(bytes(packet))} bytes", (("Length", f"{len(bytes(packet))} bytes"),))
            return
        yield make(packet)
        if make is _icmpv6:
            return
        if name in {"UDP", "TCP"}:
            yield from _payload(packet, depth)
            return
        packet = packet.payload


def _payload(packet: Any, depth: int) -> Iterator[Layer]:
    """What UDP or TCP carries."""
    data = bytes(packet.payload)
    ports = {packet.sport, packet.dport}
    if packet.__class__.__name__ == "UDP":
        if packet.dport == VXLAN_PORT and len(data) >= VXLAN_HDR_LEN and data[0] & _VALID and depth < DEPTH_MAX:
            yield _vxlan(data)
            yield from decode(data[VXLAN_HDR_LEN:], depth=depth + 1)
            return
        if ports & _DHCP_PORTS and packet.payload.__class__.__name__ == "BOOTP":
            yield _dhcp(packet.payload)
            return
    elif SERVER_PORT in ports and data:
        found = list(_svp(data))
        if found:
            yield from found
            return
    data = data[: len(data) - _padding(packet)]
    if data:
        yield Layer("DATA", f"DATA {len(data)} bytes", (("Length", f"{len(data)} bytes"),))


def _padding(packet: Any) -> int:
    last = packet.lastlayer()
    return len(last.load) if last.__class__.__name__ == "Padding" else 0


# ---------------------------------------------------------------------- layers


def _vlan(packet: Any) -> Layer:
    return Layer(
        "VLAN",
        f"VLAN ID={packet.vlan}",
        (("VLAN ID", str(packet.vlan)), ("Priority", str(packet.prio)), ("Ethertype", f"{packet.type:04x}")),
        {"vid": packet.vlan},
    )


def _arp(packet: Any) -> Layer:
    if packet.op == 1:
        line = f"ARP C Who is {packet.pdst}, {packet.pdst} ?"
    elif packet.op == 2:
        line = f"ARP R {packet.psrc}, {packet.psrc} is {mac_text(packet.hwsrc)}"
    else:
        line = f"ARP opcode {packet.op}"
    return Layer(
        "ARP",
        line,
        (
            ("Opcode", f"{packet.op} ({'Request' if packet.op == 1 else 'Reply' if packet.op == 2 else 'Unknown'})"),
            ("Sender's hardware address", mac_text(packet.hwsrc)),
            ("Sender's protocol address", str(packet.psrc)),
            ("Target hardware address", mac_text(packet.hwdst)),
            ("Target protocol address", str(packet.pdst)),
        ),
        {"src": _address(packet.psrc), "dst": _address(packet.pdst)},
    )


def _address(text: object) -> bytes:
    try:
        return ipaddress.ip_address(str(text)).packed
    except ValueError:
        return b""


def _ip(packet: Any) -> Layer:
    protocol = _PROTOCOLS.get(packet.proto, "Unknown")
    flags = str(packet.flags) or "none"
    return Layer(
        "IP",
        f"IP  D={packet.dst} S={packet.src} LEN={packet.len}, ID={packet.id}, TOS=0x{packet.tos:x}, TTL={packet.ttl}",
        (
            ("Version", "4"),
            ("Header length", f"{(packet.ihl or 0) * 4} bytes"),
            ("Type of service", f"0x{packet.tos:02x}"),
            ("Total length", f"{packet.len} bytes"),
            ("Identification", str(packet.id)),
            ("Flags", flags),
            ("Fragment offset", f"{packet.frag * 8} bytes"),
            ("Time to live", f"{packet.ttl} seconds/hops"),
            ("Protocol", f"{packet.proto} ({protocol})"),
            ("Header checksum", f"{packet.chksum or 0:04x}"),
            ("Source address", packet.src),
            ("Destination address", packet.dst),
        ),
        {"src": _address(packet.src), "dst": _address(packet.dst), "proto": packet.proto},
    )


def _ipv6(packet: Any) -> Layer:
    protocol = _PROTOCOLS.get(packet.nh, "Unknown")
    return Layer(
        "IPv6",
        f"IPv6  S={packet.src} D={packet.dst} LEN={packet.plen} HOPS={packet.hlim} CLASS=0x{packet.tc:x} FLOW=0x{packet.fl:x}",
        (
            ("Version", "6"),
            ("Traffic Class", str(packet.tc)),
            ("Flow label", f"0x{packet.fl:x}"),
            ("Payload length", str(packet.plen)),
            ("Next Header", f"{packet.nh} ({protocol})"),
            ("Hop Limit", str(packet.hlim)),
            ("Source address", packet.src),
            ("Destination address", packet.dst),
        ),
        {"src": _address(packet.src), "dst": _address(packet.dst), "proto": packet.nh},
    )


def _icmp(packet: Any) -> Layer:
    name = _ICMP.get(packet.type, f"type {packet.type} code {packet.code}")
    line = f"ICMP {name}"
    if packet.type in (0, 8):
        line += f" (ID: {packet.id} Sequence number: {packet.seq})"
    return Layer(
        "ICMP",
        line,
        (("Type", f"{packet.type} ({name})"), ("Code", str(packet.code)), ("Checksum", f"{packet.chksum or 0:04x}")),
        {"type": packet.type},
    )


def _icmpv6(packet: Any) -> Layer:
    number = int(getattr(packet, "type", 0))
    name = _ICMPV6.get(number, f"type {number}")
    line = f"ICMPv6 {name}"
    fields = packet.fields
    if "id" in fields and number in (128, 129):
        line += f" (ID: {packet.id} Sequence number: {packet.seq})"
    elif "tgt" in fields:
        line += f" {packet.tgt}"
    code = str(fields.get("code", 0))
    return Layer("ICMPv6", line, (("Type", f"{number} ({name})"), ("Code", code)), {"type": number})


def _udp(packet: Any) -> Layer:
    return Layer(
        "UDP",
        f"UDP D={packet.dport} S={packet.sport} LEN={packet.len}",
        (
            ("Source port", str(packet.sport)),
            ("Destination port", str(packet.dport)),
            ("Length", str(packet.len)),
            ("Checksum", f"{packet.chksum or 0:04X}" if packet.chksum else "0000 (no checksum)"),
        ),
        {"sport": packet.sport, "dport": packet.dport},
    )


def _tcp(packet: Any) -> Layer:
    flags = " ".join(word for letter, word in _TCP_FLAGS[:-1] if letter in str(packet.flags))
    ack = f" Ack={packet.ack}" if "A" in str(packet.flags) else ""
    length = len(bytes(packet.payload)) - _padding(packet)
    words = f"TCP D={packet.dport} S={packet.sport} {flags}".rstrip()
    return Layer(
        "TCP",
        f"{words}{ack} Seq={packet.seq} Len={length} Win={packet.window}",
        (
            ("Source port", str(packet.sport)),
            ("Destination port", str(packet.dport)),
            ("Sequence number", str(packet.seq)),
            ("Acknowledgement number", str(packet.ack)),
            ("Data offset", f"{(packet.dataofs or 0) * 4} bytes"),
            ("Flags", " ".join(word for letter, word in _TCP_FLAGS if letter in str(packet.flags)) or "none"),
            ("Window", str(packet.window)),
            ("Checksum", f"0x{packet.chksum or 0:04x}"),
        ),
        {"sport": packet.sport, "dport": packet.dport},
    )


def _dhcp(packet: Any) -> Layer:
    options = getattr(packet.payload, "options", [])
    number = next((one[1] for one in options if isinstance(one, tuple) and one[0] == "message-type"), 0)
    kind = f"DHCP{_DHCP[number]}" if 0 < number < len(_DHCP) else "BOOTREQUEST" if packet.op == 1 else "BOOTREPLY"
    return Layer(
        "DHCP",
        f"DHCP/BOOTP {kind}",
        (
            ("Message type", kind),
            ("Transaction ID", f"0x{packet.xid:x}"),
            ("Client address (ciaddr)", packet.ciaddr),
            ("Your client address (yiaddr)", packet.yiaddr),
            ("Next server address (siaddr)", packet.siaddr),
            ("Client hardware address (chaddr)", mac_text(_mac(packet.chaddr[:6]))),
        ),
    )


def _vxlan(data: bytes) -> Layer:
    word = int.from_bytes(data[:VXLAN_HDR_LEN], "big")
    vni = word >> 8 & VXLAN_ID_MAX
    reserved = word & ~(_VALID << 56 | VXLAN_ID_MAX << 8)
    fields = [("Flags", f"0x{data[0]:02x}"), ("VXLAN Network Identifier", str(vni))]
    if reserved:
        fields.append(("Reserved bits", f"0x{reserved:016x}"))
    return Layer("VXLAN", f"VXLAN VNI={vni}", fields, {"vnetid": vni})


def _svp(data: bytes) -> Iterator[Layer]:
    """The messages that a segment holds whole, from its beginning on, each with its own checksum (SVP-Q28)."""
    at = 0
    while at + 16 <= len(data):
        head = layout.HEADER.parse(data[at : at + 16])
        if head.version not in (1, 2) or head.op not in Op._value2member_map_ or at + 16 + head.size > len(data):
            return
        op = Op(head.op)
        body = data[at + 16 : at + 16 + head.size]
        fields = [
            ("Version", str(head.version)),
            ("Operation", f"{head.op} (SVP_R_{op.name})"),
            ("Size", f"{head.size} bytes"),
        ]
        good = zlib.crc32(data[at : at + 12] + bytes(4) + body) == head.crc32
        verdict, tail = ("ok", "") if good else ("BAD", " BAD CRC")
        fields += [("ID", f"0x{head.id:x}"), ("CRC", f"0x{head.crc32:08x} ({verdict})"), *_svp_body(op, body)]
        yield Layer(
            "SVP",
            f"SVP V={head.version} OP={head.op}(SVP_R_{op.name}) ID={head.id} SIZE={head.size}{tail}",
            fields,
        )
        at += 16 + head.size


def _svp_body(op: Op, body: bytes) -> Iterator[tuple[str, str]]:
    name = "".join(part.capitalize() for part in op.name.split("_"))
    struct = layout.LAYOUTS.get(name)
    if struct is None or not body:
        return
    try:
        parsed = struct.parse(body)
    except ConstructError:
        yield "Body", "does not fit its operation"
        return
    for key, value in parsed.items():
        if key.startswith("_"):
            continue
        yield key.replace("_", " ").capitalize(), _svp_value(key, value)


def _svp_value(key: str, value: Any) -> str:
    if key == "status":
        return f"{value} ({Status(value).name})" if value in Status._value2member_map_ else str(value)
    if isinstance(value, bytes):
        if key.endswith("mac"):
            return mac_text(_mac(value))
        if len(value) == 16:
            address = ipaddress.IPv6Address(value)
            return str(address.ipv4_mapped or address)
        return f"{len(value)} bytes"
    if isinstance(value, list):
        return f"{len(value)}"
    return str(value)


_MAKERS: Final = {
    "Dot1Q": _vlan,
    "ARP": _arp,
    "IP": _ip,
    "IPv6": _ipv6,
    "ICMP": _icmp,
    "UDP": _udp,
    "TCP": _tcp,
}


def load() -> None:
    """Make scapy know what `decode` wants of it. Errors: ImportError it is not installed."""
    import scapy.layers.dhcp
    import scapy.layers.inet
    import scapy.layers.inet6  # noqa: F401
