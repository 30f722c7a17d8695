"""/dev/net/snoop: captures of links, for those who may change them (`sys.snoop`)."""

from __future__ import annotations

from kernel_sim.capture import Capture
from kernel_sim.cred import Credentials
from kernel_sim.dld import Reply
from kernel_sim.kernel import Kernel
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.snoop import SNOOP_IOC_ATTACH, SNOOP_IOC_READ, Attach


class SnoopNode:
    """See `server.Node`."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def open(self, flags: int, cred: Credentials) -> OpenSnoop:
        """Errors: EPERM."""
        del flags
        cred.require_privilege()
        return OpenSnoop(self._kernel)


class OpenSnoop:
    """See `server.OpenNode`."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._capture: Capture | None = None

    def ioctl(self, cmd: int, argument: bytes, reply: Reply) -> None:
        """Errors: ENOTTY unknown command; ATTACH EBUSY is attached, ENOENT no such link; READ ENXIO is not, EBUSY one waits already."""
        try:
            if cmd == SNOOP_IOC_ATTACH:
                self._attach(Attach.unpack(argument))
                reply(0, b"")
            elif cmd == SNOOP_IOC_READ:
                self._read(reply)
            else:
                raise KernelError(Errno.ENOTTY, f"command {cmd:#x}")
        except KernelError as error:
            reply(error.errno, b"")

    def _attach(self, wanted: Attach) -> None:
        if self._capture is not None:
            raise KernelError(Errno.EBUSY, f"attached to {self._capture.name}")
        self._capture = self._kernel.captures.open(wanted)

    def _read(self, reply: Reply) -> None:
        capture = self._capture
        if capture is None:
            raise KernelError(Errno.ENXIO, "not attached")
        if capture.waiting is not None:
            raise KernelError(Errno.EBUSY, "a READ waits already")
        if capture.empty:
            capture.waiting = lambda batch: reply(0, batch)
        else:
            reply(0, capture.take())

    def close(self) -> None:
        """The capture ends."""
        if self._capture is not None:
            self._capture.close()
