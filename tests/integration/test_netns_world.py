"""The world of network namespaces beside its scenarios: one that is in a bad way, and what it leaves behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from etherspan import netns
from etherspan.host.control import host_status
from etherspan.testing.netns.world import NetnsWorld
from etherspan.testing.topology import direct_overlay, numbered, vnic
from kernel_sim.dev.client import Transport
from kernel_sim.sys.errno import Errno, KernelError

pytestmark = pytest.mark.namespaces


class Broken:
    """A host that cannot be talked to."""

    def connect(self, path: str) -> Transport:
        raise KernelError(Errno.EIO, "out of order")

    def wait(self, seconds: float) -> None:
        """Nothing would change."""


def test_a_host_that_cannot_be_emptied_gives_way_to_a_new_one(tmp_path: Path) -> None:
    with NetnsWorld(tmp_path / "world") as world:
        first = world.host("a", "10.88.88.1")
        first.dladm("create-etherstub stub0")
        world.recycle()
        again = world.host("a", "10.88.88.1")
        assert again is first
        assert "stub0" not in again.dladm("show-link").out
        again.system = Broken()
        with pytest.raises(AssertionError, match="a: "):
            world.recycle()
        other = world.host("a", "10.88.88.1")
        assert other is not first
        assert host_status(first.root).phase == "down"
        b = world.host("b", "10.88.88.2")
        direct_overlay(other, b.address)
        direct_overlay(b, other.address)
        p, q = vnic(other, 1), vnic(b, 2)
        p.send(numbered(1, 2))
        q.expect(numbered(1, 2))
        with pytest.raises(AssertionError, match="b:vnic2: 1 frames expected, 0 have come"):
            q.expect(numbered(1, 2), within=0.1)


def test_a_closed_world_leaves_nothing_behind(tmp_path: Path) -> None:
    with NetnsWorld(tmp_path / "world") as world:
        host = world.host("a", "10.88.88.1")
        host.dladm("create-etherstub stub0")
        vnic(host, 1, over="stub0")
        assert netns.is_pinned(host.place)
        root = host.root
    assert host_status(root).phase == "down"
    assert netns.pins_below(tmp_path) == []
