"""`portolan serve` as a process: how it begins and ends, whom it runs as, what it says, and that several are as one."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pwd
import queue
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from etherspan.portolan.store import open_store
from etherspan.portolan.store.protocol import Transaction
from etherspan.state import STATE_VARIABLE
from kernel_sim.dev import confine
from libvarpd.plugins.svp import wire
from libvarpd.plugins.svp.messages import LogReq, LogRm, LogRmAck, Message, Ping, Pong, Status, Vl2Ack, Vl2Req, Vl3Req
from libvarpd.privileges import DropMode, current_choice
from tests.portolan_pg import USER, running
from tests.portolan_rows import VNET, event_id, ip, mac, mapping, node, vl2_event
from tests.portolan_talk import HERE, frames, request, said

PORTOLAN = str(Path(sys.executable).parent / "portolan")
PATIENCE = 30.0
NOBODY = 65534
CAN_CHANGE_USER = current_choice(NOBODY, NOBODY) is DropMode.USER
THERE = Vl2Ack(Status.OK, 4789, ip("172.16.0.2"))
ANYWHERE = ("--listen", "127.0.0.1:0")


class Serve:
    """A server process: the lines it says, and what it leaves on standard error."""

    def __init__(self, command: list[str], environ: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ, cwd="/"
        )
        self.lines: queue.Queue[str] = queue.Queue()
        self.errors: list[str] = []
        self._readers = [threading.Thread(target=one) for one in (self._read_lines, self._read_errors)]
        for reader in self._readers:
            reader.start()

    def _read_lines(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))
        self.lines.put("")

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        self.errors.extend(self.process.stderr)

    def line(self) -> str:
        """The next, or "" if there is none any more."""
        return self.lines.get(timeout=PATIENCE)

    def port(self) -> int:
        line = self.line()
        assert line.startswith("portolan: listening on "), (line, self.end(), self.errors)
        return int(line.rpartition(":")[2])

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Its exit status."""
        self.process.send_signal(how)
        return self.wait()

    def wait(self) -> int:
        status = self.process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        return status

    def status(self, name: str) -> str:
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(line.split(":", 1)[1] for line in text.splitlines() if line.startswith(f"{name}:")).strip()


Start = Callable[..., Serve]


@pytest.fixture
def start(tmp_path: Path, let_others_in: Callable[[Path], None]) -> Iterator[Start]:
    """Start a server whose state is below the test's folder. All end with the test."""
    let_others_in(tmp_path)
    started: list[Serve] = []

    def begin(*arguments: str, before: tuple[str, ...] = ()) -> Serve:
        environ = os.environ | {STATE_VARIABLE: str(tmp_path / "state")}
        one = Serve([*before, PORTOLAN, "serve", *arguments], environ)
        started.append(one)
        return one

    yield begin
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.wait()


@pytest.fixture
def store(tmp_path: Path) -> str:
    """The URL of a small store, in a folder of the user that a server of ours becomes."""
    folder = tmp_path / "store"
    folder.mkdir()
    url = f"sqlite:///{folder}/small.db"

    async def fill(change: Transaction) -> None:
        await change.put_nodes([node(1), node(2), node(3)])
        await change.put_mappings([mapping("10.0.0.1", 1, 1), mapping("10.0.0.2", 2, 2)])
        await change.append_events([vl2_event(1, 1), vl2_event(2, 1)])

    write(url, fill)
    if CAN_CHANGE_USER:
        for path in (folder, *folder.iterdir()):
            os.chown(path, NOBODY, NOBODY)
    return url


def write(url: str, work: Callable[[Transaction], object]) -> None:
    """Change a store from this process."""

    async def change() -> None:
        opened = await open_store(url)
        async with opened.transaction() as transaction:
            await work(transaction)  # type: ignore[misc]
        await opened.close()

    asyncio.run(change())


@contextlib.contextmanager
def connected(port: int, host: str = "127.0.0.1") -> Iterator[socket.socket]:
    with socket.create_connection((host, port), timeout=PATIENCE) as client:
        yield client


def ask(client: socket.socket, *messages: Message, version: int = 1) -> list[Message]:
    """The answers to what is asked at once."""
    client.sendall(b"".join(request(one, number, version) for number, one in enumerate(messages)))
    found = b""
    while len(found) < wire.HEADER_SIZE or not _whole(found, len(messages)):
        data = client.recv(65536)
        assert data, "the server closed the connection"
        found += data
    return [said(one) for one in frames(found)]


