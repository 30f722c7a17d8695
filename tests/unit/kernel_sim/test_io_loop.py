from __future__ import annotations

import contextlib
import itertools
import os
import select
import signal
import socket
import threading
from collections.abc import Iterator

import pytest

from kernel_sim.io.loop import Loop


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    a, b = socket.socketpair()
    with a, b:
        yield a, b


Pair = tuple[socket.socket, socket.socket]


def test_a_handler_is_called_while_its_descriptor_is_ready(loop: Loop, pair: Pair) -> None:
    a, b = pair
    seen: list[bytes] = []
    loop.register(a.fileno(), lambda _: seen.append(a.recv(1)))
    b.send(b"xy")
    for _ in range(3):
        loop.run_once()
    assert seen == [b"x", b"y"]
    loop.unregister(a.fileno())
    b.send(b"z")
    loop.run_once()
    assert seen == [b"x", b"y"]


def test_a_handler_may_unregister_another_that_is_ready_in_the_same_round(loop: Loop) -> None:
    ends = [socket.socketpair() for _ in range(2)]
    called: list[int] = []

    def handler(mine: int) -> None:
        called.append(mine)
        other = ends[1 - mine][0].fileno()
        loop.unregister(other)

    for index, (a, b) in enumerate(ends):
        loop.register(a.fileno(), lambda _, index=index: handler(index))  # type: ignore[misc]
        b.send(b"x")
    loop.run_once()
    assert len(called) == 1
    for a, b in ends:
        a.close()
        b.close()


def test_other_events_can_be_waited_for(loop: Loop, pair: Pair) -> None:
    seen: list[int] = []
    loop.register(pair[0].fileno(), seen.append)
    loop.run_once()
    assert seen == []
    loop.modify(pair[0].fileno(), select.EPOLLOUT)
    loop.run_once()
    assert seen == [select.EPOLLOUT]


def test_timers_fire_in_order_of_time_then_of_asking_and_not_early(loop: Loop) -> None:
    fired: list[str] = []
    start = loop.now()
    loop.call_later(0.02, lambda: fired.append("late"))
    loop.call_later(0.0, lambda: fired.append("first"))
    loop.call_later(0.0, lambda: fired.append("second"))
    loop.run_once()
    assert fired == ["first", "second"]
    while len(fired) < 3:
        loop.run_once(1.0)
    assert fired[-1] == "late"
    assert loop.now() - start >= 0.02


def test_a_timer_set_by_a_timer_waits_for_the_next_round(loop: Loop) -> None:
    fired: list[int] = []

    def again() -> None:
        fired.append(1)
        loop.call_later(0.0, again)

    loop.call_later(0.0, again)
    loop.run_once()
    assert fired == [1]


def test_a_cancelled_timer_does_not_fire_and_may_be_cancelled_twice(loop: Loop) -> None:
    fired: list[int] = []
    timer = loop.call_later(0.0, lambda: fired.append(1))
    timer.cancel()
    timer.cancel()
    loop.run_once()
    assert fired == []


def test_a_timer_may_be_cancelled_after_it_fired(loop: Loop) -> None:
    timer = loop.call_later(0.0, lambda: None)
    loop.run_once()
    timer.cancel()
    assert not timer.pending


def test_many_cancelled_far_timers_do_not_pile_up_and_the_others_stay(loop: Loop) -> None:
    fired: list[int] = []
    loop.call_later(0.0, lambda: fired.append(1))
    for _ in range(10_000):
        loop.call_later(3600.0, lambda: None).cancel()
    assert len(loop._timers) < 1000
    loop.run_once()
    assert fired == [1]


def test_stop_ends_run_even_when_called_before_it(loop: Loop) -> None:
    loop.stop()
    loop.run()


