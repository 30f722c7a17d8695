"""Link-layer addresses as text: one or two hexadecimal digits a byte, colons between them, of any length."""

from __future__ import annotations

import re
from typing import Final

_ADDRESS: Final = re.compile(r"[0-9A-Fa-f]{1,2}(?::[0-9A-Fa-f]{1,2})*", re.ASCII)


def aton(text: str) -> bytes | None:
    """The bytes of an address; None for a text that is none."""
    return bytes(int(byte, 16) for byte in text.split(":")) if _ADDRESS.fullmatch(text) else None


def ntoa(address: bytes) -> str:
    """Lower case, without leading zeros."""
    return ":".join(f"{byte:x}" for byte in address)
