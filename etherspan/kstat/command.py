"""The program `kstat`.

Exit status: 0; 1 nothing matched; 2 usage; 3 the kernel cannot be reached; 130 and 141 an interval was ended by SIGINT, or by the end
of the pipe that was written to. As in the original, a letter that is no option gives the usage and exit status 0.
"""

from __future__ import annotations

import getopt
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from etherspan.kstat import output
from etherspan.kstat.output import Form
from etherspan.kstat.reader import entries
from etherspan.kstat.selector import ANY, Pattern, matches
from kernel_sim.dev.client import Device, LocalSystem
from kernel_sim.dev.framing import FREAD
from kernel_sim.dev.paths import KSTAT, host_root
from kernel_sim.sys.errno import Errno, KernelError

OK, NOTHING, USAGE_ERROR, UNREACHABLE = range(4)
INTERRUPTED: Final = 130
PIPE_CLOSED: Final = 141
COUNT_MAX: Final = (1 << 31) - 1
USAGE: Final = """Usage:
kstat [ -Cjlpq ] [ -T d|u ] [ -c class ]
      [ -m module ] [ -i instance ] [ -n name ] [ -s statistic ]
      [ interval [ count ] ]
kstat [ -Cjlpq ] [ -T d|u ] [ -c class ]
      [ module[:instance[:name[:statistic]]] ... ]
      [ interval [ count ] ]
"""

_OPTIONS: Final = "h?CqjlpT:m:i:n:s:c:"
_PARTS: Final = "mins"
_FORMS: Final = ((("-l",), Form.NAMES), (("-C",), Form.COLONS), (("-p",), Form.PARSABLE))
_STAMPS: Final = {"d": "%B %e, %Y at %I:%M:%S %p %Z", "u": "%s"}
_WHICH: Final = ("Interval", "Count")


class UsageError(Exception):
    """A call that makes no sense; the text, which may be empty, says why."""


@dataclass(slots=True, frozen=True)
class Request:
    """What is asked for. `count` 0 is without end; `stamp` a form of `strftime`, "" for none."""

    patterns: tuple[Pattern, ...] = (Pattern(),)
    klass: str = ANY
    form: Form = Form.TEXT
    json: bool = False
    quiet: bool = False
    stamp: str = ""
    interval: int = 0
    count: int = 1


def parse(words: Sequence[str]) -> Request | None:
    """Read a command line; None when it is the usage that is asked for. Errors: `UsageError`."""
    try:
        options, operands = getopt.getopt(list(words), _OPTIONS)
    except getopt.GetoptError as wrong:
        print(f"kstat: {wrong}", file=sys.stderr)
        return None
    given = dict(options)
    if given.keys() & {"-h", "-?"}:
        return None
    if "-q" in given and given.keys() & {"-j", "-l", "-p", "-C"}:
        raise UsageError("-q and -lpj are mutually exclusive")
    if (stamp := given.get("-T", "")[:1]) not in {"", *_STAMPS} or given.get("-T") == "":
        raise UsageError("-T takes d or u")
    chosen = _Operands.parse(operands)
    named = [given.get(f"-{letter}") for letter in _PARTS]
    if chosen.patterns and any(part is not None for part in named):
        raise UsageError("[module[:instance[:name[:statistic]]]] and -m -i -n -s are mutually exclusive")
    patterns = chosen.patterns or [Pattern(*(ANY if part is None else part for part in named))]
    klass = given.get("-c", ANY)
    try:
        for pattern in (*patterns, Pattern(klass)):
            pattern.check()
    except ValueError as wrong:
        raise UsageError(f"kstat: {wrong}") from wrong
    form = next((form for letters, form in _FORMS if given.keys() & set(letters)), Form.TEXT)
    interval, count = (*chosen.numbers, 0, 0)[:2]
    return Request(
        patterns=tuple(patterns),
        klass=klass,
        form=form,
        json="-j" in given,
        quiet="-q" in given,
        stamp=_STAMPS.get(stamp, ""),
        interval=interval,
        count=count if interval else 1,
    )


@dataclass(slots=True)
class _Operands:
    """Selectors and numbers, in any order among each other."""

    patterns: list[Pattern] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)

    @classmethod
    def parse(cls, words: Sequence[str]) -> _Operands:
        found = cls()
        for word in words:
            if word.strip().lstrip("+-").isdecimal() or not word:
                found.numbers.append(_number(word, len(found.numbers)))
                continue
            try:
                found.patterns.append(Pattern.parse(word))
            except ValueError as wrong:
                raise UsageError(f"kstat: {wrong}") from wrong
        return found


def _number(word: str, position: int) -> int:
    if position >= len(_WHICH):
        raise UsageError(f"kstat: {word!r} is one number too many")
    value = int(word or "0")
    if value < 1:
        raise UsageError(f"{_WHICH[position]} must be an integer >= 1")
    if value > COUNT_MAX:
        raise UsageError(f"{_WHICH[position]} is too large")
    return value


def show(device: Device, request: Request) -> bool:
    """Read and print once; True if anything matched. Errors: `KernelError`, BrokenPipeError."""
    found = [one for one in entries(device, request.patterns) if matches(request.klass, one.klass)]
    with_class = request.form is not Form.TEXT
    # a set is shown once for each selector that wants it
    sets = [
        output.shown(entry, pattern, with_class=with_class, quote=request.json)
        for pattern in request.patterns
        for entry in found
        if pattern.wants(entry)
    ]
    sets = [one for one in sets if one.stats]
    if request.stamp:
        sys.stdout.write(time.strftime(request.stamp) + "\n")
    if request.json:
        sys.stdout.write(output.document(sets))
    elif not request.quiet:
        sys.stdout.writelines(output.lines(one, request.form) for one in sets)
    sys.stdout.flush()
    return bool(sets)


def run(system: LocalSystem, request: Request) -> int:
    """Print as often as asked; the exit status. Errors: as `show`."""
    matched = False
    due = time.monotonic()
    left = request.count
    with Device.open(system, KSTAT, FREAD) as device:
        while True:
            matched |= show(device, request)
            left -= 1
            if not left:
                return OK if matched else NOTHING
            due = after(due, request.interval, time.monotonic())
            system.wait(max(0.0, due - time.monotonic()))
            sys.stdout.write("\n")


def after(due: float, interval: float, now: float) -> float:
    """The next moment of a schedule that does not drift; moments that have been missed are left out."""
    return due + interval * (1 + max(0, (now - due) // interval))


def main(argv: Sequence[str] | None = None) -> int:
    """The program; returns the exit status."""
    words = list(sys.argv[1:] if argv is None else argv)
    if "--help" in words:
        print(USAGE, end="")
        return OK
    try:
        request = parse(words)
    except UsageError as wrong:
        sys.stderr.write((f"{wrong}\n" if str(wrong) else "") + USAGE)
        return USAGE_ERROR
    if request is None:
        sys.stderr.write(USAGE)
        return OK
    try:
        return run(LocalSystem(host_root()), request)
    except KernelError as error:
        _explain(error)
        return UNREACHABLE
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still buffered goes nowhere, silently
        return PIPE_CLOSED


def _explain(error: KernelError) -> None:
    if error.errno in {Errno.ENOENT, Errno.ECONNREFUSED}:
        print(f"kstat: no host runs in {host_root()}; 'etherspan host boot' starts one", file=sys.stderr)
    else:
        print(f"kstat: cannot read the statistics of {host_root()}: {error}", file=sys.stderr)
