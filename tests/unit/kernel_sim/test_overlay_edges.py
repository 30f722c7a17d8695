"""The edges of the overlay module: limits to the byte, what is refused, and what a caller is told in each case."""

from __future__ import annotations

import functools
import operator
import random

import pytest

from etherspan.testing.cache.overlay import OWN_MAC, DynamicOverlay, point
from etherspan.testing.flows import Flow
from kernel_sim.ddi import SocketAddress
from kernel_sim.overlay import cache
from kernel_sim.overlay.drops import DeviceDrop
from kernel_sim.overlay.entry import ANSWERED
from kernel_sim.overlay.plugin import EncapPlugin, PluginRegistry
from kernel_sim.overlay.plugins import porthash
from kernel_sim.overlay.plugins.vxlan import LISTEN_PORT, PLUGIN, VxlanInstance, VxlanPlugin
from kernel_sim.overlay.properties import GENERIC_PROPS, Properties
from kernel_sim.overlay.target import Association, Destination, PointTarget
from kernel_sim.sys.codec import Point
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.message import Message
from kernel_sim.sys.overlay_common import DEST_IP_PORT, Dest
from kernel_sim.sys.tunables import Tunables

KNOWN, FAR, DROPPED, UNKNOWN = (bytes.fromhex(f"0208200000{n}") for n in ("02", "04", "06", "08"))


def frame(mac: bytes, size: int = 60) -> bytes:
    return mac + OWN_MAC + b"\x88\xb5" + bytes(size - 14)


def tcp(mac: bytes = KNOWN) -> Message:
    return Flow(dst=mac, src=OWN_MAC).run(bytes(100), 100)


# ---------------------------------------------------------------------- the cache


def test_addresses_with_one_destination_share_it_and_the_shared_ones_are_limited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert cache.DESTINATIONS_MAX == 65536
    monkeypatch.setattr(cache, "DESTINATIONS_MAX", 2)
    target = DynamicOverlay().target
    first = target.destination(point("10.0.0.2"))
    assert target.destination(point("10.0.0.2")) is first
    target.destination(point("10.0.0.3"))
    assert target.destination(point("10.0.0.2")) is first
    target.destination(point("10.0.0.4"))
    assert target.destination(point("10.0.0.2")) is not first


def test_a_sender_is_forgotten_when_too_many_have_been_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "DESTINATIONS_MAX", 2)
    target = DynamicOverlay().target
    addresses = [point(f"10.0.0.{n}") for n in (2, 3, 4)]
    for one in addresses:
        target.destination(one)
    assert [target.named(one.ip) for one in addresses] == [False, False, True]


def test_only_an_address_with_a_destination_is_settled() -> None:
    overlay = DynamicOverlay()
    overlay.cache_set(KNOWN)
    overlay.cache_set_drop(DROPPED)
    overlay.port.send(frame(UNKNOWN))
    settled = {mac: overlay.target.settled(Message(frame(mac))) for mac in (KNOWN, DROPPED, UNKNOWN, FAR)}
    assert settled == {KNOWN: overlay.target.destination(point("10.0.0.2")), DROPPED: None, UNKNOWN: None, FAR: None}


class Elsewhere(VxlanPlugin):
    """An encapsulation that is sent to a MAC address."""

    name = "vxlan"
    dest = Dest.ETHERNET


def test_a_target_that_gives_no_ip_address_and_port_sends_nothing() -> None:
    """KRN 2.3: such an overlay can be made, and has no destination."""
    overlay = DynamicOverlay(plugins=(Elsewhere(),))
    overlay.port.send(frame(KNOWN), frame(UNKNOWN))
    assert overlay.drops == {"tx_target_drop": 2}
    assert overlay.sent == []
    assert overlay.target.settled(Message(frame(KNOWN))) is None
    overlay.target.identify(UNKNOWN, OWN_MAC)
    assert overlay.idle()


@pytest.mark.parametrize(("provides", "usable"), [(DEST_IP_PORT, True), (Dest.ETHERNET, False)])
def test_a_point_is_where_all_goes_or_nothing(provides: Dest, *, usable: bool) -> None:
    target = PointTarget(Association(9, provides, point("10.0.0.2")))
    message = Message(frame(KNOWN))
    if usable:
        assert target.lookup(message) is target.settled(message) is target.fixed
        assert target.fixed is not None
        assert target.fixed.address == SocketAddress(point("10.0.0.2").ip, 4789)
    else:
        assert (target.lookup(message), target.settled(message)) == (DeviceDrop.TX_TARGET, None)


