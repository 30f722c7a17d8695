"""What an overlay file says, ready to be asked (VPD 7.3-7.5). Pure.

A file is one object: MAC addresses, each with an object of fields. Only these two levels are checked when it is read; a field that is
missing, of another type or no address is as good as absent, and its lookups find nothing (VPD-B27, VPD-B29, VPD-B30, VPD-B31).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeGuard

from kernel_sim.sys.codec import Point
from kernel_sim.sys.errno import Errno
from libvarpd.errors import VarpdError
from libvarpd.plugins.files_address import parse_ip, parse_ipv4, parse_ipv6, parse_mac
from libvarpd.plugins.files_json import Json, described, read_object, shown

_PORTS: Final = range(1, 65536)


@dataclass(slots=True, frozen=True)
class Entry:
    """What is known of one MAC address: underlay destination, its IPv4 and IPv6 address (4 and 16 bytes), its DHCP server's MAC."""

    target: Point | None = None
    arp: bytes | None = None
    ndp: bytes | None = None
    dhcp_proxy: bytes | None = None


class Table:
    """The entries of a file by MAC address (6 bytes), in the order of the file."""

    __slots__ = ("_entries", "_owners", "doubts")

    def __init__(self, entries: Mapping[bytes, Entry], doubts: Iterable[str] = ()) -> None:
        self.doubts = tuple(doubts)
        """Fields that are as good as absent, each by its key path and value."""
        self._entries = dict(entries)
        self._owners: dict[bytes, bytes] = {}
        """MAC addresses by IPv4 and IPv6 address; where several have one, the first (VPD-I28)."""
        for mac, entry in self._entries.items():
            for address in (entry.arp, entry.ndp):
                if address is not None:
                    self._owners.setdefault(address, mac)

    @classmethod
    def read(cls, data: bytes) -> Table:
        """The table in a file. Two spellings of a MAC address are one: the later entry is the one, where it stands (VPD-I27).

        Errors: those of `read_object`; EINVAL a key that is no MAC address or that of a group (VPD-B22, VPD-Q14), an entry that
        is no object (VPD-B23, VPD-B24).
        """
        entries: dict[bytes, Entry] = {}
        doubts: list[str] = []
        for key, fields in read_object(data).items():
            mac = parse_mac(key)
            if mac is None:
                raise VarpdError(Errno.EINVAL, f'key "{shown(key)}" is not the MAC address of one host')
            if not isinstance(fields, dict):
                raise VarpdError(Errno.EINVAL, f"{shown(key)}: {described(fields)}, where an object is wanted")
            entries.pop(mac, None)
            entries[mac] = _entry(fields)
            doubts += _doubts(key, fields, entries[mac])
        return cls(entries, doubts)

    def __len__(self) -> int:
        return len(self._entries)

    def target(self, mac: bytes) -> Point | None:
        """Where frames for a MAC address go."""
        entry = self._entries.get(mac)
        return None if entry is None else entry.target

    def owner(self, address: bytes) -> bytes | None:
        """The MAC address of an IPv4 (4 bytes) or IPv6 address (16 bytes)."""
        return self._owners.get(address)

    def dhcp_proxy(self, mac: bytes) -> bytes | None:
        """The MAC address of the server that gets the DHCP broadcasts of a MAC address."""
        entry = self._entries.get(mac)
        return None if entry is None else entry.dhcp_proxy

    def outdated_by(self, newer: Table) -> Iterator[bytes]:
        """The MAC addresses with a destination here and another one, or none, in `newer`."""
        for mac, entry in self._entries.items():
            if entry.target is not None and entry.target != newer.target(mac):
                yield mac


EMPTY: Final = Table({})


_ADDRESSES: Final[tuple[tuple[str, Callable[[str], bytes | None], str], ...]] = (
    ("ip", parse_ip, "no IP address"),
    ("arp", parse_ipv4, "no IPv4 address"),
    ("ndp", parse_ipv6, "no IPv6 address"),
    ("dhcp-proxy", parse_mac, "not the MAC address of one host"),
)


def _entry(fields: dict[str, Json]) -> Entry:
    return Entry(
        target=_target(fields),
        arp=_address(fields, "arp", parse_ipv4),
        ndp=_address(fields, "ndp", parse_ipv6),
        dhcp_proxy=_address(fields, "dhcp-proxy", parse_mac),
    )


def _doubts(key: str, fields: dict[str, Json], entry: Entry) -> Iterator[str]:
    """What a person who wrote these fields may have meant otherwise."""
    for name, parse, wanted in _ADDRESSES:
        if name in fields and _address(fields, name, parse) is None:
            yield f"{shown(key)}.{name}: {described(fields[name])} is {wanted}"
    if "port" in fields and not _is_port(fields["port"]):
        yield f"{shown(key)}.port: {described(fields['port'])} is no number within {_PORTS[0]}..{_PORTS[-1]}"
    if entry.target is None and "ip" in fields and "port" not in fields:
        yield f"{shown(key)}: there is no port, so its ip is of no use"


def _is_port(value: Json) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value in _PORTS


def _target(fields: dict[str, Json]) -> Point | None:
    """The destination; it needs a port even where the encapsulation has none, and its MAC address is zero (VPD-Q15)."""
    ip, port = _address(fields, "ip", parse_ip), fields.get("port")
    if ip is None or not _is_port(port):
        return None
    return Point(ip=ip, port=port)


def _address(fields: dict[str, Json], name: str, parse: Callable[[str], bytes | None]) -> bytes | None:
    text = fields.get(name)
    return parse(text) if isinstance(text, str) else None
