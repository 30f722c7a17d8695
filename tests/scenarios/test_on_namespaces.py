"""Every scenario on hosts in network namespaces: real TAPs, real UDP, real daemons. What was dropped is the same as in memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from etherspan.testing.netns.world import NetnsWorld
from etherspan.testing.scenarios import SCENARIOS
from etherspan.testing.sim.world import SimWorld

pytestmark = pytest.mark.namespaces


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
