"""An SVP server of a world: its store, and its life.

    server = world.portolan("one", "10.88.88.5")
    server.fill([ComputeNode("cn1", underlay_ip)], [Mapping(23, guest, mac, "cn1")])
    server.change(lambda producer: producer.move(23, mac, "cn2"))
    world.portolan("two", "10.88.88.6", server.store)      # another one over the same store

The store outlives the server.
"""

from __future__ import annotations

import abc
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

from etherspan.portolan.producer import Producer
from etherspan.portolan.records import ComputeNode, Event, Mapping
from etherspan.portolan.store.protocol import Store

T = TypeVar("T")


class Portolan(abc.ABC):
    """See the module. `store` is what another server of the same world can be given."""

    def __init__(self, name: str, address: str, store: Any) -> None:
        self.name = name
        self.address = address
        self.store = store

    # ------------------------------------------------------------------ what differs between worlds

    @abc.abstractmethod
    def start(self) -> None:
        """Listen, with every mapping that there is; nothing if it does."""

    @abc.abstractmethod
    def kill(self) -> None:
        """SIGKILL: connections are reset, nobody listens; nothing if it does not run."""

    @abc.abstractmethod
    def stop(self) -> None:
        """SIGTERM: it answers what it was asked and ends; nothing if it does not run."""

    @property
    @abc.abstractmethod
    def connections(self) -> int:
        """How many clients there are; none while it does not run."""

    @abc.abstractmethod
    def on_store(self, work: Callable[[Store], Awaitable[T]]) -> T:
        """Have something done to its store."""

    @abc.abstractmethod
    def producer(self, store: Store) -> Producer:
        """Whoever changes a store."""

    # ------------------------------------------------------------------ what it knows

    def change(self, what: Callable[[Producer], Awaitable[T]]) -> T:
        """Change mappings, and leave events that tell of it."""
        return self.on_store(lambda store: what(self.producer(store)))

    def fill(self, nodes: Iterable[ComputeNode], mappings: Iterable[Mapping]) -> None:
        """Put rows into the store that were there before anybody asked: no events tell of them."""

        async def work(store: Store) -> None:
            async with store.transaction() as change:
                await change.put_nodes(list(nodes))
                await change.put_mappings(list(mappings))

        self.on_store(work)

    def events(self, cn: str | None = None) -> list[Event]:
        """What has not been acknowledged, of one node or all."""

        async def work(store: Store) -> list[Event]:
            async with store.transaction() as view:
                return [event async for event in view.all_events(cn)]

        return self.on_store(work)
