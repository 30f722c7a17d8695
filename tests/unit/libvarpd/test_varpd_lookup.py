"""The lookup workers against a scripted kernel: every question is answered exactly once, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

import pytest

from kernel_sim.sys import overlay_target as targ
from kernel_sim.sys.codec import Point, TargInfo, TargLookup, TargResp
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.overlay_common import Dest
from libvarpd.errors import VarpdError, VarpdPanic
from libvarpd.handle import Varpd
from libvarpd.instance import ASKED_AT_MOST
from libvarpd.plugin import DROP, Answer, Provider, Query
from libvarpd.plugins.direct import Direct
from libvarpd.prop import V4_MAPPED
from libvarpd.registry import PluginRegistry

TO = Point(ip=V4_MAPPED + bytes([10, 0, 0, 9]), port=4789)
ELSEWHERE = Point(ip=V4_MAPPED + bytes([10, 0, 0, 8]), port=4789)
MAC, OTHER = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")
HELD = V4_MAPPED + bytes([10, 0, 0, 2])


class ScriptedKernel:
    """An overlay, link 7, whose questions a test asks: `ask(reqid)`. `answers` are (reqid, point or None for drop).

    `calls` are all ioctls but LOOKUP; `gone` ends every further one.
    """

    def __init__(self) -> None:
        self.questions: asyncio.Queue[TargLookup | KernelError] = asyncio.Queue()
        self.answers: list[tuple[int, Point | None]] = []
        self.reply_errno: Errno | None = None
        self.parked = 0
        self.closed = False
        self.gone = False
        self.answered = asyncio.Event()
        self.calls: list[int] = []

    def ask(self, reqid: int, instance: int = 1, mac: bytes = MAC, linkid: int = 7) -> None:
        asked = TargLookup(dlid=linkid, reqid=reqid, varpdid=instance, vnetid=23, hdrsize=14, pktsize=100, dstaddr=mac)
        self.questions.put_nowait(asked)

    async def ioctl(self, cmd: int, argument: bytes = b"") -> bytes:
        if self.gone:
            raise KernelError(Errno.ECONNRESET, "the kernel has gone")
        if cmd != targ.OVERLAY_TARG_LOOKUP:
            self.calls.append(cmd)
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
            self.answered.set()
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
    providers: ClassVar[list[Provider]]

    @classmethod
    def create(cls, provider: Provider, dest: Dest) -> Plugin:
        cls.providers.append(provider)
        return super().create(provider, dest)

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

    def __init__(self, decide: Callable[[Query], Coroutine[Any, Any, Answer]], log: Any = None) -> None:
        self.kernel = ScriptedKernel()
        registry = PluginRegistry()
        self.ended: list[str] = []
        self.providers: list[Provider] = []
        members = {"decide": staticmethod(decide), "ended": self.ended, "providers": self.providers}
        self.plugin = type("Fresh", (Plugin,), members)
        registry.register(self.plugin)
        self.varpd = Varpd(self.kernel, registry, log)

    @property
    def provider(self) -> Provider:
        """The plugin's."""
        return self.providers[0]

    async def start(self, workers: int = 3) -> None:
        number = await self.varpd.instance_create(7, "plugin")
        await self.varpd.prop_set(number, 1, HELD)
        await self.varpd.prop_set(number, 2, (4789).to_bytes(8, "little"))
        await self.varpd.instance_activate(number)
        self.varpd.lookup_run(workers)
        await settle()


def play(
    decide: Callable[[Query], Coroutine[Any, Any, Answer]],
    scene: Callable[[Setup], Coroutine[Any, Any, None]],
    log: Any = None,
) -> Setup:
    """Run a scene against a fresh daemon; its kernel's answers are in the result."""

    async def run() -> Setup:
        setup = Setup(decide, log)
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


async def malformed(query: Query) -> Answer:
    return Point(ip=bytes(4), port=4789)


async def port_too_large(query: Query) -> Answer:
    return Point(ip=HELD, port=65536)


async def no_bytes(query: Query) -> Answer:
    return Point(ip="10.0.0.2", port=4789)  # type: ignore[arg-type]


@pytest.mark.parametrize("decide", [broken, nonsense, malformed, port_too_large, no_bytes])
def test_a_plugin_that_fails_drops_the_frame_and_the_daemon_goes_on(
    decide: Callable[[Query], Coroutine[Any, Any, Answer]],
) -> None:
    setup = play(decide, asking(1, 2))
    assert setup.kernel.answers == [(1, None), (2, None)]
    assert not setup.varpd.failed.done()


