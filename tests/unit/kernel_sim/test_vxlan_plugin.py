"""The vxlan plugin: header, properties, source port of well-known frames."""

from __future__ import annotations

import struct

import pytest

from kernel_sim.ddi import V4_MAPPED_PREFIX, SocketAddress
from kernel_sim.overlay.plugin import Decapsulated
from kernel_sim.overlay.plugins.porthash import frame_hash, source_port
from kernel_sim.overlay.plugins.vxlan import LISTEN_IP, LISTEN_PORT, PLUGIN
from kernel_sim.overlay.prop import PropertyHandle
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.overlay_common import PropPerm, PropType

A = bytes.fromhex("020820000001")
B = bytes.fromhex("020820000002")


def mapped(*octets: int) -> bytes:
    return V4_MAPPED_PREFIX + bytes(octets)


def errno_of(error: pytest.ExceptionInfo[KernelError]) -> Errno:
    return error.value.errno


# ---------------------------------------------------------------------- header


@pytest.mark.fact("KRN-I2")
def test_the_header_is_the_i_flag_the_id_and_zeros() -> None:
    assert PLUGIN.header(23) == bytes.fromhex("0800000000001700")
    assert PLUGIN.header(0xABCDEF) == bytes.fromhex("08000000abcdef00")


@pytest.mark.fact("KRN-I3", "KRN-Q23")
@pytest.mark.parametrize(
    "header", ["0800000000001700", "f8ffffff000017ff", "0800000100001700", "08000000000017ff", "ff00000000001700"]
)
def test_a_datagram_with_the_i_flag_is_taken_whatever_else_is_set(header: str) -> None:
    assert PLUGIN.decap(bytes.fromhex(header) + b"frame") == Decapsulated(23, 8)


@pytest.mark.fact("KRN-I3")
@pytest.mark.parametrize("datagram", ["", "08", "08000000000017", "0000000000001700", "f7ffffff00001700"])
def test_a_datagram_cut_short_or_without_the_i_flag_is_refused(datagram: str) -> None:
    assert PLUGIN.decap(bytes.fromhex(datagram)) is None


# ---------------------------------------------------------------------- properties


def test_the_socket_is_the_listen_address_and_needs_one() -> None:
    instance = PLUGIN.init()
    with pytest.raises(KernelError) as error:
        instance.socket()
    assert errno_of(error) is Errno.EINVAL
    instance.setprop(LISTEN_IP, mapped(10, 0, 0, 1))
    assert instance.socket() == SocketAddress(mapped(10, 0, 0, 1), 4789)
    instance.setprop(LISTEN_PORT, struct.pack("=Q", 4790))
    assert instance.socket() == SocketAddress(mapped(10, 0, 0, 1), 4790)


def test_an_unset_address_reads_as_nothing_and_an_unset_port_as_its_default() -> None:
    instance = PLUGIN.init()
    assert instance.getprop(LISTEN_IP) == b""
    assert instance.getprop(LISTEN_PORT) == struct.pack("=Q", 4789)


@pytest.mark.parametrize(
    "ip",
    [
        bytes(16),
        bytes(15) + b"\x01",
        mapped(0, 0, 0, 0),
        mapped(10, 88, 88, 69),
        bytes.fromhex("fd000000000000000000000000000001"),
    ],
    ids=["any", "loopback", "any v4", "v4", "v6"],
)
def test_these_listen_addresses_are_accepted(ip: bytes) -> None:
    instance = PLUGIN.init()
    instance.setprop(LISTEN_IP, ip)
    assert instance.getprop(LISTEN_IP) == ip


@pytest.mark.parametrize(
    "ip",
    [
        b"",
        bytes(4),
        bytes(17),
        bytes(12) + bytes((10, 0, 0, 1)),
        bytes.fromhex("ff020000000000000000000000000001"),
        bytes.fromhex("20020a000001000000000000000000ff"),
    ],
    ids=["empty", "four bytes", "too long", "v4 compatible", "multicast", "6to4"],
)
def test_these_listen_addresses_are_einval(ip: bytes) -> None:
    instance = PLUGIN.init()
    with pytest.raises(KernelError) as error:
        instance.setprop(LISTEN_IP, ip)
    assert errno_of(error) is Errno.EINVAL
    assert instance.getprop(LISTEN_IP) == b""


@pytest.mark.fact("KRN-Q22")
@pytest.mark.parametrize(("first", "last", "ok"), [(10, 230, True), (230, 10, False), (224, 1, False), (239, 1, False)])
def test_a_multicast_address_is_told_by_its_first_octet(first: int, last: int, ok: bool) -> None:
    instance = PLUGIN.init()
    try:
        instance.setprop(LISTEN_IP, mapped(first, 1, 1, last))
    except KernelError as error:
        assert error.errno is Errno.EINVAL
        assert not ok
    else:
        assert ok


@pytest.mark.parametrize("value", [b"", b"\x12\xb5", bytes(8), struct.pack("=Q", 65536), struct.pack("=Q", 2**63)])
def test_these_listen_ports_are_einval(value: bytes) -> None:
    with pytest.raises(KernelError) as error:
        PLUGIN.init().setprop(LISTEN_PORT, value)
    assert errno_of(error) is Errno.EINVAL


def test_an_unknown_property_is_einval_everywhere() -> None:
    instance = PLUGIN.init()
    for use in (
        lambda: instance.getprop("vxlan/ttl"),
        lambda: instance.setprop("vxlan/ttl", b""),
        lambda: PLUGIN.propinfo("vxlan/ttl", PropertyHandle()),
    ):
        with pytest.raises(KernelError) as error:
            use()
        assert errno_of(error) is Errno.EINVAL


