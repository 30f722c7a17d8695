"""Values of link properties: the standard library judges addresses where it can, and what is shown can always be set again."""

from __future__ import annotations

import ipaddress
import socket

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dladm.libdladm.propvalue import allowed_dhcp_cids, allowed_ips, autopush, cpus, dynamic_methods, maxbw, mtu, rings
from dladm.libdladm.propvalue._ipaddr import ntop6, pton4, pton6
from dladm.libdladm.propvalue._number import strtoul
from dladm.libdladm.propvalue.rings import Rings
from dladm.libdladm.status import DladmError, Status
from kernel_sim.sys.codec import MacDhcpcid, MacIpaddr
from kernel_sim.sys.mac_flow import CidForm, DynamicMethod

MAPPED = bytes(10) + b"\xff\xff"
UNSPECIFIED = (bytes(16), MAPPED + bytes(4))
QUADS = st.binary(min_size=4, max_size=4)
SPARSE = st.lists(st.sampled_from([0, 0, 0, 1, 0xFFFF, 0xA00]), min_size=8, max_size=8).map(
    lambda words: b"".join(word.to_bytes(2) for word in words)
)
ADDRESSES = st.one_of(st.binary(min_size=16, max_size=16), SPARSE, QUADS.map(MAPPED.__add__))
ADDRESS_TEXT = st.text(st.sampled_from("01249abfF:.:.%/ "), max_size=24)


def refused(text: str) -> bool:
    try:
        allowed_ips.parse([text])
    except DladmError as error:
        assert error.status is Status.INVALID_IP
        return True
    return False


@given(QUADS)
def test_an_ipv4_network_of_every_prefix_is_taken_exactly_when_the_standard_library_takes_it(quad: bytes) -> None:
    for prefix in range(1, 33):
        network = ipaddress.IPv4Network((quad, prefix), strict=False)
        base = network.network_address.packed
        assert refused(f"{ipaddress.IPv4Address(quad)}/{prefix}") == (base != quad or quad == bytes(4)), prefix
        if base != bytes(4):
            assert allowed_ips.parse([str(network)]) == (MacIpaddr(4, MAPPED + base, prefix),)
            assert allowed_ips.format([MacIpaddr(4, MAPPED + base, prefix)]) == (str(network),)


@given(ADDRESSES)
def test_an_ipv6_network_of_every_prefix_is_taken_exactly_when_the_standard_library_takes_it(address: bytes) -> None:
    for prefix in range(1, 129):
        network = ipaddress.IPv6Network((address, prefix), strict=False)
        base = network.network_address.packed
        assert refused(f"{ipaddress.IPv6Address(address)}/{prefix}") == (base != address or address in UNSPECIFIED)
        if base not in UNSPECIFIED:
            entry = MacIpaddr(6, base, prefix)
            (shown,) = allowed_ips.format([entry])
            assert allowed_ips.parse([shown]) == (entry,), prefix
            assert ipaddress.IPv6Network(shown) == network


@given(st.one_of(ADDRESS_TEXT, ADDRESSES.map(lambda raw: str(ipaddress.IPv6Address(raw)))))
@example("1:2:3:4:5:6:7::")
@example("::2:3:4:5:6:7:8")
@example("1:2:3:4:5:6:7:8::")
@example("::1.2.3.4")
@example("1:2:3:4:5:6:1.2.3.4")
def test_addresses_without_leading_zeros_are_read_as_the_standard_library_reads_them(text: str) -> None:
    for read, family in ((pton4, ipaddress.IPv4Address), (pton6, ipaddress.IPv6Address)):
        try:
            expected = family(text).packed if "%" not in text else None
        except ValueError:
            continue
        assert read(text) == expected


@given(ADDRESS_TEXT)
@example("01.2.3.4")
@example("::00001")
def test_what_is_read_is_an_address_for_the_standard_library_once_leading_zeros_are_gone(text: str) -> None:
    quad = pton4(text)
    if quad is not None:
        assert ipaddress.IPv4Address(".".join(str(int(part)) for part in text.split("."))).packed == quad
    address = pton6(text)
    if address is not None:
        groups = [part.lstrip("0") or part[:1] for part in text.replace(".", ":").split(":")]
        plain, separators = iter(groups), [c for c in text if c in ".:"]
        joined = next(plain) + "".join(separator + part for separator, part in zip(separators, plain, strict=True))
        assert ipaddress.IPv6Address(joined).packed == address


@given(ADDRESSES)
def test_ipv6_addresses_are_written_as_the_c_library_writes_them(address: bytes) -> None:
    assert ntop6(address) == socket.inet_ntop(socket.AF_INET6, address)
    assert pton6(ntop6(address)) == address


@given(st.lists(st.tuples(QUADS, st.integers(1, 32)), max_size=5))
def test_the_same_address_twice_is_refused_whatever_the_prefixes(networks: list[tuple[bytes, int]]) -> None:
    texts, bases = [], []
    for quad, prefix in networks:
        network = ipaddress.IPv4Network((quad, prefix), strict=False)
        if network.network_address.packed != bytes(4):
            texts.append(str(network))
            bases.append(network.network_address)
    if len(set(bases)) == len(bases):
        assert allowed_ips.format(allowed_ips.parse(texts)) == tuple(texts)
    else:
        with pytest.raises(DladmError) as error:
            allowed_ips.parse(texts)
        assert error.value.status is Status.BADARG


