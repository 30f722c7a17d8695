r"""The world in memory: hosts in this process on a virtual clock (`loop`), with nothing of the machine in it.

    with SimWorld(seed=1) as world:
        scenario(world)
        print(*world.trace.lines, sep="\n")

Beside what every world can, its underlay can be made to fail: `world.faults("a").loss = 0.1` is for what host a sends, `world.part("a",
"b")` and `world.heal()` cut and mend the way between two hosts.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Final

from etherspan.portolan.store.memory import MemoryStore
from etherspan.portolan.store.protocol import Store
from etherspan.testing.log import LogRecord
from etherspan.testing.memory import Datagram, MemoryNetwork, MemoryPhys, MemoryPorts, MemoryRandom, address
from etherspan.testing.sim.daemons import LOOKUP_WORKERS
from etherspan.testing.sim.events import Event, Kind, Observer, Trace
from etherspan.testing.sim.host import SimHost
from etherspan.testing.sim.hostview import HostView, inner_frame, parked_frames, show
from etherspan.testing.sim.loop import SimLoop
from etherspan.testing.sim.portolan import SimPortolan
from etherspan.testing.sim.streams import StreamNetwork
from etherspan.testing.world import KERNEL, SERVICE_SECONDS, SERVICES, Host, Port, World, compare
from kernel_sim.ddi import PhysLink, SocketAddress
from kernel_sim.middleware.capture import CapturedPorts, CapturedUnderlay
from kernel_sim.middleware.faults import Faults, FaultyUnderlay, Passing
from kernel_sim.overlay.plugin import EncapPlugin
from kernel_sim.overlay.plugins.vxlan import PLUGIN as VXLAN
from libvarpd.plugin import SearchPlugin
from libvarpd.plugins.direct import Direct
from libvarpd.plugins.files import Files
from libvarpd.plugins.svp.plugin import Svp

UNDERLAY_MTU: Final = 1500


class SimWorld(World):
    """See `world`. `plugins` are search plugins that every varpd has beside its own; `seed` settles all that is random.

    `lookup_workers` is how many LOOKUPs each varpd has waiting in its kernel.
    """

    def __init__(
        self,
        *,
        plugins: Sequence[type[SearchPlugin]] = (),
        encap_plugins: Sequence[EncapPlugin] = (VXLAN,),
        seed: int = 0,
        trace: Trace | None = None,
        lookup_workers: int = LOOKUP_WORKERS,
    ) -> None:
        self.loop = SimLoop()
        self.network = MemoryNetwork(self.loop, keep=False)
        self.network.unreached = self._unreached
        self.trace = trace or Trace()
        self.observers: list[Observer] = [self.trace]
        self.hosts: dict[str, SimWorldHost] = {}
        self._plugins: tuple[type[SearchPlugin], ...] = (Direct, Files, Svp, *plugins)
        self._encap_plugins = encap_plugins
        self._seed = seed
        self._lookup_workers = lookup_workers
        self._homes: dict[bytes, str] = {}
        """Names of hosts by each of their addresses, 16 bytes."""
        self._parted: set[frozenset[str]] = set()
        self.streams = StreamNetwork(
            self.loop, seed=seed, reaches=self._reaches, owner=self._place_of, addresses=self._addresses_of
        )
        self.loop.streams = self.streams
        self.portolans: dict[str, SimPortolan] = {}
        self._event_ids = itertools.count(1)

    @property
    def names(self) -> dict[str, list[str]]:
        """Addresses of names, as every host's resolver has them; `streams.failing` is what it fails for."""
        return self.streams.names

    def host(self, name: str, *addresses: str) -> SimWorldHost:
        """See `World.host`. Host names and addresses are each used once."""
        assert name not in self.hosts, f"there is a host {name}"
        ports = MemoryPorts()
        view = HostView(self, name)
        faults = Faults(self.loop, MemoryRandom(f"{self._seed}/{name}/faults"), observer=view.fault)
        underlay = FaultyUnderlay(self.network.underlay(*addresses), faults)
        inner = SimHost(
            self.loop,
            name,
            random=MemoryRandom(f"{self._seed}/{name}"),
            underlay=CapturedUnderlay(underlay, view.datagram),
            ports=CapturedPorts(ports, view.port),
            phys=MemoryPhys(
                PhysLink(
                    2,
                    "net0",
                    bytes((2, 0, 0, 0)) + (256 + len(self.hosts)).to_bytes(2, "big"),
                    UNDERLAY_MTU,
                    up=True,
                    speed=10000,
                )
            ),
            encap_plugins=self._encap_plugins,
            plugins=self._plugins,
            lookup_workers=self._lookup_workers,
            kernel_made=view.watch,
            varpd_did=view.varpd,
        )
        made = self.hosts[name] = SimWorldHost(self, inner, ports, addresses, faults)
        self._homes |= dict.fromkeys(made.ips, name)
        made.note("boots")
        inner.boot()
        return made

    def portolan(self, name: str, address: str, store: Store | None = None) -> SimPortolan:
        """See `World.portolan`; the store is in memory."""
        assert name not in self.portolans, f"there is a server {name}"
        assert name not in self.hosts, f"there is a host {name}"
        made = SimPortolan(self.loop, name, address, store or MemoryStore(), self._new_event_id)
        self.portolans[name] = made
        made.start()
        return made

    def faults(self, host: str) -> Faults:
        """What goes wrong with the datagrams a host sends. Its `partition` belongs to `part` and `heal`."""
        return self.hosts[host].faults

    def part(self, one: str, other: str) -> None:
        """Let no datagram and no byte of a connection get from one host to the other, nor back; an SVP server is one, too."""
        self._parted.add(frozenset((one, other)))
        for name in (one, other):
            if name in self.hosts:
                self.faults(name).partition = functools.partial(self._is_parted, name)

    def heal(self) -> None:
        """Undo every `part`."""
        self._parted.clear()
        for host in self.hosts.values():
            host.faults.partition = 0.0
        self.streams.heal()

    def tell(self, event: Event) -> None:
        """Something has happened."""
        for observer in self.observers:
            observer(event)

    def advance(self, seconds: float) -> None:
        self.loop.advance(seconds)

    def close(self) -> None:
        """See `World.close`. Errors: the reason for which a varpd ended by itself."""
        for host in self.hosts.values():
            host.inner.close()
        for portolan in self.portolans.values():
            portolan.kill()
        self.loop.run()
        self.loop.close()
        for host in self.hosts.values():
            for panic in host.inner.panics:
                raise panic

    def _new_event_id(self) -> bytes:
        return next(self._event_ids).to_bytes(16)

    def _reaches(self, one: str, other: str) -> bool:
        return frozenset((one, other)) not in self._parted

    def _place_of(self, ip: str) -> str | None:
        home = self._homes.get(address(ip).ip)
        return home or next((name for name, one in self.portolans.items() if one.address == ip), None)

    def _addresses_of(self, place: str) -> Sequence[str]:
        if place in self.portolans:
            return (self.portolans[place].address,)
        return self.hosts[place].addresses if place in self.hosts else ()

    def _is_parted(self, sender: str, passing: Passing) -> bool:
        owner = self._owner(passing.to)
        return owner is not None and frozenset((sender, owner)) in self._parted

    def _owner(self, to: SocketAddress | None) -> str | None:
        return None if to is None else self._homes.get(to.ip)

    def _unreached(self, datagram: Datagram) -> None:
        self.tell(Event(self.loop.now(), "", Kind.UNREACHED, show(datagram.to), frame=inner_frame(datagram.payload)))


