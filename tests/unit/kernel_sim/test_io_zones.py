from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from kernel_sim.io.zones import Zones, own_namespace, run_inside, same_namespace
from kernel_sim.sys.errno import Errno, KernelError


@pytest.mark.parametrize("name", ["web", "", ".", "..", "../web", "a/b", "nul\0"])
def test_a_name_without_a_namespace_is_enoent(tmp_path: Path, name: str) -> None:
    with pytest.raises(KernelError) as caught, Zones(tmp_path / "missing", tmp_path).open(name):
        pass
    assert caught.value.errno == Errno.ENOENT


def test_a_file_that_is_no_network_namespace_is_no_zone(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    (tmp_path / "other").symlink_to("/proc/self/ns/uts")
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "folder").mkdir()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for name in ("plain", "other", "fifo", "folder"):
        with pytest.raises(KernelError) as caught, Zones(tmp_path).open(name):
            pass
        assert caught.value.errno == Errno.ENOENT
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_folders_are_tried_in_order(tmp_path: Path) -> None:
    second = tmp_path / "second"
    second.mkdir()
    (second / "web").symlink_to("/proc/self/ns/net")
    (tmp_path / "web").touch()
    here = own_namespace()
    with Zones(tmp_path, second).open("web") as found:
        assert same_namespace(found, here)
    os.close(here)


def test_what_runs_inside_returns_its_result_or_raises_here_and_leaves_no_thread() -> None:
    here = own_namespace()
    try:
        try:
            assert run_inside(here, lambda: 42) == 42
        except KernelError as error:
            assert error.errno == Errno.EPERM  # entering even one's own namespace takes a right

        def fail() -> None:
            raise ZeroDivisionError

        with pytest.raises((ZeroDivisionError, KernelError)):
            run_inside(here, fail)
    finally:
        os.close(here)
    assert all(thread.name != "zone" for thread in threading.enumerate())


def test_a_descriptor_that_is_no_namespace_cannot_be_entered(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(KernelError) as caught:
            run_inside(fd, lambda: None)
        assert caught.value.errno in {Errno.EINVAL, Errno.EPERM}
    finally:
        os.close(fd)
