"""Whatever bytes come in as an ioctl's argument, the kernel answers once with an errno and lives on."""

from __future__ import annotations

import struct

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etherspan.testing.memory import MemoryClock, MemoryNetwork, MemoryPhys, MemoryPorts, MemoryRandom
from kernel_sim.cred import Credentials
from kernel_sim.dev import framing
from kernel_sim.devfs.kstat import KstatNode
from kernel_sim.kernel import Kernel
from kernel_sim.overlay.plugins.vxlan import PLUGIN
from kernel_sim.sys import dld, es, kstat, overlay, overlay_target, vnic
from kernel_sim.sys.codec import EsNameSet, OverlayCreate, OverlayLink, OverlayProp, Point, TargAssociate, VnicCreate

COMMANDS = {
    "dld": [
        *(getattr(dld, name) for name in ("DLDIOC_ATTR", "DLDIOC_GETMACPROP", "DLDIOC_SETMACPROP")),
        *(value for name, value in vars(es).items() if name.startswith("ES_") and value >> 16 == es.ES_MODID),
        *(value for name, value in vars(overlay).items() if name.startswith("OVERLAY_IOC_")),
        *(value for name, value in vars(vnic).items() if name.startswith("VNIC_IOC_")),
        0,
        0xFFFFFFFF,
    ],
    "overlay": [value for name, value in vars(overlay_target).items() if name.startswith("OVERLAY_TARG_")],
    "kstat": [kstat.KSTAT_IOC_CHAIN, kstat.KSTAT_IOC_READ, kstat.KSTAT_IOC_WALK],
}
ROOT = Credentials(0, privileged=True)
LISTEN_IP = 4

words = st.sampled_from([0, 1, 2, 3, 0xFFFFFFFF]).map(lambda value: struct.pack("=I", value)) | st.binary(
    min_size=4, max_size=4
)
names = st.sampled_from([b"demo0", b"vxlan", b"mtu", b"vnetid", b"vxlan/listen_ip", b"vnic0", b"\xff\xfe", b"a/b"])
parts = words | words | names.map(lambda name: name.ljust(64, b"\0")) | names.map(lambda name: name.ljust(32, b"\0"))
arguments = st.lists(parts, max_size=24).map(b"".join) | st.binary(max_size=700)
padded = arguments | arguments.map(lambda argument: argument.ljust(700, b"\0"))
calls = st.sampled_from([(node, cmd) for node, cmds in COMMANDS.items() for cmd in cmds])


class Answers:
    """Counts replies to each call."""

    def __init__(self) -> None:
        self.counts: list[int] = []

    def expect(self) -> int:
        self.counts.append(0)
        return len(self.counts) - 1

    def take(self, which: int, number: int, argument: bytes) -> None:
        assert isinstance(argument, bytes)
        assert 0 <= number <= 151
        self.counts[which] += 1


def a_kernel_in_use() -> tuple[Kernel, MemoryClock]:
    """With an active overlay, a VNIC on it, and a second overlay that is not active."""
    clock = MemoryClock()
    kernel = Kernel(
        clock=clock,
        random=MemoryRandom(),
        underlay=MemoryNetwork(clock).underlay("10.0.0.1"),
        ports=MemoryPorts(),
        encap_plugins=[PLUGIN],
        phys=MemoryPhys(),
    )

    def do(cmd: int, argument: bytes) -> None:
        answers: list[int] = []
        kernel.dld_ioctl(cmd, argument, ROOT, lambda number, _: answers.append(number))
        assert answers == [0]

    for linkid, name in ((1, "demo0"), (2, "demo1")):
        do(es.ES_NAME_SET, EsNameSet(linkid, dld.DatalinkClass.OVERLAY, 1, name).pack())
        do(overlay.OVERLAY_IOC_CREATE, OverlayCreate(linkid, linkid, "vxlan").pack())
    ip = bytes(10) + b"\xff\xff\x0a\0\0\x01"
    do(overlay.OVERLAY_IOC_SETPROP, OverlayProp(1, LISTEN_IP, "", ip).pack())
    handle = kernel.overlay_open(framing.FREAD | framing.FWRITE | framing.FEXCL, ROOT)
    associate = TargAssociate(1, overlay_target.TargMode.POINT, 1, 0x6, Point(ip=ip, port=4789))
    associated: list[int] = []
    handle.ioctl(overlay_target.OVERLAY_TARG_ASSOCIATE, associate.pack(), lambda number, _: associated.append(number))
    assert associated == [0]
    handle.close()
    do(overlay.OVERLAY_IOC_ACTIVATE, OverlayLink(1).pack())
    do(es.ES_NAME_SET, EsNameSet(3, dld.DatalinkClass.VNIC, 1, "vnic0").pack())
    do(vnic.VNIC_IOC_CREATE, VnicCreate(3, 1, vnic.VnicMacAddrType.AUTO).pack())
    return kernel, clock


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(asked=st.lists(st.tuples(calls, padded), min_size=5, max_size=40))
def test_hostile_arguments_get_one_errno_each(asked: list[tuple[tuple[str, int], bytes]]) -> None:
    kernel, clock = a_kernel_in_use()
    answers = Answers()
    handle = kernel.overlay_open(framing.FREAD | framing.FWRITE | framing.FEXCL, ROOT)
    statistics = KstatNode(kernel).open(framing.FREAD, ROOT)
    parked = set()
    for (node, cmd), argument in asked:
        which = answers.expect()

        def reply(number: int, back: bytes, which: int = which) -> None:
            answers.take(which, number, back)

        if node == "dld":
            kernel.dld_ioctl(cmd, argument, ROOT, reply)
            if cmd == es.ES_PHYS_WAIT:
                parked.add(which)
        elif node == "overlay":
            handle.ioctl(cmd, argument, reply)
        else:
            statistics.ioctl(cmd, argument, reply)
    clock.advance(2.0)
    assert all(count == 1 for which, count in enumerate(answers.counts) if which not in parked)
    handle.close()
    kernel.close()
