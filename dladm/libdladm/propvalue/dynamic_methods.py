"""`dynamic-methods`: how a guest may come by addresses that are not in allowed-ips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dladm.libdladm.propvalue.choice import Mask
from kernel_sim.sys.mac_flow import DynamicMethod

_SHOWN: Final = Mask({"dhcpv4": DynamicMethod.DHCPV4, "dhcpv6": DynamicMethod.DHCPV6, "slaac": DynamicMethod.SLAAC})
MASK: Final = Mask(
    {
        "dhcpv4": DynamicMethod.DHCPV4,
        "dhcpv6": DynamicMethod.DHCPV6,
        "slaac": DynamicMethod.SLAAC,
        "addrconf": DynamicMethod.SLAAC | DynamicMethod.DHCPV6,
    }
)

names = MASK.names


def parse(values: Sequence[str]) -> DynamicMethod:
    """`addrconf` stands for slaac and dhcpv6. Errors: `DladmError` BADVAL for an unknown word, BADVALCNT for no value."""
    return MASK.parse(values)


def format(methods: DynamicMethod) -> tuple[str, ...]:  # noqa: A001
    """One word a method; `addrconf` is shown as its two."""
    return _SHOWN.format(methods)
