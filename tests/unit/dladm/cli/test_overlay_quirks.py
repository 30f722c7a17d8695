"""Quirks of overlay properties, end to end: dladm, varpd's door and a search plugin in one host in memory."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import Final

import pytest

from dladm.cli.main import main
from dladm.libdladm.handle import Dladm
from etherspan.testing.sim.world import SimWorld, SimWorldHost
from kernel_sim.sys.codec import OverlayCreate, Point
from kernel_sim.sys.dld import DL_ETHER, DatalinkClass, DatalinkFlag
from kernel_sim.sys.errno import Errno
from kernel_sim.sys.overlay import OVERLAY_IOC_CREATE
from kernel_sim.sys.overlay_common import PropPerm, PropType
from libvarpd.errors import VarpdError
from libvarpd.plugins.direct import Direct
from libvarpd.prop import PropInfo

LONG: Final = "x" * 255
DIRECT: Final = "-p vxlan/listen_ip=10.88.88.69,direct/dest_ip=fd00::5,direct/dest_port=4789"


class Odd(Direct):
    """A search plugin with properties of every size, one of which cannot be read."""

    name = "odd"
    odd: Final = ("odd/text", "odd/broken")

    def nprops(self) -> int:
        return super().nprops() + len(self.odd)

    def propinfo(self, index: int) -> PropInfo:
        here = super().nprops()
        return (
            super().propinfo(index) if index < here else PropInfo(self.odd[index - here], PropType.STRING, PropPerm.RW)
        )

    def getprop(self, name: str) -> bytes:
        if name == "odd/broken":
            raise VarpdError(Errno.EIO, "the plugin's file is gone")
        return LONG.encode() + b"\0" if name == "odd/text" else super().getprop(name)

    def start(self) -> None:
        """It needs nothing to be set."""

    def default(self) -> Point:
        return Point(ip=bytes(10) + b"\xff\xff\x0a\x58\x58\x46", port=4789)


@pytest.fixture
def host() -> Iterator[SimWorldHost]:
    with SimWorld(plugins=[Odd]) as world:
        yield world.host("a", "10.88.88.69")


def dladm(host: SimWorldHost, words: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(words.split(), system=host.system, stdout=out, stderr=err)
    return status, out.getvalue(), err.getvalue()


def values(host: SimWorldHost) -> dict[str, str]:
    status, out, err = dladm(host, "show-overlay -p -o property,value ov0")
    assert (status, err) == (0, "")
    return dict(line.replace("\\:", "¦").split(":", 1) for line in out.splitlines())


@pytest.mark.fact("DLM-Q20")
def test_the_property_vnetid_takes_one_id_less_than_the_option(host: SimWorldHost) -> None:
    create = f"create-overlay -e vxlan -s direct {DIRECT}"
    assert dladm(host, f"{create} -v 1 -p vnetid=16777215 ov0") == (
        1,
        "",
        "dladm: warning: failed to set property vnetid\ndladm: overlay creation failed: invalid argument\n",
    )
    assert dladm(host, f"{create} -v 16777215 ov0")[0] == 0
    assert dladm(host, f"{create} -v 1 -p vnetid=16777214 ov1")[0] == 0


@pytest.mark.fact("DLM-Q22")
def test_search_properties_of_every_size_show_their_values(host: SimWorldHost) -> None:
    host.dladm(f"create-overlay -e vxlan -s direct -v 1 {DIRECT} ov0")
    found = values(host)
    assert (found["direct/dest_ip"], found["direct/dest_port"]) == ("fd00¦¦5", "4789")
    host.dladm("delete-overlay ov0")
    host.dladm("create-overlay -e vxlan -s odd -v 1 -p vxlan/listen_ip=10.88.88.69 ov0")
    assert values(host)["odd/text"] == LONG


@pytest.mark.fact("DLM-Q23")
def test_a_search_property_that_cannot_be_read_is_left_out_instead_of_shown_as_empty(host: SimWorldHost) -> None:
    host.dladm("create-overlay -e vxlan -s odd -v 1 -p vxlan/listen_ip=10.88.88.69 ov0")
    found = values(host)
    assert "odd/broken" not in found
    assert (found["direct/dest_ip"], found["odd/text"]) == ("--", LONG)


def test_an_overlay_that_varpd_has_no_instance_for_says_so(host: SimWorldHost) -> None:
    with Dladm(host.system) as handle:
        linkid = handle.dlmgmt.create_linkid("ov9", DatalinkClass.OVERLAY, DL_ETHER, DatalinkFlag.ACTIVE)
        handle.ioctl(OVERLAY_IOC_CREATE, OverlayCreate(linkid, 99, "vxlan").pack())
        assert dladm(host, "show-overlay -p -o property,value ov9") == (
            1,
            "mtu:1400\nvnetid:99\nencap:vxlan\nvarpd/id:--\nvxlan/listen_ip:--\nvxlan/listen_port:4789\n",
            "dladm: warning: failed to get varpd props for overlay ov9, varpd id 0: ok\n",
        )
    host.svcadm("enable varpd")
    assert dladm(host, "show-overlay -f -p -o status,details ov9") == (0, "DEGRADED:no varpd instance exists\n", "")
