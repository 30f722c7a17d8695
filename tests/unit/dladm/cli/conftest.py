"""Hosts in memory under the dladm command.

`host` is the real simulated kernel with small stand-ins for the daemons, which have the clients' methods and keep their promises; each can
be told to refuse. `world_host` has everything real, and overlays that ask for their destinations.
"""

from __future__ import annotations

import abc
import contextlib
import io
import itertools
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from dladm.cli.main import Session, main, run
from dladm.cli.messages import Terminal
from dladm.dlmgmtd.client import ConfValue, LinkInfo
from dladm.libdladm.handle import Dladm
from dladm.libdladm.status import DladmError
from dladm.libscf.protocol import VARPD, State
from etherspan.testing.host import MemoryHost
from etherspan.testing.memory import MemoryClock, MemoryNetwork, MemoryPhys
from etherspan.testing.sim.world import SimWorld, SimWorldHost
from kernel_sim.cred import Credentials
from kernel_sim.ddi import PhysLink
from kernel_sim.dev.client import System
from kernel_sim.sys.codec import CacheEntry, EsNameClear, EsNameSet, TargAssociate
from kernel_sim.sys.dld import DL_ETHER, DatalinkClass, DatalinkFlag
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.es import ES_NAME_CLEAR, ES_NAME_SET
from kernel_sim.sys.overlay_common import DEST_IP_PORT, Dest
from kernel_sim.sys.overlay_target import OVERLAY_TARG_ASSOCIATE, TargMode
from libvarpd.errors import VarpdError
from libvarpd.plugins.direct import Direct
from libvarpd.prop import Properties, PropInfo

PLUGINS = ("direct", "files", "svp")
BOTH = DatalinkFlag.ACTIVE | DatalinkFlag.PERSIST


class Refusals:
    """Errnos that calls fail with, by method name; tests fill it."""

    def __init__(self) -> None:
        self.refuse: dict[str, Errno] = {}

    def allow(self, method: str) -> None:
        if method in self.refuse:
            raise KernelError(self.refuse[method])


class FakeDlmgmt(Refusals):
    """dlmgmtd: names, ids and stored lines, and the names pushed to the kernel."""

    def __init__(self, kernel: MemoryHost) -> None:
        super().__init__()
        self.links: dict[int, LinkInfo] = {}
        self.conf: dict[int, dict[str, ConfValue]] = {}
        self.ids = itertools.count(1)
        self._kernel = kernel

    def create_linkid(self, name: str, link_class: int, media: int, flags: int) -> int:
        self.allow("create_linkid")
        if any(link.name == name for link in self.links.values()):
            raise KernelError(Errno.EEXIST)
        linkid = next(self.ids)
        self._put(LinkInfo(linkid, name, DatalinkClass(link_class), media, DatalinkFlag(flags)))
        return linkid

    def _put(self, link: LinkInfo) -> None:
        self.links[link.linkid] = link
        self._kernel.dld(ES_NAME_SET, EsNameSet(link.linkid, link.link_class, link.flags, link.name, link.zone))

    def destroy_linkid(self, linkid: int, flags: int) -> None:
        self.allow("destroy_linkid")
        link = self.linkid2info(linkid)
        if not link.flags & flags:
            raise KernelError(Errno.ENOENT)
        link = replace(link, flags=link.flags & ~DatalinkFlag(flags))
        if not link.flags & DatalinkFlag.PERSIST:
            self.conf.pop(linkid, None)
        self._put(link)
        if not link.flags:
            del self.links[linkid]
            self._kernel.dld(ES_NAME_CLEAR, EsNameClear(linkid))

    def linkid2info(self, linkid: int) -> LinkInfo:
        self.allow("linkid2info")
        if linkid not in self.links:
            raise KernelError(Errno.ENOENT)
        return self.links[linkid]

    def name2info(self, name: str) -> LinkInfo:
        for link in self.links.values():
            if link.name == name:
                return link
        raise KernelError(Errno.ENOENT)

    def any(self, class_mask: int, flags_mask: int) -> bool:
        return bool(self.walk(class_mask, flags_mask))

    def walk(self, class_mask: int, flags_mask: int) -> list[LinkInfo]:
        every = (self.links[linkid] for linkid in sorted(self.links))
        return [link for link in every if link.link_class & class_mask and link.flags & flags_mask]

    def up_linkid(self, linkid: int) -> None:
        self.allow("up_linkid")
        link = self.linkid2info(linkid)
        if link.flags & DatalinkFlag.ACTIVE:
            raise KernelError(Errno.EINVAL)
        self._put(replace(link, flags=link.flags | DatalinkFlag.ACTIVE))

    def set_zone(self, linkid: int, zone: str) -> None:
        self.allow("set_zone")
        self._put(replace(self.linkid2info(linkid), zone=zone))

    def read_conf(self, linkid: int) -> dict[str, ConfValue]:
        if linkid not in self.conf:
            raise KernelError(Errno.ENOENT)
        return dict(self.conf[linkid])

    def create_conf(
        self, linkid: int, name: str, link_class: int, media: int, attributes: Mapping[str, ConfValue]
    ) -> None:
        self.allow("create_conf")
        assert (self.links[linkid].name, self.links[linkid].link_class, media) == (name, link_class, DL_ETHER)
        self.conf[linkid] = dict(attributes)

    def set_conf_field(self, linkid: int, key: str, value: ConfValue) -> None:
        self.allow("set_conf_field")
        self.conf.setdefault(linkid, {})[key] = value

    def close(self) -> None:
        pass