def test_senders_are_asked_for_as_often_as_lookups_may_be_made() -> None:
    overlay = DynamicOverlay(tunables=Tunables(overlay_lookup_rate=1))
    overlay.target.identify(KNOWN, OWN_MAC)
    overlay.target.identify(FAR, OWN_MAC)
    assert [entry.mac for entry in overlay.target] == [KNOWN]
    overlay.clock.advance(1)
    overlay.target.identify(FAR, OWN_MAC)
    assert [entry.mac for entry in overlay.target] == [KNOWN, FAR]


@pytest.mark.parametrize("answered", [True, False])
def test_a_sender_that_is_known_or_asked_for_is_not_asked_for_again(*, answered: bool) -> None:
    overlay = DynamicOverlay()
    if answered:
        overlay.cache_set(KNOWN)
    else:
        overlay.port.send(frame(KNOWN))
    overlay.target.identify(KNOWN, OWN_MAC)
    assert len(list(overlay.target)) == 1


def test_a_new_target_keeps_the_senders_that_are_asked_for_and_goes_on_after_them() -> None:
    overlay = DynamicOverlay()
    overlay.target.identify(FAR, OWN_MAC)
    overlay.port.send(frame(UNKNOWN))
    asked = {entry.mac: entry for entry in overlay.target}
    overlay.associate_again()
    assert {entry.mac: entry for entry in overlay.target} == asked
    assert all(not entry.flags & ANSWERED for entry in overlay.target)
    assert overlay.parked == {UNKNOWN: (1, 60)}
    for _ in asked:
        overlay.respond(overlay.lookup().reqid)
    assert overlay.sent == [frame(UNKNOWN)]


# ---------------------------------------------------------------------- what leaves alike


def test_a_conversation_has_a_path_while_its_destination_is_known_and_can_be_reached() -> None:
    overlay = DynamicOverlay()
    overlay.cache_set(KNOWN)
    overlay.cache_set(FAR, "fd00::2")
    path = overlay.device.wire_path(tcp())
    assert path is not None
    assert path.header == PLUGIN.header(23)
    assert path.to == SocketAddress(point("10.0.0.2").ip, 4789)
    assert path.source_port == porthash.source_port(tcp().data, 4789)
    assert overlay.device.wire_path(tcp(FAR)) is None
    assert overlay.device.wire_path(tcp(UNKNOWN)) is None


def test_a_point_has_a_path_for_every_address() -> None:
    overlay = DynamicOverlay()
    overlay.associate_again(point("10.0.0.2"))
    path = overlay.device.wire_path(tcp(UNKNOWN))
    assert path is not None
    assert path.to == SocketAddress(point("10.0.0.2").ip, 4789)


@pytest.mark.parametrize("attributes", [{"port_by_conversation": False}, {"header": lambda _self, _id: None}])
def test_frames_that_may_leave_differently_have_no_path(attributes: dict[str, object]) -> None:
    plugin: EncapPlugin = type("Differing", (VxlanPlugin,), attributes)()
    overlay = DynamicOverlay(plugins=(plugin,))
    overlay.cache_set(KNOWN)
    assert overlay.device.wire_path(tcp()) is None


def test_an_overlay_that_is_not_started_has_no_path() -> None:
    assert DynamicOverlay(started=False).device.wire_path(tcp()) is None


@pytest.mark.parametrize("checked", [False, True])
def test_frames_for_a_vnic_have_a_receive_path_unless_their_senders_are_checked(*, checked: bool) -> None:
    overlay = DynamicOverlay(tunables=Tunables(overlay_mac_check=checked))
    path = overlay.device.receive_path(memoryview(OWN_MAC + KNOWN + bytes(48)))
    assert (path is None) is checked


@pytest.mark.parametrize(("mtu", "allowed"), [(575, False), (576, True), (8900, True), (8901, False)])
def test_an_mtu_is_within_576_and_8900(mtu: int, *, allowed: bool) -> None:
    device = DynamicOverlay().device
    if allowed:
        device.set_mtu(mtu)
        path = device.receive_path(memoryview(OWN_MAC + KNOWN + bytes(48)))
        assert path is not None
        assert path.mtu == mtu
    else:
        with pytest.raises(KernelError, match=rf"MTU {mtu} is not within 576\.\.8900"):
            device.set_mtu(mtu)


