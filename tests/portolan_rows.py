"""Rows for tests of stores, and how a test gets an open one."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar
from uuid import UUID

from etherspan.portolan.records import ComputeNode, Event, Mapping, Route, Subnet
from etherspan.portolan.store import Store, open_store
from libvarpd.plugins.svp.messages import RouteRecord, Vl2Record, Vl3Record

T = TypeVar("T")
VNET = 4385813


def ip(text: str) -> bytes:
    """The 16 bytes of an address."""
    address = ipaddress.ip_address(text)
    return address.packed if address.version == 6 else bytes(10) + b"\xff\xff" + address.packed


def mac(number: int) -> bytes:
    return number.to_bytes(6)


def cn(number: int) -> str:
    """UUID of a compute node; in the order of the numbers."""
    return str(UUID(int=number << 96))


def node(number: int, address: str | None = None) -> ComputeNode:
    return ComputeNode(cn(number), ip(address or f"172.16.{number >> 8}.{number & 255}"))


def mapping(
    address: str,
    mac_number: int,
    node_number: int,
    *,
    vnet_id: int = VNET,
    deleted: bool = False,
    router: bool = False,
    vlan: int = 0,
) -> Mapping:
    return Mapping(vnet_id, ip(address), mac(mac_number), cn(node_number), vlan, deleted, router)


def subnet(text: str) -> Subnet:
    network = ipaddress.ip_network(text)
    return Subnet(ip(str(network.network_address)), network.prefixlen + (96 if network.version == 4 else 0))


def route(near: str, far: str, *, far_vnet_id: int = 7, vlan: int = 0, dc: int = 1, deleted: bool = False) -> Route:
    return Route(VNET, vlan, subnet(near), dc, far_vnet_id, 9, subnet(far), mac(0xFF0002), deleted)


def event_id(number: int) -> bytes:
    return UUID(int=number, version=4).bytes


def vl2_event(number: int, node_number: int) -> Event:
    return Event(cn(node_number), Vl2Record(event_id(number), mac(number), VNET))


def vl3_event(number: int, node_number: int) -> Event:
    return Event(cn(node_number), Vl3Record(event_id(number), ip("10.0.0.1"), 4, VNET))


def route_event(number: int, node_number: int) -> Event:
    record = RouteRecord(event_id(number), VNET, 7, 1, ip("10.0.0.0"), ip("10.1.0.0"), 4, 9, 120, 120)
    return Event(cn(node_number), record)


async def everything(rows: AsyncIterator[T]) -> list[T]:
    return [row async for row in rows]


def on_store(test: Callable[[Store], Awaitable[None]]) -> Callable[[str], None]:
    """Make a test of a coroutine function: it gets an open store of each kind, new and empty."""

    async def body(url: str) -> None:
        store = await open_store(url)
        try:
            await test(store)
        finally:
            await store.close()

    def run(store_url: str) -> None:
        asyncio.run(body(store_url))

    run.__name__, run.__module__, run.__doc__ = test.__name__, test.__module__, test.__doc__
    return run
