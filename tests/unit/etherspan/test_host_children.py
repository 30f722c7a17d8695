"""The restarter's children: real processes, driven from a process of their own (it collects every child there is)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

DRIVER = """
import json, selectors, signal, sys, time
from pathlib import Path
from etherspan.host.children import Children, become_subreaper, process_children

become_subreaper()
selector = selectors.DefaultSelector()
told = {"said": [], "ended": [], "dying": None}
begun = time.monotonic()
children = Children(
    Path(sys.argv[1]),
    selector,
    lambda contract, line: told["said"].append(line),
    lambda contract: told["ended"].append([contract.name, contract.status, contract.launched]),
)
def dying():
    told["dying"] = time.monotonic()
contract = children.start("test", sys.argv[2], ("argument",), adopts=True, dying=dying)
deadline = time.monotonic() + 20
while children and time.monotonic() < deadline:
    for key, _ in selector.select(0.01):
        key.data()
    children.reap()
    if "kill me" in told["said"]:
        children.kill_all()
    if sys.argv[3] == "term" and told["said"]:
        contract.signal(signal.SIGTERM)
while told["dying"] is None and time.monotonic() < deadline:
    for key, _ in selector.select(0.01):
        key.data()
told["open"] = len(selector.get_map())
told["left"] = sorted(process_children())
print(json.dumps(told))
"""

Told = dict[str, object]


def drive(tmp_path: Path, program: str, how: str = "") -> Told:
    (tmp_path / "service_under_test.py").write_text(program)
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    argv = [sys.executable, "-c", DRIVER, str(tmp_path), "service_under_test", how]
    done = subprocess.run(
        argv, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    told: Told = json.loads(done.stdout)
    assert told["dying"] is not None, "nobody said that the process began to end"
    assert told["open"] == 0, "descriptors were left in the selector"
    assert told["left"] == []
    return told


def test_both_outputs_are_read_to_the_last_line_even_without_a_newline(tmp_path: Path) -> None:
    program = "import sys; print('one', flush=True); print('two', file=sys.stderr, flush=True); print('three', end='')"
    told = drive(tmp_path, program)
    assert told["said"] == ["one", "two", "three"]
    assert told["ended"] == [["test", 0, 0]]


def test_a_service_knows_its_host_its_restarter_and_its_name(tmp_path: Path) -> None:
    program = """
import os, sys
print(os.environ["ETHERSPAN_ROOT"], int(os.environ["ETHERSPAN_RESTARTER"]) == os.getppid(), os.environ["SMF_FMRI"])
print(sys.argv[1:], os.getcwd(), os.getsid(0) == os.getpid(), sys.stdin.read() == "")
"""
    told = drive(tmp_path, program)
    assert told["said"] == [f"{tmp_path} True test", "['argument'] / True True"]


@pytest.mark.parametrize("status", [1, 95])
def test_the_exit_status_is_told(tmp_path: Path, status: int) -> None:
    assert drive(tmp_path, f"raise SystemExit({status})")["ended"] == [["test", status, status]]


def test_a_signal_is_told_as_a_negative_number(tmp_path: Path) -> None:
    program = "print('kill me', flush=True); import signal; signal.pause()"
    assert drive(tmp_path, program)["ended"] == [["test", -9, -9]]


def test_what_a_launcher_leaves_behind_belongs_to_its_service(tmp_path: Path) -> None:
    program = """
import os, signal
if os.fork():
    os._exit(0)
os.setsid()
signal.sigtimedwait([], 0.3)
print('kill me', flush=True)
signal.pause()
"""
    told = drive(tmp_path, program)
    assert told["ended"] == [["test", -9, 0]]


def test_what_a_launcher_leaves_behind_when_it_fails_is_killed(tmp_path: Path) -> None:
    program = """
import os, signal
if os.fork():
    os._exit(3)
signal.pause()
"""
    assert drive(tmp_path, program)["ended"] == [["test", 3, 3]]


def test_what_a_launcher_leaves_behind_when_it_is_killed_is_killed(tmp_path: Path) -> None:
    program = """
import os, signal
child = os.fork()
if child:
    print("launched", flush=True)
signal.pause()
"""
    assert drive(tmp_path, program, "term")["ended"] == [["test", -15, -15]]
