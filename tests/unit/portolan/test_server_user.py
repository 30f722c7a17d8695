"""Whom the SVP server runs as, and what of the files is handed over to them."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from etherspan.errors import EtherspanError
from etherspan.portolan import user as users
from etherspan.portolan.state import default_store, portolan_dir
from etherspan.portolan.user import User
from libvarpd.privileges import DropMode, choose

WHO = User(12345, 12346, "somebody")
ROOT = os.geteuid() == 0


def passwd(*names: str) -> object:
    def lookup(name: str) -> pwd.struct_passwd:
        if name not in names:
            raise KeyError(name)
        return pwd.struct_passwd((name, "x", 321, 654, "", "/", "/bin/false"))

    return lookup


@pytest.mark.parametrize(
    ("given", "known", "wanted"),
    [
        (None, ("portolan",), User(321, 654, "portolan")),
        (None, (), User(65534, 65534, "nobody")),
        ("www", ("www",), User(321, 654, "www")),
        ("12", ("portolan",), User(12, 12, "12")),
        ("12:34", (), User(12, 34, "12")),
    ],
)
def test_a_user_is_a_name_a_number_or_the_default(given: str | None, known: tuple[str, ...], wanted: User) -> None:
    assert users.find(given, passwd(*known)) == wanted  # type: ignore[arg-type]


@pytest.mark.parametrize("given", ["www", "12:x", ":12", "-1", ""])
def test_a_user_that_is_not_there_is_an_error(given: str) -> None:
    with pytest.raises(EtherspanError, match="there is no user"):
        users.find(given, passwd())  # type: ignore[arg-type]


def test_users_are_shown_with_their_numbers() -> None:
    assert [str(one) for one in (WHO, User(5, 6, "5"))] == ["somebody (12345:12346)", "5:6"]


@pytest.mark.parametrize(
    ("euid", "uids", "gids", "wanted"),
    [
        (0, "0 0 4294967295", "0 0 4294967295", DropMode.USER),
        (0, "0 1000 1", "0 1000 1", DropMode.CAPABILITIES),
        (0, "0 1000 1\n1 100000 65536", "0 1000 1", DropMode.CAPABILITIES),
        (1000, "0 0 4294967295", "0 0 4294967295", DropMode.CAPABILITIES),
    ],
)
def test_a_process_becomes_another_user_where_the_machine_has_that_one(
    euid: int, uids: str, gids: str, wanted: DropMode
) -> None:
    assert choose(euid, uids, gids, 65534, 65534) is wanted


def test_nobody_becomes_root() -> None:
    assert not users.can_become(User(0, 0, "root"))


def test_the_folder_is_made_and_what_root_has_in_it_is_handed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[tuple[str, int, int]] = []

    def fchown(file: int, uid: int, gid: int) -> None:
        given.append((str(Path(f"/proc/self/fd/{file}").readlink()), uid, gid))

    monkeypatch.setattr(os, "fchown", fchown)
    folder = tmp_path / "a/portolan"
    users.hand_over(folder, WHO)
    assert folder.stat().st_mode & 0o777 == 0o700
    (folder / "portolan.db").touch()
    (folder / "portolan.db-wal").touch()
    (folder / "other").touch()
    users.hand_over(folder, WHO)
    files = [str(folder / name) for name in ("portolan.db", "portolan.db-wal")] if ROOT else []
    assert given == [(path, 12345, 12346) for path in (str(folder), str(folder), *files)]


def test_what_else_a_name_may_stand_for_is_not_handed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder was another user's already, who may have put anything there before the next start."""
    given: list[str] = []
    monkeypatch.setattr(
        os, "fchown", lambda file, uid, gid: given.append(str(Path(f"/proc/self/fd/{file}").readlink()))
    )
    folder, secret = tmp_path / "portolan", tmp_path / "secret"
    folder.mkdir()
    secret.touch()
    (folder / "portolan.db").hardlink_to(secret)
    (folder / "portolan.db-wal").mkdir()
    users.hand_over(folder, WHO)
    assert given == [str(folder)]
    (folder / "portolan.db-shm").symlink_to(secret)
    with pytest.raises(OSError, match="symbolic links"):
        users.hand_over(folder, WHO)
    assert given == [str(folder)] * 2
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(OSError, match=r"directory|symbolic links"):
        users.hand_over(tmp_path / "link", WHO)
    assert given == [str(folder)] * 2


def test_the_default_store_is_in_the_state_directory() -> None:
    environ = {"ETHERSPAN_STATE": "/some/where"}
    assert portolan_dir(environ) == Path("/some/where/portolan")
    assert default_store(environ) == "sqlite:////some/where/portolan/portolan.db"
