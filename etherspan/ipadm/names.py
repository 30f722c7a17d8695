"""Names and addresses as they are typed: interfaces, address objects, `-a`, `-i` and `-p` arguments (IPA 2.2 to 2.4)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from dladm.libdladm import linkname
from etherspan.ipadm.status import IpadmError, Status

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Interface: TypeAlias = ipaddress.IPv4Interface | ipaddress.IPv6Interface

LOOPBACK: Final = "lo0"
OBJECT_MAX: Final = 64
"""Bytes of an address object's name with its NUL."""
LINK_LOCAL_LENGTH: Final = 10
"""Prefix length of a link-local address."""

_UNSPECIFIED: Final = ipaddress.IPv6Address(0)
_USER_PART: Final = re.compile(r"[A-Za-z][A-Za-z0-9]{0,30}", re.ASCII)
_LENGTH: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
_CLASSFUL: Final = ((128, 8), (192, 16))
"""First octets below the first number have a prefix of the second's length; all others 24 (RFC 791)."""


def is_interface(name: str) -> bool:
    """True for what can be the name of an IP interface: a link's name, or `lo0` (which is one too)."""
    return linkname.is_valid(name)


def check_interface(name: str) -> None:
    """Errors: INVALID_ARG for what is no interface's name; logical interfaces (`net0:1`) are none here."""
    if not is_interface(name):
        raise IpadmError(Status.INVALID_ARG, f"'{name}' is no interface name")


def interface_of(aobjname: str) -> str:
    """The interface that an address object is on: what stands before the first slash."""
    return aobjname.partition("/")[0]


def check_object(aobjname: str) -> None:
    """Errors: INVALID_ARG for what cannot be an address object's name: INTERFACE/NAME, NAME a letter, then letters and digits (31)."""
    ifname, _, part = aobjname.partition("/")
    if len(aobjname.encode("utf-8", "surrogateescape")) >= OBJECT_MAX or not is_interface(ifname):
        raise IpadmError(Status.INVALID_ARG, f"'{aobjname}' is no address object name")
    if not _USER_PART.fullmatch(part):
        raise IpadmError(
            Status.INVALID_ARG, f"'{part}' is no name for an address object: a letter, then letters and digits"
        )


def suboptions(text: str, known: Sequence[str]) -> list[tuple[str, str | None]]:
    """What `getsubopt` makes of a list: `(name, value)` a part, the value None where there is no `=`; ("", part) for an unknown one.

    The parts end at the list's end: a comma at the very end adds none.
    """
    found: list[tuple[str, str | None]] = []
    rest = text
    while rest:
        part, _, rest = rest.partition(",")
        name, equals, value = part.partition("=")
        found.append((name, value if equals else None) if name in known else ("", part))
    return found


@dataclass(slots=True, frozen=True)
class Typed:
    """An address as typed: a numeric address or a host's name, and the prefix length if one was given."""

    host: str = ""
    length: int | None = None


NOTHING: Final = Typed()
"""What an object without an address of its own was typed with."""


def parse_typed(text: str) -> Typed:
    """`HOST[/LENGTH]`; a length of 0 or nothing counts as none. Errors: INVALID_ARG for a length that is no number up to 128."""
    host, slash, length = text.partition("/")
    if not slash or not length:
        return Typed(host)
    if not _LENGTH.fullmatch(length) or int(length) > ipaddress.IPV6LENGTH:
        raise IpadmError(Status.INVALID_ARG, f"'{length}' is no prefix length")
    return Typed(host, int(length) or None)


def numeric(host: str) -> Address | None:
    """The address, if the text is one; IPv4-mapped ones are IPv4. A scope is dropped: the interface is known."""
    try:
        found = ipaddress.ip_address(host.partition("%")[0] if ":" in host else host)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return mapped or found


def with_length(address: Address, length: int | None) -> Interface:
    """The address with its prefix length, the default one for None. Errors: INVALID_ARG for a length past the family's bits."""
    if length is not None and length > address.max_prefixlen:
        raise IpadmError(Status.INVALID_ARG, f"/{length} is too long for {address}")
    return ipaddress.ip_interface(f"{address}/{default_length(address) if length is None else length}")


def default_length(address: Address) -> int:
    """The prefix length of an address that came without: its class's for IPv4, 64 for IPv6, 10 for a link-local one."""
    if isinstance(address, ipaddress.IPv6Address):
        return LINK_LOCAL_LENGTH if address.is_link_local else 64
    return next((length for below, length in _CLASSFUL if address.packed[0] < below), 24)


def check_usable(interface: Interface) -> None:
    """Errors: BAD_ADDR the unspecified address; ADDR_NOTAVAIL one that no station can have: multicast, the subnet's first and last."""
    address = interface.ip
    if address.is_unspecified:
        raise IpadmError(Status.BAD_ADDR, f"{address} is no station's address")
    network = interface.network
    ends = address.version == 4 and network.prefixlen < 31 and address in {network[0], network[-1]}
    if address.is_multicast or ends or address == ipaddress.IPv4Address(0xFFFFFFFF):
        raise IpadmError(Status.ADDR_NOTAVAIL, f"no station can have {interface}")


@dataclass(slots=True, frozen=True)
class InterfaceId:
    """The lower half of autoconfigured addresses, as an IPv6 address with its prefix length; `::/0` is the one of the MAC address."""

    address: ipaddress.IPv6Address = _UNSPECIFIED
    length: int = 0

    def __str__(self) -> str:
        return f"{self.address}/{self.length}"

    def link_local(self, mac: bytes) -> ipaddress.IPv6Interface:
        """The link-local address of an interface with this MAC address."""
        lower = int(self.address) if self.length else int.from_bytes(_eui64(mac), "big")
        return ipaddress.IPv6Interface((ipaddress.IPv6Address(0xFE80 << 112 | lower), LINK_LOCAL_LENGTH))


DEFAULT_ID: Final = InterfaceId()


def _eui64(mac: bytes) -> bytes:
    """The modified EUI-64 of a MAC address (RFC 4291, appendix A)."""
    return bytes((mac[0] ^ 2, *mac[1:3], 0xFF, 0xFE, *mac[3:6]))


def parse_interface_id(text: str) -> InterfaceId:
    """`ADDRESS/LENGTH` of IPv6. Errors: INVALID_ARG."""
    host, slash, length = text.partition("/")
    problem = IpadmError(Status.INVALID_ARG, f"'{text}' is no interface id; write it as ::1a:2b3c:4d5e:6f78/64")
    if not slash or not (_LENGTH.fullmatch(length) or not length) or int(length or 0) > ipaddress.IPV6LENGTH:
        raise problem
    try:
        return InterfaceId(ipaddress.IPv6Address(host), int(length or 0))
    except ValueError:
        raise problem from None
