"""The server's process: from its store to the signal that stops it.

What needs root, or the caller's files, comes first: the log, the modules (an interpreter below a home that is closed to others cannot load
any later), the folder of the store. Then it becomes another user, opens the store, and waits for it if nobody is there yet; only then does
it listen.
"""

from __future__ import annotations

import asyncio
import concurrent.futures.thread  # asyncio and codecs load these on first use, when a 0700 home may be out of reach
import contextlib
import encodings.idna
import os
import resource
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from etherspan.errors import EtherspanError
from etherspan.portolan import user as users
from etherspan.portolan.connection import MAX_CONNECTIONS, Limits, place
from etherspan.portolan.server import Server
from etherspan.portolan.state import STORE_NAME, default_store, portolan_dir
from etherspan.portolan.store import Store, StoreError, open_store
from etherspan.portolan.store.protocol import StoreUnreachableError
from etherspan.portolan.user import User
from kernel_sim.dev import confine
from kernel_sim.dev.log import Log

if TYPE_CHECKING:
    from etherspan.portolan.metrics import PrometheusMetrics

STOP_SIGNALS: Final = (signal.SIGHUP, signal.SIGQUIT, signal.SIGINT, signal.SIGTERM)
STORE_PAUSE: Final = 1.0
"""Seconds between two tries to reach the store."""
SPARE_FILES: Final = 64
"""Descriptors that are not for clients."""
_PRELOADED: Final = (concurrent.futures.thread, encodings.idna)


@dataclass(slots=True, frozen=True)
class Address:
    """Where to listen. The host is as getaddrinfo takes it."""

    host: str
    port: int

    @property
    def hosts(self) -> tuple[str, ...]:
        """What has to be listened on: `::` stands for every address of both families, and a socket has one."""
        return ("::", "0.0.0.0") if self.host == "::" else (self.host,)

    def __str__(self) -> str:
        return place(self.host, self.port)


@dataclass(slots=True, frozen=True)
class Options:
    """The command line."""

    listen: Sequence[Address]
    store: str | None = None
    metrics: Address | None = None
    user: str | None = None
    idle_time: float | None = None
    connections: int = MAX_CONNECTIONS


def run(options: Options, log: Log, say: Callable[[str], object]) -> None:
    """Serve until a signal comes. `say` is given a line for each address that is listened on.

    Errors: `EtherspanError`, `OSError`: it cannot be done.
    """
    url = absolute(options.store or default_store())
    metrics = _metrics() if options.metrics is not None else None
    _load(url)
    limits = Limits(connections=_room(options.connections), idle_time=options.idle_time)
    who = _prepare_user(options.user, own_folder=in_own_folder(url))
    asyncio.run(_Daemon(options, log, say, metrics).serve(_text(url), limits, who))


def absolute(text: str) -> URL:
    """A store's URL, a file's with its whole path. Errors: `EtherspanError`."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise EtherspanError(f"{text}: not the URL of a store: {error}") from None
    if url.drivername == "sqlite" and url.database not in (None, "", ":memory:"):
        return url.set(database=os.path.abspath(url.database))  # noqa: PTH100 - a string among strings
    return url


def _text(url: URL) -> str:
    return url.render_as_string(hide_password=False)


def _load(url: URL) -> None:
    """Every module that the store will need, except where opening it says better what is wrong."""
    with contextlib.suppress(NoSuchModuleError, ImportError):
        dialect = url.get_dialect()
        dialect.import_dbapi()
        if url.drivername == "sqlite":
            from etherspan.portolan.store import sqlite  # noqa: F401 - loaded for later
        else:
            from etherspan.portolan.store import postgres  # noqa: F401 - loaded for later


def _metrics() -> PrometheusMetrics:
    try:
        from etherspan.portolan.metrics import PrometheusMetrics
    except ImportError as error:
        raise EtherspanError(f"--metrics needs the extra etherspan[metrics]: {error}") from None
    metrics = PrometheusMetrics()
    metrics.page()  # loads what it needs
    return metrics


def _room(wanted: int) -> int:
    """As many clients as there can be descriptors for, if that is less."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return wanted if hard == resource.RLIM_INFINITY else max(1, min(wanted, hard - SPARE_FILES))


def in_own_folder(url: URL) -> bool:
    """Whether a store is where it is by default."""
    return url.drivername == "sqlite" and url.database == str(portolan_dir() / STORE_NAME)


