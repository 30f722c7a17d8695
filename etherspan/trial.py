"""What this machine lets the caller do, found out by doing it: `python -m etherspan.trial` prints one JSON object.

It runs in a process of its own, because it leaves its namespaces for new ones. Each trial is a name with null, or with the reason
why it failed; `offloads` is a list of words.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from etherspan import netconf, netns, userns
from etherspan.errors import EtherspanError
from kernel_sim.io import tun
from kernel_sim.sys.errno import KernelError
from kernel_sim.sys.message import Gso

_UDP_SEGMENT: Final = 103
_UDP_GRO: Final = 104
_TAP = "estrial0"


def _namespaces() -> None:
    if not userns.has_rights():
        userns.unshare_user()
    netns.unshare(netns.CLONE_NEWNET | netns.CLONE_NEWNS)
    netns.make_mounts_private()
    netns.raise_loopback()


def _pins() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "ns")
        netns.pin(path)
        netns.unpin(path)


def _tap() -> list[str]:
    descriptor, granted = tun.create(_TAP)
    os.close(descriptor)
    words = ["checksum"] if granted.flags else []
    if granted.flags & ~1:
        words.append("TSO")
    if Gso.UDP_L4 in granted.runs:
        words.append("USO")
    return words


def _udp(option: int, value: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.IPPROTO_UDP, option, value)


def _vxlan() -> None:
    import ipaddress

    loopback = ipaddress.ip_address("127.0.0.1")
    netconf.make_vxlan("trial1", vnetid=1, local=loopback, port=4789, mtu=1400, mac=None, learning=False)


def _switch() -> None:
    netconf.make_bridge("trial0", 1500)
    netconf.plug_into_bridge("trial0", "trial2", "trial3", netns.OWN, 1500)


def _raw_socket() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP):
        pass


TRIALS: Final[dict[str, Callable[[], object]]] = {
    "namespaces": _namespaces,
    "pins": _pins,
    "tap": _tap,
    "switch": _switch,
    "vxlan": _vxlan,
    "icmp": _raw_socket,
    "udp_segment": lambda: _udp(_UDP_SEGMENT, 1400),
    "udp_gro": lambda: _udp(_UDP_GRO, 1),
}
"""In this order: the first makes the namespaces that the others work in."""


def run() -> dict[str, object]:
    """Try everything in this process, which must have one thread and is of little use afterwards."""
    results: dict[str, object] = {}
    for name, attempt in TRIALS.items():
        try:
            got = attempt()
        except (OSError, KernelError, EtherspanError) as error:
            results[name] = getattr(error, "strerror", None) or str(error)
        else:
            results[name] = None
            if isinstance(got, list):
                results["offloads"] = got
        if name == "namespaces" and results[name] is not None:
            break
    return results


def ask() -> dict[str, object]:
    """The results, from a process of its own. Errors: `EtherspanError` when that fails altogether."""
    try:
        done = subprocess.run([sys.executable, "-m", "etherspan.trial"], capture_output=True, text=True, check=False)
    except OSError as error:
        raise EtherspanError(
            f"cannot run {sys.executable}: {error.strerror}; install it where this user may read"
        ) from error
    try:
        found: dict[str, object] = json.loads(done.stdout)
    except ValueError as error:
        raise EtherspanError(f"trying out what the machine can do failed:\n{done.stderr.rstrip()}") from error
    return found


if __name__ == "__main__":
    print(json.dumps(run()))
