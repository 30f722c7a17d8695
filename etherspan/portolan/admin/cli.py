"""The `portolanadm` command."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import click

from etherspan.errors import EtherspanError
from etherspan.portolan import jsonform
from etherspan.portolan.jsonform import FormError
from etherspan.portolan.records import VXLAN_PORT, ComputeNode, Mapping, Route, Subnet
from etherspan.portolan.state import default_store
from libvarpd.plugins.svp.messages import (
    SERVER_PORT,
    VERSION_ONE,
    VERSION_TWO,
    LogReq,
    LogRm,
    Message,
    Ping,
    RouteReq,
    Status,
    Vl2Req,
    Vl3Req,
    Vl3Type,
    is_mapped,
)

if TYPE_CHECKING:
    from etherspan.portolan.store.protocol import Store

T = TypeVar("T")
_LOG_COUNT = 1024


class Value(click.ParamType[T], Generic[T]):
    """A value read by one of `jsonform`'s functions."""

    def __init__(self, name: str, read: Callable[[object], T]) -> None:
        self.name = name
        self._read = read

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> T:
        try:
            return self._read(value) if isinstance(value, str) else value  # type: ignore[return-value]
        except FormError as error:
            self.fail(str(error), param, ctx)


class ServerType(click.ParamType["tuple[str, int]"]):
    """HOST[:PORT], an IPv6 address in brackets when a port follows."""

    name = "host[:port]"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        if isinstance(value, tuple):
            return value
        host, colon, port = str(value).rpartition(":")
        if not colon or (":" in host.strip("[]") and not host.startswith("[")):
            host, port = str(value), str(SERVER_PORT)
        if not host.strip("[]") or not (port.isascii() and port.isdigit() and 0 < int(port) <= jsonform.PORT_MAX):
            self.fail(f"{value!r} is not HOST or HOST:PORT", param, ctx)
        return host.strip("[]"), int(port)


ADDRESS = Value("address", jsonform.read_address)
MAC = Value("mac", jsonform.read_mac)
SUBNET = Value("subnet", jsonform.read_subnet)
UUID = Value("uuid", jsonform.read_uuid)
VNET = click.IntRange(0, jsonform.VNET_MAX)
VLAN = click.IntRange(0, jsonform.VLAN_MAX)
U32 = click.IntRange(0, 2**32 - 1)
PORT = click.IntRange(1, jsonform.PORT_MAX)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--store",
    metavar="URL",
    help="sqlite:////PATH or postgresql+psycopg://… (default: SQLite in portolan's own folder).",
)
@click.version_option(package_name="etherspan", message="%(prog)s %(version)s")
@click.pass_context
def portolanadm(context: click.Context, store: str | None) -> None:
    """Change and inspect what portolan answers from, and ask a server."""
    context.obj = store


def _with_store(context: click.Context, work: Callable[[Store], Awaitable[T]]) -> T:
    """Do something with the store that was named."""
    from etherspan.portolan.store import open_store

    async def main() -> T:
        store = await open_store(context.obj or default_store())
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(main())


def _told(events: int) -> None:
    click.echo(f"{events} event{'' if events == 1 else 's'}")


def _list_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--json", "as_json", is_flag=True, help="One JSON document."),
        click.option("-o", "fields", metavar="FIELD[,…]", help="Which columns, and in which order."),
        click.option("-p", "parsable", is_flag=True, help="For programs: fields between colons, no heading; needs -o."),
    ):
        command = option(command)
    return command


def _show(context: click.Context, table: Any, rows: Callable[[Any], AsyncIterator[Any]], **how: Any) -> None:
    from etherspan.portolan.admin import tables

    if how["parsable"] and how["fields"] is None:
        raise EtherspanError("-p requires -o")

    async def work(store: Store) -> None:
        async with store.transaction() as state:
            await tables.show(table, rows(state), how["fields"], parsable=how["parsable"], as_json=how["as_json"])

    _with_store(context, work)


# ---------------------------------------------------------------------- compute nodes


@portolanadm.group()
def node() -> None:
    """Compute nodes: where VXLAN packets for guests go."""


