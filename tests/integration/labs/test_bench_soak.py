"""A quarter of a minute of the soak: everything in it happens, and its report is whole."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from etherspan.bench.soak import descriptors

pytestmark = pytest.mark.namespaces


def test_a_socket_of_a_source_port_is_no_descriptor_that_counts_but_a_second_one_is() -> None:
    own = Path("/proc/self")
    before = descriptors(own)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one, socket.socket(type=socket.SOCK_DGRAM) as other:
        for sock in (one, other):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        one.bind(("127.0.0.1", 49200))
        assert descriptors(own) == before + 1
        other.bind(("127.0.0.1", 49200))
        assert descriptors(own) == before + 1
        other.close()
        assert descriptors(own) == before
    assert descriptors(own) == before


def test_a_short_soak_has_traffic_changes_and_a_fault_and_leaves_nothing(tmp_path: Path) -> None:
    report, page = tmp_path / "soak.json", tmp_path / "soak.md"
    # seed 31 kills varpd after ten seconds; a median of some seconds is noise on a busy machine, so that only what fails is looked at
    done = subprocess.run(
        [
            *(Path(sys.executable).parent / "etherspan", "bench", "soak", "--seconds", "24", "--seed", "31"),
            *("--json", report, "--markdown", page),
        ],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    found = json.loads(report.read_text())
    assert [one for one in found["failures"] if not one.startswith("not flat: ")] == [], done.stdout + done.stderr
    assert done.returncode == (1 if found["failures"] else 0)
    for plugin in ("direct", "files", "svp"):
        for what in ("TCP transfers", "rounds of echoes", "rounds of datagrams"):
            assert found["counts"][f"{plugin}: {what}"] > 2, found["counts"]
    assert sum(count for what, count in found["counts"].items() if what.startswith("faults: ")) > 0
    assert found["counts"]["cn1: dladm create-overlay"] > 0
    services = ("restarter", "kernel", "dlmgmtd", "varpd")
    assert {one["name"] for one in found["samples"]} >= {f"cn1/{name}" for name in services} | {"one/portolan"}
    assert page.read_text() in done.stdout + "\n"