def _whole(data: bytes, number: int) -> bool:
    framer = wire.Framer()
    return len(framer.feed(data)) == number


def ask_at(port: int, *messages: Message, host: str = "127.0.0.1") -> list[Message]:
    with connected(port, host) as client:
        return ask(client, *messages)


# Beginning and end


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_it_says_where_it_listens_answers_and_stops_when_it_is_told_to(
    start: Start, store: str, how: signal.Signals
) -> None:
    served = start("--store", store, *ANYWHERE)
    port = served.port()
    with connected(port) as client:
        assert ask(client, Ping(), Vl2Req(mac(2), VNET)) == [Pong(), THERE]
        assert served.end(how) == 0
        assert client.recv(1) == b""
    messages = [json.loads(line)["msg"] for line in served.errors]
    assert messages == ["portolan up", "portolan stops"]


def test_answers_under_way_when_it_stops_are_whole(start: Start, store: str) -> None:
    served = start("--store", store, *ANYWHERE)
    with connected(served.port()) as client:
        client.sendall(request(Vl2Req(mac(2), VNET)) * 20_000)
        found = client.recv(65536)
        served.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(ConnectionResetError):  # it did not read all of it
            while data := client.recv(65536):
                found += data
        assert served.wait() == 0
    answers = wire.Framer().feed(found)
    assert answers
    assert {said(one) for one in answers} == {THERE}


def test_its_log_goes_to_a_file_if_that_is_wanted(start: Start, store: str, tmp_path: Path) -> None:
    log = tmp_path / "portolan.log"
    served = start("--store", store, *ANYWHERE, "--log", str(log))
    with connected(served.port()) as client:
        client.sendall(bytes(wire.HEADER_SIZE))
        assert client.recv(1) == b""
    assert served.end() == 0
    assert served.errors == []
    records = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(one["name"], one["v"]) for one in records] == [("portolan", 0)] * 3
    assert [one.get("reason") for one in records] == [None, "bad_crc", None]
    assert records[1]["level"] == 40


@pytest.mark.parametrize("address", ["[::1]:0", "[::]:0"])
def test_ipv6_addresses_are_listened_on_and_all_of_them_means_ipv4_too(start: Start, address: str) -> None:
    port = start("--store", "sqlite://", "--listen", address).port()
    assert ask_at(port, Ping(), host="::1") == [Pong()]
    if address == "[::]:0":
        assert ask_at(port, Ping()) == [Pong()]


def test_it_listens_on_as_many_addresses_as_it_is_given(start: Start) -> None:
    served = start("--store", "sqlite://", "--listen", "127.0.0.1:0", "--listen", "127.0.0.2:0")
    for host in ("127.0.0.1", "127.0.0.2"):
        line = served.line()
        assert f" {host}:" in line
        assert ask_at(int(line.rpartition(":")[2]), Ping(), host=host) == [Pong()]


