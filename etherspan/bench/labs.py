"""Labs for benchmarks: brought up and down through the command a person uses."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

ETHERSPAN = Path(sys.executable).parent / "etherspan"


def run(*argv: str | Path, timeout: float = 120) -> str:
    """Run a command that has to succeed; its output."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, argv))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def in_lab(lab: str, where: str, *argv: str | Path) -> list[str]:
    """The command line that runs `argv` in a host, zone or VTEP of a lab."""
    return [str(ETHERSPAN), "lab", "exec", "--name", lab, where, "--", *map(str, argv)]


@contextlib.contextmanager
def lab(name: str, text: str, files: Mapping[str, str] | None = None) -> Iterator[None]:
    """A running lab; `files` are those its text refers to."""
    with tempfile.TemporaryDirectory() as folder:
        for path, content in {**(files or {}), f"{name}.toml": text}.items():
            Path(folder, path).write_text(content)
        run(ETHERSPAN, "lab", "up", Path(folder, f"{name}.toml"), "--name", name)
        try:
            yield
        finally:
            run(ETHERSPAN, "lab", "down", name)


def environment() -> dict[str, object]:
    """What a result was measured on."""
    return {"kernel": platform.release(), "python": platform.python_version(), "cpus": os.cpu_count()}