@node.command("add")
@click.argument("uuid")
@click.argument("ip", type=ADDRESS)
@click.argument("port", type=PORT, default=VXLAN_PORT)
@click.pass_context
def node_add(context: click.Context, uuid: str, ip: bytes, port: int) -> None:
    """Add a compute node, or change its underlay address."""
    from etherspan.portolan.producer import Producer

    try:
        row = jsonform.read_node({"uuid": uuid, "underlay_ip": jsonform.address_text(ip), "underlay_port": port})
    except FormError as error:
        raise EtherspanError(str(error)) from None
    _with_store(context, lambda store: Producer(store).put_node(row))


@node.command("remove")
@click.argument("uuid")
@click.pass_context
def node_remove(context: click.Context, uuid: str) -> None:
    """Remove a compute node. Its mappings stay, and are answered as not found."""
    from etherspan.portolan.producer import Producer

    _with_store(context, lambda store: Producer(store).remove_node(uuid))


@node.command("list")
@_list_options
@click.pass_context
def node_list(context: click.Context, /, **how: Any) -> None:
    """List compute nodes."""
    from etherspan.portolan.admin.tables import NODES

    def rows(state: Any) -> AsyncIterator[ComputeNode]:
        found: AsyncIterator[ComputeNode] = state.all_nodes()
        return found

    _show(context, NODES, rows, **how)


# ---------------------------------------------------------------------- mappings


@portolanadm.group()
def mapping() -> None:
    """Mappings: which MAC address has a guest address, and where it is."""


@mapping.command("add")
@click.option("--vnet", type=VNET, required=True, help="Virtual network id.")
@click.option("--mac", type=MAC, required=True)
@click.option("--ip", type=ADDRESS, required=True, help="Guest address.")
@click.option("--cn", required=True, help="UUID of the compute node it is on.")
@click.option("--vlan", type=VLAN, default=0, show_default=True)
@click.option("--router", is_flag=True, help="Answer with the MAC address only (version 2).")
@click.pass_context
def mapping_add(context: click.Context, vnet: int, mac: bytes, ip: bytes, cn: str, vlan: int, *, router: bool) -> None:
    """Add a mapping, or change the one of that address."""
    from etherspan.portolan.producer import Producer

    row = Mapping(vnet, ip, mac, cn, vlan=vlan, router=router)

    async def work(store: Store) -> int:
        await _warn_of_unknown(store, cn)
        return await Producer(store).put(row)

    _told(_with_store(context, work))


@mapping.command("move")
@click.option("--vnet", type=VNET, required=True, help="Virtual network id.")
@click.option("--mac", type=MAC, required=True)
@click.option("--cn", required=True, help="UUID of the compute node it is on from now on.")
@click.pass_context
def mapping_move(context: click.Context, vnet: int, mac: bytes, cn: str) -> None:
    """Move a MAC address, with all of its guest addresses, to another compute node."""
    from etherspan.portolan.producer import Producer

    async def work(store: Store) -> int:
        await _warn_of_unknown(store, cn)
        return await Producer(store).move(vnet, mac, cn)

    _told(_with_store(context, work))


@mapping.command("remove")
@click.option("--vnet", type=VNET, required=True, help="Virtual network id.")
@click.option("--mac", type=MAC, required=True)
@click.option("--ip", type=ADDRESS, help="Only this guest address.")
@click.pass_context
def mapping_remove(context: click.Context, vnet: int, mac: bytes, ip: bytes | None) -> None:
    """Remove the mappings of a MAC address. They stay as tombstones."""
    from etherspan.portolan.producer import Producer

    _told(_with_store(context, lambda store: Producer(store).remove(vnet, mac, ip)))


@mapping.command("list")
@click.option("--vnet", type=VNET, help="Only this virtual network.")
@click.option("--cn", help="Only those on this compute node.")
@_list_options
@click.pass_context
def mapping_list(context: click.Context, /, vnet: int | None, cn: str | None, **how: Any) -> None:
    """List mappings, tombstones as well, in the order they were written."""
    from etherspan.portolan.admin.tables import MAPPINGS

    async def rows(state: Any) -> AsyncIterator[Mapping]:
        async for row in state.all_mappings(vnet):
            if cn in {None, row.cn}:
                yield row

    _show(context, MAPPINGS, rows, **how)


async def _warn_of_unknown(store: Store, cn: str) -> None:
    async with store.transaction() as state:
        (found,) = await state.nodes([cn])
    if found is None:
        click.echo(
            f"portolanadm: warning: compute node {cn} is unknown, so this is answered as not found: add it by 'node add'",
            err=True,
        )


