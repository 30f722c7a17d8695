"""A PostgreSQL of the tests' own: in a temporary folder, on a socket of its own, stopped when the tests are done.

It runs as the user `postgres` where the tests are root, which PostgreSQL refuses to be. Its data are on the disk when it says so, as in
real life.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

BINARIES = sorted(Path("/usr/lib/postgresql").glob("[0-9]*/bin"), key=lambda path: int(path.parent.name))
USER = "postgres"
PATIENCE = 60.0
PR_SET_PDEATHSIG = 1


class Postgres:
    """One server. `start` and `stop` may follow each other."""

    def __init__(self, folder: Path, binaries: Path) -> None:
        self._binaries = binaries
        self.folder = folder
        self._data = folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._schemas = 0
        self._demote: Callable[[], None] = _die_with_parent
        if os.geteuid() == 0:
            user = pwd.getpwnam(USER)
            os.chown(folder, user.pw_uid, user.pw_gid)
            folder.chmod(0o711)  # its socket is for other users, too
            self._demote = functools.partial(_become, user.pw_uid, user.pw_gid)
        self._run("initdb", "-D", str(self._data), "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._binaries / program), *arguments]
        demote = self._demote
        done = subprocess.run(command, preexec_fn=demote, cwd=self.folder, capture_output=True, timeout=PATIENCE)
        assert done.returncode == 0, (done.stdout + done.stderr).decode()

    def start(self) -> None:
        settings = {"listen_addresses": "", "unix_socket_directories": str(self.folder), "max_connections": "60"}
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        command = [str(self._binaries / "postgres"), "-D", str(self._data), *options]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                preexec_fn=self._demote,  # noqa: PLW1509 - the tests have one thread
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        end = time.monotonic() + PATIENCE
        while True:
            try:
                self.execute("SELECT 1")
            except psycopg.OperationalError:
                assert self._process.poll() is None and time.monotonic() < end, (self.folder / "log").read_text()
                time.sleep(0.02)
            else:
                return

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """SIGINT: at once, with what was promised on the disk; SIGQUIT: as if the power had failed."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(PATIENCE)
            self._process = None

    def execute(self, text: str) -> None:
        where = {"host": str(self.folder), "user": USER, "dbname": "postgres"}
        with psycopg.connect(**where, autocommit=True, connect_timeout=5) as connection:
            connection.execute(text.encode())

    def url(self, schema: str = "public") -> str:
        """Of a schema, for `open_store`."""
        return f"postgresql+psycopg://{USER}@/postgres?host={quote(str(self.folder))}&options=-csearch_path%3D{schema}"

    def new_url(self) -> str:
        """Of a schema that is new and empty."""
        self._schemas += 1
        schema = f"test_{os.getpid()}_{self._schemas}"
        self.execute(f"CREATE SCHEMA {schema}")
        return self.url(schema)


@contextlib.contextmanager
def running() -> Iterator[Postgres]:
    """A server for as long as the context lasts. Without PostgreSQL the test is skipped, or fails where CI=true."""
    if not BINARIES:
        reason = "PostgreSQL is not installed (Debian package postgresql)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="portolan-pg-", dir="/tmp"))
    try:
        server = Postgres(folder, BINARIES[-1])
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def _become(uid: int, gid: int) -> None:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    _die_with_parent()


def _die_with_parent() -> None:
    """However the tests end."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGQUIT)
