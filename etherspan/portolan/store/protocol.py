"""What a store can do (SVP 11.3).

A `Snapshot` answers a batch of questions from one state of the store. A `Transaction` reads and writes; all of it becomes visible in one
moment, or nothing does. Transactions of all processes over one store are one after the other, so that events are in the order in which
they became visible (SVP-I21), and the compute nodes of a network that a transaction reads are those that are there when it ends (SVP-Q10).

Every call may raise `StoreError`: the store cannot be reached, or failed. Nothing of a transaction that failed is kept.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol, TypeAlias

from etherspan.portolan.jsonform import uuid_text
from etherspan.portolan.records import ComputeNode, Event, Mapping, Owner, Place, Route, RoutePlace

MacKey: TypeAlias = tuple[int, bytes]
"""Virtual network id and MAC address."""
AddressKey: TypeAlias = tuple[int, bytes]
"""Virtual network id and guest address."""


class StoreError(Exception):
    """The store could not do it; the text says what and why."""


class StoreUnreachableError(StoreError):
    """Nobody is there, for now: it may work later."""


class EventExistsError(StoreError):
    """An event cannot be appended, since the store has one with that id."""

    def __init__(self, ident: bytes) -> None:
        super().__init__(f"event {uuid_text(ident)} is there already")
        self.ident = ident


class RouteKey(NamedTuple):
    """Traffic between two guest addresses, as who sends it sees it."""

    vnet_id: int
    vlan: int
    src: bytes
    dst: bytes


class LogKey(NamedTuple):
    """Whose events, at most how many, and whether those of version 2 count."""

    address: bytes
    limit: int
    routes: bool


class Snapshot(Protocol):
    """One state of a store. Answers come in the order of the keys; None where there is nothing to say."""

    async def vl2(self, keys: Sequence[MacKey]) -> Sequence[Place | None]:
        """Where MAC addresses are.

        Of several rows that are not deleted the one written last counts (SVP-Q25); None as well when its node is unknown (SVP-I16).
        """

    async def vl3(self, keys: Sequence[AddressKey]) -> Sequence[Owner | None]:
        """Who has guest addresses. A place is what `vl2` says of the owner (SVP-I15); a router's is 0 and `::`, whatever its node."""

    async def routes(self, keys: Sequence[RouteKey]) -> Sequence[RoutePlace | None]:
        """Where routed traffic goes: by the oldest route that is not deleted and fits, if the far side knows the destination."""

    async def log(self, keys: Sequence[LogKey]) -> Sequence[Sequence[Event] | None]:
        """The oldest events of the node with that underlay address, oldest first; None unless exactly one node has it (SVP-B15, B16).

        Events that do not count take nothing from the limit (SVP-Q13).
        """

    def all_nodes(self) -> AsyncIterator[ComputeNode]:
        """All compute nodes in the order they came, read bit by bit, as in the calls that follow."""

    def all_mappings(self, vnet_id: int | None = None) -> AsyncIterator[Mapping]:
        """All mappings, or those of a network, in the order they were written."""

    def all_routes(self) -> AsyncIterator[Route]:
        """All routes, oldest first."""

    def all_events(self, cn: str | None = None) -> AsyncIterator[Event]:
        """All events, or those of a node, oldest first."""


class Transaction(Snapshot, Protocol):
    """Reads what it wrote."""

    async def nodes(self, uuids: Sequence[str]) -> Sequence[ComputeNode | None]:
        """Compute nodes by UUID."""

    async def mappings(self, keys: Sequence[AddressKey]) -> Sequence[Mapping | None]:
        """Mappings by key, tombstones as well."""

    async def mappings_of(self, vnet_id: int, mac: bytes) -> Sequence[Mapping]:
        """All mappings of a MAC address that are not deleted, oldest first."""

    async def nodes_of(self, vnet_id: int) -> Sequence[str]:
        """UUIDs of the nodes with a mapping on a network that is not deleted, in order, each once; all of them (SVP-Q12)."""

    async def put_nodes(self, rows: Sequence[ComputeNode]) -> None:
        """Write compute nodes, replacing those of the same UUID."""

    async def remove_nodes(self, uuids: Sequence[str]) -> None:
        """Take compute nodes away; those that are not there are no error. Their mappings and events stay."""

    async def put_mappings(self, rows: Sequence[Mapping]) -> None:
        """Write mappings, replacing those of the same key; each counts as written last."""

    async def put_routes(self, rows: Sequence[Route]) -> None:
        """Write routes, replacing those of the same key, which keep their age."""

    async def remove_routes(self, rows: Sequence[Route]) -> None:
        """Take routes away, by key."""

    async def append_events(self, rows: Sequence[Event]) -> None:
        """Put events behind all others. Errors: `EventExistsError` an id is there."""

    async def remove_events(self, ids: Sequence[bytes]) -> None:
        """Take events away, whosever they are (SVP-B14); those that are not there are no error (SVP-I20)."""


class Store(Protocol):
    """See the module."""

    def snapshot(self) -> AbstractAsyncContextManager[Snapshot]:
        """Read. The answers of one snapshot are those of one moment, which is not before the call."""

    def transaction(self) -> AbstractAsyncContextManager[Transaction]:
        """Read and write; what was written lasts once the context is left without an exception."""

    async def close(self) -> None:
        """Let go of it."""
