"""Every scenario on hosts in network namespaces: real TAPs, real UDP, real daemons."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from etherspan.testing.netnsworld import NetnsWorld
from etherspan.testing.scenarios import SCENARIOS

pytestmark = pytest.mark.namespaces


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NetnsWorld]:
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
