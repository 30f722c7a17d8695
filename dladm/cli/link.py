"""show-link (DLM 5.5)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dladm.cli.call import Call
from dladm.cli.common import check_parsable, find_link, formatter, shown_flag, too_long, walk
from dladm.cli.stats import StatsOptions
from dladm.libdladm import link as links
from dladm.libdladm.status import DladmError, Status
from dladm.ofmt import Column
from kernel_sim.sys.dld import DATALINK_CLASS_ALL

if TYPE_CHECKING:
    from dladm.dlmgmtd.client import LinkInfo


@dataclass(slots=True, frozen=True)
class _LinkRow:
    """A link; `mtu` is None for one that is only looked up in datalink.conf."""

    call: Call
    link: LinkInfo
    mtu: int | None

    def state(self) -> str | None:
        return "" if self.mtu is None else links.state(self.call.handle, self.link.linkid)

    def over(self) -> str | None:
        return links.over(self.call.handle, self.link, stored=self.mtu is None)


_COLUMNS: Final[tuple[Column[_LinkRow], ...]] = (
    Column("LINK", 12, lambda row: row.link.name),
    Column("CLASS", 10, lambda row: row.link.link_class.label),
    Column("MTU", 7, lambda row: "" if row.mtu is None else str(row.mtu), lambda row: row.mtu),
    Column("STATE", 9, _LinkRow.state),
    Column("BRIDGE", 11, lambda _row: ""),
    Column("OVER", 30, _LinkRow.over),
    Column("ZONE", 20, lambda row: row.link.zone),
)
_ACTIVE: Final = ("link", "class", "mtu", "state", "bridge", "over")
_STORED: Final = ("link", "class", "bridge", "over")


def show_link(call: Call) -> int:
    """`show-link [-pP] [-o FIELD,…] [-s [-i N]] [-z ZONE] [NAME]`; also what bare `dladm` does."""
    given: set[str] = set()
    fields, stats = None, StatsOptions()
    for option in call.options():
        if option.letter in given and option.letter in "pP":
            call.terminal.die_twice(option.letter)
        given.add(option.letter)
        match option.letter:
            case "s":
                stats.want(call)
            case "i":
                stats.set_interval(call, option.argument)
            case "o":
                fields = option.argument
    parsable, stored = "p" in given, "P" in given
    stats.check(call)
    if stats.wanted and stored:
        call.terminal.die("the option -P cannot be used with -s")
    name = call.optional_operand()
    link = None if name is None else _one(call, name, stored=stored)
    check_parsable(call, fields, parsable=parsable)
    if stats.wanted:
        return stats.show_links(call, _names(call, link), fields, parsable=parsable)
    every = walk(call, DATALINK_CLASS_ALL, shown_flag(stored=stored)) if link is None else [link]
    lines = formatter(call, _COLUMNS, fields, parsable=parsable, wrap=True, default=_STORED if stored else _ACTIVE)
    for one in every:
        try:
            mtu = None if stored else links.mtu(call.handle, one.linkid)
        except DladmError as error:
            if link is not None:
                call.terminal.die(f"failed to show link {one.name}", error.status)
        else:
            call.terminal.write(lines.lines(_LinkRow(call, one, mtu)))
    return 0


def _one(call: Call, name: str, *, stored: bool) -> LinkInfo:
    """The link to show; ends the command when it does not exist in the way that is wanted."""
    if too_long(name):
        call.terminal.die("link name too long")
    try:
        link = find_link(call, name)
    except DladmError as error:
        call.terminal.die(f"link {name} is not valid", error.status)
    if not link.flags & shown_flag(stored=stored):
        what = "a temporary link" if stored else "temporarily removed"
        call.terminal.die(f"link {name} is {what}", Status.BADARG)
    return link


def _names(call: Call, link: LinkInfo | None) -> Callable[[], list[str]]:
    """What statistics are shown of, asked anew each time: that link under whatever name, or all that are there."""
    if link is None:
        return lambda: [one.name for one in walk(call, DATALINK_CLASS_ALL, shown_flag(stored=False))]
    linkid = link.linkid

    def named() -> list[str]:
        name = links.name_of(call.handle, linkid)
        return [] if name is None else [name]

    return named
