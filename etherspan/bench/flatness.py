"""Whether what a long run measured has stayed as it was: the judging of `etherspan bench soak`."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

WARM_UP: Final = 1 / 8
"""The part of a run at its beginning that is not compared."""
RSS_GROWTH: Final = 5 << 20
"""Bytes that a process may have grown from the first quarter to the last."""
FD_GROWTH: Final = 2
LATENCY_RATIO: Final = 1.5
"""How much longer the median round trip of the last quarter may be."""


@dataclass(slots=True, frozen=True)
class Sample:
    """A process at one moment: `name` is HOST/SERVICE, `at` seconds from the beginning, `age` those since the process was first seen."""

    at: float
    name: str
    pid: int
    age: float
    rss: int
    fds: int
    threads: int


@dataclass(slots=True, frozen=True)
class Trend:
    """A figure in the first quarter after the warm-up and in the last quarter of a run: medians."""

    name: str
    what: str
    first: float
    last: float
    flat: bool

    def __str__(self) -> str:
        return f"{self.name}: {self.what} {self.first:g}, at the end {self.last:g}"


def ends(points: Iterable[tuple[float, float]], seconds: float) -> tuple[float, float] | None:
    """The medians of the first quarter after the warm-up and of the last one; None where one of them is empty."""
    begin = seconds * WARM_UP
    quarter = (seconds - begin) / 4
    known = list(points)
    first = [value for at, value in known if begin <= at < begin + quarter]
    last = [value for at, value in known if at >= seconds - quarter]
    return (statistics.median(first), statistics.median(last)) if first and last else None


def of_processes(samples: Sequence[Sample], seconds: float, young: float = 10.0) -> list[Trend]:
    """Memory, descriptors and threads of each service; processes younger than `young` seconds do not count."""
    by_name: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        if sample.age >= young:
            by_name[sample.name].append(sample)
    trends = []
    for name, own in sorted(by_name.items()):
        for what, limit in (("rss", RSS_GROWTH), ("fds", FD_GROWTH), ("threads", FD_GROWTH)):
            found = ends(((one.at, getattr(one, what)) for one in own), seconds)
            if found is not None:
                trends.append(Trend(name, what, *found, flat=found[1] - found[0] <= limit))
    return trends


def of_latency(times: Mapping[str, Sequence[tuple[float, float]]], seconds: float) -> list[Trend]:
    """The round trips of each path: pairs of when, and how long in milliseconds."""
    trends = []
    for name, points in sorted(times.items()):
        found = ends(points, seconds)
        if found is not None:
            first, last = (round(value, 3) for value in found)
            trends.append(Trend(name, "rtt_ms", first, last, flat=last <= first * LATENCY_RATIO))
    return trends
