"""Deleting a host's TAP devices, all at once: by their link group, in each namespace that may hold some.

One request deletes the whole group of a namespace (1,000 devices in 0.3 s); without it a dying kernel process takes them down one
after the other (16 s).
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from pathlib import Path
from typing import Final

from dladm.dlmgmtd.datalink_conf import LinkFile
from dladm.dlmgmtd.store import CACHE
from etherspan import netns
from etherspan.errors import EtherspanError
from kernel_sim.dev.paths import ZONE_NS

_RTM_DELLINK: Final = 17
_NLM_F_REQUEST_ACK: Final = 0x5
_NLMSG_ERROR: Final = 2
_IFLA_GROUP: Final = 27
_HEADER: Final = struct.Struct("=IHHII")
_IFINFO: Final = struct.Struct("=BxHiII")
_U32_ATTRIBUTE: Final = struct.Struct("=HHI")
_MACHINE_NAMESPACES: Final = Path("/run/netns")


def delete_group(group: int) -> None:
    """Delete every interface of the group in this thread's network namespace. Errors: OSError; none being there is no error."""
    size = _HEADER.size + _IFINFO.size + _U32_ATTRIBUTE.size
    request = _HEADER.pack(size, _RTM_DELLINK, _NLM_F_REQUEST_ACK, 1, 0) + _IFINFO.pack(0, 0, 0, 0, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as sock:
        sock.send(request + _U32_ATTRIBUTE.pack(_U32_ATTRIBUTE.size, _IFLA_GROUP, group))
        answer = sock.recv(65536)
    _length, kind, _flags, _sequence, _port = _HEADER.unpack_from(answer)
    assert kind == _NLMSG_ERROR, "netlink acknowledges with an error message"
    (code,) = struct.unpack_from("=i", answer, _HEADER.size)
    if code and -code != errno.ENODEV:
        raise OSError(-code, os.strerror(-code), f"link group {group}")


def delete_taps(root: Path, group: int) -> list[str]:
    """Delete the host's TAPs in its own namespace and in those of its zones; what could not be done, in words."""
    problems: list[str] = []
    try:
        delete_group(group)
    except OSError as error:
        problems.append(f"cannot delete the links of group {group}: {error.strerror}")
    for path in _zone_namespaces(root):
        try:
            netns.call(path, delete_group, group)
        except (OSError, EtherspanError) as error:
            problems.append(f"cannot delete the links of group {group} in {path}: {error}")
    return problems


def _zone_namespaces(root: Path) -> list[Path]:
    """The namespaces of the host's zones, and those at /run/netns that a link was lent to."""
    folder = root / ZONE_NS
    own = sorted(folder.iterdir()) if folder.is_dir() else []
    lent = [_MACHINE_NAMESPACES / name for name in _lent_to(root / CACHE)]
    return [path for path in dict.fromkeys((*own, *lent)) if netns.is_pinned(path)]


def _lent_to(cache: Path) -> list[str]:
    try:
        file = LinkFile.parse(cache.read_bytes())
    except OSError:  # no cache: no dlmgmtd has run since the boot
        return []
    zones = {entry.attributes["zone"].text for entry in file.entries() if "zone" in entry.attributes}
    return sorted(name for name in zones if "/" not in name and name != "global")
