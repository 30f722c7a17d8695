"""Ioctls of this project on /dev/dld, under a module id that illumos does not use.

They stand for what illumos does with upcalls: dlmgmtd pushes names down instead of being asked, and follows the physical
interfaces of the machine, which illumos learns from its device tree.
"""

from __future__ import annotations

from typing import Final

ES_MODID: Final = 0x6573
ES_NAME_SET: Final = 0x65730001
"""Argument `EsNameSet`; privileged. Give a link id its name, class and zone, or change them."""
ES_NAME_CLEAR: Final = 0x65730002
"""Argument `EsNameClear`; privileged. Forget a link id."""
ES_PHYS_LIST: Final = 0x65730003
"""No argument; answers `EsPhysList`."""
ES_PHYS_WAIT: Final = 0x65730004
"""Argument and answer `EsPhysWait`: parks until the generation differs from the one given."""
ES_LINK_LIST: Final = 0x65730005
"""Argument and answer `EsLinkList`: the names that were pushed, in pages."""

ES_LINK_LIST_MAX: Final = 200
"""Most links one ES_LINK_LIST answers."""
ZONENAME_MAX: Final = 64
"""Bytes of a zone name with its NUL."""
