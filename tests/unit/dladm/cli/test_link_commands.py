"""show-link (DLM 5.5, 7.4)."""

from __future__ import annotations

from typing import Any

import pytest

from kernel_sim.sys.dld import DLDIOC_GETMACPROP
from kernel_sim.sys.errno import Errno, KernelError


def lines(*texts: str) -> str:
    return "".join(f"dladm: {text}\n" for text in texts)


@pytest.fixture
def links(host: Any) -> Any:
    host.demo(name="sdc_overlay7957669")
    host.ok("create-vnic -l sdc_overlay7957669 foo0")
    host.ok("create-etherstub -t stub0")
    return host


# ---------------------------------------------------------------------- show-link


def test_golden_show_link(links: Any) -> None:
    expected = (
        "LINK        CLASS     MTU    STATE    BRIDGE     OVER\n"
        "sdc_overlay7957669 overlay 1400 up    --         --\n"
        "foo0        vnic      1400   up       --         sdc_overlay7957669\n"
        "stub0       etherstub 9000   up       --         --\n"
    )
    assert links.ok("show-link") == expected
    assert links.ok() == expected


def test_golden_stored_links(host: Any) -> None:
    host.demo(name="ov0")
    host.ok("create-vnic -l ov0 vnic0")
    host.ok("create-vnic -t -l ov0 vnic1")
    assert host.ok("show-link -P") == (
        "LINK        CLASS     BRIDGE     OVER\n"
        "ov0         overlay   --         --\n"
        "vnic0       vnic      --         ov0\n"
    )


def test_physical_links_are_shown_and_are_active_only(host: Any) -> None:
    host.add_phys("net0")
    assert host.ok("show-link -p -o link,class,mtu,state,bridge,over") == "net0:phys:1500:up::\n"
    assert host.ok("show-link -P") == ""


def test_one_link(links: Any) -> None:
    assert links.ok("show-link -p -o mtu stub0") == "9000\n"
    assert links.ok("show-link -P -p -o link foo0") == "foo0\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("nope0", "link nope0 is not valid: object not found"),
        ("-P stub0", "link stub0 is a temporary link: invalid argument"),
        ("foo0", "link foo0 is temporarily removed: invalid argument"),
        ("-p", "-p requires -o"),
        ("-p -o ALL", '"-o all" is invalid with -p'),
        ("-p -o link,x", "unknown output field: `x'"),
        ("-i 2", "the option -i can be used only with -s"),
        ("-s -i 0", "invalid interval value '0'"),
        ("-s -i x", "invalid interval value 'x'"),
        ("-s -P", "the option -P cannot be used with -s"),
        ("-p -p -o link", "the option -p cannot be specified more than once"),
        ("-P --persistent", "the option -P cannot be specified more than once"),
        ("-s -s", "the option -s cannot be specified more than once"),
        ("-s -i 1 -i 1", "the option -i cannot be specified more than once"),
        (f"l{'0' * 31}", "link name too long"),
    ],
)
def test_what_show_link_refuses(links: Any, words: str, message: str) -> None:
    links.ok("delete-vnic -t foo0")
    assert links.fails(f"show-link {words}") == lines(message)


def test_columns_of_the_other_mode_are_empty(links: Any) -> None:
    assert links.ok("show-link -P -o link,mtu,state foo0") == ("LINK        MTU    STATE\nfoo0        --     --\n")


def test_all_columns_are_those_of_the_mode(links: Any) -> None:
    assert links.ok("show-link -o ALL") == links.ok("show-link")
    assert links.ok("show-link -P -o all") == links.ok("show-link -P")


def test_the_zone_of_a_link_is_shown_on_request_only(links: Any) -> None:
    links.kernel.factory.zones.append("web")
    links.ok("set-linkprop -t -p zone=web foo0")
    assert links.ok("show-link -o link,zone") == (
        "LINK        ZONE\nsdc_overlay7957669 --\nfoo0        web\nstub0       --\n"
    )
    assert "ZONE" not in links.ok("show-link")


def test_two_operands_give_the_usage(links: Any) -> None:
    assert links.fails("show-link foo0 stub0").startswith("usage:  dladm")


def test_a_link_without_a_device_is_passed_over_unless_it_is_asked_for(links: Any) -> None:
    links.add_phys("gone0")
    assert "gone0" not in links.ok("show-link")
    assert links.fails("show-link gone0") == lines("failed to show link gone0: object not found")


def test_a_state_that_cannot_be_had_is_a_question_mark(links: Any) -> None:
    links.dld.refuse[DLDIOC_GETMACPROP] = Errno.ENOTSUP
    assert links.ok("show-link -p -o state stub0") == "?\n"


def test_the_link_below_may_have_lost_its_name(links: Any) -> None:
    del links.dlmgmt.links[1]
    assert links.ok("show-link -p -o over foo0") == "?\n"
    assert links.ok("show-link -P -p -o over foo0") == "sdc_overlay7957669\n"


def test_a_kernel_that_fails_in_the_middle_is_one_line(links: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: object) -> None:
        raise KernelError(Errno.ECONNRESET, "dlmgmt_door closed the connection")

    monkeypatch.setattr(type(links.dlmgmt), "walk", gone)
    assert links.fails("show-link") == lines("Connection reset by peer: dlmgmt_door closed the connection")
