from __future__ import annotations

import json
import os
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from etherspan.testing.memory import MemoryClock, MemoryNetwork, MemoryPorts, MemoryRandom
from kernel_sim import __main__ as program
from kernel_sim.dev.bunyan import bunyan_log
from kernel_sim.io import tun
from kernel_sim.kernel import Kernel
from kernel_sim.overlay.plugins.vxlan import PLUGIN


def test_without_a_tun_device_it_cannot_run_and_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tun, "DEVICE", str(tmp_path / "tun"))
    assert program.main(["--root", str(tmp_path / "host")]) == program.EXIT_CANNOT_RUN
    assert capsys.readouterr().err == (f"kernel: cannot open {tmp_path}/tun: No such file or directory; modprobe tun\n")


@pytest.mark.parametrize("group", ["0", "-1", "x", str(1 << 31)])
def test_a_link_group_is_a_positive_number(group: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        program.main([f"--group={group}"])
    assert "--group" in capsys.readouterr().err


def test_without_options_the_root_is_the_hosts_and_the_group_the_processs_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ETHERSPAN_ROOT", str(tmp_path))
    options = program._options([])
    assert options.root == tmp_path
    assert options.group & 0xFFFFFF == os.getpid() & 0xFFFFFF
    assert 0 < options.group < 1 << 31


def empty_kernel() -> Kernel:
    clock = MemoryClock()
    return Kernel(
        clock=clock,
        random=MemoryRandom(),
        underlay=MemoryNetwork(clock).underlay(),
        ports=MemoryPorts(),
        encap_plugins=(),
    )


def test_vxlan_is_found_like_anybody_elses_plugin() -> None:
    kernel = empty_kernel()
    reports: list[str] = []
    program._load_encap_plugins(kernel, reports.append)
    assert "vxlan" in kernel.overlays.plugins.names()
    assert reports == []


def test_a_plugin_that_cannot_be_loaded_or_registered_is_left_out_and_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    offered = [
        EntryPoint("vxlan", "kernel_sim.overlay.plugins.vxlan:PLUGIN", program.ENTRY_POINTS),
        EntryPoint("broken", "no_such_module_at_all:PLUGIN", program.ENTRY_POINTS),
        EntryPoint("again", "kernel_sim.overlay.plugins.vxlan:PLUGIN", program.ENTRY_POINTS),
    ]
    monkeypatch.setattr(program, "entry_points", lambda *, group: offered if group == "etherspan.encap" else [])
    kernel = empty_kernel()
    reports: list[str] = []
    program._load_encap_plugins(kernel, reports.append)
    assert kernel.overlays.plugins.names() == (PLUGIN.name,)
    assert len(reports) == 2
    assert "broken" in reports[0] or "again" in reports[0]


def test_the_log_has_one_bunyan_record_a_line(tmp_path: Path) -> None:
    path = tmp_path / "kernel.log"
    with path.open("ab", buffering=0) as stream:
        log = bunyan_log(stream, "kernel")
        log.info("kernel up", group=7, name="not mine")
        log.warning("with a\nnewline")
        log.critical("panic")
    first, second, third = (json.loads(line) for line in path.read_text().splitlines())
    assert first["msg"] == "kernel up"
    assert (first["v"], first["name"], first["level"], first["group"]) == (0, "kernel", 30, 7)
    assert first["pid"] == os.getpid()
    assert first["time"].endswith("Z")
    assert first["hostname"]
    assert (second["level"], second["msg"]) == (40, "with a\nnewline")
    assert third["level"] == 60


def test_a_full_disk_costs_records_not_the_kernel() -> None:
    with Path("/dev/full").open("ab", buffering=0) as stream:
        bunyan_log(stream, "kernel").warning("lost")
