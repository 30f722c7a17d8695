"""All stores against each other: whatever is done to them, they answer alike."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from etherspan.portolan.records import ComputeNode, Event, Mapping, Route
from etherspan.portolan.store import Store, StoreError, open_store
from etherspan.portolan.store.protocol import LogKey, RouteKey, Snapshot, Transaction
from libvarpd.plugins.svp.messages import RouteRecord, Vl2Record, Vl3Record
from tests.portolan_pg import Postgres
from tests.portolan_rows import cn, event_id, everything, ip, mac, subnet

# Few values, so that things meet.
VNETS = st.sampled_from([0, 7, (1 << 32) - 1])
NODES = st.integers(0, 3).map(cn)
PLACES = st.sampled_from([ip("172.16.0.1"), ip("172.16.0.2"), ip("fd00::1")])
ADDRESSES = st.sampled_from([ip(text) for text in ("10.0.0.1", "10.0.0.2", "10.0.1.1", "fd00::1", "::")])
MACS = st.integers(0, 3).map(mac)
VLANS = st.sampled_from([0, 4, 4095])
SUBNETS = st.sampled_from(["10.0.0.0/24", "10.0.0.0/23", "10.0.1.0/24", "10.0.0.1/32", "::/0", "fd00::/64"]).map(subnet)
IDS = st.integers(0, 12).map(event_id)

NODE_ROWS = st.builds(ComputeNode, NODES, PLACES, st.sampled_from([0, 4789, 65535]))
MAPPING_ROWS = st.builds(Mapping, VNETS, ADDRESSES, MACS, NODES, VLANS, st.booleans(), st.booleans())
ROUTE_ROWS = st.builds(
    Route, VNETS, st.sampled_from([0, 4]), SUBNETS, st.integers(0, 3), VNETS, VLANS, SUBNETS, MACS, st.booleans()
)
RECORDS = st.one_of(
    st.builds(Vl2Record, IDS, MACS, VNETS),
    st.builds(Vl3Record, IDS, ADDRESSES, VLANS, VNETS),
    st.builds(
        RouteRecord, IDS, VNETS, VNETS, st.just(1), ADDRESSES, ADDRESSES, VLANS, VLANS, st.just(120), st.just(64)
    ),
)
EVENT_ROWS = st.builds(Event, NODES, RECORDS)

Answer = Callable[[Any], Awaitable[object]]


class Stores(RuleBasedStateMachine):
    """The memory store is the model; each step is done to all, and what they say is compared."""

    urls: ClassVar[Callable[[], list[str]]]

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.stores: list[Store] = []
        self.held: list[Snapshot] = []
        self.changes: list[Transaction] = []
        self.contexts: list[AbstractAsyncContextManager[Transaction]] = []
        self.stack = AsyncExitStack()
        self.folder = Path(tempfile.mkdtemp(prefix="portolan-"))

    def do(self, coroutine: Any) -> Any:
        return self.loop.run_until_complete(coroutine)

    @initialize()
    def open(self) -> None:
        urls = ["memory://", f"sqlite:///{self.folder}/p.db", *type(self).urls()]
        self.stores = [self.do(open_store(url)) for url in urls]

    def compare(self, over: list[Any], what: Answer) -> None:
        async def say(one: Any) -> object:
            try:
                return await what(one)
            except StoreError:
                return StoreError

        answers = [self.do(say(one)) for one in over]
        assert all(answer == answers[0] for answer in answers), answers
        if answers[0] is StoreError:
            self.leave(keep=True)

    def leave(self, *, keep: bool) -> None:
        """End the transactions, by an exception unless they are to be kept; one in which a call failed is not."""

        async def end(context: AbstractAsyncContextManager[Transaction]) -> str:
            error = None if keep else KeyError()
            try:
                await context.__aexit__(error and KeyError, error, None)
            except StoreError:
                return "refused"
            except KeyError:
                return "given up"
            return "kept"

        outcomes = {self.do(end(context)) for context in self.contexts}
        assert len(outcomes) == 1, outcomes
        self.changes, self.contexts = [], []

    @precondition(lambda self: not self.changes)
    @rule()
    def begin(self) -> None:
        self.contexts = [store.transaction() for store in self.stores]
        self.changes = [self.do(context.__aenter__()) for context in self.contexts]

    @precondition(lambda self: self.changes)
    @rule(keep=st.booleans())
    def end(self, keep: bool) -> None:
        self.leave(keep=keep)

    @precondition(lambda self: self.changes)
    @rule(rows=st.lists(NODE_ROWS, max_size=4))
    def put_nodes(self, rows: list[ComputeNode]) -> None:
        self.compare(self.changes, lambda change: change.put_nodes(rows))

    @precondition(lambda self: self.changes)
    @rule(uuids=st.lists(NODES, max_size=2))
    def remove_nodes(self, uuids: list[str]) -> None:
        self.compare(self.changes, lambda change: change.remove_nodes(uuids))

    @precondition(lambda self: self.changes)
    @rule(rows=st.lists(MAPPING_ROWS, max_size=8))
    def put_mappings(self, rows: list[Mapping]) -> None:
        self.compare(self.changes, lambda change: change.put_mappings(rows))

    @precondition(lambda self: self.changes)
    @rule(rows=st.lists(ROUTE_ROWS, max_size=5))
    def put_routes(self, rows: list[Route]) -> None:
        self.compare(self.changes, lambda change: change.put_routes(rows))

    @precondition(lambda self: self.changes)
    @rule(rows=st.lists(ROUTE_ROWS, max_size=2))
    def remove_routes(self, rows: list[Route]) -> None:
        self.compare(self.changes, lambda change: change.remove_routes(rows))

    @precondition(lambda self: self.changes)
    @rule(rows=st.lists(EVENT_ROWS, max_size=4, unique_by=lambda row: row.record.id))
    def append_events(self, rows: list[Event]) -> None:
        self.compare(self.changes, lambda change: change.append_events(rows))

    @precondition(lambda self: self.changes)
    @rule(ids=st.lists(IDS, max_size=6))
    def remove_events(self, ids: list[bytes]) -> None:
        self.compare(self.changes, lambda change: change.remove_events(ids))

    @precondition(lambda self: self.changes)
    @rule(vnet_id=VNETS, number=MACS, uuid=NODES, keys=st.lists(st.tuples(VNETS, ADDRESSES), max_size=5))
    def read(self, vnet_id: int, number: bytes, uuid: str, keys: list[tuple[int, bytes]]) -> None:
        async def look(change: Transaction) -> object:
            return [
                await everything(change.all_nodes()),
                await everything(change.all_mappings()),
                await everything(change.all_mappings(vnet_id)),
                await everything(change.all_routes()),
                await everything(change.all_events()),
                await everything(change.all_events(uuid)),
                list(await change.nodes([uuid, "no", uuid])),
                list(await change.mappings(keys)),
                list(await change.mappings_of(vnet_id, number)),
                list(await change.nodes_of(vnet_id)),
            ]

        self.compare(self.changes, look)

    @precondition(lambda self: not self.held)
    @rule()
    def hold(self) -> None:
        self.held = [self.do(self.stack.enter_async_context(store.snapshot())) for store in self.stores]

    @precondition(lambda self: self.held)
    @rule()
    def let_go(self) -> None:
        self.held = []
        self.do(self.stack.aclose())

    @rule(
        data=st.data(),
        macs=st.lists(st.tuples(VNETS, MACS), max_size=9),
        addresses=st.lists(st.tuples(VNETS, ADDRESSES), max_size=9),
        routes=st.lists(st.builds(RouteKey, VNETS, st.sampled_from([0, 4]), ADDRESSES, ADDRESSES), max_size=5),
        logs=st.lists(st.builds(LogKey, PLACES, st.sampled_from([0, 1, 3, 1 << 40]), st.booleans()), max_size=4),
    )
    def ask(
        self,
        data: st.DataObject,
        macs: list[tuple[int, bytes]],
        addresses: list[tuple[int, bytes]],
        routes: list[RouteKey],
        logs: list[LogKey],
    ) -> None:
        async def answers(snapshot: Snapshot) -> object:
            found = await snapshot.log(logs)
            return [
                list(await snapshot.vl2(macs)),
                list(await snapshot.vl3(addresses)),
                list(await snapshot.routes(routes)),
                [None if events is None else list(events) for events in found],
            ]

        async def fresh(store: Store) -> object:
            async with store.snapshot() as snapshot:
                return await answers(snapshot)

        ways: list[tuple[list[Any], Answer]] = [(self.stores, fresh)]
        ways += [(over, answers) for over in (self.held, self.changes) if over]
        over, what = data.draw(st.sampled_from(ways))
        self.compare(over, what)

    def teardown(self) -> None:
        try:
            if self.changes:
                self.leave(keep=True)
            self.do(self.stack.aclose())
            for store in self.stores:
                self.do(store.close())
        finally:
            self.loop.close()
            shutil.rmtree(self.folder)


def _run(urls: Callable[[], list[str]], examples: int) -> None:
    machine = type("Stores", (Stores,), {"urls": staticmethod(urls)})
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )


def test_memory_and_sqlite_agree() -> None:
    _run(list, 60)


def test_memory_sqlite_and_postgres_agree(postgres: Postgres) -> None:
    _run(lambda: [postgres.new_url()], 25)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_memory_sqlite_and_postgres_agree_for_long(postgres: Postgres) -> None:
    _run(lambda: [postgres.new_url()], 1500)
