"""The long runs: minutes of traffic while services die, over and over."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
from collections.abc import Callable
from typing import Any

import pytest

pytestmark = [pytest.mark.namespaces, pytest.mark.soak, pytest.mark.timeout(1800)]

ROUNDS = 40


def processes(lab: Any, where: str) -> dict[str, int]:
    """The main processes of a host's services, by name; the simulated kernel is the restarter's second one."""
    found: dict[str, int] = {}
    name = ""
    for line in lab.run(where, "svcs", "-H", "-p", "-o", "fmri").stdout.splitlines():
        if line.startswith("svc:/"):
            name = line.split("/")[-1].partition(":")[0]
        elif (pid := re.search(r"\s(\d+)\s", line)) is not None:
            found["kernel" if name in found else name] = int(pid.group(1))
    return found


def test_forty_kills_of_random_services_leave_the_host_whole(
    lab_up: Callable[[str], Any], two_hosts: Callable[..., str], wait_until: Callable[..., None]
) -> None:
    lab = lab_up(two_hosts())
    rng = random.Random(20)
    before = lab.dladm("cn1", "show-overlay").stdout
    for turn in range(ROUNDS):
        running = processes(lab, "cn1")
        victim = rng.choice(sorted(running.keys() - {"restarter"}))
        with contextlib.suppress(ProcessLookupError):
            os.kill(running[victim], signal.SIGKILL)

        def whole(victim: str = victim, old: int = running[victim]) -> bool:
            now = processes(lab, "cn1")
            done = lab.run("cn1", "dladm", "show-overlay", check=False)
            return now.get(victim, old) != old and done.returncode == 0 and done.stdout == before

        wait_until(whole, 20, f"turn {turn}: {victim} back, the overlay as it was")
        lab.tcp("cn1:web", "cn2:web", "10.55.55.2", 1 << 20)