# ---------------------------------------------------------------------- routes


@portolanadm.group()
def route() -> None:
    """Routes between virtual networks (version 2)."""


def _route_key(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--far-subnet", type=SUBNET, required=True, help="Subnet on the far side."),
        click.option("--subnet", type=SUBNET, required=True, help="Subnet it starts in."),
        click.option("--vlan", type=VLAN, default=0, show_default=True),
        click.option("--vnet", type=VNET, required=True, help="Virtual network it starts in."),
    ):
        command = option(command)
    return command


@route.command("add")
@_route_key
@click.option("--far-dc", type=U32, required=True, help="Data-centre id of the far side.")
@click.option("--far-vnet", type=VNET, required=True, help="Virtual network on the far side.")
@click.option("--far-vlan", type=VLAN, default=0, show_default=True)
@click.option("--router-mac", type=MAC, required=True, help="MAC address that routed frames come from.")
@click.pass_context
def route_add(
    context: click.Context,
    vnet: int,
    vlan: int,
    subnet: Subnet,
    far_subnet: Subnet,
    far_dc: int,
    far_vnet: int,
    far_vlan: int,
    router_mac: bytes,
) -> None:
    """Add a route, or change the one of those subnets."""
    from etherspan.portolan.producer import Producer

    row = Route(vnet, vlan, subnet, far_dc, far_vnet, far_vlan, far_subnet, router_mac)
    _told(_with_store(context, lambda store: Producer(store).put_route(row)))


@route.command("remove")
@_route_key
@click.pass_context
def route_remove(context: click.Context, vnet: int, vlan: int, subnet: Subnet, far_subnet: Subnet) -> None:
    """Remove a route."""
    from etherspan.portolan.producer import Producer

    async def work(store: Store) -> int:
        async with store.transaction() as state:
            async for row in state.all_routes():
                if (row.vnet_id, row.vlan, row.subnet, row.far_subnet) == (vnet, vlan, subnet, far_subnet):
                    break
            else:
                raise EtherspanError("there is no such route; 'route list' shows them")
        return await Producer(store).remove_route(row)

    _told(_with_store(context, work))


@route.command("list")
@_list_options
@click.pass_context
def route_list(context: click.Context, /, **how: Any) -> None:
    """List routes, oldest first."""
    from etherspan.portolan.admin.tables import ROUTES

    def rows(state: Any) -> AsyncIterator[Route]:
        found: AsyncIterator[Route] = state.all_routes()
        return found

    _show(context, ROUTES, rows, **how)


# ---------------------------------------------------------------------- the log


@portolanadm.group()
def log() -> None:
    """Events that compute nodes have not acknowledged."""


@log.command("list")
@click.option("--cn", help="Only those for this compute node.")
@_list_options
@click.pass_context
def log_list(context: click.Context, /, cn: str | None, **how: Any) -> None:
    """List events, oldest first."""
    from etherspan.portolan.admin.tables import EVENTS

    _show(context, EVENTS, lambda state: state.all_events(cn), **how)


@log.command("remove")
@click.argument("uuid", type=UUID, nargs=-1, required=True)
@click.pass_context
def log_remove(context: click.Context, uuid: tuple[bytes, ...]) -> None:
    """Remove events as if they were acknowledged; those that are not there are no error."""

    async def work(store: Store) -> None:
        async with store.transaction() as change:
            await change.remove_events(uuid)

    _with_store(context, work)


# ---------------------------------------------------------------------- the whole store


@portolanadm.command()
@click.pass_context
def check(context: click.Context) -> int:
    """Look for rows that contradict each other; exit status 1 when there are any."""
    from etherspan.portolan.check import findings

    found = _with_store(context, findings)
    for line in found:
        click.echo(line)
    return 1 if found else 0