class SimWorldHost(Host):
    """See `world.Host`. `inner` is what it is made of, `faults` what goes wrong with what it sends."""

    def __init__(
        self, world: SimWorld, inner: SimHost, ports: MemoryPorts, addresses: Sequence[str], faults: Faults
    ) -> None:
        super().__init__(inner.name, addresses, inner.system)
        self.inner = inner
        self.ports = ports
        self.faults = faults
        self.ips = tuple(address(one).ip for one in addresses)
        self._world = world

    def note(self, text: str) -> None:
        """Put a remark into the trace."""
        self._tell(Kind.NOTE, text)

    def _tell(self, kind: Kind, where: str = "", detail: str = "", frame: bytes | None = None) -> None:
        self._world.tell(Event(self.inner.loop.now(), self.name, kind, where, detail, frame))

    def write(self, path: str, content: str | bytes, mode: int = 0o644) -> None:
        self.inner.fs.write(path, content.encode() if isinstance(content, str) else content, mode)

    def port(self, name: str) -> SimPort:
        return SimPort(self, name)

    def log(self, service: str = "varpd") -> list[LogRecord]:
        return list(self.inner.logs[SERVICES[service]].records)

    def kill(self, service: str) -> None:
        self.note(f"kill {service}")
        if service == KERNEL:
            for frame in parked_frames(self.inner.kernel):
                self._tell(Kind.DROPPED, KERNEL, "panic", frame)
            self.inner.panic()
            self._tell(Kind.PANIC)
            self.inner.boot()
        else:
            self.inner.kill(SERVICES[service])
            self.wait_until(lambda: self.state(service) == "online", SERVICE_SECONDS, f"{service} to be up again")

    def wait_until(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        end = self.inner.loop.now() + seconds
        while not condition():  # it may talk to the host, which the loop must not be running for
            assert self.inner.loop.now() < end, f"{self.name}: not within {seconds:g} s: {what}"
            self.inner.loop.advance(0.01)


class SimPort(Port):
    """See `world.Port`."""

    def __init__(self, host: SimWorldHost, name: str) -> None:
        self._host = host
        self._name = name
        self._port = host.ports.ports[name]

    @property
    def mac(self) -> bytes:
        return self._port.mac

    def send(self, *frames: bytes) -> None:
        self._port.send(*frames)

    def expect(self, *frames: bytes, within: float = 2.0) -> None:
        got: list[bytes] = []
        end = self._loop.now() + within
        while len(got) < len(frames) and self._loop.advance_until(self._has_frames, end - self._loop.now()):
            got += self._port.take()
        compare(f"{self._host.name}:{self._name}", got, frames)

    def expect_nothing(self, seconds: float = 0.2) -> None:
        self._loop.advance_until(self._has_frames, seconds)
        compare(f"{self._host.name}:{self._name}", self.take(), [])

    def take(self) -> list[bytes]:
        return self._port.take()

    @property
    def _loop(self) -> SimLoop:
        return self._host.inner.loop

    def _has_frames(self) -> bool:
        return bool(self._port.received)
