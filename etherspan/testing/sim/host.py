"""A whole host in memory: simulated kernel, dlmgmtd, varpd, restarter and files, on one virtual clock.

It boots as a real one does (design: an emulated host): kernel, dlmgmtd, then `dladm up-overlay` and `up-vnic`. `system` is what dladm and
every library client of it talk to.
"""

from __future__ import annotations

import io
import itertools
import signal
from collections.abc import Callable, Sequence
from typing import Final

from dladm.cli.main import main as dladm
from dladm.libscf.protocol import DLMGMTD, RESTARTER, VARPD
from etherspan.host.boot import STEPS
from etherspan.host.states import Phase
from etherspan.testing.log import SimLog
from etherspan.testing.sim.daemons import LOOKUP_WORKERS, Daemon, DoorTransport, LinkDaemon, VarpdDaemon
from etherspan.testing.sim.devices import Answered, Lifeline, NodeTransport, SimDevice
from etherspan.testing.sim.loop import SimLoop
from etherspan.testing.sim.process import SimProcess
from etherspan.testing.sim.restarter import SimRestarter
from etherspan.testing.sim.rootfs import RootFs
from kernel_sim.cred import Credentials
from kernel_sim.ddi import PhysLinks, PortFactory, Random, Underlay
from kernel_sim.dev import paths
from kernel_sim.dev.client import Transport
from kernel_sim.dev.sockets import Cred
from kernel_sim.devfs.dld import DldNode
from kernel_sim.devfs.kstat import KstatNode
from kernel_sim.devfs.overlay import OverlayNode
from kernel_sim.devfs.server import Node
from kernel_sim.kernel import Kernel
from kernel_sim.overlay.plugin import EncapPlugin
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.tunables import read_system
from libvarpd.plugin import SearchPlugin

BOOT_SECONDS: Final = 60.0
ROOT: Final = Cred(1, 0, 0)
_NODES: Final[dict[str, Callable[[Kernel], Node]]] = {
    paths.DLD: DldNode,
    paths.OVERLAY: OverlayNode,
    paths.KSTAT: KstatNode,
}
_DOORS: Final = {paths.DLMGMT_DOOR: DLMGMTD, paths.VARPD_DOOR: VARPD}


