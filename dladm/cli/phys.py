"""show-phys: the machine's own interfaces (DLM 5.5).

They belong to Linux: they are never persistent, so that `-P` finds none, and have no rings that this kernel could give away, so that `-H`
finds no groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from dladm.cli.call import Call
from dladm.cli.common import Records, check_parsable, find_link, formatter, shown_flag
from dladm.libdladm import phys
from dladm.libdladm.status import DladmError, Status
from dladm.ofmt import Column, Formatter
from kernel_sim.sys.dld import DatalinkClass, DatalinkFlag
from kernel_sim.sys.ethernet import format_mac

if TYPE_CHECKING:
    from dladm.dlmgmtd.client import LinkInfo
    from kernel_sim.sys.codec import EsPhysEntry


@dataclass(slots=True, frozen=True)
class _PhysRow:
    """A physical link, and its interface unless only datalink.conf was asked."""

    link: LinkInfo
    interface: EsPhysEntry | None

    def state(self) -> str:
        return "" if self.interface is None else "up" if self.interface.up else "down"

    def speed(self) -> int | None:
        return None if self.interface is None else self.interface.speed

    def duplex(self) -> str:
        return "" if self.interface is None else phys.DUPLEX.get(self.interface.duplex, "unknown")

    def flags(self) -> str:
        return "" if self.interface is not None else f"{'-' if self.link.flags & DatalinkFlag.ACTIVE else 'r'}----"


_COLUMNS: Final[tuple[Column[_PhysRow], ...]] = (
    Column("LINK", 13, lambda row: row.link.name),
    Column("MEDIA", 21, lambda row: phys.MEDIA.get(row.link.media)),
    Column("STATE", 11, _PhysRow.state),
    Column("SPEED", 7, lambda row: "" if row.interface is None else str(row.speed()), _PhysRow.speed),
    Column("DUPLEX", 10, _PhysRow.duplex),
    Column("DEVICE", 13, lambda row: row.link.name),
    Column("FLAGS", 7, _PhysRow.flags),
)
_ACTIVE: Final = ("link", "media", "state", "speed", "duplex", "device")
_STORED: Final = ("link", "device", "media", "flags")

_Address = tuple[str, "EsPhysEntry"]
_ADDRESS_COLUMNS: Final[tuple[Column[_Address], ...]] = (
    Column("LINK", 13, lambda row: row[0]),
    Column("SLOT", 9, lambda _row: "primary"),
    Column("ADDRESS", 19, lambda row: format_mac(row[1].mac)),
    Column("INUSE", 5, lambda row: "yes" if row[1].up else "no", lambda row: row[1].up),
    Column("CLIENT", 13, lambda row: row[0] if row[1].up else ""),
)
_GROUP_COLUMNS: Final[tuple[Column[Any], ...]] = (
    Column("LINK", 13, str),
    Column("RINGTYPE", 9, str),
    Column("RINGS", 21, str),
    Column("CLIENTS", 24, str),
)
_ADDRESSES: Final = Records("show-phys-addresses", "addresses")
_GROUPS: Final = Records("show-phys-groups", "groups")


def show_phys(call: Call) -> int:
    """`show-phys [-m | -H | -P] [[-p] -o FIELD,…] [NAME]`."""
    given: dict[str, str] = {}
    for option in call.options():
        if option.letter in given and option.letter in "pP":
            call.terminal.die_twice(option.letter)
        given[option.letter] = option.argument
    fields, parsable, stored = given.get("o"), "p" in given, "P" in given
    if parsable and fields is None:
        call.terminal.die("-p requires -o")
    if "m" in given and "H" in given:
        call.terminal.die("-m cannot combine with -H")
    check_parsable(call, fields, parsable=parsable)
    link = _named(call)
    if "m" in given and stored:
        call.terminal.die("-m not compatible with -P")
    show = _Shown(call, stored, "m" if "m" in given else "H" if "H" in given else "")
    lines = show.formatter(fields, parsable=parsable)
    every = call.handle.dlmgmt.walk(DatalinkClass.PHYS, shown_flag(stored=stored)) if link is None else [link]
    for one in every:
        try:
            rows = show.rows(one)
        except DladmError as error:
            if link is not None:
                call.terminal.die(f"failed to show physical link {link.name}", error.status)
        else:
            for row in rows:
                call.terminal.write(lines.lines(row))
    return 0


def _named(call: Call) -> LinkInfo | None:
    name = call.optional_operand()
    if name is None:
        return None
    try:
        return find_link(call, name)
    except DladmError as error:
        call.terminal.die(f"link {name} is not valid", error.status)


class _Shown:
    """What one of the modes shows of a link: `m` addresses, `H` groups of rings, else the link itself."""

    def __init__(self, call: Call, stored: bool, mode: str) -> None:
        self._call = call
        self._stored = stored
        self._mode = mode
        self._interfaces: dict[str, EsPhysEntry] | None = None

    def formatter(self, fields: str | None, *, parsable: bool) -> Formatter[Any]:
        call = self._call
        match self._mode:
            case "m":
                return formatter(call, _ADDRESS_COLUMNS, fields, parsable=parsable, records=_ADDRESSES)
            case "H":
                return formatter(call, _GROUP_COLUMNS, fields, parsable=parsable, records=_GROUPS)
            case _:
                default = _STORED if self._stored else _ACTIVE
                return formatter(call, _COLUMNS, fields, parsable=parsable, default=default)

    def rows(self, link: LinkInfo) -> Sequence[object]:
        """Errors: `DladmError`: BADARG not physical, NOTFOUND not there in the way that is wanted."""
        if link.link_class is not DatalinkClass.PHYS:
            raise DladmError(Status.BADARG)
        if not link.flags & shown_flag(stored=self._stored):
            raise DladmError(Status.NOTFOUND)
        if self._mode == "H":
            return []
        if self._stored:
            return [_PhysRow(link, None)]
        interface = self._interface(link.name)
        return [(link.name, interface) if self._mode == "m" else _PhysRow(link, interface)]

    def _interface(self, name: str) -> EsPhysEntry:
        if self._interfaces is None:
            self._interfaces = phys.interfaces(self._call.handle)
        if name not in self._interfaces:
            raise DladmError(Status.NOTFOUND)
        return self._interfaces[name]
