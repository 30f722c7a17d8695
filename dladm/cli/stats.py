"""Statistics of links: `show-link -s`, `show-vnic -s`, once or every few seconds (DLM 5.5)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dladm.cli.call import Call
from dladm.cli.common import formatter, number
from dladm.libdladm.status import DladmError
from dladm.ofmt import Column

if TYPE_CHECKING:
    from dladm.libdladm.linkstat import LinkStats

INTERVAL_MAX: Final = 0xFFFFFFFF

_Row = tuple[str, "LinkStats"]
_COLUMNS: Final[tuple[Column[_Row], ...]] = (
    Column("LINK", 16, lambda row: row[0]),
    Column("IPACKETS", 11, lambda row: str(row[1].ipackets)),
    Column("RBYTES", 9, lambda row: str(row[1].rbytes)),
    Column("IERRORS", 11, lambda row: str(row[1].ierrors)),
    Column("OPACKETS", 13, lambda row: str(row[1].opackets)),
    Column("OBYTES", 13, lambda row: str(row[1].obytes)),
    Column("OERRORS", 8, lambda row: str(row[1].oerrors)),
)


@dataclass(slots=True)
class StatsOptions:
    """`-s` and `-i`, as far as they were given."""

    wanted: bool = False
    interval: int = 0

    def set_interval(self, call: Call, text: str) -> None:
        """Take the argument of `-i`, seconds."""
        seconds = number(text)
        if seconds is None or not 0 < seconds <= INTERVAL_MAX:
            call.terminal.die(f"invalid interval value '{text}'")
        self.interval = seconds

    def check(self, call: Call, *, stored: bool) -> None:
        """Refuse combinations that make no sense."""
        if self.interval and not self.wanted:
            call.terminal.die("the option -i can be used only with -s")
        if self.wanted and stored:
            call.terminal.die("the option -P cannot be used with -s")

    def show(self, call: Call, names: Sequence[str], fields: str | None, *, parsable: bool) -> int:
        """Print the counters; with an interval, print what came since, again and again, until interrupted."""
        from dladm.libdladm import linkstat  # start-up time: most calls ask for no statistics

        lines = formatter(call, _COLUMNS, fields, parsable=parsable)
        before: dict[str, LinkStats] = {}
        while True:
            try:
                now = linkstat.read(call.handle.system, list(names))
            except DladmError as error:
                call.terminal.die("could not open /dev/kstat", error.status)
            for name, stats in now.items():
                shown = stats.since(before[name]) if name in before else stats
                call.terminal.write(lines.lines((name, shown)))
            if not self.interval:
                return 0
            call.terminal.flush()
            before = now
            call.handle.system.wait(self.interval)
