"""varpd's door and the device nodes."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from etherspan.testing.host import ROOT, Answer, MemoryHost
from etherspan.testing.memory import MemoryClock, MemoryNetwork, MemoryPhys
from kernel_sim.ddi import PhysLink
from kernel_sim.dev import framing
from kernel_sim.sys import dld, es, overlay, overlay_target, vnic
from kernel_sim.sys.codec import (
    CacheEntry,
    DldAttr,
    DldMacprop,
    EsNameClear,
    EsNameSet,
    OverlayCreate,
    OverlayLink,
    OverlayNprops,
    OverlayProp,
    OverlayStatus,
    Point,
    TargAssociate,
    TargCache,
    TargDegrade,
    TargId,
    TargInfo,
    TargIter,
    TargList,
    TargPkt,
    TargResp,
    VnicCreate,
    VnicDelete,
    VnicModify,
)
from kernel_sim.sys.dld import DatalinkClass, DatalinkFlag, MacProp
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.overlay_common import DEST_IP_PORT
from kernel_sim.sys.overlay_target import TargMode
from kernel_sim.sys.vnic import VnicCreateFlag, VnicMacAddrType
from libvarpd import door_codec
from libvarpd.errors import VarpdError
from tests.fuzz.targets.datapath import MAC, PEER
from tests.fuzz.targets.registry import part, parts, target

OVERLAY: Final = 1
STUB: Final = 2
VNIC: Final = 3
ACTIVE: Final = 4
PHYS: Final = 8
UNNAMED: Final = 9
"""Link ids: what a host has, and one that has a name and no link."""


def host() -> MemoryHost:
    """A new one for every input, for what an ioctl has made would change what the next one does."""
    clock = MemoryClock()
    net0 = PhysLink(2, "net0", b"\2" + bytes(5), 1500, up=True, speed=10_000, duplex=2)
    made = MemoryHost(clock, MemoryNetwork(clock, keep=False), "10.0.0.1", phys=MemoryPhys(net0))
    made.create_overlay("ov0", 23, to=None)
    made.create_vnic("vnic0", made.create_etherstub("stub0"), MAC)
    made.create_vnic("vnic2", made.create_overlay("ov1", 25, to="10.0.0.2"))
    made.dld(es.ES_NAME_SET, EsNameSet(PHYS, DatalinkClass.PHYS, DatalinkFlag.ACTIVE, "net0"))
    made.dld(es.ES_NAME_SET, EsNameSet(UNNAMED, DatalinkClass.VNIC, DatalinkFlag.ACTIVE, "free0"))
    return made


def _commands(module: object, *prefixes: str) -> list[int]:
    found = [value for name, value in sorted(vars(module).items()) if name.startswith(prefixes) and "_MAX" not in name]
    return [value for value in found if isinstance(value, int) and value > 255]


DLD: Final = [
    *_commands(overlay, "OVERLAY_IOC_"),
    *_commands(vnic, "VNIC_IOC_"),
    *_commands(dld, "DLDIOC_"),
    *_commands(es, "ES_NAME", "ES_LINK", "ES_PHYS"),
]
TARG: Final = _commands(overlay_target, "OVERLAY_TARG_")


def _dld(cmd: int, argument: bytes) -> bytes:
    return part(DLD.index(cmd), argument)


def _targ(cmd: int, argument: bytes) -> bytes:
    return part(TARG.index(cmd), argument)


_POINT: Final = Point(ip=bytes(10) + b"\xff\xff\x0a\0\0\2", port=4789)
_FIXED: Final = VnicCreate(UNNAMED, OVERLAY, VnicMacAddrType.FIXED, mac_len=6, mac_addr=PEER)


@target(
    bytes(64),
    b"\1\0\0\0" + bytes(60),
    reaches=(
        "libvarpd/door_codec.py:*.unpack",
        "libvarpd/door_codec.py:_text",
        "libvarpd/door_codec.py:Walk.room",
        "libvarpd/door_codec.py:unpack_header",
        "libvarpd/door_codec.py:pack_reply",
    ),
)
def door(data: bytes) -> None:
    """A request of varpd's door; shorter ones are refused before they are read."""
    data = data.ljust(door_codec.REQUEST_SIZE, b"\0")
    try:
        door_codec.unpack_header(data)
    except (VarpdError, KernelError, ValueError):
        return
    kinds = (door_codec.Create, door_codec.InstanceId, door_codec.Nprops, door_codec.Info, door_codec.PropValue)
    for kind in (*kinds, door_codec.LinkLookup, door_codec.TargetMode, door_codec.CacheArg, door_codec.Walk):
        try:
            member = kind.unpack(data)
            door_codec.pack_reply(data, 0, member)
        except (VarpdError, KernelError, ValueError):
            continue
    door_codec.pack_reply(data, 22)