def test_a_plugin_that_wants_to_end_the_process_costs_it_an_answer(log: Any) -> None:
    async def leaves(query: Query) -> Answer:
        raise SystemExit(3)

    async def scene(setup: Setup) -> None:
        setup.kernel.ask(1)
        await settle()
        assert not setup.varpd.failed.done()

    assert play(leaves, scene, log).kernel.answers == [(1, None)]
    assert [event["plugin"] for event in log.named("search plugin failed")] == ["plugin"]


def test_a_question_about_another_overlay_than_the_instances_is_dropped() -> None:
    async def scene(setup: Setup) -> None:
        setup.kernel.ask(1, linkid=8)
        setup.kernel.ask(2)
        await settle()

    assert play(found, scene).kernel.answers == [(1, None), (2, TO)]


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


# ---------------------------------------------------------------------- answers that change on their way


class Book:
    """A plugin's knowledge: `answer` as it is now. Questions look, then wait for `release`; `asked` counts them."""

    def __init__(self, answer: Answer = TO) -> None:
        self.answer = answer
        self.asked = 0
        self.release = asyncio.Event()

    async def decide(self, query: Query) -> Answer:
        self.asked += 1
        found = self.answer
        await self.release.wait()
        return found


def test_an_answer_that_changed_while_it_was_on_its_way_is_asked_for_again() -> None:
    book = Book()

    async def scene(setup: Setup) -> None:
        await asking(1)(setup)
        book.answer = ELSEWHERE
        setup.provider.inject_varp(MAC, ELSEWHERE)
        book.release.set()
        await settle()
        assert book.asked == 2
        assert setup.kernel.calls[-2:] == [targ.OVERLAY_TARG_CACHE_SET, targ.OVERLAY_TARG_RESPOND]

    assert play(book.decide, scene).kernel.answers == [(1, ELSEWHERE)]


def test_an_answer_that_changes_just_after_it_was_given_is_taken_out_after_it_was_put_in() -> None:
    book = Book()

    async def scene(setup: Setup) -> None:
        await asking(1)(setup)
        book.release.set()
        await setup.kernel.answered.wait()
        setup.provider.inject_varp(MAC, None)
        await settle()
        assert book.asked == 1
        assert setup.kernel.calls[-2:] == [targ.OVERLAY_TARG_RESPOND, targ.OVERLAY_TARG_CACHE_REMOVE]

    play(book.decide, scene)


@pytest.mark.parametrize("turns", range(8))
def test_at_no_moment_does_a_change_leave_a_stale_answer_in_the_cache(turns: int) -> None:
    book = Book()
    book.release.set()

    async def scene(setup: Setup) -> None:
        setup.kernel.ask(1)
        for _ in range(turns):
            await asyncio.sleep(0)
        book.answer = ELSEWHERE
        setup.provider.inject_varp(MAC, ELSEWHERE)
        await settle()
        last = setup.kernel.calls[-1]
        assert last == targ.OVERLAY_TARG_CACHE_SET or setup.kernel.answers == [(1, ELSEWHERE)]
        assert len(setup.kernel.answers) == 1

    play(book.decide, scene)


def test_a_drop_and_a_change_of_another_mac_address_are_no_reason_to_ask_again() -> None:
    nobody, book = Book(DROP), Book()

    async def scene(setup: Setup) -> None:
        await asking(1)(setup)
        setup.provider.inject_varp(MAC, TO)
        nobody.release.set()
        await settle()

    assert (play(nobody.decide, scene).kernel.answers, nobody.asked) == ([(1, None)], 1)

    async def other_scene(setup: Setup) -> None:
        await asking(1)(setup)
        setup.provider.inject_varp(OTHER, None)
        book.release.set()
        await settle()

    assert (play(book.decide, other_scene).kernel.answers, book.asked) == ([(1, TO)], 1)


def test_a_lookup_that_injects_what_it_answers_is_not_asked_again() -> None:
    asked: list[int] = []

    async def scene(setup: Setup) -> None:
        async def decide(query: Query) -> Answer:
            asked.append(query.request.reqid)
            setup.provider.inject_varp(query.request.dstaddr, TO)
            return TO

        setup.plugin.decide = staticmethod(decide)
        await asking(1)(setup)

    assert (play(found, scene).kernel.answers, asked) == ([(1, TO)], [1])


def test_a_plugin_whose_answer_changes_each_time_gets_a_drop_at_last(log: Any) -> None:
    asked: list[int] = []

    async def scene(setup: Setup) -> None:
        async def change() -> None:
            setup.provider.inject_varp(MAC, TO)

        async def decide(query: Query) -> Answer:
            asked.append(query.request.reqid)
            await asyncio.ensure_future(change())
            return TO

        setup.plugin.decide = staticmethod(decide)
        setup.kernel.ask(1)
        for _ in range(10 * ASKED_AT_MOST):
            await asyncio.sleep(0)

    assert play(found, scene, log).kernel.answers == [(1, None)]
    assert len(asked) == ASKED_AT_MOST
    assert log.named("lookup failed") == [{"instance": 1, "reason": "the answer changes each time"}]


