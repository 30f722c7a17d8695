"""show-link (DLM 5.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dladm.cli.call import Call
from dladm.cli.common import check_parsable, find_link, formatter, shown_flag
from dladm.cli.stats import StatsOptions
from dladm.libdladm import link as links
from dladm.libdladm.status import DladmError, Status
from dladm.ofmt import Column
from kernel_sim.sys.dld import DATALINK_CLASS_ALL

if TYPE_CHECKING:
    from dladm.dlmgmtd.client import LinkInfo


@dataclass(slots=True, frozen=True)
class _LinkRow:
    call: Call
    link: LinkInfo
    mtu: int = 0
    stored: bool = False

    def over(self) -> str | None:
        return links.over(self.call.handle, self.link, stored=self.stored)


_LINK: Final[Column[_LinkRow]] = Column("LINK", 12, lambda row: row.link.name)
_CLASS: Final[Column[_LinkRow]] = Column("CLASS", 10, lambda row: row.link.link_class.label)
_BRIDGE: Final[Column[_LinkRow]] = Column("BRIDGE", 11, lambda _row: "")
_OVER: Final[Column[_LinkRow]] = Column("OVER", 30, _LinkRow.over)
_ACTIVE: Final[tuple[Column[_LinkRow], ...]] = (
    _LINK,
    _CLASS,
    Column("MTU", 7, lambda row: str(row.mtu)),
    Column("STATE", 9, lambda row: links.state(row.call.handle, row.link.linkid)),
    _BRIDGE,
    _OVER,
)
_STORED: Final = (_LINK, _CLASS, _BRIDGE, _OVER)


def show_link(call: Call) -> int:
    """`show-link [-pP] [-o FIELD,…] [-s [-i N]] [NAME]`; also what bare `dladm` does."""
    parsable, stored, fields, stats = False, False, None, StatsOptions()
    for option in call.options():
        match option.letter:
            case "p":
                parsable = True
            case "P":
                stored = True
            case "s":
                stats.wanted = True
            case "i":
                stats.set_interval(call, option.argument)
            case "o":
                fields = option.argument
    stats.check(call, stored=stored)
    name = call.optional_operand()
    link = None if name is None else _one(call, name, stored=stored)
    check_parsable(call, fields, parsable=parsable)
    every = call.handle.dlmgmt.walk(DATALINK_CLASS_ALL, shown_flag(stored=stored)) if link is None else [link]
    if stats.wanted:
        return stats.show(call, [one.name for one in every], fields, parsable=parsable)
    lines = formatter(call, _STORED if stored else _ACTIVE, fields, parsable=parsable, wrap=True)
    for one in every:
        try:
            mtu = 0 if stored else links.mtu(call.handle, one.linkid)
        except DladmError as error:
            if link is not None:
                call.terminal.die(f"failed to show link {one.name}", error.status)
        else:
            call.terminal.write(lines.lines(_LinkRow(call, one, mtu, stored)))
    return 0


def _one(call: Call, name: str, *, stored: bool) -> LinkInfo:
    """The link to show; ends the command when it does not exist in the way that is wanted."""
    try:
        link = find_link(call, name)
    except DladmError as error:
        call.terminal.die(f"link {name} is not valid", error.status)
    if not link.flags & shown_flag(stored=stored):
        what = "a temporary link" if stored else "temporarily removed"
        call.terminal.die(f"link {name} is {what}", Status.BADARG)
    return link
