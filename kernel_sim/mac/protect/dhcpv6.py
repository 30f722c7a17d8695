"""DHCPv6 messages (RFC 8415).

0 type u8, 1 transaction id u24, 4 options: code u16, length u16, data; in messages of relays 0 type u8, 1 hop count u8, 2 link address,
18 peer address, 34 options
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

PORTS: Final = (546, 547)
SMALLEST: Final = 4

SOLICIT: Final = 1
ADVERTISE: Final = 2
REQUEST: Final = 3
RENEW: Final = 5
REBIND: Final = 6
REPLY: Final = 7
RELEASE: Final = 8
RECONFIGURE: Final = 10
RELAY_FORWARD: Final = 12

CLIENT_ID: Final = 1
_IA_NA: Final = 3
_IA_ADDRESS: Final = 5
_RELAY_MESSAGE: Final = 9
_STATUS_CODE: Final = 13

_OPTIONS: Final = 4
_RELAY_OPTIONS: Final = 34
_RELAYS_MAX: Final = 32
_IA_NA_SIZE: Final = 12
"""IAID u32, T1 u32, T2 u32; options follow."""
_IA_ADDRESS_SIZE: Final = 24
"""Address, preferred lifetime u32, valid lifetime u32; options follow."""
_ADDRESS_LEN: Final = 16
_STATUS_SIZE: Final = 2

_DUID_LLT: Final = 1
_DUID_LL: Final = 3
_DUID_HEADER: Final = {_DUID_LLT: 8, _DUID_LL: 4}
"""Bytes before the link-layer address: type u16, hardware type u16, for LLT a time u32."""


class Dhcpv6Message:
    """A view of a message of at least four bytes."""

    __slots__ = ("_data",)

    def __init__(self, data: bytes) -> None:
        self._data = data

    @property
    def type(self) -> int:
        """The message type."""
        return self._data[0]

    @property
    def xid(self) -> bytes:
        """The transaction id, three bytes."""
        return self._data[1:4]

    @property
    def client_ids(self) -> tuple[bytes, ...]:
        """The DUIDs that it gives as its client's; there should be one at most."""
        return tuple(_options(self._data[_OPTIONS:], CLIENT_ID))

    def innermost(self) -> Dhcpv6Message | None:
        """The message that a client sent, which relays may have wrapped; None if it is not there, or 32 relays deep."""
        message = self
        for _ in range(_RELAYS_MAX):
            if message.type != RELAY_FORWARD:
                return message
            wrapped = next(_options(message._data[_RELAY_OPTIONS:], _RELAY_MESSAGE), b"")
            if len(wrapped) < SMALLEST:
                return None
            message = Dhcpv6Message(wrapped)
        return None

    def granted(self) -> tuple[bytes, ...]:
        """The addresses of a reply, in order; none if it has a status other than success, or an association that is cut short."""
        options = self._data[_OPTIONS:]
        status = next(_options(options, _STATUS_CODE), None)
        if status is not None and status[:_STATUS_SIZE] != bytes(_STATUS_SIZE):
            return ()
        addresses = []
        for association in _options(options, _IA_NA):
            if len(association) < _IA_NA_SIZE:
                return ()
            for address in _options(association[_IA_NA_SIZE:], _IA_ADDRESS):
                if len(address) < _IA_ADDRESS_SIZE:
                    return ()
                addresses.append(address[:_ADDRESS_LEN])
        return tuple(addresses)


def link_layer_address(duid: bytes) -> bytes | None:
    """The link-layer address in a DUID of type 1 (with time) or 3; None for another."""
    header = _DUID_HEADER.get(int.from_bytes(duid[:2], "big"))
    return None if header is None or len(duid) < header else duid[header:]


def _options(data: bytes, code: int) -> Iterator[bytes]:
    """The values of the options of that code that are not empty. An option that is cut short ends them."""
    at = 0
    while at + _OPTIONS <= len(data):
        found, size = data[at] << 8 | data[at + 1], data[at + 2] << 8 | data[at + 3]
        start, at = at + _OPTIONS, at + _OPTIONS + size
        if at > len(data):
            return
        if found == code and size:
            yield data[start:at]
