"""The `ipadm` command: dispatch, options from left to right, and the last words of a failing operation (IPA 2).

Words after the subcommand are walked through with `dladm.getopt`. Bare `ipadm` shows addresses. `--help` and `--json` are additions.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn, TextIO

from dladm.cli.messages import Exit, Terminal
from dladm.getopt import BadOption, Getopt, Given
from dladm.libdladm.handle import Dladm
from etherspan.ipadm.status import IpadmError, Status
from etherspan.ipadm.table import BY_NAME, OUTSIDE, Row, usage_text
from kernel_sim.dev.client import LocalSystem
from kernel_sim.dev.paths import host_root

if TYPE_CHECKING:
    from etherspan.ipadm.library import Zone

HELP: Final = "--help"
DEBUG_VARIABLE: Final = "IPADM_DEBUG"
"""Environment variable: when set, the reason that a status stands for is noted on stderr."""


@dataclass(slots=True)
class Call:
    """What a subcommand is given: its words, where it writes, the zone it runs in."""

    row: Row
    words: Sequence[str]
    terminal: Terminal
    zone: Zone
    operands: list[str] = field(default_factory=list)

    def options(self) -> Iterator[Given]:
        """The options from left to right; `operands` is filled at the end. Ends the command at one that cannot be taken."""
        parser = Getopt(self.words, self.row.options, permute="POSIXLY_CORRECT" not in os.environ)
        try:
            yield from parser
        except BadOption as error:
            missing = error.missing and not self.row.quiet_getopt
            self.terminal.die_option(BadOption(error.letter, missing=missing), self.row.usage)
        self.operands = parser.operands

    def switches(self) -> set[str]:
        """The letters of the options, for a subcommand whose options are all switches."""
        return {given.letter for given in self.options()}

    def operand(self) -> str:
        """The only operand; the usage entry when there is none or more than one."""
        if len(self.operands) != 1:
            self.usage()
        return self.operands[0]

    def usage(self) -> NoReturn:
        """The subcommand's usage entry, and exit 1."""
        self.terminal.die(f"Usage: {self.row.usage}")

    def fail(self, text: str, error: IpadmError) -> NoReturn:
        """`ipadm: TEXT: STATUS`, then exit 1."""
        self.note(error)
        self.terminal.die(f"{text}: {error.status.text}")

    def note(self, error: IpadmError) -> None:
        """Say why, where IPADM_DEBUG asks for it."""
        if error.reason and os.environ.get(DEBUG_VARIABLE):
            self.terminal.complain(f"{self.terminal.program}: debug: {error.reason}")


Handler = Callable[[Call], int]
"""What a subcommand is: it returns the exit status."""


def _run(words: Sequence[str], terminal: Terminal, root: Path) -> int:
    name, *rest = words or ["show-addr"]
    if name == HELP:
        terminal.write([usage_text()])
        return 0
    if name in OUTSIDE:
        what = f"subcommand '{name}' is not part of etherspan, which has no {OUTSIDE[name]}"
        terminal.die(f"{what}; '{terminal.program} help' lists what it has")
    row = BY_NAME.get(name)
    if row is None:
        terminal.complain(f"{terminal.program}: unknown subcommand '{name}'")
        terminal.complain(usage_text())
        return 1
    if HELP in rest[: rest.index("--") if "--" in rest else None]:
        terminal.write(_help_lines(row))
        return 0
    if name == "help":
        terminal.complain(usage_text())
        return 0
    module, _, function = row.handler.partition(":")
    handler: Handler = getattr(importlib.import_module(f"etherspan.ipadm.{module}"), function)
    from etherspan.ipadm.library import open_zone

    with Dladm(LocalSystem(root)) as handle:
        try:
            zone = open_zone(root, handle)
        except IpadmError as error:
            _cannot_open(terminal, root, error)
        return handler(Call(row, rest, terminal, zone))


def _cannot_open(terminal: Terminal, root: Path, error: IpadmError) -> NoReturn:
    terminal.complain(f"{terminal.program}: Could not open handle to library - {error.status.text}")
    if error.status is Status.DLADM_FAILURE:
        terminal.complain(f"{terminal.program}: no host runs in {root}; 'etherspan host boot' starts one")
    raise Exit(1)


def _help_lines(row: Row) -> Iterator[str]:
    yield f"usage: {row.usage}".rstrip("\n")
    for option in row.options:
        names = [f"-{option.letter}"] if len(option.letter) == 1 else []
        names += [f"--{name}" for name in option.long]
        yield f"  {', '.join(names):<28} {option.help}"


def main(
    argv: Sequence[str] | None = None,
    *,
    stdout: TextIO | None = None,
    stderr: TextIO | None = None,
    argv0: str = "ipadm",
) -> int:
    """Run ipadm on the host of ETHERSPAN_ROOT and return its exit status, 0 or 1; `argv` is the words after the program's name."""
    if argv is None:
        argv0, argv = sys.argv[0], sys.argv[1:]
    terminal = Terminal(Path(argv0).name, stdout or sys.stdout, stderr or sys.stderr)
    try:
        try:
            status = _run(argv, terminal, host_root())
        except Exit as leave:
            status = leave.code
        terminal.flush()
    except BrokenPipeError:
        with Path(os.devnull).open("w") as nowhere:  # nobody reads any more: let the flush at exit go nowhere
            os.dup2(nowhere.fileno(), (stdout or sys.stdout).fileno())
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return status
