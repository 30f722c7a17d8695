"""A VNIC's port is a TAP device: what its consumer sends is read from it, what it is to receive is written to it.

A link name of up to 15 characters is the TAP's name; a longer one makes it `es<linkid>` with the link name as alternative name. The
TAP is made down, with the VNIC's address and MTU: bringing it up and giving it addresses is the consumer's business. It lives as
long as its descriptor, in the host's namespace or in a zone's.

When its namespace goes away, the TAP goes with it and the descriptor only reports errors. The port then makes its TAP anew in the
host's namespace; until that succeeds (the name may be taken) it can take no frames.
"""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Callable, Iterator
from typing import Final

from kernel_sim.ddi import FindTransmitPath, LinkId, PortSpec, Timer
from kernel_sim.io import tun, vnet
from kernel_sim.io.errors import os_errors
from kernel_sim.io.fastpath import Lanes, SendLane
from kernel_sim.io.linkconf import LinkConf
from kernel_sim.io.loop import Loop
from kernel_sim.io.zones import GLOBAL_NAMES, Zones, own_namespace, run_inside, same_namespace
from kernel_sim.mac import hw_emul
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.message import Chain, Message

GSO_MAX_SIZE: Final = 62_000
"""Bytes of the longest run the consumer may send, so that cut and encapsulated it fits one UDP send of 65,507 bytes."""
BATCH: Final = 64
"""Messages read at one wake-up, at most."""
RETRY_SECONDS: Final = 1.0
"""Between attempts to make a TAP whose namespace went away."""

_READ_MAX: Final = vnet.SIZE + vnet.FRAME_MAX
_COPIED: Final = vnet.SIZE + vnet.COPY_MAX
_LARGE_BATCH: Final = 4
"""Runs read at one wake-up, at most: each has memory of its own until all are sent."""
_NO_LIMIT: Final = 1 << 62
_GONE: Final = select.EPOLLERR | select.EPOLLHUP


class TapPorts:
    """Makes TAP ports for one host. Implements `ddi.PortFactory`; its thread's namespace is the host's.

    `group` is the link group of every TAP it makes. `report` is told what happened to a port without anybody asking.
    `lanes` are for frames whose way is known.
    """

    def __init__(
        self,
        loop: Loop,
        zones: Zones,
        group: int,
        report: Callable[[str], object] = lambda _: None,
        lanes: Lanes | None = None,
    ) -> None:
        self.loop = loop
        self.lanes = lanes
        self.zones = zones
        self.group = group
        self.report = report
        self.slots = [[memoryview(bytearray(_READ_MAX))] for _ in range(_LARGE_BATCH)]
        self.namespace = own_namespace()
        self._ports: set[TapPort] = set()

    def open(self, spec: PortSpec, transmit: Callable[[Chain], None], path: FindTransmitPath | None = None) -> TapPort:
        """See `ddi.PortFactory.open`. Memory of the frames given to `transmit` is reused after the call."""
        port = TapPort(self, spec, transmit, path)
        self._ports.add(port)
        return port

    def forget(self, port: TapPort) -> None:
        """A port was closed."""
        self._ports.discard(port)

    def remove_devices(self) -> None:
        """Delete the TAPs of all ports by group, once in each namespace: closed one by one, each takes 16 ms. Close the ports next."""
        for zone in sorted({port.zone for port in self._ports}):
            with contextlib.suppress(KernelError):  # a namespace or TAP that has just gone
                self._delete_group(zone)

    def close(self) -> None:
        """Close what is still open."""
        for port in list(self._ports):
            port.close()
        os.close(self.namespace)

    def _delete_group(self, zone: str) -> None:
        if not zone:
            _delete_group_here(self.group)
            return
        with self.zones.open(zone) as namespace:
            run_inside(namespace, lambda: _delete_group_here(self.group))


def _delete_group_here(group: int) -> None:
    with LinkConf() as conf:
        conf.delete_group(group)


