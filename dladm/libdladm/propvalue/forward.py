"""`forward`: 1 or 0, whether a bridge may forward to this link."""

from __future__ import annotations

from typing import Final

from dladm.libdladm.propvalue.choice import Choice

CHOICE: Final = Choice({"1": True, "0": False})

names = CHOICE.names
parse = CHOICE.parse
format = CHOICE.format  # noqa: A001
