"""`tagmode`: whether priority-tagged frames of VLAN 0 leave with their tag (normal) or without (vlanonly)."""

from __future__ import annotations

from typing import Final

from dladm.libdladm.propvalue.choice import Choice
from kernel_sim.sys.mac_flow import TagMode

CHOICE: Final = Choice({"normal": TagMode.NORMAL, "vlanonly": TagMode.VLANONLY})

names = CHOICE.names
parse = CHOICE.parse
format = CHOICE.format  # noqa: A001
