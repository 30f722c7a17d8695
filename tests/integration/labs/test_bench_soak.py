"""A quarter of a minute of the soak: everything in it happens, and its report is whole."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.namespaces


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
