"""snoop: capture and show the frames of a link, or of a file.

snoop [-d link | -i file] [-o file] [-c count] [-p first[,last]] [-s snaplen] [-t r|a|d] [-v | -V] [-x offset[,length]] [-qrS] [expression]
"""

from __future__ import annotations

import contextlib
import getopt
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from etherspan.errors import EtherspanError
from etherspan.snoop import files, live
from etherspan.snoop.packet import Packet
from etherspan.snoop.show import Printer, Style
from kernel_sim.dev import paths
from kernel_sim.dev.client import LocalSystem
from kernel_sim.sys.snoop import SNAPLEN_MAX

_OPTIONS: Final = "d:i:o:c:p:s:t:x:vVqrSh"
USAGE: Final = """\
usage: snoop [-d link | -i file] [-o file] [-c count] [-p first[,last]] [-s snaplen]
             [-t r|a|d] [-v | -V] [-x offset[,length]] [-qrS] [expression]
"""


class UsageError(EtherspanError):
    """The call is wrong."""


@dataclass(slots=True)
class Options:
    link: str = ""
    file: Path | None = None
    out: Path | None = None
    count: int = 0
    first: int = 1
    last: int = 0
    snaplen: int = SNAPLEN_MAX
    quiet: bool = False
    style: Style = field(default_factory=Style)
    words: Sequence[str] = ()


def parse(argv: Sequence[str]) -> Options:
    """Read the options. Errors: `UsageError`."""
    try:
        given, words = getopt.getopt(list(argv), _OPTIONS)
    except getopt.GetoptError as error:
        raise UsageError(error.msg) from None
    options = Options(words=words)
    for letter, value in given:
        _apply(options, letter[1], value)
    if options.link and options.file is not None:
        raise UsageError("-d and -i do not go together: a link or a file")
    if not options.link and options.file is None:
        raise UsageError("neither a link (-d) nor a file (-i) is given")
    return options


def _apply(options: Options, letter: str, value: str) -> None:
    match letter:
        case "d":
            options.link = value
        case "i":
            options.file = Path(value)
        case "o":
            options.out = Path(value)
        case "c":
            options.count = _number(letter, value, 1)
        case "p":
            first, comma, last = value.partition(",")
            options.first = _number(letter, first, 1)
            options.last = _number(letter, last, options.first) if comma else options.first
        case "s":
            options.snaplen = _number(letter, value, 14, SNAPLEN_MAX)
        case "t":
            if value not in ("r", "a", "d"):
                raise UsageError(f"-t {value}: r (since the first packet), a (time of day) or d (since the one before)")
            options.style.stamp = value
        case "x":
            offset, comma, length = value.partition(",")
            options.style.dump = _number(letter, offset, 0), _number(letter, length, 1) if comma else None
        case "v" | "V":
            options.style.detail = letter
        case "q":
            options.quiet = True
        case "S":
            options.style.sizes = True
        case "h":
            raise UsageError("")
        case _:  # r: addresses are never resolved
            pass


def _number(letter: str, text: str, low: int, high: int = 2**31 - 1) -> int:
    try:
        number = int(text)
    except ValueError:
        number = low - 1
    if not low <= number <= high:
        raise UsageError(f"-{letter} {text}: a number from {low} to {high} is expected")
    return number


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, 1 for a failure, 2 for a wrong call."""
    try:
        options = parse(sys.argv[1:] if argv is None else argv)
        return _run(options)
    except UsageError as error:
        if str(error):
            print(f"snoop: {error}", file=sys.stderr)
        print(USAGE, end="", file=sys.stderr if str(error) else sys.stdout)
        return 2 if str(error) else 0
    except EtherspanError as error:
        print(f"snoop: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE


def _run(options: Options) -> int:
    try:
        from etherspan.snoop import decode, expr

        decode.load()
    except ImportError as error:
        raise EtherspanError(f"{error.name} is not installed: pip install 'etherspan[snoop]'") from error
    wanted = expr.compile_words(options.words)
    packets = _packets(options)
    printer = Printer(options.style)
    shown = 0
    with contextlib.ExitStack() as end, contextlib.suppress(KeyboardInterrupt):
        end.callback(packets.close)  # type: ignore[attr-defined]
        if options.link:
            print(f"Using device {options.link} (promiscuous mode)", file=sys.stderr, flush=True)
        writer = None
        if options.out is not None:
            writer = end.enter_context(files.create(options.out, options.link or str(options.file)))
        for number, packet in enumerate(packets, 1):
            if options.last and number > options.last:
                break
            layers = decode.decode(packet.data, packet.size)
            if number < options.first or not wanted(layers, packet.size):
                continue
            shown += 1
            if writer is not None:
                writer.write(packet)
            else:
                for line in printer.lines(number, packet, layers):
                    print(line, flush=bool(options.link))
            if shown == options.count:
                break
    if options.out is not None and not options.quiet:
        print(f"{shown} packets captured", file=sys.stderr)
    return 0


def _packets(options: Options) -> Iterator[Packet]:
    if options.file is not None:
        return files.read(options.file)
    return live.watch(LocalSystem(paths.host_root()), options.link, options.snaplen)


if __name__ == "__main__":
    sys.exit(main())
