"""ipadm.conf: the interfaces and addresses that come back at each boot, of the host and of its zones (IPA 4).

    _ifname=vnic0;_class=0;_families=2,26;
    _ifname=vnic0;_aobjname=vnic0/v4;_ipv4addr=10.0.0.1,;up=yes;
    _ifname=vnic0;_aobjname=vnic0/v4;prefixlen=24;
    _ifname=vnic1;_class=0;_families=2,26;_zone=web;
    _ifname=vnic1;_aobjname=vnic1/v6;_intfid=::/0,yes,yes;_zone=web;

A line is a list of `name=value` pairs, each ended by `;`. Comments, lines that say nothing about interfaces and addresses, and lines
that cannot be read stay in their places byte for byte; what is wrong with the last ones, `problems` tells. `_zone` is this project's.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Self

from etherspan.ipadm import names
from etherspan.ipadm.names import DEFAULT_ID, NOTHING, InterfaceId, Typed
from etherspan.ipadm.status import IpadmError

GLOBAL: Final = ""
"""The zone of lines without `_zone`: the host itself."""
AF_INET: Final = 2
AF_INET6: Final = 26
"""illumos's numbers of the address families."""
FAMILIES: Final = (AF_INET, AF_INET6)
LINE_MAX: Final = 1023
"""Bytes of a line with its newline: the original reads longer ones in pieces."""

_NUMBER: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
_YES_NO: Final = {"yes": True, "no": False}


class AddrType(enum.Enum):
    """How an address object gets its addresses; the value is what show-addr prints."""

    STATIC = "static"
    ADDRCONF = "addrconf"
    DHCP = "dhcp"


@dataclass(slots=True, frozen=True)
class StoredInterface:
    """An interface that is plumbed at boot; `line` is where the file says so, 0 for one that is new."""

    ifname: str
    zone: str = GLOBAL
    families: tuple[int, ...] = FAMILIES
    line: int = 0


@dataclass(slots=True, frozen=True)
class StoredAddress:
    """An address object that is created at boot. `local` and `remote` are as typed, host names included; `up` is of static ones."""

    aobjname: str
    kind: AddrType
    zone: str = GLOBAL
    local: Typed = NOTHING
    remote: str = ""
    version: int = 4
    up: bool = True
    interface_id: InterfaceId = DEFAULT_ID
    stateless: bool = True
    stateful: bool = True
    line: int = 0

    @property
    def ifname(self) -> str:
        return names.interface_of(self.aobjname)


@dataclass(slots=True, frozen=True)
class Problem:
    """A line that cannot be read, and why."""

    line: int
    text: str


class _Unreadable(Exception):
    pass


@dataclass(slots=True, frozen=True)
class _Line:
    """A line as it stands in the file, without its newline; `pairs` is empty for one without any, or that cannot be read."""

    raw: bytes
    pairs: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""

    def is_of(self, zone: str, ifname: str = "", aobjname: str = "") -> bool:
        pairs = self.pairs
        return (
            "_ifname" in pairs
            and pairs.get("_zone", GLOBAL) == zone
            and ifname in {"", pairs["_ifname"]}
            and aobjname in {"", pairs.get("_aobjname")}
        )


