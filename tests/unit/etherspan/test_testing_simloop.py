"""The virtual clock and event loop of worlds in memory."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etherspan.testing.sim.loop import RESTLESS, SimLoop, StalledError
from etherspan.testing.sim.process import SimProcess


@pytest.fixture
def loop() -> SimLoop:
    return SimLoop()


@settings(max_examples=50)
@given(st.lists(st.integers(0, 5), max_size=20))
def test_timers_run_at_their_moments_and_those_of_one_moment_in_the_order_they_were_asked_for(waits: list[int]) -> None:
    loop = SimLoop()
    ran: list[tuple[float, int]] = []
    for number, wait in enumerate(waits):
        loop.call_later(wait, lambda number=number: ran.append((loop.now(), number)))  # type: ignore[misc]
    loop.advance(10)
    assert ran == sorted((float(wait), number) for number, wait in enumerate(waits))
    assert loop.now() == 10


def test_what_is_ready_runs_before_a_timer_of_the_same_moment_that_was_asked_for_later(loop: SimLoop) -> None:
    ran: list[str] = []
    loop.call_soon(ran.append, "ready")
    loop.call_later(0, ran.append, "timer")
    loop.call_soon(lambda: loop.call_soon(ran.append, "nested"))
    loop.run()
    assert ran == ["ready", "nested", "timer"]
    assert loop.now() == 0


def test_a_cancelled_call_is_not_made(loop: SimLoop) -> None:
    ran: list[str] = []
    loop.call_later(1, ran.append, "timer").cancel()
    loop.call_soon(ran.append, "ready").cancel()
    assert loop.pending == 1
    loop.advance(2)
    assert ran == []
    assert loop.pending == 0


def test_advance_stops_short_of_the_timers_behind_its_end(loop: SimLoop) -> None:
    ran: list[float] = []
    loop.call_later(1.5, lambda: ran.append(loop.now()))
    loop.advance(1)
    assert (ran, loop.now()) == ([], 1.0)
    loop.advance(1)
    assert (ran, loop.now()) == ([1.5], 2.0)


def test_run_until_takes_as_much_time_as_its_work_and_no_more(loop: SimLoop) -> None:
    async def work() -> str:
        await asyncio.sleep(2)
        try:
            async with asyncio.timeout(3):
                await asyncio.sleep(60)
        except TimeoutError:
            return "late"
        return "early"

    late: list[str] = []
    loop.call_later(5.1, late.append, "after")
    assert loop.run_until(work()) == "late"
    assert loop.now() == 5.0
    assert late == []


def test_run_until_says_so_when_nothing_is_left_that_could_finish_its_work(loop: SimLoop) -> None:
    loop.call_later(7, lambda: None)
    with pytest.raises(StalledError, match="nothing is left"):
        loop.run_until(loop.create_future())
    assert loop.now() == 7


def test_run_until_gives_up_after_its_limit(loop: SimLoop) -> None:
    with pytest.raises(StalledError, match="3 s have passed"):
        loop.run_until(asyncio.sleep(4), limit=3)
    assert loop.now() == 3
    loop.settle()  # the task was cancelled


def test_settle_complains_of_what_never_ends(loop: SimLoop) -> None:
    def again() -> None:
        loop.call_later(1, again)

    again()
    with pytest.raises(StalledError):
        loop.settle(limit=10)


def test_a_moment_that_never_ends_is_found_out(loop: SimLoop) -> None:
    calls = 0

    def again() -> None:
        nonlocal calls
        calls += 1
        loop.call_soon(again)

    again()
    with pytest.raises(StalledError, match="no rest"):
        loop.run()
    assert calls == RESTLESS + 1


def test_an_exception_of_a_callback_leaves_the_loop_which_goes_on_after_it(loop: SimLoop) -> None:
    ran: list[str] = []

    def fail() -> None:
        raise ZeroDivisionError

    loop.call_later(1, fail)
    loop.call_later(2, ran.append, "later")
    with pytest.raises(ZeroDivisionError):
        loop.advance(5)
    assert loop.now() == 1
    loop.advance(5)
    assert ran == ["later"]


def test_an_exception_that_nobody_takes_from_a_task_is_raised_at_the_next_turn(loop: SimLoop) -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    task = loop.create_task(fail())
    loop.run()
    del task
    with pytest.raises(ZeroDivisionError):
        loop.run()


def test_time_cannot_be_turned_from_inside(loop: SimLoop) -> None:
    seen: list[str] = []

    def turn() -> None:
        try:
            loop.advance(1)
        except RuntimeError as error:
            seen.append(str(error))

    loop.call_soon(turn)
    loop.run()
    assert seen == ["a loop is running: only code outside it may let time pass"]


def test_advance_until_ends_with_its_condition_or_its_time(loop: SimLoop) -> None:
    ran: list[str] = []
    loop.call_later(1, ran.append, "one")
    loop.call_later(1, ran.append, "two")
    assert loop.advance_until(lambda: bool(ran), 5)
    assert (ran, loop.now()) == (["one"], 1.0)
    assert not loop.advance_until(lambda: len(ran) > 2, 5)
    assert (ran, loop.now()) == (["one", "two"], 6.0)


def test_asyncio_takes_it_for_a_loop() -> None:
    async def main() -> float:
        asyncio.get_running_loop().call_later(2, event.set)
        await event.wait()
        return asyncio.get_running_loop().time()

    event = asyncio.Event()
    with asyncio.Runner(loop_factory=SimLoop) as runner:
        assert runner.run(main()) == 2.0


def test_run_forever_ends_by_stop(loop: SimLoop) -> None:
    loop.call_later(4, loop.stop)
    loop.run_forever()
    assert loop.now() == 4
    with pytest.raises(StalledError):
        loop.run_forever()


def test_a_closed_loop_does_not_turn(loop: SimLoop) -> None:
    loop.close()
    assert loop.is_closed()
    with pytest.raises(RuntimeError, match="closed"):
        loop.run()


def test_killing_a_process_ends_what_began_in_it_and_nothing_else(loop: SimLoop) -> None:
    ran: list[str] = []

    async def late(name: str) -> None:
        await asyncio.sleep(1)
        ran.append(name)

    async def parent() -> None:
        asyncio.get_running_loop().create_task(late("child"))
        await late("parent")

    process = SimProcess(loop, "varpd", 1)
    task = process.spawn(parent())
    other = SimProcess(loop, "other", 2).spawn(late("other"))
    loop.run()
    process.kill()
    loop.advance(2)
    assert ran == ["other"]
    assert task.cancelled()
    assert other.done()
    assert not process.alive
