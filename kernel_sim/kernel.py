"""The simulated kernel, put together: mac layer, overlay driver, VNICs, link names and the nodes they are reached by.

It knows no I/O: clock, network, ports and physical links are given to it (`kernel_sim.ddi`), so that it runs over Linux or in memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from kernel_sim import etherstub
from kernel_sim.capture import Captures
from kernel_sim.cred import Credentials
from kernel_sim.ddi import Clock, PhysLinks, PortFactory, Random, Underlay
from kernel_sim.dld import Command, DldNode, ParkingCommand, Reply
from kernel_sim.dls import DlsTable
from kernel_sim.linkprop import LinkProperties
from kernel_sim.mac.mac import MacLayer
from kernel_sim.mac.stat import drops_kstat
from kernel_sim.mac.watch import DropWatch
from kernel_sim.overlay.control import OverlayHandle, TargetControl
from kernel_sim.overlay.driver import OverlayDriver
from kernel_sim.overlay.drops import DELETED_KSTAT, MUX_KSTAT
from kernel_sim.overlay.lookup import LookupQueue
from kernel_sim.overlay.plugin import EncapPlugin, PluginRegistry
from kernel_sim.physlink import PhysFollower
from kernel_sim.sys import dld, es, overlay, vnic
from kernel_sim.sys.codec import EsLinkList, EsNameClear, EsNameSet, VnicCreate, VnicDelete, VnicInfo, VnicModify
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.kstat import KstatEntry
from kernel_sim.sys.tunables import Tunables
from kernel_sim.vnic import VnicControl

__all__ = ["Credentials", "Kernel", "OverlayHandle", "Reply"]

_NANOSECONDS = 1_000_000_000


class Kernel:
    """One host's kernel. `phys` are the machine's own interfaces, None for none; `watch` is told of the frames it loses.

    Errors of the constructor: those of `PluginRegistry.register`.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        random: Random,
        underlay: Underlay,
        ports: PortFactory,
        encap_plugins: Sequence[EncapPlugin],
        phys: PhysLinks | None = None,
        tunables: Tunables | None = None,
    ) -> None:
        self._now = clock.now
        self._began = clock.now()
        self.links = DlsTable(clock.now)
        self.watch = DropWatch()
        self.maclayer = MacLayer(random, clock, self.watch)
        self.vnics = VnicControl(
            self.maclayer, self.links, ports, lambda linkid: etherstub.registration(linkid, self.watch)
        )
        self.overlays = OverlayDriver(
            maclayer=self.maclayer,
            links=self.links,
            underlay=underlay,
            plugins=PluginRegistry(encap_plugins),
            tunables=tunables or Tunables(),
        )
        self.captures = Captures(self.links, self.watch, clock.now)
        self.lookups = LookupQueue(clock)
        self._targets = TargetControl(self.overlays, self.lookups)
        self._phys = PhysFollower(phys)
        self._properties = LinkProperties(self.links, self.vnics, self._phys.snapshot)
        self._node = DldNode()
        self._node.register(self._link_commands() | self._overlay_commands() | self._vnic_commands())

    # ------------------------------------------------------------------ the nodes

    def dld_ioctl(self, cmd: int, argument: bytes, cred: Credentials, reply: Reply) -> None:
        """An ioctl on /dev/dld; `reply` is called once, with 0 or an illumos errno and the bytes that go back, now or later.

        Errors: ENOTSUP unknown command, EPERM, EFAULT argument cut short, those of the command.
        """
        self._node.ioctl(cmd, argument, cred, reply)

    def overlay_open(self, flags: int, cred: Credentials) -> OverlayHandle:
        """Open /dev/overlay. Errors: EPERM, EINVAL, EEXIST; see `TargetControl.open`."""
        return self._targets.open(flags, cred)

    def kstats(self) -> list[KstatEntry]:
        """All statistics, link by link."""
        return list(self.kstat_walk())

    def kstat_walk(self) -> Iterator[KstatEntry]:
        """The same, each set as it is when it is asked for; links may come and go meanwhile."""
        for link, mac in list(self.links.links()):
            if self.links.has(mac, link.linkid):
                yield from self._stamped(mac.kstats(self.links.name(link.linkid)), self.links.created(link.linkid))
        yield from self._stamped(self._overlay_kstats(), self._began)

    def kstat(self, module: str, instance: int, name: str) -> KstatEntry:
        """One set of statistics. Errors: ENOENT."""
        for entry in self._kstats_about(module, name):
            if (entry.module, entry.instance, entry.name) == (module, instance, name):
                return entry
        raise KernelError(Errno.ENOENT, f"no statistics {module}:{instance}:{name}")

    @property
    def kstat_generation(self) -> int:
        """Changes whenever sets of statistics come or go."""
        return self.links.generation

    def close(self) -> None:
        """End: every port and socket is closed, every open handle too."""
        self.captures.close_all()
        self._targets.close_all()
        self.vnics.close()
        self.overlays.close()

    # ------------------------------------------------------------------ commands of /dev/dld

    def _link_commands(self) -> dict[int, Command | ParkingCommand]:
        return {
            dld.DLDIOC_ATTR: Command(self._properties.attr, privileged=False, copyout=True),
            dld.DLDIOC_GETMACPROP: Command(self._properties.get, privileged=False, copyout=True),
            dld.DLDIOC_SETMACPROP: Command(self._properties.set),
            es.ES_NAME_SET: Command(self._name_set),
            es.ES_NAME_CLEAR: Command(self._name_clear),
            es.ES_LINK_LIST: Command(self._link_list, privileged=False),
            es.ES_PHYS_LIST: Command(self._phys.list, privileged=False),
            es.ES_PHYS_WAIT: ParkingCommand(self._phys.wait),
        }

    def _overlay_commands(self) -> dict[int, Command | ParkingCommand]:
        driver = self.overlays
        return {
            overlay.OVERLAY_IOC_CREATE: Command(driver.create),
            overlay.OVERLAY_IOC_DELETE: ParkingCommand(driver.delete),
            overlay.OVERLAY_IOC_PROPINFO: Command(driver.propinfo, copyout=True),
            overlay.OVERLAY_IOC_GETPROP: Command(driver.getprop, copyout=True),
            overlay.OVERLAY_IOC_SETPROP: Command(driver.setprop),
            overlay.OVERLAY_IOC_NPROPS: Command(driver.nprops, copyout=True),
            overlay.OVERLAY_IOC_ACTIVATE: Command(driver.activate),
            overlay.OVERLAY_IOC_STATUS: Command(driver.status, privileged=False, copyout=True),
        }

    def _vnic_commands(self) -> dict[int, Command | ParkingCommand]:
        return {
            vnic.VNIC_IOC_CREATE: Command(self._vnic_create, copyout=True),
            vnic.VNIC_IOC_DELETE: Command(self._vnic_delete),
            vnic.VNIC_IOC_INFO: Command(self._vnic_info, privileged=False, copyout=True),
            vnic.VNIC_IOC_MODIFY: Command(self._vnic_modify, copyout=True),
        }

    def _vnic_create(self, argument: bytes) -> bytes:
        return self.vnics.create(VnicCreate.unpack(argument)).pack()

    def _vnic_delete(self, argument: bytes) -> bytes:
        self.vnics.delete(VnicDelete.unpack(argument).vnic_id)
        return b""

    def _vnic_info(self, argument: bytes) -> bytes:
        return self.vnics.info(VnicInfo.unpack(argument).vnic_id).pack()

    def _vnic_modify(self, argument: bytes) -> bytes:
        return self.vnics.modify(VnicModify.unpack(argument)).pack()

    def _name_set(self, argument: bytes) -> bytes:
        said = EsNameSet.unpack(argument)
        self.links.set_name(said.linkid, said.link_class, said.flags, said.name, said.zone)
        return b""

    def _name_clear(self, argument: bytes) -> bytes:
        self.links.clear_name(EsNameClear.unpack(argument).linkid)
        return b""

    def _link_list(self, argument: bytes) -> bytes:
        start = EsLinkList.unpack(argument).start
        rest = [one for one in self.links.names() if one.linkid >= start][: es.ES_LINK_LIST_MAX]
        links = tuple(EsNameSet(one.linkid, one.link_class, one.flags, one.name, one.zone) for one in rest)
        return EsLinkList(start, links).pack()

    # ------------------------------------------------------------------ statistics

    def _kstats_about(self, module: str, name: str) -> Iterator[KstatEntry]:
        """The statistics of the link that either text names, then all."""
        for link, mac in self.links.links():
            if link.name in {module, name}:
                yield from self._stamped(mac.kstats(link.name), self.links.created(link.linkid))
        yield from self.kstat_walk()

    def _stamped(self, entries: Iterable[KstatEntry], created: float) -> Iterator[KstatEntry]:
        crtime, snaptime = int(created * _NANOSECONDS), int(self._now() * _NANOSECONDS)
        return (replace(entry, crtime=crtime, snaptime=snaptime) for entry in entries)

    def _overlay_kstats(self) -> list[KstatEntry]:
        """What the overlay driver has lost and no link can say."""
        return [
            drops_kstat(MUX_KSTAT, self.overlays.muxes.drops.counts.items()),
            drops_kstat(DELETED_KSTAT, self.overlays.deleted.counts.items()),
        ]
