"""Arguments of the generic link ioctls on /dev/dld: attributes and link properties."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import ClassVar, Self

from kernel_sim.sys.codec._record import Numbers, name_bytes, octets, read, text, write
from kernel_sim.sys.codec._resource import MacResourceProps
from kernel_sim.sys.dld import MAXLINKPROPNAME, MacProp
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.es import ZONENAME_MAX
from kernel_sim.sys.ethernet import ETHERADDRL
from kernel_sim.sys.mac_flow import MPT_MAXMACADDR
from kernel_sim.sys.message import Buffer


@dataclass(slots=True, frozen=True)
class DldAttr(Numbers):
    """0 linkid u32, 4 max_sdu u32 (bytes of payload), 8 vid u16, 10 pad."""

    _LAYOUT: ClassVar = struct.Struct("=IIH2x")
    SIZE: ClassVar[int] = 12

    linkid: int
    max_sdu: int = 0
    vid: int = 0


@dataclass(slots=True, frozen=True)
class DldMacprop:
    """A link property, asked for or set; 276 bytes and the value.

    0 flags u32 (`MacPropFlag`), 4 linkid u32, 8 num i32 (`MacProp`), 12 perm u32 (`MacPropPerm`, out), 16 name char[256], 272 size
    u32, 276 value.

    `size` is the length of `value`. A GETMACPROP request carries no value, its answer one of any length: a property value
    (`macprop_value`, `macprop_read`), or with the flag POSSIBLE a `PropRange`.
    """

    _LAYOUT: ClassVar = struct.Struct(f"=IIiI{MAXLINKPROPNAME}sI")
    SIZE: ClassVar[int] = 276

    flags: int
    linkid: int
    num: int
    perm: int = 0
    name: str = ""
    value: bytes = b""

    def pack(self) -> bytes:
        """276 bytes and the value. Errors: EINVAL for a name of 256 bytes or more, a number out of range."""
        name = name_bytes(self.name, MAXLINKPROPNAME, "link property name")
        fields = (self.flags, self.linkid, self.num, self.perm, name, len(self.value))
        return write(self._LAYOUT, "DldMacprop", *fields) + self.value

    @classmethod
    def unpack(cls, buffer: Buffer) -> Self:
        """Errors: EFAULT when short, also of the value."""
        flags, linkid, num, perm, name, size = read(cls._LAYOUT, buffer, "DldMacprop")
        if len(buffer) - cls.SIZE < size:
            raise KernelError(Errno.EFAULT, f"DldMacprop: a value of {size} bytes, {len(buffer) - cls.SIZE} were given")
        return cls(flags, linkid, num, perm, text(name), bytes(buffer[cls.SIZE : cls.SIZE + size]))


PropValue = int | str | MacResourceProps | tuple[bytes, ...]
"""The value of a link property, see `macprop_value`."""

_NUMBERS = {
    MacProp.DUPLEX: struct.Struct("=I"),  # LinkDuplex
    MacProp.SPEED: struct.Struct("=Q"),  # bits a second
    MacProp.STATUS: struct.Struct("=i"),  # LinkState
    MacProp.MTU: struct.Struct("=I"),  # bytes of payload
    MacProp.TAGMODE: struct.Struct("=I"),  # TagMode
    MacProp.MAX_TX_RINGS_AVAIL: struct.Struct("=I"),
    MacProp.MAX_RX_RINGS_AVAIL: struct.Struct("=I"),
    MacProp.MAX_RXHWCLNT_AVAIL: struct.Struct("=I"),
    MacProp.MAX_TXHWCLNT_AVAIL: struct.Struct("=I"),
    MacProp.VN_PROMISC_FILTERED: struct.Struct("=I"),  # 0 or 1
}
_ADDRESSES = struct.Struct(f"=I{MPT_MAXMACADDR * ETHERADDRL}s")


def macprop_value(num: MacProp, value: PropValue) -> bytes:
    """A link property's value.

    DUPLEX u32, SPEED u64 bit/s, STATUS i32, MTU u32, TAGMODE u32, MAX_…_AVAIL u32, VN_PROMISC_FILTERED u32; ZONE a NUL-terminated
    name ("" the global zone); RESOURCE and RESOURCE_EFF `MacResourceProps`; SECONDARY_ADDRS a tuple of 6-byte addresses: their count
    u32, room for 32.

    Errors: EINVAL for a value that the layout cannot hold, ENOTSUP for a property without a known layout.
    """
    if num is MacProp.ZONE and isinstance(value, str):
        return name_bytes(value, ZONENAME_MAX, "zone name") + b"\0"
    if num in _RESOURCES and isinstance(value, MacResourceProps):
        return value.pack()
    if num is MacProp.SECONDARY_ADDRS and isinstance(value, tuple):
        if len(value) > MPT_MAXMACADDR:
            raise KernelError(Errno.EINVAL, f"{len(value)} secondary addresses, at most {MPT_MAXMACADDR} fit")
        octets_of = b"".join(octets(one, ETHERADDRL, "a secondary address") for one in value)
        return write(_ADDRESSES, num.name, len(value), octets_of)
    layout = _NUMBERS.get(num)
    if layout is None or not isinstance(value, int):
        raise KernelError(Errno.ENOTSUP, f"link property {num!r} has no value layout for {value!r}")
    return write(layout, num.name, value)


def macprop_read(num: MacProp, value: bytes) -> PropValue:
    """What `macprop_value` packed.

    Errors: EINVAL for bytes that are no such value, ENOTSUP for a property without a known layout.
    """
    if num is MacProp.ZONE:
        if not value.endswith(b"\0") or len(value) > ZONENAME_MAX:
            raise KernelError(Errno.EINVAL, f"a zone name has at most {ZONENAME_MAX - 1} bytes and a NUL")
        return text(value)
    if num in _RESOURCES:
        _check_size(num, value, MacResourceProps.SIZE)
        return MacResourceProps.unpack(value)
    if num is MacProp.SECONDARY_ADDRS:
        _check_size(num, value, _ADDRESSES.size)
        count, room = _ADDRESSES.unpack(value)
        if count > MPT_MAXMACADDR:
            raise KernelError(Errno.EINVAL, f"{count} secondary addresses, at most {MPT_MAXMACADDR} fit")
        return tuple(room[at : at + ETHERADDRL] for at in range(0, count * ETHERADDRL, ETHERADDRL))
    layout = _NUMBERS.get(num)
    if layout is None:
        raise KernelError(Errno.ENOTSUP, f"link property {num!r} has no value layout")
    _check_size(num, value, layout.size)
    number: int = layout.unpack(value)[0]
    return number


_RESOURCES = frozenset((MacProp.RESOURCE, MacProp.RESOURCE_EFF))


def _check_size(num: MacProp, value: bytes, size: int) -> None:
    if len(value) != size:
        raise KernelError(Errno.EINVAL, f"{num.name} takes {size} bytes, {len(value)} were given")
