"""SVP servers of a lab: where their stores are, how they look from outside, what is said of one that does not start."""

from __future__ import annotations

import ipaddress
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from etherspan import netns
from etherspan.errors import EtherspanError
from etherspan.lab import server
from etherspan.lab.journal import LabDir, Phase, Record
from etherspan.lab.model import Portolan
from etherspan.lab.source import read_file
from etherspan.lab.status import ServerStatus, status
from etherspan.process import ProcessId

ADDRESS = ipaddress.ip_address("10.88.88.5")
HEAD = '[underlay]\nsubnet = "10.88.88.0/24"\n'
ONE = '[portolan.one]\naddress = "10.88.88.5"\n'


@pytest.fixture
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LabDir:
    monkeypatch.setenv("ETHERSPAN_STATE", str(tmp_path))
    lab = LabDir("lab")
    lab.write(Record(Phase.UP, "/x.toml", ProcessId.own()))
    server.folder(lab, "one").mkdir(parents=True)
    return lab


@pytest.mark.parametrize(
    ("store", "url"),
    [
        (None, "sqlite:///{lab}/portolan/one/store.db"),
        ("sqlite:///fleet.db", "sqlite:///{lab}/portolan/fleet.db"),
        ("sqlite:///two/store.db", "sqlite:///{lab}/portolan/two/store.db"),
        ("sqlite:////srv/fleet.db", "sqlite:////srv/fleet.db"),
        ("sqlite://", "sqlite://"),
        ("postgresql+psycopg://db.example/fleet", "postgresql+psycopg://db.example/fleet"),
    ],
)
def test_a_store_is_the_servers_own_or_one_below_the_lab_or_what_the_file_says(
    where: LabDir, store: str | None, url: str
) -> None:
    assert server.store_url(where, "one", Portolan(ADDRESS, store=store)) == url.format(lab=where.path)


def shown(where: LabDir, more: str = "") -> ServerStatus:
    where.file.write_text(HEAD + ONE + more)
    return status(where).servers["one"]


@pytest.mark.parametrize(
    ("store", "told"),
    [
        ("postgresql+psycopg://me:secret@db.example/fleet", "postgresql+psycopg://me:***@db.example/fleet"),
        ("postgresql://me:sec/ret:x@db.example:5432/fleet", "postgresql://me:***@db.example:5432/fleet"),
        ("postgresql://:secret@db.example/fleet", "postgresql://:***@db.example/fleet"),
        ("postgresql://me@db.example:5432/fleet", "postgresql://me@db.example:5432/fleet"),
        ("postgresql://db.example:5432/fleet", "postgresql://db.example:5432/fleet"),
        ("sqlite:////srv/a:b@c/fleet.db", "sqlite:////srv/a:b@c/fleet.db"),
    ],
)
def test_the_status_of_a_server_holds_no_password(where: LabDir, store: str, told: str) -> None:
    assert shown(where, f'store = "{store}"\n').store == told


def test_a_server_is_up_while_the_process_that_was_started_for_it_runs(where: LabDir) -> None:
    assert shown(where).state == "down", "none was started"
    own = ProcessId.own()
    record = server.folder(where, "one") / "process.json"
    record.write_text(json.dumps({"pid": own.pid, "start": own.start}))
    assert shown(where).state == "up"
    record.write_text(json.dumps({"pid": own.pid, "start": own.start + 1}))
    assert shown(where).state == "down", "another process has its number"


Spawned = list[subprocess.Popen[str]]
Program = Callable[[str], Spawned]


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Program:
    """Let a shell script be the server, here and not in a namespace; $LOG is its log."""

    def instead(script: str) -> Spawned:
        spawned: Spawned = []
        spawn = server._spawn

        def shell(_argv: list[str], env: dict[str, str], log: Path) -> subprocess.Popen[str]:
            spawned.append(spawn(["/bin/sh", "-c", script], {**env, "LOG": str(log)}, log))
            return spawned[-1]

        def call(_path: Path, function: Callable[..., Any], *args: Any) -> Any:
            return function(*args)

        monkeypatch.setattr(server, "_spawn", shell)
        monkeypatch.setattr(netns, "call", call)
        return spawned

    return instead


def test_a_server_that_ends_is_told_with_the_last_lines_of_its_log_and_of_its_errors(
    where: LabDir, program: Program
) -> None:
    program('for n in 1 2 3 4 5 6; do echo "line $n" >> "$LOG"; done; echo "cannot listen" >&2; exit 1')
    with pytest.raises(EtherspanError) as caught:
        server.start(where, "one", Portolan(ADDRESS))
    assert str(caught.value).splitlines() == [
        "portolan.one: the server does not listen",
        *("line 3", "line 4", "line 5", "line 6", "cannot listen"),
    ]


def test_a_server_that_stays_silent_is_ended_and_told_with_what_it_waits_for(
    where: LabDir, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "PATIENCE", 2.0)
    spawned = program('echo "waiting for the store" >> "$LOG"; exec sleep 1000')
    with pytest.raises(EtherspanError) as caught:
        server.start(where, "one", Portolan(ADDRESS))
    assert str(caught.value) == "portolan.one: the server does not listen within 2 s\nwaiting for the store"
    assert [one.poll() for one in spawned] == [-9]


def test_a_server_that_listens_is_noted_and_what_it_complains_of_later_is_in_its_log(
    where: LabDir, program: Program
) -> None:
    spawned = program('echo "a warning" >&2; echo "portolan: listening on X"; read wait < "$LOG.go"; echo "late" >&2')
    log = server.folder(where, "one") / "portolan.log"
    subprocess.run(["mkfifo", f"{log}.go"], check=True)
    server.start(where, "one", Portolan(ADDRESS))
    process = spawned[0]
    assert server.process_of(where, "one") == ProcessId.of(process.pid)
    Path(f"{log}.go").write_text("go\n")
    assert process.wait(10) == 0
    assert log.read_text() == "a warning\nlate\n"


def test_a_store_is_told_to_a_server_where_other_users_do_not_see_it(
    where: LabDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[list[str], str]] = []

    def call(path: Path, _function: object, argv: list[str], env: dict[str, str], _log: Path) -> None:
        assert path == where.namespace("one")
        seen.append((argv, env["PORTOLAN_STORE"]))
        raise EtherspanError("enough")

    monkeypatch.setattr(netns, "call", call)
    with pytest.raises(EtherspanError, match="enough"):
        server.start(where, "one", Portolan(ADDRESS, 1297, store="postgresql://me:secret@db.example/fleet"))
    ((argv, store),) = seen
    assert store == "postgresql://me:secret@db.example/fleet"
    assert not any("secret" in word for word in argv)
    assert argv[argv.index("--listen") + 1] == "10.88.88.5:1297"


def test_data_that_is_not_there_is_told_before_anything_is_made(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    path.write_text(HEAD + ONE + 'data = "fleet.json"\n')
    with pytest.raises(EtherspanError) as caught:
        read_file(path)
    assert str(caught.value) == f"{path}: portolan.one.data: there is no file {tmp_path / 'fleet.json'}"
    (tmp_path / "fleet.json").write_text("{}")
    assert read_file(path).lab.portolans["one"].data == "fleet.json"
