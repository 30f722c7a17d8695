"""The fixed scripts that services and commands are killed in, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tests.integration.hosts import Host

Step = tuple[str, ...]
"""A console script and its arguments."""

MAP: Final = "etc/overlays/map.json"
_ADDRESSES: Final = '{ "2:8:20:0:0:c": { "ip": "127.0.0.3", "port": 4789, "arp": "10.55.55.3" } }\n'
_LISTEN: Final = "vxlan/listen_ip=127.0.0.1"
_DIRECT: Final = f"{_LISTEN},direct/dest_ip=127.0.0.2,direct/dest_port=4789"


def _dladm(line: str) -> Step:
    return ("dladm", *line.split())


def _create_direct(name: str, vnetid: int) -> Step:
    return _dladm(f"create-overlay -e vxlan -s direct -v {vnetid} -p {_DIRECT} {name}")


@dataclass(slots=True, frozen=True)
class Script:
    """Steps that succeed one after the other on a host that has what `before` makes; each point runs them from the first on."""

    name: str
    steps: tuple[Step, ...]
    before: tuple[Step, ...] = ()
    ends: tuple[Step, ...] = ()
    """What takes back what is no link; it may have been taken back already."""

    def prepare(self, host: Host) -> None:
        """Make what has to be there, and must not be lost, whatever happens."""
        (host.root / MAP).parent.mkdir(parents=True, exist_ok=True)
        (host.root / MAP).write_text(_ADDRESSES)
        for step in self.before:
            run(host, step)


LINKS: Final = Script(
    "links",
    before=(_create_direct("keep0", 99), _dladm("create-vnic -l keep0 -m 2:8:20:0:0:99 kept0")),
    steps=(
        _dladm("create-etherstub stub0"),
        _dladm("create-vnic -l stub0 -m 2:8:20:0:0:a -p mtu=1400 v0"),
        _dladm("set-linkprop -p maxbw=100 v0"),
        _create_direct("ov0", 23),
        _dladm("create-vnic -l ov0 -m 2:8:20:0:0:b onit0"),
        _dladm(f"create-overlay -e vxlan -s files -v 24 -p {_LISTEN},files/config=/{MAP} ov1"),
        _dladm("modify-overlay -s 2:8:20:0:0:c=127.0.0.4:4789 ov1"),
        _dladm("rename-link v0 w0"),
        _dladm("rename-link stub0 stub1"),
        _dladm("reset-linkprop -p maxbw w0"),
        _dladm("delete-vnic -t w0"),
        _dladm("up-vnic w0"),
        _dladm("create-vnic -t -l stub1 -m 2:8:20:0:0:d t0"),
        _dladm("delete-vnic t0"),
        _dladm("delete-vnic onit0"),
        _dladm("delete-overlay -t ov0"),
        _dladm("up-overlay ov0"),
        _dladm("delete-overlay ov0"),
        _dladm("delete-overlay ov1"),
        _dladm("delete-vnic w0"),
        _dladm("delete-etherstub stub1"),
    ),
)
"""Links of every class, stored and temporary, come, change and go."""

_KEPT: Final = (_dladm("create-etherstub keep0"), _dladm("create-vnic -l keep0 -m 2:8:20:0:0:99 kept0"))
_INCLUDE: Final = ("svccfg", "-s", "varpd")

VARPD_ON_DEMAND: Final = Script(
    "varpd on demand",
    before=(*_KEPT, (*_INCLUDE, "addpropvalue", "varpd/include_path", "/usr/lib/kept")),
    steps=(
        _create_direct("ov0", 23),
        (*_INCLUDE, "addpropvalue", "varpd/include_path", "/usr/lib/more"),
        _dladm("delete-overlay ov0"),
        (*_INCLUDE, "delpropvalue", "varpd/include_path", "/usr/lib/more"),
    ),
    ends=((*_INCLUDE, "delpropvalue", "varpd/include_path", "/usr/lib/more"),),
)
"""The restarter starts varpd for the first overlay and stops it after the last; it stores properties of services."""

ZONES: Final = Script(
    "zones and addresses",
    before=(*_KEPT, ("ipadm", "create-addr", "-T", "static", "-a", "10.55.55.9/24", "kept0/v4")),
    steps=(
        _dladm("create-vnic -l keep0 -m 2:8:20:0:0:a v0"),
        ("ipadm", "create-addr", "-T", "static", "-a", "10.55.55.1/24", "kept0/more"),
        ("etherspan", "zone", "create", "web", "--link", "v0"),
        ("etherspan", "zone", "delete", "web"),
        ("ipadm", "delete-addr", "kept0/more"),
        _dladm("delete-vnic v0"),
    ),
    ends=(("etherspan", "zone", "delete", "web"), ("ipadm", "delete-addr", "kept0/more")),
)
"""Addresses and zones of the host are files; a zone is a namespace while the host runs."""

SCRIPTS: Final = {one.name: one for one in (LINKS, VARPD_ON_DEMAND, ZONES)}


def run(host: Host, step: Step) -> int:
    """Run a step; its exit status. dladm runs in this process, which is faster."""
    if step[0] == "dladm":
        return host.attempt(*step[1:])[0]
    return host.command(*step, check=False).returncode
