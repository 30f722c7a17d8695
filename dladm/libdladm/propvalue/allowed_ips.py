"""`allowed-ips`: the addresses that a link may send from, hosts or networks: `ADDRESS[/PREFIX]`, at most 32.

The address is a dotted quad or any form of IPv6; without a prefix it is a host (/32, /128). A prefix is a decimal number of at least 1 and
leaves no host bits set. The unspecified addresses `0.0.0.0`, `::` and `::ffff:0.0.0.0` are refused: senders may always use them while they
have none. An IPv4-mapped IPv6 address stays IPv6. The same address twice is refused, whatever the prefixes.

The prefix is part of what is set and stored (DLM-Q41).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from dladm.libdladm.propvalue._ipaddr import V4_MAPPED, ntop4, ntop6, pton4, pton6
from dladm.libdladm.status import DladmError, Status
from kernel_sim.sys.codec import MacIpaddr
from kernel_sim.sys.mac_flow import MPT_MAXIPADDR

IPV4: Final = 4
IPV6: Final = 6
_BITS: Final = {IPV4: 32, IPV6: 128}
_UNSPECIFIED: Final = (bytes(16), V4_MAPPED + bytes(4))
_PREFIX: Final = re.compile(r"0*([0-9]{1,3})", re.ASCII)


def parse(values: Sequence[str]) -> tuple[MacIpaddr, ...]:
    """The entries in the order given.

    Errors: `DladmError`: BADVALCNT for more than 32 values; INVALID_IP for a value that may not be; BADARG for a duplicate, which in the
    original is the kernel's answer.
    """
    if len(values) > MPT_MAXIPADDR:
        raise DladmError(Status.BADVALCNT)
    entries = tuple(map(_entry, values))
    if len({(entry.version, entry.address) for entry in entries}) < len(entries):
        raise DladmError(Status.BADARG)
    return entries


def format(entries: Sequence[MacIpaddr]) -> tuple[str, ...]:  # noqa: A001
    """`ADDRESS/PREFIX`, the prefix always there."""
    return tuple(f"{_text(entry)}/{entry.netmask}" for entry in entries)


def _entry(value: str) -> MacIpaddr:
    text, slash, suffix = value.partition("/")
    version, address = _address(text)
    bits = _BITS[version]
    prefix = _prefix(suffix) if slash else bits
    host_bits = int.from_bytes(address) & ((1 << max(0, bits - prefix)) - 1)
    if not 1 <= prefix <= bits or host_bits or address in _UNSPECIFIED:
        raise DladmError(Status.INVALID_IP)
    return MacIpaddr(version, address, prefix)


def _address(text: str) -> tuple[int, bytes]:
    """The family of an address, and its bytes in the room of an IPv6 one."""
    quad = pton4(text)
    if quad is not None:
        return IPV4, V4_MAPPED + quad
    address = pton6(text)
    if address is None:
        raise DladmError(Status.INVALID_IP)
    return IPV6, address


def _prefix(text: str) -> int:
    found = _PREFIX.fullmatch(text)
    if found is None:
        raise DladmError(Status.INVALID_IP)
    return int(found[1])


def _text(entry: MacIpaddr) -> str:
    return ntop4(entry.address[12:]) if entry.version == IPV4 else ntop6(entry.address)
