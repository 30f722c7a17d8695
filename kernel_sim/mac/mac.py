"""MACs and their control: users, clients, MTU, link state; the way in from the wire (KRN 6.1, 6.3, 6.6, 6.11, 6.12).

A lower MAC (overlay, etherstub) has clients that it switches between. A VNIC's own MAC is a pass-through: who opens it gets the
VNIC's client of the lower MAC.

A MAC is *started* while it has users: each active client and each sniffer is one. The naming layer's own client of every link is
not modelled as an object; it is the reason why frames are always checked for VLAN tags (KRN 6.8).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from kernel_sim.ddi import Clock, LinkId, Port, Random
from kernel_sim.mac import resource, stat
from kernel_sim.mac.client import DiagnosedError, MacClient
from kernel_sim.mac.datapath import ClientDataPath
from kernel_sim.mac.flow import FlowTable
from kernel_sim.mac.promisc import PromiscCallback, PromiscFlag
from kernel_sim.mac.provider import MacRegistration
from kernel_sim.mac.stat import MacDrop, survey
from kernel_sim.mac.watch import DropWatch
from kernel_sim.sys.codec import MacResourceProps
from kernel_sim.sys.dld import DatalinkClass, LinkState
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.ethernet import ETHERADDRL, is_group
from kernel_sim.sys.kstat import KstatEntry
from kernel_sim.sys.mac_flow import MrpMask, TagMode
from kernel_sim.sys.message import Chain
from kernel_sim.sys.vnic import VnicDiag

PVID_DEFAULT: Final = 1
"""The port VLAN id of every MAC (KRN-Q33)."""
_DRIVERS: Final = {DatalinkClass.OVERLAY: "overlay", DatalinkClass.VNIC: "vnic", DatalinkClass.ETHERSTUB: "vnic"}


class Mac:
    """A registered MAC; made by `MacLayer.register`."""

    def __init__(self, layer: MacLayer, registration: MacRegistration, lower: MacClient | None) -> None:
        self.registration = registration
        self.linkid = registration.linkid
        self.link_class = registration.link_class
        self.address = registration.address
        self.margin = registration.margin
        self.mtu = registration.max_sdu
        self.link_state = registration.link_state
        self.lower = lower
        self.flows = FlowTable()
        self.active_clients: list[MacClient] = []
        self.drops = dict.fromkeys(MacDrop, 0)
        self.promisc: list[PromiscCallback] = []
        self.zone: Callable[[], str] = str
        self.resources = resource.DEFAULTS
        self.tagmode = TagMode.VLANONLY
        self.watch = layer.watch
        self._layer = layer
        self._provider = registration.provider
        self._provider_tx = registration.provider.tx
        self._clients: list[MacClient] = []
        self._single: MacClient | None = None
        self._users = 0
        self._listeners: list[Callable[[], None]] = []

    # ------------------------------------------------------------------ users and clients

    @property
    def started(self) -> bool:
        """Somebody uses it, and the provider runs."""
        return self._users > 0

    @property
    def users(self) -> int:
        """Active clients and sniffers (KRN 6.3)."""
        return self._users

    @property
    def clients(self) -> tuple[MacClient, ...]:
        """All clients, active or not, in the order they were opened."""
        return tuple(self._clients)

    def hold(self) -> None:
        """One user more; the first one starts the provider. Errors: those of its start, and there is no more user than before."""
        if not self._users:
            self._provider.start()
        self._users += 1

    def release(self) -> None:
        """One user less; the last one stops the provider."""
        self._users -= 1
        if not self._users:
            self._provider.stop()

    def open_client(self, name: str) -> MacClient:
        """A new client; of a VNIC, the one it is itself (KRN 6.1). Each open is given back with `MacClient.close`."""
        if self.lower is not None:
            self.lower.opens += 1
            return self.lower
        client = MacClient(self, name)
        self._clients.append(client)
        return client

    def unregister(self) -> None:
        """Take the MAC away. Errors: EBUSY while it has clients or users."""
        if self._clients or self._users:
            raise KernelError(Errno.EBUSY, f"link {self.linkid} has {len(self._clients)} clients")
        self._layer.forget(self)

    # ------------------------------------------------------------------ properties

    @property
    def mtu_range(self) -> tuple[int, int]:
        """The MTUs it may be set to; of a VNIC, up to what the link below has at present (KRN 6.11)."""
        registration = self.registration
        if self.lower is None:
            return registration.mtu_min, registration.mtu_max
        return self.lower.mac.mtu_range[0], self.lower.mac.mtu

    @property
    def mtu_default(self) -> int:
        """The MTU it advertises as its default; a VNIC, what the link below has at present."""
        return self.registration.mtu_default if self.lower is None else self.lower.mac.mtu

    @property
    def speed(self) -> int:
        """Bit/s, 0 unknown; of a VNIC that of the link below, or its bandwidth limit if that is less (KRN 6.13)."""
        if self.lower is None:
            return self.registration.speed
        below, limit = self.lower.mac.speed, resource.bandwidth(self.resources)
        return below if limit is None else min(below, limit)

    def set_resources(self, wanted: MacResourceProps) -> None:
        """Change the resource properties that `wanted.mask` names; a VNIC's client is held to them from the next frame on.

        Errors: those of `resource.check`, and nothing has changed; ENOTSUP rings of a VNIC that uses the address of the link below.
        """
        rings = wanted.mask & (MrpMask.RX_RINGS | MrpMask.TX_RINGS)
        if rings and self.lower is not None and self.lower.is_primary:
            raise KernelError(Errno.ENOTSUP, "a VNIC with the address of the link below has no rings of its own")
        resource.check(wanted)
        self.resources = resource.merge(self.resources, wanted)
        if self.lower is not None:
            self.lower.set_resources(self.resources, self._layer.clock)

    def set_mtu(self, mtu: int) -> None:
        """Change the MTU (KRN 6.11, KRN-I31).

        Errors, in this order: EINVAL 0 or below the smallest SDU; EBUSY below the MTU of a VNIC on it; EINVAL outside its range; those
        of the provider. An unchanged value is fine. Raising it does not touch VNICs.
        """
        if mtu <= 0 or mtu < self.registration.min_sdu:
            raise KernelError(Errno.EINVAL, f"MTU {mtu} is below the smallest, {self.registration.min_sdu}")
        for client in self._clients:
            if mtu < client.mtu_reserved:
                raise KernelError(Errno.EBUSY, f"{client.name} has an MTU of {client.mtu_reserved}")
        if mtu == self.mtu:
            return
        low, high = self.mtu_range
        if not low <= mtu <= high:
            raise KernelError(Errno.EINVAL, f"MTU {mtu} is not within {low}..{high}")
        self._provider.set_mtu(mtu)
        self.mtu = mtu

    def set_address(self, address: bytes) -> None:
        """Record the station address, after the client's has changed."""
        self.address = address

    def link_update(self, state: LinkState) -> None:
        """The provider's link state; listeners hear of a change."""
        if state is not self.link_state:
            self.link_state = state
            self._notify()

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Be told when the link state, or that of clients, may have changed."""
        self._listeners.append(listener)

    def unsubscribe(self, listener: Callable[[], None]) -> None:
        """Be told no more."""
        self._listeners.remove(listener)

    # ------------------------------------------------------------------ data path

    def receive(self, chain: Chain) -> None:
        """Frames from the wire, or injected (KRN 6.6). Nothing of it ever goes back to the provider (KRN-I28)."""
        if self.promisc:
            self.copy_to_sniffers(chain, None)
        if self._single is not None:
            self._single.receive(chain)  # KRN-Q32: whatever its address
        elif self.active_clients:
            self._distribute(chain)
        else:
            self._drop(MacDrop.RX_NO_CLIENT, chain)

    def receive_path(self, address: bytes) -> tuple[Port, Callable[[int, int], None]] | None:
        """The port that frames to a station without VLAN tag go to, and who counts them, while nobody looks at each (KRN 6.6)."""
        if self.promisc or is_group(address):
            return None
        client = self._single or self.flows.vlan(0).get(address)
        return client.receive_path() if isinstance(client, MacClient) else None

    def to_wire(self, chain: Chain, sender: ClientDataPath) -> None:
        """Frames from a client to the provider, with copies for sniffers."""
        if self.promisc:
            self.copy_to_sniffers(chain, sender)
        self._provider_tx(chain)

    def copy_to_sniffers(self, chain: Chain, sender: ClientDataPath | None) -> None:
        """Offer frames to every promiscuous callback; `sender` is None for those from the wire."""
        for callback in self.promisc:
            callback.offer(chain, sender)

    def _distribute(self, chain: Chain) -> None:
        find = self.flows.lookup
        batch: Chain = []
        current: MacClient | None = None
        for message in chain:
            flow = find(message.data)
            if isinstance(flow, MacClient):
                if flow is not current:
                    if current is not None:
                        current.receive(batch)
                        batch = []
                    current = flow
                batch.append(message)
            elif flow is None:
                self._drop(MacDrop.RX_NO_FLOW, [message])
            else:
                if current is not None:
                    current.receive(batch)
                    batch, current = [], None
                flow.send_copies(message, None)
        if current is not None:
            current.receive(batch)

    def _drop(self, reason: MacDrop, chain: Chain) -> None:
        self.drops[reason] += survey(chain)[0]
        self.watch.tell(self.linkid, reason, chain)

    # ------------------------------------------------------------------ statistics

    def kstats(self, name: str) -> list[KstatEntry]:
        """All statistics of the link under its present name (KRN 6.13, KRN-Q25)."""
        client = self.lower
        shown = None if client is None else client.stats
        drops = [*self.drops.items(), *self.registration.drop_counts()]
        promisc = bool(self.active_clients) or any(not one.flags & PromiscFlag.NO_PHYS for one in self.promisc)
        entries = [
            stat.link_kstat(name, shown, self.link_state, self.zone(), speed=self.speed),
            stat.mac_kstat(
                _DRIVERS[self.link_class], self.linkid, shown, self.link_state, promisc=promisc, speed=self.speed
            ),
        ]
        if client is not None:
            entries += stat.client_kstats(name, client.stats)
            drops = [*client.drops.items(), *self.registration.drop_counts()]
        return [*entries, stat.drops_kstat(name, drops)]

    # ------------------------------------------------------------------ called by clients

    def client_changed(self, client: MacClient) -> None:
        """A client has become active or ceased to be: choose the ways of the data path again."""
        before = len(self.active_clients)
        if client.address is None:
            self.active_clients.remove(client)
        else:
            self.active_clients.append(client)
        active = len(self.active_clients)
        self._single = self.active_clients[0] if active == 1 else None
        for one in self._clients:
            one.choose_way(alone=active == 1)
        if self.link_state is not LinkState.UP and {before, active} == {1, 2}:
            self._notify()

    def sniffers_changed(self) -> None:
        """A sniffer came or went."""
        self.promisc = [callback for client in self._clients for callback in client.promisc_callbacks]

    def forget_client(self, client: MacClient) -> None:
        """A client is closed."""
        self._clients.remove(client)

    def _notify(self) -> None:
        for listener in tuple(self._listeners):
            listener()


class MacLayer:
    """All MACs of a kernel. `clock` measures bandwidth and leases, `watch` is told of the frames they lose."""

    def __init__(self, random: Random, clock: Clock, watch: DropWatch | None = None) -> None:
        self.watch = watch or DropWatch()
        self.clock = clock
        self._random = random
        self._macs: dict[LinkId, Mac] = {}

    def register(self, registration: MacRegistration, *, lower: MacClient | None = None) -> Mac:
        """A new MAC; `lower` makes it the pass-through MAC of a VNIC.

        Errors: EEXIST the link id has a MAC; EINVAL an address that is not 6 bytes, an impossible SDU or MTU range.
        """
        if registration.linkid in self._macs:
            raise KernelError(Errno.EEXIST, f"link {registration.linkid} has a MAC")
        if len(registration.address) != ETHERADDRL:
            raise KernelError(Errno.EINVAL, f"a station address of {len(registration.address)} bytes")
        if not 0 < registration.min_sdu <= registration.max_sdu or registration.mtu_min > registration.mtu_max:
            raise KernelError(Errno.EINVAL, f"SDUs {registration.min_sdu}..{registration.max_sdu} cannot be")
        mac = self._macs[registration.linkid] = Mac(self, registration, lower)
        return mac

    def forget(self, mac: Mac) -> None:
        """A MAC is unregistered."""
        del self._macs[mac.linkid]

    def random_address(self, prefix: bytes = b"") -> bytes:
        """A station address that begins with `prefix`, the rest random. It is not checked against others (KRN 6.4).

        Without a prefix it is a locally administered unicast address. Errors: `DiagnosedError` EINVAL nothing is left to choose.
        """
        if len(prefix) >= ETHERADDRL:
            detail = f"a prefix of {len(prefix)} bytes leaves nothing of the {ETHERADDRL} to choose"
            raise DiagnosedError(Errno.EINVAL, VnicDiag.MACPREFIXLEN_INVALID, detail)
        rest = self._random.bytes(ETHERADDRL - len(prefix))
        if prefix:
            return prefix + rest
        return bytes([rest[0] & 0xFE | 0x02]) + rest[1:]
