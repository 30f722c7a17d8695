"""The examples of the manual pages: what a page shows is what a reader gets (man/README.md says how they are written)."""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests import mdoc
from tests.transcripts.conftest import BIN, call
from tests.transcripts.test_transcripts import FIXTURES, Commands, Result, lines_of

SHELL = re.compile(r"[|&;<>]|\$\(")
PROMPT = ("# ", "$ ")
APART = ("etherspan", "portolan", "svc.startd", "dlmgmtd", "varpd")
"""Commands that may become another program or stay: never run in this process."""
END_SECONDS = 10.0


@dataclass(slots=True)
class Step:
    """A command, or with `seen` false one that the page does not show."""

    line: int
    command: str
    status: int = 0
    varies: bool = False
    seen: bool = True
    output: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Examples:
    nics: list[str] = field(default_factory=list)
    files: list[tuple[str, str]] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)


def parse(lines: list[tuple[int, str]]) -> Examples:
    """The examples of a page, from `mdoc.Page.example`. Errors: ValueError with the number of the line."""
    found = Examples()
    status, varies, goes_on = 0, False, False
    for number, text in lines:
        kind, _, rest = text.partition(" ")
        shown = found.steps[-1] if found.steps and found.steps[-1].seen else None
        if kind == "note":
            match rest.split():
                case ["exit", code]:
                    status = int(code)
                case ["varies"]:
                    varies = True
                case ["run", *_]:
                    found.steps.append(Step(number, rest.removeprefix("run").strip(), seen=False))
                case ["nic", name]:
                    found.nics.append(name)
                case ["file", path, fixture]:
                    found.files.append((path, fixture))
                case _:
                    raise ValueError(f"line {number}: unknown note '{rest}'")
        elif goes_on and shown:
            shown.command += f" {rest.lstrip()}"
        elif rest.startswith(PROMPT):
            found.steps.append(Step(number, rest[2:], status, varies))
            status, varies = 0, False
        elif shown:
            shown.output.append(rest)
        else:
            raise ValueError(f"line {number}: an output without a command: {rest!r}")
        if kind == "line":
            last = found.steps[-1]
            goes_on = (goes_on or rest.startswith(PROMPT)) and last.command.endswith("\\")
            if goes_on:
                last.command = last.command.removesuffix("\\").rstrip()
    if goes_on or status or varies:
        raise ValueError("something at the end is about a command that does not follow")
    return found


def agree(expected: str, got: str, *, varies: bool) -> bool:
    """Whether a line is what the page says; blanks at its end do not count."""
    if not varies:
        return expected.rstrip() == got.rstrip()
    words = [r"(?=\S*\d)\S+" if re.search(r"\d", word) else re.escape(word) for word in expected.split()]
    return re.fullmatch(r"\s*" + r"\s+".join(words) + r"\s*", got) is not None


def differences(step: Step, result: Result) -> str:
    got = lines_of(result.out) + lines_of(result.err)
    same = len(got) == len(step.output) and all(
        agree(want, have, varies=step.varies) for want, have in zip(step.output, got, strict=True)
    )
    if not step.seen:
        same = True
    if same and result.status == step.status:
        return ""
    want = [*step.output, f"[{step.status}]"]
    diff = difflib.unified_diff(want, [*got, f"[{result.status}]"], "page", "seen", lineterm="")
    return f"line {step.line}: {step.command}\n" + "\n".join(diff)


