"""Statistics of links: `show-link -s`, `show-vnic -s`, once or every few seconds (DLM 5.5).

The two look different. show-link prints a table; with an interval it goes on with one link only, the first if none was named, and prints
what came since. show-vnic prints text in columns of its own, whatever `-p` and `-o` say: the share of each VNIC in what all of
them have counted, and a total when a VNIC or the link below was named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dladm.cli.call import Call
from dladm.cli.common import Records, formatter, number
from dladm.libdladm.status import DladmError
from dladm.ofmt import Column

if TYPE_CHECKING:
    from dladm.libdladm.linkstat import LinkStats

INTERVAL_MAX: Final = 0xFFFFFFFF

_Row = tuple[str, "LinkStats"]
Names = Callable[[], list[str]]
"""The links to show, asked for each time: they come and go."""


def _counter(name: str, width: int) -> Column[_Row]:
    def value(row: _Row) -> int:
        counted: int = getattr(row[1], name)
        return counted

    return Column(name.upper(), width, lambda row: str(value(row)), value)


_COLUMNS: Final[tuple[Column[_Row], ...]] = (
    Column("LINK", 15, lambda row: row[0]),
    _counter("ipackets", 10),
    _counter("rbytes", 8),
    _counter("ierrors", 10),
    _counter("opackets", 12),
    _counter("obytes", 12),
    _counter("oerrors", 8),
)
_RECORDS: Final = {
    name: Records(f"{name}-statistics", "links") for name in ("show-link", "show-vnic", "show-etherstub")
}


@dataclass(slots=True)
class StatsOptions:
    """`-s` and `-i`, as far as they were given."""

    wanted: bool = False
    interval: int = 0

    def want(self, call: Call) -> None:
        """Take `-s`."""
        if self.wanted:
            call.terminal.die_twice("s")
        self.wanted = True

    def set_interval(self, call: Call, text: str) -> None:
        """Take the argument of `-i`, seconds."""
        if self.interval:
            call.terminal.die_twice("i")
        seconds = number(text)
        if seconds is None or not 0 < seconds <= INTERVAL_MAX:
            call.terminal.die(f"invalid interval value '{text}'")
        self.interval = seconds

    def check(self, call: Call) -> None:
        """Refuse an interval without statistics."""
        if self.interval and not self.wanted:
            call.terminal.die("the option -i can be used only with -s")

    def show_links(self, call: Call, names: Names, fields: str | None, *, parsable: bool) -> int:
        """Print the counters; with an interval those of the first link, and then what came since, until interrupted."""
        return self._table(call, (lambda: names()[:1]) if self.interval else names, fields, parsable=parsable)

    def _table(self, call: Call, names: Names, fields: str | None, *, parsable: bool) -> int:
        lines = formatter(call, _COLUMNS, fields, parsable=parsable, records=_RECORDS[call.row.name])
        for found in self._rounds(call, names):
            for row in found.items():
                call.terminal.write(lines.lines(row))
        return 0

    def show_vnics(self, call: Call, names: Names, *, lower: str = "", total: bool = False) -> int:
        """Print the counters of VNICs; with an interval what came since, again and again, until interrupted.

        `lower` is the link below that was asked for. `total`: VNICs were chosen, so that their sum is of interest.
        """
        if call.json:
            return self._table(call, names, None, parsable=False)
        call.terminal.write([f"{lower}\tipackets  rbytes      opackets  obytes          {_SHARES if lower else ''}"])
        for found in self._rounds(call, names):
            call.terminal.write(_vnic_lines(found, total=total and not self.interval))
        return 0

    def _rounds(self, call: Call, names: Names) -> Iterator[Mapping[str, LinkStats]]:
        """The counters, each time what came since the last; what was printed of them is handed on before the wait."""
        before: Mapping[str, LinkStats] = {}
        while True:
            now = _read(call, names())
            yield {name: stats.since(before[name]) if name in before else stats for name, stats in now.items()}
            if not self.interval:
                return
            call.print_documents()
            call.terminal.flush()
            before = now
            call.handle.system.wait(self.interval)


_SHARES: Final = "%ipkts  %opkts"


def _vnic_lines(found: Mapping[str, LinkStats], *, total: bool) -> Iterator[str]:
    from dladm.libdladm.linkstat import LinkStats

    summed = LinkStats.total(found.values())
    if total:
        yield f"Total\t{_vnic_counters(summed)}"
    for name, stats in found.items():
        shares = _share(stats.ipackets, summed.ipackets) + _share(stats.opackets, summed.opackets)
        yield f"{name}\t{_vnic_counters(stats)}{shares}"


def _vnic_counters(stats: LinkStats) -> str:
    return f"{stats.ipackets:<10}{stats.rbytes:<12}{stats.opackets:<10}{stats.obytes:<12}"


def _share(part: int, whole: int) -> str:
    return f"\t{part / whole * 100:<6.1f}" if whole else "\t-"


def _read(call: Call, names: list[str]) -> dict[str, LinkStats]:
    from dladm.libdladm import linkstat  # start-up time: most calls ask for no statistics

    try:
        return linkstat.read(call.handle.system, names)
    except DladmError as error:
        call.handle.note(f"/dev/kstat: {error.status.text}")
        for _name in names:
            call.terminal.warn("kstat_open operation failed")
        return dict.fromkeys(names, linkstat.LinkStats())