class FakeScf(Refusals):
    """The restarter: varpd is where it should be at once, or in `stuck`."""

    def __init__(self, varpd: FakeVarpd) -> None:
        super().__init__()
        self.stuck: State | None = None
        self.varpd = varpd
        self.asked: list[str] = []

    def state(self, fmri: str) -> State:
        assert fmri == VARPD
        self.allow("state")
        return State.ONLINE if self.varpd.up else State.DISABLED

    def enable(self, fmri: str) -> None:
        self.allow("enable")
        self.asked.append("enable")
        if self.stuck is None:
            self.varpd.start()

    def disable(self, fmri: str) -> None:
        self.asked.append("disable")
        self.varpd.stop()

    def wait(self, fmri: str, states: set[State], seconds: float) -> State:
        assert seconds == 15.0
        return self.stuck or self.state(fmri)

    def close(self) -> None:
        pass


@dataclass(slots=True)
class Instance:
    linkid: int
    plugin: Direct
    props: Properties
    active: bool = False


@dataclass(slots=True)
class FakeProp:
    varpd: FakeVarpd
    instance: Instance
    index: int = -1

    def info_fill(self, index: int) -> None:
        self.instance.props.info(index)
        self.index = index

    def info_fill_by_name(self, name: str) -> None:
        self.varpd.allow("info_fill_by_name")
        self.index = self.instance.props.find(name)

    def info(self) -> PropInfo:
        return self.instance.props.info(self.index)

    def get(self) -> bytes:
        self.varpd.allow("get")
        return self.instance.props.get(self.index)

    def set(self, value: bytes) -> None:
        self.instance.props.set(self.index, value)


