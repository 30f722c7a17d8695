"""Overlays on demand, on a host in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from etherspan.errors import EtherspanError
from etherspan.smartos import NicTag, add_nic, read_rules
from etherspan.testing import SimWorld
from etherspan.testing.world import Host

RULE = "-e vxlan -s direct -p vxlan/listen_ip=10.88.88.1 -p direct/dest_ip=10.88.88.2,direct/dest_port=4789 -p mtu=1350"


@pytest.fixture
def host() -> Iterator[Host]:
    with SimWorld() as world:
        yield world.host("a", "10.88.88.1")


def rules(tmp_path: Path, text: str) -> dict[str, tuple[str, ...]]:
    (tmp_path / "rules.json").write_text(text)
    return read_rules(tmp_path / "rules.json")


def test_an_overlay_is_made_with_the_first_nic_and_used_by_the_next(host: Host, tmp_path: Path) -> None:
    known = rules(tmp_path, f'{{ "sdc_overlay": "{RULE}" }}')
    assert add_nic(host.system, known, NicTag.parse("sdc_overlay/7957669"), "vnic0", "2:8:20:0:0:1")
    assert not add_nic(host.system, known, NicTag.parse("sdc_overlay/7957669"), "vnic1")
    assert add_nic(host.system, known, NicTag.parse("sdc_overlay/23"), "vnic2")
    shown = host.dladm("show-vnic -p -o link,over").out.splitlines()
    assert shown == ["vnic0:sdc_overlay7957669", "vnic1:sdc_overlay7957669", "vnic2:sdc_overlay23"]
    properties = host.dladm("show-overlay -p -o property,value sdc_overlay7957669").out.splitlines()
    assert {"vnetid:7957669", "mtu:1350", "search:direct"} <= set(properties)
    assert host.dladm("show-vnic -p -o macaddress vnic0").out == "2:8:20:0:0:1\n"


def test_nothing_stays_of_a_nic_that_cannot_be_made(host: Host, tmp_path: Path) -> None:
    known = rules(tmp_path, f'{{ "ov": "{RULE}" }}')
    with pytest.raises(EtherspanError, match=r"^dladm create-vnic: "):
        add_nic(host.system, known, NicTag.parse("ov/5"), "vnic0", "1:0:0:0:0:1")
    assert host.dladm("show-link -p -o link").out == "net0\n"
    with pytest.raises(EtherspanError, match=r"^there is no rule 'admin' for 'admin/5'; there are: ov$"):
        add_nic(host.system, known, NicTag.parse("admin/5"), "vnic0")
    with pytest.raises(EtherspanError, match=r"^dladm create-overlay: .*"):
        add_nic(host.system, {"bad": ("-e", "nothing", "-s", "direct")}, NicTag.parse("bad/5"), "vnic0")


def test_a_name_that_is_taken(host: Host, tmp_path: Path) -> None:
    known = rules(tmp_path, f'{{ "ov": "{RULE}" }}')
    host.dladm("create-etherstub ov7")
    with pytest.raises(EtherspanError, match=r"^ov7 is a link already, and no overlay$"):
        add_nic(host.system, known, NicTag.parse("ov/7"), "vnic0")
    host.dladm(f"create-overlay -t {RULE} -v 9 ov8")
    with pytest.raises(EtherspanError, match=r"^ov8 is there with network id 9, not 8$"):
        add_nic(host.system, known, NicTag.parse("ov/8"), "vnic0")


@pytest.mark.parametrize("text", ["ov", "ov/", "/5", "ov5/6", "ov/16777216", "ov/-1", "o v/5", "ov/5/6", ""])
def test_tags_that_are_none(text: str) -> None:
    with pytest.raises(EtherspanError, match=r"is no NIC tag of an overlay; write TAG/NUM"):
        NicTag.parse(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "expected an object of rules"),
        ("{", "is no JSON"),
        ('{"a": 5}', "the rule 'a' is no string"),
        ('{"a": "-e \'"}', "the rule 'a' cannot be split into words: no closing quotation"),
        ('{"a": "-e vxlan -v 5"}', "the rule 'a' gives a network id"),
        ('{"a": " "}', "the rule 'a' is empty"),
    ],
)
def test_rules_that_are_none(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(EtherspanError) as error:
        rules(tmp_path, text)
    assert said in str(error.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EtherspanError, match=r"No such file or directory; it says how overlays are made"):
        read_rules(tmp_path / "absent")
