"""Booted hosts for tests: real processes in a namespace of their own."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dladm.cli.main import main as dladm
from dladm.dlmgmtd.client import Dlmgmt
from dladm.dlmgmtd.datalink_conf import LinkFile
from dladm.dlmgmtd.names import DeviceNames
from dladm.dlmgmtd.store import CACHE
from dladm.libscf.client import Scf
from dladm.libscf.protocol import RESTARTER, ServiceInfo, State
from etherspan.host import control
from etherspan.process import ProcessId
from kernel_sim.dev import paths
from kernel_sim.dev.client import LocalSystem
from kernel_sim.sys.dld import DatalinkClass, DatalinkFlag

BIN = Path(sys.executable).parent


@dataclass
class Host:
    root: Path
    namespace: Any

    @property
    def system(self) -> LocalSystem:
        return LocalSystem(self.root)

    def boot(self) -> control.HostStatus:
        return self.namespace.run(lambda: control.boot_host(self.root))  # type: ignore[no-any-return]

    def status(self) -> control.HostStatus:
        return control.host_status(self.root)

    def service(self, fmri: str) -> ServiceInfo:
        return next(one for one in self.status().services if one.fmri == fmri)

    def state(self, fmri: str) -> State:
        with Scf(self.system) as scf:
            return scf.state(fmri)

    def kernel_pid(self) -> int:
        return self.service(RESTARTER).pids[1]

    def command(self, *argv: object, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A console script with this host as ETHERSPAN_ROOT."""
        program, *rest = map(str, argv)
        done = subprocess.run(
            [BIN / program, *rest],
            env={**os.environ, "ETHERSPAN_ROOT": str(self.root)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        if check:
            assert done.returncode == 0, f"{argv}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def dladm(self, *argv: object) -> str:
        """A dladm command, in this process; what it printed."""
        status, out, err = self.attempt(*argv)
        assert status == 0, f"dladm {argv}: exit {status}\n{out}{err}"
        return out

    def attempt(self, *argv: object) -> tuple[int, str, str]:
        """A dladm command, in this process: exit status, standard output, standard error."""
        out, err = io.StringIO(), io.StringIO()
        status = dladm(list(map(str, argv)), system=self.system, stdout=out, stderr=err)
        return status, out.getvalue(), err.getvalue()

    def conf(self) -> bytes:
        """datalink.conf."""
        path = self.root / paths.DATALINK_CONF
        return path.read_bytes() if path.exists() else b""

    def check_agreement(self) -> None:
        """dlmgmtd's table, the kernel's names and devices, datalink.conf, the cache and the TAPs tell of the same links."""
        with Dlmgmt(self.system) as dlmgmt, contextlib.closing(DeviceNames(self.system)) as kernel:
            links = dlmgmt.walk()
            assert kernel.pushed() == links
            ours = [one for one in links if one.link_class is not DatalinkClass.PHYS]
            active = [one for one in ours if DatalinkFlag.ACTIVE in one.flags]
            assert active == [one for one in ours if kernel.has_device(one)]
        persistent = {one.name for one in links if DatalinkFlag.PERSIST in one.flags}
        assert persistent == {one.name for one in LinkFile.parse(self.conf()).entries()}
        cached = LinkFile.parse((self.root / CACHE).read_bytes()).entries()
        assert {one.name for one in cached} == {one.name for one in links if DatalinkFlag.ACTIVE in one.flags}
        vnics = {one.name for one in active if one.link_class is DatalinkClass.VNIC and not one.zone}
        assert set(self.namespace.links()) == {"lo", *vnics}

    def overlay(self, name: str, vnetid: int, *options: str, props: str = "") -> None:
        listen = f"vxlan/listen_ip=127.0.0.1,direct/dest_ip=127.0.0.2,direct/dest_port=4789{props}"
        self.dladm("create-overlay", *options, "-e", "vxlan", "-s", "direct", "-v", vnetid, "-p", listen, name)

    def make_links(self) -> None:
        """A persistent overlay with a VNIC, and the same once more as temporary links."""
        self.overlay("ov0", 23)
        self.dladm("create-vnic", "-l", "ov0", "vnic0")
        self.overlay("tmp0", 24, "-t")
        self.dladm("create-vnic", "-t", "-l", "tmp0", "tnic0")

    def links(self) -> dict[str, str]:
        return dict(row.split(":") for row in self.dladm("show-link", "-p", "-o", "link,class").split())

    def processes(self) -> list[str]:
        """Every process of this host, by its environment."""
        wanted = f"ETHERSPAN_ROOT={self.root}".encode()
        found: list[str] = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                running = ProcessId.of(int(entry.name)) is not None
                if running and wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        return found


@pytest.fixture
def host(tmp_path: Path, make_namespace: Callable[[], Any]) -> Iterator[Host]:
    host = Host(tmp_path / "host", make_namespace())
    yield host
    control.halt_host(host.root)
    assert host.processes() == []
    assert host.namespace.links() == ["lo"]


@pytest.fixture
def booted(host: Host) -> Host:
    host.boot()
    return host


@pytest.fixture
def with_links(booted: Host) -> Host:
    booted.make_links()
    return booted


@pytest.fixture
def killed(wait_for: Callable[..., None]) -> Callable[[Host, str], None]:
    def killed(host: Host, fmri: str) -> None:
        """Kill a service and wait until another process of it is online."""
        old = host.service(fmri).pid
        os.kill(old, signal.SIGKILL)

        def again() -> bool:
            now = host.service(fmri)
            return now.state is State.ONLINE and not now.next_state and now.pid != old

        wait_for(again, f"{fmri} is online again")

    return killed


@pytest.fixture
def panicked(wait_for: Callable[..., None]) -> Callable[[Host], float]:
    def panicked(host: Host) -> float:
        """Kill the kernel and wait until the host has booted again; seconds it took."""
        boots = host.status().boots
        begun = time.monotonic()
        os.kill(host.kernel_pid(), signal.SIGKILL)
        wait_for(lambda: (host.status().boots, host.status().phase) == (boots + 1, "up"), "the host has booted again")
        return time.monotonic() - begun

    return panicked
