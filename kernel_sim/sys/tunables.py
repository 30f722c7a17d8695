"""Variables of the simulated kernel that ROOT/etc/system sets, and that a boot puts in force. Pure.

    * a comment
    set vxlan:vxlan_strict = 1
    set overlay:overlay_targets_max = 0x1000

Each is a defence that the original lacks, and off (0) unless it is set. What they do stands in SECURITY.md; how a line is written is the
original's, system(5).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

_LINE: Final = re.compile(
    r"set\s+(?:(?P<module>\w+):)?(?P<name>\w+)\s*=\s*(?P<value>0[xX][0-9a-fA-F]+|[0-9]+)", re.ASCII
)
VALUE_MAX: Final = 2**32 - 1


@dataclass(slots=True, frozen=True)
class Tunables:
    """What the variables are: 0 or 1 where the type is bool, else a number, with 0 for no limit."""

    vxlan_strict: bool = False
    """A header with a reserved bit set is dropped (RFC 7348 lets receivers ignore them, and so does the original, KRN-Q23)."""
    overlay_source_filter: bool = False
    """A datagram is taken only from an address that the overlay's search plugin has named."""
    overlay_mac_check: bool = False
    """A frame from the wire is dropped when its source is the MAC address of a VNIC of this host on that overlay."""
    overlay_targets_max: int = 0
    """Entries of an overlay's target cache; the oldest makes room for a new one."""
    overlay_lookup_rate: int = 0
    """Lookups a second that an overlay may ask of varpd; frames that would lead to more are dropped."""


MODULES: Final = {name: name.partition("_")[0] for name in Tunables.__dataclass_fields__}
"""The module of each variable."""


def _number(text: str) -> int:
    return int(text, 16 if text[:2] in ("0x", "0X") else 10)


def read_system(text: str) -> tuple[Tunables, list[str]]:
    """What a file sets, and what is wrong with it, a complaint for each bad line; all good lines count, the later for the earlier."""
    found = Tunables()
    complaints: list[str] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("*"):
            continue
        matched = _LINE.fullmatch(line)
        if matched is None:
            complaints.append(f"line {number}: '{line}' is not read; write 'set module:variable = number'")
            continue
        module, name, value = matched["module"] or "", matched["name"], _number(matched["value"])
        if MODULES.get(name) != module:
            known = ", ".join(f"{where}:{what}" for what, where in MODULES.items())
            complaints.append(
                f"line {number}: sorry, variable '{name}' is not defined in the '{module}' module; there are: {known}"
            )
        elif isinstance(getattr(found, name), bool) and value > 1:
            complaints.append(f"line {number}: {module}:{name} is 0 or 1, not {value}")
        elif value > VALUE_MAX:
            complaints.append(f"line {number}: {module}:{name} is at most {VALUE_MAX}, not {value}")
        else:
            found = replace(found, **{name: type(getattr(found, name))(value)})
    return found, complaints
