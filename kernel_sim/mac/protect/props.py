"""What may be configured, and the checks a kernel makes of it (KRN 6.14)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kernel_sim.ddi import V4_MAPPED_PREFIX
from kernel_sim.sys.codec import MacDhcpcid, MacIpaddr
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.mac_flow import MPT_MAXCID, MPT_MAXCIDLEN, MPT_MAXIPADDR, CidForm, DynamicMethod, MacProtect

IPV4_VERSION = 4
IPV6_VERSION = 6
IPV6_ADDR_LEN = 16

_PREFIX_MAX = {IPV4_VERSION: 32, IPV6_VERSION: 128}
_UNSPECIFIED = {
    IPV4_VERSION: (V4_MAPPED_PREFIX + bytes(4),),
    IPV6_VERSION: (bytes(IPV6_ADDR_LEN), V4_MAPPED_PREFIX + bytes(4)),
}


@dataclass(slots=True, frozen=True)
class ProtectProps:
    """The protection of a link: the types that are on, and what they allow.

    ipaddrs   `allowed-ips`; empty: none, and every dynamic method that `dynamic` does not exclude
    cids      `allowed-dhcp-cids`
    allcids   `allow-all-dhcp-cids`
    dynamic   `dynamic-methods`; NONE: all of them if `ipaddrs` is empty, else none
    """

    types: MacProtect = MacProtect.NONE
    ipaddrs: tuple[MacIpaddr, ...] = ()
    cids: tuple[MacDhcpcid, ...] = ()
    allcids: bool = False
    dynamic: DynamicMethod = DynamicMethod.NONE

    def allows(self, method: DynamicMethod) -> bool:
        """Addresses got in this way may be used: the mask names it, or there is neither a mask nor an allowed address (KRN-Q35)."""
        return bool(self.dynamic & method) if self.dynamic else not self.ipaddrs


def check_types(types: int, dynamic: int) -> None:
    """Errors: EINVAL for bits that are no type of protection, or no dynamic method."""
    for value, known, what in ((types, MacProtect, "type of protection"), (dynamic, DynamicMethod, "dynamic method")):
        every = sum(known)
        if value & ~every:
            raise KernelError(Errno.EINVAL, f"{value & ~every:#x} is no {what}; there are {every:#x}")


def check_ipaddrs(ipaddrs: Sequence[MacIpaddr]) -> None:
    """Errors: EINVAL more than 32; a version other than 4 and 6; prefix 0, or over 32 or 128; the unspecified address, for IPv6 also
    ::ffff:0.0.0.0; an address that is there twice in one version, whatever its prefix.

    Bits behind the prefix are not looked at: user land refuses them (KRN 6.14).
    """
    if len(ipaddrs) > MPT_MAXIPADDR:
        raise KernelError(Errno.EINVAL, f"{len(ipaddrs)} allowed addresses, at most {MPT_MAXIPADDR} fit")
    seen: dict[tuple[int, bytes], int] = {}
    for place, entry in enumerate(ipaddrs):
        longest = _PREFIX_MAX.get(entry.version)
        if longest is None:
            raise KernelError(Errno.EINVAL, f"allowed address {place}: IP version {entry.version}, not 4 or 6")
        if not 1 <= entry.netmask <= longest:
            detail = f"allowed address {place}: a prefix of {entry.netmask}, not 1..{longest}"
            raise KernelError(Errno.EINVAL, detail)
        address = V4_MAPPED_PREFIX + entry.address[12:] if entry.version == IPV4_VERSION else entry.address
        if address in _UNSPECIFIED[entry.version]:
            raise KernelError(Errno.EINVAL, f"allowed address {place}: the unspecified address")
        other = seen.setdefault((entry.version, address), place)
        if other != place:
            raise KernelError(Errno.EINVAL, f"allowed addresses {other} and {place} are the same")


def check_cids(cids: Sequence[MacDhcpcid]) -> None:
    """Errors: EINVAL more than 32; an id of over 256 bytes; a form that is none; an id that is there twice, in whatever form."""
    if len(cids) > MPT_MAXCID:
        raise KernelError(Errno.EINVAL, f"{len(cids)} allowed client ids, at most {MPT_MAXCID} fit")
    forms = tuple(CidForm)
    seen: dict[bytes, int] = {}
    for place, entry in enumerate(cids):
        if len(entry.cid) > MPT_MAXCIDLEN:
            detail = f"allowed client id {place}: {len(entry.cid)} bytes, at most {MPT_MAXCIDLEN} fit"
            raise KernelError(Errno.EINVAL, detail)
        if entry.form not in forms:
            raise KernelError(Errno.EINVAL, f"allowed client id {place}: form {entry.form} is not known")
        other = seen.setdefault(entry.cid, place)
        if other != place:
            raise KernelError(Errno.EINVAL, f"allowed client ids {other} and {place} are the same")
