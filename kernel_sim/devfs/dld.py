"""/dev/dld: the control node of data links. Everybody may open it; each command asks for the privilege it needs."""

from __future__ import annotations

from kernel_sim.cred import Credentials
from kernel_sim.dld import Reply
from kernel_sim.kernel import Kernel


class DldNode:
    """See `server.Node`."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def open(self, flags: int, cred: Credentials) -> OpenDld:
        """Never refused, whatever the flags."""
        del flags
        return OpenDld(self._kernel, cred)


class OpenDld:
    """See `server.OpenNode`."""

    def __init__(self, kernel: Kernel, cred: Credentials) -> None:
        self._kernel = kernel
        self._cred = cred

    def ioctl(self, cmd: int, argument: bytes, reply: Reply) -> None:
        """See `Kernel.dld_ioctl`."""
        self._kernel.dld_ioctl(cmd, argument, self._cred, reply)

    def close(self) -> None:
        """Nothing is held for an open."""