class SimHost:
    """See the module. `random` to `encap_plugins` are what the kernel is given; `plugins` the search plugins varpd has.

    `kernel_made` is shown each new kernel, `varpd_did` told of each of varpd's ioctls (`devices.SimDevice`). `panics` are
    the reasons for which varpd ended by itself.
    """

    def __init__(
        self,
        loop: SimLoop,
        name: str,
        *,
        random: Random,
        underlay: Underlay,
        ports: PortFactory,
        phys: PhysLinks,
        encap_plugins: Sequence[EncapPlugin],
        plugins: Sequence[type[SearchPlugin]],
        lookup_workers: int = LOOKUP_WORKERS,
        kernel_made: Callable[[Kernel], None] = lambda _: None,
        varpd_did: Answered = lambda _cmd, _argument, _errno: None,
    ) -> None:
        self.loop = loop
        self.name = name
        self.fs = RootFs()
        self.logs = {DLMGMTD: SimLog(), VARPD: SimLog(), RESTARTER: SimLog()}
        self.messages: list[str] = []
        self.panics: list[Exception] = []
        self.plugins = list(plugins)
        self._lookup_workers = lookup_workers
        self.system = HostSystem(self, ROOT)
        self.kernel: Kernel
        self.restarter: SimRestarter
        self._surroundings = (random, underlay, ports, phys, encap_plugins)
        self._kernel_made = kernel_made
        self._varpd_did = varpd_did
        self._kernel_life = Lifeline()
        self._phys = phys
        self._pids = itertools.count(100)
        self._up = False

    # ------------------------------------------------------------------ boot and end

    def boot(self) -> None:
        """Boot it, until the boot steps are done; `messages` is what they complained about."""
        random, underlay, ports, phys, encap_plugins = self._surroundings
        self.fs.empty_volatile()
        system = self.fs.get(paths.SYSTEM)
        tunables, complaints = read_system("" if system is None else system.data.decode(errors="replace"))
        self.kernel = Kernel(
            clock=self.loop,
            random=random,
            underlay=underlay,
            ports=ports,
            phys=phys,
            encap_plugins=encap_plugins,
            tunables=tunables,
        )
        self._kernel_made(self.kernel)
        self._kernel_life = Lifeline()
        self._up = True
        make: dict[str, Callable[[], Daemon]] = {DLMGMTD: self._make_dlmgmtd, VARPD: self._make_varpd}
        self.restarter = SimRestarter(self.loop, self._process("svc.startd"), make, self.logs[RESTARTER])
        self.restarter.start()
        self.loop.advance_until(lambda: self.restarter.phase(DLMGMTD) is Phase.ONLINE, BOOT_SECONDS)
        said = io.StringIO()
        for _, subcommand in STEPS:
            dladm([subcommand], system=self.system, stdout=said, stderr=said)
        self.messages = [*complaints, *said.getvalue().splitlines()]

    def panic(self) -> None:
        """The kernel's end: everything dies with it. What is stored stays."""
        self._up = False
        self.restarter.kill_all()
        self._kernel_life.cut()
        self.kernel.close()

    def kill(self, fmri: str) -> None:
        """SIGKILL to a service; nothing if it does not run."""
        self.restarter.end(fmri, -signal.SIGKILL)

    def close(self) -> None:
        """End it for good; harmless when it has ended."""
        if self._up:
            self.panic()

    # ------------------------------------------------------------------ what clients reach

    def connect(self, path: str, caller: Cred) -> Transport:
        """See `kernel_sim.dev.client.System.connect`."""
        if not self._up:
            raise KernelError(Errno.ENOENT, f"{path}: {self.name} is down")
        if path in _NODES:
            if path == paths.OVERLAY and caller.uid != 0:
                raise KernelError(Errno.EACCES, path)
            cred = Credentials(caller.uid, privileged=caller.uid == 0)
            return NodeTransport(self.loop, _NODES[path](self.kernel), cred, self._kernel_life)
        if path == paths.RESTARTER_DOOR:
            restarter = self.restarter
            return DoorTransport(self.loop, lambda message: restarter.call(message, caller), restarter.process)
        if path not in _DOORS:
            raise KernelError(Errno.ENOENT, path)
        daemon = self.restarter.daemon(_DOORS[path])
        if daemon is None or not daemon.door_open:
            left_behind = path == paths.DLMGMT_DOOR or self.fs.get(path) is not None
            raise KernelError(Errno.ECONNREFUSED if left_behind else Errno.ENOENT, path)
        return DoorTransport(self.loop, lambda message: daemon.call(message, caller), daemon.process)

    # ------------------------------------------------------------------ daemons

    def _process(self, name: str) -> SimProcess:
        return SimProcess(self.loop, name, next(self._pids), self.name)

    def _make_dlmgmtd(self) -> Daemon:
        return LinkDaemon(self._process("dlmgmtd"), self.fs, self.system, self._phys, self.logs[DLMGMTD])

    def _make_varpd(self) -> Daemon:
        def open_device(flags: int) -> SimDevice:
            cred = Credentials(0, privileged=True)
            return SimDevice(self.loop, OverlayNode(self.kernel), flags, cred, self._kernel_life, self._varpd_did)

        def panicked(error: Exception) -> None:
            self.panics.append(error)
            self.restarter.end(VARPD, -signal.SIGABRT)

        process = self._process("varpd")
        return VarpdDaemon(
            process, self.fs, open_device, self.plugins, self.logs[VARPD], panicked, self._lookup_workers
        )


class HostSystem:
    """See `kernel_sim.dev.client.System`: a host as one of its users reaches it."""

    def __init__(self, host: SimHost, caller: Cred) -> None:
        self._host = host
        self._caller = caller

    def connect(self, path: str) -> Transport:
        return self._host.connect(path, self._caller)

    def wait(self, seconds: float) -> None:
        self._host.loop.advance(seconds)