@target(
    _dld(overlay.OVERLAY_IOC_CREATE, OverlayCreate(UNNAMED, 24, "vxlan").pack())
    + _dld(overlay.OVERLAY_IOC_ACTIVATE, OverlayLink(UNNAMED).pack())
    + _dld(overlay.OVERLAY_IOC_DELETE, OverlayLink(UNNAMED).pack())
    + _dld(overlay.OVERLAY_IOC_DELETE, OverlayLink(OVERLAY).pack()),
    *(
        _dld(overlay.OVERLAY_IOC_SETPROP, OverlayProp(OVERLAY, prop, "", value).pack())
        + _dld(overlay.OVERLAY_IOC_GETPROP, OverlayProp(OVERLAY, prop).pack())
        for prop, value in enumerate((b"\x80\5\0\0", bytes(8), b"vxlan", bytes(8), bytes(15) + b"\1", b"\1" + bytes(7)))
    ),
    _dld(overlay.OVERLAY_IOC_CREATE, OverlayCreate(UNNAMED, 1 << 24, "vxlan").pack())
    + _dld(overlay.OVERLAY_IOC_CREATE, OverlayCreate(OVERLAY, 77, "vxlan").pack())
    + _dld(overlay.OVERLAY_IOC_SETPROP, OverlayProp(OVERLAY, 1, "", b"\xff" * 8).pack()),
    _dld(overlay.OVERLAY_IOC_NPROPS, OverlayNprops(OVERLAY).pack())
    + _dld(overlay.OVERLAY_IOC_STATUS, OverlayStatus(OVERLAY, 0).pack()),
    _dld(vnic.VNIC_IOC_CREATE, _FIXED.pack())
    + _dld(vnic.VNIC_IOC_INFO, UNNAMED.to_bytes(4, "little").ljust(256, b"\0"))
    + _dld(vnic.VNIC_IOC_MODIFY, VnicModify(UNNAMED).pack())
    + _dld(vnic.VNIC_IOC_DELETE, VnicDelete(UNNAMED).pack()),
    _dld(vnic.VNIC_IOC_CREATE, VnicCreate(UNNAMED, 0, flags=VnicCreateFlag.ANCHOR).pack())
    + _dld(vnic.VNIC_IOC_DELETE, VnicDelete(UNNAMED).pack()),
    *(
        _dld(dld.DLDIOC_GETMACPROP, DldMacprop(flags, link, num).pack())
        for num in MacProp
        for flags, link in ((0, OVERLAY), (1, VNIC), (2, VNIC))
    ),
    *(
        _dld(dld.DLDIOC_SETMACPROP, DldMacprop(0, VNIC, num, value=value).pack())
        for num, value in (
            (MacProp.MTU, b"\x40\6\0\0"),
            (MacProp.ZONE, b"z\0"),
            (MacProp.TAGMODE, b"\1\0\0\0"),
            (MacProp.TAGMODE, b"\7\0\0\0"),
            (MacProp.SPEED, bytes(8)),
            (MacProp.VN_PROMISC_FILTERED, b"\1\0\0\0"),
            (MacProp.SECONDARY_ADDRS, b"\1\0\0\0" + PEER.ljust(192, b"\0")),
        )
    ),
    _dld(dld.DLDIOC_SETMACPROP, DldMacprop(0, OVERLAY, MacProp.ZONE, value=b"z\0").pack()),
    _dld(dld.DLDIOC_SETMACPROP, DldMacprop(0, PHYS, MacProp.MTU, value=b"\x40\6\0\0").pack()),
    *(_dld(dld.DLDIOC_GETMACPROP, DldMacprop(0, PHYS, num).pack()) for num in (MacProp.MTU, MacProp.SECONDARY_ADDRS)),
    *(
        _dld(overlay.OVERLAY_IOC_PROPINFO, OverlayProp(OVERLAY, prop, name).pack().ljust(600, b"\0"))
        for prop, name in ((0, ""), (1, ""), (2, ""), (3, ""), (4, ""), (5, ""), (9, ""), (-1, "mtu"), (-1, "no"))
    ),
    _dld(overlay.OVERLAY_IOC_GETPROP, OverlayProp(OVERLAY, -1, "mtu").pack())
    + _dld(overlay.OVERLAY_IOC_SETPROP, OverlayProp(OVERLAY, 1, "", b"\1").pack())
    + _dld(overlay.OVERLAY_IOC_SETPROP, OverlayProp(OVERLAY, 4, "", b"\0" * 10 + b"\xff\xff\x0a\0\0\1").pack())
    + _dld(overlay.OVERLAY_IOC_ACTIVATE, OverlayLink(OVERLAY).pack())
    + _dld(overlay.OVERLAY_IOC_SETPROP, OverlayProp(ACTIVE, 4, "", bytes(16)).pack())
    + _dld(overlay.OVERLAY_IOC_GETPROP, OverlayProp(ACTIVE, 3).pack())
    + _dld(overlay.OVERLAY_IOC_ACTIVATE, OverlayLink(ACTIVE).pack())
    + _dld(overlay.OVERLAY_IOC_DELETE, OverlayLink(ACTIVE).pack()),
    *(
        _dld(vnic.VNIC_IOC_CREATE, VnicCreate(UNNAMED, link, kind, vid=vid).pack())
        for link, kind, vid in (
            (0, VnicMacAddrType.RANDOM, 0),
            (VNIC, VnicMacAddrType.RANDOM, 0),
            (ACTIVE, VnicMacAddrType.RANDOM, 1),
            (STUB, VnicMacAddrType.PRIMARY, 0),
            (STUB, VnicMacAddrType.FACTORY, 0),
            (STUB, VnicMacAddrType.RANDOM, 3),
        )
    ),
    _dld(vnic.VNIC_IOC_CREATE, VnicCreate(VNIC, STUB, VnicMacAddrType.RANDOM).pack()),
    _dld(dld.DLDIOC_ATTR, DldAttr(VNIC).pack()) + _dld(dld.DLDIOC_ATTR, DldAttr(PHYS).pack()),
    _dld(es.ES_NAME_SET, EsNameSet(VNIC, DatalinkClass.VNIC, DatalinkFlag.ACTIVE, "other0").pack())
    + _dld(es.ES_NAME_CLEAR, EsNameClear(VNIC).pack())
    + _dld(es.ES_NAME_CLEAR, EsNameClear(UNNAMED).pack()),
    reaches=(
        "kernel_sim/dld.py",
        *(
            f"kernel_sim/overlay/driver.py:OverlayDriver.{name}"
            for name in ("find", "create", "delete", "activate", "*prop*", "status", "_*")
        ),
        "kernel_sim/overlay/properties.py",
        "kernel_sim/linkprop.py:*",
        "kernel_sim/vnic.py:VnicControl._[c]*",
    ),
)
def device_dld(data: bytes) -> None:
    """Ioctls of /dev/dld, one after another."""
    now = host()
    for kind, argument in parts(data):
        now.kernel.dld_ioctl(DLD[kind % len(DLD)], argument, ROOT, Answer())
    now.clock.advance(2.0)