def test_what_cannot_be_is_said_in_a_line_and_status_1(start: Start, tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is no database, but long enough to be taken for one" * 20)
    (tmp_path / "text.db").chmod(0o666)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        cases = [
            (("--store", "nonsense"), "nonsense: not the URL of a store"),
            (("--store", "mysql://host/name"), "mysql://host/name: not the URL of a store"),
            (("--store", f"sqlite:///{tmp_path}/none/here.db"), "none/here.db: unable to open database file"),
            (("--store", f"sqlite:///{tmp_path}/text.db"), "text.db: "),
            (("--store", "sqlite://", "--listen", f"127.0.0.1:{port}"), f"127.0.0.1:{port}: Address already in use"),
            (("--store", "sqlite://", "--listen", "192.0.2.1:0"), "192.0.2.1:0: Cannot assign requested address"),
            (("--store", "sqlite://", "--log", f"{tmp_path}/none/log"), "none/log: No such file or directory"),
            (("--store", "sqlite://", "--user", "nobody-of-that-name"), "user"),
        ]
        begun = [(start(*arguments), wanted) for arguments, wanted in cases]
        for served, wanted in begun:
            assert served.wait() == 1
            (line,) = served.errors
            assert line.startswith("portolan: ")
            assert wanted in line
            assert served.line() == ""


@pytest.mark.parametrize("given", ["1296", ":1296", "127.0.0.1:", "127.0.0.1:65536", "::1:1296", "[127.0.0.1]:1"])
def test_an_address_that_is_none_is_a_wrong_call(start: Start, given: str) -> None:
    served = start("--listen", given)
    assert served.wait() == 2
    assert "Invalid value for '--listen'" in served.errors[-1]


def test_without_prometheus_client_metrics_name_the_extra() -> None:
    code = "import sys; sys.modules['prometheus_client'] = None; from etherspan.portolan.cli import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, "serve", "--store", "sqlite://", "--metrics", "127.0.0.1:0"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("portolan: --metrics needs the extra etherspan[metrics]: ")


def test_metrics_count_what_it_does(start: Start, store: str) -> None:
    served = start("--store", store, *ANYWHERE, "--metrics", "127.0.0.1:0")
    port, line = served.port(), served.line()
    assert line.startswith("portolan: metrics on 127.0.0.1:")
    with connected(port) as client:
        ask(client, Vl2Req(mac(2), VNET), Vl2Req(mac(77), VNET), Vl2Req(mac(1), VNET), LogReq(1024, ip("10.9.9.9")))
        client.sendall(bytes(wire.HEADER_SIZE))
        assert client.recv(1) == b""
    with connected(port) as client:
        ask(client, Ping())
        where = f"http://{line.rpartition(' ')[2]}/metrics"
        with urllib.request.urlopen(where, timeout=PATIENCE) as page:
            assert page.headers["Content-Type"].startswith("text/plain")
            found = dict(row.rsplit(" ", 1) for row in page.read().decode().splitlines() if row[0] != "#")
    wanted = {
        'portolan_requests_total{op="VL2_REQ",status="OK"}': "2.0",
        'portolan_requests_total{op="VL2_REQ",status="NOTFOUND"}': "1.0",
        'portolan_requests_total{op="LOG_REQ",status="FATAL"}': "1.0",
        'portolan_requests_total{op="PING",status="OK"}': "1.0",
        "portolan_connections": "1.0",
        "portolan_connections_opened_total": "2.0",
        'portolan_connections_closed_total{reason="bad_crc"}': "1.0",
        "portolan_batch_requests_count": "2.0",
        "portolan_batch_requests_sum": "5.0",
        "portolan_batch_seconds_count": "2.0",
        "portolan_batches_at_store": "0.0",
    }
    assert {name: found.get(name) for name in wanted} == wanted
    for path, status in (("/nothing", 404), ("/metrics", 405)):
        method = "POST" if status == 405 else "GET"
        with pytest.raises(urllib.error.HTTPError, match=str(status)) as refused:
            urllib.request.urlopen(
                urllib.request.Request(where.replace("/metrics", path), method=method), timeout=PATIENCE
            )
        refused.value.close()


# Whom it runs as


def test_by_default_its_store_is_in_a_folder_of_its_own(start: Start, tmp_path: Path) -> None:
    served = start(*ANYWHERE)
    served.port()
    folder = tmp_path / "state/portolan"
    try:
        owner = pwd.getpwnam("portolan").pw_uid
    except KeyError:
        owner = NOBODY
    owner = owner if CAN_CHANGE_USER else os.geteuid()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.stat().st_uid for path in (folder, *folder.iterdir())} == {owner}
    assert (folder / "portolan.db").exists()
    assert served.status("Uid").split() == [str(owner)] * 4
    if os.geteuid() == 0:
        assert int(served.status("CapEff"), 16) == 0
        assert served.status("NoNewPrivs") == "1"
        assert served.status("Seccomp") == ("2" if confine.able()["seccomp"] else "0")
        assert served.status("Groups") == "" or not CAN_CHANGE_USER
    assert served.end() == 0


