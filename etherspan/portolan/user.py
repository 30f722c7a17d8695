"""Whom the server runs as once it has begun: not root, if it can be helped.

Started by root it becomes the user `portolan` if there is one, else nobody, unless another one is named. Its folder is made for that user,
and a store that root has begun in there is handed over. Where the machine has only one user, and for who names root, it stays that user
and gives up its capabilities.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from etherspan.errors import EtherspanError
from etherspan.portolan.state import STORE_NAME
from libvarpd import privileges
from libvarpd.privileges import DropMode

OWN_NAME: Final = "portolan"
NOBODY: Final = 65534
"""User and group, where there is no user `portolan`."""
FOLDER_MODE: Final = 0o700
_STORE_FILES: Final = (STORE_NAME, f"{STORE_NAME}-wal", f"{STORE_NAME}-shm")


@dataclass(slots=True, frozen=True)
class User:
    """Somebody, and what people call them."""

    uid: int
    gid: int
    name: str

    def __str__(self) -> str:
        return f"{self.name} ({self.uid}:{self.gid})" if self.name != str(self.uid) else f"{self.uid}:{self.gid}"


def find(text: str | None, lookup: Callable[[str], pwd.struct_passwd] = pwd.getpwnam) -> User:
    """Who is meant by a name, `UID` or `UID:GID`; None is whoever the server runs as by default. Errors: `EtherspanError` there is none."""
    if text is None:
        with contextlib.suppress(KeyError):
            return _of(lookup(OWN_NAME))
        return User(NOBODY, NOBODY, "nobody")
    uid, _, gid = text.partition(":")
    if all(one.isascii() and one.isdigit() for one in (uid, gid or uid)):
        return User(int(uid), int(gid or uid), uid)
    try:
        return _of(lookup(text))
    except KeyError:
        raise EtherspanError(f"there is no user {text}") from None


def become(user: User) -> None:
    """Be that user, for good, or the same as before without capabilities. Errors: `OSError`."""
    if not user.uid:
        privileges.drop(DropMode.CAPABILITIES)
    else:
        privileges.drop(privileges.current_choice(user.uid, user.gid), user.uid, user.gid)


def can_become(user: User) -> bool:
    """Whether `become` would make this process another user."""
    return user.uid != 0 and privileges.current_choice(user.uid, user.gid) is DropMode.USER


def hand_over(folder: Path, user: User) -> None:
    """Make the folder if it is not there; it and the store in it belong to the user then. Errors: `OSError`.

    Only root's files change hands, and only those that have no other name: the folder may have been somebody else's before.
    """
    folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    where = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fchown(where, user.uid, user.gid)
        for name in _STORE_FILES:
            with contextlib.suppress(FileNotFoundError):
                _give(where, name, user)
    finally:
        os.close(where)


def _give(folder: int, name: str, user: User) -> None:
    file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    try:
        found = os.fstat(file)
        if stat.S_ISREG(found.st_mode) and found.st_uid == 0 and found.st_nlink == 1:
            os.fchown(file, user.uid, user.gid)
    finally:
        os.close(file)


def _of(entry: pwd.struct_passwd) -> User:
    return User(entry.pw_uid, entry.pw_gid, entry.pw_name)
