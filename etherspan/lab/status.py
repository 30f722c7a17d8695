"""What a lab looks like now."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dladm.libscf.client import Scf
from dladm.libscf.protocol import RESTARTER
from etherspan import netns, zone
from etherspan.lab import server
from etherspan.lab.journal import LabDir
from etherspan.lab.model import Portolan
from etherspan.lab.run import phase_text
from etherspan.lab.source import read_lab
from kernel_sim.dev.client import LocalSystem
from kernel_sim.sys.errno import KernelError

DOWN = "down"
GONE = "gone"
_PASSWORD = re.compile(r"^([\w+]+://[^:/]*):[^@]*@")


@dataclass(slots=True, frozen=True)
class HostStatus:
    """A host: `services` maps FMRI to state, and is empty while the host is down."""

    address: str
    root: Path
    namespace: Path
    services: dict[str, str]
    zones: dict[str, Path]

    @property
    def state(self) -> str:
        """`online`, `maintenance` and the like for the worst enabled service; `down` without any."""
        if not self.services:
            return DOWN
        states = set(self.services.values()) - {"disabled"}
        return min(states - {"online"}, default="online")


@dataclass(slots=True, frozen=True)
class VtepStatus:
    """A Linux vxlan endpoint. `state` is `up` or `gone`."""

    address: str
    vnetid: int
    namespace: Path
    state: str


@dataclass(slots=True, frozen=True)
class ServerStatus:
    """An SVP server. `state` is `up` or `down`; `store` is a URL without its password."""

    address: str
    port: int
    namespace: Path
    store: str
    state: str


@dataclass(slots=True, frozen=True)
class LabStatus:
    """A lab. `phase` is `up`, `gone` (the machine was restarted), `half-way`, `starting` or `stopping`."""

    name: str
    phase: str
    file: str
    hosts: dict[str, HostStatus]
    vteps: dict[str, VtepStatus]
    servers: dict[str, ServerStatus]

    def as_json(self) -> dict[str, Any]:
        """The object that `lab status --json` prints."""
        hosts = {
            name: {
                "address": one.address,
                "state": one.state,
                "root": str(one.root),
                "namespace": str(one.namespace),
                "services": one.services,
                "zones": {zone_name: str(path) for zone_name, path in one.zones.items()},
            }
            for name, one in self.hosts.items()
        }
        vteps = {
            name: {"address": one.address, "vnetid": one.vnetid, "state": one.state, "namespace": str(one.namespace)}
            for name, one in self.vteps.items()
        }
        servers = {
            name: {
                "address": one.address,
                "port": one.port,
                "state": one.state,
                "namespace": str(one.namespace),
                "store": one.store,
            }
            for name, one in self.servers.items()
        }
        return {
            "name": self.name,
            "phase": self.phase,
            "file": self.file,
            "hosts": hosts,
            "vteps": vteps,
            "portolans": servers,
        }


def status(where: LabDir) -> LabStatus:
    """Look at a lab. Errors: `EtherspanError` where it was left before its file was noted."""
    lab = read_lab(where)
    hosts = {name: _host(where, name, str(host.address)) for name, host in lab.hosts.items()}
    vteps = {
        name: VtepStatus(
            str(vtep.address),
            vtep.vnetid,
            where.namespace(name),
            "up" if netns.is_pinned(where.namespace(name)) else GONE,
        )
        for name, vtep in lab.vteps.items()
    }
    servers = {name: _server(where, name, one) for name, one in lab.portolans.items()}
    return LabStatus(where.name, phase_text(where), where.read().source, hosts, vteps, servers)


def _server(where: LabDir, name: str, portolan: Portolan) -> ServerStatus:
    process = server.process_of(where, name)
    return ServerStatus(
        str(portolan.address),
        portolan.port,
        where.namespace(name),
        _PASSWORD.sub(r"\1:***@", server.store_url(where, name, portolan)),
        "up" if process is not None and process.alive() else DOWN,
    )


def _host(where: LabDir, name: str, address: str) -> HostStatus:
    root = where.root(name)
    zones = {one.name: zone.namespace(root, one.name) for one in zone.list_zones(root) if one.running}
    return HostStatus(address, root, where.namespace(name), _services(root), zones)


def _services(root: Path) -> dict[str, str]:
    try:
        with Scf(LocalSystem(root)) as scf:
            return {one.fmri: one.state.value for one in scf.list() if one.enabled or one.fmri == RESTARTER}
    except KernelError:  # nobody answers: the host is down
        return {}


def table(found: LabStatus) -> Iterator[str]:
    """The lines of `lab status`."""
    yield f"lab {found.name}: {found.phase}, from {found.file}"
    rows = [("NODE", "ADDRESS", "STATE", "")]
    for name, host in found.hosts.items():
        rows.append((name, host.address, host.state, str(host.root)))
        rows += [(f"{name}:{zone_name}", "--", "running", "") for zone_name in host.zones]
    rows += [(name, one.address, one.state, f"vxlan {one.vnetid}") for name, one in found.vteps.items()]
    rows += [(name, one.address, one.state, f"portolan {one.store}") for name, one in found.servers.items()]
    widths = [max(len(row[column]) for row in rows) + 2 for column in range(3)]
    for row in rows:
        yield "".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]).rstrip()