# ---------------------------------------------------------------------- whose fault it is


@pytest.mark.parametrize("errno", [Errno.ECONNRESET, Errno.EBADF, Errno.EIO])
def test_a_plugins_own_refusal_drops_the_frame_whatever_its_errno_and_is_logged(errno: Errno, log: Any) -> None:
    async def refuses(query: Query) -> Answer:
        raise VarpdError(errno, "the directory does not answer")

    setup = play(refuses, asking(1, 2), log)
    assert setup.kernel.answers == [(1, None), (2, None)]
    assert not setup.varpd.failed.done()
    assert [keys["reason"].split(": ")[1] for keys in log.named("lookup failed")] == [
        "the directory does not answer"
    ] * 2


def test_a_frame_that_is_gone_is_dropped_and_a_kernel_that_has_gone_ends_the_daemon(log: Any) -> None:
    async def looks(query: Query) -> Answer:
        await query.packet()
        return TO

    async def refused(setup: Setup) -> None:
        plain = setup.kernel.ioctl

        async def ioctl(cmd: int, argument: bytes = b"") -> bytes:
            if cmd == targ.OVERLAY_TARG_PKT:
                raise KernelError(Errno.EINVAL)
            return await plain(cmd, argument)

        setup.kernel.ioctl = ioctl  # type: ignore[method-assign]
        await asking(1)(setup)
        assert not setup.varpd.failed.done()

    assert play(looks, refused).kernel.answers == [(1, None)]

    async def gone(setup: Setup) -> None:
        setup.kernel.ask(1)
        setup.kernel.ask(2)
        setup.kernel.ask(3)
        setup.kernel.gone = True
        await settle()
        error = setup.varpd.failed.result()
        assert isinstance(error, KernelError)
        assert error.errno is Errno.ECONNRESET

    assert play(looks, gone, log).kernel.answers == []
    assert log.events == [], "nobody is to blame"


def test_a_panic_of_a_lookup_ends_the_daemon() -> None:
    async def looks(query: Query) -> Answer:
        raise VarpdPanic("inconsistent")

    async def scene(setup: Setup) -> None:
        await asking(1)(setup)
        assert str(setup.varpd.failed.result()) == "inconsistent"

    assert play(looks, scene).kernel.answers == []


# ---------------------------------------------------------------------- ends


@pytest.mark.parametrize("decide", [found, nowhere, broken])
def test_a_question_that_is_answered_is_closed_for_whoever_kept_it(
    decide: Callable[[Query], Coroutine[Any, Any, Answer]],
) -> None:
    kept: list[Query] = []

    async def keeps(query: Query) -> Answer:
        kept.append(query)
        return await decide(query)

    async def scene(setup: Setup) -> None:
        await asking(1)(setup)
        calls = list(setup.kernel.calls)
        for act in (kept[0].packet, lambda: kept[0].inject(b""), lambda: kept[0].resend(b"")):
            with pytest.raises(VarpdError) as refused:
                await act()
            assert refused.value.errno is Errno.EINVAL
        assert setup.kernel.calls == calls

    play(keeps, scene)


@pytest.mark.fact("VPD-Q2")
def test_a_plugin_that_goes_on_after_its_instance_is_destroyed_is_waited_for_and_its_answer_is_not_given() -> None:
    release = asyncio.Event()

    async def stubborn(query: Query) -> Answer:
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            await release.wait()
        return DROP if query.request.reqid == 2 else TO

    async def scene(setup: Setup) -> None:
        await asking(1, 2)(setup)
        setup.provider.inject_varp(MAC, None)
        destroyed = asyncio.ensure_future(setup.varpd.instance_destroy(1))
        await settle()
        assert (setup.ended, destroyed.done()) == ([], False)
        release.set()
        await destroyed
        assert setup.ended == ["lookup", "lookup", "stop"]

    assert play(stubborn, scene).kernel.answers == [(1, None), (2, None)]


def test_nothing_of_a_plugin_runs_any_more_when_the_device_is_closed() -> None:
    open_at_the_end: list[bool] = []

    async def run() -> None:
        async def tidies_up(query: Query) -> Answer:
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                await settle()
                open_at_the_end.append(not setup.kernel.closed)
            raise AssertionError

        setup = Setup(tidies_up)
        await setup.start()
        await asking(1, 2)(setup)
        await setup.varpd.destroy()
        assert (open_at_the_end, setup.kernel.closed) == ([True, True], True)

    asyncio.run(run())