class ConfFile:
    """The content of ipadm.conf. Values of this class do not change: every edit gives a new one."""

    def __init__(self, lines: Sequence[_Line] = ()) -> None:
        self._lines = tuple(lines)

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read a file, whatever is in it."""
        pieces = raw.split(b"\n")
        if not pieces[-1]:
            pieces.pop()
        return cls([_parse_line(piece) for piece in pieces])

    def render(self) -> bytes:
        """The file's bytes; those of a file that was not edited are the ones it was read from, but for a newline at the end."""
        return b"".join(line.raw + b"\n" for line in self._lines)

    def problems(self) -> list[Problem]:
        """The lines that cannot be read, in order."""
        return [Problem(number, line.problem) for number, line in enumerate(self._lines, 1) if line.problem]

    # ------------------------------------------------------------------ reading

    def zones(self) -> list[str]:
        """Every zone that has lines here, in order of appearance; the host itself is ""."""
        return list(dict.fromkeys(line.pairs.get("_zone", GLOBAL) for line in self._lines if "_ifname" in line.pairs))

    def first_line(self, zone: str) -> int:
        """The number of the first line of a zone that has some."""
        return next(number for number, line in enumerate(self._lines, 1) if line.is_of(zone))

    def interfaces(self, zone: str) -> list[StoredInterface]:
        """The zone's interfaces in the order of the file. A line for each family (`_family`) is the older way to say `_families`."""
        found: dict[str, StoredInterface] = {}
        for number, line in enumerate(self._lines, 1):
            families = _families(line.pairs)
            if line.is_of(zone) and families:
                name = line.pairs["_ifname"]
                seen = found.setdefault(name, StoredInterface(name, zone, (), number))
                merged = tuple(one for one in FAMILIES if one in (*seen.families, *families))
                found[name] = replace(seen, families=merged)
        return list(found.values())

    def interface(self, zone: str, ifname: str) -> StoredInterface | None:
        """The zone's interface of this name, None when it is not stored."""
        return next((one for one in self.interfaces(zone) if one.ifname == ifname), None)

    def addresses(self, zone: str) -> list[StoredAddress]:
        """The zone's address objects in the order of the file, each with the prefix length that a line of its own may give."""
        found: dict[str, StoredAddress] = {}
        lengths: dict[str, int] = {}
        for number, line in enumerate(self._lines, 1):
            name = line.pairs.get("_aobjname")
            if name is None or not line.is_of(zone):
                continue
            if "prefixlen" in line.pairs:
                lengths[name] = int(line.pairs["prefixlen"])
            address = _address(line.pairs)
            if address is not None:
                found.setdefault(name, replace(address, line=number))
        return [_with_length(one, lengths.get(one.aobjname)) for one in found.values()]

    def address(self, zone: str, aobjname: str) -> StoredAddress | None:
        """The zone's address object of this name, None when it is not stored."""
        return next((one for one in self.addresses(zone) if one.aobjname == aobjname), None)

    # ------------------------------------------------------------------ editing

    def with_interface(self, interface: StoredInterface) -> Self:
        """The file with one more interface; as it is when the interface is stored."""
        if self.interface(interface.zone, interface.ifname) is not None:
            return self
        families = ",".join(map(str, interface.families))
        pairs = {"_ifname": interface.ifname, "_class": "0", "_families": families}
        return self._with(interface.zone, pairs)

    def with_address(self, address: StoredAddress) -> Self:
        """The file with one more address object, and a line for its prefix length if it has one."""
        head = {"_ifname": address.ifname, "_aobjname": address.aobjname}
        lines = [{**head, **_address_pairs(address)}]
        if address.kind is AddrType.STATIC and address.local.length is not None:
            lines.append({**head, "prefixlen": str(address.local.length)})
        return self._with(address.zone, *lines)

    def with_up(self, zone: str, aobjname: str, *, up: bool) -> Self:
        """The file with another `up` for a static address object."""

        def changed(line: _Line) -> _Line:
            if not line.is_of(zone, aobjname=aobjname) or "up" not in line.pairs:
                return line
            return _make({**line.pairs, "up": "yes" if up else "no"})

        return type(self)([changed(line) for line in self._lines])

    def without_interface(self, zone: str, ifname: str) -> Self:
        """The file without an interface, its addresses and its properties."""
        return type(self)([line for line in self._lines if not line.is_of(zone, ifname)])

    def without_address(self, zone: str, aobjname: str) -> Self:
        """The file without an address object and its properties."""
        return type(self)([line for line in self._lines if not line.is_of(zone, aobjname=aobjname)])

    def without_zone(self, zone: str) -> Self:
        """The file without all that a zone has there."""
        return type(self)([line for line in self._lines if not line.is_of(zone)])

    def _with(self, zone: str, *lines: Mapping[str, str]) -> Self:
        tail = {"_zone": zone} if zone else {}
        return type(self)([*self._lines, *(_make({**pairs, **tail}) for pairs in lines)])


def _make(pairs: Mapping[str, str]) -> _Line:
    raw = "".join(f"{name}={value};" for name, value in pairs.items())
    return _Line(raw.encode("utf-8", "surrogateescape"), pairs)


# ---------------------------------------------------------------------- one line


def parse_pairs(text: str) -> dict[str, str]:
    """The pairs of a line. Errors: ValueError with the reason."""
    pairs: dict[str, str] = {}
    for piece in _pieces(text):
        name, equals, value = piece.partition("=")
        if not equals:
            raise ValueError(f"'{piece}' is not NAME=VALUE")
        if name in pairs:
            raise ValueError(f"'{name}' is given twice")
        pairs[name] = value
    return pairs


def _pieces(text: str) -> Iterator[str]:
    *pieces, last = text.split(";")
    yield from pieces
    if last:
        yield last


