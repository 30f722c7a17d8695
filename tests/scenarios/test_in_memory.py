"""Every scenario in the world in memory."""

from __future__ import annotations

import pytest

from etherspan.testing.scenarios import SCENARIOS
from etherspan.testing.sim.world import SimWorld
from etherspan.testing.svp_scenarios import SVP_SCENARIOS


@pytest.mark.parametrize("name", SCENARIOS)
def test_in_memory(name: str) -> None:
    with SimWorld() as world:
        SCENARIOS[name](world)


@pytest.mark.parametrize("name", SVP_SCENARIOS)
@pytest.mark.parametrize("seed", range(3))
def test_svp_in_memory(name: str, seed: int) -> None:
    with SimWorld(seed=seed) as world:
        SVP_SCENARIOS[name](world)
