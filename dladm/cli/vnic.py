"""create-vnic, delete-vnic, show-vnic, up-vnic, and what etherstubs share with them (DLM 5.1 to 5.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dladm.cli import vnic_options
from dladm.cli.call import Call
from dladm.cli.common import find_link, formatter, note_for_root, shown_flag, too_long, walk
from dladm.cli.stats import StatsOptions
from dladm.libdladm import link as links
from dladm.libdladm import linkname, macprop, vnic
from dladm.libdladm.status import DladmError, Status
from dladm.libdladm.vnic import VnicView
from dladm.ofmt import UNDEFINED, Column
from kernel_sim.sys.dld import DatalinkClass, DatalinkFlag, MacProp
from kernel_sim.sys.ethernet import format_mac
from kernel_sim.sys.vnic import VNIC_AF_INET6, VnicMacAddrType

if TYPE_CHECKING:
    from dladm.dlmgmtd.client import LinkInfo


def create_vnic(call: Call) -> int:
    """`create-vnic [-t] -l LINK [-m …] [-v VID [-f]] [-p …] NAME`; what is wrong is found in the order of DLM 5.1."""
    die = call.terminal.die
    given = vnic_options.parse(call)
    if given.force and not given.vid:
        die("-f option can only be used with -v")
    if not given.consistent or not given.over:
        call.usage()
    name = call.operand()
    if too_long(name):
        die(f"link name too long '{name}'")
    if not linkname.is_valid(name):
        die(f"invalid link name '{name}'")
    if given.root:
        return note_for_root(call, given.root)
    try:
        over = find_link(call, given.over)
    except DladmError:
        die(f"invalid link name '{given.over}'")
    properties = given.properties.parse("invalid vnic property")
    try:
        vnic.create(
            call.handle,
            name,
            over.linkid,
            address=given.address,
            vid=given.vid,
            force=given.force,
            properties=properties,
            persistent=given.persistent,
        )
    except DladmError as error:
        if error.status is Status.LINKBUSY:  # DLM-Q28: whatever the cause
            die(f"VLAN over '{given.over}' may not use default_tag ID (see dladm(8))")
        call.terminal.die_of(f"vnic creation over {given.over} failed", error)
    return 0


def delete_vnic(call: Call) -> int:
    """`delete-vnic [-t] NAME` (DLM 5.2)."""
    return delete(call, refused=DatalinkClass.ETHERSTUB, what="a vnic")


def delete(call: Call, *, refused: DatalinkClass, what: str) -> int:
    """Delete a VNIC or etherstub; the other of the two (`refused`) is not `what` was asked for."""
    temporary, root = False, ""
    for option in call.options():
        if option.letter == "t":
            temporary = True
        else:
            root = option.argument
    name = call.operand()
    if root:
        return note_for_root(call, root)
    try:
        link = find_link(call, name)
    except DladmError:
        call.terminal.die(f"invalid link name '{name}'")
    if link.link_class == refused:
        call.terminal.die(f"'{name}' is not {what}")
    try:
        vnic.delete(call.handle, link.linkid, temporary=temporary)
    except DladmError as error:
        call.terminal.die_of("vnic deletion failed", error)
    return 0


def up_vnic(call: Call) -> int:
    """`up-vnic [NAME]`, hidden: bring persistent VNICs and etherstubs up, etherstubs first. Without a name it always succeeds."""
    if len(call.words) > 1:
        call.usage()
    if call.words:
        name = call.words[0]
        try:
            vnic.up(call.handle, find_link(call, name).linkid)
        except DladmError as error:
            call.terminal.die(f"could not bring up vnic '{name}'", error.status)
        return 0
    for link_class in (DatalinkClass.ETHERSTUB, DatalinkClass.VNIC):
        for link in call.handle.dlmgmt.walk(link_class, DatalinkFlag.PERSIST):
            try:
                vnic.up(call.handle, link.linkid)
            except DladmError as error:
                call.terminal.complain(
                    f"{call.terminal.program}: could not bring up vnic '{link.name}': {error.status.text}"
                )
    return 0


@dataclass(slots=True, frozen=True)
class _VnicRow:
    call: Call
    link: LinkInfo
    view: VnicView
    stored: bool

    def over(self) -> str | None:
        return links.over(self.call.handle, self.link, stored=self.stored)

    def speed(self) -> str | None:
        if self.stored:
            return ""
        speed = self.typed_speed()
        return None if speed is None else str(speed)

    def typed_speed(self) -> int | None:
        try:
            return None if self.stored else links.speed(self.call.handle, self.link.linkid)
        except DladmError:
            return None

    def zone(self) -> str:
        """SmartOS's ZONE, as it is now also for stored VNICs; empty for one of the host itself."""
        try:
            return str(macprop.get(self.call.handle, self.link.linkid, MacProp.ZONE))
        except DladmError:
            return ""