class TapPort:
    """Implements `ddi.Port`."""

    def __init__(
        self, ports: TapPorts, spec: PortSpec, transmit: Callable[[Chain], None], path: FindTransmitPath | None
    ) -> None:
        self._ports = ports
        self._linkid = spec.linkid
        self._name = spec.name
        self._mac = spec.mac
        self._mtu = spec.mtu
        self._up = spec.up
        self._zone = ""
        self._transmit = transmit
        self._lane = SendLane(ports.lanes, path) if ports.lanes is not None and path is not None else None
        self._slots = ports.slots
        self._allowed = _NO_LIMIT
        self._paused = False
        self._retry: Timer | None = None
        self._fd = -1
        self._runs: frozenset[int] = frozenset()
        self._make()

    # ------------------------------------------------------------------ data path

    def deliver(self, chain: Chain) -> int:
        """See `ddi.Port.deliver`; a TAP that is down takes nothing."""
        fd = self._fd
        if fd < 0:
            return sum(message.frames for message in chain)
        refused = 0
        plain = vnet.PLAIN
        write = os.writev
        for message in chain:
            if message.mss and message.gso not in self._runs:
                refused += self._deliver_cut(message)
                continue
            header = vnet.encode(message) if message.partial or message.mss else plain
            try:
                write(fd, (header, message.data))
            except OSError:
                refused += message.frames
        return refused

    def _deliver_cut(self, run: Message) -> int:
        """A run of a kind this machine's TAPs do not know."""
        return self.deliver([Message(frame) for frame in hw_emul.cut(run)])

    def _ready(self, events: int) -> None:
        """Read a batch and hand it on in one chain."""
        if events & _GONE:
            self._vanished()
            return
        lane = self._lane
        chain: Chain = []
        if lane is not None and not lane.empty:
            chain = lane.send(self._fd)
            if not chain:
                return
        slots = iter(self._slots)
        read = os.readv
        decode = vnet.decode
        fd = self._fd
        allowed = self._allowed
        taken = 0
        slot = next(slots)
        try:
            while taken < allowed and len(chain) < BATCH:
                size = read(fd, slot)
                chain.append(decode(slot[0], size))
                taken += size
                if size > _COPIED:  # it is lent, so what comes next needs another place
                    following = next(slots, None)
                    if following is None:
                        break
                    slot = following
        except OSError:  # drained; anything worse is reported as an event
            pass
        if chain:
            first = chain[0]
            key = lane.conversation(first.data) if lane is not None and allowed is _NO_LIMIT else b""
            self._transmit(chain)
            if key and lane is not None:
                lane.learn(key, first, fd)

    def inlet(self) -> tuple[int, int]:
        """Where and what kinds of runs a TAP takes, for `fastpath`."""
        return self._fd, sum(1 << kind for kind in self._runs)

    def allow(self, octets: int | None) -> None:
        """See `ddi.Port.allow`. While nothing is allowed the descriptor is not waited for, but for errors."""
        self._allowed = _NO_LIMIT if octets is None else octets
        if self._lane is not None:
            self._lane.clear()
        paused = octets == 0
        if paused is not self._paused:
            self._paused = paused
            if self._fd >= 0:
                self._ports.loop.modify(self._fd, self._events())

    def _events(self) -> int:
        """What the loop waits for. EPOLLPRI never holds; without one event of those that the driver wakes for, its end is missed."""
        return select.EPOLLPRI if self._paused else select.EPOLLIN

    # ------------------------------------------------------------------ control

    @property
    def zone(self) -> str:
        """See `ddi.Port.zone`."""
        return self._zone

    def set_mtu(self, mtu: int) -> None:
        """See `ddi.Port.set_mtu`."""
        self._configure(mtu=mtu)
        self._mtu = mtu

    def set_mac(self, mac: bytes) -> None:
        """See `ddi.Port.set_mac`. Errors: EADDRNOTAVAIL for a group address."""
        with os_errors(f"{self._name}: address {mac.hex(':')}"):
            if self._fd >= 0:
                tun.set_address(self._fd, mac)
        self._mac = mac

    def set_link(self, up: bool) -> None:
        """See `ddi.Port.set_link`."""
        with os_errors(f"{self._name}: carrier"):
            if self._fd >= 0:
                tun.set_carrier(self._fd, up)
        self._up = up

    def set_name(self, name: str) -> None:
        """See `ddi.Port.set_name`. Errors: EEXIST the name is taken where the TAP is; EBUSY it is up, so somebody uses it."""
        if name == self._name:
            return
        before, after = _device_names(self._name, self._linkid), _device_names(name, self._linkid)

        def rename(conf: LinkConf, device: str) -> None:
            if conf.is_up(device):
                raise KernelError(Errno.EBUSY, f"{self._name} is up")
            if after[1] is not None:
                conf.add_altname(device, after[1])
            if after[0] != device:
                conf.set(device, ifname=after[0])
            if before[1] is not None:
                conf.drop_altname(after[0], before[1])

        self._act(rename)
        self._name = name

    def set_zone(self, zone: str) -> None:
        """See `ddi.Port.set_zone`. The TAP arrives down and without addresses. Errors: also EPERM."""
        if zone in GLOBAL_NAMES:
            self._move(self._ports.namespace)
            self._zone = ""
            return
        with self._ports.zones.open(zone) as namespace:
            self._move(namespace)
        self._zone = zone

    def close(self) -> None:
        """See `ddi.Port.close`."""
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
        self._drop_device()
        self._ports.forget(self)

    # ------------------------------------------------------------------ the device

    def _make(self) -> None:
        """Make the TAP in the host's namespace, or leave nothing. Errors: see `tun.create`; EEXIST the link name is taken."""
        device, altname = _device_names(self._name, self._linkid)
        fd, granted = tun.create(device)
        with contextlib.ExitStack() as undo:
            undo.callback(os.close, fd)
            with LinkConf() as conf:
                conf.set(device, group=self._ports.group)  # first: only what follows is told to those who follow links
                conf.set(device, mtu=self._mtu, address=self._mac.hex(":"), gso_max_size=GSO_MAX_SIZE)
                if altname is not None:
                    conf.add_altname(device, altname)
            with os_errors(f"{self._name}: carrier"):
                tun.set_carrier(fd, self._up)
            undo.pop_all()
        self._fd = fd
        self._runs = granted.runs
        self._ports.loop.register(fd, self._ready, self._events(), data=True)
        if self._ports.lanes is not None:
            self._ports.lanes.ports[self] = self.inlet

    def _drop_device(self) -> None:
        if self._fd >= 0:
            if self._ports.lanes is not None:
                self._ports.lanes.leave(self)
            self._ports.loop.unregister(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _vanished(self) -> None:
        """The TAP was taken away, with its namespace or by somebody."""
        self._drop_device()
        self._ports.report(f"{self._name}: its TAP went away with {self._place()}, it returns to the host")
        self._zone = ""
        self._make_again()

    def _make_again(self) -> None:
        self._retry = None
        try:
            self._make()
        except KernelError as error:
            self._ports.report(f"{self._name}: {error}; trying again in {RETRY_SECONDS:g} s")
            self._retry = self._ports.loop.call_later(RETRY_SECONDS, self._make_again)

    def _place(self) -> str:
        return f"zone {self._zone}" if self._zone else "nobody's leave"

    def _configure(self, **attributes: int | str) -> None:
        def change(conf: LinkConf, device: str) -> None:
            conf.set(device, **attributes)

        self._act(change)

    def _move(self, target: int) -> None:
        if self._fd < 0:
            raise KernelError(
                Errno.EAGAIN, f"{self._name} has no TAP at the moment: its name is taken in the host's namespace"
            )
        with self._home() as home:
            if same_namespace(home, target):
                return
        self._configure(net_ns_fd=target)

    def _act(self, action: Callable[[LinkConf, str], None]) -> None:
        """Do something to the TAP where it is; nothing while there is none, since it is made with what was asked for."""
        if self._fd < 0:
            return
        with self._home() as home:
            device = tun.current_name(self._fd)
            if same_namespace(home, self._ports.namespace):
                _act_here(action, device)
            else:
                run_inside(home, lambda: _act_here(action, device))

    @contextlib.contextmanager
    def _home(self) -> Iterator[int]:
        """A descriptor of the namespace the TAP is in, whoever moved it there."""
        with os_errors(f"{self._name}: namespace"):
            home = tun.namespace(self._fd)
        try:
            yield home
        finally:
            os.close(home)


def _act_here(action: Callable[[LinkConf, str], None], device: str) -> None:
    with LinkConf() as conf:
        action(conf, device)


def _device_names(name: str, linkid: LinkId) -> tuple[str, str | None]:
    """The TAP's name, and its alternative name if it needs one."""
    if len(name.encode()) < tun.IFNAMSIZ:
        return name, None
    return f"es{linkid}", name
