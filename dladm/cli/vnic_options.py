"""The options of create-vnic, each judged as it is met (DLM 5.1)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from dladm.cli.call import Call
from dladm.cli.common import PropertyList, number, too_long
from dladm.getopt import BadOption
from dladm.libdladm.vnic import Address
from kernel_sim.sys.vnic import VNIC_AF_INET, VNIC_AF_INET6, VNIC_NO_SLOT, VnicMacAddrType

VID_MAX: Final = 4094
VRID_MAX: Final = 255
KEYWORDS: Final = {
    "random": VnicMacAddrType.RANDOM,
    "factory": VnicMacAddrType.FACTORY,
    "auto": VnicMacAddrType.AUTO,
    "vrrp": VnicMacAddrType.VRID,
}
"""What `-m` takes besides an address; a word that begins with one of them counts too (DLM-Q32)."""
FAMILIES: Final = {"inet": VNIC_AF_INET, "inet6": VNIC_AF_INET6}
_OCTETS = re.compile(r"[0-9A-Fa-f]{1,2}(?::[0-9A-Fa-f]{1,2})*", re.ASCII)


@dataclass(slots=True)
class VnicOptions:
    """What the options said. `kind` is UNKNOWN without `-m`, `vid` and `vrid` are 0, `af` is 0, `prefix` empty without theirs."""

    properties: PropertyList
    persistent: bool = True
    force: bool = False
    root: str = ""
    over: str = ""
    vid: int = 0
    kind: VnicMacAddrType = VnicMacAddrType.UNKNOWN
    octets: bytes = b""
    prefix: bytes = b""
    slot: int = VNIC_NO_SLOT
    vrid: int = 0
    af: int = 0

    @property
    def consistent(self) -> bool:
        """True when `-r`, `-n`, `-V` and `-A` go with the kind of address they belong to."""
        vrrp = self.kind is VnicMacAddrType.VRID
        return (
            (not self.prefix or self.kind is VnicMacAddrType.RANDOM)
            and (self.slot == VNIC_NO_SLOT or self.kind is VnicMacAddrType.FACTORY)
            and bool(self.vrid) == vrrp
            and bool(self.af) == vrrp
        )

    @property
    def address(self) -> Address:
        """The address that was asked for; without `-m` an automatic one."""
        kind = VnicMacAddrType.AUTO if self.kind is VnicMacAddrType.UNKNOWN else self.kind
        return Address(kind, self.prefix or self.octets, self.slot, self.vrid, self.af)


def parse(call: Call) -> VnicOptions:
    """Go through the options; ends the command at the first that is no good."""
    given = VnicOptions(PropertyList(call))
    for option in call.options():
        take = _TAKERS.get(option.letter)
        if take is None:  # DLM-Q29: getopt knows it, the command does not
            letter = option.letter if len(option.letter) == 1 else ""
            call.terminal.die_option(BadOption(letter, missing=False), call.row.usage)
        take(call, given, option.argument)
    return given


def _temporary(_call: Call, given: VnicOptions, _argument: str) -> None:
    given.persistent = False


def _force(_call: Call, given: VnicOptions, _argument: str) -> None:
    given.force = True


def _root(_call: Call, given: VnicOptions, argument: str) -> None:
    given.root = argument


def _over(call: Call, given: VnicOptions, argument: str) -> None:
    if too_long(argument):
        call.terminal.die("link name too long")
    given.over = argument


def _property(_call: Call, given: VnicOptions, argument: str) -> None:
    given.properties.add(argument)


def _address(call: Call, given: VnicOptions, argument: str) -> None:
    if given.kind is not VnicMacAddrType.UNKNOWN:
        call.terminal.die("cannot specify -m option twice")
    if argument.startswith("fixed"):  # DLM-Q32
        call.terminal.die(f"'{argument}' is not a valid MAC address")
    given.kind = next((kind for word, kind in KEYWORDS.items() if argument.startswith(word)), VnicMacAddrType.FIXED)
    if given.kind is VnicMacAddrType.FIXED:
        given.octets = _octets(call, argument)


def _prefix(call: Call, given: VnicOptions, argument: str) -> None:
    given.prefix = _octets(call, argument)


def _octets(call: Call, text: str) -> bytes:
    if not _OCTETS.fullmatch(text):
        call.terminal.die("invalid MAC address")
    return bytes(int(group, 16) for group in text.split(":"))


def _slot(call: Call, given: VnicOptions, argument: str) -> None:
    slot = number(argument)
    if slot is None or not 0 < slot < 1 << 31:
        call.terminal.die("invalid slot number")
    given.slot = slot


def _vid(call: Call, given: VnicOptions, argument: str) -> None:
    if given.vid:
        call.terminal.die_twice("v")
    vid = number(argument)
    if vid is None or not 1 <= vid <= VID_MAX:
        call.terminal.die(f"invalid VLAN identifier '{argument}'")
    given.vid = vid


def _vrid(call: Call, given: VnicOptions, argument: str) -> None:
    vrid = number(argument)
    if vrid is None or not 1 <= vrid <= VRID_MAX:
        call.terminal.die(f"invalid VRRP identifier '{argument}'")
    given.vrid = vrid


def _family(call: Call, given: VnicOptions, argument: str) -> None:
    if argument not in FAMILIES:
        call.terminal.die(f"invalid address family '{argument}'")
    given.af = FAMILIES[argument]


_TAKERS: Final[dict[str, Callable[[Call, VnicOptions, str], None]]] = {
    "t": _temporary,
    "f": _force,
    "R": _root,
    "l": _over,
    "m": _address,
    "n": _slot,
    "p": _property,
    "r": _prefix,
    "v": _vid,
    "V": _vrid,
    "A": _family,
}
