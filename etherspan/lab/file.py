"""The lab file: TOML to `model.Lab`, with every mistake named by its whole key path.

Unknown keys are mistakes. What one key says must also fit the others: addresses lie in the underlay's subnet and are
used once, hosts and VTEPs have different names, a link is in one zone.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath

from etherspan import netvalues
from etherspan.lab.model import DEFAULT_MTU, OVERLAY_MTU, SVP_PORT, VXLAN_PORT, Host, Lab, Portolan, Underlay, Vtep
from etherspan.netvalues import Address, Network
from etherspan.schema import At, Invalid, Problem, read_toml
from etherspan.zonefile import read_zone

VNETID_MAX = (1 << 24) - 1
PORT_MAX = (1 << 16) - 1
MTU_MAX = 65535
MTU_MIN = {4: 576, 6: 1280}
"""The smallest underlay MTU by IP version."""

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_DOMAIN_NAME = re.compile(rf"(?=.{{1,253}}$){_LABEL}(?:\.{_LABEL})*", re.ASCII)


def parse(text: str, source: str) -> Lab:
    """Read a lab file's text. Errors: `Invalid`, every line beginning with `source`."""
    return read_toml(text, read_lab, source)


def read_lab(at: At) -> Lab:
    """Read a parsed lab file. Errors: `Invalid`."""
    with at.table("underlay", "hosts", "host", "vtep", "portolan") as table:
        underlay = table.required("underlay", _underlay)
        names = table.map("hosts", _domain_name, _addresses)
        hosts = table.map("host", netvalues.node_name, _host)
        vteps = table.map("vtep", netvalues.node_name, _vtep)
        portolans = table.map("portolan", netvalues.node_name, _portolan)
    lab = Lab(underlay, names, hosts, vteps, portolans)
    problems = list(_contradictions(lab))
    if problems:
        raise Invalid(problems)
    return lab


def _underlay(at: At) -> Underlay:
    with at.table("subnet", "mtu") as table:
        subnet = table.required("subnet", _subnet)
        mtu = table.optional("mtu", lambda one: one.integer(MTU_MIN[4], MTU_MAX), DEFAULT_MTU)
    if mtu < MTU_MIN[subnet.version]:
        raise Invalid([Problem((*at.path, "mtu"), f"{mtu} is too small for IPv6; it needs {MTU_MIN[6]}")])
    return Underlay(subnet, mtu)


def _subnet(at: At) -> Network:
    found = netvalues.network(at)
    if found.is_multicast or found.is_loopback or found.prefixlen == 0:
        raise at.wrong(f"'{found}' cannot be the subnet of interfaces")
    return found


def _domain_name(at: At) -> str:
    text = at.string()
    if not _DOMAIN_NAME.fullmatch(text):
        raise at.wrong(f"'{text}' is no host name")
    return text.lower()


def _addresses(at: At) -> tuple[Address, ...]:
    found = at.array(netvalues.address)
    if not found:
        raise at.wrong("a name needs at least one address")
    return found


def _host(at: At) -> Host:
    with at.table("address", "dladm", "files", "zone") as table:
        address = table.required("address", netvalues.unicast_address)
        dladm = table.array("dladm", _dladm_line)
        files = table.map("files", _path_below, _path_below)
        zones = table.map("zone", netvalues.zone_name, read_zone)
    taken: dict[str, str] = {}
    problems: list[Problem] = []
    for name, zone in zones.items():
        for link in zone.nics:
            if link in taken:
                where = (*at.path, "zone", name, "nic", link)
                problems.append(Problem(where, f"the link is already in zone '{taken[link]}'"))
            taken.setdefault(link, name)
    if problems:
        raise Invalid(problems)
    return Host(address, dladm, files, zones)


def _dladm_line(at: At) -> tuple[str, ...]:
    text = at.string()
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise at.wrong(f"cannot be split into words: {str(error).lower()}") from None
    if not words:
        raise at.wrong("holds no command")
    if words[0] == "dladm":
        raise at.wrong("begins with 'dladm'; write the subcommand first")
    return words


