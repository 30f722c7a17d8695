"""Starting varpd: what its launcher tells the restarter, and a second daemon beside the first."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from etherspan.testing.nodes import served_kernel
from kernel_sim.dev.paths import VARPD_DOOR, VARPD_RUN
from libvarpd import varpd
from libvarpd.launcher import EXIT_FATAL, Daemon, Launcher, split

# ---------------------------------------------------------------------- the launcher

ENDS = st.integers(0, 255) | st.sampled_from([signal.SIGKILL, signal.SIGTERM])


def play_daemon(side: Daemon, reports: list[int], end: int | signal.Signals) -> None:
    try:
        for report in reports:
            side.report(report)
        if isinstance(end, signal.Signals):
            os.kill(os.getpid(), end)
        os._exit(end)
    finally:
        os._exit(99)  # it must not go on as the test


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
@pytest.mark.fact("VPD-I42")
@settings(max_examples=40, deadline=None)
@given(reports=st.lists(st.integers(-(2**31), 2**31 - 1) | st.integers(0, 96), max_size=2), end=ENDS)
@example(reports=[], end=0)
@example(reports=[], end=96)
@example(reports=[], end=signal.SIGKILL)
@example(reports=[0], end=signal.SIGKILL)
@example(reports=[95], end=1)
@example(reports=[7, 8], end=9)
def test_the_launcher_exits_with_the_first_report_else_as_the_daemon_did(
    reports: list[int], end: int | signal.Signals
) -> None:
    side = split()
    if isinstance(side, Daemon):
        play_daemon(side, reports, end)
    assert isinstance(side, Launcher)
    status = side.wait()
    os.close(side.status_fd)
    with contextlib.suppress(ChildProcessError):  # `wait` has seen the end of those that do not report
        os.waitpid(side.daemon, 0)
    if reports:
        assert status == reports[0]
    else:
        assert status == (EXIT_FATAL if isinstance(end, signal.Signals) else end)


# ---------------------------------------------------------------------- a second daemon


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A host with a varpd: its device is held, its door is bound, it has a log and two state files."""
    made = tmp_path_factory.mktemp("host")
    with served_kernel(made):
        first = varpd._open_overlay(made)
        run = made / VARPD_RUN
        run.mkdir(parents=True, mode=0o700)
        for name in ("1.varpd", "2.varpd"):
            (run / name).write_bytes(b"state")
        log = made / "var/svc/log"
        log.mkdir(parents=True)
        (log / varpd.LOG_NAME).write_bytes(b"{}\n")
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
            folder = os.open(run, os.O_PATH)
            door.bind(f"/proc/self/fd/{folder}/{Path(VARPD_DOOR).name}")
            os.close(folder)
            yield made
        first.close()


def everything(root: Path) -> dict[str, tuple[int, ...]]:
    """Inode, mode, owner, size and time of every file; reading changes none of them."""
    found = {}
    for path in sorted(root.rglob("*")):
        one = path.lstat()
        found[str(path)] = (one.st_ino, one.st_mode, one.st_uid, one.st_gid, one.st_size, one.st_mtime_ns)
    return found


OPTIONS = st.lists(
    st.sampled_from([("-d", "other.door"), ("-d", "/tmp/x.door"), ("-i", "/nonexistent"), ("-i", ".")]), max_size=3
)


@pytest.mark.fact("VPD-I41")
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(options=OPTIONS, operand=st.sampled_from([[], ["operand"]]))
def test_a_second_daemon_exits_95_whatever_it_is_told_and_touches_nothing(
    root: Path,
    options: list[tuple[str, str]],
    operand: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    before, here = everything(root), Path.cwd()
    with monkeypatch.context() as patch:
        patch.setenv("ETHERSPAN_ROOT", str(root))
        patch.setattr(varpd, "_leave_descriptors", lambda: None)
        patch.setattr(varpd, "split", lambda: pytest.fail("it began to serve"))
        status = varpd.main(["/usr/lib/varpd/varpd", *(word for pair in options for word in pair), *operand])
    assert (status, capfd.readouterr()) == (95, ("", "varpd: failed to open a libvarpd handle: File exists\n"))
    assert everything(root) == before
    assert Path.cwd() == here
