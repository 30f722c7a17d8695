from __future__ import annotations

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
