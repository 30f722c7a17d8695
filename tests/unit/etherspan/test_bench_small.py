"""The search for the highest rate of small datagrams, with a path that is known; and the program that sends and counts, for real."""

from __future__ import annotations

import pytest

from etherspan.bench import small
from etherspan.bench.small import LOSS, TRIES, WIDTH, Trial, highest


def path(carries: float, sender: float = 1e9, hiccups: int = 0) -> list[float]:
    """Rates tried, then the rate found, on a path that loses what is over a rate, from a sender with a limit of its own."""
    tried: list[float] = []
    left = hiccups

    def attempt(rate: float) -> Trial:
        nonlocal left
        tried.append(rate)
        offered = min(rate, sender)
        lost = offered - carries if offered > carries else 0.0
        if left:
            left, lost = left - 1, offered
        return Trial(int(offered), 1.0, int(offered - lost), 0)

    found, trials = highest(attempt)
    assert len(trials) == len(tried)
    return [*tried, found]


@pytest.mark.parametrize("carries", [2_500.0, 8_000.0, 117_000.0, 400_000.0, 700_000.0])
def test_what_a_path_carries_is_found(carries: float) -> None:
    found = path(carries)[-1]
    assert carries / WIDTH <= found <= carries / (1 - LOSS)


def test_a_sender_that_cannot_is_the_limit() -> None:
    assert 130_000 / WIDTH <= path(1e9, sender=130_000)[-1] <= 130_000 / small.REACHED


def test_one_hiccup_does_not_refuse_a_rate() -> None:
    *tried, found = path(100_000, hiccups=TRIES - 1)
    assert tried[0] == tried[1]
    assert found >= 100_000 / WIDTH


def test_the_program_counts_what_it_sends() -> None:
    def here(*argv: object) -> list[str]:
        return [str(word) for word in argv]

    with small.program() as made:
        trial = small.trial(made, here, here, "127.0.0.1", rate=2000, seconds=0.2)
    assert (trial.sent, trial.received, trial.reordered) == (400, 400, 0)
    assert trial.seconds == pytest.approx(0.2, abs=0.19)
