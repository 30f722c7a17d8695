"""ROOT/etc/zones/NAME.toml: the links, addresses and routes of a zone.

    [nic.vnic0]
    address = ["10.55.55.2/24", "fd55::2/64"]
    routes = { "10.66.0.0/16" = "10.55.55.1" }

Every `nic` table names a link of the zone; both keys may be left out. A default route is `0.0.0.0/0` or `::/0`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from etherspan import netvalues
from etherspan.netvalues import Address, Interface, Network
from etherspan.schema import At, Invalid, Problem, quote, read_toml


@dataclass(slots=True, frozen=True)
class Nic:
    """What a zone does with one of its links."""

    address: tuple[Interface, ...] = ()
    routes: Mapping[Network, Address] = field(default_factory=dict)


@dataclass(slots=True, frozen=True)
class Zone:
    """A zone's configuration: links in the order of the file."""

    nics: Mapping[str, Nic] = field(default_factory=dict)


def read_zone(at: At) -> Zone:
    """A zone's table, in its own file or within a lab file."""
    with at.table("nic") as table:
        nics = table.map("nic", netvalues.link_name, _read_nic)
    return Zone(nics)


def _read_nic(at: At) -> Nic:
    with at.table("address", "routes") as table:
        address = table.array("address", netvalues.interface)
        routes: Mapping[Network, Address] = table.optional("routes", read_routes, {})
    return Nic(address, routes)


def read_routes(at: At) -> dict[Network, Address]:
    """Destination network to gateway, both of one family."""
    found = at.map(netvalues.network, netvalues.unicast_address)
    assert isinstance(at.value, dict)
    problems = [
        Problem((*at.path, key), f"the gateway {gateway} is of another IP version than the destination")
        for key, (to, gateway) in zip(at.value, found.items(), strict=True)
        if to.version != gateway.version
    ]
    if problems:
        raise Invalid(problems)
    return found


def parse(text: str, source: str) -> Zone:
    """Read a zone file. Errors: `Invalid`, every line beginning with `source`."""
    return read_toml(text, read_zone, source)


def render(zone: Zone) -> str:
    """The text of a zone file; `parse` gives the same zone back."""
    lines: list[str] = []
    for link, nic in zone.nics.items():
        lines.append(f"[nic.{quote(link) if '.' in link else link}]")
        if nic.address:
            lines.append(f"address = [{', '.join(quote(str(one)) for one in nic.address)}]")
        if nic.routes:
            pairs = (f"{quote(str(to))} = {quote(str(gateway))}" for to, gateway in nic.routes.items())
            lines.append(f"routes = {{ {', '.join(pairs)} }}")
        lines.append("")
    return "\n".join(lines)
