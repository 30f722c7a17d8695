"""A search plugin bound to one overlay, and its life (VPD 1.7).

      CREATE                  ACTIVATE: start, state file, ASSOCIATE
    ─────────► CREATED ─────────────────────────────────────────────► ACTIVE
                  │  ▲                    │                              │
                  │  └── a step failed: ──┘                              │ DESTROY: drain questions,
                  │      all undone, in reverse order (VPD-Q4)           │ remove state file, stop
                  ▼                                                      ▼
                GONE ◄───────────────────────────────────────────────────┘   the plugin's destroy, always (VPD-Q3)

A lock serialises what waits (ACTIVATE, DESTROY, SETPROP); whoever gets it after a DESTROY finds the instance GONE (VPD-Q2).
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
from collections.abc import Callable, Iterator
from typing import Final

from kernel_sim.dev.log import Log
from kernel_sim.sys.codec import Point, TargInfo, TargLookup
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.overlay_common import Dest
from kernel_sim.sys.overlay_target import TargInfoFlag, TargMode
from libvarpd.errors import VarpdError, VarpdPanic
from libvarpd.overlay import Overlay
from libvarpd.persist import StateStore
from libvarpd.plugin import DROP, Answer, Drop, SearchPlugin
from libvarpd.prop import Properties
from libvarpd.query import Question
from libvarpd.state import StateRecord

ASKED_AT_MOST: Final = 16
"""How often a question is asked whose answer changes each time before it is given."""


class InstanceState(enum.Enum):
    """Where in its life an instance is."""

    CREATED = enum.auto()
    ACTIVE = enum.auto()
    GONE = enum.auto()


@contextlib.contextmanager
def plugin_fault(log: Log, plugin: str, operation: str) -> Iterator[None]:
    """Around every call of a plugin: what it raises beside a refusal is logged and becomes EIO."""
    try:
        yield
    except (KernelError, VarpdPanic):
        raise
    except (Exception, SystemExit) as error:  # whatever a foreign module does, it must not end the daemon
        log.exception("search plugin failed", plugin=plugin, operation=operation)
        raise VarpdError(Errno.EIO, f"plugin {plugin} failed in {operation}: {error!r}") from error


class Instance:
    """One instance. `dest` are the parts of a destination its encapsulation needs, which are those it gives (VPD 1.6)."""

    def __init__(
        self, instance: int, info: TargInfo, ops: SearchPlugin, names: Callable[[], list[str]], log: Log
    ) -> None:
        self.id = instance
        self.linkid = info.linkid
        self.dest = Dest(info.needs)
        self.plugin = type(ops)
        self.state = InstanceState.CREATED
        self.lock = asyncio.Lock()
        self.properties = Properties(self.plugin.name, ops, names)
        self._ops = ops
        self._log = log
        self._started = False
        self._questions: dict[asyncio.Task[Answer], Question] = {}  # in the order they were asked

    def guard(self, operation: str) -> contextlib.AbstractContextManager[None]:
        """Around code that calls the plugin."""
        return plugin_fault(self._log, self.plugin.name, operation)

    async def activate(self, overlay: Overlay, store: StateStore | None) -> None:
        """Start answering for the overlay (VPD-I5, VPD-I6).

        Errors: ENOENT gone; EEXIST active; those of the plugin's start, of writing the state file, of the kernel's ASSOCIATE.
        """
        async with self.lock:
            self.require_present()
            if self.state is InstanceState.ACTIVE:
                raise VarpdError(Errno.EEXIST, f"instance {self.id} is active")
            with contextlib.ExitStack() as undo:
                self._start(undo)
                if store is not None:
                    self._save(store, undo)
                await self._associate(overlay)
                self.state = InstanceState.ACTIVE
                undo.pop_all()

    async def adopt(self, overlay: Overlay, info: TargInfo) -> None:
        """Take the overlay over from the instance of an earlier daemon. Errors: as `activate`."""
        with contextlib.ExitStack() as undo:
            if info.flags & TargInfoFlag.DEGRADED:
                await overlay.restore(self.linkid)  # first, for the plugin may have reasons of its own to degrade it
            self._start(undo)
            # VPD-Q23: an association may exist whether or not the device is active
            await overlay.disassociate(self.linkid)
            await self._associate(overlay)
            self.state = InstanceState.ACTIVE
            undo.pop_all()

    async def destroy(self, store: StateStore | None) -> None:
        """End it: no question is outstanding when the plugin stops (VPD-I8). The kernel is not told.

        `VarpdPanic` when the state file cannot be removed, for a restart would bring the instance back.
        """
        async with self.lock:
            was, self.state = self.state, InstanceState.GONE
            await self._drain()
            if was is InstanceState.ACTIVE and store is not None:
                try:
                    store.remove(self.id)
                except VarpdError as error:
                    raise VarpdPanic(f"failed to remove the state file of instance {self.id}: {error}") from error
            self._stop()
            self.discard()

    def discard(self) -> None:
        """Call the plugin's destroy."""
        with contextlib.suppress(VarpdError), self.guard("destroy"):
            self._ops.destroy()

    def refresh(self) -> None:
        """The service was refreshed. Errors: the plugin's."""
        with self.guard("refresh"):
            self._ops.refresh()

    async def lookup(self, overlay: Overlay, request: TargLookup) -> Answer:
        """The plugin's answer; DROP when it is not started, or destroyed meanwhile. Errors: the plugin's.

        A destination that the plugin has changed since it was asked is asked for again: when this returns, the answer is what the
        plugin would say now, so whoever hands it to the kernel at once hands on no stale one. DROP when the plugin never makes up its
        mind: nothing gets into the cache then.
        """
        question = Question(overlay, request, self._ops)
        try:
            for _ in range(ASKED_AT_MOST):
                answer = await self._answer(question)
                if isinstance(answer, Drop) or not question.stale:
                    return answer
            self._log.error("lookup failed", instance=self.id, reason="the answer changes each time")
            return DROP
        finally:
            question.close()

    def changed(self, mac: bytes) -> None:
        """The plugin says something else about a MAC address from now on.

        A lookup that says so itself knows what it answers; else a plugin that does both would be asked for ever.
        """
        myself = asyncio.current_task()
        for asking, question in self._questions.items():
            question.stale |= asking is not myself and question.request.dstaddr == mac

    def require_present(self) -> None:
        """Errors: ENOENT destroyed, while somebody waited for the lock."""
        if self.state is InstanceState.GONE:
            raise VarpdError(Errno.ENOENT, f"no instance {self.id}")

    async def _answer(self, question: Question) -> Answer:
        question.stale = False
        if not self._started or self.state is InstanceState.GONE:
            return DROP
        asking = asyncio.ensure_future(self._ask(question))
        self._questions[asking] = question
        try:
            await asyncio.wait({asking})
        except asyncio.CancelledError:
            await _end(asking)
            raise
        finally:
            del self._questions[asking]
        return DROP if asking.cancelled() else asking.result()

    async def _ask(self, question: Question) -> Answer:
        with self.guard("lookup"):
            answer = await self._ops.lookup(question)
            if not isinstance(answer, Point | Drop):
                raise TypeError(f"{answer!r} is neither Point nor DROP")
            if isinstance(answer, Point):
                answer.pack()  # what the kernel could not be told is the plugin's fault, not the end of the question
            return answer

    async def _drain(self) -> None:
        if self._questions:
            for question in self._questions:
                question.cancel()
            await asyncio.wait(self._questions)

    def _start(self, undo: contextlib.ExitStack) -> None:
        with self.guard("start"):
            self._ops.start()
        self._started = True
        undo.callback(self._stop)

    def _stop(self) -> None:
        if self._started:
            self._started = False
            with contextlib.suppress(VarpdError), self.guard("stop"):
                self._ops.stop()

    def _save(self, store: StateStore, undo: contextlib.ExitStack) -> None:
        with self.guard("save"):
            private = self._ops.save()
        undo.callback(store.remove, self.id)
        mode = int(self.plugin.mode)
        store.write(
            self.id, StateRecord(self.id, self.linkid, int(self.dest), mode, self.plugin.name, private).encode()
        )

    async def _associate(self, overlay: Overlay) -> None:
        point = Point()
        if self.plugin.mode is TargMode.POINT:
            with self.guard("default"):
                point = self._ops.default()
                if not isinstance(point, Point):
                    raise TypeError(f"{point!r} is no Point")
        await overlay.associate(self.linkid, self.id, self.plugin.mode, self.dest, point)


async def _end(asking: asyncio.Task[Answer]) -> None:
    """Cancel it and wait, so that nothing of the plugin runs once its device is closed."""
    asking.cancel()
    await asyncio.wait({asking})
    if not asking.cancelled():
        asking.exception()  # seen: nobody wants it
