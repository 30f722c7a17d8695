"""A host in memory: one simulated kernel, driven through its ioctls as dlmgmtd, dladm and varpd would drive it.

    clock = MemoryClock()
    network = MemoryNetwork(clock)
    a, b = (MemoryHost(clock, network, ip) for ip in ("10.0.0.1", "10.0.0.2"))
    for host, peer in ((a, "10.0.0.2"), (b, "10.0.0.1")):
        host.create_vnic("vnic0", host.create_overlay("demo0", 23, to=peer))
    a.ports["vnic0"].send(frame)
    clock.run()
    assert b.ports["vnic0"].take() == [frame]

Only the clock moves datagrams, so `clock.run()` is where they arrive.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from etherspan.testing.memory import (
    MemoryClock,
    MemoryNetwork,
    MemoryPhys,
    MemoryPort,
    MemoryPorts,
    MemoryRandom,
    address,
)
from kernel_sim.ddi import LinkId
from kernel_sim.kernel import Credentials, Kernel, OverlayHandle
from kernel_sim.overlay.plugin import EncapPlugin
from kernel_sim.overlay.plugins.vxlan import PLUGIN as VXLAN
from kernel_sim.sys import overlay, overlay_target, vnic
from kernel_sim.sys.codec import (
    EsNameClear,
    EsNameSet,
    OverlayCreate,
    OverlayLink,
    OverlayProp,
    Point,
    TargAssociate,
    VnicCreate,
    VnicDelete,
)
from kernel_sim.sys.dld import DatalinkClass, DatalinkFlag
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.es import ES_NAME_CLEAR, ES_NAME_SET
from kernel_sim.sys.kstat import KstatNamed
from kernel_sim.sys.overlay_common import DEST_IP_PORT
from kernel_sim.sys.overlay_target import TargMode
from kernel_sim.sys.tunables import Tunables
from kernel_sim.sys.vnic import VnicCreateFlag, VnicMacAddrType

ROOT = Credentials(0, privileged=True)
READ_WRITE = 7
"""Open flags of varpd: read, write, exclusive."""


class Packed(Protocol):
    """An ioctl argument."""

    def pack(self) -> bytes:
        """Its bytes."""


class Answer:
    """Takes the reply of an ioctl; call it as the reply callback."""

    def __init__(self) -> None:
        self.errno: int | None = None
        self.argument = b""

    def __call__(self, errno: int, argument: bytes) -> None:
        assert self.errno is None, "an ioctl replied twice"
        self.errno = errno
        self.argument = argument

    @property
    def replied(self) -> bool:
        """Whether the ioctl has ended."""
        return self.errno is not None

    def result(self) -> bytes:
        """The bytes of a success. Errors: `KernelError` with the errno of a failure."""
        assert self.errno is not None, "the ioctl has not replied"
        if self.errno:
            raise KernelError(Errno.of(self.errno), argument=self.argument)
        return self.argument


class MemoryHost:
    """A kernel with an address on a network, and the calls that make links on it.

    Everything goes through the ioctls; each refusal is raised as `KernelError`.
    """

    def __init__(
        self,
        clock: MemoryClock,
        network: MemoryNetwork,
        *addresses: str,
        plugins: Sequence[EncapPlugin] = (VXLAN,),
        phys: MemoryPhys | None = None,
        seed: int = 0,
        tunables: Tunables | None = None,
    ) -> None:
        self.clock = clock
        self.addresses = addresses
        self.underlay = network.underlay(*addresses)
        self.factory = MemoryPorts()
        self.kernel = Kernel(
            clock=clock,
            random=MemoryRandom(seed),
            underlay=self.underlay,
            ports=self.factory,
            encap_plugins=plugins,
            phys=phys,
            tunables=tunables,
        )
        self._varpd: OverlayHandle | None = None
        self._last_id = 0

    @property
    def ports(self) -> Mapping[str, MemoryPort]:
        """The ports of its VNICs, by name."""
        return self.factory.ports

    # ------------------------------------------------------------------ ioctls

    def dld(self, cmd: int, argument: Packed | bytes = b"", cred: Credentials = ROOT) -> bytes:
        """An ioctl on /dev/dld that answers at once."""
        answer = Answer()
        self.kernel.dld_ioctl(cmd, argument if isinstance(argument, bytes) else argument.pack(), cred, answer)
        return answer.result()

    def targ(self, cmd: int, argument: Packed | bytes = b"", handle: OverlayHandle | None = None) -> bytes:
        """An ioctl on /dev/overlay that answers at once, by default on varpd's handle."""
        answer = Answer()
        handle = handle or self.varpd
        handle.ioctl(cmd, argument if isinstance(argument, bytes) else argument.pack(), answer)
        return answer.result()

    @property
    def varpd(self) -> OverlayHandle:
        """The handle that writes, opened on first use."""
        if self._varpd is None or self._varpd.closed:
            self._varpd = self.kernel.overlay_open(READ_WRITE, ROOT)
        return self._varpd

    # ------------------------------------------------------------------ links

    def name_link(self, name: str, link_class: DatalinkClass, linkid: int | None = None) -> LinkId:
        """Push a name, for the next id or for a given one."""
        if linkid is None:
            self._last_id += 1
            linkid = self._last_id
        self.dld(ES_NAME_SET, EsNameSet(linkid, link_class, DatalinkFlag.ACTIVE, name))
        return LinkId(linkid)

    def create_overlay(
        self, name: str, vnetid: int, *, to: str | None, listen: str | None = None, port: int = 4789
    ) -> LinkId:
        """A vxlan overlay that listens on the host's first address or `listen`, in point mode to `to`, activated.

        With `to` None it is neither associated nor activated. Nothing is left behind on failure but the name.
        """
        linkid = self.name_link(name, DatalinkClass.OVERLAY)
        self.dld(overlay.OVERLAY_IOC_CREATE, OverlayCreate(linkid, vnetid, "vxlan"))
        try:
            self.set_property(linkid, 4, address(listen or self.addresses[0]).ip)
            self.set_property(linkid, 5, struct.pack("=Q", port))
            if to is not None:
                self.associate(linkid, to)
                self.dld(overlay.OVERLAY_IOC_ACTIVATE, OverlayLink(linkid))
        except KernelError:
            self.delete_overlay(linkid)
            raise
        return linkid

    def associate(self, linkid: int, to: str, port: int = 4789) -> None:
        """ASSOCIATE in point mode, instance id = link id."""
        point = Point(ip=address(to).ip, port=port)
        self.targ(
            overlay_target.OVERLAY_TARG_ASSOCIATE,
            TargAssociate(linkid, TargMode.POINT, linkid, DEST_IP_PORT, point),
        )

    def set_property(self, linkid: int, prop: int, value: bytes) -> None:
        """SETPROP by id."""
        self.dld(overlay.OVERLAY_IOC_SETPROP, OverlayProp(linkid, prop, "", value))

    def get_property(self, linkid: int, prop: int) -> bytes:
        """GETPROP by id."""
        return OverlayProp.unpack(self.dld(overlay.OVERLAY_IOC_GETPROP, OverlayProp(linkid, prop))).value

    def delete_overlay(self, linkid: int) -> None:
        """DELETE, and forget the name."""
        self.dld(overlay.OVERLAY_IOC_DELETE, OverlayLink(linkid))
        self.dld(ES_NAME_CLEAR, EsNameClear(linkid))

    def create_vnic(self, name: str, over: int, mac: bytes | None = None, *, vid: int = 0) -> MemoryPort:
        """A VNIC with a fixed address, or a random one with the usual prefix; returns its port."""
        linkid = self.name_link(name, DatalinkClass.VNIC)
        fixed = mac is not None
        prefix = b"\x02\x08\x20"
        wanted = VnicCreate(
            vnic_id=linkid,
            link_id=over,
            mac_addr_type=VnicMacAddrType.FIXED if fixed else VnicMacAddrType.RANDOM,
            mac_len=6 if fixed else 0,
            mac_addr=mac or prefix,
            mac_prefix_len=0 if fixed else len(prefix),
            vid=vid,
        )
        self._attempt(linkid, lambda: self.dld(vnic.VNIC_IOC_CREATE, wanted))
        return self.factory.ports[name]

    def create_etherstub(self, name: str) -> LinkId:
        """An etherstub."""
        linkid = self.name_link(name, DatalinkClass.ETHERSTUB)
        wanted = VnicCreate(vnic_id=linkid, link_id=0, flags=VnicCreateFlag.ANCHOR)
        self._attempt(linkid, lambda: self.dld(vnic.VNIC_IOC_CREATE, wanted))
        return linkid

    def delete_vnic(self, linkid: int) -> None:
        """Delete a VNIC or an etherstub, and forget its name."""
        self.dld(vnic.VNIC_IOC_DELETE, VnicDelete(linkid))
        self.dld(ES_NAME_CLEAR, EsNameClear(linkid))

    def _attempt(self, linkid: int, step: Callable[[], object]) -> None:
        try:
            step()
        except KernelError:
            self.dld(ES_NAME_CLEAR, EsNameClear(linkid))
            raise

    # ------------------------------------------------------------------ statistics

    def stats(self, module: str, name: str, instance: int = 0) -> dict[str, int | str]:
        """One set of statistics, by statistic."""
        found: tuple[KstatNamed, ...] = self.kernel.kstat(module, instance, name).stats
        return {stat.name: stat.value for stat in found}

    def drops(self, name: str) -> dict[str, int | str]:
        """The drops of a link that are not 0; "mux" for datagrams that reached no overlay."""
        return {reason: count for reason, count in self.stats("etherspan", name).items() if count}
