"""Giving up root (VPD 2.3, VPD-Q28).

Where the machine knows the user ids (always for real root, in a user namespace when a range is mapped) the process becomes netadm:
user 16, group 65, no other groups, real, effective and saved ids alike. Where only one user is mapped it gives up its capabilities.
Other daemons become other users.
Either way nothing it could execute gives any of it back.
"""

from __future__ import annotations

import enum
import os
from pathlib import Path
from typing import Final

from kernel_sim.dev import confine

NETADM_UID: Final = 16
NETADM_GID: Final = 65


class DropMode(enum.Enum):
    """What is given up."""

    USER = "user"
    CAPABILITIES = "capabilities"


def choose(euid: int, uid_map: str, gid_map: str, uid: int = NETADM_UID, gid: int = NETADM_GID) -> DropMode:
    """What a process with that user id can do; the maps are the texts of /proc/self/uid_map and gid_map."""
    if euid == 0 and _maps(uid_map, uid) and _maps(gid_map, gid):
        return DropMode.USER
    return DropMode.CAPABILITIES


def current_choice(uid: int = NETADM_UID, gid: int = NETADM_GID) -> DropMode:
    """What this process can do."""
    proc = Path("/proc/self")
    return choose(os.geteuid(), (proc / "uid_map").read_text(), (proc / "gid_map").read_text(), uid, gid)


def drop(mode: DropMode, uid: int = NETADM_UID, gid: int = NETADM_GID) -> None:
    """Give up privileges for good. Errors: `OSError`."""
    if mode is DropMode.USER:
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    confine.keep_capabilities(())


def _maps(text: str, number: int) -> bool:
    """Whether a map of lines "first, outside, count" covers an id."""
    rows = (tuple(map(int, line.split())) for line in text.splitlines())
    return any(first <= number < first + count for first, _, count in rows)
