"""Network namespaces for tests, and simulated kernels running in them.

A test namespace has no name and no mount: it lives as long as a descriptor of this process or a process inside refers to it, so
that nothing is left behind however a run ends. `Namespace.path` stands for it where a path is asked for.

Tests marked `namespaces` need uid 0 with the rights to make namespaces and TAPs: as root, or inside a user namespace. Elsewhere they are
skipped with the reason; under CI=true they fail.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import ipaddress
import itertools
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest
from pyroute2 import IPRoute

from etherspan.netns import bind_mount, unpin
from kernel_sim.dev import framing, paths
from kernel_sim.dev.client import Device, LocalSystem
from kernel_sim.io import tun
from kernel_sim.io.zones import own_namespace, run_inside
from kernel_sim.sys import es, overlay, overlay_target, vnic
from kernel_sim.sys.codec import (
    DldMacprop,
    EsNameSet,
    KstatEntry,
    OverlayCreate,
    OverlayLink,
    OverlayProp,
    OverlayPropinfo,
    Point,
    TargAssociate,
    VnicCreate,
    VnicDelete,
    macprop_value,
)
from kernel_sim.sys.dld import DLDIOC_SETMACPROP, DatalinkClass, DatalinkFlag, MacProp
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.kstat import KSTAT_IOC_READ
from tests.integration.hosts import booted, host, killed, panicked, with_links  # noqa: F401 - fixtures

T = TypeVar("T")
CLONE_NEWNET = 0x40000000
IFA_F_NODAD = 0x02
RUN_ID = uuid.uuid4().hex[:6]
HOW = "run as root, or: unshare --user --map-root-user --net --mount -- pytest …"


# ---------------------------------------------------------------------- the marker


@functools.cache
def missing() -> str:
    """Why namespaces cannot be used here; "" when they can."""
    try:
        namespace = new_namespace()
    except (OSError, KernelError) as error:
        return f"cannot make a network namespace: {error}; {HOW}"
    try:
        fd, _ = run_inside(namespace, lambda: tun.create("probe0"))
        os.close(fd)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the reason
        return f"cannot make a TAP device: {error}; {HOW}"
    finally:
        os.close(namespace)
    return ""


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("namespaces") is None or not missing():
        return
    if os.environ.get("CI") == "true":
        pytest.fail(missing(), pytrace=False)
    pytest.skip(missing())


# ---------------------------------------------------------------------- namespaces


def new_namespace() -> int:
    """A descriptor of a new network namespace with its loopback up. Raises `OSError`."""

    def make() -> int:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNET):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        with IPRoute() as ip:
            ip.link("set", index=1, state="up")
        return own_namespace()

    here = own_namespace()
    try:
        return run_inside(here, make)
    finally:
        os.close(here)


ENTER = """
import ctypes, os, sys
fd = int(sys.argv[1])
if ctypes.CDLL(None).setns(fd, 0x40000000):
    sys.exit("cannot enter the namespace")
os.close(fd)
os.execv(sys.argv[2], sys.argv[2:])
"""


@dataclass(slots=True)
class Namespace:
    """A network namespace."""

    fd: int

    @property
    def path(self) -> Path:
        """Refers to it while this process lives."""
        return Path(f"/proc/{os.getpid()}/fd/{self.fd}")

    def run(self, action: Callable[[], T]) -> T:
        """Call a function inside."""
        return run_inside(self.fd, action)

    def popen(self, *argv: object, **options: object) -> subprocess.Popen[str]:
        """Start a program inside."""
        command = [sys.executable, "-c", ENTER, str(self.fd), *map(str, argv)]
        return subprocess.Popen(command, pass_fds=(self.fd,), text=True, **options)  # type: ignore[call-overload,no-any-return]

    def address(self, link: str, *addresses: str) -> None:
        """Bring a link up and give it addresses, usable at once."""

        def configure() -> None:
            with IPRoute() as ip:
                index = socket.if_nametoindex(link)
                ip.link("set", index=index, state="up")
                for address in addresses:
                    interface = ipaddress.ip_interface(address)
                    flags = {"flags": IFA_F_NODAD} if interface.version == 6 else {}
                    ip.addr(
                        "add", index=index, address=str(interface.ip), prefixlen=interface.network.prefixlen, **flags
                    )

        self.run(configure)

    def packets(self, link: str) -> socket.socket:
        """A packet socket on a link."""

        def make() -> socket.socket:
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
            sock.bind((link, 0x0003))
            sock.settimeout(5)
            return sock

        return self.run(make)

    def links(self) -> list[str]:
        return sorted(self.run(lambda: [name for _, name in socket.if_nameindex()]))

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


@dataclass(slots=True, frozen=True)
class Wire:
    """Two namespaces joined by a veth pair; both ends are called net0."""

    a: Namespace
    b: Namespace


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 10) -> None:
    """Poll a condition of the outside world; fail with what was waited for."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.01)


