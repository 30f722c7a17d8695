"""Names and addresses as they are typed."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etherspan.ipadm import names
from etherspan.ipadm.names import DEFAULT_ID, Typed
from etherspan.ipadm.resolve import resolve
from etherspan.ipadm.status import IpadmError, Status

MAC = bytes.fromhex("020820ab12cd")
HOSTS = "10.0.0.7 alpha Alpha.example # beta\n10.0.0.8 beta\nfd00::8 beta\nnonsense gamma\n\n10.0.0.7 alpha\n"
HALF = st.integers(0, 2**64 - 1)


@pytest.mark.parametrize("name", ["lo0", "vnic0", "a.b_1", "net12", f"{'n' * 30}0"])
def test_the_name_of_a_link_is_the_name_of_an_interface(name: str) -> None:
    names.check_interface(name)


@pytest.mark.parametrize(
    "name", ["", "vnic", "vnic01", "vnic0:1", "0net0", "vnic-0", f"{'n' * 31}0", "vnic0\n", "vnic²"]
)
def test_what_is_no_links_name_is_no_interface(name: str) -> None:
    with pytest.raises(IpadmError) as caught:
        names.check_interface(name)
    assert caught.value.status is Status.INVALID_ARG


@pytest.mark.parametrize("name", ["vnic0/v4", "net0/a", f"net0/{'x' * 31}", "lo0/V6a9"])
def test_an_address_object_is_an_interface_and_a_word(name: str) -> None:
    names.check_object(name)


@pytest.mark.parametrize(
    "name",
    ["net0", "net0/", "/v4", "net0/4v", "net0/_a", "net0/v-4", "net0/v4/x", f"net0/{'x' * 32}", "net01/v4", "net0/ä"],
)
def test_other_names_of_address_objects_are_refused(name: str) -> None:
    with pytest.raises(IpadmError) as caught:
        names.check_object(name)
    assert caught.value.status is Status.INVALID_ARG


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", []),
        ("10.0.0.1/24", [("", "10.0.0.1/24")]),
        ("local=a,remote=b", [("local", "a"), ("remote", "b")]),
        ("local,remote=", [("local", None), ("remote", "")]),
        ("local=a=b,", [("local", "a=b")]),
        ("local=a,,x=1", [("local", "a"), ("", ""), ("", "x=1")]),
    ],
)
def test_suboptions_are_taken_apart_as_getsubopt_does(text: str, parts: list[tuple[str, str | None]]) -> None:
    assert names.suboptions(text, ("local", "remote")) == parts


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("10.0.0.1", Typed("10.0.0.1")),
        ("10.0.0.1/24", Typed("10.0.0.1", 24)),
        ("10.0.0.1/", Typed("10.0.0.1")),
        ("10.0.0.1/0", Typed("10.0.0.1")),
        ("alpha/128", Typed("alpha", 128)),
    ],
)
def test_a_prefix_length_follows_the_slash_and_zero_counts_as_none(text: str, typed: Typed) -> None:
    assert names.parse_typed(text) == typed


@pytest.mark.parametrize("text", ["10.0.0.1/129", "10.0.0.1/x", "10.0.0.1/-1", "a/24/24", "a/²", "a/9999999999"])
def test_what_is_no_prefix_length_is_refused(text: str) -> None:
    with pytest.raises(IpadmError) as caught:
        names.parse_typed(text)
    assert caught.value.status is Status.INVALID_ARG


@pytest.mark.parametrize(
    ("address", "length"),
    [
        ("10.1.2.3", 8),
        ("127.0.0.1", 8),
        ("128.0.0.1", 16),
        ("191.9.9.9", 16),
        ("192.0.2.1", 24),
        ("fd00::1", 64),
        ("fe80::1", 10),
    ],
)
def test_an_address_without_a_length_gets_its_class_or_its_familys(address: str, length: int) -> None:
    assert names.with_length(ipaddress.ip_address(address), None).network.prefixlen == length


def test_a_length_past_the_familys_bits_is_refused() -> None:
    assert str(names.with_length(ipaddress.ip_address("10.0.0.1"), 32)) == "10.0.0.1/32"
    with pytest.raises(IpadmError) as caught:
        names.with_length(ipaddress.ip_address("10.0.0.1"), 33)
    assert caught.value.status is Status.INVALID_ARG


@pytest.mark.parametrize("text", ["10.0.0.1/24", "10.0.0.0/31", "10.0.0.0/32", "fd00::/64", "fd00::1/128"])
def test_a_stations_address_is_usable(text: str) -> None:
    names.check_usable(ipaddress.ip_interface(text))


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("0.0.0.0/8", Status.BAD_ADDR),
        ("::/64", Status.BAD_ADDR),
        ("10.0.0.0/24", Status.ADDR_NOTAVAIL),
        ("10.0.0.255/24", Status.ADDR_NOTAVAIL),
        ("224.0.0.1/24", Status.ADDR_NOTAVAIL),
        ("255.255.255.255/32", Status.ADDR_NOTAVAIL),
        ("ff02::1/64", Status.ADDR_NOTAVAIL),
    ],
)
def test_an_address_that_no_station_can_have_is_refused(text: str, status: Status) -> None:
    with pytest.raises(IpadmError) as caught:
        names.check_usable(ipaddress.ip_interface(text))
    assert caught.value.status is status


def test_an_ipv4_mapped_address_is_its_ipv4_address() -> None:
    assert names.numeric("::ffff:10.0.0.1") == ipaddress.ip_address("10.0.0.1")
    assert names.numeric("fe80::1%net0") == ipaddress.ip_address("fe80::1")
    assert names.numeric("alpha") is None


def test_the_link_local_address_is_of_the_mac_address_or_of_the_given_id() -> None:
    assert str(DEFAULT_ID.link_local(MAC)) == "fe80::8:20ff:feab:12cd/10"
    assert str(names.parse_interface_id("::1a:2b3c:4d5e:6f78/64").link_local(MAC)) == "fe80::1a:2b3c:4d5e:6f78/10"


@given(HALF, st.integers(0, 128))
def test_an_interface_id_is_read_back_as_it_is_written(number: int, length: int) -> None:
    interface_id = names.InterfaceId(ipaddress.IPv6Address(number), length)
    assert names.parse_interface_id(str(interface_id)) == interface_id


@pytest.mark.parametrize("text", ["", "::1", "::1/129", "::1/x", "10.0.0.1/24", "x/64"])
def test_what_is_no_interface_id_is_refused(text: str) -> None:
    with pytest.raises(IpadmError) as caught:
        names.parse_interface_id(text)
    assert caught.value.status is Status.INVALID_ARG


# ---------------------------------------------------------------------- names of hosts


@pytest.fixture
def root(tmp_path: Path) -> Path:
    file = tmp_path / "etc/inet/hosts"
    file.parent.mkdir(parents=True)
    file.write_text(HOSTS)
    return tmp_path


def test_the_hosts_file_knows_a_host_by_every_name_of_its(root: Path) -> None:
    assert str(resolve("alpha", root)) == str(resolve("ALPHA.example", root)) == "10.0.0.7"
    assert str(resolve("10.9.9.9", root)) == "10.9.9.9"


def test_a_host_of_several_addresses_is_not_guessed_at(root: Path) -> None:
    with pytest.raises(IpadmError) as caught:
        resolve("beta", root)
    assert caught.value.status is Status.BAD_HOSTNAME
    assert caught.value.reason == "beta: 10.0.0.8, fd00::8"


@pytest.mark.parametrize("text", ["10.0.0.256", "1.2.3", "", "-x", "a b", "fe80::zz", "10.0.0.1,", "a" * 254])
def test_what_can_be_no_hosts_name_is_not_looked_up(text: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("socket.getaddrinfo")
    with pytest.raises(IpadmError) as caught:
        resolve(text, root)
    assert caught.value.status is Status.BAD_ADDR
