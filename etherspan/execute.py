"""Running programs inside a host or a zone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import IO, NoReturn

from etherspan import netns
from etherspan.errors import EtherspanError
from kernel_sim.dev.paths import ROOT_VARIABLE

NOT_FOUND = 127
NOT_EXECUTABLE = 126


def program_folder() -> Path:
    """Where this installation's commands are (dladm, svcs, etherspan …)."""
    return Path(sys.executable).parent


def environment(root: Path | None) -> dict[str, str]:
    """The environment for programs on the host at `root`: ETHERSPAN_ROOT, and its commands first in PATH."""
    env = dict(os.environ)
    env.pop(ROOT_VARIABLE, None)
    if root is not None:
        env[ROOT_VARIABLE] = str(root)
    env["PATH"] = f"{program_folder()}{os.pathsep}{env.get('PATH', os.defpath)}"
    return env


def replace_process(namespace: Path, argv: Sequence[str], env: dict[str, str]) -> NoReturn:
    """Become the program, inside the namespace. Exits 127 or 126 as a shell does when it cannot be run."""
    netns.enter(namespace)
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execvpe(argv[0], list(argv), env)  # noqa: S606 - the caller asked for it
    except FileNotFoundError:
        problem, status = "command not found", NOT_FOUND
    except OSError as error:
        problem, status = str(error.strerror), NOT_EXECUTABLE
    print(f"etherspan: {argv[0]}: {problem}", file=sys.stderr)
    sys.exit(status)


def start(
    namespace: Path,
    argv: Sequence[str],
    env: dict[str, str],
    *,
    stdout: int | IO[str] | None = None,
    merge: bool = False,
) -> subprocess.Popen[str]:
    """Start a program inside the namespace; `merge` sends its errors the way of its output. Errors: `EtherspanError`."""
    stderr = subprocess.STDOUT if merge else None

    program = shutil.which(argv[0], path=env["PATH"]) or argv[0]  # Popen itself looks in this process's PATH

    def popen() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [program, *argv[1:]], env=env, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, text=True
        )

    try:
        return netns.call(namespace, popen)
    except OSError as error:
        raise EtherspanError(f"cannot run {argv[0]}: {error.strerror}") from error
