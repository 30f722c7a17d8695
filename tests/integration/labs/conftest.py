"""Labs for tests: brought up and down through the command a person uses."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent

ECHO_SERVER = """
import hashlib, socket, sys
with socket.create_server((sys.argv[1], 5001), family=socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET) as s:
    print("ready", flush=True)
    c, _ = s.accept()
    h = hashlib.sha256()
    n = 0
    while data := c.recv(1 << 20):
        h.update(data); n += len(data)
    c.sendall(f"{n} {h.hexdigest()}".encode())
    c.close()
"""
CLIENT = """
import hashlib, random, socket, sys
size = int(sys.argv[2])
data = random.Random(size).randbytes(size)
with socket.create_connection((sys.argv[1], 5001), timeout=60) as s:
    s.sendall(data)
    s.shutdown(socket.SHUT_WR)
    answer = s.recv(200).decode()
assert answer == f"{size} {hashlib.sha256(data).hexdigest()}", answer
"""


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool], float, str], None]:
    """Poll a condition of the outside world; fail with what was waited for."""

    def wait(condition: Callable[[], bool], seconds: float, what: str) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"not within {seconds} s: {what}"
            time.sleep(0.02)

    return wait


@dataclass(slots=True, frozen=True)
class Lab:
    """A running lab."""

    name: str
    env: dict[str, str]

    def command(self, where: str, *argv: object) -> list[str]:
        return [str(BIN / "etherspan"), "lab", "exec", "--name", self.name, where, "--", *map(str, argv)]

    def popen(self, where: str, *argv: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(where, *argv), env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def run(
        self, where: str, *argv: object, check: bool = True, timeout: float = 60
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.command(where, *argv), env=self.env, capture_output=True, text=True, timeout=timeout, check=False
        )
        if check:
            assert done.returncode == 0, f"{where}: {argv}: exit {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def dladm(self, where: str, *argv: object, check: bool = True) -> subprocess.CompletedProcess[str]:
        return self.run(where, "dladm", *argv, check=check)

    def status(self) -> dict[str, object]:
        done = subprocess.run(
            [BIN / "etherspan", "lab", "status", self.name, "--json"],
            env=self.env,
            capture_output=True,
            text=True,
            check=True,
        )
        found: dict[str, object] = json.loads(done.stdout)
        return found

    def tcp(self, client: str, server: str, address: str, size: int = 8 << 20) -> None:
        """Send `size` bytes from one zone to another and compare the hashes."""
        listening = self.popen(server, sys.executable, "-c", ECHO_SERVER, address)
        try:
            assert listening.stdout is not None
            assert listening.stdout.readline() == "ready\n"
            self.run(client, sys.executable, "-c", CLIENT, address, size, timeout=90)
            assert listening.wait(10) == 0
        finally:
            listening.kill()
            listening.communicate()

    def drops(self, where: str) -> dict[str, int]:
        """The private drop counters of a host: "link:reason" to frames."""
        text = self.run(where, "kstat", "-p", "etherspan:::").stdout
        rows = (re.split(r"[:\t]", line) for line in text.splitlines())
        return {f"{row[2]}:{row[3]}": int(row[4]) for row in rows if row[4].isdigit()}


LabUp = Callable[..., Lab]


@pytest.fixture
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture
def lab_up(state_dir: Path, tmp_path: Path) -> Iterator[LabUp]:
    """Bring labs up by their text; all of them go down at the end, whatever happened."""
    env = {**os.environ, "ETHERSPAN_STATE": str(state_dir)}
    names: list[str] = []

    def up(text: str) -> Lab:
        name = f"t{uuid.uuid4().hex[:6]}"
        file = tmp_path / f"{name}.toml"
        file.write_text(text)
        names.append(name)
        done = subprocess.run(
            [BIN / "etherspan", "lab", "up", file, "--name", name],
            env=env,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return Lab(name, env)

    yield up
    failures = []
    for name in reversed(names):
        done = subprocess.run(
            [BIN / "etherspan", "lab", "down", name], env=env, capture_output=True, text=True, timeout=60, check=False
        )
        if done.returncode:
            failures.append(done.stdout + done.stderr)
    assert not failures, "\n".join(failures)


TWO_HOSTS = """
[underlay]
subnet = "{subnet}"
mtu = 1500
{hosts}
"""
HOST = """
[host.cn{n}]
address = "{own}"
dladm = [
  "create-overlay -e vxlan -s direct -v 23 -p vxlan/listen_ip={own},direct/dest_ip={peer},direct/dest_port=4789{props} demo0",
  "create-vnic -l demo0 -m 2:0:0:0:0:{n} vnic0",
]
[host.cn{n}.zone.web.nic.vnic0]
address = ["10.55.55.{n}/24", "fd55::{n}/64"]
"""


@pytest.fixture
def two_hosts() -> Callable[..., str]:
    """The text of a lab: cn1 and cn2 with a zone `web` each, 10.55.55.N and fd55::N over the overlay demo0."""

    def text(prefix: str = "10.88.88.", subnet: str = "10.88.88.0/24", props: str = "") -> str:
        hosts = "".join(
            HOST.format(n=n, own=f"{prefix}{n}", peer=f"{prefix}{3 - n}", props=props and f",{props}") for n in (1, 2)
        )
        return TWO_HOSTS.format(subnet=subnet, hosts=hosts)

    return text
