"""The highest rate of small datagrams of which hardly any is lost, found by bisection with `small.c`."""

from __future__ import annotations

import contextlib
import math
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from etherspan.bench.labs import run

SIZE = 64
"""Bytes of payload, as `iperf3 -l 64` sends them; the inner frame has 106."""
LOSS = 0.005
REACHED = 0.95
"""Of the rate asked for: what a sender has to reach, or the rate is beyond it."""
BOUNDS = (2_000.0, 800_000.0)
WIDTH = 1.07
"""The search ends when its bounds are within this ratio."""
TRIES = 2
"""A rate is refused when this many trials in a row failed: a machine may hiccup."""
PORT = 9999

Place = Callable[..., list[str]]
"""Gives the command line that runs its arguments at one end."""


@dataclass(slots=True, frozen=True)
class Trial:
    """What came of one rate, in datagrams and seconds."""

    sent: int
    seconds: float
    received: int
    reordered: int

    def holds(self, rate: float) -> bool:
        return self.sent >= REACHED * rate * self.seconds and self.received >= (1 - LOSS) * self.sent


@contextlib.contextmanager
def program() -> Iterator[Path]:
    """`small.c`, compiled. Errors: RuntimeError when there is no compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise RuntimeError("no C compiler: install gcc to measure small datagrams")
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, "small")
        run(compiler, "-O2", "-o", made, Path(__file__).with_suffix(".c"))
        yield made


def trial(made: Path, here: Place, there: Place, address: str, rate: float, seconds: float) -> Trial:
    """Send from `here` to `there` at a rate, in datagrams a second."""
    receiving = subprocess.Popen(there(made, "receive", PORT), stdout=subprocess.PIPE, text=True)
    try:
        assert receiving.stdout is not None
        if receiving.stdout.readline() != "ready\n":
            raise RuntimeError("the receiver did not start")
        sent, took = run(*here(made, "send", address, PORT, SIZE, rate, seconds)).split()
        received, reordered = receiving.stdout.read().split()
    finally:
        receiving.kill()
        receiving.communicate()
    return Trial(int(sent), float(took), int(received), int(reordered))


def highest(attempt: Callable[[float], Trial]) -> tuple[float, list[Trial]]:
    """The highest rate that holds, in datagrams a second, and all trials."""
    low, high = BOUNDS
    trials: list[Trial] = []
    while high / low > WIDTH:
        rate = math.sqrt(low * high)
        for _ in range(TRIES):
            trials.append(attempt(rate))
            if trials[-1].holds(rate):
                low = rate
                break
        else:
            high = rate
    return low, trials


def search(here: Place, there: Place, address: str, seconds: float = 1.0) -> tuple[float, int]:
    """The highest rate between two ends, in datagrams a second, and how many datagrams were out of order in all trials."""
    with program() as made:
        rate, trials = highest(lambda rate: trial(made, here, there, address, rate, seconds))
    return rate, sum(one.reordered for one in trials)
