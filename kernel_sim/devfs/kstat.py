"""/dev/kstat: statistics, read only, for everybody (`sys.kstat`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from kernel_sim.cred import Credentials
from kernel_sim.dld import Reply
from kernel_sim.kernel import Kernel
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.kstat import KSTAT_CHAIN_MAX, KSTAT_IOC_CHAIN, KSTAT_IOC_READ, KstatChain, KstatEntry


class KstatNode:
    """See `server.Node`."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def open(self, flags: int, cred: Credentials) -> OpenKstat:
        """Never refused, whatever the flags; no command writes."""
        del flags, cred
        return OpenKstat(self._kernel)


class OpenKstat:
    """See `server.OpenNode`."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def ioctl(self, cmd: int, argument: bytes, reply: Reply) -> None:
        """Errors: ENOTTY unknown command, EFAULT argument cut short, ENOENT no such statistics."""
        command = _COMMANDS.get(cmd)
        if command is None:
            reply(Errno.ENOTTY, b"")
            return
        try:
            answer = command(self._kernel, argument)
        except KernelError as error:
            reply(error.errno, b"")
            return
        reply(0, answer)

    def close(self) -> None:
        """Nothing is held for an open."""


def _chain(kernel: Kernel, argument: bytes) -> bytes:
    start = KstatChain.unpack(argument).start
    found = kernel.kstats()
    page = tuple(entry.header for entry in found[start : start + KSTAT_CHAIN_MAX])
    return KstatChain(start, kernel.kstat_generation, len(found), page).pack()


def _read(kernel: Kernel, argument: bytes) -> bytes:
    asked = KstatEntry.unpack(argument)
    return kernel.kstat(asked.module, asked.instance, asked.name).pack()


_COMMANDS: Final[dict[int, Callable[[Kernel, bytes], bytes]]] = {KSTAT_IOC_CHAIN: _chain, KSTAT_IOC_READ: _read}
