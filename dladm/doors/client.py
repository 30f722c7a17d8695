"""A client's end of a door that speaks one request, one reply: dlmgmtd's and the restarter's.

Calls that only read share a connection, which is made at the first one. A call that changes something gets a connection of its own:
should that break, the daemon died while it had the request, and nobody knows whether it was done. A daemon that is being restarted
is waited for: its socket refuses meanwhile, so a refused connection is tried again for `PATIENCE` seconds.
"""

from __future__ import annotations

from typing import Final

from kernel_sim.dev.client import System, Transport
from kernel_sim.sys.errno import Errno, KernelError

PATIENCE: Final = 5.0
STEP: Final = 0.02
TRIES: Final = 3
"""How often a reading call is made: a kept connection may be of a daemon that has died, a new one of one that is dying."""


class DoorError(KernelError):
    """Nobody took the request, so its errno says nothing of what it was about."""


class Door:
    """The door at `path`, relative to the host's root."""

    def __init__(self, system: System, path: str) -> None:
        self._system = system
        self._path = path
        self._shared: Transport | None = None

    def read(self, message: bytes) -> bytes:
        """A call that changes nothing, so that it is repeated when its connection breaks. Errors: as `change`."""
        for _attempt in range(TRIES - 1):
            try:
                return self._shared_connection().call(message)
            except KernelError as error:
                self.close()
                if error.errno is not Errno.ECONNRESET:
                    raise
        return self._shared_connection().call(message)

    def change(self, message: bytes) -> bytes:
        """A call that changes something.

        Errors: `DoorError`: ENOENT there is no such door (the host is not up), ECONNREFUSED nobody answered it for `PATIENCE` seconds.
        ECONNRESET the daemon went away before it answered.
        """
        transport = self._connect()
        try:
            return transport.call(message)
        finally:
            transport.close()

    def _shared_connection(self) -> Transport:
        if self._shared is None:
            self._shared = self._connect()
        return self._shared

    def _connect(self) -> Transport:
        waited = 0.0
        while True:
            try:
                return self._system.connect(self._path)
            except KernelError as error:
                if error.errno is not Errno.ECONNREFUSED or waited >= PATIENCE:
                    raise DoorError(error.errno, error.detail) from error
            self._system.wait(STEP)
            waited += STEP

    def close(self) -> None:
        """Give the shared connection up; the next reading call makes another."""
        if self._shared is not None:
            self._shared.close()
            self._shared = None
