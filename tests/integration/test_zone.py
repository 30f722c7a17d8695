"""Zones of a running host, through the command a person uses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from etherspan.process import all_pids

pytestmark = pytest.mark.namespaces

ETHERSPAN = Path(sys.executable).parent / "etherspan"
HOST = """
[underlay]
subnet = "10.99.0.0/24"
[host.one]
address = "10.99.0.1"
dladm = ["create-etherstub stub0", "create-vnic -l stub0 vnic0", "create-vnic -l stub0 vnic1", "create-vnic -l stub0 vnic2"]
[host.one.zone.web.nic.vnic0]
address = ["10.55.55.2/24", "fd55::2/64"]
routes = { "10.66.0.0/16" = "10.55.55.1" }
"""
INTERFACES = "import socket; print(*sorted(name for _, name in socket.if_nameindex()))"

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def name() -> str:
    return f"t{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def run(state: Path, name: str) -> Iterator[Run]:
    """Run a command in a place of a lab with one host, `one`."""
    env = {**os.environ, "ETHERSPAN_STATE": str(state)}
    file = state / f"{name}.toml"
    file.write_text(HOST)

    def call(place: str, *argv: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        words = [str(ETHERSPAN), "lab", "exec", "--name", name, place, "--", *argv]
        done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == status, f"{place}: {argv}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    up = subprocess.run(
        [ETHERSPAN, "lab", "up", file], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert up.returncode == 0, up.stdout + up.stderr
    yield call
    down = subprocess.run(
        [ETHERSPAN, "lab", "down", name], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert down.returncode == 0, down.stdout + down.stderr


def interfaces(run: Run, place: str) -> list[str]:
    return run(place, sys.executable, "-c", INTERFACES).stdout.split()


def has_web(run: Run) -> bool:
    """The zone of the lab file is there, with its addresses and its route."""
    return run("one:web", sys.executable, "-c", LOOK).stdout == "10.55.55.2/24 fd55::2/64 10.66.0.0/16\n"


LOOK = """
from pyroute2 import IPRoute
with IPRoute() as ip:
    index = ip.link_lookup(ifname="vnic0")[0]
    print(
        *(f"{a.get_attr('IFA_ADDRESS')}/{a['prefixlen']}" for a in ip.get_addr(index=index) if a["scope"] == 0),
        *(f"{r.get_attr('RTA_DST')}/{r['dst_len']}" for r in ip.get_routes(family=2) if r.get_attr("RTA_GATEWAY")),
    )
"""


def test_a_zone_has_its_links_addresses_and_routes(run: Run) -> None:
    assert has_web(run)
    assert interfaces(run, "one:web") == ["lo", "vnic0"]
    assert interfaces(run, "one") == ["lo", "net0", "vnic1", "vnic2"]
    assert run("one", "dladm", "show-linkprop", "-c", "-o", "value", "-p", "zone", "vnic0").stdout == "web\n"


def test_a_zone_made_by_hand_comes_and_goes(run: Run, name: str) -> None:
    run("one", "etherspan", "zone", "create", "db", "--address", "vnic1=10.55.55.7/24", "--link", "vnic2")
    assert run("one", "etherspan", "zone", "list").stdout == (
        "NAME                STATUS      LINKS\n"
        "db                  running     vnic2,vnic1\n"
        "web                 running     vnic0\n"
    )
    assert interfaces(run, "one:db") == ["lo", "vnic1", "vnic2"]
    assert (
        run("one", "etherspan", "zone", "exec", "db", "--", sys.executable, "-c", INTERFACES).stdout
        == "lo vnic1 vnic2\n"
    )
    assert run("one", "etherspan", "zone", "exec", "db", "printenv", "ETHERSPAN_ROOT").stdout.endswith("/hosts/one\n")
    run("one:db", "etherspan", "probe", "ping", "-c", "2", "10.55.55.2")
    mirror = Path("/run/netns", f"{name}.one.db")
    assert mirror.is_symlink()
    run("one", "etherspan", "zone", "delete", "db")
    assert not mirror.is_symlink()
    assert interfaces(run, "one") == ["lo", "net0", "vnic1", "vnic2"]
    assert run("one", "etherspan", "zone", "exec", "db", "true", status=1).stderr == (
        "etherspan: there is no zone 'db'; 'etherspan zone list' shows those of this host\n"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--link", "vnic9"], "there is no link 'vnic9'"),
        (["--link", "vnic1", "--link", "vnic9"], "there is no link 'vnic9'"),
        (["--link", "vnic0"], "link 'vnic0' belongs to zone 'web'"),
    ],
)
def test_a_zone_that_cannot_be_made_whole_is_not_made_at_all(run: Run, options: list[str], message: str) -> None:
    done = run("one", "etherspan", "zone", "create", "half", *options, status=1)
    assert done.stderr == f"etherspan: {message}\n"
    assert "half" not in run("one", "etherspan", "zone", "list").stdout
    assert interfaces(run, "one") == ["lo", "net0", "vnic1", "vnic2"]


def test_the_death_of_a_zone_ends_what_runs_in_it(run: Run, state: Path, name: str) -> None:
    run("one", "etherspan", "zone", "create", "busy", "--link", "vnic1")
    argv = [str(ETHERSPAN), "lab", "exec", "--name", name, "one:busy", "--", "sh", "-c", "echo ready; exec sleep 600"]
    env = {**os.environ, "ETHERSPAN_STATE": str(state)}
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, text=True) as sleeping:
        assert sleeping.stdout is not None
        assert sleeping.stdout.readline() == "ready\n"
        run("one", "etherspan", "zone", "delete", "busy")
        assert sleeping.wait(5) == -signal.SIGKILL
    assert interfaces(run, "one") == ["lo", "net0", "vnic1", "vnic2"]


def kernel_pid(root: str) -> int:
    for pid in all_pids():
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"kernel_sim" in words and root.encode() in words:
            return pid
    return 0


def test_a_boot_brings_zones_back_and_a_bad_file_keeps_only_its_own_zone_away(run: Run) -> None:
    root = run("one", "printenv", "ETHERSPAN_ROOT").stdout.strip()
    bad = Path(root, "etc/zones/bad.toml")
    bad.write_text("[nic]\nx = 1\n")
    old = kernel_pid(root)
    os.kill(old, signal.SIGKILL)
    end = time.monotonic() + 20
    while kernel_pid(root) in {0, old} or interfaces(run, "one:web") != ["lo", "vnic0"] or not has_web(run):
        assert time.monotonic() < end, "the zone is not back"
        time.sleep(0.05)
    assert run("one", "etherspan", "zone", "list").stdout == (
        "NAME                STATUS      LINKS\n"
        "bad                 configured  --\n"
        "web                 running     vnic0\n"
    )
    assert run("one", "etherspan", "zone", "exec", "bad", "true", status=1).stderr.startswith(
        f"etherspan: {bad}: nic.x: "
    )
    run("one", "etherspan", "zone", "delete", "bad")
