"""svccfg and svcprop: the properties of services (VPD 2.5, `dladm.libscf.repository`).

    svccfg -s FMRI setprop GROUP/NAME = [TYPE:] VALUE | (VALUE ...)
    svccfg -s FMRI addpropvalue GROUP/NAME [TYPE:] VALUE       delpropvalue GROUP/NAME VALUE
    svccfg -s FMRI delprop GROUP/NAME                          listprop [GROUP/NAME]       refresh
    svccfg [-s FMRI] [-f FILE]                                 commands from a file or standard input, `select FMRI` among them
    svcprop [-c] [-p GROUP[/NAME]] FMRI ...

svccfg changes the current properties, `svcadm refresh` makes them the running ones, and a restart uses them. svcprop shows the running
ones, with `-c` the current ones. Exit status: 0; 1 something failed; 2 usage.
"""

from __future__ import annotations

import getopt
import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final, NoReturn

from dladm.libscf.client import Scf, resolve
from dladm.libscf.repository import Property
from kernel_sim.dev.client import LocalSystem
from kernel_sim.dev.paths import host_root
from kernel_sim.sys.errno import Errno, KernelError

OK, FAILED, USAGE = range(3)
SVCCFG_USAGE: Final = """Usage: svccfg [-s service] [-f file]
       svccfg -s service setprop pg/name = [type:] value | ( values )
       svccfg -s service addpropvalue pg/name [type:] value
       svccfg -s service delpropvalue pg/name value
       svccfg -s service delprop pg/name
       svccfg -s service listprop [pg/name]
       svccfg -s service refresh"""
SVCPROP_USAGE: Final = "Usage: svcprop [-c] [-p pg[/name]] service ..."
OUTSIDE: Final = frozenset(
    {"import", "export", "extract", "validate", "apply", "add", "delete", "addpg", "delpg", "listpg", "editprop", "setenv",
     "unsetenv", "listsnap", "selectsnap", "revert", "archive", "restore", "repository", "set", "list", "unselect", "inventory"}
)  # fmt: skip
"""Commands of the original that need a repository of services, which a host here has not."""


class Refused(Exception):
    """A command that cannot be carried out; the text says why."""


