"""The directory of state files: permissions, durability, what is skipped, and a writer killed at every step."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kernel_sim.sys.errno import Errno
from libvarpd.errors import VarpdError
from libvarpd.persist import StateDirectory
from libvarpd.state import SIZE_MAX


@pytest.fixture
def store(tmp_path: Path) -> Iterator[StateDirectory]:
    opened = StateDirectory.open(tmp_path)
    yield opened
    opened.close()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_file_is_named_after_its_instance_and_readable_by_its_owner_only(
    store: StateDirectory, tmp_path: Path
) -> None:
    store.write(7, b"state")
    assert contents(tmp_path) == {"7.varpd": b"state"}
    assert (tmp_path / "7.varpd").stat().st_mode & 0o7777 == 0o600
    assert store.read("7.varpd") == b"state"


def test_writing_replaces_and_removing_is_harmless_when_there_is_nothing(store: StateDirectory, tmp_path: Path) -> None:
    store.write(7, b"old" * 5000)
    store.write(7, b"new")
    assert contents(tmp_path) == {"7.varpd": b"new"}
    store.remove(7)
    store.remove(7)
    assert contents(tmp_path) == {}


def test_the_directory_may_be_moved_while_it_is_open(store: StateDirectory, tmp_path: Path) -> None:
    moved = tmp_path.rename(tmp_path.with_name("elsewhere"))
    store.write(1, b"x")
    assert contents(moved) == {"1.varpd": b"x"}


@pytest.mark.fact("VPD-Q22")
@pytest.mark.parametrize("call", ["write", "fsync", "rename"])
def test_a_write_that_fails_leaves_no_temporary_file(
    store: StateDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(VarpdError) as refused:
        store.write(7, b"state")
    assert refused.value.errno is Errno.ENOSPC
    assert contents(tmp_path) == {}


def test_a_temporary_file_that_is_a_symbolic_link_is_not_followed(store: StateDirectory, tmp_path: Path) -> None:
    victim = tmp_path.with_name("victim")
    victim.write_bytes(b"precious")
    (tmp_path / f".{os.getpid()}.7.varpd").symlink_to(victim)
    with pytest.raises(VarpdError) as refused:
        store.write(7, b"state")
    assert refused.value.errno is Errno.ELOOP
    assert victim.read_bytes() == b"precious"


STEPS = ("open", "write", "fsync", "rename", "unlink", "close")


def kill_before(step: int, calls: list[str] | None = None) -> Iterator[tuple[str, Callable[..., Any]]]:
    """Replacements for the system calls of a write that end the process before call number `step`."""
    done = 0

    def replacement(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal done
            if calls is not None:
                calls.append(name)
            if done == step:
                os._exit(0)
            done += 1
            return real(*args, **kwargs)

        return call

    for name in STEPS:
        yield name, replacement(name, getattr(os, name))


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
@pytest.mark.fact("VPD-I12")
@pytest.mark.parametrize("before", [None, b"old" * 3000])
def test_a_writer_killed_at_any_step_leaves_the_old_file_or_the_new_one(tmp_path: Path, before: bytes | None) -> None:
    new = b"new" * 3000
    outcomes: set[bytes | None] = set()
    calls: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        for name, call in kill_before(-1, calls):
            patch.setattr(os, name, call)
        counted = StateDirectory.open(tmp_path)
        counted.write(7, new)
        counted.close()
    for step in range(len(calls)):
        folder = tmp_path / f"step{step}"
        folder.mkdir()
        if before is not None:
            (folder / "7.varpd").write_bytes(before)
        child = os.fork()
        if not child:
            for name, call in kill_before(step):
                setattr(os, name, call)
            StateDirectory.open(folder).write(7, new)
            os._exit(0)
        os.waitpid(child, 0)
        found = contents(folder)
        outcomes.add(found.pop("7.varpd", None))
        assert all(name.startswith(".") for name in found), found
    assert outcomes == {before, new}


@pytest.mark.fact("VPD-B55")
def test_directories_fifos_and_sockets_are_skipped_without_waiting(store: StateDirectory, tmp_path: Path) -> None:
    (tmp_path / "1.varpd").mkdir()
    os.mkfifo(tmp_path / "2.varpd")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(f"/proc/self/fd/{os.open(tmp_path, os.O_PATH)}/3.varpd")
        assert [store.read(name) for name in store.names()] == [None, None, None]


def test_of_a_file_too_large_only_enough_to_see_that_is_read(store: StateDirectory, tmp_path: Path) -> None:
    with (tmp_path / "1.varpd").open("wb") as file:
        file.truncate(1 << 30)
    data = store.read("1.varpd")
    assert data is not None
    assert len(data) == SIZE_MAX + 1


def test_a_file_put_aside_keeps_its_contents_and_replaces_an_older_one(store: StateDirectory, tmp_path: Path) -> None:
    (tmp_path / "7.varpd").write_bytes(b"bad")
    (tmp_path / "7.varpd.bad").write_bytes(b"older")
    store.quarantine("7.varpd")
    assert contents(tmp_path) == {"7.varpd.bad": b"bad"}


@pytest.mark.parametrize(("name", "wanted"), [("absent", Errno.ENOENT), ("file", Errno.EINVAL)])
def test_what_is_no_directory_cannot_hold_state_files(tmp_path: Path, name: str, wanted: Errno) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(VarpdError) as refused:
        StateDirectory.open(tmp_path / name)
    assert refused.value.errno is wanted


def test_a_file_that_vanished_is_reported(store: StateDirectory) -> None:
    for act in (store.read, store.quarantine):
        with pytest.raises(VarpdError) as refused:
            act("1.varpd")
        assert refused.value.errno is Errno.ENOENT


def test_what_a_killed_writer_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    others = ["7.varpd", "7.varpd.bad", ".7.varpd", ".x.7.varpd", ".12.7.varpd.bak", "varpd.door"]
    for name in (*others, ".12.7.varpd", ".4711.8.varpd"):
        (tmp_path / name).write_bytes(b"x")
    directory = StateDirectory.open(tmp_path)
    directory.clear_remains()
    assert directory.names() == sorted(others)
    directory.close()
