"""The MTU rules of overlays, VNICs and etherstubs, at their edges, for the moment and for good (DLM 5.6, KRN 6.11)."""

from __future__ import annotations

from typing import Any

import pytest


def cannot(status: str, link: str) -> str:
    return f"dladm: warning: cannot set link property 'mtu' on '{link}': {status}\n"


@pytest.fixture
def host(world_host: Any) -> Any:
    assert world_host.create().status == 0
    world_host.ok("create-etherstub stub0")
    return world_host


def mtu(host: Any, link: str, column: str = "value") -> str:
    return str(host.ok(f"show-linkprop -c -o {column} -p mtu {link}")).removesuffix("\n")


@pytest.mark.parametrize("flags", ["", "-t"])
@pytest.mark.parametrize(("link", "low", "high"), [("ov0", 576, 8900), ("stub0", 576, 9000)])
def test_the_range_of_an_overlay_and_of_an_etherstub(host: Any, link: str, low: int, high: int, flags: str) -> None:
    for good in (low, high):
        host.ok(f"set-linkprop {flags} -p mtu={good} {link}")
        assert mtu(host, link) == str(good)
    for bad in (low - 1, high + 1, 0, 1 << 32):
        assert host.fails(f"set-linkprop {flags} -p mtu={bad} {link}") == cannot("invalid argument", link)
    assert mtu(host, link) == str(high)
    assert mtu(host, link, "possible") == f"{low}-{high}"


@pytest.mark.parametrize("flags", ["", "-t"])
def test_a_vnic_stays_within_its_lower_link(host: Any, flags: str) -> None:
    host.ok(f"create-vnic {flags} -l ov0 v0")
    for good in (576, 1400):
        host.ok(f"set-linkprop {flags} -p mtu={good} v0")
        assert mtu(host, "v0") == str(good)
    for bad in (575, 1401):
        assert host.fails(f"set-linkprop {flags} -p mtu={bad} v0") == cannot("invalid argument", "v0")
    assert mtu(host, "v0") == "1400"


@pytest.mark.parametrize(("low", "lower"), [("ov0", 1400), ("stub0", 9000)])
def test_a_lower_link_goes_no_lower_than_its_largest_vnic(host: Any, low: str, lower: int) -> None:
    host.ok(f"create-vnic -l {low} v0")
    host.ok(f"create-vnic -l {low} v1")
    host.ok("set-linkprop -p mtu=1000 v0")
    host.ok("set-linkprop -p mtu=1300 v1")
    assert host.fails(f"set-linkprop -p mtu=1299 {low}") == cannot("link busy", low)
    assert mtu(host, low) == str(lower)
    host.ok(f"set-linkprop -p mtu=1300 {low}")
    host.ok("delete-vnic v1")
    assert host.fails(f"set-linkprop -p mtu=999 {low}") == cannot("link busy", low)
    host.ok(f"set-linkprop -p mtu=1000 {low}")


@pytest.mark.parametrize("low", ["ov0", "stub0"])
def test_busy_comes_before_out_of_range(host: Any, low: str) -> None:
    host.ok(f"create-vnic -l {low} v0")
    assert host.fails(f"set-linkprop -p mtu=100 {low}") == cannot("link busy", low)
    assert host.fails(f"set-linkprop -p mtu=1 {low}") == cannot("link busy", low)
    assert host.fails(f"set-linkprop -p mtu=junk {low}") == cannot("invalid argument", low)
    assert host.fails(f"set-linkprop -p mtu=9001 {low}") == cannot("invalid argument", low)


def test_raising_an_overlay_leaves_its_vnics_and_raises_what_they_may_be(host: Any) -> None:
    host.ok("create-vnic -l ov0 v0")
    host.ok("set-linkprop -p mtu=1500 ov0")
    assert (mtu(host, "v0"), mtu(host, "v0", "default"), mtu(host, "v0", "possible")) == ("1400", "1500", "576-1500")
    host.ok("create-vnic -l ov0 v1")
    assert mtu(host, "v1") == "1500"
    host.ok("reset-linkprop -p mtu v0")
    assert mtu(host, "v0") == "1500"


def test_an_overlay_s_mtu_is_one_value_for_both_commands(host: Any) -> None:
    host.ok("set-linkprop -p mtu=1300 ov0")
    assert host.ok("show-overlay -p -o property,value ov0").splitlines()[0] == "mtu:1300"
    assert host.ok("show-link -p -o mtu ov0") == "1300\n"
    assert mtu(host, "ov0", "default") == "1400"


@pytest.mark.fact("DLM-Q35")
def test_an_overlay_comes_back_with_its_mtu_before_a_vnic_asks_for_it(host: Any) -> None:
    host.ok("create-vnic -l ov0 v0")
    host.ok("set-linkprop -p mtu=0x5dc ov0")
    host.ok("set-linkprop -p mtu=1500 v0")
    host.inner.kill("kernel")
    assert (mtu(host, "ov0"), mtu(host, "v0")) == ("1500", "1500")


def test_an_mtu_for_the_moment_is_gone_after_a_reboot(host: Any) -> None:
    host.ok("set-linkprop -t -p mtu=1500 ov0")
    host.ok("set-linkprop -p mtu=1300 stub0")
    host.inner.kill("kernel")
    assert (mtu(host, "ov0"), mtu(host, "stub0")) == ("1400", "1300")


def test_a_vnic_is_made_with_an_mtu(host: Any) -> None:
    host.ok("create-vnic -l ov0 -p mtu=1300 v0")
    assert mtu(host, "v0") == "1300"
    assert host.fails("create-vnic -t -l ov0 -p mtu=1500 v1") == (
        "dladm: warning: failed to set property mtu: invalid argument\n"
        "dladm: vnic creation over ov0 failed: invalid argument\n"
    )
    assert host.ok("show-vnic -p -o link") == "v0\n"
