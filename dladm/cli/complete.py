"""What may stand where the cursor is: subcommands, options, links, properties and their values (an addition to the original).

The words before the cursor are read as `dladm.getopt` would read them. What only the host knows (links, zones, the plugins of overlays that
are up) is asked of it; a host that does not run has none of it, and completion says nothing about that.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from dladm.cli.table import BY_NAME, ROWS, ZONE, Row
from dladm.getopt import Declared
from dladm.libdladm.handle import Dladm
from dladm.libdladm.status import DladmError
from kernel_sim.sys.dld import DATALINK_CLASS_ALL, DatalinkClass, DatalinkFlag
from kernel_sim.sys.errno import KernelError

if TYPE_CHECKING:
    from dladm.dlmgmtd.client import LinkInfo
    from dladm.libdladm.overlay_prop import PropertyView


@dataclass(slots=True, frozen=True)
class Completion:
    """A word for the place of the cursor. `more`: it goes on, so no blank follows. `directory`: any directory may stand there."""

    text: str
    help: str = ""
    more: bool = False
    directory: bool = False


def complete(words: Sequence[str], incomplete: str, open_handle: Callable[[], Dladm]) -> list[Completion]:
    """What may be in place of `incomplete`, the beginning of the word that comes after `words` (without the program's name)."""
    if not words:
        return _beginning(incomplete, (Completion(row.name) for row in ROWS if row.usage or row.name == "help"))
    row = BY_NAME.get(words[0])
    if row is None:
        return []
    return _Line(row, open_handle).complete(words[1:], incomplete)


def _beginning(incomplete: str, every: Iterable[Completion]) -> list[Completion]:
    return [one for one in every if one.text.startswith(incomplete)]


_WORDS: Final = {
    ("create-vnic", "m"): ("random", "factory", "auto", "vrrp"),
    ("create-vnic", "A"): ("inet", "inet6"),
}
"""Values of options that have few."""
_LINK_OPTIONS: Final = frozenset({("create-vnic", "l"), ("show-vnic", "l"), ("show-etherstub", "l")})
"""Options whose value is a link."""
_NAME_LISTS: Final = frozenset({"reset-linkprop", "show-linkprop"})
"""Commands whose `-p` lists names, without values."""
_ENCAPS: Final = {"vxlan": ("vxlan/listen_ip", "vxlan/listen_port")}
_SEARCHES: Final = {"direct": ("direct/dest_ip", "direct/dest_port"), "files": ("files/config",)}
"""The plugins that every host has, and their properties; overlays that are up tell of others."""
_HELP: Final = Declared("help", long=("help",), help="how to use it")
_MANY_OPERANDS: Final = frozenset({"show-overlay"})


@dataclass(slots=True)
class _Given:
    """The words before the cursor: options with their arguments, operands, and the option that waits for its argument."""

    options: list[tuple[str, str]]
    operands: list[str]
    waiting: Declared | None = None
    ended: bool = False

    def argument(self, letter: str) -> str:
        """The argument an option was given last, empty for none."""
        return next((argument for given, argument in reversed(self.options) if given == letter), "")


@dataclass(slots=True, frozen=True)
class _Property:
    """The values a property may have, as far as they are words, and whether it may have several."""

    values: Sequence[str] = ()
    several: bool = False


def _more_values(known: Mapping[str, _Property], pieces: Sequence[str]) -> list[str]:
    """What may follow in a list of values: the pieces are `name=value` and, after it, further values."""
    last = max((i for i, piece in enumerate(pieces) if "=" in piece), default=-1)
    prop = known.get(pieces[last].partition("=")[0]) if last >= 0 else None
    if prop is None or not prop.several:
        return []
    there = {piece.rpartition("=")[2] for piece in pieces[last:]}
    return [one for one in prop.values if one not in there]


class _Line:
    """A command line being typed."""

    def __init__(self, row: Row, open_handle: Callable[[], Dladm]) -> None:
        self._row = row
        self._options = (*row.options, _HELP)
        self._open_handle = open_handle

    def complete(self, words: Sequence[str], incomplete: str) -> list[Completion]:
        given = self._read(words)
        if given.waiting is not None:
            return self._argument(given, given.waiting, incomplete)
        if not given.ended and incomplete.startswith("-"):
            head, option = self._attached(incomplete)
            if option is None:
                return _beginning(incomplete, self._option_names())
            found = self._argument(given, option, incomplete.removeprefix(head))
            return [replace(one, text=head + one.text) for one in found]
        most = len(given.operands) + 1 if self._row.name in _MANY_OPERANDS else 1
        return self._links(self._row.links, incomplete) if len(given.operands) < most else []

    # ------------------------------------------------------------------ reading what is there

    def _read(self, words: Sequence[str]) -> _Given:
        given = _Given([], [])
        for word in words:
            if given.waiting is not None:
                given.options.append((given.waiting.letter, word))
                given.waiting = None
            elif given.ended or not word.startswith("-") or word == "-":
                given.operands.append(word)
            elif word == "--":
                given.ended = True
            else:
                head, option = self._attached(word)
                if option is not None and head != word:
                    given.options.append((option.letter, word.removeprefix(head)))
                else:
                    given.waiting = self._ends_in(word)
        return given

    def _attached(self, word: str) -> tuple[str, Declared | None]:
        """The option in a word whose argument stands in the same word, and what comes before the argument."""
        if word.startswith("--"):
            name, equals, _ = word.partition("=")
            option = self._long(name) if equals else None
            return (name + equals, option if option is not None and option.argument else None)
        for i, letter in enumerate(word[1:], 2):
            option = self._short(letter)
            if option is not None and option.argument and i < len(word):
                return word[:i], option
        return word, None

    def _ends_in(self, word: str) -> Declared | None:
        """The option at the end of a word that needs the next word for its argument."""
        option = self._long(word) if word.startswith("--") else self._short(word[-1])
        return option if option is not None and option.argument else None

    def _long(self, word: str) -> Declared | None:
        fitting = [option for option in self._options for name in option.long if f"--{name}".startswith(word)]
        exact = [option for option in fitting if word.removeprefix("--") in option.long]
        found = exact or fitting
        return found[0] if len(found) == 1 else None

    def _short(self, letter: str) -> Declared | None:
        return next((option for option in self._options if option.letter == letter), None)

    # ------------------------------------------------------------------ what may be there

    def _option_names(self) -> Iterator[Completion]:
        for option in self._options:
            if len(option.letter) == 1:
                yield Completion(f"-{option.letter}", option.help)
            for name in option.long:
                yield Completion(f"--{name}", option.help)

    def _argument(self, given: _Given, option: Declared, incomplete: str) -> list[Completion]:
        key = (self._row.name, option.letter)
        if key in _LINK_OPTIONS:
            return self._links(DATALINK_CLASS_ALL, incomplete)
        if option.letter == "R":
            return [Completion(incomplete, directory=True)]
        if option.letter == ZONE.letter:
            return _beginning(incomplete, map(Completion, self._zones()))
        if option.letter == "p":
            return self._properties(given, incomplete)
        if key == ("create-overlay", "e"):
            return _beginning(incomplete, map(Completion, self._plugins("encap", _ENCAPS)))
        if key == ("create-overlay", "s"):
            return _beginning(incomplete, map(Completion, self._plugins("search", _SEARCHES)))
        return _beginning(incomplete, map(Completion, _WORDS.get(key, ())))

    def _properties(self, given: _Given, incomplete: str) -> list[Completion]:
        """`-p NAME=VALUE[,VALUE…][,NAME=…]`: the last name, or a value of the last name. A comma may follow each."""
        known = self._overlay_properties(given) if self._row.name == "create-overlay" else self._link_properties()
        typed, comma, last = incomplete.rpartition(",")
        head = typed + comma
        pieces = typed.split(",")
        if "=" in last:
            name = last.partition("=")[0]
            values = known[name].values if name in known else ()
            return _beginning(incomplete, (Completion(f"{head}{name}={one}", more=True) for one in values))
        earlier = [piece for _, text in given.options for piece in text.split(",")]
        used = {piece.partition("=")[0] for piece in earlier + pieces}
        names = [one for one in known if one not in used]
        if self._row.name in _NAME_LISTS:
            return _beginning(incomplete, (Completion(head + one, more=True) for one in names))
        more_values = [Completion(head + one, more=True) for one in _more_values(known, pieces)]
        return _beginning(incomplete, [*more_values, *(Completion(f"{head}{one}=", more=True) for one in names)])

    def _link_properties(self) -> dict[str, _Property]:
        from dladm.libdladm.linkprop import TABLE

        vnic = self._row.name == "create-vnic"
        shown = self._row.name == "show-linkprop"
        known: dict[str, _Property] = {}
        for prop in TABLE:
            if (prop.writable or shown) and (prop.classes & DatalinkClass.VNIC or not vnic):
                values = self._zones() if prop.name == "zone" else prop.possible
                known[prop.name] = _Property(values, several=prop.several)
        return known

    def _overlay_properties(self, given: _Given) -> dict[str, _Property]:
        names = ["mtu"]
        for plugin in (given.argument("e"), given.argument("s")):
            static = _ENCAPS.get(plugin) or _SEARCHES.get(plugin) or ()
            names += [*static, *(one.name for one in self._overlay_views() if one.name.startswith(f"{plugin}/"))]
        return dict.fromkeys(names, _Property())

    # ------------------------------------------------------------------ what the host knows

    def _links(self, classes: int, incomplete: str) -> list[Completion]:
        return _beginning(incomplete, (Completion(link.name) for link in self._known_links(classes)))

    def _zones(self) -> list[str]:
        lent = {link.zone for link in self._known_links(DATALINK_CLASS_ALL) if link.zone}
        return ["global", *sorted(lent)]

    def _plugins(self, prop: str, static: Iterable[str]) -> list[str]:
        told = (name for one in self._overlay_views() if one.name == prop for name in one.possible.strings)
        return list(dict.fromkeys([*static, *told]))

    def _known_links(self, classes: int) -> list[LinkInfo]:
        if not classes:
            return []
        with contextlib.suppress(KernelError), self._open_handle() as handle:
            return handle.dlmgmt.walk(classes, DatalinkFlag.ACTIVE | DatalinkFlag.PERSIST)
        return []

    def _overlay_views(self) -> list[PropertyView]:
        """The properties of the overlays that are up."""
        from dladm.libdladm import overlay_prop

        found: list[PropertyView] = []
        with contextlib.suppress(KernelError, DladmError), self._open_handle() as handle:
            for link in handle.dlmgmt.walk(DatalinkClass.OVERLAY, DatalinkFlag.ACTIVE):
                found += overlay_prop.walk(handle, link.linkid).properties
        return found
