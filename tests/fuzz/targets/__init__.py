"""What is fuzzed: each function takes any bytes, and raises nothing but what is a fault.

Errors that a part declares are caught here. State is made anew every `FRESH` inputs, so that what piles up is seen as growth.
"""

from __future__ import annotations

import importlib
import io
import pkgutil
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Final

import dladm.cli
from dladm.cli.main import main as run_dladm
from dladm.dlmgmtd.datalink_conf import LinkFile
from etherspan.errors import EtherspanError
from etherspan.lab import file as lab_file
from etherspan.portolan.session import Session
from etherspan.snoop import decode, expr
from etherspan.testing import frames
from etherspan.testing.host import ROOT, Answer, MemoryHost
from etherspan.testing.memory import MemoryClock, MemoryNetwork, address
from kernel_sim.dev import framing
from kernel_sim.mac import hw_emul
from kernel_sim.sys import overlay, overlay_target
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.message import Gso, Message
from kernel_sim.sys.tunables import Tunables, read_system
from libvarpd import door_codec
from libvarpd.errors import VarpdError
from libvarpd.plugins.files_table import Table
from libvarpd.plugins.svp import wire

FRESH: Final = 1000
MAC: Final = bytes.fromhex("02082000000a")
PEER: Final = bytes.fromhex("02082000000b")

Target = Callable[[bytes], None]
for _one in pkgutil.iter_modules(dladm.cli.__path__, "dladm.cli."):
    importlib.import_module(_one.name)  # or it would be imported when it is called, too late to be followed

TARGETS: Final[dict[str, Target]] = {}
SEEDS: Final[dict[str, list[bytes]]] = {}


def target(*seeds: bytes) -> Callable[[Target], Target]:
    def register(function: Target) -> Target:
        TARGETS[function.__name__] = function
        SEEDS[function.__name__] = list(seeds)
        return function

    return register


class Stage:
    """A host with a point overlay and a VNIC, and one whose overlay asks."""

    def __init__(self) -> None:
        self.uses = 0
        self.clock = MemoryClock()
        self.network = MemoryNetwork(self.clock, keep=False)
        self.host = MemoryHost(
            self.clock, self.network, "10.0.0.1", tunables=Tunables(overlay_source_filter=True, overlay_targets_max=64)
        )
        self.link = self.host.create_overlay("ov0", 23, to="10.0.0.2")
        self.port = self.host.create_vnic("vnic0", self.link, MAC)
        self.other = self.network.underlay("10.0.0.2").open(address("10.0.0.2"), lambda *_, **__: None)


_stage: list[Stage] = []


def stage() -> Stage:
    if not _stage or _stage[0].uses >= FRESH:
        _stage[:] = [Stage()]
    _stage[0].uses += 1
    return _stage[0]


# ---------------------------------------------------------------------- wire


HEADER: Final = bytes.fromhex("0800000000001700")


@target(HEADER + frames.ethernet(MAC, PEER, frames.udp("10.5.5.2", "10.5.5.1", 1, 2, b"x" * 40)), HEADER, b"")
def vxlan_receive(data: bytes) -> None:
    """Datagrams as they come; the first byte says how long the pieces of one batch are."""
    now = stage()
    if not data:
        return
    size = data[0] * 4 + 1
    body = data[1:]
    pieces = [body[at : at + size] for at in range(0, min(len(body), 40 * size), size)]
    for piece in pieces:
        now.other.send(piece[:8], [piece[8:]], address("10.0.0.1"), 4789)
    if pieces:
        now.other.send(b"", pieces, address("10.0.0.1"), 4789)
    now.clock.run()
    now.port.take()


@target(
    b"\0" + frames.arp_request(MAC, "10.5.5.1", "10.5.5.2"),
    b"\1" + frames.ethernet(PEER, MAC, frames.udp("10.5.5.1", "10.5.5.2", 1, 2, bytes(900))),
    b"\2" + frames.neighbour_solicitation(MAC, "fd55::1", "fd55::2"),
    b"\3" + frames.dhcp_discover(MAC),
)
def tap_transmit(data: bytes) -> None:
    """Frames of a guest, whole or to be cut: the first byte says how."""
    now = stage()
    if len(data) < 2:
        return
    how, frame = data[0], data[1:]
    gso = (None, Gso.TCPV4, Gso.TCPV6, Gso.UDP_L4)[how & 3]
    if gso is None or len(frame) < 70:
        now.port.send(frame)
    else:
        start = 34 if gso is Gso.TCPV4 else 54
        message = Message(
            frame, partial=True, start=start, stuff=16 if gso is not Gso.UDP_L4 else 6,
            mss=how // 4 + 1, hdr_len=start + (20 if gso is not Gso.UDP_L4 else 8), gso=gso,
        )  # fmt: skip
        if message.hdr_len < len(frame):
            now.port.transmit([message])
    now.clock.run()


@target(b"\x20" + frames.ethernet(MAC, PEER, frames.udp("10.5.5.2", "10.5.5.1", 1, 2, b"x" * 40)) * 2)
def helper(data: bytes) -> None:
    """The compiled helper and its twin, which have to agree."""
    if len(data) < 2:
        return
    size = data[0] + 1
    body = memoryview(data[1:])
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    found = []
    for engine in hw_emul.ENGINES:
        hw_emul.use(engine)
        found.append(
            [(bytes(one.data), one.partial, one.mss, one.hdr_len, one.gso) for one in hw_emul.receive(pieces, 1400, 0)]
        )
    hw_emul.use(hw_emul.ENGINES[0])
    assert all(one == found[0] for one in found)


# ---------------------------------------------------------------------- doors and devices


