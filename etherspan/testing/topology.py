"""Building blocks of scenarios: hosts, overlays and VNICs with numbers instead of addresses, and frames between them.

VNIC n has the MAC address 02:08:20:00:00:NN, and on the overlay 10.55.55.n and fd55::n. A host numbered h is at 10.88.88.h.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from etherspan.testing import frames
from etherspan.testing.world import Host, Port, World
from kernel_sim.sys.ethernet import format_mac

CONFIG: Final = "/etc/overlays/map.json"
"""Where the table of a `files` overlay is."""
ETHERTYPE_EXPERIMENTAL: Final = 0x88B5
"""IEEE 802: for local experiments."""
NOBODY: Final = bytes.fromhex("0208200000ee")
"""A MAC address no table has."""


def mac(number: int) -> bytes:
    """The MAC address of VNIC `number`: 02:08:20:00:00:NN."""
    return bytes((0x02, 0x08, 0x20, 0, 0, number))


def inner4(number: int) -> str:
    """Its IPv4 address on the overlay."""
    return f"10.55.55.{number}"


def inner6(number: int) -> str:
    """Its IPv6 address on the overlay."""
    return f"fd55::{number:x}"


def numbered(sender: int, receiver: int, serial: int = 0, size: int = 60) -> bytes:
    """A frame from one VNIC to another; `serial` tells it from others, `size` is its length without FCS.

    It is of a type that nobody coalesces, so that it arrives as it was sent.
    """
    payload = serial.to_bytes(4, "big").ljust(size - 14, b"\xa7")
    return frames.ethernet(mac(receiver), mac(sender), payload, ethertype=ETHERTYPE_EXPERIMENTAL)


def hosts(world: World, count: int) -> list[Host]:
    """Hosts h1, h2 … at 10.88.88.1, 10.88.88.2 …"""
    return [world.host(f"h{number}", f"10.88.88.{number}") for number in range(1, count + 1)]


def table(placed: Mapping[int, str], **extra: Mapping[str, Any]) -> str:
    """A `files` table: VNIC number to underlay address. `extra` are further keys by VNIC: `table(…, v1={"dhcp-proxy": …})`."""
    entries = {
        format_mac(mac(number)): {"ip": ip, "port": 4789, "arp": inner4(number), "ndp": inner6(number)}
        | dict(extra.get(f"v{number}", {}))
        for number, ip in placed.items()
    }
    return json.dumps(entries)


def files_overlay(host: Host, text: str, *, name: str = "ov0", vnetid: int = 23) -> None:
    """An overlay whose table is `text`."""
    host.write(CONFIG, text)
    props = f"vxlan/listen_ip={host.address},files/config={CONFIG}"
    host.dladm(f"create-overlay -e vxlan -s files -v {vnetid} -p {props} {name}")


def direct_overlay(host: Host, peer: str, *, name: str = "ov0", vnetid: int = 23) -> None:
    """A point-to-point overlay."""
    props = f"vxlan/listen_ip={host.address},direct/dest_ip={peer},direct/dest_port=4789"
    host.dladm(f"create-overlay -e vxlan -s direct -v {vnetid} -p {props} {name}")


def vnic(host: Host, number: int, *, over: str = "ov0", options: str = "") -> Port:
    """The VNIC vnicN with the address of that number."""
    host.dladm(f"create-vnic -l {over} -m {format_mac(mac(number))} {options} vnic{number}")
    return host.port(f"vnic{number}")


def files_pair(world: World, **extra: Mapping[str, Any]) -> tuple[Host, Host, Port, Port]:
    """Two hosts on a `files` overlay; VNIC 1 is on the first, 2 on the second."""
    a, b = hosts(world, 2)
    text = table({1: a.address, 2: b.address}, **extra)
    for host in (a, b):
        files_overlay(host, text)
    return a, b, vnic(a, 1), vnic(b, 2)


def no_drops(hosts: Iterable[Host]) -> None:
    """Nothing was lost."""
    for host in hosts:
        host.expect_drops({})