def test_stop_from_a_signal_handler_wakes_the_loop(loop: Loop) -> None:
    before = signal.signal(signal.SIGUSR1, lambda *_: loop.stop())
    try:
        loop.call_later(0.0, lambda: os.kill(os.getpid(), signal.SIGUSR1))
        loop.run()
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_stop_from_another_thread_wakes_the_loop(loop: Loop) -> None:
    thread = threading.Thread(target=loop.stop)
    loop.call_later(0.0, thread.start)
    loop.run()
    thread.join()


def test_an_exception_of_a_callback_leaves_run(loop: Loop) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    loop.call_later(0.0, fail)
    with pytest.raises(ZeroDivisionError):
        loop.run()


# ---------------------------------------------------------------------- disturbed


@pytest.fixture
def told(loop: Loop) -> list[str]:
    """What has happened, in order; the loop's `disturbed` is in it as "disturbed"."""
    happened: list[str] = []
    loop.disturbed = lambda: happened.append("disturbed")
    return happened


def test_disturbed_is_called_before_each_handler_that_is_not_data_path(loop: Loop, told: list[str]) -> None:
    with contextlib.ExitStack() as ends:
        for name in ("first", "second"):
            mine, other = (ends.enter_context(end) for end in socket.socketpair())

            def handler(_events: int, mine: socket.socket = mine, name: str = name) -> None:
                told.append(name)
                mine.recv(1)

            loop.register(mine.fileno(), handler)
            other.send(b"x")
        loop.run_once()
    assert told[0::2] == ["disturbed"] * 2
    assert sorted(told[1::2]) == ["first", "second"]


def test_disturbed_is_not_called_for_the_data_path(loop: Loop, told: list[str], pair: Pair) -> None:
    seen: list[int] = []
    loop.register(pair[0].fileno(), seen.append, data=True)
    pair[1].send(b"x")
    loop.run_once()
    loop.modify(pair[0].fileno(), select.EPOLLIN | select.EPOLLOUT)
    loop.run_once()
    assert seen == [select.EPOLLIN, select.EPOLLIN | select.EPOLLOUT]
    assert told == []


def test_disturbed_comes_between_data_path_and_control_of_one_round(loop: Loop, told: list[str]) -> None:
    """In whatever order the kernel reports the two: whoever follows the control handler finds nothing that was known before it."""
    with contextlib.ExitStack() as ends:
        for name in ("data", "control", "data", "control", "data"):
            mine, other = (ends.enter_context(end) for end in socket.socketpair())
            loop.register(mine.fileno(), lambda _, name=name: told.append(name), data=name == "data")  # type: ignore[misc]
            other.send(b"x")
        loop.run_once()
    assert sorted(told) == ["control"] * 2 + ["data"] * 3 + ["disturbed"] * 2
    assert all((now == "disturbed") == (following == "control") for now, following in itertools.pairwise(told))


def test_disturbed_is_called_before_each_timer_that_fires_and_for_no_other(loop: Loop, told: list[str]) -> None:
    for name in ("first", "second"):
        loop.call_later(0.0, lambda name=name: told.append(name))  # type: ignore[misc]
    loop.call_later(0.0, lambda: told.append("cancelled")).cancel()
    loop.call_later(3600.0, lambda: told.append("far off"))
    loop.run_once()
    assert told == ["disturbed", "first", "disturbed", "second"]


def test_disturbed_is_called_for_a_handler_that_follows_another_of_the_same_descriptor(
    loop: Loop, told: list[str], pair: Pair
) -> None:
    pair[1].send(b"x")
    for data in (True, False, True):
        loop.register(pair[0].fileno(), lambda _, data=data: told.append("data" if data else "control"), data=data)  # type: ignore[misc]
        loop.run_once()
        loop.unregister(pair[0].fileno())
    assert told == ["data", "disturbed", "control", "data"]


def test_a_wake_up_from_outside_disturbs(loop: Loop, told: list[str]) -> None:
    loop.stop()
    loop.run_once()
    assert told == ["disturbed"]
