"""The cache of active links, line by line (DLM 6.2). Pure.

    NAME <TAB> linkid=int,N;zone=string,ZONE;class=int,N;media=int,4; <NEWLINE>

It is for people and for the restarter; dlmgmtd itself learns from the kernel what is active. A change touches one line, so that a host
with many links answers as quickly as one with few.
"""

from __future__ import annotations

from typing import Final

from dladm.dlmgmtd.datalink_conf import format_line
from dladm.dlmgmtd.protocol import ConfValue, LinkInfo
from dladm.dlmgmtd.table import Change
from kernel_sim.sys.dld import DatalinkFlag

GLOBAL: Final = "global"
"""How the host itself is written where a zone is."""


def cache_line(link: LinkInfo) -> str:
    """The line of an active link, with its newline."""
    attributes = {
        "linkid": ConfValue.of_int(link.linkid),
        "zone": ConfValue.of_string(link.zone or GLOBAL),
        "class": ConfValue.of_int(link.link_class),
        "media": ConfValue.of_int(link.media),
    }
    return f"{format_line(link.name, attributes)}\n"


class ActiveCache:
    """The content of the cache: the lines of active links, by ascending id."""

    def __init__(self) -> None:
        self._lines: dict[int, str] = {}

    def apply(self, change: Change) -> bool:
        """Follow a change of the table; True when the content is another one now."""
        after = change.after
        line = cache_line(after) if after is not None and DatalinkFlag.ACTIVE in after.flags else None
        if line == self._lines.get(change.linkid):
            return False
        if line is None:
            del self._lines[change.linkid]
        else:
            self._lines[change.linkid] = line
        return True

    def render(self) -> bytes:
        """The file's bytes."""
        return "".join([self._lines[linkid] for linkid in sorted(self._lines)]).encode("utf-8", "surrogateescape")
