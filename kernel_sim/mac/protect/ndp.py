"""Neighbour discovery (RFC 4861): what its messages claim, and the prefixes that routers advertise.

All begin with an ICMPv6 header: 0 type u8, 1 code u8, 2 checksum u16. Neighbour solicitations and advertisements have a target address
at 8. Options follow: 0 type u8, 1 length u8 in units of eight bytes, data.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from kernel_sim.sys.message import Buffer

ICMPV6_SIZE: Final = 8
ROUTER_SOLICIT: Final = 133
ROUTER_ADVERT: Final = 134
NEIGHBOR_SOLICIT: Final = 135
NEIGHBOR_ADVERT: Final = 136
REDIRECT: Final = 137

HEADER_SIZES: Final = {
    ROUTER_SOLICIT: 8,
    ROUTER_ADVERT: 16,
    NEIGHBOR_SOLICIT: 24,
    NEIGHBOR_ADVERT: 24,
    REDIRECT: 40,
}

_SOURCE_LINK_LAYER: Final = 1
_TARGET_LINK_LAYER: Final = 2
_PREFIX_INFORMATION: Final = 3
_OWN_OPTION: Final = {
    ROUTER_SOLICIT: _SOURCE_LINK_LAYER,
    ROUTER_ADVERT: _SOURCE_LINK_LAYER,
    NEIGHBOR_SOLICIT: _SOURCE_LINK_LAYER,
    NEIGHBOR_ADVERT: _TARGET_LINK_LAYER,
}
"""The option in which a message gives its sender's link-layer address."""

_PREFIX_SIZE: Final = 32
_PREFIX_MAX: Final = 128
_AUTONOMOUS: Final = 0x40


class Claim(NamedTuple):
    """What a message says of its sender. `target` is the address it advertises, else None; `macs` its link-layer addresses."""

    target: bytes | None
    macs: tuple[bytes, ...]


def read_claim(data: Buffer, at: int, end: int) -> Claim | None:
    """The claim of the message whose ICMPv6 header is at `at` and which ends at `end`; None when it, or the option
    with the address, is cut short, or its options have no end.

    A redirect claims nothing. A link-layer address has the length that its option gives it.
    """
    kind = data[at]
    options = at + HEADER_SIZES[kind]
    if options > end:
        return None
    target = bytes(data[at + 8 : at + 24]) if kind == NEIGHBOR_ADVERT else None
    own = _OWN_OPTION.get(kind)
    if own is None:
        return Claim(target, ())
    macs = []
    while end - options > 2:
        size = 8 * data[options + 1]
        if data[options] == own:
            if options + size > end:
                return None
            macs.append(bytes(data[options + 2 : options + size]))
        if not size:
            return None
        options += size
    return Claim(target, tuple(macs))


def autonomous_prefixes(data: Buffer, at: int, end: int) -> Iterator[bytes]:
    """The prefixes, 16 bytes each, of a router advertisement that hosts may make addresses of (RFC 4862 section 5.5.3).

    Prefix information: 2 prefix length u8, 3 flags u8 (0x40 autonomous), 4 valid lifetime u32, 8 preferred lifetime u32, 16 prefix; 32
    bytes. Reading stops at an option that is cut short. Link-local prefixes, which need no router, are left out.
    """
    option = at + HEADER_SIZES[ROUTER_ADVERT]
    while option + 2 <= end:
        size = 8 * data[option + 1]
        if not size or option + size > end:
            return
        if data[option] == _PREFIX_INFORMATION and size == _PREFIX_SIZE:
            prefix = bytes(data[option + 16 : option + 32])
            usable = data[option + 2] <= _PREFIX_MAX and data[option + 3] & _AUTONOMOUS
            if usable and not is_link_local(prefix):
                yield prefix
        option += size


def is_link_local(address: bytes) -> bool:
    """In fe80::/10."""
    return address[0] == 0xFE and address[1] & 0xC0 == 0x80
