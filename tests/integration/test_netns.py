"""Namespaces that are pinned, entered and emptied; interfaces configured in them; the user namespace of an ordinary user."""

from __future__ import annotations

import ipaddress
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from etherspan import execute, netconf, netns, probe, trial
from etherspan.errors import EtherspanError
from etherspan.netvalues import Address
from etherspan.process import ProcessId

pytestmark = pytest.mark.namespaces

NOBODY = 65534


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "a b"
    place.mkdir()
    yield place
    for pinned in netns.pins_below(place):
        netns.end_processes(pinned)
        netns.unpin(pinned)


def interface_names() -> list[str]:
    return sorted(name for _, name in socket.if_nameindex())


def test_a_pinned_namespace_is_a_place_of_its_own_until_it_is_unpinned(folder: Path) -> None:
    path = folder / "one"
    netns.pin(path)
    assert netns.is_pinned(path)
    assert netns.pins_below(folder) == [path]
    assert netns.call(path, interface_names) == ["lo"]
    netns.call(path, netconf.make_bridge, "br0", 1500)
    assert netns.call(path, interface_names) == ["br0", "lo"]
    assert "br0" not in interface_names()
    netns.unpin(path)
    assert not path.exists()
    assert netns.pins_below(folder) == []
    netns.unpin(path)
    with pytest.raises(EtherspanError, match=r"cannot enter the namespace .*/one: No such file or directory"):
        netns.call(path, interface_names)


def test_a_file_left_by_a_lost_pin_is_used_again_and_a_pin_is_not(folder: Path) -> None:
    path = folder / "one"
    path.touch()
    netns.pin(path)
    with pytest.raises(EtherspanError, match=r"there is a namespace at .*/one already"):
        netns.pin(path)
    assert netns.is_pinned(path)


