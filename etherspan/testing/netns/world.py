"""The world on this machine: hosts booted as `etherspan host boot` does it, each in a network namespace, on one bridge.

    with NetnsWorld(Path(folder)) as world:
        scenario(world)

Needs root, or a user namespace with the rights to make network namespaces and TAPs. Ports are AF_PACKET sockets on the VNICs' TAPs, where
IPv6 and ARP are off, so that nothing but a scenario's frames flows. Time is real.

What a world needs on disk is below its folder; closing it halts the hosts and removes their namespaces, whatever state they are in.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_interface
from pathlib import Path
from typing import Final

from dladm.dlmgmtd.client import Dlmgmt
from dladm.libscf.client import Scf
from dladm.libscf.protocol import RESTARTER
from etherspan import doctor, netconf, netns, userns
from etherspan.errors import EtherspanError
from etherspan.host import control
from etherspan.host.services import log_path
from etherspan.testing.log import LogRecord
from etherspan.testing.netns import plugindist
from etherspan.testing.netns.port import PATIENCE, NetnsPort
from etherspan.testing.netns.portolan import NetnsPortolan
from etherspan.testing.world import KERNEL, SERVICE_SECONDS, SERVICES, Host, World
from kernel_sim.dev.client import LocalSystem
from kernel_sim.sys.dld import DatalinkClass
from kernel_sim.sys.errno import KernelError
from libvarpd.plugin import SearchPlugin

BRIDGE: Final = "br0"
UNDERLAY_LINK: Final = "net0"
UNDERLAY_MTU: Final = 1500
BOOT_SECONDS: Final = 30.0
TABLES: Final = "etc/overlays"
"""Where scenarios keep configuration files."""
NAMES: Final = "etc/inet/hosts"
"""Where they put names."""
_DELETE: Final = {
    DatalinkClass.VNIC: "delete-vnic",
    DatalinkClass.ETHERSTUB: "delete-etherstub",
    DatalinkClass.OVERLAY: "delete-overlay",
}
_PREFIX: Final = {4: 24, 6: 64}
_POLL_SECONDS: Final = 0.01
_RECORD_HEAD: Final = frozenset({"v", "level", "name", "hostname", "pid", "tid", "time", "msg"})


class NetnsWorld(World):
    """See the module. `folder` is an empty directory, or one that can be made.

    `plugins` are search plugins that every varpd has beside those that are installed (`plugindist`). A world can serve several
    scenarios, one after the other: `recycle` empties its hosts, and `host` gives out what is idle before it boots another.
    """

    def __init__(self, folder: Path, *, plugins: Sequence[type[SearchPlugin]] = ()) -> None:
        self.hosts: dict[str, NetnsHost] = {}
        self.portolans: dict[str, NetnsPortolan] = {}
        self._idle: list[NetnsHost] = []
        self._server_places: dict[tuple[str, str], tuple[Path, Path]] = {}
        self._stores = 0
        self._booted = 0
        self._folder = folder
        self._switch = folder / "switch"
        self._undo = contextlib.ExitStack()
        self._environment = dict[str, str]()
        if plugins:
            plugindist.write(folder / "plugins", plugins)
            paths = [str(folder / "plugins"), *filter(None, [os.environ.get("PYTHONPATH")])]
            self._environment["PYTHONPATH"] = os.pathsep.join(paths)
        self._pin(self._switch)
        netns.call(self._switch, netconf.make_bridge, BRIDGE, UNDERLAY_MTU)

    def host(self, name: str, *addresses: str) -> NetnsHost:
        """See `World.host`."""
        assert name not in self.hosts, f"there is a host {name}"
        for idle in self._idle:
            if (idle.name, idle.addresses) == (name, addresses):
                self._idle.remove(idle)
                self.hosts[name] = idle
                return idle
        made = self.hosts[name] = self._boot(name, addresses)
        return made

    def portolan(self, name: str, address: str, store: str | None = None) -> NetnsPortolan:
        """See `World.portolan`."""
        assert name not in self.portolans, f"there is a server {name}"
        if (name, address) not in self._server_places:  # kept, as neighbours remember whose address it is
            self._server_places[name, address] = self._plug_in(name, [address])
        folder, place = self._server_places[name, address]
        self._stores += 1
        made = NetnsPortolan(name, address, place, folder, store or f"sqlite:///{folder}/portolan{self._stores}.db")
        self.portolans[name] = made
        self._undo.callback(made.kill)
        made.start()
        return made

    def recycle(self) -> None:
        """Empty all hosts, for the next scenario; SVP servers end.

        Errors: AssertionError that names those which could not be emptied; they are halted, and others will be booted in their place.
        """
        for server in self.portolans.values():
            server.kill()
        self.portolans = {}
        hosts, self.hosts = self.hosts, {}
        problems: list[str] = []
        for host in hosts.values():
            try:
                host.empty()
                self._idle.append(host)
            except (AssertionError, KernelError) as error:
                problems.append(f"{host.name}: {error}")
                host.halt()
                _end_namespace(host.place)
        assert not problems, "\n".join(problems)

    def _boot(self, name: str, addresses: Sequence[str]) -> NetnsHost:
        folder, place = self._plug_in(name, addresses)
        root = folder / "root"
        netns.call(place, netns.set_sysctl, "net/ipv6/conf/default/disable_ipv6", "1")
        made = NetnsHost(name, addresses, root, place)
        root.mkdir(parents=True)
        self._undo.callback(made.halt)
        with _environment(self._environment):
            netns.call(place, control.boot_host, root)
        return made

    def _plug_in(self, name: str, addresses: Sequence[str]) -> tuple[Path, Path]:
        """A folder, and a namespace that is plugged into the underlay network."""
        self._booted += 1
        folder = self._folder / f"{self._booted}-{name}"
        place = folder / "ns"
        self._pin(place)
        cable = (BRIDGE, f"port{self._booted}", UNDERLAY_LINK, place, UNDERLAY_MTU)
        netns.call(self._switch, netconf.plug_into_bridge, *cable)
        networks = [ip_interface(f"{one}/{_PREFIX[ip_address(one).version]}") for one in addresses]
        netns.call(place, netconf.configure, UNDERLAY_LINK, networks, {})
        return folder, place

    def advance(self, seconds: float) -> None:
        time.sleep(seconds)

    def close(self) -> None:
        self._undo.close()

    def _pin(self, place: Path) -> None:
        netns.pin(place)
        self._undo.callback(_end_namespace, place)


class NetnsHost(Host):
    """See `world.Host`. `root` is its root directory, `place` its namespace."""

    def __init__(self, name: str, addresses: Sequence[str], root: Path, place: Path) -> None:
        super().__init__(name, addresses, LocalSystem(root))
        self.root = root
        self.place = place
        self._ports = contextlib.ExitStack()
        self._drops_before: dict[str, int] = {}

    def write(self, path: str, content: str | bytes, mode: int = 0o644) -> None:
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_name(f".{file.name}.new")
        fresh.write_bytes(content.encode() if isinstance(content, str) else content)
        fresh.chmod(mode)
        fresh.replace(file)

    def port(self, name: str) -> NetnsPort:
        opened = netns.call(self.place, NetnsPort.open, self.name, name)
        self._ports.callback(opened.close)
        return opened

    def log(self, service: str = "varpd") -> list[LogRecord]:
        found: list[LogRecord] = []
        with contextlib.suppress(FileNotFoundError):
            for line in (self.root / log_path(SERVICES[service])).read_text().splitlines():
                record = json.loads(line)
                keys = {key: value for key, value in record.items() if key not in _RECORD_HEAD}
                found.append(LogRecord(record["level"], record["msg"], keys))
        return found

    def kill(self, service: str) -> None:
        if service == KERNEL:
            self._kill_kernel()
        else:
            self._kill_service(service)

    def wait_until(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        end = time.monotonic() + seconds * PATIENCE
        while not condition():
            assert time.monotonic() < end, f"{self.name}: not within {seconds:g} s: {what}"
            time.sleep(_POLL_SECONDS)

    def drops(self) -> dict[str, int]:
        """See `Host.drops`: since the host was booted, or emptied."""
        return {
            name: count - self._drops_before.get(name, 0)
            for name, count in super().drops().items()
            if count != self._drops_before.get(name)
        }

    def empty(self) -> None:
        """Delete all links and tables, close all ports, count drops from now on. Errors: AssertionError."""
        self._ports.close()
        with Dlmgmt(self.system) as dlmgmt:
            for kind, command in _DELETE.items():
                for link in dlmgmt.walk(kind):
                    self.dladm(command, link.name)
        shutil.rmtree(self.root / TABLES, ignore_errors=True)
        (self.root / NAMES).unlink(missing_ok=True)
        self._drops_before = super().drops()

    def halt(self) -> None:
        """Halt it, and close its ports."""
        self._ports.close()
        control.halt_host(self.root)

    def _kill_service(self, service: str) -> None:
        fmri = SERVICES[service]
        with Scf(self.system) as scf:
            pid = scf.info(fmri).pid
            os.kill(pid, signal.SIGKILL)

            def up_again() -> bool:
                info = scf.info(fmri)
                return info.state == "online" and info.pid not in {0, pid}

            self.wait_until(up_again, SERVICE_SECONDS, f"{service} to be up again")

    def _kill_kernel(self) -> None:
        with Scf(self.system) as scf:
            boots = scf.host()["boots"]
            kernel = scf.info(RESTARTER).pids[1]
        os.kill(kernel, signal.SIGKILL)

        def up_again() -> bool:
            with contextlib.suppress(KernelError), Scf(self.system) as scf:
                found = scf.host()
                return bool(found["boots"] > boots and found["phase"] == "up")
            return False

        self.wait_until(up_again, BOOT_SECONDS, "the host to be up again")
        self._drops_before = {}


@functools.cache
def obstacle() -> str:
    """Why there can be no such world here, "" when there can."""
    if not userns.has_rights():
        return "no right to make network namespaces; run as root, or: unshare --user --map-root-user --net --mount -- pytest …"
    try:
        doctor.demand()
    except EtherspanError as error:
        return str(error)
    return ""


@contextlib.contextmanager
def _environment(changes: Mapping[str, str]) -> Iterator[None]:
    """Let processes that are started inside have other environment variables."""
    before = {name: os.environ.get(name) for name in changes}
    os.environ.update(changes)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _end_namespace(place: Path) -> None:
    if netns.is_pinned(place):
        netns.end_processes(place)
    netns.unpin(place)
