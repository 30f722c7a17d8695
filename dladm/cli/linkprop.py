"""set-linkprop, reset-linkprop, show-linkprop (DLM 5.6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dladm.cli.call import Call
from dladm.cli.common import PropertyList, find_link, formatter, note_for_root, shown_flag
from dladm.grammar import Property
from dladm.libdladm import linkprop
from dladm.libdladm.linkprop import LinkProperty
from dladm.libdladm.status import DladmError, Status
from dladm.ofmt import UNDEFINED, Column
from kernel_sim.sys.dld import DATALINK_CLASS_ALL

if TYPE_CHECKING:
    from dladm.dlmgmtd.client import LinkInfo


@dataclass(slots=True, frozen=True)
class _Change:
    """The common part of set- and reset-linkprop."""

    link: LinkInfo
    properties: Sequence[Property]
    persistent: bool


def _parse(call: Call, *, needs_list: bool) -> _Change | None:
    """None when the command was only noted for another root."""
    persistent, root, properties = True, "", PropertyList(call)
    for option in call.options():
        match option.letter:
            case "t":
                persistent = False
            case "R":
                root = option.argument
            case "p":
                properties.add(option.argument)
    name = call.operand()
    wanted = properties.parse("invalid link properties specified")
    if needs_list and not wanted:
        call.terminal.die("link property must be specified")
    if root:
        note_for_root(call, root)
        return None
    return _Change(_valid_link(call, name), wanted, persistent)


def _valid_link(call: Call, name: str) -> LinkInfo:
    try:
        return find_link(call, name)
    except DladmError as error:
        call.terminal.die(f"link {name} is not valid", error.status)


def set_linkprop(call: Call) -> int:
    """`set-linkprop [-t] -p PROP=VALUE,… NAME`. The exit status is that of the last property (DLM-Q30)."""
    change = _parse(call, needs_list=True)
    if change is None:
        return 0
    status = 0
    for prop in change.properties:
        if not prop.values:
            call.terminal.warn(f"no value specified for '{prop.name}'")
            status = 1
            continue
        try:
            linkprop.set(call.handle, change.link.linkid, prop.name, prop.values, persistent=change.persistent)
            status = 0
        except DladmError as error:
            _warn_refused(call, "set", prop.name, change.link.name, error)
            status = 1
    return status


def reset_linkprop(call: Call) -> int:
    """`reset-linkprop [-t] [-p PROP,…] NAME`; without `-p` all properties, of which those that cannot be reset are passed over."""
    change = _parse(call, needs_list=False)
    if change is None:
        return 0
    if change.properties:
        status = 0
        for prop in change.properties:
            status = _reset(call, change, prop.name, passing_over=False)
        return status
    return max(_reset(call, change, prop.name, passing_over=True) for prop in linkprop.TABLE)


def _reset(call: Call, change: _Change, name: str, *, passing_over: bool) -> int:
    try:
        linkprop.reset(call.handle, change.link.linkid, name, persistent=change.persistent)
    except DladmError as error:
        if passing_over and error.status in {Status.PROPRDONLY, Status.NOTSUP}:
            return 0
        _warn_refused(call, "reset", name, change.link.name, error)
        return 1
    return 0


def _warn_refused(call: Call, verb: str, name: str, link: str, error: DladmError) -> None:
    if name in linkprop.NOT_HERE:
        call.terminal.warn(f"link property '{name}' is not part of this release")
    elif error.status is Status.NOTFOUND:
        call.terminal.warn(f"invalid link property '{name}'")
    else:
        call.terminal.warn(f"cannot {verb} link property '{name}' on '{link}'", error.status)


@dataclass(slots=True, frozen=True)
class _PropRow:
    """A property of a link; without `prop` one that the link does not have. An unreadable `value` is None."""

    link: str
    name: str
    prop: LinkProperty | None
    value: str | None
    parsable: bool

    def perm(self) -> str | None:
        return None if self.prop is None else self.prop.perm

    def default(self) -> str | None:
        return None if self.prop is None else self.prop.default

    def possible(self) -> str | None:
        if self.prop is None:
            return None
        return "" if self.parsable else f"{UNDEFINED} "  # DLM-Q31: a blank after the last value


_COLUMNS: Final[tuple[Column[_PropRow], ...]] = (
    Column("LINK", 13, lambda row: row.link),
    Column("PROPERTY", 16, lambda row: row.name),
    Column("PERM", 5, _PropRow.perm),
    Column("VALUE", 15, lambda row: row.value),
    Column("DEFAULT", 15, _PropRow.default),
    Column("POSSIBLE", 20, _PropRow.possible),
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
    wanted = properties.parse("invalid link properties specified")
    if any(prop.values for prop in wanted):
        call.terminal.die("invalid link properties specified")
    every = [_valid_link(call, name)] if name is not None else None
    lines = formatter(call, _COLUMNS, fields, parsable=parsable, wrap=True)
    if every is None:
        every = call.handle.dlmgmt.walk(DATALINK_CLASS_ALL, shown_flag(stored=stored))
    status = 0
    for link in every:
        if link.flags & shown_flag(stored=stored):
            for prop in [one.name for one in wanted] or [one.name for one in linkprop.TABLE]:
                row = _row(call, link, prop, stored=stored, parsable=parsable)
                call.terminal.write(lines.lines(row))
                status |= row.prop is None
    return status


def _row(call: Call, link: LinkInfo, name: str, *, stored: bool, parsable: bool) -> _PropRow:
    try:
        prop = linkprop.find(name)
        value = None if stored and prop.temporary else linkprop.current(call.handle, link.linkid, prop)
    except DladmError as error:
        if name in linkprop.NOT_HERE:
            call.terminal.warn(f"link property '{name}' is not part of this release")
        else:
            call.terminal.warn(f"cannot get link property '{name}' for {link.name}", error.status)
        return _PropRow(link.name, name, None, None, parsable)
    return _PropRow(link.name, name, prop, value, parsable)
