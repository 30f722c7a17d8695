"""Transcripts: what a person types, and every byte that comes back.

A file `FOLDER/NAME.t` is a sequence of steps:

    $ dladm show-overlay -f        the command, split like a shell would; $ROOT is the host's root
    LINK   STATUS  DETAILS         its standard output, exactly
    2| dladm: ...                  its standard error, a line each
    [0]                            its exit status, always given

A trailing blank is written `␠`. Placeholders: `<MAC>` stands for a MAC address, `<ROOT>` for the host's root. Lines that begin
with `#` are comments; `# fact: ID ...` cites facts, and for as long as the file runs `# nic NAME` gives the host an Ethernet interface of
that name, `# file PATH NAME` the file PATH below its root, a copy of NAME in `fixtures`; a NAME without a folder is one of
`fixtures/overlays`.

All files of a worker share one host, which is returned to empty between them: links deleted, dlmgmtd restarted, varpd off, so
that both id spaces begin at 1 again. Commands run in this process, every tenth as a process of its own.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib.metadata
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

HERE = Path(__file__).parent
FIXTURES = HERE.parents[1] / "fixtures"
MAC = r"[0-9a-f]{1,2}(?::[0-9a-f]{1,2}){5}"
OWN_PROCESS_EVERY = 10


@dataclass(slots=True)
class Step:
    line: int
    command: str
    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)
    status: int | None = None


@dataclass(slots=True)
class Transcript:
    facts: list[str] = field(default_factory=list)
    nics: list[str] = field(default_factory=list)
    files: list[tuple[str, str]] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)


def parse(path: Path) -> Transcript:
    found = Transcript()
    step: Step | None = None
    for number, line in enumerate(path.read_text().splitlines(), 1):
        where = f"{path.name}:{number}"
        text = line.replace("␠", " ")
        if step is None:
            if text.startswith("# fact:"):
                found.facts += text.removeprefix("# fact:").split()
            elif text.startswith("# nic "):
                found.nics.append(text.split()[2])
            elif text.startswith("# file "):
                path_below_root, fixture = text.split()[2:]
                found.files.append((path_below_root, fixture if "/" in fixture else f"overlays/{fixture}"))
            elif text.startswith("$ "):
                step = Step(number, text[2:])
                found.steps.append(step)
            elif text.strip() and not text.startswith("#"):
                raise ValueError(f"{where}: expected '$ command', a comment or a blank line, got {line!r}")
        elif (done := re.fullmatch(r"\[(\d+)\]", text)) is not None:
            step.status = int(done.group(1))
            step = None
        elif text.startswith("2| ") or text == "2|":
            step.err.append(text[3:])
        else:
            step.out.append(text)
    if step is not None:
        raise ValueError(f"{path.name}:{step.line}: no exit status for {step.command!r}")
    return found


@dataclass(slots=True, frozen=True)
class Result:
    out: str
    err: str
    status: int


class Commands:
    """Runs the project's console scripts, here or as processes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        scripts = importlib.metadata.entry_points(group="console_scripts")
        self.scripts = {one.name: one for one in scripts if one.dist is not None and one.dist.name == "etherspan"}
        self.count = 0

    def run(self, command: str) -> Result:
        argv = [one.replace("$ROOT", str(self.root)) for one in shlex.split(command)]
        if argv[0] not in self.scripts:
            raise ValueError(f"{argv[0]!r} is not a command of this project")
        self.count += 1
        if self.count % OWN_PROCESS_EVERY == 0:
            return self._process(argv)
        return self._here(argv, self.scripts[argv[0]].load())

    def _process(self, argv: list[str]) -> Result:
        program = Path(sys.executable).parent / argv[0]
        env = {**os.environ, "ETHERSPAN_ROOT": str(self.root)}
        done = subprocess.run([program, *argv[1:]], env=env, capture_output=True, text=True, timeout=60, check=False)
        return Result(done.stdout, done.stderr, done.returncode)

    def _here(self, argv: list[str], main: Callable[[], int | None]) -> Result:
        out, err = io.StringIO(), io.StringIO()
        before = sys.argv, os.environ.get("ETHERSPAN_ROOT")
        sys.argv, os.environ["ETHERSPAN_ROOT"] = argv, str(self.root)
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                try:
                    status = main() or 0
                except SystemExit as leave:
                    status = leave.code if isinstance(leave.code, int) else int(leave.code is not None)
        finally:
            sys.argv = before[0]
            if before[1] is None:
                del os.environ["ETHERSPAN_ROOT"]
            else:
                os.environ["ETHERSPAN_ROOT"] = before[1]
        return Result(out.getvalue(), err.getvalue(), status)


def lines_of(text: str) -> list[str]:
    """The lines of an output; a last line without newline is marked, since that too is part of the bytes."""
    if not text:
        return []
    lines = text.split("\n")
    last = lines.pop()
    return [*lines, last + "<no newline>"] if last else lines


def pattern(expected: str, root: Path) -> re.Pattern[str]:
    parts = re.split(r"(<MAC>|<ROOT>)", expected)
    known = {"<MAC>": MAC, "<ROOT>": re.escape(str(root))}
    return re.compile("".join(known.get(part, re.escape(part)) for part in parts))


def differences(step: Step, result: Result, root: Path) -> str:
    def agree(expected: list[str], got: list[str]) -> bool:
        return len(expected) == len(got) and all(
            pattern(want, root).fullmatch(have) for want, have in zip(expected, got, strict=True)
        )

    got_out, got_err = lines_of(result.out), lines_of(result.err)
    if agree(step.out, got_out) and agree(step.err, got_err) and step.status == result.status:
        return ""
    expected = [*step.out, *(f"2| {line}" for line in step.err), f"[{step.status}]"]
    got = [*got_out, *(f"2| {line}" for line in got_err), f"[{result.status}]"]
    diff = difflib.unified_diff(expected, got, "transcript", "seen", lineterm="")
    return f"line {step.line}: $ {step.command}\n" + "\n".join(diff)


def transcripts() -> Iterator[object]:
    for path in sorted(HERE.glob("*/*.t")):
        facts = parse(path).facts
        marks = [pytest.mark.fact(*facts)] if facts else []
        yield pytest.param(path, marks=marks, id=f"{path.parent.name}/{path.stem}")


@pytest.mark.namespaces
@pytest.mark.parametrize("path", list(transcripts()))
def test_transcript(
    path: Path, empty_host: Path, nic: Callable[[str], None], host_file: Callable[[str, bytes], None]
) -> None:
    commands = Commands(empty_host)
    transcript = parse(path)
    for name in transcript.nics:
        nic(name)
    for path_below_root, fixture in transcript.files:
        host_file(path_below_root, (FIXTURES / fixture).read_bytes())
    for step in transcript.steps:
        wrong = differences(step, commands.run(step.command), empty_host)
        assert not wrong, f"{path.name} {wrong}"
