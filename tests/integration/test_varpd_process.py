"""The real varpd process over real device nodes, whose kernel is in memory: start, stop, death, adoption."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import libvarpd
from etherspan.testing.nodes import served_kernel
from kernel_sim.dev import confine
from kernel_sim.dev.client import Device, LocalSystem
from kernel_sim.dev.paths import DLD, LOGS, VARPD_DOOR, VARPD_RUN
from kernel_sim.sys.codec import EsNameSet, OverlayCreate, OverlayProp, OverlayStatus
from kernel_sim.sys.dld import DatalinkClass, DatalinkFlag
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.es import ES_NAME_SET
from kernel_sim.sys.overlay import OVERLAY_IOC_CREATE, OVERLAY_IOC_GETPROP, OVERLAY_IOC_STATUS, OverlayPropId
from libvarpd.client import Client
from libvarpd.privileges import DropMode, current_choice
from libvarpd.prop import V4_MAPPED, uint_value

PACKAGES = Path(libvarpd.__file__).parent.parent
TEN = V4_MAPPED + bytes([10, 0, 0, 2])

RESTARTER = """
import contextlib, ctypes, os, resource, subprocess, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # orphans become children of this process
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
os.environ["ETHERSPAN_RESTARTER"] = str(os.getpid())
with open(sys.argv[1], "a") as out, open(sys.argv[2], "a") as err:
    launcher = subprocess.run([sys.executable, "-m", "libvarpd.varpd", *sys.argv[3:]], stdout=out, stderr=err)
print(launcher.returncode, flush=True)
with contextlib.suppress(ChildProcessError):
    print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
"""
"""A parent for varpd, as svc.startd is one: tells the launcher's exit status, then the daemon's."""

as_root = pytest.mark.skipif(
    current_choice() is not DropMode.USER, reason="varpd becomes user 16 only where that id is mapped: run as root"
)


@dataclass
class Varpd:
    """A varpd with its restarter; `status` is what the launcher exited with."""

    root: Path
    restarter: subprocess.Popen[str]
    status: int

    @property
    def out(self) -> str:
        """What this host's daemons wrote to standard output."""
        return (self.root / "out").read_text()

    @property
    def err(self) -> str:
        return (self.root / "err").read_text()

    @property
    def records(self) -> list[dict[str, Any]]:
        """The log."""
        lines = (self.root / LOGS / "network-varpd:default.log").read_text().splitlines()
        return [json.loads(line) for line in lines]

    @property
    def pid(self) -> int:
        """The daemon's."""
        found: int = [record["pid"] for record in self.records if record["msg"] == "varpd up"][-1]
        return found

    def ended(self) -> int:
        """Wait for the daemon's end: its exit status, negative for a signal."""
        assert self.restarter.stdout is not None
        return int(self.restarter.stdout.readline())

    def kill(self, number: signal.Signals = signal.SIGKILL) -> int:
        """End the daemon."""
        os.kill(self.pid, number)
        return self.ended()


Start = Callable[..., Varpd]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A host's root, deeper than a socket address is long."""
    made = tmp_path / ("deep" * 30) / "host"
    made.mkdir(parents=True)
    return made


