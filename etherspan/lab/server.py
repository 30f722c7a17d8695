"""SVP servers of a lab: `portolan serve`, each in a namespace of its own.

<lab>/portolan/NAME/store.db      its store, unless the file names another
<lab>/portolan/NAME/portolan.log  its log, and what it writes to standard error
<lab>/portolan/NAME/process.json  its process
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO, Final

from etherspan import netns
from etherspan.errors import EtherspanError
from etherspan.lab.journal import LabDir
from etherspan.lab.model import Portolan
from etherspan.portolan.connection import place
from etherspan.portolan.state import STORE_VARIABLE
from etherspan.process import ProcessId
from etherspan.state import write_json

PATIENCE: Final = 20.0
"""Seconds for a server to listen."""
_LOG_LINES: Final = 5
_SQLITE: Final = "sqlite:///"


def store_url(where: LabDir, name: str, server: Portolan) -> str:
    """The URL of a server's store; a relative path is one below the lab's folder, so that several servers can share it."""
    if server.store is None:
        return f"{_SQLITE}{folder(where, name) / 'store.db'}"
    path = server.store.removeprefix(_SQLITE)
    if path != server.store and path and not path.startswith("/"):
        return f"{_SQLITE}{where.path / 'portolan' / path}"
    return server.store


def folder(where: LabDir, name: str) -> Path:
    """The folder of a server."""
    return where.path / "portolan" / name


def furnish(where: LabDir, name: str, server: Portolan, files: Path) -> None:
    """Fill the store of a server with its data. Errors: `EtherspanError`."""
    folder(where, name).mkdir(parents=True)
    if server.data is None:
        return
    from etherspan.portolan.store import StoreError, open_store
    from etherspan.portolan.transfer import import_document

    path = files / server.data

    async def fill() -> None:
        store = await open_store(store_url(where, name, server))
        try:
            with path.open("rb") as stream:
                await import_document(store, stream, str(path))
        finally:
            await store.close()

    try:
        asyncio.run(fill())
    except OSError as error:
        raise EtherspanError(f"portolan.{name}.data: {path}: {error.strerror}") from error
    except (EtherspanError, StoreError) as error:
        raise EtherspanError(f"portolan.{name}.data: {error}") from error


def start(where: LabDir, name: str, server: Portolan) -> None:
    """Start a server, and wait until it listens. Errors: `EtherspanError` with what its log says last."""
    log = folder(where, name) / "portolan.log"
    argv = [
        *(sys.executable, "-P", "-m", "etherspan.portolan.cli", "serve"),
        *("--listen", place(str(server.address), server.port), "--log", str(log)),
        *(("--user", "0") if not os.geteuid() else ()),  # the lab's folder is this user's
    ]
    env = {**os.environ, STORE_VARIABLE: store_url(where, name, server)}  # everybody may read a process's arguments
    process = netns.call(where.namespace(name), _spawn, argv, env, log)
    found = ProcessId.of(process.pid)
    if found is not None:
        write_json(folder(where, name) / "process.json", {"pid": found.pid, "start": found.start})
    assert process.stdout is not None
    with process.stdout as told:
        problem = _wait_until_it_listens(told)
        if problem is not None:
            process.kill()
            process.wait()
            last = log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
            raise EtherspanError("\n".join([f"portolan.{name}: {problem}", *last]))


def process_of(where: LabDir, name: str) -> ProcessId | None:
    """The process of a server, running or not; None before it was started."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        data = json.loads((folder(where, name) / "process.json").read_text())
        return ProcessId(data["pid"], data["start"])
    return None


def stop(where: LabDir, name: str) -> None:
    """Let a server end as it does by itself; what is left is ended with its namespace."""
    process = process_of(where, name)
    if process is not None and process.alive():
        process.end(signal.SIGTERM, seconds=10.0)


def _spawn(argv: list[str], env: dict[str, str], log: Path) -> subprocess.Popen[str]:
    with log.open("ab") as errors:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
            cwd="/",
            env=env,
        )


def _wait_until_it_listens(told: IO[str]) -> str | None:
    """None once a server says that it does, else what is wrong with it."""
    if not select.select([told], [], [], PATIENCE)[0]:
        return f"the server does not listen within {PATIENCE:g} s"
    return None if "listening on" in told.readline() else "the server does not listen"
