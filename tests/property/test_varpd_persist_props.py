"""State files on disk, whatever happens to their writer, and what a restore leaves alone."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from etherspan.testing.varpd import MemoryStore
from kernel_sim.dev.log import NullLog
from kernel_sim.sys.errno import Errno
from libvarpd.errors import VarpdError
from libvarpd.persist import StateDirectory
from libvarpd.restore import restore_files
from libvarpd.state import StateRecord

# ---------------------------------------------------------------------- a writer that is killed

CALLS = ("open", "write", "fsync", "rename", "unlink", "close")


class Killed(BaseException):
    """SIGKILL, as far as the files can tell: nothing is done from here on."""


class MortalSystem:
    """System calls that work `left` times. A write writes `short` bytes at most, as a real one may."""

    def __init__(self, left: int, short: int) -> None:
        self.left = left
        self.short = short
        self.leaked: dict[int, None] = {}
        self.real = {name: getattr(os, name) for name in CALLS}

    def call(self, name: str) -> Callable[..., Any]:
        def act(*args: Any, **kwargs: Any) -> Any:
            if not self.left:
                raise Killed
            self.left -= 1
            if name == "write":
                return self.real[name](args[0], args[1][: self.short])
            result = self.real[name](*args, **kwargs)
            if name == "open":
                self.leaked[result] = None
            if name == "close":
                self.leaked.pop(args[0], None)
            return result

        return act


@pytest.mark.fact("VPD-I12")
@settings(max_examples=150)
@given(
    old=st.none() | st.integers(0, 9000).map(lambda size: b"o" * size),
    new=st.integers(1, 9000).map(lambda size: b"n" * size),
    left=st.integers(0, 25),
    short=st.sampled_from([1000, 4095, 4096]),
)
@example(old=None, new=b"new", left=2, short=4096)
@example(old=b"old", new=b"new", left=4, short=4096)
def test_a_writer_killed_at_any_step_leaves_no_file_the_old_one_or_the_new_one(
    old: bytes | None, new: bytes, left: int, short: int
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if old is not None:
            (folder / "7.varpd").write_bytes(old)
        store = StateDirectory.open(folder)
        system = MortalSystem(left, short)
        done = False
        with mock.patch.multiple(os, **{call: system.call(call) for call in CALLS}):
            try:
                store.write(7, new)
                done = True
            except Killed:
                pass
        for fd in system.leaked:
            os.close(fd)
        store.close()
        found = {path.name: path.read_bytes() for path in folder.iterdir()}
        assert found.pop("7.varpd", None) in ({new} if done else {old, new})
        assert all(other.startswith(".") for other in found), found
        assert not (done and found), "a temporary file stays"


# ---------------------------------------------------------------------- a restore

SUFFIXES = st.sampled_from([".varpd", ".varpd", ".varpd.bad", ".varp", "", "x.varpd", ".VARPD"])
SPACES = " \t\n\v\f\r"
DIGITS = st.text("0123456789", max_size=3) | st.sampled_from(["18446744073709551615", "18446744073709551616"])
NAMES = st.builds(
    "{}{}{}{}".format, st.text(SPACES, max_size=2), st.sampled_from(["", "+", "-", "--"]), DIGITS, SUFFIXES
).filter(bool) | st.text(st.characters(exclude_characters="/\0"), min_size=1, max_size=12)


def claims_to_be_a_state_file(name: str) -> bool:
    """As strtoull and strcmp would have it."""
    rest = name.lstrip(SPACES)
    rest = rest[1:] if rest[:1] in {"+", "-"} else rest
    digits = rest[: len(rest) - len(rest.lstrip("0123456789"))]
    if not digits:
        return name == ".varpd"
    return rest[len(digits) :] == ".varpd" and int(digits) < 2**64


class WatchedStore(MemoryStore):
    """Writes down which files were touched."""

    touched: list[str]

    def read(self, name: str) -> bytes | None:
        self.touched.append(name)
        return super().read(name)

    def quarantine(self, name: str) -> None:
        self.touched.append(name)
        super().quarantine(name)


async def refuse(record: StateRecord) -> None:
    raise VarpdError(Errno.EINVAL)


@pytest.mark.fact("VPD-I13")
@given(names=st.lists(NAMES, unique=True, max_size=12), data=st.binary(max_size=40))
@example(names=[".varpd", "7.varpd", "+7.varpd", "x7.varpd", "7.varpd.bad", ".12.7.varpd", "varpd.door"], data=b"")
def test_only_files_whose_names_are_state_files_are_opened_or_put_aside(names: Sequence[str], data: bytes) -> None:
    store = WatchedStore(dict.fromkeys(names, data))
    store.touched = []
    asyncio.run(restore_files(store, names, refuse, NullLog()))
    claimed = {name for name in names if claims_to_be_a_state_file(name)}
    assert set(store.touched) == claimed
    others = [name for name in names if name not in claimed]
    assert set(others) <= set(store.files)
    assert set(store.files) == {*others, *(f"{name}.bad" for name in claimed)}
