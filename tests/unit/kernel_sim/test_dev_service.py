"""A service dies with its restarter."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys

import pytest

from kernel_sim.dev import service

SERVICE = """
import sys
from kernel_sim.dev.service import arm_parent_death, restarter_pid
arm_parent_death(restarter_pid())
print("armed", flush=True)
sys.stdin.read()
"""
RESTARTER = f"""
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {SERVICE!r}], env={{**os.environ, "ETHERSPAN_RESTARTER": str(os.getpid())}})
child.wait()
"""


@pytest.mark.parametrize(("text", "pid"), [("123", 123), ("", None), ("x", None), ("-1", None), ("\u0661", None)])
def test_the_restarter_is_named_in_the_environment(text: str, pid: int | None) -> None:
    assert service.restarter_pid({"ETHERSPAN_RESTARTER": text}) == pid
    assert service.restarter_pid({}) is None


def test_a_service_started_by_hand_is_not_armed() -> None:
    service.arm_parent_death(None)


def test_a_service_is_killed_when_its_restarter_is() -> None:
    read_end, write_end = os.pipe()  # its last writer is the service, so that its death shows as end of file
    with (
        os.fdopen(read_end, "rb", buffering=0) as output,
        subprocess.Popen([sys.executable, "-c", RESTARTER], stdin=subprocess.PIPE, stdout=write_end) as restarter,
    ):
        os.close(write_end)
        assert output.readline() == b"armed\n"
        restarter.send_signal(signal.SIGKILL)
        ready, _, _ = select.select([output], [], [], 10)
        assert ready
        assert output.read() == b""


def test_a_service_whose_restarter_died_before_it_was_armed_ends_at_once() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", SERVICE],
        env={**os.environ, "ETHERSPAN_RESTARTER": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=10,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
