"""The simulated kernel as dlmgmtd sees it: the names it was given, the devices it has, the physical links it follows."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Protocol

from dladm.dlmgmtd.protocol import LinkInfo
from kernel_sim.dev import framing, paths, sockets
from kernel_sim.dev.client import Device, System
from kernel_sim.sys.codec import DldAttr, EsLinkList, EsNameClear, EsNameSet, EsPhysEntry, EsPhysList, EsPhysWait
from kernel_sim.sys.dld import DL_ETHER, DLDIOC_ATTR, DatalinkClass, DatalinkFlag
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.es import ES_LINK_LIST, ES_NAME_CLEAR, ES_NAME_SET, ES_PHYS_LIST, ES_PHYS_WAIT


class KernelNames(Protocol):
    """What dlmgmtd asks of the kernel. Errors are `KernelError`s; ECONNRESET when it has gone."""

    def push(self, link: LinkInfo) -> None:
        """Say what a link id is called."""

    def clear(self, linkid: int) -> None:
        """Take a name back; an id that has none is no error. Errors: EBUSY the kernel has a device of this id."""

    def pushed(self) -> list[LinkInfo]:
        """Everything that was pushed, by ascending id."""

    def has_device(self, link: LinkInfo) -> bool:
        """Is there a device of this id?"""

    def phys(self) -> EsPhysList:
        """The physical links, in ifindex order."""


class DeviceNames:
    """See `KernelNames`; over /dev/dld."""

    def __init__(self, system: System) -> None:
        self._dld = Device.open(system, paths.DLD)

    def push(self, link: LinkInfo) -> None:
        said = EsNameSet(link.linkid, link.link_class, link.flags, link.name, link.zone)
        self._dld.ioctl(ES_NAME_SET, said.pack())

    def clear(self, linkid: int) -> None:
        try:
            self._dld.ioctl(ES_NAME_CLEAR, EsNameClear(linkid).pack())
        except KernelError as error:
            if error.errno is not Errno.ENOENT:
                raise

    def pushed(self) -> list[LinkInfo]:
        found: list[LinkInfo] = []
        start = 1
        while page := EsLinkList.unpack(self._dld.ioctl(ES_LINK_LIST, EsLinkList(start).pack())).links:
            for one in page:
                kind, flags = DatalinkClass(one.link_class), DatalinkFlag(one.flags)
                found.append(LinkInfo(one.linkid, one.name, kind, DL_ETHER, flags, one.zone))
            start = found[-1].linkid + 1
        return found

    def has_device(self, link: LinkInfo) -> bool:
        try:
            self._dld.ioctl(DLDIOC_ATTR, DldAttr(link.linkid).pack())
        except KernelError as error:
            if error.errno is not Errno.ENOENT:
                raise
            return False
        return True

    def phys(self) -> EsPhysList:
        return EsPhysList.unpack(self._dld.ioctl(ES_PHYS_LIST))

    def close(self) -> None:
        self._dld.close()


class PhysWatch:
    """A connection to /dev/dld on which one ES_PHYS_WAIT is always outstanding; readable when the physical links changed."""

    def __init__(self, root: Path) -> None:
        self._sock = sockets.connect_seqpacket(root, paths.DLD)
        self._sock.send(framing.pack_open(framing.FREAD | framing.FWRITE))
        self._read()

    def fileno(self) -> int:
        return self._sock.fileno()

    def arm(self, generation: int) -> None:
        """Ask for the next change after `generation`."""
        request = framing.Request(ES_PHYS_WAIT, generation, EsPhysWait(generation).pack())
        try:
            self._sock.send(framing.pack_request(request), socket.MSG_NOSIGNAL)
        except OSError as error:
            raise KernelError(Errno.ECONNRESET, "the kernel has gone") from error

    def changed(self) -> None:
        """Take the answer. Errors: ECONNRESET the kernel has gone."""
        self._read()

    def _read(self) -> None:
        raw = sockets.receive(self._sock)
        if not raw:
            raise KernelError(Errno.ECONNRESET, "the kernel has gone")
        reply = framing.unpack_reply(raw)
        if reply.errno is not None:
            raise KernelError(reply.errno, "the kernel does not tell of physical links")

    def close(self) -> None:
        self._sock.close()


def phys_names(found: EsPhysList) -> dict[str, EsPhysEntry]:
    """Physical links by name, in ifindex order."""
    return {one.name: one for one in sorted(found.entries, key=lambda entry: entry.ifindex)}
