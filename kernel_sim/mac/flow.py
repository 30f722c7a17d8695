"""Who gets a frame: the flow table of a lower MAC, and its broadcast and multicast groups (KRN 6.2, 6.7).

A flow is found by destination address and VLAN id, exactly; it is a client, or a group of clients. Members of a group get their
copies in slot order; a freed slot is taken by the next who joins.

A client can be in every multicast group of its VLAN at once (`FlowTable.set_all_multicast`): what the consumer behind a TAP has joined
cannot be seen, so it gets all. Such members come after those who joined the address itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from kernel_sim.mac.vlan import frame_vid
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.ethernet import BROADCAST, ETHER_HDR_LEN, format_mac, is_group
from kernel_sim.sys.message import Buffer, Message

if TYPE_CHECKING:
    from kernel_sim.mac.client import MacClient
    from kernel_sim.mac.datapath import ClientDataPath


class Slots:
    """Clients in joining order, where a newcomer takes the first free place. Memberships are counted."""

    __slots__ = ("_counts", "_places")

    def __init__(self) -> None:
        self._places: list[MacClient | None] = []
        self._counts: dict[MacClient, int] = {}

    def join(self, client: MacClient) -> None:
        """One more membership of a client."""
        count = self._counts[client] = self._counts.get(client, 0) + 1
        if count > 1:
            return
        if None in self._places:
            self._places[self._places.index(None)] = client
        else:
            self._places.append(client)

    def leave(self, client: MacClient) -> bool:
        """One membership less; False if there was none."""
        count = self._counts.get(client, 0)
        if count > 1:
            self._counts[client] = count - 1
        elif count:
            del self._counts[client]
            self._places[self._places.index(client)] = None
        return bool(count)

    @property
    def clients(self) -> list[MacClient]:
        """Who is in, in order of their places."""
        return [client for client in self._places if client is not None]


class Group:
    """The clients that all get frames for one address and VLAN id.

    `generation` changes with the membership: who hands out copies can see that it did so meanwhile (KRN 6.7).
    """

    __slots__ = ("broadcast", "generation", "members", "slots")

    def __init__(self, *, broadcast: bool) -> None:
        self.broadcast = broadcast
        self.generation = 0
        self.members: tuple[MacClient, ...] = ()
        self.slots = Slots()

    def refresh(self, everybody: list[MacClient]) -> None:
        """Work out the members again: those in a slot, then those who are in every group."""
        joined = self.slots.clients
        members = (*joined, *(client for client in everybody if client not in joined))
        if members != self.members:
            self.members = members
            self.generation += 1

    def send_copies(self, message: Message, sender: ClientDataPath | None) -> bool:
        """Give every member but the sender its copy; False if the membership changed meanwhile, which ends it."""
        generation = self.generation
        for member in self.members:
            if member is not sender:
                member.receive_copy(message, broadcast=self.broadcast, local=sender is not None)
                if self.generation != generation:
                    return False
        return True


if TYPE_CHECKING:
    Flow: TypeAlias = MacClient | Group


class FlowTable:
    """Flows of one MAC."""

    def __init__(self) -> None:
        self._flows: dict[int, dict[bytes, Flow]] = {}
        self._multicast: dict[int, Group] = {}

    def vlan(self, vid: int) -> dict[bytes, Flow]:
        """The flows of one VLAN id by address. The same object for ever, so it may be kept."""
        return self._flows.setdefault(vid, {})

    def other_multicast(self, vid: int) -> Group:
        """Who gets multicast of a VLAN for addresses that nobody has joined. The same object for ever; it may be empty."""
        group = self._multicast.get(vid)
        if group is None:
            group = self._multicast[vid] = Group(broadcast=False)
        return group

    def lookup(self, data: Buffer) -> Flow | None:
        """Whose a frame from the wire is; None: nobody's. A frame without a whole header is nobody's."""
        if len(data) < ETHER_HDR_LEN:
            return None
        vid = frame_vid(data) if data[12] == 0x81 else 0
        flows = self._flows.get(vid)
        if flows is None:
            return None
        flow = flows.get(bytes(data[:6]))
        if flow is None and data[0] & 1 and vid in self._multicast and self._multicast[vid].members:
            return self._multicast[vid]
        return flow

    # ------------------------------------------------------------------ unicast

    def insert(self, address: bytes, vid: int, client: MacClient) -> None:
        """Give a client the frames for an address. Errors: EALREADY somebody has them."""
        flows = self.vlan(vid)
        if address in flows:
            raise KernelError(Errno.EALREADY, f"address {format_mac(address)} has a flow in VLAN {vid}")
        flows[address] = client

    def remove(self, address: bytes, vid: int) -> None:
        """Take a unicast flow away."""
        del self._flows[vid][address]

    # ------------------------------------------------------------------ groups

    def join(self, address: bytes, vid: int, client: MacClient) -> None:
        """Add a client to a group, which comes into being with its first member. Errors: EINVAL not a group address."""
        if not is_group(address):
            raise KernelError(Errno.EINVAL, f"{format_mac(address)} is not a multicast address")
        flows = self.vlan(vid)
        group = flows.get(address)
        if not isinstance(group, Group):
            group = flows[address] = Group(broadcast=address == BROADCAST)
        group.slots.join(client)
        self._refresh(group, vid)

    def leave(self, address: bytes, vid: int, client: MacClient) -> None:
        """Take one membership back; the group goes with its last member. Errors: EINVAL the client is not in it."""
        flows = self.vlan(vid)
        group = flows.get(address)
        if not isinstance(group, Group) or not group.slots.leave(client):
            raise KernelError(Errno.EINVAL, f"{client.name} is not in group {format_mac(address)}")
        self._refresh(group, vid)
        if not group.slots.clients:
            del flows[address]

    def set_all_multicast(self, vid: int, client: MacClient, *, on: bool) -> None:
        """Put a client into every multicast group of a VLAN, or take it out of them all."""
        others = self.other_multicast(vid)
        if on:
            others.slots.join(client)
        else:
            others.slots.leave(client)
        others.refresh([])
        for flow in self.vlan(vid).values():
            if isinstance(flow, Group):
                self._refresh(flow, vid)

    def _refresh(self, group: Group, vid: int) -> None:
        group.refresh([] if group.broadcast else self.other_multicast(vid).slots.clients)
