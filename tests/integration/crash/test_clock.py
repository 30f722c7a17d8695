"""A wall clock that jumps changes nothing but the times that are shown."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[3]
SHOWN = {
    "etherspan/host/restarter.py": "since when a service is in its state",
    "etherspan/svc.py": "how that is written",
    "etherspan/snoop/live.py": "times of captured packets",
    "kernel_sim/dev/bunyan.py": "times of logs",
}
"""Where the wall clock may be read, and for what."""
WALL = {("time", "time"), ("time", "time_ns"), ("time", "clock_gettime"), ("datetime", "now"), ("datetime", "utcnow")}


def readers(path: Path) -> bool:
    """Whether a module reads the wall clock."""
    return any(
        isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and (node.value.id, node.attr) in WALL
        for node in ast.walk(ast.parse(path.read_text()))
    )


def test_the_wall_clock_is_read_for_what_is_shown_only() -> None:
    found = set()
    for package in ("kernel_sim", "libvarpd", "dladm", "etherspan"):
        found |= {str(path.relative_to(ROOT)) for path in (ROOT / package).rglob("*.py") if readers(path)}
    assert {one for one in found if not one.startswith("etherspan/bench/")} == SHOWN.keys()


def test_a_reader_is_found(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("import time\n\ndef late(): return time.time() > 5\n")
    (tmp_path / "two.py").write_text("import time\n\ndef late(): return time.monotonic() > 5\n")
    assert readers(tmp_path / "one.py")
    assert not readers(tmp_path / "two.py")