def _path_below(at: At) -> str:
    text = at.string()
    path = PurePosixPath(text)
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in text:
        raise at.wrong(f"'{text}' must be a relative path without '..'")
    return str(path)


def _vtep(at: At) -> Vtep:
    with at.table("address", "vnetid", "port", "mtu", "mac", "inner", "flood", "fdb", "neigh", "learning") as table:
        address = table.required("address", netvalues.unicast_address)
        return Vtep(
            address=address,
            vnetid=table.required("vnetid", lambda one: one.integer(0, VNETID_MAX)),
            port=table.optional("port", lambda one: one.integer(1, PORT_MAX), VXLAN_PORT),
            mtu=table.optional("mtu", lambda one: one.integer(MTU_MIN[4], MTU_MAX), OVERLAY_MTU),
            mac=table.optional("mac", netvalues.mac, None),
            inner=table.array("inner", netvalues.interface),
            flood=table.array("flood", _peer_of(address)),
            fdb=table.map("fdb", netvalues.mac, _peer_of(address)),
            neigh=table.map("neigh", netvalues.unicast_address, netvalues.mac),
            learning=table.optional("learning", At.boolean, default=True),
        )


def _portolan(at: At) -> Portolan:
    with at.table("address", "port", "data", "store") as table:
        found = Portolan(
            address=table.required("address", netvalues.unicast_address),
            port=table.optional("port", lambda one: one.integer(1, PORT_MAX), SVP_PORT),
            data=table.optional("data", _path_below, None),
            store=table.optional("store", _store, None),
        )
    if found.data is not None and found.store is not None:
        raise Invalid([Problem((*at.path, "data"), "fills a store of the lab's own; it does not go with 'store'")])
    return found


def _store(at: At) -> str:
    text = at.string()
    if "://" not in text:
        raise at.wrong(f"'{text}' is no URL of a store, such as postgresql+psycopg://… or sqlite:///PATH")
    return text


def _peer_of(own: Address | None) -> Callable[[At], Address]:
    """A reader of addresses that `own` can send to; any, where the file gives no good address."""

    def read(at: At) -> Address:
        peer = netvalues.address(at)
        if own is not None and peer.version != own.version:
            raise at.wrong(f"{peer} is of another IP version than {own}")
        return peer

    return read


def _contradictions(lab: Lab) -> Iterator[Problem]:
    if not lab.nodes:
        yield Problem(("host",), "is missing; a lab has at least one host or vtep")
    kinds: tuple[tuple[str, Mapping[str, Host | Vtep | Portolan]], ...] = (
        ("host", lab.hosts),
        ("vtep", lab.vteps),
        ("portolan", lab.portolans),
    )
    named: dict[str, str] = {}
    owners: dict[Address, str] = {}
    for kind, nodes in kinds:
        for name, node in nodes.items():
            if name in named:
                yield Problem((kind, name), f"a {named[name]} has the same name")
            named.setdefault(name, kind)
            yield from _address_problems(lab.underlay.subnet, node.address, (kind, name, "address"))
            if node.address in owners:
                yield Problem(
                    (kind, name, "address"), f"{node.address} is already the address of {owners[node.address]}"
                )
            owners.setdefault(node.address, name)


def _address_problems(subnet: Network, address: Address, path: tuple[str, ...]) -> Iterator[Problem]:
    if address not in subnet:
        yield Problem(path, f"{address} is not in the underlay's subnet {subnet}")
    elif subnet.num_addresses > 2 and address in _unusable(subnet):
        yield Problem(path, f"{address} names the subnet {subnet}, not an interface in it")


def _unusable(subnet: Network) -> tuple[Address, ...]:
    if subnet.version == 4:
        return (subnet.network_address, subnet.broadcast_address)
    return (subnet.network_address,)
