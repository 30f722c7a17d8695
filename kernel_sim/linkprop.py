"""Attributes and properties of any link, as /dev/dld gives and takes them (KRN 6.11 to 6.14).

A link is a MAC of this kernel, or a physical interface of the machine: the latter is known by its name, and read-only here.

    MTU                      any link; rw
    STATUS, SPEED, DUPLEX    any link; read only
    ZONE                     of a VNIC, whose port moves; read only elsewhere
    RESOURCE                 any link; SET changes what the mask of the value names, DEFAULT gives what there is when nothing is set
    RESOURCE_EFF             what of it is in effect; read only
    TAGMODE                  any link; kept. No consumer here sends with a priority, so there is never a frame that it could tag
    RXRINGSRANGE, …          the number of rings that may be asked for: no range, since no link here has groups of rings
    MAX_…_AVAIL              rings and groups that are free: 0
    VN_PROMISC_FILTERED      VNICs; for sniffers that come later
    SECONDARY_ADDRS          VNICs
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from kernel_sim.ddi import PhysLink
from kernel_sim.dls import DlsTable, LinkName
from kernel_sim.mac import resource
from kernel_sim.mac.mac import Mac
from kernel_sim.sys.codec import (
    DldAttr,
    DldMacprop,
    MacResourceProps,
    PropRange,
    PropValue,
    macprop_read,
    macprop_value,
)
from kernel_sim.sys.dld import DatalinkClass, LinkDuplex, LinkState, MacProp, MacPropFlag, MacPropPerm
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.mac_flow import TagMode

_MEGABIT: Final = 1_000_000


class PortLinks(Protocol):
    """What VNICs have and other links have not. Errors of all but `vid`: ENOENT not a VNIC."""

    def vid(self, linkid: int) -> int:
        """VLAN id of a VNIC, 0 for any other link."""

    def zone(self, linkid: int) -> str:
        """The zone a VNIC's port is in, "" for the host."""

    def set_zone(self, linkid: int, zone: str) -> None:
        """Move a VNIC's port. Errors: ENOENT also for no such zone."""

    def promisc_filtered(self, linkid: int) -> bool:
        """Whether sniffers of a VNIC see only what is the VNIC's."""

    def set_promisc_filtered(self, linkid: int, *, on: bool) -> None:
        """Change that."""

    def secondary_addresses(self, linkid: int) -> tuple[bytes, ...]:
        """The addresses a VNIC has beside its own."""

    def set_secondary_addresses(self, linkid: int, addresses: Sequence[bytes]) -> None:
        """Change them. Errors: EINVAL, EEXIST."""


@dataclass(slots=True, frozen=True)
class _Value:
    """A property as it is; `current` None has no value of its own."""

    current: PropValue | None
    perm: MacPropPerm = MacPropPerm.READ
    default: PropValue | None = None
    possible: PropRange | None = None


@dataclass(slots=True, frozen=True)
class _Link:
    name: LinkName
    mac: Mac
    ports: PortLinks

    @property
    def is_vnic(self) -> bool:
        return self.name.link_class is DatalinkClass.VNIC

    def require_vnic(self, num: MacProp) -> None:
        if not self.is_vnic:
            raise KernelError(Errno.ENOTSUP, f"{self.name.name} has no link property {num.name.lower()}")


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
            value = _READ[num](_Link(name, self._links.mac(asked.linkid), self._ports))
        answer = _answer(num, value, asked.flags)
        return DldMacprop(asked.flags, asked.linkid, asked.num, value.perm, asked.name, answer).pack()

    def set(self, argument: bytes) -> bytes:
        """DLDIOC_SETMACPROP; a refusal leaves everything as it was.

        Errors: ENOENT; ENOTSUP read-only here, or not a property of this link; EINVAL a value of another size; those of `Mac.set_mtu`
        and `Mac.set_resources`; of a zone ENOENT, EEXIST; of secondary addresses EINVAL, EEXIST; EINVAL for a tagmode that is none.
        """
        wanted = DldMacprop.unpack(argument)
        num = _known(wanted)
        link = _Link(self._links.info(wanted.linkid), self._links.mac(wanted.linkid), self._ports)
        write = _WRITE.get(num)
        if write is None:
            raise KernelError(Errno.ENOTSUP, f"link property {num.name.lower()} is read-only")
        write(link, macprop_read(num, wanted.value))
        return b""

    def _phys_link(self, name: LinkName) -> PhysLink:
        for link in self._phys():
            if link.name == name.name:
                return link
        raise KernelError(Errno.ENOENT, f"physical link {name.name} is gone")


def _known(asked: DldMacprop) -> MacProp:
    if asked.num not in _READ:
        raise KernelError(Errno.ENOTSUP, f"no link property {asked.num} ({asked.name})")
    return MacProp(asked.num)


# ---------------------------------------------------------------------- reading


def _mtu(link: _Link) -> _Value:
    return _Value(link.mac.mtu, MacPropPerm.RW, link.mac.mtu_default, PropRange.of_ranges(link.mac.mtu_range))


