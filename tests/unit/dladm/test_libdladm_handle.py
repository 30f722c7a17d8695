"""A handle on a host: what it keeps open, and what happens when that breaks."""

from __future__ import annotations

import pytest

from dladm.libdladm.handle import Dladm
from etherspan.testing.sim.world import SimWorld, SimWorldHost
from kernel_sim.sys.errno import Errno, KernelError
from libvarpd.client import Client


@pytest.fixture
def host() -> SimWorldHost:
    world = SimWorld()
    host = world.host("a", "10.88.88.1")
    props = "vxlan/listen_ip=10.88.88.1,direct/dest_ip=10.88.88.2,direct/dest_port=4789"
    host.dladm(f"create-overlay -e vxlan -s direct -v 23 -p {props} ov0")
    return host


def properties(varpd: Client) -> int:
    return varpd.prop_nprops(1)


def test_questions_to_varpd_share_one_conversation(host: SimWorldHost) -> None:
    asked: list[Client] = []
    with Dladm(host.system) as handle:
        for _ in range(3):
            assert handle.ask_varpd(lambda varpd: asked.append(varpd) or properties(varpd)) == 3  # type: ignore[func-returns-value]
    assert len({id(one) for one in asked}) == 1


def test_a_conversation_that_ended_with_its_varpd_is_begun_again(host: SimWorldHost) -> None:
    with Dladm(host.system) as handle:
        assert handle.ask_varpd(properties) == 3
        host.svcadm("restart varpd")
        assert handle.ask_varpd(properties) == 3


def test_a_refusal_is_no_broken_conversation(host: SimWorldHost) -> None:
    with Dladm(host.system) as handle:
        assert handle.ask_varpd(properties) == 3
        with pytest.raises(KernelError) as refused:
            handle.ask_varpd(lambda varpd: varpd.prop_nprops(7))
        assert refused.value.errno is Errno.ENOENT
        assert handle.ask_varpd(properties) == 3


def test_a_varpd_that_stays_away_is_said_to_be_gone(host: SimWorldHost) -> None:
    with Dladm(host.system) as handle:
        assert handle.ask_varpd(properties) == 3
        host.svcadm("disable varpd")
        with pytest.raises(KernelError) as refused:
            handle.ask_varpd(properties)
        assert refused.value.errno is Errno.ENOENT
