"""A machine for each document: network and files of its own, a clone of the project, nothing else running."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.documents.markdown import ROOT
from tests.integration.conftest import pytest_runtest_setup  # noqa: F401 - what the mark `namespaces` asks for

BIN = Path(sys.executable).parent
END = "\036"
"""Between the outputs of commands; none prints it."""
FOLDER = "/var/lib/work"
MACHINE = f"mount -t tmpfs -o mode=755 tmpfs /var/lib && mkdir {FOLDER} && ip link set lo up && echo ready && exec cat"
SECONDS = 60


@dataclass(slots=True, frozen=True)
class Result:
    """What one command printed, both outputs as they came, and how it ended."""

    output: str
    status: int


class Machine:
    """Runs commands in namespaces of its own, where /var/lib is empty; README's clone is the working folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        tools = folder / "bin"
        tools.mkdir()
        for name in ("ping", "ip"):
            if shutil.which(name) is None:
                busybox = shutil.which("busybox")
                assert busybox is not None, "busybox is not installed: apt-get install busybox"
                (tools / name).symlink_to(busybox)
        path = os.pathsep.join([str(BIN), os.environ["PATH"], str(tools)])
        self.env = {key: value for key, value in os.environ.items() if not key.startswith(("ETHERSPAN_", "XDG_"))}
        self.env |= {"PATH": path, "HOME": str(folder), "XDG_STATE_HOME": "/var/lib"}
        self._process = subprocess.Popen(
            ["unshare", "--net", "--mount", "sh", "-c", MACHINE],
            env=self.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        for entry in sorted(ROOT.iterdir()):
            self.shell(f"ln -s {shlex.quote(str(entry))} .")

    def shell(self, *commands: str, on: str = "") -> list[Result]:
        """Run commands in one shell, on that host of the lab that is up, or on the machine itself."""
        ends = [f"printf '{END}%s\\n' \"$?\"\n"] * len(commands)
        script = "".join(f"{command}\n{end}" for command, end in zip(commands, ends, strict=True))
        inside = [
            "nsenter",
            "-t",
            str(self._process.pid),
            "-n",
            "-m",
            "sh",
            "-c",
            f'cd {FOLDER}; exec "$@" </dev/null',
            "",
        ]
        place = ["etherspan", "lab", "exec", on, "--"] if on else []
        with (self._folder / "output").open("w+") as output:
            done = subprocess.run(
                [*inside, *place, "sh", "-c", script],
                env=self.env,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=SECONDS,
                check=False,
            )
            output.seek(0)
            parts = re.split(f"{END}(\\d+)\n", output.read())
        results = [Result(text, int(status)) for text, status in zip(parts[:-1:2], parts[1::2], strict=True)]
        if len(results) < len(commands):
            results.append(Result(parts[-1], done.returncode))
        return results

    def close(self) -> None:
        """Take down what a document left."""
        self.shell(
            "for lab in $(etherspan lab list | sed 1d | cut -d ' ' -f 1); do etherspan lab down $lab; done",
            "etherspan host halt",
        )
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)
        assert self._process.stdout is not None
        self._process.stdout.close()


@pytest.fixture
def machine(tmp_path: Path, let_others_in: Callable[[Path], None]) -> Iterator[Machine]:
    let_others_in(tmp_path)
    made = Machine(tmp_path)
    yield made
    made.close()