def _zone(link: _Link) -> _Value:
    if link.is_vnic:
        return _Value(link.ports.zone(link.name.linkid), MacPropPerm.RW, "")
    return _Value("", MacPropPerm.READ, "")


def _rings_range(link: _Link) -> _Value:
    shares = link.mac.lower is not None and link.mac.lower.is_primary
    return _Value(None, MacPropPerm.READ if shares else MacPropPerm.RW, possible=PropRange())


def _promisc_filtered(link: _Link) -> _Value:
    link.require_vnic(MacProp.VN_PROMISC_FILTERED)
    return _Value(int(link.ports.promisc_filtered(link.name.linkid)), MacPropPerm.RW, 1)


def _secondary_addresses(link: _Link) -> _Value:
    link.require_vnic(MacProp.SECONDARY_ADDRS)
    return _Value(link.ports.secondary_addresses(link.name.linkid), MacPropPerm.RW, ())


def _none_available(_link: _Link) -> _Value:
    return _Value(0)


_READ: Final[Mapping[int, Callable[[_Link], _Value]]] = {
    MacProp.MTU: _mtu,
    MacProp.STATUS: lambda link: _Value(int(link.mac.link_state)),
    MacProp.SPEED: lambda link: _Value(link.mac.speed),
    MacProp.DUPLEX: lambda _link: _Value(LinkDuplex.UNKNOWN),
    MacProp.ZONE: _zone,
    MacProp.RESOURCE: lambda link: _Value(link.mac.resources, MacPropPerm.RW, resource.DEFAULTS),
    MacProp.RESOURCE_EFF: lambda link: _Value(resource.effective(link.mac.resources), default=resource.DEFAULTS),
    MacProp.TAGMODE: lambda link: _Value(link.mac.tagmode, MacPropPerm.RW, TagMode.VLANONLY),
    MacProp.RXRINGSRANGE: _rings_range,
    MacProp.TXRINGSRANGE: _rings_range,
    MacProp.MAX_TX_RINGS_AVAIL: _none_available,
    MacProp.MAX_RX_RINGS_AVAIL: _none_available,
    MacProp.MAX_RXHWCLNT_AVAIL: _none_available,
    MacProp.MAX_TXHWCLNT_AVAIL: _none_available,
    MacProp.VN_PROMISC_FILTERED: _promisc_filtered,
    MacProp.SECONDARY_ADDRS: _secondary_addresses,
}


def _phys_value(num: MacProp, link: PhysLink) -> _Value:
    """What the machine says of its interface; for the rest, what an interface has that nothing was set for."""
    values: dict[MacProp, PropValue] = {
        MacProp.MTU: link.mtu,
        MacProp.STATUS: LinkState.UP if link.up else LinkState.DOWN,
        MacProp.SPEED: link.speed * _MEGABIT,
        MacProp.DUPLEX: link.duplex,
        MacProp.ZONE: "",
        MacProp.RESOURCE: resource.DEFAULTS,
        MacProp.RESOURCE_EFF: resource.DEFAULTS,
        MacProp.TAGMODE: TagMode.VLANONLY,
    }
    if num not in values:
        raise KernelError(Errno.ENOTSUP, f"{link.name} has no link property {num.name.lower()} here")
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
    return b"" if value.current is None else macprop_value(num, value.current)


# ---------------------------------------------------------------------- setting: the values are of the types that `macprop_read` gives


def _set_mtu(link: _Link, value: PropValue) -> None:
    assert isinstance(value, int)
    link.mac.set_mtu(value)


def _set_zone(link: _Link, value: PropValue) -> None:
    assert isinstance(value, str)
    if not link.is_vnic:
        raise KernelError(Errno.ENOTSUP, "only a VNIC can be given to a zone")
    link.ports.set_zone(link.name.linkid, value)


def _set_resources(link: _Link, value: PropValue) -> None:
    assert isinstance(value, MacResourceProps)
    link.mac.set_resources(value)


def _set_tagmode(link: _Link, value: PropValue) -> None:
    assert isinstance(value, int)
    if value not in tuple(TagMode):
        raise KernelError(Errno.EINVAL, f"tagmode {value}")
    link.mac.tagmode = TagMode(value)


def _set_promisc_filtered(link: _Link, value: PropValue) -> None:
    link.require_vnic(MacProp.VN_PROMISC_FILTERED)
    link.ports.set_promisc_filtered(link.name.linkid, on=bool(value))


def _set_secondary_addresses(link: _Link, value: PropValue) -> None:
    assert isinstance(value, tuple)
    link.require_vnic(MacProp.SECONDARY_ADDRS)
    link.ports.set_secondary_addresses(link.name.linkid, value)


_WRITE: Final[Mapping[int, Callable[[_Link, PropValue], None]]] = {
    MacProp.MTU: _set_mtu,
    MacProp.ZONE: _set_zone,
    MacProp.RESOURCE: _set_resources,
    MacProp.TAGMODE: _set_tagmode,
    MacProp.VN_PROMISC_FILTERED: _set_promisc_filtered,
    MacProp.SECONDARY_ADDRS: _set_secondary_addresses,
}
