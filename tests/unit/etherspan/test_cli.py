"""The `etherspan` command as a whole."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from etherspan import cli
from etherspan.commands import lab
from etherspan.errors import EtherspanError


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETHERSPAN_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("ETHERSPAN_ROOT", str(tmp_path / "host"))


def test_help_lists_every_subcommand(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {name} " in shown for name in cli.COMMANDS)


@pytest.mark.parametrize("name", sorted(cli.COMMANDS))
def test_every_subcommand_is_there_and_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([name, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"Usage: etherspan {name}")


def test_a_wrong_call_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["lab", "fly"]) == 2
    assert "No such command 'fly'" in capsys.readouterr().err


def test_a_failure_is_told_line_by_line_and_exits_with_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command()
    def broken() -> None:
        raise EtherspanError("one\ntwo")

    monkeypatch.setitem(lab.lab.commands, "broken", broken)
    assert cli.main(["lab", "broken"]) == 1
    assert capsys.readouterr().err == "etherspan: one\netherspan: two\n"


def test_a_file_that_the_system_refuses_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command()
    def broken() -> None:
        raise PermissionError(13, "Permission denied", "/some/file")

    monkeypatch.setitem(lab.lab.commands, "broken", broken)
    assert cli.main(["lab", "broken"]) == 1
    assert capsys.readouterr().err == "etherspan: /some/file: Permission denied\n"


def test_the_status_of_a_host_that_is_down_is_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["host", "status"]) == 1
    assert capsys.readouterr().out == f"{tmp_path / 'host'}: down\n"


def test_a_graph_is_drawn_from_a_file_without_any_rights(capsys: pytest.CaptureFixture[str]) -> None:
    file = Path(__file__).parents[3] / "fixtures/labs/two-hosts.toml"
    assert cli.main(["lab", "graph", str(file)]) == 0
    assert capsys.readouterr().out.startswith("flowchart TB\n")
