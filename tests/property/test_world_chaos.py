"""Long random runs of the world in memory: what always has to hold, and that one seed is one run."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from etherspan.testing.chaos.run import OPERATIONS, Chaos

MET = {
    *("arrives", "delivered", "injected", "panic", "resent", "sent", "unreached", "wire"),
    *("fault_corruption", "fault_delay", "fault_duplication", "fault_loss", "fault_partition", "fault_reordering"),
    *("rx_bad_header", "rx_consumer_full", "rx_foreign_vlan", "rx_no_flow", "rx_unknown_vnetid"),
    *("tx_lookup_drop", "tx_no_header", "tx_overlay_deleted", "tx_pending_full", "tx_target_drop", "tx_vlan_tagged"),
}
"""Fates without which a run of some length would prove little."""


def run_in_process(seed: int, operations: int, hash_seed: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "etherspan.testing.chaos", str(seed), str(operations)],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_that_always_holds_breaks_in_some_thousand_random_operations(seed: int) -> None:
    chaos = Chaos(seed)
    chaos.run(4000)
    chaos.finish()
    assert chaos.ledger.fates.keys() >= MET
    assert len(chaos.done) == len(OPERATIONS)


def test_one_seed_is_one_run_whatever_the_order_of_hashes() -> None:
    first, again, other = (run_in_process(*one) for one in ((5, 800, "0"), (5, 800, "4711"), (6, 800, "0")))
    assert first == again
    assert first[0] != other[0]


def test_the_trace_holds_the_fate_of_every_frame() -> None:
    chaos = Chaos(3, keep=True)
    chaos.run(600)
    chaos.finish()
    told = [line.split() for line in chaos.world.trace.lines]
    assert chaos.world.trace.count == len(told)
    for kind in ("sent", "delivered", "wire", "arrives", "dropped", "fault"):
        counted = sum(count for fate, count in chaos.ledger.fates.items() if _kind(fate) == kind)
        assert sum(kind in words[1:3] and "note" not in words[1:3] for words in told) == counted


def _kind(fate: str) -> str:
    if fate.startswith("fault_"):
        return "fault"
    return fate if fate in {"sent", "delivered", "wire", "arrives", "unreached", "injected", "resent"} else "dropped"


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", [101, 102, 103, 104])
def test_two_hundred_thousand_random_operations(seed: int) -> None:
    chaos = Chaos(seed)
    chaos.run(50_000)
    chaos.finish()
    assert chaos.ledger.fates.keys() >= MET


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_long_run_is_the_same_in_another_process() -> None:
    first, again = (run_in_process(2026, 20_000, hash_seed) for hash_seed in ("1", "2"))
    assert first == again
