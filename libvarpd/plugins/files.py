"""The search plugin `files`: a JSON file says where each MAC address lives, and which IP addresses it has (VPD 4.3, 5.2, 7).

The file is read at start and, unlike in the original, again when the service is refreshed: a good one takes the place of the table in
one step and what it changes leaves the kernel's cache; with a bad one the table stays, and the overlay is degraded until the file
is good again.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final, Self

from kernel_sim.sys.errno import Errno
from kernel_sim.sys.ethernet import BROADCAST, ETHERTYPE_ARP, ETHERTYPE_IP, ETHERTYPE_IPV6
from kernel_sim.sys.overlay_common import OVERLAY_STATUS_BUFLEN, Dest, PropPerm, PropType
from kernel_sim.sys.overlay_target import TargMode
from libvarpd.errors import VarpdError
from libvarpd.nvpair import NvList
from libvarpd.plugin import DROP, Answer, MacAnswer, Provider, Query, SearchPlugin
from libvarpd.plugins.files_table import EMPTY, Table
from libvarpd.prop import PropInfo

CONFIG: Final = "files/config"
COUNTERS: Final = ("files/vaf_nmisses", "files/vaf_narp")
"""Keys of state files that the original writes and never counts; so here (VPD-Q21)."""

DOUBTS_SHOWN: Final = 20
"""Fields of one file that the log says are of no use."""

_INFO: Final = PropInfo(CONFIG, PropType.STRING, PropPerm.RRW)
_IPV6_MULTICAST_MAC: Final = b"\x33\x33"


@dataclass(slots=True, frozen=True)
class _Loaded:
    """A table, and the digest of the file it was read from."""

    table: Table
    digest: bytes


_NOTHING: Final = _Loaded(EMPTY, b"")


class Files(SearchPlugin):
    """See the module. `path` is the file, as it was set."""

    name = "files"
    mode = TargMode.DYNAMIC

    def __init__(self, provider: Provider, path: str | None = None) -> None:
        self._provider = provider
        self._path = path
        self._loaded: _Loaded | None = None
        self._degraded = False
        self._adopted = False

    @classmethod
    def create(cls, provider: Provider, dest: Dest) -> Self:
        """Errors: ENOTSUP a destination without an address, or with an Ethernet address (VPD-Q10)."""
        _require_supported(dest, Errno.ENOTSUP)
        return cls(provider)

    @classmethod
    def restore(cls, provider: Provider, dest: Dest, saved: NvList) -> Self:
        """What the counters were does not matter, nor whether there are any (VPD-B58). Errors: EINVAL where `create` has ENOTSUP."""
        _require_supported(dest, Errno.EINVAL)
        made = cls(provider, saved.string(CONFIG))
        made._adopted = True
        return made

    def start(self) -> None:
        """Read the file. Errors: EAGAIN no path is set; those of `Provider.read_file` and `Table.read`.

        An instance that was restored starts with a bad file, too: without a table, its overlay degraded, until the file is good. To
        refuse would cost the overlay its instance for what may be mended in a minute.
        """
        if self._path is None:
            raise VarpdError(Errno.EAGAIN, f"{CONFIG} is not set")
        adopted, self._adopted = self._adopted, False
        try:
            self._loaded = self._load(self._path)
        except VarpdError as error:
            if not adopted:
                raise
            self._loaded = _NOTHING
            self._degrade(error, self._path)
            self._provider.warn(str(error))

    def stop(self) -> None:
        """Forget the table."""
        self._loaded = None

    def destroy(self) -> None:
        """Nothing is held."""

    def nprops(self) -> int:
        """The path."""
        return 1

    def propinfo(self, index: int) -> PropInfo:
        """See `SearchPlugin.propinfo`."""
        return _INFO

    def getprop(self, name: str) -> bytes:
        """See `SearchPlugin.getprop`."""
        _require_known(name)
        return b"" if self._path is None else self._path.encode("utf-8", "surrogateescape") + b"\0"

    def setprop(self, name: str, value: bytes) -> None:
        """Any text up to its first NUL (VPD-Q37); the last byte of one without is dropped, the place of its NUL (VPD 4.3).

        Errors: EINVAL unknown name, or no bytes at all: the path stays what it was (VPD-B43).
        """
        _require_known(name)
        if not value:
            raise VarpdError(Errno.EINVAL, f"{CONFIG} is a text, and there is none")
        end = value.find(b"\0")  # -1: all but the last byte
        self._path = value[:end].decode("utf-8", "surrogateescape")

    def save(self) -> NvList:
        """The path and two zeros; nothing while there is no path."""
        saved = NvList()
        if self._path is not None:
            saved.add_string(CONFIG, self._path)
            for counter in COUNTERS:
                saved.add_uint64(counter, 0)
        return saved

    async def lookup(self, query: Query) -> Answer:
        """The first rule that fits (VPD 5.2): ARP, neighbour discovery and DHCP by proxy, the rest by the table. VLANs share it."""
        asked = query.request
        if asked.sap == ETHERTYPE_ARP:
            return await query.proxy_arp()
        if asked.sap == ETHERTYPE_IPV6 and asked.dstaddr.startswith(_IPV6_MULTICAST_MAC):
            return await query.proxy_ndp()
        if asked.sap == ETHERTYPE_IP and asked.dstaddr == BROADCAST:
            return DROP if self._table.dhcp_proxy(asked.srcaddr) is None else await query.proxy_dhcp()
        return self._table.target(asked.dstaddr) or DROP

    async def arp(self, query: Query, address: bytes) -> MacAnswer:
        """The MAC address of the first entry with that address, `arp` or `ndp` by its size."""
        return self._table.owner(address) or DROP

    async def dhcp(self, query: Query) -> MacAnswer:
        """The server of whoever sent the frame."""
        return self._table.dhcp_proxy(query.request.srcaddr) or DROP

    def refresh(self) -> None:
        """Read the file again if there is a table. Errors: as `start`; the overlay is degraded, and the table stays."""
        if self._loaded is None or self._path is None:
            return
        before = self._loaded
        try:
            self._loaded = self._load(self._path)
        except VarpdError as error:
            self._degrade(error, self._path)
            raise
        for mac in before.table.outdated_by(self._loaded.table):
            self._provider.inject_varp(mac, None)
        if self._degraded:
            self._degraded = False
            self._provider.restore()

    @property
    def _table(self) -> Table:
        return EMPTY if self._loaded is None else self._loaded.table

    def _degrade(self, error: VarpdError, path: str) -> None:
        self._degraded = True
        self._provider.degrade(_status(error.detail or str(error), path))

    def _load(self, path: str) -> _Loaded:
        data = self._provider.read_file(path)
        digest = hashlib.sha256(data).digest()
        if self._loaded is not None and self._loaded.digest == digest:
            return self._loaded
        try:
            table = Table.read(data)
        except VarpdError as error:
            raise VarpdError(error.errno, f"{path}: {error.detail}") from error
        for doubt in table.doubts[:DOUBTS_SHOWN]:
            self._provider.warn(f"{path}: {doubt}")
        if len(table.doubts) > DOUBTS_SHOWN:
            self._provider.warn(f"{path}: {len(table.doubts) - DOUBTS_SHOWN} more of these")
        return _Loaded(table, digest)


def _require_supported(dest: Dest, errno: Errno) -> None:
    if dest not in {Dest.IP, Dest.IP | Dest.PORT}:
        raise VarpdError(errno, f"files gives addresses and ports, not what {int(dest):#x} stands for")


def _require_known(name: str) -> None:
    if name != CONFIG:
        raise VarpdError(Errno.EINVAL, f"files has no property {name!r}")


def _status(detail: str, path: str) -> str:
    """A reason that fits where people are shown it; of a long path the beginning is left out rather than what is wrong."""
    most = OVERLAY_STATUS_BUFLEN - 1
    over = len(_utf8(detail)) - most
    if over > 0:
        kept = _utf8(path)[over + len("...") :].decode("utf-8", "ignore")
        detail = detail.replace(path, "..." + kept, 1)
    return _utf8(detail)[:most].decode("utf-8", "ignore")


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


PLUGIN = Files
