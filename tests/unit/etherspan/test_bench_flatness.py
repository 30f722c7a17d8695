"""What a long run's figures have to be for the run to have stayed as it was."""

from __future__ import annotations

import pytest

from etherspan.bench import flatness
from etherspan.bench.flatness import Sample

SECONDS = 800.0
MIB = 1 << 20


def samples(growth: int = 0, *, fds: int = 0, pid: int = 1, age: float = 100.0) -> list[Sample]:
    """One every ten seconds; `growth` bytes and `fds` descriptors more in the last quarter."""
    return [
        Sample(float(at), "cn1/varpd", pid, age, 30 * MIB + growth * (at >= 600), 10 + fds * (at >= 600), 1)
        for at in range(0, 800, 10)
    ]


@pytest.mark.parametrize(("growth", "flat"), [(0, True), (-MIB, True), (5 * MIB, True), (5 * MIB + 1, False)])
def test_memory_may_grow_by_five_mebibytes(growth: int, *, flat: bool) -> None:
    rss, *others = flatness.of_processes(samples(growth), SECONDS)
    assert (rss.what, rss.flat, rss.last - rss.first) == ("rss", flat, growth)
    assert all(one.flat for one in others)


@pytest.mark.parametrize(("fds", "flat"), [(2, True), (3, False)])
def test_two_more_descriptors_are_no_leak(fds: int, *, flat: bool) -> None:
    found = {one.what: one.flat for one in flatness.of_processes(samples(fds=fds), SECONDS)}
    assert found == {"rss": True, "fds": flat, "threads": True}


def test_a_process_that_has_only_begun_does_not_count() -> None:
    assert flatness.of_processes(samples(age=9.9), SECONDS) == []


def test_what_comes_while_it_warms_up_does_not_count() -> None:
    early = [(10.0, 100.0), (99.0, 100.0)]
    assert flatness.ends([*early, (100.0, 1.0), (274.0, 3.0), (625.0, 5.0)], SECONDS) == (2.0, 5.0)
    assert flatness.ends([*early, (700.0, 1.0)], SECONDS) is None


@pytest.mark.parametrize(("last", "flat"), [(0.1, True), (0.6, True), (0.61, False)])
def test_the_median_round_trip_may_be_half_as_long_again(last: float, *, flat: bool) -> None:
    times = {"direct": [(float(at), 0.4 if at < 600 else last) for at in range(800)]}
    (found,) = flatness.of_latency(times, SECONDS)
    assert (found.first, found.last, found.flat) == (0.4, last, flat)
    assert str(found) == f"direct: rtt_ms 0.4, at the end {last:g}"
