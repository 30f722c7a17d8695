"""What a process that has confined itself can do no more; each test in a child, since there is no way back."""

from __future__ import annotations

import ctypes
import errno
import json
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kernel_sim.dev import confine

pytestmark = [
    pytest.mark.skipif(
        platform.machine() not in {"x86_64", "aarch64"}, reason="no seccomp filter is known for this machine"
    ),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]


def in_child(action: Callable[[], Any]) -> Any:
    """What a function returns, called in a child."""
    ends = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(ends[1], json.dumps(action()).encode())
        finally:
            os._exit(0)
    os.close(ends[1])
    with open(ends[0], "rb") as answer:  # noqa: PTH123 - a descriptor
        text = answer.read()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    return json.loads(text)


def errno_of(action: Callable[[], object]) -> int:
    try:
        action()
    except OSError as error:
        return error.errno or -1
    return 0


def status(name: str) -> str:
    rows = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return rows[name].strip()


def test_every_forbidden_call_is_refused_and_others_go_on() -> None:
    column = {"x86_64": 0, "aarch64": 1}[platform.machine()]
    numbers = {name: row[column] for name, row in confine._CALLS.items()} | confine._NEWER
    assert set(numbers) == confine.FORBIDDEN

    def attempt() -> Any:
        confined = confine.forbid_calls()
        libc = ctypes.CDLL(None, use_errno=True)
        refused = []
        for name, number in numbers.items():
            ctypes.set_errno(0)
            if libc.syscall(number, -1, 0, 0, 0, 0, 0) == -1 and ctypes.get_errno() == errno.EPERM:
                refused.append(name)
        return (
            confined,
            refused,
            os.getpid() > 0,
            errno_of(lambda: os.execv(sys.executable, ["python"])),
            status("Seccomp"),
        )

    confined, refused, works, executing, mode = in_child(attempt)
    assert confined
    assert set(refused) == confine.FORBIDDEN
    assert (works, executing, mode) == (True, errno.EPERM, "2")


def test_a_call_can_be_left_out() -> None:
    def attempt() -> Any:
        confine.forbid_calls(but=(confine.SETNS,))
        libc = ctypes.CDLL(None, use_errno=True)
        libc.setns(-1, 0)
        entering = ctypes.get_errno()
        return entering, errno_of(lambda: os.setuid(os.getuid()))

    assert in_child(attempt) == [errno.EBADF, errno.EPERM]


@pytest.mark.skipif(not confine.able()["Landlock"], reason="this machine has no Landlock")
def test_files_are_written_nowhere_else(tmp_path: Path) -> None:
    own, other = tmp_path / "own", tmp_path / "other"
    own.mkdir()
    other.mkdir()
    (other / "there").write_text("before")

    def attempt() -> Any:
        folder = os.open(own, os.O_PATH | os.O_DIRECTORY)
        confined = confine.write_below((folder,))
        (own / "new").write_text("x")
        (own / "new").rename(own / "newer")
        (own / "newer").unlink()
        return (
            confined,
            (other / "there").read_text(),
            [
                errno_of(lambda: (other / "there").write_text("after")),
                errno_of((other / "there").unlink),
                errno_of((other / "new").touch),
                errno_of((other / "folder").mkdir),
            ],
        )

    confined, read, refused = in_child(attempt)
    assert (confined, read) == (True, "before")
    assert refused == [errno.EACCES] * 4
    assert (other / "there").read_text() == "before"


@pytest.mark.skipif(os.geteuid() != 0, reason="has capabilities to give up only as root")
def test_capabilities_are_kept_by_name() -> None:
    def attempt() -> Any:
        confine.keep_capabilities((confine.CAP_NET_ADMIN,))
        return [int(status(f"Cap{kind}"), 16) for kind in ("Inh", "Prm", "Eff", "Amb")], status("NoNewPrivs")

    wanted = 1 << confine.CAP_NET_ADMIN
    assert in_child(attempt) == [[0, wanted, wanted, 0], "1"]
