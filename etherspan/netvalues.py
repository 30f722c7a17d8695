"""Readers for what configuration files say about networks: addresses, networks, MAC addresses, names."""

from __future__ import annotations

import ipaddress
import re
from typing import TypeAlias

from dladm.libdladm import linkname
from etherspan.schema import At
from kernel_sim.sys.ethernet import is_group, parse_mac

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Interface: TypeAlias = ipaddress.IPv4Interface | ipaddress.IPv6Interface
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,30}", re.ASCII)
"""Names of labs, hosts and VTEPs."""

ZONE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", re.ASCII)
_ZONE_RESERVED = re.compile(r"global|SUNW.*", re.ASCII)


def address(at: At) -> Address:
    """An IP address without prefix length and scope."""
    text = at.string()
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        hint = "; write it without the prefix length" if "/" in text else ""
        raise at.wrong(f"'{text}' is not an IP address{hint}") from None
    if getattr(found, "scope_id", None):
        raise at.wrong(f"'{text}' has a scope; write the address alone")
    return found


def unicast_address(at: At) -> Address:
    """An IP address that an interface can have."""
    found = address(at)
    if found.is_multicast or found.is_unspecified or found.is_loopback or found == ipaddress.IPv4Address(0xFFFFFFFF):
        raise at.wrong(f"'{found}' cannot be the address of an interface")
    return found


def interface(at: At) -> Interface:
    """An address with the length of its prefix."""
    text = at.string()
    if "/" not in text:
        raise at.wrong(f"'{text}' has no prefix length; write it as {text}/24 or the like")
    bare = unicast_address(At(text.partition("/")[0], at.path))
    try:
        return ipaddress.ip_interface(f"{bare}/{_prefix_length(text)}")
    except ValueError:
        raise at.wrong(f"'{text}' is not an address with a prefix length") from None


def _prefix_length(text: str) -> int:
    length = text.partition("/")[2]
    if not length.isascii() or not length.isdigit():  # netmasks are not taken: one way to write it
        raise ValueError
    return int(length)


def network(at: At) -> Network:
    """A network without host bits; `default` is not one (see `destination`)."""
    text = at.string()
    try:
        if "/" not in text:
            raise ValueError
        _prefix_length(text)
        loose = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise at.wrong(f"'{text}' is not a network; write it as address/length") from None
    if getattr(loose.network_address, "scope_id", None):
        raise at.wrong(f"'{text}' has a scope; write the network alone")
    if loose.network_address != ipaddress.ip_address(text.partition("/")[0]):
        raise at.wrong(f"'{text}' has host bits set; the network is {loose}")
    return loose


def mac(at: At) -> bytes:
    """A unicast MAC address of six hexadecimal groups."""
    text = at.string()
    try:
        found = parse_mac(text)
    except ValueError:
        raise at.wrong(f"'{text}' is not a MAC address; write it as 02:00:00:00:00:01") from None
    if is_group(found) or not any(found):
        raise at.wrong(f"'{text}' is not the MAC address of one station")
    return found


def link_name(at: At) -> str:
    """A datalink name (DLM 1.6)."""
    text = at.string()
    if not linkname.is_valid(text):
        raise at.wrong(f"'{text}' is no link name; write it as vnic0 (letters, digits, '_', '.', then a number)")
    return text


def node_name(at: At) -> str:
    """The name of a host or a VTEP of a lab."""
    text = at.string()
    if not NAME.fullmatch(text):
        raise at.wrong(f"'{text}' is not a name; 1 to 31 letters, digits, '_' and '-'")
    return text


def zone_name(at: At) -> str:
    """The name of a zone."""
    text = at.string()
    if not ZONE_NAME.fullmatch(text):
        raise at.wrong(f"'{text}' is no zone name; 1 to 63 letters, digits, '_', '-' and '.'")
    if _ZONE_RESERVED.fullmatch(text):
        raise at.wrong(f"'{text}' is reserved; choose another zone name")
    return text
