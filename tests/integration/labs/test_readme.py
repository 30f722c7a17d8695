"""What README shows is what a reader gets: each console block in a host of its own, the lab's block as it stands."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.namespaces

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
CONSOLES = [text for kind, text in BLOCKS if kind == "console"]
SHELLS = [text for kind, text in BLOCKS if kind == "sh"]
HOST = """
[underlay]
subnet = "10.88.88.0/24"
[host.one]
address = "{address}"
[host.two]
address = "10.88.88.2"
"""
OVERLAY_FILE = "/var/lib/etherspan/host"


@pytest.fixture
def tools(tmp_path: Path) -> str:
    """A PATH with ping and ip, wherever this machine has them."""
    busybox = shutil.which("busybox")
    assert busybox is not None, "busybox is not installed: apt-get install busybox"
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("ping", "ip"):
        if shutil.which(name) is None:
            (folder / name).symlink_to(busybox)
    return f"{BIN}:{folder}:{os.environ['PATH']}"


def steps(block: str) -> list[tuple[str, str]]:
    """Commands, and what they print."""
    joined = block.replace("\\\n", "")
    found: list[tuple[str, str]] = []
    for line in joined.splitlines():
        if line.startswith("# "):
            found.append((line[2:], ""))
        else:
            command, output = found[-1]
            found[-1] = command, output + line + "\n"
    return found


def test_there_are_blocks() -> None:
    assert len(CONSOLES) >= 2
    assert any("lab up" in text for text in SHELLS)


@pytest.mark.parametrize("block", CONSOLES, ids=lambda block: block.split()[1])
def test_a_console(block: str, lab_up: Callable[[str], Any], tools: str) -> None:
    address = re.search(r"vxlan/listen_ip=([\d.]+)", block)
    assert address is not None
    lab = lab_up(HOST.format(address=address[1]))
    root = lab.run("one", "sh", "-c", "echo $ETHERSPAN_ROOT").stdout.strip()
    for command, shown in steps(block):
        if command.startswith("cat ") and OVERLAY_FILE in command:
            path = Path(command.split()[1].replace(OVERLAY_FILE, root))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(shown)
            continue
        if "ping" in command:
            guest(lab)
        done = lab.run("one", "env", f"PATH={tools}", "sh", "-c", command)
        assert done.stdout + done.stderr == shown, command


def guest(lab: Any) -> None:
    """Somebody at 10.55.55.2, on the other host."""
    props = "vxlan/listen_ip=10.88.88.2,direct/dest_ip=10.88.88.1,direct/dest_port=4789"
    lab.dladm("two", "create-overlay", "-t", "-e", "vxlan", "-s", "direct", "-v", "24", "-p", props, "ov0")
    lab.dladm("two", "create-vnic", "-t", "-l", "ov0", "-m", "2:8:20:0:0:2", "vnic0")
    lab.run("two", "ipadm", "create-addr", "-t", "-T", "static", "-a", "10.55.55.2/24", "vnic0/v4")


def test_the_lab(tmp_path: Path, tools: str) -> None:
    (text,) = (text for text in SHELLS if "lab up" in text)
    env = {**os.environ, "ETHERSPAN_STATE": str(tmp_path / "state"), "PATH": tools}
    done = subprocess.run(["sh", "-e", "-c", text], cwd=ROOT, env=env, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0% lost" in done.stdout


def test_the_programs_that_are_named_are_there() -> None:
    """Of the other blocks, which boot this machine's own host or run for minutes, every command is known."""
    for text in SHELLS:
        for line in text.splitlines():
            words = shlex.split(line.split("#")[0])
            if not words or "…" in line:
                continue
            if words[0] == "make":
                targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
                assert words[1] in targets, line
            else:
                assert shutil.which(words[0], path=f"{BIN}:{os.environ['PATH']}"), line
