"""show-if and show-addr (IPA 5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

from dladm.ofmt import Column, FieldError, Formatter, Mode, select
from dladm.ofmt_json import JsonFormatter, schema_name
from etherspan.ipadm import names, view
from etherspan.ipadm.cli import Call
from etherspan.ipadm.status import IpadmError, Status
from etherspan.ipadm.view import AddressInfo, InterfaceInfo

Record = TypeVar("Record")

_INTERFACES: Final[tuple[Column[InterfaceInfo], ...]] = (
    Column("IFNAME", 11, lambda row: row.ifname),
    Column("CLASS", 10, lambda row: row.kind),
    Column("STATE", 9, lambda row: row.state),
    Column("CURRENT", 13, lambda row: row.current),
    Column("PERSISTENT", 11, lambda row: row.persistent),
)
_ADDRESSES: Final[tuple[Column[AddressInfo], ...]] = (
    Column("ADDROBJ", 18, lambda row: row.aobjname),
    Column("TYPE", 9, lambda row: row.kind),
    Column("STATE", 13, lambda row: row.state),
    Column("CURRENT", 8, lambda row: row.current),
    Column("PERSISTENT", 11, lambda row: row.persistent),
    Column("ADDR", 46, lambda row: row.addr, value=lambda row: None if row.addr == view.NO_ADDRESS else row.addr),
)
_DEFAULT_FIELDS: Final = "addrobj,type,state,addr"


class _Output:
    """The options of a show command."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self.fields: str | None = None
        self.parsable = False
        self.json = False
        for option in call.options():
            match option.letter:
                case "p":
                    self.parsable = True
                case "o":
                    self.fields = option.argument
                case _:
                    self.json = True
        if self.json and self.parsable:
            call.terminal.die("the option --json cannot be used with -p")
        if len(call.operands) > 1:
            call.usage()
        self.operand = call.operands[0] if call.operands else None

    def printer(self, columns: Sequence[Column[Record]], fields: str | None) -> Callable[[Iterable[Record]], None]:
        """What prints records; ends the command at a field list that cannot be used, warns of one that can in part."""
        call = self._call
        try:
            chosen = select(columns, fields, parsable=self.parsable)
        except FieldError as error:
            call.terminal.die(str(error))
        if chosen.warning:
            call.terminal.warn(chosen.warning)
        if self.json:
            document = JsonFormatter(chosen.columns, schema_name("ipadm", call.row.name), call.row.records)

            def as_json(records: Iterable[Record]) -> None:
                for record in records:
                    document.lines(record)
                call.terminal.write([document.document()])

            return as_json
        mode = Mode.PARSABLE if self.parsable else Mode.TABLE
        table = Formatter(chosen.columns, mode, rows=call.terminal.rows)
        return lambda records: call.terminal.write(line for record in records for line in table.lines(record))


def show_if(call: Call) -> int:
    """`show-if [-p] [-o FIELD,…] [INTERFACE]`."""
    output = _Output(call)
    show = output.printer(_INTERFACES, output.fields)
    try:
        if output.operand is not None:
            names.check_interface(output.operand)
        found = view.interfaces(call.zone.view(), output.operand)
        if output.operand is not None and not found:
            raise IpadmError(Status.ENXIO)
    except IpadmError as error:
        call.fail("Could not get interface(s)", error)
    show(found)
    return 0


def show_addr(call: Call) -> int:
    """`show-addr [-p] [-o FIELD,…] [INTERFACE/[NAME]]`; also what bare `ipadm` does."""
    output = _Output(call)
    if output.parsable and output.fields is None:
        call.terminal.die("-p requires -o")
    ifname, slash, part = (output.operand or "").partition("/")
    if output.operand is not None and not slash:
        call.terminal.die("Invalid address object name provided")
    default = None if output.json else _DEFAULT_FIELDS
    show = output.printer(_ADDRESSES, default if output.fields is None else output.fields)
    try:
        found = _addresses(call, ifname, part, chosen=output.operand is not None)
    except IpadmError as error:
        call.fail("Could not get address", error)
    show(found)
    return 0


def _addresses(call: Call, ifname: str, part: str, *, chosen: bool) -> list[AddressInfo]:
    """All addresses, those of an interface, or those of an address object. Errors: INVALID_ARG, ENXIO, NOTFOUND."""
    if not chosen:
        return view.addresses(call.zone.view())
    if part:
        found = [row for row in view.addresses(call.zone.view()) if row.aobjname == f"{ifname}/{part}"]
        if not found:
            raise IpadmError(Status.NOTFOUND)
        return found
    names.check_interface(ifname)
    found = view.addresses(call.zone.view(), ifname)
    if not found:
        raise IpadmError(Status.ENXIO)
    return found