def typed(kind: int, head: bytes, tail: bytes) -> MacDhcpcid:
    return MacDhcpcid(kind.to_bytes(2) + head + tail, CidForm.TYPED)


HW, U32, LLADDR, REST = (
    st.binary(min_size=2, max_size=2),
    st.binary(min_size=4, max_size=4),
    st.binary(min_size=1, max_size=20),
    st.binary(max_size=40),
)
CIDS = st.one_of(
    st.builds(typed, st.just(1), st.builds(bytes.__add__, HW, U32), LLADDR),
    st.builds(typed, st.just(2), U32, REST),
    st.builds(typed, st.just(3), HW, LLADDR),
    st.builds(typed, st.integers(0, 65535).filter(lambda kind: kind not in (1, 2, 3)), st.just(b""), REST),
    st.builds(MacDhcpcid, st.binary(min_size=1, max_size=256), st.just(CidForm.HEX)),
)


@given(st.lists(CIDS, max_size=32, unique_by=lambda cid: cid.cid))
def test_a_client_id_is_shown_so_that_it_can_be_set_again(cids: list[MacDhcpcid]) -> None:
    assert allowed_dhcp_cids.parse(allowed_dhcp_cids.format(cids)) == tuple(cids)


@given(st.binary(max_size=256), st.sampled_from([*CidForm, 0, 4]))
def test_any_client_id_of_the_kernel_is_shown_somehow_and_never_as_another(cid: bytes, form: int) -> None:
    (text,) = allowed_dhcp_cids.format([MacDhcpcid(cid, form)])
    assert text.isascii()
    assert text.isprintable()
    if text and text != "<unknown>" and "," not in text:
        again = allowed_dhcp_cids.parse([text])[0]
        assert again.cid == cid or form == CidForm.STR


@given(st.text(max_size=20))
def test_any_text_is_a_client_id_or_is_refused(text: str) -> None:
    try:
        (cid,) = allowed_dhcp_cids.parse([text])
    except DladmError as error:
        assert error.status is Status.BADARG
        assert text[:1].isdigit()
    else:
        assert len(cid.pack()) == MacDhcpcid.SIZE


@given(st.lists(st.sampled_from(["dhcpv4", "dhcpv6", "slaac"]), min_size=1))
def test_dynamic_methods_add_up(words: list[str]) -> None:
    methods = dynamic_methods.parse(words)
    assert dynamic_methods.format(methods) == tuple(word for word in ("dhcpv4", "dhcpv6", "slaac") if word in words)
    assert dynamic_methods.parse([*words, "addrconf"]) == methods | DynamicMethod.SLAAC | DynamicMethod.DHCPV6


@given(st.integers(1200, (1 << 64) // 1000 - 1))
def test_a_bandwidth_in_whole_kbit_is_shown_as_it_is(kilobits: int) -> None:
    (shown,) = maxbw.format(maxbw.parse([f"{kilobits}K"]))
    mega, _, kilo = shown.strip().partition(".")
    assert int(mega) * 1000 + int(kilo or 0) == kilobits
    assert len(mega) >= 5 or len(shown.partition(".")[0]) == 5


@given(st.integers(0, (1 << 32) - 1))
def test_an_integer_of_c_is_the_same_in_every_notation(number: int) -> None:
    assert {mtu.parse([text]) for text in (f"{number}", f"{number:#x}", f"0{number:o}", f"+{number}")} == {number}
    assert strtoul(f" {number} rest") == (number, " rest", True)
    assert strtoul(f"-{number}")[0] == -number % (1 << 32)


@given(st.integers(1 << 32, 1 << 70))
def test_an_integer_that_does_not_fit_is_the_largest(number: int) -> None:
    assert strtoul(f"{number}x") == strtoul(f"-{number:#x}x") == ((1 << 32) - 1, "x", False)


@given(st.lists(st.integers(0, 300), min_size=1, max_size=128, unique=True))
def test_cpus_are_shown_so_that_they_can_be_set_again(numbers: list[int]) -> None:
    shown = cpus.format(numbers)
    assert cpus.parse(shown) == tuple(sorted(numbers))
    assert all("-" not in text or int(text.split("-")[0]) < int(text.split("-")[1]) for text in shown)
    assert len(shown) == 1 + sum(
        high - low > 1 for low, high in zip(sorted(numbers), sorted(numbers)[1:], strict=False)
    )


@given(st.lists(st.text("abz", min_size=1, max_size=8), min_size=1, max_size=8), st.integers(0, 8))
def test_modules_are_shown_so_that_they_can_be_set_again(modules: list[str], anchor: int) -> None:
    push = autopush.Autopush(tuple(modules), min(anchor, len(modules)))
    assert autopush.parse(autopush.format(push)) == push


@given(st.one_of(st.just(rings.HARDWARE), st.integers(1, 4096).map(Rings)))
def test_rings_are_shown_so_that_they_can_be_set_again(wanted: Rings) -> None:
    assert rings.parse(rings.format(wanted)) == wanted
