"""Giving a link another name (DLM 5.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dladm.libdladm.handle import Dladm
from dladm.libdladm.status import DladmError, Status
from kernel_sim.sys.errno import KernelError

if TYPE_CHECKING:
    from dladm.dlmgmtd.client import LinkInfo


def rename_link(handle: Dladm, link: LinkInfo, name: str, *, lent: bool = False) -> None:
    """Rename a link. It keeps its id; its TAP, its statistics, its stored line and the lines of what lies over it follow.

    Errors: `DladmError`: EXIST the name is taken; BADARG it is none, or the link is physical; LINKBUSY the link's interface is up, or the
    link is lent to a zone and `lent` does not say that this is known; DENIED.
    """
    if link.zone and not lent:
        raise DladmError(Status.LINKBUSY)
    try:
        handle.dlmgmt.rename(link.linkid, name)
    except KernelError as error:
        raise DladmError.of(error) from error