class FakeVarpd(Refusals):
    """varpd: instances of the real `direct`, bound to the real kernel. Calls are EBADF while it is down."""

    def __init__(self, kernel: MemoryHost) -> None:
        super().__init__()
        self.instances: dict[int, Instance] = {}
        self.ids = itertools.count(1)
        self.up = False
        self.ever = False
        self._kernel = kernel

    def start(self) -> None:
        self.up = self.ever = True
        self.ids = itertools.count(1 + max(self.instances, default=0))

    def stop(self) -> None:
        self.up = False

    def allow(self, method: str) -> None:
        if not self.up:
            raise VarpdError(Errno.EBADF, "varpd has stopped")
        super().allow(method)

    def _of(self, instance: int) -> Instance:
        self.allow("call")
        if instance not in self.instances:
            raise VarpdError(Errno.ENOENT)
        return self.instances[instance]

    def instance_create(self, linkid: int, search: str) -> int:
        self.allow("instance_create")
        if search != "direct":
            raise VarpdError(Errno.ENOENT)
        plugin = Direct(DEST_IP_PORT)
        made = Instance(linkid, plugin, Properties(search, plugin, lambda: PLUGINS))
        number = next(self.ids)
        self.instances[number] = made
        return number

    def instance_activate(self, instance: int) -> None:
        found = self._of(instance)
        self.allow("instance_activate")
        found.plugin.start()
        point = found.plugin.default()
        argument = TargAssociate(found.linkid, TargMode.POINT, instance, DEST_IP_PORT, point)
        self._kernel.targ(OVERLAY_TARG_ASSOCIATE, argument)
        found.active = True

    def instance_destroy(self, instance: int) -> None:
        self._of(instance)
        del self.instances[instance]

    def instance_lookup(self, linkid: int) -> int:
        self.allow("instance_lookup")
        for number, one in self.instances.items():
            if one.linkid == linkid:
                return number
        raise VarpdError(Errno.ENOENT)

    def instance_target_mode(self, instance: int) -> tuple[Dest, TargMode]:
        self._of(instance)
        return DEST_IP_PORT, TargMode.POINT

    def instance_cache_get(self, instance: int, mac: bytes) -> CacheEntry:
        return CacheEntry(mac, point=self._of(instance).plugin.default())

    def prop_nprops(self, instance: int) -> int:
        return self._of(instance).props.count()

    def prop_handle_alloc(self, instance: int) -> FakeProp:
        return FakeProp(self, self._of(instance))

    def prop_walk(self, instance: int) -> list[tuple[PropInfo, bytes | None]]:
        found: list[tuple[PropInfo, bytes | None]] = []
        for index in range(self.prop_nprops(instance)):
            prop = self.prop_handle_alloc(instance)
            prop.info_fill(index)
            try:
                found.append((prop.info(), prop.get()))
            except KernelError:
                found.append((prop.info(), None))
        return found


class FakeDevice:
    """/dev/dld over the kernel in memory."""

    def __init__(self, kernel: MemoryHost) -> None:
        self._kernel = kernel
        self.cred = Credentials(0, privileged=True)
        self.refuse: dict[int, Errno] = {}

    def ioctl(self, command: int, argument: bytes = b"") -> bytes:
        if command in self.refuse:
            raise KernelError(self.refuse[command])
        return self._kernel.dld(command, argument, self.cred)

    def ioctls(self, calls: Sequence[tuple[int, bytes]]) -> list[bytes | KernelError]:
        found: list[bytes | KernelError] = []
        for command, argument in calls:
            try:
                found.append(self.ioctl(command, argument))
            except KernelError as error:
                found.append(error)
        return found

    def close(self) -> None:
        pass


class FakeHandle(Dladm):
    """A handle on a host in memory."""

    def __init__(self, host: Host) -> None:
        super().__init__(host, note=host.notes.append)
        self._host = host

    def open_dld(self) -> Any:
        if self._host.dld is None:
            raise DladmError.of(KernelError(Errno.ENOENT))
        return self._host.dld

    @property
    def dlmgmt(self) -> Any:
        return self._host.dlmgmt

    @property
    def scf(self) -> Any:
        return self._host.scf

    @contextlib.contextmanager
    def varpd(self) -> Iterator[Any]:
        if not self._host.varpd.ever:
            raise KernelError(Errno.ENOENT)
        yield self._host.varpd

    def ask_varpd(self, question: Any) -> Any:
        with self.varpd() as varpd:
            return question(varpd)


@dataclass(slots=True, frozen=True)
class Result:
    """What a command left: stdout, stderr, exit status."""

    out: str
    err: str
    status: int


class Commands(abc.ABC):
    """Runs dladm: one string, split like a shell would, or the words themselves. `host("show-link -P")`"""

    @abc.abstractmethod
    def run(self, words: list[str]) -> Result: ...

    def __call__(self, *words: str) -> Result:
        return self.run(shlex.split(words[0]) if len(words) == 1 else list(words))

    def ok(self, *words: str) -> str:
        """Run a command that succeeds and says nothing on stderr; its output."""
        done = self(*words)
        assert (done.err, done.status) == ("", 0)
        return done.out

    def fails(self, *words: str) -> str:
        """Run a command that fails and prints nothing; what it said on stderr."""
        done = self(*words)
        assert (done.out, done.status) == ("", 1)
        return done.err


