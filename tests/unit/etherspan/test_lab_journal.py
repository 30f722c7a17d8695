"""The journal of a lab, and choosing one."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from etherspan.errors import EtherspanError
from etherspan.lab.journal import Act, LabDir, Phase, Record, Step, all_labs, choose
from etherspan.process import ProcessId


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ETHERSPAN_STATE", str(tmp_path))
    return tmp_path


def made(name: str) -> LabDir:
    lab = LabDir(name)
    lab.write(Record(Phase.STARTING, "/x.toml", ProcessId.own()))
    return lab


def test_acts_are_kept_in_order() -> None:
    lab = made("one")
    lab.begin(Act.SWITCH, "")
    lab.begin(Act.NAMESPACE, "cn0")
    lab.enter(Phase.UP)
    assert lab.read() == Record(
        Phase.UP, "/x.toml", ProcessId.own(), (Step(Act.SWITCH, ""), Step(Act.NAMESPACE, "cn0"))
    )


def test_a_lab_is_chosen_by_name_or_because_it_is_the_only_one() -> None:
    with pytest.raises(EtherspanError, match=r"^no lab is up$"):
        choose(None)
    made("one")
    assert choose(None).name == "one"
    made("two")
    with pytest.raises(EtherspanError, match=r"^several labs are up, name one of them: one, two$"):
        choose(None)
    assert choose("two").name == "two"
    with pytest.raises(EtherspanError, match="there is no lab 'three'"):
        choose("three")


@pytest.mark.parametrize("name", ["", "a.b", "a/b", "..", "-a", "x" * 32])
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(EtherspanError, match="is no lab name"):
        LabDir(name)


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"phase": "flying"})])
def test_a_damaged_journal_is_named(state: Path, text: str) -> None:
    made("one")
    path = state / "labs/one/state.json"
    path.write_text(text)
    with pytest.raises(EtherspanError, match=f"^{path} is not a lab's journal"):
        LabDir("one").read()


def test_only_one_command_at_a_time_changes_a_lab(state: Path) -> None:
    lab = made("one")
    with (
        lab.locked(),
        pytest.raises(EtherspanError, match=f"lab 'one' is being changed by process {os.getpid()}"),
        LabDir("one").locked(),
    ):
        pass
    assert (state / "labs/one.lock").exists()


def test_the_lock_goes_with_the_lab(state: Path) -> None:
    with LabDir("one").locked():
        pass
    assert list((state / "labs").iterdir()) == []


def test_other_files_in_the_folder_are_not_labs(state: Path) -> None:
    made("one")
    (state / "labs/stray").mkdir()
    (state / "labs/file").touch()
    assert [lab.name for lab in all_labs()] == ["one"]
