"""`lab up`: from a lab file to running hosts."""

from __future__ import annotations

import io
import os
import shlex
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_interface
from pathlib import Path

from etherspan import netconf, netns, zone
from etherspan.errors import EtherspanError
from etherspan.host import control
from etherspan.lab import down, hostsfile, server
from etherspan.lab.journal import Act, LabDir, Phase, Record
from etherspan.lab.model import Host, Lab, Vtep
from etherspan.lab.source import Source, read_lab
from etherspan.process import ProcessId, uninterrupted
from kernel_sim.dev.client import LocalSystem
from kernel_sim.dev.paths import HOSTS

BRIDGE = "br0"
UNDERLAY_LINK = "net0"
VXLAN_LINK = "vxlan0"
_PRIVATE = 0o600
"""Mode of the lab file's copy: a store's URL may hold a password."""

Say = Callable[[str], None]
"""Where progress is told, a line at a time."""


def up(source: Source, name: str, say: Say) -> LabDir:
    """Bring a lab up; on a running lab, apply what changed in `[hosts]`.

    When a step fails everything is undone. Errors: `EtherspanError`.
    """
    where = LabDir(name)
    with where.locked():
        os.umask(0o022)  # services that have dropped their rights read below the hosts' roots
        if where.exists():
            _change(where, source, say)
            return where
        where.write(Record(Phase.STARTING, source.origin, ProcessId.own()))
        try:
            _replace(where.file, source.text, _PRIVATE)
            _build(where, source.lab, source.folder, say)
            where.enter(Phase.UP)
        except BaseException:
            say(f"undoing lab {where.name}")
            with uninterrupted():
                down.undo(where)
            raise
    return where


def _change(where: LabDir, source: Source, say: Say) -> None:
    phase = where.read().phase
    if phase is not Phase.UP or not netns.is_pinned(where.switch):
        left = f"half-way ({phase.value})" if phase is not Phase.UP else "when the machine was restarted"
        raise EtherspanError(f"lab '{where.name}' was left {left}; 'etherspan lab down {where.name}' clears it away")
    old, new = read_lab(where), source.lab
    changed = _differences(old, new)
    if changed:
        raise EtherspanError(
            f"lab '{where.name}' is up and {source.origin} differs from it in {', '.join(changed)}; only [hosts] may change "
            f"while it is up\nuse 'etherspan lab down {where.name}' first, or another name with --name"
        )
    _replace(where.file, source.text, _PRIVATE)
    for host in new.hosts:
        _write_names(where.root(host), new)
    say(f"lab {where.name}: [hosts] {'has been applied' if old.names != new.names else 'is unchanged'}")


def _differences(old: Lab, new: Lab) -> list[str]:
    """The tables outside `[hosts]` in which two lab files differ."""
    found = ["underlay"] if old.underlay != new.underlay else []
    kinds: list[tuple[str, Mapping[str, object], Mapping[str, object]]] = [
        ("host", old.hosts, new.hosts),
        ("vtep", old.vteps, new.vteps),
        ("portolan", old.portolans, new.portolans),
    ]
    for kind, before, after in kinds:
        names = sorted({*before, *after})
        found += [f"{kind}.{name}" for name in names if before.get(name) != after.get(name)]
    return found


def _build(where: LabDir, lab: Lab, files: Path, say: Say) -> None:
    mtu = lab.underlay.mtu
    where.begin(Act.SWITCH, "")
    netns.pin(where.switch)
    netns.call(where.switch, netconf.make_bridge, BRIDGE, mtu)
    prefix = lab.underlay.subnet.prefixlen
    for number, (node, address) in enumerate(lab.nodes.items()):
        where.begin(Act.NAMESPACE, node)
        pinned = where.namespace(node)
        netns.pin(pinned)
        where.begin(Act.MIRROR, node)
        netns.mirror(pinned, where.mirror(node))
        netns.call(where.switch, netconf.plug_into_bridge, BRIDGE, f"port{number}", UNDERLAY_LINK, pinned, mtu)
        netns.call(pinned, netconf.configure, UNDERLAY_LINK, [ip_interface(f"{address}/{prefix}")], {})
    for node, vtep in lab.vteps.items():
        netns.call(where.namespace(node), _make_vtep, vtep)
        say(f"{node}: Linux vxlan device {VXLAN_LINK} at {vtep.address}, vnetid {vtep.vnetid}")
    for name, portolan in lab.portolans.items():
        server.furnish(where, name, portolan, files)
    for name, portolan in lab.portolans.items():  # they may share stores, in any order
        where.begin(Act.SERVER, name)
        server.start(where, name, portolan)
        say(f"{name}: portolan at {portolan.address}, port {portolan.port}")
    for name, host in lab.hosts.items():
        _furnish(where, name, host, lab, files)
        where.begin(Act.BOOT, name)
    for_each(lab.hosts, lambda name: _boot(where, name, say))
    for name, host in lab.hosts.items():
        for words in host.dladm:
            _run_dladm(name, where.root(name), words)
        for zone_name, config in host.zones.items():
            try:
                zone.create(where.root(name), zone_name, config)
            except EtherspanError as error:
                raise EtherspanError(f"host.{name}.zone.{zone_name}: {error}") from error
            say(f"{name}: zone {zone_name}")


def _make_vtep(vtep: Vtep) -> None:
    netconf.make_vxlan(
        VXLAN_LINK,
        vnetid=vtep.vnetid,
        local=vtep.address,
        port=vtep.port,
        mtu=vtep.mtu,
        mac=vtep.mac,
        learning=vtep.learning,
    )
    netconf.add_vxlan_peers(VXLAN_LINK, vtep.flood, vtep.fdb)
    netconf.configure(VXLAN_LINK, vtep.inner, {})
    netconf.add_neighbours(VXLAN_LINK, vtep.neigh)


def _furnish(where: LabDir, name: str, host: Host, lab: Lab, files: Path) -> None:
    """Lay out what a host finds below its ROOT at its first boot."""
    root = where.root(name)
    (root / zone.NODENAME).parent.mkdir(parents=True)
    (root / zone.NODENAME).write_text(f"{where.nodename(name)}\n")
    _write_names(root, lab)
    for target, source in host.files.items():
        (root / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(files / source, root / target)


def _write_names(root: Path, lab: Lab) -> None:
    path = root / HOSTS
    path.parent.mkdir(parents=True, exist_ok=True)
    _replace(path, hostsfile.render(lab.names))


def _replace(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file in one step: whoever reads it meanwhile sees all of the old text or all of the new."""
    fresh = path.with_name(f"{path.name}.new")
    fresh.touch(mode)
    fresh.write_text(text)
    fresh.replace(path)


def _boot(where: LabDir, name: str, say: Say) -> None:
    begun = time.monotonic()
    netns.call(where.namespace(name), control.boot_host, where.root(name))
    say(f"{name}: booted in {time.monotonic() - begun:.1f} s")


def _run_dladm(host: str, root: Path, words: tuple[str, ...]) -> None:
    from dladm.cli.main import main

    argv = [word.replace("$ROOT", str(root)) for word in words]
    told = io.StringIO()
    status = main(argv, system=LocalSystem(root), stdout=told, stderr=told)
    if status:
        raise EtherspanError(f"{host}: dladm {shlex.join(argv)}\n{told.getvalue().rstrip()}\n(exit {status})")


def for_each(hosts: Iterable[str], action: Callable[[str], None]) -> None:
    """Do something for all hosts, several at a time; all are finished when it returns. Errors: the first that came."""
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for future in [pool.submit(action, host) for host in hosts]:
            future.result()
