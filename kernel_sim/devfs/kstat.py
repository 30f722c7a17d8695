"""/dev/kstat: statistics, read only, for everybody (`sys.kstat`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from kernel_sim.cred import Credentials
from kernel_sim.dld import Reply
from kernel_sim.kernel import Kernel
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.kstat import (
    KSTAT_CHAIN_MAX,
    KSTAT_IOC_CHAIN,
    KSTAT_IOC_READ,
    KSTAT_IOC_WALK,
    KstatChain,
    KstatEntry,
    pack_entries,
)

WALK_BYTES: Final = 64 * 1024
"""A reply to WALK ends with the set that reaches this size: what moves frames waits no longer than its making takes."""


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
        self._walk: Iterator[KstatEntry] | None = None

    def ioctl(self, cmd: int, argument: bytes, reply: Reply) -> None:
        """Errors: ENOTTY unknown command, EFAULT argument cut short, ENOENT no such statistics."""
        if cmd == KSTAT_IOC_WALK:
            reply(0, self._next_sets())
            return
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

    def _next_sets(self) -> bytes:
        if self._walk is None:
            self._walk = self._kernel.kstat_walk()
        found: list[bytes] = []
        size = 0
        for entry in self._walk:
            found.append(entry.pack())
            size += len(found[-1])
            if size >= WALK_BYTES:
                break
        if not found:
            self._walk = None
        return pack_entries(found)

    def close(self) -> None:
        """The walk is forgotten."""
        self._walk = None


def _chain(kernel: Kernel, argument: bytes) -> bytes:
    start = KstatChain.unpack(argument).start
    found = kernel.kstats()
    page = tuple(entry.header for entry in found[start : start + KSTAT_CHAIN_MAX])
    return KstatChain(start, kernel.kstat_generation, len(found), page).pack()


def _read(kernel: Kernel, argument: bytes) -> bytes:
    asked = KstatEntry.unpack(argument)
    return kernel.kstat(asked.module, asked.instance, asked.name).pack()


_COMMANDS: Final[dict[int, Callable[[Kernel, bytes], bytes]]] = {KSTAT_IOC_CHAIN: _chain, KSTAT_IOC_READ: _read}
