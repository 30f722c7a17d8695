"""Which directory is the host's root."""

from __future__ import annotations

from pathlib import Path

import pytest

from kernel_sim.dev import paths


def test_the_environment_selects_the_host() -> None:
    assert paths.host_root({"ETHERSPAN_ROOT": "/srv/hosts/cn0"}) == Path("/srv/hosts/cn0")


def test_a_relative_root_is_taken_from_where_the_command_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert paths.host_root({"ETHERSPAN_ROOT": "cn0"}) == tmp_path / "cn0"


def test_real_root_has_one_host_below_var_lib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "is_real_root", lambda: True)
    assert paths.host_root({"XDG_STATE_HOME": "/x"}) == Path("/var/lib/etherspan/host")


def test_a_user_has_one_below_the_state_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "is_real_root", lambda: False)
    assert paths.host_root({"XDG_STATE_HOME": "/x"}) == Path("/x/etherspan/host")
    assert paths.host_root({"XDG_STATE_HOME": "relative"}) == Path.home() / ".local/state/etherspan/host"
    assert paths.host_root({"ETHERSPAN_ROOT": ""}) == Path.home() / ".local/state/etherspan/host"


@pytest.mark.parametrize(
    ("uid", "uid_map", "real"),
    [
        (0, "         0          0 4294967295\n", True),
        (0, "         0       1000          1\n", False),
        (0, "0 0 1\n1 100000 65536\n", False),
        (1000, "         0          0 4294967295\n", False),
    ],
)
def test_uid_0_of_a_user_namespace_is_not_real_root(
    uid: int, uid_map: str, real: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "uid_map").write_text(uid_map)
    monkeypatch.setattr(paths, "_UID_MAP", tmp_path / "uid_map")
    monkeypatch.setattr(paths.os, "geteuid", lambda: uid)
    assert paths.is_real_root() is real
