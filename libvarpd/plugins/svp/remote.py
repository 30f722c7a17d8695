"""A server by its name, and all that this compute node has to do with it (SVP 9).

A remote is known by the server's name and port and by the underlay address of this node; all instances with the same share it. It has a
connection to each address of the name (SVP-I38) and spreads queries over those that are active, in turn (SVP-I35). Nothing waits for a
connection: a query that none can take has failed.

Two things degrade a remote, and with it its overlays: the name cannot be resolved, and no address can be reached. The first, as the
more severe, is the one shown (SVP-I34). There is no reachable address when every connection has failed too often in a row, or when the
name has no address at all (SVP-I33, SVP-Q18).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from libvarpd.plugins.svp.conn import Conn, Peer, State
from libvarpd.plugins.svp.host import Failure, Host
from libvarpd.plugins.svp.messages import VERSION_ONE, VERSION_TWO, Message, RouteReq
from libvarpd.plugins.svp.query import Done, Ids
from libvarpd.plugins.svp.shootdown import Shootdown


class Degrade(enum.IntFlag):
    """Reasons to be degraded, the most severe first."""

    DNS = 1
    NO_PEER = 2


TEXTS: Final = {
    Degrade.DNS: "failed to resolve or find entries for hostname {host}",
    Degrade.NO_PEER: "cannot reach any remote peers",
}


@dataclass(slots=True, frozen=True)
class RemoteKey:
    """What remotes are told apart by; `underlay_ip` is 16 bytes."""

    host: str
    port: int
    underlay_ip: bytes


class Attached(Protocol):
    """An instance of the plugin that uses a remote."""

    @property
    def vnetid(self) -> int:
        """The network of its overlay."""

    def forget(self, mac: bytes, done: Callable[[], None]) -> None:
        """Take a MAC address out of its kernel cache; `done` once it is out."""

    def announce(self, vlan: int, mac: bytes, address: bytes) -> None:
        """Let its guests know that an IPv4 address (4 bytes) is at a MAC address."""

    def degrade(self, text: str) -> None:
        """Its overlay does not work, and why."""

    def healed(self) -> None:
        """It works again."""

    def note(self, text: str) -> None:
        """Something that people may want to know."""


class World(Protocol):
    """What a remote is given: the network, the resolver, chance."""

    def peer(self, address: bytes, port: int) -> tuple[Peer, Callable[[Conn], None]]:
        """A peer to be, and what to tell the connection that uses it."""

    def resolve(self, host: str) -> None:
        """Look a name up; the end is told to `Remote.resolved` or `Remote.unresolved`."""

    def spread(self, most: int) -> int:
        """A random number from 0 to `most`."""


class Remote:
    """See the module. Every call of `tick` is a second."""

    def __init__(self, key: RemoteKey, world: World, ids: Ids) -> None:
        self.key = key
        self.instances: list[Attached] = []
        self.conns: list[Conn] = []
        self._retiring: list[Conn] = []
        self._reasons = Degrade(0)
        self._resolved = False
        self._world = world
        self._ids = ids
        self._host = Host(lambda: world.resolve(key.host))
        self._shootdown = Shootdown(key.underlay_ip, self, world.spread, self._note)
        self._shown: Degrade | None = None
        self._ended = False

    @property
    def reasons(self) -> Degrade:
        """Why it is degraded; nothing when it is not."""
        return self._reasons

    def start(self) -> None:
        """Begin with the name."""
        self._host.start()

    def attach(self, instance: Attached) -> None:
        """An instance uses it from now on; it is told at once if the remote is degraded."""
        self.instances.append(instance)
        if self._shown is not None:
            instance.degrade(self._text(self._shown))

    def detach(self, instance: Attached) -> bool:
        """An instance uses it no more. Whether nobody does: then it has to be ended."""
        self.instances.remove(instance)
        return not self.instances

    def end(self) -> None:
        """Close all connections; queries fail, and nothing is told any more (SVP-Q15)."""
        self._ended = True
        self._shootdown.quiesce()
        for conn in (*self.conns, *self._retiring):
            conn.end()
        self.conns.clear()
        self._retiring.clear()

    # ------------------------------------------------------------------ what the world says

    def tick(self) -> None:
        """A second has passed."""
        self._host.tick()
        for conn in (*self.conns, *self._retiring):
            conn.tick()
        self._shootdown.tick()

    def resolved(self, addresses: Sequence[bytes]) -> None:
        """The name has these addresses, 16 bytes each, and no others; each counts once."""
        if self._ended:
            return
        self._resolved = True
        wanted = dict.fromkeys(addresses)
        old = tuple(self.conns)
        known = {conn.address for conn in old}
        for address in wanted:
            if address not in known:
                self._add(address)
        for conn in old:  # after the new ones, so that there is no moment without any
            if conn.address not in wanted:
                self._retire(conn)
        self._reasons &= ~Degrade.DNS
        self._judge()
        self._host.resolved()

    def unresolved(self, failure: Failure) -> None:
        """The name could not be resolved. Connections stay; a passing failure is no reason while there are any."""
        if self._ended:
            return
        if failure is Failure.UNKNOWN or not self.conns:
            self._reasons |= Degrade.DNS
        self._judge()
        self._host.failed(failure)

    # ------------------------------------------------------------------ queries

    def ask(self, message: Message, done: Done) -> bool:
        """Ask the server; False, and nothing is told, when no connection can take it.

        What came with version 2 is asked only where that is spoken (SVP-I41). A peer that has answered nothing yet, not even PING, is
        asked only when no other can be.
        """
        version = VERSION_TWO if isinstance(message, RouteReq) else VERSION_ONE
        able = [conn for conn in self.conns if conn.state is State.ACTIVE and conn.version >= version]
        conn = next((conn for conn in able if conn.proven), able[0] if able else None)
        if conn is None:
            return False
        self.conns.remove(conn)
        self.conns.append(conn)
        conn.ask(message, done)
        return True

    # ------------------------------------------------------------------ the log

    def forget(self, vnet_id: int, mac: bytes, done: Callable[[], None]) -> None:
        """See `shootdown.Site`."""
        affected = [instance for instance in self.instances if instance.vnetid == vnet_id]
        left = len(affected)

        def one_is_done() -> None:
            nonlocal left
            left -= 1
            if not left:
                done()

        for instance in affected:
            instance.forget(mac, one_is_done)
        if not affected:
            done()

    def announce(self, vnet_id: int, vlan: int, mac: bytes, address: bytes) -> None:
        """See `shootdown.Site`."""
        for instance in self.instances:
            if instance.vnetid == vnet_id:
                instance.announce(vlan, mac, address)

    # ------------------------------------------------------------------ connections

    def _add(self, address: bytes) -> None:
        """Connect to one more address; to one that was on its way out, go on."""
        for conn in self._retiring:
            if conn.address == address:
                self._retiring.remove(conn)
                self.conns.append(conn)
                conn.come_back()
                return
        peer, use = self._world.peer(address, self.key.port)
        conn = Conn(address, peer, self._ids, self._conn_changed, self._note)
        use(conn)
        self.conns.append(conn)
        conn.start()

    def _retire(self, conn: Conn) -> None:
        self.conns.remove(conn)
        self._retiring.append(conn)
        conn.fall_out()

    def _conn_changed(self, conn: Conn) -> None:
        if conn.state is State.GONE and conn in self._retiring:
            self._retiring.remove(conn)
        self._judge()

    # ------------------------------------------------------------------ degraded or not

    def _judge(self) -> None:
        unreachable = all(conn.degraded for conn in self.conns) if self.conns else self._resolved
        if unreachable:
            self._reasons |= Degrade.NO_PEER
        else:
            self._reasons &= ~Degrade.NO_PEER
        worst = next((reason for reason in Degrade if reason in self._reasons), None)
        if worst is self._shown or self._ended:
            return
        self._shown = worst
        for instance in self.instances:
            if worst is None:
                instance.healed()
            else:
                instance.degrade(self._text(worst))

    def _text(self, reason: Degrade) -> str:
        return TEXTS[reason].format(host=self.key.host)

    def _note(self, text: str) -> None:
        """Tell people through one of the instances, for they are all in the same log."""
        for instance in self.instances[:1]:
            instance.note(f"{self.key.host}: {text}")
