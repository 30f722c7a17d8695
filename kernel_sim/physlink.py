"""The machine's own interfaces, as link management follows them over /dev/dld."""

from __future__ import annotations

from collections.abc import Sequence

from kernel_sim.ddi import PhysLink, PhysLinks
from kernel_sim.dld import Reply
from kernel_sim.sys.codec import EsPhysEntry, EsPhysList, EsPhysWait


class PhysFollower:
    """ES_PHYS_LIST and ES_PHYS_WAIT. The generation counts the changes since the kernel started, from 1."""

    def __init__(self, phys: PhysLinks | None) -> None:
        self._phys = phys
        self._generation = 1
        self._waiting: list[Reply] = []
        if phys is not None:
            phys.subscribe(self._changed)

    def snapshot(self) -> Sequence[PhysLink]:
        """All of them, in ifindex order."""
        return () if self._phys is None else self._phys.snapshot()

    def list(self, argument: bytes) -> bytes:
        """ES_PHYS_LIST: all links and the generation."""
        entries = (
            EsPhysEntry(link.ifindex, link.name, link.mac, link.mtu, link.up, link.speed, link.duplex)
            for link in self.snapshot()
        )
        return EsPhysList(self._generation, tuple(entries)).pack()

    def wait(self, argument: bytes, reply: Reply) -> None:
        """ES_PHYS_WAIT: answer as soon as the generation differs from the one in the argument."""
        if EsPhysWait.unpack(argument).generation != self._generation:
            reply(0, self._answer())
        else:
            self._waiting.append(reply)

    def _changed(self) -> None:
        self._generation += 1
        waiting, self._waiting = self._waiting, []
        for reply in waiting:
            reply(0, self._answer())

    def _answer(self) -> bytes:
        return EsPhysWait(self._generation).pack()
