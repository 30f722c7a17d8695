"""Addresses that a client makes of its MAC address: link-local, and of the prefixes that routers advertise (RFC 4862).

Only the interface identifier that follows from the MAC address is known here (RFC 4291 appendix A), so privacy addresses are not.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

PREFIXES_MAX: Final = 512

_LINK_LOCAL: Final = b"\xfe\x80" + bytes(14)


def modified_eui64(mac: bytes) -> bytes:
    """The interface identifier of an Ethernet address, as the low half of 16 bytes."""
    return bytes(8) + bytes((mac[0] ^ 2, *mac[1:3], 0xFF, 0xFE, *mac[3:]))


def link_local(mac: bytes) -> bytes:
    """fe80:: with the interface identifier of an Ethernet address."""
    return _joined(_LINK_LOCAL, modified_eui64(mac))


class SlaacAddresses:
    """The addresses of a client in the prefixes it has heard of. They never age: lifetimes are not looked at (KRN 6.14)."""

    __slots__ = ("_identifier", "_prefixes")

    def __init__(self) -> None:
        self._identifier = bytes(16)
        self._prefixes: dict[bytes, bytes] = {}

    def __contains__(self, address: bytes) -> bool:
        return address in self._prefixes

    def heard(self, prefixes: Iterable[bytes]) -> None:
        """A router advertises prefixes; what is beyond the 512th is not taken in."""
        for prefix in prefixes:
            if len(self._prefixes) < PREFIXES_MAX:
                self._prefixes.setdefault(_joined(prefix, self._identifier), prefix)

    def set_mac(self, mac: bytes) -> None:
        """The client has another MAC address: its addresses in the same prefixes are others now."""
        self._identifier = modified_eui64(mac)
        self._prefixes = {_joined(prefix, self._identifier): prefix for prefix in self._prefixes.values()}

    def clear(self) -> None:
        """Forget all prefixes."""
        self._prefixes.clear()


def _joined(prefix: bytes, identifier: bytes) -> bytes:
    return bytes(a | b for a, b in zip(prefix, identifier, strict=True))