def _parse_line(raw: bytes) -> _Line:
    text = raw.decode("utf-8", "surrogateescape").strip(" \t\r\v\f")
    if not text or text.startswith("#"):
        return _Line(raw)
    try:
        pairs = parse_pairs(text)
        _check(pairs, raw)
    except (ValueError, _Unreadable) as error:
        return _Line(raw, problem=str(error))
    return _Line(raw, pairs)


def _check(pairs: Mapping[str, str], raw: bytes) -> None:
    """Judge what this project reads of a line. Errors: `_Unreadable` with the reason."""
    if len(raw) >= LINE_MAX:
        raise _Unreadable(f"the line has more than {LINE_MAX - 1} bytes")
    if "_protocol" in pairs:  # a property of a protocol or of an interface: kept, and without effect here
        return
    ifname = pairs.get("_ifname")
    if ifname is None or not names.is_interface(ifname):
        raise _Unreadable("no _ifname" if ifname is None else f"'{ifname}' is no interface name")
    aobjname = pairs.get("_aobjname")
    if aobjname is None:
        if not _families(pairs):
            raise _Unreadable("neither an address object nor address families")
        return
    if names.interface_of(aobjname) != ifname:
        raise _Unreadable(f"'{aobjname}' is not on {ifname}")
    try:
        names.check_object(aobjname)
    except IpadmError as error:
        raise _Unreadable(error.reason) from error
    if "prefixlen" in pairs and not _NUMBER.fullmatch(pairs["prefixlen"]):
        raise _Unreadable(f"'{pairs['prefixlen']}' is no prefix length")
    _address(pairs)


def _families(pairs: Mapping[str, str]) -> tuple[int, ...]:
    """The families that a line names; none for a line that is not an interface's. Errors: `_Unreadable`."""
    text = pairs.get("_families", pairs.get("_family", ""))
    if not text or "_aobjname" in pairs:
        return ()
    parts = [part for part in text.split(",") if part]
    if any(part not in {str(AF_INET), str(AF_INET6)} for part in parts):
        raise _Unreadable(f"'{text}' are no address families: {AF_INET} is IPv4, {AF_INET6} IPv6")
    return tuple(map(int, parts))


def _address(pairs: Mapping[str, str]) -> StoredAddress | None:
    """The address object that a line describes, None for a line about one of its properties. Errors: `_Unreadable`."""
    name, zone = pairs["_aobjname"], pairs.get("_zone", GLOBAL)
    for key, version in (("_ipv4addr", 4), ("_ipv6addr", 6)):
        if key in pairs:
            local, comma, remote = pairs[key].partition(",")
            if not comma or not local:
                raise _Unreadable(f"{key} is not LOCAL,REMOTE: '{pairs[key]}'")
            up = _yes_no(pairs.get("up", "yes"), "up")
            return StoredAddress(name, AddrType.STATIC, zone, Typed(local), remote, version, up)
    if "_intfid" in pairs:
        parts = pairs["_intfid"].split(",")
        if len(parts) != 3:
            raise _Unreadable(f"_intfid is not ID/LENGTH,STATELESS,STATEFUL: '{pairs['_intfid']}'")
        try:
            interface_id = names.parse_interface_id(parts[0])
        except IpadmError as error:
            raise _Unreadable(error.reason) from error
        stateless, stateful = (_yes_no(part, "_intfid") for part in parts[1:])
        kind = AddrType.ADDRCONF
        return StoredAddress(
            name, kind, zone, version=6, interface_id=interface_id, stateless=stateless, stateful=stateful
        )
    return StoredAddress(name, AddrType.DHCP, zone) if "_dhcp" in pairs else None


def _yes_no(text: str, what: str) -> bool:
    if text not in _YES_NO:
        raise _Unreadable(f"{what} is neither yes nor no: '{text}'")
    return _YES_NO[text]


def _with_length(address: StoredAddress, length: int | None) -> StoredAddress:
    return address if not length else replace(address, local=replace(address.local, length=length))


def _address_pairs(address: StoredAddress) -> dict[str, str]:
    if address.kind is AddrType.STATIC:
        key = "_ipv4addr" if address.version == 4 else "_ipv6addr"
        return {key: f"{address.local.host},{address.remote}", "up": "yes" if address.up else "no"}
    stateless, stateful = ("yes" if one else "no" for one in (address.stateless, address.stateful))
    assert address.kind is AddrType.ADDRCONF  # dhcp objects are read and kept, never made
    return {"_intfid": f"{address.interface_id},{stateless},{stateful}"}
