"""Attributes and properties of any link, as /dev/dld gives and takes them: mtu, state, speed, duplex, zone (KRN 6.11, 6.12).

A link is a MAC of this kernel, or a physical interface of the machine: the latter is known by its name, and read-only here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from kernel_sim.ddi import PhysLink
from kernel_sim.dls import DlsTable, LinkName
from kernel_sim.mac.mac import Mac
from kernel_sim.sys.codec import DldAttr, DldMacprop, PropRange, macprop_read, macprop_value
from kernel_sim.sys.dld import DatalinkClass, LinkDuplex, LinkState, MacProp, MacPropFlag, MacPropPerm
from kernel_sim.sys.errno import Errno, KernelError

_MEGABIT: Final = 1_000_000


class PortLinks(Protocol):
    """What VNICs have and other links have not."""

    def vid(self, linkid: int) -> int:
        """VLAN id of a VNIC, 0 for any other link."""

    def zone(self, linkid: int) -> str:
        """The zone a VNIC's port is in, "" for the host. Errors: ENOENT not a VNIC."""

    def set_zone(self, linkid: int, zone: str) -> None:
        """Move a VNIC's port. Errors: ENOENT not a VNIC, or no such zone."""


@dataclass(slots=True, frozen=True)
class _Value:
    current: int | str
    perm: MacPropPerm = MacPropPerm.READ
    default: int | str | None = None
    possible: PropRange | None = None


class LinkProperties:
    """DLDIOC_ATTR, DLDIOC_GETMACPROP and DLDIOC_SETMACPROP."""

    def __init__(self, links: DlsTable, ports: PortLinks, phys: Callable[[], Sequence[PhysLink]]) -> None:
        self._links = links
        self._ports = ports
        self._phys = phys

    def attr(self, argument: bytes) -> bytes:
        """DLDIOC_ATTR: MTU and VLAN id. Errors: ENOENT."""
        linkid = DldAttr.unpack(argument).linkid
        name = self._links.info(linkid)
        if name.link_class is DatalinkClass.PHYS:
            return DldAttr(linkid, self._phys_link(name).mtu).pack()
        return DldAttr(linkid, self._links.mac(linkid).mtu, self._ports.vid(linkid)).pack()

    def get(self, argument: bytes) -> bytes:
        """DLDIOC_GETMACPROP: the current value, the default (flag 1) or the possible values (flag 2), and the permissions.

        Errors: ENOENT unknown link; ENOTSUP a property or question without an answer.
        """
        asked = DldMacprop.unpack(argument)
        num = _known(asked)
        name = self._links.info(asked.linkid)
        if name.link_class is DatalinkClass.PHYS:
            value = _phys_value(num, self._phys_link(name))
        else:
            value = self._value(num, name, self._links.mac(asked.linkid))
        return DldMacprop(
            asked.flags, asked.linkid, asked.num, value.perm, asked.name, _answer(num, value, asked.flags)
        ).pack()

    def set(self, argument: bytes) -> bytes:
        """DLDIOC_SETMACPROP. Errors: ENOENT; ENOTSUP read-only here; for mtu EINVAL, EBUSY; for zone ENOENT, EEXIST."""
        wanted = DldMacprop.unpack(argument)
        num = _known(wanted)
        mac = self._links.mac(wanted.linkid)
        value = macprop_read(num, wanted.value)
        if num is MacProp.MTU and isinstance(value, int):
            mac.set_mtu(value)
        elif num is MacProp.ZONE and isinstance(value, str):
            if self._links.info(wanted.linkid).link_class is not DatalinkClass.VNIC:
                raise KernelError(Errno.ENOTSUP, "only a VNIC can be given to a zone")
            self._ports.set_zone(wanted.linkid, value)
        else:
            raise KernelError(Errno.ENOTSUP, f"link property {num.name.lower()} is read-only")
        return b""

    def _phys_link(self, name: LinkName) -> PhysLink:
        for link in self._phys():
            if link.name == name.name:
                return link
        raise KernelError(Errno.ENOENT, f"physical link {name.name} is gone")

    def _value(self, num: MacProp, name: LinkName, mac: Mac) -> _Value:
        match num:
            case MacProp.MTU:
                low, high = mac.mtu_range
                return _Value(mac.mtu, MacPropPerm.RW, mac.mtu_default, PropRange.of_ranges((low, high)))
            case MacProp.STATUS:
                return _Value(int(mac.link_state))
            case MacProp.SPEED:
                return _Value(0)
            case MacProp.DUPLEX:
                return _Value(LinkDuplex.UNKNOWN)
            case _:
                if name.link_class is DatalinkClass.VNIC:
                    return _Value(self._ports.zone(name.linkid), MacPropPerm.RW, "")
                return _Value("", MacPropPerm.READ, "")


_KNOWN: Final = frozenset((MacProp.MTU, MacProp.STATUS, MacProp.SPEED, MacProp.DUPLEX, MacProp.ZONE))


def _known(asked: DldMacprop) -> MacProp:
    if asked.num not in _KNOWN:
        raise KernelError(Errno.ENOTSUP, f"no link property {asked.num} ({asked.name})")
    return MacProp(asked.num)


def _phys_value(num: MacProp, link: PhysLink) -> _Value:
    values: dict[MacProp, int | str] = {
        MacProp.MTU: link.mtu,
        MacProp.STATUS: LinkState.UP if link.up else LinkState.DOWN,
        MacProp.SPEED: link.speed * _MEGABIT,
        MacProp.DUPLEX: link.duplex,
        MacProp.ZONE: "",
    }
    return _Value(values[num])


def _answer(num: MacProp, value: _Value, flags: int) -> bytes:
    if flags & MacPropFlag.POSSIBLE:
        if value.possible is None:
            raise KernelError(Errno.ENOTSUP, f"link property {num.name.lower()} has no list of possible values")
        return value.possible.pack()
    if flags & MacPropFlag.DEFAULT:
        if value.default is None:
            raise KernelError(Errno.ENOTSUP, f"link property {num.name.lower()} has no default")
        return macprop_value(num, value.default)
    return macprop_value(num, value.current)
