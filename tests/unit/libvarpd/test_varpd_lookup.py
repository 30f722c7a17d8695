"""The lookup workers against a scripted kernel: every question is answered exactly once, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

import pytest

from kernel_sim.sys import overlay_target as targ
from kernel_sim.sys.codec import Point, TargInfo, TargLookup, TargResp
from kernel_sim.sys.errno import Errno, KernelError
from libvarpd.errors import VarpdPanic
from libvarpd.handle import Varpd
from libvarpd.plugin import DROP, Answer, Query
from libvarpd.plugins.direct import Direct
from libvarpd.prop import V4_MAPPED
from libvarpd.registry import PluginRegistry

TO = Point(ip=V4_MAPPED + bytes([10, 0, 0, 9]), port=4789)
HELD = V4_MAPPED + bytes([10, 0, 0, 2])


class ScriptedKernel:
    """An overlay, link 7, whose questions a test asks: `ask(reqid)`. `answers` are (reqid, point or None for drop)."""

    def __init__(self) -> None:
        self.questions: asyncio.Queue[TargLookup | KernelError] = asyncio.Queue()
        self.answers: list[tuple[int, Point | None]] = []
        self.reply_errno: Errno | None = None
        self.parked = 0
        self.closed = False

    def ask(self, reqid: int, instance: int = 1) -> None:
        self.questions.put_nowait(TargLookup(dlid=7, reqid=reqid, varpdid=instance, vnetid=23, hdrsize=14, pktsize=100))

    async def ioctl(self, cmd: int, argument: bytes = b"") -> bytes:
        if cmd == targ.OVERLAY_TARG_LOOKUP:
            self.parked += 1
            try:
                question = await self.questions.get()
            finally:
                self.parked -= 1
            if isinstance(question, KernelError):
                raise question
            return question.pack()
        if cmd in {targ.OVERLAY_TARG_RESPOND, targ.OVERLAY_TARG_DROP}:
            reply = TargResp.unpack(argument)
            self.answers.append((reply.reqid, reply.point if cmd == targ.OVERLAY_TARG_RESPOND else None))
            if self.reply_errno is not None:
                raise KernelError(self.reply_errno)
        return TargInfo(7, 6, 0, 23).pack() if cmd == targ.OVERLAY_TARG_INFO else b""

    def close(self) -> None:
        self.closed = True


class Plugin(Direct):
    """Answers what `decide` says."""

    name = "plugin"
    decide: Callable[[Query], Coroutine[Any, Any, Answer]]
    ended: ClassVar[list[str]]
    """What came to its end: "lookup", "stop"."""

    async def lookup(self, query: Query) -> Answer:
        try:
            return await type(self).decide(query)
        finally:
            self.ended.append("lookup")

    def stop(self) -> None:
        self.ended.append("stop")


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


class Setup:
    """A daemon with one active instance, number 1, whose plugin answers through `decide`."""

    def __init__(self, decide: Callable[[Query], Coroutine[Any, Any, Answer]]) -> None:
        self.kernel = ScriptedKernel()
        registry = PluginRegistry()
        self.ended: list[str] = []
        self.plugin = type("Fresh", (Plugin,), {"decide": staticmethod(decide), "ended": self.ended})
        registry.register(self.plugin)
        self.varpd = Varpd(self.kernel, registry)

    async def start(self, workers: int = 3) -> None:
        number = await self.varpd.instance_create(7, "plugin")
        await self.varpd.prop_set(number, 1, HELD)
        await self.varpd.prop_set(number, 2, (4789).to_bytes(8, "little"))
        await self.varpd.instance_activate(number)
        self.varpd.lookup_run(workers)
        await settle()


def play(
    decide: Callable[[Query], Coroutine[Any, Any, Answer]], scene: Callable[[Setup], Coroutine[Any, Any, None]]
) -> Setup:
    """Run a scene against a fresh daemon; its kernel's answers are in the result."""

    async def run() -> Setup:
        setup = Setup(decide)
        await setup.start()
        await scene(setup)
        await setup.varpd.destroy()
        return setup

    return asyncio.run(run())


async def found(query: Query) -> Answer:
    return TO


async def nowhere(query: Query) -> Answer:
    return DROP


async def never(query: Query) -> Answer:
    await asyncio.get_running_loop().create_future()
    raise AssertionError


async def broken(query: Query) -> Answer:
    raise ZeroDivisionError


async def nonsense(query: Query) -> Answer:
    return None  # type: ignore[return-value]


def asking(*reqids: int, instance: int = 1) -> Callable[[Setup], Coroutine[Any, Any, None]]:
    async def scene(setup: Setup) -> None:
        for reqid in reqids:
            setup.kernel.ask(reqid, instance)
        await settle()

    return scene


@pytest.mark.fact("VPD-I17")
def test_each_question_is_answered_once_with_what_the_plugin_says() -> None:
    assert play(found, asking(1, 2, 3, 4, 5)).kernel.answers == [(reqid, TO) for reqid in (1, 2, 3, 4, 5)]
    assert play(nowhere, asking(1)).kernel.answers == [(1, None)]


