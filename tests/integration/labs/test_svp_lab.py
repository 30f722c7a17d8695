"""Overlays whose varpd asks an SVP server, on real hosts: reachability, a live migration, servers and stores that come and go."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from etherspan.portolan.producer import Producer
from etherspan.portolan.records import Mapping
from etherspan.portolan.store import open_store
from libvarpd.plugins.svp.messages import MAPPED
from tests.integration.labs.conftest import BIN
from tests.portolan_pg import Postgres, running

pytestmark = pytest.mark.namespaces

DOCUMENT = Path(__file__).parents[3] / "docs" / "svp.md"
LABS = Path(__file__).parents[3] / "fixtures" / "labs"

HEAD = """
[underlay]
subnet = "10.88.88.0/24"
mtu = 1500

[hosts]
"portolan.lab" = [{names}]
"""
HOST = """
[host.cn{n}]
address = "10.88.88.{n}"
dladm = [
  "create-overlay -e vxlan -s svp -v 23 -p vxlan/listen_ip=10.88.88.{n},svp/host=portolan.lab,svp/underlay_ip=10.88.88.{n} ov0",
  "create-vnic -l ov0 -m {mac} vnic0",
]
[host.cn{n}.zone.web.nic.vnic0]
address = ["10.55.55.{n}/24", "fd55::{n}/64"]
"""
SERVER = """
[portolan.{name}]
address = "{address}"
{more}
"""
POLL = 11.0
"""Seconds within which a node hears of a change."""


def mac(n: int) -> str:
    return f"2:8:20:0:0:{n:x}"


def cn(n: int) -> str:
    return f"00000000-0000-4000-8000-{n:012x}"


def host(n: int) -> str:
    return HOST.format(n=n, mac=mac(n))


def fleet(*hosts: int) -> str:
    nodes = [{"uuid": cn(n), "underlay_ip": f"10.88.88.{n}", "underlay_port": 4789} for n in hosts]
    rows = [
        {"vnet_id": 23, "mac": mac(n), "ip": ip, "cn": cn(n)} for n in hosts for ip in (f"10.55.55.{n}", f"fd55::{n}")
    ]
    return json.dumps({"compute_nodes": nodes, "mappings": rows})


def rows(lab: Any, where: str) -> list[str]:
    shown: str = lab.dladm(where, "show-overlay", "-t", "-p", "-o", "target,destination", "ov0").stdout
    return [re.sub(r"\\(.)", r"\1", line) for line in shown.splitlines()]


def row(n: int, at: int | None = None) -> str:
    return f"{mac(n)}:10.88.88.{n if at is None else at}:4789"


def condition(lab: Any, where: str) -> str:
    shown: str = lab.dladm(where, "show-overlay", "-f", "-p", "-o", "status,details", "ov0").stdout
    return shown.strip()


def pings(lab: Any, where: str, address: str) -> bool:
    done = lab.run(where, "etherspan", "probe", "ping", address, "-c", 1, "-W", 0.5, check=False)
    return bool(done.returncode == 0)


def ready(lab: Any, wait_until: Any, *hosts: int) -> None:
    """Until every host has a connection to a server."""
    for n in hosts:
        wait_until(lambda n=n: pings(lab, f"cn{n}:web", f"10.55.55.{n % len(hosts) + 1}"), 15, f"cn{n} finds others")


def events(lab: Any) -> list[str]:
    listed: str = lab.run("one", "portolanadm", "log", "list", "-p", "-o", "cn,type").stdout
    return listed.splitlines()


def received(lab: Any, where: str, link: str) -> int:
    """Frames a VNIC was handed."""
    text = lab.run(where, "kstat", "-p", f"link:0:{link}:ipackets64").stdout
    return int(text.split()[-1])


@pytest.fixture
def three(lab_up: Callable[[str], Any], tmp_path: Path, wait_until: Any) -> Any:
    (tmp_path / "fleet.json").write_text(fleet(1, 2, 3))
    server = SERVER.format(name="one", address="10.88.88.5", more='data = "fleet.json"')
    lab = lab_up(HEAD.format(names='"10.88.88.5"') + server + "".join(map(host, (1, 2, 3))))
    ready(lab, wait_until, 1, 2, 3)
    return lab


def test_three_hosts_find_each_other_through_a_server(three: Any) -> None:
    for n in (1, 2, 3):
        for peer in {1, 2, 3} - {n}:
            three.run(f"cn{n}:web", "etherspan", "probe", "ping", f"10.55.55.{peer}", "-c", 1)
            three.run(f"cn{n}:web", "etherspan", "probe", "ping", f"fd55::{peer}", "-c", 1)
            three.tcp(f"cn{n}:web", f"cn{peer}:web", f"10.55.55.{peer}", 1 << 20)
            three.tcp(f"cn{n}:web", f"cn{peer}:web", f"fd55::{peer}", 1 << 20)
    for n in (1, 2, 3):
        assert rows(three, f"cn{n}") == [row(peer) for peer in (1, 2, 3) if peer != n]
        assert condition(three, f"cn{n}") == "ONLINE:-"


def migration() -> tuple[str, list[list[str]]]:
    """The lab file of the document's example, and its commands."""
    name, block = re.findall(r"<!-- lab: (\S+) -->\n```sh\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)[0]
    return name, [shlex.split(line) for line in block.splitlines()]


@pytest.fixture
def documented(lab_up: Callable[[str], Any], tmp_path: Path, wait_until: Any) -> Any:
    """The lab of the document's example."""
    name, _ = migration()
    shutil.copy((LABS / name).with_suffix(".json"), tmp_path)
    lab = lab_up((LABS / name).read_text())
    ready(lab, wait_until, 1, 2, 3)
    return lab


def test_traffic_follows_a_mac_address_that_moves_as_the_document_says(documented: Any, wait_until: Any) -> None:
    def run(argv: list[str]) -> str:
        done = subprocess.run(
            [BIN / argv[0], *argv[1:]], env=documented.env, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, f"{argv}\n{done.stdout}{done.stderr}"
        return done.stdout

    _, commands = migration()
    making, moving, leaving = commands[:3], commands[3], commands[4:]
    assert pings(documented, "cn1:web", "10.55.55.3")
    assert row(3) in rows(documented, "cn1")
    for argv in making:
        run(argv)
    assert run(moving) == "9 events\n", "two addresses and the MAC address, for three nodes"
    begun = time.monotonic()

    def follows() -> bool:
        pings(documented, "cn1:web", "10.55.55.3")
        return row(3, at=2) in rows(documented, "cn1")

    wait_until(follows, POLL, "cn1 sends to the new host")
    print(f"traffic followed after {time.monotonic() - begun:.1f} s")
    wait_until(lambda: events(documented) == [], 2 * POLL, "every node acknowledges its events")
    before_old, before_new = received(documented, "cn3", "vnic0"), received(documented, "cn2", "guest0")
    for sender in ("cn1:web", "cn2:web"):
        for _ in range(3):
            assert pings(documented, sender, "10.55.55.3")
    assert received(documented, "cn3", "vnic0") == before_old, "the old host still gets frames"
    assert received(documented, "cn2", "guest0") >= before_new + 6
    for argv in leaving:
        run(argv)
    assert pings(documented, "cn1:web", "10.55.55.3")


@contextmanager
def repeating(work: Callable[[], None]) -> Iterator[list[BaseException]]:
    """Do something again and again in a thread, for as long as the context lasts; what went wrong ends it and is told."""
    failures: list[BaseException] = []
    stop = threading.Event()

    def run() -> None:
        try:
            while not stop.is_set():
                work()
        except BaseException as error:  # noqa: BLE001 - told by the test
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield failures
    finally:
        stop.set()
        thread.join()
    assert not failures, failures


def add_mappings(url: str, numbers: Iterator[int], acknowledged: list[int]) -> None:
    """One more mapping that concerns both nodes; a database that is away is no failure, and nothing is acknowledged then."""
    from etherspan.portolan.store import StoreError

    async def add() -> None:
        number = next(numbers)
        try:
            store = await open_store(url)
        except StoreError:
            return
        try:
            raw = number.to_bytes(2)
            await Producer(store).put(Mapping(23, MAPPED + b"\x0a\x38" + raw, b"\x02\x08\x20\x01" + raw, cn(1)))
            acknowledged.append(number)
        except StoreError:
            pass
        finally:
            await store.close()

    asyncio.run(add())


async def present(url: str) -> set[int]:
    store = await open_store(url)
    try:
        async with store.transaction() as state:
            return {int.from_bytes(one.mac[4:]) async for one in state.all_mappings(23) if one.mac[3] == 1}
    finally:
        await store.close()


@pytest.mark.fact("SVP-I24", "SVP-I38")
def test_servers_a_database_and_names_come_and_go_under_load(
    lab_up: Callable[[str], Any], tmp_path: Path, state_dir: Path, wait_until: Any
) -> None:
    with running() as postgres:
        url = postgres.new_url()
        store = f'store = "{url}"'
        body = (
            SERVER.format(name="one", address="10.88.88.5", more=store)
            + SERVER.format(name="two", address="10.88.88.6", more=store)
            + host(1)
            + host(2)
        )
        lab = lab_up(HEAD.format(names='"10.88.88.5", "10.88.88.6"') + body)
        (tmp_path / "fleet.json").write_text(fleet(1, 2))
        lab.run("two", "portolanadm", "import", tmp_path / "fleet.json")
        ready(lab, wait_until, 1, 2)
        seen: set[str] = set()
        acknowledged: list[int] = []
        numbers = iter(range(60_000))

        def watch() -> None:
            seen.update(condition(lab, where) for where in ("cn1", "cn2"))

        def finds_anew() -> bool:
            """A lookup that no cache answers."""
            lab.dladm("cn1", "modify-overlay", "-f", "ov0")
            return pings(lab, "cn1:web", "10.55.55.2")

        with repeating(watch), repeating(lambda: add_mappings(url, numbers, acknowledged)):
            wait_until(lambda: len(acknowledged) > 3, 20, "mappings are written")
            kill_server(state_dir, lab.name, "one")
            wait_until(finds_anew, 20, "lookups go on by the other server")
            assert finds_anew()
            restart(postgres)
            wait_until(finds_anew, 20, "lookups go on after the database was restarted")
            written = len(acknowledged)
            wait_until(lambda: len(acknowledged) > written + 3, 20, "mappings are written again")
            rename(lab, tmp_path, HEAD.format(names='"10.88.88.6"') + body)
            wait_until(finds_anew, 5, "lookups go on while an address has gone")
            rename(lab, tmp_path, HEAD.format(names='"10.88.88.6", "10.88.88.5", "10.88.88.7"') + body)
            wait_until(finds_anew, 5, "lookups go on while addresses have come")
        assert seen == {"ONLINE:-"}
        assert set(acknowledged) <= asyncio.run(present(url)), "an acknowledged write is lost"
        assert rows(lab, "cn1") == [row(2)]
        assert set(rows(lab, "cn2")) <= {row(1)}


def kill_server(state_dir: Path, lab: str, name: str) -> None:
    record = json.loads((state_dir / "labs" / lab / "portolan" / name / "process.json").read_text())
    os.kill(record["pid"], signal.SIGKILL)


def restart(postgres: Postgres) -> None:
    postgres.stop()
    postgres.start()


def rename(lab: Any, folder: Path, text: str) -> None:
    """Change [hosts] of the running lab."""
    file = folder / f"{lab.name}.toml"
    file.write_text(text)
    done = subprocess.run(
        [BIN / "etherspan", "lab", "up", file, "--name", lab.name],
        env=lab.env,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[hosts] has been applied" in done.stdout


@pytest.mark.soak
@pytest.mark.fact("SVP-I32", "SVP-I33")
def test_without_any_server_for_70_seconds_an_overlay_is_degraded_and_then_sound_again(
    three: Any, wait_until: Any, state_dir: Path
) -> None:
    states = [condition(three, "cn1")]

    def settled(wanted: str) -> bool:
        now = condition(three, "cn1")
        if now != states[-1]:
            states.append(now)
        assert pings(three, "cn1:web", "10.55.55.3"), "what is known goes on"
        return now == wanted

    kill_server(state_dir, three.name, "one")
    wait_until(lambda: settled("DEGRADED:cannot reach any remote peers"), 70, "the overlay is degraded")
    again = three.popen("one", "portolan", "serve", "--listen", "10.88.88.5:1296", "--user", "0")
    try:
        wait_until(lambda: settled("ONLINE:-"), 40, "the overlay is sound")
        assert states == ["ONLINE:-", "DEGRADED:cannot reach any remote peers", "ONLINE:-"]
    finally:
        again.terminate()
        again.communicate()