@target(bytes(64), b"\1\0\0\0" + bytes(60))
def door(data: bytes) -> None:
    """A request of varpd's door; shorter ones are refused before they are read."""
    data = data.ljust(door_codec.REQUEST_SIZE, b"\0")
    try:
        door_codec.unpack_header(data)
    except (VarpdError, KernelError, ValueError):
        return
    for kind in (door_codec.Create, door_codec.PropValue, door_codec.Info, door_codec.CacheArg, door_codec.Walk):
        try:
            kind.unpack(data)
        except (VarpdError, KernelError, ValueError):
            continue


_DLD: Final = [value for name, value in sorted(vars(overlay).items()) if name.startswith("OVERLAY_IOC_")]
_TARG: Final = [
    value
    for name, value in sorted(vars(overlay_target).items())
    if name.startswith("OVERLAY_TARG_") and isinstance(value, int)
]


@target(b"\0" + bytes(120), b"\3" + (1).to_bytes(4, "little") + bytes(200))
def device_dld(data: bytes) -> None:
    """Ioctls of /dev/dld that are about overlays."""
    if data:
        answer = Answer()
        now = stage()
        now.host.kernel.dld_ioctl(_DLD[data[0] % len(_DLD)], data[1:], ROOT, answer)
        now.clock.run()


@target(b"\0" + bytes(80), b"\5" + (1).to_bytes(4, "little") + bytes(90))
def device_overlay(data: bytes) -> None:
    """Those of /dev/overlay."""
    if data:
        now = stage()
        try:
            now.host.varpd.ioctl(_TARG[data[0] % len(_TARG)], data[1:], Answer())
        except KernelError as error:
            assert error.errno in {Errno.ENXIO, Errno.EBADF}
        now.clock.advance(1.0)


@target(framing.pack_open(3), framing.pack_request(framing.Request(1, 1, b"abc")))
def device_messages(data: bytes) -> None:
    """What a peer may send to a device node."""
    for read in (framing.unpack_open, framing.unpack_request, framing.unpack_reply):
        try:
            read(data)
        except KernelError:
            continue


# ---------------------------------------------------------------------- SVP


def _messages(data: bytes) -> bytes:
    """Bytes as a peer sends them: 0 and anything, or pieces of one length byte, an operation and a body, each made a message."""
    if data[:1] == b"\0":
        return data[1:]
    made, at = b"", 1
    while at + 2 <= len(data):
        made += wire.frame(data[at + 1], data[at + 2 : at + 2 + data[at]], 1, data[0])
        at += 2 + data[at]
    return made


@target(b"\1\0\1", b"\1\14\3" + bytes(12) + b"\30\5" + bytes(24), b"\1\4\13" + bytes(4), b"\0" + wire.frame(1, b"", 1))
def svp_server(data: bytes) -> None:
    """What a client sends to portolan, in two pieces."""
    session = Session()
    sent = _messages(data)
    for part in (sent[: len(sent) // 2], sent[len(sent) // 2 :]):
        session.feed(part, 0.0)
        session.batch()


@target(b"\1\0\2", b"\2\24\4" + bytes(20), b"\1\4\12" + bytes(4), b"\2\60\17" + bytes(48))
def svp_client(data: bytes) -> None:
    """What a server sends to varpd, in two pieces."""
    framer = wire.Framer()
    sent = _messages(data)
    try:
        for part in (sent[: len(sent) // 3], sent[len(sent) // 3 :]):
            for found in framer.feed(part):
                wire.decode(found.op, found.body)
    except wire.RemoteProtocolError:
        return


# ---------------------------------------------------------------------- files and words


@target(b'{ "2:0:0:0:0:1": { "ip": "192.0.2.1", "port": 4789, "arp": "10.1.0.1" } }', b"{}")
def overlay_file(data: bytes) -> None:
    try:
        Table.read(data)
    except VarpdError:
        return


@target(b"stub0\tclass=int,16;media=int,4;\n# c\nvnic0\tclass=int,8;linkover=string,stub0;\n")
def datalink_conf(data: bytes) -> None:
    found = LinkFile.parse(data)
    assert LinkFile.parse(found.render()).render() == found.render()


@target(b'[underlay]\nsubnet = "10.0.0.0/24"\n[host.a]\naddress = "10.0.0.1"\ndladm = ["create-etherstub stub0"]\n')
def lab(data: bytes) -> None:
    try:
        lab_file.parse(data.decode("utf-8", "replace"), "lab.toml")
    except EtherspanError:
        return


@target(b"set vxlan:vxlan_strict = 1\n* c\n")
def system_file(data: bytes) -> None:
    read_system(data.decode("utf-8", "replace"))


class _NoHost:
    """A host that is not up."""

    root = Path("/nonexistent")

    def connect(self, path: str) -> object:
        raise KernelError(Errno.ENOENT, path)

    def wait(self, seconds: float) -> None:
        return


@target(
    b"create-overlay\0-e\0vxlan\0-s\0direct\0-v\023\0-p\0a=b\0ov0",
    b"show-link\0-p\0-o\0link",
    b"modify-overlay\0-s\0a=b\0ov0",
)
def dladm_argv(data: bytes) -> None:
    """Words of a command line, with zeros between them; the host is down, so that all that is judged before it is asked is judged."""
    words = [word.decode("utf-8", "replace") for word in data.split(b"\0")][:24]
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        status = run_dladm(words, system=_NoHost())  # type: ignore[arg-type]
    assert status in (0, 1, 2)


@target(frames.ethernet(MAC, PEER, frames.udp("10.5.5.2", "10.5.5.1", 9, 4789, HEADER + bytes(60))))
def snoop(data: bytes) -> None:
    decode.load()
    layers = decode.decode(data)
    expr.compile_words(["port", "80", "or", "net", "10.0.0.0/8"])(layers, len(data))