def test_a_stranger_is_asked_for_only_by_a_whole_header() -> None:
    overlay = DynamicOverlay(tunables=Tunables(overlay_source_filter=True))
    device = overlay.device
    assert not device.admits(point("10.0.0.9").ip, [memoryview(frame(OWN_MAC))[:13]])
    assert list(overlay.target) == []
    assert not device.admits(point("10.0.0.9").ip, [memoryview(OWN_MAC + KNOWN + b"\x08\x00")])
    assert [entry.mac for entry in overlay.target] == [KNOWN]
    overlay.respond(overlay.lookup().reqid, "10.0.0.9")
    assert device.admits(point("10.0.0.9").ip, [memoryview(frame(OWN_MAC))])


@pytest.mark.parametrize(
    ("message", "text"), [(Message(bytes(60)), "<Message 60 bytes>"), (tcp(), "<Message 154 bytes")]
)
def test_a_message_shows_what_it_is(message: Message, text: str) -> None:
    assert repr(message).startswith(text)


# ---------------------------------------------------------------------- plugins


class Plain(VxlanPlugin):
    """It takes the ways of every plugin."""

    encap = EncapPlugin.encap
    source_port = EncapPlugin.source_port


def test_a_plugin_has_its_constant_header_or_says_how_to_make_one() -> None:
    plain = Plain()
    assert plain.encap(frame(KNOWN), 23) == plain.header(23) == bytes.fromhex("0800000000001700")
    assert plain.source_port(frame(KNOWN), 4789) == 4789
    plain.header = lambda _vnetid: None  # type: ignore[method-assign]
    with pytest.raises(KernelError, match="vxlan has neither a constant header nor encap"):
        plain.encap(frame(KNOWN), 23)


