"""ROOT/etc/inet/hosts of a lab's hosts."""

from __future__ import annotations

from collections.abc import Mapping

from etherspan.netvalues import Address


def render(names: Mapping[str, tuple[Address, ...]]) -> str:
    """The file's text: the loopback names, then one line for each address of each name."""
    lines = ["127.0.0.1\tlocalhost", "::1\tlocalhost"]
    lines += [f"{address}\t{name}" for name, addresses in names.items() for address in addresses]
    return "\n".join(lines) + "\n"