@pytest.fixture
def kernel(root: Path) -> Iterator[contextlib.ExitStack]:
    """A served kernel; close it to let it die."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(served_kernel(root))
        yield stack


@pytest.fixture
def start(root: Path) -> Iterator[Start]:
    """Start varpd with arguments, and wait for its launcher."""
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: object, cwd: Path | None = None) -> Varpd:
        restarter = subprocess.Popen(
            [sys.executable, "-c", RESTARTER, root / "out", root / "err", *map(str, arguments)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "ETHERSPAN_ROOT": str(root)},
            cwd=cwd,
        )
        started.append(restarter)
        assert restarter.stdout is not None
        return Varpd(root, restarter, int(restarter.stdout.readline()))

    yield run
    for restarter in started:
        restarter.kill()
        restarter.communicate()


@pytest.fixture
def host(root: Path, kernel: contextlib.ExitStack) -> LocalSystem:
    return LocalSystem(root)


def create_overlay(host: LocalSystem, linkid: int = 1) -> int:
    with Device.open(host, DLD) as dld:
        dld.ioctl(ES_NAME_SET, EsNameSet(linkid, DatalinkClass.OVERLAY, DatalinkFlag.ACTIVE, f"demo{linkid}").pack())
        dld.ioctl(OVERLAY_IOC_CREATE, OverlayCreate(linkid, 20 + linkid, "vxlan").pack())
    return linkid


def activate(host: LocalSystem, linkid: int, search: str = "direct") -> int:
    """Make, configure and activate an instance."""
    with Client.create(host) as client:
        instance = client.instance_create(linkid, search)
        prop = client.prop_handle_alloc(instance)
        for index, value in ((1, TEN), (2, uint_value(4789))):
            prop.info_fill(index)
            prop.set(value)
        client.instance_activate(instance)
    return instance


def bound_to(host: LocalSystem, linkid: int) -> int:
    with Device.open(host, DLD) as dld:
        reply = dld.ioctl(OVERLAY_IOC_GETPROP, OverlayProp(linkid, OverlayPropId.VARPD_ID).pack())
    return int.from_bytes(OverlayProp.unpack(reply).value, sys.byteorder)


def degraded(host: LocalSystem, linkid: int) -> str:
    with Device.open(host, DLD) as dld:
        return OverlayStatus.unpack(dld.ioctl(OVERLAY_IOC_STATUS, OverlayStatus(linkid).pack())).message


def files(root: Path) -> set[str]:
    return {path.name for path in (root / VARPD_RUN).iterdir()}


# ---------------------------------------------------------------------- start


def test_the_launcher_succeeds_once_the_door_answers(host: LocalSystem, root: Path, start: Start) -> None:
    varpd = start()
    assert (varpd.status, varpd.out, varpd.err) == (0, "", "")
    with Client.create(host) as client, pytest.raises(KernelError) as refused:
        client.instance_lookup(1)
    assert refused.value.errno is Errno.ENOENT
    run = (root / VARPD_RUN).stat()
    assert run.st_mode & 0o7777 == 0o700
    assert (root / VARPD_DOOR).stat().st_mode & 0o7777 == 0o600
    assert os.getsid(varpd.pid) == varpd.pid


@pytest.mark.fact("VPD-B5", "VPD-I41")
def test_a_second_daemon_gives_up_and_leaves_the_first_alone(host: LocalSystem, root: Path, start: Start) -> None:
    linkid = create_overlay(host)
    first = start()
    instance = activate(host, linkid)
    door = (root / VARPD_DOOR).stat()
    second = start()
    assert (second.status, second.err) == (95, "varpd: failed to open a libvarpd handle: File exists\n")
    assert (root / VARPD_DOOR).stat() == door
    assert (files(root), bound_to(host, linkid)) == ({"varpd.door", f"{instance}.varpd"}, instance)
    with Client.create(host) as client:
        assert client.instance_lookup(linkid) == instance
    assert first.kill(signal.SIGTERM) == 0


def test_without_a_kernel_it_cannot_run(start: Start) -> None:
    varpd = start()
    assert (varpd.status, varpd.err) == (95, "varpd: failed to open a libvarpd handle: No such file or directory\n")


@pytest.mark.fact("VPD-B3", "VPD-Q27")
def test_an_include_directory_that_is_not_there_is_fatal(host: LocalSystem, start: Start) -> None:
    varpd = start("-i", "/nonexistent")
    assert (varpd.status, varpd.ended()) == (95, 95)
    assert varpd.out == "varpd: failed to load from /nonexistent: No such file or directory\n"
    assert varpd.err == ""
    assert varpd.records[-1]["reason"] == "failed to load from /nonexistent: No such file or directory"


@pytest.mark.fact("VPD-B6")
def test_a_run_directory_that_is_a_file_is_fatal(host: LocalSystem, root: Path, start: Start) -> None:
    (root / VARPD_RUN).parent.mkdir(parents=True)
    (root / VARPD_RUN).write_bytes(b"")
    varpd = start()
    assert (varpd.status, varpd.err) == (95, f"varpd: failed to chdir to {root / VARPD_RUN}: Not a directory\n")


def test_a_door_somebody_serves_or_that_is_a_file_is_fatal(host: LocalSystem, root: Path, start: Start) -> None:
    (root / VARPD_RUN).mkdir(parents=True)
    (root / VARPD_DOOR).write_bytes(b"mine")
    varpd = start()
    assert (varpd.status, varpd.ended()) == (95, 95)
    assert varpd.out == f"varpd: failed to create door server at {root / VARPD_DOOR}: File exists\n"
    assert (root / VARPD_DOOR).read_bytes() == b"mine"


@pytest.mark.fact("VPD-Q33")
def test_the_door_of_a_killed_daemon_is_replaced_and_that_of_a_stopped_one_removed(
    host: LocalSystem, root: Path, start: Start
) -> None:
    assert start().kill() == -signal.SIGKILL
    assert files(root) == {"varpd.door"}
    with Client.create(host) as client, pytest.raises(KernelError) as refused:
        client.instance_lookup(1)
    assert refused.value.errno is Errno.EBADF
    varpd = start()
    assert varpd.status == 0
    assert varpd.kill(signal.SIGTERM) == 0
    assert files(root) == set()
    with pytest.raises(KernelError) as missing:
        Client.create(host)
    assert missing.value.errno is Errno.ENOENT


def test_another_door_can_be_chosen(host: LocalSystem, root: Path, start: Start) -> None:
    assert start("-d", "other.door").status == 0
    assert files(root) == {"other.door"}
    Client.create(host, f"{VARPD_RUN}/other.door").destroy()


# ---------------------------------------------------------------------- privileges


@as_root
@pytest.mark.fact("VPD-Q28")
def test_nothing_of_root_is_left(host: LocalSystem, root: Path, start: Start) -> None:
    varpd = start()
    rows = dict(line.split(":", 1) for line in Path(f"/proc/{varpd.pid}/status").read_text().splitlines())
    assert rows["Uid"].split() == ["16"] * 4
    assert rows["Gid"].split() == ["65"] * 4
    assert rows["Groups"].split() == []
    assert [int(rows[f"Cap{kind}"], 16) for kind in ("Inh", "Prm", "Eff", "Amb")] == [0, 0, 0, 0]
    assert rows["NoNewPrivs"].strip() == "1"
    assert rows["Seccomp"].strip() == ("2" if confine.able()["seccomp"] else "0")
    owner = (root / VARPD_RUN).stat()
    assert (owner.st_uid, owner.st_gid) == (16, 65)


@as_root
def test_other_users_cannot_reach_the_door(host: LocalSystem, start: Start) -> None:
    start()
    refusals: list[Errno] = []

    def connect() -> None:
        ctypes.CDLL(None).setfsuid(1000)  # of this thread only
        with pytest.raises(KernelError) as refused:
            Client.create(host)
        refusals.append(refused.value.errno)

    thread = threading.Thread(target=connect)
    thread.start()
    thread.join()
    assert refusals == [Errno.EACCES]


@as_root
def test_it_needs_no_file_of_its_own_once_it_serves(
    host: LocalSystem, root: Path, start: Start, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    for package in ("kernel_sim", "libvarpd"):
        shutil.copytree(PACKAGES / package, home / package)
    (home / "plugins").mkdir()
    loaded_from_there = f"import libvarpd; assert libvarpd.__file__.startswith({str(home)!r})"
    (home / "plugins" / "mine.py").write_text(f"{loaded_from_there}\n{PLUGIN}")
    linkid = create_overlay(host)
    varpd = start("-i", home / "plugins", cwd=home)
    assert varpd.records[-1]["plugins"] == ["direct", "files", "mine", "svp"]
    instance = activate(host, linkid, "mine")
    with Client.create(host) as client:
        assert [entry.point.ip for entry in client.instance_cache_walk(instance)] == [TEN]
        client.instance_destroy(instance)
    assert varpd.kill(signal.SIGTERM) == 0
    shutil.rmtree(home)


PLUGIN = """
from libvarpd.errors import VarpdPanic
from libvarpd.plugins.direct import Direct

