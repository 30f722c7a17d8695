"""A process that writes to a store: `python -m tests.portolan_writer URL TIMES`.

Each transaction finds the number of events, n, and adds to it: event n for node 0, node n + 1, and MAC address 1 moves there. Its number is
printed once it is done.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from etherspan.portolan.store import open_store
from etherspan.portolan.store.protocol import LogKey, Snapshot, Transaction
from tests.portolan_rows import VNET, mac, mapping, node, vl2_event

ROOT = Path(__file__).resolve().parent.parent
ASKING = node(0)


async def write(url: str, times: int) -> None:
    store = await open_store(url)
    try:
        for _ in range(times):
            async with store.transaction() as change:
                number = await add(change)
            print(number, flush=True)
    finally:
        await store.close()


async def add(change: Transaction) -> int:
    number = await seen(change)
    await change.put_nodes([ASKING, node(number + 1)])
    await change.put_mappings([mapping("10.0.0.1", 1, number + 1)])
    await change.append_events([vl2_event(number, 0)])
    return number


async def seen(snapshot: Snapshot) -> int:
    """How many transactions a state has; that none is there in part, and none out of order, is asserted."""
    (events,) = await snapshot.log([LogKey(ASKING.underlay_ip, 1 << 30, routes=True)])
    (place,) = await snapshot.vl2([(VNET, mac(1))])
    if events is None:
        assert place is None
        return 0
    assert list(events) == [vl2_event(number, 0) for number in range(len(events))]
    assert place is not None
    assert place.address == node(len(events)).underlay_ip
    return len(events)


def start(url: str, times: int) -> subprocess.Popen[str]:
    """It, in a process of its own."""
    command = [sys.executable, "-m", "tests.portolan_writer", url, str(times)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


if __name__ == "__main__":
    asyncio.run(write(sys.argv[1], int(sys.argv[2])))