@pytest.mark.fact("KRN-Q27")
def test_the_default_port_is_two_bytes_of_an_eight_byte_type() -> None:
    handle = PropertyHandle()
    PLUGIN.propinfo(LISTEN_PORT, handle)
    assert (handle.type, handle.perm, handle.default) == (PropType.UINT, PropPerm.RRW, struct.pack("=H", 4789))
    assert handle.poss.ranges == ((1, 65535),)


# ---------------------------------------------------------------------- source port


def ipv4(protocol: int, payload: bytes, *, frag: int = 0, ident: int = 0, options: bytes = b"") -> bytes:
    head = struct.pack(
        ">BBHHHBBH4s4s",
        0x40 | (5 + len(options) // 4),
        0,
        20 + len(options) + len(payload),
        ident,
        frag,
        64,
        protocol,
        0,
        bytes((10, 0, 0, 1)),
        bytes((10, 0, 0, 7)),
    )
    return B + A + b"\x08\x00" + head + options + payload


def ipv6(protocol: int, payload: bytes) -> bytes:
    src, dst = bytes(12) + b"\x01\x02\x03\x04", bytes(12) + b"\x10\x20\x30\x40"
    return B + A + b"\x86\xdd" + struct.pack(">IHBB", 6 << 28, len(payload), protocol, 64) + src + dst + payload


PORTS = struct.pack(">HH", 0x1234, 0x0050)
MACS = 0x01 ^ 0x02
IPS = 0x01 ^ 0x07
IP6S = 0x01 ^ 0x02 ^ 0x03 ^ 0x04 ^ 0x10 ^ 0x20 ^ 0x30 ^ 0x40
TCP_PORTS = 0x12 ^ 0x34 ^ 0x50


@pytest.mark.parametrize("protocol", [6, 17, 50, 132])
def test_the_first_four_transport_bytes_of_tcp_udp_esp_and_sctp_count(protocol: int) -> None:
    assert frame_hash(ipv4(protocol, PORTS + bytes(16))) == MACS ^ IPS ^ TCP_PORTS
    assert frame_hash(ipv6(protocol, PORTS + bytes(16))) == MACS ^ IP6S ^ TCP_PORTS


def test_other_protocols_stop_at_the_addresses() -> None:
    assert frame_hash(ipv4(1, PORTS)) == MACS ^ IPS
    assert frame_hash(ipv6(58, PORTS)) == MACS ^ IP6S


def test_options_of_ipv4_are_stepped_over() -> None:
    assert frame_hash(ipv4(6, PORTS, options=b"\x01\x02\x04\x08")) == MACS ^ IPS ^ TCP_PORTS


@pytest.mark.fact("KRN-Q37")
def test_a_first_fragment_takes_the_ports_and_a_later_one_its_ident() -> None:
    assert frame_hash(ipv4(17, PORTS, frag=0x2000, ident=0x0180)) == MACS ^ IPS ^ TCP_PORTS
    assert frame_hash(ipv4(17, PORTS, frag=0x2001, ident=0x0180)) == MACS ^ IPS ^ 0x81
    assert source_port(ipv4(17, PORTS + bytes(8), frag=0x0001, ident=0x0180), 4789) == 49152 + (MACS ^ IPS ^ 0x81)


def test_an_authentication_header_is_stepped_over() -> None:
    ah = b"\x06\x04" + bytes(22)
    assert frame_hash(ipv4(51, ah + PORTS)) == MACS ^ IPS ^ TCP_PORTS


@pytest.mark.parametrize("first", [0, 43, 60])
def test_extension_headers_of_ipv6_are_stepped_over(first: int) -> None:
    chain = bytes((60, 1)) + bytes(14) + bytes((6, 0)) + bytes(6)
    assert frame_hash(ipv6(first, chain + PORTS)) == MACS ^ IP6S ^ TCP_PORTS


def test_an_ipv6_fragment_takes_its_ident_and_no_ports() -> None:
    fragment = bytes((6, 0, 0, 1)) + b"\x01\x02\x04\x80"
    assert frame_hash(ipv6(44, fragment + PORTS)) == MACS ^ IP6S ^ 0x87


@pytest.mark.parametrize("chain", [b"", b"\x06\x00\x00", b"\x06\x01" + bytes(13), b"\x2c\x00" + bytes(6) + b"\x06\x00"])
def test_a_broken_chain_of_extension_headers_stops_before_the_addresses(chain: bytes) -> None:
    assert frame_hash(ipv6(0, chain)) == MACS


def test_a_vlan_tag_is_looked_through_and_does_not_count() -> None:
    plain = ipv4(6, PORTS)
    assert frame_hash(plain[:12] + b"\x81\x00\x00\x55" + plain[12:]) == frame_hash(plain)


@pytest.mark.parametrize("frame", [b"", bytes(13)])
def test_a_frame_without_a_header_goes_from_the_bound_port(frame: bytes) -> None:
    assert source_port(frame, 4790) == 4790


def test_a_hash_of_zero_goes_from_the_bound_port() -> None:
    assert source_port(A + A + b"\x08\x06" + bytes(28), 4790) == 4790


def test_an_802_3_length_stops_at_the_mac_addresses() -> None:
    assert source_port(B + A + b"\x00\x2e" + bytes(46), 4789) == 49152 + MACS
