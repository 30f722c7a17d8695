"""SVP servers on real hosts: several over one store, and servers, a database and names that come and go."""

from __future__ import annotations

import asyncio
import json
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
from tests.integration.labs.svp_lab_parts import (
    HEAD,
    SERVER,
    cn,
    condition,
    connections,
    fleet,
    fleet_lab,
    host,
    kill_server,
    mac,
    pings,
    ready,
    row,
    rows,
)
from tests.portolan_pg import Postgres, running

pytestmark = pytest.mark.namespaces

LOOK_UP = 35.0
"""Seconds within which a node has looked its server's name up again and connected."""


def test_a_server_on_an_ipv6_underlay_is_asked_too(
    lab_up: Callable[[str], Any], tmp_path: Path, wait_until: Any
) -> None:
    def ipv6(text: str) -> str:
        return text.replace("10.88.88.0/24", "fd00:88::/64").replace("10.88.88.", "fd00:88::")

    (tmp_path / "fleet.json").write_text(ipv6(fleet(1, 2)))
    server = SERVER.format(name="one", address="10.88.88.5", more='data = "fleet.json"')
    lab = lab_up(ipv6(HEAD.format(names='"10.88.88.5"') + server + host(1) + host(2)))
    ready(lab, wait_until, 1, 2)
    lab.run("cn1:web", "etherspan", "probe", "ping", "fd55::2", "-c", 1)
    assert rows(lab, "cn1") == [f"{mac(2)}:fd00:88::2:4789"]
    assert condition(lab, "cn1") == "ONLINE:-"


SHARED = 'store = "sqlite:///one/store.db"'
"""The store that the server `one` has of its own."""


@pytest.mark.fact("SVP-I24")
def test_servers_that_share_a_store_say_the_same_whichever_comes_first_in_the_file(
    lab_up: Callable[[str], Any], tmp_path: Path
) -> None:
    (tmp_path / "fleet.json").write_text(fleet(1, 2))
    sharing = SERVER.format(name="two", address="10.88.88.6", more=SHARED)
    owner = SERVER.format(name="one", address="10.88.88.5", more='data = "fleet.json"')
    lab = lab_up(HEAD.format(names='"10.88.88.5", "10.88.88.6"') + sharing + owner)

    def places(place: str) -> list[Any]:
        asked = ("portolanadm", "vl2-lookup", "--vnet", 23, "--mac", mac(2), "--server")
        return [
            json.loads(lab.run(place, *asked, address).stdout)["address"] for address in ("10.88.88.5", "10.88.88.6")
        ]

    assert places("one") == ["10.88.88.2"] * 2
    lab.run("two", "portolanadm", "mapping", "move", "--vnet", 23, "--mac", mac(2), "--cn", cn(1))
    assert places("two") == ["10.88.88.1"] * 2
    assert {one["state"] for one in lab.status()["portolans"].values()} == {"up"}


@pytest.mark.fact("SVP-I38")
def test_names_that_change_while_a_lab_runs_open_and_close_connections_and_leave_the_others_alone(
    lab_up: Callable[[str], Any], tmp_path: Path, wait_until: Any
) -> None:
    (tmp_path / "fleet.json").write_text(fleet(1))
    body = (
        SERVER.format(name="one", address="10.88.88.5", more='data = "fleet.json"')
        + SERVER.format(name="two", address="10.88.88.6", more=SHARED)
        + SERVER.format(name="three", address="10.88.88.7", more=SHARED)
        + host(1)
    )
    lab = lab_up(HEAD.format(names='"10.88.88.5", "10.88.88.6"') + body)
    wait_until(lambda: set(connections(lab, "cn1")) == {"10.88.88.5", "10.88.88.6"}, 15, "both addresses are used")
    stays = connections(lab, "cn1")["10.88.88.6"]
    rename(lab, tmp_path, HEAD.format(names='"10.88.88.6", "10.88.88.7"') + body)
    wait_until(
        lambda: set(connections(lab, "cn1")) == {"10.88.88.6", "10.88.88.7"},
        LOOK_UP,
        "one address has gone, one has come",
    )
    assert connections(lab, "cn1")["10.88.88.6"] == stays, "the socket of the address that stays"
    assert condition(lab, "cn1") == "ONLINE:-"


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
    lab_up: Callable[[str], Any], tmp_path: Path, wait_until: Any, state_dir: Path
) -> None:
    three = fleet_lab(lab_up, tmp_path, wait_until, 1, 2, 3)
    states = [condition(three, "cn1")]

    def settled(wanted: str) -> bool:
        now = condition(three, "cn1")
        if now != states[-1]:
            states.append(now)
        assert pings(three, "cn1:web", "10.55.55.3"), "what is known goes on"
        return now == wanted

    begun = time.monotonic()
    kill_server(state_dir, three.name, "one")
    wait_until(lambda: settled("DEGRADED:cannot reach any remote peers"), 70, "the overlay is degraded")
    assert time.monotonic() - begun > 60, "seven refusals, and 1 + 2 + 4 + 8 + 16 + 32 seconds between them"
    again = three.popen("one", "portolan", "serve", "--listen", "10.88.88.5:1296", "--user", "0")
    try:
        wait_until(lambda: settled("ONLINE:-"), 40, "the overlay is sound")
        assert states == ["ONLINE:-", "DEGRADED:cannot reach any remote peers", "ONLINE:-"]
    finally:
        again.terminate()
        again.communicate()
