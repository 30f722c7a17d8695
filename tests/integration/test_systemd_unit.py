"""The unit that boots a host with a machine: what it starts exists, and the power that it leaves is enough."""

from __future__ import annotations

import configparser
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.hosts import BIN

SETPRIV = shutil.which("setpriv")


def unit() -> str:
    return subprocess.run([BIN / "etherspan", "host", "unit"], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def service() -> configparser.SectionProxy:
    parser = configparser.ConfigParser(interpolation=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(unit())
    return parser["Service"]


def test_it_starts_and_stops_the_program_that_printed_it(service: configparser.SectionProxy) -> None:
    for key, command in (("ExecStart", "boot"), ("ExecStop", "halt")):
        program, *words = service[key].split()
        assert Path(program) == BIN / "etherspan"
        assert os.access(program, os.X_OK)
        assert words == ["host", command, "--root", "%S/etherspan/%i"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_has_nothing_to_say_against_it(tmp_path: Path) -> None:
    path = tmp_path / "etherspan@cn0.service"
    path.write_text(unit())
    env = {**os.environ, "SYSTEMD_LOG_LEVEL": "warning"}
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", path], capture_output=True, text=True, check=False, env=env
    )
    assert [line for line in done.stderr.splitlines() if "etherspan@" in line] == []


@pytest.mark.namespaces
def test_a_host_boots_and_carries_overlays_with_the_capabilities_that_it_leaves(
    service: configparser.SectionProxy, make_namespace: Callable[[], Any], tmp_path: Path
) -> None:
    namespace, root = make_namespace(), tmp_path / "host"
    kept = ",".join(f"+{one.removeprefix('CAP_').lower()}" for one in service["CapabilityBoundingSet"].split())
    assert SETPRIV is not None, "setpriv of util-linux is missing"
    confined = [SETPRIV, f"--bounding-set=-all,{kept}", f"--inh-caps=-all,{kept}", "--no-new-privs"]

    def run(*argv: object, status: int = 0) -> str:
        process = namespace.popen(
            *confined,
            *argv,
            env={**os.environ, "ETHERSPAN_ROOT": str(root)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        said, _ = process.communicate(timeout=60)
        assert process.returncode == status, said
        return said

    run(BIN / "etherspan", "host", "boot", "--root", root)
    try:
        properties = "vxlan/listen_ip=127.0.0.1,direct/dest_ip=127.0.0.2,direct/dest_port=4789"
        run(BIN / "dladm", "create-overlay", "-e", "vxlan", "-s", "direct", "-v", "23", "-p", properties, "ov0")
        run(BIN / "dladm", "create-vnic", "-l", "ov0", "vnic0")
        run(BIN / "etherspan", "zone", "create", "web", "--address", "vnic0=10.5.5.1/24")
        assert "ONLINE" in run(BIN / "dladm", "show-overlay", "-f", "ov0")
        probe = "import json, socket; print(json.dumps(sorted(name for _, name in socket.if_nameindex())))"
        seen = run(BIN / "etherspan", "zone", "exec", "web", "--", sys.executable, "-c", probe)
        assert json.loads(seen) == ["lo", "vnic0"]
        shown = run(BIN / "svcs", "-H", "-o", "state", "network/varpd", "datalink-management")
        assert shown.split() == ["online", "online"]
    finally:
        run(BIN / "etherspan", "host", "halt", "--root", root)