def _prepare_user(name: str | None, *, own_folder: bool) -> User | None:
    """Whom to become, the folder of our own theirs already; None: nobody else. Errors: `EtherspanError`, `OSError`."""
    if os.geteuid():
        if name is not None:
            raise EtherspanError("only root can become another user")
        if own_folder:
            portolan_dir().mkdir(mode=users.FOLDER_MODE, parents=True, exist_ok=True)
        return None
    who = users.find(name)
    if own_folder:
        users.hand_over(portolan_dir(), who if users.can_become(who) else User(0, 0, "root"))
    return who


def _confine(url: str) -> None:
    """Write nowhere but where a store of SQLite's is, and make no call that a server has no use for."""
    confine.forbid_calls()
    database = make_url(url)
    if database.get_backend_name() != "sqlite":
        confine.write_below(())
        return
    folder = Path(database.database or ".").absolute().parent
    os.environ["SQLITE_TMPDIR"] = str(folder)
    with contextlib.suppress(OSError):  # opening the store will say what is wrong with its folder
        descriptor = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            confine.write_below((descriptor,))
        finally:
            os.close(descriptor)


class _Daemon:
    """The life of the process once its user is known."""

    def __init__(
        self, options: Options, log: Log, say: Callable[[str], object], metrics: PrometheusMetrics | None
    ) -> None:
        self._options = options
        self._log = log
        self._say = say
        self._metrics = metrics
        self._stopped: asyncio.Future[signal.Signals] | None = None
        self._server: Server | None = None

    async def serve(self, url: str, limits: Limits, who: User | None) -> None:
        self._stopped = stopped = asyncio.get_running_loop().create_future()
        self._handle_signals()
        if who is not None:
            users.become(who)
            os.chdir("/")
        _confine(url)
        store = await self._open(url, who)
        if store is None:
            return
        async with contextlib.AsyncExitStack() as end:
            end.push_async_callback(store.close)
            self._server = server = Server(store, limits=limits, log=self._log, metrics=self._metrics)
            end.push_async_callback(server.stop)
            lines = await self._listen(server, end)
            for line in lines:
                self._say(line)
            self._log.info("portolan up", listening=lines, user=os.geteuid(), connections=limits.connections)
            number = await stopped
            self._log.info("portolan stops", signal=number.name, connections=server.connections)

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, self._stop, number)

    def _stop(self, number: signal.Signals) -> None:
        assert self._stopped is not None
        if not self._stopped.done():
            self._stopped.set_result(number)
        elif self._server is not None:
            self._server.abort()  # somebody is in a hurry

    async def _open(self, url: str, who: User | None) -> Store | None:
        """The store, as soon as it can be reached; None if the process is to stop before. Errors: `EtherspanError`."""
        assert self._stopped is not None
        told = False
        while not self._stopped.done():
            opening = asyncio.ensure_future(open_store(url))
            await asyncio.wait((opening, self._stopped), return_when=asyncio.FIRST_COMPLETED)
            if not opening.done():
                opening.cancel()
                return None
            try:
                store = opening.result()
            except StoreUnreachableError as error:
                if not told:
                    self._log.warning("waiting for the store", reason=str(error))
                told = True
                await asyncio.wait((self._stopped,), timeout=STORE_PAUSE)
            except StoreError as error:
                runs = (
                    f"; the server runs as {who}, see --user"
                    if who is not None and who.uid and url.startswith("sqlite")
                    else ""
                )
                raise EtherspanError(f"{error}{runs}") from None
            else:
                return store
        return None

    async def _listen(self, server: Server, end: contextlib.AsyncExitStack) -> list[str]:
        """Begin. What to say of it, a line an address. Errors: `EtherspanError` an address is no good."""
        lines = []
        where = self._options.metrics
        if self._metrics is not None and where is not None:
            with _naming(where):
                page = await self._metrics.serve(where.host, where.port)
            end.callback(page.close)
            host, port, *_ = page.sockets[0].getsockname()
            lines.append(f"metrics on {place(host, port)}")
        for address in self._options.listen:
            port = address.port
            for host in address.hosts:
                with _naming(address):
                    _, port = await server.start(host, port)
            lines.insert(-1 if where is not None else len(lines), f"listening on {place(address.host, port)}")
        return lines


@contextlib.contextmanager
def _naming(address: Address) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EtherspanError(
            f"cannot listen on {address}: {os.strerror(error.errno) if error.errno else error}"
        ) from None
