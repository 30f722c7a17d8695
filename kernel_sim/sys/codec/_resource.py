"""The resource properties of a link, value of the link property RESOURCE (KRN 6.14)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self, TypeVar

from kernel_sim.sys.codec._record import name_bytes, octets, read, text, write
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.mac_flow import (
    MAXPATHLEN,
    MPT_MAXCID,
    MPT_MAXCIDLEN,
    MPT_MAXIPADDR,
    MPT_RESET,
    MRP_NCPUS,
    CidForm,
    MacPriority,
)
from kernel_sim.sys.message import Buffer


@dataclass(slots=True, frozen=True)
class MacIpaddr:
    """An address that a link may use; 24 bytes: 0 version u32 (4 or 6), 4 address (IPv4 as ::ffff:a.b.c.d), 20 prefix length u8, 21 pad."""

    _LAYOUT: ClassVar = struct.Struct("=I16sB3x")
    SIZE: ClassVar[int] = 24

    version: int
    address: bytes
    netmask: int

    def pack(self) -> bytes:
        return write(self._LAYOUT, "MacIpaddr", self.version, octets(self.address, 16, "MacIpaddr"), self.netmask)

    @classmethod
    def unpack(cls, buffer: Buffer) -> Self:
        return cls(*read(cls._LAYOUT, buffer, "MacIpaddr"))


@dataclass(slots=True, frozen=True)
class MacDhcpcid:
    """A DHCP client id or DUID that a link may send; 264 bytes: 0 id u8[256], 256 length u32, 260 form i32 (`mac_flow.CidForm`)."""

    _LAYOUT: ClassVar = struct.Struct(f"={MPT_MAXCIDLEN}sIi")
    SIZE: ClassVar[int] = 264

    cid: bytes
    form: int = CidForm.TYPED

    def pack(self) -> bytes:
        """Errors: EINVAL for an id over 256 bytes."""
        if len(self.cid) > MPT_MAXCIDLEN:
            raise KernelError(Errno.EINVAL, f"a DHCP client id of {len(self.cid)} bytes, at most {MPT_MAXCIDLEN} fit")
        return write(self._LAYOUT, "MacDhcpcid", self.cid, len(self.cid), self.form)

    @classmethod
    def unpack(cls, buffer: Buffer) -> Self:
        """Errors: EFAULT when short; EINVAL for a length that cannot be."""
        cid, length, form = read(cls._LAYOUT, buffer, "MacDhcpcid")
        if length > MPT_MAXCIDLEN:
            raise KernelError(Errno.EINVAL, f"a DHCP client id of {length} bytes, at most {MPT_MAXCIDLEN} fit")
        return cls(cid[:length], form)


@dataclass(slots=True, frozen=True)
class MacResourceProps:
    """`mac_resource_props_t`, 12868 bytes. In a SETMACPROP only what `mask` names counts.

    0 mask u32 (`mac_flow.MrpMask`), 4 maxbw u64 bit/s, unaligned, 12 priority i32 (`MacPriority`)
    16 count of CPUs u32, 20 their numbers u32[128], 532 working state of the original, 2596 fanout mode u32
    2600 types of protection u32 (`MacProtect`), 2604 count u32, 2608 allowed addresses `MacIpaddr`[32], 3376 count u32, 3380 allowed
    client ids `MacDhcpcid`[32], 11828 all client ids u32, 11832 dynamic methods u32 (`DynamicMethod`)
    11836 receive rings u32, 11840 transmit rings u32, 11844 pool char[1024]

    Of link protection only the parts count that are not empty: a SETMACPROP with `types` 0 leaves the types as they are. MPT_RESET as
    `types`, `allcids` or `dynamic` takes that part away, as does None in place of addresses or client ids (a count of MPT_RESET).
    """

    _HEAD: ClassVar = struct.Struct(f"=IQiI{4 * MRP_NCPUS}s2064xIII")
    _TAIL: ClassVar = struct.Struct(f"=IIII{MAXPATHLEN}s")
    SIZE: ClassVar[int] = 12868

    mask: int = 0
    maxbw: int = 0
    priority: int = MacPriority.LOW
    cpus: tuple[int, ...] = ()
    fanout_mode: int = 0
    types: int = 0
    ipaddrs: tuple[MacIpaddr, ...] | None = ()
    cids: tuple[MacDhcpcid, ...] | None = ()
    allcids: int = 0
    dynamic: int = 0
    nrxrings: int = 0
    ntxrings: int = 0
    pool: str = ""

    def pack(self) -> bytes:
        """12868 bytes. Errors: EINVAL for a list that is too long, a number out of range, a pool of 1024 bytes or more."""
        if len(self.cpus) > MRP_NCPUS:
            raise KernelError(Errno.EINVAL, f"{len(self.cpus)} CPUs, at most {MRP_NCPUS} fit")
        numbers = write(struct.Struct(f"={len(self.cpus)}I"), "MacResourceProps", *self.cpus)
        ipcount, ipaddrs = _list(self.ipaddrs, MPT_MAXIPADDR, MacIpaddr.SIZE)
        cidcount, cids = _list(self.cids, MPT_MAXCID, MacDhcpcid.SIZE)
        head = (self.mask, self.maxbw, self.priority, len(self.cpus), numbers, self.fanout_mode, self.types, ipcount)
        pool = name_bytes(self.pool, MAXPATHLEN, "CPU pool")
        tail = (self.allcids, self.dynamic, self.nrxrings, self.ntxrings, pool)
        return b"".join(
            (
                write(self._HEAD, "MacResourceProps", *head),
                ipaddrs,
                write(_COUNT, "MacResourceProps", cidcount),
                cids,
                write(self._TAIL, "MacResourceProps", *tail),
            )
        )

    @classmethod
    def unpack(cls, buffer: Buffer) -> Self:
        """Errors: EFAULT when short; EINVAL for a count that cannot be."""
        if len(buffer) < cls.SIZE:
            raise KernelError(Errno.EFAULT, f"MacResourceProps takes {cls.SIZE} bytes, {len(buffer)} were given")
        mask, maxbw, priority, ncpus, numbers, mode, types, ipcount = cls._HEAD.unpack_from(buffer)
        at = cls._HEAD.size + MPT_MAXIPADDR * MacIpaddr.SIZE
        cidcount = _COUNT.unpack_from(buffer, at)[0]
        at_cids = at + _COUNT.size
        allcids, dynamic, nrxrings, ntxrings, pool = cls._TAIL.unpack_from(
            buffer, at_cids + MPT_MAXCID * MacDhcpcid.SIZE
        )
        if ncpus > MRP_NCPUS:
            raise KernelError(Errno.EINVAL, f"{ncpus} CPUs, at most {MRP_NCPUS} fit")
        return cls(
            mask=mask,
            maxbw=maxbw,
            priority=priority,
            cpus=struct.unpack_from(f"={ncpus}I", numbers),
            fanout_mode=mode,
            types=types,
            ipaddrs=_read_list(MacIpaddr, buffer, cls._HEAD.size, ipcount, MPT_MAXIPADDR),
            cids=_read_list(MacDhcpcid, buffer, at_cids, cidcount, MPT_MAXCID),
            allcids=allcids,
            dynamic=dynamic,
            nrxrings=nrxrings,
            ntxrings=ntxrings,
            pool=text(pool),
        )


_COUNT = struct.Struct("=I")
_Entry = TypeVar("_Entry", MacIpaddr, MacDhcpcid)


def _list(entries: Sequence[MacIpaddr | MacDhcpcid] | None, most: int, size: int) -> tuple[int, bytes]:
    """The count of a list and its entries in their full room."""
    if entries is None:
        return MPT_RESET, bytes(most * size)
    if len(entries) > most:
        raise KernelError(Errno.EINVAL, f"{len(entries)} entries of link protection, at most {most} fit")
    return len(entries), b"".join(entry.pack() for entry in entries).ljust(most * size, b"\0")


def _read_list(kind: type[_Entry], buffer: Buffer, at: int, count: int, most: int) -> tuple[_Entry, ...] | None:
    if count == MPT_RESET:
        return None
    if count > most:
        raise KernelError(Errno.EINVAL, f"{count} entries of link protection, at most {most} fit")
    return tuple(kind.unpack(buffer[at + i * kind.SIZE : at + (i + 1) * kind.SIZE]) for i in range(count))
