"""What a command that only shows something loads: start-up time is most of its run time."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dladm.cli.main import main as dladm
from etherspan.host import control
from kernel_sim.dev.client import LocalSystem

pytestmark = pytest.mark.namespaces

HEAVY = frozenset(
    {"construct", "asyncio", "ply", "structlog", "pyroute2", "jsonschema", "email", "http", "ssl", "subprocess"}
)
"""Each costs more than all of a command's own modules, and showing needs none."""
SHOW = (
    "show-link",
    "show-link -P",
    "show-vnic",
    "show-etherstub",
    "show-linkprop ov0",
    "show-overlay",
    "show-overlay -t",
    "show-overlay -f",
    "show-phys",
    "show-linkmap",
    "show-overlay -p -o property,value ov0",
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory, module_stage: Any) -> Iterator[Path]:
    """A host with one overlay and a VNIC."""
    root = tmp_path_factory.mktemp("start") / "host"
    module_stage.namespace().run(lambda: control.boot_host(root))
    props = "vxlan/listen_ip=127.0.0.1,direct/dest_ip=127.0.0.2,direct/dest_port=4789"
    for command in (f"create-overlay -e vxlan -s direct -v 23 -p {props} ov0", "create-vnic -l ov0 vnic0"):
        assert dladm(command.split(), system=LocalSystem(root), stdout=io.StringIO()) == 0
    yield root
    control.halt_host(root)


@pytest.mark.parametrize("command", SHOW)
def test_showing_loads_nothing_heavy(root: Path, command: str) -> None:
    program = Path(sys.executable).with_name("dladm")
    done = subprocess.run(
        [sys.executable, "-X", "importtime", program, *command.split()],
        env=os.environ | {"ETHERSPAN_ROOT": str(root)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "ov0" in done.stdout or command in {"show-etherstub", "show-phys"} or "-o" in command
    loaded = {line.rsplit("|", 1)[1].strip() for line in done.stderr.splitlines() if line.startswith("import time:")}
    assert "dladm.cli.main" in loaded
    assert sorted(name for name in loaded if name.split(".")[0] in HEAVY) == []
