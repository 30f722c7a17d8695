"""From a batch's questions to the store and back.

What a store cannot say is FATAL for who asked, and never the end of a connection (SVP-B21). Nothing is kept from one batch to the next, so
no answer is older than its question (SVP-Q9).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from etherspan.portolan.batch import Answers, Batch
from etherspan.portolan.store.protocol import Store, StoreError
from kernel_sim.dev.log import Log

GRACE: Final = 1.0
"""Seconds that a store has at least, however long a request has waited already."""


class Answerer:
    """Asks a store. `patience` is how long after its first request was read a batch is answered at the latest, seconds (SVP-Q8)."""

    def __init__(self, store: Store, log: Log, patience: float) -> None:
        self._store = store
        self._log = log
        self._patience = patience
        self._remover = _Remover(store, self._failed)
        self._well = True

    async def answer(self, batch: Batch) -> Answers:
        """What the store says; where it fails, or does not do it in time, nothing."""
        answers = Answers()
        if not batch.asks and not batch.removals:
            return answers
        now = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout_at(max(batch.since + self._patience, now + GRACE)):
                if batch.asks:
                    await self._ask(batch, answers)
                removed = batch.removed
                if removed:
                    answers.removed = await self._remover.remove(removed)
        except StoreError as error:
            self._failed(error)
        except TimeoutError:
            self._failed(StoreError("it does not answer in time"))
        else:
            self._recovered(answers, batch)
        return answers

    def close(self) -> None:
        """Leave unfinished what is under way."""
        self._remover.close()

    async def _ask(self, batch: Batch, answers: Answers) -> None:
        async with self._store.snapshot() as snapshot:
            if batch.vl2:
                answers.vl2 = await snapshot.vl2(batch.vl2)
            if batch.vl3:
                answers.vl3 = await snapshot.vl3(batch.vl3)
            if batch.routes:
                answers.routes = await snapshot.routes(batch.routes)
            if batch.logs:
                answers.logs = await snapshot.log(batch.logs)

    def _failed(self, error: StoreError) -> None:
        """Tell of the first of several failures in a row."""
        if self._well:
            self._log.error("the store fails", reason=str(error))
        self._well = False

    def _recovered(self, answers: Answers, batch: Batch) -> None:
        if not self._well and (answers.removed or not batch.removed):
            self._well = True
            self._log.info("the store is well again")


@dataclass(slots=True)
class _Group:
    """Ids that go in one transaction, and whether they have gone."""

    ids: list[bytes] = field(default_factory=list)
    task: asyncio.Task[bool] | None = None


class _Remover:
    """Takes events away. What several connections ask for at once, or while a transaction lasts, goes in one."""

    def __init__(self, store: Store, failed: Callable[[StoreError], None]) -> None:
        self._store = store
        self._failed = failed
        self._next: _Group | None = None
        self._turn = asyncio.Lock()
        self._tasks: dict[asyncio.Task[bool], None] = {}

    async def remove(self, ids: Sequence[bytes]) -> bool:
        """Whether they have gone for good. Who is cancelled takes nothing from the others."""
        if self._next is None:
            self._next = _Group()
            self._next.task = self._begin(self._run(self._next))
        self._next.ids += ids
        assert self._next.task is not None
        return await asyncio.shield(self._next.task)

    def close(self) -> None:
        for task in tuple(self._tasks):
            task.cancel()

    def _begin(self, work: Coroutine[Any, Any, bool]) -> asyncio.Task[bool]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[task] = None
        task.add_done_callback(self._tasks.pop)
        return task

    async def _run(self, group: _Group) -> bool:
        await asyncio.sleep(0)  # who is ready in this turn of the loop comes along
        async with self._turn:
            self._next = None
            try:
                async with self._store.transaction() as change:
                    await change.remove_events(group.ids)
            except StoreError as error:
                self._failed(error)
                return False
        return True
