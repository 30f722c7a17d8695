"""The syntaxes of the other link properties: a table each, of what a command line says and what the kernel is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from dladm.libdladm.propvalue import (
    allow_all_dhcp_cids,
    autopush,
    cpus,
    forward,
    maxbw,
    mtu,
    pool,
    priority,
    promisc_filtered,
    protection,
    rings,
    secondary_macs,
    tagmode,
    zone,
)
from dladm.libdladm.propvalue.autopush import Autopush
from dladm.libdladm.propvalue.rings import HARDWARE, SOFTWARE, Rings
from dladm.libdladm.status import DladmError, Status
from kernel_sim.sys.mac_flow import MacPriority, MacProtect, TagMode


def outcome(parse: Callable[[Sequence[str]], object], text: str) -> object:
    """What the values between the commas of a text give: a value or a status."""
    try:
        return parse(text.split(",") if text else [])
    except DladmError as refused:
        return refused.status


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("50", 50_000_000),
        ("50M", 50_000_000),
        ("50m", 50_000_000),
        ("1200K", 1_200_000),
        ("1200k", 1_200_000),
        ("1199K", Status.MINMAXBW),
        ("1M", Status.MINMAXBW),
        ("1", Status.MINMAXBW),
        ("2", 2_000_000),
        ("1G", 1_000_000_000),
        ("10g", 10_000_000_000),
        ("0", 0),
        ("0K", 0),
        ("007", 7_000_000),
        ("+7", 7_000_000),
        ("-7", Status.BADVAL),
        ("50%", Status.NOTSUP),
        ("50x", Status.BADVAL),
        ("50Mb", Status.BADARG),
        ("50 M", Status.BADARG),
        ("1.5G", Status.BADARG),
        ("0x10", Status.BADARG),
        ("K", Status.BADARG),
        ("junk", Status.BADARG),
        ("18446744073G", 18_446_744_073_000_000_000),
        ("18446744074G", Status.BADARG),
        ("9223372036854775807", Status.BADARG),
        ("9223372036854775808", Status.BADVAL),
        ("18446744073709551616", Status.BADARG),
        ("10,20", Status.BADVALCNT),
        ("", Status.BADVALCNT),
    ],
)
def test_maxbw_is_a_number_and_a_unit(text: str, expected: int | Status) -> None:
    assert outcome(maxbw.parse, text) == expected


@pytest.mark.parametrize(
    ("rate", "shown"),
    [
        (0, "    0"),
        (1_200_000, "    1.200"),
        (2_000_000, "    2"),
        (50_000_000, "   50"),
        (100_000_000, "  100"),
        (10_030_000, "   10.030"),
        (431_000, "    0.431"),
        (123_456_000_000, "123456"),
    ],
)
def test_maxbw_is_shown_in_mbit_right_aligned_in_five(rate: int, shown: str) -> None:
    assert maxbw.format(rate) == (shown,)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1400", 1400),
        ("0x578", 1400),
        ("0X578", 1400),
        ("02570", 1400),
        (" 1400", 1400),
        ("+1400", 1400),
        ("-1", 4294967295),
        ("4294967296", 4294967295),
        ("0", 0),
        ("junk", 0),
        ("-", 0),
        ("x1400", 0),
        ("1400x", Status.BADARG),
        ("1400 ", Status.BADARG),
        ("14.5", Status.BADARG),
        ("08", Status.BADARG),
        ("0x", Status.BADARG),
        ("1400,1500", Status.BADVAL),
        ("", Status.BADVAL),
    ],
)
@pytest.mark.fact("DLM-Q17")
def test_mtu_is_an_integer_of_c_and_junk_reads_as_none(text: str, expected: int | Status) -> None:
    assert outcome(mtu.parse, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hw", HARDWARE),
        ("HW", HARDWARE),
        ("hwfoo", HARDWARE),
        ("sw", SOFTWARE),
        ("Sw", SOFTWARE),
        ("4", Rings(4)),
        ("0x10", Rings(16)),
        ("010", Rings(8)),
        ("0", Status.BADVAL),
        ("4x", Status.BADVAL),
        ("h", Status.BADVAL),
        ("junk", Status.BADVAL),
        ("4294967296", Status.BADVAL),
        ("4,5", Status.BADVAL),
        ("", Status.BADVAL),
    ],
)
def test_rings_are_hardware_software_or_a_number(text: str, expected: Rings | Status) -> None:
    assert outcome(rings.parse, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", (0,)),
        ("0,2,1", (0, 2, 1)),
        ("2-4", (2, 3, 4)),
        ("7,2-4", (7, 2, 3, 4)),
        ("5-5", (5,)),
        ("00", (0,)),
        ("0-127", tuple(range(128))),
        ("0-128", Status.TOOMANYELEMENTS),
        ("0-63,64-128", Status.TOOMANYELEMENTS),
        ("0-999999999", Status.TOOMANYELEMENTS),
        ("1,1", Status.BADVAL),
        ("1-3,2", Status.BADVAL),
        ("4-2", Status.BADRANGE),
        ("4-", Status.BADRANGE),
        ("-4", Status.BADRANGE),
        ("1-2-3", Status.BADRANGE),
        ("x", Status.BADRANGE),
        ("1x", Status.BADRANGE),
        ("0x1", Status.BADRANGE),
        ("1-2x", Status.BADRANGE),
        (" 1", Status.BADRANGE),
        ("4294967296", Status.BADRANGE),
        ("0-128,x", Status.BADRANGE),
        ("", Status.BADVALCNT),
    ],
)
def test_cpus_are_numbers_and_ranges(text: str, expected: tuple[int, ...] | Status) -> None:
    assert outcome(cpus.parse, text) == expected


@pytest.mark.parametrize(("text", "expected"), [("0-1", (0, 1)), ("2", Status.BADCPUID), ("2,2", Status.BADCPUID)])
def test_cpus_that_the_machine_does_not_have_are_refused(text: str, expected: tuple[int, ...] | Status) -> None:
    assert outcome(lambda values: cpus.parse(values, present=2), text) == expected


def test_cpus_are_shown_rising_and_drawn_together() -> None:
    assert cpus.format((4, 0, 3, 2, 7)) == ("0", "2-4", "7")
    assert cpus.format((0, 1)) == ("0-1",)
    assert cpus.format(()) == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ip", Autopush(("ip",))),
        ("ip.tcp", Autopush(("ip", "tcp"))),
        ("ip tcp", Autopush(("ip", "tcp"))),
        ("ip.[anchor].tcp", Autopush(("ip", "tcp"), 1)),
        ("ip.tcp.[ANCHOR]", Autopush(("ip", "tcp"), 2)),
        (".ip..tcp.", Autopush(("ip", "tcp"))),
        (".", Autopush()),
        ("a.b.c.d.e.f.g.h", Autopush(tuple("abcdefgh"))),
        ("a.b.c.d.e.f.g.h.[anchor]", Autopush(tuple("abcdefgh"), 8)),
        ("a.b.c.d.e.f.g.h.i", Status.BADVALCNT),
        ("eightlet", Autopush(("eightlet",))),
        ("nineletts", Status.BADVAL),
        ("[anchor].ip", Status.BADVAL),
        ("ip.[anchor].tcp.[anchor]", Status.BADVAL),
        ("ip,tcp", Status.BADVALCNT),
        ("", Status.BADVALCNT),
    ],
)
def test_autopush_is_modules_and_an_anchor(text: str, expected: Autopush | Status) -> None:
    assert outcome(autopush.parse, text) == expected


def test_autopush_is_shown_as_one_text() -> None:
    assert autopush.format(Autopush(("ip", "tcp"), 1)) == ("ip.[anchor].tcp",)
    assert autopush.format(Autopush(("ip", "tcp"), 2)) == ("ip.tcp.[anchor]",)
    assert autopush.format(Autopush(("ip",))) == ("ip",)
    assert autopush.format(Autopush()) == ()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2:8:20:a:b:c", (bytes.fromhex("0208200a0b0c"),)),
        ("02:08:20:0A:0B:0C", (bytes.fromhex("0208200a0b0c"),)),
        ("2:8:20:a:b:c,2:8:20:a:b:d", (bytes.fromhex("0208200a0b0c"), bytes.fromhex("0208200a0b0d"))),
        (",".join(f"2:8:20:0:0:{n:x}" for n in range(31)), tuple(bytes((2, 8, 32, 0, 0, n)) for n in range(31))),
        (",".join(f"2:8:20:0:0:{n:x}" for n in range(32)), Status.BADVALCNT),
        (",".join(["junk"] * 32), Status.BADVALCNT),
        ("junk", Status.MACADDRINVAL),
        ("2:8:20:a:b:", Status.MACADDRINVAL),
        ("2-8-20-a-b-c", Status.MACADDRINVAL),
        ("2:8:20:a:b:ccc", Status.MACADDRINVAL),
        ("2:8:20:a:b:c junk", Status.MACADDRINVAL),
        ("2:8:20:a:b", Status.INVALIDMACADDRLEN),
        ("2:8:20:a:b:c:d", Status.INVALIDMACADDRLEN),
    ],
)
def test_secondary_macs_are_at_most_31_addresses(text: str, expected: tuple[bytes, ...] | Status) -> None:
    assert outcome(secondary_macs.parse, text) == expected


def test_secondary_macs_are_shown_in_short_form() -> None:
    assert secondary_macs.format((bytes.fromhex("0208200a0b0c"), bytes(6))) == ("2:8:20:a:b:c", "0:0:0:0:0:0")


CHOICES: dict[str, tuple[Any, dict[str, object]]] = {
    "priority": (priority, {"low": MacPriority.LOW, "medium": MacPriority.MEDIUM, "high": MacPriority.HIGH}),
    "tagmode": (tagmode, {"normal": TagMode.NORMAL, "vlanonly": TagMode.VLANONLY}),
    "promisc-filtered": (promisc_filtered, {"off": False, "on": True}),
    "allow-all-dhcp-cids": (allow_all_dhcp_cids, {"false": False, "true": True}),
    "forward": (forward, {"1": True, "0": False}),
    "protection": (
        protection,
        {
            "mac-nospoof": MacProtect.MACNOSPOOF,
            "restricted": MacProtect.RESTRICTED,
            "ip-nospoof": MacProtect.IPNOSPOOF,
            "dhcp-nospoof": MacProtect.DHCPNOSPOOF,
        },
    ),
}


@pytest.mark.parametrize("name", CHOICES)
def test_a_word_of_a_list_is_taken_in_any_case_and_shown_as_the_list_has_it(name: str) -> None:
    syntax, words = CHOICES[name]
    assert syntax.names == tuple(words)
    for word, value in words.items():
        assert syntax.parse([word]) == syntax.parse([word.upper()]) == syntax.parse([word.title()]) == value
        assert syntax.format(value) == (word,)


@pytest.mark.parametrize("name", CHOICES)
def test_what_is_not_in_the_list_is_a_bad_value(name: str) -> None:
    syntax, words = CHOICES[name]
    first = next(iter(words))
    for junk in ("x", f"{first}x", f" {first}", f"{first} ", "--", "2", f"{first},x"):
        assert outcome(syntax.parse, junk) == Status.BADVAL
    assert outcome(syntax.parse, "") == Status.BADVALCNT


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("priority", Status.BADVAL),
        ("tagmode", Status.BADVALCNT),
        ("promisc-filtered", Status.BADVALCNT),
        ("allow-all-dhcp-cids", Status.BADVALCNT),
        ("forward", Status.BADVALCNT),
    ],
)
def test_of_most_lists_only_one_word_may_be_given(name: str, status: Status) -> None:
    syntax, words = CHOICES[name]
    assert outcome(syntax.parse, ",".join(words)) == status


def test_types_of_protection_add_up_in_any_order() -> None:
    both = MacProtect.MACNOSPOOF | MacProtect.IPNOSPOOF
    assert protection.parse(["ip-nospoof", "mac-nospoof", "ip-nospoof"]) == both
    assert protection.format(both) == ("mac-nospoof", "ip-nospoof")
    assert protection.format(MacProtect.NONE) == ()


@pytest.mark.parametrize(("text", "expected"), [("global", ""), ("web", "web"), ("a,b", Status.BADVALCNT)])
def test_a_zone_is_a_name_and_global_the_host(text: str, expected: str | Status) -> None:
    assert outcome(zone.parse, text) == expected


def test_the_host_itself_is_no_zone_to_show() -> None:
    assert (zone.format("web"), zone.format("")) == (("web",), ())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pool_default", "pool_default"),
        ("x" * 1023, "x" * 1023),
        ("x" * 1024, Status.BADVAL),
        ("a,b", Status.BADVALCNT),
        ("", Status.BADVALCNT),
    ],
)
def test_a_pool_is_one_name(text: str, expected: str | Status) -> None:
    assert outcome(pool.parse, text) == expected


def test_a_link_without_a_pool_shows_none() -> None:
    assert (pool.format("web"), pool.format("")) == (("web",), ())
