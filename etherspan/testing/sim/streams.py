"""TCP in memory: what asyncio code that connects and listens meets on a `SimLoop`.

    network = StreamNetwork(loop)
    loop.streams = network
    network.names["portolan.test"] = ["10.0.0.5"]

    await loop.create_server(factory, "10.0.0.5", 1296)
    await loop.create_connection(factory, "portolan.test", 1296)
    await loop.getaddrinfo("portolan.test", 1296)

Bytes arrive in order, after `latency`, in pieces that the random numbers choose (`transport`, `tcp`). Nobody listening is a refusal. Where
`reaches` says that two places cannot reach each other, attempts, bytes and ends wait until `heal` is called, resets are lost, and an
attempt is given up after `CONNECT_PATIENCE`; one to an address that nobody has, after `ARP_PATIENCE`.

Which place code runs at is a context variable, `PLACE`. A process of a world sets it, and when it is killed its connections are reset and
its listeners closed (`STREAMS`).
"""

from __future__ import annotations

import asyncio
import contextvars
import ipaddress
import itertools
import socket
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from random import Random
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from etherspan.testing.sim.tcp import Endpoint
from etherspan.testing.sim.transport import STREAMS, SimTransport

if TYPE_CHECKING:
    from etherspan.testing.sim.loop import SimLoop

PLACE: ContextVar[str] = ContextVar("place", default="")
"""The place that code runs at: a host's name."""

CONNECT_PATIENCE: Final = 127.0
"""Seconds after which a SYN that nobody answers is given up, as Linux does."""
ARP_PATIENCE: Final = 3.0
"""Seconds after which nobody has an address."""
LATENCY: Final = 0.0005
ELSEWHERE: Final = ""
"""The place of code that runs in no process: it may listen at any address."""
_WILDCARDS: Final = ("0.0.0.0", "::")
_EPHEMERAL: Final = 40_000
_Factory = Callable[[], asyncio.BaseProtocol]
_Where = tuple[str, int]


