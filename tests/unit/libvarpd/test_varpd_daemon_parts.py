"""Parts of the daemon that need no process of their own: options, door places, privileges, launcher, log."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kernel_sim.dev.bunyan import bunyan_log
from kernel_sim.dev.log import NullLog
from libvarpd import varpd
from libvarpd.daemon import FatalError
from libvarpd.launcher import Launcher, split
from libvarpd.privileges import DropMode, choose
from libvarpd.varpd import Options, UsageError, parse_options

# ---------------------------------------------------------------------- options


def test_include_directories_repeat_and_the_last_door_counts() -> None:
    assert parse_options([]) == Options()
    options = parse_options(["-i", "/a", "-ib", "-d", "x", "-d", "y", "operand", "-z"])
    assert options == Options((Path("/a"), Path.cwd() / "b"), "y")


@pytest.mark.fact("VPD-B1", "VPD-Q27")
@pytest.mark.parametrize("argument", ["-x", "-h", "--help", "--include=/a", "-:"])
def test_an_unknown_option_is_a_usage_error_before_anything_is_opened(
    argument: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(varpd, "_leave_descriptors", lambda: pytest.fail("went on"))
    assert varpd.main(["/usr/lib/varpd/varpd", argument]) == 1
    assert capfd.readouterr() == ("", "varpd: unknown option: ?\n")


@pytest.mark.fact("VPD-B2")
@pytest.mark.parametrize("argument", ["-d", "-i"])
def test_an_option_without_its_value_is_a_usage_error(argument: str) -> None:
    with pytest.raises(UsageError, match=r"^:$"):
        parse_options([argument])


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (None, "var/run/varpd/varpd.door"),
        ("my.door", "var/run/varpd/my.door"),
        ("/tmp/my.door", "tmp/my.door"),
        ("{root}/tmp/my.door", "tmp/my.door"),
    ],
)
def test_a_door_path_is_below_the_root_or_relative_to_the_run_directory(
    tmp_path: Path, given: str | None, wanted: str
) -> None:
    for folder in ("var/run/varpd", "tmp"):
        (tmp_path / folder).mkdir(parents=True)
    place = varpd._place_door(tmp_path, tmp_path / "var/run/varpd", given and given.format(root=tmp_path))
    assert place.path == str(tmp_path / wanted)
    assert Path(f"/proc/self/fd/{place.folder}").resolve() / place.name == tmp_path / wanted
    os.close(place.folder)


def test_a_door_in_a_folder_that_is_not_there_is_fatal(tmp_path: Path) -> None:
    wanted = f"failed to create door server at {tmp_path}/nowhere/my.door: No such file or directory"
    with pytest.raises(FatalError, match=f"^{re.escape(wanted)}$"):
        varpd._place_door(tmp_path, tmp_path, "/nowhere/my.door")


# ---------------------------------------------------------------------- privileges

ALL = "         0          0 4294967295\n"
ONE = "         0       1000          1\n"
RANGES = "0 1000 1\n1 100000 65536\n"


@pytest.mark.parametrize(
    ("euid", "uid_map", "gid_map", "wanted"),
    [
        (0, ALL, ALL, DropMode.USER),
        (0, RANGES, RANGES, DropMode.USER),
        (0, ONE, ONE, DropMode.CAPABILITIES),
        (0, ALL, ONE, DropMode.CAPABILITIES),
        (0, "0 1000 16\n", ALL, DropMode.CAPABILITIES),
        (0, "0 1000 17\n", "65 65 1\n", DropMode.USER),
        (1000, ALL, ALL, DropMode.CAPABILITIES),
    ],
)
def test_the_user_changes_where_the_machine_knows_both_ids(
    euid: int, uid_map: str, gid_map: str, wanted: DropMode
) -> None:
    assert choose(euid, uid_map, gid_map) is wanted


def test_capabilities_given_up_are_gone_for_good() -> None:
    script = """
import json, sys
from libvarpd.privileges import DropMode, drop
drop(DropMode.CAPABILITIES)
rows = dict(line.split(":\\t") for line in open("/proc/self/status").read().splitlines() if line.startswith(("Cap", "NoNew")))
json.dump({key: int(value, 16) for key, value in rows.items() if key != "CapBnd"}, sys.stdout)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"CapInh": 0, "CapPrm": 0, "CapEff": 0, "CapAmb": 0, "NoNewPrivs": 1}


# ---------------------------------------------------------------------- launcher


def report_twice(side: object) -> None:
    for status in (7, 8):
        side.report(status)  # type: ignore[attr-defined]


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
@pytest.mark.fact("VPD-I42")
@pytest.mark.parametrize(
    ("child", "status"),
    [
        (lambda side: side.report(0), 0),
        (report_twice, 7),
        (lambda side: os._exit(3), 3),
        (lambda side: os._exit(0), 0),
        (lambda side: os.kill(os.getpid(), 9), 95),
    ],
)
def test_the_launcher_exits_with_what_the_daemon_reports_or_with_its_status(
    child: Callable[[object], None], status: int
) -> None:
    side = split()
    if not isinstance(side, Launcher):
        try:
            child(side)
        finally:
            os._exit(99)  # it must not go on as the test
    assert side.wait() == status
    os.close(side.status_fd)
    with contextlib.suppress(ChildProcessError):  # `wait` has seen the end of those that do not report
        os.waitpid(side.daemon, 0)


# ---------------------------------------------------------------------- log


@pytest.mark.fact("VPD-Q26")
def test_a_record_is_one_line_with_the_loggers_own_fields_last() -> None:
    stream = io.BytesIO()
    bunyan_log(stream, "varpd").warning("module\nlost", plugin="direct", name="mine", pid=1, module_path="/x.py")
    record = json.loads(stream.getvalue())
    assert stream.getvalue().count(b"\n") == 1
    assert (record["v"], record["level"], record["name"], record["pid"]) == (0, 40, "varpd", os.getpid())
    assert (record["msg"], record["plugin"], record["module_path"]) == ("module\nlost", "direct", "/x.py")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["time"])
    assert set(record) >= {"hostname", "tid"}


def test_levels_are_bunyans_and_an_exception_comes_with_its_trace() -> None:
    stream = io.BytesIO()
    log = bunyan_log(stream, "varpd")
    log.info("a")
    log.error("b")
    try:
        raise ZeroDivisionError("oops")
    except ZeroDivisionError:
        log.exception("c", path=Path("/x"))
    records = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [record["level"] for record in records] == [30, 50, 50]
    assert "ZeroDivisionError: oops" in records[2]["exception"]
    assert records[2]["path"] == "/x"


class Full(io.BytesIO):
    """A file on a full disk."""

    def write(self, text: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    def flush(self) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_log_that_cannot_be_written_does_not_stop_the_service() -> None:
    bunyan_log(Full(), "varpd").info("nobody reads this")
    NullLog().error("nor this", a=1)
