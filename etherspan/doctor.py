"""What this machine can do for hosts and labs, and how to mend what it cannot."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from etherspan import trial, userns
from etherspan.errors import EtherspanError
from etherspan.zone import MIRRORS
from kernel_sim.dev import confine
from kernel_sim.dev.paths import is_real_root
from kernel_sim.io.tun import DEVICE as TUN
from kernel_sim.mac import hw_emul

_TUN_NUMBER: Final = os.makedev(10, 200)


@dataclass(slots=True, frozen=True)
class Check:
    """One thing looked at. `mend` says what to do when it is not `ok`; without `required`, things go slower or less far without it."""

    name: str
    ok: bool
    found: str
    mend: str = ""
    required: bool = True

    @property
    def verdict(self) -> str:
        """`ok`, `MISSING` (nothing works without it) or `absent`."""
        return "ok" if self.ok else "MISSING" if self.required else "absent"


def examine() -> list[Check]:
    """Look at everything. Errors: `EtherspanError` when not even a process can be started."""
    results = trial.ask()
    return [
        _rights(),
        *_namespaces(results),
        _tun(results),
        *_extras(results),
        _engine(),
        _mirrors(),
        _varpd_user(),
        *_confinement(),
    ]


def demand() -> None:
    """Return when this machine can run hosts and labs. Errors: `EtherspanError` that names what is missing, with its mend."""
    missing = [check for check in examine() if check.required and not check.ok]
    if missing:
        lines = (f"{check.name}: {check.found}\n  {check.mend}" for check in missing)
        raise EtherspanError("this machine cannot run hosts as it is\n" + "\n".join(lines))


def _rights() -> Check:
    if userns.has_rights():
        return Check("rights", ok=True, found="root" if is_real_root() else "CAP_SYS_ADMIN and CAP_NET_ADMIN")
    obstacle = userns.obstacle()
    if obstacle is None:
        return Check("rights", ok=True, found="none; a user namespace will give them")
    return Check("rights", ok=False, found="none, and user namespaces are closed", mend=obstacle)


def _namespaces(results: Mapping[str, object]) -> Iterator[Check]:
    problem = results["namespaces"]
    unmapped = "/proc/self/" in str(problem)
    mend = userns.MAP_MEND if unmapped else userns.obstacle() or "run it as root (in a container: with --privileged)"
    yield Check("namespaces", ok=problem is None, found=str(problem or "network and mount namespaces"), mend=mend)
    for key, name, found, mend in (
        ("pins", "namespace pins", "nsfs bind mounts", "allow mount(2): in a container, --privileged"),
        ("switch", "switch", "bridge and veth", "as root: modprobe -a bridge veth"),
        ("icmp", "raw sockets", "ICMP", "grant CAP_NET_RAW"),
    ):
        if key in results:
            yield Check(name, ok=results[key] is None, found=str(results[key] or found), mend=mend)


def _tun(results: Mapping[str, object]) -> Check:
    name = "tun device"
    try:
        info = Path(TUN).stat()
    except OSError:
        mend = f"as root: modprobe tun; mkdir -p /dev/net; mknod {TUN} c 10 200 (in a container: --device {TUN})"
        return Check(name, ok=False, found=f"no {TUN}", mend=mend)
    if not stat.S_ISCHR(info.st_mode) or info.st_rdev != _TUN_NUMBER:
        return Check(name, ok=False, found=f"{TUN} is something else", mend=f"as root: rm {TUN}; mknod {TUN} c 10 200")
    mode = f"{TUN}, mode {stat.S_IMODE(info.st_mode):04o}"
    if not os.access(TUN, os.R_OK | os.W_OK):
        return Check(name, ok=False, found=f"{mode}, not open to you", mend=f"as root: chmod 0666 {TUN}")
    problem = results.get("tap")
    if problem is not None:
        return Check(name, ok=False, found=f"{mode}: {problem}", mend="as root: modprobe tun")
    return Check(name, ok=True, found=mode)


def _extras(results: Mapping[str, object]) -> Iterator[Check]:
    words = results.get("offloads")
    if isinstance(words, list):
        found = ", ".join(words) or "none"
        mend = "slower without; Linux 6.2 has all of them"
        yield Check("TAP offloads", ok="USO" in words, found=found, mend=mend, required=False)
    for key, name, mend in (
        ("udp_segment", "UDP segmentation", "slower without; Linux 4.18 has it"),
        ("udp_gro", "UDP aggregation", "slower without; Linux 5.0 has it"),
        ("vxlan", "kernel vxlan", "labs without [vtep] work; as root: modprobe vxlan"),
    ):
        if key in results:
            found = str(results[key] or "available")
            yield Check(name, ok=results[key] is None, found=found, mend=mend, required=False)


def _engine() -> Check:
    """What cuts and merges frames: the compiled helper, or its twin in Python."""
    compiled = hw_emul.COMPILED in hw_emul.ENGINES
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler:
        mend = f"a fifth of the speed without; install etherspan again, {compiler} is there now"
    else:
        mend = "a fifth of the speed without; Debian: apt-get install gcc python3-dev, then install etherspan again"
    return Check("data path", ok=compiled, found=hw_emul.ENGINES[0], mend=mend, required=False)


def _mirrors() -> Check:
    folder = MIRRORS if MIRRORS.exists() else MIRRORS.parent
    writable = os.access(folder, os.W_OK)
    mend = "'ip netns' does not see the namespaces; 'etherspan lab exec' does"
    return Check(
        "namespace names",
        ok=writable,
        found=f"{folder}{'' if writable else ', not writable'}",
        mend=mend,
        required=False,
    )


def _confinement() -> Iterator[Check]:
    """What daemons confine themselves with (SECURITY.md)."""
    for name, there in confine.able().items():
        found = "available" if there else "not available"
        mend = "daemons are less confined without; it is a matter of the machine's kernel or container"
        yield Check(name, ok=there, found=found, mend=mend, required=False)


def _varpd_user() -> Check:
    whole = is_real_root()
    found = "uid 16, gid 65" if whole else "your own, without capabilities"
    return Check(
        "varpd's user", ok=whole, found=found, mend="only root can give varpd a user of its own", required=False
    )


def lines(checks: list[Check]) -> Iterator[str]:
    """The report for people."""
    width = max(len(check.name) for check in checks)
    for check in checks:
        yield f"{check.verdict:<8} {check.name:<{width}}  {check.found}"
        if not check.ok:
            yield f"{'':<8} {'':<{width}}  {check.mend}"
