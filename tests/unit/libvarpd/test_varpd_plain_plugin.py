"""The base of plugins without properties."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

import pytest

from etherspan.testing.sim.world import SimWorld
from etherspan.testing.topology import numbered, vnic
from kernel_sim.sys.codec import Point
from kernel_sim.sys.errno import Errno
from kernel_sim.sys.overlay_target import TargMode
from libvarpd.errors import VarpdError
from libvarpd.plainplugin import PlainPlugin
from libvarpd.plugin import Answer, Query, SearchPlugin


class Second(PlainPlugin):
    name = "second"
    mode = TargMode.DYNAMIC

    async def lookup(self, query: Query) -> Answer:
        assert self.provider.vnetid == 23
        return Point(ip=ipaddress.ip_address("::ffff:10.88.88.2").packed, port=4789)


@pytest.fixture
def etherspan_plugins() -> Sequence[type[SearchPlugin]]:
    return [Second]


def test_it_answers_before_and_after_a_restart(etherspan_world: SimWorld) -> None:
    a, b = (etherspan_world.host(f"h{number}", f"10.88.88.{number}") for number in (1, 2))
    for host in (a, b):
        host.dladm(f"create-overlay -e vxlan -s second -v 23 -p vxlan/listen_ip={host.address} ov0")
    p, q = vnic(a, 1), vnic(b, 2)
    p.send(numbered(1, 2))
    q.expect(numbered(1, 2))
    a.kill("varpd")
    p.send(numbered(1, 5))
    q.expect(numbered(1, 5))
    assert a.dladm("show-overlay -p -o property ov0").out.split()[-1] == "search"


def test_it_has_no_properties(etherspan_world: SimWorld) -> None:
    host = etherspan_world.host("h1", "10.88.88.1")
    props = "vxlan/listen_ip=10.88.88.1,second/which=3"
    done = host.dladm(f"create-overlay -e vxlan -s second -v 23 -p {props} ov0", check=False)
    assert done.status == 1


@pytest.mark.parametrize("call", [("getprop", "x"), ("setprop", "x", b"1"), ("propinfo", 0)])
def test_asked_for_a_property_it_says_einval(call: tuple[object, ...]) -> None:
    plugin = Second.__new__(Second)
    name, *arguments = call
    with pytest.raises(VarpdError) as error:
        getattr(plugin, str(name))(*arguments)
    assert error.value.errno is Errno.EINVAL
