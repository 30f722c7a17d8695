"""The destination grammar of modify-overlay (DLM 3.2)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import dladm
from dladm.destination import Destination, parse_destination
from dladm.grammar import GrammarError
from kernel_sim.sys.overlay_common import DEST_IP_PORT, DEST_MASK, Dest


@pytest.mark.parametrize("text", ["drop", "DROP", "dRoP"])
@pytest.mark.parametrize("needs", [DEST_IP_PORT, Dest.ETHERNET, DEST_MASK])
def test_drop_is_a_destination_of_every_encapsulation_in_any_case(text: str, needs: Dest) -> None:
    assert parse_destination(text, needs) == Destination(drop=True)


@pytest.mark.fact("DLM-Q10")
@pytest.mark.parametrize(
    ("text", "ip", "port"),
    [
        ("10.0.0.5:4789", "10.0.0.5", "4789"),
        ("fd00::5:4789", "fd00::5", "4789"),
        ("[fd00::5]:4789", "fd00::5", "4789"),
        ("[::ffff:10.0.0.5]:4789", "::ffff:10.0.0.5", "4789"),
        (":::80", "::", "80"),
        ("junk:x", "junk", "x"),
    ],
)
def test_the_port_is_what_follows_the_last_colon_or_the_brackets(text: str, ip: str, port: str) -> None:
    assert parse_destination(text, DEST_IP_PORT) == Destination(ip=ip, port=port)


@pytest.mark.parametrize(
    ("needs", "text", "found"),
    [
        (Dest.IP, "10.0.0.5", Destination(ip="10.0.0.5")),
        (Dest.IP, "fd00::5:4789", Destination(ip="fd00::5:4789")),
        (Dest.IP, "[fd00::5]", Destination(ip="fd00::5")),
        (Dest.PORT, "4789", Destination(port="4789")),
        (Dest.ETHERNET, "2:8:20:0:0:5", Destination(mac="2:8:20:0:0:5")),
    ],
)
def test_an_encapsulation_that_needs_one_part_gets_the_whole_text(needs: Dest, text: str, found: Destination) -> None:
    assert parse_destination(text, needs) == found


@pytest.mark.fact("DLM-Q16")
@pytest.mark.parametrize(
    ("needs", "text", "found"),
    [
        (DEST_MASK, "2:8:20:0:0:5,10.0.0.5:4789", Destination(mac="2:8:20:0:0:5", ip="10.0.0.5", port="4789")),
        (DEST_MASK, "2:8:20:0:0:5,fd00::5:1", Destination(mac="2:8:20:0:0:5", ip="fd00::5", port="1")),
        (DEST_MASK, "2:8:20:0:0:5,[fd00::5]:1", Destination(mac="2:8:20:0:0:5", ip="fd00::5", port="1")),
        (Dest.ETHERNET | Dest.IP, "2:8:20:0:0:5,fd00::5", Destination(mac="2:8:20:0:0:5", ip="fd00::5")),
        (Dest.ETHERNET | Dest.PORT, "2:8:20:0:0:5,4789", Destination(mac="2:8:20:0:0:5", port="4789")),
    ],
)
def test_a_mac_address_stands_before_the_other_parts_with_a_comma(needs: Dest, text: str, found: Destination) -> None:
    assert parse_destination(text, needs) == found


@pytest.mark.parametrize(
    ("needs", "text", "complaint"),
    [
        (DEST_IP_PORT, "", "an address is wanted"),
        (DEST_IP_PORT, "10.0.0.5", "an address is wanted"),
        (DEST_IP_PORT, ":4789", "an address is wanted"),
        (DEST_IP_PORT, "10.0.0.5:", "a port is wanted"),
        (DEST_IP_PORT, "[fd00::5]", "a port is wanted"),
        (DEST_IP_PORT, "[fd00::5]:", "the end is not what"),
        (DEST_IP_PORT, "[fd00::5]:1:2", "position 11: ':' is not what"),
        (DEST_IP_PORT, "[fd00::5]x:1", "position 9: 'x' is not what"),
        (DEST_IP_PORT, "[10.0.0.5]:4789", "position 0: brackets belong around an IPv6 address"),
        (DEST_IP_PORT, "[fd00::5:4789", "position 0: brackets"),
        (DEST_IP_PORT, "fd00::5]:4789", "position 7: brackets"),
        (DEST_IP_PORT, "10.0.0.5:drop", "position 9: 'drop' is not what"),
        (DEST_IP_PORT, "2:8:20:0:0:5,10.0.0.5:4789", "a MAC address and a comma are not wanted"),
        (DEST_IP_PORT, "1,2,3:4", "position 3: ',' is not what"),
        (DEST_MASK, "10.0.0.5:4789", "a MAC address and a comma are wanted"),
        (Dest.ETHERNET, "[fd00::5]", "a MAC address and a comma are wanted"),
        (Dest.IP, "[fd00::5]:4789", "'4789' follows the address"),
        (Dest.PORT, "10.0.0.5:4789", "an address is not wanted"),
        (Dest.PORT, "[fd00::5]:4789", "an address is not wanted"),
    ],
)
def test_what_has_other_parts_than_are_needed_is_refused(needs: Dest, text: str, complaint: str) -> None:
    with pytest.raises(GrammarError) as refused:
        parse_destination(text, needs)
    assert str(refused.value).startswith(complaint)


def test_ply_writes_no_files_and_says_nothing(tmp_path: Path) -> None:
    program = (
        "from dladm.destination import parse_destination; from kernel_sim.sys.overlay_common import DEST_IP_PORT; "
        "parse_destination('10.0.0.5:1', DEST_IP_PORT)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not list(tmp_path.iterdir())
    assert dladm.__file__ is not None
    assert not list(Path(dladm.__file__).parent.rglob("*parsetab*"))
