"""`allow-all-dhcp-cids`: whether dhcp-nospoof lets every DHCP client id through."""

from __future__ import annotations

from typing import Final

from dladm.libdladm.propvalue.choice import Choice

CHOICE: Final = Choice({"false": False, "true": True})

names = CHOICE.names
parse = CHOICE.parse
format = CHOICE.format  # noqa: A001
