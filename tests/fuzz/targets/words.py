"""Files, command lines and captures."""

from __future__ import annotations

import importlib
import io
import pkgutil
from contextlib import redirect_stderr, redirect_stdout
from typing import Final

import dladm.cli
from dladm.cli.main import main as run_dladm
from dladm.dlmgmtd.datalink_conf import LinkFile
from etherspan.errors import EtherspanError
from etherspan.lab import file as lab_file
from etherspan.snoop import decode, expr
from etherspan.testing import frames
from etherspan.testing.sim.world import SimWorld
from kernel_sim.sys.tunables import read_system
from libvarpd.errors import VarpdError
from libvarpd.plugins.files_table import Table
from libvarpd.plugins.svp import wire
from tests.fuzz.targets.datapath import HEADER, MAC, NESTED, PEER
from tests.fuzz.targets.registry import FRESH, target

for _one in pkgutil.iter_modules(dladm.cli.__path__, "dladm.cli."):
    importlib.import_module(_one.name)  # or it would be imported when it is called, too late to be followed


@target(
    b'{ "2:0:0:0:0:1": { "ip": "192.0.2.1", "port": 4789, "arp": "10.1.0.1" } }',
    b"{}",
    reaches=(
        "libvarpd/plugins/files_table.py:Table.read",
        "libvarpd/plugins/files_table.py:_*",
        "libvarpd/plugins/files_json.py",
        "libvarpd/plugins/files_address.py",
    ),
)
def overlay_file(data: bytes) -> None:
    try:
        Table.read(data)
    except VarpdError:
        return


@target(
    b"stub0\tclass=int,16;media=int,4;\n# c\nvnic0\tclass=int,8;linkover=string,stub0;\n",
    reaches=(
        "dladm/dlmgmtd/datalink_conf.py:LinkFile.parse",
        "dladm/dlmgmtd/datalink_conf.py:LinkFile.render",
        "dladm/dlmgmtd/datalink_conf.py:_*",
    ),
)
def datalink_conf(data: bytes) -> None:
    found = LinkFile.parse(data)
    assert LinkFile.parse(found.render()).render() == found.render()


_LAB: Final = b"""[underlay]
subnet = "10.0.0.0/24"
mtu = 9000
[hosts]
"a.example" = ["10.0.0.9"]
[host.a]
address = "10.0.0.1"
files = {"etc/x" = "y"}
dladm = ["create-etherstub stub0"]
[host.a.zone.z]
nic = {"v0" = {address = ["10.1.0.1/24"]}}
[host.a.zone.y]
nic = {"v1" = {address = ["10.1.0.2/24"]}}
[vtep.b]
address = "10.0.0.2"
vnetid = 5
flood = ["10.0.0.1"]
learning = true
fdb = {"02:00:00:00:00:01" = "10.0.0.1"}
[portolan.p]
address = "10.0.0.9"
port = 1296
data = "rows.json"
"""


@target(
    _LAB,
    _LAB.replace(b"9000", b"1").replace(b"true", b"1").replace(b"1296", b"x"),
    _LAB.replace(b"9000", b"100000").replace(b'["10.0.0.9"]', b"[]").replace(b"rows.json", b"../x"),
    _LAB.replace(b"10.0.0", b"fd00:").replace(b"/24", b"/64").replace(b"9000", b"1000"),
    _LAB.replace(b"10.0.0.0/24", b"127.0.0.0/8").replace(b"etc/x", b"/x"),
    _LAB.replace(b'data = "rows.json"', b'store = "sqlite:///x"'),
    _LAB.replace(b'data = "rows.json"', b'store = "x"').replace(b'"v1"', b'"v0"'),
    _LAB.replace(b"vtep.b", b"vtep.a").replace(b'"10.0.0.2"', b'"10.0.0.1"').replace(b"create-etherstub", b"dladm"),
    _LAB.replace(b"vtep.b", b"vtep.a").replace(b'"10.0.0.2"', b'"10.0.0.1"'),
    _LAB.replace(b'"02:00:00:00:00:01" = "10.0.0.1"', b'"2:0:0:0:0:1" = "10.0.0.1", "02:00:00:00:00:01" = "10.0.0.1"'),
    _LAB.replace(b"vnetid = 5", b"vnetid = true").replace(b"create-etherstub stub0", b"'"),
    _LAB.replace(b'data = "rows.json"', b'data = "x"\nstore = "sqlite:///x"'),
    _LAB.replace(b'"10.0.0.2"', b'"10.0.0.255"').replace(b"portolan.p", b"portolan.a"),
    _LAB.replace(b'flood = ["10.0.0.1"]', b'flood = ["fd00::1"]').replace(b"a.example", b"-"),
    _LAB.replace(b"[vtep.b]", b"[vtep.a]").replace(b"10.0.0.9", b"10.9.0.1"),
    b'[underlay]\nsubnet = "fd00::/64"\n[host.a]\naddress = "fd00::1"\n',
    b'[underlay]\nsubnet = "10.0.0.0/24"\n[host.a]\naddress = "10.0.0.1"\ndladm = ["create-etherstub stub0"]\n',
    b"[underlay]\nsubnet = 5\n",
    reaches=("etherspan/lab/file.py", "etherspan/schema.py"),
)
def lab(data: bytes) -> None:
    try:
        lab_file.parse(data.decode("utf-8", "replace"), "lab.toml")
    except EtherspanError:
        return


@target(b"set vxlan:vxlan_strict = 1\n* c\n", reaches=("kernel_sim/sys/tunables.py",))
def system_file(data: bytes) -> None:
    read_system(data.decode("utf-8", "replace"))


