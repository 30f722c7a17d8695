"""Commands about rows of the store: `node`, `mapping`, `route`, `log`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any

import click

from etherspan.portolan.admin.common import list_options, show, told, with_store
from etherspan.portolan.admin.values import ADDRESS, MAC, NODE, PORT, SUBNET, U32, UUID, VLAN, VNET
from etherspan.portolan.records import VXLAN_PORT, ComputeNode, Mapping, Route, Subnet

if TYPE_CHECKING:
    from etherspan.portolan.store.protocol import Snapshot, Store


# ---------------------------------------------------------------------- compute nodes


@click.group()
def node() -> None:
    """Compute nodes: where VXLAN packets for guests go."""


@node.command("add")
@click.argument("uuid", type=NODE)
@click.argument("ip", type=ADDRESS)
@click.argument("port", type=PORT, default=VXLAN_PORT)
@click.pass_context
def node_add(context: click.Context, uuid: str, ip: bytes, port: int) -> None:
    """Add a compute node, or change its underlay address."""
    from etherspan.portolan.producer import Producer

    row = ComputeNode(uuid, ip, port)
    with_store(context, lambda store: Producer(store).put_node(row))


@node.command("remove")
@click.argument("uuid", type=NODE)
@click.pass_context
def node_remove(context: click.Context, uuid: str) -> None:
    """Remove a compute node. Its mappings stay, and are answered as not found."""
    from etherspan.portolan.producer import Producer

    with_store(context, lambda store: Producer(store).remove_node(uuid))


@node.command("list")
@list_options
@click.pass_context
def node_list(context: click.Context, /, **how: Any) -> None:
    """List compute nodes."""
    from etherspan.portolan.admin.tables import NODES

    show(context, NODES, lambda state: state.all_nodes(), **how)


# ---------------------------------------------------------------------- mappings


@click.group()
def mapping() -> None:
    """Mappings: which MAC address has a guest address, and where it is."""


@mapping.command("add")
@click.option("--vnet", type=VNET, required=True, help="Virtual network id.")
@click.option("--mac", type=MAC, required=True)
@click.option("--ip", type=ADDRESS, required=True, help="Guest address.")
@click.option("--cn", type=NODE, required=True, help="UUID of the compute node it is on.")
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

    told(with_store(context, work))


@mapping.command("move")
@click.option("--vnet", type=VNET, required=True, help="Virtual network id.")
@click.option("--mac", type=MAC, required=True)
@click.option("--cn", type=NODE, required=True, help="UUID of the compute node it is on from now on.")
@click.pass_context
def mapping_move(context: click.Context, vnet: int, mac: bytes, cn: str) -> None:
    """Move a MAC address, with all of its guest addresses, to another compute node."""
    from etherspan.portolan.producer import Producer

    async def work(store: Store) -> int:
        await _warn_of_unknown(store, cn)
        return await Producer(store).move(vnet, mac, cn)

    told(with_store(context, work))


@mapping.command("remove")
@click.option("--vnet", type=VNET, required=True, help="Virtual network id.")
@click.option("--mac", type=MAC, required=True)
@click.option("--ip", type=ADDRESS, help="Only this guest address.")
@click.pass_context
def mapping_remove(context: click.Context, vnet: int, mac: bytes, ip: bytes | None) -> None:
    """Remove the mappings of a MAC address. They stay as tombstones."""
    from etherspan.portolan.producer import Producer

    told(with_store(context, lambda store: Producer(store).remove(vnet, mac, ip)))


@mapping.command("list")
@click.option("--vnet", type=VNET, help="Only this virtual network.")
@click.option("--cn", type=NODE, help="Only those on this compute node.")
@list_options
@click.pass_context
def mapping_list(context: click.Context, /, vnet: int | None, cn: str | None, **how: Any) -> None:
    """List mappings, tombstones as well, in the order they were written."""
    from etherspan.portolan.admin.tables import MAPPINGS

    async def rows(state: Snapshot) -> AsyncIterator[Mapping]:
        async for row in state.all_mappings(vnet):
            if cn in {None, row.cn}:
                yield row

    show(context, MAPPINGS, rows, **how)


async def _warn_of_unknown(store: Store, cn: str) -> None:
    async with store.transaction() as state:
        (found,) = await state.nodes([cn])
    if found is None:
        click.echo(
            f"portolanadm: warning: compute node {cn} is unknown, so this is answered as not found: add it by 'node add'",
            err=True,
        )


# ---------------------------------------------------------------------- routes


@click.group()
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
    told(with_store(context, lambda store: Producer(store).put_route(row)))


@route.command("remove")
@_route_key
@click.pass_context
def route_remove(context: click.Context, vnet: int, vlan: int, subnet: Subnet, far_subnet: Subnet) -> None:
    """Remove a route."""
    from etherspan.portolan.producer import Producer

    told(with_store(context, lambda store: Producer(store).remove_route(vnet, vlan, subnet, far_subnet)))


@route.command("list")
@list_options
@click.pass_context
def route_list(context: click.Context, /, **how: Any) -> None:
    """List routes, oldest first."""
    from etherspan.portolan.admin.tables import ROUTES

    show(context, ROUTES, lambda state: state.all_routes(), **how)


# ---------------------------------------------------------------------- the log


@click.group()
def log() -> None:
    """Events that compute nodes have not acknowledged."""


@log.command("list")
@click.option("--cn", type=NODE, help="Only those for this compute node.")
@list_options
@click.pass_context
def log_list(context: click.Context, /, cn: str | None, **how: Any) -> None:
    """List events, oldest first."""
    from etherspan.portolan.admin.tables import EVENTS

    show(context, EVENTS, lambda state: state.all_events(cn), **how)


@log.command("rm")
@click.argument("uuid", type=UUID, nargs=-1, required=True)
@click.pass_context
def log_rm(context: click.Context, uuid: tuple[bytes, ...]) -> None:
    """Remove events as if they were acknowledged; those that are not there are no error."""

    async def work(store: Store) -> None:
        async with store.transaction() as change:
            await change.remove_events(uuid)

    with_store(context, work)