class Configurator:
    """Commands of svccfg, one after another, on the service that is selected."""

    def __init__(self, scf: Scf, fmri: str = "") -> None:
        self._scf = scf
        self._fmri = ""
        self._commands: dict[str, Callable[[list[str]], None]] = {
            "select": self._select,
            "setprop": self._setprop,
            "addpropvalue": self._addpropvalue,
            "delpropvalue": self._delpropvalue,
            "delprop": self._delprop,
            "listprop": self._listprop,
            "refresh": self._refresh,
        }
        if fmri:
            self._select([fmri])

    def run(self, words: Sequence[str]) -> None:
        """Carry out one command. Errors: `Refused`, `KernelError`."""
        name, *rest = words
        command = self._commands.get(name)
        if command is None:
            if name in OUTSIDE:
                raise Refused(f"{name} is not part of etherspan, whose services are fixed; there are: {self._names()}")
            raise Refused(f'Unknown command "{name}"; there are: {self._names()}')
        if name != "select" and not self._fmri:
            raise Refused(f"{name}: select a service first, with -s or select")
        command(rest)

    def _names(self) -> str:
        return ", ".join(self._commands)

    # ------------------------------------------------------------------ commands

    def _select(self, words: list[str]) -> None:
        (pattern,) = self._exactly(words, 1, "select FMRI")
        found = resolve(pattern, (one.fmri for one in self._scf.list()))
        if len(found) != 1:
            what = f"matches {', '.join(found)}" if found else "doesn't match any instances or services"
            raise Refused(f"Pattern '{pattern}' {what}")
        self._fmri = found[0]

    def _setprop(self, words: list[str]) -> None:
        form = "setprop GROUP/NAME = [TYPE:] VALUE | (VALUE ...)"
        text = " ".join(words)
        name, equals, _ = text.partition("=")
        name = name.strip()
        if not equals or not name or " " in name:
            self._syntax(form)
        at = next(number for number, word in enumerate(words) if "=" in word)
        first = words[at].partition("=")[2]
        kind, values = self._typed([*([first] if first else []), *words[at + 1 :]], form)
        known = self._properties().get(name)
        if not kind and known is None:
            raise Refused(f'"{name}" is new: give its type, as in {name} = astring: VALUE')
        self._set(name, Property(kind or (known.type if known else ""), tuple(values)))

    def _addpropvalue(self, words: list[str]) -> None:
        if len(words) < 2:
            self._syntax("addpropvalue GROUP/NAME [TYPE:] VALUE")
        name = words[0]
        kind, values = self._typed(words[1:], "addpropvalue GROUP/NAME [TYPE:] VALUE")
        known = self._properties().get(name)
        if known is not None and kind and kind != known.type:
            raise Refused(f'"{name}" has the type {known.type}')
        if known is None and not kind:
            raise Refused(f'"{name}" is new: give its type, as in {name} astring: VALUE')
        before = known.values if known is not None else ()
        self._set(name, Property(kind or (known.type if known else ""), (*before, *values)))

    def _delpropvalue(self, words: list[str]) -> None:
        name, value = self._exactly(words, 2, "delpropvalue GROUP/NAME VALUE")
        known = self._known(name)
        self._set(name, Property(known.type, tuple(one for one in known.values if one != value)))

    def _delprop(self, words: list[str]) -> None:
        (name,) = self._exactly(words, 1, "delprop GROUP/NAME")
        self._known(name)
        self._scf.delete_property(self._fmri, name)

    def _listprop(self, words: list[str]) -> None:
        if len(words) > 1:
            self._syntax("listprop [GROUP/NAME]")
        found = self._properties()
        rows = [
            (name, one.type, " ".join(map(shlex.quote, one.values)))
            for name, one in sorted(found.items())
            if not words or words[0] in {name, name.partition("/")[0]}
        ]
        width = max((len(name) for name, _, _ in rows), default=0)
        for name, kind, values in rows:
            print(f"{name:<{width}}  {kind:<8} {values}".rstrip())

    def _refresh(self, words: list[str]) -> None:
        self._exactly(words, 0, "refresh")
        self._scf.refresh(self._fmri)

    # ------------------------------------------------------------------ inside

    def _properties(self) -> dict[str, Property]:
        return self._scf.properties(self._fmri)

    def _known(self, name: str) -> Property:
        found = self._properties().get(name)
        if found is None:
            raise Refused(f'No such property "{name}"')
        return found

    def _set(self, name: str, wanted: Property) -> None:
        try:
            self._scf.set_property(self._fmri, name, wanted)
        except KernelError as error:
            if error.errno is Errno.ENOENT:
                raise Refused(f'No such property group "{name.partition("/")[0]}"') from error
            raise

    def _typed(self, words: list[str], form: str) -> tuple[str, list[str]]:
        """The type, if there is one, and the values behind it."""
        kind = ""
        if words and words[0].endswith(":") and words[0][:-1].isalpha():
            kind, words = words[0][:-1], words[1:]
        text = " ".join(words)
        if text.startswith("(") and text.endswith(")"):
            words = " ".join(words)[1:-1].split()
        elif len(words) != 1:
            self._syntax(form)
        return kind, words

    @staticmethod
    def _exactly(words: list[str], count: int, form: str) -> list[str]:
        if len(words) != count:
            Configurator._syntax(form)
        return words

    @staticmethod
    def _syntax(form: str) -> NoReturn:
        raise Refused(f"Syntax error; the form is: {form}")


def _svccfg(argv: list[str]) -> int:
    try:
        options, words = getopt.getopt(argv, "s:f:")
    except getopt.GetoptError as wrong:
        print(f"svccfg: {wrong}\n{SVCCFG_USAGE}", file=sys.stderr)
        return USAGE
    given = dict(options)
    if words and "-f" in given:
        print(f"svccfg: a command does not go with -f\n{SVCCFG_USAGE}", file=sys.stderr)
        return USAGE
    with Scf(LocalSystem(host_root())) as scf:
        try:
            configurator = Configurator(scf, given.get("-s", ""))
        except Refused as error:
            print(f"svccfg: {error}.", file=sys.stderr)
            return FAILED
        if words:
            return _command(configurator, words, "svccfg")
        if "-f" not in given:
            return _script(configurator, sys.stdin, "standard input")
        try:
            with Path(given["-f"]).open() as file:
                return _script(configurator, file, given["-f"])
        except OSError as error:
            print(f"svccfg: cannot read {given['-f']}: {error.strerror}", file=sys.stderr)
            return FAILED