@dataclass
class Host(Commands):
    """All of it."""

    kernel: MemoryHost
    varpd: FakeVarpd
    scf: FakeScf
    dlmgmt: FakeDlmgmt
    dld: FakeDevice | None
    notes: list[str] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)

    def run(self, words: list[str]) -> Result:
        out, err = io.StringIO(), io.StringIO()
        status = run(words, Session(Terminal("dladm", out, err), lambda: FakeHandle(self)))
        return Result(out.getvalue(), err.getvalue(), status)

    def wait(self, seconds: float) -> None:
        self.waits.append(seconds)

    def connect(self, path: str) -> Any:
        raise KernelError(Errno.ENOENT, path)

    def handle(self) -> FakeHandle:
        return FakeHandle(self)

    def add_phys(self, name: str) -> None:
        self.dlmgmt.create_linkid(name, DatalinkClass.PHYS, DL_ETHER, DatalinkFlag.ACTIVE)

    def stored(self, name: str) -> str:
        """A link's line as datalink.conf has it after class and media, empty without one."""
        conf = self.dlmgmt.conf.get(self.dlmgmt.name2info(name).linkid, {})
        return "".join(f"{key}={value.type},{value.text};" for key, value in conf.items() if value.text)

    def demo(self, *more: str, name: str = "demo0", vnetid: int = 23) -> None:
        """Create the overlay of the golden transcripts."""
        self.ok(
            *("create-overlay", *more, "-e", "vxlan", "-s", "direct", "-v", str(vnetid)),
            *("-p", "vxlan/listen_ip=10.88.88.69,direct/dest_ip=10.88.88.70,direct/dest_port=4789", name),
        )

    def reboot(self) -> None:
        """What the next boot finds: stored links only, nothing in the kernel, varpd off."""
        again = _host()
        again.dlmgmt.ids = self.dlmgmt.ids
        for link in self.dlmgmt.walk(0x3FF, DatalinkFlag.PERSIST):
            again.dlmgmt._put(replace(link, flags=DatalinkFlag.PERSIST))
        again.dlmgmt.conf = self.dlmgmt.conf
        self.kernel, self.varpd, self.scf, self.dlmgmt, self.dld = (
            again.kernel,
            again.varpd,
            again.scf,
            again.dlmgmt,
            again.dld,
        )


def _host() -> Host:
    clock = MemoryClock()
    phys = MemoryPhys(PhysLink(2, "net0", bytes(6), 1500, up=True, speed=10000))
    kernel = MemoryHost(clock, MemoryNetwork(clock), "10.88.88.69", phys=phys)
    varpd = FakeVarpd(kernel)
    return Host(kernel, varpd, FakeScf(varpd), FakeDlmgmt(kernel), FakeDevice(kernel))


@pytest.fixture
def host() -> Host:
    return _host()


MAP = "etc/overlays/map.json"


class WorldHost(Commands):
    """A host of a world in memory, and the world."""

    def __init__(self, world: SimWorld, inner: SimWorldHost) -> None:
        self.world = world
        self.inner = inner
        self.system: System = inner.system

    def run(self, words: list[str]) -> Result:
        """As whoever `system` is for."""
        out, err = io.StringIO(), io.StringIO()
        status = main(words, system=self.system, stdout=out, stderr=err)
        return Result(out.getvalue(), err.getvalue(), status)

    def create(self, *more: str, name: str = "ov0", vnetid: int = 23, path: str = "/" + MAP) -> Result:
        """Create a `files` overlay."""
        props = f"vxlan/listen_ip={self.inner.address},files/config={path}"
        return self("create-overlay", *more, "-e", "vxlan", "-s", "files", "-v", str(vnetid), "-p", props, name)


@pytest.fixture
def world_host() -> Iterator[WorldHost]:
    with SimWorld() as world:
        made = WorldHost(world, world.host("a", "10.88.88.69"))
        made.inner.write(MAP, "{}")
        yield made
