"""Links, addresses and settings of the calling thread's network namespace, over netlink.

pyroute2's errors are mapped here and nowhere else. Duplicate address detection is off, as in the rest of the project.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Final, Self

from etherspan.ipadm.names import Interface, InterfaceId
from etherspan.ipadm.status import IpadmError, of_errno
from etherspan.ipadm.view import NetAddress, NetInterface
from etherspan.netns import set_sysctl
from kernel_sim.sys.errno import from_host

_IFF_UP: Final = 0x1
_IFF_BROADCAST: Final = 0x2
_IFF_MULTICAST: Final = 0x1000
_IFF_LOWER_UP: Final = 0x10000
_IFA_F_TEMPORARY: Final = 0x01
_IFA_F_NODAD: Final = 0x02
_IFA_F_DADFAILED: Final = 0x08
_IFA_F_DEPRECATED: Final = 0x20
_IFA_F_TENTATIVE: Final = 0x40
_IFA_F_PERMANENT: Final = 0x80
_NO_LINK_LOCAL: Final = "1"
"""`addr_gen_mode`: no link-local address comes by itself."""

_SETTINGS: Final = (
    ("ipv4", "promote_secondaries", "1"),  # taking an address away leaves the others of its subnet
    ("ipv6", "accept_dad", "0"),
    ("ipv6", "addr_gen_mode", _NO_LINK_LOCAL),
    ("ipv6", "accept_ra", "0"),  # addrconf turns it on
)


class Netstack:
    """A netlink conversation in the namespace of the thread that opens it. Errors of its methods: `IpadmError`."""

    def __init__(self) -> None:
        from pyroute2 import IPRoute

        with _failing("open rtnetlink"):
            self._ip: Any = IPRoute()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ip.close()

    def read(self, name: str | None = None) -> list[NetInterface]:
        """The interfaces with their addresses, in order of their indexes; the one of a name, or none, if a name is given."""
        with _failing("list the interfaces and addresses"):
            if name is None:
                links = list(self._ip.get_links())
            else:
                indexes = self._ip.link_lookup(ifname=name) or self._ip.link_lookup(altname=name)
                links = list(self._ip.get_links(*indexes)) if indexes else []
        addresses = self.addresses()
        return [_interface(link, tuple(addresses.get(link["index"], ()))) for link in sorted(links, key=_index)]

    def addresses(self) -> dict[int, list[NetAddress]]:
        """Every address, by the index of its interface."""
        found: dict[int, list[NetAddress]] = {}
        with _failing("list the addresses"):
            for message in self._ip.get_addr():
                found.setdefault(message["index"], []).append(_address(message))
        return found

    def plumb(self, found: NetInterface) -> None:
        """Make an IP interface of a link: bring it up, with what illumos has by default, that is, without any address."""
        for family, name, value in _SETTINGS:
            _set(found, family, name, value)
        with _failing(f"bring up {found.names[0]}"):
            self._ip.link("set", index=found.index, state="up")

    def unplumb(self, found: NetInterface) -> None:
        """Undo `plumb`: addresses go, routers are not followed, and the interface is down."""
        _set(found, "ipv6", "accept_ra", "0")
        with _failing(f"take the addresses of {found.names[0]}"):
            self._ip.flush_addr(index=found.index)
            self._ip.link("set", index=found.index, state="down")

    def add(self, found: NetInterface, address: Interface) -> None:
        """Add an address, usable at once."""
        flags = {"flags": _IFA_F_NODAD} if address.version == 6 else {}
        with _failing(f"add {address} to {found.names[0]}"):
            self._ip.addr("add", index=found.index, **_of(address), **flags)

    def remove(self, found: NetInterface, address: Interface) -> None:
        """Take an address away; one that somebody else took away before is none of our business."""
        from pyroute2.netlink.exceptions import NetlinkError

        with _failing(f"take {address} from {found.names[0]}"):
            try:
                self._ip.addr("delete", index=found.index, **_of(address))
            except NetlinkError as error:
                if error.code != errno.EADDRNOTAVAIL:
                    raise

    def autoconfigure(self, found: NetInterface, own: InterfaceId, *, stateless: bool) -> None:
        """Follow routers' advertisements, with this interface id where one was given. Add the link-local address next."""
        _set(found, "ipv6", "accept_ra", "1")
        _set(found, "ipv6", "autoconf", "1" if stateless else "0")
        if own.length:
            token = {"attrs": [("AF_INET6", {"attrs": [("IFLA_INET6_TOKEN", str(own.address))]})]}
            with _failing(f"set the interface id {own} of {found.names[0]}"):
                self._ip.link("set", index=found.index, IFLA_AF_SPEC=token)

    def stop_autoconfiguring(self, found: NetInterface) -> None:
        """Undo `autoconfigure`: what came from routers goes."""
        _set(found, "ipv6", "accept_ra", "0")
        for one in self.addresses().get(found.index, []):
            if not one.lasting:
                self.remove(found, one.interface)


def _set(found: NetInterface, family: str, name: str, value: str) -> None:
    set_sysctl(f"net/{family}/conf/{found.names[0]}/{name}", value)


def _of(address: Interface) -> dict[str, Any]:
    return {"address": str(address.ip), "prefixlen": address.network.prefixlen}


def _index(link: Mapping[str, Any]) -> int:
    return int(link["index"])


def _interface(link: Any, addresses: tuple[NetAddress, ...]) -> NetInterface:
    flags: int = link["flags"]
    others = link.get_attr("IFLA_PROP_LIST")
    names = (link.get_attr("IFLA_IFNAME"), *(others.get_attrs("IFLA_ALT_IFNAME") if others else ()))
    families = link.get_attr("IFLA_AF_SPEC")
    ipv6 = families.get_attr("AF_INET6") if families else None
    conf = ipv6.get_attr("IFLA_INET6_CONF") if ipv6 else None
    return NetInterface(
        index=link["index"],
        names=names,
        mac=bytes.fromhex((link.get_attr("IFLA_ADDRESS") or "").replace(":", "")),
        up=bool(flags & _IFF_UP),
        running=bool(flags & _IFF_LOWER_UP),
        broadcast=bool(flags & _IFF_BROADCAST),
        multicast=bool(flags & _IFF_MULTICAST),
        ipv6=conf is not None and not conf["disable_ipv6"],
        addresses=addresses,
    )


def _address(message: Any) -> NetAddress:
    text = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
    flags = message.get_attr("IFA_FLAGS") or message["flags"]
    six = message["family"] != 2
    return NetAddress(
        ipaddress.ip_interface(f"{text}/{message['prefixlen']}"),
        lasting=bool(flags & _IFA_F_PERMANENT),
        tentative=six and bool(flags & _IFA_F_TENTATIVE),
        duplicate=six and bool(flags & _IFA_F_DADFAILED),
        deprecated=bool(flags & _IFA_F_DEPRECATED),
        temporary=six and bool(flags & _IFA_F_TEMPORARY),  # the same bit means "secondary" for IPv4
    )


@contextlib.contextmanager
def _failing(what: str) -> Iterator[None]:
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        yield
    except NetlinkError as error:
        raise IpadmError(of_errno(from_host(error.code)), f"cannot {what}") from error
    except OSError as error:
        raise IpadmError(of_errno(from_host(error.errno)), f"cannot {what}: {error.strerror}") from error
