"""Giving up root (VPD 2.3, VPD-Q28).

Where the machine knows the user ids (always for real root, in a user namespace when a range is mapped) the process becomes netadm:
user 16, group 65, no other groups, real, effective and saved ids alike. Where only one user is mapped it gives up its capabilities.
Other daemons become other users.
Either way nothing it could execute gives any of it back.
"""

from __future__ import annotations

import ctypes
import enum
import os
from pathlib import Path
from typing import Final

NETADM_UID: Final = 16
NETADM_GID: Final = 65

_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_CAP_AMBIENT: Final = 47
_PR_CAP_AMBIENT_CLEAR_ALL: Final = 4
_CAPABILITY_VERSION_3: Final = 0x20080522
_CAPABILITY_WORDS: Final = 6
"""Effective, permitted and inheritable, twice 32 bits each."""


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
    libc = ctypes.CDLL(None, use_errno=True)
    _check(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    _check(libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0))
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    _check(libc.capset(header, (ctypes.c_uint32 * _CAPABILITY_WORDS)()))


def _maps(text: str, number: int) -> bool:
    """Whether a map of lines "first, outside, count" covers an id."""
    rows = (tuple(map(int, line.split())) for line in text.splitlines())
    return any(first <= number < first + count for first, _, count in rows)


def _check(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
