"""Commands that ask a server, as the original's command line does. Answers are JSON; exit status 1 unless they are OK."""

from __future__ import annotations

import json
from typing import Final

import click

from etherspan.portolan.admin.values import ADDRESS, MAC, U32, UUID, VLAN, VNET, ServerType
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

_LOG_COUNT: Final = 1024
"""Bytes of records that the released client asks for."""

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


@click.command()
@_server
def ping(server: tuple[str, int]) -> int:
    """Is a server there, and which version does it speak?"""
    return _ask(server, Ping(), VERSION_TWO)


@click.command("vl2-lookup")
@click.option("--mac", type=MAC, required=True)
@click.option("--vnet-id", "--vnet", type=VNET, required=True)
@_server
def vl2_lookup(server: tuple[str, int], mac: bytes, vnet_id: int) -> int:
    """Where is a MAC address?"""
    return _ask(server, Vl2Req(mac, vnet_id))


@click.command("vl3-lookup")
@click.option("--ip", type=ADDRESS, required=True)
@click.option("--vnet-id", "--vnet", type=VNET, required=True)
@_server
def vl3_lookup(server: tuple[str, int], ip: bytes, vnet_id: int) -> int:
    """Who has a guest address, and where is it?"""
    return _ask(server, Vl3Req(ip, Vl3Type.IP if is_mapped(ip) else Vl3Type.IPV6, vnet_id))


@click.command("route-lookup")
@click.option("--src", type=ADDRESS, required=True, help="Guest address it comes from.")
@click.option("--dst", type=ADDRESS, required=True, help="Guest address it goes to.")
@click.option("--vnet-id", "--vnet", type=VNET, required=True)
@click.option("--vlan", type=VLAN, default=0, show_default=True)
@_server
def route_lookup(server: tuple[str, int], src: bytes, dst: bytes, vnet_id: int, vlan: int) -> int:
    """Where does traffic between two networks go?"""
    return _ask(server, RouteReq(vnet_id, vlan, src, dst), VERSION_TWO)


@click.command("log-req")
@click.option("--ip", type=ADDRESS, required=True, help="Underlay address of the compute node.")
@click.option("--count", type=U32, default=_LOG_COUNT, show_default=True, help="Bytes of records.")
@_server
def log_req(server: tuple[str, int], ip: bytes, count: int) -> int:
    """What is there for a compute node to forget or announce?"""
    return _ask(server, LogReq(count, ip), VERSION_TWO)


@click.command("log-rm")
@click.argument("uuid", type=UUID, nargs=-1, required=True)
@_server
def log_rm(server: tuple[str, int], uuid: tuple[bytes, ...]) -> int:
    """Acknowledge events."""
    return _ask(server, LogRm(uuid))


QUESTIONS: Final = (ping, vl2_lookup, vl3_lookup, route_lookup, log_req, log_rm)
