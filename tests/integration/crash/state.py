"""What a host has: what it keeps, what it shows, and what it holds of the machine."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass, replace
from pathlib import Path

from dladm.dlmgmtd.client import Dlmgmt
from dladm.dlmgmtd.datalink_conf import LinkFile
from etherspan.host.repository import REPOSITORY
from etherspan.ipadm import IPADM_CONF
from kernel_sim.dev import paths
from kernel_sim.sys.dld import DatalinkClass, DatalinkFlag
from libvarpd.persist import QUARANTINE_SUFFIX
from tests.integration.hosts import Host

VXLAN_PORT = ":12B5"
_GIVEN_ANEW = "varpd/id"
_GROUP = re.compile(r" --group \d+ ")
"""A number that each boot draws."""
_STATE_FILE = re.compile(r"\d+\.varpd")
_EVERY_ADDRESS = r"*\:*\:*\:*\:*\:*"


@dataclass(slots=True, frozen=True)
class State:
    """`stored` are persistent items by name: a line of a file, or a whole file. `shown` is what the host says of each link."""

    stored: dict[str, str]
    shown: dict[str, tuple[str, ...]]


@dataclass(slots=True, frozen=True)
class Holdings:
    """What would be a leak if there were more of it than before."""

    links: frozenset[str]
    """Names that have an id."""
    interfaces: frozenset[str]
    """TAPs in the host's namespace."""
    taps: int
    """Descriptors of the tun device in the kernel."""
    descriptors: int
    """All descriptors of the kernel."""
    sockets: int
    """UDP sockets on the VXLAN port."""
    files: frozenset[str]
    mounts: int
    processes: tuple[str, ...]

    def within(self, before: Holdings) -> bool:
        """Nothing more is held than before. A descriptor less may be: of a conversation that has ended."""
        return self.descriptors <= before.descriptors and replace(self, descriptors=0) == replace(before, descriptors=0)


def stored(host: Host) -> dict[str, str]:
    """The persistent items."""
    items = {f"link {one.name}": repr(sorted(one.attributes.items())) for one in LinkFile.parse(host.conf()).entries()}
    for path in (REPOSITORY, IPADM_CONF, *(str(one.relative_to(host.root)) for one in _zone_files(host))):
        with contextlib.suppress(FileNotFoundError):
            items[path] = (host.root / path).read_text()
    return items


def _zone_files(host: Host) -> list[Path]:
    return sorted((host.root / paths.ZONES).glob("*.toml"))


def state(host: Host) -> State:
    """The whole of it; every service has to be there."""
    shown: dict[str, list[str]] = {}
    for row in host.dladm("show-link", "-p", "-o", "link,class,mtu,over").split():
        shown.setdefault(row.split(":")[0], []).append(row)
    for row in host.dladm("show-overlay", "-p", "-o", "link,property,value").splitlines():
        if f":{_GIVEN_ANEW}:" not in row:
            shown[row.split(":")[0]].append(row)
    for row in host.dladm("show-vnic", "-p", "-o", "link,macaddress,vid").splitlines():
        shown[row.split(":")[0]].append(row)
    for row in host.dladm("show-overlay", "-t", "-p", "-o", "link,target,destination").splitlines():
        if _EVERY_ADDRESS in row:  # what a dynamic overlay has resolved is a cache
            shown[row.split(":")[0]].append(row)
    for row in host.dladm("show-linkprop", "-c", "-o", "link,property,value", "-p", "maxbw").splitlines():
        shown[row.split(":")[0]].append(row)
    return State(stored(host), {name: tuple(rows) for name, rows in shown.items()})


def holdings(host: Host) -> Holdings:
    """What the host holds now."""
    kernel = Path(f"/proc/{host.kernel_pid()}")
    targets = []
    for fd in (kernel / "fd").iterdir():
        with contextlib.suppress(OSError):
            targets.append(str(fd.readlink()))
    with Dlmgmt(host.system) as dlmgmt:
        links = frozenset(one.name for one in dlmgmt.walk())
    udp = (kernel / "net/udp").read_text().splitlines()[1:]
    return Holdings(
        links=links,
        interfaces=frozenset(host.namespace.links()),
        taps=targets.count("/dev/net/tun"),
        descriptors=len(targets),
        sockets=sum(line.split()[1].endswith(VXLAN_PORT) for line in udp),
        files=frozenset(files(host)),
        mounts=mounts(host),
        processes=tuple(sorted(_GROUP.sub("", one) for one in host.processes())),
    )


def files(host: Host) -> set[str]:
    """Every file below the root but logs, and state files that varpd has put aside, which last until the next boot."""
    found = (str(one.relative_to(host.root)) for one in host.root.rglob("*") if not one.is_dir())
    return {one for one in found if not one.startswith(paths.LOGS) and not one.endswith(QUARANTINE_SUFFIX)}


def mounts(host: Host) -> int:
    """Namespaces that are pinned below the root."""
    return Path("/proc/self/mountinfo").read_text().count(f" {host.root}/")


def check_instances(host: Host) -> None:
    """varpd has a state file for each active overlay, and for nothing else."""
    with Dlmgmt(host.system) as dlmgmt:
        overlays = dlmgmt.walk(DatalinkClass.OVERLAY, DatalinkFlag.ACTIVE)
    found = [Path(one).name for one in files(host) if one.startswith(paths.VARPD_RUN) and one != paths.VARPD_DOOR]
    assert len(found) == len(overlays), found
    assert all(_STATE_FILE.fullmatch(one) for one in found), found
