"""show-linkmap: all link ids, hidden in the original too (DLM 5.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dladm.cli.call import Call
from dladm.cli.common import formatter
from dladm.libdladm.phys import MEDIA
from dladm.ofmt import Column
from kernel_sim.sys.dld import DATALINK_CLASS_ALL, DatalinkFlag

if TYPE_CHECKING:
    from dladm.dlmgmtd.client import LinkInfo

_COLUMNS: Final[tuple[Column[LinkInfo], ...]] = (
    Column("NAME", 12, lambda link: link.name),
    Column("LINKID", 8, lambda link: str(link.linkid), lambda link: link.linkid),
    Column("CLASS", 12, lambda link: link.link_class.label),
    Column("MEDIA", 20, lambda link: MEDIA.get(link.media)),
    Column("FLAGS", 6, lambda link: str(int(link.flags)), lambda link: int(link.flags)),
)


def show_linkmap(call: Call) -> int:
    """`show-linkmap`: every name with its id, class, media type and flags (1 active, 2 persistent), no table of libofmt's."""
    if call.words not in ([], ["--json"]):
        call.terminal.die("invalid arguments")
    for _option in call.options():
        pass
    links = call.handle.dlmgmt.walk(DATALINK_CLASS_ALL, DatalinkFlag.ACTIVE | DatalinkFlag.PERSIST)
    if call.json:
        lines = formatter(call, _COLUMNS, None, parsable=False)
        for link in links:
            call.terminal.write(lines.lines(link))
        return 0
    call.terminal.write([_line(*(column.name for column in _COLUMNS))])
    call.terminal.write(_line(*(column.render(link) or "" for column in _COLUMNS)) for link in links)
    return 0


def _line(name: str, linkid: str, link_class: str, media_type: str, flags: str) -> str:
    return f"{name:<12}{linkid:>8}  {link_class:<12}{media_type:<20} {flags:>6}"
