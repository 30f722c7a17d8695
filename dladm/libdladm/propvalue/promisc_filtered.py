"""`promisc-filtered`: whether a promiscuous VNIC sees its own frames only (on) or all of the lower link's (off)."""

from __future__ import annotations

from typing import Final

from dladm.libdladm.propvalue.choice import Choice

CHOICE: Final = Choice({"off": False, "on": True})

names = CHOICE.names
parse = CHOICE.parse
format = CHOICE.format  # noqa: A001