class Runner:
    """Runs commands in the working folder, on the host and in its network namespace; `end` ends what they left behind."""

    def __init__(self, root: Path, folder: Path) -> None:
        self._commands = Commands(root)
        self._folder = folder
        self._pid = json.loads((root / "var/run/svc.startd.json").read_text())["pid"]
        self._env = {**os.environ, "ETHERSPAN_ROOT": str(root), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
        self._groups: list[int] = []

    def run(self, step: Step) -> Result:
        if not step.seen or SHELL.search(step.command):
            return self._apart(["sh", "-c", step.command])
        argv = shlex.split(step.command)
        if argv[0] not in self._commands.scripts:
            return self._apart(["sh", "-c", step.command])
        return self._apart(argv) if argv[0] in APART else self._commands.run(step.command)

    def _apart(self, argv: list[str]) -> Result:
        """As a process; its output goes to files, which one in the background may keep open."""
        inside = ["nsenter", "-t", str(self._pid), "-n", *argv]
        with (self._folder / ".out").open("w+") as out, (self._folder / ".err").open("w+") as err:
            process = subprocess.Popen(
                inside,
                env=self._env,
                cwd=self._folder / "work",
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
            try:
                status = process.wait(60)
            finally:
                if _lives(process.pid):
                    self._groups.append(process.pid)
            out.seek(0)
            err.seek(0)
            return Result(out.read(), err.read(), status)

    def end(self) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            end = time.monotonic() + END_SECONDS
            while self._groups and time.monotonic() < end:
                for group in self._groups:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(group, number)
                time.sleep(0.05)
                self._groups = [group for group in self._groups if _lives(group)]


def _lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def runner(
    empty_host: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, let_others_in: Callable[[Path], None]
) -> Iterator[Runner]:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("ETHERSPAN_STATE", str(tmp_path / "state"))
    let_others_in(tmp_path)  # a server that root starts goes on as somebody else
    made = Runner(empty_host, tmp_path)
    yield made
    made.end()
    for zone in (empty_host / "etc/zones").glob("*.toml"):  # of a page that failed
        call(empty_host, "etherspan", "zone", "delete", zone.stem)
    for journal in (tmp_path / "state/labs").glob("*/lab.toml"):
        call(empty_host, "etherspan", "lab", "down", journal.parent.name)


@pytest.mark.namespaces
@pytest.mark.parametrize("path", mdoc.paths(), ids=lambda path: path.name)
def test_examples(
    path: Path, runner: Runner, nic: Callable[[str], None], host_file: Callable[[str, bytes], None]
) -> None:
    page = mdoc.read(path)
    examples = parse(page.example)
    assert examples.steps or "EXAMPLES" not in page.sections, f"{path.name}: no example runs"
    for name in examples.nics:
        nic(name)
    for below_root, fixture in examples.files:
        host_file(below_root, (FIXTURES / fixture).read_bytes())
    for step in examples.steps:
        wrong = differences(step, runner.run(step))
        assert not wrong, f"{path.name} {wrong}"


def test_what_the_notes_say() -> None:
    lines = [
        (1, "note nic net0"),
        (2, "note file etc/a overlays/b.json"),
        (3, "note exit 1"),
        (4, "note varies"),
        (5, "line # one \\"),
        (6, "line     two"),
        (7, "line out"),
        (8, "note run true"),
        (9, "line $ three"),
    ]
    found = parse(lines)
    assert (found.nics, found.files) == (["net0"], [("etc/a", "overlays/b.json")])
    assert found.steps == [
        Step(5, "one two", status=1, varies=True, output=["out"]),
        Step(8, "true", seen=False),
        Step(9, "three"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("line out", "an output without a command"),
        ("note sometimes", "unknown note"),
        ("note exit 1", "does not follow"),
        ("line # one \\", "does not follow"),
    ],
)
def test_examples_that_are_none(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse([(1, text)])


@pytest.mark.parametrize(
    ("expected", "got", "same"),
    [
        ("took 5 s (3.1 MiB/s)", "took  0.25 s   (17.9 MiB/s)", True),
        ("took 5 s", "took long s", False),
        ("took 5 s", "took 6 m", False),
        ("took 5 s", "took 6 s more", False),
    ],
)
def test_an_output_that_varies(expected: str, got: str, *, same: bool) -> None:
    assert agree(expected, got, varies=True) is same
    assert not agree(expected, got, varies=False)
