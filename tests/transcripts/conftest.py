"""The host that transcripts talk to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent

# A namespace of its own with nothing but the loopback interface, then the host.
BOOT = """
import fcntl, os, socket, struct, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    fcntl.ioctl(s, 0x8914, struct.pack("16sH22x", b"lo", 1))
os.execv(sys.argv[1], [sys.argv[1], "host", "boot", "--root", sys.argv[2]])
"""
DELETE = {"vnic": "delete-vnic", "etherstub": "delete-etherstub", "overlay": "delete-overlay"}

IPADM_FILES = ("etc/ipadm/ipadm.conf", "etc/svc/volatile/ipadm/aobjmap.conf")


def call(root: Path, *argv: str, check: bool = True) -> str:
    env = {**os.environ, "ETHERSPAN_ROOT": str(root)}
    done = subprocess.run([BIN / argv[0], *argv[1:]], env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0 or not check, f"{argv}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session")
def booted_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("transcripts") / "host"
    argv = ["unshare", "-n", sys.executable, "-c", BOOT, BIN / "etherspan", root]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    yield root
    call(root, "etherspan", "host", "halt", "--root", str(root))


def empty(root: Path) -> None:
    """Return the host to what it was after its first boot: no links, both id spaces at 1."""
    for active in ([], ["-P"]):
        rows = call(root, "dladm", "show-link", *active, "-p", "-o", "class,link").split()
        for klass, command in DELETE.items():  # what sits on top first
            for row in rows:
                if row.startswith(f"{klass}:"):
                    call(root, "dladm", command, row.partition(":")[2])
    for path in IPADM_FILES:
        (root / path).unlink(missing_ok=True)
    call(root, "svcadm", "disable", "-s", "varpd")
    call(root, "svcadm", "restart", "-s", "datalink-management")


NIC = """
import sys
from pyroute2 import IPRoute
with IPRoute() as ip:
    if sys.argv[2] == "add":
        far = sys.argv[1] + "far"  # no link name, so the host does not take it for one of its own
        ip.link("add", ifname=sys.argv[1], kind="veth", peer=far)
        for name in (far, sys.argv[1]):
            ip.link("set", index=ip.link_lookup(ifname=name)[0], state="up")
    else:
        ip.link("del", index=ip.link_lookup(ifname=sys.argv[1])[0])
"""


@pytest.fixture
def nic(booted_host: Path) -> Iterator[Callable[[str], None]]:
    """Give the host an Ethernet interface; it is gone again at the end."""
    pid = json.loads((booted_host / "var/run/svc.startd.json").read_text())["pid"]
    made: list[str] = []

    def change(name: str, how: str) -> None:
        argv = ["nsenter", "-t", str(pid), "-n", sys.executable, "-c", NIC, name, how]
        subprocess.run(argv, check=True, capture_output=True, timeout=30)
        end = time.monotonic() + 10
        while (name in call(booted_host, "dladm", "show-link", "-p", "-o", "link").split()) != (how == "add"):
            assert time.monotonic() < end, f"the host did not notice {how} {name}"
            time.sleep(0.02)

    def add(name: str) -> None:
        made.append(name)
        change(name, "add")

    yield add
    for name in made:
        change(name, "del")


@pytest.fixture
def host_file(booted_host: Path) -> Iterator[Callable[[str, bytes], None]]:
    """Give the host a file that everybody may read; at the end it is again what it was, if there was one."""
    before: dict[Path, bytes | None] = {}

    def write(path: str, content: bytes) -> None:
        file = booted_host / path
        file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        before.setdefault(file, file.read_bytes() if file.exists() else None)
        file.write_bytes(content)
        file.chmod(0o644)

    yield write
    for file, content in before.items():
        if content is None:
            file.unlink()
        else:
            file.write_bytes(content)


@pytest.fixture
def empty_host(booted_host: Path) -> Iterator[Path]:
    yield booted_host
    empty(booted_host)