def _script(configurator: Configurator, lines: Iterable[str], name: str) -> int:
    """Commands, a line each; the first that fails ends them."""
    for number, line in enumerate(lines, 1):
        try:
            words = shlex.split(line, comments=True)
        except ValueError as error:
            print(f"svccfg ({name}, line {number}): {error}", file=sys.stderr)
            return FAILED
        if words and words[0] in {"end", "exit", "quit"}:
            return OK
        if words and (status := _command(configurator, words, f"svccfg ({name}, line {number})")):
            return status
    return OK


def _command(configurator: Configurator, words: Sequence[str], who: str) -> int:
    try:
        configurator.run(words)
    except Refused as error:
        print(f"{who}: {error}.", file=sys.stderr)
        return FAILED
    except KernelError as error:
        if error.errno is Errno.EPERM:
            print(f"{who}: Permission denied.", file=sys.stderr)
        else:
            print(f"{who}: {error}", file=sys.stderr)
        return FAILED
    return OK


def _svcprop(argv: list[str]) -> int:
    try:
        options, operands = getopt.getopt(argv, "cp:")
    except getopt.GetoptError as wrong:
        print(f"svcprop: {wrong}\n{SVCPROP_USAGE}", file=sys.stderr)
        return USAGE
    if not operands:
        print(SVCPROP_USAGE, file=sys.stderr)
        return USAGE
    wanted = [value for option, value in options if option == "-p"]
    running = "-c" not in dict(options)
    status = OK
    with Scf(LocalSystem(host_root())) as scf:
        fmris = [one.fmri for one in scf.list()]
        chosen: list[str] = []
        for pattern in operands:
            named = resolve(pattern, fmris)
            if not named:
                print(f"svcprop: Pattern '{pattern}' doesn't match any entities", file=sys.stderr)
                status = FAILED
            chosen += [one for one in named if one not in chosen]
        for fmri in chosen:
            prefix = f"{fmri}/:properties/" if len(chosen) > 1 else ""
            status = _show(scf, fmri, wanted, prefix, running=running) or status
    return status


def _show(scf: Scf, fmri: str, wanted: Sequence[str], prefix: str, *, running: bool) -> int:
    """The properties of one service that are wanted: all of them, those of a group, or one, whose values stand alone."""
    try:
        found = scf.properties(fmri, running=running)
    except KernelError as error:
        if error.errno is not Errno.ENOENT:
            raise
        found = {}
    status = OK
    for name in wanted or [""]:
        shown = {one: value for one, value in found.items() if name in {"", one, one.partition("/")[0]}}
        if name and not shown:
            print(f"svcprop: Couldn't find property '{name}' for instance '{fmri}'", file=sys.stderr)
            status = FAILED
        for one, value in sorted(shown.items()):
            texts = " ".join(map(shlex.quote, value.values)) or '""'
            alone = name == one and not prefix and len(wanted) == 1
            print(texts if alone else f"{prefix}{one} {value.type} {texts}")
    return status


def _guarded(program: str, run: Callable[[list[str]], int], argv: Sequence[str] | None) -> int:
    given = list(sys.argv[1:] if argv is None else argv)
    if "--help" in given:
        print({"svccfg": SVCCFG_USAGE, "svcprop": SVCPROP_USAGE}[program])
        return OK
    try:
        return run(given)
    except KernelError as error:
        if error.errno in {Errno.ENOENT, Errno.ECONNREFUSED}:
            print(f"{program}: no host runs in {host_root()}; 'etherspan host boot' starts one", file=sys.stderr)
        else:
            print(f"{program}: cannot ask the restarter of {host_root()}: {error}", file=sys.stderr)
        return FAILED


def svccfg_main(argv: Sequence[str] | None = None) -> int:
    """The program `svccfg`."""
    return _guarded("svccfg", _svccfg, argv)


def svcprop_main(argv: Sequence[str] | None = None) -> int:
    """The program `svcprop`."""
    return _guarded("svcprop", _svcprop, argv)