@portolanadm.command("import")
@click.argument("file")
@click.pass_context
def import_file(context: click.Context, file: str) -> None:
    """Put the rows of a JSON document into the store, all or none. FILE may be - for standard input."""
    from etherspan.portolan.transfer import import_document

    with contextlib.ExitStack() as stack:
        stream = sys.stdin.buffer if file == "-" else stack.enter_context(Path(file).open("rb"))
        name = "standard input" if file == "-" else file
        counts = _with_store(context, lambda store: import_document(store, stream, name))
    click.echo(", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items()))


@portolanadm.command("export")
@click.argument("file")
@click.pass_context
def export_file(context: click.Context, file: str) -> None:
    """Write all rows as a JSON document. FILE may be - for standard output; another is replaced once all is written."""
    from etherspan.portolan.transfer import export_document

    if file == "-":
        _with_store(context, lambda store: export_document(store, sys.stdout.write))
        return
    fresh = Path(f"{file}.new")
    try:
        with fresh.open("w", encoding="utf-8") as stream:
            _with_store(context, lambda store: export_document(store, stream.write))
        fresh.replace(file)
    finally:
        fresh.unlink(missing_ok=True)


# ---------------------------------------------------------------------- questions to a server

_server = click.option(
    "--server",
    type=ServerType(),
    default=f"127.0.0.1:{SERVER_PORT}",
    show_default=True,
    metavar="HOST[:PORT]",
    help="Whom to ask.",
)


def _ask(server: tuple[str, int], message: Message, version: int = VERSION_ONE) -> int:
    """Print a server's answer; 1 unless it is OK."""
    from etherspan.portolan.admin.client import as_json, ask

    spoken, answer = ask(*server, message, version)
    click.echo(json.dumps(as_json(spoken, answer)))
    return 0 if getattr(answer, "status", Status.OK) == Status.OK else 1


@portolanadm.command()
@_server
def ping(server: tuple[str, int]) -> int:
    """Is a server there, and which version does it speak?"""
    return _ask(server, Ping(), VERSION_TWO)


@portolanadm.command("vl2-lookup")
@click.option("--mac", type=MAC, required=True)
@click.option("--vnet-id", "--vnet", type=VNET, required=True)
@_server
def vl2_lookup(server: tuple[str, int], mac: bytes, vnet_id: int) -> int:
    """Where is a MAC address?"""
    return _ask(server, Vl2Req(mac, vnet_id))


@portolanadm.command("vl3-lookup")
@click.option("--ip", type=ADDRESS, required=True)
@click.option("--vnet-id", "--vnet", type=VNET, required=True)
@_server
def vl3_lookup(server: tuple[str, int], ip: bytes, vnet_id: int) -> int:
    """Who has a guest address, and where is it?"""
    return _ask(server, Vl3Req(ip, Vl3Type.IP if is_mapped(ip) else Vl3Type.IPV6, vnet_id))


@portolanadm.command("route-lookup")
@click.option("--src", type=ADDRESS, required=True, help="Guest address it comes from.")
@click.option("--dst", type=ADDRESS, required=True, help="Guest address it goes to.")
@click.option("--vnet-id", "--vnet", type=VNET, required=True)
@click.option("--vlan", type=VLAN, default=0, show_default=True)
@_server
def route_lookup(server: tuple[str, int], src: bytes, dst: bytes, vnet_id: int, vlan: int) -> int:
    """Where does traffic between two networks go?"""
    return _ask(server, RouteReq(vnet_id, vlan, src, dst), VERSION_TWO)


@portolanadm.command("log-req")
@click.option("--ip", type=ADDRESS, required=True, help="Underlay address of the compute node.")
@click.option("--count", type=U32, default=_LOG_COUNT, show_default=True, help="Bytes of records.")
@_server
def log_req(server: tuple[str, int], ip: bytes, count: int) -> int:
    """What is there for a compute node to forget or announce?"""
    return _ask(server, LogReq(count, ip), VERSION_TWO)


@portolanadm.command("log-rm")
@click.argument("uuid", type=UUID, nargs=-1, required=True)
@_server
def log_rm(server: tuple[str, int], uuid: tuple[bytes, ...]) -> int:
    """Acknowledge events."""
    return _ask(server, LogRm(uuid))


# ----------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, 1 for a failure or a negative answer, 2 for a wrong call, 130 after an interrupt."""
    from etherspan.portolan.store.protocol import StoreError

    try:
        result = portolanadm.main(args=argv, prog_name="portolanadm", standalone_mode=False)
    except (EtherspanError, StoreError) as error:
        return _fail(str(error))
    except OSError as error:
        where = f"{error.filename}: " if error.filename is not None else ""
        return _fail(f"{where}{error.strerror or error}")
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        print("portolanadm: interrupted", file=sys.stderr)
        return 130
    return result if isinstance(result, int) else 0


def _fail(text: str) -> int:
    print(f"portolanadm: {text}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