def test_what_a_function_raises_inside_is_raised_here(folder: Path) -> None:
    netns.pin(folder / "one")
    with pytest.raises(ZeroDivisionError):
        netns.call(folder / "one", lambda: 1 // 0)


def test_the_processes_of_a_namespace_are_found_and_ended(folder: Path) -> None:
    path = folder / "one"
    netns.pin(path)
    sleeping = execute.start(path, ["sleep", "60"], execute.environment(None))
    assert list(netns.processes(path)) == [ProcessId.of(sleeping.pid)]
    netns.end_processes(path)
    assert sleeping.wait(5) == -9
    assert list(netns.processes(path)) == []


def test_a_mirror_leads_to_the_namespace_and_only_its_owner_removes_it(folder: Path) -> None:
    path, other, mirror = folder / "one", folder / "two", folder / "names" / "lab.one"
    netns.pin(path)
    netns.pin(other)
    assert netns.mirror(path, mirror)
    assert netns.mirror(path, mirror), "a second time is no harm"
    assert netns.is_pinned(mirror)
    assert not netns.mirror(other, mirror)
    netns.unmirror(other, mirror)
    assert mirror.samefile(path)
    netns.unmirror(path, mirror)
    assert not mirror.is_symlink()


def make_vxlan(local: Address, mac: bytes) -> None:
    netconf.make_vxlan("vxlan0", vnetid=5, local=local, port=4789, mtu=1400, mac=mac, learning=False)


@pytest.mark.parametrize(
    ("one", "two", "subnet"), [("10.0.0.1", "10.0.0.2", 24), ("fd00::1", "fd00::2", 64)], ids=["IPv4", "IPv6"]
)
def test_a_cable_a_switch_and_vxlan_devices_carry_packets_at_once(
    folder: Path, one: str, two: str, subnet: int
) -> None:
    switch = folder / "switch"
    netns.pin(switch)
    netns.call(switch, netconf.make_bridge, "br0", 1500)
    ends = {folder / "a": (one, two, 1), folder / "b": (two, one, 2)}
    for pinned, (own, peer, number) in ends.items():
        netns.pin(pinned)
        netns.call(switch, netconf.plug_into_bridge, "br0", f"p{number}", "net0", pinned, 1500)
        netns.call(pinned, netconf.configure, "net0", [ipaddress.ip_interface(f"{own}/{subnet}")], {})
        mac = bytes([2, 0, 0, 0, 0, number])
        netns.call(pinned, make_vxlan, ipaddress.ip_address(own), mac)
        far = ipaddress.ip_address(peer)
        netns.call(pinned, netconf.add_vxlan_peers, "vxlan0", [far], {bytes([2, 0, 0, 0, 0, 3 - number]): far})
        inner = [ipaddress.ip_interface(f"10.5.0.{number}/24"), ipaddress.ip_interface(f"fd05::{number}/64")]
        routes = {ipaddress.ip_network("0.0.0.0/0"): ipaddress.ip_address("10.5.0.9")}
        netns.call(pinned, netconf.configure, "vxlan0", inner, routes)
        netns.call(pinned, netconf.configure, "vxlan0", inner, routes)  # what is there stays
    for address in (two, "10.5.0.2", "fd05::2"):
        assert len(netns.call(folder / "a", probe.ping, address, 2, 0.0, 5.0).times) == 2
    netns.call(
        folder / "a", netconf.add_neighbours, "vxlan0", {ipaddress.ip_address("10.5.0.7"): bytes([2, 0, 0, 0, 0, 7])}
    )
    assert netns.call(folder / "a", probe.ping, "10.5.0.7", 1, 0.0, 0.1).times == []
    with pytest.raises(EtherspanError, match=r"there is no interface 'net7' in this namespace"):
        netns.call(folder / "a", netconf.configure, "net7", [], {})
    with pytest.raises(
        EtherspanError, match=r"cannot add the route to 10.9.0.0/16 through 10.77.0.1: Network is unreachable"
    ):
        routes = {ipaddress.ip_network("10.9.0.0/16"): ipaddress.ip_address("10.77.0.1")}
        netns.call(folder / "a", netconf.configure, "vxlan0", [], routes)


def test_everything_that_is_tried_out_works_where_these_tests_run() -> None:
    results = trial.ask()
    assert results.pop("offloads")
    assert results == dict.fromkeys(trial.TRIALS)


ORDINARY = """
import os, sys
from collections.abc import Callable
from pathlib import Path
from etherspan import netconf, netns, userns
state = Path(os.environ["ETHERSPAN_STATE"])
assert not userns.has_rights()
userns.acquire()
assert userns.has_rights()
pinned = state / "pinned"
if sys.argv[1] == "make":
    netns.pin(pinned)
    netns.call(pinned, netconf.make_bridge, "br7", 1500)
else:
    print(*netns.call(pinned, netconf.links))
    netns.unpin(pinned)
userns.release()
print((state / "keeper.json").exists())
"""


def test_what_one_command_of_an_ordinary_user_makes_the_next_one_finds(
    tmp_path: Path, let_others_in: Callable[[Path], None]
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    os.chown(state, NOBODY, NOBODY)
    let_others_in(tmp_path)
    env = {
        "PATH": os.environ["PATH"],
        "ETHERSPAN_STATE": str(state),
        "HOME": str(state),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    env["PYTHONPATH"] = os.pathsep.join(path for path in [str(Path(netns.__file__).parents[1]), *sys.path] if path)

    def ordinary(python: str, code: str, *argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [python, "-c", code, *argv], env=env, cwd="/", user=NOBODY, group=NOBODY, extra_groups=[],
            capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip

    def usable(python: str) -> bool:
        try:
            return (
                ordinary(
                    python, f"import sys, etherspan.userns; assert sys.version_info[:2] == {sys.version_info[:2]}"
                ).returncode
                == 0
            )
        except OSError:
            return False

    python = next(filter(usable, [sys.executable, "/usr/bin/python3"]), None)
    if python is None:
        pytest.skip("no Python that an ordinary user may run")
    made, used = ordinary(python, ORDINARY, "make"), ordinary(python, ORDINARY, "use")
    assert (made.stdout, made.stderr) == ("True\n", "")
    assert (used.stdout, used.stderr) == ("br7\nFalse\n", ""), "the keeper ends with what it kept"
