"""Configuration files that properties name: where a path leads below a host's root, and what is no file."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from kernel_sim.sys.errno import Errno
from libvarpd import hostfiles
from libvarpd.errors import VarpdError
from libvarpd.hostfiles import RootFiles, below_root
from libvarpd.privileges import NETADM_UID, DropMode, current_choice


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A host with files at the ends of all paths that tests take; each holds its own path below the root."""
    made = tmp_path / "srv" / "cn0"
    for name in ("etc/map.json", "var/run/varpd/map.json", "var/map.json", "map.json", "srv/map.json"):
        file = made / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    for outside in (tmp_path / "srv" / "map.json", tmp_path / "map.json"):
        outside.write_text("outside")
    return made


@pytest.fixture
def files(root: Path) -> Iterator[RootFiles]:
    fds = [os.open(folder, os.O_PATH | os.O_DIRECTORY) for folder in (root, root / "var/run/varpd")]
    yield RootFiles(*fds, str(root))
    for fd in fds:
        os.close(fd)


def refusal(files: RootFiles, path: str) -> Errno:
    with pytest.raises(VarpdError) as refused:
        files.read(path)
    return refused.value.errno


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/etc/map.json", "etc/map.json"),
        ("//etc//./map.json", "etc/map.json"),
        ("/etc/../map.json", "map.json"),
        ("/../../../map.json", "map.json"),
        ("{root}/etc/map.json", "etc/map.json"),
        ("{root}/../cn0/etc/map.json", "etc/map.json"),
        ("{root}x/../cn0/etc/map.json", "etc/map.json"),
        ("{root}" + "/.." * 20 + "/map.json", "map.json"),
        ("map.json", "var/run/varpd/map.json"),
        ("./map.json", "var/run/varpd/map.json"),
        ("../varpd/map.json", "var/run/varpd/map.json"),
        ("../../map.json", "var/map.json"),
        ("../../../map.json", "map.json"),
        ("../../../../map.json", "map.json"),
        ("../../../../../../map.json", "map.json"),
    ],
)
def test_a_path_is_the_hosts(root: Path, files: RootFiles, path: str, found: str) -> None:
    assert files.read(path.format(root=root)).decode() == found


@pytest.mark.parametrize(
    ("path", "root", "below"),
    [
        ("/etc/x", "/srv/cn0", "etc/x"),
        ("/srv/cn0/etc/x", "/srv/cn0", "etc/x"),
        ("/srv/cn0/etc/x", "/srv/cn0/", "etc/x"),
        ("/srv/cn0/etc/x", "/srv/./a/../cn0", "etc/x"),
        ("/srv/cn01/etc/x", "/srv/cn0", "srv/cn01/etc/x"),
        ("/srv/cn0", "/srv/cn0", "."),
        ("/srv/cn0/srv/cn0/x", "/srv/cn0", "srv/cn0/x"),
        ("/etc/x", "/", "etc/x"),
        ("/", "/", "."),
    ],
)
def test_a_root_is_taken_off_once_and_only_as_whole_components(path: str, root: str, below: str) -> None:
    assert below_root(path, root) == below


def test_the_run_directory_is_found_by_its_descriptor(root: Path, files: RootFiles) -> None:
    (root / "var/run/varpd").rename(root / "var/run/moved")
    assert files.read("map.json") == b"var/run/varpd/map.json"


def test_symbolic_links_lead_where_the_machine_says(root: Path, files: RootFiles, tmp_path: Path) -> None:
    (root / "etc/relative").symlink_to("../map.json")
    (root / "etc/absolute").symlink_to(tmp_path / "map.json")
    (root / "etc/loop").symlink_to("loop")
    assert files.read("/etc/relative") == b"map.json"
    assert files.read("/etc/absolute") == b"outside"
    assert refusal(files, "/etc/loop") is Errno.ELOOP


@pytest.mark.parametrize(
    ("path", "errno"),
    [
        ("/etc", Errno.EISDIR),
        ("/", Errno.EISDIR),
        (".", Errno.EISDIR),
        ("..", Errno.EISDIR),
        ("/etc/absent.json", Errno.ENOENT),
        ("absent.json", Errno.ENOENT),
        ("", Errno.ENOENT),
        ("/etc/map.json/x", Errno.ENOTDIR),
        ("/etc/map.json\0", Errno.EINVAL),
        ("map.json\0.txt", Errno.EINVAL),
        ("../\0", Errno.EINVAL),
        ("/etc/\ud800", Errno.EINVAL),
        ("/etc/" + "x" * 300, Errno.ENAMETOOLONG),
    ],
)
def test_what_is_no_readable_file_is_refused_by_name(files: RootFiles, path: str, errno: Errno) -> None:
    with pytest.raises(VarpdError) as refused:
        files.read(path)
    assert refused.value.errno is errno
    assert path in refused.value.detail or repr(path) in refused.value.detail


@pytest.mark.timeout(10)
def test_a_fifo_or_a_socket_is_no_file_and_does_not_hold_anybody_up(root: Path, files: RootFiles) -> None:
    os.mkfifo(root / "etc/fifo")
    assert refusal(files, "/etc/fifo") is Errno.EINVAL
    with socket.socket(socket.AF_UNIX) as bound:
        folder = os.open(root / "etc", os.O_PATH)
        bound.bind(f"/proc/self/fd/{folder}/socket")
        os.close(folder)
        assert refusal(files, "/etc/socket") is Errno.ENXIO


@pytest.mark.skipif(os.geteuid() == 0 and current_choice() is not DropMode.USER, reason="there is no other user here")
def test_a_file_that_may_not_be_read_is_refused(root: Path, files: RootFiles) -> None:
    (root / "etc/map.json").chmod(0)
    before = os.geteuid()
    try:
        os.seteuid(before or NETADM_UID)  # root may read everything
        assert refusal(files, "/etc/map.json") is Errno.EACCES
    finally:
        os.seteuid(before)


def test_a_refusal_of_the_machine_keeps_its_number(files: RootFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(VarpdError) as refused:
        files.read("/etc/map.json")
    assert (refused.value.errno, refused.value.detail) == (Errno.EACCES, "/etc/map.json: Permission denied")


def test_a_file_over_the_limit_is_too_big_and_one_of_just_that_size_is_read(
    root: Path, files: RootFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hostfiles, "FILE_MAX", 1000)
    for size in (1000, 1001):
        (root / f"etc/{size}").write_bytes(bytes(size))
    assert files.read("/etc/1000") == bytes(1000)
    assert refusal(files, "/etc/1001") is Errno.EFBIG


def test_no_descriptor_stays_open(root: Path, files: RootFiles) -> None:
    folder = Path("/proc/self/fd")
    before = len(list(folder.iterdir()))
    files.read("/etc/map.json")
    for path in ("/etc", "/absent", "x\0"):
        refusal(files, path)
    assert len(list(folder.iterdir())) == before
