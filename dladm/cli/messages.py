"""What dladm prints besides its tables: warnings, last words, usage (DLM 1.2, 1.4).

All of it goes to stderr, begins with the program's name, and ends in a newline of its own, so that a text which brings one
prints an empty line after it (DLM-Q5). A `die` ends the command with exit status 1.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from typing import NoReturn, TextIO

from dladm.getopt import BadOption
from dladm.libdladm.status import DladmError, Status


class Exit(Exception):
    """The command ends here, with that exit status."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Terminal:
    """Where one run of dladm writes."""

    def __init__(self, program: str, stdout: TextIO, stderr: TextIO) -> None:
        self.program = program
        self._stdout = stdout
        self._stderr = stderr

    @property
    def rows(self) -> int:
        """Height of the terminal behind stdout, 0 when there is none."""
        with contextlib.suppress(OSError, ValueError):  # ValueError: a stream without a file descriptor
            return os.get_terminal_size(self._stdout.fileno()).lines
        return 0

    def write(self, lines: Iterable[str]) -> None:
        """Print lines to stdout."""
        for line in lines:
            _put(self._stdout, line)

    def flush(self) -> None:
        """Hand on what was printed. Errors: BrokenPipeError when nobody reads it."""
        self._stdout.flush()
        self._stderr.flush()

    def complain(self, text: str) -> None:
        """Print one line to stderr as it is."""
        _put(self._stderr, text)

    def warn(self, text: str, status: Status | None = None) -> None:
        """`dladm: warning: TEXT[: STATUS]`."""
        self.complain(f"{self.program}: warning: {_with(text, status)}")

    def warn_list(self, entries: Iterable[str]) -> None:
        """A warning an entry, in order."""
        for entry in entries:
            self.warn(entry)

    def die(self, text: str, status: Status | None = None) -> NoReturn:
        """`dladm: TEXT[: STATUS]`, then exit 1."""
        self.complain(f"{self.program}: {_with(text, status)}")
        raise Exit(1)

    def die_of(self, text: str, error: DladmError) -> NoReturn:
        """The error's list as warnings, then `dladm: TEXT: STATUS`, then exit 1."""
        self.warn_list(error.entries)
        self.die(text, error.status)

    def die_twice(self, letter: str) -> NoReturn:
        """An option that may be given once was given twice."""
        self.die(f"the option -{letter} cannot be specified more than once")

    def die_option(self, error: BadOption, usage: str) -> NoReturn:
        """An option that cannot be taken, with the subcommand's usage entry.

        An unknown long option has no letter, and nothing stands between the quotes (DLM-Q27).
        """
        what = f"option '-{error.letter}' requires a value"
        if not error.missing:
            what = f"unrecognized option '{'-' if error.letter else ''}{error.letter}'"
        self.die(f"{what}\nusage: {usage}")


def _with(text: str, status: Status | None) -> str:
    return text if status is None else f"{text}: {status.text}"


def _put(stream: TextIO, line: str) -> None:
    try:
        stream.write(line + "\n")
    except UnicodeEncodeError:  # bytes of a name that are no text in the stream's encoding
        encoding = stream.encoding or "ascii"
        stream.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
