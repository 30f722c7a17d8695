"""create-overlay, delete-overlay, show-overlay, up-overlay (DLM 2, 3.1, 3.3, 6.4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dladm.cli.call import Call
from dladm.cli.common import PropertyList, Records, find_link, formatter, number, too_long
from dladm.libdladm import linkname, overlay, overlay_prop
from dladm.libdladm.overlay_prop import PropertyView
from dladm.libdladm.status import DladmError
from dladm.ofmt import UNDEFINED, UNKNOWN, Column
from kernel_sim.sys.codec import PropRange
from kernel_sim.sys.dld import DatalinkClass, DatalinkFlag
from kernel_sim.sys.ethernet import format_mac
from kernel_sim.sys.overlay_common import PropPerm, PropType

if TYPE_CHECKING:
    from dladm.dlmgmtd.client import LinkInfo
    from dladm.libdladm.overlay_target import Target

VNETID_MAX: Final = 0xFFFFFFFF
"""What the original's 32-bit unsigned parser takes."""
EVERY_MAC: Final = "*:*:*:*:*:*"
"""The target of a point-to-point overlay."""


def create_overlay(call: Call) -> int:
    """`create-overlay [-t] -e ENCAP -s SEARCH -v VNETID [-p …] NAME`; what is wrong is found in the order of DLM 2.2."""
    die = call.terminal.die
    given: dict[str, str] = {}
    properties = PropertyList(call)
    vnetid = None
    for option in call.options():
        match option.letter:
            case "p":
                properties.add(option.argument)
            case "v":
                vnetid = _vnetid(call, option.argument)
            case letter:
                given[letter] = option.argument
    if vnetid is None:
        die("missing required virtual network id")
    if "e" not in given:
        die("missing required encapsulation plugin")
    if "s" not in given:
        die("missing required search plugin")
    if len(call.operands) != 1:
        die("missing device name")
    name, encap, search = call.operands[0], given["e"], given["s"]
    if too_long(name):
        die(f"link name too long '{name}'")
    if not linkname.is_valid(name):
        die(f"invalid link name '{name}'")
    if too_long(encap):
        die(f"encapsulation plugin name too long '{encap}'")
    if too_long(search):
        die(f"search plugin name too long '{search}'")
    wanted = properties.parse("invalid overlay property")
    try:
        overlay.create(
            call.handle,
            name,
            encap=encap,
            search=search,
            vnetid=vnetid,
            properties=wanted,
            persistent="t" not in given,
        )
    except DladmError as error:
        call.terminal.die_of("overlay creation failed", error)
    return 0


def _vnetid(call: Call, text: str) -> int:
    value = number(text)
    if value is None:
        call.terminal.die(f"couldn't parse virtual networkd id: {text}")
    if abs(value) > VNETID_MAX:
        call.terminal.die(f"virtual networkd id too large: {text}")
    return value & VNETID_MAX  # strtoul: -1 is the largest number


def delete_overlay(call: Call) -> int:
    """`delete-overlay [-t] NAME` (DLM 3.1)."""
    given = {option.letter for option in call.options()}
    name = call.operand()
    try:
        overlay.delete(call.handle, find_link(call, name).linkid, temporary="t" in given)
    except DladmError as error:
        call.terminal.die_of(f"failed to delete {name}", error)
    return 0


def up_overlay(call: Call) -> int:
    """`up-overlay [NAME]`, hidden: bring persistent overlays up. It has no options (DLM 6.4)."""
    if len(call.words) > 1:
        call.usage()
    if not call.words:
        links = call.handle.dlmgmt.walk(DatalinkClass.OVERLAY, DatalinkFlag.PERSIST)
        linkids = [link.linkid for link in links]
        what = "could not bring overlays up"
    else:
        what = f"could not bring up overlay '{call.words[0]}'"
    try:
        if call.words:
            linkids = [find_link(call, call.words[0]).linkid]
        overlay.up(call.handle, linkids)
    except DladmError as error:
        call.terminal.die_of(what, error)
    return 0


def show_overlay(call: Call) -> int:
    """`show-overlay [-f | -t] [[-p] -o FIELD,…] [NAME…]` (DLM 3.3)."""
    mode, parsable, fields = "", False, None
    for option in call.options():
        match option.letter:
            case "p":
                parsable = True
            case "o":
                fields = option.argument
            case letter:
                mode = letter  # DLM-Q25: the last of -f and -t counts
    show = _SHOWS[mode](call, fields, parsable=parsable)
    status = 0
    if not call.operands:
        for link in call.handle.dlmgmt.walk(DatalinkClass.OVERLAY, DatalinkFlag.ACTIVE):
            status |= show(link)
    for name in call.operands:
        try:
            link = find_link(call, name)
        except DladmError as error:
            call.terminal.warn(f"failed to find {name}", error.status)
            status = 1
        else:
            status |= show(link)
    return status


Show = Callable[["LinkInfo"], int]
"""Prints one link; returns 1 when something about it was wrong."""


def _is_overlay(call: Call, link: LinkInfo) -> bool:
    if link.link_class == DatalinkClass.OVERLAY:
        return True
    call.terminal.warn(f"{link.name} is not an overlay")
    return False


