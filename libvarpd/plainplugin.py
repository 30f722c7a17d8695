"""A search plugin that has nothing to set and nothing to keep: what is left to write is how it answers.

    class Even(PlainPlugin):
        name = "even"
        mode = TargMode.DYNAMIC

        async def lookup(self, query: Query) -> Answer:
            return DROP if query.request.dstaddr[5] % 2 else HERE

For one with properties, or with something to keep over a restart, see `plugin`.
"""

from __future__ import annotations

from typing import Self

from kernel_sim.sys.errno import Errno
from kernel_sim.sys.overlay_common import Dest
from libvarpd.errors import VarpdError
from libvarpd.nvpair import NvList
from libvarpd.plugin import Provider, SearchPlugin
from libvarpd.prop import PropInfo


class PlainPlugin(SearchPlugin):
    """See the module. `provider` is what it may ask of libvarpd, `dest` the parts of a destination it has to give."""

    def __init__(self, provider: Provider, dest: Dest) -> None:
        self.provider = provider
        self.dest = dest

    @classmethod
    def create(cls, provider: Provider, dest: Dest) -> Self:
        """Whatever the encapsulation needs."""
        return cls(provider, dest)

    @classmethod
    def restore(cls, provider: Provider, dest: Dest, saved: NvList) -> Self:
        """As new: nothing is saved."""
        return cls(provider, dest)

    def start(self) -> None:
        """There is nothing to make ready."""

    def stop(self) -> None:
        """There is nothing to undo."""

    def destroy(self) -> None:
        """Nothing is held."""

    def nprops(self) -> int:
        """None."""
        return 0

    def propinfo(self, index: int) -> PropInfo:
        """Never asked for."""
        raise VarpdError(Errno.EINVAL, f"{self.name} has no properties")

    def getprop(self, name: str) -> bytes:
        """Errors: EINVAL."""
        raise VarpdError(Errno.EINVAL, f"{self.name} has no property {name!r}")

    def setprop(self, name: str, value: bytes) -> None:
        """Errors: EINVAL."""
        raise VarpdError(Errno.EINVAL, f"{self.name} has no property {name!r}")

    def save(self) -> NvList:
        """Nothing."""
        return NvList()
