"""Overlays whose varpd asks an SVP server, on real hosts: reachability, a live migration, addresses that move."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.labs.conftest import BIN
from tests.integration.labs.svp_lab_parts import (
    POLL,
    cn,
    condition,
    events,
    fleet_lab,
    mac,
    pings,
    ready,
    received,
    row,
    rows,
)

pytestmark = pytest.mark.namespaces

DOCUMENT = Path(__file__).parents[3] / "docs" / "svp.md"
LABS = Path(__file__).parents[3] / "fixtures" / "labs"


@pytest.fixture
def three(lab_up: Callable[[str], Any], tmp_path: Path, wait_until: Any) -> Any:
    return fleet_lab(lab_up, tmp_path, wait_until, 1, 2, 3)


def test_three_hosts_find_each_other_through_a_server(three: Any) -> None:
    for n in (1, 2, 3):
        for peer in {1, 2, 3} - {n}:
            three.run(f"cn{n}:web", "etherspan", "probe", "ping", f"10.55.55.{peer}", "-c", 1)
            three.run(f"cn{n}:web", "etherspan", "probe", "ping", f"fd55::{peer}", "-c", 1)
            three.tcp(f"cn{n}:web", f"cn{peer}:web", f"10.55.55.{peer}", 1 << 20)
            three.tcp(f"cn{n}:web", f"cn{peer}:web", f"fd55::{peer}", 1 << 20)
    for n in (1, 2, 3):
        assert rows(three, f"cn{n}") == [row(peer) for peer in (1, 2, 3) if peer != n]
        assert condition(three, f"cn{n}") == "ONLINE:-"


def migration() -> tuple[str, list[list[str]]]:
    """The lab file of the document's example, and its commands."""
    name, block = re.findall(r"<!-- lab: (\S+) -->\n<!--.*-->\n```sh\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)[0]
    return name, [shlex.split(line) for line in block.splitlines()]


@pytest.fixture
def documented(lab_up: Callable[[str], Any], tmp_path: Path, wait_until: Any) -> Any:
    """The lab of the document's example."""
    name, _ = migration()
    shutil.copy((LABS / name).with_suffix(".json"), tmp_path)
    lab = lab_up((LABS / name).read_text())
    ready(lab, wait_until, 1, 2, 3)
    return lab


def test_traffic_follows_a_mac_address_that_moves_as_the_document_says(documented: Any, wait_until: Any) -> None:
    def run(argv: list[str]) -> str:
        done = subprocess.run(
            [BIN / argv[0], *argv[1:]], env=documented.env, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, f"{argv}\n{done.stdout}{done.stderr}"
        return done.stdout

    _, commands = migration()
    making, moving, leaving = commands[:3], commands[3], commands[4:]
    assert pings(documented, "cn1:web", "10.55.55.3")
    assert row(3) in rows(documented, "cn1")
    for argv in making:
        run(argv)
    assert run(moving) == "9 events\n", "two addresses and the MAC address, for three nodes"
    begun = time.monotonic()

    def follows() -> bool:
        pings(documented, "cn1:web", "10.55.55.3")
        return row(3, at=2) in rows(documented, "cn1")

    wait_until(follows, POLL, "cn1 sends to the new host")
    print(f"traffic followed after {time.monotonic() - begun:.1f} s")
    wait_until(lambda: events(documented) == [], 2 * POLL, "every node acknowledges its events")
    before_old, before_new = received(documented, "cn3", "vnic0"), received(documented, "cn2", "guest0")
    for sender in ("cn1:web", "cn2:web"):
        for _ in range(3):
            assert pings(documented, sender, "10.55.55.3")
    assert received(documented, "cn3", "vnic0") == before_old, "the old host still gets frames"
    assert received(documented, "cn2", "guest0") >= before_new + 6
    for argv in leaving:
        run(argv)
    assert pings(documented, "cn1:web", "10.55.55.3")


@pytest.fixture
def two(lab_up: Callable[[str], Any], tmp_path: Path, wait_until: Any) -> Any:
    return fleet_lab(lab_up, tmp_path, wait_until, 1, 2)


def neighbour(lab: Any, where: str, address: str) -> str:
    """The MAC address that a zone's kernel has for an address."""
    table: str = lab.run(where, "cat", "/proc/net/arp").stdout
    found = [line.split()[3] for line in table.splitlines()[1:] if line.split()[0] == address]
    return found[0] if found else "none"


def echo_requests(lab: Any, where: str) -> int:
    """ICMP echo requests that a zone's kernel was handed; broadcasts of its neighbours do not count."""
    heads, values = (
        line.split() for line in lab.run(where, "cat", "/proc/net/snmp").stdout.splitlines() if line.startswith("Icmp:")
    )
    return int(values[heads.index("InEchos")])


def test_a_guest_hears_by_gratuitous_arp_that_an_address_has_another_mac_address(two: Any, wait_until: Any) -> None:
    two.dladm("cn2", "create-vnic", "-t", "-l", "ov0", "-m", mac(9), "guest0")
    two.run("cn2", "etherspan", "zone", "create", "guest", "--link", "guest0")
    two.run("cn2:guest", "ipadm", "create-addr", "-t", "-T", "static", "-a", "10.55.55.2/24", "guest0/v4")
    assert neighbour(two, "cn1:web", "10.55.55.2") == "02:08:20:00:00:02"
    new = ("--vnet", 23, "--mac", mac(9), "--ip", "10.55.55.2", "--cn", cn(2))
    assert two.run("one", "portolanadm", "mapping", "add", *new).stdout != "0 events\n"
    begun = time.monotonic()
    wait_until(
        lambda: neighbour(two, "cn1:web", "10.55.55.2") == "02:08:20:00:00:09",
        POLL,
        "cn1's guest is told, and asks nobody",
    )
    print(f"the guest was told after {time.monotonic() - begun:.1f} s")
    before = {place: echo_requests(two, place) for place in ("cn2:web", "cn2:guest")}
    assert pings(two, "cn1:web", "10.55.55.2"), "the first frame after it arrives"
    assert echo_requests(two, "cn2:web") == before["cn2:web"], "the old guest still gets frames"
    assert echo_requests(two, "cn2:guest") == before["cn2:guest"] + 1