# ---------------------------------------------------------------------- simulated kernels


@dataclass(slots=True)
class SimKernel:
    """A kernel process, and what dlmgmtd, varpd and dladm would do to it."""

    namespace: Namespace
    root: Path
    process: subprocess.Popen[str]
    system: LocalSystem
    dld: Device = field(init=False)
    varpd: Device = field(init=False)
    _pins: list[Path] = field(default_factory=list)
    _ids: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def open(self) -> None:
        self.dld = Device.open(self.system, paths.DLD)
        self.varpd = Device.open(self.system, paths.OVERLAY, framing.FREAD | framing.FWRITE | framing.FEXCL)

    def name(self, name: str, link_class: DatalinkClass) -> int:
        linkid = next(self._ids)
        self.dld.ioctl(es.ES_NAME_SET, EsNameSet(linkid, link_class, DatalinkFlag.ACTIVE, name).pack())
        return linkid

    def set_overlay_property(self, linkid: int, name: str, value: bytes) -> None:
        asked = OverlayPropinfo(linkid, -1, name).pack()
        prop = OverlayPropinfo.unpack(self.dld.ioctl(overlay.OVERLAY_IOC_PROPINFO, asked)).id
        self.dld.ioctl(overlay.OVERLAY_IOC_SETPROP, OverlayProp(linkid, prop, name, value).pack())

    def overlay(self, name: str, vnetid: int, listen: str, to: str, mtu: int | None = None) -> int:
        """An active overlay in point mode."""
        linkid = self.name(name, DatalinkClass.OVERLAY)
        self.dld.ioctl(overlay.OVERLAY_IOC_CREATE, OverlayCreate(linkid, vnetid, "vxlan").pack())
        self.set_overlay_property(linkid, "vxlan/listen_ip", ip16(listen))
        if mtu is not None:
            self.set_overlay_property(linkid, "mtu", mtu.to_bytes(8, "little"))
        point = Point(ip=ip16(to), port=4789)
        associate = TargAssociate(linkid, overlay_target.TargMode.POINT, linkid, 0x6, point)
        self.varpd.ioctl(overlay_target.OVERLAY_TARG_ASSOCIATE, associate.pack())
        self.dld.ioctl(overlay.OVERLAY_IOC_ACTIVATE, OverlayLink(linkid).pack())
        return linkid

    def vnic(self, name: str, over: int, mac: bytes) -> int:
        linkid = self.name(name, DatalinkClass.VNIC)
        wanted = VnicCreate(linkid, over, vnic.VnicMacAddrType.FIXED, mac_len=6, mac_addr=mac)
        self.dld.ioctl(vnic.VNIC_IOC_CREATE, wanted.pack())
        return linkid

    def delete_vnic(self, linkid: int) -> None:
        self.dld.ioctl(vnic.VNIC_IOC_DELETE, VnicDelete(linkid).pack())

    def set_zone(self, linkid: int, zone: str) -> None:
        prop = MacProp.ZONE
        wanted = DldMacprop(0, linkid, prop, 0, "zone", macprop_value(prop, zone))
        self.dld.ioctl(DLDIOC_SETMACPROP, wanted.pack())

    def add_zone(self, name: str, namespace: Namespace) -> None:
        folder = self.root / paths.ZONE_NS
        folder.mkdir(parents=True, exist_ok=True)
        pinned = folder / name
        pinned.touch()
        bind_mount(namespace.path, pinned)
        self._pins.append(pinned)

    def kstat(self, module: str, name: str) -> dict[str, int | str]:
        with Device.open(self.system, paths.KSTAT, framing.FREAD) as node:
            found = KstatEntry.unpack(node.ioctl(KSTAT_IOC_READ, KstatEntry(module, 0, name).pack()))
        return {stat.name: stat.value for stat in found.stats}

    def log(self) -> str:
        return (self.root / paths.LOGS / "kernel.log").read_text()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)

    def close(self) -> None:
        for device in ("dld", "varpd"):
            with contextlib.suppress(AttributeError):
                getattr(self, device).close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        for pinned in self._pins:
            unpin(pinned)
        assert self.process.stderr is not None
        self.process.stderr.close()


