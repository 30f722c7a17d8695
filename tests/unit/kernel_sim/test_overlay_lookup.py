"""The queue of lookups: order, deadlines, forgotten entries."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass

import pytest

from kernel_sim.overlay.lookup import Injectable, LookupQueue, PendingLookup, Waiter
from kernel_sim.sys.codec import Point, TargLookup


class FakeTimer:
    def __init__(self, due: float) -> None:
        self.due = due
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class FakeClock:
    def __init__(self) -> None:
        self.time = 100.0
        self.calls: list[tuple[FakeTimer, object]] = []

    def now(self) -> float:
        return self.time

    def call_later(self, seconds: float, callback: object) -> FakeTimer:
        timer = FakeTimer(self.time + seconds)
        self.calls.append((timer, callback))
        return timer

    def advance(self, seconds: float) -> None:
        self.time += seconds
        due = [(timer, call) for timer, call in self.calls if timer.due <= self.time]
        self.calls = [one for one in self.calls if one not in due]
        for timer, call in due:
            if not timer.cancelled:
                call()  # type: ignore[operator]


@dataclass(eq=False)
class Entry:
    """An entry with something to say after `dull` frames it cannot describe; None: it has nothing to say and is not pending."""

    reqid: int
    dull: int | None = 0
    target: object = None
    holder: MutableMapping[int, PendingLookup] | None = None

    @property
    def device(self) -> Injectable:
        raise AssertionError

    @property
    def pending(self) -> bool:
        return self.dull is not None

    def describe(self) -> TargLookup | None:
        if self.dull:
            self.dull -= 1
            return None
        return None if self.dull is None else TargLookup(reqid=self.reqid)

    def head(self) -> bytes | None:
        return None

    def respond(self, point: Point) -> None:
        raise AssertionError

    def drop(self) -> None:
        raise AssertionError

    def give_back(self) -> bool:
        raise AssertionError


class Reader:
    def __init__(self, queue: LookupQueue) -> None:
        self.got: list[int | str] = []
        self.waiter = Waiter(self._deliver, lambda: self.got.append("late"))
        queue.wait(self.waiter)

    def _deliver(self, entry: PendingLookup, described: TargLookup) -> None:
        assert entry.reqid == described.reqid
        self.got.append(entry.reqid)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def queue(clock: FakeClock) -> LookupQueue:
    return LookupQueue(clock)


def test_entries_are_handed_out_in_the_order_they_came(queue: LookupQueue) -> None:
    queue.enqueue(Entry(1))
    queue.enqueue(Entry(2), Entry(3))
    assert [Reader(queue).got for _ in range(3)] == [[1], [2], [3]]
    assert len(queue) == 0


@pytest.mark.fact("KRN-I21")
def test_a_reader_of_an_idle_queue_gives_up_after_a_second_and_not_before(queue: LookupQueue, clock: FakeClock) -> None:
    reader = Reader(queue)
    clock.advance(0.999)
    assert reader.got == []
    clock.advance(0.001)
    assert reader.got == ["late"]
    queue.enqueue(Entry(1))
    clock.advance(5)
    assert reader.got == ["late"]
    assert len(queue) == 1


@pytest.mark.fact("KRN-I21")
def test_a_waiting_reader_is_woken_at_once_and_its_deadline_forgotten(queue: LookupQueue, clock: FakeClock) -> None:
    reader = Reader(queue)
    clock.advance(0.5)
    queue.enqueue(Entry(7))
    assert reader.got == [7]
    clock.advance(5)
    assert reader.got == [7]


def test_one_entry_wakes_one_reader_the_one_that_waits_longest(queue: LookupQueue) -> None:
    first, second = Reader(queue), Reader(queue)
    queue.enqueue(Entry(1))
    assert (first.got, second.got) == ([1], [])


@pytest.mark.fact("KRN-Q17")
def test_several_entries_at_once_wake_as_many_readers(queue: LookupQueue) -> None:
    readers = [Reader(queue) for _ in range(3)]
    queue.enqueue(Entry(1), Entry(2))
    assert [reader.got for reader in readers] == [[1], [2], []]


def test_an_entry_to_be_forgotten_is_passed_over_and_does_not_prolong_the_wait(
    queue: LookupQueue, clock: FakeClock
) -> None:
    reader = Reader(queue)
    clock.advance(0.6)
    queue.enqueue(Entry(1, dull=None))
    assert reader.got == []
    assert len(queue) == 0
    clock.advance(0.4)
    assert reader.got == ["late"]


def test_a_cancelled_reader_gets_nothing(queue: LookupQueue, clock: FakeClock) -> None:
    reader = Reader(queue)
    queue.cancel(reader.waiter)
    queue.cancel(reader.waiter)
    queue.enqueue(Entry(1))
    clock.advance(2)
    assert reader.got == []
    assert len(queue) == 1


def test_an_entry_that_cannot_be_described_yet_is_queued_again_behind_the_others(queue: LookupQueue) -> None:
    queue.enqueue(Entry(1, dull=1), Entry(2), Entry(3, dull=2))
    assert [Reader(queue).got for _ in range(3)] == [[2], [1], [3]]
    assert len(queue) == 0


def test_entries_of_one_target_can_be_taken_out(queue: LookupQueue) -> None:
    one, two = object(), object()
    queue.enqueue(Entry(1, target=one), Entry(2, target=two), Entry(3, target=one))
    queue.forget(one)
    assert [entry.reqid for entry in queue] == [2]


def test_a_request_id_is_never_given_twice(queue: LookupQueue) -> None:
    assert len({queue.new_reqid() for _ in range(1000)} | {0}) == 1001
