"""A VNIC's or etherstub's line in datalink.conf (DLM 6.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from dladm.libdladm.status import DladmError, Status
from kernel_sim.sys.ethernet import ETHERADDRL, format_mac, parse_mac
from kernel_sim.sys.vnic import VNIC_NO_SLOT, VnicMacAddrType

if TYPE_CHECKING:
    from dladm.dlmgmtd.client import ConfValue

PREFIX: Final = bytes((0x02, 0x08, 0x20))
"""First bytes of a random address, unless others are asked for."""

_OVER: Final = "linkover"
_TYPE: Final = "maddrtype"
_VRID: Final = "vrid"
_AF: Final = "vraf"
_LENGTH: Final = "maddrlen"
_SLOT: Final = "maddrslot"
_PREFIX_LENGTH: Final = "maddrpreflen"
_ADDRESS: Final = "macaddr"
_VID: Final = "vid"
_OWN: Final = frozenset({_OVER, _TYPE, _VRID, _AF, _LENGTH, _SLOT, _PREFIX_LENGTH, _ADDRESS, _VID})


@dataclass(slots=True, frozen=True)
class VnicConf:
    """What is stored: the name of the link below (empty: an etherstub), the address and where it came from, the VLAN id.

    `properties` are the link properties, in the order they were given.
    """

    over: str
    address: bytes
    address_type: VnicMacAddrType
    slot: int = VNIC_NO_SLOT
    prefix_length: int = len(PREFIX)
    vid: int = 0
    vrid: int = 0
    af: int = 0
    properties: Mapping[str, str] = field(default_factory=dict)


def to_line(conf: VnicConf) -> dict[str, ConfValue]:
    """The attributes of the line, in the original's order; those with their usual value are left out."""
    from dladm.dlmgmtd.client import ConfValue

    number, text = ConfValue.of_int, ConfValue.of_string
    attributes = {
        _OVER: text(conf.over),
        _TYPE: number(conf.address_type),
        _VRID: number(conf.vrid),
        _AF: number(conf.af),
        _LENGTH: number(len(conf.address)),
        _SLOT: number(conf.slot),
        _PREFIX_LENGTH: number(conf.prefix_length),
        _ADDRESS: text(format_mac(conf.address)),
        _VID: number(conf.vid),
    }
    usual = {_OVER: "", _LENGTH: str(ETHERADDRL), _SLOT: str(VNIC_NO_SLOT), _PREFIX_LENGTH: str(len(PREFIX)), _VID: "0"}
    kept = {key: value for key, value in attributes.items() if value.text != usual.get(key)}
    return kept | {key: text(value) for key, value in conf.properties.items()}


def from_line(attributes: Mapping[str, ConfValue]) -> VnicConf:
    """Read the attributes back. Errors: `DladmError` FAILED for a line that is no VNIC's."""
    texts = {key: value.text for key, value in attributes.items()}
    try:
        return VnicConf(
            over=texts.get(_OVER, ""),
            address=parse_mac(texts[_ADDRESS]),
            address_type=VnicMacAddrType(int(texts[_TYPE])),
            slot=int(texts.get(_SLOT, VNIC_NO_SLOT)),
            prefix_length=int(texts.get(_PREFIX_LENGTH, len(PREFIX))),
            vid=int(texts.get(_VID, 0)),
            vrid=int(texts.get(_VRID, 0)),
            af=int(texts.get(_AF, 0)),
            properties={key: value for key, value in texts.items() if key not in _OWN},
        )
    except (KeyError, ValueError) as error:
        raise DladmError(Status.FAILED) from error
