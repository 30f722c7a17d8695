"""The Python of the documents runs: files that have a name in `tests/unit/etherspan/test_testing_docs.py`, everything else here."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from etherspan.portolan.producer import Producer
from etherspan.portolan.records import ComputeNode, Mapping
from etherspan.portolan.store import open_store
from tests.documents.markdown import PAGES, blocks
from tests.integration.conftest import pytest_runtest_setup  # noqa: F401 - what the mark `namespaces` asks for

PYTHON = [block for page in PAGES for block in blocks(page) if block.kind == "python"]


def source(word: str) -> str:
    """The block that has this in it."""
    (found,) = [block for block in PYTHON if word in "\n".join(block.text) and not is_file(block.text)]
    return "\n".join(found.text)


def is_file(text: list[str]) -> bool:
    """Whether it is one of the files that `test_testing_docs` runs: a test, or what a test imports."""
    return any(line.startswith(("def test_", "PLUGIN =")) for line in text)


def run(text: str, **names: Any) -> dict[str, Any]:
    exec(compile(text, "document", "exec"), names)
    return names


@pytest.mark.namespaces
def test_a_scenario_runs_on_this_machine(tmp_path: Path, let_others_in: Callable[[Path], None]) -> None:
    let_others_in(tmp_path)
    (whole,) = [block for block in PYTHON if "def two_hosts(world: World) -> None:" in block.text]
    two_hosts = run("\n".join(whole.text))["two_hosts"]
    run(source("with NetnsWorld").replace("/tmp/two-hosts", str(tmp_path / "world")), two_hosts=two_hosts)


def test_a_loop_is_turned_by_hand() -> None:
    async def work() -> None:
        await asyncio.sleep(3600)
        asyncio.get_running_loop().call_later(29.0, done.append, "later")

    done: list[str] = []
    loop = run(source("SimLoop()"), work=work)["loop"]
    assert done == ["later"]
    assert loop.time() == pytest.approx(3630.0, abs=0.01)


def test_a_program_moves_a_guest(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    ip, mac = bytes(10) + b"\xff\xff\x0a\x37\x37\x01", bytes.fromhex("020820000001")

    async def move() -> str:
        store = await open_store(url)
        producer = Producer(store)
        for name, last in (("one", 1), ("two", 2)):
            await producer.put_node(ComputeNode(name, ip[:15] + bytes([last])))
        await producer.put(Mapping(23, ip, mac, "one"))
        text = source("async def migrate").replace("postgresql+psycopg://portolan@db.example/portolan", url)
        await run(text)["migrate"](23, mac, "two")
        async with store.transaction() as change:
            (row,) = await change.mappings_of(23, mac)
        await store.close()
        return row.cn

    assert asyncio.run(move()) == "two"


def test_there_is_no_other_python() -> None:
    here = {"with NetnsWorld", "SimLoop()", "async def migrate"}
    others = [block for block in PYTHON if not is_file(block.text)]
    assert all(any(word in "\n".join(block.text) for word in here) for block in others)
    assert len(others) == len(here)
