"""`protection`: the types of link protection that are on."""

from __future__ import annotations

from typing import Final

from dladm.libdladm.propvalue.choice import Mask
from kernel_sim.sys.mac_flow import MacProtect

MASK: Final = Mask(
    {
        "mac-nospoof": MacProtect.MACNOSPOOF,
        "restricted": MacProtect.RESTRICTED,
        "ip-nospoof": MacProtect.IPNOSPOOF,
        "dhcp-nospoof": MacProtect.DHCPNOSPOOF,
    }
)

names = MASK.names
parse = MASK.parse
format = MASK.format  # noqa: A001
