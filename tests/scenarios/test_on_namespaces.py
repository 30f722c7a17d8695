"""Every scenario on hosts in network namespaces: real TAPs, real UDP, real daemons. What was dropped is the same as in memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from etherspan.testing.netns.world import NetnsWorld
from etherspan.testing.scenarios import SCENARIOS
from etherspan.testing.sim.world import SimWorld
from etherspan.testing.svp_scenarios import SVP_SCENARIOS, svp_traffic_follows_a_mac_address_that_moves

pytestmark = pytest.mark.namespaces
LONG = {svp_traffic_follows_a_mac_address_that_moves.__name__}
"""These wait for polls; in time, the lab of `docs/svp.md` shows the same."""


@pytest.fixture(scope="module")
def shared(etherspan_namespaces: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NetnsWorld]:
    """One world for all scenarios: to boot takes longer than most of them."""
    with NetnsWorld(tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest.fixture
def world(shared: NetnsWorld) -> Iterator[NetnsWorld]:
    yield shared
    shared.recycle()


@pytest.mark.parametrize("name", SCENARIOS)
def test_on_namespaces(name: str, world: NetnsWorld) -> None:
    SCENARIOS[name](world)
    with SimWorld() as memory:
        SCENARIOS[name](memory)
        here, there = ({host.name: host.drops() for host in one.hosts.values()} for one in (world, memory))
    assert here == there


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.soak] if name in LONG else []) for name in SVP_SCENARIOS]
)
def test_svp_on_namespaces(name: str, world: NetnsWorld) -> None:
    SVP_SCENARIOS[name](world)
