"""Resource properties as values: what is accepted, and what a change leaves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kernel_sim.mac import resource
from kernel_sim.mac.protect.props import ProtectProps
from kernel_sim.sys.codec import MacDhcpcid, MacIpaddr, MacResourceProps
from kernel_sim.sys.errno import Errno, KernelError
from kernel_sim.sys.mac_flow import (
    MPT_RESET,
    MRP_MAXBW_MINVAL,
    MRP_MAXBW_RESETVAL,
    CidForm,
    DynamicMethod,
    MacPriority,
    MacProtect,
    MrpMask,
)

MAPPED = bytes(10) + b"\xff\xff"


def v4(text: str, prefix: int = 32) -> MacIpaddr:
    return MacIpaddr(4, MAPPED + bytes(int(part) for part in text.split(".")), prefix)


def v6(address: bytes, prefix: int = 128) -> MacIpaddr:
    return MacIpaddr(6, address, prefix)


def bandwidth(rate: int) -> MacResourceProps:
    return MacResourceProps(mask=MrpMask.MAXBW, maxbw=rate)


def priority(level: int) -> MacResourceProps:
    return MacResourceProps(mask=MrpMask.PRIORITY, priority=level)


def cpus(*numbers: int, mask: int = 0, mode: int = 0) -> MacResourceProps:
    return MacResourceProps(mask=MrpMask.CPUS | mask, cpus=numbers, fanout_mode=mode)


def protect(**parts: object) -> MacResourceProps:
    return MacResourceProps(mask=MrpMask.PROTECT, **parts)  # type: ignore[arg-type]


# ---------------------------------------------------------------------- what is accepted


@pytest.mark.parametrize(
    "wanted",
    [
        bandwidth(0),
        bandwidth(MRP_MAXBW_MINVAL),
        bandwidth(MRP_MAXBW_RESETVAL),
        *(priority(level) for level in MacPriority),
        cpus(),
        cpus(*range(128)),
        cpus(3, 1, mode=2),
        protect(types=MPT_RESET, ipaddrs=None, cids=None, allcids=MPT_RESET, dynamic=MPT_RESET),
        protect(types=15, dynamic=7, allcids=1),
        protect(ipaddrs=tuple(v4(f"10.0.0.{n}") for n in range(1, 33))),
        protect(cids=tuple(MacDhcpcid(bytes([n])) for n in range(32))),
        MacResourceProps(mask=MrpMask.POOL, pool="web"),
        MacResourceProps(maxbw=1, priority=9, types=0x10, nrxrings=4),
    ],
)
def test_it_is_accepted(wanted: MacResourceProps) -> None:
    resource.check(wanted)


@pytest.mark.parametrize(
    "wanted",
    [
        bandwidth(1),
        bandwidth(MRP_MAXBW_MINVAL - 1),
        priority(-1),
        priority(4),
        cpus(1, 2, 1),
        cpus(1, mode=3),
        protect(types=0x10),
        protect(types=MPT_RESET - 1),
        protect(dynamic=8),
        protect(ipaddrs=(v4("10.0.0.1", 0),)),
        protect(ipaddrs=(v4("0.0.0.0"),)),
        protect(ipaddrs=(v4("10.0.0.1", 33),)),
        protect(ipaddrs=(v6(bytes(16)),)),
        protect(ipaddrs=(v6(MAPPED + bytes(4)),)),
        protect(ipaddrs=(v6(b"\xfd" + bytes(15), 129),)),
        protect(ipaddrs=(v4("10.0.0.1"), v4("10.0.0.1", 24))),
        protect(ipaddrs=(MacIpaddr(5, MAPPED + b"\x0a\0\0\1", 32),)),
        protect(cids=(MacDhcpcid(b"a"), MacDhcpcid(b"a", CidForm.STR))),
        protect(cids=(MacDhcpcid(b"a", 4),)),
        MacResourceProps(mask=MrpMask.RX_RINGS, nrxrings=1),
        MacResourceProps(mask=MrpMask.TX_RINGS | MrpMask.RINGS_RESET),
    ],
)
def test_it_is_einval(wanted: MacResourceProps) -> None:
    with pytest.raises(KernelError) as error:
        resource.check(wanted)
    assert error.value.errno is Errno.EINVAL


# ---------------------------------------------------------------------- what a change leaves


def after(*changes: MacResourceProps) -> MacResourceProps:
    props = resource.DEFAULTS
    for change in changes:
        props = resource.merge(props, change)
    return props


def test_what_the_mask_does_not_name_stays() -> None:
    whole = MacResourceProps(
        mask=MrpMask.NONE, maxbw=5_000_000, priority=MacPriority.LOW, cpus=(1,), types=1, ipaddrs=(v4("10.0.0.1"),)
    )
    assert after(replace(whole, pool="web")) == resource.DEFAULTS


def test_a_bandwidth_limit_comes_and_goes_and_0_is_one() -> None:
    assert (after().mask, resource.bandwidth(after())) == (0, None)
    limited = after(bandwidth(5_000_000))
    assert (limited.mask, resource.bandwidth(limited)) == (MrpMask.MAXBW, 5_000_000)
    assert resource.bandwidth(after(bandwidth(5_000_000), bandwidth(0))) == 0
    assert after(bandwidth(5_000_000), bandwidth(MRP_MAXBW_RESETVAL)) == resource.DEFAULTS


def test_the_priority_of_a_link_is_high_until_it_is_set_and_after_a_reset() -> None:
    assert after().priority == MacPriority.HIGH
    assert after(priority(MacPriority.LOW)) == replace(
        resource.DEFAULTS, mask=MrpMask.PRIORITY, priority=MacPriority.LOW
    )
    assert after(priority(MacPriority.LOW), priority(MacPriority.RESET)) == resource.DEFAULTS


def test_cpus_and_a_pool_are_kept_until_an_empty_list_or_name_takes_them_away() -> None:
    chosen = after(cpus(2, 0, mask=MrpMask.CPUS_USERSPEC, mode=2))
    assert (chosen.mask, chosen.cpus, chosen.fanout_mode) == (MrpMask.CPUS | MrpMask.CPUS_USERSPEC, (2, 0), 2)
    assert after(cpus(2, 0, mask=MrpMask.CPUS_USERSPEC), cpus()) == resource.DEFAULTS
    pooled = after(MacResourceProps(mask=MrpMask.POOL, pool="web"))
    assert (pooled.mask, pooled.pool) == (MrpMask.POOL, "web")
    assert after(pooled, MacResourceProps(mask=MrpMask.POOL)) == resource.DEFAULTS


def test_what_is_in_effect_of_cpus_and_pool_is_what_was_asked_for_and_nothing_else_is_told() -> None:
    props = after(cpus(1), MacResourceProps(mask=MrpMask.POOL, pool="web"), bandwidth(5_000_000), protect(types=1))
    assert resource.effective(props) == replace(
        resource.DEFAULTS, mask=MrpMask.CPUS | MrpMask.POOL, cpus=(1,), pool="web"
    )


def test_the_empty_parts_of_link_protection_stay_as_they_are() -> None:
    cid = MacDhcpcid(b"id", CidForm.STR)
    props = after(
        protect(types=MacProtect.MACNOSPOOF | MacProtect.IPNOSPOOF),
        protect(ipaddrs=(v4("10.0.0.1"),)),
        protect(cids=(cid,)),
        protect(dynamic=DynamicMethod.SLAAC),
        protect(allcids=1),
    )
    assert resource.protection(props) == ProtectProps(
        MacProtect.MACNOSPOOF | MacProtect.IPNOSPOOF,
        (v4("10.0.0.1"),),
        (cid,),
        allcids=True,
        dynamic=DynamicMethod.SLAAC,
    )
    assert props.mask == MrpMask.PROTECT
    replaced = after(props, protect(types=MacProtect.RESTRICTED, ipaddrs=(v4("10.0.0.2"),)))
    assert (replaced.types, replaced.ipaddrs) == (MacProtect.RESTRICTED, (v4("10.0.0.2"),))


@pytest.mark.parametrize(
    ("reset", "left"),
    [
        (protect(types=MPT_RESET), {"mask": 0, "types": 0}),
        (protect(ipaddrs=None), {"ipaddrs": ()}),
        (protect(cids=None), {"cids": ()}),
        (protect(allcids=MPT_RESET), {"allcids": 0}),
        (protect(dynamic=MPT_RESET), {"dynamic": 0}),
    ],
)
def test_each_part_of_link_protection_is_taken_away_by_itself(reset: MacResourceProps, left: dict[str, object]) -> None:
    whole = after(protect(types=15, ipaddrs=(v4("10.0.0.1"),), cids=(MacDhcpcid(b"id"),), allcids=1, dynamic=7))
    assert after(whole, reset) == replace(whole, **left)  # type: ignore[arg-type]
