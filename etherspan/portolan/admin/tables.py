"""What lists look like: a table, parsable fields, or JSON (see docs/json-output.md)."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from dladm.ofmt import Column, FieldError, Formatter, Mode, select
from dladm.ofmt_json import JsonFormatter, schema_name
from etherspan.errors import EtherspanError
from etherspan.portolan.jsonform import address_text, mac_text, subnet_text, uuid_text
from etherspan.portolan.records import ComputeNode, Event, Mapping, Route, Subnet
from libvarpd.plugins.svp.messages import LogType, RouteRecord, Vl2Record, Vl3Record

T = TypeVar("T")

_BATCH: Final = 1000
"""Records of a JSON document that are printed at a time."""
_JSON_END: Final = "]}"


@dataclass(slots=True, frozen=True)
class Table(Generic[T]):
    """A list: its name, the key of its records in JSON, its columns."""

    name: str
    records: str
    columns: tuple[Column[T], ...]


def _flag(*, on: bool) -> str:
    return "yes" if on else "--"


def _event_target(event: Event) -> str:
    match event.record:
        case Vl2Record():
            return mac_text(event.record.mac)
        case Vl3Record():
            return address_text(event.record.address)
        case RouteRecord():
            here = Subnet(event.record.src_address, event.record.src_prefix)
            far = Subnet(event.record.dst_address, event.record.dst_prefix)
            return f"{subnet_text(here)} {subnet_text(far)}"


def _event_vnet(event: Event) -> int:
    return event.record.src_vnet_id if isinstance(event.record, RouteRecord) else event.record.vnet_id


NODES: Final[Table[ComputeNode]] = Table(
    "node-list",
    "nodes",
    (
        Column("UUID", 37, lambda row: row.uuid),
        Column("UNDERLAY", 26, lambda row: address_text(row.underlay_ip)),
        Column("PORT", 6, lambda row: str(row.underlay_port), value=lambda row: row.underlay_port),
    ),
)
MAPPINGS: Final[Table[Mapping]] = Table(
    "mapping-list",
    "mappings",
    (
        Column("VNET", 9, lambda row: str(row.vnet_id), value=lambda row: row.vnet_id),
        Column("MAC", 18, lambda row: mac_text(row.mac)),
        Column("IP", 26, lambda row: address_text(row.ip)),
        Column("VLAN", 5, lambda row: str(row.vlan), value=lambda row: row.vlan),
        Column("CN", 37, lambda row: row.cn),
        Column("ROUTER", 7, lambda row: _flag(on=row.router), value=lambda row: row.router),
        Column("DELETED", 8, lambda row: _flag(on=row.deleted), value=lambda row: row.deleted),
    ),
)
ROUTES: Final[Table[Route]] = Table(
    "route-list",
    "routes",
    (
        Column("VNET", 9, lambda row: str(row.vnet_id), value=lambda row: row.vnet_id),
        Column("VLAN", 5, lambda row: str(row.vlan), value=lambda row: row.vlan),
        Column("SUBNET", 26, lambda row: subnet_text(row.subnet)),
        Column("DC", 5, lambda row: str(row.far_dc), value=lambda row: row.far_dc),
        Column("FARVNET", 9, lambda row: str(row.far_vnet_id), value=lambda row: row.far_vnet_id),
        Column("FARVLAN", 8, lambda row: str(row.far_vlan), value=lambda row: row.far_vlan),
        Column("FARSUBNET", 26, lambda row: subnet_text(row.far_subnet)),
        Column("ROUTERMAC", 18, lambda row: mac_text(row.router_mac)),
        Column("DELETED", 8, lambda row: _flag(on=row.deleted), value=lambda row: row.deleted),
    ),
)
EVENTS: Final[Table[Event]] = Table(
    "log-list",
    "events",
    (
        Column("UUID", 37, lambda row: uuid_text(row.record.id)),
        Column("CN", 37, lambda row: row.cn),
        Column("TYPE", 6, lambda row: LogType(row.record.type).name),
        Column("VNET", 9, lambda row: str(_event_vnet(row)), value=_event_vnet),
        Column("TARGET", 26, _event_target),
    ),
)


async def show(table: Table[T], rows: AsyncIterator[T], fields: str | None, *, parsable: bool, as_json: bool) -> None:
    """Print a list. Errors: `EtherspanError` a field that is none, options that do not go together."""
    if parsable and as_json:
        raise EtherspanError("--json cannot be used with -p")
    try:
        chosen = select(table.columns, fields, parsable=parsable)
    except FieldError as error:
        raise EtherspanError(str(error)) from None
    if chosen.warning:
        print(f"portolanadm: {chosen.warning}", file=sys.stderr)
    if as_json:
        await _show_json(JsonFormatter(chosen.columns, schema_name("portolanadm", table.name), table.records), rows)
        return
    formatter = Formatter(chosen.columns, Mode.PARSABLE if parsable else Mode.TABLE)
    async for row in rows:
        for line in formatter.lines(row):
            print(line)


async def _show_json(formatter: JsonFormatter[T], rows: AsyncIterator[T]) -> None:
    """One document, of which only so many records are in memory."""
    head = formatter.document().removesuffix(_JSON_END)

    def records() -> str:
        return formatter.document().removeprefix(head).removesuffix(_JSON_END)

    before, waiting = head, 0
    async for row in rows:
        formatter.lines(row)
        waiting += 1
        if waiting == _BATCH:
            print(before + records(), end="")
            before, waiting = ", ", 0
    if waiting or before == head:
        print(before + records(), end="")
    print(_JSON_END)
