"""`lab watch` on a running lab."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.namespaces

BIN = Path(sys.executable).parent


def test_a_lab_is_watched(lab_up: Callable[[str], Any], two_hosts: Callable[..., str]) -> None:
    lab = lab_up(two_hosts())
    argv = [BIN / "etherspan", "lab", "watch", lab.name, "--seconds", "1", "--count", "2"]
    watching = subprocess.Popen(argv, env=lab.env, stdout=subprocess.PIPE, text=True)
    lab.run("cn1:web", "etherspan", "probe", "ping", "-c", 12, "10.55.55.2")
    out = watching.communicate(timeout=30)[0]
    assert watching.returncode == 0
    assert out.count(f"lab {lab.name}: up") == 2
    assert "\x1b" not in out
    rates = [int(row.split()[1]) for row in out.splitlines() if row.startswith("vnic0 ")]
    assert len(rates) == 4
    assert max(rates) >= 3, out
