"""Zone files, and the options of `etherspan zone create`."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from etherspan import zone as zones
from etherspan import zonefile
from etherspan.commands.zone import configuration
from etherspan.errors import EtherspanError
from etherspan.schema import Invalid
from etherspan.zonefile import Nic, Zone

ip = ipaddress.ip_interface

interfaces = st.one_of(
    st.builds(lambda a, n: ip(f"{a}/{n}"), st.ip_addresses(v=4, network="10.0.0.0/8"), st.integers(0, 32)),
    st.builds(lambda a, n: ip(f"{a}/{n}"), st.ip_addresses(v=6, network="fd00::/8"), st.integers(0, 128)),
)
routes = st.one_of(
    st.tuples(
        st.builds(
            lambda a, n: ipaddress.ip_network(f"{a}/{n}", strict=False), st.ip_addresses(v=4), st.integers(0, 32)
        ),
        st.ip_addresses(v=4, network="10.0.0.0/8"),
    ),
    st.tuples(
        st.builds(
            lambda a, n: ipaddress.ip_network(f"{a}/{n}", strict=False), st.ip_addresses(v=6), st.integers(0, 128)
        ),
        st.ip_addresses(v=6, network="fd00::/8"),
    ),
)


@given(
    st.dictionaries(
        st.sampled_from(["vnic0", "a.b_1", "net7", "sdc_overlay4385087"]),
        st.builds(Nic, st.lists(interfaces, max_size=3).map(tuple), st.lists(routes, max_size=3).map(dict)),
    )
)
def test_a_zone_that_is_written_reads_back_the_same(nics: dict[str, Nic]) -> None:
    zone = Zone(nics)
    assert zonefile.parse(zonefile.render(zone), "z") == zone


def test_the_text_is_what_a_person_would_write() -> None:
    gateway = {ipaddress.ip_network("10.66.0.0/16"): ipaddress.ip_address("10.55.55.1")}
    zone = Zone({"vnic0": Nic((ip("10.55.55.2/24"), ip("fd55::2/64")), gateway), "vnic1": Nic()})
    assert zonefile.render(zone) == (
        '[nic.vnic0]\naddress = ["10.55.55.2/24", "fd55::2/64"]\nroutes = { "10.66.0.0/16" = "10.55.55.1" }\n\n[nic.vnic1]\n'
    )


def test_a_wrong_zone_file_is_named() -> None:
    with pytest.raises(Invalid, match=r"^/z/web\.toml: nic\.vnic0\.addres: unknown key; did you mean 'address'\?$"):
        zonefile.parse('[nic.vnic0]\naddres = ["10.0.0.1/8"]\n', "/z/web.toml")


def test_options_become_a_configuration() -> None:
    zone = configuration(["vnic1"], ["vnic0=10.0.0.1/8", "vnic0=fd00::1/64", "vnic1=10.0.0.2/8"])
    assert zone == Zone({"vnic1": Nic((ip("10.0.0.2/8"),)), "vnic0": Nic((ip("10.0.0.1/8"), ip("fd00::1/64")))})


@pytest.mark.parametrize(
    ("links", "addresses", "message"),
    [
        (["vnic"], [], "'vnic' is no link name"),
        ([], ["10.0.0.1/8"], "--address: '10.0.0.1/8' has no link; write it as LINK=ADDRESS/LENGTH"),
        ([], ["vnic0=10.0.0.1"], "'10.0.0.1' has no prefix length"),
    ],
)
def test_wrong_options_are_refused(links: list[str], addresses: list[str], message: str) -> None:
    with pytest.raises(click.UsageError, match=message):
        configuration(links, addresses)


def test_a_zone_made_while_the_host_is_down_waits_for_the_boot(tmp_path: Path) -> None:
    zones.create(tmp_path, "web", Zone({"vnic0": Nic((ip("10.0.0.1/8"),))}))
    assert (tmp_path / "etc/zones/web.toml").read_text() == '[nic.vnic0]\naddress = ["10.0.0.1/8"]\n'
    assert zones.list_zones(tmp_path) == [zones.ZoneInfo("web", running=False, links=("vnic0",))]
    with pytest.raises(EtherspanError, match=r"zone 'web' exists; 'etherspan zone delete web' removes it"):
        zones.create(tmp_path, "web", Zone())
    with pytest.raises(EtherspanError, match=r"link 'vnic0' belongs to zone 'web'"):
        zones.create(tmp_path, "db", Zone({"vnic0": Nic()}))
    zones.delete(tmp_path, "web")
    assert zones.list_zones(tmp_path) == []
    with pytest.raises(EtherspanError, match=r"there is no zone 'web'"):
        zones.delete(tmp_path, "web")


@pytest.mark.parametrize("name", ["global", "a/b", "..", "", "SUNWx", "x" * 64])
def test_a_bad_zone_name_touches_nothing(tmp_path: Path, name: str) -> None:
    with pytest.raises(EtherspanError):
        zones.create(tmp_path, name, Zone())
    assert list(tmp_path.iterdir()) == []
