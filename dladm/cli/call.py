"""One subcommand being run: its words, its options from left to right, its operands (DLM 1.3)."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

from dladm.cli.messages import Exit, Terminal
from dladm.cli.table import Row, usage_text
from dladm.getopt import BadOption, Getopt, Given
from dladm.libdladm.handle import Dladm


@dataclass(slots=True)
class Call:
    """What a subcommand is given."""

    row: Row
    words: Sequence[str]
    terminal: Terminal
    handle: Dladm
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