class Listener:
    """See `asyncio.Server`; also a listening socket, as far as people ask it."""

    def __init__(self, network: StreamNetwork, key: tuple[str, str, int], factory: _Factory) -> None:
        self.factory = factory
        self.context = contextvars.copy_context()
        self.place = PLACE.get()
        self._key = key
        self._network = network
        self._noted = STREAMS.get()
        if self._noted is not None:
            self._noted[self] = None

    @property
    def sockets(self) -> tuple[Self, ...]:
        """What listens; nothing once it is closed."""
        return (self,) if self.is_serving() else ()

    def getsockname(self) -> tuple[Any, ...]:
        """Where it listens."""
        return _sockname(*self._key[1:])

    def is_serving(self) -> bool:
        """Whether it listens."""
        return self._network.listeners.get(self._key) is self

    def close(self) -> None:
        """Listen no more; connections stay."""
        if self.is_serving():
            del self._network.listeners[self._key]
        if self._noted is not None:
            self._noted.pop(self, None)

    def vanish(self) -> None:
        """See `transport.Mortal`."""
        self.close()

    async def wait_closed(self) -> None:
        """It is closed at once."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class StreamNetwork:
    """See the module.

    `reaches` is asked with two places. `owner` gives the place of an address, None for one that nobody has; without it every address is
    everywhere. `addresses` gives those of a place.
    """

    def __init__(
        self,
        loop: SimLoop,
        *,
        seed: object = 0,
        reaches: Callable[[str, str], bool] = lambda _one, _other: True,
        owner: Callable[[str], str | None] | None = None,
        addresses: Callable[[str], Sequence[str]] = lambda _place: (),
    ) -> None:
        self.loop = loop
        self.latency = LATENCY
        self.names: dict[str, list[str]] = {}
        self.failing: dict[str, int] = {}
        """Names whose lookup fails, and with which EAI number."""
        self.random = Random(f"{seed}/streams")
        self.listeners: dict[tuple[str, str, int], Listener] = {}
        """By place, address and port."""
        self._reaches = reaches
        self._owner = owner
        self._addresses = addresses
        self._stalled: list[Callable[[], None]] = []
        self._ports = itertools.count(_EPHEMERAL)

    # ------------------------------------------------------------------ what the loop is asked

    async def create_server(self, factory: _Factory, host: str | None, port: int | None) -> Listener:
        """See `AbstractEventLoop.create_server`: one address. Errors: `OSError` EADDRINUSE, EADDRNOTAVAIL."""
        where, number = _plain(host or _WILDCARDS[0]), port or next(self._ports)
        self._demand_own(where)
        key = (PLACE.get(), where, number)
        if key in self.listeners:
            raise OSError(98, f"error while attempting to bind on address {(where, number)}: address already in use")
        made = self.listeners[key] = Listener(self, key, factory)
        return made

    async def create_connection(
        self, factory: _Factory, host: str, port: int, local_addr: _Where | None = None
    ) -> tuple[SimTransport, asyncio.BaseProtocol]:
        """See `AbstractEventLoop.create_connection`; all addresses of a name are tried in turn.

        Errors: `socket.gaierror`; `ConnectionRefusedError`; `TimeoutError`; `OSError` ENETUNREACH, EHOSTUNREACH, EADDRNOTAVAIL.
        """
        failures: list[OSError] = []
        for _, _, _, _, name in await self.getaddrinfo(host, port):
            try:
                return await self._connect(factory, name[0], port, local_addr)
            except OSError as error:
                failures.append(error)
        if len({str(error) for error in failures}) == 1:
            raise failures[0]
        raise OSError(f"Multiple exceptions: {', '.join(map(str, failures))}")

    async def getaddrinfo(self, host: str, port: int, family: int = 0) -> list[tuple[Any, ...]]:
        """See `AbstractEventLoop.getaddrinfo`: addresses, and what is in `names`. Errors: `socket.gaierror`."""
        literal = _is_address(host)
        if not literal:
            await asyncio.sleep(self.latency)
        if host in self.failing:
            raise socket.gaierror(self.failing[host], "the resolver fails")
        found = [_row(one, port) for one in ([host] if literal else self.names.get(host, []))]
        wanted = [row for row in found if family in {0, row[0]}]
        if not wanted:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return wanted

    # ------------------------------------------------------------------ for endpoints and worlds

    def reaches(self, one: str, other: str) -> bool:
        """Whether bytes get from one place to another."""
        return one == other or self._reaches(one, other)

    def stall(self, go_on: Callable[[], None]) -> None:
        """Go on when something has been healed."""
        self._stalled.append(go_on)

    def heal(self) -> None:
        """What waits for a way to be mended tries again."""
        waiting, self._stalled = self._stalled, []
        for go_on in waiting:
            self.loop.call_soon(go_on)

    # ------------------------------------------------------------------ connecting

    async def _connect(
        self, factory: _Factory, host: str, port: int, local: _Where | None
    ) -> tuple[SimTransport, asyncio.BaseProtocol]:
        here, where = PLACE.get(), _plain(host)
        there = self._place_of(where, port)
        own = (_plain(local[0]) if local and local[0] else self._source(where), (local or ("", 0))[1])
        self._demand_own(own[0])
        if there is None:
            await asyncio.sleep(ARP_PATIENCE)
            raise OSError(113, f"Connect call failed {(where, port)}")
        await self._way(here, there, (where, port))
        listener = self._find(there, where, port)
        if listener is None:
            raise ConnectionRefusedError(111, f"Connect call failed {(where, port)}")
        names = _sockname(own[0], own[1] or next(self._ports)), _sockname(where, port)
        ends = Endpoint(self, here), Endpoint(self, listener.place)
        for end, other in (ends, ends[::-1]):
            end.join(other)
        theirs = SimTransport(self, ends[1], listener.factory(), listener.context, _extra(*names[::-1]))
        protocol = factory()
        ours = SimTransport(self, ends[0], protocol, contextvars.copy_context(), _extra(*names))
        theirs.begin()
        ours.begin()
        try:
            await asyncio.sleep(0)  # both protocols have been told by then
        except BaseException:
            ours.close()
            raise
        return ours, protocol

    async def _way(self, here: str, there: str, where: _Where) -> None:
        """Wait for a SYN to get there, and its answer back."""
        try:
            async with asyncio.timeout(CONNECT_PATIENCE):
                while not self.reaches(here, there):
                    healed: asyncio.Future[None] = self.loop.create_future()
                    self.stall(lambda healed=healed: healed.done() or healed.set_result(None))  # type: ignore[misc]
                    await healed
        except TimeoutError:
            raise TimeoutError(110, f"Connect call failed {where}") from None
        await asyncio.sleep(2 * self.latency)

    def _place_of(self, where: str, port: int) -> str | None:
        """Where an address is; where somebody listens at it, if it is everywhere."""
        if self._owner is None:
            return next((place for place, ip, number in self.listeners if ip == where and number == port), PLACE.get())
        if ipaddress.ip_address(where).is_loopback:
            return PLACE.get()
        return ELSEWHERE if (ELSEWHERE, where, port) in self.listeners else self._owner(where)

    def _find(self, place: str, where: str, port: int) -> Listener | None:
        found = (self.listeners.get((place, one, port)) for one in (where, *_WILDCARDS))
        return next(filter(None, found), None)

    def _source(self, where: str) -> str:
        """The address that one here connects from to one there. Errors: `OSError` ENETUNREACH."""
        if self._owner is None or PLACE.get() == ELSEWHERE or ipaddress.ip_address(where).is_loopback:
            return where
        for own in self._addresses(PLACE.get()):
            if (":" in own) == (":" in where):
                return _plain(own)
        raise OSError(101, f"{where}: network is unreachable")

    def _demand_own(self, where: str) -> None:
        here = PLACE.get()
        if self._owner is None or here == ELSEWHERE or where in _WILDCARDS or ipaddress.ip_address(where).is_loopback:
            return
        if self._owner(where) != here:
            raise OSError(99, f"{where}: cannot assign requested address")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _plain(host: str) -> str:
    return str(ipaddress.ip_address(host))


def _sockname(ip: str, port: int) -> tuple[Any, ...]:
    return (ip, port, 0, 0) if ":" in ip else (ip, port)


def _row(ip: str, port: int) -> tuple[Any, ...]:
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    return family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", _sockname(ip, port)


def _extra(own: tuple[Any, ...], other: tuple[Any, ...]) -> dict[str, Any]:
    return {"sockname": own, "peername": other}
