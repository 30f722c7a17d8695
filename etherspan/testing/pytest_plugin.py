"""Fixtures for whoever writes a search plugin (entry point `pytest11`); see docs/testing.md.

    @pytest.fixture
    def etherspan_plugins():
        return [MyPlugin]                       # what every varpd of the worlds has beside `direct` and `files`

    def test_my_plugin(etherspan_world):        # in memory; `etherspan_real_world` is the same in network namespaces
        host = etherspan_world.host("a", "10.88.88.1")
        host.dladm("create-overlay -e vxlan -s mine -v 23 -p vxlan/listen_ip=10.88.88.1 ov0")

Nothing of etherspan is imported before a fixture is used.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from etherspan.testing.netns.world import NetnsWorld
    from etherspan.testing.sim.world import SimWorld
    from libvarpd.plugin import SearchPlugin

pytest.register_assert_rewrite("etherspan.testing.scenarios", "etherspan.testing.topology", "etherspan.testing.world")


@pytest.fixture
def etherspan_plugins() -> Sequence[type[SearchPlugin]]:
    """Search plugins under test: override this. For the real world each has to be at the top of a module that can be loaded by itself."""
    return ()


@pytest.fixture
def etherspan_world(etherspan_plugins: Sequence[type[SearchPlugin]]) -> Iterator[SimWorld]:
    """An empty world in memory. A varpd that ended by itself fails the test, with its reason."""
    from etherspan.testing.sim.world import SimWorld

    with SimWorld(plugins=etherspan_plugins) as world:
        yield world


@pytest.fixture(scope="session")
def etherspan_namespaces() -> None:
    """Skips the test where network namespaces cannot be had, and fails it there under CI=true."""
    from etherspan.testing.netns.world import obstacle

    reason = obstacle()
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    if reason:
        pytest.skip(reason)


@pytest.fixture
def etherspan_real_world(
    etherspan_namespaces: None,
    etherspan_plugins: Sequence[type[SearchPlugin]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[NetnsWorld]:
    """An empty world of network namespaces on this machine; see `etherspan_namespaces`."""
    from etherspan.testing.netns.world import NetnsWorld

    with NetnsWorld(tmp_path_factory.mktemp("etherspan"), plugins=etherspan_plugins) as world:
        yield world
