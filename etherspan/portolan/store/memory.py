"""A store in this process's memory: for tests and simulated worlds, and the model that the others are compared with.

A state is never changed once a transaction has ended: the next one copies what it touches, and takes its place in one step. So a snapshot
is the state that was there when it began.
"""

from __future__ import annotations

import asyncio
import heapq
import operator
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, TypeAlias, TypeVar

from etherspan.portolan.records import NOWHERE, ComputeNode, Event, Mapping, Owner, Place, Route, RoutePlace, Subnet
from etherspan.portolan.store.protocol import AddressKey, EventExistsError, LogKey, MacKey, RouteKey, StoreError
from libvarpd.plugins.svp.messages import LogType

K = TypeVar("K")
V = TypeVar("V")

_ADDRESS_BITS = 128
_RouteId: TypeAlias = tuple[int, int, Subnet, Subnet]


def route_id(row: Route) -> _RouteId:
    """A route's key."""
    return row.vnet_id, row.vlan, row.subnet, row.far_subnet


def contains(subnet: Subnet, address: bytes) -> bool:
    """Whether a subnet has an address."""
    shift = _ADDRESS_BITS - subnet.prefix
    return int.from_bytes(subnet.address) >> shift == int.from_bytes(address) >> shift


@dataclass(slots=True, frozen=True)
class _Network:
    """A virtual network's mappings by guest address, with the number of the write, and the guest addresses of each MAC address."""

    rows: dict[bytes, tuple[int, Mapping]] = field(default_factory=dict)
    addresses: dict[bytes, tuple[bytes, ...]] = field(default_factory=dict)

    def copy(self) -> _Network:
        return _Network(dict(self.rows), dict(self.addresses))

    def of(self, mac: bytes) -> list[tuple[int, Mapping]]:
        """Rows of a MAC address that are not deleted, oldest first."""
        rows = (self.rows[ip] for ip in self.addresses.get(mac, ()))
        return sorted((row for row in rows if not row[1].deleted), key=operator.itemgetter(0))

    def put(self, number: int, row: Mapping) -> None:
        if row.ip in self.rows:
            mac = self.rows[row.ip][1].mac
            self.addresses[mac] = tuple(ip for ip in self.addresses[mac] if ip != row.ip)
        self.rows[row.ip] = number, row
        self.addresses[row.mac] = (*self.addresses.get(row.mac, ()), row.ip)


_NO_NETWORK = _Network()


@dataclass(slots=True, frozen=True)
class _State:
    """Everything at one moment. `owners` says whose each event is."""

    nodes: dict[str, ComputeNode] = field(default_factory=dict)
    at: dict[bytes, tuple[str, ...]] = field(default_factory=dict)
    networks: dict[int, _Network] = field(default_factory=dict)
    routes: dict[_RouteId, Route] = field(default_factory=dict)
    events: dict[str, dict[bytes, tuple[int, Event]]] = field(default_factory=dict)
    owners: dict[bytes, str] = field(default_factory=dict)
    written: int = 0
    """Mappings and events written so far."""


class _View:
    """What a state says."""

    def __init__(self, state: _State) -> None:
        self._state = state

    def _place(self, vnet_id: int, mac: bytes) -> Place | None:
        rows = self._state.networks.get(vnet_id, _NO_NETWORK).of(mac)
        node = self._state.nodes.get(rows[-1][1].cn) if rows else None
        return None if node is None else Place(node.underlay_port, node.underlay_ip)

    def _owner(self, vnet_id: int, ip: bytes) -> Owner | None:
        _, row = self._state.networks.get(vnet_id, _NO_NETWORK).rows.get(ip, (0, None))
        if row is None or row.deleted:
            return None
        place = NOWHERE if row.router else self._place(vnet_id, row.mac)
        return None if place is None else Owner(row.mac, *place)

    def _route(self, key: RouteKey) -> RoutePlace | None:
        for row in self._state.routes.values():
            if (
                (row.vnet_id, row.vlan) == (key.vnet_id, key.vlan)
                and not row.deleted
                and contains(row.subnet, key.src)
                and contains(row.far_subnet, key.dst)
            ):
                owner = self._owner(row.far_vnet_id, key.dst)
                return None if owner is None else RoutePlace(row, owner)
        return None

    def _log(self, key: LogKey) -> Sequence[Event] | None:
        uuids = self._state.at.get(key.address, ())
        if len(uuids) != 1:
            return None
        events = (event for _, event in self._state.events.get(uuids[0], {}).values())
        return list(islice((one for one in events if key.routes or one.record.type != LogType.ROUTE), key.limit))

    async def vl2(self, keys: Sequence[MacKey]) -> Sequence[Place | None]:
        return [self._place(*key) for key in keys]

    async def vl3(self, keys: Sequence[AddressKey]) -> Sequence[Owner | None]:
        return [self._owner(*key) for key in keys]

    async def routes(self, keys: Sequence[RouteKey]) -> Sequence[RoutePlace | None]:
        return [self._route(key) for key in keys]

    async def log(self, keys: Sequence[LogKey]) -> Sequence[Sequence[Event] | None]:
        return [self._log(key) for key in keys]

    async def all_nodes(self) -> AsyncIterator[ComputeNode]:
        for row in list(self._state.nodes.values()):
            yield row

    async def all_mappings(self, vnet_id: int | None = None) -> AsyncIterator[Mapping]:
        networks = self._state.networks
        chosen = networks.values() if vnet_id is None else [networks.get(vnet_id, _NO_NETWORK)]
        by_number = operator.itemgetter(0)
        for _, row in heapq.merge(*(sorted(one.rows.values(), key=by_number) for one in chosen), key=by_number):
            yield row

    async def all_routes(self) -> AsyncIterator[Route]:
        for row in list(self._state.routes.values()):
            yield row

    async def all_events(self, cn: str | None = None) -> AsyncIterator[Event]:
        events = self._state.events
        chosen = events.values() if cn is None else [events.get(cn, {})]
        for _, row in heapq.merge(*(list(one.values()) for one in chosen), key=operator.itemgetter(0)):
            yield row


