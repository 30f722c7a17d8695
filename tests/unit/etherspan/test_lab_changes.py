"""What `lab up` does with a lab that is up: names change, all else is refused."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from etherspan import netns
from etherspan.errors import EtherspanError
from etherspan.lab.journal import LabDir, Phase, Record
from etherspan.lab.source import read_text
from etherspan.lab.up import up
from etherspan.process import ProcessId

TEXT = """
[underlay]
subnet = "10.88.88.0/24"

[hosts]
"portolan.lab" = ["10.88.88.5"]

[host.cn1]
address = "10.88.88.1"

[portolan.one]
address = "10.88.88.5"
store = "sqlite:///fleet.db"
"""


@pytest.fixture
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LabDir]:
    """A lab that looks as if it were up, changed by somebody whose files nobody else may read."""
    monkeypatch.setenv("ETHERSPAN_STATE", str(tmp_path))
    lab = LabDir("lab")
    lab.write(Record(Phase.UP, "/x.toml", ProcessId.own()))
    lab.file.write_text(TEXT)
    lab.root("cn1").mkdir(parents=True)
    monkeypatch.setattr(netns, "is_pinned", lambda path: path == lab.switch)
    umask = os.umask(0o077)
    yield lab
    os.umask(umask)


def change(text: str) -> str:
    said: list[str] = []
    up(read_text(text, "x.toml"), "lab", said.append)
    return "\n".join(said)


def names(where: LabDir) -> str:
    return (where.root("cn1") / "etc/inet/hosts").read_text()


def test_names_come_change_and_go(where: LabDir) -> None:
    assert change(TEXT) == "lab lab: [hosts] is unchanged"
    assert change(TEXT.replace('["10.88.88.5"]', '["10.88.88.6", "fd00::6"]')) == "lab lab: [hosts] has been applied"
    assert names(where).endswith("localhost\n10.88.88.6\tportolan.lab\nfd00::6\tportolan.lab\n")
    assert change(TEXT.replace('"portolan.lab" = ["10.88.88.5"]', "")) == "lab lab: [hosts] has been applied"
    assert "portolan.lab" not in names(where)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('address = "10.88.88.5"', 'address = "10.88.88.6"'),
        ('address = "10.88.88.5"', 'address = "10.88.88.5"\nport = 1297'),
        ("fleet.db", "other.db"),
        ('store = "sqlite:///fleet.db"', 'data = "fleet.json"'),
        ('[portolan.one]\naddress = "10.88.88.5"\nstore = "sqlite:///fleet.db"', ""),
    ],
)
def test_a_server_that_changes_is_refused_and_its_key_is_named(where: LabDir, old: str, new: str) -> None:
    assert TEXT.count(old) == 1
    changed = TEXT.replace(old, new).replace('["10.88.88.5"]', '["10.88.88.9"]')
    with pytest.raises(EtherspanError, match=r"^lab 'lab' is up and x\.toml differs from it in portolan\.one; only"):
        change(changed)
    assert where.file.read_text() == TEXT
    assert not (where.root("cn1") / "etc/inet/hosts").exists(), "nothing of a refused file is applied"


def test_a_server_that_comes_is_refused(where: LabDir) -> None:
    with pytest.raises(EtherspanError, match=r"differs from it in portolan\.two; only"):
        change(TEXT + '[portolan.two]\naddress = "10.88.88.6"\n')


def test_the_copy_of_the_lab_file_is_its_users_alone_and_the_names_are_everybodys(where: LabDir) -> None:
    change(TEXT)
    assert (where.root("cn1") / "etc/inet").stat().st_mode & 0o777 == 0o755, "varpd has its own user"
    assert where.file.stat().st_mode & 0o777 == 0o600, "a store's URL may hold a password"
    assert (where.root("cn1") / "etc/inet/hosts").stat().st_mode & 0o777 == 0o644
