"""The `dladm` command: dispatch, the device it opens first, and what click adds to the original (DLM 1.1).

click has the subcommands (`table.py` is the truth; click's objects are made from it), dispatches, and talks to the shells that want
completions. It parses nothing: `parse_args` leaves the words alone, and each subcommand walks through its options with
`Call.options`, so that checks run from left to right as in the original.

`--help` is an addition of this project, after the command or after a subcommand.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import click

from dladm.cli.call import Call, Handler
from dladm.cli.messages import Exit, Terminal
from dladm.cli.table import BY_NAME, OUTSIDE, ROWS, Row, usage_text
from dladm.cli.turns import turn
from dladm.libdladm.handle import Dladm
from dladm.libdladm.status import DladmError, Status
from kernel_sim.dev.client import LocalSystem, System
from kernel_sim.dev.paths import host_root
from kernel_sim.sys.errno import KernelError

HELP = "--help"
COMPLETE_VARIABLE = "_DLADM_COMPLETE"
"""Environment variable that a shell's completion function sets, as click defines it."""
DEBUG_VARIABLE = "DLADM_DEBUG"
"""Environment variable: when set, causes that the original hides are noted on stderr (DLM-Q4, Q6, Q7)."""


@dataclass(slots=True)
class Session:
    """One run of the command: where it writes, and the host it talks to."""

    terminal: Terminal
    open_handle: Callable[[], Dladm]
    no_host_hint: str = ""


class Subcommand(click.Command):
    """A row of the table as click sees it."""

    def __init__(self, row: Row) -> None:
        super().__init__(row.name, hidden=not row.usage, add_help_option=False)
        self.row = row

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.args = args
        return args

    def invoke(self, ctx: click.Context) -> int:
        session: Session = ctx.obj
        words = ctx.args
        if HELP in words[: words.index("--") if "--" in words else None]:
            session.terminal.write(_help_lines(self.row))
            return 0
        module, _, function = self.row.handler.partition(":")
        handler: Handler = getattr(importlib.import_module(f"dladm.cli.{module}"), function)
        if not self.row.needs_host:
            return _run(handler, Call(self.row, words, session.terminal, session.open_handle()))
        with session.open_handle() as handle:
            try:
                handle.open_dld()
            except DladmError as error:
                program = session.terminal.program
                session.terminal.complain(f"{program}: could not open /dev/dld: {error.status.text}")
                if session.no_host_hint and error.status in {Status.NOTFOUND, Status.FAILED}:
                    session.terminal.complain(f"{program}: {session.no_host_hint}")
                raise Exit(1) from error
            try:
                return _run(handler, Call(self.row, words, session.terminal, handle))
            except KernelError as error:
                session.terminal.die(str(error))


def _run(handler: Handler, call: Call) -> int:
    with turn(call.row.name, call.handle.system):
        status = handler(call)
    call.print_documents()
    return status


class DladmGroup(click.Group):
    """All subcommands, in the original's order."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [row.name for row in ROWS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        row = BY_NAME.get(cmd_name)
        return Subcommand(row) if row else None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.args = args
        return args

    def invoke(self, ctx: click.Context) -> int:
        terminal: Terminal = ctx.obj.terminal
        name, *words = ctx.args or ["show-link"]
        if name == HELP:
            terminal.write([usage_text()])
            return 0
        if name in OUTSIDE:
            what = f"subcommand '{name}' is not part of etherspan, which has no {OUTSIDE[name]}"
            terminal.die(f"{what}; '{terminal.program} help' lists what it has")
        command = self.get_command(ctx, name)
        if command is None:
            terminal.complain(f"{terminal.program}: unknown subcommand '{name}'")
            terminal.complain(usage_text())
            raise Exit(1)
        with command.make_context(name, words, parent=ctx) as child:
            status: int = command.invoke(child)
            return status


def _help_lines(row: Row) -> Iterator[str]:
    yield f"usage: {row.usage}".rstrip("\n")
    for option in row.options:
        names = [f"-{option.letter}"] if len(option.letter) == 1 else []
        names += [f"--{name}" for name in option.long]
        yield f"  {', '.join(names):<28} {option.help}"


def show_help(call: Call) -> int:
    """`dladm help`: the usage text on stderr, exit 0."""
    call.terminal.complain(usage_text())
    return 0


def run(words: Sequence[str], session: Session) -> int:
    """Run one command line, without the program's name; returns the exit status."""
    group = DladmGroup("dladm", no_args_is_help=False)
    program = session.terminal.program
    completing = os.environ.get(COMPLETE_VARIABLE)
    if completing:
        from dladm.cli.shells import answer

        return answer(group, session, program, COMPLETE_VARIABLE, completing)
    try:
        with group.make_context(program, list(words), obj=session) as ctx:
            status = group.invoke(ctx)
    except Exit as leave:
        status = leave.code
    session.terminal.flush()
    return status


def main(
    argv: Sequence[str] | None = None,
    *,
    system: System | None = None,
    stdout: TextIO | None = None,
    stderr: TextIO | None = None,
    argv0: str = "dladm",
) -> int:
    """Run dladm and return its exit status, 0 or 1.

    `argv` is the words after the program's name (default: this process's); `system` the host to talk to (default: the one of
    ETHERSPAN_ROOT); messages begin with the last component of `argv0`.
    """
    if argv is None:
        argv0, argv = sys.argv[0], sys.argv[1:]
    terminal = Terminal(Path(argv0).name, stdout or sys.stdout, stderr or sys.stderr)
    hint = ""
    if system is None:
        root = host_root()
        system = LocalSystem(root)
        hint = f"no host runs in {root}; 'etherspan host boot' starts one"
    host = system

    def note(text: str) -> None:
        if os.environ.get(DEBUG_VARIABLE):
            terminal.complain(f"{terminal.program}: debug: {text}")

    try:
        return run(argv, Session(terminal, lambda: Dladm(host, note=note), hint))
    except BrokenPipeError:
        _discard_stdout(stdout or sys.stdout)
        return 128 + signal.SIGPIPE
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _discard_stdout(stream: TextIO) -> None:
    """Nobody reads any more: let the flush at exit go nowhere."""
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())
