"""Every scenario in the world in memory."""

from __future__ import annotations

import pytest

from etherspan.testing.scenarios import SCENARIOS
from etherspan.testing.sim.world import SimWorld


@pytest.mark.parametrize("name", SCENARIOS)
def test_in_memory(name: str) -> None:
    with SimWorld() as world:
        SCENARIOS[name](world)
