"""Several processes over one store, and what is left when one of them dies."""

from __future__ import annotations

import asyncio
import contextlib
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from etherspan.portolan.store import Store, open_store
from tests.portolan_rows import VNET, everything, ip, mac, mapping, node, vl2_event
from tests.portolan_writer import add, seen, start


async def count(store: Store) -> int:
    async with store.snapshot() as snapshot:
        return await seen(snapshot)


def finish(processes: list[subprocess.Popen[str]]) -> list[list[int]]:
    """What they printed, once they are done without an error."""
    told = []
    for process in processes:
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        told.append([int(line) for line in output.split()])
    return told


@contextlib.contextmanager
def killing(writer: subprocess.Popen[str], after: int) -> Iterator[list[int]]:
    """Let it do so many transactions; kill it when the context is left. All numbers that it printed."""
    assert writer.stdout is not None
    told = [int(writer.stdout.readline()) for _ in range(after)]
    try:
        yield told
    finally:
        writer.kill()
    told += map(int, writer.stdout.read().split())


@pytest.mark.fact("SVP-I24")
def test_two_stores_over_one_place_say_the_same(shared_url: str) -> None:
    async def steps() -> None:
        one, other = await open_store(shared_url), await open_store(shared_url)
        keys = [(VNET, mac(n)) for n in range(1, 5)]
        try:
            for number in range(1, 5):
                async with (one, other)[number % 2].transaction() as change:
                    await change.put_nodes([node(number)])
                    await change.put_mappings([mapping(f"10.0.0.{number}", number, number)])
                    await change.append_events([vl2_event(number, 1)])
                said = []
                for store in (one, other):
                    async with store.snapshot() as snapshot:
                        said.append((await snapshot.vl2(keys), await snapshot.vl3([(VNET, ip("10.0.0.1"))])))
                assert said[0] == said[1]
                assert sum(place is not None for place in said[0][0]) == number
            async with one.transaction() as change:
                assert await everything(change.all_events()) == [vl2_event(number, 1) for number in range(1, 5)]
        finally:
            await one.close()
            await other.close()

    asyncio.run(steps())


@pytest.mark.fact("SVP-I21", "SVP-I23")
def test_what_two_writers_do_is_in_one_order_and_a_reader_sees_each_change_whole(shared_url: str) -> None:
    times = 60

    async def steps() -> int:
        store = await open_store(shared_url)
        states = 0
        try:
            writers = [start(shared_url, times) for _ in range(2)]
            last = -1
            while last < 2 * times:
                assert all(writer.poll() in {None, 0} for writer in writers)
                now = await count(store)
                assert now >= last
                states += now != last
                last = now
                await asyncio.sleep(0)
            told = finish(writers)
            assert sorted(told[0] + told[1]) == list(range(2 * times))
            assert all(one == sorted(one) for one in told)
        finally:
            await store.close()
        return states

    assert asyncio.run(steps()) > 10, "the reader was there while they wrote"


def test_a_writer_that_is_killed_loses_nothing_it_said_was_done_and_leaves_nothing_half_done(shared_url: str) -> None:
    chance = random.Random(1296)

    async def steps() -> None:
        store = await open_store(shared_url)
        try:
            for _ in range(6):
                writer = start(shared_url, 10_000)
                with writer, killing(writer, chance.randrange(1, 25)) as told:
                    await asyncio.sleep(chance.random() * 0.004)  # any moment will do
                # Whatever it held is free: this transaction is let in.
                async with store.transaction() as change:
                    done = await seen(change)
                    assert done - (told[-1] + 1) in {0, 1}, "one more may be done than it could say"
                    await add(change)
        finally:
            await store.close()

    asyncio.run(steps())


def test_several_that_start_at_once_over_an_empty_place_all_find_their_tables(shared_url: str) -> None:
    told = finish([start(shared_url, 3) for _ in range(4)])
    assert sorted(number for one in told for number in one) == list(range(12))


def test_a_snapshot_is_not_kept_waiting_by_a_writer_nor_a_writer_by_a_snapshot(shared_url: str) -> None:
    async def steps() -> None:
        one, other = await open_store(shared_url), await open_store(shared_url)
        try:
            async with asyncio.timeout(3), one.transaction() as change:
                await add(change)
                assert await count(other) == 0
            async with asyncio.timeout(3), other.snapshot() as old:
                async with one.transaction() as change:
                    await add(change)
                assert await seen(old) == 1
                assert await count(other) == 2
        finally:
            await one.close()
            await other.close()

    asyncio.run(steps())


def test_an_sqlite_store_whose_writer_was_killed_needs_no_mending(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/portolan.db"
    writer = start(url, 10_000)
    with writer, killing(writer, 5) as told:
        pass
    (tmp_path / "portolan.db-shm").unlink()

    async def steps() -> None:
        store = await open_store(url)
        try:
            assert await count(store) - (told[-1] + 1) in {0, 1}
        finally:
            await store.close()

    asyncio.run(steps())
