"""The workers that answer the kernel's questions (VPD 5.1).

Each worker has one LOOKUP parked in the kernel. What it brings back is answered in a task of its own, exactly once (VPD-I17), so a
plugin that takes long to find out keeps no worker from the next question.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeAlias

from kernel_sim.dev.log import Log
from kernel_sim.sys.codec import TargLookup
from kernel_sim.sys.errno import Errno, KernelError
from libvarpd.errors import VarpdPanic, kernel_has_gone
from libvarpd.overlay import Overlay
from libvarpd.plugin import DROP, Answer, Drop

_Tasks: TypeAlias = dict[asyncio.Task[None], None]
"""Tasks in the order they began."""
_TRY_AGAIN = frozenset({Errno.ETIME, Errno.EINTR})


class Answers(Protocol):
    """An instance, as far as questions go."""

    @property
    def linkid(self) -> int:
        """The overlay it answers for."""

    async def lookup(self, overlay: Overlay, request: TargLookup) -> Answer:
        """Where the frames go, right at the moment it returns. Errors: the plugin's."""


class LookupWorkers:
    """Workers over one conversation with the kernel. `find` gives the instance of an id, None when there is none.

    `panic` is told what the workers cannot go on from.
    """

    def __init__(
        self, overlay: Overlay, find: Callable[[int], Answers | None], panic: Callable[[Exception], None], log: Log
    ) -> None:
        self._overlay = overlay
        self._find = find
        self._panic = panic
        self._log = log
        self._quiescing = False
        self._workers: _Tasks = {}
        self._questions: _Tasks = {}

    def start(self, count: int) -> None:
        """Start that many workers; none while quiescing."""
        for _ in range(0 if self._quiescing else count):
            self._run(self._workers, self._work())

    async def quiesce(self) -> None:
        """End all workers once their LOOKUPs came back, and wait for the answers under way (VPD-I40)."""
        self._quiescing = True
        for tasks in (self._workers, self._questions):
            while tasks:
                await asyncio.wait(tasks)
        self._quiescing = False

    async def abandon(self) -> None:
        """End at once and answer nothing more: the device is about to be closed, and the kernel keeps what was not answered."""
        tasks = self._workers | self._questions
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _run(self, tasks: _Tasks, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        tasks[task] = None

        def ended(task: asyncio.Task[None]) -> None:
            del tasks[task]
            self._ended(task)

        task.add_done_callback(ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self._panic(error)

    async def _work(self) -> None:
        while not self._quiescing:
            try:
                request = await self._overlay.lookup()
            except KernelError as error:
                if error.errno in _TRY_AGAIN:
                    continue
                raise _refused("LOOKUP", error) from error
            self._run(self._questions, self._answer(request))

    async def _answer(self, request: TargLookup) -> None:
        answer = await self._ask(request)
        try:
            if isinstance(answer, Drop):
                await self._overlay.drop(request.reqid)
            else:
                await self._overlay.respond(request.reqid, answer)
        except KernelError as error:
            if error.errno is not Errno.EINVAL:  # the request is no longer outstanding: nobody waits for this answer
                raise _refused("DROP" if isinstance(answer, Drop) else "RESPOND", error) from error

    async def _ask(self, request: TargLookup) -> Answer:
        instance = self._find(request.varpdid)
        # an overlay whose instance is lost keeps the id in the kernel, and another overlay's may have it now
        if instance is None or instance.linkid != request.dlid:
            return DROP
        try:
            return await instance.lookup(self._overlay, request)
        except KernelError as error:
            if kernel_has_gone(error):
                raise
            self._log.error("lookup failed", instance=request.varpdid, reason=str(error))
            return DROP


def _refused(operation: str, error: KernelError) -> Exception:
    """What a refusal of the kernel means: its end is passed on, anything else cannot be."""
    if error.errno is Errno.ECONNRESET:
        return error
    return VarpdPanic(f"received bad errno from OVERLAY_TARG_{operation}: {int(error.errno)}")