def test_a_store_that_root_has_begun_in_its_folder_is_handed_over(start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "state/portolan"
    folder.mkdir(parents=True)

    async def fill(change: Transaction) -> None:
        await change.put_nodes([node(2)])
        await change.put_mappings([mapping("10.0.0.2", 2, 2)])

    write(f"sqlite:///{folder}/portolan.db", fill)
    served = start(*ANYWHERE)
    assert ask_at(served.port(), Vl2Req(mac(2), VNET)) == [THERE]
    assert (folder / "portolan.db").stat().st_uid == (NOBODY if CAN_CHANGE_USER else os.geteuid())


def test_as_root_by_name_it_stays_that_user_without_capabilities(start: Start, tmp_path: Path) -> None:
    """Or says that it cannot become another, if it is not root."""
    served = start("--store", f"sqlite:///{tmp_path}/own.db", *ANYWHERE, "--user", "root")
    if os.geteuid():
        assert served.wait() == 1
        assert served.errors == ["portolan: only root can become another user\n"]
        return
    assert ask_at(served.port(), Ping()) == [Pong()]
    assert served.status("Uid").split() == ["0"] * 4
    assert int(served.status("CapEff"), 16) == int(served.status("CapPrm"), 16) == 0
    assert served.end() == 0


@pytest.mark.namespaces
def test_where_there_is_one_user_it_stays_that_user(start: Start, tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    assert unshare is not None, "util-linux is not installed"
    served = start(*ANYWHERE, before=(unshare, "--user", "--map-root-user"))
    assert ask_at(served.port(), Ping()) == [Pong()]
    assert served.status("Uid").split() == [str(os.geteuid())] * 4
    assert int(served.status("CapEff"), 16) == 0
    assert served.end() == 0


# Its store


@pytest.mark.fact("SVP-I24", "SVP-Q9")
def test_servers_over_one_store_say_the_same_and_nothing_old(start: Start, store: str) -> None:
    ports = [start("--store", store, *ANYWHERE).port() for _ in range(2)]
    questions: list[Message] = [
        Vl2Req(mac(1), VNET), Vl2Req(mac(2), VNET), Vl3Req(ip("10.0.0.2"), 2, VNET), Vl2Req(mac(9), VNET), LogReq(1024, HERE),
    ]  # fmt: skip
    with connected(ports[0]) as one, connected(ports[1]) as other:
        before = ask(one, *questions)
        assert ask(other, *questions) == before

        async def move(change: Transaction) -> None:
            await change.put_mappings([mapping("10.0.0.2", 2, 3)])
            await change.append_events([vl2_event(3, 1)])

        write(store, move)
        after = ask(one, *questions)
        assert ask(other, *questions) == after
        assert after[1] == Vl2Ack(Status.OK, 4789, ip("172.16.0.3"))
        assert after[4] != before[4]
        assert ask(one, LogRm((event_id(1), event_id(2), event_id(3)))) == [LogRmAck(Status.OK)]
        assert ask(other, LogReq(1024, HERE)) == ask(one, LogReq(1024, HERE)) != [after[4]]


def test_a_removal_that_was_acknowledged_outlives_a_kill(start: Start, store: str) -> None:
    served = start("--store", store, *ANYWHERE)
    with connected(served.port()) as client:
        before = ask(client, LogReq(1024, HERE))
        assert ask(client, LogRm((event_id(1),))) == [LogRmAck(Status.OK)]
        assert served.end(signal.SIGKILL) == -signal.SIGKILL
    (after,) = ask_at(start("--store", store, *ANYWHERE).port(), LogReq(1024, HERE))
    assert [one.id for one in after.records] == [event_id(2)]  # type: ignore[union-attr]
    assert [after] != before


def test_it_waits_for_a_store_that_is_not_there_yet_and_listens_then(start: Start) -> None:
    with running() as postgres:
        url = postgres.new_url()
        postgres.stop()
        as_owner = ("--user", USER) if CAN_CHANGE_USER else ()
        served = start("--store", url, *ANYWHERE, *as_owner)
        impatient = start("--store", url, *ANYWHERE, *as_owner)
        while not (served.errors and impatient.errors):
            assert served.process.poll() is None
            time.sleep(0.01)
        assert impatient.end() == 0
        assert impatient.line() == ""
        postgres.start()
        assert ask_at(served.port(), Vl2Req(mac(2), VNET)) == [Vl2Ack(Status.NOTFOUND)]
        assert served.end() == 0
        told = [json.loads(line)["msg"] for line in served.errors]
        assert told == ["waiting for the store", "portolan up", "portolan stops"]


@pytest.mark.fact("SVP-B21")
def test_a_database_that_goes_away_makes_requests_fatal_until_it_is_back(start: Start) -> None:
    with running() as postgres:
        as_owner = ("--user", USER) if CAN_CHANGE_USER else ()
        served = start("--store", postgres.new_url(), *ANYWHERE, *as_owner)
        with connected(served.port()) as client:
            assert ask(client, Vl2Req(mac(2), VNET)) == [Vl2Ack(Status.NOTFOUND)]
            postgres.stop(signal.SIGQUIT)
            assert ask(client, Vl2Req(mac(2), VNET), Ping()) == [Vl2Ack(Status.FATAL), Pong()]
            postgres.start()
            assert ask(client, Vl2Req(mac(2), VNET)) == [Vl2Ack(Status.NOTFOUND)]
        assert served.end() == 0