class _Change(_View):
    """A transaction. It copies a table when it first writes to it, of the large ones the part it writes to."""

    def __init__(self, state: _State) -> None:
        super().__init__(replace(state))
        self.failed = False
        self._own: set[object] = set()

    @property
    def state(self) -> _State:
        return self._state

    def _copy(self, *tables: str) -> None:
        fresh: dict[str, Any] = {name: dict(getattr(self._state, name)) for name in tables if name not in self._own}
        self._own.update(fresh)
        self._state = replace(self._state, **fresh)

    def _part(self, table: dict[K, V], key: K, copied: Callable[[], V]) -> V:
        mark = type(key), key
        if mark not in self._own:
            self._own.add(mark)
            table[key] = copied()
        return table[key]

    def _count(self, rows: int) -> Iterable[int]:
        first = self._state.written
        self._state = replace(self._state, written=first + rows)
        return range(first, first + rows)

    async def nodes(self, uuids: Sequence[str]) -> Sequence[ComputeNode | None]:
        return [self._state.nodes.get(uuid) for uuid in uuids]

    async def mappings(self, keys: Sequence[AddressKey]) -> Sequence[Mapping | None]:
        networks = self._state.networks
        return [networks.get(vnet_id, _NO_NETWORK).rows.get(ip, (0, None))[1] for vnet_id, ip in keys]

    async def mappings_of(self, vnet_id: int, mac: bytes) -> Sequence[Mapping]:
        return [row for _, row in self._state.networks.get(vnet_id, _NO_NETWORK).of(mac)]

    async def nodes_of(self, vnet_id: int) -> Sequence[str]:
        rows = self._state.networks.get(vnet_id, _NO_NETWORK).rows.values()
        return sorted({row.cn for _, row in rows if not row.deleted})

    async def put_nodes(self, rows: Sequence[ComputeNode]) -> None:
        self._copy("nodes", "at")
        for row in rows:
            self._leave(row.uuid)
            self._state.nodes[row.uuid] = row
            self._state.at[row.underlay_ip] = (*self._state.at.get(row.underlay_ip, ()), row.uuid)

    async def remove_nodes(self, uuids: Sequence[str]) -> None:
        self._copy("nodes", "at")
        for uuid in uuids:
            self._leave(uuid)
            self._state.nodes.pop(uuid, None)

    def _leave(self, uuid: str) -> None:
        node = self._state.nodes.get(uuid)
        if node is not None:
            self._state.at[node.underlay_ip] = tuple(one for one in self._state.at[node.underlay_ip] if one != uuid)

    async def put_mappings(self, rows: Sequence[Mapping]) -> None:
        self._copy("networks")
        networks = self._state.networks
        for number, row in zip(self._count(len(rows)), rows, strict=True):
            self._part(networks, row.vnet_id, networks.get(row.vnet_id, _NO_NETWORK).copy).put(number, row)

    async def put_routes(self, rows: Sequence[Route]) -> None:
        self._copy("routes")
        self._state.routes.update((route_id(row), row) for row in rows)

    async def remove_routes(self, rows: Sequence[Route]) -> None:
        self._copy("routes")
        for row in rows:
            self._state.routes.pop(route_id(row), None)

    async def append_events(self, rows: Sequence[Event]) -> None:
        self._copy("events", "owners")
        events, owners = self._state.events, self._state.owners
        for number, row in zip(self._count(len(rows)), rows, strict=True):
            if row.record.id in owners:
                self.failed = True
                raise EventExistsError(row.record.id)
            owners[row.record.id] = row.cn
            self._part(events, row.cn, events.get(row.cn, {}).copy)[row.record.id] = number, row

    async def remove_events(self, ids: Sequence[bytes]) -> None:
        self._copy("events", "owners")
        events, owners = self._state.events, self._state.owners
        for one in ids:
            cn = owners.pop(one, None)
            if cn is not None:
                del self._part(events, cn, events[cn].copy)[one]


class MemoryStore:
    """See the module."""

    def __init__(self) -> None:
        self._state = _State()
        self._writing = asyncio.Lock()

    def snapshot(self) -> AbstractAsyncContextManager[_View]:
        """See `Store`."""
        return self._snapshot()

    def transaction(self) -> AbstractAsyncContextManager[_Change]:
        """See `Store`."""
        return self._transaction()

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[_View]:
        yield _View(self._state)

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[_Change]:
        async with self._writing:
            change = _Change(self._state)
            yield change
            if change.failed:
                raise StoreError("a transaction with a call that failed cannot be kept")
            self._state = change.state

    async def close(self) -> None:
        """See `Store`."""
