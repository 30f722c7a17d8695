"""Values on the command line, in the words of `jsonform`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import click

from etherspan.portolan import jsonform
from etherspan.portolan.jsonform import FormError
from libvarpd.plugins.svp.messages import SERVER_PORT

T = TypeVar("T")


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
NODE = Value("uuid", jsonform.read_node_name)
VNET = click.IntRange(0, jsonform.VNET_MAX)
VLAN = click.IntRange(0, jsonform.VLAN_MAX)
U32 = click.IntRange(0, 2**32 - 1)
PORT = click.IntRange(1, jsonform.PORT_MAX)
