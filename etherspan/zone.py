"""Zones of a host: network namespaces with links, addresses and routes that come back at each boot.

A zone is its file ROOT/etc/zones/NAME.toml (`zonefile.py`) and, while the host runs, the namespace pinned at
ROOT/var/run/zones/NAME. A host with a name (ROOT/etc/nodename; labs give one) has its zones at /run/netns/NODENAME.ZONE too,
where that folder can be written.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dladm.libdladm import linkprop
from dladm.libdladm.handle import Dladm
from dladm.libdladm.status import DladmError
from etherspan import netconf, netns, zonefile
from etherspan.errors import EtherspanError
from etherspan.ipadm.boot import apply_zone, forget_zone
from etherspan.netvalues import zone_name
from etherspan.schema import At
from etherspan.zonefile import Zone
from kernel_sim.dev.client import LocalSystem
from kernel_sim.dev.paths import ZONE_NS, ZONES
from kernel_sim.sys.errno import Errno, KernelError

NODENAME: Final = "etc/nodename"
"""Path below ROOT of the host's name."""

MIRRORS = Path("/run/netns")
"""Where other tools look for namespaces."""


@dataclass(slots=True, frozen=True)
class ZoneInfo:
    """A zone as `list_zones` shows it. `running` is true while it has a namespace."""

    name: str
    running: bool
    links: tuple[str, ...]


def namespace(root: Path, name: str) -> Path:
    """Where the zone's namespace is pinned."""
    return root / ZONE_NS / name


def is_running(root: Path, name: str) -> bool:
    """True while the zone has a namespace."""
    return netns.is_pinned(namespace(root, name))


def not_running(name: str) -> EtherspanError:
    """What to say about a zone that has no namespace."""
    return EtherspanError(f"zone '{name}' does not run; 'etherspan host boot' starts the host and its zones")


def read(root: Path, name: str) -> Zone:
    """The zone's configuration. Errors: `EtherspanError` when there is no such zone, or its file is wrong."""
    file = _file(root, name)
    try:
        text = file.read_text()
    except FileNotFoundError:
        raise EtherspanError(f"there is no zone '{name}'; 'etherspan zone list' shows those of this host") from None
    except (OSError, UnicodeDecodeError) as error:
        raise EtherspanError(f"cannot read {file}: {error}") from error
    return zonefile.parse(text, str(file))


def create(root: Path, name: str, zone: Zone) -> None:
    """Write the zone's file, make its namespace and move its links there; where the host does not run, its boot does that.

    What was done is undone when a step fails. Errors: `EtherspanError` (exists, no such link, link of another zone …).
    """
    zone_name(At(name))
    file = _file(root, name)
    if file.exists():
        raise EtherspanError(f"zone '{name}' exists; 'etherspan zone delete {name}' removes it")
    for other in list_zones(root):
        for link in set(zone.nics).intersection(other.links):
            raise EtherspanError(f"link '{link}' belongs to zone '{other.name}'")
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f".{name}.new")
    fresh.write_text(zonefile.render(zone))
    fresh.replace(file)
    if not _is_up(root):
        return
    try:
        start(root, name, zone)
    except BaseException:
        delete(root, name)
        raise


def delete(root: Path, name: str) -> None:
    """End the zone's processes, give its links back to the host, remove namespace and file. Errors: `EtherspanError`."""
    file, pinned = _file(root, name), namespace(root, name)
    if not file.exists() and not netns.is_pinned(pinned):
        raise EtherspanError(f"there is no zone '{name}'; 'etherspan zone list' shows those of this host")
    if netns.is_pinned(pinned):
        netns.end_processes(pinned)
        _return_links(root, netns.call(pinned, netconf.links))
    target = _mirror(root, name)
    if target is not None:
        netns.unmirror(pinned, target)
    netns.unpin(pinned)
    file.unlink(missing_ok=True)
    forget_zone(root, name)


def start(root: Path, name: str, zone: Zone) -> None:
    """Make the zone's namespace if it has none, move its links there, apply addresses and routes, then what ipadm stored for it.

    Errors: `EtherspanError`.
    """
    pinned = namespace(root, name)
    if not netns.is_pinned(pinned):
        netns.pin(pinned)
    target = _mirror(root, name)
    if target is not None:
        netns.mirror(pinned, target)
    with Dladm(LocalSystem(root)) as handle:
        for link in zone.nics:
            _assign(handle, link, name)
        for link, nic in zone.nics.items():
            netns.call(pinned, netconf.configure, link, nic.address, nic.routes)
        apply_zone(root, handle, name, [link for link, nic in zone.nics.items() if nic.address])


def boot(root: Path) -> None:
    """Start every zone of a host whose links are there. A zone that cannot be started does not keep the others from it.

    Errors: `EtherspanError` with one line for each zone that could not be started.
    """
    problems: list[str] = []
    for name in _names(root / ZONES, ".toml"):
        try:
            start(root, name, read(root, name))
        except EtherspanError as error:
            problems += [f"zone {name}: {line}" for line in str(error).splitlines()]
    if problems:
        raise EtherspanError("\n".join(problems))


def list_zones(root: Path) -> list[ZoneInfo]:
    """Every zone of the host, by name. A file that cannot be read counts as a zone without links."""
    configured = _names(root / ZONES, ".toml")
    found: list[ZoneInfo] = []
    for name in sorted({*configured, *(one for one in _names(root / ZONE_NS) if is_running(root, one))}):
        links: Mapping[str, object] = {}
        with contextlib.suppress(EtherspanError):
            links = read(root, name).nics
        found.append(ZoneInfo(name, is_running(root, name), tuple(links)))
    return found


def _file(root: Path, name: str) -> Path:
    return root / ZONES / f"{name}.toml"


def _names(folder: Path, suffix: str = "") -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(
        one.name.removesuffix(suffix) for one in folder.iterdir() if one.name.endswith(suffix) and one.name[0] != "."
    )


def _mirror(root: Path, name: str) -> Path | None:
    try:
        nodename = (root / NODENAME).read_text().strip()
    except FileNotFoundError:
        return None
    return MIRRORS / f"{nodename}.{name}" if nodename else None


def _is_up(root: Path) -> bool:
    with Dladm(LocalSystem(root)) as handle:
        try:
            handle.open_dld()
        except DladmError:
            return False
    return True


def _assign(handle: Dladm, link: str, zone: str) -> None:
    try:
        linkid = handle.dlmgmt.name2info(link).linkid
    except KernelError as error:
        reason = f"there is no link '{link}'" if error.errno == Errno.ENOENT else f"link '{link}': {error}"
        raise EtherspanError(reason) from error
    try:
        linkprop.set(handle, linkid, "zone", [zone], persistent=False)
    except (DladmError, KernelError) as error:
        raise EtherspanError(f"cannot move link '{link}' to zone '{zone}': {error}") from error


def _return_links(root: Path, interfaces: Iterable[str]) -> None:
    """Move links back to the host; the kernel does so itself for what is left when the namespace ends."""
    with Dladm(LocalSystem(root)) as handle:
        for link in interfaces:
            with contextlib.suppress(DladmError, KernelError):  # no host runs, or an interface of the zone's own
                linkprop.reset(handle, handle.dlmgmt.name2info(link).linkid, "zone", persistent=False)
