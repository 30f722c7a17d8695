"""An SVP server in a network namespace: `portolan serve` over SQLite."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeVar

from etherspan import netns
from etherspan.portolan.producer import Producer
from etherspan.portolan.store import open_store
from etherspan.portolan.store.protocol import Store
from etherspan.testing.portolan import Portolan
from libvarpd.plugins.svp.messages import SERVER_PORT

T = TypeVar("T")
_STOP_SECONDS: Final = 20.0
_TABLES: Final = (Path("/proc/thread-self/net/tcp"), Path("/proc/thread-self/net/tcp6"))
_LOCAL: Final = f":{SERVER_PORT:04X}"
_ESTABLISHED: Final = "01"


class NetnsPortolan(Portolan):
    """See `testing.portolan`. `place` is its namespace, `folder` where its log is, `store` a URL."""

    def __init__(self, name: str, address: str, place: Path, folder: Path, store: str) -> None:
        super().__init__(name, address, store)
        self.place = place
        self._log = folder / "portolan.log"
        self._server: subprocess.Popen[str] | None = None

    def start(self) -> None:
        if self._server is not None:
            return
        where = f"[{self.address}]" if ":" in self.address else self.address
        argv = [sys.executable, "-m", "etherspan.portolan.cli", "serve", "--store", self.store, "--user", "0"]
        argv += ["--listen", f"{where}:{SERVER_PORT}", "--log", str(self._log)]
        self._server = netns.call(
            self.place, lambda: subprocess.Popen(argv, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        )
        assert self._server.stdout is not None
        said = self._server.stdout.readline()
        if "listening" not in said:
            self._ended()
            raise AssertionError(f"{self.name} does not serve: {said}{self._log.read_text()[-2000:]}")

    def kill(self) -> None:
        if self._server is not None:
            self._server.kill()
            self._ended()

    def stop(self) -> None:
        if self._server is not None:
            self._server.terminate()
            self._ended()

    @property
    def connections(self) -> int:
        if self._server is None:
            return 0
        lines = netns.call(self.place, lambda: [line for table in _TABLES for line in table.read_text().splitlines()])
        return sum(line.split()[1].endswith(_LOCAL) and line.split()[3] == _ESTABLISHED for line in lines)

    def on_store(self, work: Callable[[Store], Awaitable[T]]) -> T:
        async def run() -> T:
            store = await open_store(self.store)
            try:
                return await work(store)
            finally:
                await store.close()

        return asyncio.run(run())

    def producer(self, store: Store) -> Producer:
        return Producer(store)

    def _ended(self) -> None:
        assert self._server is not None
        try:
            self._server.communicate(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.communicate()
        self._server = None
