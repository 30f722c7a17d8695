"""Labs from the first act to the last, through the command a person uses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from etherspan import netns
from etherspan.lab.file import parse
from etherspan.lab.journal import Act, LabDir
from etherspan.process import all_pids

pytestmark = pytest.mark.namespaces

ETHERSPAN = Path(sys.executable).parent / "etherspan"
LABS = Path(__file__).parents[2] / "fixtures" / "labs"


@dataclass(slots=True, frozen=True)
class World:
    """A state directory of its own."""

    state: Path
    env: dict[str, str]

    def run(self, *argv: object, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [ETHERSPAN, *map(str, argv)], env=self.env, capture_output=True, text=True, timeout=timeout, check=False
        )

    def ok(self, *argv: object) -> str:
        done = self.run(*argv)
        assert done.returncode == 0, f"{argv}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def leftovers(self) -> list[str]:
        """Whatever of this state directory is still there."""
        found = [str(path) for path in self.state.rglob("*") if path != self.state / "labs"]
        found += [str(path) for path in netns.pins_below(self.state)]
        for pid in all_pids():
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if any(str(self.state).encode() in word for word in words):
                found.append(f"process {pid}: {b' '.join(words).decode()}")
        mirrors = Path("/run/netns")
        if mirrors.is_dir():
            links = [path for path in mirrors.iterdir() if path.is_symlink()]
            found += [str(path) for path in links if path.readlink().is_relative_to(self.state)]
        return found


@pytest.fixture
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    state = tmp_path_factory.mktemp("state")
    made = World(state, {**os.environ, "ETHERSPAN_STATE": str(state)})
    yield made
    for folder in sorted((state / "labs").glob("*/")):
        made.run("lab", "down", folder.name)
    assert made.leftovers() == []


def new_name() -> str:
    return f"t{uuid.uuid4().hex[:8]}"


def test_two_labs_with_equal_hosts_zones_and_addresses_do_not_meet(world: World) -> None:
    names = [new_name(), new_name()]
    for name in names:
        world.ok("lab", "up", LABS / "two-hosts.toml", "--name", name)
    assert [line.split()[:2] for line in world.ok("lab", "list").splitlines()] == [
        ["NAME", "STATE"],
        *([name, "up"] for name in sorted(names)),
    ]
    for name in names:
        for place, address in (("cn0:web", "10.55.55.3"), ("cn1:web", "fd55::2")):
            world.ok("lab", "exec", "--name", name, place, "--", "etherspan", "probe", "ping", "-c", "2", address)
    done = world.run("lab", "exec", "cn0", "true")
    assert (done.returncode, done.stderr) == (
        1,
        f"etherspan: several labs are up, name one of them: {', '.join(sorted(names))}\n",
    )
    world.ok("lab", "exec", "--name", names[0], "cn0", "--", "dladm", "delete-vnic", "vnic0")
    shown = world.ok("lab", "exec", "--name", names[1], "cn0", "--", "dladm", "show-vnic", "-p", "-o", "link")
    assert shown == "vnic0\n"
    assert world.ok("lab", "down", names[0]) == f"lab {names[0]} is down\n"
    world.ok("lab", "exec", "cn0:web", "--", "etherspan", "probe", "ping", "-c", "1", "10.55.55.3")
    world.ok("lab", "down")
    assert world.leftovers() == []


def test_a_lab_shows_its_parts_and_runs_commands_in_them(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    name = new_name()
    world.ok("lab", "up", LABS / "linux-peer-ipv6.toml", "--name", name)
    found = json.loads(world.ok("lab", "status", "--json"))
    monkeypatch.setenv("ETHERSPAN_STATE", str(world.state))
    lab = LabDir(name)
    root = lab.root("cn0")
    assert found.pop("file") == str(LABS / "linux-peer-ipv6.toml")
    services = found["hosts"]["cn0"].pop("services")
    assert services["svc:/network/varpd:default"] == "online"
    assert found == {
        "name": name,
        "phase": "up",
        "hosts": {
            "cn0": {
                "address": "fd00:88::69",
                "state": "online",
                "root": str(root),
                "namespace": str(lab.namespace("cn0")),
                "zones": {"web": str(root / "var/run/zones/web")},
            }
        },
        "vteps": {
            "linux0": {
                "address": "fd00:88::71",
                "vnetid": 23,
                "state": "up",
                "namespace": str(lab.namespace("linux0")),
            }
        },
        "portolans": {},
    }
    assert world.ok("lab", "exec", "cn0", "printenv", "ETHERSPAN_ROOT") == f"{root}\n"
    assert world.run("lab", "exec", "linux0", "printenv", "ETHERSPAN_ROOT").returncode == 1
    assert world.run("lab", "exec", "cn0:web", "--", "sh", "-c", "exit 7").returncode == 7
    assert world.run("lab", "exec", "cn0", "no-such-command").returncode == 127
    assert world.run("lab", "exec", "cn1", "true").stderr == (
        f"etherspan: lab '{name}' has no 'cn1'; it has cn0, cn0:web, linux0\n"
    )
    assert world.run("lab", "exec", "cn0:db", "true").stderr == (
        "etherspan: host 'cn0' has no zone 'db'; the lab has cn0, cn0:web, linux0\n"
    )
    for place, address in (("cn0:web", "10.55.55.9"), ("linux0", "fd55::2")):
        world.ok("lab", "exec", place, "etherspan", "probe", "ping", "-c", "2", address)
    mirror = Path("/run/netns", f"{name}.cn0.web")
    assert mirror.samefile(root / "var/run/zones/web")


@pytest.mark.parametrize("file", ["ipv6-underlay.toml", "linux-peer.toml"])
def test_the_places_of_a_lab_that_comes_with_the_project_reach_each_other(world: World, file: str) -> None:
    lab = parse((LABS / file).read_text(), file)
    world.ok("lab", "up", LABS / file)
    places = {
        f"{host}:{name}": nic
        for host, one in lab.hosts.items()
        for name, zone in one.zones.items()
        for nic in zone.nics.values()
    }
    addresses = {place: nic.address for place, nic in places.items()} | {
        name: vtep.inner for name, vtep in lab.vteps.items()
    }
    assert len(addresses) == 2
    for source in addresses:
        for target in addresses.keys() - {source}:
            for address in addresses[target]:
                world.ok("lab", "exec", source, "etherspan", "probe", "ping", "-c", "2", address.ip)


TWICE = """
[underlay]
subnet = "10.99.0.0/24"
[host.one]
address = "10.99.0.1"
dladm = ["create-etherstub stub0", "create-vnic -l stub0 vnic0", {last}]
"""


def test_a_dladm_line_that_fails_undoes_the_lab_and_shows_what_dladm_said(world: World, tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(TWICE.format(last='"create-vnic -l stub7 vnic1"'))
    done = world.run("lab", "up", file)
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == "undoing lab bad"
    assert done.stderr == (
        "etherspan: one: dladm create-vnic -l stub7 vnic1\n"
        "etherspan: dladm: invalid link name 'stub7'\n"
        "etherspan: (exit 1)\n"
    )
    assert world.leftovers() == []


def test_root_stands_for_the_hosts_root_and_files_are_laid_out(world: World, tmp_path: Path) -> None:
    (tmp_path / "map.json").write_text("{}")
    file = tmp_path / "files.toml"
    text = TWICE.format(last='"show-link -p -o $ROOT x0"') + 'files = { "etc/overlays/map.json" = "map.json" }\n'
    file.write_text(text)
    done = world.run("lab", "up", file)
    root = world.state / "labs/files/hosts/one"
    assert f"show-link -p -o {root} x0\n" in done.stderr
    file.write_text(text.replace('"show-link -p -o $ROOT x0"', '"show-link"'))
    world.ok("lab", "up", file)
    assert (root / "etc/overlays/map.json").read_text() == "{}"
    (tmp_path / "map.json").unlink()
    assert world.run("lab", "up", file, "--name", "other").stderr == (
        f"etherspan: {file}: host.one.files: there is no file {tmp_path / 'map.json'}\n"
    )


def test_names_may_change_while_a_lab_runs_and_nothing_else(world: World, tmp_path: Path) -> None:
    file = tmp_path / "names.toml"
    text = TWICE.format(last='"show-link"')
    file.write_text(text)
    world.ok("lab", "up", file)
    hosts = world.state / "labs/names/hosts/one/etc/inet/hosts"
    assert hosts.read_text() == "127.0.0.1\tlocalhost\n::1\tlocalhost\n"
    file.write_text('[hosts]\n"portolan.lab" = ["10.99.0.5", "10.99.0.6"]\n' + text)
    assert "[hosts] has been applied" in world.ok("lab", "up", file)
    assert hosts.read_text().endswith("10.99.0.5\tportolan.lab\n10.99.0.6\tportolan.lab\n")
    file.write_text(text.replace('"10.99.0.1"', '"10.99.0.9"'))
    done = world.run("lab", "up", file)
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"etherspan: lab 'names' is up and {file} differs from it in host.one; only [hosts] may change"
    )
    assert "portolan.lab" in hosts.read_text()


def test_a_mistake_in_the_file_makes_nothing(world: World, tmp_path: Path) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text('[underlay]\nsubnet = "10.0.0.0/24"\n[host.a]\nadress = "10.0.0.1"\n')
    done = world.run("lab", "up", file)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"etherspan: {file}: host.a.adress: unknown key; did you mean 'address'?\n"
        f"etherspan: {file}: host.a.address: is missing\n"
    )


def steps(world: World, name: str) -> list[list[str]]:
    try:
        found: list[list[str]] = json.loads((world.state / "labs" / name / "state.json").read_text())["steps"]
    except FileNotFoundError:
        return []
    return found


ENDS = [*((act, signal.SIGKILL) for act in Act), (Act.BOOT, signal.SIGTERM)]


@pytest.mark.parametrize(("act", "number"), ENDS, ids=lambda value: value.name)
def test_a_lab_up_that_is_ended_half_way_leaves_nothing_after_lab_down(
    world: World, act: Act, number: signal.Signals
) -> None:
    name = new_name()
    file = LABS / ("three-hosts-svp.toml" if act is Act.SERVER else "two-hosts.toml")
    argv = [str(ETHERSPAN), "lab", "up", str(file), "--name", name]
    with subprocess.Popen(argv, env=world.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as bringing:
        end = time.monotonic() + 30
        while not any(step[0] == act.value for step in steps(world, name)):
            assert time.monotonic() < end
            assert bringing.poll() is None, bringing.stdout.read() if bringing.stdout else ""
        bringing.send_signal(number)
        said, _ = bringing.communicate(timeout=60)
    if number == signal.SIGTERM:
        assert bringing.returncode == 143
        assert f"undoing lab {name}" in said
    else:
        assert bringing.returncode == -9
        assert world.run("lab", "up", file, "--name", name).stderr == (
            f"etherspan: lab '{name}' was left half-way (starting); 'etherspan lab down {name}' clears it away\n"
        )
        world.ok("lab", "down", name)
    assert world.leftovers() == []


def test_a_server_is_shown_runs_in_its_own_place_and_ends_with_the_lab(world: World) -> None:
    name = new_name()
    assert "one: portolan at 10.88.88.5, port 1296\n" in world.ok(
        "lab", "up", LABS / "three-hosts-svp.toml", "--name", name
    )
    lab = world.state / "labs" / name
    assert json.loads(world.ok("lab", "status", "--json"))["portolans"] == {
        "one": {
            "address": "10.88.88.5",
            "port": 1296,
            "state": "up",
            "namespace": str(lab / "ns" / "one"),
            "store": f"sqlite:///{lab}/portolan/one/store.db",
        }
    }
    shown = world.ok("lab", "status").splitlines()[-1].split()
    assert shown == ["one", "10.88.88.5", "up", "portolan", f"sqlite:///{lab}/portolan/one/store.db"]
    asked = world.ok(
        "lab",
        "exec",
        "one",
        "--",
        "portolanadm",
        "vl3-lookup",
        "--ip",
        "fd55::2",
        "--vnet",
        23,
        "--server",
        "10.88.88.5",
    )
    assert json.loads(asked)["mac"] == "02:08:20:00:00:02"
    assert "10.88.88.3" in world.ok("lab", "exec", "one", "--", "portolanadm", "node", "list")
    os.kill(json.loads((lab / "portolan" / "one" / "process.json").read_text())["pid"], signal.SIGKILL)
    end = time.monotonic() + 10
    while json.loads(world.ok("lab", "status", "--json"))["portolans"]["one"]["state"] != "down":
        assert time.monotonic() < end
    world.ok("lab", "down")
    assert world.leftovers() == []


@pytest.mark.parametrize(
    ("more", "files", "message"),
    [
        ('data = "none.json"', {}, "portolan.one.data: there is no file {folder}/none.json"),
        ('data = "bad.json"', {"bad.json": '{"mappings": [{}]}'}, "bad.json: mappings, row 1: vnet_id: it is missing"),
        (
            'store = "mysql://x"',
            {},
            "portolan.one: the server does not listen\netherspan: portolan: mysql://x: not the URL of a store",
        ),
    ],
)
def test_a_server_that_cannot_start_undoes_the_lab(
    world: World, tmp_path: Path, more: str, files: dict[str, str], message: str
) -> None:
    for path, text in files.items():
        (tmp_path / path).write_text(text)
    file = tmp_path / "lab.toml"
    file.write_text(f'[underlay]\nsubnet = "10.88.88.0/24"\n[portolan.one]\naddress = "10.88.88.5"\n{more}\n')
    done = world.run("lab", "up", file, "--name", new_name())
    assert done.returncode == 1
    assert message.format(folder=tmp_path) in done.stderr
    assert world.leftovers() == []


def test_lab_down_ends_what_runs_in_the_lab(world: World) -> None:
    name = new_name()
    world.ok("lab", "up", LABS / "two-hosts.toml", "--name", name)
    running = [
        subprocess.Popen([ETHERSPAN, "lab", "exec", place, "--", "sleep", "600"], env=world.env)
        for place in ("cn0", "cn1:web")
    ]
    for process in running:
        end = time.monotonic() + 10
        while Path(f"/proc/{process.pid}/comm").read_text() != "sleep\n":
            assert time.monotonic() < end
    world.ok("lab", "down")
    assert [process.wait(5) for process in running] == [-9, -9]
    assert world.leftovers() == []


def test_a_lab_that_another_command_changes_is_left_alone(world: World) -> None:
    name = new_name()
    argv = [str(ETHERSPAN), "lab", "up", str(LABS / "two-hosts.toml"), "--name", name]
    with subprocess.Popen(argv, env=world.env, stdout=subprocess.DEVNULL) as bringing:
        end = time.monotonic() + 30
        while not steps(world, name):
            assert time.monotonic() < end
        done = world.run("lab", "down", name)
        assert (
            done.stderr
            == f"etherspan: lab '{name}' is being changed by process {bringing.pid}; try again when that is done\n"
        )
    assert bringing.returncode == 0


def test_the_demo_ends_well_and_leaves_nothing(world: World) -> None:
    done = world.run("demo", timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == "demo: ok"
    assert sum("$ dladm create-overlay" in line for line in lines) == 3
    assert lines.count("the hashes are equal") == 4
    assert world.leftovers() == []
