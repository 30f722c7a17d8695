"""IP addresses as text, as inet_pton and inet_ntop of illumos read and write them.

They are strict about the form (a dotted quad has four decimal numbers) and take any number of leading zeros, which many other
readers refuse. A zone (`%net0`) is not part of an address.
"""

from __future__ import annotations

import re
from itertools import groupby
from typing import Final

IPV4_SIZE: Final = 4
IPV6_SIZE: Final = 16
V4_MAPPED: Final = bytes(10) + b"\xff\xff"
"""What stands before an IPv4 address in the room of an IPv6 one."""

_DECIMAL: Final = re.compile(r"0*([0-9]{1,3})", re.ASCII)
_GROUP: Final = re.compile(r"0*([0-9A-Fa-f]{1,4})", re.ASCII)
_GROUPS: Final = 8


def pton4(text: str) -> bytes | None:
    """Four bytes from a dotted quad; None for anything else."""
    parts = [_DECIMAL.fullmatch(part) for part in text.split(".")]
    numbers = [int(part[1]) for part in parts if part is not None]
    if len(parts) != IPV4_SIZE or len(numbers) != IPV4_SIZE or max(numbers) > 255:
        return None
    return bytes(numbers)


def pton6(text: str) -> bytes | None:
    """Sixteen bytes from any form of RFC 4291 section 2.2; None for anything else. `::` stands for one group of zeros at least."""
    head, gap, tail = text.partition("::")
    front = _groups(head, quad_at_end=not gap)
    back = _groups(tail, quad_at_end=True)
    if front is None or back is None:
        return None
    missing = IPV6_SIZE - len(front) - len(back)
    if missing < 2 if gap else missing:
        return None
    return front + bytes(missing) + back


def _groups(text: str, *, quad_at_end: bool) -> bytes | None:
    """The bytes of groups with colons between, none of an empty text."""
    if not text:
        return b""
    groups = text.split(":")
    quad = pton4(groups[-1]) if quad_at_end and "." in groups[-1] else None
    if quad is not None:
        groups.pop()
    found = [_GROUP.fullmatch(group) for group in groups]
    if len(found) > _GROUPS or None in found:
        return None
    return b"".join(int(group[1], 16).to_bytes(2) for group in found if group) + (quad or b"")


def ntop4(address: bytes) -> str:
    """A dotted quad."""
    return ".".join(map(str, address))


def ntop6(address: bytes) -> str:
    """Lower case, the first of the longest runs of two zero groups or more as `::`, mapped and compatible addresses with a dotted quad."""
    words = [int.from_bytes(address[i : i + 2]) for i in range(0, IPV6_SIZE, 2)]
    runs = [list(run) for zero, run in groupby(range(_GROUPS), lambda i: words[i] == 0) if zero]
    longest = max(runs, key=len, default=[])
    if len(longest) < 2:
        return ":".join(f"{word:x}" for word in words)
    start, end = longest[0], longest[-1] + 1
    if start == 0 and (end == 6 or (end == 5 and words[5] == 0xFFFF)):
        return ("::" if end == 6 else "::ffff:") + ntop4(address[12:])
    return ":".join(f"{word:x}" for word in words[:start]) + "::" + ":".join(f"{word:x}" for word in words[end:])
