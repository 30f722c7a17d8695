"""`portolanadm` as people type it, against a store in a file and a server on the loopback interface."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from etherspan.portolan.admin.cli import main
from etherspan.portolan.server import Server
from etherspan.portolan.state import STORE_VARIABLE, default_store
from etherspan.portolan.store import open_store

ONE = "00000000-0000-4000-8000-000000000001"
TWO = "00000000-0000-4000-8000-000000000002"


class Outcome:
    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err


Adm = Callable[..., Outcome]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/store.db"


@pytest.fixture
def adm(url: str, capsys: pytest.CaptureFixture[str]) -> Adm:
    def run(*argv: object, status: int = 0) -> Outcome:
        capsys.readouterr()
        found = main(["--store", url, *map(str, argv)])
        out, err = capsys.readouterr()
        assert found == status, out + err
        return Outcome(found, out, err)

    return run


@pytest.fixture
def fleet(adm: Adm) -> Adm:
    adm("node", "add", ONE, "10.0.0.1")
    adm("node", "add", TWO, "fd00::2", 4790)
    adm("mapping", "add", "--vnet", 0, "--mac", "2:8:20:0:0:1", "--ip", "10.1.0.1", "--cn", ONE, "--vlan", 7)
    return adm


def test_nodes_are_listed_in_a_table_by_fields_and_as_json(fleet: Adm) -> None:
    assert fleet("node", "list").out == (
        "UUID                                 UNDERLAY                  PORT\n"
        f"{ONE} 10.0.0.1                  4789\n"
        f"{TWO} fd00::2                   4790\n"
    )
    assert fleet("node", "list", "-p", "-o", "underlay,port").out == "10.0.0.1:4789\nfd00\\:\\:2:4790\n"
    assert json.loads(fleet("node", "list", "--json").out) == {
        "schema": "etherspan.portolanadm.node-list.v1",
        "nodes": [
            {"uuid": ONE, "underlay": "10.0.0.1", "port": 4789},
            {"uuid": TWO, "underlay": "fd00::2", "port": 4790},
        ],
    }


def test_mappings_are_added_moved_and_removed_and_the_log_says_so(fleet: Adm) -> None:
    assert (
        fleet("mapping", "list", "-p", "-o", "vnet,mac,ip,vlan,cn").out
        == f"0:02\\:08\\:20\\:00\\:00\\:01:10.1.0.1:7:{ONE}\n"
    )
    assert fleet("log", "list", "-p", "-o", "cn,type,vnet,target").out == f"{ONE}:VL3:0:10.1.0.1\n"
    assert fleet("mapping", "move", "--vnet", 0, "--mac", "2:8:20:0:0:1", "--cn", TWO).out == "4 events\n"
    assert fleet("mapping", "list", "-p", "-o", "cn", "--vnet", 0).out == f"{TWO}\n"
    assert fleet("mapping", "list", "-p", "-o", "cn", "--cn", ONE).out == ""
    assert fleet("log", "list", "-p", "-o", "type", "--cn", TWO).out == "VL3\nVL2\n"
    assert fleet("mapping", "remove", "--vnet", 0, "--mac", "02:08:20:00:00:01").out == "1 event\n"
    assert fleet("mapping", "list", "-p", "-o", "deleted").out == "yes\n"


def test_events_can_be_removed_by_hand(fleet: Adm) -> None:
    (ident,) = fleet("log", "list", "-p", "-o", "uuid").out.split()
    fleet("log", "rm", ident.upper(), "7d4cbe3a-20c1-4f0b-9d3e-0123456789ab")
    assert fleet("log", "list").out == ""


ROUTE = ("--vnet", 0, "--vlan", 4, "--subnet", "10.1.0.0/24", "--far-subnet", "fd00:33::/64")


def test_routes_are_added_listed_and_removed(fleet: Adm) -> None:
    fleet("route", "add", *ROUTE, "--far-dc", 2, "--far-vnet", 99, "--router-mac", "2:8:20:ff:0:2")
    (row,) = json.loads(fleet("route", "list", "--json").out)["routes"]
    assert row == {
        "vnet": 0,
        "vlan": 4,
        "subnet": "10.1.0.0/24",
        "dc": 2,
        "farvnet": 99,
        "farvlan": 0,
        "farsubnet": "fd00:33::/64",
        "routermac": "02:08:20:ff:00:02",
        "deleted": False,
    }
    assert (
        fleet("log", "list", "-p", "-o", "type,target").out.splitlines()[-1] == "ROUTE:10.1.0.0/24 fd00\\:33\\:\\:/64"
    )
    fleet("route", "remove", *ROUTE)
    assert fleet("route", "list").out == ""
    assert fleet("route", "remove", *ROUTE, status=1).err == "portolanadm: virtual network 0 has no such route\n"


def test_a_mapping_on_a_node_that_is_unknown_is_warned_of(fleet: Adm) -> None:
    done = fleet("mapping", "add", "--vnet", 1, "--mac", "2:0:0:0:0:9", "--ip", "10.0.0.9", "--cn", "nobody")
    assert done.err.startswith("portolanadm: warning: compute node nobody is unknown")


def test_a_check_names_what_is_inconsistent(fleet: Adm, tmp_path: Path) -> None:
    assert fleet("check").out == ""
    document = {
        "compute_nodes": [{"uuid": "cn3", "underlay_ip": "10.0.0.1"}],
        "mappings": [
            {"vnet_id": 0, "mac": "02:08:20:00:00:01", "ip": "10.1.0.2", "cn": TWO},
            {"vnet_id": 0, "mac": "02:08:20:00:00:09", "ip": "10.1.0.9", "cn": "nobody"},
            {"vnet_id": 0, "mac": "02:08:20:00:00:0a", "ip": "10.1.0.10", "cn": "nobody", "deleted": True},
        ],
        "events": [
            {
                "uuid": "7d4cbe3a-20c1-4f0b-9d3e-0123456789ab",
                "cn": "nobody",
                "type": "VL2",
                "vnet_id": 0,
                "mac": "02:08:20:00:00:01",
            }
        ],
    }
    (tmp_path / "more.json").write_text(json.dumps(document))
    assert fleet("import", tmp_path / "more.json").out == "1 compute node, 3 mappings, 0 routes, 1 event\n"
    assert fleet("check", status=1).out.splitlines() == [
        f"compute nodes {ONE}, cn3 have one underlay address, 10.0.0.1: none of them gets its events",
        "virtual network 0: 02:08:20:00:00:09 with 10.1.0.9 is on node nobody, which is unknown: it is answered as not found",
        f"virtual network 0: 02:08:20:00:00:01 is on nodes {ONE}, {TWO}: the mapping written last counts",
        "event 7d4cbe3a-20c1-4f0b-9d3e-0123456789ab is for node nobody, which is unknown: nobody will ever take it",
    ]


def test_what_is_exported_can_be_imported_elsewhere(
    fleet: Adm, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "all.json"
    target.write_text("kept until all is written")
    fleet("export", target)
    assert main(["--store", f"sqlite:///{tmp_path}/other.db", "import", str(target)]) == 0
    capsys.readouterr()
    assert main(["--store", f"sqlite:///{tmp_path}/other.db", "export", "-"]) == 0
    assert capsys.readouterr().out == target.read_text()
    assert [path.name for path in tmp_path.glob("*.new")] == []


@pytest.mark.fact("SVP-B23")
def test_a_bad_file_leaves_the_store_as_it_is(fleet: Adm, tmp_path: Path) -> None:
    before = fleet("export", "-").out
    (tmp_path / "bad.json").write_text('{"mappings": [{"vnet_id": 1}]}')
    done = fleet("import", tmp_path / "bad.json", status=1)
    assert done.err == f"portolanadm: {tmp_path}/bad.json: mappings, row 1: mac: it is missing\n"
    assert fleet("export", "-").out == before
    assert (
        fleet("import", tmp_path / "none.json", status=1).err
        == f"portolanadm: {tmp_path}/none.json: No such file or directory\n"
    )


@pytest.mark.parametrize(
    ("argv", "status", "text"),
    [
        (
            ("mapping", "move", "--vnet", 9, "--mac", "2:0:0:0:0:1", "--cn", ONE),
            1,
            "virtual network 9 has no mapping of 02:00:00:00:00:01",
        ),
        (("mapping", "add", "--vnet", 0, "--mac", "2:8:20:0:0:1", "--ip", "10.9.9.9", "--cn", TWO), 1, "move it first"),
        (("mapping", "add", "--vnet", 0, "--mac", "x", "--ip", "10.9.9.9", "--cn", TWO), 2, "'x' is no MAC address"),
        (
            ("mapping", "add", "--vnet", 2**32, "--mac", "0:0:0:0:0:1", "--ip", "::1", "--cn", TWO),
            2,
            "4294967296 is not in the range",
        ),
        (("node", "add", "cn", "10.0.0"), 2, "'10.0.0' is no IP address"),
        (("node", "remove", "cn"), 1, "there is no compute node cn"),
        (("node", "list", "-p"), 1, "-p requires -o"),
        (("node", "list", "-o", "size"), 1, "no valid output fields"),
        (("node", "list", "-p", "-o", "uuid", "--json"), 1, "--json cannot be used with -p"),
        (("log", "rm", "x"), 2, "'x' is no UUID"),
        (("ping", "--server", "127.0.0.1:0"), 2, "is not HOST or HOST:PORT"),
        (("ping", "--server", "127.0.0.1:1"), 1, "127.0.0.1 port 1: Connection refused"),
    ],
)
def test_what_cannot_be_says_why(fleet: Adm, argv: tuple[object, ...], status: int, text: str) -> None:
    assert text in fleet(*argv, status=status).err


def test_a_store_that_cannot_be_opened_is_named(adm: Adm, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--store", f"sqlite:///{tmp_path}/no/folder.db", "node", "list"]) == 1
    assert "folder.db" in capsys.readouterr().err
    assert main(["--store", "mysql://x", "node", "list"]) == 1
    assert capsys.readouterr().err.startswith("portolanadm: mysql://x: not the URL of a store")


def test_the_environment_may_name_the_store(tmp_path: Path) -> None:
    assert default_store({STORE_VARIABLE: "memory://"}) == "memory://"
    assert default_store({"ETHERSPAN_STATE": str(tmp_path)}) == f"sqlite:///{tmp_path}/portolan/portolan.db"


# ---------------------------------------------------------------------- questions to a server


@pytest.fixture
def server(fleet: Adm, url: str) -> Iterator[str]:
    """A server over the store, in a thread with a loop of its own; where it listens."""
    loop = asyncio.new_event_loop()
    started = threading.Event()
    where: list[str] = []
    stop: asyncio.Event = asyncio.Event()

    async def serve() -> None:
        store = await open_store(url)
        made = Server(store)
        host, port = await made.start("127.0.0.1", 0)
        where.append(f"{host}:{port}")
        started.set()
        await stop.wait()
        await made.stop()
        await store.close()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert started.wait(20)
    yield where[0]
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()


def test_a_server_is_asked_and_its_answers_are_json(fleet: Adm, server: str) -> None:
    def ask(*argv: object, status: int = 0) -> dict[str, object]:
        found: dict[str, object] = json.loads(fleet(*argv, "--server", server, status=status).out)
        return found

    assert ask("ping") == {"version": 2, "op": "PONG"}
    assert ask("vl2-lookup", "--mac", "2:8:20:0:0:1", "--vnet-id", 0) == {
        "version": 1,
        "op": "VL2_ACK",
        "status": 0,
        "status_name": "OK",
        "port": 4789,
        "address": "10.0.0.1",
    }
    assert ask("vl3-lookup", "--ip", "10.1.0.1", "--vnet", 0)["mac"] == "02:08:20:00:00:01"
    assert ask("vl3-lookup", "--ip", "10.1.0.1", "--vnet", 1, status=1)["status_name"] == "NOTFOUND"
    log = ask("log-req", "--ip", "10.0.0.1")
    (record,) = log["records"]  # type: ignore[misc]
    assert (record["type"], record["address"], record["vlan"]) == ("VL3", "10.1.0.1", 7)
    assert ask("log-rm", record["id"])["status"] == 0
    assert ask("log-req", "--ip", "10.0.0.1")["records"] == []
    assert ask("log-req", "--ip", "10.0.0.77", status=1)["status_name"] == "FATAL"
    fleet("mapping", "add", "--vnet", 99, "--mac", "2:0:0:0:0:5", "--ip", "fd00:33::5", "--cn", TWO)
    fleet("route", "add", *ROUTE, "--far-dc", 2, "--far-vnet", 99, "--router-mac", "2:8:20:ff:0:2")
    found = ask("route-lookup", "--src", "10.1.0.1", "--dst", "fd00:33::5", "--vnet", 0, "--vlan", 4)
    assert (found["dcid"], found["dst_mac"], found["src_prefix"], found["dst_prefix"]) == (
        2,
        "02:00:00:00:00:05",
        24,
        64,
    )
