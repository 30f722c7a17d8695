"""Interfaces, addresses and routes, over netlink, in the namespace of the calling thread.

Run these through `netns.call`. pyroute2's errors are mapped here and nowhere else.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from etherspan.errors import EtherspanError
from etherspan.netns import set_sysctl
from etherspan.netvalues import Address, Interface, Network

_IFA_F_NODAD = 0x02
_NUD_PERMANENT = 0x80
_FLOOD_MAC = "00:00:00:00:00:00"
"""The entry of a vxlan device that holds its default destinations."""


@contextmanager
def _netlink(what: str) -> Iterator[Any]:
    from pyroute2 import IPRoute
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        with IPRoute() as ip:
            yield ip
    except NetlinkError as error:
        raise EtherspanError(f"cannot {what}: {os.strerror(error.code)}") from error


def _index(ip: Any, name: str) -> int:
    found = ip.link_lookup(ifname=name) or ip.link_lookup(altname=name)  # long link names are alternative names
    if not found:
        raise EtherspanError(f"there is no interface '{name}' in this namespace")
    return int(found[0])


def make_bridge(name: str, mtu: int) -> None:
    """Make a bridge that forwards at once. Errors: `EtherspanError`."""
    with _netlink(f"make the bridge {name}") as ip:
        ip.link("add", ifname=name, kind="bridge", br_stp_state=0, br_mcast_snooping=0)
        ip.link("set", index=_index(ip, name), mtu=mtu, state="up")


def plug_into_bridge(bridge: str, port: str, peer: str, peer_namespace: Path, mtu: int) -> None:
    """Make a cable: one end, `port`, on the bridge, the other, `peer`, in another namespace (down). Errors: `EtherspanError`."""
    descriptor = os.open(peer_namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with _netlink(f"connect {peer_namespace.name} to the switch") as ip:
            other = {"ifname": peer, "net_ns_fd": descriptor, "mtu": mtu}
            ip.link("add", ifname=port, kind="veth", mtu=mtu, peer=other)
            ip.link("set", index=_index(ip, port), master=_index(ip, bridge), state="up")
    finally:
        os.close(descriptor)


def configure(link: str, address: Sequence[Interface], routes: Mapping[Network, Address]) -> None:
    """Bring an interface up with addresses (no duplicate address detection) and routes; what is there already is kept.

    Errors: `EtherspanError` that names the address or route.
    """
    with _netlink(f"bring up {link}") as ip:
        index = _index(ip, link)
        real_name = ip.link("get", index=index)[0].get_attr("IFLA_IFNAME")
        set_sysctl(f"net/ipv6/conf/{real_name}/accept_dad", "0")
        ip.link("set", index=index, state="up")
    for one in address:
        with _netlink(f"add the address {one} to {link}") as ip:
            ip.addr("replace", index=index, address=str(one.ip), prefixlen=one.network.prefixlen, flags=_IFA_F_NODAD)
    for to, gateway in routes.items():
        with _netlink(f"add the route to {to} through {gateway}") as ip:
            ip.route("replace", dst=str(to), gateway=str(gateway), oif=index, family=_family(to))


def _family(network: Network) -> int:
    return 2 if network.version == 4 else 10


def make_vxlan(
    name: str, *, vnetid: int, local: Address, port: int, mtu: int, mac: bytes | None, learning: bool
) -> None:
    """Make a Linux vxlan device, offloads as the kernel sets them. Errors: `EtherspanError`."""
    options: dict[str, Any] = {
        "vxlan_id": vnetid,
        "vxlan_port": port,
        "vxlan_learning": learning,
        "vxlan_local" if local.version == 4 else "vxlan_local6": str(local),
    }
    if mac is not None:
        options["address"] = mac.hex(":")
    with _netlink(f"make the vxlan device {name}") as ip:
        ip.link("add", ifname=name, kind="vxlan", mtu=mtu, **options)


def add_vxlan_peers(name: str, flood: Sequence[Address], fdb: Mapping[bytes, Address]) -> None:
    """Tell a vxlan device where unknown destinations go, and where single stations are. Errors: `EtherspanError`."""
    with _netlink(f"add destinations to {name}") as ip:
        index = _index(ip, name)
        for peer in flood:
            ip.fdb("append", ifindex=index, lladdr=_FLOOD_MAC, dst=str(peer), state=_NUD_PERMANENT)
        for mac, peer in fdb.items():
            ip.fdb("append", ifindex=index, lladdr=mac.hex(":"), dst=str(peer), state=_NUD_PERMANENT)


def add_neighbours(link: str, neigh: Mapping[Address, bytes]) -> None:
    """Add static address resolution entries. Errors: `EtherspanError`."""
    with _netlink(f"add neighbours to {link}") as ip:
        index = _index(ip, link)
        for address, mac in neigh.items():
            ip.neigh("replace", ifindex=index, dst=str(address), lladdr=mac.hex(":"), state=_NUD_PERMANENT)


def links() -> dict[str, str]:
    """The interfaces of the namespace but for loopback: name to its state (`up`, `down`, `unknown` …)."""
    with _netlink("list the interfaces") as ip:
        pairs = [(one.get_attr("IFLA_IFNAME"), one.get_attr("IFLA_OPERSTATE")) for one in ip.get_links()]
    return {str(name): str(state).lower() for name, state in pairs if name != "lo"}
