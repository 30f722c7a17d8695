"""A host's directories and the record of its restarter."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

import pytest

from dladm.dlmgmtd.store import CACHE
from etherspan.errors import EtherspanError
from etherspan.host import layout, links
from etherspan.process import ProcessId
from kernel_sim.dev import paths
from kernel_sim.dev.sockets import bind_seqpacket


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "deep" / "host"
    layout.prepare(root)
    return root


def test_everything_on_the_way_to_configuration_can_be_read_and_varpds_folder_cannot(root: Path) -> None:
    for folder in ("", "etc", "etc/dladm", "etc/zones", "dev", paths.LOGS, paths.DLADM_VOLATILE, paths.ZONE_NS):
        assert mode(root / folder) == 0o755, folder
    assert mode(root / paths.VARPD_RUN) == 0o700


def test_modes_of_folders_that_are_there_are_mended(root: Path) -> None:
    root.chmod(0o700)
    (root / "etc").chmod(0o777)
    layout.prepare(root)
    assert (mode(root), mode(root / "etc")) == (0o755, 0o755)


def test_the_machines_own_root_is_refused() -> None:
    with pytest.raises(EtherspanError, match="cannot be /"):
        layout.prepare(Path("/"))


def test_a_root_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EtherspanError, match=r"cannot use .*/file/host as a host's root: Not a directory"):
        layout.prepare(tmp_path / "file" / "host")


def test_one_restarter_has_a_root(root: Path) -> None:
    layout.Record(ProcessId(4711, 1), 7).write(root)
    held = layout.lock(root)
    with pytest.raises(EtherspanError, match=r"already \(svc.startd, pid 4711\); 'etherspan host halt' halts it"):
        layout.lock(root)
    os.close(held)
    os.close(layout.lock(root))


def test_the_record_is_read_as_it_was_written(root: Path) -> None:
    record = layout.Record(ProcessId(4711, 99), 7)
    record.write(root)
    assert layout.Record.read(root) == record


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"pid":"x","start":1,"group":1}'])
def test_a_record_that_cannot_be_understood_is_none(root: Path, content: str) -> None:
    assert layout.Record.read(root) is None
    (root / layout.RECORD).write_text(content)
    assert layout.Record.read(root) is None


def test_a_boot_empties_the_volatile_folders_but_keeps_the_restarters_door(root: Path) -> None:
    (root / paths.RESTARTER_DOOR).touch()
    (root / paths.DLMGMT_DOOR).touch()
    (root / paths.VARPD_RUN / "1.varpd").touch()
    (root / "etc/svc/volatile/other").mkdir()
    (root / paths.DATALINK_CONF).touch()
    layout.empty_volatile(root)
    assert [one.name for one in (root / "etc/svc/volatile").iterdir() if one.is_file()] == ["restarter_door"]
    assert list((root / paths.DLADM_VOLATILE).iterdir()) == []
    assert list((root / paths.VARPD_RUN).iterdir()) == []
    assert (root / paths.DATALINK_CONF).exists()


def test_emptying_does_not_follow_links_out_of_the_root(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").touch()
    (root / paths.VARPD_RUN / "link").symlink_to(outside)
    layout.empty_volatile(root)
    assert (outside / "precious").exists()
    assert list((root / paths.VARPD_RUN).iterdir()) == []


def test_a_halt_leaves_configuration_and_logs_only(root: Path) -> None:
    layout.Record(ProcessId(1, 1), 7).write(root)
    for name in (paths.DLD, paths.RESTARTER_DOOR, paths.VARPD_DOOR):
        bind_seqpacket(root, name, 0o600).close()
    (root / paths.DATALINK_CONF).touch()
    (root / paths.LOGS / "kernel.log").touch()
    assert layout.clear(root) == []
    left = sorted(str(one.relative_to(root)) for one in root.rglob("*") if not one.is_dir())
    assert left == ["etc/dladm/datalink.conf", "var/svc/log/kernel.log"]


def test_a_kernel_of_an_earlier_boot_is_waited_for(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "KERNEL_GONE_SECONDS", 0.1)
    with (root / layout.KERNEL_LOCK).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(EtherspanError, match="still holds"):
            layout.await_kernel_gone(root)
    layout.await_kernel_gone(root)


def test_zones_that_links_were_lent_to_are_read_from_the_cache(root: Path) -> None:
    cache = root / CACHE
    assert links._lent_to(cache) == []
    cache.write_text(
        "a0\tlinkid=int,1;zone=string,global;class=int,8;media=int,4;\n"
        "b0\tlinkid=int,2;zone=string,web;class=int,8;media=int,4;\n"
        "c0\tlinkid=int,3;zone=string,../x;class=int,8;media=int,4;\n"
    )
    assert links._lent_to(cache) == ["web"]