@pytest.mark.parametrize("size", [256, 257])
def test_a_property_value_has_256_bytes_at_most(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    overlay = DynamicOverlay()
    properties = Properties(PluginRegistry([PLUGIN]), lambda *_: False)
    monkeypatch.setattr(VxlanInstance, "getprop", lambda _self, _name: bytes(size))
    if size > 256:
        with pytest.raises(KernelError) as error:
            properties.get(overlay.device, GENERIC_PROPS, "")
        assert error.value.errno is Errno.EOVERFLOW
    else:
        assert len(properties.get(overlay.device, GENERIC_PROPS, "")) == size


@pytest.mark.parametrize(("port", "allowed"), [(0, False), (1, True), (65535, True), (65536, False)])
def test_ports_go_from_1_to_65535(port: int, *, allowed: bool) -> None:
    instance = PLUGIN.init()
    value = port.to_bytes(8, "little")
    if allowed:
        instance.setprop(LISTEN_PORT, value)
        assert instance.getprop(LISTEN_PORT) == value
    else:
        with pytest.raises(KernelError, match=f"{port} is not within 1..65535"):
            instance.setprop(LISTEN_PORT, value)


@pytest.mark.parametrize(
    ("address", "kind"),
    [("00" * 12 + "0a000001", "an IPv4-compatible"), ("2002" + "00" * 14, "a 6to4"), ("ff" + "00" * 15, "a multicast")],
)
def test_an_address_nobody_can_listen_at_is_named(address: str, kind: str) -> None:
    with pytest.raises(KernelError, match=f"cannot be {kind} address"):
        PLUGIN.init().setprop("vxlan/listen_ip", bytes.fromhex(address))


def test_the_reserved_bits_are_all_but_the_flag_and_the_id() -> None:
    assert PLUGIN.reserved == bytes.fromhex("f7ffffff000000ff")
    assert (PLUGIN.id_size, PLUGIN.decap_size) == (3, 8)


# ---------------------------------------------------------------------- source ports, by hand


def ipv4(protocol: int, rest: bytes, *, fragment: int = 0, options: bytes = b"", ident: int = 0x1234) -> bytes:
    """MAC addresses that cancel each other out, addresses that give 0x08 ^ 0x01."""
    head = bytes((0x45 + len(options) // 4, 0, 0, 0)) + ident.to_bytes(2, "big") + fragment.to_bytes(2, "big")
    return (
        bytes(12) + b"\x08\x00" + head + bytes((64, protocol, 0, 0)) + bytes((0, 0, 0, 8, 0, 0, 0, 1)) + options + rest
    )


def ipv6(following: int, rest: bytes) -> bytes:
    return (
        bytes(12)
        + b"\x86\xdd"
        + bytes((0x60, 0, 0, 0, 0, 0, following, 64))
        + bytes(15)
        + b"\x08"
        + bytes(15)
        + b"\x01"
        + rest
    )


@pytest.mark.fact("KRN-I33")
@pytest.mark.parametrize(
    ("data", "hashed"),
    [
        (ipv4(porthash.TCP, b"\0\x10\0\x20"), 0x39),
        (ipv4(porthash.TCP, b"\0\x10\0"), 0x09),  # too short for ports
        (ipv4(porthash.UDP, b"\0\x10\0\x20", options=bytes(4)), 0x39),
        (ipv4(1, b"\0\x10\0\x20"), 0x09),  # ICMP has none
        (ipv4(porthash.TCP, b"\0\x10\0\x20", fragment=0x2000), 0x39),  # the first fragment has its ports
        (ipv4(porthash.TCP, b"\0\x10\0\x20", fragment=1), 0x09 ^ 0x12 ^ 0x34),
        (ipv4(porthash.TCP, b"\0\x10\0\x20", fragment=1, ident=0x0109), 0x09 ^ 0x01 ^ 0x09),
        (ipv4(porthash.AH, bytes((porthash.TCP, 1)) + bytes(10) + b"\0\x10\0\x20"), 0x39),
        (ipv4(porthash.AH, bytes((porthash.TCP,))), 0x09),
        (ipv6(porthash.SCTP, b"\0\x10\0\x20"), 0x39),
        (ipv6(porthash.ESP, b"\0\x10\0\x20" + bytes(4)), 0x39),
        (ipv6(0, bytes((porthash.TCP, 0)) + bytes(6) + b"\0\x10\0\x20"), 0x39),
        (ipv6(60, bytes((porthash.TCP, 1)) + bytes(14) + b"\0\x10\0\x20"), 0x39),
        (ipv6(60, bytes((porthash.TCP, 1)) + bytes(5)), 0x00),  # the extension is not whole
        (ipv6(60, bytes((59, 0)) + bytes(6)), 0x09),  # the extension ends with the frame
        (ipv6(60, bytes((porthash.TCP, 1)) + bytes(6)), 0x00),  # and here beyond it
        (ipv6(porthash.FRAGMENT, bytes((porthash.TCP, 0, 0, 0, 1, 2, 4, 8))), 0x09 ^ 0x0F),
        (ipv6(porthash.FRAGMENT, bytes((porthash.TCP, 5, 0, 0, 1, 2, 4, 8)) + b"\0\x10\0\x20"), 0x09 ^ 0x0F),
        (b"\1\2\4" + bytes(9) + b"\x88\xb5", 0x07),
        (b"\1\2\4" + bytes(9) + b"\x88", 0x00),
        (b"\1\2\4" + bytes(9) + b"\x81\0\0\x17\x08", 0x07),
        (b"\1\2\4" + bytes(9) + b"\x81\0\0\x17\x88\xb5", 0x07),
    ],
)
def test_the_hash_of_a_frame(data: bytes, hashed: int) -> None:
    assert porthash.frame_hash(data) == hashed
    assert porthash.source_port(data, 4789) == (49152 + hashed if hashed else 4789)


@pytest.mark.fact("KRN-I33")
@pytest.mark.parametrize("size", [54, 58, 62, 100])
@pytest.mark.parametrize("version", [4, 6])
def test_all_bytes_of_the_addresses_and_ports_are_in_the_hash(version: int, size: int) -> None:
    rng = random.Random(size)
    for _ in range(200):
        first, addresses, ports = rng.randbytes(12), rng.randbytes(8), rng.randbytes(4)
        if version == 4:
            data = ipv4(porthash.UDP, ports + bytes(size))[12:]
            data = first + data[:14] + addresses + data[22:]
        else:
            data = ipv6(porthash.UDP, ports + bytes(size))[12:]
            head, rest = data[:10], data[42:]
            data = first + head + rng.randbytes(12) + addresses[:4] + rng.randbytes(12) + addresses[4:] + rest
        data = data[:size] if version == 4 else data[: max(size, 58)]
        hashed = functools.reduce(operator.xor, first + addresses + ports)
        assert porthash.frame_hash(data) == hashed
        assert porthash.source_port(data, 4789) == (49152 + hashed if hashed else 4789)


def test_a_destination_is_not_resolved_at_first() -> None:
    fresh = Destination(SocketAddress(Point().ip, 0))
    assert fresh.resolved_by is None
    assert not fresh.errno