class Mine(Direct):
    name = "mine"

    def refresh(self):
        raise RuntimeError("refreshed")

    def default(self):
        if self.getprop("direct/dest_port")[:2] == b"\\x01\\x00":
            raise VarpdPanic("port 1")
        return super().default()

PLUGIN = Mine
"""


# ---------------------------------------------------------------------- signals and death


@pytest.mark.parametrize("number", ["SIGHUP", "SIGQUIT", "SIGINT", "SIGTERM"])
def test_four_signals_stop_it_and_its_instances_stay(host: LocalSystem, root: Path, start: Start, number: str) -> None:
    linkid = create_overlay(host)
    varpd = start()
    instance = activate(host, linkid)
    assert varpd.kill(signal.Signals[number]) == 0
    assert varpd.records[-1]["signal"] == number
    assert files(root) == {f"{instance}.varpd"}
    assert bound_to(host, linkid) == instance


def test_a_refresh_reaches_the_plugins_and_the_daemon_goes_on(host: LocalSystem, tmp_path: Path, start: Start) -> None:
    (tmp_path / "mine.py").write_text(PLUGIN)
    varpd = start("-i", tmp_path)
    activate(host, create_overlay(host), "mine")
    os.kill(varpd.pid, signal.SIGUSR1)
    end = time.monotonic() + 10
    while "refresh failed" not in [record["msg"] for record in varpd.records]:
        assert time.monotonic() < end, varpd.records
        time.sleep(0.01)
    faults = [record for record in varpd.records if record["msg"] == "search plugin failed"]
    assert [(fault["plugin"], fault["operation"]) for fault in faults] == [("mine", "refresh")]
    assert "RuntimeError: refreshed" in faults[0]["exception"]
    assert varpd.kill(signal.SIGTERM) == 0


def test_it_dies_with_its_restarter(host: LocalSystem, start: Start) -> None:
    varpd = start()
    watched = os.pidfd_open(varpd.pid)
    varpd.restarter.kill()
    assert select.select([watched], [], [], 10)[0], "it lives on"
    os.close(watched)


def test_it_ends_when_the_kernel_has_gone(host: LocalSystem, kernel: contextlib.ExitStack, start: Start) -> None:
    varpd = start()
    kernel.close()
    assert varpd.ended() == 95
    assert varpd.out == "varpd: the kernel has gone\n"


def test_a_panic_aborts_and_says_why(host: LocalSystem, tmp_path: Path, start: Start) -> None:
    (tmp_path / "mine.py").write_text(PLUGIN)
    varpd = start("-i", tmp_path)
    linkid = create_overlay(host)
    with Client.create(host) as client:
        instance = client.instance_create(linkid, "mine")
        prop = client.prop_handle_alloc(instance)
        for index, value in ((1, TEN), (2, uint_value(1))):
            prop.info_fill(index)
            prop.set(value)
        with pytest.raises(KernelError) as refused:
            client.instance_activate(instance)
        assert refused.value.errno is Errno.EIO
    assert varpd.ended() == -signal.SIGABRT
    assert varpd.records[-1]["msg"] == "panic"
    assert "VarpdPanic: port 1" in varpd.records[-1]["exception"]
    assert "VarpdPanic: port 1" in varpd.err


# ---------------------------------------------------------------------- adoption


def test_the_daemon_after_one_that_was_killed_adopts_every_instance(
    host: LocalSystem, root: Path, start: Start
) -> None:
    links = [create_overlay(host, linkid) for linkid in (1, 2, 3)]
    varpd = start()
    made = {linkid: activate(host, linkid) for linkid in links}
    with Client.create(host) as client:
        client.instance_destroy(made.pop(2))
    varpd.kill()
    varpd = start()
    assert varpd.status == 0
    assert files(root) == {"varpd.door", "1.varpd", "3.varpd"}
    with Client.create(host) as client:
        assert {linkid: client.instance_lookup(linkid) for linkid in made} == made
        assert [bound_to(host, linkid) for linkid in made] == list(made.values())
        prop = client.prop_handle_alloc(made[1])
        prop.info_fill_by_name("direct/dest_ip")
        assert prop.get() == TEN
    assert [degraded(host, linkid) for linkid in links] == ["", "no varpd instance exists", ""]


def test_a_damaged_state_file_is_put_aside_and_the_rest_adopted(host: LocalSystem, root: Path, start: Start) -> None:
    links = [create_overlay(host, linkid) for linkid in (1, 2)]
    varpd = start()
    first, second = (activate(host, linkid) for linkid in links)
    varpd.kill()
    state = root / VARPD_RUN / f"{first}.varpd"
    state.write_bytes(state.read_bytes()[:-1])
    os.mkfifo(root / VARPD_RUN / "9.varpd")
    varpd = start()
    assert varpd.status == 0
    assert files(root) == {"varpd.door", f"{first}.varpd.bad", f"{second}.varpd", "9.varpd"}
    with Client.create(host) as client:
        assert client.instance_lookup(links[1]) == second
        with pytest.raises(KernelError):
            client.instance_lookup(links[0])
        assert client.instance_create(links[0], "direct") == first
    aside = [record for record in varpd.records if record["msg"] == "state file put aside"]
    assert [(record["file"], record["level"]) for record in aside] == [(f"{first}.varpd", 40)]
    assert re.search("checksum is wrong", aside[0]["reason"])


@as_root
def test_a_state_file_it_may_not_read_is_fatal(host: LocalSystem, root: Path, start: Start) -> None:
    start().kill(signal.SIGTERM)
    state = root / VARPD_RUN / "5.varpd"
    state.write_bytes(b"")
    state.chmod(0)
    varpd = start()
    assert (varpd.status, varpd.ended()) == (95, 95)
    assert varpd.out == "varpd: failed to enable varpd persistence: Permission denied\n"
    assert files(root) == {"5.varpd"}