def _address_type(view: VnicView) -> str:
    match view.address_type:
        case VnicMacAddrType.FACTORY:
            return f"factory, slot {view.slot}"
        case VnicMacAddrType.VRID:
            return f"vrrp, {view.vrid}/{'inet6' if view.af == VNIC_AF_INET6 else 'inet'}"
        case other:
            return other.name.lower()


_VNIC_COLUMNS: Final[tuple[Column[_VnicRow], ...]] = (
    Column("LINK", 13, lambda row: row.link.name),
    Column("OVER", 13, _VnicRow.over),
    Column("SPEED", 9, _VnicRow.speed, _VnicRow.typed_speed),
    Column("MACADDRESS", 18, lambda row: format_mac(row.view.address)),
    Column("MACADDRTYPE", 20, lambda row: _address_type(row.view)),
    Column("VID", 7, lambda row: str(row.view.vid), lambda row: row.view.vid),
    Column("ZONE", 20, lambda row: row.zone() or UNDEFINED, lambda row: row.zone() or None),
)
_SHOWN: Final = tuple(column.name for column in _VNIC_COLUMNS if column.name != "ZONE")
"""The columns without SmartOS's, which has to be asked for."""
_ETHERSTUB_COLUMNS: Final[tuple[Column[_VnicRow], ...]] = (Column("LINK", 13, lambda row: row.link.name),)


def show_vnic(call: Call) -> int:
    """`show-vnic [-pP] [-l LINK] [-s [-i N]] [-o FIELD,…] [NAME]` (DLM 5.3)."""
    return show(call, DatalinkClass.VNIC)


@dataclass(slots=True)
class _ShowOptions:
    """What the options of show-vnic and show-etherstub said."""

    stats: StatsOptions
    parsable: bool = False
    stored: bool = False
    fields: str | None = None
    lower: str | None = None


def _parse_show(call: Call, link_class: DatalinkClass) -> _ShowOptions:
    given = _ShowOptions(StatsOptions())
    for option in call.options():
        match option.letter:
            case "p":
                given.parsable = True
            case "P":
                given.stored = True
            case "s":
                given.stats.want(call)
            case "i":
                given.stats.set_interval(call, option.argument)
            case "o":
                given.fields = option.argument
            case "l":
                if link_class is DatalinkClass.ETHERSTUB:
                    call.terminal.die("option not supported for this command")
                if too_long(option.argument):
                    call.terminal.die("link name too long")
                given.lower = option.argument
    given.stats.check(call)
    given.stored = given.stored and not given.stats.wanted  # statistics are of active links
    return given


def show(call: Call, link_class: DatalinkClass) -> int:
    """Show VNICs, or etherstubs."""
    given = _parse_show(call, link_class)
    stored, lower = given.stored, given.lower
    name = call.optional_operand()
    only = None if name is None else _named(call, "vnic", name)
    over = 0 if lower is None else _named(call, "link", lower).linkid

    def chosen() -> list[_VnicRow]:
        found = _rows(call, only, stored=stored)
        return [row for row in found if row.link.link_class == link_class and over in {0, row.view.over}]

    rows = chosen()
    if given.stats.wanted:
        if lower is not None and not rows:
            call.terminal.die(f"device {lower} has no vnics")
        chose = only is not None or lower is not None
        return given.stats.show_vnics(call, lambda: [row.link.name for row in chosen()], lower=lower or "", total=chose)
    if link_class is DatalinkClass.VNIC:
        lines = formatter(call, _VNIC_COLUMNS, given.fields, parsable=given.parsable, default=_SHOWN)
    else:
        lines = formatter(call, _ETHERSTUB_COLUMNS, given.fields, parsable=given.parsable)
    for row in rows:
        call.terminal.write(lines.lines(row))
    return 0


def _named(call: Call, what: str, name: str) -> LinkInfo:
    try:
        return find_link(call, name)
    except DladmError as error:
        call.terminal.die(f"invalid {what} name '{name}'", error.status)


def _rows(call: Call, only: LinkInfo | None, *, stored: bool) -> list[_VnicRow]:
    """The VNICs and etherstubs that exist in the way that is wanted; ends the command when `only` is none."""
    if only is not None:
        try:
            if not only.link_class & vnic.CLASSES or not only.flags & shown_flag(stored=stored):
                raise DladmError(Status.NOTFOUND)
            return [_VnicRow(call, only, vnic.view(call.handle, only.linkid, stored=stored), stored)]
        except DladmError as error:
            call.terminal.die(f"failed to show vnic '{only.name}'", error.status)
    rows: list[_VnicRow] = []
    for link in walk(call, vnic.CLASSES, shown_flag(stored=stored)):
        try:
            rows.append(_VnicRow(call, link, vnic.view(call.handle, link.linkid, stored=stored), stored))
        except DladmError as error:
            call.handle.note(f"{link.name}: {error.status.text}")
    return rows
