"""One subcommand being run: its words, its options from left to right, its operands (DLM 1.3)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from dladm.cli.messages import Exit, Terminal
from dladm.cli.table import JSON, ZONE, Row, usage_text
from dladm.getopt import BadOption, Getopt, Given
from dladm.libdladm.handle import Dladm

if TYPE_CHECKING:
    from dladm.ofmt_json import JsonFormatter


@dataclass(slots=True)
class Call:
    """What a subcommand is given. `zone` (`-z`) and `json` (`--json`) are known once its options have been walked through."""

    row: Row
    words: Sequence[str]
    terminal: Terminal
    handle: Dladm
    operands: list[str] = field(default_factory=list)
    zone: str | None = None
    json: bool = False
    documents: list[JsonFormatter[Any]] = field(default_factory=list)

    def options(self) -> Iterator[Given]:
        """The options from left to right, without `-z` and `--json`; `operands` is filled at the end.

        Ends the command at an option that cannot be taken, and at `--json` together with parsable output.
        """
        parser = Getopt(self.words, self.row.options, permute="POSIXLY_CORRECT" not in os.environ)
        seen: set[str] = set()
        try:
            for given in parser:
                seen.add(given.letter)
                if given.letter == ZONE.letter:
                    self.zone = given.argument
                elif given.letter == JSON.letter:
                    self.json = True
                else:
                    yield given
        except BadOption as error:
            missing = error.missing and not self.row.quiet_getopt
            self.terminal.die_option(BadOption(error.letter, missing=missing), self.row.usage)
        self.operands = parser.operands
        if self.json and self.row.parsable in seen:
            self.terminal.die(f"the option --json cannot be used with -{self.row.parsable}")

    def print_documents(self) -> None:
        """Print what `--json` asked for: the records since the last time, a line for each formatter."""
        self.terminal.write(one.document() for one in self.documents)

    def optional_operand(self) -> str | None:
        """The operand, if there is one; the usage text when there are more."""
        if len(self.operands) > 1:
            self.usage()
        return self.operands[0] if self.operands else None

    def operand(self) -> str:
        """The only operand; the usage text when there is none or more than one."""
        if len(self.operands) != 1:
            self.usage()
        return self.operands[0]

    def usage(self) -> NoReturn:
        """The whole usage text, and exit 1."""
        self.terminal.complain(usage_text())
        raise Exit(1)


Handler = Callable[[Call], int]
"""What a subcommand is: it returns the exit status."""