@dataclass(slots=True, frozen=True)
class _PropertyRow:
    call: Call
    link: str
    prop: PropertyView

    def required(self) -> bool:
        return bool(self.prop.perm & PropPerm.REQ)

    def text(self, raw: bytes) -> str:
        """A value or default as it is shown."""
        if not raw:
            return UNDEFINED
        if self.prop.type == PropType.IP and len(raw) != overlay_prop.IP_SIZE:
            self.call.terminal.warn(f"malformed overlay IP property: {len(raw)} bytes\n")
            return UNDEFINED
        shown = overlay_prop.decode(self.prop.type, raw)
        return UNKNOWN if shown is None else shown

    def typed(self, raw: bytes) -> str | int | None:
        """The same for JSON: numbers as numbers, None for nothing and for what is not understood."""
        text = self.text(raw)
        if text in {UNDEFINED, UNKNOWN}:
            return None
        return int(text) if self.prop.type in _NUMBERS else text


_NUMBERS: Final = frozenset({PropType.INT, PropType.UINT})
_PERMS: Final = {PropPerm.RW: "rw", PropPerm.READ: "r-"}


def _possible(values: PropRange) -> list[str]:
    return [str(low) if low == high else f"{low}-{high}" for low, high in values.ranges] + list(values.strings)


_PROPERTY_COLUMNS: Final[tuple[Column[_PropertyRow], ...]] = (
    Column("LINK", 19, lambda row: row.link),
    Column("PROPERTY", 19, lambda row: row.prop.name),
    Column("PERM", 5, lambda row: _PERMS.get(row.prop.perm & PropPerm.RW, UNDEFINED)),
    Column("REQ", 4, lambda row: "y" if row.required() else "-", lambda row: row.required()),
    Column("VALUE", 11, lambda row: row.text(row.prop.value), lambda row: row.typed(row.prop.value)),
    Column("DEFAULT", 10, lambda row: row.text(row.prop.default), lambda row: row.typed(row.prop.default)),
    Column(
        "POSSIBLE",
        10,
        lambda row: ",".join(_possible(row.prop.possible)) or UNDEFINED,
        lambda row: _possible(row.prop.possible),
    ),
)


def _show_properties(call: Call, fields: str | None, *, parsable: bool) -> Show:
    lines = formatter(call, _PROPERTY_COLUMNS, fields, parsable=parsable, wrap=True)

    def show(link: LinkInfo) -> int:
        found = overlay_prop.walk(call.handle, link.linkid)
        for prop in found.properties:
            call.terminal.write(lines.lines(_PropertyRow(call, link.name, prop)))
        call.terminal.warn_list(found.errors)
        return 1 if found.errors else 0

    return show


_HealthRow = tuple[str, overlay.Health]
_HEALTH_COLUMNS: Final[tuple[Column[_HealthRow], ...]] = (
    Column("LINK", 20, lambda row: row[0]),
    Column("STATUS", 8, lambda row: "DEGRADED" if row[1].degraded else "ONLINE"),
    Column(
        "DETAILS",
        52,
        lambda row: row[1].message if row[1].degraded else "-",  # DLM-Q24
        lambda row: row[1].message if row[1].degraded else None,
    ),
)
_HEALTH: Final = Records("show-overlay-fma", "overlays")


def _show_health(call: Call, fields: str | None, *, parsable: bool) -> Show:
    lines = formatter(call, _HEALTH_COLUMNS, fields, parsable=parsable, wrap=True, records=_HEALTH)

    def show(link: LinkInfo) -> int:
        if link.link_class != DatalinkClass.OVERLAY:
            call.terminal.die(f"datalink {link.name} is not an overlay device\n")
        try:
            found = overlay.health(call.handle, link.linkid)
        except DladmError as error:
            call.terminal.die(f"failed to obtain device status for {link.name}", error.status)
        call.terminal.write(lines.lines((link.name, found)))
        return 0

    return show


_TargetRow = tuple[str, "Target"]
_TARGET_COLUMNS: Final[tuple[Column[_TargetRow], ...]] = (
    Column("LINK", 20, lambda row: row[0]),
    Column("TARGET", 18, lambda row: EVERY_MAC if row[1].mac is None else format_mac(row[1].mac)),
    Column("DESTINATION", 42, lambda row: row[1].destination),
)
_TARGETS: Final = Records("show-overlay-targets", "targets")


def _show_targets(call: Call, fields: str | None, *, parsable: bool) -> Show:
    from dladm.libdladm import overlay_target  # start-up time: the other forms need none of it

    lines = formatter(call, _TARGET_COLUMNS, fields, parsable=parsable, wrap=True, records=_TARGETS)

    def show(link: LinkInfo) -> int:
        if not _is_overlay(call, link):
            return 1
        for target in overlay_target.targets(call.handle, link.linkid):
            call.terminal.write(lines.lines((link.name, target)))
        return 0

    return show


_SHOWS: Final = {"": _show_properties, "f": _show_health, "t": _show_targets}