@pytest.mark.parametrize("decide", [broken, nonsense])
def test_a_plugin_that_fails_drops_the_frame_and_the_daemon_goes_on(
    decide: Callable[[Query], Coroutine[Any, Any, Answer]],
) -> None:
    setup = play(decide, asking(1, 2))
    assert setup.kernel.answers == [(1, None), (2, None)]
    assert not setup.varpd.failed.done()


def test_a_question_for_an_instance_nobody_knows_is_dropped() -> None:
    assert play(found, asking(8, instance=77)).kernel.answers == [(8, None)]


def test_a_plugin_that_takes_long_keeps_no_worker_from_the_next_question() -> None:
    release = asyncio.Event()

    async def slow(query: Query) -> Answer:
        if query.request.reqid < 10:
            await release.wait()
        return TO

    async def scene(setup: Setup) -> None:
        await asking(1, 2, 3, 4, 5, 10)(setup)
        assert setup.kernel.answers == [(10, TO)]
        release.set()
        await settle()

    assert [reqid for reqid, _ in play(slow, scene).kernel.answers] == [10, 1, 2, 3, 4, 5]


@pytest.mark.fact("VPD-Q2")
def test_questions_outstanding_when_an_instance_is_destroyed_end_before_its_plugin_stops_and_are_dropped() -> None:
    async def scene(setup: Setup) -> None:
        await asking(1, 2)(setup)
        assert setup.kernel.answers == []
        await setup.varpd.instance_destroy(1)
        assert setup.ended == ["lookup", "lookup", "stop"]
        await settle()
        assert setup.kernel.answers == [(1, None), (2, None)]
        await asking(3)(setup)

    assert play(never, scene).kernel.answers == [(1, None), (2, None), (3, None)]


def test_a_lookup_that_runs_out_of_time_is_asked_again() -> None:
    async def scene(setup: Setup) -> None:
        for errno in (Errno.ETIME, Errno.EINTR, Errno.ETIME):
            setup.kernel.questions.put_nowait(KernelError(errno))
        await settle()
        assert setup.kernel.parked == 3
        await asking(1)(setup)

    assert play(found, scene).kernel.answers == [(1, TO)]


def test_an_answer_the_kernel_no_longer_waits_for_is_tolerated() -> None:
    async def scene(setup: Setup) -> None:
        setup.kernel.reply_errno = Errno.EINVAL
        await asking(1)(setup)
        assert not setup.varpd.failed.done()

    play(found, scene)


@pytest.mark.parametrize("decide", [found, nowhere])
def test_any_other_refusal_of_an_answer_is_a_panic(decide: Callable[[Query], Coroutine[Any, Any, Answer]]) -> None:
    async def scene(setup: Setup) -> None:
        setup.kernel.reply_errno = Errno.EFAULT
        await asking(1)(setup)
        assert isinstance(setup.varpd.failed.result(), VarpdPanic)

    play(decide, scene)


@pytest.mark.parametrize(("errno", "kind"), [(Errno.EPERM, VarpdPanic), (Errno.ECONNRESET, KernelError)])
def test_a_lookup_that_fails_ends_the_daemon(errno: Errno, kind: type[Exception]) -> None:
    async def scene(setup: Setup) -> None:
        setup.kernel.questions.put_nowait(KernelError(errno))
        await settle()
        error = setup.varpd.failed.result()
        assert isinstance(error, kind)
        if kind is VarpdPanic:
            assert str(error) == "received bad errno from OVERLAY_TARG_LOOKUP: 1"

    play(found, scene)


@pytest.mark.fact("VPD-I40")
def test_quiesce_waits_for_lookups_and_answers_under_way_and_nothing_runs_after_it() -> None:
    release = asyncio.Event()
    running: list[int] = []

    async def slow(query: Query) -> Answer:
        running.append(query.request.reqid)
        await release.wait()
        running.remove(query.request.reqid)
        return TO

    async def scene(setup: Setup) -> None:
        await asking(1)(setup)
        quiesced = asyncio.ensure_future(setup.varpd.lookup_quiesce())
        await settle()
        setup.varpd.lookup_run(2)  # none start while quiescing
        assert (setup.kernel.parked, quiesced.done()) == (3, False)
        for _ in range(setup.kernel.parked):
            setup.kernel.questions.put_nowait(KernelError(Errno.ETIME))
        await settle()
        assert (setup.kernel.parked, quiesced.done(), running) == (0, False, [1])
        release.set()
        await settle()
        assert (quiesced.done(), running, setup.kernel.answers) == (True, [], [(1, TO)])
        await asking(2)(setup)
        assert running == []
        setup.varpd.lookup_run(1)
        await settle()
        assert [reqid for reqid, _ in setup.kernel.answers] == [1, 2]

    play(slow, scene)


def test_destroy_answers_nothing_more_so_that_the_kernel_keeps_the_questions() -> None:
    setup = play(never, asking(1, 2))
    assert (setup.kernel.answers, setup.kernel.closed, setup.kernel.parked) == ([], True, 0)
