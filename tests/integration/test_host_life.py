"""A host from boot to halt, with its services killed at every turn: real processes, TAPs and sockets."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dladm.dlmgmtd.client import Dlmgmt
from dladm.libscf.client import Scf
from dladm.libscf.protocol import DLMGMTD, RESTARTER, VARPD, State
from etherspan import netns, zone
from etherspan.errors import EtherspanError
from etherspan.host import control, layout
from etherspan.zonefile import Nic, Zone
from kernel_sim.dev import paths
from kernel_sim.sys.dld import DL_ETHER, DatalinkClass, DatalinkFlag
from kernel_sim.sys.errno import Errno, KernelError
from tests.integration.hosts import BIN, Host

pytestmark = pytest.mark.namespaces

REBOOT_SECONDS = 10.0


@pytest.fixture(scope="module")
def lasting(module_stage: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    """A host that the tests of services share; each leaves it as it found it."""
    host = Host(tmp_path_factory.mktemp("lasting") / "host", module_stage.namespace())
    host.boot()
    yield host
    control.halt_host(host.root)
    assert host.processes() == []


@pytest.fixture
def running(lasting: Host) -> Iterator[Host]:
    lasting.make_links()
    yield lasting
    with Scf(lasting.system) as scf:
        if scf.state(VARPD) is State.MAINTENANCE:
            scf.clear(VARPD)
        for fmri in (DLMGMTD, VARPD):
            scf.enable(fmri)
            scf.wait(fmri, {State.ONLINE}, 20)
    for name, link_class in reversed(lasting.links().items()):
        lasting.dladm(f"delete-{link_class}", name)


# ---------------------------------------------------------------------- boot and halt


def test_a_boot_makes_the_host_and_a_halt_leaves_nothing_but_its_files(host: Host) -> None:
    status = host.boot()
    assert (status.phase, status.boots, status.messages) == ("up", 1, ())
    assert {one.fmri: one.state for one in status.services} == {
        DLMGMTD: State.ONLINE,
        VARPD: State.DISABLED,
        RESTARTER: State.ONLINE,
    }
    host.overlay("ov0", 23)
    host.dladm("create-vnic", "-l", "ov0", "vnic0")
    assert host.namespace.links() == ["lo", "vnic0"]
    assert control.halt_host(host.root)
    assert host.processes() == []
    assert host.namespace.links() == ["lo"]
    left = {str(one.relative_to(host.root)) for one in host.root.rglob("*") if not one.is_dir()}
    assert left - {str(one.relative_to(host.root)) for one in (host.root / paths.LOGS).iterdir()} == {
        "etc/dladm/datalink.conf",
        layout.LOCK,
    }
    assert not host.status().running
    assert not control.halt_host(host.root)


def test_a_host_is_booted_once(booted: Host) -> None:
    with pytest.raises(EtherspanError, match=rf"already \(svc.startd, pid {booted.status().pid}\)"):
        booted.boot()
    assert booted.status().boots == 1


def test_a_root_may_have_any_length(tmp_path: Path, make_namespace: Callable[[], Any]) -> None:
    host = Host(tmp_path / ("long" * 30) / ("deep" * 30) / "host", make_namespace())
    host.boot()
    try:
        host.overlay("ov0", 23)
        assert host.links() == {"ov0": "overlay"}
    finally:
        control.halt_host(host.root)


@pytest.mark.fact("DLM-Q35", "DLM-Q42")
def test_persistent_links_come_back_at_boot_as_they_were_and_temporary_ones_do_not(with_links: Host) -> None:
    host = with_links
    host.overlay("mtu0", 25, props=",mtu=1300,vnetid=99")
    assert "vnetid=int,99;" in (host.root / paths.DATALINK_CONF).read_text()
    mac = host.dladm("show-vnic", "-p", "-o", "macaddress", "vnic0")
    before = host.dladm("show-overlay", "-p", "-o", "property,value", "mtu0").splitlines()
    control.halt_host(host.root)
    assert host.boot().messages == ()
    assert host.links() == {"ov0": "overlay", "mtu0": "overlay", "vnic0": "vnic"}
    assert host.dladm("show-vnic", "-p", "-o", "macaddress", "vnic0") == mac
    after = host.dladm("show-overlay", "-p", "-o", "property,value", "mtu0").splitlines()
    assert "mtu:1300" in after
    assert "vnetid:99" in after
    given_anew = "varpd/id:"
    assert [row for row in after if not row.startswith(given_anew)] == [
        row for row in before if not row.startswith(given_anew)
    ]
    assert host.state(VARPD) is State.ONLINE


@pytest.mark.fact("DLM-Q34")
def test_an_overlay_deleted_temporarily_can_be_brought_up_again(with_links: Host) -> None:
    host = with_links
    host.dladm("delete-vnic", "vnic0")
    host.dladm("delete-overlay", "-t", "ov0")
    assert "ov0" not in host.links()
    host.dladm("up-overlay", "ov0")
    assert host.links()["ov0"] == "overlay"


def test_a_boot_step_that_fails_is_told_and_does_not_keep_the_host_from_booting(
    host: Host, capfd: pytest.CaptureFixture[str]
) -> None:
    layout.prepare(host.root)
    (host.root / paths.DATALINK_CONF).write_text(
        "ov0\tclass=int,512;media=int,4;\n"  # neither id nor encapsulation nor search plugin
        "stub0\tclass=int,16;media=int,4;maddrtype=int,3;maddrslot=int,0;macaddr=string,2:8:20:0:0:0;\n"
    )
    status = host.boot()
    assert status.phase == "up"
    assert any("ov0" in line for line in status.messages)
    assert "failed to retrieve persistent configuration for ov0" in capfd.readouterr().err
    assert host.links() == {"stub0": "etherstub"}


def test_a_host_whose_configuration_cannot_be_read_does_not_boot(host: Host) -> None:
    layout.prepare(host.root)
    (host.root / paths.DATALINK_CONF).mkdir()
    with pytest.raises(EtherspanError, match=r"data-link management daemon.*SMF_EXIT_ERR_CONFIG.*cannot read"):
        host.boot()
    assert host.processes() == []
    (host.root / paths.DATALINK_CONF).rmdir()
    assert host.boot().phase == "up"


def test_a_foreground_boot_halts_on_an_interrupt(host: Host, wait_for: Callable[..., None]) -> None:
    argv = (BIN / "etherspan", "host", "boot", "--foreground", "--root", host.root)
    process = host.namespace.popen(*argv, stderr=subprocess.PIPE)
    try:
        wait_for(lambda: host.status().phase == "up", "the host is up")
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20)[1] == ""
        assert process.returncode == 0
    finally:
        process.kill()
        process.wait(10)
    assert not host.status().running


def test_volatile_files_do_not_survive_a_boot(booted: Host) -> None:
    for folder in ("etc/svc/volatile", paths.VARPD_RUN):
        (booted.root / folder / "left").touch()
    control.halt_host(booted.root)
    (booted.root / paths.VARPD_RUN / "7.varpd").touch()
    booted.boot()
    assert not list(booted.root.rglob("left"))
    assert not (booted.root / paths.VARPD_RUN / "7.varpd").exists()


# ---------------------------------------------------------------------- services die


def test_dlmgmtd_killed_comes_back_with_the_same_links_and_ids(
    running: Host, killed: Callable[[Host, str], None]
) -> None:
    with Dlmgmt(running.system) as dlmgmt:
        before = dlmgmt.walk()
        restarts = running.service(DLMGMTD).restarts
        conf = (running.root / paths.DATALINK_CONF).read_text()
        killed(running, DLMGMTD)
        assert dlmgmt.walk() == before
        assert {one.name for one in dlmgmt.walk(flags_mask=DatalinkFlag.ACTIVE)} == {"ov0", "vnic0", "tmp0", "tnic0"}
    assert (running.root / paths.DATALINK_CONF).read_text() == conf
    assert running.service(DLMGMTD).restarts == restarts + 1


def test_a_link_id_whose_client_got_no_answer_is_free_after_a_restart(
    running: Host, killed: Callable[[Host, str], None]
) -> None:
    with Dlmgmt(running.system) as dlmgmt:
        dlmgmt.create_linkid("lost0", DatalinkClass.OVERLAY, DL_ETHER)  # as if dladm had been killed here
        killed(running, DLMGMTD)
        assert "lost0" not in {one.name for one in dlmgmt.walk()}
    running.overlay("lost0", 99)


def test_a_command_waits_for_a_dlmgmtd_that_is_being_restarted(running: Host) -> None:
    os.kill(running.service(DLMGMTD).pid, signal.SIGKILL)
    assert running.links()["ov0"] == "overlay"


def test_varpd_killed_adopts_its_instances_again(running: Host, killed: Callable[[Host, str], None]) -> None:
    before = running.dladm("show-overlay")
    killed(running, VARPD)
    assert running.dladm("show-overlay") == before
    running.dladm("delete-vnic", "vnic0")
    running.dladm("delete-overlay", "ov0")


def test_the_death_of_the_kernel_is_a_panic_and_the_host_is_up_again_in_ten_seconds(
    with_links: Host, panicked: Callable[[Host], float]
) -> None:
    pids = {one.fmri: one.pid for one in with_links.status().services}
    assert panicked(with_links) < REBOOT_SECONDS
    now = {one.fmri: one.pid for one in with_links.status().services}
    assert now[RESTARTER] == pids[RESTARTER]
    assert now[DLMGMTD] != pids[DLMGMTD]
    assert with_links.links() == {"ov0": "overlay", "vnic0": "vnic"}
    assert with_links.namespace.links() == ["lo", "vnic0"]
    assert with_links.status().messages == ()


def test_a_host_panics_as_often_as_it_has_to(booted: Host, panicked: Callable[[Host], float]) -> None:
    for _ in range(4):
        panicked(booted)
    assert booted.status().phase == "up"


def test_a_killed_restarter_takes_its_services_and_taps_with_it(
    with_links: Host, wait_for: Callable[..., None]
) -> None:
    os.kill(with_links.status().pid, signal.SIGKILL)
    wait_for(lambda: with_links.processes() == [], "the services have gone")
    wait_for(lambda: with_links.namespace.links() == ["lo"], "the TAPs have gone")
    assert not with_links.status().running
    with_links.boot()
    assert with_links.links() == {"ov0": "overlay", "vnic0": "vnic"}


def test_what_a_killed_restarter_left_is_cleared_by_a_halt(with_links: Host) -> None:
    os.kill(with_links.status().pid, signal.SIGKILL)
    control.halt_host(with_links.root)
    assert layout.Record.read(with_links.root) is None
    assert not (with_links.root / paths.DLD).exists()


@pytest.mark.parametrize("moment", [0.05, 0.2, 0.4, 0.6, 0.8, 1.1])
def test_a_restarter_killed_while_it_boots_leaves_nothing(
    host: Host, moment: float, wait_for: Callable[..., None]
) -> None:
    argv = (sys.executable, "-m", "etherspan.host.startd", "--root", host.root)
    process = host.namespace.popen(*argv, stderr=subprocess.DEVNULL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(moment)
    process.kill()
    process.wait(10)
    wait_for(lambda: host.processes() == [], "the services have gone")
    assert host.boot().phase == "up"


# ---------------------------------------------------------------------- maintenance


def test_a_service_that_cannot_start_is_in_maintenance_until_it_is_cleared(running: Host) -> None:
    running.command("svcadm", "disable", "-s", "varpd")
    obstacle = running.root / paths.VARPD_DOOR
    obstacle.mkdir()
    try:
        assert running.command("svcadm", "enable", "-s", "varpd", check=False).returncode == 3
        assert running.state(VARPD) is State.MAINTENANCE
        assert "Start method exited with $SMF_EXIT_ERR_FATAL." in running.service(VARPD).reason
        assert "failed to create door server" in running.service(VARPD).reason
    finally:
        obstacle.rmdir()
    running.command("svcadm", "enable", "varpd")
    assert running.state(VARPD) is State.MAINTENANCE
    running.command("svcadm", "clear", "-s", "varpd")
    assert (running.state(VARPD), running.service(VARPD).reason) == (State.ONLINE, "")


def test_a_host_whose_kernel_cannot_start_again_has_failed_until_it_is_cleared(
    booted: Host, wait_for: Callable[..., None]
) -> None:
    node = booted.root / paths.KSTAT
    node.unlink()
    node.mkdir()
    os.kill(booted.kernel_pid(), signal.SIGKILL)
    wait_for(lambda: booted.status().phase == "failed", "the kernel has failed")
    assert "$SMF_EXIT_ERR_FATAL" in booted.status().messages[0]
    assert booted.state(RESTARTER) is State.MAINTENANCE
    node.rmdir()
    booted.command("svcadm", "clear", "restarter")
    wait_for(lambda: booted.status().phase == "up", "the host has booted again")
    assert booted.state(RESTARTER) is State.ONLINE


# ---------------------------------------------------------------------- svcadm


def test_services_are_stopped_and_started_on_request(running: Host) -> None:
    first = running.service(VARPD).pid
    running.command("svcadm", "restart", "-s", "varpd")
    assert running.service(VARPD).pid not in {0, first}
    running.command("svcadm", "disable", "-s", "varpd")
    assert (running.state(VARPD), running.service(VARPD).pids) == (State.DISABLED, ())
    running.command("svcadm", "disable", "-s", "varpd")
    running.command("svcadm", "enable", "-s", "varpd")
    assert running.state(VARPD) is State.ONLINE


def test_a_refresh_reaches_varpd_and_does_not_stop_it(running: Host, wait_for: Callable[..., None]) -> None:
    varpd = running.service(VARPD)
    running.command("svcadm", "refresh", "varpd")
    wait_for(lambda: '"msg": "refresh"' in (running.root / varpd.log).read_text(), "varpd was refreshed")
    assert running.service(VARPD).pid == varpd.pid


def test_varpd_waits_for_a_dlmgmtd_that_is_disabled(running: Host) -> None:
    with Scf(running.system) as scf:
        for fmri in (DLMGMTD, VARPD):
            scf.disable(fmri)
            scf.wait(fmri, {State.DISABLED}, 10)
        scf.enable(VARPD)
        assert running.state(VARPD) is State.OFFLINE
        assert running.service(VARPD).reason == f"Dependency {DLMGMTD} is disabled."
        scf.enable(DLMGMTD)
        assert scf.wait(VARPD, {State.ONLINE}, 10) is State.ONLINE


def test_the_restarter_itself_is_halted_not_disabled(running: Host) -> None:
    with Scf(running.system) as scf, pytest.raises(KernelError) as refused:
        scf.disable("restarter")
    assert refused.value.errno is Errno.EINVAL


def test_an_ordinary_user_may_look_but_not_touch(running: Host, let_others_in: Callable[[Path], None]) -> None:
    let_others_in(running.root)
    looked = as_nobody(lambda: [one.name for one in Dlmgmt(running.system).walk()])
    assert looked == "['ov0', 'vnic0', 'tmp0', 'tnic0']"
    assert as_nobody(lambda: Scf(running.system).state("varpd")) == "online"
    assert as_nobody(lambda: Scf(running.system).disable("varpd")) == "EPERM"
    assert as_nobody(lambda: Dlmgmt(running.system).up_linkid(1)) == "EACCES"


def as_nobody(action: Callable[[], object]) -> str:
    """What a call gives an ordinary user: its result, or the name of its error."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            os.write(writing, str(action()).encode())
        except KernelError as error:
            os.write(writing, error.errno.name.encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as said:
        result = said.read()
    os.waitpid(child, 0)
    return result


# ---------------------------------------------------------------------- zones


def test_zones_come_back_with_their_links_after_a_panic_and_are_gone_after_a_halt(
    with_links: Host, panicked: Callable[[Host], float]
) -> None:
    host = with_links
    host.namespace.run(lambda: zone.create(host.root, "web", Zone({"vnic0": Nic()})))
    pinned = zone.namespace(host.root, "web")
    names = "import socket; print(*sorted(name for _, name in socket.if_nameindex()))"

    def inside() -> str:
        done = netns.call(
            pinned, subprocess.run, [sys.executable, "-c", names], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    assert inside() == "lo vnic0"
    panicked(host)
    assert inside() == "lo vnic0"
    assert host.namespace.links() == ["lo"]
    control.halt_host(host.root)
    assert not netns.is_pinned(pinned)
    host.boot()
    assert inside() == "lo vnic0"


# ---------------------------------------------------------------------- many


def test_a_host_with_many_links_goes_down_at_once(booted: Host, wait_for: Callable[..., None]) -> None:
    booted.dladm("create-etherstub", "-t", "stub0")
    for number in range(150):
        booted.dladm("create-vnic", "-t", "-l", "stub0", f"v{number}")
    begun = time.monotonic()
    os.kill(booted.kernel_pid(), signal.SIGKILL)
    wait_for(lambda: booted.namespace.links() == ["lo"], "the TAPs have gone")
    assert time.monotonic() - begun < 1.5
    wait_for(lambda: (booted.status().boots, booted.status().phase) == (2, "up"), "the host has booted again")
    assert time.monotonic() - begun < REBOOT_SECONDS