class _Stage:
    """A host with an overlay, a VNIC on it and an etherstub, in memory."""

    def __init__(self) -> None:
        self.uses = 0
        self.world = SimWorld(seed=1, lookup_workers=1)
        self.host = self.world.host("host", "10.0.0.1")
        point = "vxlan/listen_ip=10.0.0.1,direct/dest_ip=10.0.0.2,direct/dest_port=4789"
        self.host.dladm(f"create-overlay -e vxlan -s direct -v 23 -p {point} ov0")
        self.host.dladm("create-vnic -l ov0 vnic0")
        self.host.dladm("create-etherstub stub0")


_stage: list[_Stage] = []


@target(
    b"create-overlay\0-e\0vxlan\0-s\0direct\0-v\023\0-p\0a=b\0ov0",
    b"show-link\0-p\0-o\0link",
    b"modify-overlay\0-s\0a=b\0ov0",
    b"create-vnic\0-l\0stub0\0v9\1show-vnic\0-p\0-o\0link,over\1delete-vnic\0v9",
    b"create-vnic\0-t\0-l\0stub0\0-m\0002:8:20:0:0:9\0-v\0005\0-f\0v9\1create-vnic\0-l\0stub0\0-m\0random\0-r\0002:8\0v8",
    b"create-vnic\0-l\0stub0\0-m\0factory\0-n\0001\0-R\0/x\0v9\1create-vnic\0-l\0stub0\0-n\0x\0v9\1create-vnic\0-v\0x\0-l\0stub0\0v9",
    b"create-vnic\0-m\0x\0-l\0stub0\0v9\1create-vnic\0-m\0fixed\0v9\1create-vnic\0-m\0auto\0-m\0auto\0v9\1create-vnic\0v9",
    b"create-vnic\0-v\0001\0-v\0002\0v9\1create-vnic\0-l\0"
    + b"x" * 40
    + b"\0v9\1create-vnic\0-V\0001\0-A\0inet\0-l\0stub0\0v9",
    b"create-vnic\0-V\0x\0v9\1create-vnic\0-A\0x\0v9\1show-link\0--json\1show-link\0--json\0-p\0-o\0link",
    b"show-link\0a\0b\1create-etherstub\1show-link\0-?\1show-link\0-o",
    b"rename-link\0vnic0\0vnic1\1show-link",
    b"set-linkprop\0-p\0mtu=1400\0vnic0\1show-linkprop\0-c\0-o\0all\0vnic0\1reset-linkprop\0vnic0",
    b"show-overlay\1show-overlay\0-t\0ov0\1show-overlay\0-f\0ov0\1help\1show-etherstub\1show-linkmap",
    reaches=("dladm/cli/main.py:run", "dladm/cli/call.py", "dladm/cli/vnic_options.py"),
)
def dladm_argv(data: bytes) -> None:
    """Command lines, with ones between them and zeros between their words, on a host that is made anew now and then."""
    if not _stage or _stage[0].uses >= FRESH // 4:
        for old in _stage:
            old.world.close()
        _stage[:] = [_Stage()]
    _stage[0].uses += 1
    for line in data.split(b"\1")[:4]:
        words = [word.decode("utf-8", "replace") for word in line.split(b"\0")][:24]
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            status = run_dladm(words, system=_stage[0].host.system)
        assert status in (0, 1, 2)


def _of(protocol: int, payload: bytes, *, v6: bool = False) -> bytes:
    own, other = ("fd55::1", "fd55::2") if v6 else ("10.5.5.1", "10.5.5.2")
    return frames.ethernet(PEER, MAC, frames.ip(own, other, protocol, payload))


def _svp(*messages: tuple[int, bytes]) -> bytes:
    sent = b"".join(wire.frame(op, body, 1) for op, body in messages)
    return frames.ethernet(PEER, MAC, frames.tcp("10.5.5.1", "10.5.5.2", 4000, 1296, sent))


@target(
    frames.ethernet(MAC, PEER, frames.udp("10.5.5.2", "10.5.5.1", 9, 4789, HEADER + bytes(60))),
    frames.ethernet(MAC, PEER, frames.udp("10.5.5.2", "10.5.5.1", 9, 4789, NESTED)),
    frames.dhcp_discover(MAC),
    frames.arp_request(MAC, "10.5.5.1", "10.5.5.2"),
    frames.tagged(frames.neighbour_solicitation(MAC, "fd55::1", "fd55::2"), 5),
    frames.neighbour_advertisement(MAC, "fd55::1", PEER, "fd55::2"),
    *(_of(1, bytes((kind, 0)) + bytes(40)) for kind in (0, 3, 8, 11, 99)),
    *(_of(58, bytes((kind, 0)) + bytes(40), v6=True) for kind in (1, 2, 3, 128, 129, 133, 134, 137, 200)),
    _of(99, b"x"),
    _of(6, bytes(12) + b"\x50\x3f" + bytes(20), v6=True),
    *(
        _svp((op, bytes(size)))
        for op, size in ((1, 0), (2, 0), (3, 12), (4, 24), (5, 20), (6, 24), (7, 4), (8, 4), (12, 4), (9, 8))
    ),
    _svp((4, b"\0\0" + bytes(22)), (3, b"x"), (77, b"xy")),
    _svp((2, b"")) + bytes(5),
    frames.ethernet(PEER, MAC, frames.tcp("10.5.5.1", "10.5.5.2", 4000, 1296, b"nothing of the kind")),
    reaches=("etherspan/snoop/decode.py:decode", "etherspan/snoop/decode.py:_*"),
)
def snoop(data: bytes) -> None:
    decode.load()
    layers = decode.decode(data)
    expr.compile_words(["port", "80", "or", "net", "10.0.0.0/8"])(layers, len(data))
