"""Labs whose overlays ask an SVP server: their text, their fleets, what is looked at in them."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from etherspan.lab.model import SVP_PORT

HEAD = """
[underlay]
subnet = "10.88.88.0/24"
mtu = 1500

[hosts]
"portolan.lab" = [{names}]
"""
HOST = """
[host.cn{n}]
address = "10.88.88.{n}"
dladm = [
  "create-overlay -e vxlan -s svp -v 23 -p vxlan/listen_ip=10.88.88.{n},svp/host=portolan.lab,svp/underlay_ip=10.88.88.{n} ov0",
  "create-vnic -l ov0 -m {mac} vnic0",
]
[host.cn{n}.zone.web.nic.vnic0]
address = ["10.55.55.{n}/24", "fd55::{n}/64"]
"""
SERVER = """
[portolan.{name}]
address = "{address}"
{more}
"""
ESTABLISHED = "01"
"""A state in /proc/net/tcp."""
POLL = 11.0
"""Seconds within which a node hears of a change."""


def mac(n: int) -> str:
    return f"2:8:20:0:0:{n:x}"


def cn(n: int) -> str:
    return f"00000000-0000-4000-8000-{n:012x}"


def host(n: int) -> str:
    return HOST.format(n=n, mac=mac(n))


def fleet(*hosts: int) -> str:
    nodes = [{"uuid": cn(n), "underlay_ip": f"10.88.88.{n}", "underlay_port": 4789} for n in hosts]
    rows = [
        {"vnet_id": 23, "mac": mac(n), "ip": ip, "cn": cn(n)} for n in hosts for ip in (f"10.55.55.{n}", f"fd55::{n}")
    ]
    return json.dumps({"compute_nodes": nodes, "mappings": rows})


def rows(lab: Any, where: str) -> list[str]:
    shown: str = lab.dladm(where, "show-overlay", "-t", "-p", "-o", "target,destination", "ov0").stdout
    return [re.sub(r"\\(.)", r"\1", line) for line in shown.splitlines()]


def row(n: int, at: int | None = None) -> str:
    return f"{mac(n)}:10.88.88.{n if at is None else at}:4789"


def condition(lab: Any, where: str) -> str:
    shown: str = lab.dladm(where, "show-overlay", "-f", "-p", "-o", "status,details", "ov0").stdout
    return shown.strip()


def pings(lab: Any, where: str, address: str) -> bool:
    done = lab.run(where, "etherspan", "probe", "ping", address, "-c", 1, "-W", 0.5, check=False)
    return bool(done.returncode == 0)


def ready(lab: Any, wait_until: Any, *hosts: int) -> None:
    """Until every host has a connection to a server."""
    for n in hosts:
        wait_until(lambda n=n: pings(lab, f"cn{n}:web", f"10.55.55.{n % len(hosts) + 1}"), 15, f"cn{n} finds others")


def fleet_lab(lab_up: Callable[[str], Any], folder: Path, wait_until: Any, *hosts: int) -> Any:
    """A lab of these hosts and the server `one`, as soon as all of them find each other."""
    (folder / "fleet.json").write_text(fleet(*hosts))
    server = SERVER.format(name="one", address="10.88.88.5", more='data = "fleet.json"')
    lab = lab_up(HEAD.format(names='"10.88.88.5"') + server + "".join(map(host, hosts)))
    ready(lab, wait_until, *hosts)
    return lab


def connections(lab: Any, where: str) -> dict[str, int]:
    """A host's connections to SVP servers over IPv4: the server's address, and the port here, which is that of one socket."""
    found = {}
    for line in lab.run(where, "cat", "/proc/net/tcp").stdout.splitlines()[1:]:
        _, here, there, state, *_ = line.split()
        address, port = there.split(":")
        if state == ESTABLISHED and int(port, 16) == SVP_PORT:
            found[socket.inet_ntoa(int(address, 16).to_bytes(4, sys.byteorder))] = int(here.split(":")[1], 16)
    return found


def events(lab: Any) -> list[str]:
    listed: str = lab.run("one", "portolanadm", "log", "list", "-p", "-o", "cn,type").stdout
    return listed.splitlines()


def received(lab: Any, where: str, link: str) -> int:
    """Frames a VNIC was handed."""
    text = lab.run(where, "kstat", "-p", f"link:0:{link}:ipackets64").stdout
    return int(text.split()[-1])


def kill_server(state_dir: Path, lab: str, name: str) -> None:
    record = json.loads((state_dir / "labs" / lab / "portolan" / name / "process.json").read_text())
    os.kill(record["pid"], signal.SIGKILL)