def ip16(text: str) -> bytes:
    ip = ipaddress.ip_address(text)
    return bytes(10) + b"\xff\xff" + ip.packed if ip.version == 4 else ip.packed


def answers(system: LocalSystem) -> bool:
    try:
        Device.open(system, paths.DLD).close()
    except KernelError as error:
        assert error.errno in {Errno.ENOENT, Errno.ECONNREFUSED}
        return False
    return True


# ---------------------------------------------------------------------- fixtures


class Stage:
    """Makes namespaces and starts kernels, and takes everything away again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.namespaces: list[Namespace] = []
        self.kernels: list[SimKernel] = []

    def namespace(self) -> Namespace:
        self.namespaces.append(Namespace(new_namespace()))
        return self.namespaces[-1]

    def wire(self) -> Wire:
        """MTU 1500; 10.88.88.1 and fd00:88::1 at one end, .2 and ::2 at the other."""
        a, b = self.namespace(), self.namespace()

        def join() -> None:
            with IPRoute() as ip:
                ip.link("add", ifname="net0", kind="veth", peer={"ifname": "net0", "net_ns_fd": b.fd})

        a.run(join)
        for number, end in enumerate((a, b), 1):
            end.address("net0", f"10.88.88.{number}/24", f"fd00:88::{number}/64")
        return Wire(a, b)

    def kernel(self, namespace: Namespace, *options: object, system: str = "") -> SimKernel:
        """Start a simulated kernel in a namespace, with that as its etc/system; it is up on return."""
        root = self.folder / f"{RUN_ID}-{len(self.kernels)}"
        if system:
            (root / "etc").mkdir(parents=True)
            (root / paths.SYSTEM).write_text(system)
        argv = (sys.executable, "-X", "dev", "-W", "error", "-m", "kernel_sim", "--root", root, *options)
        process = namespace.popen(*argv, stderr=subprocess.PIPE)
        kernel = SimKernel(namespace, root, process, LocalSystem(root))
        self.kernels.append(kernel)
        wait_until(lambda: process.poll() is not None or answers(kernel.system), "the kernel answers")
        assert process.poll() is None, process.communicate()[1]
        kernel.open()
        return kernel

    def close(self) -> None:
        for kernel in self.kernels:
            kernel.close()
        for namespace in self.namespaces:
            namespace.close()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with contextlib.closing(Stage(tmp_path)) as stage:
        yield stage


@pytest.fixture(scope="module")
def module_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """For what the tests of a module share."""
    with contextlib.closing(Stage(tmp_path_factory.mktemp("stage"))) as stage:
        yield stage


@pytest.fixture
def make_namespace(stage: Stage) -> Callable[[], Namespace]:
    return stage.namespace


@pytest.fixture
def namespace(stage: Stage) -> Namespace:
    return stage.namespace()


@pytest.fixture
def wire(stage: Stage) -> Wire:
    return stage.wire()


@pytest.fixture
def start_kernel(stage: Stage) -> Callable[..., SimKernel]:
    return stage.kernel


@pytest.fixture
def wait_for() -> Callable[..., None]:
    return wait_until
