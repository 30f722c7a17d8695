"""Physical links: the machine's own interfaces, as the kernel follows them (DLM 5.5)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dladm.libdladm.handle import Dladm
from dladm.libdladm.status import DladmError
from kernel_sim.sys.codec import EsPhysEntry, EsPhysList
from kernel_sim.sys.dld import DL_ETHER, LinkDuplex
from kernel_sim.sys.errno import KernelError
from kernel_sim.sys.es import ES_PHYS_LIST

DUPLEX: Final[Mapping[int, str]] = {LinkDuplex.FULL: "full", LinkDuplex.HALF: "half"}
"""How duplex is printed; anything else is `unknown`."""

MEDIA: Final = {DL_ETHER: "Ethernet"}
"""How a media type is printed."""


def interfaces(handle: Dladm) -> dict[str, EsPhysEntry]:
    """The interfaces by name, in ifindex order. Errors: `DladmError`."""
    try:
        found = EsPhysList.unpack(handle.ioctl(ES_PHYS_LIST, b""))
    except KernelError as error:
        raise DladmError.of(error) from error
    return {entry.name: entry for entry in found.entries}
