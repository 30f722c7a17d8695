"""A handle on one host: everything that library calls talk to, opened when it is first needed.

with Dladm(LocalSystem(root)) as handle:
    overlay.create(handle, "ov0", encap="vxlan", search="direct", vnetid=23)
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from dladm.libdladm.status import DladmError
from kernel_sim.dev.client import Device, System
from kernel_sim.dev.paths import DLD
from kernel_sim.sys.errno import Errno, KernelError

if TYPE_CHECKING:
    from dladm.dlmgmtd.client import Dlmgmt
    from dladm.libscf.client import Scf
    from libvarpd.client import Client


Answer = TypeVar("Answer")


def _quiet(_text: str) -> None:
    pass


class Dladm:
    """The host's kernel (`ioctl`), its link management daemon, its restarter and varpd.

    `note` is told of causes that the original hides from its users.
    """

    def __init__(self, system: System, *, note: Callable[[str], None] = _quiet) -> None:
        self.system = system
        self.note = note
        self._dld: Device | None = None
        self._dlmgmt: Dlmgmt | None = None
        self._scf: Scf | None = None
        self._varpd: Client | None = None

    def open_dld(self) -> Device:
        """Open /dev/dld, once. Errors: `DladmError`: NOTFOUND or FAILED where no host runs."""
        if self._dld is None:
            try:
                self._dld = Device.open(self.system, DLD)
            except KernelError as error:
                raise DladmError.of(error) from error
        return self._dld

    def ioctl(self, command: int, argument: bytes) -> bytes:
        """One ioctl on /dev/dld. Errors: `KernelError`."""
        return self.open_dld().ioctl(command, argument)

    def ioctls(self, command: int, arguments: Sequence[bytes]) -> list[bytes | KernelError]:
        """The same ioctl for each of these arguments, all under way at once. Errors: those of the connection."""
        return self.open_dld().ioctls([(command, argument) for argument in arguments])

    @property
    def dlmgmt(self) -> Dlmgmt:
        """The link management daemon. Its calls raise `KernelError`."""
        if self._dlmgmt is None:
            from dladm.dlmgmtd.client import Dlmgmt

            self._dlmgmt = Dlmgmt(self.system)
        return self._dlmgmt

    @property
    def scf(self) -> Scf:
        """The restarter. Its calls raise `KernelError`."""
        if self._scf is None:
            from dladm.libscf.client import Scf

            self._scf = Scf(self.system)
        return self._scf

    @contextlib.contextmanager
    def varpd(self) -> Iterator[Client]:
        """A conversation with varpd, for changes. Errors: `KernelError`: ENOENT where it never ran."""
        from libvarpd.client import Client

        client = Client.create(self.system)
        try:
            yield client
        finally:
            client.destroy()

    def ask_varpd(self, question: Callable[[Client], Answer]) -> Answer:
        """Put a question that changes nothing to varpd, over one conversation for all of them.

        A conversation whose varpd has stopped since is begun again, once. Errors: as `varpd`, and those of the question.
        """
        from libvarpd.client import Client

        if self._varpd is not None:
            try:
                return question(self._varpd)
            except KernelError as error:
                if error.errno is not Errno.EBADF:
                    raise
                self._varpd.destroy()
        self._varpd = Client.create(self.system)
        return question(self._varpd)

    def close(self) -> None:
        """Close what was opened; harmless when nothing was."""
        for opened in (self._dld, self._dlmgmt, self._scf):
            if opened is not None:
                opened.close()
        if self._varpd is not None:
            self._varpd.destroy()
        self._dld = self._dlmgmt = self._scf = self._varpd = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
