"""The addresses of `allowed-ips`, ready to be looked up for every frame (KRN 6.14)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

from kernel_sim.mac.protect.props import IPV4_VERSION, IPV6_VERSION
from kernel_sim.sys.codec import MacIpaddr


class AllowList:
    """Addresses of one version: single ones, and prefixes as (value, mask)."""

    __slots__ = ("_hosts", "_prefixes")

    def __init__(self, hosts: Iterable[bytes], prefixes: Iterable[tuple[int, int]]) -> None:
        self._hosts = dict.fromkeys(hosts)
        self._prefixes = tuple(prefixes)

    @classmethod
    def v4(cls, entries: Iterable[MacIpaddr]) -> Self:
        """The IPv4 entries. A prefix with bits behind it fits no address: these bits are compared, too."""
        own = [(entry.address[12:], entry.netmask) for entry in entries if entry.version == IPV4_VERSION]
        return cls._of([(address, length, 32, False) for address, length in own])

    @classmethod
    def v6(cls, entries: Iterable[MacIpaddr]) -> Self:
        """The IPv6 entries. Bits behind a prefix are ignored."""
        own = [(entry.address, entry.netmask) for entry in entries if entry.version == IPV6_VERSION]
        return cls._of([(address, length, 128, True) for address, length in own])

    @classmethod
    def _of(cls, entries: list[tuple[bytes, int, int, bool]]) -> Self:
        hosts = [address for address, length, width, _ in entries if length == width]
        prefixes = []
        for address, length, width, masked in entries:
            if length < width:
                mask = (1 << width) - (1 << (width - length))
                value = int.from_bytes(address, "big")
                prefixes.append((value & mask if masked else value, mask))
        return cls(hosts, prefixes)

    def __contains__(self, address: bytes) -> bool:
        if address in self._hosts:
            return True
        if not self._prefixes:
            return False
        number = int.from_bytes(address, "big")
        return any(number & mask == value for value, mask in self._prefixes)
