"""The texts of addresses in an overlay file, as the original reads them (VPD 7.3, 7.4). Pure.

They are wider than what this machine's inet_pton takes: numbers may be padded with zeros to any length, also in a dotted quad, where they
stay decimal. Every function gives None for a text that is no such address.
"""

from __future__ import annotations

import re
from typing import Final

from kernel_sim.sys.ethernet import is_group
from libvarpd.prop import IP_SIZE, V4_MAPPED

_DECIMAL: Final = re.compile(r"0*([0-9]{1,3})")
_HEX: Final = re.compile(r"0*([0-9A-Fa-f]{1,4})")
_OCTET: Final = r"[ \t\n\v\f\r]*\+?(?:0[xX])?0*([0-9A-Fa-f]{1,2})"
_MAC: Final = re.compile(":".join([_OCTET] * 6))
_QUADS: Final = 4
_GROUPS: Final = 8
_GROUP_SIZE: Final = 2


def parse_mac(text: str) -> bytes | None:
    """Six bytes from six hex numbers with colons between, each of which may have blanks, a plus and 0x before it.

    None as well for numbers over 255 and for anything that follows (VPD-B25), and for a group address: what a table says of one
    would unicast what is meant for many (VPD-Q14).
    """
    found = _MAC.fullmatch(text)
    mac = found and bytes(int(octet, 16) for octet in found.groups())
    return None if mac is None or is_group(mac) else mac


def parse_ipv4(text: str) -> bytes | None:
    """Four bytes from a dotted quad; it has all four parts (VPD-B29)."""
    quad = bytearray()
    for part in text.split(".", _QUADS):
        found = _DECIMAL.fullmatch(part)
        if found is None or int(found[1]) > 255:
            return None
        quad.append(int(found[1]))
    return bytes(quad) if len(quad) == _QUADS else None


def parse_ipv6(text: str) -> bytes | None:
    """Sixteen bytes from any form of RFC 4291 section 2.2; a zone is not part of an address."""
    head, gap, tail = text.partition("::")
    left = _groups(head, may_end_in_quad=not gap)
    right = _groups(tail, may_end_in_quad=True)
    if left is None or right is None:
        return None
    if not gap:
        return left if len(left) == IP_SIZE else None
    zeros = IP_SIZE - len(left) - len(right)
    return left + bytes(zeros) + right if zeros >= _GROUP_SIZE else None


def parse_ip(text: str) -> bytes | None:
    """Sixteen bytes from IPv6 text, or from a dotted quad: ::ffff:a.b.c.d (VPD-I26)."""
    found = parse_ipv6(text)
    if found is None and (quad := parse_ipv4(text)) is not None:
        found = V4_MAPPED + quad
    return found


def _groups(text: str, *, may_end_in_quad: bool) -> bytes | None:
    """The bytes of groups with colons between; none of an empty text."""
    if not text:
        return b""
    *groups, last = text.split(":", _GROUPS)
    quad = parse_ipv4(last) if may_end_in_quad else None
    if quad is None:
        groups.append(last)
    found = bytearray()
    for group in groups:
        match = _HEX.fullmatch(group)
        if match is None:
            return None
        found += int(match[1], 16).to_bytes(_GROUP_SIZE)
    return bytes(found) + (quad or b"")