_ASSOCIATE: Final = _targ(
    overlay_target.OVERLAY_TARG_ASSOCIATE, TargAssociate(OVERLAY, TargMode.DYNAMIC, 7, DEST_IP_PORT, Point()).pack()
)
_LOOKUP: Final = _targ(overlay_target.OVERLAY_TARG_LOOKUP, b"")
_ENTRY: Final = TargCache(OVERLAY, CacheEntry(PEER, 0, _POINT)).pack()
SEND: Final = 255
"""In place of an ioctl: a VNIC on the overlay, activated if need be, sends a frame to the address that the argument begins with."""


@target(
    _targ(overlay_target.OVERLAY_TARG_INFO, TargInfo(OVERLAY, 0, 0, 0).pack())
    + _targ(overlay_target.OVERLAY_TARG_LIST, TargList(()).pack()),
    _targ(overlay_target.OVERLAY_TARG_ASSOCIATE, TargAssociate(OVERLAY, TargMode.POINT, 7, DEST_IP_PORT, _POINT).pack())
    + part(SEND, PEER)
    + _targ(overlay_target.OVERLAY_TARG_DISASSOCIATE, TargId(OVERLAY).pack()),
    *(
        _ASSOCIATE + part(SEND, PEER) + _LOOKUP + _targ(cmd, argument)
        for cmd, argument in (
            (overlay_target.OVERLAY_TARG_RESPOND, TargResp(1, _POINT).pack()),
            (overlay_target.OVERLAY_TARG_DROP, TargResp(1).pack()),
            (overlay_target.OVERLAY_TARG_PKT, TargPkt(2**64 - 1, 1, 100).pack()),
            (overlay_target.OVERLAY_TARG_INJECT, TargPkt(OVERLAY, 0, 60, MAC + bytes(54)).pack()),
            (overlay_target.OVERLAY_TARG_INJECT, TargPkt(2**64 - 1, 1, 60, MAC + bytes(54)).pack()),
            (overlay_target.OVERLAY_TARG_RESEND, TargPkt(2**64 - 1, 1, 60, PEER + bytes(54)).pack()),
        )
    ),
    *(
        _ASSOCIATE + _targ(overlay_target.OVERLAY_TARG_CACHE_SET, _ENTRY) + _targ(cmd, argument)
        for cmd, argument in (
            (overlay_target.OVERLAY_TARG_CACHE_GET, _ENTRY),
            (overlay_target.OVERLAY_TARG_CACHE_REMOVE, _ENTRY),
            (overlay_target.OVERLAY_TARG_CACHE_FLUSH, _ENTRY),
            (overlay_target.OVERLAY_TARG_CACHE_ITER, TargIter(OVERLAY, count=10).pack()),
        )
    ),
    _targ(overlay_target.OVERLAY_TARG_DEGRADE, TargDegrade(OVERLAY, "why").pack())
    + _targ(overlay_target.OVERLAY_TARG_INFO, TargInfo(OVERLAY, 0, 0, 0).pack())
    + _targ(overlay_target.OVERLAY_TARG_RESTORE, TargId(OVERLAY).pack()),
    reaches=(
        "kernel_sim/overlay/control.py:TargetControl.ioctl",
        "kernel_sim/overlay/control.py:TargetControl._*",
        "kernel_sim/overlay/control.py:_*",
    ),
)
def device_overlay(data: bytes) -> None:
    """Those of /dev/overlay, and frames of a VNIC between them."""
    now = host()
    for kind, argument in parts(data):
        if kind == SEND:
            now.kernel.dld_ioctl(overlay.OVERLAY_IOC_ACTIVATE, OverlayLink(OVERLAY).pack(), ROOT, Answer())
            with suppress(KernelError):  # not associated
                port = now.ports.get("vnic1") or now.create_vnic("vnic1", OVERLAY, MAC)
                port.send(argument[:6].ljust(6, b"\2") + MAC + bytes(50))
            now.clock.run()
            continue
        try:
            now.varpd.ioctl(TARG[kind % len(TARG)], argument, Answer())
        except KernelError as error:
            assert error.errno in {Errno.ENXIO, Errno.EBADF}
    now.clock.advance(2.0)


@target(
    framing.pack_open(3),
    bytes(8),
    framing.pack_request(framing.Request(1, 1, b"abc")),
    framing.pack_request(framing.Request(1, 1, b"abc")) + b"d",
    framing.pack_reply(framing.Reply(None, 1, b"abc")),
    reaches=("kernel_sim/dev/framing.py:unpack*",),
)
def device_messages(data: bytes) -> None:
    """What a peer may send to a device node."""
    for read in (framing.unpack_open, framing.unpack_request, framing.unpack_reply):
        try:
            read(data)
        except KernelError:
            continue
