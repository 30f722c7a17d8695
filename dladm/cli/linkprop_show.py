"""show-linkprop (DLM 5.6)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dladm.cli.call import Call
from dladm.cli.common import PropertyList, formatter, shown_flag, walk
from dladm.cli.linkprop import INVALID, valid_link
from dladm.libdladm import linkprop
from dladm.libdladm.linkprop import Answers, LinkProperty
from dladm.libdladm.linkprop_kept import Texts
from dladm.libdladm.status import DladmError, Status
from dladm.ofmt import UNDEFINED, Column, Json
from kernel_sim.sys.dld import DATALINK_CLASS_ALL, DatalinkClass, MacPropPerm

if TYPE_CHECKING:
    from dladm.dlmgmtd.client import LinkInfo


@dataclass(slots=True, frozen=True)
class _Wanted:
    """What the options said. `named` is empty when nobody named properties."""

    call: Call
    stored: bool
    parsable: bool
    named: Sequence[str]


class _PropRow:
    """A property of a link. What a cell asks for may fail: then the cell is a question mark and the row has `failed`."""

    def __init__(self, wanted: _Wanted, link: LinkInfo, answers: Answers, name: str) -> None:
        self.link = link
        self.name = name
        self.failed = False
        self._wanted = wanted
        self._answers = answers

    def supported(self) -> bool:
        """True for a property that has a default or a value; one of a physical link must have a value."""
        asked = [linkprop.current]
        if self.link.link_class is not DatalinkClass.PHYS:
            asked.insert(0, linkprop.default)
        return any(self._has(ask) for ask in asked)

    def _has(self, ask: Callable[[Answers, LinkProperty], Texts]) -> bool:
        try:
            ask(self._answers, self._prop())
        except DladmError:
            return False
        return True

    def _prop(self) -> LinkProperty:
        """Errors: `DladmError`: NOTFOUND no such property, BADARG not one of this class of links."""
        prop = linkprop.find(self.name)
        if not prop.classes & self.link.link_class:
            raise DladmError(Status.BADARG)
        return prop

    def _ask(self, ask: Callable[[Answers, LinkProperty], Texts], instead: str) -> Texts | None:
        """What a cell holds; `instead` where the link does not support that, None where it could not be had."""
        try:
            return ask(self._answers, self._prop())
        except DladmError as error:
            if error.status is Status.TEMPONLY:
                return None
            if error.status is Status.NOTSUP or self._wanted.stored:
                return (instead,)
            if self._wanted.named and not self.failed:
                self._wanted.call.terminal.warn(
                    f"cannot get link property '{self.name}' for {self.link.name}", error.status
                )
            self.failed = True
            return None

    def _text(self, ask: Callable[[Answers, LinkProperty], Texts], instead: str = "") -> str | None:
        texts = self._ask(ask, instead)
        return None if texts is None else ",".join(texts)

    def perm(self) -> str | None:
        return self._text(self._perm, UNDEFINED)

    def value(self) -> str | None:
        return self._text(linkprop.stored if self._wanted.stored else linkprop.current, UNDEFINED)

    def default(self) -> str | None:
        return self._text(linkprop.default)

    def possible(self) -> str | None:
        text = self._text(linkprop.possible)
        if text is None or self._wanted.parsable:
            return text
        return f"{text or UNDEFINED} "  # DLM-Q31: a blank after the last value

    def _perm(self, answers: Answers, prop: LinkProperty) -> Texts:
        """Physical links are the machine's: nothing of them is changed here."""
        perm = linkprop.permission(answers, prop)
        if self.link.link_class is DatalinkClass.PHYS:
            perm &= MacPropPerm.READ
        return (f"{'r' if perm & MacPropPerm.READ else '-'}{'w' if perm & MacPropPerm.WRITE else '-'}",)

    def typed_perm(self) -> Json:
        texts = self._ask(self._perm, "")
        return texts[0] or None if texts else None

    def typed_value(self) -> Json:
        return self._typed(linkprop.stored if self._wanted.stored else linkprop.current)

    def typed_default(self) -> Json:
        return self._typed(linkprop.default)

    def typed_possible(self) -> Json:
        return [text for text in self._ask(linkprop.possible, "") or () if text] or None

    def _typed(self, ask: Callable[[Answers, LinkProperty], Texts]) -> Json:
        """A list for a property that may have several values, a number for one that is a number."""
        texts = [text for text in self._ask(ask, "") or () if text and text != UNDEFINED]
        if not texts:
            return None
        prop = self._prop()
        if prop.several:
            return texts
        return int(texts[0]) if prop.numeric and texts[0].isdecimal() else texts[0].strip()


_COLUMNS: Final[tuple[Column[_PropRow], ...]] = (
    Column("LINK", 13, lambda row: row.link.name),
    Column("PROPERTY", 16, lambda row: row.name),
    Column("PERM", 5, _PropRow.perm, _PropRow.typed_perm),
    Column("VALUE", 15, _PropRow.value, _PropRow.typed_value),
    Column("DEFAULT", 15, _PropRow.default, _PropRow.typed_default),
    Column("POSSIBLE", 20, _PropRow.possible, _PropRow.typed_possible),
)


def show_linkprop(call: Call) -> int:
    """`show-linkprop [-cP] [-o FIELD,…] [-p PROP,…] [NAME]`."""
    parsable, stored, fields, properties = False, False, None, PropertyList(call)
    for option in call.options():
        match option.letter:
            case "c":
                parsable = True
            case "P":
                stored = True
            case "o":
                fields = option.argument
            case "p":
                properties.add(option.argument)
    name = call.optional_operand()
    every = None if name is None else [valid_link(call, name)]
    named = properties.parse(INVALID)
    if any(prop.values for prop in named):
        call.terminal.die(INVALID)
    wanted = _Wanted(call, stored=stored, parsable=parsable, named=[prop.name for prop in named])
    lines = formatter(call, _COLUMNS, fields, parsable=parsable, wrap=True)
    status = 0
    for link in walk(call, DATALINK_CLASS_ALL, shown_flag(stored=stored)) if every is None else every:
        if link.flags & shown_flag(stored=stored):
            for row in _rows(wanted, link):
                call.terminal.write(lines.lines(row))
                status |= row.failed
    return status


def _rows(wanted: _Wanted, link: LinkInfo) -> list[_PropRow]:
    """The rows of a link: the properties that were named, else those of its class; in human mode only what it supports."""
    answers = Answers(wanted.call.handle, link.linkid)
    names = wanted.named or [prop.name for prop in linkprop.of_class(link.link_class)]
    rows = [_PropRow(wanted, link, answers, name) for name in names]
    return rows if wanted.parsable or wanted.named else [row for row in rows if row.supported()]
